--- From many changed functions to one finding a cause: the strongest is taken, its stacks are
--- taken out, and the rest is tested again.

local cause = require "pyroscope.investigate.cause"
local multiple = require "pyroscope.investigate.stats.multiple"

local explain = {}

local MOST = 12
local NEAR_Z, NEAR_D = 0.97, 0.10

local function one_sided(family, i, R)
  return cause.is_new(family, i, R) or cause.is_removed(family, i, R)
end

-- Rows of both families that pass the bars, with p at the level that `found` findings leave.
local function candidates(tests, bar, found, base, m)
  local list, R = {}, tests.size.R
  for _, which in ipairs { "cum", "flat" } do
    local family = tests[which]
    for i = 1, #tests.name do
      local delta, before = family.delta[i], family.before[i]
      if family.tested[i] and math.abs(delta) >= bar.min_share * base
        and (math.abs(delta) >= bar.min_rel * before or one_sided(family, i, R)) then
        local ok, q = multiple.focused_bh(family.p[i], found, m, bar.alpha)
        if ok then
          list[#list + 1] = { index = i, name = tests.name[i], role = tests.role[i], which = which,
            delta = delta, before = before, z = family.z[i], q = q,
            one_sided = one_sided(family, i, R) }
        end
      end
    end
  end
  table.sort(list, function(x, y)
    local zx, zy = math.abs(x.z), math.abs(y.z)
    if zx ~= zy then return zx > zy end
    if x.name ~= y.name then return x.name < y.name end
    return x.which < y.which
  end)
  return list
end

-- Depth of a function: that of its heaviest node.
local function depth_of(u, name, heights)
  local best, depth = -1, 0
  for _, id in ipairs(u:nodes(name, "top")) do
    if heights()[id] > best then best, depth = heights()[id], #u:path(id) end
  end
  return depth
end

-- Sums of every node over all samples at equal load, made when first asked for.
local function heights_of(u, size)
  local values
  return function()
    if not values then
      local weights = {}
      for k, side in ipairs(u.sides) do weights[k] = side == "A" and 1 or 1 / size.R end
      values = u:combine("tot", weights)
    end
    return values
  end
end

