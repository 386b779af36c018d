--- Tests of every function between two sides: log ratios at equal load whose variance is that of
--- the process, shrunk towards the family's (Smyth 2004), plus that of sampling.

local counts = require "pyroscope.investigate.counts"
local special = require "pyroscope.investigate.stats.special"
local tests = require "pyroscope.investigate.stats.tests"

local moderated = {}

-- Degrees of freedom of the prior, the least variance of a process, and that of one window.
local D0, FLOOR, TIER0 = 6, 1e-4, { window = 0.10, day = 0.15 }
local ENOUGH = 20
-- Functions of which the resemblance of neighbours is taken.
local HEAVY = 500
-- A family of fewer functions is too small to tell noise of totals from its own.
local FEW = 20

-- What a test says of a function is computed when it is read: of thousands of functions only those
-- matter that changed enough.
local function when_read(compute)
  return setmetatable({}, { __index = function(list, i)
    local value = type(i) == "number" and compute(i) or nil
    list[i] = value
    return value
  end })
end

-- Fields that one computation gives together.
local function together(family, names, count, compute)
  for _, name in ipairs(names) do
    family[name] = setmetatable({}, { __index = function(_, i)
      if type(i) ~= "number" or i < 1 or i > count then return nil end
      local values = { compute(i) }
      for at, other in ipairs(names) do rawset(family[other], i, values[at]) end
      return rawget(family[name], i)
    end })
  end
end

-- Logs, sampling variances and, for each row, sums a side. `which` is "flat" or "cum".
local function logs(row, which, sampled, s)
  local q = which == "flat" and row.q or row.q_cum
  local y, v = {}, {}
  for k, value in ipairs(row[which]) do
    local n = value / q
    y[k] = math.log(n + 0.5) - math.log(s[k])
    v[k] = sampled and 1 / (n + 0.5) or 0
  end
  return y, v
end

local function squares(list, mean)
  local sum = 0
  for i = 1, #list do sum = sum + (list[i] - mean) ^ 2 end
  return sum
end

-- A ratio of sums over functions, less the twentieth with the largest ratios of their own.
local function trimmed(parts)
  table.sort(parts, function(x, y) return x.own < y.own end)
  local above, below = 0, 0
  for i = 1, #parts - #parts // 20 do
    above, below = above + parts[i].above, below + parts[i].below
  end
  return below > 0 and above / below or 0
end

-- Values are divided by totals that hold the function itself, which hides a part of its own noise:
-- of a function with the share p a variance of 1 - 2 p + (sum of squared shares) is left. A family
-- of few functions is its own total, and says nothing of that.
local function left_by_totals(rows)
  local total, squared = (rows.total.A + rows.total.B) / rows.q, 0
  if total <= 0 or #rows < FEW then return function() return 1 end end
  for _, row in ipairs(rows) do
    squared = squared + ((row.flat_a + row.flat_b) / total) ^ 2
  end
  return function(n) return math.min(1, math.max(0.25, 1 - 2 * n / total + squared)) end
end

