local cjson = require "cjson"
local errors = require "pyroscope.errors"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local shop = require "spec.support.shop"
local access = require "pyroscope.source.server.access"

local RECORDED = "spec/fixtures/refusals.jsonl"

-- What each recorded refusal is: kind, code.
local EXPECTED = {
  ["err-404"] = "http not_found", ["err-405"] = "http not_found", ["err-415"] = "http content_type",
  ["err-json-charset-latin"] = "http content_type", ["err-accept-malformed"] = "http 400",
  ["err-bad-no-blocks"] = "unsupported needs_v2", ["err-connect-version"] = "rpc invalid_argument",
  ["err-encoding-br"] = "unsupported unimplemented", ["err-end-zero"] = "usage range",
  ["err-start-zero"] = "usage range", ["err-proto-emptybody"] = "usage range",
  ["err-json"] = "rpc invalid_argument", ["err-proto-garbage"] = "rpc invalid_argument",
  ["err-maxnodes-huge"] = "limit max_nodes", ["err-maxnodes-neg"] = "usage max_nodes",
  ["err-no-selector"] = "usage selector", ["err-selector"] = "usage selector",
  ["err-partly-old"] = "limit range_too_long", ["err-too-long"] = "limit range_too_long",
  ["err-pid-bad"] = "usage profile_id", ["err-span-bad"] = "usage span_id",
  ["err-span-short"] = "usage span_id", ["err-span-and-trace-v1"] = "unsupported needs_v2",
  ["err-span-and-trace-v2"] = "usage filters", ["err-start-after-end"] = "usage range",
  ["err-step"] = "usage step", ["err-timeout-1ms"] = "timeout deadline_exceeded",
  ["err-timeout-bad"] = "rpc invalid_argument", ["err-trace-bad-v2"] = "usage trace_id",
  ["err-trace-bad"] = "unsupported needs_v2", ["err-type"] = "usage type",
  ["tenant-missing"] = "auth no_tenant", ["tenant-two-stats"] = "usage tenant",
  ["tenant"] = "auth tenant",
  ["nginx-301"] = "http redirect", ["nginx-prefix-no-slash"] = "http redirect",
  ["nginx-400-header"] = "http 400", ["nginx-403"] = "auth permission_denied",
  ["nginx-413"] = "http too_large", ["nginx-414"] = "http too_large",
  ["nginx-502"] = "http gateway", ["nginx-reset"] = "http gateway",
  ["nginx-limit-503"] = "http gateway", ["nginx-504"] = "timeout gateway_timeout",
  ["nginx-basic"] = "auth unauthenticated", ["nginx-cut"] = "http cut_off",
  ["nginx-limit-429"] = "http too_many_requests", ["nginx-oauth2-none"] = "auth login",
  ["nginx-prefix-missing"] = "http not_found", ["nginx-upstream-401"] = "auth no_tenant",
  ["nginx-upstream-429"] = "rpc resource_exhausted",
  ["access-login-200"] = "auth login_page", ["access-login-302"] = "auth login",
  ["access-service-bad-403"] = "auth permission_denied", ["access-token-bad-302"] = "auth login",
  ["grafana-no-api-prefix"] = "auth grafana", ["grafana-html-login"] = "auth grafana",
  ["grafana-html-200"] = "http grafana", ["grafana-api-404"] = "http grafana",
}

