--- The example scripts, run as people run them: short enough to read, with the answers they promise.

local cli = require "spec.support.cli"

local DATA = "examples/data/cpu-hotspot"
local INCIDENTS = "spec/fixtures/incidents/"

local function run(script, ...)
  local words = { "cd", cli.quote(io.popen "pwd":read "l"), "&&", cli.environment(), "lua5.4",
    "examples/" .. script }
  for _, word in ipairs { ... } do words[#words + 1] = cli.quote(word) end
  local pipe = io.popen(table.concat(words, " ") .. " 2>&1; echo \"exit $?\"")
  local text = pipe:read "a"
  pipe:close()
  return text, tonumber(text:match "exit (%d+)%s*$")
end

local function lines_of(script)
  local count = 0
  for _ in io.lines("examples/" .. script) do count = count + 1 end
  return count
end

describe("examples", function()
  teardown(cli.clean)

  local hunts = {
    { "cpu_regression.lua", DATA, "catalog/score%.go:31" },
    { "memory_leak.lua", INCIDENTS .. "memory-leak", "out of memory in %d+%.%d hours" },
    { "goroutine_leak.lua", INCIDENTS .. "goroutine-leak", "jobs%.awaitDelivery: %d+ an hour" },
    { "lock_contention.lua", INCIDENTS .. "mutex-contention", "reserveAudited" },
  }
  for _, hunt in ipairs(hunts) do
    it(hunt[1] .. " finds what it hunts for", function()
      assert.is_true(lines_of(hunt[1]) < 30)
      local text, code = run(hunt[1], "checkout", hunt[2])
      assert.equal(10, code, text)
      assert.is_truthy(text:find(hunt[3]), text)
    end)
  end

  it("deploy_check.lua fails a job on a dearer version, and writes its papers", function()
    assert.is_true(lines_of "deploy_check.lua" < 30)
    local folder = cli.folder()
    local here = io.popen "pwd":read "l"
    local text = io.popen(("cd %s && %s lua5.4 %s checkout v41 v42 %s 2>&1; echo \"exit $?\"")
      :format(cli.quote(folder), cli.environment(), cli.quote(here .. "/examples/deploy_check.lua"),
        cli.quote(here .. "/" .. DATA))):read "a"
    assert.is_truthy(text:find "regression\tCPU of checkout", text)
    assert.is_truthy(text:find "exit 10", text)
    for _, name in ipairs { "cpu_regression.html", "cpu_regression.sarif" } do
      assert.is_not_nil(io.open(folder .. "/" .. name), name)
    end
  end)

  it("own_recipe.lua is a recipe that runs", function()
    assert.is_true(lines_of "own_recipe.lua" < 30)
    local pyroscope = require "pyroscope"
    local source = assert(pyroscope.open(DATA))
    local report = assert(pyroscope.investigate("./examples/own_recipe.lua", source,
      { selector = '{service_name="checkout"}' }))
    assert.equal("shop.example/checkout/catalog.fieldNorm", report.findings[1].name)
    assert.equal("regression", report.verdict)
    source:close()
  end)

  it("demo.lua ends at file and line, and writes picture and report", function()
    local folder = cli.folder()
    local text, code = run("demo.lua", DATA, folder .. "/p.html", folder .. "/r.html")
    assert.equal(0, code, text)
    assert.is_truthy(text:find("catalog/score.go:31", 1, true), text)
    assert.is_truthy(text:find "REGRESSION", text)
    for _, name in ipairs { "p.html", "r.html" } do
      assert.is_not_nil(io.open(folder .. "/" .. name), name)
    end
  end)
end)
