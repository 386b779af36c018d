--- Work that moved is not work that grew: pairs of findings that cancel below a common caller or
--- inside a package, and growth that nets out at a caller.

local counts = require "pyroscope.investigate.counts"
local cause = require "pyroscope.investigate.cause"
local frames = require "pyroscope.investigate.frames"
local special = require "pyroscope.investigate.stats.special"

local shifts = {}

local NET, HOLDS, WHOLE, RENAME, INLINE = 0.3, 0.8, 0.9, 0.7, 0.25

-- Change, its standard error in the same unit, and whether the test sees it.
local function judged(values, context)
  local delta, before = cause.effect(values, context.size, context.sides)
  local d, se, df = context.tests.judge(values)
  local p = se > 0 and special.t_two_sided(d / se, df) or 1
  return { delta = delta, before = before, se = se * math.max(before, before + delta),
    significant = p <= context.alpha }
end

local function common(x, y, x_last, y_last)
  local length = 0
  while length < math.min(x_last, y_last) and x[length + 1] == y[length + 1] do
    length = length + 1
  end
  return length
end

-- Do members cancel inside a domain of these values?
local function cancels(members, values, context)
  local net, gross = 0, 0
  for _, member in ipairs(members) do
    net = net + member.delta.abs
    gross = math.max(gross, math.abs(member.delta.abs))
  end
  local domain = judged(values, context)
  if domain.before <= 0 or domain.se > gross or domain.significant then return nil end
  if math.abs(net) <= NET * gross or math.abs(domain.delta) <= NET * gross then
    return math.abs(net) <= math.abs(domain.delta) and net or domain.delta
  end
  return nil
end

local function total_of_node(context, id)
  if not context.rows then
    local rows = context.view:rows(context.min_share / 2)
    context.rows = {}
    for i, node in ipairs(rows.id) do context.rows[node] = rows.tot[i] end
  end
  return context.rows[id]
end

-- Values of all stacks through functions that `wanted` names.
local function values_through(context, wanted)
  local flags = {}
  for id, name in ipairs(context.view:names()) do flags[id] = wanted(name) and 1 or 0 end
  return (context.view:keep(flags):totals())
end

local function opposite(found)
  local up, down = false, false
  for _, finding in ipairs(found) do
    up, down = up or finding.delta.abs > 0, down or finding.delta.abs < 0
  end
  return up and down
end

