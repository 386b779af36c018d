--- Scenes without trees: change points, leaks and what looks like one, splits into two factors,
--- elements of a label, uploads that are counters.

local lab = require "spec.lab"
local defects = require "spec.lab.defects"
local stats = require "pyroscope.investigate.stats"

local random, load = lab.random, lab.load
local rows, scenes = {}, {}

local function at(list, i) return list[(i - 1) % #list + 1] end

local function row(id, title, limits)
  limits.id, limits.title = id, title
  rows[#rows + 1] = limits
end

-- Change points ------------------------------------------------------------------------------

row("cp_null", "change points where there is none, autocorrelation up to 0.6", { below = 0.01 })
scenes.cp_null = { runs = 1, run = function(i, emit)
  local found = stats.changepoints(load.series { n = at({ 96, 144, 288 }, i), sd = at({ 0.02, 0.05, 0.1 }, 1 + i // 3),
    rho = at({ 0, 0.3, 0.6 }, 1 + i // 9), missing = at({ 0, 0.05 }, i) })
  emit("cp_null", found and #found > 0 and 1 or 0)
end }

row("cp_place", "change point: error of place, 95th percentile, steps", { stat = "p95", below = 2 })
row("cp_found", "change point of +10-40 %: found", {})
scenes.cp_place = { runs = 1, run = function(i, emit)
  local n = 144
  local place = random.uniform(20, n - 20)
  local found = stats.changepoints(load.series { n = n, sd = 0.05, rho = at({ 0, 0.3, 0.6 }, i),
    shape = load.step(place, 1.1 + 0.3 * random.uniform()) })
  local error_steps
  for _, point in ipairs(found or {}) do
    local e = math.abs(point.index - place)
    error_steps = math.min(error_steps or e, e)
  end
  emit("cp_found", error_steps and 1 or 0)
  if error_steps then emit("cp_place", error_steps) end
end }

row("cp_late", "change point of +30 % with 7 late points", { above = 0.95 })
row("cp_late_rho", "the same, autocorrelation 0.3", {})
scenes.cp_late = { runs = 1, run = function(i, emit)
  local n, rho = 96, at({ 0, 0.3 }, i)
  local found = stats.changepoints(load.series { n = n, sd = 0.05, rho = rho, shape = load.step(n - 7, 1.3) })
  local hit = false
  for _, point in ipairs(found or {}) do
    hit = hit or point.direction == "up" and math.abs(point.index - (n - 7)) <= 2
  end
  emit(rho > 0 and "cp_late_rho" or "cp_late", hit and 1 or 0)
end }

row("cp_bump", "a bump of 20 steps is given as a pair", {})
scenes.cp_bump = { runs = 0.25, run = function(_, emit)
  local found = stats.changepoints(load.series { n = 144, sd = 0.05, shape = load.bump(60, 80, 1.5) })
  emit("cp_bump", found and #found == 2 and found[1].direction ~= found[2].direction and 1 or 0)
end }

-- Trends ----------------------------------------------------------------------------------------

local STEP_HOURS, HOURS = 1 / 12, 12

-- Live bytes of five processes and what they are restarted to: strata of points every five minutes.
local function fleet(options)
  local strata, count = {}, math.floor(HOURS / STEP_HOURS)
  for _ = 1, 5 do
    local noise, restart, started = random.ar1(count, options.sd, options.rho), options.restarts(), 0
    local stratum = { t = {}, y = {} }
    for i = 1, count do
      local hours = i * STEP_HOURS
      if restart[1] and hours >= restart[1] then
        table.remove(restart, 1)
        if #stratum.t >= 8 then strata[#strata + 1] = stratum end
        started, stratum = hours, { t = {}, y = {} }
      end
      stratum.t[#stratum.t + 1] = hours
      stratum.y[#stratum.y + 1] = 5e8 * (1 + options.slope * (hours - started)) * math.exp(noise[i])
    end
    if #stratum.t >= 8 then strata[#strata + 1] = stratum end
  end
  return strata
end

local function restarted(most)
  return function()
    local list = {}
    for k = 1, random.uniform(0, most) do list[k] = 1 + 10 * random.uniform() end
    table.sort(list)
    return list
  end
end

-- The bar of the recipe for memory, without what it asks of load and plateaus.
local function grows(strata)
  local r = stats.trend(strata, { plateau = true, seed = 1 })
  return r.z >= 3.09 and (r.rel or 0) >= 0.05 and r.plateau == "clear", r
end

row("leak_recall", "trend of 2 %/h, 5 pods, 12 h, at most one restart: found", { above = 0.98 })
row("leak_slope", "error of its slope, median of runs", { stat = "median", below = 0.10,
  format = function(x) return ("%.1f %%"):format(100 * x) end })
row("leak_small", "trend of 1 %/h, up to three restarts: found", {})
for _, c in ipairs { { "leak_recall", 0.02, 1 }, { "leak_small", 0.01, 3 } } do
  scenes[c[1]] = { runs = 0.25, run = function(_, emit)
    local found, r = grows(fleet { sd = 0.05, rho = 0.3, slope = c[2], restarts = restarted(c[3]) })
    emit(c[1], found and 1 or 0)
    if c[1] == "leak_recall" then emit("leak_slope", math.abs(r.slope / (c[2] * 5e8) - 1)) end
  end }
end

row("trend_null", "trend where there is none, autocorrelation up to 0.8", { below = 0.01 })
scenes.trend_null = { runs = 0.5, run = function(i, emit)
  emit("trend_null", grows(fleet { sd = at({ 0.05, 0.15 }, i), rho = at({ 0, 0.3, 0.6, 0.8 }, 1 + i // 2), slope = 0,
    restarts = restarted(2) }) and 1 or 0)
end }

-- Factors, elements, counters --------------------------------------------------------------------

-- Sum of heavy-tailed waits of `count` contentions of mean `mean`.
local function waits(count, mean)
  local n, sum = random.poisson(count), 0
  for _ = 1, n do sum = sum + mean * math.exp(1.5 * random.normal() - 1.125) end
  return n, sum
end

row("factor", "L1, A1: more often or longer, more objects or larger", { above = 0.99 })
scenes.factor = { runs = 1, run = function(i, emit)
  local more, longer = at({ 2, 1 }, i), at({ 1, 2 }, i)
  local na, da, nb, db
  if i % 4 < 2 then
    na, da = waits(4000, 1e6)
    nb, db = waits(4000 * more, 1e6 * longer)
  else
    na = random.poisson(2000)
    nb = random.poisson(2000 * more)
    da, db = na * 900 * random.lognormal(0.02), nb * 900 * longer * random.lognormal(0.02)
  end
  local split = stats.two_factor(na, da / na, nb, db / nb)
  emit("factor", split.word == (more == 2 and "first" or "second") and 1 or 0)
end }

row("B1", "B1 one bad pod of 30, one bad version of two: the element, alone", { above = 0.98 })
scenes.B1 = { runs = 0.5, run = function(i, emit)
  local count = at({ 30, 2 }, i)
  local elements, bad = {}, random.uniform(count)
  for k = 1, count do
    local level = 1000 * random.lognormal(0.05)
    elements[k] = { name = "e" .. k, a = random.poisson(level),
      b = random.poisson(level * random.lognormal(0.03) * (k == bad and 3 or 1)) }
  end
  local result = stats.adtributor(elements)
  emit("B1", #result.set == 1 and result.set[1] == "e" .. bad and 1 or 0)
end }

row("N7", "N7 regions shift (Simpson): mix", { above = 0.95 })
row("N7_rate", "a real change in one region is not called mix", { above = 0.95 })
scenes.N7 = { runs = 0.5, run = function(i, emit)
  -- cost a request differs by region; in odd runs the traffic moves, in even runs one got dearer
  local regions, moved = {}, i % 2 == 1
  for k = 1, 3 do
    local cost, weight = 1 + k * 0.7, 1000 * random.lognormal(0.2)
    local later = weight * (moved and (k == 3 and 3 or 0.7) or random.lognormal(0.05))
    local dearer = not moved and k == 2 and 1.4 or 1
    regions[k] = { name = "r" .. k, a = { value = cost * weight * random.lognormal(0.03), weight = weight },
      b = { value = cost * dearer * later * random.lognormal(0.03), weight = later } }
  end
  local mix = stats.kitagawa(regions).mix_fraction >= 0.7
  if moved then emit("N7", mix and 1 or 0) else emit("N7_rate", mix and 0 or 1) end
end }

row("counter", "L2 lifetime counters told from deltas", { above = 0.99 })
local ok, history = pcall(require, "pyroscope.investigate.history")
if ok then
  scenes.counter = { runs = 0.5, run = function(i, emit)
    local points = load.series { n = 60, sd = 0.5, level = 1e8 }
    local counter = i % 2 == 0
    if counter then points = defects.counter(points, i % 4 == 0 and { [random.uniform(20, 40)] = true } or nil) end
    emit("counter", history.counter_like(points) == counter and 1 or 0)
  end }
end

return { rows = rows, scenes = scenes }
