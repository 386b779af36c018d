--- Distributions and selection for the tests of investigations: plain numbers in and out.
--- Relative accuracy is about 1e-12. Formulas: Lanczos' approximation of ln gamma (g = 7, nine
--- terms), Lentz's continued fraction of the incomplete beta and gamma functions, recurrence and
--- the asymptotic series of digamma and trigamma.

local special = {}

local LANCZOS = { 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7 }
local TINY = 1e-300

--- ln of the gamma function, x > 0.
---@param x number
---@return number
function special.lgamma(x)
  if x < 0.5 then
    return math.log(math.pi / math.sin(math.pi * x)) - special.lgamma(1 - x)
  end
  x = x - 1
  local sum = 0.99999999999980993
  for i, c in ipairs(LANCZOS) do sum = sum + c / (x + i) end
  local t = x + 7.5
  return 0.5 * math.log(2 * math.pi) + (x + 0.5) * math.log(t) - t + math.log(sum)
end

--- Derivative of ln gamma, x > 0.
---@param x number
---@return number
function special.digamma(x)
  local sum = 0
  while x < 10 do
    sum = sum - 1 / x
    x = x + 1
  end
  local y = 1 / (x * x)
  return sum + math.log(x) - 0.5 / x
    - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * 691 / 32760)))))
end

--- Second derivative of ln gamma, x > 0.
---@param x number
---@return number
function special.trigamma(x)
  local sum = 0
  while x < 10 do
    sum = sum + 1 / (x * x)
    x = x + 1
  end
  local y = 1 / (x * x)
  return sum + 1 / x + y / 2
    + y / x * (1 / 6 - y * (1 / 30 - y * (1 / 42 - y * (1 / 30 - y * (5 / 66 - y * 691 / 2730)))))
end

local function fraction(a, b, x)
  local c, d = 1, 1 - (a + b) * x / (a + 1)
  if math.abs(d) < TINY then d = TINY end
  d = 1 / d
  local h = d
  for m = 1, 10000 do
    for odd = 0, 1 do
      local term
      if odd == 0 then
        term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
      else
        term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      end
      d = 1 + term * d
      if math.abs(d) < TINY then d = TINY end
      c = 1 + term / c
      if math.abs(c) < TINY then c = TINY end
      d = 1 / d
      h = h * d * c
      if odd == 1 and math.abs(d * c - 1) < 1e-15 then return h end
    end
  end
  return h
end

--- Regularised incomplete beta function, 0 <= x <= 1; `y` is 1 - x where that is known better.
---@param x number
---@param a number
---@param b number
---@param y? number
---@return number
function special.betainc(x, a, b, y)
  y = y or 1 - x
  if x <= 0 then return 0 end
  if y <= 0 then return 1 end
  local front = math.exp(special.lgamma(a + b) - special.lgamma(a) - special.lgamma(b)
    + a * math.log(x) + b * math.log(y))
  if x < (a + 1) / (a + b + 2) then return front * fraction(a, b, x) / a end
  return 1 - front * fraction(b, a, y) / b
end

--- Two-sided p of Student's t; df may be fractional.
---@param t number
---@param df number
---@return number
function special.t_two_sided(t, df)
  local square = t * t
  return special.betainc(df / (df + square), df / 2, 0.5, square / (df + square))
end

--- Two-sided p of the normal distribution.
---@param z number
---@return number
function special.normal_two_sided(z)
  return special.gamma_upper(0.5, z * z / 2)
end

--- Regularised upper incomplete gamma function Q(a, x).
---@param a number
---@param x number
---@return number
function special.gamma_upper(a, x)
  if x <= 0 then return 1 end
  local front = math.exp(a * math.log(x) - x - special.lgamma(a))
  if x < a + 1 then
    local term = 1 / a
    local sum, n = term, a
    while math.abs(term) > math.abs(sum) * 1e-17 do
      n = n + 1
      term = term * x / n
      sum = sum + term
    end
    return 1 - front * sum
  end
  local b = x + 1 - a
  local c, d = 1 / TINY, 1 / b
  local h = d
  for i = 1, 10000 do
    local an = -i * (i - a)
    b = b + 2
    d = an * d + b
    if math.abs(d) < TINY then d = TINY end
    c = b + an / c
    if math.abs(c) < TINY then c = TINY end
    d = 1 / d
    h = h * d * c
    if math.abs(d * c - 1) < 1e-15 then break end
  end
  return front * h
end

--- Quantile of Student's t, by bisection: P(T <= result) = p.
---@param p number                between 0 and 1
---@param df number
---@return number
function special.t_quantile(p, df)
  if p == 0.5 then return 0 end
  if p < 0.5 then return -special.t_quantile(1 - p, df) end
  local wanted = 2 * (1 - p)
  local low, high = 0, 1
  while special.t_two_sided(high, df) > wanted do low, high = high, high * 2 end
  for _ = 1, 200 do
    local middle = (low + high) / 2
    if middle == low or middle == high then break end
    if special.t_two_sided(middle, df) > wanted then low = middle else high = middle end
  end
  return (low + high) / 2
end

--- P(X >= k) of a Poisson variable.
---@param k integer
---@param mean number
---@return number
function special.poisson_upper(k, mean)
  if k <= 0 then return 1 end
  if mean <= 0 then return 0 end
  return 1 - special.gamma_upper(k, mean)
