-- pyroscope.http: every way in which a server or the network can fail, bounds, gzip, secrets.

local fixture = require "spec.support.pool"
local socket = require "socket"

local finish = fixture.finish

describe("pyroscope.http", function()
  local t = fixture.use { setup = setup, teardown = teardown, before_each = before_each,
    after_each = after_each }

  describe("reports what went wrong:", function()
    it("a closed port is unreachable, refused", function()
      local free = assert(socket.bind("127.0.0.1", 0))
      local _, port = free:getsockname()
      free:close()
      local request = t.pool:send { url = ("http://127.0.0.1:%d/p?token=abc"):format(port) }
      local _, err = finish(t.pool, request)
      assert.equal("unreachable", err.kind)
      assert.equal("refused", err.code)
      assert.equal(("cannot connect to http://127.0.0.1:%d: connection refused"):format(port),
        err.message)
      assert.equal(("http://127.0.0.1:%d/p"):format(port), err.url)
      assert.is_false(err.retryable)
    end)

    it("an unknown host is unreachable, dns", function()
      local _, err = t.result { url = "http://no-such-host.invalid/", proxy = "" }
      assert.equal("unreachable", err.kind)
      assert.equal("dns", err.code)
      assert.is_truthy(err.message:find("no-such-host.invalid", 1, true))
    end)

    it("no connection in time is unreachable, connect_timeout, and may be tried again", function()
      -- a listener whose queue is full answers no further SYN
      local full = assert(socket.tcp4())
      assert(full:bind("127.0.0.1", 0))
      assert(full:listen(0))
      local _, port = full:getsockname()
      local fillers = {}
      for i = 1, 8 do
        fillers[i] = socket.tcp4()
        fillers[i]:settimeout(0)
        fillers[i]:connect("127.0.0.1", port)
      end
      local _, err = t.result { url = ("http://127.0.0.1:%d/"):format(port),
        connect_timeout = 0.3 }
      for _, filler in ipairs(fillers) do filler:close() end
      full:close()
      assert.equal("unreachable", err.kind)
      assert.equal("connect_timeout", err.code)
      assert.is_true(err.retryable)
      assert.is_truthy(err.message:find("0.3 s", 1, true))
    end)

    it("a connection closed before an answer is unreachable, reset", function()
      assert.is_true(t.failure("unreachable", "reset", "/x?hangup=1").retryable)
      assert.is_true(t.failure("unreachable", "reset", "/x?hangup=1&reset=1").retryable)
    end)

    it("no answer in time is a timeout", function()
      local started = socket.gettime()
      t.failure("timeout", "total", "/x?never=1", { timeout = 0.2 })
      t.failure("timeout", "total", "/x?size=100&stall=50:2", { timeout = 0.2 })
      local spent = socket.gettime() - started
      assert.is_true(spent > 0.38 and spent < 1.5, spent)
    end)

    it("silence is a timeout before the total one, and slow bytes are no silence", function()
      local options = { silence = 0.25, connect_timeout = 0.1, timeout = 10 }
      t.failure("timeout", "silent", "/x?never=1", options)
      t.failure("timeout", "silent", "/x?size=100&stall=50:2", options)
      options.silence = 0.5
      assert.equal(100, #t.get("/x?size=100&delay=0.3&stall=50:0.3", options).body)
    end)

    it("a body that ends early is cut off, with the bytes that came", function()
      local err = t.failure("http", "cut_off", "/x?size=1000&cut=400")
      assert.equal(400, err.received)
      assert.equal(1000, err.expected)
      assert.is_false(err.retryable)
      err = t.failure("http", "cut_off", "/x?size=1000&length=2000&close=1")
      assert.equal(1000, err.received)
      assert.equal(2000, err.expected)
      err = t.failure("http", "cut_off", "/x?size=1000&chunked=100&cut=400")
      assert.equal(400, err.received)
      assert.is_nil(err.expected)
    end)

    it("a reset in the middle is cut off too, and may be tried again", function()
      local err = t.failure("http", "cut_off", "/x?size=1000&cut=400&reset=1")
      assert.is_true(err.retryable)
    end)

    it("something that is no HTTP is http, protocol", function()
      t.failure("http", "protocol", "/x?raw=SSH-2.0-OpenSSH_9.2%0d%0a")
    end)

    it("a URL or a header that cannot be used is config, without what may be secret", function()
      for _, url in ipairs { "localhost:4040", "ftp://h/", "http://", "http://h:99999/",
        "http://a b/", "http://user:hunter2@h:x/", "",
        "http://user:hun?ter2@h:x/?token=hunter2" } do
        local request, err = t.pool:send { url = url }
        assert.is_nil(request, url)
        assert.equal("config", err.kind)
        assert.equal("bad_url", err.code)
        assert.is_nil(err.message:find "hun", err.message)
      end
      for _, header in ipairs { "Authorization: x\r\nX: hunter2", "hunter2", ": hunter2",
        "Bad Name: hunter2", "X: hunter2\0" } do
        local request, err = t.pool:send { url = "http://h/", headers = { header } }
        assert.is_nil(request)
        assert.equal("config", err.kind)
        assert.equal("bad_header", err.code)
        assert.is_nil(err.message:find "hunter2")
      end
    end)
  end)

  describe("bounds the body", function()
    it("at exactly max_bytes", function()
      assert.equal(1000, #t.get("/x?size=1000", { max_bytes = 1000 }).body)
      assert.equal(1000, #t.get("/x?size=1000&chunked=7", { max_bytes = 1000 }).body)
      local err = t.failure("limit", "max_bytes", "/x?size=1001", { max_bytes = 1000 })
      assert.is_truthy(err.message:find("1000 bytes", 1, true))
      t.failure("limit", "max_bytes", "/x?size=1001&chunked=7", { max_bytes = 1000 })
    end)

    it("while it streams, not after", function()
      local request = t.send("/x?size=50000000&chunked=65536", { max_bytes = 1000000 })
      finish(t.pool, request)
      assert.equal("failed", request.state)
      assert.is_true(request.wire < 2000000)
    end)

    it("after inflating: a gzip bomb ends at the limit", function()
      local before = collectgarbage "count"
      local request = t.send("/bomb?size=100000000", { max_bytes = 1000000 })
      local _, err = finish(t.pool, request)
      assert.equal("limit", err.kind)
      assert.is_true(request.received <= 1000000)
      assert.is_true(collectgarbage "count" - before < 1000)
      assert.equal(1000000, #t.get("/bomb?size=1000000", { max_bytes = 1000000 }).body)
      t.failure("limit", "max_bytes", "/bomb?size=1000001", { max_bytes = 1000000 })
    end)

    it("and the headers", function()
      assert.equal(100 * 1000, #t.get("/heads?n=100").headers["x-1"]:gsub(", ", ""))
      t.failure("limit", "headers", "/heads?n=300")
    end)
  end)

  describe("inflates gzip", function()
    local function gzip(how, chunked)
      return "/gzip?how=" .. how .. (chunked and "&chunked=7" or "")
    end

    it("asked for or not, in one piece or in chunks, with several members or padding", function()
      for _, chunked in ipairs { false, true } do
        local plain = t.get(gzip("ok", chunked)).body:string()
        assert.equal(3000, #plain)
        assert.equal(plain .. "second", t.get(gzip("two", chunked)).body:string())
        assert.equal(plain, t.get(gzip("padded", chunked)).body:string())
        assert.equal("", t.get(gzip("empty", chunked)).body:string())
      end
    end)

    it("and takes a stream that ends early for cut off, though its length is right", function()
      for _, chunked in ipairs { false, true } do
        t.failure("http", "cut_off", gzip("short", chunked))
        t.failure("http", "cut_off", gzip("trailer", chunked))
      end
    end)

    it("and refuses what is damaged, or in an encoding that was not asked for", function()
      for _, chunked in ipairs { false, true } do
        t.failure("http", "bad_encoding", gzip("sum", chunked))
        t.failure("http", "bad_encoding", gzip("rubbish", chunked))
        t.failure("http", "bad_encoding", gzip("none", chunked))
      end
      t.failure("http", "bad_encoding", "/x?size=5&header=Content-Encoding:br")
    end)

    it("and asks for it as told: by default not on loopback", function()
      assert.is_nil(t.get("/echo").body:string():find "accept%-encoding")
      assert.is_truthy(t.get("/echo", { compress = true }).body:string():find(
        "accept-encoding: gzip\n", 1, true))
      -- as a proxy the server sees a request for a host that is not loopback
      local far = { url = "http://profiles.example/echo", proxy = t.server.url }
      assert.is_truthy(t.result(far).body:string():find("accept-encoding: gzip\n", 1, true))
      far.compress = false
      assert.is_nil(t.result(far).body:string():find "accept%-encoding")
    end)
  end)

  describe("credentials", function()
    it("of a URL are sent as basic authentication and shown nowhere", function()
      local url = t.server.url:gsub("//", "//me:s%%40cret@")
      local request = t.pool:send { url = url .. "/echo?token=s3cret" }
      local response = finish(t.pool, request)
      local echo = response.body:string()
      assert.is_truthy(echo:find("authorization: Basic bWU6c0BjcmV0", 1, true))
      assert.is_truthy(echo:find("GET /echo?token=s3cret", 1, true))
      for _, text in ipairs { tostring(request), request.url, response.url } do
        assert.is_nil(text:find "cret")
        assert.is_nil(text:find "me[:@]")
      end
    end)

    it("never stand in an error", function()
      local secrets = { url = "me:hunter2@", headers = { "Authorization: Bearer hunter2" },
        username = "hunter2", password = "hunter2" }
      local function check(request)
        local _, err = finish(t.pool, request)
        assert.is_truthy(err)
        for name, value in pairs(err) do
          assert.is_nil(tostring(value):find "hunter2", name .. ": " .. tostring(value))
        end
        assert.is_nil(tostring(request):find "hunter2")
      end
      local base = t.server.url:gsub("//", "//" .. secrets.url)
      for _, path in ipairs { "/x?never=1", "/x?hangup=1", "/x?size=10&cut=5", "/gzip?how=none",
        "/x?size=100000", "/x?raw=rubbish" } do
        check(t.pool:send { url = base .. path .. "&token=hunter2", headers = secrets.headers,
          timeout = 0.2, max_bytes = 50000 })
      end
      for _, other in ipairs {
        { url = "http://me:hunter2@127.0.0.1:1/?t=hunter2" },
        { url = "http://me:hunter2@no-such-host.invalid/?t=hunter2", proxy = "" },
        { url = base .. "/x", proxy = "http://me:hunter2@127.0.0.1:1/" },
        { url = base .. "/x", proxy = "http://me:hunter2@no-such-proxy.invalid:1/" },
        { url = base .. "/x", proxy = "http://me:hun ter2hunter2@[" },
        { url = base .. "/x", proxy = "socks9://me:hunter2@h" },
        { url = "https://me:hunter2@127.0.0.1:" .. t.server.port .. "/?t=hunter2" },
        { url = "https://h/", proxy = t.server.url:gsub("//", "//me:hunter2@") },
      } do
        other.username, other.password = secrets.username, secrets.password
        other.headers = secrets.headers
        other.timeout = 5
        check(t.pool:send(other))
      end
    end)
  end)
end)
