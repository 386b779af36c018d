--- What the world does to a service while it is profiled: windows of a design, traffic, noise of
--- functions, endpoints, processes and days, and series for the tests that see no trees.

local random = require "spec.lab.random"

local load = {}

local NOON = 1795204800000 -- 2026-11-20T20:00:00Z
local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
load.start_ms, load.MINUTE, load.HOUR, load.DAY = NOON, MINUTE, HOUR, DAY

---@class lab.window
---@field side "A"|"B"
---@field from_ms integer
---@field to_ms integer
---@field order integer
---@field instance? string
---@field day? integer
---@field tick integer            what happens at the same tick happens to all
---@field profiles integer

--- The windows of a design of section 4.2, in order of time, and the design itself.
---@param name "before_after"|"canary"|"pods"|"same_time"|"quick"
---@param options? { K?: integer, nA?: integer, nB?: integer, block_ms?: integer, days?: integer, instances?: integer }
---@return lab.window[] windows
---@return table design
function load.windows(name, options)
  options = options or {}
  local K, block = options.K or 8, options.block_ms or 5 * MINUTE
  local windows = {}
  local per = math.max(1, block // 15000) * (options.instances or 3)
  local function add(side, from, tick, extra)
    local w = { side = side, from_ms = from, to_ms = from + block, tick = tick, profiles = per }
    for key, value in pairs(extra or {}) do w[key] = value end
    windows[#windows + 1] = w
  end
  local design = { name = name, unit = "block", paired = false }
  if name == "before_after" then
    for k = 1, options.nA or K do add("A", NOON - ((options.nA or K) - k + 1) * block, k) end
    for k = 1, options.nB or K do -- the gap is as long as a block
      add("B", NOON + k * block, (options.nA or K) + 1 + k)
    end
    design.at_ms = NOON
  elseif name == "canary" then
    for k = 1, K do
      for _, side in ipairs { "A", "B" } do add(side, NOON + (k - 1) * block, k) end
    end
    design.paired = true
  elseif name == "pods" then
    for i = 1, options.nA or 3 do
      add("A", NOON - block, i, { instance = ("a-%d"):format(i), profiles = per // (options.instances or 3) })
    end
    for i = 1, options.nB or 3 do
      add("B", NOON, (options.nA or 3) + i,
        { instance = ("b-%d"):format(i), profiles = per // (options.instances or 3) })
    end
    design.unit = "pod"
  elseif name == "same_time" then
    block = options.block_ms or HOUR
    local D = options.days or 5
    for d = 1, D do add("A", NOON - (D - d + 1) * DAY, d, { day = d, to_ms = NOON - (D - d + 1) * DAY + block }) end
    add("B", NOON, D + 1, { day = D + 1, to_ms = NOON + block })
    design.unit = "day"
  elseif name == "quick" then
    add("A", NOON - 25 * HOUR, 1)
    add("B", NOON - HOUR, 2)
    design.unit = "window"
  else
    error("no such design: " .. tostring(name))
  end
  local count = { A = 0, B = 0 }
  design.A, design.B = {}, {}
  for _, w in ipairs(windows) do
    count[w.side] = count[w.side] + 1
    w.order = count[w.side]
    design[w.side][w.order] = { selector = '{service_name="lab"}', from_ms = w.from_ms, to_ms = w.to_ms,
      day = w.day, instance = w.instance }
  end
  return windows, design
end

---@class lab.noise
---@field sd? number              of a function in a window, lognormal
---@field rho? number             AR(1) of it, from window to window
---@field unequal? number         log-sd of the functions' own sd
---@field shared? number          the same for both sides of a tick (a canary's machine)
---@field group? number           of an endpoint in a window
---@field traffic? number         of all of a window
---@field day? number             of a function on a day

--- Factors by window and function, and by window and group.
---@param names string[]          functions
---@param groups integer
---@param windows lab.window[]
---@param noise lab.noise
---@return number[][] functions, number[][] group_factors, number[] totals
function load.factors(names, groups, windows, noise)
  local sd, rho = noise.sd or 0, noise.rho or 0
  local by_function, by_group, totals = {}, {}, {}
  for k = 1, #windows do by_function[k], by_group[k] = {}, {} end
  local last = 0
  for _, w in ipairs(windows) do last = math.max(last, w.tick) end
  local paired = windows[2] and windows[1].tick == windows[2].tick
  for f = 1, #names do
    local own = sd * (noise.unequal and math.min(math.exp(noise.unequal * random.normal()), 5) or 1)
    if own == 0 then
      for k = 1, #windows do by_function[k][f] = 1 end
    else
      local series = { A = random.ar1(last, own, rho) }
      series.B = paired and random.ar1(last, own, rho) or series.A
      for k, w in ipairs(windows) do by_function[k][f] = math.exp(series[w.side][w.tick] - own * own / 2) end
    end
    if noise.shared then
      local common = random.ar1(last, noise.shared, rho)
      for k, w in ipairs(windows) do by_function[k][f] = by_function[k][f] * math.exp(common[w.tick]) end
    end
    if noise.day then
      local days = {}
      for k, w in ipairs(windows) do
        local day = w.day or 1
        days[day] = days[day] or random.lognormal(noise.day)
        by_function[k][f] = by_function[k][f] * days[day]
      end
    end
  end
  local ticks = {}
  for tick = 1, last do
    ticks[tick] = { total = random.lognormal(noise.traffic or 0.1), group = {} }
    for g = 1, groups do ticks[tick].group[g] = random.lognormal(noise.group or 0) end
  end
  for k, w in ipairs(windows) do
    totals[k] = ticks[w.tick].total
    by_group[k] = ticks[w.tick].group
  end
  return by_function, by_group, totals
end

--- A series of one value a step: level times shape times noise.
---@param options { n: integer, level?: number, sd?: number, rho?: number, shape?: function, missing?: number }
---@return { time_ms: integer, value: number? }[]
function load.series(options)
  local points, n = {}, options.n
  local noise = random.ar1(n, options.sd or 0.05, options.rho or 0)
  for i = 1, n do
    local value = (options.level or 100) * math.exp(noise[i])
    if options.shape then value = value * options.shape(i) end
    if options.missing and random.uniform() < options.missing then value = nil end
    points[i] = { time_ms = NOON + i * MINUTE, value = value }
  end
  return points
end

--- Shapes: a day, a step up from point `at` on, a bump, a straight line.
function load.diurnal(amplitude, period)
  return function(i) return 1 + amplitude * math.sin(2 * math.pi * i / period) end
end

function load.step(at, factor)
  return function(i) return i > at and factor or 1 end
end

function load.bump(from, to, factor)
  return function(i) return i > from and i <= to and factor or 1 end
end

return load