local function expected_of(name)
  local best
  for prefix in pairs(EXPECTED) do
    if name:sub(1, #prefix) == prefix and (not best or #prefix > #best) then best = prefix end
  end
  return best and EXPECTED[best]
end

-- The same question for every case: an RPC for POST, a path for GET.
local function ask(client, case)
  local method = case.path:match "^/[^/]*/?querier%.v1%.QuerierService/(%w+)$"
    or case.path:match "QuerierService/(%w+)$"
  local redirect = case.status >= 300 and case.status < 400 -- followed where it is a GET
  if case.method ~= "GET" or redirect then
    if not require "pyroscope.core".methods()[method or ""] then method = "SelectSeries" end
    local request = method == "GetProfileStats" and {} or { start = 1, ["end"] = 2 }
    return client:call(method, method == "Diff" and {} or request)
  end
  return client:get(case.path)
end

describe("credentials", function()
  local server

  setup(function() server = process.start("spec/support/refusals.lua", RECORDED) end)
  teardown(function() server:stop() end)

  -- The headers of one request that a client with these options makes.
  local function sent(options)
    options.url = server.url .. "/@headers"
    local client <close> = assert(pyroscope.connect(options))
    return cjson.decode((assert(client:get "/x"))).headers
  end

  it("are none when there are none (GCX-11)", function()
    assert.is_nil(sent({}).authorization)
    assert.matches("allow%-utf8%-labelnames=true", sent({}).accept)
    assert.matches("^pscope/", sent({})["user-agent"])
  end)

  it("are a bearer token, from an option or a file", function()
    assert.equal("Bearer t0ken-abc", sent({ token = "t0ken-abc" }).authorization)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("  file-token \n")
    file:close()
    assert.equal("Bearer file-token", sent({ token_file = path }).authorization)
    os.remove(path)
    local client <close> = assert(pyroscope.connect { url = server.url, token_file = path })
    local found, err = client:get "/x"
    assert.is_nil(found)
    assert.equal("config", err.kind)
    assert.matches(path, err.message, 1, true)
  end)

  it("are basic, with the password of a URL decoded", function()
    assert.equal("Basic YWxpY2U6c2VzYW1l",
      sent({ username = "alice", password = "sesame" }).authorization)
    local client <close> = assert(pyroscope.connect { url = "http://alice:ses%61me@"
      .. server.url:match "//(.*)" .. "/@headers" })
    assert.equal("Basic YWxpY2U6c2VzYW1l",
      cjson.decode((assert(client:get "/x"))).headers.authorization)
    assert.is_nil(tostring(client):find("ses", 1, true))
  end)

  it("come in the order command, Cloudflare, bearer, basic (AX-03)", function()
    local all = { token = "bearer-token", username = "u", password = "pass",
      cf_access_client_id = "id.access", cf_access_client_secret = "cf-secret" }
    local headers = sent(all)
    assert.equal("id.access", headers["cf-access-client-id"])
    assert.equal("cf-secret", headers["cf-access-client-secret"])
    assert.is_nil(headers.authorization)
    all.cf_access_client_id, all.cf_access_client_secret = nil, nil
    assert.equal("Bearer bearer-token", sent(all).authorization)
  end)

  it("go beside a tenant and headers of one's own", function()
    local headers = sent { tenant = "team-a", token = "tttt", headers = { ["X-Extra"] = "yes" } }
    assert.equal("team-a", headers["x-scope-orgid"])
    assert.equal("yes", headers["x-extra"])
    assert.equal("Bearer tttt", headers.authorization)
  end)

  it("cannot smuggle a second header", function()
    for _, options in ipairs { { token = "a\r\nX-Evil: 1" }, { tenant = "a\nb" },
      { headers = { ["X-A"] = "b\r\nc: d" } }, { headers = { ["X A"] = "b" } } } do
      options.url = server.url
      local client, err = pyroscope.connect(options)
      assert.is_nil(client)
      assert.equal("config", err.kind)
      assert.is_nil(tostring(err):find("Evil", 1, true))
    end
  end)

  it("that are incomplete are refused before anything is sent", function()
    local client, err = pyroscope.connect { url = server.url, cf_access_client_id = "x" }
    assert.is_nil(client)
    assert.equal("config", err.kind)
    client, err = pyroscope.connect { url = server.url, password = "x" }
    assert.is_nil(client)
    assert.matches("username", err.message)
  end)

  it("raise with the nearest name when the option is unknown", function()
    assert.has_error(function() pyroscope.connect { url = "http://x", tennant = "a" } end,
      "connect: unknown option 'tennant' (did you mean 'tenant'?)")
  end)

  it("are never in an error that repeats what a server said (MCP-16)", function()
    local client <close> = assert(pyroscope.connect { url = server.url, token = "s3cr3t-token" })
    assert.equal("your … is bad", client.access:scrub "your s3cr3t-token is bad")
    local _, err = client:get "/none"
    assert.is_nil(tostring(err):find("s3cr3t", 1, true))
  end)

  describe("from an access command", function()
    local script = "lua5.4 spec/support/curl_like.lua "

    it("run the request: URL first, headers and body as they should be (AX-05)", function()
      local client <close> = assert(pyroscope.connect { url = server.url .. "/@headers",
        access_command = script .. "wrap", tenant = "team a",
        headers = { ["X-Quote"] = 'a"b\\c' } })
      local seen = cjson.decode((assert(client:get("/x", { { "q", "ä b" } }))))
      assert.equal("eyJhbGciOi.example-token.c2lnbmF0dXJl", seen.headers["cf-access-token"])
      assert.equal("team a", seen.headers["x-scope-orgid"])
      assert.equal('a"b\\c', seen.headers["x-quote"])
      assert.equal("/@headers/x?q=%C3%A4%20b", seen.target)
      assert.is_nil(seen.headers.authorization)
    end)

    it("answer questions as any other access does", function()
      local folder, remove = shop.folder()
      local querier <close> = process.start("spec/support/querier.lua", folder)
      for _, mode in ipairs { "wrap", "token" } do
        local client <close> = assert(pyroscope.connect { url = querier.url,
          access_command = script .. mode })
        local profile = assert(client:profile { service = "cart", type = "cpu",
          from_ms = shop.from_ms, to_ms = shop.from_ms + shop.HOUR })
        assert.equal(2 * shop.value["cart-0"], profile.sum)
      end
      remove()
    end)

    it("print a token, which is sent by us", function()
      local client <close> = assert(pyroscope.connect { url = server.url .. "/@headers",
        access_command = script .. "token" })
      for _ = 1, 2 do
        assert.equal("eyJhbGciOi.example-token.c2lnbmF0dXJl",
          cjson.decode((assert(client:get "/x"))).headers["cf-access-token"])
      end
    end)

    it("fail with what they said and the next step", function()
      local client <close> = assert(pyroscope.connect { url = server.url,
        access_command = script .. "fail" })
      local found, err = client:label_names { from_ms = 1000, to_ms = 2000 }
      assert.is_nil(found)
      assert.equal("auth", err.kind)
      assert.equal(3, errors.exit_code(err))
      assert.matches("Unable to find token", err.hint)
      assert.matches("lua5.4", err.hint, 1, true)
    end)

    it("that do not exist are a mistake of the configuration", function()
      local client <close> = assert(pyroscope.connect { url = server.url,
        access_command = "no-such-program access curl" })
      local found, err = client:get "/x"
      assert.is_nil(found)
      assert.equal("config", err.kind)
      assert.matches("no%-such%-program", err.message)
    end)

    it("have the same deadline as everything", function()
      local client <close> = assert(pyroscope.connect { url = server.url, timeout = 0.2,
        access_command = script .. "hang" })
      local http = require "pyroscope.http"
      local start = http.now()
      local found, err = client:get "/x"
      assert.is_nil(found)
      assert.equal("timeout", err.kind)
      assert.is_true(http.now() - start < 5)
    end)

    it("meet login pages and refusals like everybody", function()
      for _, name in ipairs { "access-login-200", "access-login-302", "nginx-basic-none" } do
        local client <close> = assert(pyroscope.connect { url = server.url .. "/" .. name,
          access_command = script .. "wrap" })
        local found, err = client:label_names { from_ms = 1000, to_ms = 2000 }
        assert.is_nil(found)
        assert.equal("auth", err.kind)
      end
      local client <close> = assert(pyroscope.connect { url = "http://127.0.0.1:1",
        access_command = script .. "wrap" })
      local found, err = client:get "/x"
      assert.is_nil(found)
      assert.equal("unreachable", err.kind)
    end)

    it("are split into words without a shell", function()
      assert.same({ "a", "b c", "d'e", 'f"g', "h i" },
        access.words [[a 'b c' "d'e" "f\"g" h\ i]])
      assert.same({ "x", "$HOME", "`id`", ";", "*" }, access.words "x $HOME `id` ; *")
      assert.same({ "x", "" }, access.words "x ''")
      for _, text in ipairs { "", "  ", "'a", '"b' } do
        local words, err = access.words(text)
        assert.is_nil(words)
        assert.equal("config", err.kind)
      end
    end)
  end)

  describe("and addresses", function()
    it("lose what people paste after them", function()
      for given, base in pairs {
        ["http://h:4040/"] = "http://h:4040", ["HTTPS://h/p//"] = "https://h/p",
        ["http://h/querier.v1.QuerierService/ProfileTypes"] = "http://h",
        ["http://h:4040/ui"] = "http://h:4040", ["http://h/pre/ready"] = "http://h/pre",
      } do
        assert.equal(base, assert(pyroscope.connect { url = given }).base)
      end
    end)

    it("that nobody can ask are refused, without their secrets (PER-22)", function()
      for _, url in ipairs { "h:4040", "ftp://h", "http://", "http://h?token=secret",
        "http://h/#x", "http://h a", "//h", "user:secret@h" } do
        local client, err = pyroscope.connect { url = url }
        assert.is_nil(client, url)
        assert.equal("config", err.kind)
        assert.is_nil(tostring(err):find("secret", 1, true))
        assert.equal(2, errors.exit_code(err))
      end
    end)
  end)

  describe("and recorded refusals:", function()
    for line in io.lines(RECORDED) do
      local case = cjson.decode(line)
      it(case.name, function()
        local client <close> = assert(pyroscope.connect { url = server.url .. "/" .. case.name,
          timeout = 0.4, token = "s3cr3t-credential" })
        local found, err = ask(client, case)
        assert.is_nil(found)
        assert.equal(expected_of(case.name), ("%s %s"):format(err.kind, err.code))
        assert.is_nil(err.message:find "[\n\r]")
        assert.is_true(#err.message < 1300)
        assert.is_string(err.hint or (err.kind == "rpc" or err.kind == "usage") and "" or nil)
        assert.is_nil(tostring(err):find("s3cr3t", 1, true))
        assert.is_nil(tostring(err):find("?", 1, true)
          and tostring(err):match "https?://%S+%?%S")
        if case.status and case.length == nil then
          assert.equal(math.tointeger(case.status), err.status)
        end
      end)
    end
  end)
end)
