--- `pscope stats`: was anything ever ingested, oldest and newest profile.

local scope = require "pyroscope.cli.scope"
local units = require "pyroscope.units"

local command = {
  name = "stats",
  summary = "Was anything ever ingested, oldest and newest profile",
  arguments = { { name = "deployment", optional = true, complete = "deployments" } },
  flags = { "output", "source" },
  without = { "unit" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md" },
  columns = {
    { name = "name", kind = "text" }, { name = "ingested", kind = "boolean" },
    { name = "oldest_ms", kind = "integer" }, { name = "newest_ms", kind = "integer" },
  },
  examples = { "pscope stats prod", "pscope stats ./incident" },
  notes = "Times are unknown when the server does not say them, or says nonsense.",
}

function command.run(run, options)
  local source, opened = scope.open(run, options.deployment)
  if not source then return nil, opened end
  local stats, err = source:stats()
  if not stats then return nil, err end
  local row = { name = opened.name, ingested = stats.ingested, oldest_ms = stats.oldest_ms,
    newest_ms = stats.newest_ms }
  local function time(ms) return ms and units.time(ms, { tz = options.tz }) or "unknown" end
  local printable = require "pyroscope.cli.screen".printable
  local document = { type = "pyroscope.stats", columns = command.columns, rows = { row },
    head = { query = { source = source.name } } }
  document.title = { printable(opened.name) }
  document.view = {
    { "INGESTED", cell = function(r) return r.ingested and "yes" or "no" end },
    { "OLDEST", cell = function(r) return time(r.oldest_ms) end },
    { "NEWEST", cell = function(r) return time(r.newest_ms) end },
  }
  return run:answer(document)
end

return command
