--- `pscope doctor`: is each deployment or store there, and what can it do.

local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local json = require "pyroscope.output.json"
local report = require "pyroscope.cli.errors"
local target = require "pyroscope.cli.target"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local command = {
  name = "doctor",
  summary = "Is each deployment (or store) reachable, who are we there, what can it do",
  arguments = { { name = "deployments", shown = "DEPLOYMENT", many = true, optional = true,
    complete = "deployments" } },
  flags = { "output", "source" },
  without = { "unit" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md" },
  columns = {
    { name = "name", kind = "text" }, { name = "kind", kind = "text" },
    { name = "ok", kind = "boolean" }, { name = "url", kind = "text" },
    { name = "origin", kind = "text" }, { name = "authentication", kind = "text" },
    { name = "credential_origin", kind = "text" }, { name = "datasource", kind = "text" },
    { name = "version", kind = "text" }, { name = "storage", kind = "text" },
    { name = "features", kind = "list" }, { name = "missing", kind = "list" },
    { name = "clock_skew_ms", kind = "integer" },
    { name = "elapsed_ms", kind = "integer" }, { name = "services", kind = "integer" },
    { name = "profiles", kind = "integer" }, { name = "oldest_ms", kind = "integer" },
    { name = "newest_ms", kind = "integer" }, { name = "blocked", kind = "list" },
    { name = "warnings", kind = "list" },
    { name = "error", kind = "error" },
  },
  examples = { "pscope doctor", "pscope doctor prod staging", "pscope doctor ./incident" },
  notes = "Without arguments every configured deployment is asked, or the one that the environment "
    .. "names, or the server on this machine, all at the same time. Their exit codes are combined.",
}

local function error_object(err)
  return { kind = err.kind, code = err.code, message = err.message, hint = err.hint,
    status = err.status, exit = errors.exit_code(err) }
end

local function store_row(source)
  local row = { name = source.name, kind = "store", ok = true, profiles = #source.entries,
    storage = source.form, warnings = source.warnings or {} }
  local stats = source:stats()
  row.oldest_ms, row.newest_ms = stats.oldest_ms, stats.newest_ms
  local names = source:label_values("service_name", {})
  row.services = names and #names or nil
  local kinds = source:profile_types {}
  row.features = {}
  for i, kind in ipairs(kinds or {}) do row.features[i] = kind.id end
  return row
end

local function split_features(row, features)
  row.features, row.missing = {}, {}
  local names = {}
  for name in pairs(features or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local list = features[name] and row.features or row.missing
    list[#list + 1] = name
  end
end

local function server_row(run, source)
  local system = require "pyroscope.system"
  local row = { name = source.name, kind = "server", warnings = {} }
  local found = run.origins and run.origins[source]
  if found then
    local config = require "pyroscope.config"
    local key
    row.authentication, key = config.authentication(found.values)
    row.credential_origin = key and config.origin(found.origins[key] or {}) or nil
    row.origin = config.origin(found.origins.url or found.origins.grafana
      or found.origins.perses or {})
    row.name = found.name or source.name
    table.move(found.warnings or {}, 1, #(found.warnings or {}), 1, row.warnings)
  end
  local started = system.monotonic_ms()
  local names, err = source:label_values("service_name", { since = "1h" })
  row.elapsed_ms = math.floor(system.monotonic_ms() - started + 0.5)
  row.url = source.base -- known after the first question where a data source was looked up
  row.blocked = source.blocked and source:blocked() or nil
  local via = source.datasource
  row.datasource = via and (via.name or via.uid) or nil
  if not names then
    row.ok, row.error = false, error_object(err)
    row.failure = err
    return row
  end
  row.ok, row.services = true, #names
  local server, problem = source:server()
  if server then
    row.version, row.storage = server.version, server.storage
    row.clock_skew_ms = server.clock_skew_ms
    split_features(row, server.features)
  else
    row.warnings[#row.warnings + 1] = problem.message
  end
  if row.features and server.features.list_windows == false then
    row.warnings[#row.warnings + 1] = "before version 1.2 the window of lists (labels, types, "
      .. "services) is ignored: they are about all times"
  end
  local stats = source:stats()
  if stats then row.oldest_ms, row.newest_ms = stats.oldest_ms, stats.newest_ms end
  if stats and stats.ingested == false then
    row.warnings[#row.warnings + 1] = "nothing was ever ingested"
  elseif #names == 0 then
    row.warnings[#row.warnings + 1] = "no service sent profiles in the last hour"
  end
  if row.clock_skew_ms and math.abs(row.clock_skew_ms) > 30000 then
    row.warnings[#row.warnings + 1] = ("the server's clock differs by %s: windows that end now may "
      .. "miss the newest profiles"):format(units.duration(row.clock_skew_ms / 1000))
  end
  return row
end

local function examine(run, name)
  local source, err = target.open(run, name)
  if not source then
    return { name = name or "default", kind = "server", ok = false, warnings = {},
      error = error_object(err), failure = err }
  end
  if source.kind == "store" then return store_row(source) end
  return server_row(run, source)
end

local function lines_of(rows, screen, options)
  local lines = {}
  local function add(key, value)
    if value and value ~= "" then
      lines[#lines + 1] = ("  %-15s %s"):format(key, screen:name(value))
    end
  end
  for i, row in ipairs(rows) do
    if i > 1 then lines[#lines + 1] = "" end
    local state = row.ok and screen:style("down", "ok") or screen:style("error", "failed")
    lines[#lines + 1] = ("%s  %s"):format(screen:style("bold", screen:name(row.name)), state)
    add("url", row.url)
    add("from", row.origin)
    add("data source", row.datasource)
    add("authentication", row.credential_origin
      and ("%s from %s"):format(row.authentication, row.credential_origin) or row.authentication)
    if row.error then
      add("error", ("%s: %s"):format(row.error.kind, row.error.message))
      for line in ((row.error.hint or "") .. "\n"):gmatch "([^\n]*)\n" do add("hint", line) end
    end
    add("answered in", row.elapsed_ms and row.ok and ("%d ms"):format(row.elapsed_ms))
    add("version", row.version or (row.ok and row.kind == "server" and "unknown" or nil))
    add(row.kind == "store" and "form" or "storage", row.storage)
    if row.kind == "store" then
      add("types", table.concat(types.shorts(row.features), " "))
    else
      add("can", table.concat(row.features or {}, " "))
      add("cannot", table.concat(row.missing or {}, " "))
    end
    for k, path in ipairs(row.blocked or {}) do
      add(k == 1 and "not let through" or "", path)
    end
    if row.blocked and row.blocked[1] then
      add("to open them", "add to allowedEndpoints of the data source:")
      for _, path in ipairs(row.blocked) do
        lines[#lines + 1] = ("    - endpointPattern: %s\n      method: %s"):format(
          path:match " (.*)$", path:match "^%S+")
      end
    end
    add("clock", row.clock_skew_ms and (row.clock_skew_ms == 0 and "agrees"
      or "differs by " .. units.duration(row.clock_skew_ms / 1000, { sign = true })))
    add("services", row.services and ("%d%s"):format(row.services,
      row.kind == "server" and " in the last hour" or ""))
    add("profiles", row.profiles and units.count(row.profiles))
    if row.ok then
      local function time(ms) return ms and units.time(ms, { tz = options.tz }) or "unknown" end
      add("data", (row.oldest_ms or row.newest_ms)
        and ("%s to %s"):format(time(row.oldest_ms), time(row.newest_ms)) or "unknown")
    end
    for _, warning in ipairs(row.warnings) do add("warning", warning) end
  end
  return lines
end

function command.run(run, options)
  local names = options.deployments or {}
  if #names > 0 and options.source then
    return nil, errors.new { kind = "usage",
      message = "deployments and --source exclude each other" }
  end
  if #names == 0 and options.source then names = { options.source } end
  if #names == 0 then
    local config, err = run:configuration():load()
    if not config then return nil, err end
    names = config:names()
  end
  local rows, tasks = {}, {}
  for i = 1, math.max(1, #names) do
    tasks[i] = function() return examine(run, names[i]) end
  end
  for i, result in ipairs(flight.all(tasks)) do rows[i] = result[1] end
  run.progress:finish()
  local code = 0
  for _, row in ipairs(rows) do
    if row.failure then code = errors.worse(code, report.exit_code(row.failure)) end
    row.features, row.missing = row.features or {}, row.missing or {}
    row.warnings = json.array(row.warnings)
  end
  local document = { type = "pyroscope.doctor", columns = command.columns, rows = rows,
    head = { exit = code } }
  document.body = function(screen) return lines_of(rows, screen, options) end
  document.view = {
    { "DEPLOYMENT", code = true, cell = function(row) return row.name end },
    { "STATE", cell = function(row) return row.ok and "ok" or row.error.kind end },
    { "VERSION", cell = function(row) return row.version or "-" end },
    { "STORAGE", cell = function(row) return row.storage or "-" end },
    { "SERVICES", right = true, cell = function(row) return units.count(row.services or 0) end },
    { "SAYS", cell = function(row)
      return row.error and row.error.message or table.concat(row.warnings, "; ")
    end },
  }
  local written = run:answer(document)
  return code ~= 0 and errors.worse(code, written) or written
end

return command
