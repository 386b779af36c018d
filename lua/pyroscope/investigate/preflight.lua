--- Is there enough to test with, and may both sides be compared at all? Everything a verdict has to
--- know of the data before any tree is fetched, and the gates that refuse what cannot be decided.

local errors = require "pyroscope.errors"
local fetch = require "pyroscope.investigate.fetch"
local history = require "pyroscope.investigate.history"
local instruments = require "pyroscope.investigate.instruments"
local processes = require "pyroscope.investigate.processes"
local subjects = require "pyroscope.investigate.subject"
local survey = require "pyroscope.investigate.survey"
local windows = require "pyroscope.investigate.windows"

local preflight = {}

--- The gates, with their defaults.
preflight.gates = { profiles = 10, samples = 1000, few_samples = 20000, coverage = 0.5,
  full_coverage = 0.8, other = 0.02, tree_ratio = 0.02 }

---@class pyroscope.quality
---@field ok boolean
---@field reason? string
---@field profiles { A: integer, B: integer }
---@field instances { A: integer, B: integer }
---@field instance_names { A: string[], B: string[] }
---@field samples? { A: number, B: number }
---@field coverage { A: number, B: number }
---@field other_share? { A: number, B: number }
---@field interval_ms integer
---@field instance_label? string
---@field version_label? string
---@field versions { A: string[], B: string[] }
---@field fresh boolean
---@field young string[]
---@field profiler_changed? { label: string, A: string, B: string }
---@field throttled? boolean
---@field counter_like? boolean
---@field restarts { instance: string, time_ms: integer, reason: string }[]
---@field gaps { side: string, from_ms: integer, to_ms: integer }[]
---@field read_path string
---@field partial boolean
---@field warnings { code: string, message: string }[]

local function warn(quality, code, message)
  table.insert(quality.warnings, { code = code, message = message })
end

local function refuse(quality, reason, message)
  quality.ok, quality.reason = false, quality.reason or reason
  warn(quality, reason, message)
end

-- v1, v2, dual, files, unknown.
local function read_path(source)
  if source.kind == "store" then return "files" end
  local server = source.server and source:server()
  return server and server.storage or "unknown"
end

-- Sides -------------------------------------------------------------------------------------

