--- What an answer that is no answer means: a server's error, a gateway's, a login page, a wrong
--- address. One error for each, with the next step.

local cjson = require "cjson".new()
local errors = require "pyroscope.errors"

cjson.decode_max_depth(64)

local proxies = require "pyroscope.source.server.proxies"

local refusal = {}

local SHOWN = 1024 -- bytes of a foreign text that an error may carry

-- A text of somebody else in one line, without credentials and control characters.
local function plain(text, access)
  text = text:gsub("\194\160", " "):gsub("[%z\1-\31\127]+", " "):gsub("%s+", " ")
  text = text:match "^%s*(.-)%s*$"
  if access then text = access:scrub(text) end
  if #text > SHOWN then text = text:sub(1, SHOWN):gsub("[\xC0-\xFF][\x80-\xBF]*$", "") .. "…" end
  return text
end

--- A JSON object, or nil.
---@param text string
---@return table?
function refusal.json(text)
  if not text:match "^%s*{" then return nil end
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == "table" and value or nil
end

--- Any JSON object or array, or nil.
---@param text string
---@return table?
function refusal.value(text)
  if not text:match "^%s*[{%[]" then return nil end
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == "table" and value or nil
end

-- v1 servers put the error of an inner server as JSON into the message, sometimes twice.
local function innermost(code, message)
  for _ = 1, 4 do
    local inner = message:match '^%s*{%s*"code"' and refusal.json(message)
    if not inner or type(inner.message) ~= "string" then break end
    code, message = type(inner.code) == "string" and inner.code or code, inner.message
  end
  return code, message
end

-- "1d", "24h0m0s", "30m" in milliseconds.
local UNITS = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000, w = 604800000,
  y = 31536000000 }

--- The length that a refused range may have, in milliseconds.
---@param text string
---@return integer?
function refusal.limit(text)
  local limit = text:match "limit: ([%w.]+)"
  if not limit then return nil end
  local total = 0
  for number, unit in limit:gmatch "([%d.]+)(%a+)" do
    if not UNITS[unit] then return nil end
    total = total + tonumber(number) * UNITS[unit]
  end
  return total > 0 and math.floor(total) or nil
end

local KINDS = {
  canceled = "cancelled", unauthenticated = "auth", permission_denied = "auth",
  deadline_exceeded = "timeout", unimplemented = "unsupported",
}
local RETRYABLE = { unavailable = true, resource_exhausted = true, aborted = true }

-- Texts that say more than their code: pattern, kind, our code, hint.
local KNOWN = {
  { "exceeds the limit %(max_query_length", "limit", "range_too_long",
    "ask for a shorter window" },
  { "max flamegraph nodes limit %d+ is greater than allowed", "limit", "max_nodes" },
  { "max flamegraph nodes limit must be set", "usage", "max_nodes", "max_nodes is above 0" },
  { "parse error", "usage", "selector", "selectors are written like {service_name=\"checkout\", "
    .. "pod=~\"a.*\"}" },
  { "^parsing label selector", "usage", "selector" },
  { "^profile%-type selection must be", "usage", "type",
    "a type is cpu, memory, alloc, goroutine, mutex, block, wall or a full five-part id" },
  { "query start time is after end time", "usage", "range", "the window ends before it starts" },
  { "start time must be before end time", "usage", "range", "the window ends before it starts" },
  { "missing time range", "usage", "range", "give a start and an end" },
  { "step must be >= 1ms", "usage", "step", "a step is at least a millisecond" },
  { "invalid span id", "usage", "span_id", "a span id has 16 hexadecimal digits" },
  { "invalid trace id", "usage", "trace_id", "a trace id has 32 hexadecimal digits" },
  { "invalid UUID", "usage", "profile_id", "a profile id is a UUID" },
  { "cannot be combined", "usage", "filters" },
  { "name is required", "usage", "name", "name the label" },
  { "profile types must match", "usage", "type", "both sides need the same profile type" },
  { "^unmarshal message", "rpc", "invalid_argument",
    "the request did not arrive as it was sent: is something between here and the server "
    .. "rewriting it?" },
  { "expected 1 tenant", "usage", "tenant", "this question needs exactly one tenant" },
  { "no org id", "auth", "no_tenant",
    "the server has several tenants: name one with --tenant (tenant = \"...\" in the configuration)"
  },
  { "^tenant ID", "auth", "tenant", "a tenant is up to 150 letters, digits and !-_.*'()" },
  { "concurrency limit exceeded", "rpc", "overloaded", "the server is overloaded: try again" },
  { "only supported with the v2", "unsupported", "needs_v2",
    "this server keeps its profiles in the old storage (v1), which cannot do that" },
  { "not available in v1 frontend", "unsupported", "needs_v2",
    "this server (or the beginning of this window) is on the old storage (v1), which cannot do that"
  },
}

