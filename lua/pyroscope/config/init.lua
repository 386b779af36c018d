--- Who is asked and with what: flags, environment, files, the server on this machine, in that
--- order, key by key. A secret only ever goes to the URL that came from the same place.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local discovery = require "pyroscope.config.discovery"
local schema = require "pyroscope.source.server.options"
local toml = require "pyroscope.config.toml"

local config = {}

config.LOCAL = "http://localhost:4040"

local object = {}
local meta = { __name = "pyroscope.config", __index = object }

local function failure(message, hint, code)
  return nil, errors.new { kind = "config", message = message, hint = hint, code = code }
end

--- Reads the configuration files and the environment. `env` and `config` are for `--config` and
--- tests.
---@param options? { config?: string, env?: fun(name: string): string? }
---@return pyroscope.config? config
---@return pyroscope.error? err
function config.load(options)
  options = options or {}
  local env = options.env or os.getenv
  local self = setmetatable({ env = env, files = {}, places = discovery.places(env, options.config),
    warnings = {}, environment = discovery.environment(env), sections = {}, order = {} }, meta)
  for _, place in ipairs(self.places) do
    local read, err = discovery.read(place)
    if err then return nil, err end
    if read then
      table.insert(self.files, read)
      for _, warning in ipairs(read.warnings) do table.insert(self.warnings, warning) end
      for name, section in pairs(read.sections) do
        if not self.sections[name] then
          self.sections[name] = { place = read, section = section }
          table.insert(self.order, name)
        end
      end
    end
  end
  table.sort(self.order)
  return self
end

