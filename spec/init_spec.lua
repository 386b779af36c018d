local core = require "pyroscope.core"
local pyroscope = require "pyroscope"
local writer = require "spec.support.pprof_writer"

local function in_another(code, interpreter)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(code)
  file:close()
  local pipe = assert(io.popen(("LUA_PATH='%s' LUA_CPATH='%s' %s %s 2>&1"):format(package.path,
    package.cpath, interpreter or "lua5.4", path)))
  local text = pipe:read "a"
  pipe:close()
  os.remove(path)
  return text
end

describe("require 'pyroscope'", function()
  it("loads nothing, reads nothing, sets no global", function()
    assert.equal("ok\n", in_another [[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      local open, getenv, popen = io.open, os.getenv, io.popen
      local touched
      io.open = function(...) touched = "io.open" return open(...) end
      os.getenv = function(...) touched = "os.getenv" return getenv(...) end
      io.popen = function(...) touched = "io.popen" return popen(...) end
      local loaded = {}
      for name in pairs(package.loaded) do loaded[name] = true end
      local pyroscope = require "pyroscope"
      for name in pairs(_G) do if not before[name] then print("global " .. name) end end
      for name in pairs(package.loaded) do
        if not loaded[name] and name ~= "pyroscope" then print("loaded " .. name) end
      end
      print(touched or "ok")]])
  end)

  it("tells its version, which stands in one place", function()
    local header = assert(io.open "src/base/version.h"):read "a"
    assert.equal(header:match '"(%d+%.%d+%.%d+)"', pyroscope._VERSION)
    assert.equal(core.version, pyroscope._VERSION)
  end)

  it("says a sentence under other Luas", function()
    local path = "lua/pyroscope/init.lua"
    for _, interpreter in ipairs { "luajit", "lua5.1" } do
      if os.execute("command -v " .. interpreter .. " >/dev/null") then
        assert.matches("pyroscope needs Lua 5%.4.*pyroscope%.nvim",
          in_another(('dofile "%s"'):format(path), interpreter))
      end
    end
  end)

  it("has the same parts however often it is asked", function()
    assert.equal(pyroscope.fmt, pyroscope.fmt)
    assert.equal("41.0 cores", pyroscope.fmt.cores(41))
    assert.is_nil(pyroscope.nothing)
  end)
end)

describe("pyroscope.load", function()
  local bytes = writer.pprof { types = { { "samples", "count" }, { "cpu", "nanoseconds" } },
    time_ms = 1763424000000, duration_ms = 10000, samples = {
      { stack = { { "work", "w.go", 3 }, "main" }, values = { 3, 30 }, labels = { k = "a" } },
      { stack = { "main" }, values = { 1, 10 }, labels = { k = "b" } } } }

  it("takes bytes or a path, raw or gzipped", function()
    local path = os.tmpname()
    for _, content in ipairs { bytes, core.gzip(bytes) } do
      local file = assert(io.open(path, "wb"))
      file:write(content)
      file:close()
      for _, input in ipairs { path, content } do
        local profile = assert(pyroscope.load(input))
        assert.equal(40, profile.sum)
        assert.equal("nanoseconds", profile.unit)
        assert.equal(1763424000000, profile.from_ms)
        assert.equal(1763424010000, profile.to_ms)
      end
    end
    os.remove(path)
  end)

  it("chooses the sample type and the labels", function()
    assert.equal(4, assert(pyroscope.load(bytes, { type = "samples" })).sum)
    assert.equal(4, assert(pyroscope.load(bytes, { type = 1 })).sum)
    assert.equal(30, assert(pyroscope.load(bytes, { labels = { k = "a" } })).sum)
    assert.equal("line", assert(pyroscope.load(bytes, { granularity = "line" })).granularity)
    local profile, err = pyroscope.load(bytes, { type = "cpuu" })
    assert.is_nil(profile)
    assert.equal("usage", err.kind)
    assert.matches("did you mean 'cpu'", err.message)
    profile, err = pyroscope.load(bytes, { labels = { k = "z" } })
    assert.is_nil(profile)
    assert.equal("no_data", err.kind)
  end)

  it("reads folded stacks and flame graph JSON by their content", function()
    assert.equal(12, assert(pyroscope.load "main;a 5\nmain;b 7\n").sum)
    local json = '{"names":["total","main"],"levels":[[0,15,0,0],[0,15,15,1]],"numTicks":15,'
      .. '"maxSelf":15}'
    assert.equal(15, assert(pyroscope.load('{"version":1,"flamebearer":' .. json
      .. ',"metadata":{"format":"single","units":"samples"}}')).sum)
  end)

  it("says what it cannot read, and where", function()
    for _, input in ipairs { "/no/such/file.pb.gz", bytes:sub(1, 40), "<html><body>login</body>",
      core.gzip(bytes):sub(1, 30) } do
      local profile, err = pyroscope.load(input)
      assert.is_nil(profile)
      assert.is_true(err.kind == "io" or err.kind == "decode" or err.kind == "unsupported")
    end
    local profile, err = pyroscope.load "main;a 5\nmain;b\n"
    assert.is_nil(profile)
    assert.equal("decode", err.kind)
    assert.equal("integer", math.type(err.where))
  end)

  it("raises for what is no input and for unknown options", function()
    assert.has_error(function() pyroscope.load(5) end)
    assert.has_error(function() pyroscope.load(bytes, { tipe = "cpu" }) end)
    assert.has_error(function() pyroscope.connect(5) end)
  end)
end)

describe("merge and subtract", function()
  it("undo each other", function()
    local a = assert(pyroscope.load "main;a 5\nmain;b 7\n")
    local b = assert(pyroscope.load "main;a 2\nmain;c 1\n")
    local sum = assert(pyroscope.merge { a, b })
    assert.equal(15, sum.sum)
    local back, clipped = pyroscope.subtract(sum, b)
    assert.equal(12, assert(back).sum)
    assert.equal(0, clipped)
  end)
end)
