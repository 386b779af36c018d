--- Lists from a server: types, label names and values, label sets, and what it holds at all.

local check = require "pyroscope.check"
local query = require "pyroscope.query"
local ranges = require "pyroscope.source.server.ranges"
local rpc = require "pyroscope.source.server.rpc"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"

local client = {}

-- A list over any window: pieces are united.
local function united(self, window, ask)
  return ranges.fetch(self, window.from_ms, window.to_ms, ask)
end

-- A list that lacks pieces says so beside its rows.
local function marked(rows, result)
  if result.partial then rows.partial, rows.warnings = true, result.warnings end
  return rows
end

local function request_of(from_ms, to_ms, matchers)
  return { start = from_ms, ["end"] = to_ms - 1, matchers = matchers }
end

local function matchers_of(window)
  return window.selector ~= "{}" and { window.selector } or nil
end

-- Names from an answer's list, each once, sorted.
local function names_of(self, window, method, extra)
  local result, err = united(self, window, function(from_ms, to_ms)
    local request = request_of(from_ms, to_ms, matchers_of(window))
    request.name = extra
    local answer, bad = ranges.ask(self, method, request)
    if not answer then return nil, bad end
    return answer.names or false
  end)
  if not result then return nil, err end
  local set = {}
  for _, piece in ipairs(result.values) do
    for _, name in ipairs(piece.value) do set[name] = true end
  end
  return marked(shared.sorted(set), result)
end

