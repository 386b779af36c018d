local core = require "pyroscope.core"
local replay = require "spec.support.replay"

local wire = "../shared/fixtures/wire"

-- every recorded exchange with one of the methods, unpacked
local function exchanges()
  local list = {}
  local present = io.open(wire .. "/README.md")
  if not present then return list end
  present:close()
  for _, recorded in ipairs(replay.folder(wire)) do
    local request, response = recorded.request, recorded.response
    local method = request.path:match "Service/(%a+)$"
    if method and core.methods()[method] then
      local body = response.body
      if response.headers["Content-Encoding"] == "gzip" then body = assert(core.gunzip(body)) end
      list[#list + 1] = { name = recorded.name, method = method, status = response.status,
        body = body, request = request.body,
        gzipped = request.headers["content-encoding"] == "gzip",
        json = (request.headers["content-type"] or ""):find "json" ~= nil }
    end
  end
  return list
end

-- A flame graph with its names in place of their numbers, whose order is a server's whim.
local function graph(method, g)
  local rows, width = {}, method == "Diff" and 7 or 4
  for l, level in ipairs(g.levels or {}) do
    for i, v in ipairs(level.values) do
      rows[#rows + 1] = i % width == 0 and l .. ":" .. g.names[v + 1] or v
    end
  end
  return rows
end

describe("the querier's messages", function()
  it("encode the request of the protocol's description byte by byte", function()
    local bytes = assert(core.encode("SelectMergeStacktraces", {
      profileTypeID = "process_cpu:cpu:nanoseconds:cpu:nanoseconds", labelSelector = "{}",
      start = 1700000000000, ["end"] = "1700003600000", maxNodes = 1024,
      format = "PROFILE_FORMAT_TREE" }))
    assert.equal("\x0a\x2bprocess_cpu:cpu:nanoseconds:cpu:nanoseconds\x12\x02{}"
      .. "\x18\x80\xd0\x95\xff\xbc\x31\x20\x80\xad\xf1\x80\xbd\x31\x28\x80\x08\x30\x02", bytes)
    assert.equal(68, #bytes)
  end)

  it("refuse what a server would ignore, and name what was meant", function()
    local bytes, err = core.encode("SelectSeries", { labelSelecter = "{}" })
    assert.is_nil(bytes)
    assert.equal("usage", err.kind)
    assert.truthy(err.message:find("did you mean 'labelSelector'?", 1, true), err.message)
    for _, request in ipairs { { start = 1.5 }, { start = "1e3" }, { start = {} }, { groupBy = "pod" },
      { aggregation = "AVG" }, { step = 0 / 0 }, { limit = "9223372036854775808" }, { 1 } } do
      local nothing, why = core.encode("SelectSeries", request)
      assert.is_nil(nothing)
      assert.equal("usage", why.kind)
    end
  end)

  it("send an optional field that is 0, and no other zero", function()
    assert.equal("\x28\x00", (core.encode("SelectMergeStacktraces", { maxNodes = 0, start = 0 })))
    assert.equal("", (core.encode("SelectMergeStacktraces", { profileTypeID = "", start = 0 })))
  end)

  it("keep 64 bits", function()
    local most = math.maxinteger
    local back = core.decode_request("ProfileTypes",
      core.encode("ProfileTypes", { start = most, ["end"] = math.mininteger }))
    assert.same({ start = most, ["end"] = math.mininteger }, back)
    local json = core.encode_json("ProfileTypes", { start = most })
    assert.equal('{"start":"9223372036854775807"}', json)
    assert.same({ start = most }, (core.decode_request_json("ProfileTypes", json)))
  end)

  it("read integers in every spelling that servers accept, and refuse the others", function()
    for text, value in pairs { ["1700000000000"] = 1700000000000, ['"1700000000000"'] = 1700000000000,
      ["1.7e12"] = 1700000000000, ["10e-1"] = 1 } do
      assert.same({ start = value }, (core.decode_request_json("ProfileTypes",
        '{"start":' .. text .. "}")))
    end
    for _, text in ipairs { "1.5", '" 1"', "0x10", "true", "9223372036854775808", "nan" } do
      local nothing, err = core.decode_request_json("ProfileTypes", '{"start":' .. text .. "}")
      assert.is_nil(nothing)
      assert.equal("decode", err.kind)
    end
  end)

  it("treat null and unknown keys as absent, and find both spellings of a name", function()
    assert.same({ profileTypeID = "x", labelSelector = "{}" },
      (core.decode_request_json("SelectSeries",
        '{"profile_typeID":"x","labelSelector":"{}","start":null,"new":{"a":[1,{"b":null}]}}')))
  end)

  it("read every recorded answer, and the same from JSON as from protobuf", function()
    local list = exchanges()
    if #list == 0 then pending "needs ../shared: the recorded exchanges" return end
    local by_name, pairs_seen = {}, 0
    for _, e in ipairs(list) do
      if e.status == 200 then
        local decode = e.json and core.decode_answer_json or core.decode_answer
        local answer, err = decode(e.method, e.body, { raw = true })
        assert.truthy(answer, e.name .. ": " .. tostring(err))
        by_name[e.name] = { e, answer }
        assert.truthy(decode(e.method, e.body), e.name)
      end
    end
    for name, one in pairs(by_name) do
      local other = by_name[(name:gsub("%-pb%-", "-"))]
      -- random in a server: ids of profiles, the order within a pprof, and of exemplars
      if name:find "%-pb%-" and other and not name:find "profile" and not name:find "^pprof"
        and not name:find "^gzip" and not name:find "exemplars" and not name:find "%-ex%-" and not name:find "^heatmap" then
        pairs_seen = pairs_seen + 1
        for _, side in ipairs { one, other } do
          local drawn = side[2].flamegraph
          if drawn then drawn.levels, drawn.names = graph(side[1].method, drawn), nil end
        end
        assert.same(other[2], one[2], name)
      end
    end
    assert.is_true(pairs_seen > 15, pairs_seen .. " pairs")
  end)

  it("read every recorded request and write it again with the same meaning", function()
    local list = exchanges()
    if #list == 0 then pending "needs ../shared: the recorded exchanges" return end
    local read_requests = 0
    for _, e in ipairs(list) do
      if e.status == 200 and e.request and not e.gzipped and e.request ~= "" then
        local decode = e.json and core.decode_request_json or core.decode_request
        local request, err = decode(e.method, e.request)
        assert.truthy(request, e.name .. ": " .. tostring(err))
        assert.same(request, (core.decode_request(e.method, core.encode(e.method, request))), e.name)
        assert.same(request, (core.decode_request_json(e.method,
          core.encode_json(e.method, request))), e.name)
        read_requests = read_requests + 1
      end
    end
    assert.is_true(read_requests > 200)
  end)

  it("write every recorded answer back with the same meaning", function()
    local list = exchanges()
    if #list == 0 then pending "needs ../shared: the recorded exchanges" return end
    for _, e in ipairs(list) do
      if e.status == 200 then
        local decode = e.json and core.decode_answer_json or core.decode_answer
        local raw = assert(decode(e.method, e.body, { raw = true }))
        local bytes = assert(core.encode_answer(e.method, raw))
        assert.same(raw, (core.decode_answer(e.method, bytes, { raw = true })), e.name)
        assert.same(raw, (core.decode_answer_json(e.method,
          core.answer_to_json(e.method, bytes), { raw = true })), e.name)
        -- handles too: a tree drawn again by us is the server's, except for what a name alone
        -- cannot tell (the server folds siblings called "other")
        local handles = assert(decode(e.method, e.body))
        if handles.flamegraph and not e.name:find "hostile" and not e.name:find "wide"
          and not e.name:find "maxnodes" then
          local again = assert(core.decode_answer(e.method,
            core.encode_answer(e.method, { flamegraph = handles.flamegraph }), { raw = true }))
          assert.same(graph(e.method, raw.flamegraph), graph(e.method, again.flamegraph), e.name)
          assert.equal(raw.flamegraph.total, again.flamegraph.total)
          assert.equal(raw.flamegraph.maxSelf, again.flamegraph.maxSelf)
        end
      end
    end
  end)

  it("survive every truncation and every changed byte of an answer", function()
    local bytes = assert(core.encode_answer("SelectSeries", { series = { {
      labels = { { name = "pod", value = "a-1" } },
      points = { { value = 1.5, timestamp = 1700000000000, exemplars = { { profileId = "x",
        value = 3 } } } } } } }))
    for n = 0, #bytes - 1 do
      local answer, err = core.decode_answer("SelectSeries", bytes:sub(1, n))
      if not answer then
        assert.equal("decode", err.kind)
        assert.is_true(err.where <= n)
      end
      for _, byte in ipairs { 0, 1, 0x7f, 0x80, 0xff } do
        core.decode_answer("SelectSeries", bytes:sub(1, n) .. string.char(byte) .. bytes:sub(n + 2))
      end
    end
    local json = core.answer_to_json("SelectSeries", bytes)
    for n = 1, #json - 1 do
      local answer, err = core.decode_answer_json("SelectSeries", json:sub(1, n))
      assert.is_nil(answer)
      assert.is_true(err.where <= n)
    end
  end)

  it("refuse JSON that nests without end", function()
    local answer, err = core.decode_answer_json("ProfileTypes",
      '{"x":' .. ("["):rep(100000) .. ("]"):rep(100000) .. "}")
    assert.is_nil(answer)
    assert.equal("decode", err.kind)
  end)

  it("leave no handle behind", function()
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)
end)
