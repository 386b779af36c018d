--- The two sides of a comparison: from arguments and flags to two profiles.

local errors = require "pyroscope.errors"
local facts = require "pyroscope.cli.facts"
local question = require "pyroscope.cli.question"
local selector = require "pyroscope.selector"
local target = require "pyroscope.cli.target"
local timespec = require "pyroscope.timespec"

local sides = {}

local DAY, HOUR = 86400000, 3600000
local version_labels = { version = true, service_version = true, service_git_ref = true }

local function usage(message, hint)
  return nil, errors.new { kind = "usage", message = message, hint = hint }
end

--- Reads a SIDE: `label=value`, `FROM..TO`, or `label=value@FROM..TO`.
---@param text string
---@param flag string
---@param reading { now_ms: integer, tz?: string }
---@return { label?: table, window?: table, text: string }? side
---@return pyroscope.error? err
function sides.parse(text, flag, reading)
  local side = { text = text }
  local label, window = text:match "^(.*)@([^@]*%.%..*)$"
  if not label and text:find("..", 1, true) and not text:find "[=!]" then window = text end
  if not window then label = text end
  local err
  if window then
    side.window, err = timespec.range(window, reading)
    if not side.window then
      return nil, errors.wrap(err, { message = flag .. ": " .. err.message })
    end
  end
  if label and label ~= "" then
    side.label = selector.label(label)
    if not side.label then
      return usage(("%s: '%s' is not a side"):format(flag, text),
        "a side is label=value, a window -2h..-1h, or label=value@-2h..-1h")
    end
  end
  return side
end

local function is_time(text, reading)
  return (timespec.parse(text, reading)) ~= nil
end

