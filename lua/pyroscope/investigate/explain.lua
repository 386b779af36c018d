--- From many changed functions to one finding a cause: the strongest is taken, its stacks are
--- taken out, and the rest is tested again.

local counts = require "pyroscope.investigate.counts"
local multiple = require "pyroscope.investigate.stats.multiple"
local special = require "pyroscope.investigate.stats.special"

local explain = {}

local MOST = 12
-- A change is certain where it is so much larger than the difference of what truncation hides.
local UNEVEN = 3
local NEAR_Z, NEAR_D, CARRIES, HALF, ALIKE = 0.97, 0.10, 0.8, 0.5, 0.8

--- Means a sample of a row of values: the change at equal load, before, and after as measured.
---@param values number[]         by sample
---@param size { R: number, n: { A: integer, B: integer } }
---@param sides ("A"|"B")[]
---@return number delta
---@return number before
---@return number after
function explain.effect(values, size, sides)
  local a, b = 0, 0
  for k, side in ipairs(sides) do
    if side == "A" then a = a + values[k] else b = b + values[k] end
  end
  local n = size.n
  return (b / size.R - a) / n.A, a / n.A, b / n.B
end

local function is_new(family, i, R)
  return family.a[i] <= 2 and family.a[i] <= 0.02 * family.b[i] / R
end

local function is_removed(family, i, R)
  return family.b[i] <= 2 and family.b[i] <= 0.02 * family.a[i] * R
end

local function one_sided(family, i, R)
  return is_new(family, i, R) or is_removed(family, i, R)
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

local function flags_of(u, wanted)
  local flags = {}
  for id, name in ipairs(u:names()) do flags[id] = wanted[name] and 1 or 0 end
  return flags
end

-- The union of the stacks through a function.
local function through(u, name) return u:keep(flags_of(u, { [name] = true })) end

-- Goes down while calls from c to one function carry the change and that function was not the
-- same size before; `view` holds only the stacks through c.
local function descend(view, candidate, size)
  local name, delta, before = candidate.name, candidate.delta, candidate.before
  if candidate.which ~= "cum" or candidate.one_sided then return view, name end
  for _ = 1, 200 do
    local callees = view:related(name, "callees")
    local next_name, next_delta, next_before
    for i, callee in ipairs(callees.name) do
      local d, a = explain.effect(callees.value[i], size, view.sides)
      if d / delta >= CARRIES and a < CARRIES * before
        and counts.role(view, callee) ~= "runtime" then
        next_name, next_delta, next_before = callee, d, a
        break
      end
    end
    if not next_name then break end
    name, delta, before = next_name, next_delta, next_before
    view = through(view, name)
  end
  return view, name
end

-- Library code is named only where no one app function below it holds the change.
local function to_app(view, name, delta, size)
  if counts.role(view, name) ~= "library" then return view, name end
  local below = view:related(name, "below")
  local least, chosen
  for i, function_name in ipairs(below.name) do
    if counts.role(view, function_name) == "app" then
      local d, _, b = explain.effect(below.value[i], size, view.sides)
      if d / delta >= CARRIES and (not least or b <= least) then
        least, chosen = b, function_name
      end
    end
  end
  if not chosen then return view, name end
  return through(view, chosen), chosen
end

