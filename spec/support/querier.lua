--- A fake querier: serves a store over the real wire format, in a process of its own.
---   lua5.4 spec/support/querier.lua STORE [OPTIONS]
--- Its first line is the port (or the socket's path). Options:
---   --mode v2|v1|dual       how storage is set up, default v2
---   --version 1.5.0         plays an older server: methods, fields, formats and codes of that age
---   --now MS                its clock; default: the end of the store's newest profile
---   --annotate KEY          every point of a series says so
---   --limits off            no look-back, no longest range
---   --tenant NAME           multi-tenant; only NAME has data
---   --bearer TOKEN, --basic USER:PASSWORD    what a proxy in front of it asks for
---   --prefix /PATH          everything lies below it
---   --ahead SECONDS         answers carry a Date that is so far ahead of the real one
---   --misbehave KIND        for all requests, as the path below does for one
---   --unix PATH, --tls CERT KEY
--- A path that begins with `/@KIND` misbehaves before (or in place of) answering the rest:
---   slow:S  stall:N:S  cut:N  reset  hangup  never  garbage  empty  bomb  flaky:N (N times 503)
---   html[:STATUS]  type:CONTENT-TYPE  redirect:URL  429[:SECONDS]  or any status: 401 403 500 ...
--- The header X-Misbehave does the same. `/@log` gives back and forgets what was asked.

package.path = "./?.lua;./lua/?.lua;./lua/?/init.lua;" .. package.path

local cjson = require "cjson"
local connect = require "spec.support.querier.connect"
local core = require "pyroscope.core"
local httpd = require "spec.support.httpd"
local legacy = require "spec.support.querier.legacy"
local open = require "pyroscope.source.store".open

local LOGIN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Log in</body></html>"
local BOMB = 2 << 30

local function read_arguments(list)
  local options, i = { path = list[1] }, 2
  while list[i] do
    local name = list[i]:match "^%-%-(%a+)$"
    if not name then error("unknown argument " .. list[i]) end
    options[name] = list[i + 1]
    i = i + 2
    if name == "tls" then
      options.key = list[i]
      i = i + 1
    end
  end
  return options
end

local function version_number(text)
  local major, minor = (text or ""):match "^(%d+)%.(%d+)"
  return major and math.tointeger(major) * 100 + math.tointeger(minor) or nil
end

local function state_of(options)
  local store = assert(open(options.path))
  local state = { store = store, mode = options.mode or "v2", tenant = options.tenant,
    version = version_number(options.version), version_text = options.version,
    annotate = options.annotate, now_ms = options.now and math.tointeger(tonumber(options.now)), counts = {}, log = {} }
  if options.limits == "off" then state.lookback_ms, state.length_ms = 0, 0 end
  return state
end

-- Misbehaviour ----------------------------------------------------------------------------

local FAULTS = {}

function FAULTS.slow(argument) return nil, { delay = tonumber(argument) or 1 } end

function FAULTS.stall(argument)
  local bytes, seconds = argument:match "^(%d+):([%d.]+)$"
  return nil, { stall = { math.tointeger(bytes), tonumber(seconds) } }
end

function FAULTS.cut(argument) return nil, { cut = math.tointeger(tonumber(argument)) } end
function FAULTS.reset() return nil, { hangup = true, reset = true } end
function FAULTS.hangup() return nil, { hangup = true } end
function FAULTS.never() return nil, { never = true } end
function FAULTS.empty() return { status = 200, body = "" } end

function FAULTS.html(argument)
  return { status = tonumber(argument) or 200, body = LOGIN,
    headers = { { "Content-Type", "text/html; charset=utf-8" } } }
end

function FAULTS.garbage(_, _, request)
  return { status = 200, body = ("\xff\x0a\x07\x80"):rep(64),
    headers = { { "Content-Type", request.headers["content-type"] or "application/json" } } }
end

function FAULTS.redirect(argument)
  return { status = 302, body = "", headers = { { "Location", argument } } }
end

function FAULTS.bomb(_, state, request)
  state.bomb = state.bomb or core.gzip(("\0"):rep(BOMB >> 4))
  return { status = 200, body = state.bomb, headers = { { "Content-Encoding", "gzip" },
    { "Content-Type", request.headers["content-type"] or "application/json" } } }
end

function FAULTS.flaky(argument, state)
  local key = "flaky:" .. argument
  state.counts[key] = (state.counts[key] or 0) + 1
  if state.counts[key] > tonumber(argument) then return nil end
  return { status = 503, body = "upstream connect error",
    headers = { { "Content-Type", "text/plain" } } }
end

-- What a fault answers by itself, and what it does to the answer of the server.
local function misbehave(text, state, request)
  local kind, argument = text:match "^(%w+):?(.*)$"
  local status = math.tointeger(tonumber(kind))
  if status then
    local headers = { { "Content-Type", "text/plain" } }
    if status == 429 and argument ~= "" then
      headers[2] = { "Retry-After", argument }
    end
    return { status = status, body = "refused by the gateway\n", headers = headers }
  end
  local fault = FAULTS[kind]
  if kind == "type" then return nil, nil, argument end
  if not fault then return { status = 400, body = "no misbehaviour " .. kind, headers = {} } end
  return fault(argument, state, request)
end

-- Access ----------------------------------------------------------------------------------

local function base64(text)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  return (text:gsub("..?.?", function(group)
    local a, b, c = group:byte(1, 3)
    local bits = a << 16 | (b or 0) << 8 | (c or 0)
    local out = {}
    for i = 0, 3 do
      local k = bits >> (18 - 6 * i) & 63
      out[i + 1] = i <= #group and digits:sub(k + 1, k + 1) or "="
    end
    return table.concat(out)
  end))
end

local function refused_by_proxy(options, request)
  local wanted, scheme
  if options.bearer then wanted, scheme = "Bearer " .. options.bearer, "Bearer" end
  if options.basic then wanted, scheme = "Basic " .. base64(options.basic), "Basic" end
  if not wanted or request.headers.authorization == wanted then return nil end
  return { status = 401, headers = { { "Content-Type", "text/html" },
    { "WWW-Authenticate", scheme .. ' realm="profiles"' } },
    body = "<html><head><title>401 Authorization Required</title></head></html>\n" }
end

-- Requests --------------------------------------------------------------------------------

local function noted(state, request)
  local headers = {}
  for name, value in pairs(request.headers) do headers[name] = value end
  state.log[#state.log + 1] = { method = request.method, target = request.target,
    headers = headers, length = #request.body }
end

local function answer(state, options, request, path)
  local refused = refused_by_proxy(options, request)
  if refused then return refused end
  if options.prefix then
    if path:sub(1, #options.prefix) ~= options.prefix then return connect.not_found(state) end
    path = path:sub(#options.prefix + 1)
  end
  local service, method = path:match "^/([%w.]+%.v1%.%w+)/(%w+)$"
  if service then return connect.answer(state, request, service, method) end
  return legacy.answer(state, request, path, request.query_text) or connect.not_found(state)
end

local function handler(state, options)
  return function(request)
    local path = request.path
    if path == "/@log" then
      local text = #state.log > 0 and cjson.encode(state.log) or "[]"
      state.log = {}
      return 200, { ["Content-Type"] = "application/json" }, text
    end
    noted(state, request)
    local kind, rest = path:match "^/@([^/]+)(.*)$"
    if kind then
      kind, path = kind:gsub("%%(%x%x)", function(hex)
        return string.char(tonumber(hex, 16))
      end), rest
    end
    kind = kind or request.headers["x-misbehave"] or options.misbehave
    local response, how, content
    if kind then response, how, content = misbehave(kind, state, request) end
    if not response then response = answer(state, options, request, path) end
    local headers = {}
    for _, pair in ipairs(response.headers or {}) do headers[pair[1]] = pair[2] end
    if content then headers["Content-Type"] = content end
    if options.ahead then
      headers.Date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + tonumber(options.ahead))
    end
    return response.status, headers, response.body, how
  end
end

local options = read_arguments(arg)
local state = state_of(options)
httpd.serve(handler(state, options), { unix = options.unix,
  tls = options.tls and { mode = "server", protocol = "any", certificate = options.tls,
    key = options.key, verify = "none", options = "all" } or nil })
