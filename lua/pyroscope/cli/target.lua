--- What a TARGET means, and opening the source that it names.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"

local target = {}

local extensions = { ".pb.gz", ".pb", ".pprof", ".folded", ".collapsed", ".json" }

--- True for what is written like a path. What exists on the disk decides nothing.
---@param text string
---@return boolean
function target.is_path(text)
  if text == "-" or text:find "^[./~]" or text:find "/$" then return true end
  for _, extension in ipairs(extensions) do
    if #text > #extension and text:sub(-#extension):lower() == extension then return true end
  end
  return false
end

--- True for an address.
function target.is_url(text)
  return text:find "^https?://" ~= nil
end

---@class pyroscope.target
---@field source? string       deployment, URL or path; nil: the default deployment
---@field service? string
---@field everything? boolean  all services of the source
---@field path? boolean        the source is a path
---@field text string          as typed

--- Reads a TARGET. `known` tells whether a name is a deployment's; `source` is `--source`.
---@param text string
---@param options { source?: string, known: fun(name: string): boolean }
---@return pyroscope.target? target
---@return pyroscope.error? err
function target.parse(text, options)
  if text == "" then
    return nil, errors.new { kind = "usage", message = "the target is empty",
      hint = "a target is DEPLOYMENT/SERVICE, SERVICE or a path" }
  end
  local name, rest = text:match "^([^/]+)/(.*)$"
  if name and rest == "" and not options.source and not text:find "^[.~]"
      and options.known(name) then
    return { source = name, everything = true, text = text }
  end
  if target.is_path(text) then
    if options.source then
      return nil, errors.new { kind = "usage",
        message = ("'%s' is a path, and --source '%s' names another source"):format(text,
          options.source),
        hint = "leave one of them out; a service of that source is written as a word" }
    end
    return { source = text, path = true, everything = true, text = text }
  end
  if target.is_url(text) then
    if options.source then
      return nil, errors.new { kind = "usage", message = "an address as target excludes --source" }
    end
    return { source = text, everything = true, text = text }
  end
  if options.source then
    -- a service's name may hold slashes; the same deployment said twice is no contradiction
    if name == options.source then text = rest end
    return { source = options.source, service = text, text = text }
  end
  if name then return { source = name, service = rest, text = text } end
  return { service = text, text = text }
end

-- The default target ----------------------------------------------------------------------

--- The target that `pscope use` stored, else the project file's.
---@return string? text
---@return string? origin
function target.default()
  local config = require "pyroscope.config"
  local used, path = config.used()
  if used then return used, "pscope use (" .. config.short(path) .. ")" end
  local project = config.project()
  if not project then return nil end
  local text = project.target
  if not text and project.deployment then
    text = project.deployment .. "/" .. (project.service or "")
  end
  return text or project.service, config.short(project.path)
end

--- Stores the default target; nil forgets it.
---@return true? ok
---@return pyroscope.error? err
function target.store(text)
  return require "pyroscope.config".use(text)
end

-- Sources -----------------------------------------------------------------------------------

local connection_flags = { "tenant", "token_file", "concurrency", "datasource", "project" }

-- What the flags say about a connection, in the words of `pyroscope.connect`.
local function connection(run)
  local timespec = require "pyroscope.timespec"
  local options = {}
  for _, name in ipairs(connection_flags) do options[name] = run.options[name] end
  for _, name in ipairs { "connect_timeout", "timeout" } do
    if run.options[name] then options[name] = timespec.duration(run.options[name]) / 1000 end
  end
  return options
end

