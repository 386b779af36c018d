-- What `pscope doctor` says of servers of every age and storage, of refusals, and of clocks.

local cjson = require "cjson"
local cli = require "spec.support.cli"
local clock = require "pyroscope.source.server.clock"
local process = require "spec.support.process"
local world = require "spec.support.world"

local ALL = "annotations call_site dot exemplars go_pgo heatmap limit list_windows pprof_format "
  .. "profile_ids span_profile stats trace_ids tree"

describe("pscope doctor", function()
  local here

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir -p " .. here .. "/world"))
    world.write(here .. "/world")
  end)
  teardown(function() cli.clean() end)

  local function start(...)
    return process.start("spec/support/querier.lua", here .. "/world", ...)
  end

  local function write(name, text)
    local file = assert(io.open(here .. "/" .. name, "w"))
    file:write(text)
    file:close()
    assert(os.execute(("chmod 600 '%s/%s'"):format(here, name)))
  end

  -- The screen with what differs between runs taken out.
  local function screen(words, options)
    options = options or {}
    options.folder = here
    local out, err, code = cli.run(words, options)
    out = out:gsub("127%.0%.0%.1:%d+", "SERVER"):gsub("answered in     %d+ ms", "answered in     N ms")
    return out:gsub("  can             ([^\n]*)", function(names)
      return "  can             " .. (names == ALL and "ALL" or names)
    end), code, err
  end

  local function features_of(url)
    local out = cli.run({ "doctor", url, "--json" }, { folder = here })
    local row = cjson.decode(out).rows[1]
    return table.concat(row.features, " "), table.concat(row.missing, " "), row
  end

  it("says where a deployment is, who we are there and where that was set (AX-03, AX-06)", function()
    local server <close> = start("--bearer", "s3cret-of-the-gateway", "--version", "2.2.1", "--ahead",
      "0")
    write("token", "s3cret-of-the-gateway\n")
    write("config.toml", ('[pyroscope.deployments.prod]\nurl = "%s"\ntoken_file = "token"\n'):format(
      server.url))
    local out, code, err = screen { "doctor", "--config", "config.toml" }
    assert.equal([[
prod  ok
  url             http://SERVER
  from            config.toml line 2 [pyroscope.deployments.prod]
  authentication  bearer token from config.toml line 3 [pyroscope.deployments.prod]
  answered in     N ms
  version         2.2.1
  storage         v2
  can             ALL
  clock           agrees
  services        0 in the last hour
  data            2025-11-20 13:00 UTC to 2025-11-20 14:00 UTC
  warning         no service sent profiles in the last hour
]], out)
    assert.equal("", err)
    assert.equal(0, code)
  end)

  it("says which credential the environment gave, and that it was refused (AX-03)", function()
    local server <close> = start("--bearer", "s3cret-of-the-gateway")
    local out, code = screen({ "doctor" }, { env = { PYROSCOPE_URL = server.url,
      PYROSCOPE_TOKEN = "another-t0ken-that-is-old" } })
    assert.equal([[
SERVER  failed
  url             http://SERVER
  from            environment PYROSCOPE_URL
  authentication  bearer token from environment PYROSCOPE_TOKEN
  error           auth: the server refuses the credentials (HTTP 401): 401 Authorization Required
  hint            is the token still valid, and is it meant for this address?
]], out)
    assert.equal(3, code)
  end)

  it("asks all deployments at the same time and combines their codes", function()
    local good <close> = start()
    local slow = {}
    for i = 1, 4 do
      slow[i] = ('[pyroscope.deployments.slow%d]\nurl = "%s/@never"\ntimeout = 1\n'):format(i,
        good.url)
    end
    write("many.toml", ('[pyroscope.deployments.good]\nurl = "%s"\n'
      .. '[pyroscope.deployments.refused]\nurl = "%s/@401"\n%s'):format(good.url, good.url,
        table.concat(slow)))
    local began = os.time()
    local out, _, code = cli.run({ "doctor", "--config", "many.toml" }, { folder = here })
    assert.is_true(os.time() - began < 4, "one after the other")
    assert.equal(3, code) -- a refusal counts more than a server that is away
    assert.matches("good  ok", out)
    assert.matches("refused  failed", out)
    for i = 1, 4 do assert.matches("slow" .. i .. "  failed", out) end
    _, _, code = cli.run({ "doctor", "good", "slow1", "--config", "many.toml" }, { folder = here })
    assert.equal(7, code)
    _, _, code = cli.run({ "doctor", "good", "--config", "many.toml" }, { folder = here })
    assert.equal(0, code)
  end)

  it("tells what servers of every version can, by their version", function()
    for _, case in ipairs {
      { "1.0.0", "v1", "" }, { "1.2.0", "v1", "list_windows span_profile" },
      { "1.6.2", "v1", "call_site list_windows span_profile stats" },
      { "1.7.1", "v1", "call_site go_pgo list_windows span_profile stats tree" },
      { "1.18.0", "v1", "annotations call_site go_pgo limit list_windows span_profile stats tree" },
      { "2.1.0", "dual", "annotations call_site exemplars go_pgo heatmap limit list_windows "
        .. "profile_ids span_profile stats tree" },
      { "2.2.1", "v1", "annotations call_site go_pgo limit list_windows pprof_format span_profile "
        .. "stats tree" },
      { "2.2.1", "dual", (ALL:gsub("dot ", "")) }, { "2.2.1", "v2", ALL } } do
      local server <close> = start("--version", case[1], "--mode", case[2])
      local can, cannot, row = features_of(server.url)
      assert.equal(case[3], can, case[1] .. " " .. case[2])
      local _, count = (can .. " " .. cannot):gsub("%S+", "")
      assert.equal(14, count)
      assert.equal(case[2], row.storage)
      assert.equal(case[1], row.version)
    end
  end)

  it("tells it by the answers where a server does not say its version", function()
    for mode, expected in pairs { v2 = ALL, dual = (ALL:gsub("dot ", "")),
      v1 = "annotations call_site go_pgo limit list_windows pprof_format span_profile stats tree" } do
      local server <close> = start("--mode", mode, "--version", "")
      local can, _, row = features_of(server.url)
      assert.is_nil(row.version)
      assert.equal(expected, can, mode)
    end
  end)

  it("warns that the first versions ignore the window of lists", function()
    local server <close> = start("--version", "1.1.0", "--mode", "v1")
    local _, _, row = features_of(server.url)
    assert.matches("before version 1.2 the window of lists", table.concat(row.warnings))
  end)

  it("sees a clock that is wrong, either way", function()
    for ahead, expected in pairs { ["120"] = "%+[12]m", ["-7200"] = "%-[12]h" } do
      local server <close> = start("--ahead", ahead)
      local out = cli.run({ "doctor", server.url }, { folder = here })
      assert.matches("clock +differs by " .. expected, out)
      assert.matches("warning +the server's clock differs", out)
      local _, _, row = features_of(server.url)
      assert.is_true(math.abs(row.clock_skew_ms - 1000 * ahead) < 3000)
    end
    local server <close> = start() -- sends no Date
    local out = cli.run({ "doctor", server.url }, { folder = here })
    assert.is_nil(out:find "clock")
  end)

  it("says when a tenant is needed (S-18)", function()
    local server <close> = start("--tenant", "team-a")
    local out, code = screen { "doctor", server.url }
    assert.equal(3, code)
    assert.matches("no org id", out)
    assert.matches("hint +the server has several tenants: name one with %-%-tenant", out)
    assert.equal(0, select(2, screen { "doctor", server.url, "--tenant", "team-a" }))
  end)