-- The error of a Connect answer {code, message}.
local function from_code(code, message, context)
  code, message = innermost(code, message)
  local text = plain(message, context.access)
  local kind, ours, hint = KINDS[code] or "rpc", code, nil
  for _, known in ipairs(KNOWN) do
    if text:find(known[1]) then
      kind, ours, hint = known[2], known[3], known[4]
      break
    end
  end
  local said = text ~= "" and text or "no reason given"
  if ours == "range_too_long" then
    local limit = text:match "limit: ([%w.]+)"
    hint = limit and ("the server answers about at most %s at once"):format(limit) or hint
  elseif ours == "max_nodes" and kind == "limit" then
    hint = ("the server allows at most %s nodes: --max-nodes %s (max_nodes)"):format(
      text:match "allowed (%d+)" or "fewer", text:match "allowed (%d+)" or "N")
  elseif ours == "selector" and text:find "{" then
    hint = plain(text:match '{.*}' or "", context.access) ~= "" and hint or nil
  elseif ours == "deadline_exceeded" then
    hint = "ask for a shorter window or name a service: the server gave up"
  elseif ours == "resource_exhausted" then
    hint = "the server or a gateway limits requests: try again later, or with --concurrency 1"
  elseif kind == "auth" and not hint then
    hint = context.access and context.access:advice(context.base)
  elseif ours == "unimplemented" then
    hint = "this version of the server cannot do that: pscope doctor"
  end
  local prefix = kind == "auth" and "the server refuses access"
    or ("the server refuses %s"):format(context.what)
  if kind == "rpc" or kind == "timeout" then prefix = ("%s failed"):format(context.what) end
  if kind == "unsupported" then prefix = ("the server cannot answer %s"):format(context.what) end
  return { kind = kind, code = ours, message = prefix .. ": " .. said, hint = hint,
    retryable = RETRYABLE[code] or nil, server = text }
end

local GRAFANA = "this is Grafana, not Pyroscope. Through Grafana the address is\n  "
  .. "<grafana>/api/datasources/proxy/uid/<uid of the Pyroscope data source>\nwith a service "
  .. "account token; or use the address of the Pyroscope server itself (often port 4040)"

local function title_of(html)
  local title = html:match "<[tT][iI][tT][lL][eE][^>]*>%s*(.-)%s*</"
  return title and title ~= "" and title or nil
end

local LOGIN = { "/cdn%-cgi/access/", "/login", "/signin", "/sign_in", "/sign%-in", "/oauth",
  "/saml", "/sso", "/auth/", "/authorize", "cloudflareaccess%.com", "accounts%.", "login%." }

local function to_login(location)
  local low = location:lower()
  for _, pattern in ipairs(LOGIN) do
    if low:find(pattern) then return true end
  end
  return false
end

-- 3xx: a login, https in place of http, or another place.
local function from_redirect(status, headers, context)
  local location = headers.location or ""
  local shown = location:gsub("[?#].*$", ""):gsub("://[^/@]*@", "://")
  local code = headers["cf-access-error"] and "access" or "login"
  if location == "/login" or shown:match "/login$" and headers["set-cookie"]
      and headers["set-cookie"]:find "redirect_to" then
    return { kind = "auth", code = "grafana",
      message = ("the address answers with a redirect to %s, as Grafana does"):format(shown),
      hint = GRAFANA }
  end
  if to_login(shown) or headers["cf-access-error"] then
    return { kind = "auth", code = code,
      message = ("a login is needed: HTTP %d leads to %s"):format(status, shown),
      hint = context.access:advice(context.base) }
  end
  return { kind = "http", code = "redirect",
    message = ("the address redirects (HTTP %d) to %s"):format(status,
      shown ~= "" and shown or "nowhere"),
    hint = "requests are not sent on: use the address that it leads to as url" }
end

local NAMES = { [400] = "Bad Request", [404] = "Not Found", [405] = "Method Not Allowed",
  [408] = "Request Timeout", [411] = "Length Required", [413] = "Request Entity Too Large",
  [414] = "URI Too Long", [415] = "Unsupported Media Type", [426] = "Upgrade Required",
  [429] = "Too Many Requests", [431] = "Request Header Fields Too Large",
  [500] = "Internal Server Error", [502] = "Bad Gateway", [503] = "Service Unavailable",
  [504] = "Gateway Timeout" }

