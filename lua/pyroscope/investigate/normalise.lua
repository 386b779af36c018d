--- Loads differ between windows: factors that bring samples to equal load, and other divisors.

local counts = require "pyroscope.investigate.counts"
local special = require "pyroscope.investigate.stats.special"
local tests = require "pyroscope.investigate.stats.tests"

local normalise = {}

-- A log ratio has this variance beyond what sampling explains: it keeps one heavy function from
-- deciding the median alone.
local SPREAD = 0.01
local ENOUGH = 20

--- Median of ratios between the sides (DESeq's idea, with the sides in place of samples).
---@param u pyroscope.union
---@param options? { min_functions?: integer, least?: number, weights?: number[] }   least: share
---  that counts; weights: what each sample is divided by, in place of the median
---@return pyroscope.size_factors
function normalise.size_factors(u, options)
  local min_functions = options and options.min_functions or 5
  local rows = counts.of(u, options and options.least)
  local ratios, weights = {}, {}
  for _, row in ipairs(rows) do
    local a, b = row.flat_a, row.flat_b
    if a + b >= ENOUGH then
      ratios[#ratios + 1] = math.log((b + 0.5) / (a + 0.5))
      weights[#weights + 1] = 1 / (SPREAD + 1 / (a + 0.5) + 1 / (b + 0.5))
    end
  end
  local sides = rows.sides
  local totals, n = rows.totals, rows.n
  local sum_a, sum_b = rows.total.A, rows.total.B
  local result = { s = {}, profiles = rows.profiles, n = n, totals = totals,
    total = { A = sum_a, B = sum_b }, functions = #ratios, method = "robust" }
  local weights_given = options and options.weights
  if weights_given then
    local sum = { A = 0, B = 0 }
    for k, side in ipairs(sides) do sum[side] = sum[side] + weights_given[k] end
    result.method, result.R = "given", sum.B / sum.A
    for k in ipairs(sides) do result.s[k] = n.A * weights_given[k] / sum.A end
    result.load_ratio = result.R * rows.profiles.A / rows.profiles.B
    return result
  end
  if #ratios >= min_functions then
    result.R = math.exp(special.weighted_median(ratios, weights))
  else
    result.method = "totals"
    result.R = sum_a > 0 and sum_b > 0 and sum_b / sum_a or n.B / n.A
  end
  for k, side in ipairs(sides) do
    local sum = side == "A" and sum_a or sum_b
    local share = sum > 0 and totals[k] / sum or 1 / n[side]
    result.s[k] = n.A * share * (side == "A" and 1 or result.R)
  end
  result.load_ratio = result.R * rows.profiles.A / rows.profiles.B
  return result
end

--- Values divided by profiles (stocks) or by profile-seconds (flows) of each sample.
---@param values number[]
---@param u pyroscope.union
---@return number[]
function normalise.per_instance(values, u)
  local out = {}
  for k, value in ipairs(values) do
    local sample = u.samples[k]
    local by = counts.profiles(sample)
    if u.kind ~= "stock" and sample.seconds then by = sample.seconds end
    out[k] = by > 0 and value / by or 0
  end
  return out
end

local function ratio_of(values, by)
  local out = {}
  for k, value in ipairs(values) do out[k] = by[k] and by[k] > 0 and value / by[k] or 0 end
  return out
end

---@param values number[]
---@param requests number[]       by sample
---@return number[]
function normalise.per_request(values, requests) return ratio_of(values, requests) end

---@param values number[]
---@param totals number[]
---@return number[]
function normalise.share(values, totals) return ratio_of(values, totals) end

--- Is there another load? The ratio at the median function and Welch's test of totals a profile.
---@param u pyroscope.union
---@param sf pyroscope.size_factors
---@return { ratio: number, p: number, changed: boolean }
function normalise.load(u, sf)
  local a, b = {}, {}
  for k, total in ipairs(sf.totals) do
    local profiles = counts.profiles(u.samples[k])
    if total > 0 and profiles > 0 then
      local list = u.sides[k] == "A" and a or b
      list[#list + 1] = math.log(total / profiles)
    end
  end
  local p = tests.welch(a, b).p
  return { ratio = sf.load_ratio, p = p,
    changed = math.abs(sf.load_ratio - 1) > 0.1 and p <= 0.01 }
end

return normalise
