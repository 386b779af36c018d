--- What every component is for: the same scenes with one component left out. A component whose
--- absence does not show is not worth its lines.

local lab = require "spec.lab"
local faults = require "spec.lab.faults"
local judge = require "spec.lab.judge"
local counts = require "pyroscope.investigate.counts"

local trees = lab.trees
local steps = judge.steps
local rows, scenes = {}, {}

local function at(list, i) return list[(i - 1) % #list + 1] end

local function row(id, title, limits)
  limits = limits or {}
  limits.id, limits.title = id, title
  rows[#rows + 1] = limits
end

-- Replacements -------------------------------------------------------------------------------

local original = { choose = steps.stats.choose, size = steps.normalise.size_factors }

-- Shares: every side is divided by its total.
local function by_totals(u)
  return original.size(u, { min_functions = math.huge })
end

-- Families whose errors are computed otherwise; p values and smallest effects are read later.
local function with_errors(change)
  return function(u, sf, design, bar)
    local tests = original.choose(u, sf, design, bar)
    local table_rows = counts.of(u)
    for _, which in ipairs { "cum", "flat" } do
      local family = tests[which]
      for i, function_row in ipairs(table_rows) do
        family.se[i], family.df[i], family.sigma2[i] = change(function_row, which, family, i, sf, table_rows)
      end
    end
    return tests
  end
end

-- Two merged windows under Poisson: sampling is all there is.
local poisson = with_errors(function(_, _, family, i)
  return math.sqrt(1 / (family.a[i] + 0.5) + 1 / (family.b[i] + 0.5)), 1e6, 0
end)

-- Every function has its own variance only.
local own_variance = with_errors(function(function_row, which, _, _, sf, table_rows)
  local q = which == "flat" and function_row.q or function_row.q_cum
  local sum, squares, noise, n = { A = 0, B = 0 }, { A = 0, B = 0 }, { A = 0, B = 0 }, table_rows.n
  for k, side in ipairs(table_rows.sides) do
    local count = function_row[which][k] / q
    local y = math.log(count + 0.5) - math.log(sf.s[k])
    sum[side], squares[side] = sum[side] + y, squares[side] + y * y
    noise[side] = noise[side] + 1 / (count + 0.5)
  end
  local df = n.A + n.B - 2
  local s2 = (squares.A - sum.A ^ 2 / n.A + squares.B - sum.B ^ 2 / n.B) / df
  local sigma2 = math.max(0, s2 - (noise.A + noise.B) / (n.A + n.B))
  local se2 = sigma2 * (1 / n.A + 1 / n.B) + noise.A / n.A ^ 2 + noise.B / n.B ^ 2
  return math.sqrt(math.max(se2, 1e-12)), df, sigma2
end)

local function without_inflation(u, sf, design, bar)
  local other = {}
  for key, value in pairs(design or {}) do other[key] = value end
  other.inflate = false
  return original.choose(u, sf, other, bar)
end

local function nothing() return {} end

-- All that passes Benjamini and Hochberg's bar on the first tests, one finding a function.
local function no_peeling(u, test, bar)
  local tree = require "pyroscope.investigate.tree"
  local rest = tree.user(u)
  local tests = test(rest)
  local found, p, at_row = {}, {}, {}
  for _, which in ipairs { "cum", "flat" } do
    for i in ipairs(tests.name) do
      if tests[which].tested[i] then
        p[#p + 1] = tests[which].p[i]
        at_row[#p] = { which, i }
      end
    end
  end
  local q = steps.stats.bh(p)
  local base = (tests.size.total.A) / tests.size.n.A
  local named = {}
  for k, entry in ipairs(at_row) do
    local family, i = tests[entry[1]], entry[2]
    if q[k] <= bar.alpha and math.abs(family.delta[i]) >= bar.min_share * base
      and math.abs(family.delta[i]) >= bar.min_rel * family.before[i] and not named[tests.name[i]] then
      named[tests.name[i]] = true
      found[#found + 1] = { name = tests.name[i] }
    end
  end
  return found
end

-- Scenes -------------------------------------------------------------------------------------

local function judged(scene, change)
  return judge.run(scene.samples, scene.design, "ticket", { quality = scene.quality, class = scene.class }, change)
end

local function compare(emit, id, scene, change, value)
  emit(id .. "_with", value(judged(scene)))
  emit(id .. "_without", value(judged(scene, change)))
end

local function alarm(result) return #result.findings > 0 and 1 or 0 end

local function pair(id, with, without, limits)
  row(id .. "_with", with, limits and { stat = limits.stat })
  row(id .. "_without", without, limits and { stat = limits.stat })
end

pair("no_size", "false findings where 40 small functions doubled", "- by shares instead of size factors", { stat = "mean" })
pair("no_size_effect", "reported over true ratio of one function x8 of 5-10 %", "- by shares", { stat = "mean" })
scenes.no_size = { runs = 0.1, run = function(_, emit)
  local change = { ["normalise.size_factors"] = by_totals }
  local tree = trees.flat()
  local after, truth = trees.copy(tree), { causes = 40, frames = {} }
  local start = lab.random.uniform(20, 40)
  for k = 1, 40 do
    local v = start + 3 * k
    after.weight[v] = after.weight[v] * 3
    truth.frames[k] = after.name[v]
  end
  local scene = lab.generate { tree = tree, after = after, samples = 40000, noise = { sd = 0.02, traffic = 0.1 } }
  compare(emit, "no_size", scene, change, function(result)
    return judge.false_findings(result.findings, truth)
  end)
  lab.close(scene)
  after, truth = faults.C1(tree, { factor = 8, from = 0.05, to = 0.1 })
  if not after then return end
  scene = lab.generate { tree = tree, after = after, samples = 20000, noise = { sd = 0.02, traffic = 0.1 } }
  for _, which in ipairs { "with", "without" } do
    for _, finding in ipairs(judged(scene, which == "without" and change or nil).findings) do
      if judge.locates(finding, truth.frames) then emit("no_size_effect_" .. which, math.exp(finding.d) / 8) end
    end
  end
  lab.close(scene)
end }

for _, sd in ipairs { 0.05, 0.1, 0.2 } do
  local id = ("no_replicates_%g"):format(100 * sd)
  pair(id, ("A/A alarms at %g %% noise"):format(100 * sd), "- windows merged, sampling error only")
  scenes[id] = { runs = 0.1, run = function(_, emit)
    local scene = lab.generate { tree = trees.flat(), samples = 20000, noise = { sd = sd, traffic = 0.1 } }
    compare(emit, id, scene, { ["stats.choose"] = poisson }, alarm)
    lab.close(scene)
  end }
end

for _, rho in ipairs { 0.6, 0.8 } do
  local id = ("no_vif_%g"):format(10 * rho)
  pair(id, ("A/A alarms at autocorrelation %g, 12+12 blocks"):format(rho), "- neighbours taken as independent")
  scenes[id] = { runs = 0.1, run = function(_, emit)
    local scene = lab.generate { tree = trees.flat(), samples = 20000, windows = { K = 12 },
      noise = { sd = 0.1, rho = rho, traffic = 0.1 } }
    compare(emit, id, scene, { ["stats.choose"] = without_inflation }, alarm)
    lab.close(scene)
  end }
end

pair("no_shrink", "A/A alarms, 3+3 processes", "- each function its own variance, no prior")
pair("no_shrink_recall", "recall C1 x2 of 2-20 %, 3+3 processes, 5 % noise", "- no prior")
scenes.no_shrink = { runs = 0.1, run = function(_, emit)
  local noise = { sd = 0.05, unequal = 0.5, traffic = 0.1 }
  local tree = trees.flat()
  local scene = lab.generate { tree = tree, design = "pods", samples = 15000, noise = noise }
  compare(emit, "no_shrink", scene, { ["stats.choose"] = own_variance }, alarm)
  lab.close(scene)
  local after, truth = faults.C1(tree, { factor = 2, from = 0.02, to = 0.2 })
  if not after then return end
  scene = lab.generate { tree = tree, after = after, design = "pods", samples = 15000, noise = noise }
  compare(emit, "no_shrink_recall", scene, { ["stats.choose"] = own_variance }, function(result)
    for _, finding in ipairs(result.findings) do
      if judge.locates(finding, truth.frames) then return 1 end
    end
    return 0
  end)
  lab.close(scene)
end }

pair("no_peel", "findings per C3 fault", "- every function that passes plain BH", { stat = "mean" })
scenes.no_peel = { runs = 0.1, run = function(_, emit)
  local tree = trees.random()
  local after = faults.C3(tree, { factor = 2, from = 0.02, to = 0.2 })
  if not after then return end
  local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = { sd = 0.03, traffic = 0.1 } }
  local tree_module = require "pyroscope.investigate.tree"
  local result = judged(scene)
  if #result.findings > 0 then
    emit("no_peel_with", #result.findings)
    local bar = require "pyroscope.investigate.verdict".bar { policy = "ticket" }
    local u = assert(tree_module.union(scene.samples))
    emit("no_peel_without", #no_peeling(u, function(rest)
      return original.choose(rest, original.size(rest), scene.design, bar)
    end, bar))
    u:close()
  end
  lab.close(scene)
end }

pair("no_shift", "alarms where code only moved (N3)", "- no shift filter")
scenes.no_shift = { runs = 0.1, run = function(i, emit)
  local tree = trees.random()
  local after = faults.N3(tree, { variant = at({ "sibling", "package", "wrapper" }, i) })
  if not after then return end
  local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = { sd = 0.03, traffic = 0.1 } }
  compare(emit, "no_shift", scene, { ["shifts.find"] = nothing }, function(result)
    for _, finding in ipairs(result.findings) do
      if finding.kind == "regression" or finding.kind == "new_code" then return 1 end
    end
    return 0
  end)
  lab.close(scene)
end }

pair("no_fixed", "alarms at half the load with fixed work of 5-15 %", "- no rule for fixed cost")
scenes.no_fixed = { runs = 0.1, run = function(_, emit)
  local tree = trees.flat()
  local name = faults.choose(tree, { role = faults.is_app, by = "flat", from = 0.05, to = 0.15 })
  if not name then return end
  local scene = lab.generate { tree = tree, samples = 20000, load = 0.5, noise = { sd = 0.03, traffic = 0.05 },
    fixed = { [name] = true } }
  compare(emit, "no_fixed", scene, { ["guards.load"] = function() return { result = "clear" } end }, alarm)
  lab.close(scene)
end }

pair("no_days", "A/A alarms, days vary by 10 %: five days against one",
  "- eight blocks of one day against eight of the next")
scenes.no_days = { runs = 0.1, run = function(_, emit)
  local noise = { sd = 0.02, day = 0.1, traffic = 0.1 }
  local tree = trees.flat()
  local scene = lab.generate { tree = tree, design = "same_time", samples = 60000, noise = noise }
  emit("no_days_with", alarm(judged(scene)))
  lab.close(scene)
  scene = lab.generate { tree = tree, samples = 20000, noise = noise, adjust = function(windows)
    for _, w in ipairs(windows) do w.day = w.side == "A" and 1 or 2 end
  end }
  emit("no_days_without", alarm(judged(scene)))
  lab.close(scene)
end }

pair("no_transient", "alarms at a spike of 30 minutes of 40", "- no rule for what went away")
scenes.no_transient = { runs = 0.1, run = function(_, emit)
  local tree = trees.flat()
  local after = faults.C1(tree, { factor = 1.5, from = 0.04, to = 0.2 })
  if not after then return end
  local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = { sd = 0.03, traffic = 0.1 },
    active = function(w) return w.order <= 6 end }
  compare(emit, "no_transient", scene, { ["guards.transient"] = function() return { result = "clear" } end }, alarm)
  lab.close(scene)
end }

return { rows = rows, scenes = scenes }
