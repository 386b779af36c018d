local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local system = require "pyroscope.system"

local HOTSPOT = "examples/data/cpu-hotspot"
local INCIDENTS = "../shared/data/incidents"
local SELECTOR = '{service_name="checkout"}'
local FROM = 1795204800000

local inv = pyroscope.investigate

-- Everything a flow recipe does before it tests.
local function look(source, class, options)
  local range = assert(inv.design.range(source, options))
  local subject, err = inv.subject.of(source, class, options.selector, range)
  if not subject then return nil, err end
  local design
  design, err = inv.design.choose(source, subject, options)
  if not design then return nil, err end
  local quality
  quality, err = inv.preflight.run(source, subject, design, options)
  if not quality then return nil, err end
  design = inv.design.unit(design, quality, options)
  local samples
  samples, err = inv.fetch.trees(source, { selector = subject.selector, types = subject.types,
    design = design, interval_ms = quality.interval_ms, runtime = subject.runtime })
  if not samples then return nil, err end
  return { subject = subject, design = design, quality = quality, samples = samples }
end

-- The same as a recipe: its report says nothing changed.
local function recipe_of(class, seen)
  return function(source, options)
    local found, err = look(source, class, options)
    if not found then return nil, err end
    for name, value in pairs(found) do seen[name] = value end
    inv.preflight.samples(found.quality, found.samples, { class = found.subject.class })
    inv.fetch.close(found.samples)
    return inv.report.new { recipe = "own", verdict = "no_change", subject = found.subject,
      design = found.design, quality = found.quality, options = options }
  end
end

local function sums(samples)
  local sum = { A = 0, B = 0 }
  for _, sample in ipairs(samples) do sum[sample.side] = sum[sample.side] + sample.profile.sum end
  return sum
end

