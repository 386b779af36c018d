--- What a server checks before it answers, with its codes and words.

local choose = require "pyroscope.source.store.choose"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local selector = require "pyroscope.selector"
local types = require "pyroscope.types"

local ask = {}

local DAY = 86400000

--- How a server is set up.
---@class pyroscope.store.server
---@field mode "v2"|"v1"|"dual"
---@field now_ms integer
---@field utf8 boolean            the caller reads label names beyond [a-zA-Z0-9_]
---@field split_ms integer        dual: the oldest profile of the v2 part
---@field lookback_ms integer     0: none
---@field length_ms integer       longest range; 0: any
---@field nodes_default integer
---@field nodes_max integer

ask.defaults = { mode = "v2", utf8 = true, lookback_ms = 7 * DAY, length_ms = DAY,
  nodes_default = 8192, nodes_max = 1048576 }

--- HTTP status of each Connect code.
ask.status = { canceled = 499, unknown = 500, invalid_argument = 400, deadline_exceeded = 504,
  not_found = 404, already_exists = 409, permission_denied = 403, resource_exhausted = 429,
  failed_precondition = 400, aborted = 409, out_of_range = 400, unimplemented = 501,
  internal = 500, unavailable = 503, data_loss = 500, unauthenticated = 401 }

--- A server's refusal.
---@return nil
---@return pyroscope.error
function ask.refuse(code, message)
  return nil, errors.new { kind = "rpc", code = code, message = message,
    status = ask.status[code] }
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
  ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026" }

--- A JSON text as the server writes it.
function ask.json(text)
  return '"' .. text:gsub('[%c"\\<>&]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

-- The v1 path hands errors of its parts on as JSON text inside the message.
local function nested(server, code, message, inner)
  if server.mode ~= "v1" then return ask.refuse(code, message) end
  return ask.refuse(code, ('{"code":%s,"message":%s}'):format(ask.json(inner or code),
    ask.json(message)))
end

ask.nested = nested

local GO = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
  ["\a"] = "\\a", ["\b"] = "\\b", ["\f"] = "\\f", ["\v"] = "\\v" }

--- Go's %q.
function ask.quote(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return GO[c] or ("\\x%02x"):format(c:byte()) end)
    .. '"'
end

-- Range -----------------------------------------------------------------------------------

