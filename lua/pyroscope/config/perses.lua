--- Perses's documents: data sources, dashboards and profile queries, from YAML or JSON.

local check = require "pyroscope.check"
local cjson = require "cjson".new()
local errors = require "pyroscope.errors"

cjson.decode_max_depth(64)

local perses = {}

perses.DATASOURCE = "PyroscopeDatasource"
perses.QUERY = "PyroscopeProfileQuery"

local function failure(message, hint, code)
  return nil, errors.new { kind = "config", code = code or "perses", message = message,
    hint = hint }
end

--- A document without its nulls: null is "not there", in either language; what follows one in a
--- list moves up.
---@param value any
---@param null? any       the null of YAML
---@param depth? integer
---@return any value
function perses.without_null(value, null, depth)
  depth = depth or 0
  if type(value) ~= "table" then return value end
  if depth > 64 then return nil end
  local length, kept = #value, 0
  for key, item in pairs(value) do
    if item == cjson.null or (null ~= nil and item == null) then
      value[key] = nil
    else
      value[key] = perses.without_null(item, null, depth + 1)
    end
  end
  for i = 1, length do
    local item = value[i]
    value[i] = nil
    if item ~= nil then
      kept = kept + 1
      value[kept] = item
    end
  end
  return value
end

--- The documents of a text: JSON, else YAML (one or several).
---@param text string
---@param where string    for messages
---@return table[]? documents
---@return pyroscope.error? err
function perses.parse(text, where)
  if text:find "^%s*[%[{]" then
    local ok, value = pcall(cjson.decode, text)
    if not ok or type(value) ~= "table" then
      return failure(("%s is not JSON: %s"):format(where, tostring(value):gsub("^.-: ", "", 1)))
    end
    value = perses.without_null(value)
    return value[1] ~= nil and value or { value }
  end
  local found, lyaml = pcall(require, "lyaml")
  if not found then
    return failure(("%s is YAML, and the Lua module lyaml is not installed"):format(where),
      "apt install lua-yaml; or write the file as JSON", "lyaml")
  end
  local ok, list = pcall(lyaml.load, text, { all = true })
  if not ok then
    return failure(("%s is not YAML: %s"):format(where, tostring(list):gsub("^.-:%d+: ", "", 1)))
  end
  local documents = {}
  for _, document in ipairs(list) do
    if type(document) == "table" then
      document = perses.without_null(document, lyaml.null)
      if document[1] ~= nil then
        table.move(document, 1, #document, #documents + 1, documents)
      else
        documents[#documents + 1] = document
      end
    end
  end
  if #documents == 0 then return failure(where .. " holds no document") end
  return documents
end

--- The documents of a file.
---@param path string
---@return table[]? documents
---@return pyroscope.error? err
function perses.read(path)
  local discovery = require "pyroscope.config.discovery"
  local text, err = require "pyroscope.system".read_file(discovery.expand(path), 4194304)
  if not text then return nil, errors.wrap(err, { kind = "config" }) end
  return perses.parse(text, path)
end

local function known(object, names, where)
  for key in pairs(object) do
    if not names[key] then
      local list = {}
      for name in pairs(names) do list[#list + 1] = name end
      local near = check.suggestion(tostring(key), list)
      return failure(("%s: unknown field '%s'%s"):format(where, tostring(key),
        near ~= "" and " " .. near or ""))
    end
  end
  return true
end

local function typed(object, name, expected, where)
  local value = object[name]
  if value ~= nil and type(value) ~= expected then
    return failure(("%s: '%s' must be a %s, not a %s"):format(where, name, expected, type(value)))
  end
  return true
end

local function endpoints_of(list, where)
  local allowed = {}
  for i, endpoint in ipairs(list) do
    local here = ("%s: allowedEndpoints[%d]"):format(where, i - 1)
    if type(endpoint) ~= "table" then return failure(here .. " must be an object") end
    local ok, err = known(endpoint, { endpointPattern = true, method = true }, here)
    if not ok then return nil, err end
    if type(endpoint.endpointPattern) ~= "string" or type(endpoint.method) ~= "string" then
      return failure(here .. " needs endpointPattern and method")
    end
    local pattern
    pattern, err = require "pyroscope.core".regex(endpoint.endpointPattern)
    if not pattern then
      return failure(("%s: %s"):format(here, err.message))
    end
    allowed[i] = { method = endpoint.method, pattern = pattern, text = endpoint.endpointPattern }
  end
  return #allowed > 0 and allowed or nil
end

-- The last four are of newer releases and say what Perses itself does.
local HTTP_PROXY = { url = true, allowedEndpoints = true, headers = true, secret = true,
  timeout = true, allowHeaders = true, dropHeaders = true, oauthPassthrough = true }

--- Checks the plugin of a data source: { direct } or { url, headers, secret, allowed }.
---@param plugin table     kind and spec
---@param where string
---@return table? spec
---@return pyroscope.error? err
function perses.datasource(plugin, where)
  local spec = plugin.spec
  if type(spec) ~= "table" then return failure(where .. ": the plugin has no spec") end
  local ok, err = known(spec, { directUrl = true, proxy = true, minStep = true }, where)
  if not ok then return nil, err end
  if spec.directUrl and spec.proxy then
    return failure(where .. " has a directUrl and a proxy; only one of them may be there")
  end
  if spec.directUrl then
    ok, err = typed(spec, "directUrl", "string", where)
    if not ok then return nil, err end
    return { direct = spec.directUrl }
  end
  local proxy = spec.proxy
  if type(proxy) ~= "table" then return failure(where .. " has neither a directUrl nor a proxy") end
  if proxy.kind ~= "HTTPProxy" or type(proxy.spec) ~= "table" then
    return failure(("%s: the proxy is of kind '%s', only HTTPProxy is known"):format(where,
      tostring(proxy.kind)))
  end
  local inner = proxy.spec
  ok, err = known(inner, HTTP_PROXY, where)
  if not ok then return nil, err end
  for name, expected in pairs { url = "string", allowedEndpoints = "table", headers = "table",
    secret = "string" } do
    ok, err = typed(inner, name, expected, where)
    if not ok then return nil, err end
  end
  if not inner.url or inner.url == "" then return failure(where .. ": the proxy has no url") end
  local allowed
  if inner.allowedEndpoints then
    allowed, err = endpoints_of(inner.allowedEndpoints, where)
    if err then return nil, err end
  end
  return { url = inner.url, headers = inner.headers, secret = inner.secret, allowed = allowed }
end

--- Does a list of endpoints let a request through? No list lets everything through.
---@param allowed? table[]
---@param method string
---@param path string      without the query
---@return boolean
function perses.allows(allowed, method, path)
  if not allowed then return true end
  for _, endpoint in ipairs(allowed) do
    if endpoint.method == method and endpoint.pattern:test(path) then return true end
  end
  return false
end

--- The data sources of documents, as resources: also a bare plugin, and those of a dashboard.
---@param documents table[]
---@return table[] resources
function perses.datasources(documents)
  local list = {}
  for _, document in ipairs(documents) do
    local spec = document.spec
    if document.kind == perses.DATASOURCE then
      list[#list + 1] = { metadata = { name = perses.DATASOURCE }, spec = { default = true,
        plugin = document } }
    elseif (document.kind == "Datasource" or document.kind == "GlobalDatasource")
        and type(spec) == "table" then
      list[#list + 1] = document
    elseif document.kind == "Dashboard" and type(spec) == "table"
        and type(spec.datasources) == "table" then
      for name, datasource in pairs(spec.datasources) do
        list[#list + 1] = { metadata = { name = name }, spec = datasource }
      end
    end
  end
  return list
end

local FILTER = { labelName = true, labelValue = true, operator = true, name = true, value = true }
local OPERATORS = { ["="] = true, ["!="] = true, ["=~"] = true, ["!~"] = true }
local QUERY = { profileType = true, query = true, datasource = true, service = true,
  filters = true, maxNodes = true }

--- A profile query as options of ours: type, selector, service, labels, max_nodes, and the name of
--- its data source (nil: the default one).
---@param plugin table     kind and spec
---@param where string
---@return table? asked
---@return string|pyroscope.error|nil datasource_or_err
function perses.query(plugin, where)
  local spec = plugin.spec
  if type(spec) ~= "table" then return failure(where .. ": the query has no spec") end
  local ok, err = known(spec, QUERY, where)
  if not ok then return nil, err end
  for name, expected in pairs { profileType = "string", query = "string", service = "string",
    filters = "table", datasource = "table", maxNodes = "number" } do
    ok, err = typed(spec, name, expected, where)
    if not ok then return nil, err end
  end
  if (spec.profileType or "") == "" then
    return failure(where .. ": the query has no profileType")
  end
  local asked = { type = spec.profileType }
  if (spec.service or "") ~= "" then asked.service = spec.service end
  if spec.maxNodes and spec.maxNodes ~= 0 then -- 0 is what an editor leaves that was not used
    asked.max_nodes = math.tointeger(spec.maxNodes)
    if not asked.max_nodes or asked.max_nodes < 1 then
      return failure(where .. ": maxNodes must be a whole number above 0")
    end
  end
  local selector = require "pyroscope.selector"
  local matchers = {}
  if (spec.query or "") ~= "" then
    matchers, err = selector.parse(spec.query)
    if not matchers then return nil, errors.wrap(err,
      { message = where .. ": " .. err.message }) end
  end
  for i, filter in ipairs(spec.filters or {}) do
    local here = ("%s: filters[%d]"):format(where, i - 1)
    if type(filter) ~= "table" then return failure(here .. " must be an object") end
    ok, err = known(filter, FILTER, here)
    if not ok then return nil, err end
    local name, value = filter.labelName or filter.name, filter.labelValue or filter.value
    local op = filter.operator
    local untouched = name == "" and value == "" -- the row that the editor begins with
    if not untouched and (type(name) ~= "string" or name == "" or type(value) ~= "string"
        or type(op) ~= "string") then
      return failure(here .. " needs a label's name, an operator and a value; an incomplete filter "
        .. "is not left out")
    end
    if not untouched then
      if not OPERATORS[op] then
        return failure(("%s: the operator '%s' is none of = != =~ !~"):format(here, op))
      end
      matchers[#matchers + 1] = { name = name, op = op, value = value }
    end
  end
  if #matchers > 0 or not asked.service then asked.selector = selector.build(matchers) end
  local datasource = spec.datasource
  if datasource and datasource.kind and datasource.kind ~= perses.DATASOURCE then
    return failure(("%s: the data source is a %s"):format(where, tostring(datasource.kind)))
  end
  return asked, datasource and datasource.name or nil
end

perses.PANEL = "FlameChart"

-- What a new panel of Perses begins with, and what its settings may be.
local INITIAL = { palette = "package-name", showSettings = true, showSeries = false,
  showTable = true, showFlameGraph = true }
local PALETTES = { ["package-name"] = "package", value = "value" }

--- What a panel's flame graph shows: of other panels, and without one, everything. A setting that
--- cannot be read is the initial one, and a warning says so.
---@param plugin? table    of the panel: kind and spec
---@param where string
---@return { palette: string, series: boolean, table: boolean, graph: boolean, settings: boolean }
---@return string[] warnings
function perses.display(plugin, where)
  local warnings, read = {}, {}
  if not plugin or plugin.kind ~= perses.PANEL then
    return { palette = "package", series = true, table = true, graph = true, settings = true },
      warnings
  end
  local spec = type(plugin.spec) == "table" and plugin.spec or {}
  local names = { traceHeight = true } -- rows of ours have one height
  for name, initial in pairs(INITIAL) do
    names[name] = true
    local value = spec[name]
    local fits = type(value) == type(initial) and (name ~= "palette" or PALETTES[value] ~= nil)
    if value ~= nil and not fits then
      warnings[#warnings + 1] = ("%s: %s cannot be '%s', %s is taken"):format(where, name,
        tostring(value), tostring(initial))
    end
    if fits then read[name] = value else read[name] = initial end
  end
  local ok, err = known(spec, names, where)
  if not ok then warnings[#warnings + 1] = err.message end
  table.sort(warnings)
  return { palette = PALETTES[read.palette], series = read.showSeries, table = read.showTable,
    graph = read.showFlameGraph, settings = read.showSettings }, warnings
end

-- Panels in the order of their names, queries in theirs.
local function of_dashboard(document, list)
  local panels = type(document.spec) == "table" and document.spec.panels or {}
  local names = {}
  for name in pairs(panels) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local spec = type(panels[name]) == "table" and panels[name].spec or {}
    local display = type(spec.display) == "table" and spec.display.name or nil
    if type(display) ~= "string" or display == "" then display = nil end
    for i, query in ipairs(type(spec.queries) == "table" and spec.queries or {}) do
      local plugin = type(query) == "table" and type(query.spec) == "table" and query.spec.plugin
      if type(plugin) == "table" and plugin.kind == perses.QUERY then
        list[#list + 1] = { panel = display or name, index = i, plugin = plugin,
          drawn_by = type(spec.plugin) == "table" and spec.plugin or nil }
      end
    end
  end
end

--- The profile queries of documents: dashboards' in the order of their panels, and bare ones.
---@param documents table[]
---@return { panel?: string, index: integer, plugin: table, drawn_by?: table }[]
function perses.queries(documents)
  local list = {}
  for _, document in ipairs(documents) do
    if document.kind == "Dashboard" then
      of_dashboard(document, list)
    elseif document.kind == perses.QUERY then
      list[#list + 1] = { index = #list + 1, plugin = document }
    elseif type(document.spec) == "table" and type(document.spec.plugin) == "table"
        and document.spec.plugin.kind == perses.QUERY then
      list[#list + 1] = { index = #list + 1, plugin = document.spec.plugin }
    end
  end
  return list
end

--- A question as a query of Perses, for JSON.
---@param question pyroscope.resolved
---@param datasource? string
---@return table definition
function perses.definition(question, datasource)
  local spec = { profileType = question.profile_type, maxNodes = question.max_nodes,
    datasource = { kind = perses.DATASOURCE, name = datasource } }
  local filters = {}
  for _, m in ipairs(question.matchers) do
    if m.name == "service_name" and m.op == "=" and not spec.service then
      spec.service = m.value
    else
      filters[#filters + 1] = { labelName = m.name, operator = m.op, labelValue = m.value }
    end
  end
  if #filters > 0 then spec.filters = filters end
  return { kind = "ProfileQuery", spec = { plugin = { kind = perses.QUERY, spec = spec } } }
end

--- A connection as a data source of Perses, for JSON; credentials stay out.
---@param name string
---@param url string
---@return table definition
function perses.datasource_definition(name, url)
  return { kind = "GlobalDatasource", metadata = { name = name }, spec = { default = false,
    plugin = { kind = perses.DATASOURCE, spec = { directUrl = url } } } }
end

return perses
