--- Processes and their trends. A process is one instance of one version between two restarts;
--- points of two are never compared.

local design = require "pyroscope.investigate.design"
local fetch = require "pyroscope.investigate.fetch"
local history = require "pyroscope.investigate.history"
local special = require "pyroscope.investigate.stats.special"
local stats = require "pyroscope.investigate.stats"
local subject = require "pyroscope.investigate.subject"
local survey = require "pyroscope.investigate.survey"
local units = require "pyroscope.units"

local lives = {}

local HOUR, WARMUP = 3600000, 4 * 3600000
-- Fewer points of a process tell no trend; more are put together, three at least to each.
local FEWEST, MOST = 8, 120
-- Two-sided p of z = 3.09.
local LEVEL = 0.002

---@class pyroscope.process
---@field instance string
---@field version? string
---@field labels table<string, string>
---@field points { time_ms: integer, value: number }[]
---@field from_ms integer
---@field to_ms integer

-- Points put together so that there are at most MOST of them: the median of three or more, which
-- takes out the saw teeth of a collector.
local function thinned(points)
  if #points <= MOST then return points end
  local size, out = math.max(3, math.ceil(#points / MOST)), {}
  for first = 1, #points - size + 1, size do
    local values = {}
    for i = first, first + size - 1 do values[#values + 1] = points[i].value end
    out[#out + 1] = { time_ms = points[first + size // 2].time_ms,
      value = special.median(values) }
  end
  return out
end

-- What a young process does is its warm-up: four hours, a quarter of its life at most.
local function grown_up(points, range)
  local first, last = points[1].time_ms, points[#points].time_ms
  if first - range.from_ms < 60000 then return points end -- began before what is looked at
  local age = math.min(WARMUP, (last - first) // 4)
  local out = {}
  for _, point in ipairs(points) do
    if point.time_ms - first >= age then out[#out + 1] = point end
  end
  return out
end

--- Processes of a subject over a range, with the points of each that count.
---@param source pyroscope.source
---@param about pyroscope.subject
---@param range { from_ms: integer, to_ms: integer }
---@param options table
---@return { processes: pyroscope.process[], all: pyroscope.process[], survey: table }? found
---@return pyroscope.error? err
function lives.find(source, about, range, options)
  local found, err = survey.of(source, about, range, options)
  if not found then return nil, err end
  local by = {}
  if found.label then by[#by + 1] = found.label end
  if found.version then by[#by + 1] = found.version end
  local rows = found.rows
  if #by > 1 then
    rows, err = fetch.series(source, { selector = about.selector, types = about.types,
      from_ms = found.from_ms, to_ms = range.to_ms, step_ms = found.step_ms, group_by = by,
      limit = survey.LIMIT })
    if not rows and err.code == "not_in_bundle" then
      rows = found.rows -- captured by instance only
    elseif not rows then
      return nil, err
    end
  end
  local result = { processes = {}, all = {}, survey = found, restarts = {} }
  for _, row in ipairs(rows) do
    local points = {}
    for _, point in ipairs(row.points) do
      local there = point.profiles and point.profiles > 0
        or not point.profiles and (point.raw or point.value or 0) ~= 0
      if there and point.value then
        points[#points + 1] = { time_ms = point.time_ms, value = point.value }
      end
    end
    local instance = found.label and row.labels[found.label] or ""
    local restarts = history.restarts(points, found.interval_ms)
    for _, restart in ipairs(restarts) do
      result.restarts[#result.restarts + 1] = { instance = instance, time_ms = restart.time_ms,
        reason = restart.reason }
    end
    for _, segment in ipairs(history.segments(points, restarts)) do
      if #segment > 0 then
        local process = { instance = instance, labels = row.labels,
          version = found.version and row.labels[found.version], from_ms = segment[1].time_ms,
          to_ms = segment[#segment].time_ms + found.step_ms }
        process.points = thinned(grown_up(segment, found))
        result.all[#result.all + 1] = process
        if #process.points >= FEWEST then
          result.processes[#result.processes + 1] = process
        end
      end
    end
  end
  table.sort(result.processes, function(a, b)
    if a.instance ~= b.instance then return a.instance < b.instance end
    return a.from_ms < b.from_ms
  end)
  return result
end

-- Points as the trend takes them, in hours; `divide(process, point)` takes load out.
local function strata_of(list, divide)
  local strata = {}
  for i, process in ipairs(list) do
    local stratum = { t = {}, y = {} }
    for _, point in ipairs(process.points) do
      local by = 1
      if divide then by = divide(process, point) end
      if by and by > 0 then
        stratum.t[#stratum.t + 1] = point.time_ms / HOUR
        stratum.y[#stratum.y + 1] = point.value / by
      end
    end
    strata[i] = stratum
  end
  return strata
end

--- Range, subject, processes and quality of a question about growth.
---@param source pyroscope.source
---@param options table
---@param classes string[]        in order of preference
---@param range string            how far to look back when nothing is said
---@return { range: table, subject: pyroscope.subject, found: table, quality: table }? opened
---@return pyroscope.error? err
function lives.open(source, options, classes, range)
  local whole, err = design.range(source, options, range)
  if not whole then return nil, err end
  local about
  about, err = subject.of(source, classes, options.selector, whole)
  if not about then return nil, err end
  local found
  found, err = lives.find(source, about, whole, options)
  if not found then return nil, err end
  return { range = whole, subject = about, found = found,
    quality = lives.quality(about, found, whole) }
end

--- The trend of a total over all processes.
---@param list pyroscope.process[]
---@param options { seed?: integer }
---@param divide? fun(process: table, point: table): number?
---@return pyroscope.trend
function lives.trend(list, options, divide)
  return stats.trend(strata_of(list, divide), { plateau = true, seed = options.seed })
end

--- What grows: all processes together, else those that do by themselves, as a leak of one instance
--- of many is lost in the median of all. Nil where nothing does.
---@param list pyroscope.process[]
---@param options { seed?: integer }
---@param enough fun(trend: pyroscope.trend, processes: pyroscope.process[]): boolean
---@return { trend: pyroscope.trend, processes: pyroscope.process[], all: boolean }? found
---@return pyroscope.trend total
function lives.growing(list, options, enough)
  local total = lives.trend(list, options)
  if enough(total, list) then return { trend = total, processes = list, all = true }, total end
  local p, own = {}, {}
  for i, process in ipairs(list) do
    own[i] = lives.trend({ process }, options)
    p[i] = own[i].z > 0 and own[i].p or 1
  end
  local chosen = {}
  for i, q in ipairs(stats.bh(p)) do
    if q <= LEVEL and own[i].plateau == "clear" and enough(own[i], { list[i] }) then
      chosen[#chosen + 1] = list[i]
    end
  end
  if #chosen == 0 then return nil, total end
  return { trend = lives.trend(chosen, options), processes = chosen, all = false }, total
end

--- Load of the same processes at the same times, from a flow: values over its median.
---@param source pyroscope.source
---@param about pyroscope.subject       of the flow
---@param found table                   of `lives.find`
---@return fun(process: table, point: table): number?
---@return pyroscope.trend trend        of the load itself
function lives.load(source, about, found, options)
  local by = {}
  if found.survey.label then by[1] = found.survey.label end
  local rows = fetch.series(source, { selector = about.selector, types = about.types,
    from_ms = found.survey.from_ms, to_ms = found.survey.to_ms,
    step_ms = found.survey.step_ms * 4, group_by = by, limit = survey.LIMIT }) or {}
  local series, loads = {}, {}
  for _, row in ipairs(rows) do
    local key = found.survey.label and row.labels[found.survey.label] or ""
    local values = {}
    for _, point in ipairs(row.points) do
      local value = point.raw or point.value or 0
      if value > 0 then values[#values + 1] = value end
    end
    local level = special.median(values)
    local points = {}
    for _, point in ipairs(row.points) do
      local value = point.raw or point.value or 0
      if level and level > 0 and value > 0 then
        points[#points + 1] = { time_ms = point.time_ms, value = value / level }
      end
    end
    series[key] = { step_ms = rows.step_ms or found.survey.step_ms * 4, by_time = {} }
    for _, point in ipairs(points) do
      series[key].by_time[point.time_ms // series[key].step_ms] = point.value
    end
    if #points >= FEWEST then loads[#loads + 1] = { points = thinned(points) } end
  end
  return function(process, point)
    local of = series[process.instance]
    return of and of.by_time[point.time_ms // of.step_ms]
  end, lives.trend(loads, options)
end

--- Processes in order of how much each grew.
---@param list pyroscope.process[]
---@return pyroscope.process[]
function lives.ranked(list)
  local ranked, out = {}, {}
  for i, process in ipairs(list) do
    local own = stats.trend(strata_of { process }, { hamed_rao = false })
    ranked[i] = { process = process, at = i,
      grown = (own.slope or 0) * (process.to_ms - process.from_ms) / HOUR }
  end
  table.sort(ranked, function(a, b)
    if a.grown ~= b.grown then return a.grown > b.grown end
    return a.at < b.at
  end)
  for i, item in ipairs(ranked) do out[i] = item.process end
  return out
end

--- Median value of a process.
---@param list pyroscope.process[]
---@return number
function lives.level(list)
  local levels = {}
  for i, process in ipairs(list) do
    local values = {}
    for k, point in ipairs(process.points) do values[k] = point.value end
    levels[i] = special.median(values)
  end
  return special.median(levels) or 0
end

--- Length of the longest process in hours.
---@param list pyroscope.process[]
---@return number
function lives.hours(list)
  local longest = 0
  for _, process in ipairs(list) do
    longest = math.max(longest, process.to_ms - process.from_ms)
  end
  return longest / HOUR
end

-- Means of the first and the last quarter of every process.
local function ends_of(list)
  local before, after = 0, 0
  for _, process in ipairs(list) do
    local n = #process.points
    local quarter = math.max(1, n // 4)
    for i = 1, quarter do
      before = before + process.points[i].value / quarter / #list
      after = after + process.points[n - quarter + i].value / quarter / #list
    end
  end
  return before, after
end

--- Values per instance at the beginning and at the end.
---@param list pyroscope.process[]
---@param unit string
---@return table
function lives.totals(list, unit)
  local before, after = ends_of(list)
  return { A = { rate = before, unit = unit }, B = { rate = after, unit = unit },
    per = "instance" }
end

--- Quality of series: how many processes and points, gaps, restarts.
---@param about pyroscope.subject
---@param found table             of `lives.find`
---@param range { from_ms: integer, to_ms: integer }
---@return pyroscope.quality
function lives.quality(about, found, range)
  local names, instances, profiles, span = {}, 0, 0, 0
  for _, process in ipairs(found.all) do
    if not names[process.instance] then
      names[process.instance] = true
      instances = instances + 1
    end
    profiles = profiles + #process.points
    span = span + math.max(1, (process.to_ms - process.from_ms) // found.survey.interval_ms)
  end
  local warnings = {}
  if found.survey.left_out > 0 then
    warnings[1] = { code = "instances_left_out", message = ("%d instances more than the %d that "
      .. "were looked at"):format(found.survey.left_out, #found.survey.names) }
  end
  if #found.processes == 0 then
    warnings[#warnings + 1] = { code = "too_few_points", message = ("no process has %d points in "
      .. "%s: a trend needs more profiles, or a longer range"):format(FEWEST,
        units.span(range.to_ms - range.from_ms)) }
  end
  return { ok = true, profiles = { A = profiles, B = 0 }, instances = { A = instances, B = 0 },
    coverage = { A = math.min(1, span > 0 and profiles / span or 0) }, restarts = found.restarts,
    interval_ms = found.survey.interval_ms, instance_label = found.survey.label,
    throttled = found.survey.throttled or nil, partial = false, warnings = warnings,
    subject = about.class }
end

--- What could have been missed: the least growth over the range that would have been told.
---@param trend pyroscope.trend
---@param level number
---@param hours number
---@param alpha number
---@return table sensitivity
function lives.sensitivity(trend, level, hours, alpha)
  local width = trend.upper and trend.lower and (trend.upper - trend.lower) / 2 or math.huge
  -- half an interval is 1.96 standard errors; 3.09 are needed, and 0.84 more to have it in 4 of 5
  local rel = level > 0 and width / 1.96 * (3.09 + 0.84) * hours / level or math.huge
  return { alpha = alpha, tests = 1, mde = { { share = 1, rel = rel } }, met = rel <= 1 }
end

lives.FEWEST, lives.HOUR = FEWEST, HOUR

return lives
