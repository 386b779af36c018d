--- Recorded exchanges with a real server, asked again of the fake querier's code (without a
--- network), and how two answers are compared: decoded, value by value.

local cjson = require "cjson"
local connect = require "spec.support.querier.connect"
local core = require "pyroscope.core"
local legacy = require "spec.support.querier.legacy"
local system = require "pyroscope.system"

local replay = {}

-- When the exchanges were recorded.
local NOW = 1795217777362

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read "a"
  file:close()
  return bytes
end

local function base64(text)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local values = {}
  for i = 1, #digits do values[digits:byte(i)] = i - 1 end
  local bytes, bits, count = {}, 0, 0
  for i = 1, #text do
    local value = values[text:byte(i)]
    if value then
      bits, count = bits << 6 | value, count + 6
      if count >= 8 then
        count = count - 8
        bytes[#bytes + 1] = string.char(bits >> count & 255)
      end
    end
  end
  return table.concat(bytes)
end

-- A recorded exchange with the request as a handler gets it, and the modes that answered so.
local function exchange_of(name, recorded, response, body)
  local headers = {}
  for header, value in pairs(recorded.headers) do headers[header:lower()] = value end
  local modes = { response.mode }
  for _, mode in ipairs(response.same_in or {}) do modes[#modes + 1] = mode end
  local path, query = recorded.path:match "^([^?]*)%??(.*)$"
  response.body = body
  return { name = name, response = response, modes = modes,
    request = { method = recorded.method, path = path, query_text = query, headers = headers,
      body = recorded.body or recorded.body_base64 and base64(recorded.body_base64) or "" } }
end

--- The exchanges of a folder of folders, sorted by name.
function replay.folder(path)
  local list = {}
  for _, item in ipairs(assert(system.list(path))) do
    local folder = path .. "/" .. item.name
    local recorded = read(folder .. "/request.json")
    if recorded then
      list[#list + 1] = exchange_of(item.name, cjson.decode(recorded),
        cjson.decode(read(folder .. "/response.json")), read(folder .. "/response.body"))
    end
  end
  return list
end

--- The exchanges of a file with one in each line.
function replay.file(path)
  local list = {}
  for line in io.lines(path) do
    local object = cjson.decode(line)
    list[#list + 1] = exchange_of(object.case, object.request, object.response,
      object.body or base64(object.body_base64))
  end
  return list
end

--- Asks the querier's code, in one mode.
function replay.ask(store, exchange, mode)
  local state = { store = store, mode = mode == "mt" and "v2" or mode, counts = {}, now_ms = NOW,
    tenant = mode == "mt" and "team-a" or nil }
  local request = {}
  for name, value in pairs(exchange.request) do request[name] = value end
  local service, method = request.path:match "^/([%w.]+%.v1%.%w+)/(%w+)$"
  if not service then service, method = request.path:match "^/([%w.]+)/(%w+)$" end
  if service and request.path:find "%.v1%." then
    return connect.answer(state, request, service, method), method
  end
  return legacy.answer(state, request, request.path, request.query_text)
    or connect.not_found(state)
end

-- Comparing -------------------------------------------------------------------------------

local function plain(body, headers)
  if headers["content-encoding"] == "gzip" then return assert(core.gunzip(body)) end
  return body
end

local function lower(headers)
  local found = {}
  for name, value in pairs(headers) do
    if type(name) == "number" then name, value = value[1], value[2] end
    found[name:lower()] = value
  end
  return found
end

local function walked(profile)
  local rows = {}
  for depth, name, self, total in profile:walk() do
    rows[#rows + 1] = ("%d %q %d %d"):format(depth, name, self, total)
  end
  return rows
end

local function walked_diff(alignment)
  local rows = {}
  for depth, name, a, b, at, bt in alignment:walk() do
    rows[#rows + 1] = ("%d %q %d %d %d %d"):format(depth, name, a, b, at, bt)
  end
  return rows
end

-- A pprof as stacks with lines and values, and what is said about it.
local function described(pprof)
  local types = pprof:types()
  local what = { types = types, time_nanos = pprof.time_nanos, period = pprof.period,
    period_type = pprof.period_type, period_unit = pprof.period_unit }
  if #types > 0 then
    local profile = core.collect({ { pprof, type = 1 } }, { granularity = "line" })
    local rows = {}
    for depth, name, self, total, file, line in profile:walk() do
      rows[#rows + 1] = ("%d %q %d %d %s %s"):format(depth, name, self, total, tostring(file),
        tostring(line))
    end
    what.stacks = rows
    profile:close()
  end
  return what
end

local function sorted_exemplars(list)
  for _, exemplar in ipairs(list) do
    if exemplar.profileId then exemplar.profileId = #exemplar.profileId end
    -- The server does not sort them.
    table.sort(exemplar.labels, function(a, b) return a.name < b.name end)
  end
  table.sort(list, function(a, b)
    if a.value ~= b.value then return a.value < b.value end
    return (a.spanId or "") .. a.timestamp < (b.spanId or "") .. b.timestamp
  end)
end

-- Handles become comparable tables; random ids become their lengths.
local function comparable(value)
  local kind = getmetatable(value) and getmetatable(value).__name
  if kind == "pyroscope.profile" then return walked(value) end
  if kind == "pyroscope.alignment" then return walked_diff(value) end
  if kind == "pyroscope.pprof" then return described(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for name, item in pairs(value) do
    copy[name] = comparable(item)
    if name == "exemplars" then sorted_exemplars(copy[name]) end
  end
  return copy
end

--- A response as what it means: status, content type and the decoded body.
function replay.meaning(response, method)
  local headers = lower(response.headers)
  local body = plain(response.body or "", headers)
  local content = headers["content-type"]
  local meaning = { status = response.status, content = content, body = body,
    gzip = headers["content-encoding"] }
  if method and response.status == 200 and core.methods()[method] then
    local decode = content == "application/proto" and core.decode_answer
      or core.decode_answer_json
    local answer, err = decode(method, body)
    meaning.body = answer and comparable(answer) or tostring(err)
  elseif content and content:find "json" and body ~= "" then
    local ok, object = pcall(cjson.decode, body)
    meaning.body = ok and object or body
    local graph = type(meaning.body) == "table" and meaning.body.flamebearer
    if graph then -- names stand in any order
      local double = meaning.body.metadata.format == "double"
      local tree = double and core.decode_diff(body, "json") or core.decode(body, "json")
      meaning.body.flamebearer = { tree = comparable(tree), total = graph.numTicks,
        largest = graph.maxSelf }
    end
  end
  return meaning
end

return replay
