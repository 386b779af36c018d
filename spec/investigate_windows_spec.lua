local history = require "pyroscope.investigate.history"
local windows = require "pyroscope.investigate.windows"

local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
-- Wednesday, 2026-03-04 12:00:00 UTC
local NOON = 1772625600000

local function spans(list)
  local out = {}
  for i, w in ipairs(list) do out[i] = { w.from_ms, w.to_ms } end
  return out
end

-- What every design promises: the grid, half open, in order, no overlap inside of a side.
local function check(design)
  for _, side in ipairs { "A", "B" } do
    local last
    for _, w in ipairs(design[side]) do
      assert.equal(0, w.from_ms % windows.GRID)
      assert.equal(0, w.to_ms % windows.GRID)
      assert.is_true(w.to_ms > w.from_ms)
      if last then assert.is_true(w.from_ms >= last) end
      last = design.unit ~= "pod" and w.to_ms or nil
    end
  end
end

describe("windows", function()
  it("are read as people write them", function()
    local w = assert(windows.parse("-40m", "now", { now_ms = NOON }))
    assert.same({ from_ms = NOON - 40 * MINUTE, to_ms = NOON }, w)
    local source = { defaults = function() return { now_ms = NOON - HOUR } end }
    w = assert(windows.parse("-1h", nil, { source = source }))
    assert.same({ from_ms = NOON - 2 * HOUR, to_ms = NOON - HOUR }, w)
    local none, err = windows.parse("tomorrowish", "now", { now_ms = NOON })
    assert.is_nil(none)
    assert.equal("usage", err.kind)
  end)

  it("lie on the grid, never empty, and are moved out of what has not arrived", function()
    local w = windows.align { from_ms = NOON + 1, to_ms = NOON + 14999 }
    assert.same({ NOON, NOON + 15000 }, { w.from_ms, w.to_ms })
    w = windows.align({ from_ms = NOON - HOUR, to_ms = NOON },
      { now_ms = NOON + 20000, settle_ms = MINUTE })
    assert.equal(NOON - 45000, w.to_ms)
    assert.equal(HOUR, w.to_ms - w.from_ms)
  end)

  it("are cut into equal blocks, no shorter than profiles are apart", function()
    local blocks = windows.blocks({ from_ms = NOON, to_ms = NOON + HOUR }, 8)
    assert.equal(8, #blocks)
    for i, b in ipairs(blocks) do
      assert.equal(HOUR // 8, b.to_ms - b.from_ms)
      assert.equal(NOON + (i - 1) * HOUR // 8, b.from_ms)
    end
    -- 150 s hold ten profiles each: blocks of a profile, all of them
    blocks = windows.blocks({ from_ms = NOON, to_ms = NOON + 150000 }, 8,
      { interval_ms = 15000, per_instance = 10 })
    assert.equal(10, #blocks)
    -- a profile a minute: no block is shorter than a minute
    blocks = windows.blocks({ from_ms = NOON, to_ms = NOON + 5 * MINUTE }, 8,
      { interval_ms = MINUTE, per_instance = 5, times = { NOON, NOON + MINUTE,
        NOON + 2 * MINUTE, NOON + 3 * MINUTE, NOON + 4 * MINUTE } })
    assert.equal(5, #blocks)
    assert.equal(MINUTE, blocks[1].to_ms - blocks[1].from_ms)
  end)

  it("with few profiles begin where profiles are, and stay inside", function()
    local blocks = windows.blocks({ from_ms = NOON, to_ms = NOON + 150000 }, 8,
      { interval_ms = 60000, per_instance = 3, times = { NOON + 15000, NOON + 75000,
        NOON + 135000 } })
    assert.same({ { NOON + 15000, NOON + 75000 }, { NOON + 75000, NOON + 135000 },
      { NOON + 135000, NOON + 150000 } }, spans(blocks))
  end)

  it("of two named phases have blocks of one length", function()
    local design = windows.given({ from_ms = NOON - 2 * HOUR, to_ms = NOON - HOUR },
      { from_ms = NOON - 20 * MINUTE, to_ms = NOON })
    check(design)
    assert.equal("before_after", design.name)
    assert.equal("block", design.unit)
    assert.equal(8, #design.B)
    assert.equal(16, #design.A) -- the latest of the longer side
    local length = design.B[1].to_ms - design.B[1].from_ms
    for _, side in ipairs { "A", "B" } do
      for _, w in ipairs(design[side]) do assert.equal(length, w.to_ms - w.from_ms) end
    end
    assert.equal(NOON - HOUR, design.A[16].to_ms)
  end)

  it("of one block a side are equally long", function()
    local design = windows.given({ from_ms = NOON - 3 * HOUR, to_ms = NOON - HOUR },
      { from_ms = NOON - HOUR // 2, to_ms = NOON }, { K = 1 })
    assert.equal("quick", design.name)
    assert.same({ { NOON - HOUR - HOUR // 2, NOON - HOUR } }, spans(design.A))
  end)

  it("before and after a moment leave the rollout out", function()
    local design = windows.before_after(NOON)
    check(design)
    assert.equal(8, #design.A)
    assert.equal(8, #design.B)
    assert.equal(NOON - 5 * MINUTE, design.A[8].to_ms)
    assert.equal(NOON - 45 * MINUTE, design.A[1].from_ms)
    assert.equal(NOON + 5 * MINUTE, design.B[1].from_ms)
    assert.equal(NOON, design.at_ms)
  end)

  it("before and after are shorter where less time has passed, and still K", function()
    local design = windows.before_after(NOON, { from_ms = NOON - 6 * HOUR,
      to_ms = NOON + 20 * MINUTE })
    check(design)
    assert.equal(8, #design.B)
    assert.equal(8, #design.A)
    assert.is_true(design.B[8].to_ms <= NOON + 20 * MINUTE)
    assert.is_true(design.B[1].from_ms >= NOON + 3 * MINUTE)
    -- a bundle of a few minutes
    design = windows.before_after(NOON, { from_ms = NOON - 150000, to_ms = NOON + 150000,
      interval_ms = 15000 })
    check(design)
    assert.equal(8, #design.A)
    assert.equal(15000, design.A[1].to_ms - design.A[1].from_ms)
  end)

  it("at the same time of earlier days compare like with like", function()
    local w = { from_ms = NOON - HOUR, to_ms = NOON } -- a Wednesday
    local design = windows.same_time(w)
    check(design)
    local days = {}
    for i, a in ipairs(design.A) do
      days[i] = a.day
      assert.equal(w.from_ms - a.day * DAY, a.from_ms)
      assert.equal("weekday", a.stratum)
    end
    assert.same({ 5, 2, 1 }, days) -- 3 and 4 days before were a Sunday and a Saturday
    assert.equal("day", design.unit)
    assert.same({}, design.notes)
    design = windows.same_time(w, { 1, 2, 3, 4, 5 }, { oldest_ms = NOON - 3 * DAY })
    assert.equal(2, #design.A)
    assert.equal("few_days", design.notes[1].code)
    local saturday = { from_ms = NOON + 3 * DAY - HOUR, to_ms = NOON + 3 * DAY }
    design = windows.same_time(saturday, { 1, 2, 6, 7 })
    assert.equal(2, #design.A) -- 6 and 7 days before were Sunday and Saturday
  end)

  it("of a canary are the same blocks under two labels", function()
    local design = windows.canary { window = { from_ms = NOON, to_ms = NOON + 40 * MINUTE },
      label = "track", a = "stable", b = "canary" }
    check(design)
    assert.is_true(design.paired)
    assert.same(spans(design.A), spans(design.B))
    assert.same({ track = "stable" }, design.A[3].labels)
    assert.same({ track = "canary" }, design.B[3].labels)
  end)

  it("of pods are one window each, a bounded number", function()
    local names = {}
    for i = 1, 12 do names[i] = "p" .. i end
    local design = windows.pods { window = { from_ms = NOON, to_ms = NOON + HOUR }, a = names,
      b = { "x" } }
    assert.equal(8, #design.A)
    assert.equal("pod", design.unit)
    assert.same({ pod = "p3" }, design.A[3].labels)
    assert.equal("p3", design.A[3].instance)
  end)

  it("of a trend are spread over the whole range", function()
    local design = windows.trend({ from_ms = NOON - 12 * HOUR, to_ms = NOON }, 8)
    check(design)
    assert.equal(4, #design.A)
    assert.equal(4, #design.B)
    assert.equal(NOON - 12 * HOUR, design.A[1].from_ms)
    assert.equal(NOON, design.B[4].to_ms)
    design = windows.trend({ from_ms = NOON, to_ms = NOON + 60000 }, 8, { interval_ms = 15000 })
    check(design)
    assert.equal(4, #design.A + #design.B)
  end)

  it("become one a process", function()
    local design = windows.canary { window = { from_ms = NOON, to_ms = NOON + HOUR }, K = 4,
      label = "track", a = "a", b = "b" }
    local pods = windows.per_instance(design, { label = "pod", A = { "p1", "p2" },
      B = { "p3" } })
    assert.equal("pod", pods.unit)
    assert.is_false(pods.paired)
    assert.same({ { NOON, NOON + HOUR }, { NOON, NOON + HOUR } }, spans(pods.A))
    assert.same({ track = "b", pod = "p3" }, pods.B[1].labels)
    assert.equal(4, #design.A) -- the other is as it was
  end)
end)

describe("history", function()
  local function series(values, step)
    local points = {}
    for i, value in ipairs(values) do
      if value then points[#points + 1] = { time_ms = i * (step or 15000), value = value } end
    end
    return points
  end

  it("knows how far apart profiles are", function()
    assert.equal(15000, history.interval { series { 1, 1, 1, false, 1, 1 } })
    assert.equal(30000, history.interval { series { 1, false, 1, false, 1 }, series { false, 1,
      false, 1 } })
    assert.is_nil(history.interval { series { 1 } })
  end)

  it("sees a restart as a fall that stays, not as a burst that ends", function()
    local grown = { 100, 104, 108, 112, 116, 120, 124, 40, 43, 46, 50, 53 }
    local found = history.restarts(series(grown), 15000)
    assert.equal(1, #found)
    assert.equal(8 * 15000, found[1].time_ms)
    assert.equal("drop", found[1].reason)
    assert.same({}, history.restarts(series { 12, 13, 12, 14, 13, 240, 12, 13, 14, 12 }, 15000))
    -- a collection that frees half of the heap, again and again
    assert.same({}, history.restarts(series { 50, 70, 90, 52, 71, 92, 51, 70, 91, 50, 72 }, 15000))
    assert.same({}, history.restarts(series { 100, 100, 100 }, 15000))
  end)

  it("sees a restart as silence that ends at a lower level", function()
    local points = series { 90, 92, 94, 96, 98, false, false, false, 30, 31, 32, 33 }
    local found = history.restarts(points, 15000)
    assert.equal(1, #found)
    assert.equal("silence", found[1].reason)
    assert.same({}, history.restarts(series { 90, 92, 94, 96, 98, false, false, false, 97, 98,
      99 }, 15000))
    local segments = history.segments(points, found)
    assert.equal(2, #segments)
    assert.equal(5, #segments[1])
    assert.equal(30, segments[2][1].value)
  end)

  it("tells lifetime counters from deltas", function()
    local counter, delta, restarted = {}, {}, {}
    for i = 1, 30 do
      counter[i] = 1000 + 50 * i
      delta[i] = 50 + (i * 37) % 11
      restarted[i] = 100 + 40 * (i % 15)
    end
    assert.is_true((history.counter_like(series(counter))))
    assert.is_false((history.counter_like(series(delta))))
    assert.is_true((history.counter_like(series(restarted))))
    -- too few steps to tell, and growth that is none
    assert.is_false((history.counter_like(series { 1, 2, 3, 4 })))
    local flat = {}
    for i = 1, 30 do flat[i] = 1000 + i end
    assert.is_false((history.counter_like(series(flat))))
  end)

  it("measures gaps and what profiles cover", function()
    local times = { 0, 15000, 30000, 90000, 105000 }
    local gaps, coverage = history.gaps(times, 15000, { from_ms = 0, to_ms = 120000 })
    assert.same({ { from_ms = 45000, to_ms = 90000 } }, gaps)
    assert.near(75 / 120, coverage, 1e-9)
    gaps, coverage = history.gaps({}, 15000, { from_ms = 0, to_ms = 60000 })
    assert.same({ { from_ms = 0, to_ms = 60000 } }, gaps)
    assert.equal(0, coverage)
  end)
end)
