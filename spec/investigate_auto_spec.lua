local core = require "pyroscope.core"
local inv = require "pyroscope.investigate"
local query = require "pyroscope.query"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"

local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
-- Wednesday, 2026-03-04 12:00:00 UTC
local NOON = 1772625600000
local SELECTOR = '{service_name="shop"}'
local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

-- A service of some pods as a source: `rate(pod, time_ms)` says how many nanoseconds a second, nil
-- where the pod is silent; a profile every 15 s.
local function service(options)
  local source = { kind = "client", name = "fake", asked = {} }
  local pods = options.pods or { "p1", "p2", "p3" }

  function source.defaults() return { now_ms = NOON } end
  function source.stats()
    return { ingested = true, oldest_ms = options.oldest_ms or NOON - 10 * DAY, newest_ms = NOON }
  end
  function source.profile_types() return { types.row(CPU) } end

  function source.series(_, window, asked)
    local rows = {}
    for _, pod in ipairs(pods) do
      local any = false
      for t = window.from_ms, window.to_ms - 1, math.max(15000, (window.to_ms
          - window.from_ms) // 200) do
        any = any or options.rate(pod, t) ~= nil
      end
      if any then
        rows[#rows + 1] = shared.reduced({ pod = pod, service_name = "shop",
          version = options.version and options.version(pod, window) or nil }, asked.labels)
      end
    end
    return rows
  end

  local function each(pod, from, to)
    local n, raw = 0, 0
    for t = from - from % 15000, to - 1, 15000 do
      local rate = t >= from and options.rate(pod, t)
      if rate then n, raw = n + 1, raw + math.floor(rate * 15) end
    end
    return n, raw
  end

  function source:timeline(given)
    local resolved = assert(query.resolve(given, self, { where = "timeline" }))
    table.insert(self.asked, "timeline")
    local step, count, from = shared.grid(resolved)
    local rows = { step_ms = step, from_ms = from, to_ms = resolved.to_ms, warnings = {} }
    for _, pod in ipairs(pods) do
      local row = { labels = { pod = pod }, points = {}, sum = 0 }
      for i = 1, count do
        local at = from + (i - 1) * step
        local _, raw = each(pod, at, at + step)
        row.points[i] = { time_ms = at, raw = raw, value = raw / step * 1000 }
        row.sum = row.sum + raw
      end
      if row.sum > 0 then rows[#rows + 1] = row end
    end
    return rows
  end

  function source:profiles(queries)
    local i = 0
    return function()
      i = i + 1
      if not queries[i] then return nil end
      table.insert(self.asked, "profile")
      local resolved = assert(query.resolve(queries[i], self, { where = "profile" }))
      local wanted = shared.fixed_labels(resolved.matchers).pod
      local sum, n = 0, 0
      for _, pod in ipairs(pods) do
        if not wanted or wanted == pod then
          local profiles, raw = each(pod, resolved.from_ms, resolved.to_ms)
          n, sum = n + profiles, sum + raw
        end
      end
      local profile = core.decode(("main;work %d\n"):format(sum))
      return i, profile:describe { profile_type = CPU, unit = "nanoseconds", kind = "flow",
        from_ms = resolved.from_ms, to_ms = resolved.to_ms }
    end
  end
  return source
end

-- Noise without a generator: the same for the same time.
local function noise(t, pod)
  local x = math.sin(t * 12.9898 / 1000 + #pod * 78.233 + pod:byte(-1)) * 43758.5453
  return x - math.floor(x)
end

local function look(source, options)
  options.selector = SELECTOR
  local range = assert(inv.design.range(source, options))
  local subject = assert(inv.subject.of(source, "cpu", SELECTOR, range))
  local design = assert(inv.design.choose(source, subject, options))
  local quality = assert(inv.preflight.run(source, subject, design, options))
  return inv.design.unit(design, quality, options), quality, subject
end

describe("the choice of a design", function()
  it("finds the moment of a change in a day", function()
    local at = NOON - 3 * HOUR
    local source = service { rate = function(pod, t)
      return (t >= at and 1.5e9 or 1e9) * (0.9 + 0.2 * noise(t, pod))
    end }
    local design, quality = look(source, {})
    assert.equal("before_after", design.name)
    assert.equal("change_point", design.change_source)
    assert.is_true(math.abs(design.at_ms - at) <= 2 * 3 * MINUTE, tostring(design.at_ms - at))
    assert.equal(8, #design.A)
    assert.equal(8, #design.B)
    assert.equal("block", design.unit)
    assert.is_true(design.A[8].to_ms < at)
    assert.is_true(design.B[1].from_ms > at)
    assert.equal(15000, quality.interval_ms)
    -- three pods, 40 minutes, a profile every 15 s
    assert.equal(3 * 40 * 4, quality.profiles.A)
    assert.near(1, quality.coverage.B, 0.01)
    assert.is_false(quality.fresh)
  end)

  it("leaves out a change that went away by itself", function()
    local from, to = NOON - 6 * HOUR, NOON - 5 * HOUR
    local source = service { rate = function(pod, t)
      return (t >= from and t < to and 2e9 or 1e9) * (0.9 + 0.2 * noise(t, pod))
    end }
    local design, quality = look(source, {})
    assert.equal("same_time", design.name)
    local codes = {}
    for _, warning in ipairs(quality.warnings) do codes[warning.code] = true end
    assert.is_true(codes.transient)
  end)

  it("takes the same hours of earlier days where nothing changed, gently", function()
    local source = service { rate = function(pod, t)
      -- weekends are quiet
      local day = (t // DAY + 4) % 7
      return ((day == 0 or day == 6) and 2e8 or 1e9) * (0.9 + 0.2 * noise(t, pod))
    end }
    local design, quality = look(source, {})
    assert.equal("same_time", design.name)
    assert.equal("day", design.unit)
    local days = {}
    for i, window in ipairs(design.A) do days[i] = window.day end
    assert.same({ 5, 2, 1 }, days)
    assert.is_true(design.B[1].to_ms <= NOON - MINUTE)
    assert.equal(15000, quality.interval_ms)
    assert.equal(3 * 3 * 240, quality.profiles.A)
    assert.equal(3 * 240, quality.profiles.B)
    assert.is_true(#source.asked <= 12, tostring(#source.asked))
  end)

  it("quickly compares with yesterday", function()
    local source = service { rate = function() return 1e9 end }
    local design = look(source, { effort = "quick" })
    assert.equal("quick", design.name)
    assert.equal(1, #design.A)
    assert.equal(DAY, design.B[1].from_ms - design.A[1].from_ms)
  end)

  it("without earlier days takes the hour before", function()
    local source = service { oldest_ms = NOON - 5 * HOUR,
      rate = function(_, t) return t >= NOON - 5 * HOUR and 1e9 or nil end }
    local design = look(source, {})
    assert.equal("before_after", design.name)
    assert.equal("none", design.change_source)
  end)

  it("compares processes where those of one side are others", function()
    local at = NOON - 2 * HOUR
    local old, new = { o1 = true, o2 = true, o3 = true }, { n1 = true, n2 = true, n3 = true }
    local source = service { pods = { "n1", "n2", "n3", "o1", "o2", "o3" },
      rate = function(pod, t)
        if old[pod] and t >= at or new[pod] and t < at then return nil end
        return 1e9
      end }
    local design, quality = look(source, { at = at })
    assert.is_true(quality.fresh)
    assert.equal("pod", design.unit)
    assert.equal(3, #design.A)
    assert.same({ pod = "n2" }, design.B[2].labels)
    assert.same({ "o1", "o2", "o3" }, quality.instance_names.A)
    -- two of them are too few
    source = service { pods = { "n1", "n2", "o1", "o2" }, rate = function(pod, t)
      if old[pod] and t >= at or new[pod] and t < at then return nil end
      return 1e9
    end }
    design, quality = look(source, { at = at })
    assert.equal("block", design.unit)
    local codes = {}
    for _, warning in ipairs(quality.warnings) do codes[warning.code] = true end
    assert.is_true(codes.few_processes)
  end)

  it("takes a silence of all for a restart, one of some for none", function()
    local at = NOON - 2 * HOUR
    local source = service { rate = function(_, t)
      if t >= at - 2 * MINUTE and t < at then return nil end
      return 1e9
    end }
    local design, quality = look(source, { at = at - MINUTE })
    assert.is_true(quality.fresh)
    assert.equal("pod", design.unit)
    source = service { rate = function(pod, t)
      if pod == "p1" and t >= at - 2 * MINUTE and t < at then return nil end
      return 1e9
    end }
    assert.is_false((select(2, look(source, { at = at - MINUTE }))).fresh)
  end)

  it("refuses a side of which most is missing", function()
    local at = NOON - 2 * HOUR
    local source = service { rate = function(_, t)
      if t > at + 10 * MINUTE and t < at + 40 * MINUTE then return nil end
      return 1e9
    end }
    local _, quality = look(source, { at = at })
    assert.is_false(quality.ok)
    assert.equal("gaps", quality.reason)
    assert.is_true(quality.coverage.B < 0.5)
    assert.is_true(#quality.gaps > 0)
  end)

  it("counts all profiles where there are more instances than series are asked for", function()
    local at, pods = NOON - 2 * HOUR, {}
    for i = 1, 120 do pods[i] = ("p%03d"):format(i) end
    -- twice the pods from then on, each doing the same
    local source = service { pods = pods, rate = function(pod, t)
      if t < at and pod > "p060" then return nil end
      return 1e9
    end }
    local timeline = source.timeline
    function source:timeline(given)
      local rows = timeline(self, given)
      for i = #rows, (given.limit or #rows) + 1, -1 do rows[i] = nil end
      return rows
    end
    function source.profile_counts(_, given)
      local live = given.to_ms <= at and 60 or 120
      return { { labels = {}, profiles = live * (given.to_ms - given.from_ms) // 15000 } }
    end
    local design, quality = look(source, { at = at })
    assert.near(0.5, quality.profiles.A / quality.profiles.B, 0.001)
    assert.near(0.5, design.A[1].profiles / design.B[1].profiles, 0.001)
    assert.equal(120, quality.instances.B)
  end)

  it("knows the young among the old", function()
    local at = NOON - 2 * HOUR
    local source = service { pods = { "p1", "p2", "p3", "young" }, rate = function(pod, t)
      if pod == "young" and t < at - MINUTE then return nil end
      return 1e9
    end }
    local _, quality = look(source, { at = at })
    assert.same({ "young" }, quality.young)
  end)
end)
