--- `pscope version`.

local command = {
  name = "version",
  summary = "The version",
  arguments = {},
  flags = { "output" },
  without = { "unit", "explain", "fields", "budget", "out", "force", "no_truncate", "no_pager",
    "color" },
  formats = { "table", "json", "names" },
  columns = { { name = "name", kind = "text" }, { name = "version", kind = "text" } },
  examples = { "pscope version", "pscope version --json" },
}

function command.run(run)
  local rows = { { name = "pscope", version = require "pyroscope.core".version } }
  local document = { type = "pyroscope.version", columns = command.columns, rows = rows,
    head = { version = rows[1].version } }
  document.view = { { "PROGRAM", cell = function(row) return row.name end },
    { "VERSION", cell = function(row) return row.version end } }
  document.body = function() return { rows[1].name .. " " .. rows[1].version } end
  return run:answer(document)
end

return command