-- Findings below the common caller of two of opposite sign.
local function below_callers(found, free, context, out)
  for i = 1, #found do
    for j = i + 1, #found do
      local x, y = found[i], found[j]
      if free[i] and free[j] and x.delta.abs * y.delta.abs < 0 then
        local length = common(x.path, y.path, x.node, y.node)
        local prefix = table.move(x.path, 1, length, 1, {})
        local id = length > 0 and context.view:at(prefix)
        local values = id and total_of_node(context, id)
        if values then
          local members = {}
          for k, finding in ipairs(found) do
            if free[k] and common(finding.path, prefix, finding.node, length) == length then
              members[#members + 1] = k
            end
          end
          local list = {}
          for at, k in ipairs(members) do list[at] = found[k] end
          local _, before = cause.effect(values, context.size, context.sides)
          local net = before < WHOLE * context.base and cancels(list, values, context)
          if net then
            out[#out + 1] = { kind = "shift", members = members, domain = prefix[length],
              net = net }
            for _, k in ipairs(members) do free[k] = false end
          end
        end
      end
    end
  end
end

-- Findings of one group (package, or a domain of the user's) that cancel.
local function inside_groups(found, free, context, key_of, values_of, out)
  local groups, order = {}, {}
  for i, finding in ipairs(found) do
    local key = free[i] and key_of(finding)
    if key then
      if not groups[key] then
        groups[key] = {}
        order[#order + 1] = key
      end
      table.insert(groups[key], i)
    end
  end
  for _, key in ipairs(order) do
    local list = {}
    for at, i in ipairs(groups[key]) do list[at] = found[i] end
    if opposite(list) then
      local values = values_of(key)
      local net = values and cancels(list, values, context)
      if net then
        out[#out + 1] = { kind = "shift", members = groups[key], domain = key, net = net }
        for _, i in ipairs(groups[key]) do free[i] = false end
      end
    end
  end
end

-- A caller that holds nearly all of what grew (or went away), and stayed as it was.
local function at_caller(finding, context)
  local by_name = {}
  for i, name in ipairs(context.tests.name) do by_name[name] = i end
  local above = context.view:related(finding.name, "above")
  local change = finding.delta.abs
  for depth = finding.node - 1, 1, -1 do
    local name = finding.path[depth]
    local index = by_name[name]
    for i, caller in ipairs(above.name) do
      if index and caller == name and counts.role(context.view, name) ~= "runtime" then
        local held = cause.effect(above.value[i], context.size, context.sides)
        local whole = judged(context.tests.rows[index].cum, context)
        if held / change >= HOLDS and whole.before < WHOLE * context.base
          and math.abs(whole.delta) <= NET * math.abs(change)
          and 2 * whole.se <= 0.5 * math.abs(change) then
          return name, whole.delta
        end
      end
    end
  end
  return nil
end

local function bigrams(name)
  local set, count = {}, 0
  for i = 1, #name - 1 do
    local pair = name:sub(i, i + 1)
    set[pair] = (set[pair] or 0) + 1
    count = count + 1
  end
  return set, count
end

local function dice(x, y)
  local set_x, n_x = bigrams(x)
  local set_y, n_y = bigrams(y)
  local both = 0
  for pair, count in pairs(set_x) do both = both + math.min(count, set_y[pair] or 0) end
  return n_x + n_y > 0 and 2 * both / (n_x + n_y) or 0
end

-- Likeness of what two functions call (or are called by), weighted by value.
local function cosine(x, y, how, context)
  local function weights(finding)
    local related = context.view:related(finding.name, how)
    local sums = {}
    for i, name in ipairs(related.name) do
      local sum = 0
      for _, value in ipairs(related.value[i]) do sum = sum + value end
      sums[name] = sum
    end
    return sums, related.name
  end
  local of_x, names_x = weights(x)
  local of_y, names_y = weights(y)
  local dot, square_x, square_y = 0, 0, 0
  for _, name in ipairs(names_x) do
    square_x = square_x + of_x[name] ^ 2
    dot = dot + of_x[name] * (of_y[name] or 0)
  end
  for _, name in ipairs(names_y) do square_y = square_y + of_y[name] ^ 2 end
  if square_x == 0 and square_y == 0 then return 1 end -- two leaves, two roots
  if square_x == 0 or square_y == 0 then return 0 end
  return dot / math.sqrt(square_x * square_y)
end

-- How likely one name took the place of another.
local function rename_score(gone, new, context)
  local before, after = gone.before.total, new.after.total / context.size.R
  local magnitude = math.max(before, after) > 0 and math.min(before, after)
    / math.max(before, after) or 0
  return 0.35 * cosine(gone, new, "callees", context)
    + 0.25 * cosine(gone, new, "callers", context)
    + 0.25 * dice(gone.name, new.name) + 0.15 * magnitude
end

-- One-to-one, best first; only what was there before and what is there after.
local function renames(found, free, context, out)
  local pairs_seen = {}
  for i, gone in ipairs(found) do
    for j, new in ipairs(found) do
      if free[i] and free[j] and gone.kind == "removed_code" and new.kind == "new_code" then
        local score = rename_score(gone, new, context)
        if score >= RENAME then
          pairs_seen[#pairs_seen + 1] = { i = i, j = j, score = score }
        end
      end
    end
  end
  table.sort(pairs_seen, function(x, y)
    if x.score ~= y.score then return x.score > y.score end
    if x.i ~= y.i then return x.i < y.i end
    return x.j < y.j
  end)
  for _, pair in ipairs(pairs_seen) do
    if free[pair.i] and free[pair.j] then
      local gone, new = found[pair.i], found[pair.j]
      local net = new.delta.abs + gone.delta.abs
      if math.abs(net) <= NET * math.abs(gone.delta.abs) then
        out[#out + 1] = { kind = "rename", members = { pair.i, pair.j }, net = net,
          score = pair.score, domain = gone.name .. " -> " .. new.name }
        free[pair.i], free[pair.j] = false, false
      end
    end
  end
end

-- A callee that went into its caller's own code, or came out of it.
local function inlined(found, free, out)
  for i, outer in ipairs(found) do
    for j, inner in ipairs(found) do
      if free[i] and free[j] and outer.candidate == "flat" and i ~= j
        and outer.delta.abs * inner.delta.abs < 0
        and (inner.kind == "removed_code" or inner.kind == "new_code") then
        local is_caller = false
        for _, caller in ipairs(inner.callers) do
          is_caller = is_caller or caller.name == outer.name
        end
        local net = outer.delta.abs + inner.delta.abs
        if is_caller and math.abs(net) <= INLINE * math.abs(inner.delta.abs) then
          out[#out + 1] = { kind = "inline", members = { i, j }, net = net,
            domain = outer.name }
          free[i], free[j] = false, false
        end
      end
    end
  end
end

---@class pyroscope.shift
---@field kind "shift"|"rename"|"inline"
---@field members integer[]       places in the list of findings
---@field domain? string          where it nets out
---@field net number
---@field score? number           of a rename

--- Findings that are one move: pairs that cancel, and growth that nets out at a caller.
---@param u pyroscope.union
---@param found pyroscope.finding[]
---@param tests pyroscope.tests   of `explain.causes`
---@param options? { domains?: table<string, string>, alpha?: number, min_share?: number }
---@return pyroscope.shift[]
function shifts.find(u, found, tests, options)
  options = options or {}
  local out, free = {}, {}
  if #found == 0 then return out end
  for i in ipairs(found) do free[i] = true end
  local view = tests.u or u
  local context = { view = view, tests = tests, sides = view.sides, base = tests.base or 0,
    size = { R = (tests.last or tests).size.R, n = tests.size.n },
    alpha = options.alpha or 0.05, min_share = options.min_share or 0.005 }
  renames(found, free, context, out)
  inlined(found, free, out)
  below_callers(found, free, context, out)
  local runtime = view.runtime
  inside_groups(found, free, context,
    function(finding) return frames.package(finding.name, runtime) end,
    function(key)
      return values_through(context, function(name)
        return frames.package(name, runtime) == key
      end)
    end, out)
  local domains = {}
  for name in pairs(options.domains or {}) do domains[#domains + 1] = name end
  table.sort(domains)
  for _, name in ipairs(domains) do
    local tree = require "pyroscope.investigate.tree"
    local matches = tree.matches(view, options.domains[name])
    inside_groups(found, free, context,
      function(finding) return matches[finding.name] and name or nil end,
      function() return values_through(context, function(key) return matches[key] end) end, out)
  end
  for i, finding in ipairs(found) do
    if free[i] and finding.delta.abs > 0 then
      local caller, net = at_caller(finding, context)
      if caller then
        out[#out + 1] = { kind = "shift", members = { i }, domain = caller, net = net }
        free[i] = false
      end
    end
  end
  return out
end

return shifts
