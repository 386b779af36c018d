--- One request to a server: address, credentials, wire format, and what came back as an answer or
--- an error. Knows no method by name but the size of its answers.

local clock = require "pyroscope.source.server.clock"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local refusal = require "pyroscope.source.server.refusal"
local shared = require "pyroscope.source.shared"
local timespec = require "pyroscope.timespec"

local rpc = {}

-- Dotted label names are hidden without this; a malformed Accept breaks every call.
local ACCEPT = "*/*;allow-utf8-labelnames=true"
local LARGE = { SelectMergeStacktraces = true, SelectMergeProfile = true,
  SelectMergeSpanProfile = true, Diff = true }
local PROFILE_BYTES, SMALL_BYTES = 536870912, 16777216

-- The transport, made by the first request: it loads libcurl.
local function transport(client)
  if not client.transport then
    local options = client.options
    client.transport = require "pyroscope.source.server.transport".new {
      timeout = client.timeout, connect_timeout = client.connect_timeout,
      concurrency = options.concurrency, compress = options.compress, proxy = options.proxy,
      unix_socket = options.unix_socket, ca_file = options.ca_file,
      client_cert = options.client_cert, client_key = options.client_key,
      username = client.access.username, password = client.access.password,
      explain = client.explain, waiter = function(_, seconds)
        return flight.wait(client.poller, seconds)
      end,
    }
  end
  return client.transport
end

-- JSON of a path of the web application before the server.
local function lookup(client, path)
  local gate = client.gate
  local request = { url = gate.root .. path, method = "GET", max_bytes = SMALL_BYTES,
    headers = { "Accept: application/json", "User-Agent: " .. client.agent } }
  local context = { access = client.access, base = gate.root, via = gate.via, method = "GET",
    what = path:gsub("%?.*$", ""), url = gate.root .. path:gsub("%?.*$", "") }
  local response, err = rpc.exchange(client, request)
  if not response then return nil, refusal.transport(err, context) end
  local text = rpc.text(response)
  local value = response.status == 200 and refusal.value(text)
  if value then return require "pyroscope.config.perses".without_null(value) end
  return nil, refusal.of(response, text:sub(1, 65536), context)
end

-- Behind Grafana or Perses: the data source is looked up by the first question, once; those that
-- come meanwhile wait for it.
local function open_gate(client)
  local gate = client.gate
  while gate.busy do
    if flight.wait(client.poller, 0.05) then
      return nil, errors.new { kind = "cancelled", message = "cancelled" }
    end
  end
  if gate.opened then return true end
  gate.busy = true
  local found, err = gate:find(function(path) return lookup(client, path) end)
  gate.busy = nil
  if not found then return nil, err end
  gate.opened, client.base, client.allowed = true, found.base, found.allowed
  client.datasource = { uid = found.uid, name = found.name }
  if found.direct then -- what Perses wants to see is not for the server
    client.access, client.via = require "pyroscope.source.server.access".new {
      tenant = client.access.tenant }, nil
  end
  return true
end

