--- The server of http_spec and transport_spec: the query of a request says how it is answered.
---   lua5.4 spec/support/misbehaving.lua [tls CERT KEY [CA] | unix PATH]
--- With CA clients need a certificate. Parameters: status, size (bytes of body), body, seed (bytes
--- that do not compress), type, location, retry_after, date, header=Name:value, key and statuses
--- (one after the other for each key), and whatever `httpd` can do: delay, cut, length, chunked,
--- stall=N:S, gzip, reset, hangup, close, never, http10, raw.

local httpd = require "spec.support.httpd"

local seen = {} -- key -> how many requests

local function incompressible(size, seed)
  local parts, state = {}, seed
  for i = 1, size do
    state = (state * 1103515245 + 12345) % 2147483648
    parts[i] = string.char(state >> 16 & 255)
  end
  return table.concat(parts)
end

local bombs = {}

local function body_of(q)
  if q.body then return q.body end
  local size = math.tointeger(q.size or 0)
  if q.seed then return incompressible(size, math.tointeger(q.seed)) end
  return ("x"):rep(size)
end

local function echo(request)
  local lines = { request.method .. " " .. request.target }
  for name, value in pairs(request.headers) do lines[#lines + 1] = name .. ": " .. value end
  return table.concat(lines, "\n") .. "\n\n" .. request.body
end

local paths = {}

paths["/stats"] = function(_, server)
  return 200, {}, ("accepted=%d requests=%d most_open=%d"):format(server.accepted,
    server.requests, server.most_open)
end

paths["/reset_stats"] = function(_, server)
  server.accepted, server.requests, server.most_open = 0, 0, 0
  return 200
end

paths["/echo"] = function(request)
  return 200, { ["Content-Type"] = "text/plain" }, echo(request)
end

paths["/loop"] = function() return 302, { Location = "/loop" } end

-- n header lines of a kilobyte each.
paths["/heads"] = function(request)
  local values = {}
  for i = 1, math.tointeger(request.query.n) do values[i] = ("y"):rep(1000) end
  return 200, { ["X-1"] = values }
end

-- A proxy that does not let anything through.
local function connect() return 407, {}, "" end

-- Much that inflates from little.
paths["/bomb"] = function(request)
  local size = math.tointeger(request.query.size)
  bombs[size] = bombs[size] or require "pyroscope.core".gzip(("\0"):rep(size))
  return 200, { ["Content-Encoding"] = "gzip" }, bombs[size]
end

-- gzip that is broken in a way of its own.
paths["/gzip"] = function(request)
  local core = require "pyroscope.core"
  local bytes = core.gzip(incompressible(3000, 7))
  local how = request.query.how
  if how == "short" then bytes = bytes:sub(1, -101) end
  if how == "trailer" then bytes = bytes:sub(1, -5) end
  if how == "sum" then bytes = bytes:sub(1, -9) .. "\0\0\0\0" .. bytes:sub(-4) end
  if how == "two" then bytes = bytes .. core.gzip "second" end
  if how == "padded" then bytes = bytes .. ("\0"):rep(512) end
  if how == "rubbish" then bytes = bytes .. "rubbish" end
  if how == "none" then bytes = "this is no gzip" end
  if how == "empty" then bytes = "" end
  return 200, { ["Content-Encoding"] = "gzip" }, bytes,
    { chunked = tonumber(request.query.chunked) }
end

local function number(text) return text and tonumber(text) end

local function how_of(q)
  local n, s = (q.stall or ""):match "^(%d+):([%d.]+)$"
  return { delay = number(q.delay), cut = math.tointeger(q.cut), length = math.tointeger(q.length),
    chunked = math.tointeger(q.chunked), gzip = q.gzip ~= nil, reset = q.reset ~= nil,
    close = q.close ~= nil, never = q.never ~= nil, http10 = q.http10 ~= nil, raw = q.raw,
    hangup = q.hangup ~= nil, stall = n and { math.tointeger(n), tonumber(s) } }
end

-- The status for this request of its key; "hangup" and "reset" are statuses too.
local function status_of(q)
  if not q.statuses then return q.status or "200" end
  seen[q.key] = (seen[q.key] or 0) + 1
  local list = {}
  for word in q.statuses:gmatch "[^,]+" do list[#list + 1] = word end
  return list[math.min(seen[q.key], #list)]
end

paths["/seen"] = function(request) return 200, {}, tostring(seen[request.query.key] or 0) end

local function handle(request, server)
  if request.method == "CONNECT" then return connect() end
  local own = paths[request.path]
  if own then return own(request, server) end
  local q = request.query
  local status, how = status_of(q), how_of(q)
  if status == "reset" then return nil, nil, nil, { hangup = true, reset = true } end
  if status == "hangup" then return nil, nil, nil, { hangup = true } end
  local headers = { ["Content-Type"] = q.type, Location = q.location, Date = q.date,
    ["Retry-After"] = q.retry_after }
  if q.header then
    local name, value = q.header:match "^([^:]+):(.*)$"
    headers[name] = value
  end
  if q.twice then headers["X-Twice"] = { "one", "two" } end
  return math.tointeger(status), headers, body_of(q), how
end

local kind, a, b, c = ...
local options = {}
if kind == "tls" then
  options.tls = { mode = "server", protocol = "any", certificate = a, key = b,
    options = { "all", "no_sslv2", "no_sslv3" } }
  if c then
    options.tls.cafile, options.tls.verify = c, { "peer", "fail_if_no_peer_cert" }
  end
elseif kind == "unix" then
  options.unix = a
end
httpd.serve(handle, options)
