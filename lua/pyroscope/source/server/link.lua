--- Addresses of the same question for a person: Pyroscope's own pages, Grafana's Explore and
--- Profiles Drilldown, or the question as a definition for Perses. Never with a credential.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local query = require "pyroscope.query"
local rpc = require "pyroscope.source.server.rpc"
local selector = require "pyroscope.selector"
local shared = require "pyroscope.source.shared"

local client = {}

local PLUGIN = "grafana-pyroscope-datasource"
local VIEWS = { single = true, comparison = true, diff = true, explore = true }

local function address(base, path, parameters)
  local parts = {}
  for i, pair in ipairs(parameters) do
    parts[i] = shared.escape(pair[1]) .. "=" .. shared.escape(pair[2])
  end
  return ("%s%s?%s"):format(base, path, table.concat(parts, "&"))
end

local function add(list, name, value)
  list[#list + 1] = { name, tostring(value) }
end

-- Pyroscope ---------------------------------------------------------------------------------

local PAGES = { single = "/", comparison = "/comparison", diff = "/comparison-diff",
  explore = "/explore" }

local function text_of(question)
  return question.profile_type .. question.selector
end

local function to_pyroscope(base, question, view, sides)
  local parameters = {}
  add(parameters, "query", text_of(question))
  add(parameters, "from", question.from_ms)
  add(parameters, "until", question.to_ms)
  if view == "comparison" or view == "diff" then
    for i, side in ipairs { "left", "right" } do
      add(parameters, side .. "Query", text_of(sides[i]))
      add(parameters, side .. "From", sides[i].from_ms)
      add(parameters, side .. "Until", sides[i].to_ms)
    end
  end
  return address(base, PAGES[view], parameters)
end

-- Grafana -----------------------------------------------------------------------------------

local function pane(question, uid)
  local source = { type = PLUGIN, uid = uid }
  return { datasource = uid, queries = { { refId = "A", datasource = source, queryType = "both",
    profileTypeId = question.profile_type, labelSelector = question.selector, groupBy = {},
    spanSelector = question.span_ids, maxNodes = question.max_nodes } },
    range = { from = ("%d"):format(question.from_ms), to = ("%d"):format(question.to_ms) } }
end

local function to_explore(root, uid, questions)
  local json = require "pyroscope.output.json"
  local panes = {}
  for i, question in ipairs(questions) do
    local one = pane(question, uid)
    one.queries = json.array(one.queries)
    one.queries[1].groupBy = json.array {}
    if one.queries[1].spanSelector then
      one.queries[1].spanSelector = json.array(one.queries[1].spanSelector)
    end
    panes[i == 1 and "a" or "b"] = one
  end
  return address(root, "/explore", { { "schemaVersion", "1" }, { "orgId", "1" },
    { "panes", json.encode(panes) } })
end

-- Drilldown's filters: name|operator|value, one parameter each.
local function filters_of(question)
  local list = {}
  for _, m in ipairs(question.matchers) do
    if not (m.name == "service_name" and m.op == "=") then
      list[#list + 1] = ("%s|%s|%s"):format(m.name, m.op, m.value)
    end
  end
  return list
end

local function to_drilldown(root, uid, question, view, sides)
  local service = selector.fixed(question.matchers, "service_name")
  if not service then return nil end -- it shows one service at a time
  local parameters = {}
  add(parameters, "explorationType", view == "single" and "flame-graph" or "diff-flame-graph")
  add(parameters, "var-dataSource", uid)
  add(parameters, "var-serviceName", service)
  add(parameters, "var-profileMetricId", question.profile_type)
  if view == "single" then
    add(parameters, "from", question.from_ms)
    add(parameters, "to", question.to_ms)
    for _, filter in ipairs(filters_of(question)) do add(parameters, "var-filters", filter) end
    return address(root, "/a/grafana-pyroscope-app/explore", parameters)
  end
  local from_ms = math.min(sides[1].from_ms, sides[2].from_ms)
  add(parameters, "from", from_ms)
  add(parameters, "to", math.max(sides[1].to_ms, sides[2].to_ms))
  for i, name in ipairs { "Baseline", "Comparison" } do
    local suffix = i == 2 and "-2" or ""
    add(parameters, "diffFrom" .. suffix, sides[i].from_ms)
    add(parameters, "diffTo" .. suffix, sides[i].to_ms)
    for _, filter in ipairs(filters_of(sides[i])) do
      add(parameters, "var-filters" .. name, filter)
    end
  end
  return address(root, "/a/grafana-pyroscope-app/explore", parameters)
end

-- The window of equal length before a question.
local function before(question)
  local side = {}
  for name, value in pairs(question) do side[name] = value end
  side.from_ms, side.to_ms = 2 * question.from_ms - question.to_ms, question.from_ms
  return side
end

local OPTIONS = { view = "string", as = "string", before = "table" }

--- The address of a view of a question for a person, or with `as = "perses"` its definition there.
--- Comparisons take `before` (a question), else the window of equal length before it.
---@param asked pyroscope.query|pyroscope.resolved
---@param options? { view?: "single"|"comparison"|"diff"|"explore", as?: "perses", before?: table }
---@return string? url
---@return pyroscope.error|string|nil err_or_warning   a warning where the view may not exist there
function client:link(asked, options)
  options = check.options("link", options, OPTIONS)
  local view = options.view or "single"
  if not VIEWS[view] then
    return nil, errors.new { kind = "usage", code = "view",
      message = ("there is no view '%s'"):format(view),
      hint = "views: single, comparison, diff, explore" }
  end
  if options.as and options.as ~= "perses" then
    return nil, errors.new { kind = "usage",
      message = ("as = '%s' is not known"):format(options.as),
      hint = 'as = "perses"' }
  end
  local question, err = query.resolve(asked, self, { where = "link" })
  if not question then return nil, err end
  if options.as == "perses" then
    local definition = require "pyroscope.config.perses".definition(question,
      self.datasource and self.via == "perses" and self.datasource.name or nil)
    return require "pyroscope.output.json".encode(definition)
  end
  local first = before(question)
  if options.before then
    first, err = query.resolve(options.before, self, { where = "link" })
    if not first then return nil, err end
  end
  local sides = { first, question }
  local ok
  ok, err = rpc.ready(self)
  if not ok then return nil, err end
  local root, uid = self.base:match "^(.*)/api/datasources/proxy/uid/([^/]+)"
  if root then
    if view ~= "explore" then
      local url = to_drilldown(root, uid, question, view, sides)
      if url then return url end
    end
    local both = view == "comparison" or view == "diff"
    return to_explore(root, uid, both and sides or { question }),
      both and "Explore shows both sides, not their difference; Drilldown needs one service"
        or nil
  end
  if self.via == "perses" or self.base:find "/proxy/globaldatasources/"
      or self.base:find "/proxy/projects/" then
    return nil, errors.new { kind = "unsupported", code = "no_page",
      message = "Perses has no address for a profile query",
      hint = "its definition for a panel: pscope link --as perses" }
  end
  local warning
  local number = self.known_server and require "pyroscope.source.server.version".number(
    self.known_server.version)
  if number and number >= 20200 then
    warning = ("the page of a server of version %s does not read the question from its address: "
      .. "type it there, or ask Grafana"):format(self.known_server.version)
  elseif view == "explore" then
    warning = "newer servers no longer have this page: --view single shows the same service"
  end
  return to_pyroscope(self.base, question, view, sides), warning
end

return client
