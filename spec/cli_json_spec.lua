local cli = require "spec.support.cli"
local process = require "spec.support.process"
local world = require "spec.support.world"
local writer = require "spec.support.pprof_writer"

local SAMPLE = "examples/data/cpu-hotspot"

describe("every --json answer", function()
  local here, server
  local documents = {}

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world " .. here .. "/hostile"))
    world.write(here .. "/world")
    local file = assert(io.open(here .. "/hostile/x.pb", "wb"))
    file:write(writer.pprof { types = { { "cpu", "nanoseconds" } }, time_ms = world.noon,
      duration_ms = 1000, samples = {
        { stack = { { 'quote"\\', "a\nb.go", 3 }, "\27[31m" }, values = { math.maxinteger // 4 },
          labels = { ["la\"bel"] = "va\27lue" } },
        { stack = { "\xff\xfe", "日本" }, values = { 1 } }, { stack = {}, values = { 5 } } } })
    file:close()
    server = process.start("spec/support/querier.lua", here .. "/world")
  end)

  teardown(function()
    server:stop()
    cli.clean()
  end)

  local function collect(words, options, expected)
    options = options or {}
    options.folder = options.folder or here
    local out, err, code = cli.run(words, options)
    assert.equal(expected or 0, code, table.concat(words, " ") .. "\n" .. out .. err)
    assert.matches("^{", out)
    local path = ("%s/%03d.json"):format(here, #documents + 1)
    local file = assert(io.open(path, "w"))
    file:write(out)
    file:close()
    documents[#documents + 1] = path
    return out
  end

  local function split(line)
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    words[#words + 1] = "--json"
    return words
  end

  it("is printed by every command that has one, of stores", function()
    for _, source in ipairs { "./world", "./hostile/x.pb" } do
      for _, line in ipairs { "services", "types", "labels", "labels --cardinality",
        "labels --series", "top", "top -n 0 --cum", "top --group file", "top --focus .",
        "tree", "tree --invert", "traces", "series", "stats", "doctor", "top --budget 4000" } do
        collect(split((line:gsub("^(%S+)", "%1 " .. source))))
      end
    end
    collect(split "labels ./world pod")
    collect(split "exemplars profile ./world -n 5")
    collect(split "versions ./world")
    collect(split "version")
    collect(split "capture ./world --since 1h --out ./kept")
    collect(split "capture ./hostile/x.pb --out ./kept-hostile")
    collect(split "discover ./world")
    collect(split "top ./world --type memory")
    collect(split "top ./world --type memory --sum")
    collect(split "top ./world --max-nodes 20")
    collect(split "series ./world --group-by version --step 30m")
    collect(split "series ./world --group-by version --top")
    collect(split "series ./world --type memory")
    collect(split "recipes")
    collect(split "recipes cpu")
    collect(split "investigate cpu ./world --plan")
    collect(split "peek runtime.mallocgc ./world")
    collect(split "list price ./world")
    collect(split "list checkout/price.go ./world")
    collect(split "diff ./world -2h -1h -1h now")
    collect(split "diff ./world -2h -1h -1h now --mode share")
    collect(split "diff ./world -2h -1h -1h now --cum --bounds -n 0")
    collect(split "diff ./world --before version=2.40.3 --after version=2.41.0")
    collect(split "diff ./world -2h -1h -1h now --tree -n 9")
    collect(split "diff ./world -2h -1h -1h now --group file")
    collect(split "diff ./hostile/x.pb ./hostile/x.pb")
  end)

  it("is printed by every command that has one, of servers", function()
    local from = " --from 2025-11-20T14:00:00Z --to 2025-11-20T15:00:00Z"
    for _, line in ipairs { "services URL", "types URL", "labels URL", "labels URL version",
      "top checkout --source URL", "top checkout --source URL --max-nodes 30",
      "exemplars profile checkout --source URL", "versions checkout --source URL",
      "link checkout --source URL", "link checkout --source URL --view diff",
      "top checkout --source URL --where never", "tree checkout --source URL",
      "traces checkout --source URL", "peek runtime.mallocgc checkout --source URL",
      "list price checkout --source URL", "series checkout --source URL --group-by pod" } do
      collect(split(line:gsub("URL", server.url) .. from))
    end
    collect(split("stats " .. server.url))
    collect(split("doctor " .. server.url))
    collect(split(("diff checkout --source %s --before 2025-11-20T13:00:00Z..2025-11-20T14:00:00Z "
      .. "--after 2025-11-20T14:00:00Z..2025-11-20T15:00:00Z"):format(server.url)))
  end)

  it("is printed by config and use, which ask nobody", function()
    local file = assert(io.open(here .. "/config.toml", "w"))
    file:write('[pyroscope]\ndefault = "prod"\n[pyroscope.deployments.prod]\n'
      .. 'url = "https://pyroscope.example.com"\ntoken = "glsa_0123456789abcdef"\n')
    file:close()
    assert(os.execute("chmod 600 " .. here .. "/config.toml"))
    collect(split "config list --config config.toml")
    collect(split "config show prod --config config.toml")
    collect(split "config path --config config.toml")
    collect(split("config init --config " .. here .. "/new/config.toml"))
    collect(split "use prod/checkout --config config.toml")
    collect(split "use")
    collect(split "use --forget")
  end)

  it("is an error object in place of an answer, with its exit code", function()
    collect(split "top --sinse 1h", nil, 2)
    collect(split "tpo", nil, 2)
    collect(split "top ./nothing.pb.gz", nil, 1)
    collect(split "top ./world --type nothing", nil, 2)
    collect(split "top ./world -q {a=b}", nil, 2)
    collect(split "top ./world -l version=9", nil, 6)
    collect(split "top checkout --source http://127.0.0.1:1", nil, 7)
    collect(split("top checkout --source " .. server.url .. "/@401"), nil, 3)
    collect(split("top checkout --source " .. server.url .. "/@html"), nil, 3)
    collect(split("doctor " .. server.url .. "/@403"), nil, 3)
    collect(split "top nobody/checkout", nil, 2)
    collect(split "top ./world --focus (", nil, 2)
  end)

  it("holds on the sample incident, for every type", function()
    local store = assert(require "pyroscope".open(SAMPLE))
    for _, row in ipairs(assert(store:profile_types {})) do
      collect({ "top", "./" .. SAMPLE .. "/", "--type", row.id, "--json" }, { folder = cli.root })
      collect({ "diff", "./" .. SAMPLE .. "/", "--before", "version=v41", "--after", "version=v42",
        "--type", row.id, "--json" }, { folder = cli.root })
    end
    store:close()
  end)

  it("validates against its JSON Schema", function()
    assert.is_true(#documents > 80)
    if not os.execute "python3 -c 'import jsonschema' 2>/dev/null" then
      pending "needs python3-jsonschema"
    end
    local command = "python3 spec/support/validate.py doc/schema " .. table.concat(documents, " ")
    local pipe = assert(io.popen(command .. " 2>&1"))
    local report = pipe:read "a"
    assert.is_truthy(pipe:close(), report)
    assert.matches(("^%d documents, 0 wrong"):format(#documents), report)
  end)

  it("is the same as the rows of jsonl and csv", function()
    local cjson = require "cjson"
    local whole = cjson.decode((cli.run({ "top", "./world", "-n", "9", "--json" },
      { folder = here })))
    local lines = {}
    for line in cli.run({ "top", "./world", "-n", "9", "-o", "jsonl" }, { folder = here })
        :gmatch "[^\n]+" do
      lines[#lines + 1] = cjson.decode(line)
    end
    assert.is_nil(lines[1].rows)
    for i, row in ipairs(whole.rows) do assert.same(row, lines[i + 1]) end
    local csv = cli.run({ "top", "./world", "-n", "9", "-o", "csv", "--fields", "name,self" },
      { folder = here })
    local expected = { "name,self" }
    for i, row in ipairs(whole.rows) do expected[i + 1] = row.name .. "," .. row.self end
    assert.equal(table.concat(expected, "\r\n") .. "\r\n", csv)
  end)

  it("says which fields there are, for every command with rows", function()
    local index = require "pyroscope.cli.index"
    for _, name in ipairs(index.names()) do
      local command = index.load(name)
      if command.columns then
        local out, _, code = cli.run { name, "--fields", "list" }
        assert.equal(0, code)
        for _, column in ipairs(command.columns) do assert.matches(column.name, out, 1, true) end
      end
    end
    local _, err, code = cli.run({ "top", "./world", "--fields", "nam" }, { folder = here })
    assert.equal(2, code)
    assert.matches("did you mean 'name'", err)
  end)
end)
