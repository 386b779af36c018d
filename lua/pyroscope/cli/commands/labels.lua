--- `pscope labels`: label names, values of one label, cardinality, label sets.

local errors = require "pyroscope.errors"
local question = require "pyroscope.cli.question"
local scope = require "pyroscope.cli.scope"
local target = require "pyroscope.cli.target"
local units = require "pyroscope.units"

local command = {
  name = "labels",
  summary = "Label names, or the values of one label, with counts",
  usage = "labels [DEPLOYMENT|TARGET] [NAME] [options]",
  arguments = { { name = "first", shown = "DEPLOYMENT", optional = true, complete = "deployments" },
    { name = "second", shown = "NAME", optional = true } },
  flags = { "limit", "cardinality", "series", "internal", "window", "data", "output", "source" },
  without = { "unit", "type" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "names" },
  columns = {
    { name = "name", kind = "text" }, { name = "values", kind = "integer" },
    { name = "series", kind = "integer" }, { name = "labels", kind = "labels" },
  },
  examples = { "pscope labels prod", "pscope labels prod namespace -l service_name=checkout",
    "pscope labels ./incident --cardinality" },
  notes = "With --source the first word is the NAME. --cardinality counts the values of every "
    .. "label, --series prints whole label sets. Names like __profile_type__ need --internal.",
}

-- One word is a NAME where the source is known, else a deployment, a path or a target.
local function arrange(run, options)
  local first, second = options.first, options.second
  if first and not second and options.source then return nil, first end
  if first and not second and not target.is_path(first) and not target.is_url(first)
      and not first:find("/", 1, true) and not run:knows(first) then
    return nil, first
  end
  return first, second
end

local function open(run, word)
  local types = require "pyroscope.cli.commands.types"
  local copy = {}
  for k, v in pairs(run.options) do copy[k] = v end
  copy.target = word
  return types.place(run, copy)
end

-- How many of the label sets have each value (or each name).
local function count(rows, name)
  local counts = {}
  for _, row in ipairs(rows) do
    if name then
      local value = row[name]
      if value then counts[value] = (counts[value] or 0) + 1 end
    else
      for label in pairs(row) do counts[label] = (counts[label] or 0) + 1 end
    end
  end
  return counts
end

local function distinct(rows, name)
  local seen, n = {}, 0
  for _, row in ipairs(rows) do
    if row[name] and not seen[row[name]] then seen[row[name]], n = true, n + 1 end
  end
  return n
end

local function names_of(source, resolved, options)
  local names, err = source:label_names(resolved, { selector = resolved.selector,
    internal = options.internal or nil })
  if not names then return nil, err end
  local sets
  if options.cardinality then
    sets, err = source:series(resolved, { selector = resolved.selector,
      internal = options.internal or nil })
    if not sets then return nil, err end
  end
  local counts = sets and count(sets)
  local rows = {}
  for i, name in ipairs(names) do
    rows[i] = { name = name, values = sets and distinct(sets, name) or nil,
      series = counts and counts[name] or nil }
  end
  if sets then
    table.sort(rows, function(a, b)
      if a.values ~= b.values then return a.values > b.values end
      return a.name < b.name
    end)
  end
  return rows
end

local function values_of(source, resolved, name, options)
  local values, err = source:label_values(name, resolved, { selector = resolved.selector })
  if not values then return nil, err end
  if #values == 0 then
    local names = source:label_names(resolved, { selector = resolved.selector, internal = true })
    local near = names and target.nearest(name, names) or ""
    local shown = {}
    for _, known in ipairs(names or {}) do
      if known == name then near = nil end
      if options.internal or not known:find "^__" then shown[#shown + 1] = known end
    end
    if near and #shown > 0 then
      return nil, errors.new { kind = "no_data", code = "label",
        message = ("there is no label '%s'%s"):format(name, near ~= "" and " " .. near or ""),
        hint = "labels: " .. table.concat(shown, ", ", 1, math.min(#shown, 20)) }
    end
    return nil, scope.empty(source, resolved, ("values of label '%s'"):format(name))
  end
  local sets = options.format ~= "names" and source:series(resolved,
    { selector = resolved.selector, internal = true }) or nil
  local counts = sets and count(sets, name)
  local rows = {}
  for i, value in ipairs(values) do
    rows[i] = { name = value, series = counts and counts[value] or nil }
  end
  return rows
end

local function sets_of(source, resolved, options)
  local sets, err = source:series(resolved, { selector = resolved.selector,
    internal = options.internal or nil })
  if not sets then return nil, err end
  local rows = {}
  for i, set in ipairs(sets) do rows[i] = { name = units.labels(set), labels = set } end
  return rows
end

local function limited(document, rows, n, what)
  if n == 0 or #rows <= n then return end
  document.rows = { table.unpack(rows, 1, n) }
  document.head.rows_left_out = #rows - n
  document.notes = function()
    return { ("  %d more %s (-n 0 shows all)"):format(#rows - n, what) }
  end
end

function command.run(run, options)
  local word, name = arrange(run, options)
  if name == "" then
    return nil, errors.new { kind = "usage", message = "the name of the label is empty" }
  end
  if name and (options.series or options.cardinality) then
    return nil, errors.new { kind = "usage",
      message = "a label NAME excludes --series and --cardinality" }
  end
  local source, place = open(run, word)
  if not source then return nil, place end
  local resolved, err = question.resolve(options, place, source,
    { type = false, everything = true })
  if not resolved then return nil, err end
  local rows, what
  if name then
    what = ("values of %s"):format(name)
    rows, err = values_of(source, resolved, name, options)
  elseif options.series then
    what = "label sets"
    rows, err = sets_of(source, resolved, options)
  else
    what = "labels"
    rows, err = names_of(source, resolved, options)
  end
  if not rows then return nil, err end
  if #rows == 0 then return nil, scope.empty(source, resolved, what) end
  local printable = require "pyroscope.cli.screen".printable
  local document = { type = "pyroscope.labels", columns = command.columns, rows = rows,
    head = { query = question.document(resolved, source.name), label = name, count = #rows } }
  local title = { printable(place.name) }
  if resolved.selector ~= "{}" then title[2] = printable(resolved.selector) end
  title[#title + 1] = run:window(resolved.from_ms, resolved.to_ms)
  title[#title + 1] = ("%s %s"):format(units.count(#rows), printable(what))
  document.title = { table.concat(title, " · ") }
  local counted = rows[1].series ~= nil
  document.view = { { options.series and "LABELS" or name and "VALUE" or "LABEL", code = true,
    shrink = 20, cell = function(row, screen) return screen:name(row.name) end } }
  if rows[1].values then
    document.view[2] = { "VALUES", right = true,
      cell = function(row) return units.count(row.values) end }
  end
  if counted then
    document.view[#document.view + 1] = { "SERIES", right = true,
      cell = function(row) return row.series and units.count(row.series) or "-" end }
  end
  local most = options.limit or (options.format or "table") == "table" and 100 or 0
  limited(document, rows, most, what)
  return run:answer(document)
end

return command
