--- Random numbers of the lab: Lua's own generator (xoshiro256**, the same on every machine),
--- seeded once for each run, so that a run is told by its two seeds alone. Scenes make their data
--- before anything else happens, one after another.

local random = {}

local uniform, log, exp, sqrt, floor = math.random, math.log, math.exp, math.sqrt, math.floor
local spare

--- Starts a run.
---@param seed integer
---@param stream? integer         another sequence under the same seed
function random.seed(seed, stream)
  math.randomseed(seed, stream or 0)
  spare = nil
end

--- Between 0 and 1; with arguments an integer, as `math.random`.
random.uniform = uniform

--- Standard normal (Marsaglia's polar method).
---@return number
function random.normal()
  if spare then
    local x = spare
    spare = nil
    return x
  end
  while true do
    local x, y = 2 * uniform() - 1, 2 * uniform() - 1
    local r = x * x + y * y
    if r > 0 and r < 1 then
      local f = sqrt(-2 * log(r) / r)
      spare = y * f
      return x * f
    end
  end
end

local normal = random.normal

--- exp(sd * normal), of mean 1.
---@param sd number
---@return number
function random.lognormal(sd)
  if sd == 0 then return 1 end
  return exp(sd * normal() - sd * sd / 2)
end

local factorials = { [0] = 0 } -- ln k!
for k = 1, 255 do factorials[k] = factorials[k - 1] + log(k) end

local function lnfactorial(k)
  if k < 256 then return factorials[k] end
  local x = k + 1
  return (x - 0.5) * log(x) - x + 0.91893853320467274 + 1 / (12 * x) - 1 / (360 * x * x * x)
end

--- Poisson: by products below 10, else Hörmann's transformed rejection (PTRS, 1993).
---@param mean number
---@return integer
function random.poisson(mean)
  if mean <= 0 then return 0 end
  if mean < 10 then
    local limit, k, p = exp(-mean), 0, uniform()
    while p > limit do
      k = k + 1
      p = p * uniform()
    end
    return k
  end
  local b = 0.931 + 2.53 * sqrt(mean)
  local a = -0.059 + 0.02483 * b
  local inverse = log(1.1239 + 1.1328 / (b - 3.4))
  local accept, lnmean = 0.9277 - 3.6224 / (b - 2), log(mean)
  while true do
    local u, v = uniform() - 0.5, uniform()
    local us = 0.5 - (u < 0 and -u or u)
    local k = floor((2 * a / us + b) * u + mean + 0.43)
    if us >= 0.07 and v <= accept then return k end
    if k >= 0 and (us >= 0.013 or v <= us)
      and log(v) + inverse - log(a / (us * us) + b) <= k * lnmean - mean - lnfactorial(k) then
      return k
    end
  end
end

--- `count` values of an AR(1) process of standard deviation `sd`.
---@param count integer
---@param sd number
---@param rho number
---@return number[]
function random.ar1(count, sd, rho)
  local list, step = {}, sqrt(1 - rho * rho)
  local x = normal()
  for k = 1, count do
    list[k] = sd * x
    x = rho * x + step * normal()
  end
  return list
end

--- One of a list.
function random.pick(list)
  return list[uniform(#list)]
end

--- A list in another order, in place.
function random.shuffle(list)
  for i = #list, 2, -1 do
    local j = uniform(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

return random