-- The variance that windows of the family share, beyond sampling (5.6b).
local function prior(rows, s, sampled)
  local side_sum = { A = 0, B = 0 }
  for k, side in ipairs(rows.sides) do side_sum[side] = side_sum[side] + s[k] end
  local parts, left = {}, left_by_totals(rows)
  for _, row in ipairs(rows) do
    if row.flat_a + row.flat_b >= ENOUGH then
      local above, below = 0, 0
      for k, side in ipairs(rows.sides) do
        local share = s[k] / side_sum[side]
        local mu = share * (side == "A" and row.flat_a or row.flat_b)
        local poisson = sampled and mu * (1 - share) or 0
        above = above + (row.flat[k] / row.q - mu) ^ 2 - poisson
        below = below + mu * mu * (1 - share)
      end
      below = below * left(row.flat_a + row.flat_b)
      if below > 0 then
        parts[#parts + 1] = { above = above, below = below, own = above / below }
      end
    end
  end
  return math.max(trimmed(parts), FLOOR)
end

-- The same for differences of pairs, whose common course cancels.
local function paired_prior(rows, s, sampled, pairs_of)
  local parts = {}
  for _, row in ipairs(rows) do
    if row.flat_a + row.flat_b >= ENOUGH then
      local y, v = logs(row, "flat", sampled, s)
      local delta, noise = {}, 0
      for i, pair in ipairs(pairs_of) do
        delta[i] = y[pair[2]] - y[pair[1]]
        noise = noise + v[pair[1]] + v[pair[2]]
      end
      local spread = squares(delta, special.mean(delta)) / (#delta - 1) - noise / #delta
      local weight = (row.flat_a + row.flat_b) ^ 2
      parts[#parts + 1] = { above = spread * weight, below = weight, own = spread }
    end
  end
  return math.max(trimmed(parts), 2 * FLOOR)
end

-- How much neighbours in time resemble each other, with the bias of short series put right
-- (Marriott and Pope 1954). `residuals(row)` gives lists in time order and the noise of sampling,
-- which has a product of neighbours of its own and counts for less where it is large.
local function autocorrelation(rows, blocks, residuals, sigma2_0)
  local neighbours, own, parts = 0, 0, {}
  local heavy = {}
  for _, row in ipairs(rows) do
    if row.flat_a + row.flat_b >= ENOUGH * #rows.sides or not rows.sampled then
      heavy[#heavy + 1] = row
    end
  end
  if #heavy > HEAVY then -- the heaviest tell it best
    table.sort(heavy, function(x, y)
      if x.flat_a + x.flat_b ~= y.flat_a + y.flat_b then
        return x.flat_a + x.flat_b > y.flat_a + y.flat_b
      end
      return x.name < y.name
    end)
  end
  for i = 1, math.min(HEAVY, #heavy) do
    local lists, noise = residuals(heavy[i])
    local products, pairs_seen, sum, df = 0, 0, 0, 0
    for _, r in ipairs(lists) do
      for k = 1, #r do sum = sum + r[k] * r[k] end
      for k = 1, #r - 1 do products = products + r[k] * r[k + 1] end
      pairs_seen, df = pairs_seen + #r - 1, df + #r - 1
    end
    if df > 0 then
      local weight = 1 / (sigma2_0 + noise) ^ 2
      local part = { weight * (products / pairs_seen + noise / blocks),
        weight * (sum - df * noise) / df }
      neighbours, own, parts[#parts + 1] = neighbours + part[1], own + part[2], part
    end
  end
  if #parts == 0 or own <= 0 then return 0 end
  local ratio, squares_sum = neighbours / own, 0
  for _, part in ipairs(parts) do squares_sum = squares_sum + (part[1] - ratio * part[2]) ^ 2 end
  local scale = math.max(0.2, 1 - 3 / blocks)
  local rho, se = (ratio + 1 / blocks) / scale, math.sqrt(squares_sum) / own / scale
  if rho <= se then return 0 end
  -- what may be chance is taken off (James and Stein's positive part)
  return math.min(0.9, rho * (1 - (se / rho) ^ 2))
end

-- Rank of a change: how far the sum of a side lies from what the other foretells, with the
-- variance of the process in it (5.9).
local function distance(a, b, R, sigma2, shares2, sampled)
  local n, share = a + b, R / (1 + R)
  local e = n * share * (1 - share)
  if e <= 0 then return 0 end
  local variance = sampled and e * (1 + sigma2 * shares2 * e) or sigma2 * shares2 * e * e
  return (b - n * share) / math.sqrt(variance)
end

-- Sum over both sides of the squared parts that samples have of their side.
local function squared_shares(rows, s)
  local sum, squared = { A = 0, B = 0 }, { A = 0, B = 0 }
  for k, side in ipairs(rows.sides) do
    sum[side] = sum[side] + s[k]
    squared[side] = squared[side] + s[k] * s[k]
  end
  return squared.A / sum.A ^ 2 + squared.B / sum.B ^ 2
end

-- What every method shares: rows to families, with `judge(y, v)` the test of one row:
-- effect, squared standard error, degrees of freedom, variance of the process.
local function assemble(u, sf, method, judge, extra, bar)
  local rows = counts.of(u)
  local R, n = sf.R, rows.n
  local shares2 = squared_shares(rows, sf.s)
  local left = left_by_totals(rows)
  local result = { method = method, name = {}, role = {}, size = sf, m = 0, vif = extra.vif or 1,
    rho = extra.rho, sigma2_0 = extra.sigma2_0, df = extra.df, df_total = extra.df_total,
    paired = extra.paired, rows = rows }
  local bar_alpha = bar and bar.alpha or 0.05
  local quantiles = {}
  local function critical(level, df)
    local key = level .. "|" .. df
    quantiles[key] = quantiles[key] or special.t_quantile(level, df)
    return quantiles[key]
  end
  for _, which in ipairs { "cum", "flat" } do
    local family = { tested = {}, a = {}, b = {}, before = {}, delta = {} }
    together(family, { "d", "se", "df", "sigma2", "z" }, #rows, function(i)
      local y, v = logs(rows[i], which, rows.sampled, sf.s)
      local d, se2, df, sigma2 = judge(y, v, left(family.a[i] + family.b[i]))
      return d, math.sqrt(se2), df, sigma2,
        distance(family.a[i], family.b[i], R, sigma2, shares2, rows.sampled)
    end)
    family.p = when_read(function(i)
      if family.tested[i] == nil then return nil end
      if not family.tested[i] then return 1 end
      local se = family.se[i]
      if se <= 0 then return family.d[i] == 0 and 1 or 0 end
      return special.t_two_sided(family.d[i] / se, family.df[i])
    end)
    family.mde = when_read(function(i)
      if family.tested[i] == nil then return nil end
      local alpha = bar_alpha / math.max(1, result.m)
      return math.exp((critical(1 - alpha / 2, family.df[i]) + critical(0.8, family.df[i]))
        * family.se[i]) - 1
    end)
    result[which] = family
  end
  for i, row in ipairs(rows) do
    result.name[i], result.role[i] = row.name, row.role
    local user = row.role == "app" or row.role == "library"
    for _, which in ipairs { "cum", "flat" } do
      local family = result[which]
      local cum = which == "cum"
      local q = cum and row.q_cum or row.q
      local a, b = row[which .. "_a"], row[which .. "_b"]
      local tested = user and a + b >= (rows.sampled and ENOUGH or 1) and (cum or row.differs)
      family.tested[i], family.a[i], family.b[i] = tested, a, b
      family.before[i] = a * q / n.A
      family.delta[i] = (b / R - a) * q / n.A
      if tested then result.m = result.m + 1 end
    end
  end
  --- The same test of any values in base units: effect, standard error, degrees of freedom.
  function result.judge(values)
    local y, v = logs({ values = values, q = rows.q, q_cum = rows.q }, "values", rows.sampled, sf.s)
    local d, se2, df = judge(y, v)
    return d, math.sqrt(se2), df
  end
  -- The totals, without a size factor: what the whole did.
  local y, v = {}, {}
  for k, total in ipairs(rows.totals) do
    local profiles = counts.profiles(u.samples[k])
    y[k] = math.log(total / rows.q + 0.5) - math.log(math.max(profiles, 1))
    v[k] = rows.sampled and 1 / (total / rows.q + 0.5) or 0
  end
  local d, se2, df = judge(y, v)
  local se = math.sqrt(se2)
  result.root = { d = d, se = se, df = df, p = se > 0 and special.t_two_sided(d / se, df) or 1,
    mde = math.exp((critical(1 - bar_alpha / 2, df) + critical(0.8, df)) * se) - 1 }
  return result
end

--- Moderated t over replicates; neighbours in time are allowed for where the unit is a block.
---@param u pyroscope.union
---@param sf pyroscope.size_factors
---@param design? { unit?: string, prior_df?: number, inflate?: boolean }
---@param bar? pyroscope.bar
---@param like? pyroscope.tests   of the whole: the noise of its family is taken over
---@return pyroscope.tests
function moderated.moderated(u, sf, design, bar, like)
  local rows = counts.of(u)
  local n_a, n_b = rows.n.A, rows.n.B
  local df = n_a + n_b - 2
  local d0 = design and design.prior_df or D0
  local sigma2_0 = like and like.sigma2_0 or prior(rows, sf.s, rows.sampled)
  local rho = like and like.rho
  local blocks = not design or design.unit == nil or design.unit == "block"
  if not like and blocks and design and design.inflate ~= false and n_a >= 6 and n_b >= 6 then
    rho = autocorrelation(rows, (n_a + n_b) / 2, function(row)
      local y, v = logs(row, "flat", rows.sampled, sf.s)
      local a, b = special.by_side(y, rows.sides)
      local mean_a, mean_b = special.mean(a), special.mean(b)
      for k = 1, #a do a[k] = a[k] - mean_a end
      for k = 1, #b do b[k] = b[k] - mean_b end
      return { a, b }, special.mean(v)
    end, sigma2_0)
  end
  local vif = rho and (1 + rho) / (1 - rho) or 1
  local sides = rows.sides
  local function judge(y, v, left)
    local sum_a, sum_b, v_a, v_b, noise = 0, 0, 0, 0, 0
    for k, side in ipairs(sides) do
      if side == "A" then
        sum_a, v_a = sum_a + y[k], v_a + v[k]
      else
        sum_b, v_b = sum_b + y[k], v_b + v[k]
      end
      noise = noise + v[k]
    end
    local mean_a, mean_b, spread = sum_a / n_a, sum_b / n_b, 0
    for k, side in ipairs(sides) do
      spread = spread + (y[k] - (side == "A" and mean_a or mean_b)) ^ 2
    end
    local process = df > 0 and math.max(0, spread / df - noise / #y) / (left or 1) or 0
    local sigma2 = (d0 * sigma2_0 + df * process) / (d0 + df)
    local se2 = sigma2 * vif * (1 / n_a + 1 / n_b) + v_a / n_a ^ 2 + v_b / n_b ^ 2
    return mean_b - mean_a, se2, d0 + df / vif, sigma2
  end
  return assemble(u, sf, "moderated", judge,
    { sigma2_0 = sigma2_0, rho = rho, vif = vif, df = df / vif, df_total = d0 + df / vif }, bar)
end

--- Paired blocks: the k-th sample of A with the k-th of B; what time does to both cancels.
---@param u pyroscope.union
---@param sf pyroscope.size_factors
---@param design? { unit?: string, prior_df?: number, inflate?: boolean }
---@param bar? pyroscope.bar
---@return pyroscope.tests
function moderated.paired(u, sf, design, bar)
  local rows = counts.of(u)
  local places, pairs_of = {}, {}
  for k in ipairs(rows.sides) do places[k] = k end
  local a, b = special.by_side(places, rows.sides)
  if #a ~= #b or #a < 2 then
    error(("pairs need as many samples before as after, two at least; there are %d and %d")
      :format(#a, #b), 2)
  end
  for i = 1, #a do pairs_of[i] = { a[i], b[i] } end
  local count, df = #a, #a - 1
  local d0 = design and design.prior_df or D0
  local sigma2_0 = paired_prior(rows, sf.s, rows.sampled, pairs_of)
  local function differences(y, v)
    local delta, noise = {}, 0
    for i, pair in ipairs(pairs_of) do
      delta[i] = y[pair[2]] - y[pair[1]]
      noise = noise + v[pair[1]] + v[pair[2]]
    end
    return delta, noise
  end
  local rho
  if count >= 6 and not (design and design.inflate == false) then
    rho = autocorrelation(rows, count, function(row)
      local y, v = logs(row, "flat", rows.sampled, sf.s)
      local delta, noise = differences(y, v)
      local mean = special.mean(delta)
      for i = 1, #delta do delta[i] = delta[i] - mean end
      return { delta }, noise / count
    end, sigma2_0)
  end
  local vif = rho and (1 + rho) / (1 - rho) or 1
  local function judge(y, v)
    local delta, noise = differences(y, v)
    local mean = special.mean(delta)
    local process = math.max(0, squares(delta, mean) / df - noise / count)
    local sigma2 = (d0 * sigma2_0 + df * process) / (d0 + df)
    -- sigma2 is that of a difference; half of it is what one side has
    return mean, sigma2 * vif / count + noise / count ^ 2, d0 + df / vif, sigma2 / 2
  end
  return assemble(u, sf, "paired", judge, { sigma2_0 = sigma2_0 / 2, rho = rho, vif = vif,
    df = df / vif, df_total = d0 + df / vif, paired = true }, bar)
end

--- One window a side: screening with a variance that other services had, not measured here.
---@param u pyroscope.union
---@param sf pyroscope.size_factors
---@param design? { unit?: string }
---@param bar? pyroscope.bar
---@return pyroscope.tests
function moderated.tier0(u, sf, design, bar)
  local rows = counts.of(u)
  local sigma = TIER0[design and design.unit] or TIER0.window
  local sides, n = rows.sides, rows.n
  local function judge(y, v)
    local d, noise = 0, 0
    for k, side in ipairs(sides) do
      local weight = side == "A" and -1 / n.A or 1 / n.B
      d, noise = d + weight * y[k], noise + weight * weight * v[k]
    end
    return d, 2 * sigma * sigma + noise, D0, sigma * sigma
  end
  return assemble(u, sf, "tier0", judge, { sigma2_0 = sigma * sigma, df = 0, df_total = D0 }, bar)
end

--- The test that fits the design.
---@param u pyroscope.union
---@param sf pyroscope.size_factors
---@param design? { unit?: string, paired?: boolean }
---@param bar? pyroscope.bar
---@param like? pyroscope.tests
---@return pyroscope.tests
function moderated.choose(u, sf, design, bar, like)
  local n = counts.of(u).n
  if design and design.paired and n.A == n.B and n.A >= 2 then
    return moderated.paired(u, sf, design, bar)
  elseif n.A + n.B >= 4 or n.A >= 3 then
    return moderated.moderated(u, sf, design, bar, like)
  end
  return moderated.tier0(u, sf, design, bar)
end

--- Smallest change of a function that holds `share` of the total, by the noise of the family.
---@param result pyroscope.tests
---@param share number
---@param bar? pyroscope.bar
---@return number rel
function moderated.mde_at(result, share, bar)
  local rows, alpha = result.rows, bar and bar.alpha or 0.05
  local noise = 0
  for k, side in ipairs(rows.sides) do
    if rows.sampled then
      local n = side == "A" and rows.n.A or rows.n.B
      noise = noise + 1 / (share * rows.totals[k] / rows.q + 0.5) / (n * n)
    end
  end
  local spread = 1 / rows.n.A + 1 / rows.n.B
  local se = math.sqrt(result.sigma2_0 * result.vif * spread + noise)
  return tests.mde(se, result.df_total, result.cut or alpha / math.max(1, result.m))
end

return moderated
