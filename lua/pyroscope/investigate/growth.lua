--- Which sites carry growth: trees of the processes that grow, one row a site, tested for a trend.

local cause = require "pyroscope.investigate.cause"
local frames = require "pyroscope.investigate.frames"
local lives = require "pyroscope.investigate.lives"
local phases = require "pyroscope.investigate.phases"
local special = require "pyroscope.investigate.stats.special"
local stats = require "pyroscope.investigate.stats"
local timespec = require "pyroscope.timespec"
local unions = require "pyroscope.investigate.unions"

local growth = {}

local HOUR = lives.HOUR
-- Processes whose trees are fetched, and windows of each.
local PROCESSES, WINDOWS = 6, 10
-- Trees of a quick look at a server: six tell a trend of 17 sites.
local QUICK = 6
-- Part of all growth that a site has to have.
local PART = 0.1


-- Windows of a process, equally long, that fill its life.
local function windows_of(process, count, label, version)
  local length = (process.to_ms - process.from_ms) // count
  local labels = {}
  if label then labels[label] = process.instance end
  if version then labels[version] = process.version end
  local list = {}
  for i = 0, count - 1 do
    list[#list + 1] = { from_ms = process.from_ms + i * length,
      to_ms = process.from_ms + (i + 1) * length, labels = labels, instance = process.instance }
  end
  return list
end

