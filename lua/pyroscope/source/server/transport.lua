--- HTTP for one client, with policy: tries, deadlines, cancellation, counters, a log. What an
--- answer means is decided above; bytes move below, in `pyroscope.http`. Types:
--- `_meta/transport.lua`.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"

local transport = {}

local TRIES = 3
local PAUSE, LONGEST_PAUSE = 0.5, 10
local TIMEOUT = 60
local SLICE = 0.1 -- of waiting: progress is drawn and ctrl-c is seen this often
local LOG = 1000
local AGAIN = { [429] = true, [502] = true, [503] = true, [504] = true }

local object = {}
local meta = { __index = object, __name = "pyroscope.transport" }

function meta.__tostring(self)
  if self.closed then return "transport (closed)" end
  local status = self:status()
  return ("transport (%d in flight, %d waiting)"):format(status.running + status.queued,
    status.waiting)
end

local known = {
  timeout = "number", connect_timeout = "number", concurrency = "integer", max_bytes = "integer",
  compress = "boolean", proxy = "string", unix_socket = "string", ca_file = "string",
  client_cert = "string", client_key = "string", username = "string", password = "string",
  explain = "boolean", waiter = "function", http = "table", clock = "function",
  random = "function",
}

local known_request = {
  url = "string", method = "string", headers = "table", body = "string|userdata",
  read = "boolean", max_bytes = "integer", timeout = "number", username = "string",
  password = "string", follow = "boolean", explain = "string",
}

--- Makes a transport; nothing is loaded or sent yet.
---@param options? pyroscope.transport.options
---@return pyroscope.transport
function transport.new(options)
  options = check.options("transport.new", options, known)
  local self = setmetatable({ options = options, waiter = options.waiter, flights = {}, log = {},
    counters = { requests = 0, finished = 0, failed = 0, tries = 0, received = 0 } }, meta)
  return self
end

-- Loads libcurl, on the first use.
local function prepare(self)
  if self.closed then error("transport is closed", 3) end
  if self.pool then return end
  local options = self.options
  local http = options.http or require "pyroscope.http"
  self.clock, self.random = options.clock or http.now, options.random or math.random
  self.ca_file = options.ca_file or os.getenv "CURL_CA_BUNDLE" or os.getenv "SSL_CERT_FILE"
  if self.ca_file == "" then self.ca_file = nil end
  self.pool = http.pool { concurrency = options.concurrency }
end

-- Retry-After ------------------------------------------------------------------------------------

-- Seconds that the server asks to wait. A date is read by the server's own clock, where it tells.
local function retry_after(response)
  local text = response.headers["retry-after"]
  if not text then return nil end
  if text:match "^%d+$" then return tonumber(text) end
  local date = require "pyroscope.source.server.clock".date
  local at = date(text)
  if not at then return nil end
  return math.max(0, at - (date(response.headers.date) or os.time()))
end

-- Tries ------------------------------------------------------------------------------------------

-- The pause before another try, or nil when there is none.
local function pause(self, job, response, err)
  if not job.read or job.tries >= TRIES or job.flight.stopped then return nil end
  local seconds = PAUSE * 3 ^ (job.tries - 1) * (1 + self.random())
  if response then
    if not AGAIN[response.status] then return nil end
    seconds = math.max(seconds, response.retry_after or 0)
  elseif not err.retryable then
    return nil
  end
  if not (response and response.retry_after) then seconds = math.min(seconds, LONGEST_PAUSE) end
  if self.clock() + seconds >= job.deadline then return nil end
  return seconds
end

local function write_log(self, job)
  if not self.options.explain then return end
  local response, err = job.response, job.err
  self.log[#self.log + 1] = {
    method = job.method, url = job.shown or (err and err.url) or "", tries = job.tries,
    status = response and response.status,
    error = err and (err.code and err.code ~= err.kind and err.kind .. " " .. err.code or err.kind),
    explain = job.request.explain,
    ms = (self.clock() - job.started) * 1000, bytes = job.received or 0, wire = job.wire or 0,
  }
  if #self.log > LOG then table.remove(self.log, 1) end
end

