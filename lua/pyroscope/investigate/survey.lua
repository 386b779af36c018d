--- What the series of one type over a range tell: which instances there are and when, how often
--- they are profiled, which versions ran, what was annotated. One look serves the choice of a
--- design and its preflight.

local fetch = require "pyroscope.investigate.fetch"
local history = require "pyroscope.investigate.history"
local shared = require "pyroscope.source.shared"
local windows = require "pyroscope.investigate.windows"

local survey = {}

--- Series that are asked for: servers give no rest, so totals need another question beyond them.
survey.LIMIT = 50

local POINTS = 1500
local DAY = 86400000
-- Labels that say by what a profile was made.
local PROFILERS = { "pyroscope_spy", "spy_name", "sdk_version", "pyroscope_sdk_version",
  "agent_version", "profiler", "profiler_version" }
survey.profilers = PROFILERS

---@class pyroscope.survey
---@field from_ms integer
---@field to_ms integer
---@field step_ms integer
---@field interval_ms integer      usual distance of profiles of one instance
---@field known_interval boolean   false: no instance has two profiles
---@field label? string            the instance label
---@field version? string          the version label
---@field names string[]           instances, sorted
---@field instances table<string, { points: table[], first_ms: integer, last_ms: integer, profiles:
---  integer }>
---@field sets table<string, string>[]  label sets
---@field throttled boolean
---@field annotations string[]
---@field left_out integer         instances beyond the limit
---@field counted boolean          numbers of profiles are those of the source, not of points
---@field rows pyroscope.timeline

--- The finest step that keeps the points few, a multiple of the grid.
---@param from_ms integer
---@param to_ms integer
---@return integer ms
function survey.step(from_ms, to_ms)
  local least = (to_ms - from_ms) / POINTS
  return math.max(windows.GRID, math.ceil(least / windows.GRID) * windows.GRID)
end

local function first_present(sets, names)
  for _, name in ipairs(names) do
    for _, set in ipairs(sets) do
      if set[name] and set[name] ~= "" then return name end
    end
  end
end