-- Of the strongest and those next to it: new code at its topmost frame, changed code at its last.
local function nearest(u, list, heights)
  local best = list[1]
  local near = {}
  for _, candidate in ipairs(list) do
    if candidate.z * best.z > 0 and math.abs(candidate.z) >= NEAR_Z * math.abs(best.z)
      and math.abs(candidate.delta - best.delta) <= NEAR_D * math.abs(best.delta)
      and (not best.one_sided or candidate.one_sided) then
      near[#near + 1] = candidate
    end
  end
  if #near == 1 then return best end
  local chosen, at
  for _, candidate in ipairs(near) do
    local depth = depth_of(u, candidate.name, heights)
    local better = not chosen or best.one_sided and depth < at or not best.one_sided and depth > at
    if better then chosen, at = candidate, depth end
  end
  return chosen
end

local function share_of(values, totals, sides)
  local part, whole = { A = 0, B = 0 }, { A = 0, B = 0 }
  for k, side in ipairs(sides) do
    part[side], whole[side] = part[side] + values[k], whole[side] + totals[k]
  end
  return { A = whole.A > 0 and part.A / whole.A or 0, B = whole.B > 0 and part.B / whole.B or 0 }
end

---@param bar? pyroscope.bar
---@return pyroscope.bar
local function completed(bar)
  bar = bar or {}
  return { alpha = bar.alpha or 0.05, min_share = bar.min_share or 0.005,
    min_rel = bar.min_rel or 0.05, max = bar.max or MOST }
end

--- Peels the strongest function, takes its stacks out, tests again.
---@param u pyroscope.union
---@param test fun(rest: pyroscope.union): pyroscope.tests
---@param bar? pyroscope.bar
---@return pyroscope.finding[] found
---@return pyroscope.tests tests   of all user stacks; `last` is the test of what was left
---@return { runtime: { A: number, B: number }, profiler: { A: number, B: number } } groups
function explain.causes(u, test, bar)
  bar = completed(bar)
  local tree = require "pyroscope.investigate.tree"
  local totals = u:totals()
  local rest, runtime, profiler = tree.user(u)
  local groups = { runtime = share_of(runtime, totals, u.sides),
    profiler = share_of(profiler, totals, u.sides) }
  local first, last
  local found, taken = {}, {}
  local base
  for _ = 1, bar.max do
    local tests = test(rest)
    tests.u = rest
    last = tests
    if not first then
      first = tests
      base = tests.size.total.A / math.max(1, tests.size.n.A)
    end
    if base <= 0 and tests.size.total.B <= 0 then break end
    local list = candidates(tests, bar, #found, base, first.m)
    if #list == 0 then break end
    local chosen = nearest(rest, list, heights_of(rest, tests.size))
    local finding = cause.finding(u, rest, tests, chosen,
      { bar = bar, base = base > 0 and base or 1, taken = taken })
    local before = found[#found]
    if before then finding.q = math.max(finding.q, before.q) end
    finding.rank = #found + 1
    found[#found + 1] = finding
    taken[finding.name] = true
    rest = rest:without(finding.stacks.ids, finding.stacks.what)
  end
  first.last = last
  first.base = base
  if #found > 0 then first.cut = bar.alpha * #found / math.max(1, first.m) end
  -- Parts of the change of the total, at the load that the rest without the causes tells.
  local R = last.size.R
  local size = { R = R, n = first.size.n }
  local change = cause.effect(first.size.totals, size, u.sides)
  first.change = change
  local moved = 0
  for _, finding in ipairs(found) do
    if finding.delta.abs * change > 0 then moved = moved + math.abs(finding.delta.abs) end
  end
  for _, finding in ipairs(found) do
    local whole = math.max(math.abs(change), moved)
    finding.explains = whole > 0 and finding.delta.abs * change > 0
      and math.abs(finding.delta.abs) / whole or 0
  end
  return found, first, groups
end

--- Does a change last to the end of B?  Needs blocks in time order: those of the union, or of
--- another union of the B side when samples are instances.
---@param finding pyroscope.finding
---@param tests pyroscope.tests
---@param blocks? number[]        values of the finding by block of B at equal load, by time
---@param divisors? number[]      what brought each of them to equal load
---@return { state: "persists"|"fading"|"transient"|"unknown", ratio: number? }
function explain.persistence(finding, tests, blocks, divisors)
  local values = blocks or finding.blocks.B
  divisors = blocks and divisors or finding.divisors.B
  local n = #values
  local third = (n + 2) // 3
  if third < 3 then return { state = "unknown" } end
  local rows = tests.rows
  -- log of a raw count at equal load, and the variance of sampling
  local function log(value, divisor)
    local count = value * divisor / rows.q + 0.5
    return math.log(count / divisor), rows.sampled and 1 / count or 0
  end
  local before, noise_before = 0, 0
  local n_a = #finding.blocks.A
  for k, value in ipairs(finding.blocks.A) do
    local y, v = log(value, finding.divisors.A[k])
    before, noise_before = before + y / n_a, noise_before + v / (n_a * n_a)
  end
  local all, late, noise = 0, 0, 0
  for k, value in ipairs(values) do
    local y, v = log(value, divisors[k])
    all = all + (y - before) / n
    if k > n - third then
      late, noise = late + (y - before) / third, noise + v / (third * third)
    end
  end
  local ratio = all ~= 0 and late / all or 0
  local se = math.sqrt(tests.sigma2_0 * tests.vif * (1 / n_a + 1 / third) + noise + noise_before)
  local t = se > 0 and late / se * (finding.delta.abs > 0 and 1 or -1) or 0
  local state = "transient"
  if ratio >= 0.5 then
    state = t >= 1.64 and "persists" or "unknown"
  elseif ratio >= 0.2 then
    state = "fading"
  end
  return { state = state, ratio = ratio }
end

return explain
