-- Against a real server: make test-live PYROSCOPE_URL=http://127.0.0.1:4040. Reads only; what it
-- checks holds on any server with data, and where the sample incident was pushed to it, the client
-- must give what the store gives.

local core = require "pyroscope.core"
local pyroscope = require "pyroscope"

local url = os.getenv "PYROSCOPE_LIVE_URL"
local REASON = "needs a server: make test-live PYROSCOPE_URL=..."

local function tree_of(profile)
  local lines = {}
  for depth, name, self, total in profile:walk() do
    lines[#lines + 1] = ("%d %s %d %d"):format(depth, name, self, total)
  end
  return table.concat(lines, "\n")
end

describe("a real server", function()
  local client, window

  setup(function()
    if not url then return end
    client = assert(pyroscope.connect { url = url })
    local stats = assert(client:stats())
    local to = stats.newest_ms and stats.newest_ms + 60000 or os.time() * 1000
    window = { from_ms = math.max(stats.oldest_ms or 0, to - 3600000) - 5, to_ms = to }
  end)

  teardown(function()
    if client then client:close() end
    client = nil
    collectgarbage()
    collectgarbage()
  end)

  local function live(title, test)
    it(title, function()
      if not url then pending(REASON) return end
      test()
    end)
  end

  local function query(fields)
    fields.from_ms, fields.to_ms = window.from_ms, window.to_ms
    return fields
  end

  -- up to three services with a CPU type, or whatever they have
  local function questions()
    local list = {}
    for _, service in ipairs(assert(client:services(window))) do
      local t = service.cpu_type or service.types[1] and service.types[1].id
      if t and #list < 3 then list[#list + 1] = { service = service.name, type = t } end
    end
    assert.is_true(#list > 0, "the server has no profiles")
    return list
  end

  live("tells its storage and what it can", function()
    local server = assert(client:server())
    assert.truthy(({ v1 = true, v2 = true, dual = true })[server.storage])
  end)

  live("lists names that have values", function()
    for _, name in ipairs(assert(client:label_names(window))) do
      assert.is_true(#assert(client:label_values(name, window)) > 0, name)
    end
    assert.is_true(#assert(client:profile_types(window)) > 0)
    assert.is_true(#assert(client:series(window, { selector = "{}" })) > 0)
  end)

  live("gives one total as pprof, as timeline and as ranking", function()
    for _, q in ipairs(questions()) do
      local profile = assert(client:profile(query { service = q.service, type = q.type }))
      local ranking = assert(client:top_series(query { service = q.service, type = q.type,
        group_by = "service_name" }))
      assert.equal(ranking[1].sum, profile.sum, q.service)
      local timeline = assert(client:timeline(query { service = q.service, type = q.type }))
      local sum = 0
      for _, point in ipairs(timeline[1].points) do sum = sum + (point.raw or 0) end
      -- the timeline's window is whole steps, so it may hold a little more
      assert.is_true(sum >= profile.sum, q.service)
    end
  end)

  live("gives an uncut tree that equals the pprof where all frames have names", function()
    for _, q in ipairs(questions()) do
      local exact = assert(client:profile(query { service = q.service, type = q.type }))
      local tree = assert(client:profile(query { service = q.service, type = q.type,
        max_nodes = 1048576 }))
      local named = true
      for _, name in exact:walk() do if name:find "^0x" or name == "other" then named = false end end
      local empty = select(2, exact:top(1)).empty
      if named and not empty then assert.equal(tree_of(tree), tree_of(exact), q.service) end
    end
  end)

  live("aligns two windows as we do", function()
    local q = questions()[1]
    local middle = (window.from_ms + window.to_ms) // 2
    local a = { service = q.service, type = q.type, from_ms = window.from_ms, to_ms = middle }
    local b = { service = q.service, type = q.type, from_ms = middle, to_ms = window.to_ms }
    local ours, err = client:diff(a, b)
    if not ours then assert.equal("no_data", err.kind) return end
    a.server = true
    local theirs = assert(client:diff(a, b))
    assert.equal(ours.sides[1].raw, theirs.sides[1].raw)
    assert.equal(ours.sides[2].raw, theirs.sides[2].raw)
  end)

  live("answers what the store answers, where it has the sample incident", function()
    local store = assert(pyroscope.open "examples/data/cpu-hotspot")
    local from, to = 1795204800000, 1795205169300
    local q = { service = "checkout", type = "cpu", from_ms = from, to_ms = to }
    local profile = client:profile(q)
    if not profile then pending "the sample incident was not pushed to this server" return end
    local want = assert(store:profile(q))
    local rows, theirs = want:top(50), profile:top(50)
    for i, row in ipairs(rows) do
      -- a server takes type parameters out of Go's names, and leaves empty stacks away
      assert.equal(row.self, theirs[i].self)
      assert.equal(row.total, theirs[i].total)
    end
    for _, type in ipairs { "cpu", "goroutine" } do
      local asked = { service = "checkout", type = type, from_ms = from, to_ms = to, step = 15,
        group_by = "pod" }
      local ours, server = assert(store:timeline(asked)), assert(client:timeline(asked))
      local function points(timeline)
        local by = {}
        for _, row in ipairs(timeline) do
          for _, point in ipairs(row.points) do
            if point.value and point.value > 0 then
              by[row.labels.pod .. " " .. point.time_ms] = math.floor(point.value * 1000 + 0.5)
            end
          end
        end
        return by
      end
      assert.same(points(ours), points(server), type)
    end
    store:close()
  end)

  live("leaves no handle behind", function()
    client:close()
    client = nil
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)
end)
