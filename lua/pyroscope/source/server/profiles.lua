--- Trees from a server: the right format, long windows, filters that are obeyed or refused, stocks
--- with their count.

local answer_of = require "pyroscope.source.server.answer"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local query = require "pyroscope.query"
local ranges = require "pyroscope.source.server.ranges"
local resolve = require "pyroscope.source.resolve"
local selector = require "pyroscope.selector"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"

local client = {}

local function lacking(message, hint)
  return nil, errors.new { kind = "unsupported", message = message, hint = hint }
end

-- The request of one piece, in wire names.
local function request_of(question, method, format, from_ms, to_ms, nodes)
  local request = { profileTypeID = question.profile_type, labelSelector = question.selector,
    start = from_ms, ["end"] = to_ms - 1 }
  if format == "tree" then
    request.maxNodes, request.format = nodes, "PROFILE_FORMAT_TREE"
    request.spanSelector = question.span_ids
    return request
  end
  if method == "SelectMergeStacktraces" then
    request.format = "PROFILE_FORMAT_PPROF"
    request.spanSelector = question.span_ids
  end
  request.traceIdSelector = question.trace_ids
  request.profileIdSelector = question.profile_ids
  if question.call_site then
    local sites = {}
    for i, name in ipairs(question.call_site) do sites[i] = { name = name } end
    request.stackTraceSelector = { callSite = sites }
  elseif question.go_pgo then
    request.stackTraceSelector = { goPgo = { keepLocations = 5, aggregateCallees = true } }
  end
  return request
end

-- A tree of one piece: false where there is nothing.
local function piece_of_tree(self, question, from_ms, to_ms)
  local method = resolve.method(question, "tree")
  local nodes = math.min(question.max_nodes or resolve.NODES,
    not question.max_nodes and self.most_nodes or math.maxinteger)
  local answer, err = ranges.ask(self, method,
    request_of(question, method, "tree", from_ms, to_ms, nodes), { skip = { "dot" } })
  if not answer then
    local most = err.code == "max_nodes"
      and math.tointeger((err.server or err.message):match "allowed (%d+)")
    if most and most > 0 and most < nodes and not question.max_nodes then
      self.most_nodes = most -- nobody asked for so many: take what the server allows
      return piece_of_tree(self, question, from_ms, to_ms)
    end
    return nil, err
  end
  local profile = answer.tree or answer.flamegraph
  if answer.tree and answer.flamegraph then answer.flamegraph:close() end
  if not profile then return false end
  if profile.sum == 0 then
    profile:close()
    return false
  end
  return profile
end

-- A pprof handle of one piece: false where there is nothing.
local function piece_of_pprof(self, question, from_ms, to_ms)
  local method = resolve.method(question, "pprof")
  local answer, err = ranges.ask(self, method,
    request_of(question, method, "pprof", from_ms, to_ms))
  if not answer then return nil, err end
  local handle = answer.pprof or answer.profile
  if method == "SelectMergeStacktraces" and not answer.pprof then
    -- An older server took the filter for an unknown field and answers about everything.
    if answer.flamegraph then answer.flamegraph:close() end
    if answer.tree then answer.tree:close() end
    return lacking(("this server ignores %s ids in this question"):format(
      question.trace_ids and "trace" or "span"), "servers from version 2.2 on know them")
  end
  if not handle then return false end
  if handle.samples == 0 then
    handle:close()
    return false
  end
  return handle
end

-- Profile ids are obeyed by the new storage only; the old one answers about everything. Heat maps
-- exist exactly where the new one answers alone, and are younger than the filter.
local function prove_profile_ids(self, question, from_ms, to_ms)
  local _, err = ranges.ask(self, "SelectHeatmap", { profileTypeID = question.profile_type,
    labelSelector = question.selector, start = from_ms, ["end"] = math.max(to_ms - 1, from_ms + 1),
    step = (to_ms - from_ms) / 1000, queryType = "HEATMAP_QUERY_TYPE_INDIVIDUAL" })
  if not err then return true end
  if require "pyroscope.source.server.version".absent(err) then
    return lacking("this server would ignore profile ids in this window",
      "the new storage (v2) of version 1.19 or later is needed for all of it: pscope doctor")
  end
  return nil, err
end

-- Profiles for Go's PGO came with the same version as trees; an older server answers with ordinary
-- samples. Where there is nothing at all, nothing is proved and nothing wrong.
local function prove_go_pgo(self, question, from_ms, to_ms)
  local answer, err = ranges.ask(self, "SelectMergeStacktraces",
    request_of({ profile_type = question.profile_type, selector = question.selector },
      "SelectMergeStacktraces", "tree", from_ms, to_ms, 1), { skip = { "dot" } })
  if not answer then return nil, err end
  local obeyed = answer.tree ~= nil or not answer.flamegraph or answer.flamegraph.sum == 0
  if answer.tree then answer.tree:close() end
  if answer.flamegraph then answer.flamegraph:close() end
  if obeyed then return true end
  return lacking("this server ignores that a profile for Go's PGO is wanted",
    "servers from version 1.7 on know it: pscope doctor")
end

local function close_all(list)
  for _, piece in ipairs(list) do piece.value:close() end
end

