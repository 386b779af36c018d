--- A client: a Pyroscope server as a source. Nothing is sent before the first question.

local access = require "pyroscope.source.server.access"
local check = require "pyroscope.check"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local ranges = require "pyroscope.source.server.ranges"
local rpc = require "pyroscope.source.server.rpc"
local schema = require "pyroscope.source.server.options"
local shared = require "pyroscope.source.shared"
local timespec = require "pyroscope.timespec"

---@class pyroscope.client: pyroscope.source
---@field base string             address, without credentials
---@field on_wait? fun(client: pyroscope.client, seconds: number): boolean?
---  called instead of `client:poll(seconds)` while waiting; true cancels
---@field on_answer? fun(client: pyroscope.client, method: string, told: { bytes?: integer, ms?:
---  number, cached?: boolean, failed?: boolean })
---  called for every answer, or when there is none
local client = {}

local meta = { __name = "pyroscope.client", __index = client }

function meta.__tostring(self)
  return ("pyroscope.client: %s (%s, %s)"):format(self.name, self.base, self.access.kind)
end

-- Connecting --------------------------------------------------------------------------------

local function refuse(message, hint)
  return nil, errors.new { kind = "config", message = message, hint = hint, code = "bad_url" }
end

-- What follows the address of a server in pasted URLs.
local TAILS = { "/querier%.v1%.QuerierService.*$", "/pyroscope/render.*$", "/ready$", "/ui$",
  "/explore$" }

-- Address without credentials and trailing slash; credentials in it are the user's own.
local function address_of(options)
  local url = options.url
  if (not url or url == "") and options.unix_socket then url = "http://localhost" end
  if not url or url == "" then
    return refuse("no url: whom should be asked?",
      'connect { url = "http://localhost:4040" }, or --source URL')
  end
  local scheme, rest = url:match "^(%a[%w+.-]*)://(.*)$"
  if not scheme then
    return refuse(("'%s' is not a URL"):format((url:gsub("^[^/@]*@", "…@"))),
      "it begins with http:// or https://")
  end
  if scheme:lower() ~= "http" and scheme:lower() ~= "https" then
    return refuse(("'%s' addresses cannot be asked"):format(scheme), "use http or https")
  end
  local user, host = rest:match "^([^/?#]*)@(.*)$"
  if user then rest = host end
  if rest:find "[?#]" then
    return refuse("the url has a query or a fragment", "leave out what follows ? or #")
  end
  if rest:match "^[/:]" or rest == "" or rest:find "[%s%c]" then
    return refuse("the url has no host, or a blank in it", "http://HOST:PORT")
  end
  local base = (scheme:lower() .. "://" .. rest):gsub("/+$", "")
  for _, tail in ipairs(TAILS) do
    local cut = base:gsub(tail, "")
    if cut:match "^https?://[^/]" then base = cut end
  end
  return base:gsub("/+$", ""), user
end

