--- Recipes from end to end: bundles of the lab, and recorded incidents with the pairs of their
--- baselines. Left out where the data is not there.

local bundles = require "spec.lab.bundles"
local judge = require "spec.lab.judge"
local recorded = require "spec.lab.recorded"
local frames = require "pyroscope.investigate.frames"

local rows, scenes = {}, {}

-- Recipes that this tree has.
local RECIPES = {}
for _, name in ipairs { "cpu_regression", "memory_leak", "alloc_pressure", "goroutine_leak", "mutex_contention",
  "block_offcpu", "breakdown" } do
  if package.searchpath("pyroscope.investigate.recipes." .. name, package.path) then
    RECIPES[#RECIPES + 1] = name
    RECIPES[name] = true
  end
end

local function at(list, i) return list[(i - 1) % #list + 1] end

local function row(id, title, limits)
  limits.id, limits.title = id, title
  rows[#rows + 1] = limits
end

local function tell(what, report)
  if os.getenv "LAB_TELL" then
    io.stderr:write(what, ": ", report.verdict, " ", report.reason or "", "\n", report:text(), "\n")
  end
end

-- Bundles of the lab ---------------------------------------------------------------------------

local NEEDS = { [bundles.cpu] = "cpu_regression", [bundles.alloc] = "alloc_pressure",
  [bundles.breakdown] = "breakdown", [bundles.short_memory] = "memory_leak",
  [bundles.short_goroutines] = "goroutine_leak", [bundles.memory] = "memory_leak",
  [bundles.goroutines] = "goroutine_leak", [bundles.mutex] = "mutex_contention" }

local function scene(id, runs, title, limits, make, options, judged)
  if not RECIPES[NEEDS[make]] then return end
  row(id, title, limits)
  scenes[id] = { runs = runs, run = function(i, emit)
    local report, bundle = bundles.run(make, at(options, i))
    if not report then return end
    tell(id, report)
    emit(id, judged(report, bundle) and 1 or 0)
  end }
end

local function first_is_cause(report, bundle)
  local first = report.findings[1]
  return report.verdict == "regression" and first ~= nil and judge.locates(first, bundle.frames)
end

local function quiet(report) return report.verdict ~= "regression" end

scene("e2e_cpu", 0.15, "cpu_regression on a bundle, C1-C4 of 5-20 %: verdict and first cause", { above = 0.9 }, bundles.cpu,
  { { fault = "C1" }, { fault = "C2" }, { fault = "C3" }, { fault = "C4", share = 0.1 } }, first_is_cause)
scene("e2e_cpu_none", 0.15, "cpu_regression on a bundle, nothing, load x2, code that moved: quiet", { above = 0.97 },
  bundles.cpu, { {}, { load = 2 }, { fault = "N3", variant = "wrapper" }, { fault = "N3", variant = "package" } }, quiet)
scene("e2e_cpu_spike", 0.1, "cpu_regression on a bundle, gone after half of the time: quiet", { above = 0.95 }, bundles.cpu,
  { { fault = "C1", factor = 4, spike = true } }, quiet)
scene("e2e_leak", 0.1, "memory_leak M1, 1-2 %/h, up to three restarts, one pod of five: site", { above = 0.95 },
  bundles.memory, { { shape = "leak", rate = 0.02 }, { shape = "leak", rate = 0.02, restarts = 1 },
    { shape = "leak", rate = 0.01 }, { shape = "leak", rate = 0.05, restarts = 3 },
    { shape = "leak", rate = 0.05, one = true } }, first_is_cause)
for _, c in ipairs { { "warmup", "a cache that warms up within 0.3-2 h" }, { "diurnal", "a heap that follows the load" },
  { "sawtooth", "a collector's saw teeth" }, { "autoscale", "pods that come and go" }, { "flat", "nothing" } } do
  scene("e2e_" .. c[1], 0.1, ("memory_leak M2, %s: called a leak"):format(c[2]), { below = 0.02 }, bundles.memory,
    { { shape = c[1] }, { shape = c[1], restarts = c[1] == "flat" and 3 or nil } }, function(report)
      return not quiet(report)
    end)
end
scene("e2e_goroutine", 0.1, "goroutine_leak G1 100/h: key first, on all pods or the one", { above = 0.98 },
  bundles.goroutines, { { rate = 100 }, { rate = 100, one = true } }, function(report, bundle)
    if not first_is_cause(report, bundle) then return false end
    if not bundle.pod then return true end
    local pods = report.findings[1].instances
    return pods and (pods[1] == bundle.pod or pods[1] and pods[1].name == bundle.pod or pods[bundle.pod] ~= nil)
  end)
scene("e2e_goroutine_none", 0.1, "goroutine_leak, bursts of requests only: quiet", { above = 0.98 },
  bundles.goroutines, { {} }, quiet)
scene("e2e_mutex", 0.1, "mutex_contention L1, x3 longer or more often: site", { above = 0.95 }, bundles.mutex,
  { { longer = 3 }, { more = 3 } }, first_is_cause)
scene("e2e_mutex_none", 0.1, "mutex_contention, nothing: quiet", { above = 0.97 }, bundles.mutex, { {} }, quiet)

scene("e2e_mutex_counter", 0.1, "mutex_contention L2, uploads since the start, x3 longer: site", { above = 0.95 },
  bundles.mutex, { { longer = 3, counter = true } }, first_is_cause)
scene("e2e_alloc", 0.1, "alloc_pressure A1, x2 more or larger objects: site and factor", { above = 0.95 },
  bundles.alloc, { { more = 2 }, { larger = 2 } }, function(report, bundle)
    if not first_is_cause(report, bundle) then return false end
    local split = report.findings[1].split
    return split ~= nil and split.word:find(bundle.factor, 1, true) ~= nil
  end)
scene("e2e_breakdown", 0.1, "breakdown B1, one bad pod of 12, a bad version: the element", { above = 0.95 },
  bundles.breakdown, { { by = "pod" }, { by = "version" } }, function(report, bundle)
    local finding = report.findings[1]
    local labels = finding and finding.labels and finding.labels.explained_by and finding.labels.explained_by[1]
    return labels ~= nil and #labels.values == 1 and labels.values[1] == bundle.element
  end)
scene("e2e_breakdown_none", 0.1, "breakdown, nothing: quiet", { above = 0.97 }, bundles.breakdown, { {} }, quiet)

-- As short as the recorded incidents: ten windows a phase, three pods, 2 850 CPU samples a side
scene("short_cpu", 0.3, "short bundle, cpu_regression C1-C4 x2 of 5-20 %, one pod x4: verdict and cause", { above = 0.7 },
  bundles.cpu, { { short = true, fault = "C1" }, { short = true, fault = "C2" }, { short = true, fault = "C3" },
    { short = true, fault = "C4", share = 0.1 }, { short = true, fault = "C1", factor = 4, one = true } }, first_is_cause)
scene("short_cpu_none", 0.3, "short bundle, cpu_regression, nothing, load, code that moved: alarms", { below = 0.02 },
  bundles.cpu, { { short = true }, { short = true, load = 2 }, { short = true, fault = "N3", variant = "package" },
    { short = true, fault = "N3", variant = "wrapper" }, { short = true, fault = "N3", variant = "sibling" },
    { short = true, fault = "N5" } }, function(report) return not quiet(report) end)
scene("short_cpu_cold", 0.15, "short bundle, cpu_regression, new processes with cold caches: alarms", {}, bundles.cpu,
  { { short = true, fault = "C1", cold = true } }, function(report) return not quiet(report) end)
scene("short_leak", 0.15, "short bundle, memory_leak from half of the time on: site", { above = 0.8 }, bundles.short_memory,
  { { rate = 1.5 }, { rate = 4 } }, first_is_cause)
scene("short_leak_none", 0.15, "short bundle, memory_leak, nothing: alarms", { below = 0.02 }, bundles.short_memory, { {} },
  function(report) return not quiet(report) end)
scene("short_goroutine", 0.15, "short bundle, goroutine_leak from half of the time on: key", { above = 0.98 },
  bundles.short_goroutines, { { rate = 15 }, { rate = 100 } }, first_is_cause)
scene("short_goroutine_none", 0.15, "short bundle, goroutine_leak, bursts only: alarms", { below = 0.02 },
  bundles.short_goroutines, { {} }, function(report) return not quiet(report) end)
scene("short_alloc", 0.15, "short bundle, alloc_pressure x2: site", { above = 0.8 }, bundles.alloc,
  { { more = 2, short = true }, { larger = 2, short = true } }, first_is_cause)
scene("short_alloc_none", 0.15, "short bundle, alloc_pressure, nothing: alarms", { below = 0.02 }, bundles.alloc,
  { { short = true } }, function(report) return not quiet(report) end)
scene("short_mutex", 0.15, "short bundle, mutex_contention x3-x10: site", { above = 0.9 }, bundles.mutex,
  { { longer = 10, short = true }, { more = 3, short = true } }, first_is_cause)
scene("short_mutex_none", 0.15, "short bundle, mutex_contention, nothing: alarms", { below = 0.02 }, bundles.mutex,
  { { short = true } }, function(report) return not quiet(report) end)

-- Recorded incidents -----------------------------------------------------------------------------

local OF = { cpu_regression = "cpu_regression", memory_leak = "memory_leak", goroutine_leak = "goroutine_leak",
  mutex_contention = "mutex_contention", alloc_pressure = "alloc_pressure", blocking = "block_offcpu" }

local ill, healthy, pairs_of = {}, {}, {}
local SIX = {}
for _, name in ipairs(RECIPES) do
  if name ~= "breakdown" then SIX[#SIX + 1] = name end
end
for _, name in ipairs(recorded.names()) do
  local truth = recorded.truth(name)
  if OF[truth.kind] then
    if RECIPES[OF[truth.kind]] then ill[#ill + 1] = name end
  else
    for _, recipe in ipairs(SIX) do healthy[#healthy + 1] = { name, recipe } end
  end
end
for _, a in ipairs(recorded.names "checkout") do
  for _, b in ipairs(recorded.names "checkout") do
    if a ~= b then pairs_of[#pairs_of + 1] = { a, b } end
  end
end

local function investigate(recipe, folder, truth, windows)
  local pyroscope = require "pyroscope"
  local report, err = pyroscope.investigate(recipe, assert(pyroscope.open(folder)),
    { selector = ('{service_name="%s"}'):format(truth.service), at = windows })
  if not report then error(("%s of %s: %s"):format(recipe, folder, err.message), 0) end
  tell(recipe .. " " .. folder, report)
  return report
end

row("incident_verdict", "recorded incidents: verdict, and the first cause in entry..hot", { above = 1, goal = "all" })
row("incident_node", "recorded incidents: node is the cause", { above = 0.85 })
scenes.incidents = { count = #ill, run = function(i, emit)
  local truth = recorded.truth(ill[i])
  local report = investigate(OF[truth.kind], recorded.folder .. "/" .. ill[i], truth,
    { A = truth.baseline, B = truth.incident })
  local first = report.findings[1]
  local inside, exact = false, false
  if first then inside, exact = judge.locates(first, { frames.normalise(truth.cause["function"]) }) end
  emit("incident_verdict", report.verdict == "regression" and inside and 1 or 0)
  emit("incident_node", exact and 1 or 0)
end }

row("incident_quiet", "recorded phases without a fault, six recipes: no regression", { above = 1, goal = "all" })
scenes.healthy = { count = #healthy, run = function(i, emit)
  local name, recipe = table.unpack(healthy[i])
  local truth = recorded.truth(name)
  local report = investigate(recipe, recorded.folder .. "/" .. name, truth, { A = truth.baseline, B = truth.incident })
  emit("incident_quiet", quiet(report) and 1 or 0)
end }

for _, recipe in ipairs(SIX) do
  -- waits for the pool of connections do differ between these baselines, from none to nine
  local differs = recipe == "block_offcpu"
  row("pairs_" .. recipe, ("A/A on real pairs through `%s`%s"):format(recipe,
    differs and " (pool waits differ in truth, 0 to 9)" or ""), { below = not differs and 0.01 or nil })
end
scenes.pairs = { count = #pairs_of, run = function(i, emit)
  local folder, truth, windows, remove = recorded.pair(pairs_of[i][1], pairs_of[i][2])
  local ok, problem = pcall(function()
    for _, recipe in ipairs(SIX) do
      emit("pairs_" .. recipe, quiet(investigate(recipe, folder, truth, windows)) and 0 or 1)
    end
  end)
  remove()
  if not ok then error(problem, 0) end
end }

return { rows = rows, scenes = scenes }
