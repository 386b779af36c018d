--- `pscope config`: deployments, each value with its origin; create the file.

local errors = require "pyroscope.errors"
local screen = require "pyroscope.cli.screen"

local command = {
  name = "config",
  summary = "Deployments and where each setting comes from; create the file",
  usage = "config list | show [DEPLOYMENT] | init | path [options]",
  arguments = { { name = "action", shown = "list|show|init|path",
    optional = true, choices = { "list", "show", "init", "path" } },
    { name = "deployment", optional = true, complete = "deployments" } },
  flags = { "migrate", "output", "source" },
  own_flags = { migrate = { "--migrate", name = "migrate",
    help = "init: take over ~/.pyroscope.toml" } },
  without = { "unit", "source", "connect_timeout", "timeout", "concurrency",
    "no_cache", "explain" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "names" },
  columns = {
    { name = "name", kind = "text" }, { name = "url", kind = "text" },
    { name = "authentication", kind = "text" }, { name = "value", kind = "text" },
    { name = "origin", kind = "text" }, { name = "default", kind = "boolean" },
    { name = "exists", kind = "boolean" },
  },
  examples = { "pscope config list", "pscope config show prod", "pscope config init" },
  notes = "Secrets are never printed whole. init writes mode 600 in a folder of mode 700 and "
    .. "refuses symbolic links.",
}

local actions = {}

function actions.list(run, config)
  local rows = config:list()
  for _, row in ipairs(rows) do
    if row.error then row.authentication, row.problem = "error", row.error.message end
  end
  if #rows == 0 and (run.options.format or "table") == "table" then
    local there
    for _, place in ipairs(config:paths()) do
      if place.exists then there = there or place.path end
    end
    return nil, errors.new { kind = "config", code = "no_deployment",
      message = "no deployment is configured",
      hint = (there and ("add [pyroscope.deployments.NAME] with a url to %s"):format(there)
        or "write a first file: pscope config init")
        .. "\nwithout one: --source http://localhost:4040, or a path" }
  end
  local document = { type = "pyroscope.config", columns = command.columns, rows = rows,
    head = { action = "list" }, warnings = {} }
  document.view = {
    { "DEPLOYMENT", cell = function(row, look)
      return look:name(row.name) .. (row.default and " *" or "")
    end },
    { "URL", shrink = 16, cell = function(row, look) return look:name(row.url or "-") end },
    { "AUTHENTICATION", cell = function(row) return row.authentication or "-" end },
    { "FROM", shrink = 12, cell = function(row, look) return look:name(row.origin) end },
  }
  for _, row in ipairs(rows) do
    if row.problem then table.insert(document.warnings, row.problem) end
  end
  document.notes = function()
    for _, row in ipairs(rows) do
      if row.default then return { "* the default" } end
    end
    return {}
  end
  return run:answer(document)
end

function actions.show(run, config)
  local found, err = config:find(run.options.deployment)
  if not found then return nil, err end
  local rows = config:show(found)
  for _, row in ipairs(rows) do row.name = row.key end
  local document = { type = "pyroscope.config", columns = command.columns, rows = rows,
    warnings = found.warnings, head = { action = "show", deployment = found.name } }
  document.title = { found.name and ("deployment %s"):format(found.name) or "no deployment is "
    .. "named" }
  document.view = {
    { "KEY", cell = function(row, look) return look:name(row.name) end },
    { "VALUE", shrink = 16, cell = function(row, look) return look:name(row.value) end },
    { "FROM", shrink = 12, cell = function(row, look) return look:name(row.origin) end },
  }
  return run:answer(document)
end

function actions.path(run, config)
  local rows = {}
  for i, place in ipairs(config:paths()) do
    rows[i] = { name = place.path, value = place.kind, exists = place.exists }
  end
  local document = { type = "pyroscope.config", columns = command.columns, rows = rows,
    head = { action = "path" } }
  document.view = {
    { "FILE", shrink = 16, cell = function(row, look) return look:name(row.name) end },
    { "KIND", cell = function(row) return row.value end },
    { "", cell = function(row) return row.exists and "read" or "not there" end },
  }
  return run:answer(document)
end

function actions.init(run)
  local config = require "pyroscope.config"
  local written, err = config.init { path = run.options.config,
    migrate = run.options.migrate or nil }
  if not written then return nil, err end
  local rows = { { name = written.path, value = "written", exists = true } }
  local document = { type = "pyroscope.config", columns = command.columns, rows = rows,
    head = { action = "init", deployments = require "pyroscope.output.json".array(written.names) } }
  document.view = { { "", cell = function(row, look)
    return ("written: %s (mode 600)"):format(look:name(row.name))
  end } }
  document.body = function(look)
    local lines = { ("written: %s (mode 600)"):format(look:name(written.path)) }
    lines[2] = #written.names > 0 and "deployments: " .. table.concat(written.names, ", ")
      or "edit it, then: pscope doctor"
    return lines
  end
  return run:answer(document)
end

function command.run(run, options)
  local action = options.action or "list"
  if not actions[action] then
    local near = screen.meant(action, { "list", "show", "init", "path" })
    return nil, errors.new { kind = "usage",
      message = ("config: there is no action '%s'%s"):format(action, near),
      hint = "actions: list, show, init, path" }
  end
  if action == "init" then return actions.init(run) end
  local config, err = run:configuration():load()
  if not config then return nil, err end
  return actions[action](run, config)
end

return command
