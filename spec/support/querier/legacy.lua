--- The REST paths of the fake querier: render, render-diff, label-values, and what a server says
--- about itself.

local ask = require "pyroscope.source.store.rpc.ask"
local cjson = require "cjson"
local connect = require "spec.support.querier.connect"
local core = require "pyroscope.core"
local selector = require "pyroscope.selector"
local timespec = require "pyroscope.timespec"
local types = require "pyroscope.types"

local legacy = {}

local json = cjson.new()
json.decode_max_depth(64)

-- Times -----------------------------------------------------------------------------------

local UNITS = { { "ms", 60 }, { "s", 1 }, { "mon", 2592000 }, { "min", 60 }, { "m", 60 },
  { "h", 3600 }, { "d", 86400 }, { "w", 604800 }, { "M", 2592000 }, { "y", 31536000 } }

-- A time of these paths in ms: what is not understood silently means now.
local function attime(text, now_ms)
  text = (text or ""):gsub("[%s,_]", "")
  if text:match "^%d+$" then
    if #text == 8 then
      local ms = timespec.parse(("%s-%s-%s"):format(text:sub(1, 4), text:sub(5, 6), text:sub(7)))
      if ms then return ms end
    end
    local value = math.tointeger(tonumber(text))
    if #text == 13 then return value end
    if #text == 16 then return value // 1000 end
    if #text == 19 then return value // 1000000 end
    return value * 1000
  end
  local sign, number, unit = text:match "([+-])(%d+)(%a+)"
  if not sign then return now_ms end
  for _, known in ipairs(UNITS) do
    if unit:sub(1, #known[1]) == known[1] then
      local offset = math.tointeger(tonumber(number)) * known[2] * 1000
      return sign == "-" and now_ms - offset or now_ms + offset
    end
  end
  return now_ms
end

-- Writing ---------------------------------------------------------------------------------

local function text_of(value)
  return ask.json(value)
end

local function integers(list)
  local parts = {}
  for i, value in ipairs(list) do parts[i] = ("%s"):format(value) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function whole(value)
  return ("%d"):format(math.tointeger(value))
end

-- The flame graph of a Connect answer in the older form: numbers, levels as plain arrays.
local function flamebearer(graph)
  local names, levels = {}, {}
  for i, name in ipairs(graph.names or {}) do names[i] = text_of(name) end
  for i, level in ipairs(graph.levels or {}) do levels[i] = integers(level.values) end
  return ('{"names":[%s],"levels":[%s],"numTicks":%s,"maxSelf":%s}'):format(
    table.concat(names, ","), table.concat(levels, ","), graph.total or "0",
    graph.maxSelf or "0")
end

local OBJECTS = { alloc_objects = true, inuse_objects = true, goroutine = true, samples = true }

local function metadata(id, format)
  local parts = types.parts(id)
  local cpu = parts.sample_type == "cpu"
  local unit = cpu and "samples" or OBJECTS[parts.sample_type] and "objects"
    or parts.sample_unit
  return ('{"format":"%s","spyName":"","sampleRate":%d,"units":%s,"name":%s}'):format(format,
    cpu and 1000000000 or 100, text_of(unit), text_of(parts.sample_type))
end

local function timeline(from_ms, to_ms, step, points)
  local start = from_ms // 1000 // step * step
  local samples = {}
  for i = 1, math.max(0, (to_ms // 1000 - start) // step) do samples[i] = "0" end
  for _, point in ipairs(points) do
    local i = (math.tointeger(tonumber(point.timestamp)) // 1000 - start) // step + 1
    if samples[i] then samples[i] = whole(point.value or 0) end
  end
  return ('{"startTime":%d,"samples":[%s],"durationDelta":%d,"watermarks":null}'):format(start,
    table.concat(samples, ","), step)
end

local function ok(body, content)
  return { status = 200, headers = { { "Content-Type", content or "application/json" },
    { "Vary", "Accept-Encoding" } }, body = body }
end

local function bad(state, message)
  local refused = connect.refusal(state, "invalid_argument", message)
  refused.headers = { { "Content-Type", "application/json" }, { "Vary", "Accept-Encoding" } }
  return refused
end

-- Questions -------------------------------------------------------------------------------

local NICE = { 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400 }

local function step_of(seconds)
  for _, nice in ipairs(NICE) do
    if nice >= seconds / 1500 then return nice end
  end
  return 86400
end

-- "<type>{matchers}", or {__name__="<type>", matchers}: the type and the rest as a selector.
local function read_query(state, text, name)
  if not text or text == "" then return nil, bad(state, ('"%s" is required'):format(name)) end
  local matchers, words = ask.read_selector(text)
  if not matchers then
    return nil, bad(state, ('failed to parse "%s": %s'):format(name, words))
  end
  for i, m in ipairs(matchers) do
    if m.name == "__name__" and m.op == "=" then
      table.remove(matchers, i)
      local id, err = ask.type({ mode = "v2" }, m.value)
      if not id then return nil, bad(state, err.message) end
      return { id = id, selector = selector.build(matchers) }
    end
  end
  return nil, bad(state, ('"%s" must contain a profile-type selection'):format(name))
end

-- One RPC through JSON, as the handler of these paths asks its own server.
local function call(state, request, method, message)
  local answer, refused = connect.ask(state, request, method, message)
  if not answer then
    refused.headers = { { "Content-Type", "application/json" } }
    return nil, refused
  end
  local text, err = core.encode_answer_json(method, answer)
  if not text then return nil, bad(state, tostring(err)) end
  return json.decode(text)
end

local function nodes_of(query)
  local nodes
  for _, name in ipairs { "max-nodes", "maxNodes" } do
    local value = query[name] and math.tointeger(tonumber(query[name][1]))
    if query[name] then nodes = value end
  end
  return nodes ~= 0 and nodes or nil
end

local function first(query, name)
  return query[name] and query[name][1]
end

local function groups_of(series, name, from_ms, to_ms, step)
  local keys, lines = {}, {}
  for _, one in ipairs(series) do
    local key = "*"
    for _, label in ipairs(one.labels or {}) do
      if label.name == name then key = label.value end
    end
    keys[#keys + 1] = key
    lines[key] = ("%s:%s"):format(text_of(key), timeline(from_ms, to_ms, step, one.points or {}))
  end
  table.sort(keys)
  for i, key in ipairs(keys) do keys[i] = lines[key] end
  return "{" .. table.concat(keys, ",") .. "}"
end

local function render(state, request, query)
  local asked, refused = read_query(state, first(query, "query"), "query")
  if not asked then return refused end
  local now = state.now_ms or state.store:defaults().now_ms
  local from_ms, to_ms = attime(first(query, "from"), now), attime(first(query, "until"), now)
  if first(query, "format") == "dot" then
    local drawn
    drawn, refused = call(state, request, "SelectMergeStacktraces", { profileTypeID = asked.id,
      labelSelector = asked.selector, start = from_ms, ["end"] = to_ms,
      maxNodes = nodes_of(query), format = "PROFILE_FORMAT_DOT" })
    if not drawn then return refused end
    return ok(drawn.dot or "", "text/plain")
  end
  local answer
  answer, refused = call(state, request, "SelectMergeStacktraces", { profileTypeID = asked.id,
    labelSelector = asked.selector, start = from_ms, ["end"] = to_ms,
    maxNodes = nodes_of(query) })
  if not answer then return refused end
  local step = step_of((to_ms - from_ms) / 1000)
  local series
  series, refused = call(state, request, "SelectSeries", { profileTypeID = asked.id,
    labelSelector = asked.selector, start = from_ms, ["end"] = to_ms, step = step,
    groupBy = query.groupBy })
  if not series then return refused end
  series = series.series or {}
  local grouped = query.groupBy and #series > 0
  local points = #series == 1 and series[1].points or {}
  return ok(('{"version":1,"flamebearer":%s,"metadata":%s,"timeline":%s,"groups":%s,'
    .. '"heatmap":null}\n'):format(flamebearer(answer.flamegraph or {}),
    metadata(asked.id, "single"), timeline(from_ms, to_ms, step, points),
    grouped and groups_of(series, query.groupBy[1], from_ms, to_ms, step) or "null"))
end

local function render_diff(state, request, query)
  local now = state.now_ms or state.store:defaults().now_ms
  local sides = {}
  for i, name in ipairs { "left", "right" } do
    local asked, refused = read_query(state, first(query, name .. "Query"), name .. "Query")
    if not asked then return refused end
    sides[i] = { profileTypeID = asked.id, labelSelector = asked.selector,
      start = attime(first(query, name .. "From"), now),
      ["end"] = attime(first(query, name .. "Until"), now), maxNodes = nodes_of(query) }
  end
  if sides[1].profileTypeID ~= sides[2].profileTypeID then
    return bad(state, "profile types must match")
  end
  local answer, refused = call(state, request, "Diff", { left = sides[1], right = sides[2] })
  if not answer then return refused end
  local graph = answer.flamegraph
  local ticks = ""
  for _, name in ipairs { "leftTicks", "rightTicks" } do
    if graph[name] then ticks = ('%s,"%s":%s'):format(ticks, name, graph[name]) end
  end
  return ok(('{"version":1,"flamebearer":%s,"metadata":%s,"timeline":null,"groups":null,'
    .. '"heatmap":null%s}\n'):format(flamebearer(graph),
    metadata(sides[1].profileTypeID, "double"), ticks))
end

local function label_values(state, request, query)
  local label = first(query, "label")
  if not label then return bad(state, "label parameter is required") end
  if label ~= "__name__" then
    local refused = select(2, call(state, request, "LabelValues",
      { name = state.mode ~= "v1" and label or nil }))
    return refused
  end
  local answer, refused = call(state, request, "ProfileTypes", {})
  if not answer then return refused end
  local ids = {}
  for i, row in ipairs(answer.profileTypes or {}) do ids[i] = text_of(row.ID) end
  return ok(#ids > 0 and "[" .. table.concat(ids, ",") .. "]\n" or "null\n")
end

local PATHS = { ["/pyroscope/render"] = render, ["/pyroscope/render-diff"] = render_diff,
  ["/pyroscope/label-values"] = label_values }

-- Query string ----------------------------------------------------------------------------

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function read_parameters(text)
  local query = {}
  for name, value in (text or ""):gmatch "([^&=]+)=?([^&]*)" do
    name = unescape(name)
    query[name] = query[name] or {}
    table.insert(query[name], unescape(value))
  end
  return query
end

--- Answers a path outside of the RPCs; nil for one that is not known.
function legacy.answer(state, request, path, query_text)
  if path == "/ready" then
    if request.method ~= "GET" then return { status = 405, headers = {}, body = "" } end
    return { status = 200, headers = { { "Content-Type", "text/plain" } },
      body = "ready" }
  end
  if path == "/api/v1/status/buildinfo" then
    return ok(('{"status":"success", "data":{"version":%s, "revision":"", "branch":"", '
      .. '"buildUser":"", "buildDate":"", "goVersion":"go1.26.8"}}'):format(
      text_of(state.version_text or "")))
  end
  local handler = PATHS[path]
  if not handler then return nil end
  if request.method ~= "GET" then
    return { status = 405, headers = {}, body = "" }
  end
  local tenant, refused = connect.tenant(state, request)
  if not tenant then
    refused.body = refused.body .. "\n"
    return refused
  end
  return handler(state, request, read_parameters(query_text))
end

return legacy
