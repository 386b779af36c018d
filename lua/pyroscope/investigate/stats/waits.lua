--- Changes of waiting times by site: heavy-tailed sums without a quantum, so that replicates alone
--- say what is noise.

local multiple = require "pyroscope.investigate.stats.multiple"
local special = require "pyroscope.investigate.stats.special"

local waits = {}

local D0, FLOOR = 6, 0.04

local function spread(list)
  local mean, sum = special.mean(list), 0
  for i = 1, #list do sum = sum + (list[i] - mean) ^ 2 end
  return mean, sum
end

---@class pyroscope.wait_site
---@field name string
---@field before number           mean waiters
---@field after number
---@field d number
---@field se number
---@field df number
---@field p number
---@field q number
---@field passes boolean
---@field kind "regression"|"improvement"
---@field values number[]

--- Sites whose mean number of waiters changed. The bar is added inside the logarithm: a lock that
--- nobody waits for has no ratio worth a name.
---@param waiters { name: string[], value: number[][] }   arrays of K mean waiters
---@param sides ("A"|"B")[]
---@param options { bar: number, min_rel?: number, alpha?: number }
---@return pyroscope.wait_site[] sites  largest difference first
---@return { sigma2_0: number, m: integer, df: number } family
function waits.waits(waiters, sides, options)
  local bar, sites, spreads, own = options.bar, {}, {}, {}
  local first_a, first_b = special.by_side(sides, sides)
  local n_a, n_b = #first_a, #first_b
  local df = n_a + n_b - 2
  for i, name in ipairs(waiters.name) do
    local values, seen = waiters.value[i], 0
    for k = 1, #values do seen = math.max(seen, values[k]) end
    if seen >= bar / 2 and n_a > 0 and n_b > 0 then
      local a, b = special.by_side(values, sides)
      local y = {}
      for k = 1, #values do y[k] = math.log(values[k] + bar) end
      local ya, yb = special.by_side(y, sides)
      local mean_a, square_a = spread(ya)
      local mean_b, square_b = spread(yb)
      sites[#sites + 1] = { name = name, values = values, d = mean_b - mean_a,
        before = special.mean(a), after = special.mean(b),
        median_before = special.median(a), median_after = special.median(b) }
      own[#sites] = df > 0 and (square_a + square_b) / df or 0
      spreads[#spreads + 1] = own[#sites]
    end
  end
  local sigma2_0 = math.max(FLOOR, special.median(spreads) or 0)
  local p = {}
  for i, site in ipairs(sites) do
    local sigma2 = (D0 * sigma2_0 + df * own[i]) / (D0 + df)
    site.se, site.df = math.sqrt(sigma2 * (1 / n_a + 1 / n_b)), D0 + df
    site.p = df >= 2 and special.t_two_sided(site.d / site.se, site.df) or 1
    p[i] = site.p
  end
  local q = multiple.bh(p)
  for i, site in ipairs(sites) do
    local change = site.after - site.before
    local medians = site.median_after - site.median_before
    site.q = q[i]
    site.kind = change > 0 and "regression" or "improvement"
    site.passes = q[i] <= (options.alpha or 0.05) and math.abs(change) >= bar
      and medians * change > 0 and math.abs(medians) >= bar / 2
      and math.abs(change) >= (options.min_rel or 0.2) * math.max(site.before, 1e-300)
  end
  table.sort(sites, function(x, y)
    local dx, dy = math.abs(x.after - x.before), math.abs(y.after - y.before)
    if dx ~= dy then return dx > dy end
    return x.name < y.name
  end)
  return sites, { sigma2_0 = sigma2_0, m = #sites, df = D0 + df }
end

return waits
