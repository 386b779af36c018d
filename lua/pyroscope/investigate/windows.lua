--- Designs: which windows stand against which. Pure functions on milliseconds; a window is
--- `{ from_ms, to_ms, selector?, labels?, day?, stratum?, instance?, times? }`, half open, on a
--- grid of 15 s. `labels` are added to the selector of whoever fetches the window.

local timespec = require "pyroscope.timespec"

local windows = {}

--- The grid in milliseconds: the resolution of a server's series.
windows.GRID = 15000

local GRID, MINUTE, DAY = windows.GRID, 60000, 86400000

---@class pyroscope.investigate.window
---@field from_ms integer
---@field to_ms integer
---@field selector? string       replaces the question's
---@field labels? table<string, string>  added to it
---@field stratum? string
---@field day? integer           how many days before the other side
---@field instance? string
---@field profiles? integer      filled in by preflight
---@field seconds? number        profile-seconds, filled in by preflight

---@class pyroscope.design
---@field name "quick"|"before_after"|"same_time"|"canary"|"pods"|"trend"
---@field A pyroscope.investigate.window[]
---@field B pyroscope.investigate.window[]
---@field paired boolean
---@field unit "block"|"day"|"pod"|"window"
---@field at_ms? integer
---@field change_source "given"|"change_point"|"versions"|"none"
---@field notes { code: string, message: string }[]