-- Sends once with the credentials of now.
local function attempt(client, request)
  local headers, err = client.access:of(client.base, client.timeout)
  if not headers then return nil, err end
  local list = table.move(request.headers, 1, #request.headers, 1, {})
  if client.access.words and client.access:wraps() then
    local response
    response, err = require "pyroscope.source.server.command".exchange(client.access, {
      url = request.url, method = request.method, headers = list, body = request.body,
      timeout = client.timeout, connect_timeout = client.connect_timeout,
      max_bytes = request.max_bytes })
    if response or err then return response, err end
    return attempt(client, request) -- the command turned out to print a token
  end
  table.move(headers, 1, #headers, #list + 1, list)
  return transport(client):request {
    url = request.url, method = request.method, headers = list, body = request.body,
    read = true, max_bytes = request.max_bytes, follow = true, explain = request.explain,
  }
end

-- Sends; a refused credential that can be fetched anew is, once.
function rpc.exchange(client, request)
  local sent = timespec.now()
  local response, err = attempt(client, request)
  if response then
    client.clock = clock.narrow(client.clock, response.headers, sent, timespec.now())
  end
  local refused = response and (response.status == 401 or response.status == 302)
  if refused and client.access:renew() then response, err = attempt(client, request) end
  if response and response.status == 200 then client.access.renewed = nil end
  return response, err
end

function rpc.text(response)
  return type(response.body) == "string" and response.body or response.body
    and response.body:string() or ""
end

local function beginning(body)
  if type(body) == "string" then return body:sub(1, 65536) end
  return body and body:string(1, math.min(#body, 65536)) or ""
end

--- Sends a request; a refused credential that can be fetched anew is, once. Any status is a
--- response.
---@param client table
---@param request { path: string, method?: string, headers?: string[], body?: string,
---  max_bytes?: integer, what: string }
---@return table? response
---@return pyroscope.error? err
---@return pyroscope.refusal.context context
function rpc.send(client, request)
  local method, bare = request.method or "GET", request.path:gsub("%?.*$", "")
  if client.gate and not client.gate.opened then
    local ok, err = open_gate(client)
    if not ok then return nil, err end
  end
  local context = { access = client.access, base = client.base, what = request.what,
    url = client.base .. bare, method = method, via = client.via }
  if client.allowed and not require "pyroscope.config.perses".allows(client.allowed, method, bare)
  then
    return nil, errors.new(require "pyroscope.source.server.proxies".closed(method, bare)), context
  end
  local sent = { url = client.base .. request.path, method = context.method, body = request.body,
    headers = request.headers or {}, max_bytes = request.max_bytes or SMALL_BYTES,
    explain = request.explain }
  local response, err = rpc.exchange(client, sent)
  if response then return response, nil, context end
  return nil, refusal.transport(err, context), context
end

local function media_type(headers)
  return (headers["content-type"] or ""):lower():match "^%s*([^;%s]*)"
end

-- What of an answer is decoded how: "proto", "json", or nil for what is no answer.
local function form_of(response, wanted)
  local media = media_type(response.headers)
  if media == "application/json" then return "json" end
  if media == "application/proto" or media == "application/x-protobuf"
      or media == "application/octet-stream" or media == "application/protobuf" then
    return "proto"
  end
  if media == "" then
    local first = beginning(response.body):match "^%s*(.)"
    if first == "<" then return nil end
    return first == "{" and wanted == "json" and "json" or wanted
  end
  return nil
end

-- A Connect error inside of a 200, which some gateways make.
local function inner_error(response)
  local object = #response.body < 65536 and refusal.json(beginning(response.body))
  return object and type(object.code) == "string" and type(object.message) == "string"
end

local function decode(client, method, response, context, options)
  local form = form_of(response, client.json and "json" or "proto")
  if not form or (form == "json" and inner_error(response)) then
    return nil, refusal.of(response, beginning(response.body), context)
  end
  local answer, err
  if form == "json" then
    answer, err = core.decode_answer_json(method, response.body, options)
  else
    answer, err = core.decode_answer(method, response.body, options)
  end
  if not answer then
    return nil, errors.wrap(err, { url = context.url, method = context.method, rpc = method,
      status = response.status, hint = err.hint or "the answer is damaged, or comes from "
        .. "something else than a Pyroscope server: pscope doctor",
      message = ("the answer to %s cannot be read: %s"):format(method, err.message) })
  end
  return answer
end

-- Does anything of a querier answer there? Asked where the first question met no such method: an
-- old server, or a wrong address. A refusal in its own words is an answer, too.
local function is_querier(client)
  local now = timespec.now()
  local answer, err = rpc.call(client, "LabelNames", { start = now - 1000, ["end"] = now })
  if answer then return true end
  return err.code ~= "not_found" and err.kind ~= "http" and err.kind ~= "unreachable"
    and err.kind ~= "timeout"
end

-- A server that answers other methods, but has not this one, is too old for it.
local function without(client, method, err)
  if err.code ~= "not_found" or (err.status ~= 404 and err.status ~= 405) then return err end
  local since = core.methods()[method].since
  local old = since and since ~= "1.0" and since ~= "1.0.0"
  if client.answered or (old and is_querier(client)) then
    return errors.wrap(err, { kind = "unsupported", code = "unimplemented",
      message = ("this server has no %s"):format(method),
      hint = since and ("it came with version %s: pscope doctor"):format(since) or nil })
  end
  return err
end

-- Whoever counts requests is told of each answer.
local function told(client, method, about)
  if client.on_answer then client.on_answer(client, method, about) end
end

--- Asks one method: a table with wire names in, one out; see `core.encode`, `core.decode_answer`.
---@param client table
---@param method string
---@param request table
---@param options? { raw?: boolean, skip?: string[] }
---@return table? answer
---@return pyroscope.error? err
function rpc.call(client, method, request, options)
  local body, err
  if client.json then
    body, err = core.encode_json(method, request)
  else
    body, err = core.encode(method, request)
  end
  if not body then return nil, err end
  local headers = {
    "Content-Type: " .. (client.json and "application/json" or "application/proto"),
    "Accept: " .. ACCEPT, "Connect-Protocol-Version: 1",
    ("Connect-Timeout-Ms: %d"):format(math.min(9999999999, client.timeout * 1000 // 1)),
    "User-Agent: " .. client.agent,
  }
  local kept, key
  if client.options.cache then
    local ok
    ok, err = rpc.ready(client) -- the address is part of the key
    if not ok then return nil, err end
    kept, key = require "pyroscope.source.server.cache".place(client, method, request, body)
    local bytes = kept and require "pyroscope.source.server.cache".read(kept, key, body)
    local answer = bytes and (client.json and core.decode_answer_json or core.decode_answer)(method,
      bytes, options)
    if answer then
      told(client, method, { bytes = #bytes, cached = true })
      return answer
    end
  end
  if client.options.diagnostics then
    headers[#headers + 1] = "X-Pyroscope-Collect-Diagnostics: true"
  end
  local response, context
  response, err, context = rpc.send(client, { path = core.methods()[method].path, method = "POST",
    headers = headers, body = body, what = method,
    explain = client.explain and core.encode_json(method, request) or nil,
    max_bytes = LARGE[method] and (client.options.max_bytes or PROFILE_BYTES) or SMALL_BYTES })
  told(client, method, response and { bytes = response.received, ms = response.ms,
    failed = response.status ~= 200 or nil } or { failed = true })
  if not response then return nil, err end
  if response.headers["x-pyroscope-diagnostics-id"] then
    client.diagnostics_id = response.headers["x-pyroscope-diagnostics-id"]
  end
  if response.status == 415 and not client.json then
    client.json = true -- something between lets only JSON pass
    return rpc.call(client, method, request, options)
  end
  if response.status ~= 200 then
    return nil, without(client, method, refusal.of(response, beginning(response.body), context))
  end
  client.answered = true
  local answer
  answer, err = decode(client, method, response, context, options)
  if answer and kept and form_of(response, "proto") == (client.json and "json" or "proto") then
    require "pyroscope.source.server.cache".write(kept, key, body, rpc.text(response))
  end
  if type(response.body) ~= "string" then response.body:close() end
  return answer, err
end

--- A GET with parameters, an array of { name, value }.
---@param client table
---@param path string
---@param parameters? table[]
---@param options? { what?: string, max_bytes?: integer }
---@return table? response   status 200
---@return pyroscope.error? err
function rpc.get(client, path, parameters, options)
  options = options or {}
  local parts = {}
  for i, pair in ipairs(parameters or {}) do
    parts[i] = shared.escape(pair[1]) .. "=" .. shared.escape(pair[2])
  end
  local response, err, context = rpc.send(client, { method = "GET",
    path = path .. (#parts > 0 and "?" .. table.concat(parts, "&") or ""),
    headers = { "Accept: " .. ACCEPT, "User-Agent: " .. client.agent },
    what = options.what or path, max_bytes = options.max_bytes })
  if not response then return nil, err end
  if response.status ~= 200 then
    return nil, refusal.of(response, beginning(response.body), context)
  end
  local media = media_type(response.headers)
  if media == "text/html" or beginning(response.body):match "^%s*<[!hH]" then
    return nil, refusal.of(response, beginning(response.body), context)
  end
  response.context = context
  return response
end

--- A POST of a JSON text; any answer of status 200.
---@param client table
---@param path string
---@param body string
---@param options? { max_bytes?: integer }
---@return table? response
---@return pyroscope.error? err
function rpc.post(client, path, body, options)
  local response, err, context = rpc.send(client, { method = "POST", path = path, body = body,
    headers = { "Accept: " .. ACCEPT, "User-Agent: " .. client.agent,
      "Content-Type: application/json", "Connect-Protocol-Version: 1" },
    what = path:match "[^/]*$", max_bytes = options and options.max_bytes })
  if not response then return nil, err end
  if response.status ~= 200 then
    return nil, refusal.of(response, beginning(response.body), context)
  end
  return response
end

rpc.beginning = beginning

--- Finds the data source behind Grafana or Perses now, where there is one to find.
---@param client table
---@return true? ok
---@return pyroscope.error? err
function rpc.ready(client)
  if not client.gate or client.gate.opened then return true end
  return open_gate(client)
end

return rpc
