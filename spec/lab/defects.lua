--- What is wrong with measurements: each takes a scene of `lab.generate` and changes its samples
--- as a server, a profiler or a scrape would, and the quality that preflight would state.

local random = require "spec.lab.random"

local defects = {}

local function each(scene, side, change)
  for _, sample in ipairs(scene.samples) do
    if not side or sample.side == side then change(sample) end
  end
end

--- Trees of at most about `nodes` nodes, by the server's rule; one side or both.
---@param side? "A"|"B"
function defects.truncate(scene, nodes, side)
  each(scene, side, function(sample)
    local cut = sample.profile:truncate(nodes)
    sample.profile:close()
    sample.profile = cut
  end)
  for _, s in ipairs { "A", "B" } do
    local other, total = 0, 0
    each(scene, s, function(sample)
      other = other + sample.profile:coverage().other
      total = total + sample.profile.sum
    end)
    scene.quality.other_share[s] = total > 0 and other / total or 0
  end
end

--- A part of the profiles of a side is missing: scrapes that failed.
function defects.gap(scene, side, part)
  each(scene, side, function(sample)
    local kept = math.max(1, math.floor(sample.profiles * (1 - part) + 0.5))
    sample.profiles, sample.seconds = kept, kept * 15
  end)
  scene.quality.coverage[side] = 1 - part
  scene.quality.profiles[side] = math.floor(scene.quality.profiles[side] * (1 - part) + 0.5)
end

--- Window adjustment for `generate`: some profiles of a side are lost with their samples.
function defects.losing(side, part)
  return function(windows)
    for _, w in ipairs(windows) do
      if w.side == side then
        w.part = 1 - part
        w.profiles = math.max(1, math.floor(w.profiles * (1 - part) + 0.5))
      end
    end
  end
end

--- Window adjustment: B has `factor` times the instances.
function defects.scaled(factor)
  return function(windows)
    for _, w in ipairs(windows) do
      if w.side == "B" then
        w.part = factor
        w.profiles = math.floor(w.profiles * factor + 0.5)
      end
    end
  end
end

--- Window adjustment: B is sampled at another rate; values stay nanoseconds.
function defects.rate(quantum_a, quantum_b)
  return function(windows)
    for _, w in ipairs(windows) do
      if w.side == "B" then
        w.quantum = quantum_b
        w.part = quantum_a / quantum_b
      end
    end
  end
end

--- A flow uploaded as a lifetime counter: sums from the start of every process.
---@param points { time_ms: integer, value: number? }[]
function defects.counter(points, restarts)
  local sum, result = 0, {}
  for i, point in ipairs(points) do
    if restarts and restarts[i] then sum = 0 end
    sum = sum + (point.value or 0)
    result[i] = { time_ms = point.time_ms, value = sum }
  end
  return result
end

--- Some points come twice, and the clock of an instance is off.
function defects.duplicates(points, part, skew_ms)
  local result = {}
  for _, point in ipairs(points) do
    local moved = { time_ms = point.time_ms + (skew_ms or 0), value = point.value }
    result[#result + 1] = moved
    if random.uniform() < part then result[#result + 1] = moved end
  end
  return result
end

return defects