local function floor(ms) return ms // GRID * GRID end
local function ceil(ms) return -(-ms // GRID) * GRID end

local function copy(window, changes)
  local other = {}
  for name, value in pairs(window) do other[name] = value end
  for name, value in pairs(changes or {}) do other[name] = value end
  return other
end

local function new(name, A, B, unit, more)
  local design = { name = name, A = A, B = B, unit = unit, paired = false, change_source = "none",
    notes = {} }
  for key, value in pairs(more or {}) do design[key] = value end
  return design
end

--- A window from two times as people write them: `parse("-1h", "now")`. `now` is that of
--- `options.source` or `options.now_ms`, else the clock.
---@param from string|integer
---@param to? string|integer
---@param options? { now_ms?: integer, tz?: string, source?: pyroscope.source }
---@return pyroscope.investigate.window? window
---@return pyroscope.error? err
function windows.parse(from, to, options)
  options = options or {}
  local source = options.source
  local defaults = source and source.defaults and source:defaults() or nil
  local found, err = timespec.window({ from = from, to = to or "now", tz = options.tz,
    now_ms = options.now_ms }, defaults)
  if not found then return nil, err end
  return { from_ms = found.from_ms, to_ms = found.to_ms }
end

--- The window on the grid: it ends no later than `now_ms - settle_ms`, and is never empty.
---@param window pyroscope.investigate.window
---@param options? { now_ms?: integer, settle_ms?: integer }
---@return pyroscope.investigate.window
function windows.align(window, options)
  local from, to = floor(window.from_ms), ceil(window.to_ms)
  if options and options.now_ms then
    local last = floor(options.now_ms - (options.settle_ms or 0))
    -- a window that ends later than anything has arrived is moved, not shortened
    if to > last then from, to = from - (to - last), last end
  end
  return copy(window, { from_ms = from, to_ms = math.max(to, from + GRID) })
end

--- How long a block is: at most phase / K, at least one interval between profiles, on the grid.
---@param length_ms integer
---@param K integer
---@param options? { block_ms?: integer, interval_ms?: integer }
---@return integer ms
function windows.block_length(length_ms, K, options)
  options = options or {}
  local block = floor(length_ms // math.max(K, 1))
  if options.block_ms then block = math.min(block, floor(options.block_ms)) end
  return math.max(block, ceil(options.interval_ms or GRID), GRID)
end

-- Blocks that begin where profiles are: every time of profiles is one.
local function blocks_of_times(window, times, length)
  local list, last = {}, nil
  for _, time in ipairs(times) do
    time = floor(time)
    if time >= window.from_ms and time < window.to_ms and (not last or time >= last) then
      last = math.min(time + length, window.to_ms)
      list[#list + 1] = copy(window, { from_ms = time, to_ms = last })
    end
  end
  return list
end

--- Cuts a window into K equal blocks. With fewer than K profiles per instance (`times`: when there
--- were any, `per_instance`: how many each had) every time of profiles is one. What is left over is
--- cut off at the start. At most 2 K blocks, the latest.
---@param window pyroscope.investigate.window
---@param K? integer
---@param options? { block_ms?: integer, interval_ms?: integer, times?: integer[], per_instance?:
---  number }
---@return pyroscope.investigate.window[]
function windows.blocks(window, K, options)
  options, K = options or {}, math.max(K or 8, 1)
  if K == 1 then return { copy(window) } end
  local length = windows.block_length(window.to_ms - window.from_ms, K, options)
  local few = options.per_instance and options.per_instance < K
  if few and options.times and #options.times > 0 then
    local list = blocks_of_times(window, options.times, length)
    if #list > 0 and #list <= 2 * K then return list end
  end
  local count = math.min((window.to_ms - window.from_ms) // length, 2 * K)
  if count < 1 then return { copy(window) } end
  local list = {}
  for i = 1, count do
    local to = window.to_ms - (count - i) * length
    list[i] = copy(window, { from_ms = to - length, to_ms = to })
  end
  return list
end

--- Two windows that somebody named, each cut into blocks of one length.
---@param A pyroscope.investigate.window
---@param B pyroscope.investigate.window
---@param options? { K?: integer, block_ms?: integer, interval_ms?: integer, times?: table,
---  per_instance?: table, at_ms?: integer, change_source?: string }
---@return pyroscope.design
function windows.given(A, B, options)
  options = options or {}
  local K = options.K or 8
  A, B = windows.align(A), windows.align(B)
  local more = { at_ms = options.at_ms, change_source = options.change_source or "given",
    phases = { A = A, B = B } }
  local shorter = math.min(A.to_ms - A.from_ms, B.to_ms - B.from_ms)
  if K == 1 then
    -- trees that are cut to a number of nodes lose more the longer they are: equal lengths
    return new("quick", { copy(A, { from_ms = A.to_ms - shorter }) },
      { copy(B, { from_ms = B.to_ms - shorter }) }, "window", more)
  end
  local length = windows.block_length(shorter, K, options)
  local function cut(window, side)
    return windows.blocks(window, K, { block_ms = length, interval_ms = options.interval_ms,
      times = options.times and options.times[side],
      per_instance = options.per_instance and options.per_instance[side] })
  end
  return new("before_after", cut(A, "A"), cut(B, "B"), "block", more)
end

--- K blocks before and after a moment, without the time in which a rollout went on. Where less time
--- is there, blocks and gap are shorter. `from_ms` and `to_ms` say how far data reaches.
---@param at_ms integer
---@param options? { K?: integer, block_ms?: integer, gap_ms?: integer, interval_ms?: integer,
---  from_ms?: integer, to_ms?: integer, change_source?: string, times?: table, per_instance?:
---  table }
---@return pyroscope.design
function windows.before_after(at_ms, options)
  options = options or {}
  local K, gap = options.K or 8, options.gap_ms or 5 * MINUTE
  local block = options.block_ms or (K == 1 and 8 or 1) * 5 * MINUTE
  local before = options.from_ms and at_ms - options.from_ms or math.huge
  local after = options.to_ms and options.to_ms - at_ms or math.huge
  local shorter = math.min(before, after)
  -- a gap that was asked for stays while a block fits beside it
  local asked = options.gap_ms and gap + GRID <= shorter
  if not asked and shorter < gap + K * block then
    gap = math.min(gap, floor(math.floor(shorter / 5)))
  end
  local phase = math.min(K * block, shorter - gap)
  phase = math.max(phase // 1 | 0, GRID)
  local a_end, b_start = floor(at_ms - gap), ceil(at_ms + gap)
  local A = { from_ms = floor(a_end - phase), to_ms = a_end }
  local B = { from_ms = b_start, to_ms = ceil(b_start + phase) }
  if options.from_ms then A.from_ms = math.max(A.from_ms, floor(options.from_ms)) end
  if options.to_ms then B.to_ms = math.min(B.to_ms, ceil(options.to_ms)) end
  local design = windows.given(A, B, { K = K, block_ms = block, interval_ms = options.interval_ms,
    times = options.times, per_instance = options.per_instance })
  design.at_ms, design.change_source = at_ms, options.change_source or "given"
  return design
end

-- 1970-01-01 was a Thursday.
local function weekend(ms)
  local day = (ms // DAY + 4) % 7
  return day == 0 or day == 6
end

--- The same hours of earlier days; working days against working days, weekends against weekends
--- (in UTC). Days before `oldest_ms` are left out; with fewer than 3 a note says so.
---@param window pyroscope.investigate.window
---@param days? integer[]
---@param options? { oldest_ms?: integer }
---@return pyroscope.design
function windows.same_time(window, days, options)
  local oldest = options and options.oldest_ms
  local B = windows.align(window)
  B.day, B.stratum = 0, weekend(B.from_ms) and "weekend" or "weekday"
  local A = {}
  for _, day in ipairs(days or { 1, 2, 3, 4, 5 }) do
    local from = B.from_ms - day * DAY
    if weekend(from) == weekend(B.from_ms) and not (oldest and from < oldest) then
      table.insert(A, 1, copy(B, { from_ms = from, to_ms = B.to_ms - day * DAY, day = day }))
    end
  end
  local design = new("same_time", A, { B }, "day")
  if #A < 3 then
    design.notes[1] = { code = "few_days",
      message = ("only %d earlier day%s to compare with: screening"):format(#A,
        #A == 1 and "" or "s") }
  end
  return design
end

--- The same blocks of one window for two values of a label: paired.
---@param options { window: pyroscope.investigate.window, label: string, a: string, b: string, K?:
---  integer, block_ms?: integer, interval_ms?: integer }
---@return pyroscope.design
function windows.canary(options)
  local blocks = windows.blocks(windows.align(options.window), options.K or 8, options)
  local A, B = {}, {}
  for i, block in ipairs(blocks) do
    A[i] = copy(block, { labels = { [options.label] = options.a } })
    B[i] = copy(block, { labels = { [options.label] = options.b } })
  end
  local design = new("canary", A, B, #blocks > 1 and "block" or "window",
    { change_source = "given" })
  design.paired = #blocks > 1
  return design
end

--- One tree a pod, two groups of pods in the same window; at most `limit` of each, default 8.
---@param options { window: pyroscope.investigate.window, a: string[], b: string[], label?: string,
---  limit?: integer }
---@return pyroscope.design
function windows.pods(options)
  local label, limit = options.label or "pod", options.limit or 8
  local window = windows.align(options.window)
  local function side(names)
    local list = {}
    for i = 1, math.min(#names, limit) do
      list[i] = copy(window, { labels = { [label] = names[i] }, instance = names[i] })
    end
    return list
  end
  return new("pods", side(options.a), side(options.b), "pod", { change_source = "given" })
end

--- K short windows spread equally over a range, for what grows: the first half is side A. `length`
--- is how long each is, at most range / K (default: that, but no more than 15 minutes).
---@param range pyroscope.investigate.window
---@param points? integer
---@param options? { length_ms?: integer, interval_ms?: integer }
---@return pyroscope.design
function windows.trend(range, points, options)
  options = options or {}
  range = windows.align(range)
  local K = math.max(points or 6, 2)
  local whole = range.to_ms - range.from_ms
  local length = windows.block_length(whole, K, { block_ms = options.length_ms or 15 * MINUTE,
    interval_ms = options.interval_ms })
  length = math.min(length, math.max(GRID, floor(whole)))
  K = math.max(2, math.min(K, whole // length))
  local A, B = {}, {}
  for i = 1, K do
    local from = floor(range.from_ms + (whole - length) * (i - 1) // (K - 1))
    table.insert(i <= K // 2 and A or B, copy(range, { from_ms = from, to_ms = from + length }))
  end
  return new("trend", A, B, "window", { range = range })
end

--- The same phases with one window a process: what has to vary is processes, not their moments.
---@param design pyroscope.design
---@param names { label: string, A: string[], B: string[], limit?: integer }
---@return pyroscope.design
function windows.per_instance(design, names)
  local function side(list, instances)
    local hull, made = windows.hull(list), {}
    for i = 1, math.min(#instances, names.limit or #instances) do
      local labels = copy(list[1].labels or {}, { [names.label] = instances[i] })
      made[i] = copy(list[1], { from_ms = hull.from_ms, to_ms = hull.to_ms, labels = labels,
        instance = instances[i] })
    end
    return made
  end
  local changed = copy(design, { unit = "pod", paired = false })
  changed.A, changed.B = side(design.A, names.A), side(design.B, names.B)
  return changed
end

--- One window over the whole of a list, with the labels that all of it has.
---@param list pyroscope.investigate.window[]
---@return pyroscope.investigate.window
function windows.whole(list)
  local hull, first = windows.hull(list), list[1]
  if not first.instance then hull.labels, hull.selector = first.labels, first.selector end
  return hull
end

--- The two merged windows of a design: the whole of a side, or its latest day.
---@param design pyroscope.design
---@return { A: pyroscope.investigate.window, B: pyroscope.investigate.window }
function windows.sides(design)
  local sides = {}
  for _, side in ipairs { "A", "B" } do
    local list = design[side]
    sides[side] = design.unit == "day" and list[#list] or windows.whole(list)
  end
  return sides
end

--- Two windows as a design of their halves.
---@param sides { A: pyroscope.investigate.window, B: pyroscope.investigate.window }
---@return pyroscope.design
function windows.halves(sides)
  local design = { A = {}, B = {}, unit = "pod" }
  for side, window in pairs(sides) do
    local middle = (window.from_ms + window.to_ms) // 2
    for i, span in ipairs { { window.from_ms, middle }, { middle, window.to_ms } } do
      design[side][i] = { from_ms = span[1], to_ms = span[2], labels = window.labels,
        selector = window.selector }
    end
  end
  return design
end

--- From the first start to the last end of windows.
---@param ... pyroscope.investigate.window[]
---@return pyroscope.investigate.window
function windows.hull(...)
  local hull = {}
  for _, list in ipairs { ... } do
    for _, window in ipairs(list) do
      hull.from_ms = math.min(hull.from_ms or window.from_ms, window.from_ms)
      hull.to_ms = math.max(hull.to_ms or window.to_ms, window.to_ms)
    end
  end
  return hull
end

return windows
