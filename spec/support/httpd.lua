--- A small HTTP server for specs, in a process of its own: handlers are Lua functions, and it can
--- misbehave in every way that a client has to bear. Loopback only.
---
---     local httpd = require "spec.support.httpd"
---     httpd.serve(function(request, server)
---       return 200, { ["Content-Type"] = "text/plain" }, "hello", { delay = 0.1 }
---     end)
---
--- `request`: method, target (as it came: an address for proxies), path, query (decoded table),
--- query_text, version, headers (lower-case names), body, connection (1 for the first accepted),
--- number (1 for the first request on it).
--- `server`: accepted, requests, open, most_open (requests being answered at the same time).
---
--- The fourth result says how to misbehave; everything is optional and may be combined:
---   delay = seconds      before the first byte         never = true   no byte at all
---   cut = n              closes after n bytes of body  reset = true   closes with RST instead
---   length = n           a wrong Content-Length        close = true   closes after the answer
---   chunked = n          chunks of n bytes             http10 = true  answers in HTTP/1.0
---   stall = { n, s }     s seconds of silence after n bytes of the body
---   gzip = true          compresses the body           raw = bytes    sends just these
---   hangup = true        closes without an answer (with `reset`: by RST)

local socket = require "socket"

local httpd = {}

local IDLE = 300 -- a server that was left behind ends itself

