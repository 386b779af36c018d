--- The Connect protocol of the fake querier: a request of any method to bytes of an answer, with
--- the refusals, content types and compression of a real server.

local ask = require "pyroscope.source.store.rpc.ask"
local core = require "pyroscope.core"
local rpc = require "pyroscope.source.store.rpc"

local connect = {}

local TYPES = { ["application/json"] = "json", ["application/json; charset=utf-8"] = "json",
  ["application/proto"] = "proto" }
local ACCEPT_POST = "application/grpc, application/grpc+json, application/grpc+json; "
  .. "charset=utf-8, application/grpc+proto, application/grpc-web, application/grpc-web+json, "
  .. "application/grpc-web+json; charset=utf-8, application/grpc-web+proto, application/json, "
  .. "application/json; charset=utf-8, application/proto"

-- HTTP status of codes before version 1.6.
local OLD_STATUS = { canceled = 408, deadline_exceeded = 408, unimplemented = 404,
  failed_precondition = 412 }

-- Since when a server knows a method, a request field, an answer to a format. A field that it does
-- not know is ignored.
local METHODS = { SelectMergeSpanProfile = 102, GetProfileStats = 105, AnalyzeQuery = 106,
  SelectHeatmap = 119 }
local FIELDS = {
  ProfileTypes = { start = 102, ["end"] = 102 }, LabelValues = { start = 102, ["end"] = 102 },
  LabelNames = { start = 102, ["end"] = 102 }, Series = { start = 101, ["end"] = 101 },
  SelectMergeStacktraces = { stackTraceSelector = 103, format = 107, profileIdSelector = 117,
    traceIdSelector = 202, spanSelector = 202 },
  SelectMergeProfile = { stackTraceSelector = 103, profileIdSelector = 117,
    traceIdSelector = 202 },
  SelectSeries = { stackTraceSelector = 103, limit = 109, exemplarType = 117 },
}
local FORMATS = { PROFILE_FORMAT_TREE = 107, PROFILE_FORMAT_DOT = 121,
  PROFILE_FORMAT_PPROF = 202 }

--- The error body of a Connect server.
function connect.refusal(state, code, message, status)
  status = status or (state.version and state.version < 106 and OLD_STATUS[code])
    or ask.status[code] or 500
  return { status = status, headers = { { "Content-Type", "application/json" },
    { "Accept-Encoding", "gzip" } },
    body = ('{"code":%s,"message":%s}'):format(ask.json(code), ask.json(message)) }
end

--- What an unknown path answers.
function connect.not_found(state)
  if state.version and state.version < 107 then
    return { status = 405, headers = { { "Allow", "GET" } }, body = "" }
  end
  return { status = 404, headers = { { "Content-Type", "text/plain; charset=utf-8" },
    { "X-Content-Type-Options", "nosniff" } }, body = "404 page not found\n" }
end

-- Label names beyond [a-zA-Z0-9_] are shown to whoever says so in Accept; nil: it is malformed.
local function reads_utf8(accept)
  local utf8 = false
  if not accept or accept == "" then return false end
  for part in (accept .. ","):gmatch "([^,]*)," do
    local media, parameters = part:match "^%s*([^;%s]*)%s*(.-)%s*$"
    if media == "" then return nil, "mime: no media type" end
    if parameters ~= "" then
      for parameter in parameters:gmatch ";%s*([^;]*)" do
        if parameter ~= "" and not parameter:match "^[%w%-_%.]+=[^%s;]+%s*$" then
          return nil, "mime: invalid media parameter"
        end
        if parameter:match "^allow%-utf8%-labelnames=true%s*$" then utf8 = true end
      end
      if not parameters:match "^;" then return nil, "mime: unexpected content after media type" end
    end
  end
  return utf8
end

--- The tenant of a request, or a refusal.
function connect.tenant(state, request, single)
  if not state.tenant then return true end
  local id = request.headers["x-scope-orgid"]
  local words
  if not id or id == "" then
    words = "no org id"
  else
    local count = 0
    for one in (id .. "|"):gmatch "([^|]*)|" do
      count = count + 1
      local wrong = one:match "[^%w!%-_%.%*'%(%)]"
      if wrong then
        words = ("tenant ID '%s' contains unsupported character '%s'"):format(one, wrong)
      elseif one == "." or one == ".." then
        words = "tenant ID is '.' or '..'"
      elseif #one > 150 then
        words = "tenant ID is too long: max 150 characters"
      end
      if words then break end
    end
    if not words and single and count > 1 then
      return nil, connect.refusal(state, "invalid_argument",
        ("expected 1 tenant, got %d"):format(count))
    end
  end
  if words then return nil, connect.refusal(state, "unauthenticated", words) end
  for one in (id .. "|"):gmatch "([^|]*)|" do
    if one == state.tenant then return true end
  end
  return "empty"
end

-- A store without profiles, for tenants that have none.
local function empty_store(store)
  return setmetatable({ entries = {}, stats = function() return {} end,
    defaults = function() return store:defaults() end }, { __index = store })
end

-- Takes out what a server of that age does not know.
local function aged(state, method, request)
  if not state.version then return request end
  for field, since in pairs(FIELDS[method] or {}) do
    if state.version < since then request[field] = nil end
  end
  if state.version < (FORMATS[request.format] or 0) then request.format = nil end
  return request
end

