--- Flows that were uploaded as counters since the start of the process: a window is then what the
--- last profile in it has more than the first.

local core = require "pyroscope.core"
local fetch = require "pyroscope.investigate.fetch"
local windows = require "pyroscope.investigate.windows"

local counters = {}

-- Differences of each process where there are too few of them to be replicates by themselves.
local PIECES, ENOUGH = 4, 3

-- Moments of an instance inside a window at which the counter is read.
local function readings(instance, window, pieces)
  local times = {}
  for _, point in ipairs(instance.points) do
    if point.time_ms >= window.from_ms and point.time_ms < window.to_ms then
      times[#times + 1] = point.time_ms
    end
  end
  if #times < 2 then return {} end
  pieces = math.min(pieces, #times - 1)
  local chosen = {}
  for i = 0, pieces do chosen[i + 1] = times[1 + i * (#times - 1) // pieces] end
  return chosen
end

-- The last profile before a moment is that of the window which starts there.
local function questions_of(case, side, pieces, step)
  local found, list = case.quality.survey, {}
  local hull = windows.hull(case.design[side])
  local first = case.design[side][1]
  for _, name in ipairs(found.names) do
    local times = readings(found.instances[name], hull, pieces)
    for i, time in ipairs(times) do
      local labels = {}
      if not first.instance then
        for key, value in pairs(first.labels or {}) do labels[key] = value end
      end
      if found.label then labels[found.label] = name end
      list[#list + 1] = { from_ms = time, to_ms = time + step, labels = labels, instance = name,
        place = i, profiles = 1 }
    end
  end
  return list
end

--- Samples of a design whose profiles are counters: differences of readings of each process. The
--- replicates are processes, or pieces of them where a side has fewer than three.
---@param case pyroscope.case
---@return pyroscope.samples? samples
---@return pyroscope.error? err
function counters.samples(case)
  local found, about = case.quality.survey, case.subject
  local counts = case.quality.instances
  local enough = math.min(counts.A or 0, counts.B or 0) >= ENOUGH
  local pieces = enough and 1 or PIECES
  local step = found.step_ms
  local design = { A = questions_of(case, "A", pieces, step),
    B = questions_of(case, "B", pieces, step) }
  if #design.A == 0 or #design.B == 0 then
    return nil, require "pyroscope.errors".new { kind = "no_data", code = "empty_side",
      message = "the profiles count since the start of the process, and a side has no two of one "
        .. "process to take the difference of", hint = "choose longer windows, or upload deltas" }
  end
  local readings_of, err = fetch.trees(case.source, { selector = about.selector,
    type = about.types, design = design, runtime = about.runtime,
    max_nodes = case.options.max_nodes, empty = "drop" })
  if not readings_of then return nil, err end
  local samples = { kind = about.kind, runtime = about.runtime, max_nodes = readings_of.max_nodes }
  local made = { A = {}, B = {}, name = case.design.name, paired = false,
    unit = enough and "pod" or "block", at_ms = case.design.at_ms, notes = case.design.notes,
    change_source = case.design.change_source }
  local clipped, last = 0, nil
  for _, reading in ipairs(readings_of) do
    local same = last and last.side == reading.side and last.instance == reading.instance
    -- a smaller counter is another process
    if same and reading.profile.sum >= last.profile.sum then
      local difference, less = core.subtract(reading.profile, last.profile)
      if not difference then
        fetch.close(readings_of)
        return nil, less
      end
      clipped = clipped + less
      local window = { from_ms = last.from_ms, to_ms = reading.from_ms,
        instance = enough and reading.instance or nil }
      made[reading.side][#made[reading.side] + 1] = window
      samples[#samples + 1] = { profile = difference, side = reading.side,
        from_ms = window.from_ms, to_ms = window.to_ms, instance = reading.instance,
        order = #made[reading.side], seconds = (window.to_ms - window.from_ms) / 1000,
        profiles = math.max(1, (window.to_ms - window.from_ms) // case.quality.interval_ms) }
    end
    last = reading
  end
  fetch.close(readings_of)
  if #made.A == 0 or #made.B == 0 then
    return nil, require "pyroscope.errors".new { kind = "no_data", code = "empty_side",
      message = "the counters of a side never grow" }
  end
  case.design = made
  case.quality.counter_source = ("differences of the first and the last profile of each process%s")
    :format(clipped > 0 and "; what became smaller is left out" or "")
  return samples
end

return counters
