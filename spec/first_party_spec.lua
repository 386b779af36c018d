local cjson = require "cjson"
local cli = require "spec.support.cli"
local core = require "pyroscope.core"
local first_party = require "pyroscope.first_party"
local trees = require "spec.support.trees"

local function folded(profile)
  return assert(profile:render "folded")
end

local function own(text)
  return folded(assert(first_party(assert(core.decode(text, "folded")))))
end

describe("own functions", function()
  it("of Go take what the runtime and the standard library do for them", function()
    assert.equal("main.main;shop.example/cart.Add 12\nmain.main;shop.example/cart.Add;main.cmp 2\n",
      own [[
runtime.main;main.main;shop.example/cart.Add;encoding/json.Marshal;reflect.Value.Call 5
runtime.main;main.main;shop.example/cart.Add 3
runtime.main;main.main;shop.example/cart.Add;runtime.mallocgc;runtime.gcAssistAlloc 4
runtime.main;main.main;shop.example/cart.Add;sort.Slice;main.cmp 2
runtime.gcBgMarkWorker;runtime.gcDrain 100
]])
  end)

  it("of a JVM and of Python, too", function()
    assert.equal("com/acme/Shop.run;com/acme/Cart.add 7\n", own [[
java/lang/Thread.run;com/acme/Shop.run;com/acme/Cart.add;java/util/HashMap.put 7
java/lang/Thread.run;java/util/concurrent/ThreadPoolExecutor.runWorker 9
]])
    assert.equal("app/server.py:handle;app/cart.py:add 4\n", own [[
/usr/lib/python3.11/threading.py:run;app/server.py:handle;app/cart.py:add;/usr/lib/python3.11/json/encoder.py:encode 4
]])
  end)

  it("are those of the names that show is given, whatever they look like", function()
    for seed = 1, 20 do
      local profile = trees.profile(trees.stacks(seed))
      local names, quoted, odd = {}, {}, false
      for i, row in ipairs((profile:top(0))) do
        if i % 3 == 1 then
          names[row.name] = true
          odd = odd or not row.name:find "^[%w_]+$"
          quoted[#quoted + 1] = row.name
        end
      end
      local shown = assert(profile:show(names))
      if not odd then
        assert.equal(folded(assert(profile:show("^(" .. table.concat(quoted, "|") .. ")$"))),
          folded(shown))
      end
      for _, row in ipairs((shown:top(0))) do assert.is_true(names[row.name]) end
      assert.is_true(shown.sum <= profile.sum)
      names = {}
      assert.equal(0, assert(profile:show(names)).sum)
    end
    local profile = assert(core.decode("a.b;axb;a 3\n", "folded"))
    assert.equal("a.b 3\n", folded(assert(profile:show { ["a.b"] = true, a = false })))
    assert.has_error(function() profile:show(true) end)
  end)

  it("are what --first-party shows, with the rest said", function()
    local function run(...)
      local out, err, code = cli.run({ ... }, { folder = cli.root })
      assert.equal(0, code, err)
      return out
    end
    local sample = "./examples/data/cpu-hotspot"
    local document = cjson.decode(run("top", sample, "--first-party", "--json", "-n", "0"))
    for _, row in ipairs(document.rows) do
      assert.is_nil(row.name:find "^runtime%.", row.name)
      assert.is_nil(row.name:find "^encoding/", row.name)
    end
    assert.matches("\n%-%-first%-party: %d+%.%d%% of it\n", run("top", sample, "--first-party"))
    local diff = run("diff", sample, "--before", "version=v41", "--after", "version=v42",
      "--first-party", "--group", "package", "-n", "1")
    assert.matches("only --first-party\n", diff, 1, true)
    assert.matches("shop.example/checkout/catalog\n", diff, 1, true)
    local files = run("diff", sample, "--before", "version=v41", "--after", "version=v42",
      "--group", "file", "-n", "1")
    local _, count = files:gsub("catalog/score%.go", "")
    assert.equal(1, count) -- once, not as a place beside itself
  end)

  it("there are none where everything is of the runtime", function()
    local here = cli.folder()
    local file = assert(io.open(here .. "/gc.folded", "w"))
    file:write "runtime.gcBgMarkWorker;runtime.gcDrain 100\n"
    file:close()
    local _, err, code = cli.run({ "top", "gc.folded", "--first-party" }, { folder = here })
    assert.equal(6, code)
    assert.matches("no stack is left after --first-party", err, 1, true)
    cli.clean()
  end)
end)
