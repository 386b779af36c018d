--- What series of single instances tell before anything is compared: restarts, uploads that are
--- lifetime counters, times without profiles. Pure functions on `{ time_ms, value }` points.

local history = {}

local function median(list)
  if #list == 0 then return nil end
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local middle = #sorted // 2
  if #sorted % 2 == 1 then return sorted[middle + 1] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end
history.median = median

local function quantile(list, share)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  return sorted[math.max(1, math.ceil(share * #sorted))]
end

--- The usual distance of profiles of one instance: the median gap of times that are not empty.
---@param series { time_ms: integer }[][]   points of every instance, by time
---@return integer? ms   nil: no instance has two
function history.interval(series)
  local gaps = {}
  for _, points in ipairs(series) do
    for i = 2, #points do gaps[#gaps + 1] = points[i].time_ms - points[i - 1].time_ms end
  end
  local found = median(gaps)
  return found and math.floor(found) or nil
end

-- A level that fell and stays down: bursts of a moment are no restart.
local function stays(points, i, level)
  local later = {}
  for j = i, math.min(#points, i + 2) do later[#later + 1] = points[j].value end
  return median(later) <= level
end

-- Points before a fall that are needed to know a level.
local SETTLED = 5

--- Restarts of one process in a series of a stock: it fell by 40 % within one interval below what
--- it usually is, or was silent for three and came back at less than 60 %.
---@param points { time_ms: integer, value: number }[]
---@param interval_ms? integer
---@return { time_ms: integer, reason: "drop"|"silence" }[]
function history.restarts(points, interval_ms)
  local interval = interval_ms or history.interval { points } or 0
  local found, segment = {}, {}
  for i, point in ipairs(points) do
    local previous = points[i - 1]
    local reason
    if previous and #segment > 0 then
      local recent = {}
      for j = math.max(1, #segment - 6), #segment do recent[#recent + 1] = segment[j] end
      local level = median(recent)
      local gap = point.time_ms - previous.time_ms
      local low = stays(points, i, 0.6 * level)
      if gap >= 3 * interval and interval > 0 and point.value < 0.6 * level and low then
        reason = "silence"
      elseif #segment >= SETTLED and gap <= 1.5 * math.max(interval, 1) and low
          and point.value <= 0.6 * level and point.value < quantile(segment, 0.2) then
        reason = "drop"
      end
    end
    if reason then
      found[#found + 1] = { time_ms = point.time_ms, reason = reason }
      segment = {}
    end
    segment[#segment + 1] = point.value
  end
  return found
end

--- Points cut at restarts: one list for every stretch of one process.
---@param points { time_ms: integer, value: number }[]
---@param restarts { time_ms: integer }[]
---@return { time_ms: integer, value: number }[][]
function history.segments(points, restarts)
  local list, at = { {} }, 1
  for _, point in ipairs(points) do
    if restarts[at] and point.time_ms >= restarts[at].time_ms then
      at = at + 1
      if #list[#list] > 0 then list[#list + 1] = {} end
    end
    table.insert(list[#list], point)
  end
  return list
end

--- Does a flow look like a lifetime counter: sums of single profiles that only grow, but for
--- restarts? `growth` is last over first, `steps` how many steps told it.
---@param points { time_ms: integer, value: number }[]
---@return boolean yes
---@return { growth: number, steps: integer, falls: integer }
function history.counter_like(points)
  local steps, falls, kept = 0, 0, 0
  local first, last
  for i = 2, #points do
    local before, now = points[i - 1].value, points[i].value
    steps = steps + 1
    first, last = first or before, now
    if now < before then
      -- a restart begins near zero; anything else that falls is a fall
      if now > 0.2 * before then falls = falls + 1 else first = now end
    end
    kept = math.max(kept, first > 0 and last / first or 0)
  end
  local told = { growth = kept, steps = steps, falls = falls }
  return steps >= 20 and falls <= 0.02 * steps and kept >= 1.5, told
end

--- Stretches of a window without a profile that are longer than two intervals, and the part of the
--- window that profiles cover.
---@param times integer[]     of profiles, sorted
---@param interval_ms integer
---@param window { from_ms: integer, to_ms: integer }
---@return { from_ms: integer, to_ms: integer }[] gaps
---@return number coverage
function history.gaps(times, interval_ms, window)
  local gaps, covered, reached = {}, 0, window.from_ms
  for _, time in ipairs(times) do
    if time >= window.from_ms and time < window.to_ms then
      if time - reached > interval_ms then
        gaps[#gaps + 1] = { from_ms = reached, to_ms = time }
      end
      local ends = math.min(time + interval_ms, window.to_ms)
      covered = covered + math.max(0, ends - math.max(time, reached))
      reached = math.max(reached, ends)
    end
  end
  if window.to_ms - reached > interval_ms then
    gaps[#gaps + 1] = { from_ms = reached, to_ms = window.to_ms }
  end
  return gaps, covered / math.max(1, window.to_ms - window.from_ms)
end

return history
