--- One question split by labels: which values carry a change, which stand out, whether only their
--- weights moved.

local fetch = require "pyroscope.investigate.fetch"
local normalise = require "pyroscope.investigate.normalise"
local quantity = require "pyroscope.investigate.quantity"
local quantum = require "pyroscope.investigate.quantum"
local shared = require "pyroscope.source.shared"
local special = require "pyroscope.investigate.stats.special"
local stats = require "pyroscope.investigate.stats"
local tree = require "pyroscope.investigate.tree"
local unions = require "pyroscope.investigate.unions"
local units = require "pyroscope.units"
local windows = require "pyroscope.investigate.windows"

local labels = {}

-- More values than this name instances of something, not kinds; fewer profiles are put together.
local MOST, FEWEST, BLOCKS = 500, 10, 8
-- What a change of totals has to be, and how far an element has to lie from the others.
local CHANGE, LEVEL, FAR = 0.10, 0.01, 6

local INSTANCE, VERSION = {}, {}
for _, name in ipairs(shared.instance_labels) do INSTANCE[name] = true end
for _, name in ipairs(shared.version_labels) do VERSION[name] = true end
-- A node or a host holds several instances, and is a mix where nodes differ.
INSTANCE.node, INSTANCE.host = nil, nil

--- Does a label tell single instances apart?
---@param name string
---@return boolean
function labels.is_instance(name) return INSTANCE[name] or false end

local function ask(subject, window, more)
  local text, err = fetch.selector_of({ selector = subject.selector }, window)
  if not text then return nil, err end
  local asked = { selector = text, types = subject.types, type = subject.type,
    from_ms = window.from_ms, to_ms = window.to_ms }
  for key, value in pairs(more) do asked[key] = value end
  return asked
end

--- Labels of series with more than one value, and not too many.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param sides { A: table, B: table }
---@param options { by?: string|string[] }
---@return string[]? names
---@return table<string, string[]>|pyroscope.error values_or_err   values by label, sorted
function labels.candidates(source, subject, sides, options)
  if type(options.by) == "string" then return { options.by }, {} end
  if options.by then return options.by, {} end
  local values = {}
  for _, side in ipairs { "A", "B" } do
    local asked, err = ask(subject, sides[side], {})
    if not asked then return nil, err end
    local sets
    sets, err = source:series({ from_ms = asked.from_ms, to_ms = asked.to_ms },
      { selector = asked.selector })
    if not sets and err.kind ~= "no_data" then return nil, err end
    for _, set in ipairs(sets or {}) do
      for name, value in pairs(set) do
        if not shared.internal(name) then
          values[name] = values[name] or {}
          values[name][value] = true
        end
      end
    end
  end
  local names, lists = {}, {}
  for name, set in pairs(values) do
    lists[name] = shared.sorted(set)
    if #lists[name] >= 2 and #lists[name] <= MOST then names[#names + 1] = name end
  end
  table.sort(names)
  return names, lists
end

