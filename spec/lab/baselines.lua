--- What others do with two windows, on the same data: each gives every function a score and names
--- the largest. The threshold is the one that alarms in as many A/A runs as is asked of ours, so
--- that recall can be compared.

local lab = require "spec.lab"
local faults = require "spec.lab.faults"
local judge = require "spec.lab.judge"
local score = require "spec.lab.score"
local tree = require "pyroscope.investigate.tree"
local stats = require "pyroscope.investigate.stats"

local trees = lab.trees
local rows, scenes = {}, {}

local function at(list, i) return list[(i - 1) % #list + 1] end

-- Self values in raw samples by function, a column for each sample, and totals.
local function columns(scene)
  local u = assert(tree.union(scene.samples))
  local flat = tree.flat(u)
  local totals = u:totals()
  local sides = {}
  for k, sample in ipairs(scene.samples) do sides[k] = sample.side end
  return flat, totals, sides, scene.samples.quantum.value, u
end

local function merged(row, sides)
  local sum = { A = 0, B = 0 }
  for k, side in ipairs(sides) do sum[side] = sum[side] + row[k] end
  return sum.A, sum.B
end

-- The function with the largest score, and the score.
local function largest(flat, measure)
  local best, name = -1, nil
  for i, row in ipairs(flat.value) do
    local value = measure(row)
    if value > best then best, name = value, flat.name[i] end
  end
  return name, best
end

local METHODS = {
  { "difference", "two tables of self time subtracted", function(_, sides, _, ta, _)
    return function(row)
      local a, b = merged(row, sides)
      return math.abs(b - a) / ta
    end
  end },
  { "share", "difference of shares, as `pprof -diff_base -normalize`", function(_, sides, _, ta, tb)
    return function(row)
      local a, b = merged(row, sides)
      return math.abs(b / tb - a / ta)
    end
  end },
  { "ratio", "ratio of shares, at least 20 samples", function(_, sides, q, ta, tb)
    return function(row)
      local a, b = merged(row, sides)
      if (a + b) / q < 20 then return 0 end
      return math.abs(math.log((b / q + 0.5) / tb) - math.log((a / q + 0.5) / ta))
    end
  end },
  { "proportions", "test of two proportions on merged windows", function(_, sides, q, ta, tb)
    return function(row)
      local a, b = merged(row, sides)
      return math.abs((stats.poisson_ratio(a / q, b / q, ta, tb)))
    end
  end },
  { "welch", "t of shares of windows by function, as change detectors on series", function(totals, sides)
    return function(row)
      local x, y = {}, {}
      for k, side in ipairs(sides) do
        local into = side == "A" and x or y
        into[#into + 1] = row[k] / totals[k]
      end
      return math.abs(stats.welch(x, y).t)
    end
  end },
}

local function scores(scene)
  local flat, totals, sides, q, u = columns(scene)
  local ta, tb = merged(totals, sides)
  local result = {}
  for i, method in ipairs(METHODS) do
    local name, value = largest(flat, method[3](totals, sides, q, ta, tb))
    result[i] = { name = name, value = value }
  end
  u:close()
  return result
end

local CASES = {
  { "busy", "C1 x1.5 of 1.5-5 %, noise 2-10 %, 8+8 blocks of 20 000 samples", 1.5, 20000, { 0.02, 0.05, 0.1 } },
  { "small", "C1 x2 of 1.5-5 %, noise 2-10 %, 8+8 blocks of 2 000 samples", 2, 2000, { 0.02, 0.05, 0.1 } },
}
local LEVEL = 0.01

for _, case in ipairs(CASES) do
  local id, words, factor, samples, sds = table.unpack(case)
  scenes["base_" .. id] = { runs = 0.5, run = function(i, emit)
    local noise = { sd = at(sds, i), rho = 0.3, group = 0.02, traffic = 0.2 }
    local flat = trees.flat()
    local scene = lab.generate { tree = flat, samples = samples, noise = noise }
    for k, s in ipairs(scores(scene)) do emit(("%s_%s_null"):format(id, METHODS[k][1]), s.value) end
    emit(id .. "_ours_null",
      #judge.run(scene.samples, scene.design, "ticket", { quality = scene.quality }).findings > 0 and 1 or 0)
    lab.close(scene)
    local after, truth = faults.C1(flat, { factor = factor, from = 0.015, to = 0.05 })
    if not after then return end
    scene = lab.generate { tree = flat, after = after, samples = samples, noise = noise }
    for k, s in ipairs(scores(scene)) do
      -- what names another function has found nothing, however sure it is
      emit(("%s_%s_hit"):format(id, METHODS[k][1]), s.name == truth.frames[1] and s.value or -1)
    end
    local hit = 0
    for _, finding in ipairs(judge.run(scene.samples, scene.design, "ticket", { quality = scene.quality }).findings) do
      if finding.name == truth.frames[1] then hit = 1 end
    end
    emit(id .. "_ours", hit)
    lab.close(scene)
  end }
  rows[#rows + 1] = { id = id .. "_ours", title = words .. ": recall here" }
  rows[#rows + 1] = { id = id .. "_ours_null", title = "- A/A alarms here" }
  for _, method in ipairs(METHODS) do
    rows[#rows + 1] = { id = id .. "_" .. method[1],
      title = ("- %s, threshold at %g %% of A/A"):format(method[2], 100 * LEVEL),
      compute = function(values)
        local null, hits = values[("%s_%s_null"):format(id, method[1])], values[("%s_%s_hit"):format(id, method[1])]
        if not null or not hits then return nil end
        local sorted = table.move(null, 1, #null, 1, {})
        table.sort(sorted)
        local threshold = sorted[math.max(1, math.ceil((1 - LEVEL) * #sorted))]
        local found = 0
        for _, value in ipairs(hits) do
          if value > threshold then found = found + 1 end
        end
        local low, high = score.wilson(found, #hits)
        return found / #hits, low, high, #hits
      end }
  end
end

return { rows = rows, scenes = scenes }
