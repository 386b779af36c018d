--- Which pod, version, region or endpoint carries the change or the cost?

local inv = require "pyroscope.investigate"

-- The change of the total that is worth explaining, and what a label has to explain of it.
local ENOUGH, TIED, BEYOND = 0.67, 0.10, 0.10

local function carries(split)
  return split.ep >= ENOUGH and split.beyond >= BEYOND and #split.set < split.count
end

return function(source, options)
  local case, err = inv.case.open(source, options, { options.class })
  if not case then return nil, err end
  local subject, design = case.subject, case.design
  if not case.quality.ok then return inv.case.report(case, { recipe = "breakdown" }) end
  local sides = inv.windows.sides(design)
  local labels
  labels, err = inv.labels.candidates(source, subject, sides, options)
  if not labels then return nil, err end

  -- One split a label: which elements explain the change, and were not expected to.
  local splits = {}
  for _, label in ipairs(labels) do
    local split
    split, err = inv.labels.split(source, subject, sides, label, options)
    if err then return nil, err end
    if split then splits[#splits + 1] = split end
  end
  splits = inv.labels.distinct(splits)
  table.sort(splits, function(a, b)
    if carries(a) ~= carries(b) then return carries(a) end
    if math.abs(a.surprise - b.surprise) > TIED * math.max(a.surprise, b.surprise) then
      return a.surprise > b.surprise
    end
    if #a.set ~= #b.set then return #a.set < #b.set end
    return a.label < b.label
  end)

  local total = inv.labels.total(source, subject, design, options)
  local best = splits[1]
  local changed = total.passes
  local given = { recipe = "breakdown", totals = total.totals, tables = {}, notes = {},
    sensitivity = total.sensitivity, next = {}, unit = total.unit }
  for i = 1, math.min(5, #splits) do given.tables[i] = inv.labels.table(splits[i], total.unit) end
  for _, split in ipairs(splits) do
    for _, outlier in ipairs(split.outliers) do
      table.insert(given.notes, { code = "outlier", message = ("%s=%s stands out after: x%.2f of "
        .. "the median per profile"):format(split.label, outlier.name,
          outlier.rate / outlier.median) })
    end
  end
  if #splits == 0 then
    table.insert(given.notes, { code = "no_labels",
      message = "no label has two values or more: there is nothing to break down by" })
  end
  if not changed then
    given.outcome = "no_change"
    if best and #best.outliers == 1 then given.outcome = "single_element" end
    return inv.case.report(case, given)
  end
  local mixed = best and best.mix_fraction >= 0.7
  local localised = best ~= nil and carries(best)
  local load = not localised and inv.labels.load(source, subject, sides, options)
  if load and load.changed then
    given.outcome, given.verdict = "load", "no_change"
    given.explained_away = { { kind = "load", members = {}, value = load.ratio,
      note = ("load is x%.2f at the median function, and explains the change")
        :format(load.ratio) } }
    return inv.case.report(case, given)
  end
  if mixed then
    given.outcome, given.verdict = "mix", "no_change"
    given.explained_away = { { kind = "mix", members = best.set, domain = best.label,
      value = best.mix_fraction, note = ("the weights of %s changed, not what each of them costs")
        :format(best.label) } }
    return inv.case.report(case, given)
  end
  given.outcome = localised and "localised" or "spread"
  if localised and #best.set == 1 and inv.labels.is_instance(best.label) then
    given.outcome = "single_element"
  end
  given.findings = { inv.labels.finding(best, localised, total) }
  if localised then
    local value = best.label .. "=" .. best.set[1]
    given.next[1] = { recipe = "cpu_regression",
      args = { at = { A = value:gsub("=", "!=", 1), B = value } } }
  end
  given.next[#given.next + 1] = { recipe = "what_changed", args = {} }
  return inv.case.report(case, given)
end
