--- When did a total change? Circular binary segmentation with candidates that survive the
--- resemblance of neighbours, merged from the weakest (as Hunter does, ICPE 2023).

local special = require "pyroscope.investigate.stats.special"

local changepoint = {}

local MINSEG, DEPTH, WEAK, STRONG = 4, 8, 0.003, 0.0003
local FEWEST, MOST = 12, 2000

-- Single spikes are cut to four deviations from the running median of seven.
local function winsorise(y)
  local n, base, residuals = #y, {}, {}
  for i = 1, n do
    local from = math.max(1, math.min(i - 3, n - 6))
    base[i] = special.median(table.move(y, from, math.min(n, from + 6), 1, {}))
    residuals[i] = math.abs(y[i] - base[i])
  end
  local limit = 4 * 1.4826 * special.median(residuals)
  local out = {}
  for i = 1, n do
    out[i] = math.max(base[i] - limit, math.min(base[i] + limit, y[i]))
    if limit == 0 then out[i] = y[i] end
  end
  return out
end

local function widened(rho)
  rho = math.min(0.9, math.max(0, rho))
  return (1 + rho) / (1 - rho)
end

-- The first autocorrelation by differences: of neighbours their variance is 2 s (1 - r), of next
-- but one neighbours 2 s (1 - r r). Levels that are not yet told apart count in few of them.
local function by_differences(y)
  local function spread(lag)
    local squares = {}
    for i = 1, #y - lag do squares[i] = (y[i + lag] - y[i]) ^ 2 end
    table.sort(squares)
    local sum, count = 0, #squares - #squares // 20
    for i = 1, count do sum = sum + squares[i] end
    return count > 0 and sum / count or 0
  end
  local near = spread(1)
  return near > 0 and spread(2) / near - 1 or 0
end

-- How much wider than of independent points a mean is, by the first autocorrelation.
local function inflation(residual_lists, m)
  local own, products, count = 0, 0, 0
  for _, r in ipairs(residual_lists) do
    for i = 1, #r do own = own + r[i] * r[i] end
    for i = 1, #r - 1 do products = products + r[i] * r[i + 1] end
    count = count + #r
  end
  if own <= 0 then return 1 end
  local rho = (products / own + 1 / m) / math.max(0.2, 1 - 3 / m)
  return widened(rho)
end

