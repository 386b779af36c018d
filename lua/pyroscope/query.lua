--- One question: what a person asked, checked and completed, the same for every source and door.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local selector = require "pyroscope.selector"
local timespec = require "pyroscope.timespec"
local types = require "pyroscope.types"

local query = {}

local WINDOW = {
  from = "string|number", to = "string|number", since = "string|number",
  from_ms = "integer", to_ms = "integer", tz = "string", now_ms = "integer",
}

--- Options of a query: name -> Lua types; what checking, help and completion come from.
---@type table<string, string|true>
query.options = {
  service = "string", type = "string", profile_type = "string", selector = "string",
  labels = "table", max_nodes = "number", max_other = "number", sum = "boolean",
  call_site = "table|string", go_pgo = "boolean", profile_ids = "table|string",
  trace_ids = "table|string", span_ids = "table|string", kind = "string",
  functions = "table|string", step = "number|string", group_by = "table|string",
  limit = "number", granularity = "string", server = "boolean", tagfocus = "string",
  tagignore = "string", aggregation = "string",
}
for name, kinds in pairs(WINDOW) do query.options[name] = kinds end

local function usage(message, hint, code)
  return nil, errors.new { kind = "usage", message = message, hint = hint, code = code }
end

local function defaults_of(source)
  return source and source.defaults and source:defaults() or {}
end

-- A list of strings; a single string is a list of one.
local function strings(options, name)
  local value = options[name]
  if value == nil then return nil end
  if type(value) == "string" then value = { value } end
  local copy = {}
  for i, item in ipairs(value) do
    if type(item) ~= "string" or item == "" then
      return usage(("%s[%d] must be a text that is not empty"):format(name, i))
    end
    copy[i] = item
  end
  return #copy > 0 and copy or nil
end

-- Ids ------------------------------------------------------------------------------------

--- A profile id in lower case with dashes; also read without dashes, in braces, as urn:uuid:.
---@param text string
---@return string? id
---@return pyroscope.error? err
function query.profile_id(text)
  local id = text:lower():gsub("^urn:uuid:", ""):gsub("^{(.*)}$", "%1")
  local a, b, c, d, e = id:match "^(%x+)%-(%x+)%-(%x+)%-(%x+)%-(%x+)$"
  if a and #a == 8 and #b == 4 and #c == 4 and #d == 4 and #e == 12 then return id end
  if #id == 32 and id:match "^%x+$" then
    return ("%s-%s-%s-%s-%s"):format(id:sub(1, 8), id:sub(9, 12), id:sub(13, 16), id:sub(17, 20),
      id:sub(21))
  end
  return usage(("'%s' is not a profile id"):format(text),
    "a profile id is a UUID, as `pscope exemplars profile` prints it")
end

local function hex_id(length, what, hint)
  return function(text)
    if #text == length and text:match "^%x+$" then return text:lower() end
    return usage(("'%s' is not a %s id: it has %d hexadecimal digits"):format(text, what, length),
      hint)
  end
end

--- A trace id: 32 hex digits.
query.trace_id = hex_id(32, "trace", "take it from the trace, without a prefix")
--- A span id: 16 hex digits.
query.span_id = hex_id(16, "span", "take it from `pscope exemplars span` or the trace, without 0x")

local ID_READERS = { profile_ids = query.profile_id, trace_ids = query.trace_id,
  span_ids = query.span_id }

-- Each pair excludes each other: no server answers both.
local EXCLUSIVE = {
  { "span_ids", "trace_ids" }, { "span_ids", "profile_ids" }, { "span_ids", "call_site" },
  { "trace_ids", "profile_ids" }, { "go_pgo", "call_site" },
}

local function read_ids(options, resolved)
  for name, read in pairs(ID_READERS) do
    local list, err = strings(options, name)
    if err then return nil, err end
    for i, text in ipairs(list or {}) do
      list[i], err = read(text)
      if err then return nil, err end
    end
    resolved[name] = list
  end
  for _, pair in ipairs(EXCLUSIVE) do
    if resolved[pair[1]] and resolved[pair[2]] then
      return usage(("%s and %s exclude each other"):format(pair[1], pair[2]),
        "ask one question for each")
    end
  end
  return true
end

-- Numbers --------------------------------------------------------------------------------

local function whole(options, name, most)
  local value = options[name]
  if value == nil then return nil end
  local number = math.tointeger(value)
  if not number or number < 1 or (most and number > most) then
    return usage(("%s must be a whole number above 0, not %s"):format(name, tostring(value)))
  end
  return number
end

