-- The lab in short: its generator does what it says, and scenes of every kind come out as they
-- should. `make lab` runs them by the thousand.

local lab = require "spec.lab"
local faults = require "spec.lab.faults"
local defects = require "spec.lab.defects"

local trees, random, load = lab.trees, lab.random, lab.load

local function weights(tree)
  local sum = 0
  for _, w in ipairs(tree.weight) do sum = sum + w end
  return sum
end

local function folded(scene)
  local parts = {}
  for i, sample in ipairs(scene.samples) do parts[i] = sample.profile:render "folded" end
  return table.concat(parts, "\0")
end

describe("numbers of the lab", function()
  it("are Poisson in mean and variance, small and large", function()
    random.seed(1)
    for _, mean in ipairs { 0.3, 4, 12, 300, 5000 } do
      local n, sum, squares = 20000, 0, 0
      for _ = 1, n do
        local x = random.poisson(mean)
        sum, squares = sum + x, squares + (x - mean) ^ 2
      end
      assert.is_true(math.abs(sum / n - mean) < 5 * math.sqrt(mean / n), "mean of " .. mean)
      -- the variance of a squared deviation is 2 mean^2 + mean
      local spread = math.sqrt((2 * mean * mean + mean) / n)
      assert.is_true(math.abs(squares / n - mean) < 5 * spread, "variance of " .. mean)
    end
  end)

  it("are correlated from step to step as asked", function()
    random.seed(2)
    local x = random.ar1(20000, 2, 0.6)
    local own, next_one = 0, 0
    for i = 1, #x - 1 do own, next_one = own + x[i] * x[i], next_one + x[i] * x[i + 1] end
    assert.is_true(math.abs(next_one / own - 0.6) < 0.03)
    assert.is_true(math.abs(math.sqrt(own / #x) - 2) < 0.1)
  end)
end)

describe("trees of the lab", function()
  it("sum to one, stand below their parents, and are deep", function()
    for seed = 1, 10 do
      random.seed(seed)
      local tree = trees.random()
      assert.is_true(math.abs(weights(tree) - 1) < 1e-9)
      local levels, depth, names = 0, { [0] = 0 }, 0
      for v, parent in ipairs(tree.parent) do
        assert.is_true(parent < v)
        depth[v] = depth[parent] + 1
        levels = math.max(levels, depth[v])
      end
      for _ in pairs(trees.functions(tree)) do names = names + 1 end
      assert.is_true(levels >= 14 and levels <= 18, levels .. " levels")
      assert.is_true(names >= 250, names .. " names")
    end
  end)

  it("count recursion once, as profiles do", function()
    random.seed(3)
    local tree = trees.random()
    -- exact values: no sampling between the tree and the profile
    local lines = {}
    for v, line in ipairs(trees.lines(tree)) do
      lines[v] = ("%s %d"):format(line, math.floor(tree.weight[v] * 1e12))
    end
    local profile = require "pyroscope.core".decode(table.concat(lines, "\n"), "folded")
    local functions = trees.functions(tree)
    for _, row in ipairs(profile:top(0)) do
      local f = functions[row.name]
      assert.is_true(math.abs(row.self / 1e12 - f.flat) < 1e-8, row.name)
      assert.is_true(math.abs(row.total / 1e12 - f.cum) < 1e-8, row.name)
    end
  end)

  it("of faults do as much more work as the truth says", function()
    for seed = 1, 20 do
      for _, case in ipairs { { "C1", { factor = 2 } }, { "C2", { factor = 1.5 } }, { "C3", { factor = 2 } },
        { "C4", { share = 0.05 } } } do
        random.seed(seed)
        local tree = trees.random()
        local after, truth = faults.apply(case[1], tree, case[2])
        if after then
          assert.is_true(math.abs(weights(after) - 1 - truth.delta) < 1e-9, case[1])
          assert.is_true(truth.delta > 0)
          assert.is_true(math.abs(weights(tree) - 1) < 1e-9, "the tree before was changed")
        end
      end
      for _, case in ipairs { { "N3", "sibling" }, { "N3", "package" }, { "N4", "rename" }, { "N4", "shape" }, { "N5" } } do
        random.seed(seed)
        local after = faults.apply(case[1], trees.random(), { variant = case[2] })
        if after then assert.is_true(math.abs(weights(after) - 1) < 1e-9, case[1]) end
      end
    end
  end)
end)

describe("scenes of the lab", function()
  it("are the same under the same seed, and others under others", function()
    local function scene(seed)
      random.seed(seed)
      local made = lab.generate { tree = trees.random { nodes = 300 }, samples = 500,
        noise = { sd = 0.1, rho = 0.3, group = 0.05 } }
      local text = folded(made)
      lab.close(made)
      return text
    end
    assert.equal(scene(5), scene(5))
    assert.not_equal(scene(5), scene(6))
  end)

  it("have the samples, sides, windows and counts that their design says", function()
    random.seed(7)
    local scene = lab.generate { tree = trees.flat(), samples = 20000, noise = { traffic = 0.01 }, load = 2 }
    assert.equal(16, #scene.samples)
    assert.equal(8, #scene.design.A)
    assert.equal("block", scene.design.unit)
    for k, sample in ipairs(scene.samples) do
      assert.equal(k <= 8 and "A" or "B", sample.side)
      assert.equal(300000, sample.to_ms - sample.from_ms)
      assert.equal(0, sample.from_ms % 15000)
      assert.equal(sample.profiles, sample.profile.profiles)
    end
    assert.is_true(math.abs(scene.quality.samples.B / scene.quality.samples.A - 2) < 0.05)
    assert.is_true(math.abs(scene.quality.samples.A / 160000 - 1) < 0.05)
    lab.close(scene)

    random.seed(7)
    scene = lab.generate { tree = trees.flat(), design = "canary", samples = 100 }
    assert.is_true(scene.design.paired)
    assert.equal(scene.samples[1].from_ms, scene.samples[2].from_ms)
    lab.close(scene)
  end)

  it("lose samples as a server, a scrape or a profiler loses them", function()
    random.seed(8)
    local scene = lab.generate { tree = trees.random(), samples = 5000 }
    local sum = scene.samples[1].profile.sum
    defects.truncate(scene, 100, "A")
    assert.is_true(scene.quality.other_share.A > 0)
    assert.equal(0, scene.quality.other_share.B)
    assert.equal(sum, scene.samples[1].profile.sum)
    lab.close(scene)

    scene = lab.generate { tree = trees.flat(), samples = 20000, noise = { traffic = 0 }, adjust = defects.losing("B", 0.4) }
    assert.equal(scene.quality.profiles.A * 0.6, scene.quality.profiles.B)
    assert.is_true(math.abs(scene.quality.samples.B / scene.quality.samples.A - 0.6) < 0.02)
    lab.close(scene)

    -- another rate keeps nanoseconds and has fewer samples
    scene = lab.generate { tree = trees.flat(), samples = 20000, noise = { traffic = 0 },
      adjust = defects.rate(10000000, 50000000) }
    local total = { A = 0, B = 0 }
    for _, sample in ipairs(scene.samples) do total[sample.side] = total[sample.side] + sample.profile.sum end
    assert.is_true(math.abs(total.B / total.A - 1) < 0.02)
    assert.is_true(math.abs(scene.quality.samples.B / scene.quality.samples.A - 0.2) < 0.01)
    lab.close(scene)
  end)

  it("have series with steps where they were asked for", function()
    random.seed(9)
    local points = load.series { n = 100, sd = 0, shape = load.step(60, 1.5), missing = 0.1 }
    local missing = 0
    for i, point in ipairs(points) do
      if point.value then
        assert.is_true(math.abs(point.value - (i > 60 and 150 or 100)) < 1e-9)
      else
        missing = missing + 1
      end
    end
    assert.is_true(missing > 0 and missing < 30)
    local counter = defects.counter(load.series { n = 50, sd = 0.2 })
    for i = 2, #counter do assert.is_true(counter[i].value > counter[i - 1].value) end
  end)
end)