-- One selector for several instances, where a server is asked for merged trees.
local function any_of(list, label)
  local seen, names = {}, {}
  for _, process in ipairs(list) do
    if not seen[process.instance] then
      seen[process.instance] = true
      names[#names + 1] = process.instance:gsub("[%p]", "\\%0")
    end
  end
  table.sort(names)
  return { { name = label, op = "=~", value = table.concat(names, "|") } }
end

--- Trees of what grows: of files a row of windows of each process, of a server merged trees over
--- the time that the processes share. Values are per profile.
---@param source pyroscope.source
---@param about pyroscope.subject
---@param found table             of `lives.find`
---@param options table           `points`: how many trees
---@return { union: pyroscope.union, times: number[], strata: any[]?, profiles: number[] }? trees
---@return pyroscope.error? err
function growth.trees(source, about, found, options)
  local chosen = lives.ranked(found.processes)
  chosen = table.move(chosen, 1, math.min(PROCESSES, #chosen), 1, {})
  local label, version = found.survey.label, found.survey.version
  local design, strata = { A = {}, B = {}, unit = "window" }, nil
  if source.capture then
    -- a captured window is one profile of all instances: those that there are
    local from, to = math.huge, 0
    for _, process in ipairs(chosen) do
      from, to = math.min(from, process.from_ms), math.max(to, process.to_ms)
    end
    design.A = phases.captured(source, { type = about.types[1] }, { from_ms = from, to_ms = to },
      true) or {}
  elseif source.kind == "store" then
    strata = {}
    for i, process in ipairs(chosen) do
      local count = math.max(2, math.min(WINDOWS, #process.points))
      for _, window in ipairs(windows_of(process, count, label, version)) do
        design.A[#design.A + 1] = window
        strata[#design.A] = i
      end
    end
  else
    local from, to = 0, math.huge
    for _, process in ipairs(chosen) do
      from, to = math.max(from, process.from_ms), math.min(to, process.to_ms)
    end
    if to - from < 4 * found.survey.interval_ms then -- no common life: that of the longest
      local longest = chosen[1]
      for _, process in ipairs(chosen) do
        if process.to_ms - process.from_ms > longest.to_ms - longest.from_ms then
          longest = process
        end
      end
      chosen, from, to = { longest }, longest.from_ms, longest.to_ms
    end
    local whole = { from_ms = from, to_ms = to, instance = "" }
    local count = options.effort == "quick" and math.min(QUICK, options.points) or options.points
    for _, window in ipairs(windows_of(whole, count)) do
      window.instance, window.labels = nil, label and any_of(chosen, label) or nil
      design.A[#design.A + 1] = window
    end
  end
  local u, samples = unions.fetch(source, about, design, options)
  if not u then return nil, samples end
  local result = { union = u, times = {}, strata = strata and {}, profiles = {},
    processes = chosen, samples = samples }
  for k, sample in ipairs(samples) do
    result.times[k] = (sample.from_ms + sample.to_ms) / 2 / HOUR
    result.profiles[k] = math.max(1, sample.profiles or 1)
    if strata then result.strata[k] = strata[sample.order] end
  end
  return result
end

--- Values per profile.
---@param trees table
---@param rows { name: string[], value: integer[][] }
---@return { name: string[], value: number[][] }
function growth.per_profile(trees, rows)
  local out = { name = rows.name, value = {} }
  for i, values in ipairs(rows.value) do
    out.value[i] = {}
    for k, value in ipairs(values) do out.value[i][k] = value / trees.profiles[k] end
  end
  return out
end

local function mean_of(values, from, to)
  local sum = 0
  for i = from, to do sum = sum + values[i] end
  return sum / math.max(1, to - from + 1)
end

-- Values by time over all strata: the first and the last quarter of each.
local function ends_of(trees, values)
  local by_stratum, order = {}, {}
  for k in ipairs(values) do
    local key = trees.strata and trees.strata[k] or 1
    if not by_stratum[key] then
      by_stratum[key] = {}
      order[#order + 1] = key
    end
    table.insert(by_stratum[key], k)
  end
  local before, after, series = 0, 0, {}
  for _, key in ipairs(order) do
    local columns = by_stratum[key]
    table.sort(columns, function(i, j) return trees.times[i] < trees.times[j] end)
    local list = {}
    for i, k in ipairs(columns) do
      list[i] = values[k]
      series[i] = (series[i] or 0) + values[k] / #order
    end
    local quarter = math.max(1, #list // 4)
    before = before + mean_of(list, 1, quarter) / #order
    after = after + mean_of(list, #list - quarter + 1, #list) / #order
  end
  return before, after, series
end

-- The path of a site that grows most.
local function path_of(trees, name, times)
  local u = trees.union
  local mean = special.mean(times)
  local weights = {}
  for k, time in ipairs(times) do weights[k] = (time - mean) / trees.profiles[k] end
  return cause.heaviest(u, u:nodes(name, "all"), "tot", weights)
end

---@class pyroscope.growth.options
---@field alpha number
---@field least number            growth over the range that counts
---@field level number            of the whole
---@field unit string
---@field skip? table<string, boolean>       rows that are no cause
---@field path? fun(name: string): string[]  default: the path that grows most

--- Rows that grow, as findings: significant after correction, going on to the end, and a tenth of
--- all growth at least.
---@param trees table             of `growth.trees`
---@param rows { name: string[], value: number[][] }   per profile
---@param options pyroscope.growth.options
---@return table[] findings
---@return pyroscope.trend_row[] rows
function growth.findings(trees, rows, options)
  local tested = stats.trend_rows(rows, trees.times, trees.strata)
  local grown, p, family = 0, {}, {}
  for _, row in ipairs(tested) do grown = grown + math.max(0, row.D) end
  local least = math.max(options.least, PART * grown)
  -- the family are sites that moved enough to matter, in either direction
  for _, row in ipairs(tested) do
    if math.abs(row.D) >= least then
      p[#p + 1], family[#family + 1] = row.p, row
    end
  end
  for i, q in ipairs(stats.bh(p)) do family[i].q = q end
  local findings = {}
  local u = trees.union
  for _, row in ipairs(tested) do
    local own = options.skip and options.skip[row.name]
    if row.D >= least and row.q <= options.alpha and not own then
      local strata = {}
      for k, value in ipairs(row.values) do
        local key = trees.strata and trees.strata[k] or 1
        strata[key] = strata[key] or { t = {}, y = {} }
        table.insert(strata[key].t, trees.times[k])
        table.insert(strata[key].y, value)
      end
      local trend = stats.trend(strata, { plateau = true })
      local before, after, series = ends_of(trees, row.values)
      local path = options.path and options.path(row.name) or path_of(trees, row.name, trees.times)
      local finding = { name = row.name, raw = u.raw[row.name], kind = "leak", shape = "self",
        candidate = "flat", role = frames.role(row.name, u.runtime), path = path, entry = #path,
        node = #path, hot = {}, p = row.p, q = row.q, z = row.z,
        before = { total = before }, after = { total = after },
        delta = { abs = row.D, of_total = options.level > 0 and row.D / options.level or 1,
          rel = before > 0 and row.D / before or math.huge },
        slope = { per_hour = trend.slope, lower = trend.lower, upper = trend.upper,
          unit = options.unit }, explains = grown > 0 and row.D / grown or 0,
        blocks = { A = {}, B = {} }, certain = true, unit = options.unit,
        plateau = trend.plateau, slope_late = trend.slope_late,
        persistence = { state = trend.plateau == "clear" and "persists" or "unknown" } }
      local half = #series // 2
      for i, value in ipairs(series) do
        table.insert(finding.blocks[i <= half and "A" or "B"], value)
      end
      finding.values = row.values
      findings[#findings + 1] = finding
    end
  end
  return findings, tested
end

--- Which instances carry a finding: those whose own share of the growth is above an equal one.
---@param trees table
---@param values number[]         per profile
---@return { name: string, grown: number }[]
function growth.instances(trees, values)
  if not trees.strata then return {} end
  local by_stratum = {}
  for k, value in ipairs(values) do
    local key = trees.strata[k]
    by_stratum[key] = by_stratum[key] or { t = {}, y = {} }
    table.insert(by_stratum[key].t, trees.times[k])
    table.insert(by_stratum[key].y, value)
  end
  local list, sum = {}, 0
  for key, process in ipairs(trees.processes) do
    local stratum = by_stratum[key]
    if stratum then
      local own = stats.trend({ stratum }, { hamed_rao = false })
      local grown = math.max(0, (own.slope or 0) * (stratum.t[#stratum.t] - stratum.t[1]))
      list[#list + 1] = { name = process.instance, grown = grown }
      sum = sum + grown
    end
  end
  local out = {}
  for _, item in ipairs(list) do
    if sum > 0 and item.grown >= 0.5 * sum / #list then out[#out + 1] = item end
  end
  table.sort(out, function(a, b)
    if a.grown ~= b.grown then return a.grown > b.grown end
    return a.name < b.name
  end)
  return out
end

--- The design of a report about growth.
---@param range { from_ms: integer, to_ms: integer }
---@param trees? table
---@param found table
---@return table
function growth.design(range, trees, found)
  local windows = {}
  for i, sample in ipairs(trees and trees.samples or {}) do
    windows[i] = { from_ms = sample.from_ms, to_ms = sample.to_ms, instance = sample.instance }
  end
  if #windows == 0 then windows[1] = { from_ms = range.from_ms, to_ms = range.to_ms } end
  return { name = "trend", A = windows, B = {}, unit = "window", paired = false,
    change_source = "none", replicates = { A = #found.processes, B = 0 } }
end

--- What is said of growth that ends before the range does, instead of a finding.
---@param trend pyroscope.trend
---@param range { from_ms: integer, to_ms: integer }
---@param note string
---@return table                  for the report: outcome, verdict, what explains it
function growth.ended(trend, range, note)
  local again = timespec.rfc3339(range.to_ms + (range.to_ms - range.from_ms) // 2)
  return { outcome = "warmup", verdict = "no_change", explained_away = { { kind = "warmup",
    members = {}, value = trend.slope_late, note = ("growth that ends: %s; ask again at %s")
      :format(note, again) } } }
end

--- Growth of the whole where no site stands out.
---@param trend pyroscope.trend
---@param totals table            of `lives.totals`
---@param level number
---@param unit string
---@param hours number
---@return table finding
function growth.whole(trend, totals, level, unit, hours)
  local before, after = totals.A.rate, totals.B.rate
  return { name = "(all sites)", kind = "leak", shape = "uniform", path = {}, hot = {},
    p = trend.p, q = trend.p, z = trend.z, before = { total = before }, after = { total = after },
    delta = { abs = trend.slope * hours, of_total = level > 0 and trend.slope * hours / level or 1,
      rel = before > 0 and trend.slope * hours / before or math.huge }, unit = unit,
    slope = { per_hour = trend.slope, lower = trend.lower, upper = trend.upper, unit = unit },
    explains = 1, persistence = { state = "persists" }, confidence_cap = 0.79,
    notes = { "it grows as a whole; no site stands out" } }
end

--- When it doubles, and when it reaches a limit.
---@param trend pyroscope.trend
---@param now number              value per instance at the end
---@param limit? number
---@param resident? number        what the system says that the process has
---@param unit string
---@return table[] facts
---@return table[] notes
function growth.outlook(trend, now, limit, resident, unit)
  local function fact(key, label, value, of)
    return { key = key, label = label, value = value, unit = of }
  end
  local facts, notes = { fact("slope", "an hour and instance", trend.slope, unit) }, {}
  if trend.slope > 0 then
    facts[2] = fact("doubles_in", "doubles in", now / trend.slope * 3600, "seconds")
  end
  if limit and trend.slope > 0 then
    facts[#facts + 1] = fact("limit", "limit", limit, unit)
    facts[#facts + 1] = fact("limit_in", "limit reached in",
      math.max(0, (limit - now) / trend.slope) * 3600, "seconds")
  end
  if resident and unit == "bytes" then
    facts[#facts + 1] = fact("resident_unexplained", "resident, not in the profile",
      resident - now, unit)
    notes[#notes + 1] = { code = "rss_unexplained", message = ("%.0f%% of resident memory is not "
      .. "in this profile: stacks, native memory, mappings, garbage not yet collected")
      :format(100 * math.max(0, resident - now) / resident) }
  end
  return facts, notes
end

--- The largest rows, for the report.
---@param tested pyroscope.trend_row[]
---@param unit string
---@param label string
---@return table
function growth.table(tested, unit, label)
  local rows, columns = {}, { { key = "name", label = label } }
  if tested[1] and tested[1].class then columns[2] = { key = "class", label = "waits in" } end
  columns[#columns + 1] = { key = "growth", label = "growth", unit = unit }
  columns[#columns + 1] = { key = "per_hour", label = "per hour", unit = unit }
  columns[#columns + 1] = { key = "q", label = "q" }
  for i = 1, math.min(10, #tested) do
    local row = tested[i]
    rows[i] = { name = row.name ~= "" and row.name or "(runtime)", growth = row.D,
      per_hour = row.slope, q = row.q, class = row.class }
  end
  return { title = "What grows, per instance", columns = columns, rows = rows }
end

return growth
