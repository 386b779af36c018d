--- A bundle that was captured from another source: its files are whole windows, its timelines and
--- counts are those that the source answered. What was not captured is `no_data`, `not_in_bundle`.

local bundle = require "pyroscope.source.store.bundle"
local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local query = require "pyroscope.query"
local selector = require "pyroscope.selector"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local captured = {}

local function texts(list)
  local copy = {}
  for i, text in ipairs(type(list) == "table" and list or {}) do
    if type(text) ~= "string" then return nil end
    copy[i] = text
  end
  return copy
end

-- A line of series.jsonl that can be used: times as integers, its selector read.
local function line_of(object)
  if object.what ~= "timeline" and object.what ~= "counts" then return false end
  local line = { what = object.what,
    from_ms = shared.whole(object.from_ms), to_ms = shared.whole(object.to_ms),
    step_ms = shared.whole(object.step_ms), group_by = texts(object.group_by), rows = object.rows,
    profile_type = object.profile_type }
  line.matchers = type(object.selector) == "string" and selector.parse(object.selector)
  if not (line.from_ms and line.to_ms and line.group_by and line.matchers
      and type(line.profile_type) == "string" and type(line.rows) == "table")
      or (line.what == "timeline" and not (line.step_ms and line.step_ms > 0)) then
    return nil
  end
  for _, row in ipairs(line.rows) do
    if type(row) ~= "table" or type(row.labels) ~= "table" then return nil end
  end
  return line
end