-- What the positional arguments mean: targets and times.
local function arrange(items, reading)
  local times = {}
  if #items >= 4 then
    for i = #items - 3, #items do
      if is_time(items[i], reading) then times[#times + 1] = items[i] end
    end
  end
  local rest = { table.unpack(items, 1, #items - (#times == 4 and 4 or 0)) }
  if #times ~= 4 then times = nil end
  if times and #rest <= 1 then return rest, times end
  if not times and #items <= 2 then return items end
  local compared = #items == 3 and (items[2] .. items[3]):find "=" -- TARGET label=a label=b
  return usage(("diff takes A B, a TARGET, or a TARGET and four times, not %d arguments")
    :format(#items), compared and ("pscope diff %s --before %s --after %s"):format(
      table.unpack(items)) or "pscope diff prod/checkout -2h -1h -30m now")
end

-- When one value of the label was seen, and when another.
local function sightings(timeline, label, value)
  local mine, others = {}, {}
  for _, row in ipairs(timeline) do
    local list = row.labels[label] == value and mine or others
    for _, point in ipairs(row.points) do
      if point.value ~= 0 then list[#list + 1] = point.time_ms end
    end
  end
  table.sort(mine)
  table.sort(others)
  return mine, others
end

-- How far apart profiles usually are: a step without one is no end of a run.
local function spacing(times, step)
  local gaps = {}
  for i = 2, #times do gaps[i - 1] = times[i] - times[i - 1] end
  table.sort(gaps)
  return gaps[1] and math.max(step, gaps[#gaps // 2 + 1])
end

-- The longest window, the latest of several, in which only one value was seen: from its first
-- profile to the end of what its last one covers, or to the first profile of another value.
local function alone(timeline, label, value)
  local mine, others = sightings(timeline, label, value)
  local gap = spacing(mine, timeline.step_ms)
  local best, start, last
  local next_other = 1
  local function finish(limit)
    if not start then return end
    local stop = gap and math.min(limit, last + gap) or limit
    if stop > start and (not best or stop - start >= best[2] - best[1]) then
      best = { start, stop }
    end
    start = nil
  end
  for _, time in ipairs(mine) do
    local shared = false
    while others[next_other] and others[next_other] <= time do
      finish(others[next_other])
      shared = others[next_other] == time
      next_other = next_other + 1
    end
    if not shared then
      start, last = start or time, time
    end
  end
  finish(others[next_other] or timeline.to_ms)
  return best
end

local function is_version(side)
  return side.label and not side.window and side.label.op == "=" and version_labels[side.label.name]
end

-- Windows for sides that are a version alone: the longest equal ones in which only that version
-- ran; beside a side with a window, none longer than that one.
local function version_windows(run, source, found, before, after)
  local options = run.options
  local label = (is_version(before) and before or after).label.name
  local extra = { group_by = label }
  if source.kind ~= "store" and not (options.since or options.from or options.to
      or options.around) then
    extra.since = "1d"
  end
  local resolved, err = question.resolve(options, found, source, { extra = extra })
  if not resolved then return nil, err, nil end
  local length = resolved.to_ms - resolved.from_ms
  resolved.step_ms = math.max(15000, (length // 1500 + 14999) // 15000 * 15000)
  local timeline
  timeline, err = source:timeline(resolved)
  if not timeline then return nil, err end
  local most, stretches = HOUR, {}
  for i, side in ipairs { before, after } do
    if is_version(side) then
      stretches[i] = alone(timeline, label, side.label.value)
      -- it ran beside others all the time: the same window for both
      if not stretches[i] then return { from_ms = resolved.from_ms, to_ms = resolved.to_ms } end
      most = math.min(most, stretches[i][2] - stretches[i][1])
    else
      most = math.min(most, side.window.to_ms - side.window.from_ms)
    end
  end
  local windows = {}
  for i, stretch in pairs(stretches) do
    windows[i] = { from_ms = stretch[2] - most, to_ms = stretch[2] }
  end
  return nil, nil, windows
end

-- The question of one side.
local function resolve(run, found, source, side)
  local options = run.options
  local asked, err = question.build(options, found, source)
  if not asked then return nil, err end
  if side.window then
    asked.from, asked.to, asked.since = nil, nil, nil
    asked.from_ms, asked.to_ms = side.window.from_ms, side.window.to_ms
  end
  asked.granularity = options.group == "line" and "line" or nil
  if side.label then
    local labels = { table.unpack(options.labels or {}) }
    labels[#labels + 1] = side.label
    asked.labels = labels
  end
  if found.everything and not asked.service and not asked.selector then asked.selector = "{}" end
  if not asked.type and source.kind ~= "store" then asked.type = "cpu" end
  return require "pyroscope.query".resolve(asked, source)
end

local function label_of(side, resolved)
  if side.label then return ("%s%s%s"):format(side.label.name, side.label.op, side.label.value) end
  return side.text or resolved.service or ""
end

local LETTERS = { "A (before)", "B (after)" }

local function named(err, i)
  return errors.wrap(err, { message = ("side %s: %s"):format(LETTERS[i], err.message) })
end

-- What is asked of one source for some sides, in one flight: profiles, then what stands beside.
local function ask(run, source, questions)
  local subject = require "pyroscope.cli.subject"
  local list, parts = {}, {}
  for i, resolved in pairs(questions) do
    list["profile" .. i] = function() return source:profile(resolved) end
    if run.options.where ~= "never" then
      list["facts" .. i] = function() return facts.of(source, resolved) end
      if i == 2 and source.kind ~= "store" and resolved.granularity ~= "line" then
        list.locations = function() return subject.locations(source, resolved) end
      end
    end
  end
  local answers = subject.together(source, list)
  run.progress:finish()
  for i, resolved in pairs(questions) do
    local profile, err = table.unpack(answers["profile" .. i], 1, 2)
    if not profile then return nil, named(err, i) end
    local found = answers["facts" .. i]
    parts[i] = { profile = profile, resolved = resolved, source = source,
      facts = found and found[1] }
  end
  return parts, answers.locations and answers.locations[1]
end

local function two_targets(run, items)
  local parts, sources, questions = { warnings = {} }, {}, {}
  local extra = { granularity = run.options.group == "line" and "line" or nil }
  for i, text in ipairs(items) do
    local found, source = target.find(run, text)
    if not found then return nil, named(source, i) end
    local resolved, err = question.resolve(run.options, found, source, { extra = extra })
    if not resolved then return nil, err end
    sources[i], questions[i] = source, resolved
  end
  local flights = sources[1] == sources[2] and { { questions[1], questions[2] } }
    or { { questions[1] }, { [2] = questions[2] } }
  for i, flight in ipairs(flights) do
    local answered, more = ask(run, sources[i], flight)
    if not answered then return nil, more end
    for k, part in pairs(answered) do
      parts[k], part.label = part, items[k]
    end
    parts.locations = more or parts.locations
  end
  parts.shown = items[1] .. " > " .. items[2]
  -- The "service" of a lone file is its name: no reason to compare shares.
  local function lone(part) return part.source.form == "file" end
  if lone(parts[1]) and lone(parts[2]) and parts[1].profile.unit == parts[2].profile.unit then
    parts.mode = "rate"
  end
  return parts
end

-- TARGET with two sides, four times, or against yesterday.
local function plan(run, found, source, times, reading)
  local options = run.options
  local before, after, err
  if times then
    if options.before or options.after then
      return usage("four times and --before or --after exclude each other")
    end
    local list = {}
    for i, text in ipairs(times) do list[i] = assert(timespec.parse(text, reading)) end
    for i, letter in ipairs { "A", "B" } do
      if list[2 * i - 1] >= list[2 * i] then
        return usage(("window %s ends before it starts: %s to %s"):format(letter,
          times[2 * i - 1], times[2 * i]), "the four times are: A from, A to, B from, B to")
      end
    end
    local function side(i)
      return { text = times[i] .. ".." .. times[i + 1],
        window = { from_ms = list[i], to_ms = list[i + 1] } }
    end
    return side(1), side(3)
  end
  if options.before then
    before, err = sides.parse(options.before, "--before", reading)
    if not before then return nil, err end
  end
  if options.after then
    after, err = sides.parse(options.after, "--after", reading)
    if not after then return nil, err end
  end
  if not before and not after then
    local resolved
    resolved, err = question.resolve(options, found, source)
    if not resolved then return nil, err end
    after = { text = "this window", window = resolved }
    before = { text = "a day before", window = { from_ms = resolved.from_ms - DAY,
      to_ms = resolved.to_ms - DAY } }
    return before, after
  end
  before, after = before or { text = "everything" }, after or { text = "everything" }
  local versions = is_version(before) and is_version(after)
    and before.label.name == after.label.name
  if versions or (is_version(before) and after.window) or (is_version(after) and before.window) then
    local same, failed, windows = version_windows(run, source, found, before, after)
    if failed then return nil, failed end
    before.window = before.window or same or windows[1]
    after.window = after.window or same or windows[2]
  end
  return before, after
end

--- Fetches both sides: two parts { profile, resolved, source, label, facts }, with `shown`.
---@param run table
---@param options table
---@return table? parts
---@return pyroscope.error? err
function sides.fetch(run, options)
  local items, times = arrange(options.items or {}, { tz = options.tz })
  if not items then return nil, times end
  if #items == 2 then
    if options.before or options.after then
      return usage("two targets and --before or --after exclude each other",
        "with one TARGET the flags name its sides")
    end
    return two_targets(run, items)
  end
  local found, source = target.find(run, items[1])
  if not found then return nil, source end
  local reading = { tz = options.tz, now_ms = source.defaults and source:defaults().now_ms }
  local before, after = plan(run, found, source, times, reading)
  if not before then return nil, after end
  local questions, given = {}, { before, after }
  for i, side in ipairs(given) do
    local resolved, err = resolve(run, found, source, side)
    if not resolved then return nil, named(err, i) end
    questions[i] = resolved
  end
  local parts, more = ask(run, source, questions)
  if not parts then return nil, more end
  parts.shown, parts.warnings, parts.locations = found.shown, {}, more
  for i, side in ipairs(given) do
    parts[i].label = label_of(side, questions[i])
    require "pyroscope.cli.subject".join(parts.warnings, questions[i].warnings)
  end
  return parts
end

return sides
