--- One cause as a finding: where the change is, from its entry down to the hottest frame, how large
--- it is, and how sure.

local counts = require "pyroscope.investigate.counts"
local special = require "pyroscope.investigate.stats.special"

local cause = {}

-- A change is certain where it is so much larger than the difference of what truncation hides.
local UNEVEN = 3
local CARRIES, HALF, ALIKE = 0.8, 0.5, 0.8

--- Means a sample of a row of values: the change at equal load, before, and after as measured.
---@param values number[]         by sample
---@param size { R: number, n: { A: integer, B: integer } }
---@param sides ("A"|"B")[]
---@return number delta
---@return number before
---@return number after
function cause.effect(values, size, sides)
  local a, b = 0, 0
  for k, side in ipairs(sides) do
    if side == "A" then a = a + values[k] else b = b + values[k] end
  end
  local n = size.n
  return (b / size.R - a) / n.A, a / n.A, b / n.B
end

--- Is it there only after the change?
---@param family pyroscope.tests.family
---@param i integer
---@param R number
---@return boolean
function cause.is_new(family, i, R)
  return family.a[i] <= 2 and family.a[i] <= 0.02 * family.b[i] / R
end

--- Was it there only before the change?
---@param family pyroscope.tests.family
---@param i integer
---@param R number
---@return boolean
function cause.is_removed(family, i, R)
  return family.b[i] <= 2 and family.b[i] <= 0.02 * family.a[i] * R
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
      local d, a = cause.effect(callees.value[i], size, view.sides)
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
      local d, _, b = cause.effect(below.value[i], size, view.sides)
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
      local d = cause.effect(callees.value[i], size, view.sides)
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
function cause.heaviest(u, ids, what, weights)
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
  return cause.heaviest(u, ids, what, weights)
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
  local more = cause.effect(values, { R = size.R * ratio, n = size.n }, u.sides)
  local less = cause.effect(values, { R = size.R / ratio, n = size.n }, u.sides)
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

--- A candidate of `rest` as a finding about `u`.
---@param u pyroscope.union       the whole
---@param rest pyroscope.union    less the causes that were taken out
---@param tests pyroscope.tests   of the rest
---@param candidate table
---@param context { bar: pyroscope.bar, base: number, taken: table<string, boolean> }
---@return pyroscope.finding
function cause.finding(u, rest, tests, candidate, context)
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
  local delta, before = cause.effect(values, size, sides)
  local _, self_before, self_after = cause.effect(flat, size, sides)
  local _, total_before, total_after = cause.effect(total, size, sides)
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
    callers[i] = { name = caller, delta = (cause.effect(above.value[i], size, sides)) }
  end
  table.sort(callers, function(x, y)
    if x.delta ~= y.delta then return math.abs(x.delta) > math.abs(y.delta) end
    return x.name < y.name
  end)
  above = view:related(name, "above")
  for i, caller in ipairs(above.name) do
    changes[caller] = cause.effect(above.value[i], size, sides)
  end
  local R = size.R
  local appeared, vanished = cause.is_new(family, index, R), cause.is_removed(family, index, R)
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

return cause
