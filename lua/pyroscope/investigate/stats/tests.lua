--- Tests of one change: Welch, Poisson, equivalence, the smallest effect that could be seen.

local special = require "pyroscope.investigate.stats.special"

local tests = {}

local function moments(x)
  local mean = special.mean(x)
  local sum = 0
  for i = 1, #x do sum = sum + (x[i] - mean) ^ 2 end
  return mean, sum / (#x - 1)
end

--- Welch's test of two means; p = 1 where a side has fewer than two values.
---@param x number[]
---@param y number[]
---@return { t: number, df: number, p: number, difference: number, se: number }
function tests.welch(x, y)
  if #x < 2 or #y < 2 then
    local known = #x > 0 and #y > 0
    return { t = 0, df = 0, p = 1, se = 0,
      difference = known and special.mean(y) - special.mean(x) or 0 }
  end
  local mean_x, var_x = moments(x)
  local mean_y, var_y = moments(y)
  local vx, vy = var_x / #x, var_y / #y
  local se, difference = math.sqrt(vx + vy), mean_y - mean_x
  if se == 0 then
    return { t = difference == 0 and 0 or difference / 0, df = #x + #y - 2, se = 0,
      p = difference == 0 and 1 or 0, difference = difference }
  end
  local df = (vx + vy) ^ 2 / (vx ^ 2 / (#x - 1) + vy ^ 2 / (#y - 1))
  local t = difference / se
  return { t = t, df = df, p = special.t_two_sided(t, df), difference = difference, se = se }
end

--- Conditional binomial test of two Poisson counts that are expected in the ratio ea to eb.
---@param a number
---@param b number
---@param ea number
---@param eb number
---@return number z
---@return number p
function tests.poisson_ratio(a, b, ea, eb)
  local n, share = a + b, eb / (ea + eb)
  if n <= 0 or share <= 0 or share >= 1 then return 0, 1 end
  local z = (b - n * share) / math.sqrt(n * share * (1 - share))
  return z, special.normal_two_sided(z)
end

--- Two one-sided tests: is the effect smaller than delta in either direction?
---@param d number
---@param se number
---@param df number
---@param delta number
---@param alpha? number           default 0.05; each test has half of it
---@return number p               the larger of the two
---@return boolean equivalent
function tests.equivalence(d, se, df, delta, alpha)
  local function upper(t)
    local p = special.t_two_sided(t, df) / 2
    return t > 0 and p or 1 - p
  end
  if se <= 0 then
    local inside = math.abs(d) < delta
    return inside and 0 or 1, inside
  end
  local p = math.max(upper((delta - d) / se), upper((d + delta) / se))
  return p, p <= (alpha or 0.05) / 2
end

--- Smallest relative change that is seen with the given power at two-sided level alpha.
---@param se number               of the log ratio
---@param df number
---@param alpha number
---@param power? number           default 0.8
---@return number rel
function tests.mde(se, df, alpha, power)
  return math.exp((special.t_quantile(1 - alpha / 2, df)
    + special.t_quantile(power or 0.8, df)) * se) - 1
end

return tests