local function blocks_of(row, window)
  local values = {}
  for _, point in ipairs(row.points) do
    if point.time_ms >= window.from_ms and point.time_ms < window.to_ms then
      values[#values + 1] = point.raw or point.value or 0
    end
  end
  return values
end

-- Sums, profiles and blocks of every value of a label on one side.
local function side_of(source, subject, window, label, options)
  local step = math.max(windows.GRID,
    (window.to_ms - window.from_ms) // BLOCKS // windows.GRID * windows.GRID)
  local asked, err = ask(subject, window, { group_by = { label }, step_ms = step,
    limit = options.limit })
  if not asked then return nil, err end
  local rows
  rows, err = fetch.series(source, asked)
  if not rows then
    if err.kind ~= "no_data" then return nil, err end
    rows = {}
  end
  local counts = fetch.profile_counts(source, asked) or {}
  local profiles, found = {}, {}
  for _, row in ipairs(counts) do profiles[row.labels[label] or ""] = row.profiles end
  for _, row in ipairs(rows) do
    local name = row.labels[label] or ""
    found[name] = { sum = row.sum, blocks = blocks_of(row, window),
      profiles = profiles[name] or row.profiles or #row.points }
  end
  return found
end

local EMPTY = { sum = 0, blocks = {}, profiles = 0 }

-- Elements that changed against the rest of their label: by their own blocks where there are
-- enough, and by how far they lie from the others.
local function outliers_of(elements, seconds)
  local out = {}
  local function rate(part, side)
    return part.profiles > 0 and part.sum / part.profiles / seconds[side] or nil
  end
  local rates, list = {}, {}
  for _, element in ipairs(elements) do
    local after = rate(element.after, "B")
    if after then
      rates[#rates + 1] = after
      list[#list + 1] = { name = element.name, rate = after, element = element }
    end
  end
  if #rates < 5 then return out end
  local median, deviations = special.median(rates), {}
  for i, value in ipairs(rates) do deviations[i] = math.abs(value - median) end
  local width = math.max(1.4826 * special.median(deviations), 0.02 * median)
  for _, item in ipairs(list) do
    item.median, item.z = median, (item.rate - median) / width
    if item.z >= FAR and item.rate >= (1 + CHANGE) * median then out[#out + 1] = item end
  end
  table.sort(out, function(a, b)
    if a.z ~= b.z then return a.z > b.z end
    return a.name < b.name
  end)
  return out
end

--- A label as a split of the change.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param sides { A: table, B: table }
---@param label string
---@param options { limit?: integer }
---@return table? split           nil: it has one value only
---@return pyroscope.error? err
function labels.split(source, subject, sides, label, options)
  local found = {}
  for _, side in ipairs { "A", "B" } do
    local err
    found[side], err = side_of(source, subject, sides[side], label, options)
    if not found[side] then return nil, err end
  end
  local names, seen = {}, {}
  for _, side in ipairs { "A", "B" } do
    for name in pairs(found[side]) do
      if not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  table.sort(names)
  local seconds = { A = (sides.A.to_ms - sides.A.from_ms) / 1000,
    B = (sides.B.to_ms - sides.B.from_ms) / 1000 }
  local elements, rest, both = {}, nil, 0
  for _, name in ipairs(names) do
    local before, after = found.A[name] or EMPTY, found.B[name] or EMPTY
    local few = before.profiles + after.profiles < FEWEST
    if few then
      rest = rest or { name = "(rest)", before = { sum = 0, blocks = {}, profiles = 0 },
        after = { sum = 0, blocks = {}, profiles = 0 } }
      for key, part in pairs { before = before, after = after } do
        rest[key].sum = rest[key].sum + part.sum
        rest[key].profiles = rest[key].profiles + part.profiles
      end
    else
      elements[#elements + 1] = { name = name, before = before, after = after }
      if before.sum > 0 and after.sum > 0 then both = both + 1 end
    end
  end
  if rest then elements[#elements + 1] = rest end
  if #elements < 2 then return nil end
  local factor = units.seconds(subject.unit) or 1
  local function rate(part, side)
    if subject.kind == "stock" then
      return part.profiles > 0 and part.sum / part.profiles or 0
    end
    return part.sum * factor / seconds[side]
  end
  local for_ep, for_mix = {}, {}
  for i, element in ipairs(elements) do
    element.a, element.b = rate(element.before, "A"), rate(element.after, "B")
    for_ep[i] = { name = element.name, a = element.a, b = element.b }
    for_mix[i] = { name = element.name,
      a = { value = element.before.sum, weight = element.before.profiles },
      b = { value = element.after.sum, weight = element.after.profiles } }
  end
  local explained = stats.adtributor(for_ep)
  local mix = stats.kitagawa(for_mix)
  -- a version that took over, or instances that were replaced, are no change of mix
  local mixed = both >= 2 and not VERSION[label] and not INSTANCE[label]
  -- elements explain what is theirs alone: more than their part of the whole
  local part, whole, chosen = 0, 0, {}
  for _, name in ipairs(explained.set) do chosen[name] = true end
  for _, element in ipairs(elements) do
    whole = whole + element.a
    if chosen[element.name] then part = part + element.a end
  end
  local beyond = explained.ep - (whole > 0 and part / whole or 0)
  return { label = label, elements = elements, set = explained.set, ep = explained.ep,
    beyond = beyond, surprise = explained.surprise, ranked = explained.elements, count = #elements,
    mix_fraction = mixed and mix.mix_fraction or 0, swapped = both == 0,
    outliers = outliers_of(elements, seconds) }
end

--- Splits less those that say the same as one before: two labels that part all series alike.
---@param splits table[]
---@return table[]
function labels.distinct(splits)
  local out = {}
  for _, split in ipairs(splits) do
    local same
    for _, kept in ipairs(out) do
      if kept.count == split.count and math.abs(kept.surprise - split.surprise) < 1e-12
        and math.abs(kept.ep - split.ep) < 1e-9 then
        same = kept
      end
    end
    if same then
      same.also = same.also or {}
      table.insert(same.also, split.label)
    elseif not split.swapped then
      out[#out + 1] = split
    end
  end
  return out
end

--- Is it the load that changed?  The median function against the total.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param sides { A: table, B: table }
---@param options table
---@return { ratio: number, changed: boolean, rest: number }?   rest: change that load leaves
function labels.load(source, subject, sides, options)
  local u = unions.fetch(source, subject, windows.halves(sides), options,
    { quantum = quantum.infer { class = subject.class, runtime = subject.runtime } })
  if not u then return nil end
  u = tree.user(u)
  local size = normalise.size_factors(u)
  local whole = size.total.A > 0 and size.total.B / size.total.A or 1
  return { ratio = size.load_ratio, rest = whole / size.R - 1,
    changed = math.abs(size.load_ratio - 1) > CHANGE and math.abs(whole / size.R - 1) <= CHANGE }
end

--- Did the total change?  By its blocks: an eighth of each side is a replicate.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param design pyroscope.design
---@param options table
---@return table
function labels.total(source, subject, design, options)
  local sides = windows.sides(design)
  local unit = quantity.unit(subject)
  local logs, rates = { A = {}, B = {} }, {}
  local factor = units.seconds(subject.unit) or 1
  for _, side in ipairs { "A", "B" } do
    local window = sides[side]
    local step = math.max(windows.GRID,
      (window.to_ms - window.from_ms) // BLOCKS // windows.GRID * windows.GRID)
    local rows = fetch.series(source, ask(subject, window, { step_ms = step })) or {}
    local sum = 0
    for _, row in ipairs(rows) do
      sum = sum + row.sum
      for _, value in ipairs(blocks_of(row, window)) do
        if value > 0 then table.insert(logs[side], math.log(value)) end
      end
    end
    rates[side] = sum * factor / ((window.to_ms - window.from_ms) / 1000)
    if subject.kind == "stock" then
      local counts = fetch.profile_counts(source, ask(subject, window, {})) or {}
      local profiles = 0
      for _, row in ipairs(counts) do profiles = profiles + row.profiles end
      rates[side] = profiles > 0 and sum / profiles or 0
    end
  end
  local welch = stats.welch(logs.A, logs.B)
  local rel = rates.A > 0 and rates.B / rates.A - 1 or rates.B > 0 and math.huge or 0
  local level = options.alpha and math.min(options.alpha, LEVEL) or LEVEL
  local seen = welch.se > 0 and stats.mde(welch.se, welch.df, level) or nil
  return { A = rates.A, B = rates.B, rel = rel, p = welch.p, unit = unit,
    passes = math.abs(rel) >= CHANGE and welch.p <= level,
    totals = { A = { rate = rates.A, unit = unit }, B = { rate = rates.B, unit = unit },
      rel = rel, p = welch.p },
    sensitivity = { alpha = level, tests = 1, mde = { { share = 1, rel = seen } },
      met = seen ~= nil and seen <= math.max(0.25, options.must_detect or 0) } }
end

--- The finding of a breakdown: the elements that carry the change, or the whole.
---@param split table?
---@param localised boolean
---@param total table
---@return table
function labels.finding(split, localised, total)
  local before, after, name = total.A, total.B, "(everywhere)"
  local explained_by
  if split and localised then
    before, after = 0, 0
    local chosen = {}
    for _, value in ipairs(split.set) do chosen[value] = true end
    for _, element in ipairs(split.elements) do
      if chosen[element.name] then before, after = before + element.a, after + element.b end
    end
    name = ('{%s="%s"}'):format(split.label, table.concat(split.set, "|"))
    explained_by = { { label = split.label, values = split.set, ep = split.ep } }
  end
  local change = after - before
  return { name = name, kind = change > 0 and "regression" or "improvement", shape = "uniform",
    path = {}, hot = {}, before = { total = before }, after = { total = after },
    delta = { abs = change, of_total = total.A > 0 and change / total.A or 1,
      rel = before > 0 and change / before or math.huge }, p = total.p, q = total.p,
    unit = total.unit, explains = split and localised and split.ep or 1,
    labels = explained_by and { explained_by = explained_by } or nil }
end

--- The elements of a label, for the report.
---@param split table
---@param unit string
---@return table
function labels.table(split, unit)
  local by_name, rows = {}, {}
  for _, element in ipairs(split.elements) do by_name[element.name] = element end
  for i = 1, math.min(10, #split.ranked) do
    local row = split.ranked[i]
    local element = by_name[row.name]
    rows[i] = { name = row.name ~= "" and row.name or "(none)", before = element.a,
      after = element.b, ep = row.ep, surprise = row.surprise }
  end
  return { title = split.label,
    note = split.also and "the same as " .. table.concat(split.also, ", ") or nil,
    columns = { { key = "name", label = split.label },
      { key = "before", label = "before", unit = unit },
      { key = "after", label = "after", unit = unit },
      { key = "ep", label = "explains", unit = "share" },
      { key = "surprise", label = "surprise" } }, rows = rows }
end

return labels
