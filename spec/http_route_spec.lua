-- pyroscope.http: the ways to a server: TLS, unix sockets, proxies.

local fixture = require "spec.support.pool"
local process = require "spec.support.process"

describe("pyroscope.http", function()
  local t = fixture.use { setup = setup, teardown = teardown, before_each = before_each,
    after_each = after_each }

  it("speaks over a unix socket", function()
    local path = os.tmpname()
    local other <close> = process.start("spec/support/misbehaving.lua", "unix", path)
    assert.equal(path, other.port)
    local echo = t.result { url = "http://pyroscope/echo", unix_socket = path }.body:string()
    assert.is_truthy(echo:find("host: pyroscope", 1, true))
    assert.is_nil(echo:find "accept%-encoding")
    other:stop()
    os.remove(path)
    local _, err = t.result { url = "http://pyroscope/", unix_socket = path }
    assert.equal("unreachable", err.kind)
    assert.equal("no_socket", err.code)
  end)

  describe("proxies", function()
    it("that refuse a tunnel are named as the reason", function()
      local _, err = t.result { url = "https://profiles.example/", proxy = t.server.url }
      assert.equal("unreachable", err.kind)
      assert.equal("proxy", err.code)
      assert.is_truthy(err.message:find("407", 1, true))
    end)

    it("that do not listen are named in the message", function()
      local _, err = t.result { url = "http://profiles.example/",
        proxy = "http://127.0.0.1:1" }
      assert.equal("refused", err.code)
      assert.is_truthy(err.message:find("127.0.0.1 port 1", 1, true))
    end)

    it("of the environment are used, with its exceptions", function()
      local script = os.tmpname()
      local f = assert(io.open(script, "w"))
      f:write [[
        local http = require "pyroscope.http"
        local pool = http.pool {}
        for _, host in ipairs { "a.example", "127.0.0.1:" .. arg[1] } do
          local url = "http://" .. host .. "/echo"
          local request = pool:send { url = url }
          while #pool:poll() == 0 do end
          local response = request:response()
          print(response and response.body:string():match "%u+ %S+")
        end
        local request = pool:send { url = "http://a.invalid/", proxy = "" }
        while #pool:poll() == 0 do end
        print(select(2, request:response()).code)
      ]]
      f:close()
      local function run(variables)
        local pipe = assert(io.popen(("env %s LUA_PATH='%s' LUA_CPATH='%s' lua5.4 %s %d"):format(
          variables, package.path, package.cpath, script, t.server.port)))
        local lines = {}
        for line in pipe:lines() do lines[#lines + 1] = line end
        pipe:close()
        return lines
      end
      local own = "http://127.0.0.1:" .. t.server.port .. "/echo"
      assert.same({ "GET http://a.example/echo", "GET " .. own, "dns" },
        run("no_proxy= NO_PROXY= http_proxy=" .. t.server.url))
      assert.same({ "GET http://a.example/echo", "GET /echo", "dns" },
        run("no_proxy=127.0.0.1 http_proxy=" .. t.server.url))
      os.remove(script)
    end)
  end)

  describe("TLS", function()
    local dir, secure, mutual

    local function openssl(words)
      assert(os.execute("openssl " .. words .. " >/dev/null 2>&1"), "openssl " .. words)
    end

    setup(function()
      dir = os.tmpname()
      os.remove(dir)
      assert(os.execute("mkdir -m 700 " .. dir))
      openssl(("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        .. "-subj /CN=test -addext subjectAltName=IP:127.0.0.1 "
        .. "-keyout %s/key.pem -out %s/cert.pem"):format(dir, dir))
      secure = process.start("spec/support/misbehaving.lua", "tls", dir .. "/cert.pem",
        dir .. "/key.pem")
      mutual = process.start("spec/support/misbehaving.lua", "tls", dir .. "/cert.pem",
        dir .. "/key.pem", dir .. "/cert.pem")
    end)

    teardown(function()
      secure:stop()
      mutual:stop()
      os.execute("rm -r " .. dir)
    end)

    local function url(of, path)
      return ("https://127.0.0.1:%d%s"):format(of.port, path or "/x?size=10")
    end

    it("refuses a certificate that nobody known has signed, naming what it was checked against",
      function()
        local _, err = t.result { url = url(secure) }
        assert.equal("unreachable", err.kind)
        assert.equal("tls", err.code)
        assert.is_truthy(err.message:find("self-signed certificate", 1, true), err.message)
        assert.is_truthy(err.ca and err.ca:find "^/", err.ca)
        assert.is_false(err.retryable)
      end)

    it("accepts it with ca_file, a file or a hashed directory, and keeps connections", function()
      for _ = 1, 2 do
        local response = t.result { url = url(secure), ca_file = dir .. "/cert.pem" }
        assert.equal(200, response.status)
        assert.equal(10, #response.body)
      end
      local again = t.result { url = url(secure), ca_file = dir .. "/cert.pem" }
      assert.equal(0, again.connections)
      assert(os.execute(("mkdir %s/hashed && cp %s/cert.pem %s/hashed"):format(dir, dir, dir)))
      openssl("rehash " .. dir .. "/hashed")
      local hashed = t.result { url = url(secure), ca_file = dir .. "/hashed" }
      assert.equal(200, hashed.status)
    end)

    it("opens more connections where HTTP/2 is not spoken", function()
      local requests = {}
      for i, delay in ipairs { 0.4, 0.05 } do
        requests[i] = t.pool:send { url = url(secure, "/x?delay=" .. delay),
          ca_file = dir .. "/cert.pem" }
      end
      assert.equal(200, fixture.finish(t.pool, requests[2]).status)
      assert.equal("running", requests[1].state)
    end)

    it("refuses a certificate for another name", function()
      local _, err = t.result { url = ("https://localhost:%d/"):format(secure.port),
        ca_file = dir .. "/cert.pem" }
      assert.equal("tls", err.code)
    end)

    it("tells apart a CA file that cannot be read, and a port that speaks no TLS", function()
      local _, err = t.result { url = url(secure), ca_file = dir .. "/missing.pem" }
      assert.equal("config", err.kind)
      assert.equal("ca_file", err.code)
      assert.equal(dir .. "/missing.pem", err.ca)
      _, err = t.result { url = url(t.server) }
      assert.equal("tls", err.code)
    end)

    it("shows a client certificate where the server asks for one", function()
      local _, err = t.result { url = url(mutual), ca_file = dir .. "/cert.pem" }
      assert.equal("tls", err.code)
      local response = t.result { url = url(mutual), ca_file = dir .. "/cert.pem",
        client_cert = dir .. "/cert.pem", client_key = dir .. "/key.pem" }
      assert.equal(200, response.status)
      _, err = t.result { url = url(mutual), ca_file = dir .. "/cert.pem",
        client_cert = dir .. "/none.pem", client_key = dir .. "/key.pem" }
      assert.equal("config", err.kind)
      assert.equal("client_cert", err.code)
    end)

    it("sees answers cut off, and none at all, as without", function()
      local _, err = t.result { url = url(secure, "/x?size=1000&cut=400"),
        ca_file = dir .. "/cert.pem" }
      assert.equal("cut_off", err.code)
      assert.equal(400, err.received)
      _, err = t.result { url = url(secure, "/x?hangup=1"),
        ca_file = dir .. "/cert.pem" }
      assert.equal("reset", err.code)
    end)
  end)
end)
