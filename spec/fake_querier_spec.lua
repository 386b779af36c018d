package.path = "./?.lua;" .. package.path

local core = require "pyroscope.core"
local process = require "spec.support.process"
local socket = require "socket"

local STORE = "spec/fixtures/wire/pushed"
local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
local QUESTION = ('{"profileTypeID":"%s","labelSelector":"{service_name=\\"wire-left\\"}",'
  .. '"start":1795212000000,"end":1795212600000}'):format(CPU)
local TREES = "/querier.v1.QuerierService/SelectMergeStacktraces"
local NAMES = "/querier.v1.QuerierService/LabelNames"
local WINDOW = '{"start":1795212000000,"end":1795212600000}'

-- One request over a connection of its own: status, headers, body as far as it came.
local function ask(server, method, path, headers, body)
  local connection = assert(socket.tcp4())
  connection:settimeout(5)
  assert(connection:connect("127.0.0.1", server.port))
  local lines = { ("%s %s HTTP/1.1"):format(method, path), "Host: here", "Connection: close",
    ("Content-Length: %d"):format(#(body or "")) }
  for name, value in pairs(headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""))
  local text, _, part = connection:receive "*a"
  connection:close()
  text = text or part
  local head, rest = text:match "^(.-)\r\n\r\n(.*)$"
  if not head then return nil, {}, text end
  local found = {}
  for name, value in head:gmatch "\r\n([^:\r\n]+):[ \t]*([^\r\n]*)" do
    found[name:lower()] = value
  end
  return math.tointeger(tonumber(head:match "^HTTP/%S+ (%d+)")), found, rest
end

local JSON = { ["Content-Type"] = "application/json" }

describe("the fake querier", function()
  local server
  setup(function() server = process.start("spec/support/querier.lua", STORE) end)
  teardown(function() server:stop() end)

  it("answers JSON and protobuf, gzipped for whoever reads that", function()
    local status, headers, body = ask(server, "POST", TREES, JSON, QUESTION)
    assert.equal(200, status)
    assert.equal("application/json", headers["content-type"])
    local answer = assert(core.decode_answer_json("SelectMergeStacktraces", body))
    assert.equal(15, answer.flamegraph.sum)
    local bytes = assert(core.encode("SelectMergeStacktraces", { profileTypeID = CPU,
      labelSelector = "{}", start = 1795212000000, ["end"] = 1795212600000,
      format = "PROFILE_FORMAT_TREE" }))
    status, headers, body = ask(server, "POST", TREES, { ["Accept-Encoding"] = "gzip",
      ["Content-Type"] = "application/proto" }, bytes)
    assert.equal(200, status)
    assert.equal("gzip", headers["content-encoding"])
    answer = assert(core.decode_answer("SelectMergeStacktraces", assert(core.gunzip(body))))
    assert.is_true(answer.tree.sum > 82250000000)
  end)

  it("refuses as a server does", function()
    for _, case in ipairs {
      { "GET", TREES, JSON, "", 405 }, { "POST", TREES, {}, QUESTION, 415 },
      { "POST", "/querier.v1.QuerierService/Nothing", JSON, "{}", 404 },
      { "POST", TREES, JSON, "", 400 }, { "POST", TREES, JSON, "{", 400 },
      { "GET", "/render", {}, "", 404 }, { "POST", TREES, JSON, "{}", 400 },
      { "POST", TREES, { ["Content-Type"] = "application/json", Accept = "a/b," }, QUESTION,
        400 },
    } do
      local status, _, body = ask(server, case[1], case[2], case[3], case[4])
      assert.equal(case[5], status, case[2] .. body)
    end
  end)

  it("answers the older paths", function()
    local status, _, body = ask(server, "GET", "/pyroscope/render?from=1795212000&until=1795212600"
      .. "&query=" .. CPU .. "%7Bservice_name%3D%22wire-left%22%7D")
    assert.equal(200, status)
    assert.equal(15, core.decode(body, "json").sum)
    assert.equal(200, (ask(server, "GET", "/ready")))
    assert.equal(200, (ask(server, "GET", "/api/v1/status/buildinfo")))
  end)

  it("misbehaves on demand", function()
    for fault, wanted in pairs { ["html"] = 200, ["html:403"] = 403, ["401"] = 401,
      ["500"] = 500, ["429:7"] = 429, ["garbage"] = 200, ["empty"] = 200,
      ["redirect:http:%2F%2Fx"] = 302, ["type:text%2Fplain"] = 200 } do
      local status, headers, body = ask(server, "POST", "/@" .. fault .. NAMES, JSON, WINDOW)
      assert.equal(wanted, status, fault)
      if fault:find "^html" then assert.truthy(body:find "<html>") end
      if fault:find "^429" then assert.equal("7", headers["retry-after"]) end
      if fault:find "^redirect" then assert.equal("http://x", headers.location) end
      if fault:find "^type" then assert.equal("text/plain", headers["content-type"]) end
      if fault == "empty" then assert.equal("", body) end
    end
    local _, headers, body = ask(server, "POST", "/@cut:10" .. NAMES, JSON, WINDOW)
    assert.equal(10, #body)
    assert.is_true(tonumber(headers["content-length"]) > 10)
    assert.is_nil((ask(server, "POST", "/@hangup" .. NAMES, JSON, WINDOW)))
    local begin = socket.gettime()
    assert.equal(200, (ask(server, "POST", "/@slow:0.3" .. NAMES, JSON, WINDOW)))
    assert.is_true(socket.gettime() - begin >= 0.3)
    assert.equal(503, (ask(server, "POST", "/@flaky:2" .. NAMES, JSON, WINDOW)))
    assert.equal(503, (ask(server, "POST", "/@flaky:2" .. NAMES, JSON, WINDOW)))
    assert.equal(200, (ask(server, "POST", "/@flaky:2" .. NAMES, JSON, WINDOW)))
    assert.equal(500, (ask(server, "POST", NAMES, { ["Content-Type"] = "application/json",
      ["X-Misbehave"] = "500" }, WINDOW)))
  end)

  it("remembers what it was asked, once", function()
    ask(server, "GET", "/@log")
    ask(server, "POST", NAMES, JSON, WINDOW)
    local _, _, body = ask(server, "GET", "/@log")
    assert.truthy(body:find("LabelNames", 1, true))
    _, _, body = ask(server, "GET", "/@log")
    assert.equal("[]", body)
  end)

  local function with(...)
    local other = process.start("spec/support/querier.lua", STORE, ...)
    finally(function() other:stop() end)
    return other
  end

  it("asks for the credentials it was told", function()
    local guarded = with("--bearer", "word")
    local status, headers = ask(guarded, "POST", NAMES, JSON, WINDOW)
    assert.equal(401, status)
    assert.truthy(headers["www-authenticate"]:find "Bearer")
    assert.equal(200, (ask(guarded, "POST", NAMES, { ["Content-Type"] = "application/json",
      Authorization = "Bearer word" }, WINDOW)))
  end)

  it("has data for its own tenant only, below its prefix only", function()
    local other = with("--tenant", "team-a", "--prefix", "/p")
    local function names(tenant)
      return ask(other, "POST", "/p" .. NAMES, { ["Content-Type"] = "application/json",
        ["X-Scope-OrgID"] = tenant }, WINDOW)
    end
    assert.equal(401, (ask(other, "POST", "/p" .. NAMES, JSON, WINDOW)))
    assert.equal(404, (ask(other, "POST", NAMES, JSON, WINDOW)))
    assert.equal("{}", select(3, names "team-b"))
    assert.truthy(select(3, names "team-a"):find "service_name")
  end)

  it("plays older servers", function()
    local old = with("--version", "1.4.0", "--mode", "v1")
    assert.equal(405, (ask(old, "POST", "/querier.v1.QuerierService/GetProfileStats", JSON, "{}")))
    local tree = QUESTION:gsub("}$", ',"format":"PROFILE_FORMAT_TREE"}')
    local _, _, body = ask(old, "POST", TREES, JSON, tree)
    assert.truthy(body:find("flamegraph", 1, true))
    assert.truthy(select(3, ask(old, "GET", "/api/v1/status/buildinfo")):find("1.4.0", 1, true))
  end)
end)