-- The words of bundle.json that are used, checked.
local function read_head(head)
  local known = { types = {}, requests = {}, windows = {}, sets = {}, warnings = {} }
  for _, id in ipairs(texts(head.types) or {}) do known.types[id] = true end
  for _, name in ipairs { "requests", "windows" } do
    for _, item in ipairs(type(head[name]) == "table" and head[name] or {}) do
      local from, to = shared.whole(item.from_ms), shared.whole(item.to_ms)
      if from and to then
        item.from_ms, item.to_ms = from, to
        table.insert(known[name], item)
      end
    end
  end
  for _, item in ipairs(type(head.label_sets) == "table" and head.label_sets or {}) do
    local from, to = shared.whole(item.from_ms), shared.whole(item.to_ms)
    if from and to and type(item.sets) == "table" then
      known.sets[#known.sets + 1] = { from_ms = from, to_ms = to, sets = item.sets }
    end
  end
  known.missing = texts(head.missing) or {}
  known.warnings = texts(head.warnings) or {}
  known.partial = head.partial == true
  known.selector, known.source = head.selector, head.source
  known.labels = type(head.labels) == "table" and head.labels or {}
  return known
end

local function missing(self, what, hint)
  local windows = {}
  for i, window in ipairs(self.capture.windows) do
    windows[i] = ("%s (%s)"):format(units.window(window.from_ms, window.to_ms),
      tostring(window.name))
  end
  return errors.new { kind = "no_data", code = "not_in_bundle",
    message = ("%s is not in the bundle %s"):format(what, self.name),
    hint = (hint and hint .. "\n" or "") .. "it holds " .. table.concat(windows, ", ") }
end

-- Matchers of a question that the matchers of a line do not imply; they need labels of its rows.
local function beyond(asked, line)
  local rest, has = {}, {}
  for _, m in ipairs(line.matchers) do has[m.name .. m.op .. m.value] = true end
  for _, m in ipairs(asked) do
    if not has[m.name .. m.op .. m.value] then rest[#rest + 1] = m end
    has[m.name .. m.op .. m.value] = nil
  end
  -- a line about less than what is asked cannot answer
  if next(has) then return nil end
  return rest
end

-- The rows of a line that a question wants, each with its key under the asked labels.
local function rows_for(line, resolved)
  local rest = beyond(resolved.matchers, line)
  if not rest then return nil end
  local grouped = {}
  for _, name in ipairs(line.group_by) do grouped[name] = true end
  for _, m in ipairs(rest) do
    if not grouped[m.name] then return nil end
  end
  for _, name in ipairs(resolved.group_by) do
    if not grouped[name] then return nil end
  end
  local test = selector.compile(rest)
  local list = {}
  for _, row in ipairs(line.rows) do
    if test(row.labels) then
      local labels = {}
      for _, name in ipairs(resolved.group_by) do labels[name] = row.labels[name] end
      list[#list + 1] = { row = row, labels = labels,
        key = shared.key(row.labels, resolved.group_by) }
    end
  end
  return list
end

-- Lines that could answer, those with the fewest groups first.
local function lines_for(self, what, resolved)
  local found = {}
  for _, line in ipairs(self.lines) do
    if line.what == what and line.profile_type == resolved.profile_type then
      local rows = rows_for(line, resolved)
      if rows then found[#found + 1] = { line = line, rows = rows } end
    end
  end
  table.sort(found, function(a, b)
    if #a.line.group_by ~= #b.line.group_by then return #a.line.group_by < #b.line.group_by end
    return a.line.from_ms < b.line.from_ms
  end)
  return found
end

-- Adds a stored point to one of an answer. Values that are no exact sums are per second, or per
-- profile, and are turned back.
local function add_point(point, stored, line, kind)
  local value, profiles = stored[2], shared.whole(stored[3])
  local raw = shared.whole(value)
  if type(value) == "number" then
    raw = math.floor(value * (kind == "stock" and (profiles or 0) or line.step_ms / 1000) + 0.5)
  end
  point.raw = point.raw + (raw or 0)
  if profiles then point.profiles = (point.profiles or 0) + profiles end
end

-- Steps of the stored line that cover the window, in groups as long as the question asks.
local function grid_of(resolved, line)
  local step = resolved.step_ms or math.max(line.step_ms, shared.step(resolved))
  step = resolved.step_ms or step // line.step_ms * line.step_ms
  if step < line.step_ms or step % line.step_ms ~= 0 then return nil end
  local to = line.to_ms - (line.to_ms - resolved.to_ms) // line.step_ms * line.step_ms
  local count = -((resolved.from_ms - to) // step)
  if to > line.to_ms or count < 1 or to - count * step < line.from_ms then return nil end
  return step, count, to - count * step, to
end

local function timeline_of(resolved, found)
  local line = found.line
  local step, count, from, to = grid_of(resolved, line)
  if not step then return nil end
  local rows, by_key = {}, {}
  for _, item in ipairs(found.rows) do
    local row = by_key[item.key]
    if not row then
      row = { labels = item.labels, points = {}, sum = 0, profiles = nil, key = item.key }
      for i = 1, count do row.points[i] = { time_ms = from + (i - 1) * step, raw = 0 } end
      by_key[item.key] = row
      rows[#rows + 1] = row
    end
    for _, stored in ipairs(type(item.row.points) == "table" and item.row.points or {}) do
      local time = shared.whole(stored[1])
      local point = time and time >= from and row.points[(time - from) // step + 1]
      if point then add_point(point, stored, line, resolved.kind) end
    end
  end
  for _, row in ipairs(rows) do
    for _, point in ipairs(row.points) do
      row.sum = row.sum + point.raw
      if point.profiles then row.profiles = (row.profiles or 0) + point.profiles end
      point.value = shared.shown(resolved, point.raw, step / 1000, point.profiles)
    end
  end
  -- Groups that the window does not know: the line is about more.
  for i = #rows, 1, -1 do
    if rows[i].sum == 0 and (rows[i].profiles or 0) == 0 then table.remove(rows, i) end
  end
  table.sort(rows, function(a, b)
    if a.sum ~= b.sum then return a.sum > b.sum end
    return a.key < b.key
  end)
  for _, row in ipairs(rows) do row.key = nil end
  for i = #rows, (resolved.limit or #rows) + 1, -1 do rows[i] = nil end
  rows.profile_type, rows.unit, rows.kind = resolved.profile_type, resolved.unit, resolved.kind
  rows.step_ms, rows.from_ms, rows.to_ms, rows.warnings = step, from, to, resolved.warnings
  return rows
end

local methods = {}

--- Values over time, as the source answered them when the bundle was made.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.timeline? rows
---@return pyroscope.error? err
function methods:timeline(asked)
  local resolved, err = query.resolve(asked, self, { where = "timeline" })
  if not resolved then return nil, err end
  local plain = not (resolved.functions or resolved.call_site or resolved.span_ids
    or resolved.trace_ids or resolved.profile_ids)
  for _, found in ipairs(plain and lines_for(self, "timeline", resolved) or {}) do
    local rows = timeline_of(resolved, found)
    if rows and #rows > 0 then return rows end
  end
  return nil, missing(self, ("the timeline of %s of %s, %s"):format(resolved.profile_type,
    resolved.selector, units.window(resolved.from_ms, resolved.to_ms)))
end

--- How many profiles a window had, as the source counted them.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.count_row[]? rows
---@return pyroscope.error? err
function methods:profile_counts(asked)
  local resolved, err = query.resolve(asked, self, { where = "profile_counts" })
  if not resolved then return nil, err end
  local by_key, keys, any = {}, {}, false
  for _, found in ipairs(lines_for(self, "counts", resolved)) do
    local line = found.line
    local inside = line.from_ms >= resolved.from_ms and line.to_ms <= resolved.to_ms
    if inside then
      any = true
      for _, item in ipairs(found.rows) do
        local row = by_key[item.key]
        if not row then
          row = { labels = item.labels, profiles = 0 }
          by_key[item.key], keys[#keys + 1] = row, item.key
        end
        row.profiles = row.profiles + (shared.whole(item.row.profiles) or 0)
      end
    elseif line.from_ms < resolved.to_ms and line.to_ms > resolved.from_ms then
      any = false
      break
    end
  end
  if not any then
    return nil, missing(self, ("the number of profiles of %s of %s, %s"):format(
      resolved.profile_type, resolved.selector, units.window(resolved.from_ms, resolved.to_ms)))
  end
  table.sort(keys)
  local rows = {}
  for i, key in ipairs(keys) do rows[i] = by_key[key] end
  return rows
end

-- The part of a merged window cannot be told.
local function cut_window(self, resolved)
  for _, entry in ipairs(self.entries) do
    local ends = entry.time_ms + (entry.duration_ms or 0)
    if entry.merged and entry.time_ms < resolved.to_ms and ends > resolved.from_ms
        and (entry.time_ms < resolved.from_ms or ends > resolved.to_ms) then
      for _, id in ipairs(entry.types or {}) do
        if types.parts(id) and types.resolve(id) == resolved.profile_type then return true end
      end
    end
  end
  return false
end

--- The files of a question; a part of a captured window is refused.
function methods:hits_of(resolved)
  if cut_window(self, resolved) then
    return nil, missing(self, ("%s of %s alone"):format(resolved.profile_type,
      units.window(resolved.from_ms, resolved.to_ms)),
      "a captured window is one profile; capture with --blocks to have parts of it")
  end
  return self.base.hits_of(self, resolved)
end

--- The `no_data` error of a question: whether the source had nothing, or it was not captured.
function methods:absence(resolved)
  local err = self.base.absence(self, resolved)
  if err.code == "unknown_service" or err.code == "no_samples" then return err end
  local id = resolved.profile_type
  if id and not self.capture.types[id] then return err end
  local asked, empty = false, false
  for _, request in ipairs(self.capture.requests) do
    if request.what == "profile" and request.profile_type == id
        and request.from_ms < resolved.to_ms and request.to_ms > resolved.from_ms then
      if request.status == "no_data" then empty = true else asked = true end
    end
  end
  if empty and not asked then return err end
  return missing(self, ("%s of %s, %s"):format(id or "what was asked", resolved.selector,
    units.window(resolved.from_ms, resolved.to_ms)))
end

-- Label sets that the source told, of windows that overlap the one that is asked about.
local function each_set(self, window, options, visit)
  local resolved, err = query.window(window, self, "series", { selector = options.selector }, 4)
  if not resolved then return nil, err end
  local test
  test, err = selector.compile(resolved.matchers)
  if not test then return nil, err end
  for _, of_window in ipairs(self.capture.sets) do
    if of_window.from_ms < resolved.to_ms and of_window.to_ms > resolved.from_ms then
      for _, labels in ipairs(of_window.sets) do
        if type(labels) == "table" and test(labels) then visit(labels) end
      end
    end
  end
  return true
end

--- Profile types: those of the files, also where a label asks for a part that only timelines tell.
function methods:profile_types(window, options)
  local rows, err = self.base.profile_types(self, window, options)
  if not rows or #rows > 0 then return rows, err end
  local known = false
  local ok
  ok, err = each_set(self, window, options or {}, function() known = true end)
  if not ok then return nil, err end
  if not known then return rows end
  return self.base.profile_types(self, window, {})
end

--- Names of the labels that the source told.
function methods:label_names(window, options)
  options = check.options("label_names", options, { selector = "string", internal = "boolean" })
  local names, err = self.base.label_names(self, window, options)
  if not names then return nil, err end
  local set = {}
  for _, name in ipairs(names) do set[name] = true end
  local ok
  ok, err = each_set(self, window, options, function(labels)
    for name in pairs(labels) do set[name] = true end
  end)
  if not ok then return nil, err end
  return shared.sorted(set)
end

--- Values of a label that the source told.
function methods:label_values(name, window, options)
  local values, err = self.base.label_values(self, name, window, options)
  if not values then return nil, err end
  local set = {}
  for _, value in ipairs(values) do set[value] = true end
  local ok
  ok, err = each_set(self, window, options or {}, function(labels)
    if labels[name] then set[labels[name]] = true end
  end)
  if not ok then return nil, err end
  return shared.sorted(set)
end

--- Label sets that the source told, of the windows that overlap the one asked about.
function methods:series(window, options)
  options = check.options("series", options,
    { selector = "string", labels = "table", internal = "boolean" })
  if options.internal then return self.base.series(self, window, options) end
  local found = {}
  local ok, err = each_set(self, window, options, function(labels)
    local names = options.labels or shared.sorted(labels)
    local row, any = {}, false
    for _, name in ipairs(names) do
      row[name] = labels[name]
      any = any or labels[name] ~= nil
    end
    if any then found[self.key_of(row)] = row end
  end)
  if not ok then return nil, err end
  if not next(found) then return self.base.series(self, window, options) end
  local rows = {}
  for i, key in ipairs(shared.sorted(found)) do rows[i] = found[key] end
  return rows
end

--- Makes a store answer as the source of its bundle did.
---@param self pyroscope.store
---@param found table         of index.read
---@param base table          the methods of a store
---@return true? ok
---@return pyroscope.error? err
function captured.extend(self, found, base)
  local objects, err = bundle.series(found.root)
  if not objects then return nil, err end
  local lines = {}
  for number, object in ipairs(objects) do
    local line = line_of(object)
    if line == nil then
      return nil, errors.new { kind = "decode",
        message = ("%s/series.jsonl: line %d is no timeline"):format(found.root, number),
        hint = "capture it again" }
    end
    if line then lines[#lines + 1] = line end
  end
  self.capture, self.lines, self.base = read_head(found.capture), lines, base
  for _, warning in ipairs(self.capture.warnings) do
    self.warnings[#self.warnings + 1] = warning
  end
  for _, what in ipairs(self.capture.missing) do
    self.warnings[#self.warnings + 1] = "not in this bundle: " .. what
  end
  for name, method in pairs(methods) do self[name] = method end
  return true
end

return captured
