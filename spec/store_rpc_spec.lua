package.path = "./?.lua;" .. package.path

local core = require "pyroscope.core"
local open = require "pyroscope.source.store".open
local replay = require "spec.support.replay"
local rpc = require "pyroscope.source.store.rpc"

local COMPACT = "spec/fixtures/wire"
local SHARED = "../shared/fixtures/wire"
local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

-- Exchanges that are not, or not wholly, answered as recorded: a pattern of the name, what is
-- compared, and why.
local DIFFERENT = {
  { "^push%-", nil, "writing is not a query" },
  { "^ingest%-", nil, "writing is not a query" },
  { "^async%-", nil, "asynchronous queries are not answered" },
  { "^diagnostics", nil, "diagnostics are the server's own" },
  { "^dot%-", nil, "our own drawing, which is not lossy" },
  { "^render%-dot", nil, "our own drawing, which is not lossy" },
  { "gopgo", nil, "Go's PGO is not made from files; the server itself failed here" },
  { "%-norange%-v1", nil, "a later profile was in the server" },
  { "onlystart%-v1", nil, "a later profile was in the server" },
  { "labelvalues%-name%-v1", nil, "a later profile was in the server" },
  { "^profilestats.*v1", nil, "a later profile was in the server" },
  { "^analyzequery%-v1", nil, "the server's own estimate of cost" },
  { "^analyzequery%-dual", nil, "the server's own estimate of cost" },
  { "^profilestats", "oldest", "the server counts compacted blocks only" },
  { "^empty%-proto%-body", "oldest", "the server counts compacted blocks only" },
  { "^featureflags", "flags", "descriptions are the server's own" },
  { "^err%-json%-", "code", "the words are those of the server's decoder" },
  { "^err%-proto%-garbage", "code", "the words are those of the server's decoder" },
  { "wide%-40", "names", "with a real function 'other' the server loses part of its value" },
  { "^render%-both%-maxnodes", "total", "how often the server cuts depends on its blocks" },
}

local function different(name)
  for _, case in ipairs(DIFFERENT) do
    if name:find(case[1]) then return case end
  end
end