local function centred(y, from, to)
  local list, mean = {}, 0
  for i = from, to do mean = mean + y[i] end
  mean = mean / (to - from + 1)
  for i = from, to do list[#list + 1] = y[i] - mean end
  return list
end

-- The arc i..j of from..to that differs most from the rest; nil where none is long enough.
local function strongest(y, from, to)
  local m = to - from + 1
  local values = centred(y, from, to)
  local sums, weight, all = { [0] = 0 }, {}, 0
  for i, value in ipairs(values) do
    sums[i] = sums[i - 1] + value
    all = all + value * value
  end
  for n = MINSEG, m - MINSEG do weight[n] = m / (n * (m - n)) end
  local best, first, last = -1, nil, nil
  for i = 0, m - MINSEG do
    local before = sums[i]
    -- the arc and its rest are both long enough; an arc from the start needs no other end
    for j = i + MINSEG, math.min(m, i + m - MINSEG) do
      local d = sums[j] - before
      local between = d * d * weight[j - i]
      if between > best and (i == 0 or i >= MINSEG) and (j == m or m - j >= MINSEG) then
        best, first, last = between, i + 1, j
      end
    end
  end
  if not first then return nil end
  local spread = math.max(0, all - best)
  return from + first - 1, from + last - 1, best, spread
end

local function significant(y, from, to, first, last, between, spread)
  local m = to - from + 1
  local inside = centred(y, first, last)
  local parts = { inside }
  if first > from then parts[#parts + 1] = centred(y, from, first - 1) end
  if last < to then parts[#parts + 1] = centred(y, last + 1, to) end
  if spread <= 1e-12 * (between + spread) then return between > 0 end
  local vif = math.min(inflation(parts, m),
    widened(by_differences(table.move(y, from, to, 1, {}))))
  local t = math.sqrt(between / (spread / (m - 2)))
  local p = special.t_two_sided(t / math.sqrt(vif), math.max(1, (m - 2) / vif))
  return p * m * math.log(m, 2) <= WEAK
end

local function search(y, from, to, depth, cuts)
  if depth > DEPTH or to - from + 1 < 2 * MINSEG then return end
  local first, last, between, spread = strongest(y, from, to)
  if not first or not significant(y, from, to, first, last, between, spread) then return end
  local start, finish
  if first > from then start = { at = first } cuts[#cuts + 1] = start end
  if last < to then finish = { at = last + 1 } cuts[#cuts + 1] = finish end
  if start and finish then start.pair, finish.pair = finish, start end
  if first > from then search(y, from, first - 1, depth + 1, cuts) end
  search(y, first, last, depth + 1, cuts)
  if last < to then search(y, last + 1, to, depth + 1, cuts) end
end

-- Two means under one variance: a short segment has next to no degrees of freedom of its own.
local function pooled(x, y)
  local mean_x, mean_y = special.mean(x), special.mean(y)
  local sum, df = 0, #x + #y - 2
  for i = 1, #x do sum = sum + (x[i] - mean_x) ^ 2 end
  for i = 1, #y do sum = sum + (y[i] - mean_y) ^ 2 end
  local se = math.sqrt(sum / df * (1 / #x + 1 / #y))
  return se > 0 and (mean_y - mean_x) / se or mean_y ~= mean_x and math.huge or 0, df
end

-- Compares the two segments that meet at each cut.
local function weigh(y, cuts)
  local lists, start = {}, 1
  for i = 1, #cuts + 1 do
    local finish = cuts[i] and cuts[i].at - 1 or #y
    lists[i] = table.move(y, start, finish, 1, {})
    start = finish + 1
  end
  local residuals = {}
  for i, list in ipairs(lists) do residuals[i] = centred(list, 1, #list) end
  local vif = inflation(residuals, #y)
  for i, cut in ipairs(cuts) do
    local t, df = pooled(lists[i], lists[i + 1])
    cut.before, cut.after = special.median(lists[i]), special.median(lists[i + 1])
    cut.change = cut.before ~= 0 and (cut.after - cut.before) / math.abs(cut.before)
      or cut.after == 0 and 0 or math.huge
    cut.p = special.t_two_sided(t / math.sqrt(vif), math.max(1, df / vif))
  end
end

-- Takes away the weakest cut, then the smallest, until all stand.
local function merge(y, cuts, min_magnitude)
  while #cuts > 0 do
    weigh(y, cuts)
    local worst
    for i, cut in ipairs(cuts) do
      if cut.p >= STRONG and (not worst or cut.p > cuts[worst].p) then worst = i end
    end
    if not worst then
      for i, cut in ipairs(cuts) do
        local size = math.abs(cut.change)
        if size < min_magnitude and (not worst or size < math.abs(cuts[worst].change)) then
          worst = i
        end
      end
    end
    if not worst then return end
    table.remove(cuts, worst)
  end
end

local function cuts_of(y, min_magnitude)
  local cuts = {}
  local clean = winsorise(y)
  search(clean, 1, #clean, 1, cuts)
  table.sort(cuts, function(a, b) return a.at < b.at end)
  for i = #cuts, 2, -1 do
    if cuts[i].at == cuts[i - 1].at then table.remove(cuts, i) end
  end
  merge(clean, cuts, min_magnitude)
  return cuts
end

-- The series over its copy of an earlier day or week, at the points that both have.
local function relative(times, y, reference)
  local by_time, known, levels = {}, 0, {}
  for _, point in ipairs(reference) do
    if point.value and point.value > 0 then by_time[point.time_ms] = point.value end
  end
  for _, time in ipairs(times) do
    if by_time[time] then
      known = known + 1
      levels[known] = by_time[time]
    end
  end
  if known < 0.8 * #times then return nil end
  local level, out, index = special.median(levels), {}, {}
  for i, time in ipairs(times) do
    if by_time[time] then
      out[#out + 1] = y[i] / by_time[time] * level
      index[#out] = i
    end
  end
  return out, index
end

---@class pyroscope.changepoint
---@field index integer           last point of the old level
---@field time_ms integer
---@field before number           medians of the levels
---@field after number
---@field change number           relative
---@field p number
---@field direction "up"|"down"
---@field pair? integer           of a bump: the place of its other end in the list

--- Points at which a series of totals changed its level, by time. A reference (the same series a
--- day or a week earlier, moved onto these times) must not show the same.
---@param points { time_ms: integer, value: number? }[]   by time; no value: missing
---@param options? { reference?: { time_ms: integer, value: number? }[], min_magnitude?: number }
---@return pyroscope.changepoint[]? found
---@return "too_few_points"|"too_many_missing"|"too_many_points"|nil refused
function changepoint.changepoints(points, options)
  options = options or {}
  local min_magnitude = options.min_magnitude or 0.05
  local y, times = {}, {}
  for _, point in ipairs(points) do
    if point.value then
      y[#y + 1] = point.value
      times[#times + 1] = point.time_ms
    end
  end
  if #y < FEWEST then return nil, "too_few_points" end
  if #y > MOST then return nil, "too_many_points" end
  if #y < 0.8 * #points then return nil, "too_many_missing" end
  local cuts = cuts_of(y, min_magnitude)
  local other, index
  if options.reference then other, index = relative(times, y, options.reference) end
  if other and #other >= FEWEST then
    local kept = {}
    local also = cuts_of(other, min_magnitude)
    for _, cut in ipairs(cuts) do
      for _, match in ipairs(also) do
        if math.abs(index[match.at] - cut.at) <= 2 and match.change * cut.change > 0 then
          kept[#kept + 1] = cut
          break
        end
      end
    end
    cuts = kept
  end
  local place, found = {}, {}
  for i, cut in ipairs(cuts) do place[cut] = i end
  for i, cut in ipairs(cuts) do
    found[i] = { index = cut.at - 1, time_ms = times[cut.at - 1], before = cut.before,
      after = cut.after, change = cut.change, p = cut.p,
      direction = cut.change > 0 and "up" or "down", pair = cut.pair and place[cut.pair] }
  end
  return found
end

return changepoint