--- Opens what `--source` or a target names: a path, an address, a deployment, or (nil) the
--- default deployment.
---@param run table
---@param name? string
---@return pyroscope.source? source
---@return pyroscope.error? err
function target.open(run, name)
  local opened = run.sources[name or ""]
  if opened then return opened end
  local source, err
  if name == "-" then
    source, err = target.standard_input(run)
  elseif name and target.is_path(name) and not run:knows(name:match "^([^/]+)/$" or "") then
    source, err = require "pyroscope".open(require "pyroscope.config".expand(name))
  elseif name and target.is_url(name) and name:find("/debug/pprof/", 1, true) then
    source, err = require "pyroscope.cli.fetch".profile(run, name, connection(run))
  else
    name = name and name:match "^([^/]+)/$" or name
    source, err = run:connect(name, connection(run))
  end
  if not source then return nil, target.advise(err, name) end
  run.sources[name or ""] = source
  return source
end

-- What there is in place of a path that is not.
local function instead(path)
  local folder, name = path:match "^(.*/)([^/]+)/*$"
  folder, name = folder or "./", name or path
  local entries = require "pyroscope.system".list(folder)
  if not entries then return ("there is no folder '%s' either"):format(folder) end
  local names = {}
  for _, entry in ipairs(entries) do
    if entry.name:sub(1, 1) ~= "." then names[#names + 1] = entry.name end
  end
  local near = check.nearest(name, names)[1]
  if near then return ("did you mean '%s%s'?"):format(folder, near) end
  if #names == 0 then return ("'%s' is empty"):format(folder) end
  return ("in '%s': %s%s"):format(folder, table.concat(names, ", ", 1, math.min(#names, 8)),
    #names > 8 and (" and %d more"):format(#names - 8) or "")
end

--- A path that is not there: what is; a word that names no deployment but a file here: how a path
--- is written.
function target.advise(err, name)
  if err.code == "ENOENT" and name and target.is_path(name) and not err.hint then
    return errors.wrap(err, { hint = instead(name) })
  end
  if err.code ~= "unknown_deployment" or not name then return err end
  if not require "pyroscope.system".stat(name) then return err end
  local hint = ("a path is written with a slash: ./%s"):format(name)
  return errors.wrap(err, { hint = err.hint and hint .. "\n" .. err.hint or hint })
end

--- The profile that standard input holds, as a source.
function target.standard_input()
  local bytes = io.stdin:read "a"
  if not bytes or #bytes == 0 then
    return nil, errors.new { kind = "decode", message = "standard input is empty",
      hint = "pipe a profile: pscope export ... | pscope top -" }
  end
  return require "pyroscope.cli.fetch".from_bytes(bytes, "-")
end

-- A store with one service needs no target.
local function only_service(source)
  if source.kind ~= "store" then return nil end
  local names = source:label_values("service_name", {})
  if not names then return nil end
  return names
end

--- The target and source of a command: what was typed, else the stored default, else the one
--- service of a store.
---@param run table
---@param text? string
---@return pyroscope.target? found
---@return pyroscope.source|pyroscope.error source_or_err
function target.find(run, text)
  local options = run.options
  local found, err
  local known = function(name) return run:knows(name) end
  if not text and not options.source then
    local origin
    text, origin = target.default()
    if text then run:detail(("target %s from %s"):format(text, origin)) end
  end
  if text then
    found, err = target.parse(text, { source = options.source, known = known })
    if not found then return nil, err end
  else
    found = { source = options.source, text = options.source or "" }
  end
  local source
  source, err = target.open(run, found.source)
  if not source then return nil, err end
  if not found.service and not options.selector and source.kind == "store" then
    local names = only_service(source)
    if names and #names == 1 then
      found.service = names[1]
    elseif not text and names and #names > 1 then
      return nil, errors.new { kind = "usage",
        message = ("which service? '%s' holds %d"):format(options.source, #names),
        hint = "name one: " .. table.concat(names, ", ", 1, math.min(#names, 12)) }
    end
  end
  if source.kind == "store" then
    local named = found.service and source.form ~= "file"
    found.shown = named and found.service .. " in " .. source.name or source.name
  else
    found.shown = found.service and source.name .. "/" .. found.service or source.name
  end
  return found, source
end

--- Nearest names, for errors.
function target.nearest(name, list)
  return check.suggestion(name, list)
end

return target
