--- Where settings come from: the environment, the files, the project, the remembered target.
--- Reads only; who wins is decided in `config/init.lua`.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local schema = require "pyroscope.source.server.options"
local toml = require "pyroscope.config.toml"

local discovery = {}

local function system()
  return require "pyroscope.system"
end

local function variable(env, name)
  local value = env(name)
  if value == "" then return nil end -- empty is "not set"
  return value
end

-- Paths ------------------------------------------------------------------------------------

local function home(env)
  return variable(env, "HOME") or system().home() or "."
end

--- A path as people write it: `~` in place of the home folder.
---@param path string
---@param env? fun(name: string): string?
---@return string
function discovery.short(path, env)
  local base = home(env or os.getenv)
  local inside = base ~= "/" and path:sub(1, #base + 1) == base .. "/"
  if inside then return "~" .. path:sub(#base + 1) end
  return path
end

--- `~/x` as a whole path.
---@param path string
---@param env? fun(name: string): string?
---@return string
function discovery.expand(path, env)
  if path == "~" or path:sub(1, 2) == "~/" then return home(env or os.getenv) .. path:sub(2) end
  return path
end

--- The files that may hold deployments, first one first: `{ path, kind, asked }`; `asked`: somebody
--- named it, so that it has to exist.
---@param env fun(name: string): string?
---@param named? string   --config
---@return { path: string, kind: "pyroscope"|"axiom-sre", asked?: string }[]
function discovery.places(env, named)
  local base = variable(env, "XDG_CONFIG_HOME") or home(env) .. "/.config"
  local own
  if named then
    own = { path = discovery.expand(named, env), asked = "--config" }
  elseif variable(env, "PYROSCOPE_CONFIG") then
    own = { path = discovery.expand(env "PYROSCOPE_CONFIG", env), asked = "PYROSCOPE_CONFIG" }
  else
    own = { path = base .. "/pyroscope/config.toml" }
  end
  own.kind = "pyroscope"
  local sre
  if variable(env, "SRE_CONFIG") then
    sre = { path = discovery.expand(env "SRE_CONFIG", env), asked = "SRE_CONFIG" }
  elseif variable(env, "SRE_CONFIG_DIR") then
    sre = { path = discovery.expand(env "SRE_CONFIG_DIR", env) .. "/config.toml" }
  else
    sre = { path = home(env) .. "/.config/axiom-sre/config.toml" }
  end
  sre.kind = "axiom-sre"
  if sre.path == own.path then return { own } end
  return { own, sre }
end

-- Files ------------------------------------------------------------------------------------

local function mistake(place, line, message, hint)
  return nil, errors.new { kind = "config", code = "config", hint = hint,
    message = ("%s%s: %s"):format(place.path, line and (":%d"):format(line) or "", message) }
end

local ALIASES = { tenant_id = "tenant", access_cmd = "access_command" }

--- One deployment's settings, checked: `values`, `origins[key]`.
---@param place table
---@param name string
---@param section table
---@return table? deployment
---@return pyroscope.error? err
function discovery.deployment(place, name, section)
  local lines = place.lines[section] or {}
  local found = { name = name, values = {}, origins = {}, place = place, warnings = {},
    line = place.lines[place.sections] and place.lines[place.sections][name] }
  for key, value in pairs(section) do
    local line = lines[key]
    local option = ALIASES[key] or key
    local expected = schema.types[option]
    if option == "name" then expected = nil end
    if not expected then
      local near = check.suggestion(key, discovery.keys())
      local text = ("unknown key '%s' in [pyroscope.deployments.%s]%s"):format(key, name,
        near ~= "" and " " .. near or "")
      if place.kind == "pyroscope" then return mistake(place, line, text) end
      table.insert(found.warnings, ("%s:%s: %s"):format(discovery.short(place.path), line or "?",
        text))
    elseif value ~= "" then
      local right = false
      for kind in expected:gmatch "[^|]+" do
        if kind == type(value) or kind == math.type(value) then right = true end
      end
      if not right then
        return mistake(place, line, ("'%s' must be %s, not %s"):format(key,
          (expected:gsub("|", " or ")), type(value)))
      end
      if option == "headers" then
        for header, content in pairs(value) do
          if type(header) ~= "string" or type(content) ~= "string" then
            return mistake(place, line, "'headers' is a table of names and texts")
          end
        end
      end
      found.values[option] = value
      found.origins[option] = { path = place.path, line = line,
        section = "pyroscope.deployments." .. name }
    end
  end
  return found
end

--- Keys that a deployment may have.
---@return string[]
function discovery.keys()
  local keys = {}
  for key in pairs(schema.types) do
    if key ~= "name" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return keys
end

local function holds_secret(value)
  if type(value) ~= "table" then return false end
  for key, inner in pairs(value) do
    if type(inner) == "table" and holds_secret(inner) then return true end
    if type(key) == "string" and inner ~= "" and (toml.is_secret(key)) then return true end
  end
  return false
end

--- Reads a file of deployments: adds values, lines, sections (name -> table), default, warnings.
--- A file that is not there is nil without an error unless somebody named it.
---@param place table
---@return table? place
---@return pyroscope.error? err
function discovery.read(place)
  local text, err = system().read_file(place.path, 4194304)
  if not text then
    if err.code == "ENOENT" or err.code == "ENOTDIR" then
      if not place.asked then return nil end
      return nil, errors.new { kind = "config", code = "ENOENT",
        message = ("%s names '%s', which does not exist"):format(place.asked, place.path),
        hint = "correct it, or write a first one: pscope config init" }
    end
    return nil, errors.wrap(err, { kind = "config" })
  end
  local values, lines = toml.parse(text, place.path)
  if not values then return nil, lines end
  place.values, place.lines, place.warnings = values, lines, {}
  local section = values.pyroscope
  if section ~= nil and type(section) ~= "table" then
    return mistake(place, lines[values].pyroscope, "'pyroscope' must be a table")
  end
  section = section or {}
  place.sections = section.deployments or {}
  if type(place.sections) ~= "table" then
    return mistake(place, lines[section].deployments, "'deployments' must be a table")
  end
  for name, deployment in pairs(place.sections) do
    if type(deployment) ~= "table" then
      return mistake(place, (lines[place.sections] or {})[name],
        ("deployment '%s' must be a table"):format(tostring(name)))
    end
  end
  if section.default ~= nil and section.default ~= "" then
    if type(section.default) ~= "string" then
      return mistake(place, lines[section].default, "'default' must be the name of a deployment")
    end
    place.default, place.default_line = section.default, lines[section].default
  end
  if holds_secret(section) then
    local stat = system().stat(place.path)
    if stat and stat.type == "file" and stat.mode & 63 ~= 0 then
      place.warnings[1] = ("%s holds credentials and others can read it (mode %o): chmod 600 %s")
        :format(discovery.short(place.path), stat.mode & 511, discovery.short(place.path))
    end
  end
  return place
end

-- Environment ------------------------------------------------------------------------------

local VARIABLES = {
  { "PYROSCOPE_", { url = { "URL" }, token = { "TOKEN" }, username = { "USERNAME" },
    password = { "PASSWORD" }, tenant = { "TENANT_ID" }, deployment = { "DEPLOYMENT" },
    access_command = { "ACCESS_COMMAND", "ACCESS_CMD" },
    cf_access_client_id = { "CF_ACCESS_CLIENT_ID" },
    cf_access_client_secret = { "CF_ACCESS_CLIENT_SECRET" } } },
  { "PROFILECLI_", { url = { "URL" }, token = { "TOKEN" }, username = { "USERNAME" },
    password = { "PASSWORD" }, tenant = { "TENANT_ID" } } },
}

--- The settings of the environment: two places, each `{ prefix, values, origins }`.
---@param env fun(name: string): string?
---@return { prefix: string, values: table, origins: table }[]
function discovery.environment(env)
  local places = {}
  for i, group in ipairs(VARIABLES) do
    local prefix, place = group[1], { values = {}, origins = {} }
    place.prefix = prefix
    for key, names in pairs(group[2]) do
      for _, name in ipairs(names) do
        local value = variable(env, prefix .. name)
        if value and not place.values[key] then
          place.values[key], place.origins[key] = value, { variable = prefix .. name }
        end
      end
    end
    -- profilecli lets basic win where both are set.
    if prefix == "PROFILECLI_" and place.values.username then place.values.token = nil end
    places[i] = place
  end
  return places
end

-- The project file -------------------------------------------------------------------------

local FORBIDDEN = "a project file comes with the repository, so it may only name things: "
  .. "deployments, a default target, path mappings"
local PROJECT = { target = "string", deployment = "string", service = "string", paths = "table",
  module = "string" }

-- Nothing in it may reach the network or run.
local function harmless(place, owner, section)
  for key, value in pairs(owner) do
    local line = (place.lines[owner] or {})[key]
    local name = type(key) == "string" and key or section
    if type(value) == "table" then
      local ok, err = harmless(place, value, name)
      if not ok then return nil, err end
    end
    if schema.types[ALIASES[name] or name] or toml.is_secret(name) or name == "headers"
        or name == "command" then
      return mistake(place, line, ("'%s' is not allowed here"):format(name), FORBIDDEN)
    end
    if type(value) == "string" and value:find "^%a[%w+.-]*://" then
      return mistake(place, line, ("'%s' must not be an address"):format(name), FORBIDDEN)
    end
  end
  return true
end

--- The `.pyroscope.toml` that applies in a folder: from there up to the root of its repository,
--- never the home folder's. Nil without an error where there is none.
---@param folder? string    default: the working directory
---@param env? fun(name: string): string?
---@return table? project   { path, target?, deployment?, service?, paths? }
---@return pyroscope.error? err
function discovery.project(folder, env)
  env = env or os.getenv
  local at = system().realpath(folder or system().cwd())
  local own = system().realpath(home(env))
  local candidates, root = {}, nil
  while at do
    if at ~= own and system().stat(at .. "/.pyroscope.toml") then
      candidates[#candidates + 1] = { folder = at, path = (at == "/" and "" or at)
        .. "/.pyroscope.toml" }
    end
    if system().stat(at .. "/.git") then
      root = at
      break
    end
    if at == "/" or at == own then break end
    at = at:match "^(.*)/[^/]+$"
    if at == "" then at = "/" end
  end
  local place = candidates[1]
  -- Outside of a repository only the folder itself counts.
  if place and not root and place.folder ~= system().realpath(folder or system().cwd()) then
    place = nil
  end
  if not place then return nil end
  local text, err = system().read_file(place.path, 1048576)
  if not text then return nil, errors.wrap(err, { kind = "config" }) end
  local values, lines = toml.parse(text, place.path)
  if not values then return nil, lines end
  place.kind, place.lines = "project", lines
  local ok
  ok, err = harmless(place, values, "")
  if not ok then return nil, err end
  for key, value in pairs(values) do
    local line = lines[values][key]
    if not PROJECT[key] then
      local near = check.suggestion(key, { "target", "deployment", "service", "paths" })
      return mistake(place, line, ("unknown key '%s'%s"):format(key,
        near ~= "" and " " .. near or ""), FORBIDDEN)
    end
    if type(value) ~= PROJECT[key] then
      return mistake(place, line, ("'%s' must be a %s"):format(key, PROJECT[key]))
    end
    place[key] = value ~= "" and value or nil
  end
  for from, to in pairs(place.paths or {}) do
    if type(from) ~= "string" or type(to) ~= "string" then
      return mistake(place, lines[values].paths, "'paths' is a table of prefixes: from = to")
    end
  end
  return place
end

-- The remembered target --------------------------------------------------------------------

local function state_path(env)
  local base = variable(env, "XDG_STATE_HOME") or home(env) .. "/.local/state"
  return base .. "/pyroscope", base .. "/pyroscope/target"
end

--- The target that `pscope use` stored.
---@param env? fun(name: string): string?
---@return string? target
---@return string path
function discovery.used(env)
  local _, path = state_path(env or os.getenv)
  local text = system().read_file(path, 4096)
  local target = text and text:match "^%s*([^\n]-)%s*\n?$"
  return target ~= "" and target or nil, path
end

--- Stores the default target, or forgets it (nil).
---@param target? string
---@param env? fun(name: string): string?
---@return true? ok
---@return pyroscope.error? err
function discovery.use(target, env)
  local folder, path = state_path(env or os.getenv)
  if not target then
    local ok, err = system().remove(path)
    if not ok and err.code ~= "ENOENT" then return nil, err end
    return true
  end
  if target:find "%c" or target == "" or #target > 2048 then
    return nil, errors.new { kind = "usage", message = "a target is one line of text" }
  end
  local ok, err = system().mkdir(folder)
  if not ok then return nil, err end
  return system().write_file(path, target .. "\n", { force = true })
end

return discovery