describe("an investigation", function()
  local store, server

  setup(function()
    store = assert(pyroscope.open(HOTSPOT))
    server = process.start("spec/support/querier.lua", HOTSPOT, "--limits", "off")
  end)

  teardown(function()
    store:close()
    server:stop()
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)

  it("finds the version that took over, and compares processes", function()
    local found = assert(look(store, "cpu", { selector = SELECTOR }))
    assert.equal("versions", found.design.change_source)
    assert.equal("pod", found.design.unit)
    assert.is_true(found.quality.ok)
    assert.is_true(found.quality.fresh)
    assert.same({ A = 30, B = 30 }, found.quality.profiles)
    assert.same({ A = 3, B = 3 }, found.quality.instances)
    assert.equal(15000, found.quality.interval_ms)
    assert.equal("pod", found.quality.instance_label)
    assert.same({ "v41" }, found.quality.versions.A)
    assert.same({ "v42" }, found.quality.versions.B)
    assert.equal("files", found.quality.read_path)
    assert.equal(6, #found.samples)
    -- measured from the files by the makers of the data
    assert.same({ A = 44290000000, B = 49670000000 }, sums(found.samples))
    for _, sample in ipairs(found.samples) do
      assert.equal(10, sample.profiles)
      assert.equal(150.0, sample.seconds)
      assert.is_string(sample.instance)
    end
    inv.fetch.close(found.samples)
  end)

  it("compares named windows in blocks that lose no profile", function()
    local options = { selector = SELECTOR, at = { A = { from_ms = FROM, to_ms = FROM + 75000 },
      B = { from_ms = FROM + 75000, to_ms = FROM + 150000 } } }
    local found = assert(look(store, "cpu", options))
    assert.equal("given", found.design.change_source)
    assert.equal("block", found.design.unit)
    assert.is_false(found.quality.fresh)
    assert.equal(5, #found.design.A)
    assert.equal(5, #found.design.B)
    assert.equal(44290000000, sums(found.samples).A + sums(found.samples).B)
    inv.fetch.close(found.samples)
    options.effort = "quick"
    found = assert(look(store, "cpu", options))
    assert.equal("quick", found.design.name)
    assert.equal(2, #found.samples)
    inv.fetch.close(found.samples)
  end)

  it("reads windows as texts, and sides by label", function()
    local found = assert(look(store, "cpu", { selector = SELECTOR,
      at = { A = "version=v41", B = "version=v42" } }))
    assert.same({ A = 30, B = 30 }, found.quality.profiles)
    assert.same({ A = 44290000000, B = 49670000000 }, sums(found.samples))
    inv.fetch.close(found.samples)
    local none, err = look(store, "cpu", { selector = SELECTOR, at = { A = "noon", B = "-1h" } })
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    none, err = look(store, "cpu", { selector = SELECTOR, at = { version = { "v41", "v9" } } })
    assert.is_nil(none)
    assert.equal("no_version", err.code)
    assert.matches("v42", err.hint)
  end)

  it("refuses too little data, and says so", function()
    local found = assert(look(store, "memory", { selector = SELECTOR }))
    assert.is_false(found.quality.ok)
    assert.equal("too_few_profiles", found.quality.reason)
    inv.fetch.close(found.samples)
    local options = { selector = SELECTOR, at = { A = { from_ms = FROM - 300000, to_ms = FROM },
      B = { from_ms = FROM, to_ms = FROM + 150000 } } }
    local range = { from_ms = FROM, to_ms = FROM + 300000 }
    local subject = assert(inv.subject.of(store, "cpu", SELECTOR, range))
    local design = assert(inv.design.choose(store, subject, options))
    local quality = assert(inv.preflight.run(store, subject, design, options))
    -- a type that is on one side only is never a regression
    assert.equal("instrumentation_changed", quality.reason)
    local none, err = inv.fetch.trees(store, { selector = SELECTOR, types = subject.types,
      design = design })
    assert.is_nil(none)
    assert.equal("empty_side", err.code)
  end)

  it("counts raw samples once their size is known", function()
    local found = assert(look(store, "cpu", { selector = SELECTOR }))
    found.samples.quantum = 10000000
    inv.preflight.samples(found.quality, found.samples, { class = "cpu" })
    assert.equal(4429, found.quality.samples.A // 1)
    assert.same({ A = 1.0, B = 1.0 }, found.quality.tree_ratio)
    -- a server that kept only the totals of some profiles
    for _, point in ipairs(found.quality.surveys.B.instances["checkout-0"].points) do
      point.value = 2 * point.value
    end
    inv.preflight.samples(found.quality, found.samples, { class = "cpu" })
    assert.near(0.75, found.quality.tree_ratio.B, 0.02)
    assert.equal("sampled_ingest", found.quality.warnings[#found.quality.warnings - 1].code)
    assert.is_true(found.quality.ok)
    found.samples.quantum = 100000000
    inv.preflight.samples(found.quality, found.samples, { class = "cpu" })
    assert.equal("too_few_samples", found.quality.reason)
    inv.fetch.close(found.samples)
  end)

  it("asks a server the same and gets the same", function()
    local client = assert(pyroscope.connect { url = server.url })
    local options = { selector = SELECTOR, from = FROM, to = FROM + 375000, settle = "1s",
      at = { A = { from_ms = FROM, to_ms = FROM + 150000 },
        B = { from_ms = FROM + 210000, to_ms = FROM + 360000 } } }
    local found = assert(look(client, "cpu", options))
    -- a server drops samples without a stack, files keep them
    local sum = sums(found.samples)
    assert.near(44290000000, sum.A, 50000000)
    assert.equal(49670000000, sum.B)
    assert.equal("pod", found.design.unit)
    assert.same({ A = 30, B = 30 }, found.quality.profiles)
    assert.equal(15000, found.quality.interval_ms)
    assert.equal(10, found.samples[1].profiles)
    inv.fetch.close(found.samples)
    client:close()
  end)

  it("runs a function as a recipe and says what it took", function()
    local seen = {}
    local report = assert(inv(recipe_of("cpu", seen), store, { selector = SELECTOR }))
    assert.equal("no_change", report.verdict)
    assert.equal("files", report.provenance.read_path)
    assert.equal(store:defaults().now_ms, report.provenance.generated_ms)
    local by_rpc = {}
    for _, row in ipairs(report.provenance.requests) do by_rpc[row.rpc] = row.n end
    assert.equal(6, by_rpc.SelectMergeStacktraces)
    assert.equal("ticket", report.provenance.policy)
    assert.equal(report:json(), assert(inv(recipe_of("cpu", {}), store,
      { selector = SELECTOR })):json())
  end)

  it("counts what goes over the wire", function()
    local client = assert(pyroscope.connect { url = server.url })
    local progress = {}
    local report = assert(pyroscope.investigate(recipe_of("cpu", {}), client, {
      selector = SELECTOR, from = FROM, to = FROM + 375000, clock = FROM + 500000,
      at = { A = { from_ms = FROM, to_ms = FROM + 150000 },
        B = { from_ms = FROM + 210000, to_ms = FROM + 360000 } },
      on_progress = function(state) progress[#progress + 1] = state.what end }))
    assert.equal(FROM + 500000, report.provenance.generated_ms)
    assert.equal("v2", report.provenance.read_path)
    local trees
    for _, row in ipairs(report.provenance.requests) do
      if row.rpc == "SelectMergeStacktraces" then trees = row end
    end
    assert.is_true(trees.n >= 6)
    assert.is_true(trees.bytes > 10000)
    assert.is_true(#progress > 0)
    assert.is_nil(client.on_answer)
    client:close()
  end)

  it("lowers the effort when requests run short", function()
    local seen = {}
    local options = { selector = SELECTOR, max_requests = 14,
      at = { A = { from_ms = FROM, to_ms = FROM + 75000 },
        B = { from_ms = FROM + 75000, to_ms = FROM + 150000 } } }
    local report = assert(inv(recipe_of("cpu", seen), store, options))
    assert.is_true(#seen.design.A < 5)
    assert.equal("effort_lowered", report.notes[1].code)
    options.max_requests = 3
    report = assert(inv(recipe_of("cpu", {}), store, options))
    assert.equal("inconclusive", report.verdict)
    assert.equal("max_requests", report.reason)
    assert.equal(4, report.exit_code)
    assert.is_true(report.data_quality.partial)
  end)

  it("ends at its deadline with a report", function()
    local client = assert(pyroscope.connect { url = server.url .. "/@slow:2", timeout = 30 })
    local started = system.monotonic_ms()
    local report = assert(inv(recipe_of("cpu", {}), client, { selector = SELECTOR,
      from = FROM, to = FROM + 375000, deadline = 0.5 }))
    assert.is_true(system.monotonic_ms() - started < 1900)
    assert.equal("deadline", report.reason)
    assert.equal(4, report.exit_code)
    client:close()
  end)

  it("is cancelled by whoever waits", function()
    local client = assert(pyroscope.connect { url = server.url .. "/@slow:2" })
    client.on_wait = function(waiting, seconds)
      waiting:poll(math.min(seconds, 0.05))
      return true
    end
    local none, err = inv(recipe_of("cpu", {}), client, { selector = SELECTOR, from = FROM,
      to = FROM + 375000 })
    assert.is_nil(none)
    assert.equal("cancelled", err.kind)
    client:close()
  end)

  it("says why nothing can be told", function()
    local report = assert(inv(recipe_of("wall", {}), store, { selector = SELECTOR }))
    assert.equal("type_absent", report.reason)
    assert.equal("inconclusive", report.verdict)
    assert.equal(11, report.exit_code)
    assert.matches("process_cpu:cpu", report.notes[1].message)
    report = assert(inv(recipe_of("cpu", {}), store, { selector = '{service_name="nobody"}' }))
    assert.equal("no_data", report.reason)
    assert.equal(6, report.exit_code)
    local closed = assert(pyroscope.connect { url = "http://127.0.0.1:1", timeout = 1 })
    local none, err = inv(recipe_of("cpu", {}), closed, { selector = SELECTOR })
    assert.is_nil(none)
    assert.equal("unreachable", err.kind)
    closed:close()
  end)

  it("is partial when some of many questions have no answer", function()
    local broken = 0
    local source = setmetatable({ profiles = function(_, queries)
      local i = 0
      return function()
        i = i + 1
        if not queries[i] then return nil end
        if i == 2 then
          broken = broken + 1
          return i, nil, errors.new { kind = "http", message = "503", status = 503 }
        end
        return i, store:profile(queries[i])
      end
    end }, { __index = function(_, name)
      local value = store[name]
      if type(value) ~= "function" then return value end
      return function(_, ...) return value(store, ...) end
    end })
    local seen = {}
    local report = assert(inv(recipe_of("cpu", seen), source, { selector = SELECTOR }))
    assert.equal(1, broken)
    assert.equal(5, #seen.samples)
    assert.is_true(report.data_quality.partial)
    assert.equal(4, report.exit_code)
  end)

  it("raises for options that nobody knows, with the nearest name", function()
    local run = recipe_of("cpu", {})
    local function fails(options, pattern)
      local ok, message = pcall(inv.run, run, store, options)
      assert.is_false(ok)
      assert.matches(pattern, message)
    end
    fails({ selector = SELECTOR, polcy = "page" }, "unknown option 'polcy' %(did you mean 'policy'")
    fails({ selector = SELECTOR, alpah = 0.01 }, "alpha")
    fails({ selector = SELECTOR, policy = "tickets" }, "ticket")
    fails({ selector = SELECTOR, alpha = "small" }, "must be number")
    fails({ selector = SELECTOR, min_share = -1 }, "above 0")
    fails({ selector = SELECTOR, deadline = "soon" }, "duration")
    fails({ selector = SELECTOR, at = { A = "-1h..now" } }, "A and B")
    fails({}, "selector")
    local ok, message = pcall(inv.run, "cpu_regresion", store, { selector = SELECTOR })
    assert.is_false(ok)
    assert.matches("there is no recipe", message)
    -- what a recipe of one's own reads is its own affair
    assert(inv.run(run, store, { selector = SELECTOR, shoe_size = 44 }))
  end)

  it("takes thresholds from the policy, explicit ones win", function()
    local seen
    local function spy(_, options)
      seen = options
      return inv.report.new { recipe = "spy", verdict = "not_tested", options = options }
    end
    assert(inv(spy, store, { selector = SELECTOR, policy = "page" }))
    assert.equal(0.01, seen.alpha)
    assert.equal(0.05, seen.min_share)
    assert(inv(spy, store, { selector = SELECTOR, policy = "explore", alpha = 0.2 }))
    assert.equal(0.2, seen.alpha)
    assert.equal(0.001, seen.min_share)
    assert.equal(80, seen.max_requests)
    assert.equal("auto", seen.at)
  end)

  it("plans without a network", function()
    local plan = assert(inv.plan(recipe_of("cpu", {}), { selector = SELECTOR, clock = FROM }))
    local trees = 0
    for _, row in ipairs(plan.queries) do
      if row.method == "profile" then
        trees = trees + 1
        assert.equal(65536, row.max_nodes)
        assert.is_true(row.to_ms <= FROM)
      end
    end
    assert.is_true(trees >= 4) -- the same hours of earlier days, and today
    assert.equal(plan.requests, #plan.queries)
    assert.is_true(plan.bytes > 65536)
  end)

  it("lets a recipe be made of its blocks", function()
    local function canary(source, options)
      local window = inv.windows.parse("-6m", "now", { source = source })
      local id, err = inv.resolve(source, "cpu", options.selector, window)
      if not id then return nil, err end
      local subject = { selector = options.selector, type = id }
      local design = inv.windows.canary { window = window, K = 4, label = "pod",
        a = "checkout-0", b = "checkout-1" }
      local quality = assert(inv.preflight.run(source, subject, design))
      local samples = assert(inv.fetch.trees(source, { selector = options.selector, type = id,
        design = design }))
      local u = assert(inv.tree.drop(assert(inv.tree.union(samples)), { [[^runtime\.gc]] }))
      local bar = { min_share = 0.01, alpha = 0.01 }
      local found, tests = inv.explain.causes(u, function(rest)
        return inv.stats.paired(rest, inv.normalise.size_factors(rest), design, bar)
      end, bar)
      inv.fetch.close(samples)
      return inv.report.new { recipe = "canary", design = design, findings = found,
        tests = tests, quality = quality, options = options }
    end
    local report = assert(inv(canary, store, { selector = SELECTOR }))
    assert.is_true(report.design.paired)
    assert.equal(0, #report.findings) -- two pods of one version
    assert.same({ A = 1, B = 1 }, report.data_quality.instances)
  end)

  it("loads a recipe from a file, and says what is wrong with one", function()
    local path = os.tmpname() .. ".lua"
    local function write(text)
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
    end
    write [[
      local inv = require "pyroscope.investigate"
      return function(source, options)
        return inv.report.new { recipe = "mine", verdict = "not_tested", options = options }
      end]]
    assert.equal("mine", assert(inv(path, store, { selector = SELECTOR })).recipe)
    write "return 42"
    local none, err = inv(path, store, { selector = SELECTOR })
    assert.is_nil(none)
    assert.matches("returns a number", err.message)
    write "return function( end"
    none, err = inv(path, store, { selector = SELECTOR })
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    os.remove(path)
  end)
end)

describe("the incidents", function()
  local function there() return system.stat(INCIDENTS) ~= nil end

  it("are parted where the baseline ends, without being told", function()
    if not there() then return pending "needs ../shared: whole incidents" end
    local cjson = require "cjson"
    local n = 0
    for _, item in ipairs(assert(system.list(INCIDENTS))) do
      local path = INCIDENTS .. "/" .. item.name
      local text = system.read_file(path .. "/truth.json")
      if text then
        local truth = cjson.decode(text)
        local store <close> = assert(pyroscope.open(path))
        local selector = ('{service_name="%s"}'):format(truth.service)
        local found = assert(look(store, "cpu", { selector = selector }))
        n = n + 1
        for side, phase in pairs { A = truth.baseline, B = truth.incident } do
          local hull = inv.windows.hull(found.design[side])
          -- no window of a side lies in the other phase
          assert.is_true(hull.from_ms >= phase.from_ms - 60000, item.name)
          assert.is_true(hull.to_ms <= phase.to_ms + 60000, item.name)
          local length = hull.to_ms - hull.from_ms
          assert.is_true(length >= 0.75 * (phase.to_ms - phase.from_ms), item.name)
        end
        assert.equal(found.quality.ok, true, item.name)
        inv.fetch.close(found.samples)
      end
    end
    assert.is_true(n >= 13)
  end)
end)