end)

describe("the clock of a server", function()
  it("is read from HTTP dates alone", function()
    assert.equal(784111777, clock.date "Sun, 06 Nov 1994 08:49:37 GMT")
    assert.equal(1709164800, clock.date "Thu, 29 Feb 2024 00:00:00 GMT")
    for _, text in ipairs { "", "yesterday", "Sun, 06 Foo 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 CET" } do
      assert.is_nil(clock.date(text))
    end
  end)

  it("is as far away as the answers leave no doubt about", function()
    local date = { date = "Sun, 06 Nov 1994 08:49:37 GMT" }
    local now = 784111777000
    assert.equal(0, clock.skew(clock.narrow(nil, date, now + 100, now + 900)))
    assert.equal(0, clock.skew(clock.narrow(nil, date, now - 400, now + 5000)))
    assert.equal(-4001, clock.skew(clock.narrow(nil, date, now + 5000, now + 6000)))
    assert.equal(4000, clock.skew(clock.narrow(nil, date, now - 5000, now - 4000)))
    local known = clock.narrow(nil, date, now - 10000, now - 2000)
    assert.equal(3000, clock.skew(clock.narrow(known, date, now - 3500, now - 3000)))
    assert.equal(known, clock.narrow(known, { date = date.date, age = "100" }, 0, 0))
    assert.is_nil(clock.skew(clock.narrow(nil, {}, 0, 0)))
  end)
end)

