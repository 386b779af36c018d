-- Answers about past windows are kept on the disk; nothing else is.

local cache = require "pyroscope.source.server.cache"
local cli = require "spec.support.cli"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local world = require "spec.support.world"

describe("kept answers", function()
  local here, server, kept

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir -p " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world")
    kept = here .. "/cache"
  end)
  teardown(function()
    server:stop()
    cli.clean()
  end)

  -- How many requests a command made, and what it printed.
  local function asked(words, env)
    local list = { table.unpack(words) }
    table.move({ "--source", server.url, "--explain" }, 1, 3, #list + 1, list)
    local out, err, code = cli.run(list, { folder = here, env = env or { XDG_CACHE_HOME = kept } })
    assert.equal(0, code, err)
    local _, count = err:gsub("POST http", "")
    return count, out
  end

  local PAST = { "top", "checkout", "--from", "2025-11-20T14:00:00Z", "--to", "2025-11-20T15:00:00Z" }

  it("of past windows come without a request the next time, and are the same", function()
    local first, shown = asked(PAST)
    assert.is_true(first >= 2)
    local second, again = asked(PAST)
    assert.equal(0, second)
    assert.equal(shown, again)
    local other = { table.unpack(PAST) }
    other[#other] = "2025-11-20T14:59:00Z"
    assert.is_true((asked(other)) >= 2)
  end)

  it("are asked again with --no-cache, and in Lua unless cache = true", function()
    asked(PAST)
    local list = { table.unpack(PAST) }
    list[#list + 1] = "--no-cache"
    assert.is_true((asked(list)) >= 2)
    local client <close> = assert(pyroscope.connect { url = server.url })
    client.explain = true
    for _ = 1, 2 do
      assert(client:label_values("pod", { from = 1763647200, to = 1763650800 })) end
    assert.equal(2, #client:log())
  end)

  it("are of windows that ended ten minutes ago, and of no error", function()
    local client = { options = { cache = true }, base = "http://x", access = {} }
    local now = require "pyroscope.timespec".now()
    local function place(method, to) return (cache.place(client, method, { ["end"] = to }, "body")) end
    assert.is_nil(place("SelectSeries", now))
    assert.is_nil(place("SelectSeries", now - 599000))
    assert.is_string(place("SelectSeries", now - 601000))
    assert.is_nil(place("GetProfileStats", now - 601000))
    assert.is_nil(place("SelectSeries", nil))
    local before = io.popen("ls " .. kept .. "/pyroscope | wc -l"):read "n"
    cli.run({ "top", "checkout", "--source", server.url .. "/@500", "--from", "2025-11-20T14:00:00Z",
      "--to", "2025-11-20T15:00:00Z" }, { folder = here, env = { XDG_CACHE_HOME = kept } })
    assert.equal(before, io.popen("ls " .. kept .. "/pyroscope | wc -l"):read "n")
  end)

  it("differ by address, tenant, data source, method and request", function()
    local seen = {}
    for _, client in ipairs {
      { options = { cache = true }, base = "http://x", access = {} },
      { options = { cache = true }, base = "http://y", access = {} },
      { options = { cache = true }, base = "http://x", access = { tenant = "a" } },
      { options = { cache = true }, base = "http://x", access = {}, datasource = { uid = "u" } },
      { options = { cache = true }, base = "http://x", access = {}, json = true } } do
      for _, method in ipairs { "SelectSeries", "Series" } do
        for _, body in ipairs { "a", "b" } do
          local path = cache.place(client, method, { ["end"] = 1 }, body)
          assert.is_nil(seen[path])
          seen[path] = true
        end
      end
    end
  end)

  it("lie in a folder of mode 700, for their owner alone, without a credential", function()
    asked(PAST)
    local function mode(path)
      local pipe = assert(io.popen("stat -c %a " .. path))
      local text = pipe:read "l"
      pipe:close()
      return text
    end
    assert.equal("700", mode(kept .. "/pyroscope"))
    local pipe = assert(io.popen("stat -c %a " .. kept .. "/pyroscope/* | sort -u"))
    assert.equal("600\n", pipe:read "a")
    pipe:close()
  end)

  it("that are damaged or another question's are not used", function()
    assert.is_nil(cache.read(kept .. "/none", "key", "body"))
    local path = here .. "/damaged"
    local file = assert(io.open(path, "w"))
    file:write "key\n5\nother\nbytes"
    file:close()
    assert.is_nil(cache.read(path, "key", "body"))
    assert.equal("bytes", cache.read(path, "key", "other"))
    assert(os.execute(("for f in %s/pyroscope/*; do truncate -s -1 $f; done"):format(kept)))
    assert.is_true((asked(PAST)) >= 1) -- a cut answer is asked for again
  end)

  it("hold the services that completion offers, without asking anybody", function()
    local file = assert(io.open(here .. "/config.toml", "w"))
    file:write(('[pyroscope.deployments.prod]\nurl = "%s/"\n'):format(server.url))
    file:close()
    local env = { XDG_CACHE_HOME = kept, PYROSCOPE_CONFIG = here .. "/config.toml" }
    local function complete()
      return (cli.run({ "__complete", "top", "prod/" }, { folder = here, env = env }))
    end
    assert.is_nil(complete():find "checkout")
    cli.run({ "services", "prod", "--from", "2025-11-20T14:00:00Z", "--to", "2025-11-20T15:00:00Z" },
      { folder = here, env = env })
    assert.matches("prod/checkout", complete())
  end)
end)