-- Label sets of both sides. Windows of one side may have labels of their own.
local function sets_of(source, subject, design, label, version_labels)
  local wanted = { label }
  for _, list in ipairs { version_labels, survey.profilers } do
    table.move(list, 1, #list, #wanted + 1, wanted)
  end
  local sets = {}
  for _, side in ipairs { "A", "B" } do
    local hull = windows.hull(design[side])
    local first = design[side][1]
    hull.selector = first and first.selector
    if first and first.labels and not first.instance then hull.labels = first.labels end
    sets[side] = {}
    if first then
      local text, err = fetch.selector_of(subject, hull)
      if not text then return nil, err end
      local rows
      rows, err = fetch.sets(source, { selector = text, labels = wanted,
        from_ms = hull.from_ms, to_ms = hull.to_ms })
      if not rows and err.kind ~= "no_data" then return nil, err end
      sets[side] = rows or {}
    end
  end
  return sets
end

-- Windows that touch, as one: a profile that began in one covers a part of the next.
local function contiguous(list)
  local merged = {}
  for _, window in ipairs(list) do
    local last = merged[#merged]
    if last and not window.instance and window.from_ms == last.to_ms then
      last.to_ms = window.to_ms
    else
      merged[#merged + 1] = { from_ms = window.from_ms, to_ms = window.to_ms,
        instance = window.instance }
    end
  end
  return merged
end

-- Counts, instances and coverage of a side from a survey.
local function measure(quality, side, list, found)
  local by_instance, total = survey.count(found, list)
  quality.profiles[side] = total
  local names = {}
  for name in pairs(by_instance) do
    if name ~= "" then names[#names + 1] = name end
  end
  table.sort(names)
  quality.instance_names[side] = names
  quality.instances[side] = math.max(#names, total > 0 and 1 or 0) + found.left_out
  local interval, expected, observed = found.interval_ms, 0, 0
  for name, count in pairs(by_instance) do
    local instance = found.instances[name]
    local last = math.max(instance.last_ms, instance.first_ms + interval)
    local span = 0
    for _, window in ipairs(list) do
      if not window.instance or window.instance == name then
        span = span + math.max(0, math.min(window.to_ms, last)
          - math.max(window.from_ms, instance.first_ms))
      end
    end
    expected = expected + span
    observed = observed + math.min(count * interval, span)
  end
  local whole, covered = 0, 0
  for _, window in ipairs(contiguous(list)) do
    local gaps, share = history.gaps(survey.times(found, window),
      math.max(interval, found.step_ms), window)
    local length = window.to_ms - window.from_ms
    whole, covered = whole + length, covered + share * length
    for _, gap in ipairs(gaps) do
      if gap.to_ms - gap.from_ms >= 3 * interval then
        table.insert(quality.gaps, { side = side, from_ms = gap.from_ms, to_ms = gap.to_ms })
      end
    end
  end
  for _, window in ipairs(list) do
    local _, n = survey.count(found, { window })
    window.profiles, window.seconds = n, n * interval / 1000
  end
  local own = expected > 0 and observed / expected or 0
  -- a sparse type has its profiles at the edges of blocks: one profile stands for its interval
  quality.coverage[side] = math.min(1, own, whole > 0 and covered / whole or 0)
end

-- Series are limited, trees are not: where instances are left out, the profiles of all are counted,
-- else a side with more instances would look like one with more load.
local function count_all(source, subject, quality, side, list, found)
  if found.left_out == 0 or list[1] and list[1].instance then return end
  local listed, all = quality.profiles[side], 0
  for _, window in ipairs(contiguous(list)) do
    local text = fetch.selector_of(subject, { labels = list[1].labels,
      selector = list[1].selector })
    local rows = text and fetch.profile_counts(source, { selector = text, types = subject.types,
      from_ms = window.from_ms, to_ms = window.to_ms })
    if not rows then return end
    for _, row in ipairs(rows) do all = all + row.profiles end
  end
  if listed == 0 or all <= listed then return end
  quality.profiles[side] = all
  for _, window in ipairs(list) do
    window.seconds = window.seconds * all / listed
    window.profiles = math.floor(window.profiles * all / listed + 0.5)
  end
end

-- A bundle that has no timelines still knows how many profiles its windows have.
local function count_windows(source, subject, design, quality)
  for _, side in ipairs { "A", "B" } do
    local names = {}
    for _, window in ipairs(design[side]) do
      local text, err = fetch.selector_of(subject, window)
      if not text then return nil, err end
      local rows
      rows, err = fetch.profile_counts(source, { selector = text, types = subject.types,
        from_ms = window.from_ms, to_ms = window.to_ms,
        group_by = quality.instance_label and { quality.instance_label } or nil })
      if not rows and err.kind ~= "no_data" then return nil, err end
      local n = 0
      for _, row in ipairs(rows or {}) do
        n = n + row.profiles
        local name = quality.instance_label and row.labels[quality.instance_label]
        if name and not names[name] then
          names[name] = true
          table.insert(quality.instance_names[side], name)
        end
      end
      window.profiles = n
      quality.profiles[side] = quality.profiles[side] + n
    end
    table.sort(quality.instance_names[side])
    quality.instances[side] = math.max(#quality.instance_names[side],
      quality.profiles[side] > 0 and 1 or 0)
    quality.coverage[side] = quality.profiles[side] > 0 and 1 or 0
  end
  return true
end

-- Sides of one selector are looked at together; those with labels of their own (two versions in one
-- window) each apart.
local function surveys_of(source, subject, design, options)
  local range = windows.hull(design.A, design.B)
  local looking = { instance_label = options.instance_label,
    version_labels = options.version_labels, counts = subject.kind == "flow"
      and source.kind ~= "store" }
  local function own(side)
    local first = design[side][1]
    if not first or first.instance then return nil end
    return first.selector or first.labels and next(first.labels) and first.labels
  end
  if not own "A" and not own "B" then
    local found, err
    if survey.long(range) and source.kind ~= "store" then
      local list = table.move(design.A, 1, #design.A, 1, {})
      table.move(design.B, 1, #design.B, #list + 1, list)
      found, err = survey.of_windows(source, subject, list, looking)
    else
      found, err = survey.of(source, subject, range, looking)
    end
    if not found then return nil, err end
    return { A = found, B = found }, range
  end
  local surveys = {}
  for _, side in ipairs { "A", "B" } do
    local first = design[side][1]
    local found, err = survey.of(source, subject, { from_ms = range.from_ms, to_ms = range.to_ms,
      labels = first and first.labels, selector = first and first.selector }, looking)
    if not found then return nil, err end
    surveys[side] = found
  end
  return surveys, range
end

-- Gates -------------------------------------------------------------------------------------

local function gate(quality, gates)
  local p = quality.profiles
  if p.A == 0 and p.B == 0 then
    return refuse(quality, "no_data", "there is no profile in any window")
  end
  if p.A == 0 or p.B == 0 then
    return refuse(quality, "instrumentation_changed", ("this type has no profile %s"):format(
      p.A == 0 and "before, and some after" or "after, and some before"))
  end
  if math.min(p.A, p.B) < gates.profiles then
    refuse(quality, "too_few_profiles", ("%d profiles before and %d after, %d a side are needed")
      :format(p.A, p.B, gates.profiles))
  end
  local worst = math.min(quality.coverage.A, quality.coverage.B)
  if worst < gates.coverage then
    refuse(quality, "gaps", ("profiles cover %.0f%% of a side"):format(100 * worst))
  elseif worst < gates.full_coverage then
    warn(quality, "gaps", ("profiles cover %.0f%% of a side"):format(100 * worst))
  end
end

local function ingested(source)
  local stats, err = fetch.stats(source)
  if stats and stats.ingested == false then
    return nil, errors.new { kind = "no_data", code = "nothing_ingested",
      message = "nothing was ever ingested there",
      hint = "is it the right deployment or tenant? pscope stats" }
  end
  if err and (err.kind == "auth" or err.kind == "unreachable" or err.kind == "cancelled") then
    return nil, err
  end
  return stats or {}
end

--- Everything a verdict has to know of a subject in the windows of a design. The windows get their
--- number of profiles (`profiles`, `seconds`). `options` are those of an investigation;
--- `gates` replaces some of `preflight.gates`, `warmup` is 10 minutes unless told.
---@param source pyroscope.source
---@param subject pyroscope.subject|{ selector: string, type: string }
---@param design pyroscope.design
---@param options? table
---@return pyroscope.quality? quality
---@return pyroscope.error? err
function preflight.run(source, subject, design, options)
  options = options or {}
  subject = subjects.complete(subject)
  local gates = setmetatable(options.gates or {}, { __index = preflight.gates })
  local stats, err = ingested(source)
  if not stats then return nil, err end
  local quality = { ok = true, profiles = { A = 0, B = 0 }, instances = { A = 0, B = 0 },
    instance_names = { A = {}, B = {} }, coverage = { A = 0, B = 0 }, versions = {},
    restarts = {}, gaps = {}, young = {}, warnings = {}, partial = false, fresh = false,
    read_path = read_path(source), gates = gates, kind = subject.kind,
    merged = source.capture and true or nil }
  local surveys, range = surveys_of(source, subject, design, options)
  if not surveys then return nil, range end
  local found = surveys.A
  quality.interval_ms, quality.instance_label = found.interval_ms, found.label
  quality.version_label = found.version
  local sets
  sets, err = sets_of(source, subject, design, found.label,
    options.version_labels or { found.version })
  if not sets then return nil, err end
  for _, side in ipairs { "A", "B" } do
    quality.versions[side] = instruments.values(sets[side], found.version)
  end
  if #found.rows > 0 then
    for _, side in ipairs { "A", "B" } do
      measure(quality, side, design[side], surveys[side])
      count_all(source, subject, quality, side, design[side], surveys[side])
    end
  else
    local ok
    ok, err = count_windows(source, subject, design, quality)
    if not ok then return nil, err end
    warn(quality, "no_timeline", "there are no timelines: ages, restarts and gaps are unknown")
  end
  if subject.kind == "stock" then
    processes.restarts(quality, found)
    if surveys.B ~= found then processes.restarts(quality, surveys.B) end
  elseif #found.rows > 0 and #subject.all > 1 and options.effort ~= "quick"
      and not found.pieces then
    local clock = processes.liveness(source, subject, range, options)
    if clock then processes.restarts(quality, clock) end
  end
  quality.fresh = processes.fresh(quality, found, design)
  if #design.B > 0 then
    local all
    quality.young, all = processes.young(surveys.B, windows.hull(design.B), options)
    if all then
      quality.all_young = true
      warn(quality, "all_young", ("all instances of the second side are younger than %s")
        :format(require "pyroscope.units".span(all)))
    end
  end
  instruments.profiler(quality, sets, surveys, design)
  instruments.counters(quality, subject, found)
  if found.throttled then
    quality.throttled = true
    warn(quality, "throttled", "the server took a part of the profiles only")
  end
  if found.left_out > 0 then
    warn(quality, "instances_left_out", ("%d more instances are not looked at one by one")
      :format(found.left_out))
  end
  for _, note in ipairs(design.notes or {}) do warn(quality, note.code, note.message) end
  quality.survey, quality.surveys = found, surveys
  gate(quality, gates)
  if source.step then source:step("quality", { quality = quality }) end
  return quality
end

-- Trees -------------------------------------------------------------------------------------

-- Samples without a stack are in series and not in trees of these.
local WITHOUT_STACKS = { goroutine = true, goroutine_leak = true, mutex_delay = true,
  mutex_count = true, block_delay = true, block_count = true }

local function quantum_of(samples)
  local quantum = samples.quantum
  if type(quantum) == "table" then return quantum.value end
  return quantum
end

-- Tree totals over series sums of each side; nil where they cannot be compared: windows beside the
-- steps, instances that are left out.
local function tree_ratio(quality, samples, sum)
  local surveys = quality.surveys
  if not surveys or quality.kind == "stock" or quality.counter_like then return nil end
  local series = { A = 0, B = 0 }
  for _, sample in ipairs(samples) do
    local found = surveys[sample.side]
    local step = found.step_ms
    if found.left_out > 0 or not sample.from_ms or (sample.from_ms - found.from_ms) % step ~= 0
        or (sample.to_ms - found.from_ms) % step ~= 0 then
      return nil
    end
    for _, name in ipairs(found.names) do
      for _, point in ipairs(found.instances[name].points) do
        if point.time_ms >= sample.from_ms and point.time_ms < sample.to_ms
            and (not sample.instance or sample.instance == name) then
          series[sample.side] = series[sample.side] + point.value
        end
      end
    end
  end
  if series.A <= 0 or series.B <= 0 then return nil end
  return { A = sum.A / series.A, B = sum.B / series.B }
end

--- What the trees add: raw samples a side (once `samples.quantum` is known), what is hidden in
--- `other`, whether trees and series agree. Changes and returns the quality.
---@param quality pyroscope.quality
---@param samples pyroscope.samples
---@param options? { class?: string }
---@return pyroscope.quality
function preflight.samples(quality, samples, options)
  local sum, other, profiles = { A = 0, B = 0 }, { A = 0, B = 0 }, { A = 0, B = 0 }
  for _, sample in ipairs(samples) do
    local side = sample.side
    sum[side] = sum[side] + sample.profile.sum
    other[side] = other[side] + (sample.profile:coverage().other or 0)
    profiles[side] = profiles[side] + (sample.profiles or 0)
  end
  quality.other_share, quality.totals = {}, sum
  for _, side in ipairs { "A", "B" } do
    quality.other_share[side] = sum[side] > 0 and other[side] / sum[side] or 0
    if quality.profiles[side] == 0 then quality.profiles[side] = profiles[side] end
  end
  local worst = math.max(quality.other_share.A, quality.other_share.B)
  if worst > quality.gates.other then
    warn(quality, "truncated", ("%.1f%% lies in truncated stacks"):format(100 * worst))
  end
  if samples.partial then
    quality.partial = true
    warn(quality, "partial", "some questions have no answer: "
      .. (samples.failed and samples.failed.message or "unknown"))
  end
  local class = options and options.class
  local ratio = not WITHOUT_STACKS[class or ""] and tree_ratio(quality, samples, sum) or nil
  quality.tree_ratio = ratio
  if ratio and math.max(math.abs(ratio.A - 1), math.abs(ratio.B - 1)) > quality.gates.tree_ratio
  then
    warn(quality, "sampled_ingest", ("trees hold %.0f%% before and %.0f%% after of what the series "
      .. "say: some profiles were stored as totals"):format(100 * ratio.A, 100 * ratio.B))
  end
  local q = quantum_of(samples)
  if q and q > 0 and quality.kind ~= "stock" and not WITHOUT_STACKS[class or ""] then
    quality.samples = { A = sum.A / q, B = sum.B / q }
    local least = math.min(quality.samples.A, quality.samples.B)
    if least < quality.gates.samples then
      refuse(quality, "too_few_samples", ("%.0f samples before and %.0f after, %d a side are "
        .. "needed"):format(quality.samples.A, quality.samples.B, quality.gates.samples))
    elseif least < quality.gates.few_samples then
      warn(quality, "few_samples", ("%.0f samples on the smaller side: only large changes are seen")
        :format(least))
    end
  end
  return quality
end

return preflight
