--- Scenes of call trees: where a fault is placed, how many findings it makes, what is explained
--- away, and what that costs.

local lab = require "spec.lab"
local core = require "pyroscope.core"
local faults = require "spec.lab.faults"
local defects = require "spec.lab.defects"
local judge = require "spec.lab.judge"
local verdict = require "pyroscope.investigate.verdict"

local trees, random = lab.trees, lab.random
local rows, scenes = {}, {}

local function at(list, i) return list[(i - 1) % #list + 1] end

local function row(id, title, limits)
  limits.id, limits.title = id, title
  rows[#rows + 1] = limits
end

local function run(scene, policy, change)
  return judge.run(scene.samples, scene.design, policy, { quality = scene.quality, class = scene.class }, change)
end

local NOISE = { sd = 0.03, rho = 0.3, group = 0.02, traffic = 0.1 }

-- The tree of a recorded service: CPU of the first phase of the incident in examples/data.
local recorded
local function real_shape()
  if not recorded then
    local list = {}
    for line in io.lines "examples/data/cpu-hotspot/index.jsonl" do
      local file = line:match '"file":"(cpu/[^"]+)"'
      if file and line:find('"v41"', 1, true) then
        local pprof = assert(core.pprof((assert(core.read_file("examples/data/cpu-hotspot/" .. file)))))
        list[#list + 1] = assert(core.collect { { pprof, type = pprof.default_type } })
      end
    end
    local merged = assert(core.merge(list))
    recorded = trees.shape(merged, { app = function(name) return name:find("^shop%.example/") ~= nil end })
  end
  return recorded
end

-- Faults that are found --------------------------------------------------------------------

-- What all scenes of faults tell: recall, place, number of findings, what filters cost.
local function tell(emit, prefix, result, truth)
  if os.getenv "LAB_TELL" then io.stderr:write("  truth: ", table.concat(truth.frames, ", "), "\n") end
  local count, first = 0, result.findings[1]
  local recalled, found = false, false
  for _, finding in ipairs(result.found) do found = found or judge.locates(finding, truth.frames) end
  for _, finding in ipairs(result.findings) do
    recalled = recalled or judge.locates(finding, truth.frames)
    count = count + 1
  end
  emit(prefix .. "_recall", recalled and 1 or 0)
  emit("harm", found and not recalled and 1 or 0)
  if first then
    local inside, exact = judge.locates(first, truth.frames)
    emit(prefix .. "_place", inside and 1 or 0)
    emit(prefix .. "_exact", exact and 1 or 0)
    emit("per_cause", count / truth.causes)
    emit("fdp", judge.false_findings(result.findings, truth) / count)
    emit(prefix .. "_kind", first.kind == truth.expected and 1 or 0)
  else
    emit("fdp", 0)
  end
end

local PLACES = { C1 = { factors = { 1.5, 2, 4 } }, C2 = { factors = { 1.5, 2 } }, C3 = { factors = { 1.5, 2 } } }
local WORDS = { C1 = "C1 self cost", C2 = "C2 called more often", C3 = "C3 library function" }
local EXACT = { C1 = 0.80, C2 = 0.60, C3 = 0.40 }
for _, id in ipairs { "C1", "C2", "C3" } do
  row(id .. "_recall", WORDS[id] .. " x1.5-x4 in a tree: recall", {})
  row(id .. "_place", WORDS[id] .. ": first finding holds the fault frame in entry..hot", { above = 0.97 })
  row(id .. "real_exact", WORDS[id] .. ": node is the fault frame, tree of real shape", { above = EXACT[id] })
  row(id .. "real_place", WORDS[id] .. ": entry..hot holds it, tree of real shape", { above = 0.97 })
  scenes["place_" .. id] = { runs = 1, run = function(i, emit)
    local real = i % 2 == 0
    local tree = real and real_shape() or trees.random()
    local after, truth = faults[id](tree, { factor = at(PLACES[id].factors, 1 + i // 2), from = 0.01, to = 0.2 })
    if not after then return end
    local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = NOISE }
    tell(emit, real and id .. "real" or id, run(scene, "ticket"), truth)
    lab.close(scene)
  end }
end

row("C4_recall", "C4 new code, 1-10 %: recall", {})
row("C4_place", "C4: entry..hot holds its topmost frame", { above = 0.97 })
row("C4_exact", "C4: node is its topmost frame", {})
row("C4_kind", "C4: called new code", {})
scenes.new_code = { runs = 1, run = function(i, emit)
  local tree = trees.random()
  local after, truth = faults.C4(tree, { share = at({ 0.01, 0.02, 0.05, 0.1 }, i) })
  if not after then return end
  local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = NOISE }
  tell(emit, "C4", run(scene, "ticket"), truth)
  lab.close(scene)
end }

row("C5_all", "C5 two faults and an improvement: all three found", {})
scenes.three = { runs = 1, run = function(i, emit)
  local tree = trees.random()
  local after, truth = faults.C5(tree, { factor = at({ 2, 3 }, i), from = 0.02, to = 0.15 })
  if not after then return end
  local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = NOISE }
  local result = run(scene, "ticket")
  local hits = 0
  for _, frame in ipairs(truth.frames) do
    for _, finding in ipairs(result.findings) do
      if judge.locates(finding, { frame }) then
        hits = hits + 1
        break
      end
    end
  end
  emit("C5_all", hits == 3 and 1 or 0)
  emit("fdp", #result.findings > 0 and judge.false_findings(result.findings, truth) / #result.findings or 0)
  if #result.findings > 0 then emit("per_cause", #result.findings / 3) end
  lab.close(scene)
end }

row("per_cause", "findings per cause, mean", { stat = "mean", below = 1.10 })
rows[#rows + 1] = { id = "per_cause_p99", title = "findings per cause, 99th percentile", below = 2,
  format = function(x) return ("%.3g"):format(x) end,
  compute = function(values)
    if not values.per_cause then return nil end
    local r = require("spec.lab.score").row({ id = "per_cause", stat = "p99" }, values)
    return r.value, r.low, r.high, r.n
  end }
row("fdp", "false among reported, mixed scenes", { stat = "rate", below = 0.05 })
row("harm", "true C1-C4 lost to filters", { below = 0.005 })

-- What is explained away ---------------------------------------------------------------------

local function suppressed(emit, id, result)
  local alarms = 0
  for _, finding in ipairs(result.findings) do
    if finding.kind == "regression" or finding.kind == "new_code" then alarms = alarms + 1 end
  end
  emit(id, alarms == 0 and 1 or 0)
  emit("suppressed", alarms == 0 and 1 or 0)
  emit("fdp", #result.findings > 0 and alarms > 0 and 1 or 0)
end

row("suppressed", "N3-N5 not reported as regression", { above = 0.98 })
for _, c in ipairs { { "N3", "sibling", "self time moves to a sibling" },
  { "N3", "package", "code moves to another package" },
  { "N3", "wrapper", "a wrapper comes in between" }, { "N4", "rename", "renamed" },
  { "N4", "shape", "shape of a generic" }, { "N4", "closure", "closure number" }, { "N4", "hash", "symbol hash" },
  { "N5", nil, "inlined" } } do
  local id = c[1] .. (c[2] and "_" .. c[2] or "")
  row(id, c[1] .. " " .. c[3], {})
  scenes[id] = { runs = 0.25, run = function(_, emit)
    local tree = trees.random()
    local after, truth, before = faults[c[1]](tree, { variant = c[2] })
    if not after then return end
    local scene = lab.generate { tree = before or tree, after = after, samples = 20000, noise = NOISE, truth = truth }
    suppressed(emit, id, run(scene, "ticket"))
    lab.close(scene)
  end }
end

-- Nothing happened to the code ---------------------------------------------------------------

row("aa_trees", "A/A of call trees, endpoints vary by 2-5 %", { below = 0.01 })
scenes.aa_trees = { runs = 2, run = function(i, emit)
  local tree = i % 3 == 0 and real_shape() or trees.random()
  local scene = lab.generate { tree = tree, samples = at({ 2000, 20000 }, i),
    noise = { sd = at({ 0.02, 0.05, 0.1 }, 1 + i // 2), rho = at({ 0, 0.3, 0.6 }, 1 + i // 6),
      group = at({ 0.02, 0.05 }, i), traffic = 0.1 } }
  emit("aa_trees", #run(scene, "ticket").findings > 0 and 1 or 0)
  lab.close(scene)
end }

row("N2", "N2 traffic x0.3, x2, x5: no finding, `load` stated", { above = 0.99 })
scenes.N2 = { runs = 0.5, run = function(i, emit)
  local factor = at({ 0.3, 2, 5 }, i)
  local scene = lab.generate { tree = trees.random(), samples = 20000, noise = NOISE, load = factor }
  local result = run(scene, "ticket")
  local right = #result.findings == 0 and result.load.changed and math.abs(math.log(result.load.ratio / factor)) < 0.25
  emit("N2", right and 1 or 0)
  lab.close(scene)
end }

row("N6", "N6 a spike of 20 minutes of 40: transient", { above = 0.97 })
scenes.N6 = { runs = 0.5, run = function(i, emit)
  local tree = trees.random()
  local after = faults.C1(tree, { factor = at({ 2, 4 }, i), from = 0.02, to = 0.15 })
  if not after then return end
  local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = NOISE,
    active = function(w) return w.order <= 4 end }
  emit("N6", #run(scene, "ticket").findings == 0 and 1 or 0)
  lab.close(scene)
end }

row("N9", "N9 truncated on one side, 2 % hidden at most: nothing certain", { above = 0.99 })
row("N9_512", "- truncated to 512 nodes, 6 % hidden", {})
scenes.N9 = { runs = 0.5, run = function(i, emit)
  local scene = lab.generate { tree = trees.random(), samples = 20000, noise = NOISE }
  local side, nodes = at({ "A", "B" }, i), at({ 512, 1000, 700, 850 }, 1 + i // 2)
  defects.truncate(scene, nodes, side)
  local certain = 0
  for _, finding in ipairs(run(scene, "ticket").findings) do
    if finding.certain then certain = certain + 1 end
  end
  if scene.quality.other_share[side] <= 0.02 then emit("N9", certain == 0 and 1 or 0) end
  if nodes == 512 then emit("N9_512", certain == 0 and 1 or 0) end
  lab.close(scene)
end }

row("N8", "N8 the profiler's rate falls from 100 to 19 Hz: no finding", { above = 0.99 })
row("N8_low", "- a real change then has confidence `low` or `medium`", { above = 0.99 })
scenes.N8 = { runs = 0.5, run = function(_, emit)
  local tree = trees.random()
  local function judged(after)
    local scene = lab.generate { tree = tree, after = after, samples = 20000, noise = NOISE,
      adjust = defects.rate(10000000, 52631579) }
    scene.quality.profiler_changed = true
    return scene, run(scene, "ticket")
  end
  local scene, result = judged()
  emit("N8", #result.findings == 0 and 1 or 0)
  lab.close(scene)
  local after = faults.C1(tree, { factor = 3, from = 0.03, to = 0.2 })
  if not after then return end
  scene, result = judged(after)
  for _, finding in ipairs(result.findings) do
    local _, word = verdict.confidence(finding, { quality = scene.quality, tests = result.tests, design = scene.design })
    emit("N8_low", word ~= "high" and 1 or 0)
  end
  lab.close(scene)
end }

row("N10", "N10 a gap of 40 % in B, three times the instances: no finding, no load", { above = 0.99 })
scenes.N10 = { runs = 0.5, run = function(i, emit)
  local scene = lab.generate { tree = trees.random(), samples = 20000,
    noise = { sd = 0.03, group = 0.02, traffic = 0.05 },
    adjust = at({ defects.losing("B", 0.4), defects.scaled(3) }, i) }
  local result = run(scene, "ticket")
  emit("N10", #result.findings == 0 and not result.load.changed and 1 or 0)
  lab.close(scene)
end }

row("fixed_cost", "load x0.5 and 5-15 % of the work does not scale: no regression", { above = 0.97 })
scenes.fixed_cost = { runs = 0.5, run = function(_, emit)
  local tree = trees.random()
  local name = faults.choose(tree, { role = faults.is_app, by = "flat", from = 0.05, to = 0.15 })
  if not name then return end
  local scene = lab.generate { tree = tree, samples = 20000, noise = NOISE, load = 0.5, fixed = { [name] = true } }
  local alarms = 0
  for _, finding in ipairs(run(scene, "ticket").findings) do
    if finding.kind == "regression" then alarms = alarms + 1 end
  end
  emit("fixed_cost", alarms == 0 and 1 or 0)
  lab.close(scene)
end }

row("determinism", "same input, same judgement", { above = 1, goal = "100 %" })
row("permuted", "samples in another order, same judgement", { above = 1, goal = "100 %" })
scenes.determinism = { runs = 0.1, run = function(_, emit)
  local tree = trees.random()
  local after = faults.C1(tree, { factor = 2 })
  local scene = lab.generate { tree = tree, after = after or tree, samples = 5000, noise = NOISE }
  local function told()
    local parts = {}
    local result = run(scene, "ticket")
    for _, f in ipairs(result.findings) do
      parts[#parts + 1] = ("%s %s %.9g %.9g %.9g %s"):format(f.name, f.kind, f.p, f.q, f.delta.of_total,
        table.concat(f.hot, ";"))
    end
    return table.concat(parts, "\n")
  end
  local first = told()
  emit("determinism", told() == first and 1 or 0)
  random.shuffle(scene.samples)
  emit("permuted", told() == first and 1 or 0)
  lab.close(scene)
end }

return { rows = rows, scenes = scenes }
