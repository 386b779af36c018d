local core = require "pyroscope.core"
local diff = require "pyroscope.diff"
local pyroscope = require "pyroscope"

local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
local HOUR = 3600000

-- A profile from folded stacks; `truncated`: as a server sends it, "other" is what it cut.
local function profile(text, about, truncated)
  local made = assert(core.decode(text, "folded"))
  if truncated then made = assert(core.decode(assert(made:render "tree"), "tree")) end
  local described = { profile_type = CPU, unit = "nanoseconds", kind = "flow", from_ms = 0,
    to_ms = HOUR, source = "test", selector = '{service_name="a"}',
    labels = { service_name = "a" } }
  for name, value in pairs(about or {}) do described[name] = value ~= false and value or nil end
  return made:describe(described)
end

local function sums(diff_object, n, options)
  local rows, rest = diff_object:rows(n, options)
  local raw_a, raw_b, delta = rest.before_raw, rest.after_raw, rest.delta
  for _, row in ipairs(rows) do
    raw_a, raw_b = raw_a + row.before_raw, raw_b + row.after_raw
    delta = delta + row.delta
  end
  return raw_a, raw_b, delta
end

local BEFORE = "main;a 100\nmain;b 200\nmain 5\nmain;gone 50\n"
local AFTER = "main;a 400\nmain;b 150\nmain 5\nmain;new 30\n"
local LATER = { from_ms = HOUR, to_ms = 2 * HOUR }

