--- Scenes of functions without call trees: alarm rates where nothing happened, recall, smallest
--- detectable effects, intervals. `run(i, emit)` does one run; its random numbers are seeded.

local lab = require "spec.lab"
local faults = require "spec.lab.faults"
local judge = require "spec.lab.judge"
local special = require "pyroscope.investigate.stats.special"

local trees = lab.trees
local rows, scenes = {}, {}

local function at(list, i) return list[(i - 1) % #list + 1] end

local function policy_run(scene, policy)
  return judge.run(scene.samples, scene.design, policy, { quality = scene.quality, class = scene.class })
end

local function row(id, title, limits)
  limits.id, limits.title = id, title
  rows[#rows + 1] = limits
end

-- Nothing happened -----------------------------------------------------------------------

-- A page needs all that a ticket needs and more.
local function alarms(emit, scene, prefix)
  local result = policy_run(scene, "ticket")
  local alarm = #result.findings > 0
  emit(prefix .. "_ticket", alarm and 1 or 0)
  emit(prefix .. "_page", alarm and #policy_run(scene, "page").findings > 0 and 1 or 0)
  emit(prefix .. "_load", result.load.changed and 1 or 0)
  return result
end

local SD, RHO = { 0, 0.02, 0.05, 0.1, 0.2 }, { 0, 0.3, 0.6 }

row("aa_ticket", "A/A, noise 0-20 %, autocorrelation up to 0.6, `ticket`", { below = 0.01 })
row("aa_page", "the same, `page`", { below = 0.001 })
row("aa_load", "the same, `load` stated (traffic sd 10 %)", {})
scenes.aa = { runs = 10, run = function(i, emit)
  local scene = lab.generate { tree = trees.flat(), samples = 20000,
    noise = { sd = at(SD, i), rho = at(RHO, 1 + i // #SD), group = 0.02, traffic = 0.1 } }
  alarms(emit, scene, "aa")
  lab.close(scene)
end }

row("aa_rho8_ticket", "A/A, autocorrelation 0.8", { below = 0.05 })
scenes.aa_rho8 = { runs = 1, run = function(i, emit)
  local scene = lab.generate { tree = trees.flat(), samples = 20000,
    noise = { sd = at({ 0.05, 0.1, 0.2 }, i), rho = 0.8, traffic = 0.1 } }
  alarms(emit, scene, "aa_rho8")
  lab.close(scene)
end }

row("aa_pods_ticket", "A/A, 3+3 processes, noise unequal between functions", { below = 0.03 })
scenes.aa_pods = { runs = 2, run = function(i, emit)
  local scene = lab.generate { tree = trees.flat(), design = "pods", samples = at({ 1500, 15000, 50000 }, i),
    noise = { sd = at({ 0.05, 0.1 }, 1 + i // 3), unequal = 0.7, traffic = 0.1 } }
  alarms(emit, scene, "aa_pods")
  lab.close(scene)
end }

row("aa_days_ticket", "A/A, five days and one, noise of days 5-10 %", { below = 0.01 })
scenes.aa_days = { runs = 1, run = function(i, emit)
  local scene = lab.generate { tree = trees.flat(), design = "same_time", samples = 60000,
    noise = { sd = 0.02, day = at({ 0.05, 0.1 }, i), traffic = 0.2 } }
  alarms(emit, scene, "aa_days")
  lab.close(scene)
end }

row("aa_canary_ticket", "A/A, canary in paired blocks, common noise 10 %", { below = 0.01 })
scenes.aa_canary = { runs = 1, run = function(i, emit)
  local scene = lab.generate { tree = trees.flat(), design = "canary", samples = 20000,
    noise = { sd = at({ 0.02, 0.05, 0.1 }, i), rho = at(RHO, 1 + i // 3), shared = 0.1, traffic = 0.1 } }
  alarms(emit, scene, "aa_canary")
  lab.close(scene)
end }

-- One function is dearer -------------------------------------------------------------------

-- A scene with C1 in a function of known share. Returns nil where the tree has none.
local function dearer(options)
  local tree = trees.flat()
  local after, truth = faults.C1(tree, { factor = options.factor, from = options.from or 0.01, to = options.to or 0.2 })
  if not after then return nil end
  return lab.generate { tree = tree, after = after, truth = truth, design = options.design,
    samples = options.samples or 20000, windows = options.windows,
    noise = options.noise or { sd = 0.05, traffic = 0.1 }, load = options.load }
end

local function hit(result, truth)
  for rank, finding in ipairs(result.findings) do
    if judge.locates(finding, truth.frames) and finding.kind == truth.expected then return true, rank end
  end
  return false
end

-- Does the 95 % interval of the fault frame hold the truth?
local function covered(result, truth)
  for i, name in ipairs(result.tests.name) do
    if name == truth.frames[1] then
      local f = result.tests.flat.tested[i] and result.tests.flat or result.tests.cum
      if f.tested[i] and f.se[i] > 0 then
        return math.abs(f.d[i] - math.log(truth.effect)) <= special.t_quantile(0.975, f.df[i]) * f.se[i]
      end
    end
  end
end

row("recall_x2", "recall C1 x2, share >= 1 %, K = 8+8, noise <= 10 %", { above = 0.99 })
row("recall_x1_5", "recall C1 x1.5, the same", { above = 0.90 })
row("coverage", "true effect inside the 95 % CI", { above = 0.93, below = 0.97, goal = "93-97 %" })
for _, c in ipairs { { "recall_x2", 2 }, { "recall_x1_5", 1.5 } } do
  scenes[c[1]] = { runs = 1, run = function(i, emit)
    local scene = dearer { factor = c[2], noise = { sd = at({ 0.02, 0.05, 0.1 }, i),
      rho = at({ 0, 0.3 }, 1 + i // 3), traffic = 0.1 } }
    if not scene then return end
    local result = policy_run(scene, "ticket")
    emit(c[1], hit(result, scene.truth) and 1 or 0)
    local inside = covered(result, scene.truth)
    if inside ~= nil then emit("coverage", inside and 1 or 0) end
    emit("fdp", #result.findings > 0 and judge.false_findings(result.findings, scene.truth) / #result.findings or 0)
    lab.close(scene)
  end }
end

row("recall_pods", "recall C1 x1.5 and x2, share 1-20 %, 3+3 processes, 4 500 samples a side", { above = 0.30 })
row("recall_pods_many", "the same, 60 000 samples a side, no noise of processes", { above = 0.95 })
for _, c in ipairs { { "recall_pods", 1500, 0.05 }, { "recall_pods_many", 20000, 0 } } do
  scenes[c[1]] = { runs = 1, run = function(i, emit)
    local scene = dearer { factor = at({ 1.5, 2 }, i), design = "pods", samples = c[2],
      noise = { sd = c[3], traffic = 0.1 } }
    if not scene then return end
    emit(c[1], hit(policy_run(scene, "ticket"), scene.truth) and 1 or 0)
    lab.close(scene)
  end }
end

-- A ticket needs half a per cent of the total: x1.2 of 1 % is for `explore`.
row("recall_canary", "recall C1 x1.2, share >= 3 %, canary, 320 000 samples a side, noise 2 %", { above = 0.95 })
row("recall_canary_explore", "the same, share >= 1 %, `explore`", { above = 0.95 })
for _, c in ipairs { { "recall_canary", 0.03, "ticket" }, { "recall_canary_explore", 0.01, "explore" } } do
  scenes[c[1]] = { runs = 0.5, run = function(_, emit)
    local scene = dearer { factor = 1.2, from = c[2], design = "canary", samples = 40000,
      noise = { sd = 0.02, shared = 0.1, traffic = 0.1 } }
    if not scene then return end
    emit(c[1], hit(policy_run(scene, c[3]), scene.truth) and 1 or 0)
    lab.close(scene)
  end }
end

row("recall_days", "recall C1 x2, share >= 1 %, five days and one, noise of days 5 %", {})
scenes.recall_days = { runs = 0.5, run = function(_, emit)
  local scene = dearer { factor = 2, design = "same_time", samples = 60000,
    noise = { sd = 0.02, day = 0.05, traffic = 0.1 } }
  if not scene then return end
  emit("recall_days", hit(policy_run(scene, "ticket"), scene.truth) and 1 or 0)
  lab.close(scene)
end }

-- Smallest detectable effect ----------------------------------------------------------------

-- The effect reported for a function, times these, is injected into that function: where 80 % are
-- seen, the calibration is the multiplier.
local GRID = { 0.6, 0.75, 0.9, 1.05, 1.2, 1.4 }

row("mde", "effect that is seen in 80 % / reported MDE", { above = 0.9, below = 1.1, goal = "0.9-1.1",
  format = function(x) return ("%.2f"):format(x) end,
  compute = function(values)
    local n, curves = 0, { {}, {}, {} }
    for g, m in ipairs(GRID) do
      local list = values["mde@" .. m]
      if not list then return nil end
      local sum = 0
      for _, x in ipairs(list) do sum = sum + x end
      n = n + #list
      local low, high = require("spec.lab.score").wilson(sum, #list)
      curves[1][g], curves[2][g], curves[3][g] = sum / #list, high, low
    end
    local result = {}
    for c, curve in ipairs(curves) do
      result[c] = curve[1] >= 0.8 and GRID[1] or GRID[#GRID]
      for g = #GRID, 2, -1 do
        if curve[g] >= 0.8 and curve[g - 1] < 0.8 then
          result[c] = GRID[g - 1] + (GRID[g] - GRID[g - 1]) * (0.8 - curve[g - 1]) / (curve[g] - curve[g - 1])
          break
        end
      end
    end
    return result[1], result[2], result[3], n
  end })

scenes.mde = { runs = 2, run = function(i, emit)
  local noise = { sd = at({ 0, 0.05, 0.1 }, 1 + i // #GRID), traffic = 0.1 }
  local multiplier = at(GRID, i)
  local tree = trees.flat()
  local name, f = faults.choose(tree, { role = faults.is_app, by = "flat", from = 0.02, to = 0.2 })
  if not name then return end
  local function tests_of(after)
    local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = noise }
    local tests = policy_run(scene, "ticket").tests
    lab.close(scene)
    for k, n in ipairs(tests.name) do
      if n == name then
        return tests, tests.flat.tested[k] and tests.flat or tests.cum, k
      end
    end
  end
  local _, family, k = tests_of(nil)
  local effect = 1 + family.mde[k] * multiplier
  local after = trees.copy(tree)
  for _, v in ipairs(f.nodes) do after.weight[v] = after.weight[v] * effect end
  local tests, seen, at_row = tests_of(after)
  emit("mde@" .. multiplier, seen.p[at_row] * tests.m <= 0.05 and 1 or 0)
end }

return { rows = rows, scenes = scenes }
