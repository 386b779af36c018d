--- Commands about a whole deployment or store: which one, which window, what an empty list says.

local errors = require "pyroscope.errors"
local target = require "pyroscope.cli.target"
local timespec = require "pyroscope.timespec"
local units = require "pyroscope.units"

local scope = {}

--- Opens what a single word names: a deployment, a URL or a path; without one `--source`, else the
--- deployment of the default target, else the default deployment.
---@return pyroscope.source? source
---@return { name: string, url?: string, service?: string }|pyroscope.error
function scope.open(run, word)
  local options = run.options
  if word and options.source then
    return nil, errors.new { kind = "usage",
      message = ("'%s' and --source '%s' both name a source"):format(word, options.source),
      hint = "leave one of them out" }
  end
  local name, service = word or options.source, nil
  if not name then
    local default = target.default()
    local found = default and target.parse(default, { known = function(n) return run:knows(n) end })
    name = found and found.source
  elseif not target.is_path(name) and not target.is_url(name) and name:find("/", 1, true)
      and not run:knows(name) then
    name, service = name:match "^([^/]+)/(.*)$"
    if service == "" then service = nil end
  end
  local source, err = target.open(run, name)
  if not source then return nil, err end
  return source, { name = source.name, url = source.base, service = service }
end

--- A window as milliseconds, by the source's own "now".
function scope.window(asked, source)
  return timespec.window(asked, source.defaults and source:defaults() or nil)
end

--- The error of an empty list: where it looked, and what may help.
---@return pyroscope.error
function scope.empty(source, window, what)
  local stats = source:stats()
  local hint = "look further back: --since 24h"
  if stats and stats.ingested == false then
    hint = "nothing was ever ingested there; is it the right deployment or tenant? pscope stats"
  elseif stats and stats.newest_ms and stats.newest_ms < window.from_ms then
    hint = ("the newest profile is from %s: --around %s"):format(units.time(stats.newest_ms),
      timespec.rfc3339(stats.newest_ms))
  elseif stats and stats.oldest_ms and stats.oldest_ms >= window.to_ms then
    hint = ("the oldest profile is from %s: --around %s"):format(units.time(stats.oldest_ms),
      timespec.rfc3339(stats.oldest_ms))
  end
  return errors.new { kind = "no_data", code = "empty_window",
    message = ("no %s in %s at %s"):format(what, units.window(window.from_ms, window.to_ms),
      source.name),
    hint = hint }
end

return scope