-- The end of a request, whichever it is.
local function settle(self, job, response, err)
  if response then
    response.tries, response.received = job.tries, job.received
    response.ms = (self.clock() - job.started) * 1000
  else
    local fields = { tries = job.tries }
    if err.ca then
      fields.hint = ("certificates are checked against %s; ca_file names others"):format(err.ca)
    elseif err.code == "no_socket" then
      fields.hint = ("the socket is %s: is the server up?"):format(self.options.unix_socket)
    end
    err = errors.wrap(err, fields)
  end
  job.response, job.err, job.handle = response, err, nil
  local counters = self.counters
  counters.finished = counters.finished + 1
  if err then counters.failed = counters.failed + 1 end
  counters.received = counters.received + (job.received or 0)
  write_log(self, job)
  local done = job.flight.done
  done[#done + 1] = job
end

-- Sends a job; its time runs from the first time that this happens.
local function send(self, job)
  local options, request, now = self.options, job.request, self.clock()
  if job.tries == 0 then
    job.started = now
    job.deadline = math.min(now + (request.timeout or options.timeout or TIMEOUT),
      job.flight.deadline)
  end
  job.tries = job.tries + 1
  self.counters.tries = self.counters.tries + 1
  local own = request.username ~= nil
  local handle, err = self.pool:send {
    url = request.url, method = job.method, headers = request.headers, body = request.body,
    username = own and request.username or options.username,
    password = own and request.password or not own and options.password or nil,
    max_bytes = request.max_bytes or options.max_bytes,
    timeout = math.max(job.deadline - now, 0.001), connect_timeout = options.connect_timeout,
    compress = options.compress, follow = request.follow ~= false, proxy = options.proxy,
    unix_socket = options.unix_socket, ca_file = self.ca_file,
    client_cert = options.client_cert, client_key = options.client_key,
  }
  if not handle then return settle(self, job, nil, err) end
  job.handle, job.shown = handle, handle.url
  local active = job.flight.active
  active[#active + 1] = job
end

-- What came of a try: the end, or a pause.
local function judge(self, job)
  local handle = job.handle
  local response, err = handle:response()
  job.received, job.wire = handle.received, handle.wire
  if response then response.retry_after = retry_after(response) end
  local seconds = pause(self, job, response, err)
  if not seconds then return settle(self, job, response, err) end
  if response then response.body:close() end
  job.handle, job.at = nil, self.clock() + seconds
  local paused = job.flight.paused
  paused[#paused + 1] = job
end

local function cancelled(job)
  return errors.new { kind = "cancelled", code = "cancelled", message = "cancelled",
    url = job.shown, retryable = true }
end

local function late(job)
  return errors.new { kind = "timeout", code = "total", url = job.shown,
    message = "the time for all requests together is over" }
end

-- Flights: the requests of one call --------------------------------------------------------------

local flight_meta = {}

-- Leaving early takes along what is still in flight.
function flight_meta.__close(flight)
  local self = flight.transport
  flight.stopped = true
  for _, job in ipairs(flight.active) do
    if job.handle then
      job.handle:cancel()
      settle(self, job, nil, cancelled(job))
    end
  end
  flight.active, flight.paused = {}, {}
  self.flights[flight] = nil
end

local function start(self, requests, options)
  local now = self.clock()
  local deadline = options and options.deadline
  local flight = setmetatable({ transport = self, waiting = {}, first = 1, active = {}, paused = {},
    done = {}, given = 0, deadline = deadline and now + deadline or math.huge }, flight_meta)
  for i, request in ipairs(requests) do
    local method = request.method or "GET"
    local read = request.read
    if read == nil then read = method == "GET" or method == "HEAD" end
    flight.waiting[i] = { request = request, position = i, flight = flight, method = method,
      read = read, tries = 0, started = now, deadline = math.huge }
  end
  self.counters.requests = self.counters.requests + #requests
  self.flights[flight] = true
  return flight
end

-- Everything that is not finished ends now.
local function stop(self, flight, reason)
  flight.stopped = true
  for _, job in ipairs(flight.active) do
    job.handle:cancel()
    settle(self, job, nil, reason(job))
  end
  for _, job in ipairs(flight.paused) do settle(self, job, nil, reason(job)) end
  for i = flight.first, #flight.waiting do
    local job = flight.waiting[i]
    settle(self, job, nil, reason(job))
  end
  flight.active, flight.paused, flight.first = {}, {}, #flight.waiting + 1
end

-- Looks after what has finished, what may go again, and what may go for the first time.
local function advance(self, flight)
  local active, paused = flight.active, flight.paused
  flight.active, flight.paused = {}, {}
  for _, job in ipairs(active) do
    local state = job.handle.state
    if state == "queued" or state == "running" then
      flight.active[#flight.active + 1] = job
    else
      judge(self, job)
    end
  end
  local pool, now = self.pool, self.clock()
  for _, job in ipairs(paused) do
    if now >= job.at and pool.running + pool.queued < pool.concurrency then
      send(self, job)
    else
      flight.paused[#flight.paused + 1] = job
    end
  end
  while flight.waiting[flight.first] and pool.running + pool.queued < pool.concurrency do
    flight.first = flight.first + 1
    send(self, flight.waiting[flight.first - 1])
  end
  if now >= flight.deadline then stop(self, flight, late) end
end

-- How long there may be nothing to do.
local function idle(self, flight)
  local seconds, now = math.min(SLICE, flight.deadline - self.clock()), self.clock()
  for _, job in ipairs(flight.paused) do seconds = math.min(seconds, job.at - now) end
  return math.max(seconds, 0)
end

local function wait(self, seconds)
  if self.waiter then return self:waiter(seconds) end
  self:poll(seconds)
end

-- The next finished job, waiting for it; nil after the last one.
local function next_job(self, flight)
  while true do
    local job = flight.done[flight.given + 1]
    if job then
      flight.given = flight.given + 1
      return job
    end
    if flight.given == #flight.waiting then return nil end
    if self.closed or flight.stopped then
      stop(self, flight, cancelled)
    else
      advance(self, flight)
      if not flight.done[flight.given + 1] then
        if wait(self, idle(self, flight)) then flight.stopped = true end
      end
    end
  end
end

--- All requests in flight at once: `for i, response, err in transport:each(requests) do`, in the
--- order in which they finish. Leaving the loop cancels the rest.
---@param requests pyroscope.transport.request[]
---@param options? { deadline?: number }
function object:each(requests, options)
  check.options("transport:each", options, { deadline = "number" })
  for _, request in ipairs(requests) do check.options("request", request, known_request) end
  prepare(self)
  local flight = start(self, requests, options)
  return function()
    local job = next_job(self, flight)
    if job then return job.position, job.response, job.err end
  end, nil, nil, flight
end

--- Waits for all: arrays with the positions of `requests`, holes where there is nothing.
---@param requests pyroscope.transport.request[]
---@param options? { deadline?: number }
---@return table<integer, pyroscope.transport.response> responses
---@return table<integer, pyroscope.error> errors
function object:exchange(requests, options)
  local responses, failures = {}, {}
  for i, response, err in self:each(requests, options) do
    responses[i], failures[i] = response, err
  end
  return responses, failures
end

--- One request.
---@param request pyroscope.transport.request
---@return pyroscope.transport.response? response  any status
---@return pyroscope.error? err
function object:request(request)
  local responses, failures = self:exchange { request }
  return responses[1], failures[1]
end

--- Moves all requests forward; returns the ready descriptors.
---@param seconds? number
---@param fds? table<integer, "r"|"w"|"rw">
---@return table<integer, "r"|"w"|"rw"> ready
function object:poll(seconds, fds)
  prepare(self)
  local _, ready = self.pool:poll(seconds, fds)
  return ready
end

--- What is in flight now: see `_meta/transport.lua`.
---@return table<string, integer>
function object:status()
  local pool = not self.closed and self.pool
  local status = { running = pool and pool.running or 0, queued = pool and pool.queued or 0,
    waiting = 0, received = 0, expected = 0 }
  for flight in pairs(self.flights) do
    status.waiting = status.waiting + #flight.waiting - flight.first + 1 + #flight.paused
    for _, job in ipairs(flight.active) do
      if job.handle then
        status.received = status.received + job.handle.received
        status.expected = status.expected + (job.handle.expected or 0)
      end
    end
  end
  return status
end

--- Cancels all that is in flight; calls that wait get errors of kind `cancelled`.
function object:cancel()
  for flight in pairs(self.flights) do flight.stopped = true end
end

--- Cancels and closes all connections; twice is fine.
function object:close()
  if self.closed then return end
  self:cancel()
  self.closed = true
  if self.pool then self.pool:close() end
end

meta.__close = object.close

return transport
