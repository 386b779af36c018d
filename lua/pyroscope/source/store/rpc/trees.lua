--- Trees as a server answers them: flame graphs, TREE, pprof, diffs.

local errors = require "pyroscope.errors"
local ask = require "pyroscope.source.store.rpc.ask"
local choose = require "pyroscope.source.store.choose"
local core = require "pyroscope.core"
local diffcut = require "pyroscope.source.store.rpc.diffcut"
local gather = require "pyroscope.source.store.profiles".gather
local types = require "pyroscope.types"

local trees = {}

-- Frames that ingestion keeps of a stack.
local DEEPEST = 1000

-- What merged profiles carry as their period, whatever was pushed.
local PERIODS = { process_cpu = 1000000000, memory = 524288 }

local function call_site(request)
  local selector = request.stackTraceSelector
  if not selector or not selector.callSite then return nil end
  local names = {}
  for i, location in ipairs(selector.callSite) do names[i] = location.name or "" end
  return #names > 0 and names or nil
end

-- Everything of a request that selects: checked in the server's order. `empty` = outside lookback.
local function asked_of(server, request, options)
  local range, err = ask.range(server, request)
  if not range then return nil, err end
  if range.empty then return { range = range, empty = true } end
  local nodes = 0
  if options.nodes then
    nodes, err = ask.nodes(server, request.maxNodes)
    if not nodes then return nil, err end
  end
  local id
  id, err = ask.type(server, request.profileTypeID)
  if not id then return nil, err end
  local matchers
  matchers, err = ask.selector(server, request.labelSelector)
  if not matchers then return nil, err end
  return { range = range, nodes = nodes, id = id, matchers = matchers }
end

-- Ids are looked at only where there is data, so that bad ones pass where there is none.
local function read_ids(store, server, request, asked)
  if not ask.has_dataset(store, asked.matchers, asked.range) then return true end
  local err
  asked.spans, err = ask.spans(server, request.spanSelector)
  if err then return nil, err end
  asked.traces, err = ask.traces(server, request.traceIdSelector)
  if err then return nil, err end
  if server.mode ~= "v1" then
    asked.profile_ids, err = ask.profile_ids(server, request.profileIdSelector)
    if err then return nil, err end
  end
  return true
end

-- The merged tree of what was asked; named functions only unless lines are wanted.
local function tree_of(store, asked, options)
  local question, err = ask.question(asked.matchers, asked.range, asked.id)
  if not question then return nil, err end
  choose.only_profiles(question, asked.profile_ids)
  local hits
  hits, err = choose.hits(store, question)
  if not hits then return nil, err end
  return gather(store, hits, { named_only = not options.lines or nil, max_depth = DEEPEST,
    granularity = options.lines and "line" or nil, call_site = options.call_site,
    spans = asked.spans, traces = asked.traces })
end

-- Cuts as the server does: in its parts, when merging, and once more when a limit was asked for.
local function cut(profile, nodes, asked_nodes)
  for _ = 1, asked_nodes and asked_nodes > 0 and 3 or 2 do
    local smaller = profile:truncate(nodes)
    if smaller ~= profile then profile:close() end
    profile = smaller
  end
  return profile
end

local function described(profile, asked)
  local row = types.row(asked.id or "")
  return profile:describe { profile_type = asked.id, unit = row and row.sample_unit, sum = true,
    kind = "flow", from_ms = asked.range.from, to_ms = asked.range.to }
end

local function empty_profile()
  return core.collect({}, {})
end

-- Flame graph and tree of one request, in the fields that the mode fills.
local function tree_answer(server, profile, format, nodes)
  if format == "PROFILE_FORMAT_DOT" and server.mode == "v2" then
    if profile.sum == 0 then return {} end
    return { dot = profile:render("dot", { nodes = math.tointeger(nodes) or 100 }) }
  end
  if format == "PROFILE_FORMAT_TREE" then
    return profile.sum ~= 0 and { tree = profile } or {}
  end
  -- A flame graph never shows what is below a function called "other".
  local answer = { flamegraph = profile:prune_from "^other$" }
  if server.mode == "dual" and profile.sum ~= 0 then answer.tree = profile end
  return answer
end

-- pprof -----------------------------------------------------------------------------------

