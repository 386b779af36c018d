--- Which windows are compared: what the caller says, or a change found in the total; and what the
--- replicates are, moments of the same processes or processes.

local auto = require "pyroscope.investigate.auto"
local errors = require "pyroscope.errors"
local phases = require "pyroscope.investigate.phases"
local selector = require "pyroscope.selector"
local shared = require "pyroscope.source.shared"
local survey = require "pyroscope.investigate.survey"
local timespec = require "pyroscope.timespec"
local windows = require "pyroscope.investigate.windows"

local design = {}

local duration = phases.duration
local MINUTE = 60000

--- Blocks and days of an effort.
design.efforts = phases.efforts

local function usage(message, hint)
  return nil, errors.new { kind = "usage", message = message, hint = hint }
end

--- What the times of an investigation mean: `now` of the source, what has not arrived yet left out,
--- and the range that `auto` looks at.
---@param source pyroscope.source
---@param options table
---@param default_range? string   of the recipe, such as "24h"
---@return { now_ms: integer, from_ms: integer, to_ms: integer, given: boolean, oldest_ms?: integer
---  }? times
---@return pyroscope.error? err
function design.times(source, options, default_range)
  local defaults = source.defaults and source:defaults() or {}
  local now = defaults.now_ms or options.clock and options.clock() or timespec.now()
  local stored = source.kind == "store"
  local settle = stored and 0 or duration(options.settle, MINUTE)
  local asked = { since = options.range, from = options.from, to = options.to, now_ms = now,
    tz = options.tz }
  local given = options.range ~= nil or options.from ~= nil or options.to ~= nil
  if options.from ~= nil then asked.since = nil end
  if not given and not stored then asked.since = default_range or "24h" end
  local found, err = timespec.window(asked, stored and defaults or { now_ms = now })
  if not found then return nil, err end
  if stored and not given then found = { from_ms = defaults.from_ms, to_ms = defaults.to_ms } end
  local range = windows.align(found, not stored and { now_ms = now, settle_ms = settle } or nil)
  local oldest
  local stats = source:stats()
  local captured = stored and source.capture and source.capture.windows or {}
  if #captured > 0 and not given then
    -- files of a captured bundle are whole windows: its times are theirs
    local hull = windows.hull(captured)
    range.from_ms = windows.align(hull).from_ms
    range.to_ms = hull.to_ms // windows.GRID * windows.GRID
  elseif stored and #captured == 0 and stats and stats.newest_ms then
    -- the end of the last profile reaches into a step in which none begins
    local whole = windows.align { from_ms = defaults.from_ms, to_ms = stats.newest_ms + 1 }
    local from, to = math.max(range.from_ms, whole.from_ms), math.min(range.to_ms, whole.to_ms)
    -- "the last 12 hours" of five minutes are the five minutes; elsewhere there is nothing
    if from < to then range.from_ms, range.to_ms = from, to end
  end
  if stats and stats.oldest_ms and stats.oldest_ms > 0 then oldest = stats.oldest_ms end
  return { now_ms = stored and range.to_ms or now - settle, from_ms = range.from_ms,
    to_ms = range.to_ms, given = given, oldest_ms = oldest }
end

-- Windows as people say them ------------------------------------------------------------------

--- A window from what a caller may say: `{ from_ms, to_ms }`, `{ from, to }`, `"-2h..-1h"`,
--- `"version=v41"`, `"version=v41@-2h..-1h"`. Without times: those of `range`.
---@param given table|string
---@param times table         of `design.times`
---@param options { tz?: string }
---@param name string         for messages
---@return pyroscope.investigate.window? window
---@return pyroscope.error? err
function design.window(given, times, options, name)
  local window = { from_ms = times.from_ms, to_ms = times.to_ms }
  local reading = { now_ms = times.now_ms, tz = options.tz }
  if type(given) == "string" then
    local label, span = given:match "^(.*)@([^@]*%.%..*)$"
    if not label and given:find("..", 1, true) and not given:find "[=!]" then span = given end
    if not span then label = given end
    if span then
      local found, err = timespec.range(span, reading)
      if not found then
        return nil, errors.wrap(err, { message = ("%s: %s"):format(name, err.message) })
      end
      window.from_ms, window.to_ms, window.timed = found.from_ms, found.to_ms, true
    end
    if label and label ~= "" then
      local matcher = selector.label(label)
      if not matcher then
        return usage(("%s: '%s' is not a window"):format(name, given),
          "a window is -2h..-1h, label=value, or label=value@-2h..-1h")
      end
      window.labels = { matcher }
      if matcher.op == "=" then window.labels = { [matcher.name] = matcher.value } end
    end
    return window
  end
  if type(given) ~= "table" then
    return usage(("%s must be a window, not %s"):format(name, type(given)))
  end
  if math.type(given.from_ms) and math.type(given.to_ms) then
    window.from_ms, window.to_ms = given.from_ms // 1 | 0, given.to_ms // 1 | 0
  else
    local found, err = timespec.window({ from = given.from, to = given.to, since = given.since,
      now_ms = times.now_ms, tz = options.tz }, { from_ms = times.from_ms, to_ms = times.to_ms })
    if not found then return nil, err end
    window.from_ms, window.to_ms = found.from_ms, found.to_ms
  end
  window.selector, window.labels, window.timed = given.selector, given.labels, true
  if window.from_ms >= window.to_ms then
    return usage(("%s ends before it starts"):format(name), "swap its times")
  end
  return window