--- Names of the deployments, sorted.
---@return string[]
function object:names()
  return table.move(self.order, 1, #self.order, 1, {})
end

--- True for the name of a deployment.
---@param name string
---@return boolean
function object:knows(name)
  return self.sections[name] ~= nil
end

--- Where a value came from, as text: `~/.config/pyroscope/config.toml line 5 [pyroscope...]`.
---@param origin table
---@param env? fun(name: string): string?
---@return string
function config.origin(origin, env)
  if origin.flag then return origin.flag end
  if origin.variable then return "environment " .. origin.variable end
  if not origin.path then return "default" end
  return ("%s%s%s"):format(discovery.short(origin.path, env),
    origin.line and (" line %d"):format(origin.line) or "",
    origin.section and (" [%s]"):format(origin.section) or "")
end

local function no_such(self, name)
  local near = check.suggestion(name, self.order)
  local hint
  if #self.order > 0 then
    hint = "known deployments: " .. table.concat(self.order, ", ")
  else
    hint = "no deployment is configured; write a first one: pscope config init"
  end
  return failure(("there is no deployment '%s'%s"):format(name, near ~= "" and " " .. near or ""),
    hint, "unknown_deployment")
end

--- One deployment as its file says it: values, origins, warnings.
---@param name string
---@return table? deployment
---@return pyroscope.error? err
function object:deployment(name)
  local found = self.sections[name]
  if not found then return no_such(self, name) end
  return discovery.deployment(found.place, name, found.section)
end

-- The deployment that nobody named: the environment's, the files' default, or the only one.
function object:default()
  for _, place in ipairs(self.environment) do
    if place.values.deployment then
      return place.values.deployment, place.origins.deployment
    end
  end
  for _, file in ipairs(self.files) do
    if file.default then
      return file.default, { path = file.path, line = file.default_line, section = "pyroscope" }
    end
  end
  if #self.order == 1 then
    return self.order[1], { path = self.sections[self.order[1]].place.path }
  end
  return nil
end

-- What a user wrote into the URL is his credential; the URL itself never carries it on.
local function split_url(values, origins)
  local scheme, user, rest = (values.url or ""):match "^(%a[%w+.-]*://)([^/@?#]*)@(.*)$"
  if not scheme then return end
  values.url = scheme .. rest
  local name, password = user:match "^([^:]*):(.*)$"
  local function decode(text)
    return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
  end
  if not values.username then
    values.username, origins.username = decode(name or user), origins.url
    values.password, origins.password = password and decode(password) or nil, origins.url
  end
end

-- Where a deployment is: the key that says so.
local function address_of(values)
  for _, key in ipairs(schema.address) do
    if values[key] then return key end
  end
end

local function is_address(key)
  return key == "url" or key == "grafana" or key == "perses"
end

-- Adds a place's values below those there are: secrets only to the URL of the same place.
local function overlay(found, values, origins, same_place, text)
  for key, value in pairs(values) do
    if schema.types[key] and found.values[key] == nil and not is_address(key) then
      if schema.secret[key] and not same_place then
        table.insert(found.withheld, { key = key, origin = origins[key], place = text })
      else
        found.values[key], found.origins[key] = value, origins[key]
      end
    end
  end
end

local FLAGS = { tenant = "--tenant", datasource = "--datasource", project = "--project",
  token_file = "--token-file",
  connect_timeout = "--connect-timeout", timeout = "--timeout", concurrency = "--concurrency" }

-- What stands on the command line. A source named there is the user's choice beside the secret;
-- one that came from elsewhere is not.
local function add_flags(found, flags, named)
  for key, value in pairs(flags or {}) do
    if schema.types[key] and value ~= "" then
      if schema.secret[key] and not named then
        return failure(("%s is not sent to the URL from %s"):format(FLAGS[key] or key,
          config.origin(found.origins[address_of(found.values) or "url"] or {})),
          "name the deployment or URL beside it: --source", "secret_place")
      end
      if schema.secret[key] then -- replaces what the file would have used
        for secret in pairs(schema.secret) do
          if secret ~= "headers" and not secret:find "^client_" then
            found.values[secret], found.origins[secret] = nil, nil
          end
        end
      end
      found.values[key], found.origins[key] = value, { flag = FLAGS[key] or key }
    end
  end
  return true
end

local function finish(self, found, flags, named)
  split_url(found.values, found.origins)
  local ok, err = add_flags(found, flags, named)
  if not ok then return nil, err end
  local short = {}
  for _, entry in ipairs(found.withheld) do
    -- A deployment's own credential makes the other place's uninteresting.
    short[#short + 1] = ("%s (%s)"):format(entry.key, config.origin(entry.origin, self.env))
  end
  if #short > 0 then
    table.sort(short)
    table.insert(found.warnings, ("not sent to %s, which came from another place: %s"):format(
      found.name or found.values.url or "it", table.concat(short, ", ")))
  end
  found.values.name = found.name
  -- a data source beside a plain address: that of Grafana
  if found.values.datasource and found.values.url and not found.values.perses then
    found.values.grafana, found.origins.grafana = found.values.url, found.origins.url
    found.values.url, found.origins.url = nil, nil
  end
  return found
end

local function is_url(text)
  return text:find "^%a[%w+.-]*://" ~= nil
end

local function blank(name)
  return { name = name, values = {}, origins = {}, warnings = {}, withheld = {} }
end

-- A deployment of a file; other places may only add what is no secret.
local function from_file(self, name)
  local found, err = self:deployment(name)
  if not found then return nil, err end
  found.withheld = {}
  if not address_of(found.values) then
    local hint = "add url = \"https://...\" to [pyroscope.deployments." .. name .. "]"
    return failure(("deployment '%s' has no url (%s)"):format(name,
      config.origin({ path = found.place.path, line = found.line }, self.env)), hint, "no_url")
  end
  return found
end

--- What to connect to: the name of a deployment, a URL, or nothing (environment, default
--- deployment, the server on this machine). `flags` are options given beside it.
---@param source? string
---@param flags? table
---@return { name?: string, values: table, origins: table, warnings: string[] }? found
---@return pyroscope.error? err
function object:find(source, flags)
  if source and is_url(source) then
    local found = blank()
    found.values.url, found.origins.url = source, { flag = "--source" }
    return finish(self, found, flags, true)
  end
  if source then
    local found, err = from_file(self, source)
    if not found then return nil, err end
    return finish(self, found, flags, true)
  end
  local found
  for i, place in ipairs(self.environment) do
    if place.values.url then
      found = blank()
      found.values.url, found.origins.url = place.values.url, place.origins.url
      for j, other in ipairs(self.environment) do
        overlay(found, other.values, other.origins, i == j, other.prefix)
      end
      return finish(self, found, flags, false)
    end
    if place.values.deployment then break end
  end
  local name = self:default()
  if name then
    local err
    found, err = from_file(self, name)
    if not found then return nil, err end
    local own = {}
    for key, value in pairs(found.values) do own[key] = value end
    for _, place in ipairs(self.environment) do
      -- The environment goes before the files: its tenant replaces theirs.
      for key, value in pairs(place.values) do
        if schema.types[key] and not is_address(key) and not schema.secret[key]
            and own[key] == found.values[key] then
          found.values[key], found.origins[key] = value, place.origins[key]
        end
      end
      overlay(found, place.values, place.origins, false, place.prefix)
    end
    return finish(self, found, flags, false)
  end
  if #self.order > 1 then
    return failure("which deployment? Several are configured and none is the default",
      ("name one: %s\nor set default = \"%s\" in [pyroscope] of %s"):format(
        table.concat(self.order, ", "), self.order[1],
        discovery.short(self.sections[self.order[1]].place.path, self.env)), "no_default")
  end
  found = blank()
  found.values.url, found.origins.url, found.fallback = config.LOCAL, {}, true
  for _, place in ipairs(self.environment) do
    overlay(found, place.values, place.origins, false, place.prefix)
  end
  return finish(self, found, flags, false)
end

-- Showing ------------------------------------------------------------------------------------

--- A secret as it may be shown: `glsa_…f3`; short ones are dots only.
---@param text string
---@return string
function config.mask(text)
  if #text < 16 then return "…" end
  local prefix = text:match "^(%a[%a%d]*_)" or ""
  if #prefix > 8 then prefix = "" end
  return prefix .. "…" .. text:sub(-2)
end

local function display(key, value)
  if key == "headers" then
    local parts = {}
    for name, content in pairs(value) do
      parts[#parts + 1] = ("%s: %s"):format(name,
        name:lower() == "x-scope-orgid" and content or config.mask(content))
    end
    table.sort(parts)
    return table.concat(parts, ", ")
  end
  if key == "access_command" then
    local words = type(value) == "table" and value or { value:match "^%s*(%S+)%s*(.*)$" }
    -- Its arguments may hold anything.
    if #words > 1 and words[2] ~= "" then
      local rest = table.concat(words, " ", 2)
      local plain = not rest:find "[^%w%s_-]" and not rest:find "%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w"
      return words[1] .. " " .. (plain and rest or "…")
    end
    return words[1]
  end
  if key == "token_file" or key:find "^client_" then return tostring(value) end
  if key == "username" or key == "cf_access_client_id" then return tostring(value) end
  if schema.secret[key] or toml.is_secret(key) then return config.mask(tostring(value)) end
  if key == "url" or key == "proxy" or key == "grafana" or key == "perses" then
    return (tostring(value):gsub("://[^/@]*@", "://…@"))
  end
  return tostring(value)
end

--- How a deployment authenticates: the first of these that it has, and the key that holds it.
---@param values table
---@return "access command"|"Cloudflare Access"|"bearer token"|"basic"|"none"
---@return string? key
function config.authentication(values)
  if values.access_command then return "access command", "access_command" end
  if values.cf_access_client_id and values.cf_access_client_secret then
    return "Cloudflare Access", "cf_access_client_secret"
  end
  if values.token or values.token_file then
    return "bearer token", values.token and "token" or "token_file"
  end
  if values.username then return "basic", "username" end
  return "none"
end

--- The deployments: name, url, authentication, origin; nothing is asked over the network.
---@return { name: string, url?: string, authentication?: string, origin: string, default: boolean,
---  error?: pyroscope.error }[]
function object:list()
  local rows = {}
  local default = self:default()
  for i, name in ipairs(self.order) do
    local found, err = self:deployment(name)
    local place = self.sections[name].place
    local line = place.lines[place.sections] and place.lines[place.sections][name]
    rows[i] = { name = name, default = name == default, error = err,
      url = found and address_of(found.values)
        and display("url", found.values[address_of(found.values)]) or nil,
      authentication = found and (config.authentication(found.values)) or nil,
      origin = config.origin({ path = place.path, line = line }, self.env) }
  end
  return rows
end

--- Every setting of what `find` gives, sorted by key: key, value (secrets masked), origin.
---@param found table
---@return { key: string, value: string, origin: string, secret: boolean }[]
function object:show(found)
  local rows = {}
  for key, value in pairs(found.values) do
    if key ~= "name" then
      rows[#rows + 1] = { key = key, value = display(key, value),
        secret = schema.secret[key] and key ~= "token_file" or false,
        origin = config.origin(found.origins[key] or {}, self.env) }
    end
  end
  table.sort(rows, function(a, b) return a.key < b.key end)
  return rows
end

--- The files that are looked at, in order, and whether each exists.
---@return { path: string, kind: string, exists: boolean }[]
function object:paths()
  local rows = {}
  for i, place in ipairs(self.places) do
    rows[i] = { path = place.path, kind = place.kind, exists = place.values ~= nil }
  end
  return rows
end

--- Writes a first configuration file: see `config/write.lua`.
function config.init(options)
  return require "pyroscope.config.write".init(options)
end

config.project, config.used, config.use = discovery.project, discovery.used, discovery.use
config.expand, config.short = discovery.expand, discovery.short

return config