-- Follows the change below a function while one callee holds half of it.
local function hot_frames(view, name, delta, size)
  local hot, seen = {}, { [name] = true }
  for _ = 1, 200 do
    local callees = view:related(name, "callees")
    local best, best_name
    for i, callee in ipairs(callees.name) do
      local d = explain.effect(callees.value[i], size, view.sides)
      if not seen[callee] and counts.role(view, callee) ~= "runtime"
        and d / delta >= HALF and (not best or math.abs(d) > math.abs(best)) then
        best, best_name = d, callee
      end
    end
    if not best_name then break end
    hot[#hot + 1] = best_name
    seen[best_name] = true
    name, view = best_name, through(view, best_name)
  end
  return hot
end

--- The path of that node which has the most of a contrast, and how much that is.
---@param u pyroscope.union
---@param ids integer[]
---@param what "self"|"tot"
---@param weights number[]        by sample
---@return string[] path          root first
---@return number value
function explain.heaviest(u, ids, what, weights)
  local values = u:combine(what, weights)
  local best
  for _, id in ipairs(ids) do
    if not best or values[id] > values[best] then best = id end
  end
  return best and u:path(best) or {}, best and values[best] or 0
end

-- The heaviest path (by change) to a function, and how much of the change it holds.
local function heaviest(u, ids, size, delta, what)
  local weights = {}
  for k, side in ipairs(u.sides) do
    weights[k] = (side == "A" and -1 or 1 / size.R) / size.n.A / delta
  end
  return explain.heaviest(u, ids, what, weights)
end

-- The highest caller that the test could not tell apart from the function: it carries the change,
-- and stands out nearly as far.
local function entry_of(path, node, name, tests, changes, delta, taken)
  local on_path, z = { [name] = true }, {}
  for i = 1, node do on_path[path[i]] = true end
  for i, function_name in ipairs(tests.name) do
    if on_path[function_name] then z[function_name] = tests.cum.z[i] end
  end
  local own = math.abs(z[name] or 0)
  local entry = node
  for i = node - 1, 1, -1 do
    local caller = path[i]
    if taken[caller] or (changes[caller] or 0) / delta < CARRIES
      or math.abs(z[caller] or 0) < ALIKE * own then break end
    if counts.role(tests.u, caller) ~= "runtime" then entry = i end
  end
  return entry
end

local function row_of(tests, name)
  for i, known in ipairs(tests.name) do
    if known == name then return i end
  end
end

local function at_equal_load(values, size)
  local out = {}
  for k, value in ipairs(values) do out[k] = value / size.s[k] end
  return out
end

-- Bounds of the change where truncation hides values: what is cut off at the function or above it
-- may all belong to it.
local function bounds(view, u, values, delta, size, path)
  local totals, other = u:totals()
  local cut, whole = { A = 0, B = 0 }, { A = 0, B = 0 }
  for k, side in ipairs(u.sides) do
    cut[side], whole[side] = cut[side] + other[k], whole[side] + totals[k]
  end
  if cut.A + cut.B == 0 then return delta, delta, 0 end
  -- the size factor was taken from what is shown, and more may be hidden on one side
  local shown = { A = 1 - cut.A / math.max(whole.A, 1), B = 1 - cut.B / math.max(whole.B, 1) }
  local ratio = shown.A > 0 and shown.B > 0 and shown.A / shown.B or 1
  local more = explain.effect(values, { R = size.R * ratio, n = size.n }, u.sides)
  local less = explain.effect(values, { R = size.R / ratio, n = size.n }, u.sides)
  local lower, upper = math.min(delta, more, less), math.max(delta, more, less)
  local weights, low, high = {}, {}, {}
  for k, side in ipairs(u.sides) do
    weights[k] = (side == "A" and 1 or 1 / size.R) / size.n.A
    low[k], high[k] = side == "A" and weights[k] or 0, side == "B" and weights[k] or 0
  end
  local cut_before, cut_after = view:combine("other", low), view:combine("other", high)
  for length = 1, #path do
    local id = view:at(table.move(path, 1, length, 1, {}))
    if id and length >= #path - 1 then -- the frame itself and its caller
      lower, upper = lower - cut_before[id], upper + cut_after[id]
    end
  end
  return lower, upper, math.abs(shown.A - shown.B)
end

local function finding_of(u, rest, tests, candidate, context)
  local size, sides = tests.size, rest.sides
  local cum = candidate.which == "cum"
  local view, name = through(rest, candidate.name), candidate.name
  if cum then
    view, name = descend(view, candidate, size)
    view, name = to_app(view, name, candidate.delta, size)
  end
  local own = view:functions(0)
  local flat, total
  for i, function_name in ipairs(own.name) do
    if function_name == name then flat, total = own.flat[i], own.cum[i] end
  end
  local values = cum and total or flat
  local delta, before = explain.effect(values, size, sides)
  local _, self_before, self_after = explain.effect(flat, size, sides)
  local _, total_before, total_after = explain.effect(total, size, sides)
  local index = row_of(tests, candidate.name)
  local family = tests[candidate.which]
  local ids = view:nodes(name, cum and "top" or "all")
  local path, on_path = heaviest(view, ids, size, delta, cum and "tot" or "self")
  local hot = cum and hot_frames(view, name, delta, size) or {}
  local shape = "function"
  if not cum or #hot == 0 then shape = "self" elseif on_path >= CARRIES then shape = "subtree" end
  local callers, changes = {}, {}
  local above = view:related(name, "callers")
  for i, caller in ipairs(above.name) do
    callers[i] = { name = caller, delta = (explain.effect(above.value[i], size, sides)) }
  end
  table.sort(callers, function(x, y)
    if x.delta ~= y.delta then return math.abs(x.delta) > math.abs(y.delta) end
    return x.name < y.name
  end)
  above = view:related(name, "above")
  for i, caller in ipairs(above.name) do
    changes[caller] = explain.effect(above.value[i], size, sides)
  end
  local R = size.R
  local appeared, vanished = is_new(family, index, R), is_removed(family, index, R)
  local kind = delta > 0 and "regression" or "improvement"
  if appeared then kind = "new_code" elseif vanished then kind = "removed_code" end
  local d, se, df = family.d[index], family.se[index], family.df[index]
  local reach = special.t_quantile(0.975, df) * se
  local lower, upper, uneven = bounds(view, u, values, delta, size, path)
  local node = #path
  for _, frame in ipairs(hot) do path[#path + 1] = frame end
  local at_load = at_equal_load(values, size)
  local blocks, divisors = { A = {}, B = {} }, { A = {}, B = {} }
  for k, side in ipairs(sides) do
    table.insert(blocks[side], at_load[k])
    table.insert(divisors[side], size.s[k])
  end
  return {
    name = name, raw = u.raw and u.raw[name] or name, kind = kind, shape = shape,
    candidate = candidate.which, role = counts.role(u, name), path = path, node = node,
    entry = entry_of(path, node, candidate.name, tests, changes, delta, context.taken),
    hot = hot, d = d, se = se, df = df, p = family.p[index], q = candidate.q,
    z = candidate.z, a = before, b = total_after, sigma = math.sqrt(family.sigma2[index]),
    before = { self = self_before, total = total_before },
    after = { self = self_after, total = total_after },
    delta = { abs = delta, of_total = delta / context.base,
      rel = before > 0 and delta / before or math.huge,
      ci95_rel = { math.exp(d - reach) - 1, math.exp(d + reach) - 1 },
      lower = lower, upper = upper },
    certain = lower * upper > 0 and math.min(math.abs(lower), math.abs(upper))
      >= context.bar.min_share * context.base
      and math.abs(delta) >= UNEVEN * uneven * context.base,
    blocks = blocks, divisors = divisors, callers = callers, R = R,
    stacks = { view = view, ids = ids, what = cum and "subtree" or "self" },
  }
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
    local finding = finding_of(u, rest, tests, chosen,
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
  local change = explain.effect(first.size.totals, size, u.sides)
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