local function read_numbers(options, resolved)
  local err
  for _, name in ipairs { "max_nodes", "limit" } do
    resolved[name], err = whole(options, name, (1 << 31) - 1)
    if err then return nil, err end
  end
  if options.max_other then
    if not (options.max_other >= 0 and options.max_other <= 1) then
      return usage(("max_other is a share from 0 to 1, not %s"):format(options.max_other))
    end
    resolved.max_other = options.max_other
  end
  if options.step then
    resolved.step_ms, err = timespec.duration(options.step)
    if err then return nil, errors.wrap(err, { message = "step: " .. err.message }) end
  end
  return true
end

-- What is selected -----------------------------------------------------------------------

-- Matchers of service, selector and labels together; a metric name that is a whole id is a type.
local function read_selector(options, level)
  local matchers, err = {}
  if options.selector then
    matchers, err = selector.parse(options.selector, { bare = true })
    if not matchers then return nil, err end
  end
  local profile_type
  for i, m in ipairs(matchers) do
    if m.name == "__name__" and m.op == "=" and types.is_id(m.value) then
      profile_type = types.resolve(m.value)
      table.remove(matchers, i)
      break
    end
  end
  local service = {}
  if options.service then
    if options.service == "" then return usage("the name of the service is empty") end
    local fixed = selector.fixed(matchers, "service_name")
    if fixed and fixed ~= options.service then
      return usage(("service '%s' contradicts service_name=%s in the selector"):format(
        options.service, selector.quote(fixed)), "leave one of them out")
    end
    service = { { name = "service_name", op = "=", value = options.service } }
  end
  local ok, labels = pcall(selector.from_labels, options.labels or {})
  if not ok then error((labels:gsub("^[^ ]+:%d+: ", "")), level + 1) end
  local _, bad = selector.compile(labels)
  if bad then return nil, bad end
  return selector.merge(service, matchers, labels), nil, profile_type
end

--- Checks a window and the selector beside it, for methods that list: returns
--- `{ from_ms, to_ms, windowed, selector, matchers }`.
---@param window pyroscope.window?
---@param source pyroscope.source
---@param where string        the method, for messages
---@param options? { selector?: string }  already checked for unknown names
---@param level? integer      of the caller to blame; default: who called the method
---@return table? resolved
---@return pyroscope.error? err
function query.window(window, source, where, options, level)
  level = level or 3
  if window and window.resolved then window = { from_ms = window.from_ms, to_ms = window.to_ms } end
  if window and window.windowed ~= nil then
    window = { from_ms = window.from_ms, to_ms = window.to_ms, now_ms = window.now_ms }
  end
  window = check.options(where, window, WINDOW, level)
  local resolved, err = timespec.window(window, defaults_of(source))
  if not resolved then return nil, err end
  local matchers
  matchers, err = read_selector({ selector = options and options.selector }, level)
  if not matchers then return nil, err end
  resolved.matchers = matchers
  resolved.selector = selector.build(matchers)
  return resolved
end

-- The error of a question that finds nothing; a source that knows more says it.
local function absence(resolved, source)
  if source.absence then
    local err = source:absence(resolved)
    if err then return nil, err end
  end
  return nil, errors.new { kind = "no_data",
    message = ("no profiles of %s from %s to %s"):format(resolved.selector,
      timespec.rfc3339(resolved.from_ms), timespec.rfc3339(resolved.to_ms)),
    hint = "look at a wider window, and at what there is: pscope services" }
end

local function resolve_type(word, resolved, source)
  if types.is_id(word) then return types.resolve(word), {} end
  if not source then return types.resolve(word) end
  local rows, err = source:profile_types({ from_ms = resolved.from_ms, to_ms = resolved.to_ms },
    { selector = resolved.selector })
  if not rows and err.code == "endpoint" and types.likeliest(word) then
    return types.likeliest(word), {} -- a proxy that lets no list through
  end
  if not rows then return nil, err end
  local ids = {}
  for i, row in ipairs(rows) do ids[i] = row.id end
  if #ids == 0 and types.meaning(word) then return absence(resolved, source) end
  return types.resolve(word, ids)
end

local KINDS = { profile = true, span = true }
local AGGREGATIONS = { sum = true, average = true }
local GRANULARITIES = { ["function"] = true, line = true }

local function read_words(options, resolved)
  resolved.exemplars = options.kind or "profile"
  if not KINDS[resolved.exemplars] then
    return usage(("kind is 'profile' or 'span', not '%s'"):format(options.kind))
  end
  if options.granularity and not GRANULARITIES[options.granularity] then
    return usage(("granularity is 'function' or 'line', not '%s'"):format(options.granularity))
  end
  if options.aggregation and not AGGREGATIONS[options.aggregation] then
    return usage(("aggregation is 'sum' or 'average', not '%s'"):format(options.aggregation))
  end
  resolved.granularity, resolved.aggregation = options.granularity, options.aggregation
  resolved.tagfocus, resolved.tagignore = options.tagfocus, options.tagignore
  local err
  for _, name in ipairs { "call_site", "functions", "group_by" } do
    resolved[name], err = strings(options, name)
    if err then return nil, err end
  end
  resolved.group_by = resolved.group_by or {}
  resolved.sum, resolved.go_pgo = options.sum or nil, options.go_pgo or nil
  resolved.server = options.server or nil
  return true
