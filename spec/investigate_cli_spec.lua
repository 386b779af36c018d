local cli = require "spec.support.cli"
local process = require "spec.support.process"

local HOTSPOT = "./examples/data/cpu-hotspot/"
local TARGET = "checkout"

local MINE = [[
local inv = require "pyroscope.investigate"
return function(source, options)
  local range = assert(inv.design.range(source, options))
  local subject, err = inv.subject.of(source, "cpu", options.selector, range)
  if not subject then return nil, err end
  local design
  design, err = inv.design.choose(source, subject, options)
  if not design then return nil, err end
  local quality = assert(inv.preflight.run(source, subject, design, options))
  return inv.report.new { recipe = "mine", verdict = "not_tested", subject = subject,
    design = design, quality = quality, options = options,
    summary = ("shoes %s, since %s"):format(math.type(options.shoes) or type(options.shoes),
      design.change_source) }
end]]

describe("pscope investigate", function()
  local here, mine, server

  setup(function()
    here = cli.folder()
    mine = here .. "/mine.lua"
    local file = assert(io.open(mine, "w"))
    file:write(MINE)
    file:close()
    server = process.start("spec/support/querier.lua", HOTSPOT, "--limits", "off")
  end)

  teardown(function()
    server:stop()
    cli.clean()
  end)

  local function json(words, expected)
    words[#words + 1] = "--json"
    local out, err, code = cli.run(words)
    assert.equal(expected, code, out .. err)
    return require "cjson".decode(out), out
  end

  it("names the function that became dearer, and exits with 10", function()
    local out, err, code = cli.run { "investigate", "cpu", HOTSPOT }
    assert.equal(10, code, err)
    assert.matches("REGRESSION", out)
    assert.matches("catalog.fieldNorm", out, 1, true)
    assert.matches("score.go:%d+", out)
    assert.matches("v41 %-> v42", out)
    -- stdout is the result, stderr is silent without a terminal
    assert.equal("", err)
    local again = cli.run { "investigate", "cpu-regression", TARGET, "--source", HOTSPOT }
    -- the next step is pasted as it is: it asks whom this one asked
    assert.matches("breakdown " .. HOTSPOT, out, 1, true)
    assert.matches(("breakdown %s --source %s"):format(TARGET, HOTSPOT), again, 1, true)
    assert.equal((out:gsub(" next: .*", "")), (again:gsub(" next: .*", "")))
  end)

  it("takes a silence around the given moment into neither side", function()
    for _, time in ipairs { "20:02:45", "20:03:30" } do
      local out = cli.run { "investigate", "cpu", TARGET, "--source", HOTSPOT, "--at",
        "2026-11-20T" .. time .. "Z" }
      assert.matches("before 20:00-20:02:30, after 20:03:30-20:06", out, 1, true)
      assert.matches("+0.036 cores (+12%", out, 1, true)
    end
  end)

  it("finds the same in every way to say which sides are meant", function()
    for _, words in ipairs {
      { "--at", "version=v41..v42" }, { "--before", "version=v41", "--after", "version=v42" },
      { "--baseline", "2026-11-20T20:00:00Z..2026-11-20T20:02:30Z", "--after",
        "2026-11-20T20:03:30Z..2026-11-20T20:06:00Z" },
      { "--at", "2026-11-20T20:03:00Z", "--gap", "30s" } } do
      local document = json({ "investigate", "cpu", HOTSPOT, table.unpack(words) }, 10)
      assert.equal("regression", document.verdict)
      local f = document.findings[1]
      assert.matches("fieldNorm$", f.path[f.node + 1])
    end
    local document = json({ "investigate", "cpu", HOTSPOT, "--before", "version=v42", "--after",
      "version=v41" }, 0)
    assert.equal("improvement", document.verdict)
  end)

  it("writes the report in every form", function()
    local expected = { md = "^#", html = "^<!DOCTYPE html>", quickfix = "score.go:%d+:%d+: error",
      sarif = '"version"', junit = "^<%?xml", json = "^{" }
    for format, pattern in pairs(expected) do
      local out, err, code = cli.run { "investigate", "cpu", HOTSPOT, "-o", format }
      assert.equal(10, code, err)
      assert.matches(pattern, out)
    end
    local path = here .. "/report.html"
    local _, err, code = cli.run { "investigate", "cpu", HOTSPOT, "-o", "html", "--out", path }
    assert.equal(10, code, err)
    assert.is_truthy(io.open(path))
  end)

  it("asks a server the same", function()
    local document = json({ "investigate", "cpu", TARGET, "--source", server.url,
      "--from", "2026-11-20T19:50:00Z", "--to", "2026-11-20T20:07:00Z", "--before",
      "2026-11-20T20:00:00Z..2026-11-20T20:02:30Z", "--after",
      "2026-11-20T20:03:30Z..2026-11-20T20:06:00Z" }, 10)
    assert.equal("regression", document.verdict)
    assert.equal("v2", document.provenance.read_path)
    assert.is_nil(document.provenance.endpoint:find "@")
    local n = 0
    for _, row in ipairs(document.provenance.requests) do n = n + row.n end
    assert.is_true(n <= 80, tostring(n))
  end)

  it("passes thresholds on", function()
    local document = json({ "investigate", "cpu", HOTSPOT, "--min-share", "50%" }, 0)
    assert.same({}, document.findings)
    document = json({ "investigate", "cpu", HOTSPOT, "--fail-on", "critical" }, 0)
    assert.equal(1, #document.findings)
    assert.equal("page", json({ "investigate", "cpu", HOTSPOT, "--policy", "page", "--fail-on",
      "critical" }, 0).provenance.policy)
  end)

  it("runs a recipe of one's own", function()
    assert.equal("shoes integer, since versions", json({ "investigate", mine, HOTSPOT, "--set",
      "shoes=44" }, 0).summary)
    local out, err, code = cli.run { "investigate", mine, HOTSPOT, "--progress" }
    assert.equal(0, code, err)
    assert.matches("profiles%s+30 before, 30 after; 3 pods on both sides", err)
    assert.is_nil(out:find "on both sides")
  end)

  it("prints what it would ask, and asks nothing", function()
    local out, err, code = cli.run { "investigate", "cpu", TARGET, "--source",
      "http://127.0.0.1:1", "--plan" }
    assert.equal(0, code, err)
    assert.matches("SelectMergeStacktraces", out)
    local document = json({ "investigate", "cpu", TARGET, "--source", "http://127.0.0.1:1",
      "--plan", "--effort", "quick" }, 0)
    assert.equal(document.requests, #document.rows)
    local whole = json({ "investigate", "cpu", TARGET, "--source", "http://127.0.0.1:1",
      "--plan" }, 0)
    assert.is_true(whole.requests > document.requests)
    -- a recipe that writes plans without writing
    document = json({ "investigate", "bundle", TARGET, "--source", "http://127.0.0.1:1", "--plan",
      "--path", here .. "/planned" }, 0)
    assert.is_true(document.requests > 50)
    assert.is_nil(io.open(here .. "/planned.partial/capture.json"))
  end)

  it("says what is wrong before it asks", function()
    local function fails(words, pattern, expected)
      local out, err, code = cli.run { "investigate", table.unpack(words) }
      assert.equal(expected or 2, code, out .. err)
      assert.equal("", out)
      assert.matches(pattern, err)
    end
    fails({ "cpuu", HOTSPOT }, "there is no recipe 'cpuu' %(did you mean 'cpu'")
    fails({ "cpu", HOTSPOT, "--polcy", "page" }, "did you mean '%-%-policy'")
    fails({ "cpu", HOTSPOT, "--policy", "pages" }, "did you mean 'page'")
    fails({ "cpu", HOTSPOT, "--at", "noonish" }, "%-%-at: 'noonish' is not a time")
    fails({ "cpu", HOTSPOT, "--min-share", "2x" }, "%-%-min%-share: '2x' is not a share")
    fails({ "cpu", HOTSPOT, "--after", "-1h..now" }, "%-%-after needs %-%-before")
    fails({ "cpu", HOTSPOT, "--set", "polcy=page" }, "did you mean 'policy'")
    fails({ "cpu", HOTSPOT, "--deadline", "soon" }, "duration")
    fails({ here .. "/none.lua", HOTSPOT }, "cannot load the recipe")
    fails({ "cpu", "nobody", "--source", HOTSPOT }, "there is no service 'nobody'", 6)
    fails({ "cpu", TARGET, "--source", "http://127.0.0.1:1" }, "cannot connect", 7)
    fails({ "cpu", TARGET, "--source", server.url .. "/@401" }, "401", 3)
  end)

  it("says what a recipe of one's own does wrong", function()
    local function fails(text, pattern)
      local path = here .. "/wrong.lua"
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
      local out, err, code = cli.run { "investigate", path, HOTSPOT }
      assert.equal(2, code, err)
      assert.equal("", out)
      assert.matches(pattern, err)
      assert.is_nil(err:find("internal", 1, true))
    end
    fails("return function(", "cannot load the recipe")
    fails("return function() end", "wrong.lua' returned neither a report nor an error")
    fails("return function() return 7 end", "wrong.lua' returns a number, not a report")
    fails("return function() error 'boom' end", "wrong.lua' fails: .*wrong.lua:1: boom")
  end)

  it("refuses counts of nothing", function()
    for _, words in ipairs { { "memory", "--limit", "0" }, { "memory", "--points", "0" },
      { "memory", "--rss", "0" }, { "alloc", "--heap-rate", "0" }, { "fleet", "--services", "0" },
      { "fleet", "--limit", "0" }, { "fleet", "--price", "-3" }, { "mutex", "--bar", "0" } } do
      local out, err, code = cli.run { "investigate", words[1], HOTSPOT, words[2], words[3] }
      assert.equal(2, code, out .. err)
      assert.matches(("option '%s' must be above 0"):format(words[2]:sub(3):gsub("-", "_")), err)
    end
    for _, text in ipairs { "3", "100,0" } do
      local _, err, code = cli.run { "investigate", "cpu", HOTSPOT, "--per-request", text }
      assert.equal(2, code, err)
      assert.matches("is not two numbers above 0", err)
    end
  end)

  it("reads sizes and lists where a program gives tables", function()
    local folder = here .. "/hashed"
    local out, err, code = cli.run { "investigate", "bundle", HOTSPOT, "--types", "cpu", "--path",
      folder, "--redact", "pod" }
    assert.equal(0, code, out .. err)
    local file = assert(io.open(folder .. "/series.jsonl"))
    local series = file:read "a"
    file:close()
    assert.matches('"pod"', series)
    assert.is_nil(series:find("checkout-0", 1, true))
    -- the next step is asked of the bundle
    local recipe, target = out:gsub("%s+", " "):match "next: pscope investigate (%S+) (%S+)"
    assert.equal(folder, target)
    out, err, code = cli.run { "investigate", recipe, target }
    assert.is_true(code == 10 or code == 11 or code == 0, err)
    assert.matches("checkout", out)
    out, err, code = cli.run { "investigate", "memory", HOTSPOT, "--rss", "200MiB" }
    assert.equal(11, code, out .. err)
    local document = json({ "investigate", "deploy", HOTSPOT, "--classes", "cpu,block" }, 10)
    local rows = document.tables[1].rows
    assert.same({ "cpu", "block_delay" }, { rows[1].class, rows[2].class })
    assert.equal(2, #rows)
    out, err, code = cli.run { "investigate", "deploy", HOTSPOT, "--classes", "nonsense" }
    assert.equal(2, code, out .. err)
    assert.matches("classes: cpu, ", err)
  end)

  it("takes a range beyond the files for what they hold", function()
    for _, recipe in ipairs { "cpu", "goroutine", "breakdown" } do
      local whole = cli.run { "investigate", recipe, HOTSPOT }
      for _, since in ipairs { "12h", "30d" } do
        assert.equal(whole, (cli.run { "investigate", recipe, HOTSPOT, "--since", since }))
      end
    end
    local document = json({ "investigate", "cpu", HOTSPOT, "--since", "2m" }, 0)
    assert.is_true(document.design.A[1].from_ms > 1795205010000)
  end)

  it("leaves out the gap that was asked for", function()
    local document = json({ "investigate", "cpu", HOTSPOT, "--at", "2026-11-20T20:03:30Z", "--gap",
      "1m" }, 10)
    assert.equal(1795205010000 - 60000, document.design.A[#document.design.A].to_ms)
    assert.equal(1795205010000 + 60000, document.design.B[1].from_ms)
  end)

  it("ends at file and line for an editor", function()
    local out, err, code = cli.run { "investigate", "cpu", HOTSPOT, "--editor" }
    assert.equal(10, code, err)
    assert.matches("^%+%d+ [^\n]*catalog/score.go\n$", out)
  end)

  it("reports why it cannot tell", function()
    local document = json({ "investigate", "memory", HOTSPOT, "--on-inconclusive", "ok" }, 0)
    assert.equal("inconclusive", document.verdict)
    assert.is_string(document.reason)
    document = json({ "investigate", "cpu", TARGET, "--source", server.url .. "/@slow:2",
      "--deadline", "500ms", "--from", "2026-11-20T19:50:00Z", "--to", "2026-11-20T20:07:00Z" }, 4)
    assert.equal("deadline", document.reason)
    assert.is_true(document.data_quality.partial)
  end)

  it("lists recipes and their options", function()
    local out, _, code = cli.run { "recipes" }
    assert.equal(0, code)
    assert.matches("cpu_regression%s+cpu%s+Did this service", out)
    out = cli.run { "recipes", "cpu" }
    assert.matches("min_share", out)
    assert.matches("cpu_regression", (cli.run { "recipes", "-o", "names" }))
    local document = json({ "recipes", "cpu_regression" }, 0)
    assert.equal("cpu_regression", document.rows[1].name)
    assert.equal("selector", document.shared[1].name)
    local _, err
    _, err, code = cli.run { "recipes", "cpuregression" }
    assert.equal(2, code)
    assert.matches("did you mean 'cpu_regression'", err)
  end)

  it("has every recipe's options as flags, and completes their names", function()
    local out = cli.run { "__complete", "investigate", "cp" }
    assert.matches("cpu_regression", out)
    out = cli.run { "__complete", "investigate", "cpu", "x", "--eff" }
    assert.matches("%-%-effort", out)
    local full = cli.run { "investigate", "--help" }
    local recipes = require "pyroscope.investigate.recipes"
    for _, recipe in ipairs(recipes.all()) do
      for _, option in ipairs(recipe.options) do
        assert.matches("--" .. option.name:gsub("_", "-"), full, 1, true)
      end
    end
  end)
end)

describe("an investigation of a captured bundle", function()
  local here

  setup(function() here = cli.folder() end)
  teardown(function() cli.clean() end)

  it("compares what was captured before with what was captured during", function()
    local path = here .. "/kept"
    local out, err, code = cli.run { "capture", TARGET, "--source", HOTSPOT, "--from",
      "2026-11-20T20:03:30Z", "--to", "2026-11-20T20:06:00Z", "--blocks", "8", "--out", path }
    assert.equal(0, code, out .. err)
    out, err, code = cli.run { "investigate", "cpu", path .. "/", "--json" }
    assert.equal(10, code, err)
    local document = require "cjson".decode(out)
    assert.matches("fieldNorm$", document.findings[1].path[document.findings[1].node + 1])
    assert.equal("block", document.design.unit) -- a captured window has all pods in it
    assert.equal(1795205010000, document.design.at_ms)
    out, err, code = cli.run { "investigate", "memory", path .. "/" }
    assert.equal(11, code, out .. err)
    assert.is_nil(err:find "internal error")
    -- a bundle of all there is: the version that took over parts it
    path = here .. "/whole"
    out, err, code = cli.run { "investigate", "bundle", HOTSPOT, "--path", path }
    assert.equal(0, code, out .. err)
    out, err, code = cli.run { "investigate", "cpu", path .. "/", "--json", "--on-inconclusive",
      "ok" }
    assert.is_true(code == 0 or code == 10, out .. err)
    assert.equal("versions", require "cjson".decode(out).design.change_source)
  end)
end)
