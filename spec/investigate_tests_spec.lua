local core = require "pyroscope.core"
local attribution = require "pyroscope.investigate.stats.attribution"
local changepoint = require "pyroscope.investigate.stats.changepoint"
local normalise = require "pyroscope.investigate.normalise"
local special = require "pyroscope.investigate.stats.special"
local stats = require "pyroscope.investigate.stats"
local tree = require "pyroscope.investigate.tree"

local function close(expected, got, tolerance)
  assert.is_true(math.abs(got - expected) <= (tolerance or 1e-9) * math.max(1, math.abs(expected)),
    ("%.17g, expected %.17g"):format(got, expected))
end

local A = { { 1000, 500, 200, 50, 250 }, { 1100, 520, 190, 60, 260 }, { 900, 480, 210, 45, 240 },
  { 1000, 510, 205, 55, 245 } }
local B = { { 2000, 1000, 900, 110, 500 }, { 2100, 1040, 950, 100, 520 },
  { 1900, 980, 870, 95, 490 }, { 2050, 1010, 910, 105, 505 } }

-- One function a column, one profile a row.
local function union_of(before, after, quantum)
  local samples = { quantum = quantum == nil and 1 or quantum or nil, runtime = "go",
    kind = "flow" }
  for _, side in ipairs { { "A", before }, { "B", after } } do
    for _, row in ipairs(side[2]) do
      local lines = {}
      for f, value in ipairs(row) do lines[f] = ("main.f%d %d"):format(f, value) end
      samples[#samples + 1] = { side = side[1],
        profile = assert(core.decode(table.concat(lines, "\n") .. "\n", "folded")) }
    end
  end
  return assert(tree.union(samples))
end

local function swapped(u, v) return union_of(v, u) end

