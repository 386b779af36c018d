-- The names of older scripts: what each asks on the wire, with its old arguments and defaults.

local cjson = require "cjson"
local cli = require "spec.support.cli"
local index = require "pyroscope.cli.index"
local process = require "spec.support.process"
local world = require "spec.support.world"

local function words(line)
  local list = {}
  for word in line:gmatch "%S+" do list[#list + 1] = word end
  return list
end

-- An old command line and ours, as the tables of help say.
local ROWS = {
  { "pyroscope-config", "config list -o names" },
  { "pyroscope-config prod", "config show prod" },
  { "config pyroscope prod", "config show prod" },
  { "config --list pyroscope", "config list -o names" },
  { "init --migrate", "config init --migrate" },
  { "discover-pyroscope prod dev", "discover prod dev --since 1h" },
  { "pyroscope-services prod", "services --source prod --since 1h -o names" },
  { "pyroscope-services prod 30m", "services --source prod --since 30m -o names" },
  { "pyroscope-profiles prod", "types --source prod --since 1h --listing" },
  { "pyroscope-labels prod", "labels --source prod --since 2h -o names" },
  { "pyroscope-labels prod pod --range 1h", "labels pod --source prod --since 1h -o names" },
  { "pyroscope-flamegraph prod axiom-db 30m",
    "top axiom-db --source prod --type cpu --max-nodes 16384 --since 30m --facts" },
  { "pyroscope-flamegraph prod axiom-db",
    "top axiom-db --source prod --type cpu --max-nodes 16384 --since 10m --facts" },
  { "pyroscope-flamegraph prod axiom-db 1h memory:inuse_space:bytes:space:bytes",
    "top axiom-db --source prod --type memory:inuse_space:bytes:space:bytes --max-nodes 16384 "
      .. "--since 1h --facts" },
  { "pyroscope-flamegraph prod axiom-db 1h mutex:delay:nanoseconds:contentions:count 999",
    "top axiom-db --source prod --type mutex:delay:nanoseconds:contentions:count --max-nodes 999 "
      .. "--since 1h --facts" },
  { "pyroscope-flamegraph prod axiom-db --label profile_id=x --json",
    "export axiom-db --source prod --type cpu --max-nodes 16384 --since 10m -l profile_id=x -o json" },
  { "pyroscope-flamegraph prod axiom-db --start -2h --end now --max-nodes 10",
    "top axiom-db --source prod --type cpu --max-nodes 10 --from -2h --to now --facts" },
  { "pyroscope-diff prod axiom-db -2h -1h -30m now",
    "diff axiom-db --source prod --type cpu -2h -1h -30m now --facts" },
  { "pyroscope-diff prod axiom-db --type memory --label pod=a 2h 1h 30m now",
    "diff axiom-db --source prod --type memory -l pod=a now-2h now-1h now-30m now --facts" },
  { "pyroscope-query prod LabelNames", "call LabelNames {} --source prod" },
  { "pyroscope-query prod LabelNames {\"start\":1}", "call LabelNames {\"start\":1} --source prod" },
  { "pyroscope-link prod cpu{} 2h diff", "link --source prod -q cpu{} --view diff --since 2h" },
  { "pyroscope-link prod cpu{} -2h,-1h", "link --source prod -q cpu{} --view single --from -2h --to -1h" },
  { "curl-auth pyroscope prod http://x/ready",
    "call http://x/ready --source prod --connect-timeout 10s --timeout 30s" },
  { "curl-auth pyroscope prod -X POST -d {} http://x/q",
    "call http://x/q {} --method POST --source prod --connect-timeout 10s --timeout 30s" },
}

describe("old names", function()
  it("are command lines of ours, row by row (AX-19, AX-21)", function()
      for _, row in ipairs(ROWS) do
        local list = words(row[1])
        local command, rest = index.translate(list[1], { table.unpack(list, 2) })
        assert.is_string(command, row[1])
        assert.equal(row[2], command .. " " .. table.concat(rest, " "), row[1])
      end
    end)

  it("say what is wrong with their arguments", function()
    for line, said in pairs {
      ["pyroscope-services"] = "which deployment", ["pyroscope-diff prod x -2h -1h"] = "four times",
      ["pyroscope-labels prod --rnage 1h"] = "did you mean '%-%-range'",
      ["pyroscope-flamegraph prod x --start -2h"] = "needs %-%-end",
      ["curl-auth pyroscope prod"] = "URL",
      ["curl-auth pyroscope prod --insecure http://x"] = "unknown option" } do
      local list = words(line)
      local command, err = index.translate(list[1], { table.unpack(list, 2) })
      assert.is_nil(command, line)
      assert.equal("usage", err.kind)
      assert.matches(said, err.message, line)
      assert.matches("usage: pscope " .. list[1]:gsub("%-", "%%-"), err.hint)
    end
  end)

  it("leave our own command lines alone", function()
    local command, rest = index.translate("config", { "show", "prod" })
    assert.equal("config show prod", command .. " " .. table.concat(rest, " "))
  end)
end)

describe("old names, as a person types them", function()
  local here, server
  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world")
    local file = assert(io.open(here .. "/config.toml", "w"))
    file:write(('[pyroscope.deployments.prod]\nurl = "%s"\ntoken = "t0ken-of-prod-1234"\n')
      :format(server.url))
    file:close()
    os.execute("chmod 600 " .. here .. "/config.toml")
  end)
  teardown(function()
    server:stop()
    cli.clean()
  end)

  local function run(line)
    return cli.run(words(line), { folder = here, env = { SRE_CONFIG = here .. "/config.toml" } })
  end
  local WINDOW = "--start 2025-11-20T14:00:00Z --end 2025-11-20T15:00:00Z"

  it("pyroscope-flamegraph lists by cost, below its facts (AX-01, AX-14, AX-17, AX-18, AX-22,"
    .. " W-AX-01)", function()
      local out, err, code = run("pyroscope-flamegraph prod checkout " .. WINDOW)
      assert.equal(0, code, err)
      assert.matches("^Deployment: prod\nService:    checkout\nProfile:    process_cpu:cpu:", out)
      assert.matches("\nTotal: .*\nMax self: .*\nFunctions:  %d+\nDepth:      %d+\n", out)
      local last
      for share in out:gmatch "\n +[%d.]+c +([%d.]+)%% +[%d.]+c" do
        assert.is_true(not last or tonumber(share) <= last)
        last = tonumber(share)
      end
      assert.is_number(last)
    end)

  it("pyroscope-flamegraph --json is the flame graph (AX-20)", function()
    local out, err, code = run("pyroscope-flamegraph prod checkout --json " .. WINDOW)
    assert.equal(0, code, err)
    local graph = cjson.decode(out).flamegraph
    assert.equal("total", graph.names[1])
    assert.is_table(graph.levels[1].values or graph.levels[1])
  end)

  it("pyroscope-diff says totals and what changed (AX-24)", function()
    local out, err, code = run("pyroscope-diff prod checkout 2025-11-20T13:00:00Z "
      .. "2025-11-20T14:00:00Z 2025-11-20T14:00:00Z 2025-11-20T15:00:00Z")
    assert.equal(0, code, err)
    assert.matches("A %(before%)", out)
    assert.matches("B %(after%)", out)
    -- 31.4 and 41.0 cores for an hour, in nanoseconds; then the table, the largest change first
    assert.matches("\nLeft ticks:  113040000000000 nanoseconds\nRight ticks: 147600000000000 "
      .. "nanoseconds\nFunctions:   1843\n\n", out)
    assert.matches("DELTA[^\n]*\n[^\n]*%+9%.4c  %+276%%[^\n]*json%.structEncoder%.encode", out)
  end)

  it("pyroscope-profiles has ids and their names, aligned (AX-12)", function()
    local out, err, code = run("types --source prod --listing --from 2025-11-20T14:00:00Z "
      .. "--to 2025-11-20T15:00:00Z")
    assert.equal(0, code, err)
    assert.equal("memory:inuse_space:bytes:space:bytes         memory/inuse_space\n"
      .. "process_cpu:cpu:nanoseconds:cpu:nanoseconds  process_cpu/cpu\n", out)
  end)

  it("curl-auth names ours for curl's options (AX-08)", function()
    for line, ours in pairs { ["-H a:b"] = "headers = ", ["--insecure"] = "ca_file",
      ["-u a"] = "username", ["-o x"] = "--out", ["-v"] = "--explain" } do
      local out, err, code = run(("curl-auth pyroscope prod %s %s/ready"):format(line, server.url))
      assert.equal(2, code, line)
      assert.equal("", out)
      assert.matches(ours, err, 1, true)
    end
  end)

  local function asked()
    local pipe = assert(io.popen("curl -s " .. server.url .. "/@log"))
    local list = cjson.decode(pipe:read "a")
    pipe:close()
    return list
  end

  it("ask about the window of the old ones, with the deployment's token (AX-11, AX-13, AX-15, AX-16)",
    function()
      asked()
      -- the world lies in the past: what is said about its absence tells the window
      for line, window in pairs { ["pyroscope-services prod"] = "1h",
        ["pyroscope-services prod 30m"] = "30m", ["pyroscope-profiles prod"] = "1h",
        ["pyroscope-labels prod"] = "2h", ["pyroscope-labels prod --range 1h30m"] = "1h30m",
        ["pyroscope-labels prod version"] = "2h", ["pyroscope-flamegraph prod checkout"] = "10m",
        ["pyroscope-flamegraph prod checkout 3h"] = "3h",
        ["pyroscope-flamegraph prod checkout --range 2d"] = "2d" } do
        local out, err, code = run(line)
        assert.equal(6, code, line)
        assert.equal("", out)
        assert.matches("UTC (" .. window .. ")", err, 1, true)
      end
      for _, request in ipairs(asked()) do
        assert.equal("Bearer t0ken-of-prod-1234", request.headers.authorization)
      end
    end)

  it("discover-pyroscope counts, lists ten and says how many more (AX-28)", function()
    local out = run "discover-pyroscope prod"
    assert.matches("^prod  0 services  %d+ ms\n$", out)
  end)

  it("pyroscope-link is an address of the same query, encoded (AX-27)", function()
    local out, err, code = cli.run({ "pyroscope-link", "prod",
      'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="checkout", pod=~"a.*&b"}',
      "2025-11-20T14:00:00Z,2025-11-20T15:00:00Z", "comparison" },
      { folder = here, env = { SRE_CONFIG = here .. "/config.toml" } })
    assert.equal(0, code, err)
    assert.equal(server.url .. "/comparison?query=process_cpu%3Acpu%3Ananoseconds%3Acpu"
      .. "%3Ananoseconds%7Bservice_name%3D%22checkout%22%2C%20pod%3D~%22a.%2A%26b%22%7D"
      .. "&from=1763647200000&until=1763650800000", (out:gsub("&leftQuery.*", "")))
  end)

  it("pyroscope-query and curl-auth give the raw answer, an error is an error (AX-08, AX-25)",
    function()
      local out, _, code = run 'pyroscope-query prod LabelNames {"start":"1763640000000","end":"1763650800000"}'
      assert.equal(0, code)
      assert.is_table(cjson.decode(out).names)
      _, _, code = run 'pyroscope-query prod SelectSeries {"start":"1","end":"0"}'
      assert.is_true(code ~= 0)
      out, _, code = run("curl-auth pyroscope prod " .. server.url .. "/ready")
      assert.equal(0, code)
      assert.matches("ready", out)
      out, _, code = run("curl-auth pyroscope prod -d {} " .. server.url
        .. "/querier.v1.QuerierService/GetProfileStats")
      assert.equal(0, code)
      assert.is_not_nil(cjson.decode(out).dataIngested)
      local _, err, other = run "curl-auth pyroscope prod http://elsewhere.example/x"
      assert.equal(2, other)
      assert.matches("not below", err)
      assert.is_nil(err:find "t0ken")
    end)

  it("pyroscope-config lists and shows, masked (AX-06, AX-10)", function()
    local out = run "pyroscope-config"
    assert.equal("prod\n", out)
    out = run "pyroscope-config prod"
    assert.matches("token", out)
    assert.is_nil(out:find("t0ken-of-prod-1234", 1, true))
    local _, err, code = run "pyroscope-config prdo"
    assert.equal(2, code)
    assert.matches("did you mean 'prod'", err)
  end)

  it("are in help (AX-29, AX-31, GCX-46)", function()
    assert.matches("pyroscope%-flamegraph <env> <service>", (cli.run { "help", "old-names" }))
    assert.matches("profiles exemplars", (cli.run { "help", "gcx" }))
    assert.matches("goroutine", (cli.run { "help", "types" }))
    assert.matches("2026%-11%-20T14:05:00Z", (cli.run { "help", "time" }))
    local _, err, code = cli.run { "adaptive" }
    assert.equal(2, code)
    assert.matches("no command 'adaptive'", err)
  end)
end)
