--- Does a stock grow? Mann and Kendall's test within strata (one instance between two restarts),
--- corrected for resemblance of neighbours (Hamed and Rao 1998), with Theil and Sen's slope.

local multiple = require "pyroscope.investigate.stats.multiple"
local special = require "pyroscope.investigate.stats.special"

local trend = {}

local MOST_PAIRS = 200000

local function sign(x) return x > 0 and 1 or x < 0 and -1 or 0 end

local function ties_of(y)
  local seen, sum = {}, 0
  for i = 1, #y do seen[y[i]] = (seen[y[i]] or 0) + 1 end
  for _, t in pairs(seen) do sum = sum + t * (t - 1) * (2 * t + 5) end
  return sum
end

local function kendall(y)
  local S, n = 0, #y
  for i = 1, n - 1 do
    for j = i + 1, n do S = S + sign(y[j] - y[i]) end
  end
  return S, (n * (n - 1) * (2 * n + 5) - ties_of(y)) / 18
end

-- All slopes between two points of one stratum, or as many of them by chance where they are many.
local function slopes_of(strata, random)
  local total, slopes = 0, {}
  for _, stratum in ipairs(strata) do total = total + #stratum.t * (#stratum.t - 1) // 2 end
  local function add(stratum, i, j)
    local distance = stratum.t[j] - stratum.t[i]
    if distance ~= 0 then slopes[#slopes + 1] = (stratum.y[j] - stratum.y[i]) / distance end
  end
  for _, stratum in ipairs(strata) do
    local n = #stratum.t
    local all = n * (n - 1) // 2
    if total <= MOST_PAIRS then
      for i = 1, n - 1 do
        for j = i + 1, n do add(stratum, i, j) end
      end
    elseif n >= 2 then
      for _ = 1, math.ceil(MOST_PAIRS * all / total) do
        local i, j = random.below(n), random.below(n - 1)
        if j >= i then j = j + 1 end
        add(stratum, math.min(i, j), math.max(i, j))
      end
    end
  end
  return slopes, total
end

local function ranks(values)
  local order, rank = {}, {}
  for i = 1, #values do order[i] = i end
  table.sort(order, function(i, j)
    if values[i] ~= values[j] then return values[i] < values[j] end
    return i < j
  end)
  local i = 1
  while i <= #order do
    local j = i
    while j < #order and values[order[j + 1]] == values[order[i]] do j = j + 1 end
    for k = i, j do rank[order[k]] = (i + j) / 2 end
    i = j + 1
  end
  return rank
end

-- The factor by which resemblance of neighbours widens the variance of S, 1 at least.
local function correction(stratum, slope)
  local n, residuals = #stratum.y, {}
  if n < 4 then return 1 end
  for i = 1, n do residuals[i] = stratum.y[i] - slope * stratum.t[i] end
  local r = ranks(residuals)
  local mean, own, sum = (n + 1) / 2, 0, 0
  for i = 1, n do own = own + (r[i] - mean) ^ 2 end
  if own == 0 then return 1 end
  for lag = 1, math.min(10, n - 3) do
    local products = 0
    for i = 1, n - lag do products = products + (r[i] - mean) * (r[i + lag] - mean) end
    local rho = products / own
    if math.abs(rho) > 1.96 / math.sqrt(n) then -- 1 / n is the bias of a short series
      sum = sum + (n - lag) * (n - lag - 1) * (n - lag - 2) * (rho + 1 / n)
    end
  end
  return math.max(1, 1 + 2 / (n * (n - 1) * (n - 2)) * sum)
end

local function late_half(stratum)
  local n = #stratum.t
  local from = n // 2 + 1
  return { t = table.move(stratum.t, from, n, 1, {}), y = table.move(stratum.y, from, n, 1, {}) }
end

---@class pyroscope.trend
---@field S number
---@field var number
---@field z number
---@field p number
---@field slope? number           Theil and Sen; nil: no two points in a stratum
---@field lower? number           95 % interval
---@field upper? number
---@field n integer
---@field pairs integer
---@field rel? number
---@field plateau? "clear"|"plateau"
---@field slope_late? number
---@field z_late? number

--- Trend of points within strata, pooled. `rel` is slope times the longest stratum over the
--- median; with `plateau`, the second halves must go on growing.
---@param strata { t: number[], y: number[] }[]  by time
---@param options? { plateau?: boolean, hamed_rao?: boolean, seed?: integer }
---@return pyroscope.trend
function trend.trend(strata, options)
  options = options or {}
  local random = special.random(options.seed or 1)
  local slopes, pairs_seen = slopes_of(strata, random)
  local result = { S = 0, var = 0, z = 0, p = 1, n = 0, pairs = pairs_seen }
  table.sort(slopes)
  result.slope = special.median(slopes)
  local all, range = {}, 0
  for _, stratum in ipairs(strata) do
    local n = #stratum.t
    result.n = result.n + n
    table.move(stratum.y, 1, n, #all + 1, all)
    if n > 0 then range = math.max(range, stratum.t[n] - stratum.t[1]) end
    if n >= 2 then
      local S, var = kendall(stratum.y)
      if options.hamed_rao ~= false then
        local own = special.median((slopes_of({ stratum }, random)))
        var = var * correction(stratum, own or 0)
      end
      result.S, result.var = result.S + S, result.var + var
    end
  end
  if result.var > 0 then
    result.z = (result.S - sign(result.S)) / math.sqrt(result.var)
    result.p = special.normal_two_sided(result.z)
  end
  if #slopes > 0 then
    local half = 1.959963984540054 * math.sqrt(result.var) * #slopes / math.max(1, pairs_seen)
    local low = math.floor((#slopes - half) / 2)
    local high = math.ceil((#slopes + half) / 2) + 1
    result.lower, result.upper = slopes[math.max(1, low)], slopes[math.min(#slopes, high)]
    local level = special.median(all)
    if level ~= 0 then result.rel = result.slope * range / math.abs(level) end
  end
  if options.plateau and result.slope then
    local halves = {}
    for i, stratum in ipairs(strata) do halves[i] = late_half(stratum) end
    local late = trend.trend(halves, { hamed_rao = options.hamed_rao, seed = options.seed })
    result.slope_late, result.z_late = late.slope, late.z
    local up = sign(result.slope)
    local goes_on = late.slope and late.slope * up >= 0.5 * result.slope * up
      and late.z * up >= 1.64
    result.plateau = goes_on and "clear" or "plateau"
  end
  return result
end

--- Exact two-sided p of Mann and Kendall's S over n points without ties.
---@param S number
---@param n integer
---@return number
function trend.mann_kendall_exact(S, n)
  -- how many of n! orders have so many inversions, as parts of 1
  local parts = { [0] = 1.0 }
  local most = 0
  for size = 2, n do
    local next_parts = {}
    local width = most + size - 1
    local window = 0
    for i = 0, width do
      window = window + (parts[i] or 0) - (parts[i - size] or 0)
      next_parts[i] = window / size
    end
    parts, most = next_parts, width
  end
  local p = 0
  local reach = math.abs(S)
  for i = 0, most do
    if math.abs(most - 2 * i) >= reach then p = p + parts[i] end
  end
  return math.min(1, p)
end

-- Slope by least squares, pooled over strata, each about its own mean.
local function least_squares(strata)
  local above, below = 0, 0
  for _, stratum in ipairs(strata) do
    if #stratum.t > 0 then
      local mean_t, mean_y = special.mean(stratum.t), special.mean(stratum.y)
      for i, t in ipairs(stratum.t) do
        above = above + (t - mean_t) * (stratum.y[i] - mean_y)
        below = below + (t - mean_t) ^ 2
      end
    end
  end
  return below > 0 and above / below or 0
end

---@class pyroscope.trend_row
---@field name string
---@field slope number            Theil and Sen
---@field ls_slope number         least squares
---@field D number                least-squares slope times the range
---@field z number
---@field p number
---@field q number
---@field values number[]

--- Which rows (sites) grow over the columns' times? Exact for one short series without ties.
---@param rows { name: string[], value: number[][] }
---@param times number[]
---@param strata? any[]           stratum of each column; nil: one
---@return pyroscope.trend_row[] sites  largest growth first
function trend.trend_rows(rows, times, strata)
  local groups, by_key = {}, {}
  local first, last = math.huge, -math.huge
  for k, time in ipairs(times) do
    local key = strata and strata[k] or 1
    if not by_key[key] then
      by_key[key] = {}
      groups[#groups + 1] = by_key[key]
    end
    table.insert(by_key[key], k)
    first, last = math.min(first, time), math.max(last, time)
  end
  for _, columns in ipairs(groups) do
    table.sort(columns, function(i, j) return times[i] < times[j] end)
  end
  local sites, p = {}, {}
  for i, name in ipairs(rows.name) do
    local parts = {}
    for g, columns in ipairs(groups) do
      local stratum = { t = {}, y = {} }
      for at, k in ipairs(columns) do
        stratum.t[at], stratum.y[at] = times[k], rows.value[i][k]
      end
      parts[g] = stratum
    end
    local found = trend.trend(parts, { hamed_rao = false })
    local exact = #parts == 1 and #times <= 30 and ties_of(parts[1].y) == 0
    local slope = least_squares(parts)
    p[i] = exact and trend.mann_kendall_exact(found.S, #times) or found.p
    sites[i] = { name = name, slope = found.slope or 0, ls_slope = slope, z = found.z,
      D = slope * (last - first), p = p[i], values = rows.value[i] }
  end
  for i, q in ipairs(multiple.bh(p)) do sites[i].q = q end
  table.sort(sites, function(x, y)
    if x.D ~= y.D then return x.D > y.D end
    return x.name < y.name
  end)
  return sites
end

return trend
