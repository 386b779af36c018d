--- A store: profiles on disk that answer what a server answers.

local check = require "pyroscope.check"
local choose = require "pyroscope.source.store.choose"
local errors = require "pyroscope.errors"
local files = require "pyroscope.source.store.files"
local index = require "pyroscope.source.store.index"
local query = require "pyroscope.query"
local selector = require "pyroscope.selector"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

---@class pyroscope.store: pyroscope.source
---@field entries pyroscope.store.entry[]
---@field files pyroscope.store.files
---@field path string
---@field form "bundle"|"index"|"folder"|"file"
---@field warnings string[]
local store = {}

local meta = { __name = "pyroscope.store", __index = store }

function meta.__tostring(self)
  return ("pyroscope.store: %s (%s, %d profiles)"):format(self.path, self.form, #self.entries)
end

function meta.__close(self) self:close() end

meta.__gc = meta.__close

-- Opening ---------------------------------------------------------------------------------

local LEFT_OUT = 3 -- files that are named

-- Times of files that no index tells; what is no profile but may lie there is left out.
local function complete(self)
  local kept, left = {}, {}
  for _, entry in ipairs(self.entries) do
    local fine, err = true, nil
    if not entry.time_ms then fine, err = self.files:meta(entry) end
    if fine then
      kept[#kept + 1] = entry
    elseif entry.optional and (err.code == "format" or err.kind == "unsupported") then
      left[#left + 1] = "left out: " .. err.message
    else
      return nil, err
    end
  end
  if #kept == 0 then
    return nil, errors.new { kind = "no_data", hint = left[1],
      message = self.path .. ": there are no profiles here" }
  end
  table.move(left, 1, math.min(#left, LEFT_OUT), #self.warnings + 1, self.warnings)
  if #left > LEFT_OUT then
    self.warnings[#self.warnings + 1] = ("left out: %d more files that are no profiles"):format(
      #left - LEFT_OUT)
  end
  index.sort(kept)
  self.entries = kept
  return self
end

--- Opens a bundle, a folder of profiles, or one profile file.
---@param path string
---@param options? { cache_bytes?: integer }  how much of parsed files is kept, default 64 MiB
---@return pyroscope.store? store
---@return pyroscope.error? err
local function open(path, options)
  if type(path) ~= "string" or path == "" then
    error("open: the path must be a text that is not empty", 2)
  end
  options = check.options("open", options, { cache_bytes = "integer" })
  local found, err = index.read(path)
  if not found then return nil, err end
  local self = setmetatable({
    kind = "store", name = path, path = path, form = found.form, title = found.title,
    created = found.created, note = found.note, entries = found.entries, warnings = {},
    files = files.new(found.form ~= "file" and found.root or nil, options.cache_bytes),
  }, meta)
  if found.capture then
    local ok
    ok, err = require "pyroscope.source.store.captured".extend(self, found, store)
    if not ok then return nil, err end
  end
  return complete(self)
end

--- What is asked when nothing is said: the whole of it, and of types CPU or the file's own.
---@return pyroscope.defaults
function store:defaults()
  if self.known_defaults then return self.known_defaults end
  local first = self.entries[1]
  local last = first.time_ms
  for _, entry in ipairs(self.entries) do
    if not entry.duration_ms then self.files:meta(entry) end
    last = math.max(last, entry.time_ms + math.max(entry.duration_ms or 0, 1))
  end
  local defaults = { now_ms = last, from_ms = first.time_ms, to_ms = last, selector = "{}" }
  if self.form == "file" then
    local known = self.files:meta(first)
    local id = known and types.resolve("cpu", known.ids)
    defaults.profile_type = id or known and known.ids[known.default]
  else
    defaults.type = "cpu"
  end
  self.known_defaults = defaults
  return defaults
end

-- Lists -----------------------------------------------------------------------------------

local function question_of(resolved)
  return choose.question(resolved.matchers, resolved.from_ms, resolved.to_ms,
    resolved.profile_type)
end

-- The series of a window: every label table once for each file, type and set.
local function each_series(self, resolved, visit)
  local question, err = question_of(resolved)
  if not question then return nil, err end
  local hits
  hits, err = choose.hits(self, question)
  if not hits then return nil, err end
  choose.each_series(hits, visit)
  return true
end

local LISTS = { selector = "string", internal = "boolean" }

--- Profile types in a window, sorted by id.
---@param window? pyroscope.window
---@param options? { selector?: string }
---@return pyroscope.type_row[]? rows
---@return pyroscope.error? err
function store:profile_types(window, options)
  options = check.options("profile_types", options, { selector = "string" })
  local resolved, err = query.window(window, self, "profile_types", options)
  if not resolved then return nil, err end
  local question
  question, err = question_of(resolved)
  if not question then return nil, err end
  local ids
  ids, err = choose.ids(self, question)
  if not ids then return nil, err end
  local rows = {}
  for i, id in ipairs(ids) do rows[i] = types.row(id) end
  return rows
end

--- Names of the labels in a window, sorted; `__x__` names only with `internal = true`.
---@param window? pyroscope.window
---@param options? { selector?: string, internal?: boolean }
---@return string[]? names
---@return pyroscope.error? err
function store:label_names(window, options)
  options = check.options("label_names", options, LISTS)
  local resolved, err = query.window(window, self, "label_names", options)
  if not resolved then return nil, err end
  local names = {}
  local ok
  ok, err = each_series(self, resolved, function(labels)
    for name in pairs(labels) do
      if options.internal or not shared.internal(name) then names[name] = true end
    end
  end)
  if not ok then return nil, err end
  return shared.sorted(names)
end

--- Values of one label in a window, sorted.
---@param name string
---@param window? pyroscope.window
---@param options? { selector?: string }
---@return string[]? values
---@return pyroscope.error? err
function store:label_values(name, window, options)
  if type(name) ~= "string" or name == "" then
    error("label_values: the name of the label must be a text that is not empty", 2)
  end
  options = check.options("label_values", options, { selector = "string" })
  local resolved, err = query.window(window, self, "label_values", options)
  if not resolved then return nil, err end
  local values = {}
  local ok
  ok, err = each_series(self, resolved, function(labels)
    if labels[name] then values[labels[name]] = true end
  end)
  if not ok then return nil, err end
  return shared.sorted(values)
end

-- A text that is equal for equal label tables, and sorts them by name and value.
local function key_of(labels, names)
  local parts = {}
  for i, name in ipairs(names or shared.sorted(labels)) do
    parts[i] = labels[name] and name .. "\1" .. labels[name] or ""
  end
  return table.concat(parts, "\2")
end

--- Distinct label sets in a window, reduced to `labels` where those are given.
---@param window? pyroscope.window
---@param options? { selector?: string, labels?: string[], internal?: boolean }
---@return table<string,string>[]? rows
---@return pyroscope.error? err
function store:series(window, options)
  options = check.options("series", options,
    { selector = "string", labels = "table", internal = "boolean" })
  local resolved, err = query.window(window, self, "series", options)
  if not resolved then return nil, err end
  local found = {}
  local ok
  ok, err = each_series(self, resolved, function(labels)
    local row, any = {}, false
    for _, name in ipairs(options.labels or shared.sorted(labels)) do
      if options.labels or options.internal or not shared.internal(name) then
        row[name] = labels[name]
        any = any or labels[name] ~= nil
      end
    end
    if any then found[key_of(row)] = row end
  end)
  if not ok then return nil, err end
  local rows = {}
  for i, key in ipairs(shared.sorted(found)) do rows[i] = found[key] end
  return rows
end

--- Was anything ever stored, and from when to when.
---@return pyroscope.stats
function store:stats()
  return { ingested = true, oldest_ms = self.entries[1].time_ms,
    newest_ms = self.entries[#self.entries].time_ms }
end

-- Nothing found ---------------------------------------------------------------------------

local function no_data(code, message, hint)
  return errors.new { kind = "no_data", code = code, message = message, hint = hint }
end

-- The files nearest to a window that hold what was asked: their time, or nil.
local function nearest(self, resolved)
  local question = question_of(resolved)
  if not question then return nil end
  local best, distance
  for _, entry in ipairs(self.entries) do
    local hits = choose.of_entry(self.files, entry, question)
    if hits and hits[1] then
      local away = entry.time_ms < resolved.from_ms and resolved.from_ms - entry.time_ms
        or math.max(0, entry.time_ms - resolved.to_ms + 1)
      if not best or away < distance then best, distance = entry, away end
    end
  end
  return best, distance
end

--- The `no_data` error of a question that finds nothing: what is near it.
---@param resolved pyroscope.resolved
---@return pyroscope.error
function store:absence(resolved)
  local services = {}
  for _, entry in ipairs(self.entries) do services[entry.labels.service_name] = true end
  local service = resolved.service
  local all = { from_ms = self.entries[1].time_ms,
    to_ms = self.entries[#self.entries].time_ms + 1 }
  if service and not services[service] then
    local names = shared.sorted(services)
    local near = check.suggestion(service, names)
    return no_data("unknown_service", ("there is no service '%s' in %s%s"):format(service,
      self.name, near ~= "" and " " .. near or ""),
      "services: " .. table.concat(names, ", ", 1, math.min(#names, 20)))
  end
  local entry, away = nearest(self, resolved)
  local window = units.window(resolved.from_ms, resolved.to_ms)
  local what = ("%s of %s"):format(resolved.profile_type or "profiles", resolved.selector)
  if entry and away == 0 then
    return no_data("no_samples", ("no samples of %s in %s"):format(what, window),
      "profiles of that type are there, but nothing was measured in them")
  end
  if entry then
    return no_data("empty_window", ("no %s in %s"):format(what, window),
      ("the nearest is from %s; %s holds %s"):format(units.time(entry.time_ms), self.name,
        units.window(self.entries[1].time_ms, self:defaults().to_ms)))
  end
  local rows = self:profile_types(all, { selector = resolved.selector })
  if rows and #rows > 0 and resolved.profile_type then
    local ids = {}
    for i, row in ipairs(rows) do ids[i] = row.id end
    return no_data("type_absent", ("there is no %s"):format(what),
      "what there is:\n  " .. table.concat(ids, "\n  "))
  end
  local names = self:label_names(all)
  return no_data("no_series", ("nothing in %s has the labels %s"):format(self.name,
    resolved.selector), shared.labels_hint(resolved.matchers, names, function(name)
      return (self:label_values(name, all))
    end))
end

-- Beyond files ----------------------------------------------------------------------------

--- Any RPC, answered from the files as a server would: wire names in and out.
---@param method string
---@param request? table
---@return table? answer
---@return pyroscope.error? err
function store:call(method, request)
  return require("pyroscope.source.store.rpc").call(self, method, request or {})
end

--- Compares two questions; both sides are read from the files.
---@param before pyroscope.query
---@param after pyroscope.query
---@param options? table      those of `pyroscope.diff`
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function store:diff(before, after, options)
  local a, err = self:profile(before)
  if not a then return nil, errors.wrap(err, { message = "A (before): " .. err.message }) end
  local b
  b, err = self:profile(after)
  if not b then
    a:close()
    return nil, errors.wrap(err, { message = "B (after): " .. err.message })
  end
  return require("pyroscope.diff").of(a, b, options)
end

--- Graphviz text of a question: `max_nodes` functions are drawn, 100 unless told.
---@param asked pyroscope.query|pyroscope.resolved
---@return string? text
---@return pyroscope.error? err
function store:dot(asked)
  return shared.dot(self, asked)
end

--- Not from files: there is no page to link to.
---@return nil
---@return pyroscope.error err
function store:link()
  return choose.lacking(self.name .. " is a folder or file: no page shows it",
    "pscope flame -o html makes one")
end

--- Closes the parsed files; a closed store opens them again when asked.
function store:close()
  self.files:close()
end

--- Canonical text of what equality matchers fix, for headers: name -> value.
function store.fixed_labels(resolved)
  local labels = {}
  for _, m in ipairs(resolved.matchers) do
    if m.op == "=" and m.value ~= "" and not shared.internal(m.name) then
      labels[m.name] = selector.fixed(resolved.matchers, m.name)
    end
  end
  return labels
end

store.key_of = key_of

for _, part in ipairs { "profiles", "series", "services" } do
  for name, method in pairs(require("pyroscope.source.store." .. part)) do store[name] = method end
end

return { open = open }
