--- `pscope series`: the total over time, or a ranking of groups.

local errors = require "pyroscope.errors"
local question = require "pyroscope.cli.question"
local shared = require "pyroscope.source.shared"
local subject = require "pyroscope.cli.subject"
local target = require "pyroscope.cli.target"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local command = {
  name = "series",
  summary = "The total over time: rates of flows, per profile for stocks",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "group_by", "aggregation", "step", "top", "wide", "limit", "window", "data", "output",
    "source" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md" },
  columns = {
    { name = "labels", kind = "labels" }, { name = "value", kind = "number" },
    { name = "sum", kind = "int64" }, { name = "share", kind = "number" },
    { name = "profiles", kind = "integer" }, { name = "cores", kind = "number" },
    { name = "points", kind = "points" },
  },
  examples = { "pscope series prod/checkout", "pscope series prod/checkout --group-by pod "
    .. "--step 1m",
    "pscope series prod/ --group-by service_name --top" },
  notes = "A point covers [time, time + step). --top ranks the groups (services, where no "
    .. "--group-by says otherwise) by their value over the window; -n (default 10) says how many "
    .. "groups are shown. Averages are computed here, per profile: servers of the new storage "
    .. "only sum. CSV has a line a point: time (UTC), labels, value.",
}

local function what_of(answer, options)
  local rate = answer.kind ~= "stock" and not answer.averaged
  return { unit = answer.unit, kind = rate and "flow" or "stock",
    class = rate and types.class(answer.profile_type) or nil, short = true,
    seconds = rate and 1 or nil, force = options.unit }
end

