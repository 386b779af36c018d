-- The policy above pyroscope.http: tries, deadlines, cancelling, counters, the log.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local fixture = require "spec.support.pool"
local http = require "pyroscope.http"
local process = require "spec.support.process"
local transport = require "pyroscope.source.server.transport"

-- A pool that answers at once from a script, on a clock that only waiting moves: pauses of many
-- seconds can be looked at. Each step is a status, a table of headers with `status`, or an error.
local function scripted(script)
  local world = { now = 1000, sent = {}, pauses = {} }
  local step = 0

  local function finished(request, what)
    if type(what) == "table" and errors.is(what) then return nil, what end
    local headers = type(what) == "table" and what or {}
    return { status = headers.status or what, headers = headers, body = core.body "x",
      url = request.url, elapsed = 0, wire = 1, connections = 0, version = "1.1" }
  end

  world.http = { now = function() return world.now end }
  function world.http.pool(options)
    local pool = { concurrency = options.concurrency or 8, running = 0, queued = 0 }
    function pool.send(_, options_of)
      step = step + 1
      local what = script[math.min(step, #script)]
      world.sent[step] = { at = world.now, options = options_of }
      local request = { state = "done", url = options_of.url, received = 1, wire = 1 }
      local response, err = finished(request, what)
      function request.response() return response, err end
      function request.cancel() end
      return request
    end
    function pool.poll(_, seconds)
      world.now = world.now + seconds
      return {}, {}
    end
    function pool.close() end
    return pool
  end

  -- When each try went out, relative to the first.
  function world.times()
    local times = {}
    for i, sent in ipairs(world.sent) do times[i] = sent.at - world.sent[1].at end
    return times
  end
  return world
end

local function failing(kind, code, retryable)
  return errors.new { kind = kind, code = code, message = "m", retryable = retryable }
end

describe("transport: tries", function()
  local function run(script, request, options)
    local world = scripted(script)
    options = options or {}
    options.http, options.random = world.http, options.random or function() return 0 end
    local t <close> = transport.new(options)
    request = request or {}
    request.url = request.url or "http://h/p"
    local response, err = t:request(request)
    if response then response.body:close() end
    return response, err, world, t
  end

  after_each(fixture.nothing_alive)

  it("makes three in all of a read that may succeed later (GCX-14)", function()
    for _, status in ipairs { 429, 502, 503, 504 } do
      local response, _, world = run { status }
      assert.equal(status, response.status)
      assert.equal(3, response.tries)
      assert.equal(3, #world.sent)
    end
    local response, _, world = run { 503, 503, 200 }
    assert.equal(200, response.status)
    assert.equal(3, #world.sent)
    for _, code in ipairs { "reset", "connect_timeout" } do
      local _, err
      _, err, world = run { failing("unreachable", code, true) }
      assert.equal(code, err.code)
      assert.equal(3, err.tries)
      assert.equal(3, #world.sent)
    end
  end)

  it("makes one where another would change nothing", function()
    for _, status in ipairs { 200, 302, 400, 401, 403, 404, 500, 501 } do
      local _, _, world = run { status }
      assert.equal(1, #world.sent, status)
    end
    for _, err in ipairs { failing("unreachable", "refused", false), failing("limit", "max_bytes"),
      failing("unreachable", "tls", false), failing("timeout", "total", false) } do
      local _, back, world = run { err }
      assert.equal(err.code, back.code)
      assert.equal(1, back.tries)
      assert.equal(1, #world.sent)
    end
  end)

  it("makes one of a request that is no read: POST, unless it says so", function()
    assert.equal(1, #select(3, run({ 503 }, { method = "POST", body = "x" })).sent)
    assert.equal(3, #select(3, run({ 503 }, { method = "POST", body = "x", read = true })).sent)
    assert.equal(1, #select(3, run({ 503 }, { read = false })).sent)
  end)

  it("pauses 0.5 to 10 s, longer each time, with jitter", function()
    local _, _, world = run({ 503 }, nil, { random = function() return 0 end })
    assert.near(0.5, world.times()[2], 0.11)
    assert.near(0.5 + 1.5, world.times()[3], 0.22)
    _, _, world = run({ 503 }, nil, { random = function() return 0.999 end })
    assert.near(1, world.times()[2], 0.11)
    assert.near(1 + 3, world.times()[3], 0.22)
  end)

  it("waits as long as Retry-After says, when that fits into the timeout", function()
    local slow = { status = 429, ["retry-after"] = "20" }
    local response, _, world = run({ slow, 200 }, { timeout = 60 })
    assert.equal(200, response.status)
    assert.near(20, world.times()[2], 0.11)
    response, _, world = run({ slow, 200 }, { timeout = 15 })
    assert.equal(429, response.status)
    assert.equal(20, response.retry_after)
    assert.equal(1, #world.sent)
  end)

  it("reads Retry-After as a date by the server's own clock", function()
    local _, _, world = run { { status = 503, date = "Sat, 28 Feb 2032 23:59:50 GMT",
      ["retry-after"] = "Sun, 29 Feb 2032 00:00:05 GMT" }, 200 }
    assert.near(15, world.times()[2], 0.11)
    local response = run { { status = 503, date = "Tue, 29 Feb 2028 23:59:59 GMT",
      ["retry-after"] = "Wed, 01 Mar 2028 00:59:59 GMT" } }
    assert.equal(3600, response.retry_after)
    response = run { { status = 503, ["retry-after"] = "soon" } }
    assert.is_nil(response.retry_after)
    assert.equal(3, response.tries)
  end)

  it("stays inside the deadline, and gives each try what is left of it", function()
    local response, _, world = run({ 503 }, { timeout = 1.2 })
    assert.equal(503, response.status)
    assert.equal(2, #world.sent)
    assert.near(1.2, world.sent[1].options.timeout, 1e-6)
    assert.near(0.7, world.sent[2].options.timeout, 0.11)
  end)
end)

describe("transport", function()
  local server, t

  local function url(path) return server.url .. path end

  setup(function() server = process.start "spec/support/misbehaving.lua" end)
  teardown(function() server:stop() end)

  before_each(function()
    t = transport.new { explain = true, random = function() return 0 end }
  end)

  after_each(function()
    t:close()
    t = nil
    fixture.nothing_alive()
  end)

  it("loads libcurl with the first request, not before", function()
    local pipe = assert(io.popen(("LUA_PATH='%s' LUA_CPATH='%s' lua5.4 -e '%s'"):format(
      package.path, package.cpath, [[local t = require "pyroscope.source.server.transport".new {}
        print(package.loaded["pyroscope.http"] == nil, t)]])))
    assert.equal("true\ttransport (0 in flight, 0 waiting)\n", pipe:read "a")
    pipe:close()
  end)

  it("raises for unknown options, also of requests", function()
    assert.error_matches(function() transport.new { timeuot = 1 } end, "did you mean 'timeout'")
    assert.error_matches(function() t:request { url = "http://h/", tries = 1 } end, "'tries'")
    t:close()
    assert.error_matches(function() t:request { url = "http://h/" } end, "transport is closed")
  end)

  it("gets through a server that is back at the second try", function()
    for i, trouble in ipairs { "503", "reset", "hangup" } do
      -- on a new connection: libcurl replaces an old one that turns out to be closed by itself
      t:close()
      t = transport.new { random = function() return 0 end }
      local response, err = t:request { url = url("/x?size=7&key=back" .. i .. "&statuses="
        .. trouble .. ",200") }
      assert.is_nil(err)
      assert.equal(200, response.status)
      assert.equal(2, response.tries)
      assert.equal(7, #response.body)
    end
  end)

  it("sends a POST that is no read once, whatever happens to it", function()
    local _, err = t:request { url = url "/x?key=once2&statuses=reset,200", method = "POST",
      body = "x" }
    assert.equal("reset", err.code)
    assert.equal(1, err.tries)
    local response = t:request { url = url "/x?key=once&statuses=503,200", method = "POST",
      body = "x" }
    assert.equal(503, response.status)
    assert.equal("1", t:request { url = url "/seen?key=once" }.body:string())
  end)

  it("gives up at the deadline, however many tries are left", function()
    local started = http.now()
    local _, err = t:request { url = url "/x?never=1", timeout = 0.3 }
    assert.equal("timeout", err.kind)
    assert.equal(1, err.tries)
    assert.is_true(http.now() - started < 1)
  end)

  it("has all requests of a call in flight, and gives them back as they finish", function()
    local delays, order = { 0.3, 0.05, 0.15 }, {}
    local requests = {}
    for i, delay in ipairs(delays) do requests[i] = { url = url("/x?size=1&delay=" .. delay) } end
    for i, response in t:each(requests) do
      assert.equal(200, response.status)
      order[#order + 1] = i
    end
    assert.same({ 2, 3, 1 }, order)
  end)

  it("keeps the positions of answers and errors", function()
    local responses, failures = t:exchange { { url = url "/x?size=1" },
      { url = url "/x?size=9&cut=3" }, { url = "nonsense" }, { url = url "/x?size=4" } }
    assert.equal(1, #responses[1].body)
    assert.equal("cut_off", failures[2].code)
    assert.equal("config", failures[3].kind)
    assert.equal(4, #responses[4].body)
    assert.is_nil(responses[2])
    assert.is_nil(failures[1])
  end)

  it("sends no more than its concurrency at once, and answers all", function()
    t:close()
    t = transport.new { concurrency = 3 }
    t:request { url = url "/reset_stats" }
    local requests = {}
    for i = 1, 40 do requests[i] = { url = url("/x?delay=0.01&size=" .. i) } end
    local responses = t:exchange(requests)
    for i = 1, 40 do assert.equal(i, #responses[i].body) end
    local stats = t:request { url = url "/stats" }.body:string()
    assert.equal("3", stats:match "most_open=(%d+)")
  end)

  it("counts a request's time from when it goes out, not from when it was asked for", function()
    t:close()
    t = transport.new { concurrency = 1, timeout = 0.4 }
    local requests = {}
    for i = 1, 5 do requests[i] = { url = url "/x?delay=0.15&size=1" } end
    local responses = t:exchange(requests)
    assert.equal(5, #responses)
  end)

  it("ends all together at the deadline of the call", function()
    t:close()
    t = transport.new { concurrency = 1 }
    local started = http.now()
    local responses, failures = t:exchange({ { url = url "/x?delay=0.05&size=1" },
      { url = url "/x?never=1" }, { url = url "/x?never=1" } }, { deadline = 0.4 })
    assert.equal(1, #responses[1].body)
    assert.equal("timeout", failures[2].kind)
    assert.equal("timeout", failures[3].kind)
    assert.is_true(http.now() - started < 1)
  end)

  it("cancels the rest when its loop is left", function()
    local requests = { { url = url "/x" } }
    for i = 2, 20 do requests[i] = { url = url "/x?never=1" } end
    for i in t:each(requests) do
      assert.equal(1, i)
      if i == 1 then break end
    end
    assert.same({ running = 0, queued = 0, waiting = 0, received = 0, expected = 0 }, t:status())
    assert.equal(200, t:request { url = url "/x" }.status)
  end)

  it("is cancelled by its waiter, which may draw progress meanwhile", function()
    local seen = 0
    t.waiter = function(self, seconds)
      assert.is_true(seconds <= 0.1)
      self:poll(seconds)
      local status = self:status()
      seen = math.max(seen, status.received)
      if status.received >= 500 then return true end
    end
    local responses, failures = t:exchange { { url = url "/x?size=1000&stall=500:5" },
      { url = url "/x?never=1" } }
    assert.same({}, responses)
    for _, err in ipairs(failures) do assert.equal("cancelled", err.kind) end
    assert.equal(2, #failures)
    assert.equal(500, seen)
  end)

  it("can be driven by coroutines that share it", function()
    t.waiter = function() return coroutine.yield() end
    local results, threads = {}, {}
    for i = 1, 5 do
      threads[i] = coroutine.create(function()
        local response = t:request { url = url("/x?delay=0.1&size=" .. i) }
        results[i] = #response.body
      end)
    end
    local started, alive = http.now(), true
    while alive do
      alive = false
      for _, thread in ipairs(threads) do
        if coroutine.status(thread) ~= "dead" then
          assert(coroutine.resume(thread))
          alive = true
        end
      end
      t:poll(0.05)
    end
    assert.same({ 1, 2, 3, 4, 5 }, results)
    assert.is_true(http.now() - started < 0.4)
    -- one that is closed takes its request along
    local thread = coroutine.create(function() t:request { url = url "/x?never=1" } end)
    coroutine.resume(thread)
    assert.equal(1, t:status().running + t:status().queued)
    coroutine.close(thread)
    assert.equal(0, t:status().running + t:status().queued)
  end)

  it("cancel() and close() end the calls that wait", function()
    for _, how in ipairs { "cancel", "close" } do
      t.waiter = function() return coroutine.yield() end
      local err
      local thread = coroutine.create(function()
        _, err = t:request { url = url "/x?never=1" }
      end)
      coroutine.resume(thread)
      t[how](t)
      coroutine.resume(thread)
      assert.equal("dead", coroutine.status(thread))
      assert.equal("cancelled", err.kind)
    end
  end)

  it("counts and logs what was asked, without query or credentials", function()
    t:exchange { { url = url("/x?size=10&token=hunter2"):gsub("//", "//me:hunter2@"), headers = {
      "Authorization: Bearer hunter2" } }, { url = url "/x?hangup=1" },
      { url = url "/x?key=log&statuses=503,200&size=5", method = "POST", body = "hunter2",
        read = true } }
    assert.same({ requests = 3, finished = 3, failed = 1, tries = 6, received = 15 }, t.counters)
    local found = {}
    for _, entry in ipairs(t.log) do
      assert.equal(url "/x", entry.url)
      assert.is_true(entry.ms > 0)
      found[#found + 1] = ("%s %s %d %d"):format(entry.method, entry.status or entry.error,
        entry.tries, entry.bytes)
      for _, value in pairs(entry) do assert.is_nil(tostring(value):find "hunter2") end
    end
    table.sort(found)
    assert.same({ "GET 200 1 10", "GET unreachable reset 3 0", "POST 200 2 5" }, found)
  end)

  it("says which certificates were looked at when TLS fails", function()
    local _, err = t:request { url = url("/x"):gsub("http:", "https:") }
    assert.equal("tls", err.code)
    assert.is_truthy(err.hint:find("ca_file", 1, true))
  end)

  it("names the unix socket that is not there", function()
    t:close()
    t = transport.new { unix_socket = "/nonexistent/pyroscope.sock" }
    local _, err = t:request { url = "http://pyroscope/x" }
    assert.equal("no_socket", err.code)
    assert.is_truthy(err.hint:find("/nonexistent/pyroscope.sock", 1, true))
  end)
end)