local function unescape(text)
  return text and (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function seconds_of(options, name, default)
  local value = options[name]
  if value == nil then return default end
  local ms, err = timespec.duration(value)
  if not ms then
    return nil, errors.wrap(err, { kind = "config", message = name .. ": " .. err.message })
  end
  return ms / 1000
end

local function is_url(text)
  return text:find "^%a[%w+.-]*://" ~= nil
end

-- Grafana and Perses in place of a server: its data source is found by the first question. A file
-- of Perses holds everything.
local function through(given)
  local named = {}
  for _, name in ipairs(schema.address) do
    if given[name] then named[#named + 1] = name end
  end
  if #named > 1 then
    return refuse(("%s: only one of them says where to ask"):format(table.concat(named, " and ")))
  end
  if not given.grafana and not given.perses then
    if given.datasource or given.project then
      return refuse("a datasource needs grafana = URL or perses = URL beside it",
        "with --source URL the URL is taken for Grafana's")
    end
    return given
  end
  if given.grafana or is_url(given.perses) then
    local key = given.grafana and "grafana" or "perses"
    local gate = require("pyroscope.source.server." .. key)
    local scheme, user, rest = given[key]:match "^(%a[%w+.-]*://)([^/?#]*@)(.*)$"
    given.url = scheme and scheme .. user .. require "pyroscope.source.shared".root_of(rest)
      or require "pyroscope.source.shared".root_of(given[key])
    if scheme then given[key] = scheme .. rest end
    return given, gate.gate(given)
  end
  local values, err = require "pyroscope.source.server.perses".file(given)
  if not values then return nil, err end
  given.url, given.allowed = values.url, values.allowed
  if values.headers then
    -- what the caller says replaces only the same names
    local headers = {}
    for name, value in pairs(values.headers) do headers[name] = value end
    for name, value in pairs(given.headers or {}) do
      for other in pairs(values.headers) do
        if other:lower() == name:lower() then headers[other] = nil end
      end
      headers[name] = value
    end
    given.headers = headers
  end
  return given
end

--- Makes a client from options (see `source/server/options.lua`); nothing is sent.
---@param options table
---@param level? integer     of the caller to blame
---@return pyroscope.client? client
---@return pyroscope.error? err
local function connect(options, level)
  options = check.options("connect", options, schema.types, (level or 1) + 1)
  local given = {}
  for name, value in pairs(options) do
    if value ~= "" then given[name] = value end -- an empty text is "not set"
  end
  for _, name in ipairs { "concurrency", "max_bytes" } do
    if given[name] and given[name] < 1 then
      return nil, errors.new { kind = "config", message = name .. " must be above 0" }
    end
  end
  local gate
  given, gate = through(given)
  if not given then return nil, gate end
  local base, user = address_of(given)
  if not base then return nil, user end
  if user and not given.username then
    given.username, given.password = unescape(user:match "^[^:]*"), unescape(user:match ":(.*)$")
  end
  local connect_timeout, timeout, err
  connect_timeout, err = seconds_of(given, "connect_timeout", 5)
  if not connect_timeout then return nil, err end
  timeout, err = seconds_of(given, "timeout", 60)
  if not timeout then return nil, err end
  local credentials
  credentials, err = access.new(given)
  if not credentials then return nil, err end
  local kept = {}
  for _, name in ipairs { "concurrency", "cache", "compress", "proxy", "unix_socket", "ca_file",
    "client_cert", "client_key", "max_bytes", "diagnostics" } do
    kept[name] = given[name]
  end
  local self = setmetatable({ kind = "client", base = base,
    name = given.name or base:match "^%a+://(.*)$", access = credentials, options = kept,
    gate = gate, via = gate and gate.via, allowed = given.allowed,
    connect_timeout = connect_timeout, timeout = timeout, range_ms = ranges.DAY,
    agent = "pscope/" .. core.version }, meta)
  self.poller = function(seconds)
    if self.on_wait then return self.on_wait(self, seconds) end
    self:poll(seconds)
  end
  return self
end

--- Lets requests move for a while; for those who wait by themselves.
---@param seconds number
---@param fds? table<integer, "r"|"w"|"rw">
---@return table? ready
function client:poll(seconds, fds)
  if not self.transport then return nil end
  return self.transport:poll(seconds, fds)
end

--- What is in flight, and what came so far.
---@return { running: integer, queued: integer, waiting: integer, received: integer,
---  requests: integer, finished: integer }
function client:status()
  if not self.transport then
    return { running = 0, queued = 0, waiting = 0, received = 0, requests = 0, finished = 0 }
  end
  local status = self.transport:status()
  status.received = (status.received or 0) + self.transport.counters.received
  status.requests, status.finished = self.transport.counters.requests,
    self.transport.counters.finished
  return status
end

--- Requests made so far, with `client.explain = true` set before the first: method, url, status,
--- ms, bytes, tries.
---@return pyroscope.transport.entry[]
function client:log()
  return self.transport and self.transport.log or {}
end

--- Cancels what is in flight: calls that wait get errors of kind `cancelled`.
function client:cancel()
  if self.transport then self.transport:cancel() end
end

--- Cancels what is in flight and closes all connections; twice is fine.
function client:close()
  if self.transport then self.transport:close() end
  self.transport = nil
end

meta.__close = client.close
meta.__gc = client.close

-- Questions ---------------------------------------------------------------------------------

--- Any RPC, wire names in and out.
---@param method string
---@param request? table
---@return table? answer
---@return pyroscope.error? err
function client:call(method, request)
  local methods = core.methods()
  if not methods[method] then
    local near = check.suggestion(method, shared.sorted(methods))
    return nil, errors.new { kind = "usage", code = "method",
      message = ("there is no method '%s'%s"):format(method, near ~= "" and " " .. near or ""),
      hint = "methods: " .. table.concat(shared.sorted(methods), ", ") }
  end
  return rpc.call(self, method, request or {}, { raw = true })
end

--- The raw answer of a path of the server, by GET; parameters are { name, value } pairs.
---@param path string
---@param parameters? table[]
---@return string? bytes
---@return pyroscope.error? err
function client:get(path, parameters)
  local response, err = rpc.get(self, path, parameters,
    { max_bytes = self.options.max_bytes or 536870912 })
  if not response then return nil, err end
  if type(response.body) == "string" then return response.body end
  return (response.body:string())
end

--- The raw answer of a path of the server, by POST with a JSON body.
---@param path string
---@param body string
---@return string? bytes
---@return pyroscope.error? err
function client:post(path, body)
  local response, err = rpc.post(self, path, body,
    { max_bytes = self.options.max_bytes or 536870912 })
  if not response then return nil, err end
  return rpc.text(response)
end

--- What a Perses data source does not let through of what we may ask: "METHOD PATH" each.
---@return string[]? paths   nil: everything is let through
function client:blocked()
  if not self.allowed then return nil end
  local allows, list = require "pyroscope.config.perses".allows, {}
  local methods = core.methods()
  for _, name in ipairs(shared.sorted(methods)) do
    if not allows(self.allowed, "POST", methods[name].path) then
      list[#list + 1] = "POST " .. methods[name].path
    end
  end
  for _, path in ipairs { "/pyroscope/render", "/pyroscope/render-diff" } do
    if not allows(self.allowed, "GET", path) then list[#list + 1] = "GET " .. path end
  end
  return list
end

--- Version, storage and features; asked once.
---@return { version?: string, storage?: "v1"|"v2"|"dual", features: table,
---  clock_skew_ms?: integer }? server
---@return pyroscope.error? err
function client:server()
  if not self.known_server then
    local found, err = require "pyroscope.source.server.version".of(self)
    if not found then return nil, err end
    self.known_server = found
  end
  return self.known_server
end

--- Compares two questions: both sides are fetched together and aligned here; with
--- `server = true` in either, the server aligns them (its Diff).
---@param before pyroscope.query
---@param after pyroscope.query
---@param options? table      those of `pyroscope.diff`
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function client:diff(before, after, options)
  return require "pyroscope.source.server.compare".diff(self, before, after, options)
end

-- Which file has which method: read when one of them is called, since starting is felt and most
-- runs need two of the files.
local PARTS = {
  lists = { "label_sets", "profile_types", "label_names", "label_values", "series", "stats" },
  profiles = { "pprof", "exact", "profile", "profiles" },
  series = { "timeline", "count", "profile_counts", "top_series", "exemplars", "heatmap" },
  services = { "services" },
  absence = { "absence" },
  legacy = { "render", "dot" },
  link = { "link" },
}

for part, names in pairs(PARTS) do
  for _, name in ipairs(names) do
    client[name] = function(...)
      for method, f in pairs(require("pyroscope.source.server." .. part)) do client[method] = f end
      return client[name](...)
    end
  end
end

--- Functions that run at the same time, each waiting as if it were alone; their packed results.
---@param functions (fun(): ...)[]
---@return table[]
function client.together(_, functions)
  return flight.all(functions)
end

return { connect = connect }