local function varint(value)
  local bytes = {}
  repeat
    local low = value & 0x7f
    value = value >> 7
    bytes[#bytes + 1] = string.char(value ~= 0 and low | 0x80 or low)
  until value == 0
  return table.concat(bytes)
end

-- An uncompressed pprof of a tree with the server's synthetic fields: later fields win.
local function pprof_of(profile, asked)
  local name = types.parts(asked.id).name
  local bytes, err = described(profile, asked):render("pprof", { raw = true,
    time_nanos = asked.range.to * 1000000, duration_nanos = 0 })
  profile:close()
  if not bytes then return nil, err end
  bytes = bytes .. "\x60" .. varint(PERIODS[name] or 1)
  return core.pprof(bytes)
end

-- Three shapes of nothing: no block, no series on v1, metadata without samples.
local EMPTY_V1 = "\x0a\x00\x32\x00\x5a\x00"

local function empty_pprof(server, asked)
  if server.mode == "v1" or (asked.range.both and server.mode == "dual") then
    return core.pprof(EMPTY_V1)
  end
  return nil
end

local function merged_pprof(store, server, request)
  if request.stackTraceSelector and request.stackTraceSelector.goPgo then
    return nil, errors.new { kind = "unsupported", code = "go_pgo",
      message = "files are not answered as profiles for Go's PGO",
      hint = "go build reads a plain pprof CPU profile too" }
  end
  local asked, err = asked_of(server, request, {})
  if not asked then return nil, err end
  if asked.empty then return nil end
  local ok
  ok, err = read_ids(store, server, request, asked)
  if not ok then return nil, err end
  local profile
  profile, err = tree_of(store, asked, { lines = true, call_site = call_site(request) })
  if not profile then return nil, err end
  if profile.sum == 0 and (server.mode ~= "v2"
      or not ask.has_dataset(store, asked.matchers, asked.range)) then
    profile:close()
    return empty_pprof(server, asked)
  end
  return pprof_of(profile, asked)
end

-- Methods ---------------------------------------------------------------------------------

local function v2_only(server, request)
  local old = server.mode == "v1"
    or (server.mode == "dual" and (request.start or 0) <= server.split_ms)
  if old and request.traceIdSelector and #request.traceIdSelector > 0 then
    return ask.refuse("unimplemented",
      "trace_id_selector is only supported with the v2 query backend")
  end
  return true
end

function trees.SelectMergeStacktraces(store, server, request)
  local format = request.format or "PROFILE_FORMAT_UNSPECIFIED"
  local spans, traces = request.spanSelector or {}, request.traceIdSelector or {}
  if #spans > 0 and #traces > 0 and server.mode ~= "v1" then
    return ask.refuse("invalid_argument",
      "span_selector and trace_id_selector cannot be combined")
  end
  local ok, err = v2_only(server, request)
  if not ok then return nil, err end
  if format == "PROFILE_FORMAT_DOT" then
    if server.mode == "v1" then
      return ask.refuse("unimplemented", "dot format is only supported with the v2 query backend")
    end
  end
  if format == "PROFILE_FORMAT_PPROF" then
    local pprof
    pprof, err = merged_pprof(store, server, request)
    if err then return nil, err end
    return { pprof = pprof or core.pprof "" }
  end
  local asked
  asked, err = asked_of(server, request, { nodes = true })
  if not asked then return nil, err end
  if asked.empty then return tree_answer({ mode = "v2" }, empty_profile(), format) end
  ok, err = read_ids(store, server, request, asked)
  if not ok then return nil, err end
  local profile
  profile, err = tree_of(store, asked,
    { call_site = server.mode ~= "v1" and call_site(request) or nil })
  if not profile then return nil, err end
  return tree_answer(server, described(cut(profile, asked.nodes, request.maxNodes), asked),
    format, request.maxNodes)
end

function trees.SelectMergeSpanProfile(store, server, request)
  local asked, err = asked_of(server, request, { nodes = true })
  if not asked then return nil, err end
  if asked.empty then return tree_answer({ mode = "v2" }, empty_profile(), request.format) end
  local ok
  ok, err = read_ids(store, server, request, asked)
  if not ok then return nil, err end
  if not asked.spans and server.mode == "v1" then
    return tree_answer(server, empty_profile(), request.format)
  end
  local profile
  profile, err = tree_of(store, asked, {})
  if not profile then return nil, err end
  return tree_answer(server, described(cut(profile, asked.nodes, request.maxNodes), asked),
    request.format)
end

function trees.SelectMergeProfile(store, server, request)
  local ok, err = v2_only(server, request)
  if not ok then return nil, err end
  local pprof
  pprof, err = merged_pprof(store, server, request)
  if err then return nil, err end
  return { profile = pprof }
end

-- One side of a diff; in v2 whatever fails in it is the caller's fault, with the code in the text.
local function side(store, server, request)
  local answer, err = trees.SelectMergeStacktraces(store,
    setmetatable({ mode = server.mode == "v1" and "v1" or "v2" }, { __index = server }),
    setmetatable({ format = "PROFILE_FORMAT_TREE" }, { __index = request }))
  if answer then return answer.tree or empty_profile() end
  if server.mode ~= "v2" then return nil, err end
  return ask.refuse("invalid_argument", ("%s: %s"):format(err.code, err.message))
end

function trees.Diff(store, server, request)
  local left, right = request.left or {}, request.right or {}
  local nodes = math.max(left.maxNodes or 0, right.maxNodes or 0)
  local sides, err = {}
  if server.mode == "v2" then
    for _, one in ipairs { left, right } do
      local id
      id, err = ask.type(server, one.profileTypeID)
      if not id then return nil, err end
    end
  else
    for _, one in ipairs { left, right } do
      local range
      range, err = ask.range(server, one)
      if not range then return nil, err end
    end
  end
  for i, one in ipairs { left, right } do
    if server.mode ~= "dual" then one = setmetatable({ maxNodes = nodes }, { __index = one }) end
    sides[i], err = side(store, server, one)
    if not sides[i] then return nil, err end
  end
  local alignment
  alignment, err = core.align(sides[1], sides[2])
  sides[1]:close()
  sides[2]:close()
  if not alignment then return nil, err end
  if server.mode ~= "dual" then
    alignment, err = diffcut(alignment, nodes > 0 and nodes or server.nodes_default)
    if not alignment then return nil, err end
  end
  return { flamegraph = alignment }
end

return trees