-- What a body says besides its status: HTML's title, a JSON message, or its text.
local function words_of(body, content_type)
  local object = refusal.json(body)
  if object then
    local message = object.message or object.error
    return type(message) == "string" and message or nil, "json", object
  end
  if content_type:find "html" or body:match "^%s*<[!%a]" then return title_of(body), "html" end
  if content_type:find "^text/" or content_type == "" then return body, "text" end
  return nil, "other"
end

local ADDRESS = "is the address right? It is that of the server, without /ui and without a "
  .. "method;\nbehind a proxy with a path prefix it ends with the prefix"

-- By status, where no Connect code says it better.
local function from_status(status, headers, body, context)
  local content_type = (headers["content-type"] or ""):lower()
  local words, form, object = words_of(body, content_type)
  local said = words and plain(words, context.access) or ""
  local suffix = said ~= "" and said ~= "404 page not found" and ": " .. said or ""
  local fields = proxies.judge(status, said, form, body, context)
  if fields then return fields end
  local grafana = body:find("[Gg]rafana") and form == "html"
    or object and (object.traceID ~= nil or object.messageId ~= nil or object.accessErrorId ~= nil)
  if status == 401 or status == 407 then
    local wants = headers["www-authenticate"] and headers["www-authenticate"]:match "^%a+"
    local advice = context.access:advice(context.base)
    if wants and context.access.kind == "none" then
      advice = ("the server asks for %s authentication: %s"):format(wants,
        wants:lower() == "basic" and "give username and password" or "give a token")
    elseif wants and wants:lower() == "basic" and context.access.kind == "bearer token" then
      advice = "the server asks for user name and password, and a token was sent"
    end
    return { kind = "auth", code = "unauthenticated",
      message = "the server refuses the credentials (HTTP " .. status .. ")" .. suffix,
      hint = grafana and advice .. "\n" .. GRAFANA or advice }
  end
  if status == 403 then
    local advice = "the credentials are known but may not do this\n"
      .. context.access:advice(context.base)
    return { kind = "auth", code = "permission_denied",
      message = ("access to %s is forbidden (HTTP 403)%s"):format(context.what, suffix),
      hint = advice }
  end
  if status == 404 or status == 405 then
    local is_grafana = grafana or (object and object.message == "Not found")
    return { kind = "http", code = is_grafana and "grafana" or "not_found",
      message = ("there is no Pyroscope at %s (HTTP %d)%s"):format(context.base, status, suffix),
      hint = is_grafana and GRAFANA or ADDRESS }
  end
  if status == 415 then
    return { kind = "http", code = "content_type",
      message = ("something before the server refuses the content type of %s (HTTP 415)"):format(
        context.what), hint = ADDRESS }
  end
  if status == 413 or status == 414 or status == 431 then
    return { kind = "http", code = "too_large",
      message = ("a gateway refuses the request as too large (HTTP %d)%s"):format(status, suffix),
      hint = "shorten the selector or the headers" }
  end
  if status == 504 or status == 408 then
    return { kind = "timeout", code = "gateway_timeout", retryable = true,
      message = ("a gateway gave up waiting for the server (HTTP %d)%s"):format(status, suffix),
      hint = "ask for a shorter window, or name a service" }
  end
  if status == 429 then
    return { kind = "http", code = "too_many_requests", retryable = true,
      message = "too many requests (HTTP 429)" .. suffix,
      hint = "try again later, or with --concurrency 1" }
  end
  if status == 502 or status == 503 then
    return { kind = "http", code = "gateway", retryable = true,
      message = ("a gateway answers, the server behind it does not (HTTP %d)%s"):format(status,
        suffix), hint = "is the server up? Try again in a moment: pscope doctor" }
  end
  if status == 400 and said == "Authentication to data source failed" then
    return { kind = "auth", code = "data_source",
      message = "Grafana reaches the server but is refused there: " .. said,
      hint = "the credentials are those of the data source, in Grafana's configuration" }
  end
  return { kind = "http", code = tostring(status),
    message = ("%s failed with HTTP %d%s"):format(context.what, status,
      suffix ~= "" and suffix or NAMES[status] and " " .. NAMES[status] or ""),
    hint = status >= 500 and "try again in a moment: pscope doctor" or ADDRESS,
    retryable = status >= 500 or nil }
