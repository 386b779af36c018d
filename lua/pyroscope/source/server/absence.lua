--- Why a server had nothing: an unknown service, a type that it does not send, the wrong window.
--- Asked only after an empty answer, all in one flight.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local grid = require "pyroscope.source.server.grid"
local shared = require "pyroscope.source.shared"
local timespec = require "pyroscope.timespec"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local client = {}

local DAY = 86400000
local STEP = 900000 -- of the look around: a quarter of an hour
local LOOKBACK = 7 * DAY

local function no_data(code, message, hint)
  return errors.new { kind = "no_data", code = code, message = message, hint = hint }
end

-- A day before the window and a day after it, as far as that is past.
local function around(question, now)
  local to_ms = math.min(question.to_ms + DAY // 2, math.max(now, question.to_ms))
  local from_ms = math.min(question.from_ms, to_ms - DAY // 2) - DAY // 2
  return { from_ms = from_ms, to_ms = to_ms }
end

-- The time nearest to the window that has data of it.
local function nearest(self, question, window)
  local count = -((window.from_ms - window.to_ms) // STEP)
  local cells = { step_ms = STEP, count = count, from_ms = window.to_ms - count * STEP,
    to_ms = window.to_ms }
  local found, err = grid.collect(self, question, cells, { method = "SelectSeries",
    points = "points", group_by = {}, loose = true, visit = function(group, index, point)
      if (point.value or 0) ~= 0 then group.cells[index] = true end
    end })
  if not found then return nil, err end
  local best, distance
  for _, group in pairs(found.groups) do
    for index in pairs(group.cells) do
      local from_ms = cells.from_ms + (index - 1) * STEP
      local away = math.max(0, question.from_ms - from_ms - STEP, from_ms - question.to_ms)
      if not best or away < distance or (away == distance and from_ms > best) then
        best, distance = from_ms, away
      end
    end
  end
  return best and { from_ms = best, to_ms = best + STEP } or false
end

-- The same where the question knows no type yet, since its window has none: of CPU, or whatever
-- there is.
local function nearest_of_any(self, question, window, rows)
  local id
  for _, row in ipairs(rows) do
    if not id or types.class(row.id) == "cpu" and types.class(id) ~= "cpu" then id = row.id end
  end
  local copy = {}
  for name, value in pairs(question) do copy[name] = value end
  copy.profile_type = id
  return nearest(self, copy, window)
end

local function list(names, most)
  local text = table.concat(names, ", ", 1, math.min(#names, most))
  return #names > most and text .. (" and %d more"):format(#names - most) or text
end

--- The `no_data` error of a question that finds nothing: what is near it.
---@param question pyroscope.resolved
---@return pyroscope.error
function client:absence(question)
  local now = question.now_ms or timespec.now()
  local window = around(question, now)
  local short = question.profile_type and types.short(question.profile_type)
  local what = ("%s of %s"):format(short and ("%s profiles"):format(short) or "profiles",
    question.selector)
  local shown = units.window(question.from_ms, question.to_ms)
  if self.options.look_around == false then
    return no_data("no_samples", ("no %s in %s"):format(what, shown))
  end
  -- What helps to explain is not worth waiting long for.
  local tasks = {
    function() return self:label_values("service_name", window) end,
    function() return self:profile_types(window, { selector = question.selector }) end,
    function()
      if not question.profile_type then return false end
      return nearest(self, question, window)
    end,
  }
  local results = flight.all(tasks)
  local services, rows, near = results[1][1], results[2][1], results[3][1]
  if question.service and services then
    local known = false
    for _, name in ipairs(services) do known = known or name == question.service end
    if not known then
      local suggestion = check.suggestion(question.service, services)
      local hint = #services > 0 and "services: " .. list(services, 20)
        or "no service sent anything in "
          .. units.window(window.from_ms, window.to_ms) .. ": pscope stats"
      return no_data("unknown_service", ("there is no service '%s'%s around %s"):format(
        question.service, suggestion ~= "" and " " .. suggestion or "", shown), hint)
    end
  end
  if rows and #rows > 0 and question.profile_type then
    local ids, there = {}, false
    for i, row in ipairs(rows) do
      ids[i] = row.id
      there = there or row.id == question.profile_type
    end
    if not there then
      return no_data("type_absent", ("there are no %s (%s)"):format(what, question.profile_type),
        "what there is:\n  " .. table.concat(ids, "\n  "))
    end
  end
  if question.profile_ids or question.span_ids or question.trace_ids or question.call_site then
    local filter = question.call_site and "that call site" or "that id"
    return no_data("no_match", ("no %s with %s in %s"):format(what, filter, shown),
      "is it right, and does the window hold it?")
  end
  if not question.profile_type and rows and #rows > 0 then
    near = nearest_of_any(self, question, window, rows)
  end
  if near and near.from_ms >= question.from_ms and near.to_ms <= question.to_ms then
    if question.exemplars == "span" then
      return no_data("no_spans", ("no spans in %s in %s"):format(what, shown),
        "agents send span ids where tracing is set up; single profiles: pscope exemplars profile")
    end
    return no_data("no_samples", ("no samples in %s in %s"):format(what, shown),
      "there are profiles of that type in the window, but no stacks in them")
  end
  if near then
    return no_data("empty_window", ("no %s in %s"):format(what, shown),
      ("the nearest are from %s: --from %s --to %s"):format(
        units.window(near.from_ms, near.to_ms), timespec.rfc3339(near.from_ms),
        timespec.rfc3339(near.to_ms)))
  end
  local hint = "nothing within half a day of it either; what there was at all: pscope stats"
  if question.from_ms < now - LOOKBACK then
    hint = "servers answer about the last 7 days unless configured otherwise; " .. hint
  end
  if rows and #rows == 0 and services and #services > 0 then
    local names = self:label_names(window)
    return no_data("no_series", ("nothing has the labels %s around %s"):format(question.selector,
      shown), shared.labels_hint(question.matchers or {}, names, function(name)
        return (self:label_values(name, window))
      end) or hint)
  end
  return no_data("empty_window", ("no %s in %s"):format(what, shown), hint)
end


return client
