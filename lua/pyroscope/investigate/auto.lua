--- Designs that have to look first: versions that took over, changes of the total.

local errors = require "pyroscope.errors"
local phases = require "pyroscope.investigate.phases"
local survey = require "pyroscope.investigate.survey"
local units = require "pyroscope.units"
local windows = require "pyroscope.investigate.windows"

local auto = {}

local duration = phases.duration
local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
local MOST_POINTS = 500

-- The longest stretch of a version's times in which the other one is not seen.
local function alone(mine, other, found)
  local function seen(time)
    return other.first_ms <= time and time < other.last_ms
  end
  local from, to
  for _, time in ipairs(mine.times) do
    if not seen(time) then
      from = from or time
      to = time + found.step_ms
    elseif from and mine.first_ms < other.first_ms then
      break
    end
  end
  return from and { from_ms = from, to_ms = to }
end

--- Two versions against each other: one after the other, or, where both ran all the time, in the
--- same windows (paired).
---@return pyroscope.design? design
---@return pyroscope.error? err
function auto.versions(source, subject, names, times, options)
  local found, err = survey.of(source, subject, times,
    { instance_label = options.instance_label, version_labels = options.version_labels })
  if not found then return nil, err end
  if not found.version then
    return nil, errors.new { kind = "no_data", code = "no_version",
      message = ("nothing in %s has a version label"):format(subject.selector),
      hint = "profiles carry a version where their agent sends one as a label: pscope labels" }
  end
  local list
  list, err = survey.versions(source, subject, found)
  if not list then return nil, err end
  local by_name, known = {}, {}
  for i, version in ipairs(list) do by_name[version.name], known[i] = version, version.name end
  local a, b = by_name[names[1]], by_name[names[2]]
  if not a or not b then
    local missing = a and names[2] or names[1]
    return nil, errors.new { kind = "no_data", code = "no_version",
      message = ("no profile of %s has %s=%s"):format(subject.selector, found.version, missing),
      hint = "versions in this range: " .. table.concat(known, ", ") }
  end
  local K = phases.effort(options).K
  local block, gap = duration(options.block, 5 * MINUTE), duration(options.gap, 0)
  local A, B = alone(a, b, found), alone(b, a, found)
  local enough = 2 * math.max(found.interval_ms, windows.GRID)
  if A and B and A.to_ms - A.from_ms >= enough and B.to_ms - B.from_ms >= enough then
    A.to_ms, B.from_ms = A.to_ms - gap, B.from_ms + gap
    A.from_ms = math.max(A.from_ms, A.to_ms - phases.reach(options))
    B.to_ms = math.min(B.to_ms, B.from_ms + phases.reach(options))
    A.labels, B.labels = { [found.version] = a.name }, { [found.version] = b.name }
    return phases.of(source, subject, A, B, options,
      { at_ms = b.first_ms, change_source = "versions" })
  end
  local from, to = math.max(a.first_ms, b.first_ms), math.min(a.last_ms, b.last_ms)
  from = math.max(from, to - phases.reach(options))
  local made = windows.canary { window = { from_ms = from, to_ms = to }, K = K,
    label = found.version, a = a.name, b = b.name, block_ms = block,
    interval_ms = found.interval_ms }
  made.change_source, made.at_ms = "versions", b.first_ms
  return made
end

-- The newest version that took over from another within a range.
local function takeover(source, subject, found)
  local list = survey.versions(source, subject, found)
  if not list or #list < 2 then return nil end
  for i = #list, 2, -1 do
    local new, old = list[i], list[i - 1]
    if new.first_ms >= old.last_ms - 2 * found.step_ms then
      return { old.name, new.name }, new.first_ms
    end
  end
end

-- Changes that nobody named ------------------------------------------------------------------

