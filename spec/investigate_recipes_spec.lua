--- Every recipe on recorded incidents: the right verdict, the true function first, no alarm where
--- nothing is wrong.

local cjson = require "cjson"
local inv = require "pyroscope.investigate"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local system = require "pyroscope.system"

local SHARED = "../shared/data/incidents/"
local OWN = "spec/fixtures/incidents/"

local function read(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function truth_of(folder)
  local text = read(folder .. "/truth.json")
  local truth = text and cjson.decode(text)
  if not truth then return nil end
  for _, side in ipairs { "baseline", "incident" } do
    local window = truth[side]
    window.from_ms, window.to_ms = math.tointeger(window.from_ms), math.tointeger(window.to_ms)
  end
  if truth.cause == cjson.null or truth.cause["function"] == cjson.null then truth.cause = nil end
  return truth
end

local function folders(base)
  local list = {}
  for _, entry in ipairs(system.list(base) or {}) do
    local name = type(entry) == "table" and entry.name or entry
    if read(base .. name .. "/truth.json") then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

local function run(folder, recipe, truth, auto)
  local source = assert(pyroscope.open(folder))
  local options = { selector = ('{service_name="%s"}'):format(truth.service) }
  if not auto and not recipe:find "leak" then
    options.at = { A = truth.baseline, B = truth.incident }
  end
  local report, err = inv(recipe, source, options)
  source:close()
  return report, err
end

local ALL = { "cpu_regression", "alloc_pressure", "memory_leak", "goroutine_leak",
  "mutex_contention", "block_offcpu" }
local RECIPE = {}
for _, name in ipairs(ALL) do RECIPE[name] = true end

-- The recipe that a kind of incident is for.
local function recipe_of(truth)
  if truth.kind == "blocking" then return "block_offcpu" end
  return RECIPE[truth.kind] and truth.kind or "cpu_regression"
end

-- Does a finding name the cause: the node itself, or a frame between entry and the hottest?
local function holds(finding, cause)
  if finding.name == cause["function"] then return true end
  for i = finding.entry or 1, #(finding.path or {}) do
    if finding.path[i] == cause["function"] then return true end
  end
  return false
end

local function check_cause(folder, truth, auto)
  local report = assert(run(folder, recipe_of(truth), truth, auto))
  assert.equal("regression", report.verdict, report.summary)
  assert.equal(10, report.exit_code)
  local first = report.findings[1]
  assert.is_true(holds(first, truth.cause), first.name)
  assert.is_not_nil(first.location, "no place")
  assert.equal(truth.cause.file, first.location.file)
  return report
end

local QUIET = { none = true, load = true }

local function check_quiet(folder, truth)
  for _, recipe in ipairs(ALL) do
    local report = assert(run(folder, recipe, truth))
    for _, finding in ipairs(report.findings) do
      assert.equal("improvement", finding.kind, recipe .. ": " .. finding.name)
    end
    assert.is_not.equal("regression", report.verdict, recipe)
  end
  local report = assert(run(folder, "what_changed", truth))
  assert.is_not.equal("regression", report.verdict)
  if truth.expected.verdict == "load" then
    assert.equal("load", assert(run(folder, "cpu_regression", truth)).explained_away[1].kind)
    assert.equal("load", assert(run(folder, "breakdown", truth)).outcome)
  end
end

describe("recipes on incidents of this repository (AX-32, AX-33, AX-34, AX-35)", function()
  for _, name in ipairs(folders(OWN)) do
    it("find the cause of " .. name, function()
      local folder = OWN .. name
      local truth = truth_of(folder)
      check_cause(folder, truth)
      check_cause(folder, truth, true)
      local all = assert(run(folder, "what_changed", truth))
      assert.equal("regression", all.verdict)
      assert.is_true(holds(all.findings[1], truth.cause), all.findings[1].name)
    end)
  end

  it("find the cause of the sample, and nothing in classes that it does not touch", function()
    local folder = "examples/data/cpu-hotspot"
    local truth = { service = "checkout", kind = "cpu_regression",
      baseline = { from_ms = 1795204800000, to_ms = 1795204950000 },
      incident = { from_ms = 1795205010000, to_ms = 1795205160000 },
      cause = { ["function"] = "shop.example/checkout/catalog.fieldNorm",
        file = "shop.example/checkout/catalog/score.go" } }
    local report = check_cause(folder, truth)
    assert.equal(31, report.findings[1].location.line)
    assert.equal("high", report.confidence)
    for _, recipe in ipairs { "mutex_contention", "block_offcpu" } do
      local other = run(folder, recipe, truth)
      assert.same({}, other and other.findings or {})
    end
  end)

  it("give the same report for the same input, byte by byte", function()
    local folder = "examples/data/cpu-hotspot"
    local function once()
      local source = assert(pyroscope.open(folder))
      local report = assert(inv("cpu_regression", source,
        { selector = '{service_name="checkout"}', clock = 1795205200000 }))
      source:close()
      return report:json()
    end
    assert.equal(once(), once())
  end)

  it("see nothing when a phase is compared with itself", function()
    local source = assert(pyroscope.open "examples/data/cpu-hotspot")
    local window = { from_ms = 1795204800000, to_ms = 1795204950000 }
    local report = assert(inv("cpu_regression", source, { selector = '{service_name="checkout"}',
      at = { A = window, B = window } }))
    assert.same({}, report.findings)
    source:close()
  end)

  it("turn a regression into an improvement when the sides are swapped", function()
    local source = assert(pyroscope.open "examples/data/cpu-hotspot")
    local report = assert(inv("cpu_regression", source, { selector = '{service_name="checkout"}',
      at = { A = { from_ms = 1795205010000, to_ms = 1795205160000 },
        B = { from_ms = 1795204800000, to_ms = 1795204950000 } } }))
    assert.equal("improvement", report.verdict)
    assert.equal("shop.example/checkout/catalog.fieldNorm", report.findings[1].name)
    assert.equal(0, report.exit_code)
    source:close()
  end)

  it("tell what a request costs, and a cost that is up everywhere from load", function()
    local source = assert(pyroscope.open "examples/data/cpu-hotspot")
    local window = { from_ms = 1795204800000, to_ms = 1795204950000 }
    local function with(per_request)
      return assert(inv("cpu_regression", source, { selector = '{service_name="checkout"}',
        at = { A = window, B = window }, per_request = per_request }))
    end
    assert.same({}, with({ A = 1000, B = 1000 }).findings)
    local dearer = with { A = 1000, B = 800 }
    assert.equal("regression", dearer.verdict)
    assert.equal("uniform", dearer.findings[1].shape)
    assert.is_true(math.abs(dearer.findings[1].delta.rel - 0.25) < 1e-6)
    assert.equal("improvement", with(function(of)
      return of.side == "A" and 100 or 200
    end).verdict)
    local report, err = inv("cpu_regression", source, { selector = '{service_name="checkout"}',
      at = { A = window, B = window }, per_request = function() return nil end })
    assert.is_nil(report)
    assert.equal("usage", err.kind)
    source:close()
  end)

  it("divide by what they are told to", function()
    local source = assert(pyroscope.open "examples/data/cpu-hotspot")
    for _, method in ipairs { "robust", "rate", "per_instance", "share" } do
      local report = assert(inv("cpu_regression", source,
        { selector = '{service_name="checkout"}', normalise = method }))
      assert.equal("shop.example/checkout/catalog.fieldNorm", report.findings[1].name, method)
    end
    source:close()
  end)

  it("say what is missing where a type is not there", function()
    local source = assert(pyroscope.open(OWN .. "node-hotspot"))
    local report = assert(inv("goroutine_leak", source, { selector = '{service_name="quotes"}' }))
    assert.equal("inconclusive", report.verdict)
    assert.equal("type_absent", report.reason)
    assert.equal(11, report.exit_code)
    source:close()
  end)

  it("rank functions and packages over services without testing", function()
    local source = assert(pyroscope.open "examples/data/cpu-hotspot")
    local report = assert(inv("fleet_top", source, { price = 0.05 }))
    assert.equal("not_tested", report.verdict)
    assert.equal(0, report.exit_code)
    local top = report.tables[1].rows
    local profile = assert(source:profile { type = "cpu", service = "checkout" })
    local largest = profile:top(1)[1]
    assert.equal(largest.name, top[1].name)
    profile:close()
    source:close()
  end)
end)

describe("recipes on a server", function()
  local FOLDER = "examples/data/cpu-hotspot"
  local TOKEN = "s3cr3t-of-the-server"
  local server, source

  setup(function()
    server = process.start("spec/support/querier.lua", FOLDER)
    source = assert(pyroscope.connect { url = server.url, token = TOKEN })
  end)
  teardown(function()
    source:close()
    server:stop()
  end)

  local function options()
    return { selector = '{service_name="checkout"}', clock = 1795205200000,
      at = { A = { from_ms = 1795204800000, to_ms = 1795204950000 },
        B = { from_ms = 1795205010000, to_ms = 1795205160000 } } }
  end

  it("say what they say on the same files", function()
    local report = assert(inv("cpu_regression", source, options()))
    local store = assert(pyroscope.open(FOLDER))
    local other = assert(inv("cpu_regression", store, options()))
    store:close()
    assert.equal(#other.findings, #report.findings)
    for i, finding in ipairs(other.findings) do
      assert.equal(finding.name, report.findings[i].name)
      assert.equal(finding.location.line, report.findings[i].location.line)
      assert.is_true(math.abs(finding.delta.of_total - report.findings[i].delta.of_total) < 0.01)
    end
    assert.equal(other.verdict, report.verdict)
  end)

  it("link to where the same can be looked at, say what was ruled out, and tell no secret (AX-37)",
    function()
      local report = assert(inv("cpu_regression", source, options()))
      assert.is_truthy(report.links.diff:find(server.url, 1, true))
      assert.is_true(#report.findings[1].guards > 5)
      for _, format in ipairs { "json", "text", "markdown", "html", "sarif", "junit" } do
        assert.is_nil(report:render(format):find(TOKEN, 1, true), format)
      end
      local asked = 0
      for _, row in ipairs(report.provenance.requests) do asked = asked + row.n end
      assert.is_true(asked > 5)
    end)

  it("stop at the number of requests that they are allowed, and say so", function()
    local given = options()
    given.max_requests = 3
    local report = assert(inv("cpu_regression", source, given))
    assert.equal(4, report.exit_code)
  end)

  it("are told by name when an option is mistyped", function()
    local ok, err = pcall(inv, "cpu_regression", source, { selector = "{}", polcy = "page" })
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find "polcy")
    assert.is_truthy(tostring(err):find "policy")
  end)
end)

describe("recipes on all recorded incidents", function()
  local names = folders(SHARED)
  if #names == 0 then
    pending("needs ../shared: incidents that are not in this repository")
    return
  end
  for _, name in ipairs(names) do
    local folder = SHARED .. name
    local truth = truth_of(folder)
    if truth.cause then
      it("find the cause of " .. name, function()
        check_cause(folder, truth)
        check_cause(folder, truth, true)
        local all = assert(run(folder, "what_changed", truth))
        assert.is_true(holds(all.findings[1], truth.cause), all.findings[1].name)
      end)
    elseif QUIET[truth.expected.verdict] then
      it("raise no alarm on " .. name, function() check_quiet(folder, truth) end)
    end
  end

  it("name the instance and the endpoint that bound a fault", function()
    local folder = SHARED .. "one-sick-pod"
    local report = assert(run(folder, "cpu_regression", truth_of(folder)))
    assert.equal("pod", report.findings[1].labels.explained_by[1].label)
    assert.same({ "checkout-1" }, report.findings[1].labels.explained_by[1].values)
    folder = SHARED .. "slow-endpoint"
    report = assert(run(folder, "cpu_regression", truth_of(folder)))
    assert.same({ "/pay" }, report.findings[1].labels.explained_by[1].values)
  end)
end)