describe("the moderated test", function()
  local u = union_of(A, B)
  local sf = normalise.size_factors(u)
  local result = stats.moderated(u, sf, { unit = "pod" })

  it("takes the load from the median function", function()
    close(2.012373, sf.R, 1e-6)
    for k, s in ipairs { 0.997506, 1.062344, 0.935162, 1.004988, 2.001832, 2.090605, 1.924155,
      2.032902 } do
      close(s, sf.s[k], 1e-6)
    end
    assert.equal("robust", sf.method)
    close(2.012373, sf.load_ratio, 1e-6)
  end)

  it("has the values worked out by hand", function()
    assert.same({ "main.f1", "main.f2", "main.f3", "main.f4", "main.f5" }, result.name)
    local cum = result.cum
    close(1e-4, result.sigma2_0)
    close(0.804514, cum.d[3], 1e-6)
    close(0.043301, cum.se[3], 1e-6)
    close(18.5797, cum.d[3] / cum.se[3], 1e-5)
    close(3.29e-10, cum.p[3], 1e-11)
    close(18.2911, cum.z[3], 1e-5)
    close(0.001067, cum.d[1], 1e-6)
    close(0.0533, cum.d[1] / cum.se[1], 1e-4)
    close(0.9584, cum.p[1], 1e-4)
    close(-0.3683, cum.d[4] / cum.se[4], 1e-4)
    close(0.7191, cum.p[4], 1e-4)
    assert.equal(5, result.m)
    assert.is_false(result.flat.tested[1])
  end)

  it("turns its sign when the sides are swapped", function()
    local v = swapped(A, B)
    local back = stats.moderated(v, normalise.size_factors(v), { unit = "pod" })
    for i = 1, 5 do
      close(-result.cum.d[i], back.cum.d[i], 1e-3)
      close(result.cum.p[i], back.cum.p[i], 0.05)
    end
  end)

  it("sees load only when all grows alike", function()
    local scaled = {}
    for k, row in ipairs(A) do
      scaled[k] = {}
      for f, value in ipairs(row) do scaled[k][f] = value * 3 end
    end
    local v = union_of(A, scaled)
    local size = normalise.size_factors(v)
    close(3, size.R, 0.01)
    local same = stats.moderated(v, size, { unit = "pod" })
    for i = 1, 5 do assert.is_true(same.cum.p[i] > 0.5) end
    local load = normalise.load(v, size)
    assert.is_true(load.changed)
    assert.is_false(normalise.load(u, { totals = { 1, 1, 1, 1, 1, 1, 1, 1 }, load_ratio = 1 })
      .changed)
  end)

  it("prices no sampling error where a raw sample is unknown", function()
    local v = union_of(A, B, false)
    local free = stats.moderated(v, normalise.size_factors(v), { unit = "pod" })
    assert.is_true(free.cum.se[4] < result.cum.se[4])
  end)

  it("shrinks the smallest visible effect with more samples", function()
    assert.is_true(stats.mde_at(result, 0.01) > stats.mde_at(result, 0.05))
    local more = { A, B }
    for s = 1, 2 do
      local rows = table.move(more[s], 1, 4, 1, {})
      for k = 1, 4 do rows[k + 4] = more[s][k] end
      more[s] = rows
    end
    local v = union_of(more[1], more[2])
    local wide = stats.moderated(v, normalise.size_factors(v), { unit = "pod" })
    assert.is_true(stats.mde_at(wide, 0.05) < stats.mde_at(result, 0.05))
  end)

  it("widens what neighbours in time repeat", function()
    local random = special.random(5)
    local rows, noise = {}, { 0, 0, 0, 0, 0, 0 }
    for k = 1, 24 do
      rows[k] = {}
      for f = 1, 6 do
        noise[f] = 0.9 * noise[f] + 0.1 * random.normal()
        rows[k][f] = math.floor(2000 * f * math.exp(noise[f]))
      end
    end
    local v = union_of(table.move(rows, 1, 12, 1, {}), table.move(rows, 13, 24, 1, {}))
    local size = normalise.size_factors(v)
    local blocks = stats.moderated(v, size, { unit = "block" })
    local pods = stats.moderated(v, size, { unit = "pod" })
    assert.is_true(blocks.rho > 0.3)
    assert.is_nil(pods.rho)
    assert.is_true(blocks.cum.se[2] > 1.3 * pods.cum.se[2])
  end)
end)

describe("paired blocks", function()
  it("take out what both sides share", function()
    local random = special.random(9)
    local before, after = {}, {}
    for k = 1, 8 do
      before[k], after[k] = {}, {}
      for f = 1, 12 do
        -- a course of its own for each function, the same on both sides
        local level = 4000 * math.exp(0.3 * random.normal())
        before[k][f] = random.poisson(level)
        after[k][f] = random.poisson(level * (f == 3 and 1.3 or 1))
      end
    end
    local u = union_of(before, after)
    local sf = normalise.size_factors(u)
    local paired = stats.paired(u, sf, { paired = true })
    local loose = stats.moderated(u, sf, { unit = "pod" })
    local at
    for i, name in ipairs(paired.name) do at = name == "main.f3" and i or at end
    assert.is_true(paired.cum.p[at] < 1e-4)
    assert.is_true(loose.cum.p[at] > 0.001)
    close(math.log(1.3), paired.cum.d[at], 0.05)
  end)

  it("refuse sides that do not pair", function()
    local u = union_of(A, { B[1], B[2] })
    assert.has_error(function() stats.paired(u, normalise.size_factors(u), {}) end)
    assert.equal("moderated", stats.choose(u, normalise.size_factors(u), { paired = true }).method)
  end)
end)

describe("one window a side", function()
  it("is a screening with the noise of other services", function()
    local u = union_of({ A[1] }, { B[1] })
    local sf = normalise.size_factors(u)
    local screened = stats.choose(u, sf, {})
    assert.equal("tier0", screened.method)
    close(0.02 + 1 / 200.5 + 1 / 900.5, screened.cum.se[3] ^ 2)
    assert.equal(6, screened.cum.df[3])
  end)
end)

