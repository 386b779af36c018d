local special = require "pyroscope.investigate.stats.special"
local attribution = require "pyroscope.investigate.stats.attribution"
local multiple = require "pyroscope.investigate.stats.multiple"

local function close(expected, got, tolerance)
  assert.is_true(math.abs(got - expected) <= (tolerance or 1e-9) * math.abs(expected),
    ("%.17g, expected %.17g"):format(got, expected))
end

describe("distributions", function()
  it("have the values of tables", function()
    close(math.log(24), special.lgamma(5))
    close(0.5 * math.log(math.pi), special.lgamma(0.5))
    close(-0.5772156649, special.digamma(1))
    close(1.1031566406, special.digamma(3.5))
    close(1.6449340668, special.trigamma(1))
    close(0.3303577561, special.trigamma(3.5))
    close(0.6875, special.betainc(0.5, 2, 3))
    close(0.0733880348, special.t_two_sided(2, 10))
    close(0.0043818694, special.t_two_sided(3.5, 12), 2e-8)
    close(0.0024523417, special.t_two_sided(5, 6), 5e-8)
    close(0.0499957903, special.normal_two_sided(1.96))
    close(0.0020015650, special.normal_two_sided(3.09), 2e-7)
  end)

  it("turn back to what they came from", function()
    for _, df in ipairs { 1, 2.5, 6, 20, 300 } do
      for _, p in ipairs { 0.55, 0.8, 0.975, 0.9999 } do
        close(2 * (1 - p), special.t_two_sided(special.t_quantile(p, df), df))
        close(-special.t_quantile(p, df), special.t_quantile(1 - p, df))
      end
    end
  end)

  it("add up to what a sum of terms gives", function()
    local below, term = 0, math.exp(-3.5)
    for k = 0, 6 do
      below = below + term
      term = term * 3.5 / (k + 1)
    end
    close(1 - below, special.poisson_upper(7, 3.5))
    close(1 - 0.7 ^ 5, special.binomial_upper(1, 5, 0.3))
    close(0.3 ^ 5, special.binomial_upper(5, 5, 0.3))
  end)

  it("give the weighted median that reaches half", function()
    assert.equal(2, special.weighted_median({ 3, 1, 2 }, { 1, 1, 1 }))
    assert.equal(3, special.weighted_median({ 3, 1, 2 }, { 5, 1, 1 }))
    assert.is_nil(special.weighted_median({}, {}))
  end)
end)

describe("many tests", function()
  it("give the q values of Benjamini and Hochberg, also with ties", function()
    local q = multiple.bh { 0.04, 0.01, 0.02, 0.02, 0.9 }
    close(0.05, q[1])
    close(0.02 * 5 / 3, q[3])
    close(q[3], q[4])
    close(q[3], q[2])
    close(0.9, q[5])
    assert.same({}, multiple.bh {})
  end)

  it("ask less of the second finding than of the first", function()
    assert.is_false((multiple.focused_bh(0.008, 0, 10, 0.05)))
    assert.is_true((multiple.focused_bh(0.008, 1, 10, 0.05)))
  end)

  it("have a p of the family", function()
    close(0.03, multiple.simes { 0.02, 0.5, 0.01 })
    assert.equal(1, multiple.simes {})
  end)
end)

describe("a change", function()
  it("of a product splits exactly", function()
    local split = attribution.two_factor(10, 2, 30, 2)
    assert.equal(40, split.delta)
    assert.equal("first", split.word)
    assert.equal("second", attribution.two_factor(10, 2, 10, 5).word)
    assert.equal("both", attribution.two_factor(10, 2, 20, 4).word)
    assert.equal("both", attribution.two_factor(10, 2, 10, 2).word)
    local parts = attribution.log_mean({ 2, 3, 5 }, { 4, 3, 4 })
    close(48 - 30, parts[1] + parts[2] + parts[3])
    assert.equal(0, parts[2])
  end)

  it("of shares is 0 to 1 bit", function()
    assert.equal(0, attribution.jsd({ 1, 2 }, { 10, 20 }))
    assert.equal(1, attribution.jsd({ 1, 0 }, { 0, 7 }))
    close(0.5 * math.log(4 / 3, 2) * 1 + 0.5 * (0.5 * math.log(2 / 3, 2) + 0.5),
      attribution.jsd({ 1, 0 }, { 1, 1 }))
  end)
end)