end

-- 200 with something else than an answer in it.
local function from_page(headers, body, context)
  local content_type = (headers["content-type"] or ""):lower()
  local html = content_type:find "html" or body:match "^%s*<[!%a]"
  if html then
    local title = title_of(body)
    local shown = title and (" \"%s\""):format(plain(title, context.access)) or ""
    if title and title:find "Grafana" then
      return { kind = "http", code = "grafana",
        message = "the address answers with Grafana's web page" .. shown, hint = GRAFANA }
    end
    return { kind = "auth", code = "login_page",
      message = ("an HTML page%s came in place of an answer: probably a login page"):format(shown),
      hint = context.access:advice(context.base) .. "\nor " .. ADDRESS }
  end
  return { kind = "http", code = "content_type",
    message = ("the answer to %s is %s, not what was asked for"):format(context.what,
      content_type ~= "" and plain(content_type) or "of no type"),
    hint = ADDRESS }
end

---@class pyroscope.refusal.context
---@field access table      whose credentials are never shown
---@field base string       address of the server
---@field what string       what was asked: "SelectSeries"
---@field url string
---@field method string

--- The error of an answer whose status is not 200, or that is no answer.
---@param response table        status, headers, tries
---@param body string           its beginning
---@param context pyroscope.refusal.context
---@return pyroscope.error
function refusal.of(response, body, context)
  local status, headers = response.status, response.headers
  local object = refusal.json(body)
  local fields
  if object and type(object.code) == "string" and (type(object.message) == "string"
      or object.message == nil) then
    fields = from_code(object.code, object.message or "", context)
    if object.code == "unimplemented" and status == 404 then fields.kind = "unsupported" end
  elseif status == 200 then
    fields = from_page(headers, body, context)
  elseif status >= 300 and status < 400 then
    fields = from_redirect(status, headers, context)
  elseif status == 403 and headers["cf-access-error"] then
    fields = { kind = "auth", code = "access", message = "Cloudflare Access refuses (HTTP 403)",
      hint = context.access:advice(context.base) }
  else
    fields = from_status(status, headers, body, context)
  end
  fields.status, fields.url, fields.method = status, context.url, context.method
  fields.tries, fields.rpc = response.tries, context.what
  return errors.new(fields)
end

--- Adds the next step to an error of the transport.
---@param err pyroscope.error
---@param context pyroscope.refusal.context
---@return pyroscope.error
function refusal.transport(err, context)
  local hints = {
    refused = "nothing listens there: is the server up, and is the port right (Pyroscope's is "
      .. "4040)?",
    dns = "is the name right, and are you in the right network or VPN?",
    no_route = "are you in the right network or VPN?",
    connect_timeout = "is the address right? A firewall or a missing VPN looks like this",
    reset = "was https meant (or http)? Is something else listening there?",
    tls = "is it https there, and is the certificate's authority known? ca_file names another one",
    proxy = "is the proxy right? `proxy = \"\"` goes without one",
    total = "ask for a shorter window, name a service, or raise --timeout",
    silent = "the server said nothing for 30 s: ask for a shorter window, or name a service",
    max_bytes = "ask for a shorter window, fewer services, or fewer nodes with --max-nodes",
    cut_off = "the connection ended in the middle of the answer: try again; a gateway may limit "
      .. "time or size",
  }
  local fields = { url = context.url, method = context.method, rpc = context.what,
    hint = err.hint or hints[err.code] }
  if err.code == "max_bytes" then
    fields.message = ("the answer to %s is too large: %s"):format(context.what, err.message)
  elseif err.code == "cut_off" or err.code == "bad_encoding" then
    fields.message = ("the answer to %s is broken: %s"):format(context.what, err.message)
  elseif err.kind == "unreachable" and not err.message:find(context.base, 1, true) then
    fields.message = ("cannot reach %s: %s"):format(context.base, err.message)
  elseif err.kind == "timeout" then
    fields.message = ("%s: %s"):format(context.what, err.message)
  end
  if err.kind == "unreachable" and context.base == "http://localhost:4040" then
    fields.hint = (fields.hint and fields.hint .. "\n" or "") .. "another server: --source URL, "
      .. "PYROSCOPE_URL, or a configuration file (pscope config init)"
  end
  if err.kind == "unreachable" and context.access.kind == "access command" then
    fields.hint = (fields.hint and fields.hint .. "\n" or "") .. context.access:advice(context.base)
  end
  return errors.wrap(err, fields)
end

return refusal
