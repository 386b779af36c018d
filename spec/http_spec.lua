-- pyroscope.http: requests, answers, many at once, redirects, cancelling, polling.

local core = require "pyroscope.core"
local fixture = require "spec.support.pool"
local http = require "pyroscope.http"
local socket = require "socket"

local finish = fixture.finish

describe("pyroscope.http", function()
  local t = fixture.use { setup = setup, teardown = teardown, before_each = before_each,
    after_each = after_each }

  it("sends method, headers, body and user agent, and no Expect", function()
    local body = ("\0binary\r\n"):rep(100000) -- large enough for libcurl to want a 100-continue
    local response = t.get("/echo?q=%20x", { method = "POST", body = body,
      headers = { "Content-Type: application/proto", "X-Scope-OrgID: team-a" } })
    local echo = response.body:string()
    assert.equal(200, response.status)
    assert.is_truthy(echo:find("POST /echo?q=%20x\n", 1, true))
    assert.is_truthy(echo:find("content-type: application/proto\n", 1, true))
    assert.is_truthy(echo:find("x-scope-orgid: team-a\n", 1, true))
    assert.is_truthy(echo:find("user-agent: pscope/" .. core.version .. "\n", 1, true))
    assert.is_nil(echo:find "expect")
    assert.equal(body, echo:sub(-#body))
  end)

  it("sends a body held in C, also when that is closed before it was sent", function()
    local body = core.body "from C"
    local request = t.send("/echo", { method = "POST", body = body })
    body:close()
    local echo = finish(t.pool, request).body:string()
    assert.equal("from C", echo:sub(-6))
    assert.is_nil(echo:find "content%-type") -- none was given, none is invented
  end)

  it("gives status, joined lower-case headers, body, url and times", function()
    local response = t.get "/x?status=404&size=5&twice=1&type=text/plain"
    assert.equal(404, response.status)
    assert.equal("one, two", response.headers["x-twice"])
    assert.equal("text/plain", response.headers["content-type"])
    assert.equal("5", response.headers["content-length"])
    assert.equal("xxxxx", response.body:string())
    assert.equal(t.server.url .. "/x", response.url)
    assert.equal("1.1", response.version)
    assert.is_true(response.elapsed > 0 and response.elapsed < 5)
    assert.equal(1, response.connections)
  end)

  it("returns the same answer every time it is asked", function()
    local request = t.send "/x?size=3"
    local first = finish(t.pool, request)
    assert.equal(first, request:response())
    local bad = t.send "/x?hangup=1"
    local _, err = finish(t.pool, bad)
    assert.equal(err, select(2, bad:response()))
  end)

  it("raises for an answer that is not there yet, and for a closed pool", function()
    local request = t.send "/x"
    assert.has_error(function() request:response() end, "request is not finished")
    t.pool:close()
    assert.equal("cancelled", request.state)
    assert.has_error(function() t.pool:poll(0) end, "pool is closed")
    assert.has_error(function() t.pool:send { url = "http://h/" } end, "pool is closed")
    assert.has_no_error(function() t.pool:close() end)
    assert.equal("pool (closed)", tostring(t.pool))
  end)

  it("raises for unknown options and wrong types", function()
    assert.error_matches(function() t.pool:send { url = "http://h/", tiemout = 1 } end,
      "unknown option 'tiemout'")
    assert.error_matches(function() t.pool:send {} end, "'url' is missing")
    assert.error_matches(function() t.pool:send { url = "http://h/", timeout = 0 } end, "timeout")
    for _, wrong in ipairs { { "max_bytes", 0 }, { "body", {} }, { "headers", { 1 } },
      { "compress", 1 }, { "proxy", 1 }, { "silence", "x" }, { "url", "http://h/\0" } } do
      local options = { url = "http://h/" }
      options[wrong[1]] = wrong[2]
      assert.error_matches(function() t.pool:send(options) end, wrong[1]:sub(1, 6))
    end
    assert.error_matches(function() http.pool { concurency = 1 } end, "concurency")
    assert.error_matches(function() t.pool:poll(0, { [0] = "x" }) end, "descriptor")
    assert.error_matches(function() t.pool:poll(-1) end, "negative")
  end)

  it("uses one connection again and again", function()
    local opened = 0
    for _ = 1, 20 do opened = opened + t.get("/x?size=10").connections end
    assert.equal(1, opened)
  end)

  it("answers 50 requests of 20 ms at least 2 times faster than one after the other", function()
    t.get "/reset_stats"
    local started, requests = socket.gettime(), {}
    for i = 1, 50 do requests[i] = t.send "/x?delay=0.02&size=100" end
    for _, request in ipairs(requests) do
      assert.equal(200, finish(t.pool, request).status)
    end
    local spent, counted = socket.gettime() - started, t.stats()
    assert.is_true(spent < 0.5 * 50 * 0.02, ("took %.3f s"):format(spent))
    assert.equal(8, counted.most_open)
    assert.is_true(counted.accepted <= 8)
  end)

  it("asks over plain connections at the same time from the first moment", function()
    local slow, quick = t.send "/x?delay=0.4", t.send "/x?delay=0.05"
    finish(t.pool, quick)
    assert.equal("running", slow.state)
    assert.is_true(quick.elapsed < 0.3)
  end)

  it("lets requests above the concurrency wait in order", function()
    t.renew { concurrency = 1 }
    local order, names = {}, {}
    for i = 1, 5 do names[t.send("/x?size=" .. i)] = i end
    assert.equal(5, t.pool.queued)
    while #order < 5 do
      for _, request in ipairs(t.pool:poll()) do order[#order + 1] = names[request] end
      assert.is_true(t.pool.running <= 1)
    end
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("counts waiting in the pool against the timeout", function()
    t.renew { concurrency = 1 }
    local slow = t.send "/x?delay=0.6"
    local waiting = t.send("/x", { timeout = 0.2 })
    local _, err = finish(t.pool, waiting)
    assert.equal("timeout", err.kind)
    assert.equal("running", slow.state)
    assert.equal(200, finish(t.pool, slow).status)
  end)

  describe("redirects", function()
    it("are reported without query and credentials, and not followed", function()
      local response = t.get("/x?status=302&location=http://me:pw@login.example/in%3Fsecret=1")
      assert.equal(302, response.status)
      assert.equal("http://login.example/in", response.redirect)
      response = t.get("/x?status=307&location=/echo", { method = "POST", follow = true,
        body = "x" })
      assert.equal(307, response.status)
      assert.equal(t.server.url .. "/echo", response.redirect)
    end)

    it("of a GET are followed inside the same origin only, credentials staying there", function()
      local response = t.get("/x?status=308&location=/echo", { follow = true, username = "me",
        password = "pw", headers = { "X-Mine: 1" } })
      assert.equal(200, response.status)
      assert.equal(t.server.url .. "/echo", response.url)
      assert.is_nil(response.redirect)
      local echo = response.body:string()
      assert.is_truthy(echo:find("authorization: Basic bWU6cHc=", 1, true))
      assert.is_truthy(echo:find("x-mine: 1", 1, true))
      local elsewhere = t.server.url:gsub("127%.0%.0%.1", "localhost")
      response = t.get("/x?status=302&location=" .. elsewhere .. "/echo", { follow = true })
      assert.equal(302, response.status)
      assert.equal(elsewhere .. "/echo", response.redirect)
    end)

    it("in a circle end after a few", function()
      t.get "/reset_stats"
      assert.equal(302, t.get("/loop", { follow = true }).status)
      assert.equal(1 + 5 + 1, t.stats().requests)
    end)
  end)

  describe("cancelling", function()
    it("ends requests that run and that wait, at once", function()
      t.renew { concurrency = 1 }
      local running, waiting = t.send "/x?never=1", t.send "/x?never=1"
      t.pool:poll(0.1)
      assert.equal("running", running.state)
      assert.equal("queued", waiting.state)
      waiting:cancel()
      running:cancel()
      running:cancel()
      for _, request in ipairs { running, waiting } do
        assert.equal("cancelled", request.state)
        local _, err = request:response()
        assert.equal("cancelled", err.kind)
      end
      assert.equal(0, #t.pool:poll(0))
      assert.equal(200, t.get("/x").status) -- the t.pool goes on
    end)

    it("is too late for what is done", function()
      local request = t.send "/x?size=4"
      finish(t.pool, request)
      request:cancel()
      assert.equal("done", request.state)
      assert.equal(4, #request:response().body)
    end)

    it("happens to requests that nobody holds, when their t.pool goes", function()
      for _ = 1, 20 do t.send "/x?never=1" end
      t.pool:poll(0.05)
      collectgarbage()
      assert.equal(8, t.pool.running) -- dropping the handle is no cancelling
      t.pool = http.pool {}
      collectgarbage()
      collectgarbage()
    end)
  end)

  describe("polling", function()
    local uv

    setup(function() uv = require "luv" end)

    it("waits no longer than told, also with nothing in flight", function()
      local started = http.now()
      local finished, ready = t.pool:poll(0.15)
      local spent = http.now() - started
      assert.same({}, finished)
      assert.same({}, ready)
      assert.is_true(spent >= 0.149 and spent < 0.5, spent)
      assert.same({}, (t.pool:poll())) -- nothing to wait for
    end)

    it("wakes for another descriptor, and for its end", function()
      local pipe = uv.pipe({ nonblock = true }, { nonblock = true })
      local request = t.send "/x?delay=0.4"
      local started = http.now()
      local finished, ready = t.pool:poll(0.1, { [pipe.read] = "r" })
      assert.same({}, finished)
      assert.same({}, ready)
      uv.fs_write(pipe.write, "x")
      finished, ready = t.pool:poll(5, { [pipe.read] = "r" })
      assert.same({}, finished)
      assert.same({ [pipe.read] = "r" }, ready)
      uv.fs_read(pipe.read, 10)
      local _
      _, ready = t.pool:poll(0, { [pipe.write] = "w", [pipe.read] = "rw" })
      assert.equal("w", ready[pipe.write])
      uv.fs_close(pipe.write)
      _, ready = t.pool:poll(5, { [pipe.read] = "r" })
      assert.same({ [pipe.read] = "r" }, ready)
      assert.is_true(http.now() - started < 0.4)
      uv.fs_close(pipe.read)
      assert.equal(200, finish(t.pool, request).status)
    end)

    it("shows how far each request is", function()
      local request = t.send("/x?size=1000&stall=600:0.5")
      while request.received < 600 do t.pool:poll(0.05) end
      assert.equal("running", request.state)
      assert.equal(600, request.received)
      assert.equal(600, request.wire)
      assert.equal(1000, request.expected)
      assert.is_true(request.elapsed > 0)
      finish(t.pool, request)
      assert.equal(1000, request.received)
      assert.equal("done", request.state)
    end)
  end)

  it("takes an address apart", function()
    local address = http.address "HTTPS://me:p%40ss@Profiles.Example/base/?q=1#part"
    assert.same({ scheme = "https", host = "Profiles.Example", port = 443, path = "/base/",
      query = "q=1", username = "me", password = "p@ss", loopback = false,
      url = "https://Profiles.Example/base/?q=1", show = "https://Profiles.Example/base/" },
      address)
    for url, loopback in pairs { ["http://localhost:1"] = true, ["http://a.LOCALHOST"] = true,
      ["http://127.1.2.3"] = true, ["http://[::1]:80/"] = true, ["http://127.example"] = false,
      ["http://notlocalhost"] = false, ["http://10.0.0.1"] = false } do
      assert.equal(loopback, http.address(url).loopback, url)
    end
  end)
end)
