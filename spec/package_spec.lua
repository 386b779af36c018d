local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local function read(path)
  local f = assert(io.open(path))
  local text = f:read "a"
  f:close()
  return text
end

local build = os.getenv "PYROSCOPE_BUILD" or "build/5.4"

describe("the package", function()
  it("lists in the rockspec exactly what the Makefile compiles", function()
    local env = {}
    assert(load(read "pyroscope-scm-0.rockspec", "rockspec", "t", env))()
    for module, list in pairs { ["pyroscope.core"] = "core_src", ["pyroscope.http"] = "http_src" } do
      local made = {}
      for file in output("make -s --no-print-directory print-" .. list):gmatch "%S+" do
        made[#made + 1] = file
      end
      assert.same(made, env.build.modules[module].sources)
    end
  end)

  it("exports one symbol from each module and links no Lua", function()
    for _, module in ipairs { "core", "http" } do
      local path = ("%s/pyroscope/%s.so"):format(build, module)
      local symbols = output("nm -D --defined-only " .. path .. " | awk '{print $3}'")
      assert.equal("luaopen_pyroscope_" .. module, (symbols:gsub("%s+$", "")))
      assert.is_nil(output("readelf -d " .. path):find("liblua", 1, true))
    end
    assert.is_nil(output("readelf -d " .. build .. "/pyroscope/core.so"):find("curl", 1, true))
  end)

  it("has one version everywhere", function()
    local version = read "src/base/version.h":match 'PYR_VERSION "([^"]+)"'
    assert.equal(version, require "pyroscope.core".version)
    assert.equal(version, require "pyroscope"._VERSION:match "[%d.]+")
    assert.equal("pscope " .. version .. "\n", output "./pscope --version")
  end)

  it("loads neither the core nor libcurl on require 'pyroscope'", function()
    local loaded = output([[LUA_PATH="./lua/?.lua;./lua/?/init.lua" LUA_CPATH="./]] .. build
      .. [[/?.so" lua5.4 -e 'require "pyroscope"
      for name in pairs(package.loaded) do if name:find "^pyroscope%." then print(name) end end
      for name in pairs(_G) do if name == "pyroscope" then print "global" end end']])
    assert.is_nil(loaded:find("pyroscope.core", 1, true))
    assert.is_nil(loaded:find("pyroscope.http", 1, true))
    assert.is_nil(loaded:find("global", 1, true))
  end)

  it("installs with LuaRocks and gives a working pscope", function()
    if output("command -v luarocks") == "" then pending "luarocks is not installed" return end
    -- in a copy: LuaRocks leaves objects beside the sources
    local ok = os.execute [[rm -rf build/rock && mkdir -p build/rock/copy &&
      cp -r src lua examples doc pyroscope-scm-0.rockspec LICENSE build/rock/copy &&
      cd build/rock/copy &&
      luarocks --lua-version 5.4 make --deps-mode=none --tree "$PWD/../tree" >../log 2>&1]]
    assert.is_true(ok, ok or read "build/rock/log")
    local answer = output [[root=$PWD; cd build/rock &&
      eval "$(luarocks --lua-version 5.4 path --tree "$PWD/tree")" && cd / &&
      "$root"/build/rock/tree/bin/pscope top --source "$root"/examples/data/cpu-hotspot/ -n 1 --json]]
    assert.truthy(answer:find('"name":"shop.example/checkout/catalog.fieldNorm"', 1, true), answer)
  end)
end)