--- Label sets with internal labels, as tables; for services and types.
---@param window { from_ms: integer, to_ms: integer }
---@param selector string
---@param names? string[]
---@return table<string,string>[]? rows
---@return pyroscope.error? err
function client:label_sets(window, selector, names)
  local labels_of = require "pyroscope.source.server.grid".labels_of
  local result, err = united(self, window, function(from_ms, to_ms)
    local request = request_of(from_ms, to_ms, selector ~= "{}" and { selector } or nil)
    request.labelNames = names
    local answer, bad = ranges.ask(self, "Series", request)
    if not answer then return nil, bad end
    return answer.labelsSet or false
  end)
  if not result then return nil, err end
  local rows, seen = {}, {}
  for _, piece in ipairs(result.values) do
    for _, set in ipairs(piece.value) do
      local labels = labels_of(set.labels)
      local sorted = shared.sorted(labels)
      local key = {}
      for i, name in ipairs(sorted) do key[i] = name .. "\1" .. labels[name] end
      key = table.concat(key, "\2")
      if key ~= "" and not seen[key] then
        seen[key] = true
        rows[#rows + 1] = labels
      end
    end
  end
  return marked(rows, result)
end

-- By the older path, which knows the types of the last hour and nothing else.
local function older_types(self, ids)
  local response = rpc.get(self, "/pyroscope/label-values", { { "label", "__name__" } })
  local list = response and require "pyroscope.source.server.refusal".value(rpc.text(response))
  if not list then return nil end
  for _, id in ipairs(list) do
    if type(id) == "string" then ids[id] = true end
  end
  return { warnings = {} }
end

--- Profile types in a window, sorted by id.
---@param window? pyroscope.window
---@param options? { selector?: string }
---@return pyroscope.type_row[]? rows
---@return pyroscope.error? err
function client:profile_types(window, options)
  options = check.options("profile_types", options, { selector = "string" })
  local resolved, err = query.window(window, self, "profile_types", options)
  if not resolved then return nil, err end
  local ids, result = {}
  if resolved.selector ~= "{}" then
    result, err = self:label_sets(resolved, resolved.selector, { "__profile_type__" })
    if result then
      for _, labels in ipairs(result) do ids[labels.__profile_type__ or ""] = true end
    elseif err.code ~= "endpoint" then
      return nil, err
    end
  end
  if not result then
    result, err = united(self, resolved, function(from_ms, to_ms)
      local answer, bad = ranges.ask(self, "ProfileTypes", request_of(from_ms, to_ms))
      if not answer then return nil, bad end
      return answer.profileTypes or false
    end)
    if result then
      for _, piece in ipairs(result.values) do
        for _, found in ipairs(piece.value) do ids[found.ID or ""] = true end
      end
    elseif err.code == "endpoint" then
      result = older_types(self, ids)
    end
    if not result then return nil, err end
    if resolved.selector ~= "{}" then
      result.partial = true
      table.insert(result.warnings, "these are the types of all services: the data source's proxy "
        .. "does not let narrower questions through")
    end
  end
  local rows = {}
  for _, id in ipairs(shared.sorted(ids)) do rows[#rows + 1] = types.row(id) end
  return marked(rows, result)
end

--- Names of the labels in a window, sorted; `__x__` names only with `internal = true`.
---@param window? pyroscope.window
---@param options? { selector?: string, internal?: boolean }
---@return string[]? names
---@return pyroscope.error? err
function client:label_names(window, options)
  options = check.options("label_names", options, { selector = "string", internal = "boolean" })
  local resolved, err = query.window(window, self, "label_names", options)
  if not resolved then return nil, err end
  local names
  names, err = names_of(self, resolved, "LabelNames")
  if not names then return nil, err end
  local visible = marked({}, names)
  for _, name in ipairs(names) do
    if options.internal or not shared.internal(name) then visible[#visible + 1] = name end
  end
  return visible
end

--- Values of one label in a window, sorted.
---@param name string
---@param window? pyroscope.window
---@param options? { selector?: string }
---@return string[]? values
---@return pyroscope.error? err
function client:label_values(name, window, options)
  if type(name) ~= "string" or name == "" then
    error("label_values: the name of the label must be a text that is not empty", 2)
  end
  options = check.options("label_values", options, { selector = "string" })
  local resolved, err = query.window(window, self, "label_values", options)
  if not resolved then return nil, err end
  local values
  values, err = names_of(self, resolved, "LabelValues", name)
  if not values then return nil, err end
  if self.options.cache and name == "service_name" and resolved.selector == "{}" then
    require "pyroscope.source.server.cache".remember(self, values)
  end
  return values
end

--- Distinct label sets in a window, reduced to `labels` where those are given.
---@param window? pyroscope.window
---@param options? { selector?: string, labels?: string[], internal?: boolean }
---@return table<string,string>[]? rows
---@return pyroscope.error? err
function client:series(window, options)
  options = check.options("series", options,
    { selector = "string", labels = "table", internal = "boolean" })
  local resolved, err = query.window(window, self, "series", options)
  if not resolved then return nil, err end
  local wanted = options.labels and #options.labels > 0 and options.labels or nil
  local rows
  rows, err = self:label_sets(resolved, resolved.selector, wanted)
  if not rows then return nil, err end
  local found, order = {}, {}
  for _, labels in ipairs(rows) do
    local row = {}
    for label, value in pairs(labels) do
      if wanted or options.internal or not shared.internal(label) then row[label] = value end
    end
    -- A server that does not know a name may answer with all of them.
    if wanted then
      local some = {}
      for _, label in ipairs(wanted) do some[label] = row[label] end
      row = some
    end
    local parts = {}
    for i, label in ipairs(shared.sorted(row)) do parts[i] = label .. "\1" .. row[label] end
    local key = table.concat(parts, "\2")
    if key ~= "" and not found[key] then
      found[key] = row
      order[#order + 1] = key
    end
  end
  table.sort(order)
  local list = marked({}, rows)
  for i, key in ipairs(order) do list[i] = found[key] end
  return list
end

--- Was anything ever stored, and from when to when; nil times are unknown.
---@return pyroscope.stats? stats
---@return pyroscope.error? err
function client:stats()
  local answer, err = rpc.call(self, "GetProfileStats", {})
  if not answer then return nil, err end
  local oldest, newest = answer.oldestProfileTime, answer.newestProfileTime
  -- Servers without data say zero, or the ends of the number line.
  local function real(time) return time and time > 0 and time < 253402300800000 and time or nil end
  oldest, newest = real(oldest), real(newest)
  if oldest and newest and oldest > newest then oldest, newest = nil, nil end
  return { ingested = answer.dataIngested == true, oldest_ms = oldest, newest_ms = newest }
end

return client