end

--- P(X >= k) of a binomial variable of n draws.
---@param k integer
---@param n integer
---@param p number
---@return number
function special.binomial_upper(k, n, p)
  if k <= 0 then return 1 end
  if k > n then return 0 end
  return special.betainc(p, k, n - k + 1)
end

--- The first value, in order, at which the summed weights reach half of all.
---@param values number[]
---@param weights number[]
---@return number?
function special.weighted_median(values, weights)
  local order, total = {}, 0
  for i = 1, #values do
    order[i] = i
    total = total + weights[i]
  end
  table.sort(order, function(i, j)
    if values[i] ~= values[j] then return values[i] < values[j] end
    return i < j
  end)
  local sum = 0
  for _, i in ipairs(order) do
    sum = sum + weights[i]
    if sum >= total / 2 then return values[i] end
  end
  return nil
end

--- The k-th smallest of an array, which is left as it was. Hoare's selection.
---@param values number[]
---@param k integer               1 to #values
---@return number
function special.select(values, k)
  local list = table.move(values, 1, #values, 1, {})
  local low, high = 1, #list
  while low < high do
    local pivot = list[(low + high) // 2]
    local i, j = low, high
    while i <= j do
      while list[i] < pivot do i = i + 1 end
      while list[j] > pivot do j = j - 1 end
      if i <= j then
        list[i], list[j] = list[j], list[i]
        i, j = i + 1, j - 1
      end
    end
    if k <= j then high = j elseif k >= i then low = i else break end
  end
  return list[k]
end

--- Median of an array; of an even number of values the mean of the two in the middle.
---@param values number[]
---@return number?
function special.median(values)
  local n = #values
  if n == 0 then return nil end
  if n % 2 == 1 then return special.select(values, (n + 1) // 2) end
  return (special.select(values, n // 2) + special.select(values, n // 2 + 1)) / 2
end

--- The values of each side, in order.
---@param values any[]
---@param sides ("A"|"B")[]
---@return any[] a
---@return any[] b
function special.by_side(values, sides)
  local a, b = {}, {}
  for k, side in ipairs(sides) do
    local into = side == "A" and a or b
    into[#into + 1] = values[k]
  end
  return a, b
end

---@param values number[]
---@return number
function special.mean(values)
  local sum = 0
  for i = 1, #values do sum = sum + values[i] end
  return sum / #values
end

-- One step of splitmix64, which fills the state of the generator from a seed of one word.
local function splitmix(state)
  state = state + 0x9e3779b97f4a7c15
  local z = state
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return state, z ~ (z >> 31)
end

---@class pyroscope.random
---@field uniform fun(): number                  0 <= x < 1
---@field normal fun(): number                   mean 0, deviation 1
---@field below fun(n: integer): integer         1 to n
---@field poisson fun(mean: number): integer

--- Random numbers that depend on nothing but the seed: xoshiro256**, seeded by splitmix64.
---@param seed integer
---@return pyroscope.random
function special.random(seed)
  local a, b, c, d, state
  state, a = splitmix(seed)
  state, b = splitmix(state)
  state, c = splitmix(state)
  d = select(2, splitmix(state))
  local spare
  local random = {}

  local function bits()
    local x = b * 5
    local result = ((x << 7) | (x >> 57)) * 9
    local t = b << 17
    c, d = c ~ a, d ~ b
    b, a = b ~ c, a ~ d
    c = c ~ t
    d = (d << 45) | (d >> 19)
    return result
  end

  function random.uniform() return (bits() >> 11) * 0x1p-53 end

  function random.below(n) return math.floor(random.uniform() * n) + 1 end

  -- Marsaglia's polar method.
  function random.normal()
    if spare then
      local x = spare
      spare = nil
      return x
    end
    while true do
      local u, v = 2 * random.uniform() - 1, 2 * random.uniform() - 1
      local s = u * u + v * v
      if s > 0 and s < 1 then
        local f = math.sqrt(-2 * math.log(s) / s)
        spare = v * f
        return u * f
      end
    end
  end

  -- Small means by products of uniforms (Knuth); larger ones by the transformed rejection PTRS
  -- (Hoermann, Insurance: Mathematics and Economics 12, 1993).
  function random.poisson(mean)
    if mean <= 0 then return 0 end
    if mean < 10 then
      local limit, k, product = math.exp(-mean), 0, random.uniform()
      while product > limit do
        k = k + 1
        product = product * random.uniform()
      end
      return k
    end
    local root, log_mean = math.sqrt(mean), math.log(mean)
    local e = 0.931 + 2.53 * root
    local f = -0.059 + 0.02483 * e
    local inverse, wide = 1.1239 + 1.1328 / (e - 3.4), 0.9277 - 3.6224 / (e - 2)
    while true do
      local u, v = random.uniform() - 0.5, random.uniform()
      local us = 0.5 - math.abs(u)
      local k = math.floor((2 * f / us + e) * u + mean + 0.43)
      if us >= 0.07 and v <= wide then return k end
      if k >= 0 and not (us < 0.013 and v > us)
        and math.log(v * inverse / (f / (us * us) + e))
          <= k * log_mean - mean - special.lgamma(k + 1) then
        return k
      end
    end
  end

  return random
end

return special
