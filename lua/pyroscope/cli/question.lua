--- From flags to a question: what `query.resolve` gets, and the patterns applied to its answer.

local errors = require "pyroscope.errors"
local query = require "pyroscope.query"
local timespec = require "pyroscope.timespec"

local question = {}

-- --around 14:05 --window 30m: half before, half after, never beyond now.
local function around(options, source)
  local now = source.defaults and source:defaults().now_ms or timespec.now()
  local at, err = timespec.parse(options.around, { now_ms = now, tz = options.tz })
  if not at then return nil, err end
  local length = assert(timespec.duration(options.window or "30m"))
  local from = at - length // 2
  return { from_ms = from, to_ms = from + length, tz = options.tz }
end

--- The window that the flags name.
---@return pyroscope.window? window
---@return pyroscope.error? err
function question.window(options, source)
  if options.around then return around(options, source) end
  return { from = options.from, to = options.to, since = options.since, tz = options.tz }
end

--- A pyroscope.query of the flags.
---@param options table
---@param target { service?: string }
---@param source pyroscope.source
---@param extra? table   keys of the query that replace what the flags say
---@return table? asked
---@return pyroscope.error? err
function question.build(options, target, source, extra)
  local asked, err = question.window(options, source)
  if not asked then return nil, err end
  for _, name in ipairs { "type", "selector", "max_nodes", "sum", "call_site", "profile_ids",
    "trace_ids", "span_ids", "go_pgo", "tagfocus", "tagignore" } do
    asked[name] = options[name]
  end
  asked.service = target.service
  asked.labels = options.labels
  for name, value in pairs(extra or {}) do asked[name] = value end
  return asked
end

local function words(err)
  -- The library speaks of options; here they are flags and a target.
  if err.message == "which service? The question names none" then
    return errors.wrap(err, { hint = "name a target: DEPLOYMENT/SERVICE, or -q '{...}'; "
      .. "`pscope services` lists them, `pscope use` stores one" })
  end
  return err
end

-- The flags as a query; everything where the command or the target says so, CPU where no type is.
local function asked_of(options, target, source, spec)
  local asked, err = question.build(options, target, source, spec.extra)
  if not asked then return nil, err end
  if (spec.everything or target.everything) and not asked.service and not asked.selector
      and not asked.labels then
    asked.selector = "{}"
  end
  if spec.type ~= false and not asked.type and source.kind ~= "store" then asked.type = "cpu" end
  return asked
end

--- Resolves the flags against a source.
---@param spec? { type?: boolean, everything?: boolean, extra?: table }
---@return pyroscope.resolved? resolved
---@return pyroscope.error? err
function question.resolve(options, target, source, spec)
  spec = spec or {}
  local asked, err = asked_of(options, target, source, spec)
  if not asked then return nil, err end
  local resolved
  resolved, err = query.resolve(asked, source, { where = "query", type = spec.type })
  if not resolved then return nil, words(err) end
  return resolved
end

--- The same without asking a server what a word for a type means there (see `query.guess`).
---@param spec? { everything?: boolean, extra?: table }
---@return pyroscope.resolved? guess
---@return pyroscope.error|function|nil settled
function question.guess(options, target, source, spec)
  if source.kind == "store" then return question.resolve(options, target, source, spec) end
  local asked, err = asked_of(options, target, source, spec or {})
  if not asked then return nil, err end
  local guess, settled = query.guess(asked, source, { where = "query" })
  if not guess then return nil, words(settled) end
  return guess, settled
end

local transforms = { "focus", "ignore", "hide", "show", "show_from", "prune_from" }

--- Applies the patterns in pprof's order. The second result says what share of everything is left.
---@param profile pyroscope.profile
---@param options table
---@return pyroscope.profile? filtered
---@return number|pyroscope.error share_or_err
function question.filter(profile, options)
  local filtered = profile
  for _, name in ipairs(transforms) do
    if options[name] then
      local result, err = filtered[name](filtered, options[name])
      if not result then
        local flag = name:gsub("_", "-")
        return nil, errors.wrap(err, { message = ("--%s: %s"):format(flag, err.message) })
      end
      filtered = result
    end
  end
  if options.first_party then
    local own, err = require "pyroscope.first_party"(filtered)
    if not own then return nil, err end
    filtered = own
  end
  if filtered == profile then return profile, 1 end
  if filtered.sum == 0 then
    return nil, errors.new { kind = "no_data", code = "filtered",
      message = "no stack is left after " .. question.patterns(options),
      hint = options.first_party and "every function is of a runtime or of a known library"
        or "patterns are RE2 and look at function names (and files where known); try a wider one" }
  end
  local share = options.relative_percentages and 1 or filtered.sum / profile.sum
  return filtered, share
end

--- The patterns as they were typed, for headers.
function question.patterns(options)
  local parts = {}
  for _, name in ipairs(transforms) do
    if options[name] then
      parts[#parts + 1] = ("--%s '%s'"):format(name:gsub("_", "-"), options[name])
    end
  end
  if options.first_party then parts[#parts + 1] = "--first-party" end
  return table.concat(parts, " ")
end

--- What a question is in JSON.
---@param resolved pyroscope.resolved
---@param name string   of the source
function question.document(resolved, name)
  return { source = name, profile_type = resolved.profile_type, selector = resolved.selector,
    from_ms = resolved.from_ms, to_ms = resolved.to_ms, max_nodes = resolved.max_nodes }
end

return question