describe("tests of one pair", function()
  it("agree with tables", function()
    -- means 2.5 and 5.25, squared errors 5/12 and 107/48
    local welch = stats.welch({ 1, 2, 3, 4 }, { 2, 4, 6, 9 })
    close(2.75 / math.sqrt(5 / 12 + 107 / 48), welch.t)
    close((127 / 48) ^ 2 / ((5 / 12) ^ 2 / 3 + (107 / 48) ^ 2 / 3), welch.df)
    -- binom.test's normal form
    local z = stats.poisson_ratio(40, 60, 1, 1)
    close(2, z)
    assert.is_true(select(2, stats.equivalence(0.01, 0.01, 20, 0.1, 0.05)))
    assert.is_false(select(2, stats.equivalence(0.09, 0.01, 20, 0.1, 0.05)))
    assert.equal(1, stats.welch({ 1 }, { 2, 3 }).p)
  end)
end)

describe("waits", function()
  it("need a difference that more than one instance shows", function()
    local sides = { "A", "A", "A", "B", "B", "B" }
    local sites = stats.waits({ name = { "lock", "burst", "quiet" }, value = {
      { 0.02, 0.03, 0.02, 2, 2.2, 1.9 }, { 0.1, 0.1, 0.1, 0.1, 0.1, 9 }, { 0, 0, 0, 0, 0, 0.01 },
    } }, sides, { bar = 0.05 })
    assert.equal(2, #sites)
    assert.equal("burst", sites[1].name)
    assert.is_false(sites[1].passes)
    assert.equal("lock", sites[2].name)
    assert.is_true(sites[2].passes)
    assert.equal("regression", sites[2].kind)
  end)
end)

describe("a trend", function()
  it("has the values worked out by hand", function()
    local found = stats.trend { { t = { 1, 2, 3, 4, 5, 6, 7, 8 },
      y = { 10, 12, 11, 15, 14, 18, 17, 20 } } }
    assert.equal(22, found.S)
    close(65.333, found.var, 1e-5)
    close(2.598, found.z, 1e-3)
    assert.equal(1.5, found.slope)
  end)

  it("pools strata without comparing across them", function()
    local strata = {}
    for g = 1, 4 do
      strata[g] = { t = {}, y = {} }
      for i = 1, 10 do strata[g].t[i], strata[g].y[i] = i, 1000 * (5 - g) + 3 * i end
    end
    local found = stats.trend(strata, { plateau = true })
    close(3, found.slope)
    assert.is_true(found.z > 5)
    assert.equal("clear", found.plateau)
    for g = 1, 4 do
      for i = 1, 10 do strata[g].y[i] = 1000 + 100 * math.min(i, 5) end
    end
    assert.equal("plateau", stats.trend(strata, { plateau = true }).plateau)
  end)

  it("has an exact p for few points", function()
    close(2 / 720, stats.mann_kendall_exact(15, 6))
    close(2 / 40320, stats.mann_kendall_exact(28, 8))
    close(1, stats.mann_kendall_exact(0, 6), 0.15)
    -- all orders of four, counted
    local counted = 0
    for _, S in ipairs { 6, 4, 4, 4, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, -2, -2, -2, -2, -2, -4, -4,
      -4, -6 } do
      if math.abs(S) >= 4 then counted = counted + 1 end
    end
    close(counted / 24, stats.mann_kendall_exact(4, 4))
  end)

  it("ranks rows by growth", function()
    local rows = stats.trend_rows({ name = { "flat", "grows" },
      value = { { 5, 4, 6, 5, 4, 6, 5, 5 }, { 1, 3, 4, 7, 9, 11, 12, 15 } } },
      { 0, 1, 2, 3, 4, 5, 6, 7 })
    assert.equal("grows", rows[1].name)
    assert.is_true(rows[1].q < 0.001)
    assert.is_true(rows[2].q > 0.5)
  end)

  it("draws pairs with a fixed seed where there are too many", function()
    local stratum = { t = {}, y = {} }
    local random = special.random(3)
    for i = 1, 700 do stratum.t[i], stratum.y[i] = i, 2 * i + 50 * random.normal() end
    local x, y = stats.trend({ stratum }, { seed = 4 }), stats.trend({ stratum }, { seed = 4 })
    assert.equal(x.slope, y.slope)
    close(2, x.slope, 0.05)
  end)
end)

describe("change points", function()
  local function series(seed, level)
    local random, points = special.random(seed), {}
    for i = 1, 240 do
      points[i] = { time_ms = i * 60000, value = 100 * level(i) * (1 + 0.04 * random.normal()) }
    end
    return points
  end

  it("find a step and a bump, at their places", function()
    local found = changepoint.changepoints(series(1, function(i)
      return i > 150 and 1.3 or i > 60 and i <= 80 and 1.5 or 1
    end))
    assert.equal(3, #found)
    assert.is_true(math.abs(found[1].index - 60) <= 1)
    assert.is_true(math.abs(found[2].index - 80) <= 1)
    assert.is_true(math.abs(found[3].index - 150) <= 1)
    assert.equal("up", found[3].direction)
    close(0.3, found[3].change, 0.05)
    assert.equal(2, found[1].pair)
  end)

  it("find a late step of seven points", function()
    local found = changepoint.changepoints(series(2, function(i) return i > 233 and 1.3 or 1 end))
    assert.equal(1, #found)
    assert.is_true(math.abs(found[1].index - 233) <= 1)
  end)

  it("do not see one spike, nor noise", function()
    assert.same({}, changepoint.changepoints(series(3, function(i) return i == 100 and 4 or 1 end)))
    local alarms = 0
    for seed = 1, 100 do
      if #changepoint.changepoints(series(seed, function() return 1 end)) > 0 then
        alarms = alarms + 1
      end
    end
    assert.is_true(alarms <= 1, alarms .. " alarms")
  end)

  it("do not see what yesterday had as well", function()
    local level = function(i) return i > 120 and 1.4 or 1 end
    assert.same({}, changepoint.changepoints(series(4, level), { reference = series(5, level) }))
    local found = changepoint.changepoints(series(4, level),
      { reference = series(5, function() return 1 end) })
    assert.equal(1, #found)
  end)

  it("refuse what has too few points", function()
    local points = series(6, function() return 1 end)
    for i = 1, 100 do points[2 * i].value = nil end
    assert.same({ nil, "too_many_missing" }, { changepoint.changepoints(points) })
    assert.same({ nil, "too_few_points" },
      { changepoint.changepoints { { time_ms = 1, value = 1 } } })
  end)
end)

describe("breakdown", function()
  it("tells a change of mix from one of rates", function()
    local split = attribution.kitagawa {
      { name = "eu", a = { value = 100, weight = 100 }, b = { value = 20, weight = 20 } },
      { name = "us", a = { value = 40, weight = 20 }, b = { value = 200, weight = 100 } },
    }
    close(1, split.mix_fraction)
    close(0, split.rate)
    close(220 / 120 - 140 / 120, split.delta)
  end)

  it("names the element that explains and surprises", function()
    local found = attribution.adtributor {
      { name = "v1", a = 500, b = 500 }, { name = "v2", a = 100, b = 400 },
      { name = "v3", a = 200, b = 210 } }
    assert.same({ "v2" }, found.set)
    close(300 / 310, found.ep)
  end)

  it("sees labels that say the same", function()
    local weights = { 1, 1, 1, 1 }
    close(1, attribution.same_partition({ "a", "a", "b", "b" }, { "x", "x", "y", "y" }, weights))
    close(0, attribution.same_partition({ "a", "b", "a", "b" }, { "x", "x", "y", "y" }, weights))
  end)
end)