end

-- Sides by label -----------------------------------------------------------------------------

-- The one label that an equality fixes, and its value.
local function fixed(window)
  local name, value = next(window.labels or {})
  if type(name) ~= "string" or next(window.labels, name) then return nil end
  return name, value
end

-- Two sides that only a label tells apart: versions one after the other, anything else (and
-- versions that ran together) in the same moments.
local function by_label(source, subject, A, B, times, options)
  local name, a = fixed(A)
  local other, b = fixed(B)
  for _, label in ipairs(options.version_labels or shared.version_labels) do
    if name == label and other == label then
      local narrowed = setmetatable({ version_labels = { label } }, { __index = options })
      return auto.versions(source, subject, { a, b }, times, narrowed)
    end
  end
  local effort = phases.effort(options)
  local from = times.from_ms
  if not times.given and source.kind ~= "store" then
    from = math.max(from, times.to_ms - phases.reach(options))
  end
  local window = { from_ms = from, to_ms = times.to_ms }
  local found, err = survey.of(source, subject, window, options)
  if not found then return nil, err end
  local how = phases.cutting(found, window, window, options)
  local blocks = windows.blocks(windows.align(window), effort.K, { interval_ms = how.interval_ms,
    times = how.times.A, per_instance = how.per_instance.A })
  local made = windows.canary { window = window, K = 1, label = "", a = "", b = "" }
  made.A, made.B, made.paired = {}, {}, #blocks > 1
  made.unit = #blocks > 1 and "block" or "window"
  for i, w in ipairs(blocks) do
    made.A[i] = { from_ms = w.from_ms, to_ms = w.to_ms, labels = A.labels }
    made.B[i] = { from_ms = w.from_ms, to_ms = w.to_ms, labels = B.labels }
  end
  return made
end

-- Unit --------------------------------------------------------------------------------------

-- Instances of a side that have enough to stand for a process.
local FEWEST_PROCESSES, MOST_PROCESSES = 3, 20

