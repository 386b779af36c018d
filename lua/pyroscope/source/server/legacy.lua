--- The REST paths of a server: flame graph JSON, DOT, for proxies that let nothing else through.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local query = require "pyroscope.query"
local ranges = require "pyroscope.source.server.ranges"
local resolve = require "pyroscope.source.resolve"
local rpc = require "pyroscope.source.server.rpc"
local shared = require "pyroscope.source.shared"

local client = {}

-- The legacy question: times in milliseconds, which it tells by their 13 digits.
local function parameters_of(question, format, nodes)
  local list = {
    { "query", question.profile_type .. question.selector },
    { "from", ("%d"):format(question.from_ms) }, { "until", ("%d"):format(question.to_ms - 1) },
    { "max-nodes", ("%d"):format(nodes) },
  }
  if format then list[#list + 1] = { "format", format } end
  return list
end

-- What these paths cannot carry.
local function plain(question)
  for _, name in ipairs { "call_site", "go_pgo", "profile_ids", "trace_ids", "span_ids" } do
    if question[name] then
      return nil, errors.new { kind = "unsupported", code = "legacy",
        message = ("/pyroscope/render cannot carry %s"):format(name),
        hint = "ask the querier's own methods" }
    end
  end
  return true
end

--- One tree by the legacy `/pyroscope/render`; long windows are cut as for `profile`.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function client:render(asked)
  local question, err = query.resolve(asked, self, { where = "render" })
  if not question then return nil, err end
  local ok
  ok, err = plain(question)
  if not ok then return nil, err end
  local result
  result, err = ranges.fetch(self, question.from_ms, question.to_ms, function(from_ms, to_ms)
    local piece = { profile_type = question.profile_type, selector = question.selector,
      from_ms = from_ms, to_ms = to_ms }
    local response, bad = rpc.get(self, "/pyroscope/render",
      parameters_of(piece, nil, question.max_nodes or resolve.NODES),
      { max_bytes = self.options.max_bytes or 536870912 })
    if not response then return nil, bad end
    local profile
    profile, bad = core.decode(response.body, "json")
    if type(response.body) ~= "string" then response.body:close() end
    if not profile then
      return nil, errors.wrap(bad, { url = response.context.url,
        message = "the answer of /pyroscope/render cannot be read: " .. bad.message })
    end
    if profile.sum == 0 then
      profile:close()
      return false
    end
    return profile
  end)
  if not result then return nil, err end
  if #result.values == 0 then return nil, self:absence(question) end
  local parts = {}
  for i, piece in ipairs(result.values) do parts[i] = piece.value end
  local profile = parts[1]
  if #parts > 1 then
    profile, err = core.merge(parts)
    for _, part in ipairs(parts) do part:close() end
    if not profile then return nil, err end
  end
  local count = question.kind == "stock" and not question.sum and self:count(question) or nil
  local warnings = result.warnings
  if question.kind == "stock" and not question.sum and not count then
    table.insert(warnings, "the number of profiles is unknown: values are sums")
  end
  return profile:describe {
    profile_type = question.profile_type, unit = question.unit, kind = question.kind,
    profiles = count and count.total > 0 and count.total or nil, sum = question.sum,
    from_ms = question.from_ms, to_ms = question.to_ms,
    labels = shared.fixed_labels(question.matchers), selector = question.selector,
    source = self.name, partial = result.partial, warnings = warnings,
  }
end

--- Graphviz text as the server draws it: lossy (`limit` drawn nodes, default 100, of a cut tree).
---@param asked pyroscope.query|pyroscope.resolved
---@return string? text
---@return pyroscope.error? err
function client:dot(asked)
  local question, err = query.resolve(asked, self, { where = "dot" })
  if not question then return nil, err end
  local nodes = question.max_nodes or question.limit or 100
  local answer
  answer, err = ranges.ask(self, "SelectMergeStacktraces", {
    profileTypeID = question.profile_type, labelSelector = question.selector,
    start = question.from_ms, ["end"] = question.to_ms - 1, maxNodes = nodes,
    format = "PROFILE_FORMAT_DOT" }, { skip = { "flamegraph", "tree" } })
  if answer and answer.dot and answer.dot ~= "" then return answer.dot end
  local version_absent = require "pyroscope.source.server.version".absent
  local missing = err and (version_absent(err) or err.code == "endpoint")
  if err and not missing then return nil, err end
  -- Only the new storage draws by this method; the old path draws in every mode, of questions
  -- that it can carry. Else it is drawn here.
  if not plain(question) then return shared.dot(self, question, nodes) end
  local response
  response, err = rpc.get(self, "/pyroscope/render", parameters_of(question, "dot", nodes))
  if not response and (err.code == "endpoint" or version_absent(err)) then
    return shared.dot(self, question, nodes)
  end
  if not response then return nil, err end
  local text = type(response.body) == "string" and response.body or response.body:string()
  if text == "" or text:find("0% of 0 total", 1, true) then return nil, self:absence(question) end
  return text
end

return client