describe("a question that an old server would not take as it is meant", function()
  local here
  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir -p " .. here .. "/world"))
    world.write(here .. "/world")
  end)
  teardown(function() cli.clean() end)

  local WINDOW = { "--from", "2025-11-20T14:00:00Z", "--to", "2025-11-20T15:00:00Z" }
  local ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

  local function ask(version, mode, ...)
    local server <close> = process.start("spec/support/querier.lua", here .. "/world", "--version",
      version, "--mode", mode)
    local words = { ... }
    table.move(WINDOW, 1, 4, #words + 1, words)
    words[#words + 1], words[#words + 2] = "--source", server.url
    return cli.run(words, { folder = here })
  end

  it("is refused, with the version that does", function()
    for _, case in ipairs {
      { "1.0.0", "v1", "1.2", "top", "checkout", "--span-id", "0000000000000001" },
      { "1.6.0", "v1", "1.7", "export", "checkout", "--pgo", "--out", here .. "/x.pb.gz" },
      { "1.0.0", "v1", "1.7", "export", "checkout", "--pgo", "--out", here .. "/x.pb.gz" },
      { "1.16.0", "v1", "1.19", "top", "checkout", "--profile-id", ID },
      { "2.2.1", "v1", "1.19", "top", "checkout", "--profile-id", ID },
      { "2.1.0", "v2", "2.2", "top", "checkout", "--trace-id", ("0"):rep(31) .. "1" },
      { "1.16.0", "v1", "1.17", "exemplars", "checkout" } } do
      local out, err, code = ask(case[1], case[2], table.unpack(case, 4))
      local what = ("%s %s %s"):format(case[1], case[2], table.concat(case, " ", 4))
      assert.equal(1, code, what .. "\n" .. out .. err)
      assert.equal("", out)
      assert.matches("version " .. case[3]:gsub("%.", "%%."), err)
    end
  end)

  it("is answered where the version suffices", function()
    for _, case in ipairs {
      { "1.7.0", "v1", "top", "checkout", "--max-nodes", "100" },
      { "1.0.0", "v1", "top", "checkout", "--max-nodes", "100" },
      { "1.0.0", "v1", "series", "checkout", "--group-by", "pod" },
      { "2.2.1", "v2", "exemplars", "checkout" } } do
      local _, err, code = ask(case[1], case[2], table.unpack(case, 3))
      assert.equal(0, code, table.concat(case, " ") .. "\n" .. err)
    end
  end)

  it("is told from a wrong address by asking what every version has", function()
    local server <close> = process.start("spec/support/querier.lua", here .. "/world", "--version",
      "1.4.0", "--mode", "v1")
    local _, err, code = cli.run({ "stats", server.url }, { folder = here })
    assert.equal(1, code)
    assert.matches("this server has no GetProfileStats.*it came with version 1%.5", err)
    _, err, code = cli.run({ "stats", server.url .. "/elsewhere" }, { folder = here })
    assert.equal(7, code)
    assert.matches("there is no Pyroscope at", err)
  end)
end)
