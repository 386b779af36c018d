--- `pscope discover`: the services of all deployments, asked at the same time.

local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local json = require "pyroscope.output.json"
local target = require "pyroscope.cli.target"

local command = {
  name = "discover",
  summary = "The services of all (or the named) deployments, asked at the same time",
  arguments = { { name = "deployments", shown = "DEPLOYMENT", many = true, optional = true,
    complete = "deployments" } },
  flags = { "limit", "window", "output", "source" },
  without = { "unit" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "names" },
  columns = {
    { name = "name", kind = "text" }, { name = "ok", kind = "boolean" },
    { name = "services", kind = "integer" }, { name = "first", kind = "list" },
    { name = "elapsed_ms", kind = "integer" }, { name = "error", kind = "error" },
  },
  examples = { "pscope discover", "pscope discover prod staging --since 24h" },
  notes = "One that cannot be reached does not hide the others; the exit codes are combined.",
}

local function examine(run, name, options)
  local system = require "pyroscope.system"
  local row = { name = name or "default", first = {} }
  local source, err = target.open(run, name)
  if not source then
    row.failure = err
    return row
  end
  row.name = name or source.name
  local started = system.monotonic_ms()
  local asked = options.from and { from = options.from, to = options.to, tz = options.tz }
    or { since = options.since or (source.kind ~= "store" and "1h" or nil), to = options.to }
  local names
  names, err = source:label_values("service_name", asked)
  row.elapsed_ms = math.floor(system.monotonic_ms() - started + 0.5)
  if not names then
    row.failure = err
    return row
  end
  row.ok, row.services, row.all = true, #names, names
  return row
end

function command.run(run, options)
  local names = options.deployments or {}
  if #names == 0 and options.source then names = { options.source } end
  if #names == 0 then
    local config, err = run:configuration():load()
    if not config then return nil, err end
    names = config:names()
  end
  local tasks = {}
  for i = 1, math.max(1, #names) do
    tasks[i] = function() return examine(run, names[i], options) end
  end
  local rows, code, good = {}, 0, 0
  local shown = options.limit == 0 and math.maxinteger or options.limit or 10
  for i, result in ipairs(flight.all(tasks)) do
    local row = result[1]
    if row.failure then
      row.ok, row.error = false, { kind = row.failure.kind, code = row.failure.code,
        message = row.failure.message, hint = row.failure.hint,
          exit = errors.exit_code(row.failure) }
      code = errors.worse(code, row.error.exit)
    else
      good = good + 1
      row.first = { table.unpack(row.all, 1, math.min(shown, #row.all)) }
    end
    row.first = json.array(row.first)
    rows[i] = row
  end
  run.progress:finish()
  local document = { type = "pyroscope.discover", columns = command.columns, rows = rows,
    head = { exit = code, deployments = #rows, reachable = good } }
  document.body = function(screen)
    local lines = {}
    for _, row in ipairs(rows) do
      local head = row.ok and ("%d service%s  %d ms"):format(row.services,
        row.services == 1 and "" or "s", row.elapsed_ms)
        or screen:style("error", row.error.kind) .. "  " .. screen:name(row.error.message)
      lines[#lines + 1] = ("%s  %s"):format(screen:style("bold", screen:name(row.name)), head)
      for _, name in ipairs(row.first) do lines[#lines + 1] = "  " .. screen:name(name) end
      if row.ok and row.services > #row.first then
        lines[#lines + 1] = ("  and %d more"):format(row.services - #row.first)
      end
      if row.error and row.error.hint then
        for line in (row.error.hint .. "\n"):gmatch "([^\n]*)\n" do
          lines[#lines + 1] = "  hint  " .. line
        end
      end
    end
    return lines
  end
  document.view = {
    { "DEPLOYMENT", code = true, cell = function(row, screen) return screen:name(row.name) end },
    { "SERVICES", right = true,
      cell = function(row) return row.ok and tostring(row.services) or "-" end },
    { "MS", right = true, cell = function(row) return row.elapsed_ms and tostring(
      row.elapsed_ms) or "-" end },
    { "FIRST", shrink = 20, cell = function(row, screen)
      return screen:name(row.ok and table.concat(row.first, ", ") or row.error.message)
    end },
  }
  local written = run:answer(document)
  return code ~= 0 and errors.worse(code, written) or written
end

return command