-- What is compared of two meanings when not all of it can be equal.
local REDUCE = {
  oldest = function(meaning)
    return { meaning.status, meaning.body.dataIngested, meaning.body.oldestProfileTime }
  end,
  flags = function(meaning)
    local enabled = {}
    for _, flag in ipairs(meaning.body.featureFlags) do
      enabled[flag.name] = flag.enabled or false
    end
    return enabled
  end,
  code = function(meaning) return { meaning.status, meaning.body.code } end,
  total = function(meaning) return meaning.body.flamebearer.total end,
  -- Names and structure; what lies below an "other" is kept by the server's trees only.
  names = function(meaning)
    local names, below = {}, math.huge
    for _, row in ipairs(meaning.body.flamegraph or meaning.body.tree) do
      local depth, name = row:match '^(%d+) (".*") '
      depth = math.tointeger(depth)
      if depth <= below then
        names[#names + 1] = depth .. name
        below = name == '"other"' and depth or math.huge
      end
    end
    return names
  end,
}

-- Ids of profiles are random: the recorded one is that of the largest profile of a pod.
local function own_ids(exchange, store)
  local recorded = "6[cC]20[aA]286%-4[eE]3[aA]%-45[fF]5%-9[cC]6[aA]%-[aA][fF]8[bB][bB]65[bB]5663"
  if exchange.request.body:find(recorded) then
    local rows = assert(store:exemplars { service = "wire-shop", type = CPU, limit = 1,
      labels = { pod = "a-1" } })
    exchange.request.body = exchange.request.body:gsub(recorded, rows[1].profile_id)
  end
end

local function check(store, exchange)
  local case = different(exchange.name)
  own_ids(exchange, store)
  for _, mode in ipairs(exchange.modes) do
    local response, method = replay.ask(store, exchange, mode)
    local ours, theirs = replay.meaning(response, method),
      replay.meaning(exchange.response, method)
    if case then
      ours, theirs = REDUCE[case[2]](ours), REDUCE[case[2]](theirs)
    end
    assert.same(theirs, ours, ("%s in mode %s"):format(exchange.name, mode))
  end
end

local function replay_all(list, path)
  local store
  lazy_setup(function() store = assert(open(path)) end)
  lazy_teardown(function() store:close() end)
  local asked = 0
  for _, exchange in ipairs(list) do
    local case = different(exchange.name)
    if not case or case[2] then
      asked = asked + 1
      it("answers " .. exchange.name .. " as the server did", function()
        check(store, exchange)
      end)
    end
  end
  it("has exchanges to compare", function() assert.is_true(asked > 100) end)
end

describe("a store asked like a server (compact copy of recorded exchanges)", function()
  replay_all(replay.file(COMPACT .. "/exchanges.jsonl"), COMPACT .. "/pushed")
end)

describe("a store asked like a server (all recorded exchanges)", function()
  if io.open(SHARED .. "/README.md") then
    replay_all(replay.folder(SHARED), SHARED .. "/pushed")
  else
    pending "needs ../shared: the recorded exchanges of all kinds"
  end
end)

describe("rpc.call", function()
  local store
  setup(function() store = assert(open(COMPACT .. "/pushed")) end)
  teardown(function() store:close() end)

  local function call(method, request, options)
    return rpc.call(store, method, request, options)
  end

  local WINDOW = { start = 1795212000000, ["end"] = 1795212600000 }

  local function ask(fields)
    local request = { profileTypeID = CPU, labelSelector = "{}", start = WINDOW.start,
      ["end"] = WINDOW["end"] }
    for name, value in pairs(fields) do request[name] = value end
    return request
  end

  it("takes both spellings of wire names, integers as texts, and no unknown field", function()
    local a = assert(call("LabelNames", { start = "1795212000000", ["end"] = WINDOW["end"] }))
    local b = assert(call("LabelNames", WINDOW))
    assert.same(a, b)
    local answer = assert(call("SelectMergeStacktraces", { profile_typeID = CPU,
      label_selector = '{service_name="wire-left"}', start = WINDOW.start,
      ["end"] = WINDOW["end"] }))
    assert.equal(15, answer.flamegraph.sum)
    local none, err = call("LabelNames", { begin = 1 })
    assert.is_nil(none)
    assert.equal("usage", err.kind)
  end)

  it("names the nearest method for one that does not exist", function()
    local none, err = call("LabelName", {})
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    assert.truthy(err.message:find("'LabelNames'", 1, true))
  end)

  it("answers `store:call` with the same tables", function()
    local answer = assert(store:call("ProfileTypes", WINDOW))
    assert.equal(12, #answer.profileTypes)
    local none, err = store:call("SelectSeries", ask { step = 0 })
    assert.is_nil(none)
    assert.equal("rpc", err.kind)
    assert.equal("invalid_argument", err.code)
    assert.equal(400, err.status)
    assert.equal("step must be >= 1ms", err.message)
  end)

  it("puts every profile of the window into exactly one point after the first", function()
    for _, step in ipairs { 1, 7, 15, 60, 100 } do
      local from = 1795212004999
      local to = from + math.ceil(196000 / (step * 1000)) * step * 1000
      local answer = assert(call("SelectSeries", ask { start = from, ["end"] = to, step = step,
        labelSelector = '{service_name="wire-shop"}' }))
      local sum = 0
      for _, point in ipairs(answer.series[1].points) do
        if point.timestamp > from then sum = sum + point.value end
      end
      assert.equal(82250000000, math.tointeger(sum), step)
    end
  end)

  it("gives series in order of their sums, and the first of them with a limit", function()
    local all = assert(call("SelectSeries", ask { step = 15, groupBy = { "pod" } })).series
    local function sum(series)
      local total = 0
      for _, point in ipairs(series.points) do total = total + point.value end
      return total
    end
    for i = 2, #all do assert.is_true(sum(all[i - 1]) >= sum(all[i])) end
    for limit = 1, #all do
      local some = assert(call("SelectSeries", ask { step = 15, groupBy = { "pod" },
        limit = limit })).series
      assert.equal(limit, #some)
      assert.same(all[limit], some[limit])
    end
  end)

  it("cuts at about max_nodes and keeps the total", function()
    local whole = assert(call("SelectMergeStacktraces", ask {
      labelSelector = '{service_name="wire-shop"}' })).flamegraph
    for _, nodes in ipairs { 1, 5, 20, 100 } do
      local cut = assert(call("SelectMergeStacktraces", ask { maxNodes = nodes,
        labelSelector = '{service_name="wire-shop"}' })).flamegraph
      assert.equal(whole.sum, cut.sum)
      assert.is_true(#cut <= #whole)
    end
  end)

  it("hides label names that old clients cannot read", function()
    local shown = assert(call("LabelNames", WINDOW)).names
    local hidden = assert(call("LabelNames", WINDOW, { utf8 = false })).names
    local function has(list, name)
      for _, one in ipairs(list) do
        if one == name then return true end
      end
      return false
    end
    assert.is_true(has(shown, "service.version"))
    assert.is_false(has(hidden, "service.version"))
    assert.is_true(has(hidden, "service_name"))
  end)

  it("answers every method in bytes of both formats that can be read again", function()
    local requests = {
      ProfileTypes = WINDOW, LabelNames = WINDOW, Series = WINDOW, GetProfileStats = {},
      LabelValues = { name = "pod", start = WINDOW.start, ["end"] = WINDOW["end"] },
      SelectMergeStacktraces = ask {}, SelectMergeProfile = ask {},
      SelectMergeSpanProfile = ask { spanSelector = { "00000000000000A1" } },
      SelectSeries = ask { step = 15 }, AnalyzeQuery = {},
      SelectHeatmap = ask { step = 15, queryType = "HEATMAP_QUERY_TYPE_INDIVIDUAL" },
      Diff = { left = ask {}, right = ask {} },
    }
    for _, method in ipairs(rpc.methods()) do
      local answer = assert(call(method, requests[method]))
      local bytes = assert(core.encode_answer(method, answer))
      local json = assert(core.encode_answer_json(method, answer))
      assert.same(replay.meaning({ status = 200, body = bytes,
        headers = { ["content-type"] = "application/proto" } }, method).body,
        replay.meaning({ status = 200, body = json,
          headers = { ["content-type"] = "application/json" } }, method).body, method)
    end
  end)
end)