-- A length as Go prints it: 47h50m4.999s.
local function go_duration(ms)
  if ms < 1000 then return ms == 0 and "0s" or ("%dms"):format(ms) end
  local hours, minutes = ms // 3600000, ms // 60000 % 60
  local seconds = ("%d"):format(ms // 1000 % 60)
  if ms % 1000 ~= 0 then
    seconds = seconds .. "." .. ("%03d"):format(ms % 1000):match "^(.-)0*$"
  end
  if hours > 0 then return ("%dh%dm%ss"):format(hours, minutes, seconds) end
  if minutes > 0 then return ("%dm%ss"):format(minutes, seconds) end
  return seconds .. "s"
end

-- One range as one storage checks it: { from, to } both included, or { empty = true }.
local function checked(server, from, to)
  if from == 0 or to == 0 then
    return ask.refuse("invalid_argument", "missing time range in the query")
  end
  if from > to then
    return ask.refuse("invalid_argument", "query start time is after end time")
  end
  if server.lookback_ms > 0 then
    local oldest = server.now_ms - server.lookback_ms
    if to < oldest then return { empty = true, from = from, to = to } end
    from = math.max(from, oldest)
  end
  if server.length_ms > 0 and to - from > server.length_ms then
    local limit = server.length_ms % DAY == 0 and ("%dd"):format(server.length_ms // DAY)
      or go_duration(server.length_ms)
    return ask.refuse("invalid_argument", ("the query time range exceeds the limit "
      .. "(max_query_length, actual: %s, limit: %s)"):format(go_duration(to - from), limit))
  end
  return { from = from, to = to, empty = server.mode == "v1" and from == to or nil }
end

--- The range of a request; in dual mode both parts are checked, and `both` says that both were.
---@return { from: integer, to: integer, empty?: boolean, both?: boolean }? range
---@return pyroscope.error? err
function ask.range(server, request)
  local from, to = request.start or 0, request["end"] or 0
  if server.mode ~= "dual" or from > server.split_ms or to < server.split_ms
      or from == 0 or to == 0 or from > to then
    return checked(server, from, to)
  end
  local old, err = checked(server, from, server.split_ms - 1)
  if not old then return nil, err end
  local new
  new, err = checked(server, server.split_ms, to)
  if not new then return nil, err end
  return { from = math.min(old.from, new.from), to = new.to, empty = new.empty, both = true }
end

--- The range of a method that lists: on v1 none means what the ingesters have.
function ask.list_range(server, request, last_hour)
  local from, to = request.start or 0, request["end"] or 0
  if server.mode == "v1" and (from == 0 or to == 0) then
    return { from = math.mininteger, to = math.maxinteger }
  end
  if last_hour and from == 0 and to == 0 then
    return { from = server.now_ms - 3600000, to = server.now_ms }
  end
  local single = {}
  for name, value in pairs(server) do single[name] = value end
  single.mode = "v2"
  return ask.range(single, request)
end

-- Type and selector -----------------------------------------------------------------------

--- The five-part id of a request.
---@return string? id
---@return pyroscope.error? err
function ask.type(server, id)
  id = id or ""
  local parts = {}
  for part in (id .. ":"):gmatch "([^:]*):" do parts[#parts + 1] = part end
  if #parts ~= 5 and #parts ~= 6 then
    return nested(server, "invalid_argument", ("profile-type selection must be of the form "
      .. "<name>:<sample-type>:<sample-unit>:<period-type>:<period-unit>(:delta), got(%d): %s")
      :format(#parts, ask.quote(id)))
  end
  return table.concat(parts, ":", 1, 5)
end

-- Go's words for what RE2 refuses, as far as they can be told from ours.
local function regex_words(err, pattern)
  local opened = select(2, pattern:gsub("%(", "")) - select(2, pattern:gsub("%)", ""))
  local what, shown = "invalid regexp", pattern
  if err.message:find "missing closing ]" then
    what, shown = "missing closing ]", pattern:match "%[.*$" or pattern
  elseif err.message:find "nothing to repeat" then
    what, shown = "missing argument to repetition operator", pattern:match "[*+?]" or pattern
  elseif err.message:find "repetition of a repetition" then
    what, shown = "invalid nested repetition operator", pattern:match "[*+?][*+?]" or pattern
  elseif opened > 0 then
    what = "missing closing )"
  elseif opened < 0 then
    what = "unexpected )"
  end
  return ("error parsing regexp: %s: `%s`"):format(what, shown)
end

--- Reads a selector as a server does: matchers, or the words of its refusal.
---@return pyroscope.matcher[]? matchers
---@return string? words
function ask.read_selector(text)
  local matchers, fault = selector.scan(text)
  local at
  if fault then
    at = fault.at
    if not at then return nil, "unknown position: parse error: " .. fault.message end
  end
  for _, m in ipairs(matchers or {}) do
    if m.op == "=~" or m.op == "!~" then
      local _, err = core.regex(m.value, { anchored = true })
      if err then
        fault, at = { message = regex_words(err, m.value) }, m.at
        break
      end
    end
  end
  if not fault then return matchers end
  local line, column = selector.position(text, at)
  return nil, ("%d:%d: parse error: %s"):format(line, column, fault.message)
end

--- The matchers of a request's selector.
---@return pyroscope.matcher[]? matchers
---@return pyroscope.error? err
function ask.selector(server, text)
  text = text or ""
  local matchers, words = ask.read_selector(text)
  if matchers then return matchers end
  if server.mode == "v1" then return nested(server, "invalid_argument", words) end
  return ask.refuse("invalid_argument", ("parsing label selector %s: %s"):format(ask.quote(text),
    words))
end

--- The lists of matchers of a method that lists: one for all (v2, dual), or one each (v1).
---@return pyroscope.matcher[][]? lists
---@return pyroscope.error? err
function ask.matchers(server, request, prefix, apart)
  local lists = {}
  for _, text in ipairs(request.matchers or {}) do
    local matchers, words = ask.read_selector(text)
    if not matchers then
      if server.mode == "v1" then
        return ask.nested(server, "unknown", "unknown: rpc error: code = InvalidArgument desc = "
          .. "failed to parse label selector: " .. words, "internal")
      end
      return ask.refuse("invalid_argument", ("%sfailed to parse label selector %s: %s"):format(
        prefix, ask.quote(text), words))
    end
    lists[#lists + 1] = matchers
  end
  if #lists == 0 then return { {} } end
  if apart and server.mode == "v1" then return lists end
  return { selector.merge(table.unpack(lists)) }
end

-- Numbers and ids -------------------------------------------------------------------------

--- The node limit of a request: what the server cuts to, and what was asked.
---@return integer? nodes
---@return pyroscope.error? err
function ask.nodes(server, asked)
  if not asked or asked == 0 then return server.nodes_default end
  if asked < 0 then
    return ask.refuse("invalid_argument",
      ("max flamegraph nodes limit must be set (max allowed %d)"):format(server.nodes_max))
  end
  if asked > server.nodes_max then
    return ask.refuse("invalid_argument",
      ("max flamegraph nodes limit %d is greater than allowed %d"):format(asked,
        server.nodes_max))
  end
  return asked
end

local function wire_error(server, message)
  if server.mode == "v1" then return nested(server, "unknown", message) end
  return ask.refuse("unknown", "rpc error: code = Unknown desc = " .. message)
end

-- Ids of one length in hex digits, lower case, as a set.
local function hex_set(server, list, digits, what)
  if not list or #list == 0 then return nil end
  local set = {}
  for _, id in ipairs(list) do
    if #id ~= digits then
      return nil, select(2, wire_error(server, ("invalid %s id length: %s"):format(what,
        ask.quote(id))))
    end
    if not id:match "^%x+$" then
      return nil, select(2, wire_error(server, ("encoding/hex: invalid byte: %s"):format(
        ask.quote(id:match "%X"))))
    end
    set[id:lower()] = true
  end
  return set
end

--- Span ids as a set; nil where none is asked.
function ask.spans(server, list) return hex_set(server, list, 16, "span") end

--- Trace ids as a set.
function ask.traces(server, list) return hex_set(server, list, 32, "trace") end

--- Profile ids in their canonical form.
function ask.profile_ids(server, list)
  if not list or #list == 0 then return nil end
  local ids = {}
  for i, text in ipairs(list) do
    local id = text:lower():gsub("^urn:uuid:", ""):gsub("^{(.*)}$", "%1"):gsub("-", "")
    if #id ~= 32 then
      return nil, select(2, wire_error(server, ("invalid UUID length: %d"):format(#text)))
    end
    if not id:match "^%x+$" then
      return nil, select(2, wire_error(server, "invalid UUID format"))
    end
    ids[i] = ("%s-%s-%s-%s-%s"):format(id:sub(1, 8), id:sub(9, 12), id:sub(13, 16),
      id:sub(17, 20), id:sub(21))
  end
  return ids
end

--- The step of a request in whole milliseconds.
function ask.step(server, step, words)
  step = step or 0
  if step ~= step or step < 0.001 then
    local message = words and ("step must be >= 1ms, got %f"):format(step)
      or "step must be >= 1ms"
    return nested(server, "invalid_argument", message)
  end
  return math.floor(step * 1000)
end

--- A question over the files: both ends of a server's range belong to it.
function ask.question(matchers, range, id)
  local to = range.to == math.maxinteger and range.to or range.to + 1
  return choose.question(matchers, range.from, to, id)
end

--- True if the store has a dataset (a service in a time) that the matchers do not rule out.
function ask.has_dataset(store, matchers, range)
  for entry in choose.between(store.entries, range.from, range.to + 1) do
    local fits = true
    for _, m in ipairs(matchers) do
      if m.name == "service_name" and m.op == "=" and m.value ~= entry.labels.service_name then
        fits = false
      end
    end
    if fits then return true end
  end
  return false
end

--- True if a list of labels may show a name.
function ask.shows(server, name)
  return (server.utf8 and server.mode ~= "v1") or name:match "^[%a_][%w_]*$" ~= nil
end

ask.row = types.row

return ask
