--- What profiles were made with: another profiler, another interval, counters in place of deltas.
--- Values of two instruments are never compared as if they were of one.

local history = require "pyroscope.investigate.history"
local survey = require "pyroscope.investigate.survey"

local instruments = {}

-- Intervals that differ by more are those of two settings.
local INTERVALS = 1.2

local function warn(quality, code, message)
  table.insert(quality.warnings, { code = code, message = message })
end

--- Values of a label in label sets, sorted.
---@param sets table<string, string>[]
---@param label? string
---@return string[]
function instruments.values(sets, label)
  local seen, list = {}, {}
  for _, set in ipairs(sets) do
    local value = label and set[label]
    if value and value ~= "" and not seen[value] then
      seen[value], list[#list + 1] = true, value
    end
  end
  table.sort(list)
  return list
end

local function same(a, b)
  if #a ~= #b then return false end
  for i, value in ipairs(a) do
    if b[i] ~= value then return false end
  end
  return true
end

--- Tells a quality whether the profiler of one side is another: by its labels, or by how often it
--- uploads.
---@param quality pyroscope.quality
---@param sets { A: table[], B: table[] }   label sets
---@param surveys { A: pyroscope.survey, B: pyroscope.survey }
---@param design pyroscope.design
function instruments.profiler(quality, sets, surveys, design)
  for _, label in ipairs(survey.profilers) do
    local a, b = instruments.values(sets.A, label), instruments.values(sets.B, label)
    if #a > 0 and #b > 0 and not same(a, b) then
      quality.profiler_changed = { label = label, A = table.concat(a, ", "),
        B = table.concat(b, ", ") }
    end
  end
  local intervals = {}
  for _, side in ipairs { "A", "B" } do
    local found = surveys[side]
    local series, points = {}, 0
    for _, name in ipairs(found.names) do
      local mine = {}
      for _, point in ipairs(found.instances[name].points) do
        for _, window in ipairs(design[side]) do
          if point.time_ms >= window.from_ms and point.time_ms < window.to_ms then
            mine[#mine + 1] = point
            break
          end
        end
      end
      points = points + #mine
      series[#series + 1] = mine
    end
    intervals[side] = points >= 20 and history.interval(series) or nil
  end
  local a, b = intervals.A, intervals.B
  if a and b and math.max(a, b) > INTERVALS * math.min(a, b)
      and not quality.profiler_changed then
    quality.profiler_changed = { label = "interval", A = ("%g s"):format(a / 1000),
      B = ("%g s"):format(b / 1000) }
  end
  local change = quality.profiler_changed
  if change then
    warn(quality, "instrumentation_changed", ("the profiler changed: %s %s, then %s"):format(
      change.label, change.A, change.B))
  end
end

-- Flows that may be uploaded as lifetime counters.
local COUNTERS = { alloc_bytes = true, alloc_objects = true, mutex_delay = true,
  mutex_count = true, block_delay = true, block_count = true }

--- Tells a quality whether a flow is uploaded as a lifetime counter.
---@param quality pyroscope.quality
---@param subject pyroscope.subject
---@param found pyroscope.survey
function instruments.counters(quality, subject, found)
  if not COUNTERS[subject.class] then return end
  local like, told = 0, 0
  for _, name in ipairs(found.names) do
    local yes, about = history.counter_like(found.instances[name].points)
    if about.steps >= 20 then told = told + 1 end
    if yes then like = like + 1 end
  end
  if like > 0 and like >= told / 2 then
    quality.counter_like = true
    warn(quality, "counter_like", "the profiles look like lifetime counters, not like deltas: "
      .. "send deltas (godeltaprof), or scrape with delta on")
  end
end

return instruments
