--- Access commands: programs that run a request themselves (`cloudflared access curl`) or print a
--- token. Never through a shell.

local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local system = require "pyroscope.system"

local command = {}

-- "TOKEN\n" and nothing else.
local function token_of(output)
  local token = output:match "^%s*([%w_%-%.~+/=]+)%s*$"
  return token and #token >= 16 and token or nil
end

-- curl's own failures, told apart from a log-in that failed.
local CURL = { [5] = "unreachable", [6] = "unreachable", [7] = "unreachable", [28] = "timeout",
  [35] = "unreachable", [51] = "unreachable", [52] = "unreachable", [56] = "unreachable",
  [60] = "unreachable", [77] = "config" }

local function failed(self, url, job, message)
  local said = job.stderr ~= "" and job.stderr or ""
  said = self:scrub(said:gsub("%s+$", ""):gsub("[%z\1-\8\11-\31\127]", " "))
  if #said > 1024 then said = said:sub(1, 1024) .. "…" end
  local number = math.tointeger(said:match "curl: %((%d+)%)")
  if CURL[number] then
    return nil, errors.new { kind = CURL[number], code = "curl_" .. number, url = url,
      message = ("access_command '%s': %s"):format(self.words[1],
        (said:match "curl: %(%d+%) ([^\n]*)")), hint = "is the address right, and is it up?" }
  end
  local hint = self:advice(url)
  if said ~= "" then hint = "it said: " .. said .. "\n" .. hint end
  return nil, errors.new { kind = "auth", code = "access_command", message = message, hint = hint,
    url = url }
end

-- One poller for all commands: they move on the same loop.
local function poll(seconds)
  system.step(math.floor(seconds * 1000))
end

-- Starts the command and waits beside the other requests.
local function run(words, options)
  local job, err = system.spawn(words, options)
  if not job then
    return nil, errors.wrap(err, { kind = err.code == "ENOENT" and "config" or err.kind,
      message = "access_command: " .. err.message })
  end
  local guard <close> = setmetatable({}, { __close = function()
    if not job:done() then job:kill() end
  end })
  local _ = guard
  while not job:done() do
    if flight.wait(poll, 0.1) then job:kill() end
  end
  if job.err then
    return nil, errors.wrap(job.err, { message = "access_command: " .. job.err.message })
  end
  return job
end

--- The token that the command prints: words, then the URL (cloudflared: -app=URL).
---@param self table        access
---@param url string
---@param timeout number
---@return string? token
---@return pyroscope.error? err
function command.token(self, url, timeout)
  local words = table.move(self.words, 1, #self.words, 1, {})
  local cloudflared = words[1]:match "[^/]*$" == "cloudflared"
  if not words[#words]:find "^%-%-?app=" then
    words[#words + 1] = cloudflared and "-app=" .. url or url
  end
  local job, err = run(words, { timeout_ms = timeout * 1000, max_bytes = 65536 })
  if not job then return nil, err end
  local token = job.code == 0 and token_of(job.stdout)
  if not token then
    return failed(self, url, job, job.code == 0
      and ("access_command '%s' printed no token"):format(self.words[1])
      or ("access_command '%s' failed with exit code %d"):format(self.words[1], job.code))
  end
  self:keep(token)
  return token
end

-- One value in curl's configuration syntax.
local function quoted(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("[\n\r\t\v]", { ["\n"] = "\\n", ["\r"] = "\\r",
    ["\t"] = "\\t", ["\v"] = "\\v" }) .. '"'
end

-- Status, headers and body of curl's output with --include; interim answers are passed over.
local function split(output)
  local status, headers
  while true do
    local code, block, rest = output:match "^HTTP/[%d.]+ (%d%d%d)([^\n]*\n.-)\r?\n\r?\n(.*)$"
    if not code then
      code, rest = output:match "^HTTP/[%d.]+ (%d%d%d)[^\n]*\r?\n\r?\n(.*)$"
      block = ""
    end
    if not code then break end
    status, headers, output = math.tointeger(code), {}, rest
    for name, value in block:gmatch "\n([^:\r\n]+):[ \t]*([^\r\n]*)" do
      name = name:lower()
      headers[name] = headers[name] and headers[name] .. ", " .. value or value
    end
    local interim = status < 200 or (block:find "onnection established" and output:find "^HTTP/")
    if not interim then break end
  end
  return status, headers or {}, output
end

-- A private file for what must not stand in a list of processes.
local function private_file(bytes)
  local path = os.tmpname()
  local ok, err = system.write_file(path, bytes, { force = true })
  if not ok then
    os.remove(path)
    return nil, err
  end
  return path
end

--- Runs a request through the access command: URL first, then curl's arguments. Its standard input
--- is not used (cloudflared gives curl none): the body and the headers of the configuration reach
--- curl through private files.
---@param self table        access
---@param request { url: string, method: string, headers: string[], body?: string, timeout: number,
---  connect_timeout: number, max_bytes: integer }
---@return table? response   status, headers, body (string)
---@return pyroscope.error? err
function command.exchange(self, request)
  local words = table.move(self.words, 1, #self.words, 1, {})
  local function add(...) table.move({ ... }, 1, select("#", ...), #words + 1, words) end
  add(request.url, "--silent", "--show-error", "--include", "--request", request.method,
    "--max-time", ("%.0f"):format(math.max(1, request.timeout)),
    "--connect-timeout", ("%.0f"):format(math.max(1, request.connect_timeout)))
  for _, header in ipairs(request.headers) do add("--header", header) end
  local files = {}
  local cleanup <close> = setmetatable({}, { __close = function()
    for _, path in ipairs(files) do os.remove(path) end
  end })
  local _ = cleanup
  local function file(bytes)
    local path, err = private_file(bytes)
    files[#files + 1] = path
    return path, err
  end
  if #self.headers > 0 then
    local lines = {}
    for i, pair in ipairs(self.headers) do
      lines[i] = "header = " .. quoted(pair[1] .. ": " .. pair[2])
    end
    local path, err = file(table.concat(lines, "\n") .. "\n")
    if not path then return nil, err end
    add("--config", path)
  end
  if request.body then
    local path, err = file(request.body)
    if not path then return nil, err end
    add("--data-binary", "@" .. path)
  end
  local job, err = run(words, { timeout_ms = math.floor(request.timeout * 1000) + 2000,
    max_bytes = request.max_bytes + 65536 })
  if not job then return nil, err end
  local status, headers, body = split(job.stdout)
  if not status then
    if job.code == 0 and token_of(body) then -- it printed a token after all
      self.wrapper, self.command_token = false, token_of(body)
      self:keep(self.command_token)
      return nil, nil
    end
    if job.code ~= 0 or body == "" then
      return failed(self, request.url, job, job.code ~= 0
        and ("access_command '%s' failed with exit code %d"):format(self.words[1], job.code)
        or ("access_command '%s' printed nothing"):format(self.words[1]))
    end
    -- A wrapper that keeps the headers to itself.
    status = 200
    local first = body:match "^%s*(.)"
    if first == "{" or first == "[" then headers["content-type"] = "application/json" end
    if first == "<" then headers["content-type"] = "text/html" end
  elseif job.code ~= 0 and status == 200 then
    return nil, errors.new { kind = "http", code = "cut_off", retryable = true, url = request.url,
      message = ("the answer through '%s' was cut off (exit code %d)"):format(self.words[1],
        job.code) }
  end
  return { status = status, headers = headers, body = body, tries = 1, url = request.url }
end

return command