--- Asks the store; the answer of `rpc.call`.
function connect.ask(state, request, method, message)
  local tenant, refused = connect.tenant(state, request, method == "GetProfileStats")
  if not tenant then return nil, refused end
  local store = tenant == "empty" and empty_store(state.store) or state.store
  local server = { decoded = true, mode = state.mode, utf8 = request.utf8 or false,
    now_ms = state.now_ms, lookback_ms = state.lookback_ms, length_ms = state.length_ms }
  local answer, err = rpc.call(store, method, aged(state, method, message), server)
  if answer and state.annotate and method == "SelectSeries" then
    for _, series in ipairs(answer.series or {}) do
      for _, point in ipairs(series.points or {}) do
        point.annotations = { { key = state.annotate, value = '{"body":{"periodLimitMb":10}}' } }
      end
    end
  end
  if answer then return answer end
  if err.kind == "rpc" then
    return nil, connect.refusal(state, err.code, err.message, err.status and
      not (state.version and state.version < 106) and err.status or nil)
  end
  return nil, connect.refusal(state, err.kind == "unsupported" and "unimplemented"
    or "internal", tostring(err.message))
end

local function inflated(state, request)
  local encoding = request.headers["content-encoding"]
  if not encoding or encoding == "" or encoding == "identity" then return request.body end
  if encoding ~= "gzip" then
    return nil, connect.refusal(state, "unimplemented",
      ('unknown compression "%s": supported encodings are gzip'):format(encoding))
  end
  local body = core.gunzip(request.body)
  if not body then
    return nil, connect.refusal(state, "invalid_argument", "get decompressor: unexpected EOF")
  end
  return body, nil, true
end

-- gzip where the literal word stands in Accept-Encoding, or the request was gzipped.
local function wants_gzip(request, was_gzipped)
  if was_gzipped then return true end
  for word in (request.headers["accept-encoding"] or ""):gmatch "[^,%s]+" do
    if word == "gzip" then return true end
  end
  return false
end

local function checked_headers(state, request)
  local version = request.headers["connect-protocol-version"]
  if version and version ~= "1" then
    return connect.refusal(state, "invalid_argument",
      ('Connect-Protocol-Version must be "1": got "%s"'):format(version))
  end
  local timeout = request.headers["connect-timeout-ms"]
  if timeout and #timeout > 10 then
    return connect.refusal(state, "invalid_argument",
      ('parse timeout: "%s" has >10 digits'):format(timeout))
  end
  if timeout and not timeout:match "^%d+$" then
    return connect.refusal(state, "invalid_argument", "parse timeout: " .. timeout)
  end
  if timeout == "1" then
    return connect.refusal(state, "deadline_exceeded", "request timed out, decrease the duration "
      .. "of the request or add more label matchers (prefer exact match over regex match) to "
      .. "reduce the amount of data processed")
  end
end

local function utf8_or_refusal(request)
  local utf8, words = reads_utf8(request.headers["accept"])
  if utf8 == nil then
    return nil, { status = 400, headers = { { "Content-Type", "text/plain; charset=utf-8" } },
      body = ("Invalid header format: %s\n"):format(words) }
  end
  return utf8
end

local FLAGS = '{"featureFlags":[{"name":"pyroscopeRuler"}, {"name":"pyroscopeRulerFunctions"}, '
  .. '{"name":"utf8LabelNames"}, {"name":"v2StorageLayer"%s}]}'

--- Answers `POST /SERVICE/METHOD`.
---@return table response  status, headers, body
function connect.answer(state, request, service, method)
  local refused, utf8
  utf8, refused = utf8_or_refusal(request)
  if refused then return refused end
  request.utf8 = utf8
  local flags = service == "capabilities.v1.FeatureFlagsService" and method == "GetFeatureFlags"
    and not (state.version and state.version < 114)
  local known = flags or (service == "querier.v1.QuerierService" and core.methods()[method]
    and not (state.version and state.version < (METHODS[method] or 0)))
  if not known then return connect.not_found(state) end
  if request.method ~= "POST" then
    return { status = 405, headers = { { "Allow", "POST" } }, body = "" }
  end
  local content = request.headers["content-type"]
  local codec = TYPES[content]
  if not codec then
    return { status = 415, headers = { { "Accept-Post", ACCEPT_POST } }, body = "" }
  end
  refused = checked_headers(state, request)
  if refused then return refused end
  local body, was_gzipped
  body, refused, was_gzipped = inflated(state, request)
  if not body then return refused end
  local bytes
  if flags then
    local tenant
    tenant, refused = connect.tenant(state, request)
    if not tenant then return refused end
    bytes = FLAGS:format(state.mode ~= "v1" and ', "enabled":true' or "")
  else
    if codec == "json" and body == "" then
      return connect.refusal(state, "invalid_argument",
        "unmarshal message: zero-length payload is not a valid JSON object")
    end
    local message, err
    if codec == "json" then
      message, err = core.decode_request_json(method, body)
    else
      message, err = core.decode_request(method, body)
    end
    if not message then
      return connect.refusal(state, "invalid_argument", "unmarshal message: " .. err.message)
    end
    local answer
    answer, refused = connect.ask(state, request, method, message)
    if not answer then return refused end
    local encode = codec == "json" and core.encode_answer_json or core.encode_answer
    bytes, err = encode(method, answer)
    if not bytes then return connect.refusal(state, "internal", tostring(err)) end
  end
  local headers = { { "Content-Type", content }, { "Accept-Encoding", "gzip" } }
  if wants_gzip(request, was_gzipped) then
    bytes = core.gzip(bytes)
    headers[#headers + 1] = { "Content-Encoding", "gzip" }
  end
  return { status = 200, headers = headers, body = bytes }
end

return connect