--- What the replicates of `before_after` are: moments, while the same processes go on; processes,
--- where those of one side are others (or where `options.unit` is "pod"), unless a side has fewer
--- than three of them.
---@param made pyroscope.design
---@param quality pyroscope.quality
---@param options? { unit?: "pod" }
---@return pyroscope.design
function design.unit(made, quality, options)
  if made.name ~= "before_after" and made.name ~= "quick" then return made end
  local forced = options and options.unit == "pod"
  if not quality.fresh and not forced then return made end
  -- a captured window is one profile of all instances
  if quality.merged then return made end
  local names = quality.instance_names
  local fewest = math.min(#names.A, #names.B)
  if not quality.instance_label or fewest < FEWEST_PROCESSES then
    if made.name == "before_after" and quality.fresh then
      table.insert(quality.warnings, { code = "few_processes", message = ("the processes of one "
        .. "side are others, and fewer than %d: what differs may be theirs"):format(
          FEWEST_PROCESSES) })
    end
    return made
  end
  if made.name == "quick" then return made end
  local changed = windows.per_instance(made, { label = quality.instance_label, A = names.A,
    B = names.B, limit = MOST_PROCESSES })
  for _, side in ipairs { "A", "B" } do
    for _, window in ipairs(changed[side]) do
      local _, n = survey.count(quality.surveys[side], { window })
      window.profiles, window.seconds = n, n * quality.interval_ms / 1000
    end
  end
  return changed
end

-- The time around a moment in which no instance was profiled, where it is long enough to part two
-- phases.
local function silence_at(found, moment)
  local before, after
  for _, time in ipairs(survey.times(found, found)) do
    if time < moment then before = time + found.step_ms elseif not after then after = time end
  end
  if not before or not after then return nil end
  local least = 2 * math.max(found.interval_ms, found.step_ms)
  return after - before >= least and { from_ms = before, to_ms = after } or nil
end

-- The design that `at` asks for.
local function choose(source, subject, options, range)
  local times, err = design.times(source, options, range)
  if not times then return nil, err end
  local at = options.at
  if at == nil or at == "auto" then return auto.choose(source, subject, times, options) end
  if type(at) == "table" and at.version then
    return auto.versions(source, subject, at.version, times, options)
  end
  if type(at) == "table" then
    if at.A == nil or at.B == nil then
      return usage("at: a table has A and B, or version", '{ A = "-2h..-1h", B = "-1h..now" }')
    end
    local A, B
    A, err = design.window(at.A, times, options, "A")
    if not A then return nil, err end
    B, err = design.window(at.B, times, options, "B")
    if not B then return nil, err end
    if A.labels and B.labels and not A.timed and not B.timed then
      return by_label(source, subject, A, B, times, options)
    end
    return phases.of(source, subject, A, B, options, { change_source = "given",
      at_ms = math.type(at.at_ms) and at.at_ms or nil })
  end
  local moment
  moment, err = timespec.parse(at, { now_ms = times.now_ms, tz = options.tz })
  if not moment then return nil, err end
  local hull = { from_ms = times.from_ms, to_ms = times.to_ms }
  if not times.given and source.kind ~= "store" then
    local half = phases.reach(options) + duration(options.gap, 5 * MINUTE)
    hull.from_ms = math.min(hull.from_ms, moment - half)
  end
  if moment <= hull.from_ms or moment >= hull.to_ms then
    return usage(("nothing lies on both sides of %s"):format(timespec.rfc3339(moment)),
      ("what is looked at is %s to %s"):format(timespec.rfc3339(hull.from_ms),
        timespec.rfc3339(hull.to_ms)))
  end
  local K = phases.effort(options).K
  local reach = phases.reach(options) + duration(options.gap, 5 * MINUTE)
  local near = windows.align { from_ms = math.max(hull.from_ms, moment - reach),
    to_ms = math.min(hull.to_ms, moment + reach) }
  local found
  found, err = survey.of(source, subject, near, options)
  if not found then return nil, err end
  local quiet = options.gap == nil and not source.capture and silence_at(found, moment)
  if quiet then -- what nobody profiled belongs to neither side
    return phases.of(source, subject, { from_ms = near.from_ms, to_ms = quiet.from_ms },
      { from_ms = quiet.to_ms, to_ms = near.to_ms }, options,
      { at_ms = moment, change_source = "given" })
  end
  local how = phases.cutting(found, { from_ms = near.from_ms, to_ms = moment },
    { from_ms = moment, to_ms = near.to_ms }, options)
  local made = windows.before_after(moment, { K = K, block_ms = how.block_ms,
    gap_ms = options.gap and duration(options.gap), interval_ms = how.interval_ms,
    from_ms = hull.from_ms, to_ms = hull.to_ms, times = how.times,
    per_instance = how.per_instance })
  return phases.of_capture(source, subject, made)
end

--- The design that the options ask for: `at` is "auto", a time, `{ version = { old, new } }` or
--- `{ A = window, B = window }`. `range` is the recipe's own default, such as "24h".
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param options table
---@param range? string
---@return pyroscope.design? design
---@return pyroscope.error? err
function design.choose(source, subject, options, range)
  local made, err = choose(source, subject, options, range)
  if not made then return nil, err end
  if source.step then source:step("design", { design = made }) end
  return made
end

--- The window of an investigation that compares nothing: its range, on the grid.
---@param source pyroscope.source
---@param options table
---@param range? string
---@return pyroscope.investigate.window? window
---@return pyroscope.error? err
function design.range(source, options, range)
  local times, err = design.times(source, options, range)
  if not times then return nil, err end
  return { from_ms = times.from_ms, to_ms = times.to_ms, now_ms = times.now_ms,
    oldest_ms = times.oldest_ms, given = times.given }
end

return design