-- All pieces of a question in a format, the proof of its filter and the count of a stock, in one
-- flight.
local function fetch(self, question, format)
  local ask = format == "tree" and piece_of_tree or piece_of_pprof
  local tasks = { function()
    return ranges.fetch(self, question.from_ms, question.to_ms, function(from_ms, to_ms)
      local prove = question.profile_ids and prove_profile_ids or question.go_pgo and prove_go_pgo
      if not prove then return ask(self, question, from_ms, to_ms) end
      local both = flight.all {
        function() return ask(self, question, from_ms, to_ms) end,
        function() return prove(self, question, from_ms, to_ms) end,
      }
      if not both[2][1] then
        if both[1][1] then both[1][1]:close() end
        return nil, both[2][2]
      end
      return table.unpack(both[1], 1, both[1].n)
    end)
  end }
  if question.kind == "stock" and not question.sum then
    tasks[2] = function() return self:count(question) end
  end
  local results = flight.all(tasks)
  local result, err = results[1][1], results[1][2]
  if not result then return nil, err end
  if #result.values == 0 then return nil, self:absence(question) end
  result.count = results[2] and results[2][1] or nil
  if results[2] and not result.count then
    table.insert(result.warnings, "the number of profiles is unknown (" .. results[2][2].message
      .. "): values are sums")
  end
  return result
end

-- What the profile of an answer says about itself.
local function about(self, question, result)
  local warnings = table.move(question.warnings or {}, 1, #(question.warnings or {}), 1, {})
  table.move(result.warnings, 1, #result.warnings, #warnings + 1, warnings)
  local count = result.count
  if count then table.move(count.warnings, 1, #count.warnings, #warnings + 1, warnings) end
  return {
    profile_type = question.profile_type, unit = question.unit, kind = question.kind,
    profiles = count and count.total > 0 and count.total or nil, sum = question.sum,
    from_ms = question.from_ms, to_ms = question.to_ms,
    labels = shared.fixed_labels(question.matchers), selector = question.selector,
    source = self.name, partial = result.partial, warnings = warnings,
  }
end

local function tree(self, question)
  local result, err = fetch(self, question, "tree")
  if not result then return nil, err end
  local profile
  if #result.values == 1 then
    profile = result.values[1].value
  else
    local parts = {}
    for i, piece in ipairs(result.values) do parts[i] = piece.value end
    profile, err = core.merge(parts)
    close_all(result.values)
    if not profile then return nil, err end
  end
  return profile:describe(about(self, question, result))
end

--- All samples of a question.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.pprof_answer? answer
---@return pyroscope.error? err
function client:pprof(asked)
  local question, err = query.resolve(asked, self, { where = "pprof" })
  if not question then return nil, err end
  local result
  result, err = fetch(self, question, "pprof")
  if not result then return nil, err end
  local handles = {}
  for i, piece in ipairs(result.values) do handles[i] = piece.value end
  return answer_of(handles, question, about(self, question, result), function(again, options)
    if options.type and options.type ~= 1 then
      local parts = types.parts(again.profile_type)
      parts.sample_type = options.type
      for _, row in ipairs(self:profile_types(again, { selector = again.selector }) or {}) do
        if row.name == parts.name and row.sample_type == options.type then
          again.profile_type, again.unit, again.kind = row.id, row.sample_unit, row.kind
        end
      end
    end
    again.matchers = selector.merge(again.matchers, selector.from_labels(options.labels or {}))
    again.selector = selector.build(again.matchers)
    again.granularity = options.granularity or again.granularity
    return self:exact(again)
  end)
end

--- One exact tree, from samples.
---@param question pyroscope.resolved
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function client:exact(question)
  local answer, err = self:pprof(question)
  if not answer then return nil, err end
  local profile
  profile, err = answer:profile()
  answer:close()
  if not profile then return nil, err end
  if profile.sum == 0 then
    profile:close()
    return nil, shared.untagged(question) or self:absence(question)
  end
  return profile
end

--- One tree over the window: as cheap as the question allows, exact where files, lines or filters
--- are wanted. `max_other`: where more than this share is hidden in "other", all of it is fetched.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function client:profile(asked)
  local question, err = query.resolve(asked, self, { where = "profile" })
  if not question then return nil, err end
  if resolve.format(question) == "pprof" then return self:exact(question) end
  local profile
  profile, err = tree(self, question)
  if err and err.code == "endpoint" then -- a proxy may still let the older path through
    local older, why = self:render(question)
    if older or why.code ~= "endpoint" then return older, why end
  end
  if not profile then return nil, err end
  if question.max_other and profile:coverage().other_share > question.max_other then
    local whole = {}
    for name, value in pairs(question) do whole[name] = value end
    whole.max_nodes = nil
    local exact = self:exact(whole)
    if exact then
      profile:close()
      return exact
    end
  end
  return profile
end

--- Several questions, all in flight at once: `for i, profile, err in client:profiles(queries) do`.
--- Leaving the loop cancels the rest.
---@param queries (pyroscope.query|pyroscope.resolved)[]
---@return fun(): integer?, pyroscope.profile?, pyroscope.error?
function client:profiles(queries)
  local tasks = {}
  for i, asked in ipairs(queries) do
    tasks[i] = function() return self:profile(asked) end
  end
  local running = flight.start(tasks)
  local i = 0
  return function()
    i = i + 1
    if i > #tasks then return nil end
    return i, running:take(i)
  end, nil, nil, running
end

return client
