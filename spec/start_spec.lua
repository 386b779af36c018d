-- What makes starting quick, and must not be seen otherwise.

local folder = "build/start-spec"

local function sh(command)
  local pipe = assert(io.popen(command .. " 2>&1", "r"))
  local text = pipe:read "a"
  local ok = pipe:close()
  return ok, text
end

describe("compiled modules", function()
  setup(function()
    assert(sh(("rm -rf %s && mkdir -p %s/build && cp -a pscope lua %s/ && cp -a build/5.4 %s/build/")
      :format(folder, folder, folder, folder)))
  end)
  teardown(function() sh("rm -rf " .. folder) end)

  it("are taken while they are as old as their source", function()
    local compiled = folder .. "/build/5.4/lua/pyroscope.cli.index.luac"
    local source = folder .. "/lua/pyroscope/cli/index.lua"
    assert.is_true(sh(("sh -c 'test -e %s && ! test %s -nt %s && ! test %s -nt %s'"):format(
      compiled, compiled, source, source, compiled)))
    assert.is_true(sh(("echo 'error [[the compiled one]]' >%s/x.lua && luac5.4 -o %s %s/x.lua "
      .. "&& touch -r %s %s"):format(folder, compiled, folder, source, compiled)))
    local _, text = sh(folder .. "/pscope types --help")
    assert.is_truthy(text:find("the compiled one", 1, true))
    -- damaged, it is no worse than missing
    assert.is_true(sh(("printf broken >%s && touch -r %s %s"):format(compiled, source, compiled)))
    assert.is_true((sh(folder .. "/pscope types --help")))
  end)

  it("are left once the source changed, whatever its time", function()
    local file = folder .. "/lua/pyroscope/cli/commands/types.lua"
    assert.is_true(sh("sed -i '1i error \"the source was read\"' " .. file))
    assert.is_true(sh("touch -d '2001-01-01' " .. file))
    local _, text = sh(folder .. "/pscope types --help")
    assert.is_truthy(text:find("the source was read", 1, true))
  end)
end)

describe("a client", function()
  it("has every method of its parts, wherever it is written", function()
    local client = require "pyroscope".connect { url = "http://127.0.0.1:1" }
    for _, part in ipairs { "lists", "profiles", "series", "services", "absence", "legacy", "link" } do
      for name in pairs(require("pyroscope.source.server." .. part)) do
        assert.is_function(client[name], ("%s of %s is not listed in client.lua"):format(name, part))
      end
    end
    client:close()
  end)
end)