local reasons = { [200] = "OK", [204] = "No Content", [301] = "Moved Permanently",
  [302] = "Found", [303] = "See Other", [304] = "Not Modified", [307] = "Temporary Redirect",
  [308] = "Permanent Redirect", [400] = "Bad Request", [401] = "Unauthorized",
  [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed",
  [415] = "Unsupported Media Type", [429] = "Too Many Requests",
  [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout" }

-- Requests ---------------------------------------------------------------------------------------

local function decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end))
end

--- Parameters of a query string or a form; the last of a name wins.
---@param text string
---@return table<string, string>
function httpd.parameters(text)
  local found = {}
  for name, value in text:gmatch "([^&=]+)=?([^&]*)" do found[decode(name)] = decode(value) end
  return found
end

-- A chunked body that begins at `at`: the body and where it ends, or nil while it is not complete.
local function dechunk(input, at)
  local parts = {}
  while true do
    local s, e, size = input:find("^(%x+)[^\r\n]*\r\n", at)
    if not s then return nil end
    size = tonumber(size, 16)
    at = e + 1
    if size == 0 then
      local _, stop = input:find("\r\n", at, true) -- no trailers are expected
      if not stop then return nil end
      return table.concat(parts), stop + 1
    end
    if #input < at + size + 1 then return nil end
    parts[#parts + 1] = input:sub(at, at + size - 1)
    at = at + size + 2
  end
end

-- Takes the first request out of the connection's input; nil while it is not complete.
local function parse(conn)
  local s, e = conn.input:find("\r\n\r\n", 1, true)
  if not s then return conn.input:find "^[^%u]" and { bad = true } or nil end
  local head = conn.input:sub(1, s + 1)
  local method, target, version = head:match "^(%S+) (%S+) HTTP/(%d%.%d)\r\n"
  if not method then return { bad = true } end
  local headers = {}
  for name, value in head:gmatch "\r\n([^:\r\n]+):[ \t]*([^\r\n]*)" do
    name = name:lower()
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  local body, rest
  if (headers["transfer-encoding"] or ""):lower():find("chunked", 1, true) then
    body, rest = dechunk(conn.input, e + 1)
    if not body then return nil end
  else
    local length = tonumber(headers["content-length"] or 0)
    if #conn.input < e + length then return nil end
    body, rest = conn.input:sub(e + 1, e + length), e + length + 1
  end
  conn.input = conn.input:sub(rest)
  local path, query = target:gsub("^%a+://[^/]+", ""):match "^([^?]*)%??(.*)$"
  return { method = method, target = target, path = path, query = httpd.parameters(query),
    query_text = query, version = version, headers = headers, body = body }
end

-- Answers: a list of things to do, in order -------------------------------------------------------

local function pieces_of(body, how)
  local pieces = {}
  local function add(text)
    if text == "" then return end
    if not how.chunked then pieces[#pieces + 1] = text return end
    for i = 1, #text, how.chunked do
      local piece = text:sub(i, i + how.chunked - 1)
      pieces[#pieces + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    end
  end
  local sent = how.cut and body:sub(1, how.cut) or body
  if how.stall then
    add(sent:sub(1, how.stall[1]))
    pieces[#pieces + 1] = { wait = how.stall[2] }
    sent = sent:sub(how.stall[1] + 1)
  end
  add(sent)
  if how.chunked and not how.cut then pieces[#pieces + 1] = "0\r\n\r\n" end
  return pieces
end

local function has(headers, name)
  for known in pairs(headers) do
    if known:lower() == name then return true end
  end
  return false
end

local function head_of(request, status, headers, body, how)
  local lines = { ("HTTP/%s %d %s"):format(how.http10 and "1.0" or "1.1", status,
    reasons[status] or "Status") }
  local names = {}
  for name in pairs(headers) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = headers[name]
    if type(values) ~= "table" then values = { values } end
    for _, value in ipairs(values) do lines[#lines + 1] = name .. ": " .. value end
  end
  local empty = status == 204 or status == 304
  if how.chunked then
    lines[#lines + 1] = "Transfer-Encoding: chunked"
  elseif not empty and not how.http10 and not has(headers, "content-length") then
    lines[#lines + 1] = "Content-Length: " .. (how.length or #body)
  end
  if how.close or how.http10 then lines[#lines + 1] = "Connection: close" end
  return table.concat(lines, "\r\n") .. "\r\n\r\n", empty or request.method == "HEAD"
end

local function answer(request, status, headers, body, how)
  headers, body, how = headers or {}, body or "", how or {}
  local plan = {}
  local function add(step) plan[#plan + 1] = step end
  if how.never then return { { wait = math.huge } } end
  if how.delay then add { wait = how.delay } end
  if how.hangup then add { close = true, reset = how.reset } return plan end
  if how.raw then
    add(how.raw)
    add { close = true, reset = how.reset }
    return plan
  end
  if how.gzip then
    body = require "pyroscope.core".gzip(body)
    local copy = { ["Content-Encoding"] = "gzip" }
    for name, value in pairs(headers) do copy[name] = value end
    headers = copy
  end
  local head, bare = head_of(request, status, headers, body, how)
  add(head)
  if not bare then
    for _, piece in ipairs(pieces_of(body, how)) do add(piece) end
  end
  local asked = (request.headers.connection or ""):lower()
  if how.cut or how.close or how.http10 or how.reset or asked == "close"
      or (request.version == "1.0" and asked ~= "keep-alive") then
    -- what was sent before a reset should arrive, or the reset overtakes it
    if how.reset then add { wait = 0.05 } end
    add { close = true, reset = how.reset }
  end
  return plan
end

-- Connections ------------------------------------------------------------------------------------

local server_methods = {}
local server_meta = { __index = server_methods }

function server_methods:drop(conn, reset)
  if reset then pcall(conn.sock.setoption, conn.sock, "linger", { on = true, timeout = 0 }) end
  conn.sock:close()
  self.connections[conn.sock] = nil
  if conn.busy then self.open = self.open - 1 end
end

function server_methods:accept()
  local sock = self.listener:accept()
  if not sock then return end
  sock:settimeout(0)
  if not self.unix then sock:setoption("tcp-nodelay", true) end
  self.accepted = self.accepted + 1
  local conn = { input = "", plan = {}, step = 1, number = 0, id = self.accepted }
  if self.tls then
    sock = assert(require "ssl".wrap(sock, self.tls))
    sock:settimeout(0)
    conn.handshake = true
  end
  conn.sock = sock
  self.connections[sock] = conn
end

-- True when the connection can be used; false while it is on its way or gone.
function server_methods:shake(conn)
  if not conn.handshake then return true end
  local ok, err = conn.sock:dohandshake()
  if ok then
    conn.handshake, conn.wants_write = nil, nil
    return true
  end
  conn.wants_write = err == "wantwrite"
  if err ~= "wantread" and err ~= "wantwrite" then
    -- the reset that closing causes would overtake the alert that says why
    conn.failed, conn.handshake, conn.plan, conn.step = true, nil, { { wait = 0.05 } }, 1
    conn.plan[2] = { close = true }
    self:write(conn)
  end
  return false
end

function server_methods:read(conn)
  if not self:shake(conn) then return end
  while true do
    local data, err, part = conn.sock:receive(65536)
    conn.input = conn.input .. (data or part or "")
    if not data then
      if err == "closed" or (err ~= "timeout" and err ~= "wantread" and err ~= "wantwrite") then
        return self:drop(conn)
      end
      break
    end
  end
  self:serve(conn)
end

-- Answers the next request of the input, once the last one is answered.
function server_methods:serve(conn)
  if conn.plan[conn.step] then return end
  local request = parse(conn)
  if not request then return end
  self.requests, conn.number = self.requests + 1, conn.number + 1
  if request.bad then
    conn.plan, conn.step = { "HTTP/1.1 400 Bad Request\r\n\r\n", { close = true } }, 1
    return
  end
  request.connection, request.number = conn.id, conn.number
  self.open = self.open + 1
  self.most_open = math.max(self.most_open, self.open)
  conn.busy = true
  local function failed(message) return debug.traceback(message, 2) end
  local result = table.pack(xpcall(self.handler, failed, request, self))
  if not result[1] then
    io.stderr:write(tostring(result[2]), "\n")
    result = { true, 500, { ["Content-Type"] = "text/plain" }, tostring(result[2]) }
  end
  conn.plan, conn.step = answer(request, table.unpack(result, 2, 5)), 1
  conn.sent = 0
  self:write(conn)
end

-- Goes through the plan as far as it can.
function server_methods:write(conn)
  while self.connections[conn.sock] do
    local step = conn.plan[conn.step]
    if step == nil then
      if conn.busy then conn.busy, self.open = nil, self.open - 1 end
      return self:serve(conn)
    elseif type(step) == "string" then
      local upto, err, part = conn.sock:send(step, (conn.sent or 0) + 1)
      conn.sent = upto or part or conn.sent
      if not upto and err ~= "timeout" and err ~= "wantwrite" and err ~= "wantread" then
        return self:drop(conn)
      end
      if not upto or upto < #step then return end
      conn.step, conn.sent = conn.step + 1, 0
    elseif step.close then
      return self:drop(conn, step.reset)
    else
      local now = socket.gettime()
      conn.wake = conn.wake or now + step.wait
      if now < conn.wake then return end
      conn.step, conn.wake = conn.step + 1, nil
    end
  end
end

-- One round: what can be read, what can be written, whose time has come.
function server_methods:round()
  local reading, writing, now = { self.listener }, {}, socket.gettime()
  local wait = 1
  for sock, conn in pairs(self.connections) do
    if not conn.failed then reading[#reading + 1] = sock end
    if conn.wants_write or (not conn.handshake and type(conn.plan[conn.step]) == "string") then
      writing[#writing + 1] = sock
    end
    if conn.wake then wait = math.min(wait, math.max(0, conn.wake - now)) end
  end
  local readable, writable = socket.select(reading, writing, wait)
  for _, sock in ipairs(writable) do
    local conn = self.connections[sock]
    if conn and self:shake(conn) then self:write(conn) end
  end
  for _, sock in ipairs(readable) do
    if sock == self.listener then
      self:accept()
    elseif self.connections[sock] then
      self:read(self.connections[sock])
    end
  end
  now = socket.gettime()
  local due = {}
  for _, conn in pairs(self.connections) do
    if conn.wake and conn.wake <= now then due[#due + 1] = conn end
  end
  for _, conn in ipairs(due) do self:write(conn) end
  if #readable > 0 or #writable > 0 then self.active_at = now end
end

--- Serves for ever. `options.tls`: parameters of LuaSec's `ssl.wrap`; `options.unix`: the path of a
--- socket instead of a port; `options.announce`: false keeps the first line (the port) back.
---@param handler fun(request: table, server: table): integer, table?, string?, table?
---@param options? { tls?: table, unix?: string, announce?: boolean }
function httpd.serve(handler, options)
  options = options or {}
  local listener, port
  if options.unix then
    os.remove(options.unix)
    listener = require "socket.unix"()
    assert(listener:bind(options.unix))
    assert(listener:listen(128))
    port = options.unix
  else
    listener = assert(socket.tcp4())
    listener:setoption("reuseaddr", true)
    assert(listener:bind("127.0.0.1", 0))
    assert(listener:listen(128))
    port = select(2, listener:getsockname())
  end
  listener:settimeout(0)
  local server = setmetatable({ listener = listener, handler = handler, tls = options.tls,
    unix = options.unix, connections = {}, accepted = 0, requests = 0, open = 0, most_open = 0,
    active_at = socket.gettime() }, server_meta)
  if options.announce ~= false then
    io.stdout:write(("%s\n"):format(port))
    io.stdout:flush()
  end
  while socket.gettime() - server.active_at < IDLE do server:round() end
end

return httpd
