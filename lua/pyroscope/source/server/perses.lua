--- Through Perses: which data source, the address of its proxy, and which paths it lets through.
--- Asked once, before the first question; a file that holds the data source is read in its place.

local check = require "pyroscope.check"
local documents = require "pyroscope.config.perses"
local errors = require "pyroscope.errors"
local shared = require "pyroscope.source.shared"

local perses = {}

local function failure(code, message, hint)
  return nil, errors.new { kind = "config", code = code, message = message, hint = hint }
end

local function name_of(resource)
  return resource.metadata and resource.metadata.name
end

-- Of the resources of a list the one that is meant: by name, else the default one of the kind,
-- else the only one.
local function choose(list, wanted)
  local ours, default = {}, nil
  for _, resource in ipairs(list) do
    local spec = resource.spec
    if type(spec) == "table" and type(spec.plugin) == "table"
        and spec.plugin.kind == documents.DATASOURCE then
      ours[#ours + 1] = resource
      if spec.default == true then default = default or resource end
    elseif wanted and tostring(name_of(resource)):lower() == wanted:lower() then
      return nil, ("the data source '%s' is a %s, not a %s"):format(wanted, tostring(spec
        and spec.plugin and spec.plugin.kind), documents.DATASOURCE)
    end
  end
  for _, resource in ipairs(ours) do
    if wanted and tostring(name_of(resource)):lower() == wanted:lower() then return resource end
  end
  if wanted then return nil, nil, ours end
  return default or (#ours == 1 and ours[1]) or nil, nil, ours
end

local function names_of(lists)
  local names = {}
  for _, list in ipairs(lists) do
    for _, resource in ipairs(list) do names[#names + 1] = tostring(name_of(resource)) end
  end
  table.sort(names)
  return names
end

---@class pyroscope.perses.gate: pyroscope.gate
local gate = { via = "perses" }
local meta = { __index = gate, __name = "pyroscope.gate" }

-- What a resource of the server says: where to ask, and what may be asked.
function gate:found(resource, project)
  local spec, err = documents.datasource(resource.spec.plugin, ("data source '%s'"):format(
    name_of(resource)))
  if not spec then return nil, err end
  if spec.direct then return { base = spec.direct, direct = true, name = name_of(resource) } end
  return { base = self:proxy(project, name_of(resource)), name = name_of(resource),
    allowed = spec.allowed }
end

function gate:proxy(project, name)
  local escaped = shared.escape(name)
  if project then
    return ("%s/proxy/projects/%s/datasources/%s"):format(self.root, shared.escape(project),
      escaped)
  end
  return ("%s/proxy/globaldatasources/%s"):format(self.root, escaped)
end

--- Finds the data source: { base, name, allowed?, direct? }.
---@param get fun(path: string): table?, pyroscope.error?
---@return table? found
---@return pyroscope.error? err
function gate:find(get)
  local wanted, seen = self.datasource, {}
  local places = { { path = "/api/v1/globaldatasources?kind=" .. documents.DATASOURCE } }
  if self.project then
    table.insert(places, 1, { project = self.project,
      path = ("/api/v1/projects/%s/datasources?kind=%s")
      :format(shared.escape(self.project), documents.DATASOURCE) })
  end
  local first_error
  for _, place in ipairs(places) do
    local list, err = get(place.path)
    if list then
      local resource, other, ours = choose(list, wanted)
      if other then return failure("datasource_type", other) end
      if resource then return self:found(resource, place.project) end
      seen[#seen + 1] = ours
    else
      -- Who may use a data source may not list them all.
      if err.status == 403 and wanted and (place.project or not self.project) then
        return { base = self:proxy(place.project, wanted), name = wanted }
      end
      if err.status ~= 403 then return nil, err end
      first_error = first_error or err
    end
  end
  if #seen == 0 and first_error then return nil, first_error end
  local names = names_of(seen)
  if wanted then
    local near = check.suggestion(wanted, names)
    return failure("datasource", ("Perses has no Pyroscope data source '%s'%s%s"):format(wanted,
      self.project and (" in project '%s' or globally"):format(self.project) or " globally",
      near ~= "" and " " .. near or ""), #names > 0 and "it has: " .. table.concat(names, ", ")
        or not self.project and "a data source of a project needs project = \"...\"" or nil)
  end
  if #names == 0 then
    return failure("datasource",
      "Perses has no Pyroscope data source that these credentials may see",
      not self.project and "one of a project needs project = \"...\"" or nil)
  end
  return failure("datasource", ("Perses has %d Pyroscope data sources and none is the default: "
    .. "which one?"):format(#names), "name one with --datasource NAME: " .. table.concat(names,
      ", "))
end

--- A gate to a data source of a Perses server.
---@param options table     perses (an address), project, datasource
---@return pyroscope.gate
function perses.gate(options)
  return setmetatable({ root = shared.root_of(options.perses), project = options.project,
    datasource = options.datasource }, meta)
end

--- A data source that a file holds, as options of a connection: url, headers and what the proxy
--- lets through.
---@param options table     perses (a path), datasource
---@return table? values    url, headers, allowed
---@return pyroscope.error? err
function perses.file(options)
  local resources, err = documents.read(options.perses)
  if not resources then return nil, err end
  local list = documents.datasources(resources)
  local resource, other, ours = choose(list, options.datasource)
  if other then return failure("datasource_type", other) end
  if not resource then
    local names = names_of { ours }
    if #names == 0 then
      return failure("datasource", ("'%s' holds no %s"):format(options.perses,
        documents.DATASOURCE))
    end
    return failure("datasource", options.datasource
      and ("'%s' has no data source '%s'"):format(options.perses, options.datasource)
      or ("'%s' has several data sources and none is the default"):format(options.perses),
      "datasource = one of: " .. table.concat(names, ", "))
  end
  local spec
  spec, err = documents.datasource(resource.spec.plugin, options.perses)
  if not spec then return nil, err end
  if spec.direct then return { url = spec.direct } end
  if spec.secret and not (options.token or options.token_file or options.username
      or options.access_command) then
    return failure("datasource_secret",
      ("the credential of '%s' is Perses's secret '%s', which only Perses knows"):format(
        options.perses, spec.secret),
      "ask through the Perses server: perses = its address; or give the credential yourself: token "
        .. "or username and password")
  end
  return { url = spec.url, headers = spec.headers, allowed = spec.allowed }
end

return perses
