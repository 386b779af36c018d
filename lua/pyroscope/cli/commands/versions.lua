--- `pscope versions`: which versions of a service ran, when first and last seen.

local errors = require "pyroscope.errors"
local question = require "pyroscope.cli.question"
local scope = require "pyroscope.cli.scope"
local shared = require "pyroscope.source.shared"
local units = require "pyroscope.units"

local command = {
  name = "versions",
  summary = "Versions of a service: first and last seen, instances",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "window", "data", "output", "source" },
  without = { "unit" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "names" },
  columns = {
    { name = "label", kind = "text" }, { name = "name", kind = "text" },
    { name = "first_ms", kind = "integer" }, { name = "last_ms", kind = "integer" },
    { name = "instances", kind = "integer" }, { name = "services", kind = "integer" },
  },
  examples = { "pscope versions prod/checkout --since 24h", "pscope versions ./incident" },
  notes = "Looks at the labels version, service_version, service.version and service_git_ref. "
    .. "First and last are seen in steps of a 200th of the window.",
}

local LABELS, INSTANCES = shared.version_labels, shared.instance_labels
local STEPS = 200

-- When each value of a label had profiles, from a timeline grouped by it.
local function spans(source, resolved, label)
  local asked = {}
  for name, value in pairs(resolved) do asked[name] = value end
  asked.group_by, asked.sum = { label }, true
  asked.step_ms = math.max(15000, (resolved.to_ms - resolved.from_ms) // STEPS // 1000 * 1000)
  local rows, err = source:timeline(asked)
  if not rows then return nil, err end
  local found = {}
  for _, row in ipairs(rows) do
    local value = row.labels[label]
    if value and value ~= "" then
      local span = found[value] or {}
      for _, point in ipairs(row.points) do
        if (point.raw or 0) ~= 0 then
          span.first_ms = math.min(span.first_ms or point.time_ms, point.time_ms)
          span.last_ms = math.max(span.last_ms or point.time_ms, point.time_ms + rows.step_ms)
        end
      end
      found[value] = span
    end
  end
  return found, rows
end

local function distinct(sets, label, value, others)
  for _, name in ipairs(others) do
    local seen, n = {}, 0
    for _, set in ipairs(sets) do
      if set[label] == value and set[name] and not seen[set[name]] then
        seen[set[name]], n = true, n + 1
      end
    end
    if n > 0 then return n end
  end
end

-- The question of a type that is there: CPU where nothing is said and there is CPU, else the first.
local function resolve(options, place, source)
  if options.type then return question.resolve(options, place, source, { everything = true }) end
  local resolved, err = question.resolve(options, place, source,
    { everything = true, type = false })
  if not resolved then return nil, err end
  local rows
  rows, err = source:profile_types(resolved, { selector = resolved.selector })
  if not rows then return nil, err end
  if #rows == 0 then return nil, scope.empty(source, resolved, "versions") end
  local chosen = rows[1]
  for _, row in ipairs(rows) do
    if row.class == "cpu" and (chosen.class ~= "cpu" or row.sample_type == "cpu") then
      chosen = row
    end
  end
  resolved.profile_type, resolved.unit = chosen.id, chosen.sample_unit
  resolved.kind, resolved.class = chosen.kind, chosen.class
  return resolved
end

function command.run(run, options)
  local types = require "pyroscope.cli.commands.types"
  local source, place = types.place(run, options)
  if not source then return nil, place end
  local resolved, err = resolve(options, place, source)
  if not resolved then return nil, err end
  local names = { "service_name" }
  table.move(LABELS, 1, #LABELS, 2, names)
  table.move(INSTANCES, 1, #INSTANCES, #names + 1, names)
  local sets
  sets, err = source:series(resolved, { selector = resolved.selector, labels = names })
  if not sets then return nil, err end
  local rows, warnings, partial = {}, {}, nil
  for _, label in ipairs(LABELS) do
    local values, seen = {}, {}
    for _, set in ipairs(sets) do
      local value = set[label]
      if value and value ~= "" and not seen[value] then
        seen[value], values[#values + 1] = true, value
      end
    end
    if #values > 0 then
      local times, why = spans(source, resolved, label)
      if not times then
        table.insert(warnings, ("times of %s are unknown: %s"):format(label, why.message))
      else
        partial = partial or why.partial
      end
      for _, value in ipairs(values) do
        local span = times and times[value] or {}
        rows[#rows + 1] = { label = label, name = value, first_ms = span.first_ms,
          last_ms = span.last_ms and math.min(span.last_ms, resolved.to_ms),
          instances = distinct(sets, label, value, INSTANCES),
          services = distinct(sets, label, value, { "service_name" }) }
      end
    end
  end
  run.progress:finish()
  if #rows == 0 then
    if #sets == 0 then return nil, scope.empty(source, resolved, "versions") end
    return nil, errors.new { kind = "no_data", code = "no_version",
      message = ("nothing here has a label %s"):format(table.concat(LABELS, ", ")),
      hint = "profiles carry a version where their agent sends one as a label: pscope labels" }
  end
  table.sort(rows, function(a, b)
    local x, y = a.last_ms or 0, b.last_ms or 0
    if x ~= y then return x > y end
    x, y = a.first_ms or 0, b.first_ms or 0
    if x ~= y then return x > y end
    if a.label ~= b.label then return a.label < b.label end
    return a.name < b.name
  end)
  local document = { type = "pyroscope.versions", columns = command.columns, rows = rows,
    head = { query = question.document(resolved, source.name) }, warnings = warnings,
    partial = partial }
  local printable = require "pyroscope.cli.screen".printable
  document.title = { table.concat({ printable(place.name), run:window(resolved.from_ms,
    resolved.to_ms), ("%d version%s"):format(#rows, #rows == 1 and "" or "s") }, " · ") }
  local function time(ms) return ms and units.time(ms, { tz = options.tz }) or "-" end
  document.view = {
    { "VERSION", code = true, cell = function(row, screen) return screen:name(row.name) end },
    { "LABEL", drop = 1, cell = function(row) return row.label end },
    { "FIRST SEEN", cell = function(row) return time(row.first_ms) end },
    { "LAST SEEN", cell = function(row) return time(row.last_ms) end },
    { "INSTANCES", right = true, cell = function(row)
      return row.instances and units.count(row.instances) or "-"
    end },
  }
  return run:answer(document)
end

return command