local function title_of(run, place, answer, resolved, extra)
  local printable = require "pyroscope.cli.screen".printable
  local parts = { types.short(answer.profile_type), printable(place.shown) }
  if #resolved.matchers > 1 or (not resolved.service and resolved.selector ~= "{}") then
    parts[2] = parts[2] .. " " .. printable(resolved.selector)
  end
  parts[#parts + 1] = run:window(answer.from_ms or resolved.from_ms,
    answer.to_ms or resolved.to_ms)
  parts[#parts + 1] = extra
  return table.concat(parts, " · ")
end

local function label_text(row, group_by)
  if #group_by == 0 then return "total" end
  if #group_by == 1 then
    local value = row.labels[group_by[1]]
    return value and value ~= "" and value or "(none)"
  end
  return units.labels(row.labels)
end

local function warnings_of(resolved, answer)
  return subject.join({}, resolved.warnings, answer.warnings)
end

-- What the header says of values that are not the usual ones.
local function said(options)
  if not options.aggregation then return "" end
  return options.aggregation == "average" and " · mean of a profile" or " · sums"
end

local function ranking(run, options, source, place, resolved)
  local rows, err = source:top_series(resolved)
  if not rows then return nil, err end
  local answer = { unit = resolved.unit, kind = resolved.kind,
    profile_type = resolved.profile_type, averaged = shared.averaged(resolved) }
  local what = what_of(answer, options)
  local cpu = what.class == "cpu" and units.seconds(answer.unit)
  local n = options.limit or 10
  local shown = { table.unpack(rows, 1, n == 0 and #rows or math.min(n, #rows)) }
  local share, total, rest = 0, 0, 0
  for i, row in ipairs(rows) do
    row.value = row.value or 0 -- nobody knows how many profiles a stock is divided by
    if cpu then row.cores = row.value * cpu end
    total = total + row.value
    if i <= #shown then share = share + (row.share or 0) else rest = rest + row.value end
  end
  what.whole = total
  what.digits = cpu and units.digits(total * cpu) or nil
  local document = { type = "pyroscope.series", columns = command.columns, rows = shown,
    warnings = warnings_of(resolved, rows), partial = rows.partial }
  document.head = { query = question.document(resolved, source.name),
    totals = { unit = answer.unit, kind = answer.kind, groups = #rows,
      aggregation = answer.averaged and "average" or "sum" },
    coverage = { shown = share + 0.0, rest = math.max(0, 1 - share) } }
  document.head.query.group_by = resolved.group_by[1] and resolved.group_by or nil
  document.title = { title_of(run, place, answer, resolved,
    ("%d of %d groups"):format(#shown, #rows) .. said(options)) }
  local printable = require "pyroscope.cli.screen".printable
  document.view = {
    { "VALUE", right = true, cell = function(row) return units.value(row.value, what) end },
    { "SHARE", right = true, cell = function(row) return units.percent(row.share) end },
    { "", screen_only = true, style = function() return "bar" end,
      cell = function(row, screen) return screen:bar(row.share or 0, 0.05) end },
    { printable(table.concat(resolved.group_by, ", ")):upper(), shrink = 12,
      cell = function(row, screen) return screen:name(label_text(row, resolved.group_by)) end },
  }
  document.notes = function()
    if #shown == #rows then return {} end
    return { ("  %s  %s  in %d more groups"):format(units.value(rest, what),
      units.percent(math.max(0, 1 - share)), #rows - #shown) }
  end
  return run:answer(document)
end

-- Means of neighbouring points, so that the line fits into the cells.
local function squeeze(points, cells)
  if #points <= cells then
    local values = {}
    for i, point in ipairs(points) do values[i] = point.value or 0 end
    return values
  end
  local values = {}
  for c = 1, cells do
    local from, to = (c - 1) * #points // cells + 1, c * #points // cells
    local sum = 0
    local known = 0
    for i = from, to do
      if points[i].value then sum, known = sum + points[i].value, known + 1 end
    end
    values[c] = known > 0 and sum / known or 0
  end
  return values
end

local function prepare(rows, cpu)
  local most = 0
  for _, row in ipairs(rows) do
    -- a step without a profile says nothing about a stock: it has no value
    local sum, low, high, known = 0, math.huge, 0, 0
    for _, point in ipairs(row.points) do
      local value = point.value
      if value then
        sum, low, high = sum + value, math.min(low, value), math.max(high, value)
        known = known + 1
      end
    end
    row.value = known > 0 and sum / known or 0
    row.low, row.high = known > 0 and low or 0, high
    row.cores = cpu and row.value * cpu or nil
    row.pairs = {}
    for _, point in ipairs(row.points) do
      if point.value then
        row.pairs[#row.pairs + 1] = { point.time_ms, point.value + 0.0 }
      end
    end
    most = math.max(most, high)
  end
  return most
end

-- CSV: one line a point, long or (--wide) a column a group.
local function flat(rows, group_by, options, answer)
  local columns = { { name = "time", kind = "text" } }
  local lines = {}
  if options.wide then
    for g, row in ipairs(rows) do
      columns[#columns + 1] = { name = label_text(row, group_by), kind = "number",
        get = function(line) return line[g] end }
    end
    for i, point in ipairs(rows[1] and rows[1].points or {}) do
      local line = { time = units.time(point.time_ms, { form = "rfc3339" }) }
      for g, row in ipairs(rows) do line[g] = row.points[i] and row.points[i].value end
      lines[i] = line
    end
  else
    for _, name in ipairs(group_by) do
      columns[#columns + 1] = { name = name, kind = "text", get = function(line)
        return line.labels[name]
      end }
    end
    columns[#columns + 1] = { name = "value", kind = "number" }
    columns[#columns + 1] = { name = "unit", kind = "text" }
    local unit = answer.unit .. (answer.averaged and " per profile"
      or answer.kind ~= "stock" and " per second" or "")
    for _, row in ipairs(rows) do
      for _, point in ipairs(row.points) do
        lines[#lines + 1] = { time = units.time(point.time_ms, { form = "rfc3339" }),
          labels = row.labels, value = point.value, unit = unit }
      end
    end
  end
  return { columns = columns, rows = lines }
end

local SAID = { ["pyroscope.ingest.throttled"] = "ingestion was throttled",
  ["pyroscope.ingest.sampled"] = "only a sample of the profiles was taken in" }

-- What the server says of single steps: rows for programs, a warning for people.
local function annotations(document, rows, step_ms, options)
  local list, spans, keys = {}, {}, {}
  for _, row in ipairs(rows) do
    for _, point in ipairs(row.points) do
      for _, note in ipairs(point.annotations or {}) do
        local key = note.key or ""
        list[#list + 1] = { time_ms = point.time_ms, labels = row.labels, key = key,
          value = note.value }
        local span = spans[key] or { from = point.time_ms, to = point.time_ms, steps = {} }
        if not spans[key] then
          spans[key], keys[#keys + 1] = span, key
        end
        span.from, span.to = math.min(span.from, point.time_ms), math.max(span.to, point.time_ms)
        span.steps[point.time_ms] = true
      end
    end
  end
  table.sort(keys)
  local printable = require "pyroscope.cli.screen".printable
  for _, key in ipairs(keys) do
    local span, count = spans[key], 0
    for _ in pairs(span.steps) do count = count + 1 end
    table.insert(document.warnings, ("%s in %d step%s of %s: values are too small there (%s)")
      :format(SAID[key] or printable(key), count, count == 1 and "" or "s",
        units.window(span.from, span.to + step_ms, { tz = options.tz }), printable(key)))
  end
  return list[1] and list or nil
end

local function wide_body(rows, group_by, what, options)
  return function(screen)
    local columns = { { "TIME" } }
    for _, row in ipairs(rows) do
      columns[#columns + 1] = { screen:name(label_text(row, group_by), 24), right = true }
    end
    local cells = {}
    for i, point in ipairs(rows[1] and rows[1].points or {}) do
      local line = { units.time(point.time_ms, { tz = options.tz, form = "clock" }) }
      for g, row in ipairs(rows) do
        line[g + 1] = row.points[i] and units.value(row.points[i].value, what) or "-"
      end
      cells[i] = line
    end
    return screen:table(columns, cells)
  end
end

function command.run(run, options)
  local place, source = target.find(run, options.target)
  if not place then return nil, source end
  local group_by = options.group_by or {}
  if options.top and #group_by == 0 then group_by = { "service_name" } end
  local resolved, err = question.resolve(options, place, source, { everything = options.top,
    extra = { group_by = group_by[1] and group_by or nil, step = options.step,
      aggregation = options.aggregation } })
  if not resolved then return nil, err end
  run.progress:update { what = "fetching" }
  if options.top then return ranking(run, options, source, place, resolved) end
  local answer
  answer, err = source:timeline(resolved)
  run.progress:finish()
  if not answer then return nil, err end
  if #answer == 0 then
    return nil, source.absence and source:absence(resolved)
      or errors.new { kind = "no_data", message = "no points in this window" }
  end
  answer.averaged = shared.averaged(resolved)
  local what = what_of(answer, options)
  local cpu = what.class == "cpu" and units.seconds(answer.unit)
  local most = prepare(answer, cpu)
  table.sort(answer, function(a, b)
    if a.value ~= b.value then return a.value > b.value end
    return label_text(a, group_by) < label_text(b, group_by)
  end)
  local total = 0
  for _, row in ipairs(answer) do total = total + row.value end
  local n = options.limit or 10
  local rows = { table.unpack(answer, 1, n == 0 and #answer or math.min(n, #answer)) }
  what.whole = total
  what.digits = cpu and units.digits(total * cpu) or nil
  local document = { type = "pyroscope.series", rows = rows, columns = {},
    warnings = warnings_of(resolved, answer), partial = answer.partial }
  for i, column in ipairs(command.columns) do
    document.columns[i] = column.name == "points"
      and { name = "points", kind = "points", get = function(row) return row.pairs end } or column
  end
  document.head = { query = question.document(resolved, source.name),
    totals = { unit = answer.unit, kind = answer.kind, step_ms = answer.step_ms,
      groups = #answer, aggregation = answer.averaged and "average" or "sum" },
    annotations = annotations(document, rows, answer.step_ms, options) }
  document.head.query.from_ms, document.head.query.to_ms = answer.from_ms, answer.to_ms
  document.head.query.group_by = group_by[1] and group_by or nil
  document.title = { title_of(run, place, answer, resolved,
    "step " .. units.span(answer.step_ms) .. said(options)) }
  document.flat = function() return flat(rows, group_by, options, answer) end
  local function clock(ms)
    return units.time((ms + 500) // 1000 * 1000, { tz = options.tz, form = "clock" })
  end
  document.view = {
    { "GROUP", shrink = 12, cell = function(row, screen)
      return screen:name(label_text(row, group_by))
    end },
    { "MEAN", right = true, cell = function(row) return units.value(row.value, what) end },
    { "LEAST", right = true, cell = function(row) return units.value(row.low, what) end },
    { "MOST", right = true, cell = function(row) return units.value(row.high, what) end },
    { ("%s TO %s"):format(clock(answer.from_ms), clock(answer.to_ms)), screen_only = true,
      style = function() return "bar" end, cell = function(row, screen)
        return screen:spark(squeeze(row.points, 60), most)
      end },
  }
  if options.wide then document.body = wide_body(rows, group_by, what, options) end
  document.notes = function()
    if #rows == #answer then return {} end
    local rest = 0
    for i = #rows + 1, #answer do rest = rest + answer[i].value end
    return { ("  %s in %d more groups (-n 0 shows all)"):format(units.value(rest, what),
      #answer - #rows) }
  end
  return run:answer(document)
end

return command