end

-- What a profile type says about the question, and its rivals.
local function settle(resolved, word, id, others)
  -- counts of the same samples are no rival of their values
  local rivals = {}
  for _, other in ipairs(type(others) == "table" and others or {}) do
    if types.row(other).sample_unit == types.row(id).sample_unit then
      rivals[#rivals + 1] = other
    end
  end
  if rivals[1] then
    resolved.warnings[1] = ("'%s' means %s here; there is also %s"):format(word, id,
      table.concat(rivals, ", "))
  end
  local row = types.row(id)
  resolved.profile_type, resolved.unit = id, row.sample_unit
  resolved.kind, resolved.class = row.kind, row.class
  return resolved
end

-- Everything but the type, which may take a request; the second result is the word for it.
local function prepare(options, source, spec, level)
  options = check.options(spec.where or "query", options, query.options, level + 1)
  local defaults = defaults_of(source)
  local resolved, err = timespec.window(options, defaults)
  if not resolved then return nil, err end
  resolved.resolved, resolved.warnings = true, {}
  local ok
  for _, read in ipairs { read_words, read_ids, read_numbers } do
    ok, err = read(options, resolved)
    if not ok then return nil, err end
  end
  resolved.max_nodes = resolved.max_nodes or defaults.max_nodes
  local matchers, bad, named_type = read_selector(options, level + 1)
  if not matchers then return nil, bad end
  local asks = options.service or options.selector or (options.labels and next(options.labels))
  if not asks and not defaults.selector then
    return usage("which service? The question names none",
      'give a service, or a selector; "{}" asks for all of them')
  end
  resolved.matchers = matchers
  resolved.selector = selector.build(matchers)
  resolved.service = selector.fixed(matchers, "service_name")
  local word = options.type or options.profile_type
  if options.type and options.profile_type and options.type ~= options.profile_type then
    return usage("type and profile_type are the same option and differ")
  end
  if word and named_type and types.is_id(word) and types.resolve(word) ~= named_type then
    return usage(("type '%s' contradicts the one in the selector, '%s'"):format(word, named_type),
      "leave one of them out")
  end
  word = named_type or word or defaults.profile_type or defaults.type
  if not word and spec.type ~= false then
    return usage("which profile type? The question names none",
      "give a type: cpu, memory, alloc, goroutine, mutex, block, wall or a full id")
  end
  return resolved, word
end

--- Checks a query and completes it: window, selector, type against what the source has, ids,
--- limits. A resolved query is returned as it is. Unknown option names raise.
---@param options pyroscope.query|pyroscope.resolved
---@param source pyroscope.source
---@param spec? { where?: string, type?: boolean, level?: integer }  type = false: no type is needed
---@return pyroscope.resolved? resolved
---@return pyroscope.error? err
function query.resolve(options, source, spec)
  if type(options) == "table" and options.resolved then return options end
  spec = spec or {}
  local resolved, word = prepare(options, source, spec, spec.level or 3)
  if not resolved then return nil, word end
  if not word then return resolved end
  local id, others = resolve_type(word, resolved, source)
  if not id then return nil, others end
  return settle(resolved, word, id, others)
end

--- The same with the likeliest meaning of a word for a type, without asking the source. The
--- second result, where the word could mean another type, asks: it returns the resolved question
--- as `query.resolve` does, to be compared by its `profile_type`.
---@param options pyroscope.query
---@param source pyroscope.source
---@param spec? { where?: string, level?: integer }
---@return pyroscope.resolved? guess
---@return pyroscope.error|(fun(): pyroscope.resolved?, pyroscope.error?)|nil settled
function query.guess(options, source, spec)
  spec = spec or {}
  local resolved, word = prepare(options, source, spec, spec.level or 3)
  if not resolved then return nil, word end
  local id = types.likeliest(word)
  if not id then return query.resolve(options, source, spec) end
  local guess = { warnings = {} }
  for name, value in pairs(resolved) do
    if name ~= "warnings" then guess[name] = value end
  end
  settle(guess, word, id)
  if types.is_id(word) then return guess end
  return guess, function()
    local found, others = resolve_type(word, resolved, source)
    if not found then return nil, others end
    return settle(resolved, word, found, others)
  end
end

return query
