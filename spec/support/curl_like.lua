#!/usr/bin/env lua5.4
--- An access command for specs: takes a URL and the arguments of curl that matter, as
--- `cloudflared access curl` does. Modes come before the URL: `wrap` sends the request with a
--- token of its own, `token` prints that token, `fail` refuses, `bare` leaves the headers out,
--- `hang` never ends.

local http = require "socket.http"
local ltn12 = require "ltn12"

local mode, url = arg[1], arg[2]
local TOKEN = "eyJhbGciOi.example-token.c2lnbmF0dXJl"

if mode == "token" then
  io.write(TOKEN, "\n")
  os.exit(0)
elseif mode == "fail" then
  io.stderr:write("Unable to find token for provided application. Please run login command\n")
  os.exit(1)
elseif mode == "hang" then
  require "socket".sleep(30)
end

local request = { url = url, method = "GET", headers = { ["Cf-Access-Token"] = TOKEN } }
local body
local function header(line)
  local name, value = line:match "^([^:]+):%s*(.*)$"
  request.headers[name] = value
end
local include = false
local i = 3
while arg[i] do
  local name, value = arg[i], arg[i + 1]
  if name == "--include" or name == "-i" then
    include = true
  elseif name == "--request" or name == "-X" then
    request.method, i = value, i + 1
  elseif name == "--header" or name == "-H" then
    header(value)
    i = i + 1
  elseif name == "--data-binary" then
    local file = assert(io.open(value:sub(2), "rb"))
    body = file:read "a"
    file:close()
    i = i + 1
  elseif name == "--config" then
    for line in io.lines(value) do
      local text = line:match '^header = "(.*)"$'
      if text then header((text:gsub("\\(.)", "%1"))) end
    end
    i = i + 1
  elseif name == "--max-time" or name == "--connect-timeout" then
    i = i + 1
  end
  i = i + 1
end
if body then
  request.source = ltn12.source.string(body)
  request.headers["Content-Length"] = #body
end
local chunks = {}
request.sink, request.redirect = ltn12.sink.table(chunks), false
local ok, status, headers, line = http.request(request)
if not ok then
  io.stderr:write("curl: (7) Failed to connect: ", tostring(status), "\n")
  os.exit(7)
end
if include and mode ~= "bare" then
  io.write(line, "\r\n")
  for name, value in pairs(headers) do
    if name ~= "connection" and name ~= "transfer-encoding" then
      io.write(name, ": ", value, "\r\n")
    end
  end
  io.write "\r\n"
end
io.write(table.concat(chunks))
