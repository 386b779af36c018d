local pyroscope = require "pyroscope"

local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
local HOUR, DAY = 3600000, 86400000

-- A real server, named by the environment: `make test-live PYROSCOPE_URL=...`. What it holds is not
-- known, so its answers are held against each other.
describe("a live server", function()
  local url = os.getenv "PYROSCOPE_LIVE_URL"
  if not url or url == "" then
    it("is not asked here", function()
      pending "needs a real server: make test-live PYROSCOPE_URL=..."
    end)
    return
  end

  local client, window, services

  setup(function()
    client = assert(pyroscope.connect { url = url, token = os.getenv "PYROSCOPE_TOKEN",
      tenant = os.getenv "PYROSCOPE_TENANT_ID" })
    local stats = client:stats()
    local to = require "pyroscope.timespec".now()
    window = { from_ms = to - DAY, to_ms = to }
    services = assert(client:services(window))
    if #services == 0 and stats and stats.newest_ms then
      window = { from_ms = stats.newest_ms - HOUR, to_ms = stats.newest_ms + 1 }
      services = assert(client:services(window))
    end
  end)

  teardown(function() client:close() end)

  -- Visits some services with each of their types that has samples.
  local function each(visit)
    local visited = 0
    for i = 1, math.min(#services, 3) do
      for j = 1, math.min(#services[i].types, 6) do
        local question = { service = services[i].name, type = services[i].types[j].id,
          from_ms = window.from_ms, to_ms = window.to_ms }
        local exact, err = client:pprof(question)
        assert.is_true(exact ~= nil or err.kind == "no_data", tostring(err))
        if exact then
          visited = visited + 1
          visit(question, assert(exact:profile()), services[i].types[j])
        end
      end
    end
    assert.is_true(visited > 0, "the server holds nothing for these windows")
  end

  it("has a version or a storage, and services with types", function()
    local info = assert(client:server())
    assert.is_true(info.storage == "v1" or info.storage == "v2" or info.storage == "dual")
    assert.is_true(#services > 0, "push something first")
    for _, row in ipairs(services) do assert.is_true(#row.types > 0, row.name) end
  end)

  it("gives trees that the samples contain", function()
    each(function(question, exact)
      question.sum = true -- a stock's nodes are divided and rounded one by one
      local tree = assert(client:profile(question))
      question.sum = nil
      -- Stacks without any function are in the samples only.
      assert.is_true(tree.sum <= exact.sum)
      assert.is_true(tree.sum > 0)
      local self = 0
      for _, _, own in tree:walk() do self = self + own end
      assert.equal(tree.sum, self)
    end)
  end)

  it("gives timelines and rankings whose sums are those of the samples", function()
    each(function(question, exact, kind)
      question.step = 60
      local rows = assert(client:timeline(question))
      local ranked = assert(client:top_series(question))
      local near = math.max(1, exact.sum * 1e-9)
      assert.near(rows[1].sum, ranked[1].sum, near)
      -- Samples without a stack are in series; the old storage leaves them out of its samples.
      local stackless = kind.class == "goroutine" or kind.class:find "^mutex" or kind.class:find "^block"
      if stackless then
        assert.is_true(rows[1].sum >= exact.sum - near)
      else
        assert.near(exact.sum, rows[1].sum, near)
      end
    end)
  end)

  it("counts the profiles that a stock is divided by", function()
    each(function(question, exact, kind)
      local count = assert(client:profile_counts(question))[1].profiles
      assert.is_true(count > 0)
      if kind.kind == "stock" then
        assert.equal(count, exact.profiles)
        assert.near(exact.sum / count, exact.total, 0.5)
      end
    end)
  end)

  it("differs from itself in nothing, and its own Diff says the same", function()
    local done = false
    each(function(question, _, kind)
      if done or kind.kind == "stock" then return end
      done = true
      local half = (window.from_ms + window.to_ms) // 2
      assert.same({}, (assert(client:diff(question, question)):rows(0)))
      local a, b = { from_ms = window.from_ms, to_ms = half },
        { from_ms = half, to_ms = window.to_ms }
      for name, value in pairs(question) do
        a[name], b[name] = a[name] or value, b[name] or value
      end
      local ours = client:diff(a, b)
      a.server = true
      local theirs = client:diff(a, b)
      if ours and theirs and ours.sides[1].other + ours.sides[2].other == 0 then
        assert.equal(ours.sides[1].raw, theirs.sides[1].raw)
        assert.equal(ours.sides[2].raw, theirs.sides[2].raw)
      end
    end)
  end)

  it("refuses a bad selector with its words, and knows no such service", function()
    local found, err = client:call("SelectSeries", { profileTypeID = CPU,
      labelSelector = '{a="b"', start = window.from_ms, ["end"] = window.to_ms, step = 60 })
    assert.is_nil(found)
    assert.equal("selector", err.code)
    found, err = client:profile { service = "no-such-service-here", type = "cpu",
      from_ms = window.from_ms, to_ms = window.to_ms }
    assert.is_nil(found)
    assert.equal("no_data", err.kind)
  end)
end)
