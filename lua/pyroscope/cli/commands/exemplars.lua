--- `pscope exemplars`: the largest single profiles or spans of a window.

local errors = require "pyroscope.errors"
local question = require "pyroscope.cli.question"
local target = require "pyroscope.cli.target"
local units = require "pyroscope.units"

local command = {
  name = "exemplars",
  summary = "Single profiles or spans of a window, the largest first",
  usage = "exemplars [profile|span] [TARGET] [options]",
  arguments = { { name = "first", shown = "profile|span", optional = true },
    { name = "target", optional = true, complete = "targets" } },
  flags = { "limit", "label_columns", "step", "with_diff", "window", "data", "output", "source" },
  without = { "max_nodes" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md" },
  columns = {
    { name = "time_ms", kind = "integer" }, { name = "value", kind = "int64" },
    { name = "profile_id", kind = "text" }, { name = "span_id", kind = "text" },
    { name = "trace_id", kind = "text" }, { name = "labels", kind = "labels" },
  },
  examples = { "pscope exemplars profile prod/checkout",
    "pscope exemplars span prod/checkout -n 20",
    "pscope exemplars profile prod/checkout --diff" },
  notes = "A server keeps about one for every step, so the step is chosen for the number wanted "
    .. "(window / n, at least 1 s). --diff compares the largest with the rest of the window.",
}

local KINDS = { profile = true, span = true }

-- The label columns that tell most: those with most values, ties by name.
---@param rows pyroscope.exemplar_row[]
---@param most integer
---@return string[] names
function command.label_columns(rows, most)
  local values, counts, names = {}, {}, {}
  for _, row in ipairs(rows) do
    for name, value in pairs(row.labels) do
      if name:sub(1, 2) ~= "__" then
        if not values[name] then
          values[name], counts[name], names[#names + 1] = {}, 0, name
        end
        if not values[name][value] then
          values[name][value], counts[name] = true, counts[name] + 1
        end
      end
    end
  end
  table.sort(names, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  return { table.unpack(names, 1, most) }
end

local function has(rows, field)
  for _, row in ipairs(rows) do
    if row[field] then return true end
  end
  return false
end

-- The largest exemplar against everything else of the window.
local function compare(run, source, resolved, row, options)
  local asked = {}
  for name, value in pairs(resolved) do asked[name] = value end
  if row.profile_id then asked.profile_ids = { row.profile_id } else asked.span_ids = {
    row.span_id } end
  local one, err = source:profile(asked)
  if not one then return nil, err end
  local whole
  whole, err = source:profile(resolved)
  if not whole then return nil, err end
  local rest = require "pyroscope".subtract(whole, one)
  if not rest then rest = whole end
  if rest.sum == 0 then
    return { "the largest is all that there is in the window: nothing to compare it with" }, {}
  end
  local diff
  diff, err = require "pyroscope".diff(rest, one, { mode = "share" })
  if not diff then return nil, err end
  local screen = run.screen
  local lines = { "the largest against the rest of the window (share of each):" }
  local list = {}
  for i, r in ipairs(diff:rows(options.limit and options.limit > 0 and options.limit < 50
      and options.limit or 10)) do
    lines[#lines + 1] = ("  %6s > %6s  %s"):format(units.percent(r.before), units.percent(r.after),
      screen:name(r.name))
    list[i] = { name = r.name, rest_share = r.before, share = r.after }
  end
  return lines, list
end

function command.run(run, options)
  local kind, text = options.first, options.target
  if kind and not KINDS[kind] then
    if text then
      return nil, errors.new { kind = "usage", code = "kind",
        message = ("exemplars are of 'profile' or 'span', not '%s'"):format(kind),
        hint = "pscope exemplars profile TARGET" }
    end
    kind, text = nil, kind
  end
  kind = kind or "profile"
  local found, source = target.find(run, text)
  if not found then return nil, source end
  local step
  if options.step then step = require "pyroscope.timespec".duration(options.step) / 1000 end
  local resolved, err = question.resolve(options, found, source,
    { extra = { kind = kind, limit = options.limit or 100, step = step } })
  if not resolved then return nil, err end
  local rows
  rows, err = source:exemplars(resolved)
  run.progress:finish()
  if not rows then return nil, err end
  local document = { type = "pyroscope.exemplars", columns = command.columns, rows = rows,
    warnings = rows.warnings, partial = rows.partial }
  document.head = { query = question.document(resolved, source.name), kind = kind,
    totals = { unit = resolved.unit, step_ms = rows.step_ms } }
  document.title = { table.concat({ ("%s exemplars"):format(kind),
    require "pyroscope.types".short(resolved.profile_type),
    require "pyroscope.cli.screen".printable(found.shown or found.text or source.name),
    run:window(resolved.from_ms, resolved.to_ms), ("the largest %s"):format(units.count(#rows)),
    rows.step_ms and "one for every " .. units.span(rows.step_ms) or nil }, " · ") }
  document.view = {
    { "TIME", cell = function(row) return units.time(row.time_ms, { tz = options.tz }) end },
    { "VALUE", right = true, cell = function(row)
      return units.value(row.value, { unit = resolved.unit, kind = "stock", short = true })
    end },
  }
  for _, field in ipairs { { "profile_id", "PROFILE" }, { "span_id", "SPAN" }, { "trace_id",
    "TRACE" } } do
    if has(rows, field[1]) then
      table.insert(document.view, { field[2], code = true,
        cell = function(row, screen) return screen:name(row[field[1]] or "-") end })
    end
  end
  for i, name in ipairs(command.label_columns(rows, options.label_columns
      or options.wide and #rows * 100 or 3)) do
    table.insert(document.view, { name:upper(), shrink = 8, drop = i,
      cell = function(row, screen) return screen:name(row.labels[name] or "-") end })
  end
  if options.with_diff then
    local lines, list
    lines, list = compare(run, source, resolved, rows[1], options)
    if not lines then
      document.warnings = document.warnings or {}
      table.insert(document.warnings, "the largest cannot be compared: " .. list.message)
      document.partial = true
    else
      document.notes = function() return lines end
      document.head.largest = { profile_id = rows[1].profile_id, span_id = rows[1].span_id,
        functions = list[1] and list or nil }
    end
  end
  document.keep = function(n)
    local fewer = {}
    for key, value in pairs(document) do fewer[key] = value end
    fewer.rows = { table.unpack(rows, 1, n) }
    return fewer
  end
  return run:answer(document)
end

return command