-- The total as points at the ends of their steps, few enough for a scan.
local function points_of(found, shift_ms)
  local points, step = survey.totals(found), found.step_ms
  while #points > MOST_POINTS do
    local coarser = {}
    for i = 1, #points, 2 do
      local a, b = points[i], points[i + 1] or {}
      local value = a.value and b.value and (a.value + b.value) / 2 or a.value or b.value
      coarser[#coarser + 1] = { time_ms = a.time_ms, value = value }
    end
    points, step = coarser, 2 * step
  end
  for _, point in ipairs(points) do point.time_ms = point.time_ms + step + (shift_ms or 0) end
  return points
end

-- Changes that a later one undid: the level came back to within a quarter of the step.
local function lasting(changes)
  local gone, i = {}, #changes
  while i > 0 do
    local last, undone = changes[i], nil
    for j = i - 1, 1, -1 do
      local first = changes[j]
      local step = first.after - first.before
      if first.direction ~= last.direction
          and math.abs(last.after - first.before) <= 0.25 * math.abs(step) then
        undone = j
        break
      end
    end
    if not undone then return last, gone end
    gone[#gone + 1] = { from_ms = changes[undone].time_ms, to_ms = last.time_ms }
    i = undone - 1
  end
  return nil, gone
end

-- The newest change of the total that lasts, beside those that went away again; a day earlier the
-- same must not have happened.
local function change_of(source, subject, found, options)
  local stats = require "pyroscope.investigate.stats"
  local reference
  if source.kind ~= "store" and options.effort ~= "quick" then
    local earlier = survey.of(source, subject, { from_ms = found.from_ms - DAY,
      to_ms = found.to_ms - DAY }, { sets = false, instance_label = found.label })
    reference = earlier and #earlier.rows > 0 and points_of(earlier, DAY) or nil
  end
  local changes = stats.changepoints(points_of(found), { reference = reference })
  if not changes then return nil, {} end
  return lasting(changes)
end

-- The longest time in which nothing was profiled, where it is long enough to part two phases.
local function silence(found)
  local times = survey.times(found, found)
  local best
  for i = 2, #times do
    local gap = times[i] - times[i - 1] - found.step_ms
    if gap >= 3 * math.max(found.interval_ms, found.step_ms) and (not best or gap > best.gap) then
      best = { gap = gap, before = times[i - 1] + found.step_ms, after = times[i] }
    end
  end
  return best
end

-- Is a change of the total the moment at which something else tells that two phases part?
local function beside(change, from_ms, to_ms, found)
  local slack = 5 * MINUTE + found.step_ms
  return not change or (change.time_ms >= from_ms - slack and change.time_ms <= to_ms + slack)
end

-- Two parts of a range: before and after a silence of all, else its halves.
local function halves(source, subject, found, change, times, options)
  local gap = silence(found)
  if gap and not beside(change, gap.before, gap.after, found) then gap = nil end
  if change and not gap then return nil end
  local middle = (times.from_ms + times.to_ms) // 2 // windows.GRID * windows.GRID
  local a_end, b_start = gap and gap.before or middle, gap and gap.after or middle
  local made, err = phases.of(source, subject, { from_ms = times.from_ms, to_ms = a_end },
    { from_ms = b_start, to_ms = times.to_ms }, options,
    { change_source = "none", at_ms = gap and gap.after or nil })
  if not made then return nil, err end
  table.insert(made.notes, { code = "no_change_point", message = gap
    and "no change was named: what lies before and after a silence is compared"
    or "no change was named or found: the first half is compared with the second" })
  return made
end


-- Has a captured bundle a profile of the type in a window?
local function captured(source, subject, window)
  for _, request in ipairs(source.capture.requests) do
    if request.what == "profile" and request.window == window and request.status == "ok"
        and request.profile_type == subject.type then
      return true
    end
  end
  return false
end

-- What a store is asked when nobody says what to compare: the windows that its capture names, a
-- version that took over, a silence between two phases, a change of the total (nil: the caller's),
-- else its two halves.
local function of_store(source, subject, found, change, times, options)
  local named = {}
  for _, window in ipairs(source.capture and source.capture.windows or {}) do
    named[window.name] = window
  end
  if named.before and named.during and not times.given and captured(source, subject, "before")
  then
    return phases.of(source, subject, named.before, named.during, options,
      { at_ms = named.during.from_ms, change_source = "given" })
  end
  local names, moment = takeover(source, subject, found)
  if names and beside(change, moment, moment, found) then
    return auto.versions(source, subject, names, times, options)
  end
  return halves(source, subject, found, change, times, options)
end

-- Does anything lie in windows?  One coarse look at all of them.
local function profiled(source, subject, list, options)
  local earlier = survey.of(source, subject, windows.hull(list), options)
  return earlier ~= nil and #earlier.names > 0
end

-- The design, and the changes that went away again.
local function choose(source, subject, times, options)
  local found, err = survey.of(source, subject, times, options)
  if not found then return nil, err end
  local effort = phases.effort(options)
  local change, gone = change_of(source, subject, found, options)
  if source.kind == "store" then
    local made
    made, err = of_store(source, subject, found, change, times, options)
    if not made and err then return nil, err end
    if made then return made, gone end
  end
  if change and effort.K > 1 then
    local how = phases.cutting(found, { from_ms = times.from_ms, to_ms = change.time_ms },
      { from_ms = change.time_ms, to_ms = times.to_ms }, options)
    local made = windows.before_after(change.time_ms, { K = effort.K,
      block_ms = how.block_ms, gap_ms = options.gap and duration(options.gap),
      interval_ms = how.interval_ms, from_ms = times.from_ms, to_ms = times.to_ms,
      times = how.times, per_instance = how.per_instance, change_source = "change_point" })
    made.change = change
    return made, gone
  end
  local length = duration(options.len, HOUR)
  if times.given then length = math.min(length, times.to_ms - times.from_ms) end
  local days = {}
  for day = 1, effort.D do days[day] = day end
  local made = windows.same_time({ from_ms = times.to_ms - length, to_ms = times.to_ms }, days,
    { oldest_ms = times.oldest_ms })
  if #made.A == 0 and effort.D < 7 then -- yesterday was a weekend
    made = windows.same_time({ from_ms = times.to_ms - length, to_ms = times.to_ms },
      { 1, 2, 3, 4, 5, 6, 7 }, { oldest_ms = times.oldest_ms })
  end
  if #made.A > 0 and profiled(source, subject, made.A, options) then
    if effort.D == 1 then
      made.A = { made.A[#made.A] }
      made.name, made.unit, made.notes = "quick", "window", {}
    end
    return made, gone
  end
  local before = { from_ms = times.to_ms - 2 * length, to_ms = times.to_ms - length }
  if times.given and not profiled(source, subject, { before }, options) then
    return halves(source, subject, found, nil, times, options)
  end
  return phases.of(source, subject, before, { from_ms = times.to_ms - length,
    to_ms = times.to_ms }, options, { change_source = "none" })
end

--- What is compared when nobody says: the newest change of the total that lasts, else the same
--- hours of earlier days; of a store what parts it in two.
---@return pyroscope.design? design
---@return pyroscope.error? err
function auto.choose(source, subject, times, options)
  local made, gone = choose(source, subject, times, options)
  if not made then return nil, gone end
  for _, spike in ipairs(gone or {}) do
    table.insert(made.notes, { code = "transient", message = ("the total changed for %s and came "
      .. "back"):format(units.span(spike.to_ms - spike.from_ms)) })
  end
  return made
end

return auto