describe("a diff", function()
  it("ranks what changed by rate and tells new from gone", function()
    local d = assert(pyroscope.diff(profile(BEFORE), profile(AFTER, LATER)))
    assert.equal("rate", d.mode)
    assert.equal("per second", d.measure)
    local rows, rest = d:rows()
    local names = {}
    for i, row in ipairs(rows) do names[i] = row.name .. " " .. row.status end
    assert.same({ "a changed", "b changed", "gone gone", "new new" }, names)
    assert.near(300 / 3600, rows[1].delta, 1e-12)
    assert.near(3.0, rows[1].change, 1e-12)
    assert.is_nil(rows[4].change)
    assert.equal(5, rest.before_raw)
    assert.equal(1, rest.functions)
    assert.near((585 - 355) / 3600, d.delta, 1e-12)
    assert.near(585 / 355 - 1, d.change, 1e-12)
    assert.same({}, d.warnings)
  end)

  it("adds up: rows and rest are the whole change, for every n and mode", function()
    local lines = { {}, {} }
    for i = 1, 300 do
      lines[1][i] = ("main;f%d;g%d %d"):format(i % 40, i, i * 7919 % 997)
      lines[2][i] = ("main;f%d;g%d %d"):format(i % 40, i + 20, i * 104729 % 991)
    end
    local a = profile(table.concat(lines[1], "\n"))
    local b = profile(table.concat(lines[2], "\n"), { from_ms = HOUR, to_ms = 3 * HOUR })
    for _, mode in ipairs { "rate", "share" } do
      local d = assert(diff.of(a, b, { mode = mode }))
      for _, n in ipairs { 0, 1, 7, 50, 1000 } do
        for _, noise in ipairs { 0, 0.002, 0.5 } do
          local raw_a, raw_b, delta = sums(d, n, { noise = noise })
          assert.equal(a.sum, raw_a)
          assert.equal(b.sum, raw_b)
          assert.near(d.delta, delta, 1e-9)
        end
      end
    end
  end)

  it("of a profile with itself is empty", function()
    local a = profile(BEFORE)
    local d = assert(diff.of(a, a))
    local rows, rest = d:rows(0)
    assert.same({}, rows)
    assert.equal(0, d.delta)
    assert.equal(a.sum, rest.before_raw)
  end)

  it("changes its sign when the sides are swapped", function()
    local a, b = profile(BEFORE), profile(AFTER, LATER)
    local there, back = assert(diff.of(a, b)):rows(0), assert(diff.of(b, a)):rows(0)
    local by_name = {}
    for _, row in ipairs(back) do by_name[row.name] = row end
    for _, row in ipairs(there) do
      assert.near(-row.delta, by_name[row.name].delta, 1e-12)
      assert.near(-row.lower, by_name[row.name].upper, 1e-12)
    end
    assert.matches("swapped", assert(diff.of(b, a)).warnings[1])
  end)

  it("compares shares of each side's own total", function()
    local d = assert(diff.of(profile "main;a 1\nmain;b 3\n", profile("main;a 200\nmain;b 200\n",
      LATER), { mode = "share" }))
    local rows = d:rows()
    assert.equal("share", d.measure)
    assert.near(0.25, rows[1].delta, 1e-12)
    assert.equal(0, d.delta)
    local other = assert(d:as "rate")
    assert.equal("per second", other.measure)
    assert.near(396 / 3600, other.delta, 1e-12)
  end)

  it("divides stocks by their profiles, not by time", function()
    local stock = { kind = "stock", unit = "bytes", profile_type =
      "memory:inuse_space:bytes:space:bytes" }
    local function side(text, profiles, from)
      return profile(text, { kind = stock.kind, unit = stock.unit, profiles = profiles,
        profile_type = stock.profile_type, from_ms = from, to_ms = from + HOUR })
    end
    local d = assert(diff.of(side("main;a 100\nmain;b 10\n", 2, 0),
      side("main;a 900\nmain;b 45\n", 9, HOUR)))
    assert.equal("per profile", d.measure)
    local rows = d:rows()
    assert.equal("a", rows[1].name)
    assert.near(50, rows[1].delta, 1e-12)
    assert.equal(1, #rows)
    local unknown = assert(diff.of(side("main;a 100\n", nil, 0), side("main;a 900\n", 9, HOUR)))
    assert.equal("sum", unknown.measure)
    assert.matches("unknown", unknown.warnings[#unknown.warnings])
  end)

  it("bounds what truncation may hide or fake", function()
    local a = profile("main;a 100\nmain;other 50\nmain;c 10\n", nil, true)
    local b = profile("main;a 130\nmain;d 20\nmain;other 7\n", LATER, true)
    local d = assert(diff.of(a, b))
    assert.equal(50, d.sides[1].other)
    assert.equal(7, d.sides[2].other)
    local rows, rest = d:rows(0)
    for _, row in ipairs(rows) do
      assert.not_equal("other", row.name)
      assert.is_true(row.lower <= row.delta and row.delta <= row.upper)
      if row.name == "a" then
        assert.near(-20 / 3600, row.lower, 1e-12)
        assert.near(37 / 3600, row.upper, 1e-12)
        assert.is_false(row.certain)
      end
    end
    assert.near(50 / 3600, rest.before_other, 1e-12)
    local exact = assert(diff.of(profile(BEFORE), profile(AFTER, LATER))):rows(0)
    for _, row in ipairs(exact) do
      assert.near(row.delta, row.lower, 1e-12)
      assert.near(row.delta, row.upper, 1e-12)
      assert.is_true(row.certain)
    end
  end)

  it("keeps small changes in the rest and says how many", function()
    local d = assert(diff.of(profile "main;a 1000\nmain;b 100\n",
      profile("main;a 2000\nmain;b 101\n", LATER), { noise = 0.01 }))
    local rows, rest = d:rows()
    assert.equal(1, #rows)
    assert.equal(1, rest.hidden)
  end)

  it("scales the sides by factors", function()
    local d = assert(diff.of(profile "main;a 100\n", profile("main;a 200\n", LATER),
      { factors = { 1, 0.5 } }))
    assert.near(0, d.delta, 1e-12)
    assert.same({}, (d:rows()))
    for _, factors in ipairs { { 0, 1 }, { 1, -1 }, { 1, 1 / 0 }, { "x", 1 } } do
      local bad, err = diff.of(profile "a 1", profile "a 1", { factors = factors })
      assert.is_nil(bad)
      assert.equal("usage", err.kind)
    end
  end)

  it("warns of what makes a comparison doubtful", function()
    local a = profile(BEFORE)
    local function warned(about, options)
      return table.concat(assert(diff.of(a, profile(AFTER, about), options)).warnings, "\n")
    end
    assert.matches("differ in length: A 1h, B 30m",
      warned { from_ms = HOUR, to_ms = HOUR * 3 // 2 })
    assert.matches("profile types differ", warned { from_ms = HOUR, to_ms = 2 * HOUR,
      profile_type = "wall:wall:nanoseconds:wall:nanoseconds" })
    assert.matches("overlap", warned { from_ms = HOUR // 2, to_ms = HOUR * 3 // 2 })
    assert.matches("partial", warned { from_ms = HOUR, to_ms = 2 * HOUR, partial = true })
    assert.matches("no window", warned { from_ms = false, to_ms = false })
  end)

  it("compares shares of different services, and refuses rates of different units", function()
    local a = profile(BEFORE)
    local cart = { from_ms = HOUR, to_ms = 2 * HOUR, labels = { service_name = "cart" } }
    assert.equal("share", assert(diff.of(a, profile(AFTER, cart))).mode)
    local heap = profile(AFTER, { unit = "bytes",
      profile_type = "memory:alloc_space:bytes:space:bytes" })
    assert.equal("share", assert(diff.of(a, heap)).mode)
    local bad, err = diff.of(a, heap, { mode = "rate" })
    assert.is_nil(bad)
    assert.equal("usage", err.kind)
  end)

  it("with an empty side is an error with a hint", function()
    local empty = profile(BEFORE):focus "nothing like this"
    local d, err = diff.of(empty, profile(AFTER, LATER))
    assert.is_nil(d)
    assert.equal("no_data", err.kind)
    assert.matches("side A", err.message)
    d, err = diff.of(profile(AFTER), empty)
    assert.is_nil(d)
    assert.matches("side B", err.message)
  end)

  it("ranks by total without a rest, and groups by file", function()
    local d = assert(diff.of(profile(BEFORE), profile(AFTER, LATER)))
    local rows, rest = d:rows(0, { by = "total" })
    assert.is_nil(rest)
    local main
    for _, row in ipairs(rows) do if row.name == "main" then main = row end end
    assert.equal(355, main.before_raw)
    assert.equal(585, main.after_raw)
    local raw_a, raw_b = sums(d, 0, { group = "package" })
    assert.equal(355, raw_a)
    assert.equal(585, raw_b)
  end)

  it("raises at the caller's line for mistakes", function()
    local a = profile(BEFORE)
    assert.has_error(function() pyroscope.diff(a, 1) end)
    assert.has_error(function() pyroscope.diff(a, a, { moed = "rate" }) end)
    local d = assert(diff.of(a, a))
    assert.has_error(function() d:rows(-1) end)
    assert.has_error(function() d:rows(1, { by = "name" }) end)
    assert.has_error(function() d:rows(1, { group = "colour" }) end)
  end)

  it("prints as a table", function()
    local text = tostring(assert(diff.of(profile(BEFORE), profile(AFTER, LATER))))
    assert.matches("gone", text)
    assert.matches("1 more", text)
  end)

  it("agrees with the walk over both trees (PER-25)", function()
    local d = assert(diff.of(profile(BEFORE), profile(AFTER, LATER)))
    local a, b = 0, 0
    for _, _, before_self, after_self in d:walk() do a, b = a + before_self, b + after_self end
    assert.equal(355, a)
    assert.equal(585, b)
  end)
end)
