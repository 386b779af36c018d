--- `pscope services`: who sends profiles.

local question = require "pyroscope.cli.question"
local scope = require "pyroscope.cli.scope"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local command = {
  name = "services",
  summary = "Who sends profiles: cores, share, instances, version and profile types",
  arguments = { { name = "deployment", optional = true, complete = "deployments" } },
  flags = { "limit", "window", "output", "source" },
  without = { "unit" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "names" },
  columns = {
    { name = "name", kind = "text" }, { name = "language", kind = "text" },
    { name = "cores", kind = "number" }, { name = "share", kind = "number" },
    { name = "points", kind = "list" }, { name = "instances", kind = "integer" },
    { name = "version", kind = "text" }, { name = "versions", kind = "list" },
    { name = "types", kind = "list", get = function(row) return row.type_ids end },
  },
  examples = { "pscope services prod", "pscope services ./incident", "pscope services prod -o "
    .. "names" },
  notes = "The sparkline covers twice the window, so that a step just before it is seen; all rows "
    .. "share one scale. Printed cores and the rest add up to the header's.",
}

local preferred = { cpu = 1, wall = 2, mem = 3, alloc = 4, goroutine = 5, mutex = 6, block = 7 }

-- The types that people ask for; the counts beside them are in JSON.
local function listed(row)
  local all, words = types.shorts(row.type_ids), {}
  for _, word in ipairs(all) do
    if preferred[word] then words[#words + 1] = word end
  end
  if #words == 0 then words = all end
  table.sort(words, function(a, b)
    local x, y = preferred[a] or 99, preferred[b] or 99
    if x ~= y then return x < y end
    return a < b
  end)
  return table.concat(words, " ")
end

local function build(opened, window, all, n, options)
  local rows = { table.unpack(all, 1, n) }
  local total, most, shown = 0, 0, 0
  for _, row in ipairs(all) do
    total = total + (row.cores or 0)
    for _, point in ipairs(row.points or {}) do most = math.max(most, point) end
  end
  for _, row in ipairs(all) do
    row.share = row.cores and total > 0 and row.cores / total or nil
    row.type_ids = {}
    for i, kind in ipairs(row.types) do row.type_ids[i] = kind.id end
  end
  for _, row in ipairs(rows) do shown = shown + (row.cores or 0) end
  local printable = require "pyroscope.cli.screen".printable
  local document = { type = "pyroscope.services", columns = command.columns, rows = rows,
    warnings = all.warnings, partial = all.partial }
  document.head = {
    query = { source = opened.name, from_ms = window.from_ms, to_ms = window.to_ms },
    totals = { services = #all, cores = total + 0.0, shown_cores = shown + 0.0 },
  }
  local digits = units.digits(total)
  local title = { printable(opened.name) }
  if opened.url and not opened.url:find(opened.name, 1, true) then title[2] = opened.url end
  table.move({ opened.window, ("%d service%s"):format(#all, #all == 1 and "" or "s"),
    units.cores(total, { digits = digits }) }, 1, 3, #title + 1, title)
  document.title = { table.concat(title, " · ") }
  local start = all.points_from_ms or 2 * window.from_ms - window.to_ms
  local from = units.time(start, { tz = options.tz, form = "clock" })
  local to = units.time(all.points_to_ms or window.to_ms, { tz = options.tz, form = "clock" })
  local has_points = false
  for _, row in ipairs(rows) do has_points = has_points or (row.points and #row.points > 0) end
  document.view = {
    { "SERVICE", min = 10, shrink = 12, code = true,
      cell = function(row, screen) return screen:name(row.name) end },
    { "LANG", cell = function(row) return row.language and printable(row.language) or "-" end },
    { "CORES", right = true, cell = function(row)
      return row.cores and (units.cores(row.cores, { short = true, digits = digits })
        :gsub("c$", "")) or "-"
    end },
    { "SHARE", right = true, min = 6,
      cell = function(row) return row.share and units.percent(row.share) or "-" end },
    { ("%s TO %s"):format(from, to), min = has_points and 30 or nil, screen_only = true,
      drop = 1,
      style = function() return "bar" end, cell = function(row, screen)
        return row.points and #row.points > 0 and screen:spark(row.points, most) or ""
      end },
    { "PODS", right = true, cell = function(row)
      return (row.instances or 0) > 0 and units.count(row.instances) or "-"
    end },
    { "VERSION", shrink = 8,
      cell = function(row) return row.version and printable(row.version) or "-" end },
    { "TYPES", gap = 3, shrink = 12, drop = 2, cell = function(row) return listed(row) end },
  }
  local left = #all - #rows
  document.extra_rows = function()
    if left == 0 then return {} end
    local rest = 0
    for i = #rows + 1, #all do rest = rest + (all[i].cores or 0) end
    return { { ("%d more"):format(left), "-",
      (units.cores(rest, { short = true, digits = digits }):gsub("c$", "")),
      total > 0 and units.percent(rest / total) or "-" } }
  end
  document.notes = function()
    if options.format == "md" and left > 0 then return { ("%d more services"):format(left) } end
    return {}
  end
  document.keep = function(fewer) return build(opened, window, all, fewer, options) end
  return document
end

function command.run(run, options)
  local source, opened = scope.open(run, options.deployment)
  if not source then return nil, opened end
  local asked, err = question.window(options, source)
  if not asked then return nil, err end
  local window
  window, err = scope.window(asked, source)
  if not window then return nil, err end
  run.progress:update { what = "fetching" }
  local rows
  rows, err = source:services(asked)
  run.progress:finish()
  if not rows then return nil, err end
  if #rows == 0 then return nil, scope.empty(source, window, "services") end
  opened.window = run:window(window.from_ms, window.to_ms)
  local n = options.limit or 20
  return run:answer(build(opened, window, rows, n == 0 and #rows or math.min(n, #rows), options))
end

return command