-- Points of a row that hold something.
local function present(row, stock)
  local points, profiles = {}, 0
  for _, point in ipairs(row.points) do
    local there = point.profiles and point.profiles > 0
      or not point.profiles and (point.raw or point.value or 0) ~= 0
    if there then
      local count = point.profiles or 1
      profiles = profiles + count
      local value = stock and point.value or (point.raw or point.value or 0)
      points[#points + 1] = { time_ms = point.time_ms, value = value or 0, profiles = count }
    end
  end
  return points, profiles
end

local function read_annotations(found, rows)
  local seen = {}
  for _, row in ipairs(rows) do
    for _, point in ipairs(row.points) do
      for _, note in ipairs(point.annotations or {}) do seen[note.key] = true end
    end
  end
  found.annotations = shared.sorted(seen)
  for _, key in ipairs(found.annotations) do
    if key:find("throttled", 1, true) or key:find("sampled", 1, true) then
      found.throttled = true
    end
  end
end

-- A type of which every profile is told apart by a count: only heat maps and files do.
local function interval_of(found, series)
  local gap = history.interval(series)
  found.known_interval = gap ~= nil
  if not gap then
    found.interval_ms = windows.GRID
    return
  end
  -- a step that holds several profiles hides how close they are
  if gap <= found.step_ms and found.counted then
    local profiles, points = 0, 0
    for _, points_of in ipairs(series) do
      for _, point in ipairs(points_of) do
        profiles, points = profiles + point.profiles, points + 1
      end
    end
    gap = math.max(1000, math.floor(found.step_ms * points / profiles + 0.5))
  end
  found.interval_ms = gap
end

-- Points of flows say nothing of how many profiles they hold; heat maps do, where there are any.
local function add_counts(source, text, subject, found)
  local map = fetch.heatmap(source, { selector = text, type = subject.types[1],
    from_ms = found.from_ms, to_ms = found.to_ms, step_ms = found.step_ms,
    group_by = found.label and { found.label } or nil, limit = survey.LIMIT })
  if not map or map.step_ms ~= found.step_ms then return end
  local counts = {}
  for _, row in ipairs(map.rows) do
    local name = found.label and row.labels[found.label] or ""
    counts[name] = counts[name] or {}
    for _, slot in ipairs(row.slots) do
      local n = 0
      for _, count in ipairs(slot.counts) do n = n + count end
      counts[name][slot.time_ms] = (counts[name][slot.time_ms] or 0) + n
    end
  end
  found.counted = true
  for _, name in ipairs(found.names) do
    local instance = found.instances[name]
    instance.profiles = 0
    for _, point in ipairs(instance.points) do
      local n = counts[name] and counts[name][point.time_ms]
      if n and n > 0 then point.profiles = n end
      instance.profiles = instance.profiles + point.profiles
    end
  end
end

--- The series of a subject over a range, by instance. `no_data` where there is nothing at all; a
--- bundle without timelines gives a survey without instances (`rows` is empty).
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param range { from_ms: integer, to_ms: integer, labels?: table, selector?: string }
---@param options? { instance_label?: string, version_labels?: string[], counts?: boolean, sets?:
---  boolean }
---  counts: numbers of profiles from heat maps, where a server has them; sets = false: no labels
---@return pyroscope.survey? found
---@return pyroscope.error? err
function survey.of(source, subject, range, options)
  options = options or {}
  local from, to = range.from_ms, range.to_ms
  local step = survey.step(from, to)
  from = to - -((from - to) // step) * step
  local found = { from_ms = from, to_ms = to, step_ms = step, names = {}, instances = {},
    sets = {}, throttled = false, annotations = {}, left_out = 0, counted = false, rows = {},
    interval_ms = windows.GRID, known_interval = false }
  local text, err = fetch.selector_of(subject, range)
  if not text then return nil, err end
  found.label, found.version = options.instance_label, nil
  if options.sets ~= false then
    local wanted = {}
    for _, list in ipairs { { options.instance_label }, shared.instance_labels,
      options.version_labels or {}, shared.version_labels, PROFILERS } do
      table.move(list, 1, #list, #wanted + 1, wanted)
    end
    found.sets, err = fetch.sets(source, { selector = text, labels = wanted, from_ms = from,
      to_ms = to })
    if not found.sets then
      if err.kind ~= "no_data" then return nil, err end
      found.sets = {}
    end
    found.label = options.instance_label or first_present(found.sets, shared.instance_labels)
    found.version = first_present(found.sets, options.version_labels or shared.version_labels)
  end
  local rows
  rows, err = fetch.series(source, { selector = text, types = subject.types, from_ms = from,
    to_ms = to, step_ms = step, group_by = found.label and { found.label } or nil,
    limit = survey.LIMIT })
  if not rows then
    if err.code ~= "not_in_bundle" then return nil, err end
    return found
  end
  found.rows, found.step_ms, found.from_ms = rows, rows.step_ms, rows.from_ms
  local stock, series = subject.kind == "stock", {}
  for _, row in ipairs(rows) do
    local name = found.label and row.labels[found.label] or ""
    local points, profiles = present(row, stock)
    found.counted = found.counted or row.profiles ~= nil
    if #points > 0 then
      series[#series + 1] = points
      found.instances[name] = { points = points, profiles = profiles,
        first_ms = points[1].time_ms, last_ms = points[#points].time_ms + found.step_ms }
      found.names[#found.names + 1] = name
    end
  end
  table.sort(found.names)
  local known = {}
  for _, set in ipairs(found.sets) do
    local name = found.label and set[found.label]
    if name and name ~= "" then known[name] = true end
  end
  found.left_out = math.max(0, #shared.sorted(known) - #found.names)
  if #rows < survey.LIMIT then found.left_out = 0 end
  read_annotations(found, rows)
  if options.counts and not found.counted then add_counts(source, text, subject, found) end
  interval_of(found, series)
  return found
end

--- A survey of windows that lie far apart: the last one tells labels and interval, the others only
--- their points. Windows without a profile are left out.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param list pyroscope.investigate.window[]
---@param options? table      those of `survey.of`
---@return pyroscope.survey? found
---@return pyroscope.error? err
function survey.of_windows(source, subject, list, options)
  local found, err = survey.of(source, subject, list[#list], options)
  if not found then return nil, err end
  local looking = { sets = false, instance_label = found.label }
  for i = #list - 1, 1, -1 do
    local earlier
    earlier, err = survey.of(source, subject, list[i], looking)
    if not earlier and err.kind ~= "no_data" then return nil, err end
    for _, name in ipairs(earlier and earlier.names or {}) do
      local into, more = found.instances[name], earlier.instances[name]
      if into then
        into.points = table.move(into.points, 1, #into.points, #more.points + 1,
          table.move(more.points, 1, #more.points, 1, {}))
        into.first_ms, into.profiles = more.first_ms, into.profiles + more.profiles
      else
        found.instances[name] = more
        found.names[#found.names + 1] = name
      end
    end
    found.throttled = found.throttled or earlier ~= nil and earlier.throttled
    found.from_ms = earlier and earlier.from_ms or found.from_ms
  end
  table.sort(found.names)
  found.pieces = true
  return found
end

--- Profiles of every instance in windows: name -> number; and of all together.
---@param found pyroscope.survey
---@param list pyroscope.investigate.window[]
---@return table<string, integer> by_instance
---@return integer total
function survey.count(found, list)
  local by_instance, total = {}, 0
  for _, name in ipairs(found.names) do
    local n = 0
    for _, point in ipairs(found.instances[name].points) do
      for _, window in ipairs(list) do
        if point.time_ms >= window.from_ms and point.time_ms < window.to_ms
            and (not window.instance or window.instance == name) then
          n = n + point.profiles
          break
        end
      end
    end
    if n > 0 then by_instance[name], total = n, total + n end
  end
  return by_instance, total
end

--- Times at which any instance has a profile in a window, sorted, each once.
---@param found pyroscope.survey
---@param window pyroscope.investigate.window
---@return integer[]
function survey.times(found, window)
  local seen, list = {}, {}
  for _, name in ipairs(found.names) do
    for _, point in ipairs(found.instances[name].points) do
      local time = point.time_ms
      if time >= window.from_ms and time < window.to_ms and not seen[time] then
        seen[time], list[#list + 1] = true, time
      end
    end
  end
  table.sort(list)
  return list
end

--- The sum of all instances, one point a step; steps without a profile have no value.
---@param found pyroscope.survey
---@return { time_ms: integer, value: number? }[]
function survey.totals(found)
  local points, by_time = {}, {}
  for time = found.from_ms, found.to_ms - 1, found.step_ms do
    points[#points + 1] = { time_ms = time }
    by_time[time] = points[#points]
  end
  for _, name in ipairs(found.names) do
    for _, point in ipairs(found.instances[name].points) do
      local into = by_time[point.time_ms]
      if into then into.value = (into.value or 0) + point.value end
    end
  end
  return points
end

--- When each value of the version label was seen; oldest first, by first sight.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param found pyroscope.survey
---@return { name: string, first_ms: integer, last_ms: integer, times: integer[] }[]? versions
---@return pyroscope.error? err
function survey.versions(source, subject, found)
  if not found.version then return {} end
  local rows, err = fetch.series(source, { selector = subject.selector, types = subject.types,
    from_ms = found.from_ms, to_ms = found.to_ms, step_ms = found.step_ms,
    group_by = { found.version }, limit = survey.LIMIT })
  if not rows then return nil, err end
  local list = {}
  for _, row in ipairs(rows) do
    local name, points = row.labels[found.version], present(row, subject.kind == "stock")
    if name and name ~= "" and #points > 0 then
      local times = {}
      for i, point in ipairs(points) do times[i] = point.time_ms end
      list[#list + 1] = { name = name, first_ms = times[1],
        last_ms = times[#times] + found.step_ms, times = times }
    end
  end
  table.sort(list, function(a, b)
    if a.first_ms ~= b.first_ms then return a.first_ms < b.first_ms end
    return a.name < b.name
  end)
  return list
end

--- Do series reach so far back that servers answer them in pieces?
---@param range { from_ms: integer, to_ms: integer }
---@return boolean
function survey.long(range)
  return range.to_ms - range.from_ms > DAY
end

return survey
