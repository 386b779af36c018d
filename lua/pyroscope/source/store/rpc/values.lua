--- Values over time as a server answers them: SelectSeries and SelectHeatmap.

local ask = require "pyroscope.source.store.rpc.ask"
local choose = require "pyroscope.source.store.choose"
local gather = require "pyroscope.source.store.profiles".gather
local heat = require "pyroscope.source.store.heat"

local values = {}

-- Points lie on start + k * step and describe (t - step, t]; the first one is before the window and
-- has its very beginning too. `whole`: the last one may end after the window.
local function grid_of(range, step, origin, whole)
  local last = whole and range.to + step - 1 or range.to - (range.to - origin) % step
  return function(time_ms)
    local k = math.max(0, -((origin - time_ms) // step))
    local t = origin + k * step
    if time_ms < origin - step or t > last then return nil end
    return t
  end
end

-- Label pairs of the asked names that a series has, by name.
local function pairs_of(labels, names)
  local sorted = table.move(names, 1, #names, 1, {})
  table.sort(sorted)
  local list, key = {}, {}
  for _, name in ipairs(sorted) do
    if labels[name] and (not list[#list] or list[#list].name ~= name) then
      list[#list + 1] = { name = name, value = labels[name] }
      key[#key + 1] = name .. "\1" .. labels[name]
    end
  end
  return list, table.concat(key, "\2")
end

local FIRST = { "__profile_type__", "__service_name__" }

-- Labels of an exemplar: those that its series does not have, the two internal ones first.
local function exemplar_labels(labels, series)
  local taken, list, names = {}, {}, {}
  for _, pair in ipairs(series) do taken[pair.name] = true end
  for _, name in ipairs(FIRST) do
    if labels[name] and not taken[name] then
      list[#list + 1] = { name = name, value = labels[name] }
    end
    taken[name] = true
  end
  for name in pairs(labels) do
    if not taken[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do list[#list + 1] = { name = name, value = labels[name] } end
  return list
end

local function exemplar_of(single, series)
  return { timestamp = single.time_ms, profileId = single.profile_id, spanId = single.span_id,
    traceId = single.trace_id, value = single.value,
    labels = exemplar_labels(single.labels, series) }
end

-- What both methods check first.
local function asked_of(server, request, range)
  local id, err = ask.type(server, request.profileTypeID)
  if not id then return nil, err end
  local matchers
  matchers, err = ask.selector(server, request.labelSelector)
  if not matchers then return nil, err end
  return { id = id, matchers = matchers, range = range }
end

-- Hits of a range that begins one step earlier.
local function hits_of(store, asked, step)
  local question, err = choose.question(asked.matchers, asked.range.from - step,
    asked.range.to + 1, asked.id)
  if not question then return nil, err end
  return choose.hits(store, question)
end

local function by_sum(a, b)
  if a.sum ~= b.sum then return a.sum > b.sum end
  return a.key < b.key
end

local function limited(list, limit)
  if limit and limit > 0 then
    for i = #list, limit + 1, -1 do list[i] = nil end
  end
  return list
end

-- The call site of a request, which only the v1 path looks at here.
local function filter_of(server, request)
  local site = request.stackTraceSelector and request.stackTraceSelector.callSite
  if server.mode ~= "v1" or not site or #site == 0 then return nil end
  local names = {}
  for i, location in ipairs(site) do names[i] = location.name or "" end
  return { call_site = names }
end

local function value_of(store, hit, set, filter)
  if not filter then return store.files:total(hit.entry, hit.type, set) end
  local profile, err = gather(store, { { entry = hit.entry, type = hit.type, sets = { set } } },
    filter)
  if not profile then return nil, err end
  local sum = profile.sum
  profile:close()
  return sum
end

-- Adds one value to its series and point, and to what its profile has there.
local function add(series, labels, pairs_, key, time, single, average)
  local one = series[key]
  if not one then
    one = { labels = pairs_, key = key, points = {}, sum = 0.0 }
    series[key] = one
    series[#series + 1] = one
  end
  local point = one.points[time]
  if not point then
    point = { value = 0.0, count = 0, timestamp = time, profiles = {} }
    one.points[time] = point
    one.points[#one.points + 1] = point
  end
  point.value, point.count = point.value + single.value, point.count + 1
  if not average then one.sum = one.sum + single.value end
  if single.profile_id then
    local known = point.profiles[single.profile_id]
    if known then
      known.value = known.value + single.value
    else
      known = single
      point.profiles[single.profile_id] = known
    end
    known.labels = heat.common(known.labels, labels)
  end
end

-- The largest profile of a point.
local function largest(profiles)
  local best
  for _, single in pairs(profiles) do
    if not best or single.value > best.value
        or (single.value == best.value and single.profile_id < best.profile_id) then
      best = single
    end
  end
  return best
end

function values.SelectSeries(store, server, request)
  local range, err = ask.range(server, request)
  if not range then return nil, err end
  if range.empty then return {} end
  local step
  step, err = ask.step(server, request.step)
  if not step then return nil, err end
  local asked
  asked, err = asked_of(server, request, range)
  if not asked then return nil, err end
  local v1 = server.mode == "v1"
  local exemplars = request.exemplarType == "EXEMPLAR_TYPE_INDIVIDUAL" and not v1
  if request.exemplarType == "EXEMPLAR_TYPE_SPAN" and not v1 then
    -- v2 servers refuse this in these words, and the store answers as they do
    return ask.refuse("unknown",
      "rpc error: code = Unimplemented desc = exemplar type span is not implemented")
  end
  local average = v1 and request.aggregation == "TIME_SERIES_AGGREGATION_TYPE_AVERAGE"
  -- With both parts asked, points of the v2 part stand on a grid from the split.
  local origin = range.both and server.split_ms or range.from
  local slot = grid_of(range, step, origin)
  local hits
  hits, err = hits_of(store, asked, step)
  if not hits then return nil, err end
  local names, filter = request.groupBy or {}, filter_of(server, request)
  local series, failed = {}
  choose.each_series(hits, function(labels, hit, set)
    local time = slot(hit.entry.time_ms)
    if failed or not time or not set then return end
    local value, bad = value_of(store, hit, set, filter)
    if not value then
      failed = bad
    elseif value > 0 then
      local list, key = pairs_of(labels, names)
      add(series, labels, list, key, time, { value = value, time_ms = hit.entry.time_ms,
        profile_id = exemplars and choose.profile_id(hit.entry) or nil }, average)
    end
  end)
  if failed then return nil, failed end
  for _, one in ipairs(series) do
    table.sort(one.points, function(a, b) return a.timestamp < b.timestamp end)
    for i, point in ipairs(one.points) do
      if average then
        point.value = point.value / point.count
        one.sum = one.sum + point.value
      end
      one.points[i] = { value = point.value, timestamp = point.timestamp,
        exemplars = exemplars and { exemplar_of(largest(point.profiles), one.labels) } or nil }
    end
  end
  table.sort(series, by_sum)
  limited(series, request.limit)
  local answer = {}
  for i, one in ipairs(series) do
    local points = {}
    table.move(one.points, 1, #one.points, 1, points)
    answer[i] = { labels = #one.labels > 0 and one.labels or nil, points = points }
  end
  return { series = answer }
end

local KINDS = { HEATMAP_QUERY_TYPE_INDIVIDUAL = "EXEMPLAR_TYPE_INDIVIDUAL",
  HEATMAP_QUERY_TYPE_SPAN = "EXEMPLAR_TYPE_SPAN" }

-- Checks of a heat map that a server makes before it looks at time.
local function heatmap_checked(server, request)
  local from, to = request.start or 0, request["end"] or 0
  if server.mode == "v1" then
    return ask.refuse("unimplemented", "this endpoint is not available in v1 frontend")
  end
  local step, err = ask.step({ mode = "v2" }, request.step, true)
  if not step then return nil, err end
  if server.mode == "dual" and from <= server.split_ms then
    return ask.refuse("unimplemented", "this endpoint is not available in v1 frontend")
  end
  if from >= to and from ~= 0 then
    return ask.refuse("invalid_argument",
      ("start time must be before end time, got start=%d end=%d"):format(from, to))
  end
  return step
end

-- Exemplars have to be of the kind that is counted.
local function exemplar_kind(request)
  local own = KINDS[request.queryType]
  if not own then
    return ask.refuse("unknown",
      "rpc error: code = Unknown desc = valid heatmap query type must be specified")
  end
  local wanted = request.exemplarType or "EXEMPLAR_TYPE_UNSPECIFIED"
  if wanted == "EXEMPLAR_TYPE_UNSPECIFIED" or wanted == "EXEMPLAR_TYPE_NONE" then
    return own, false
  end
  if wanted ~= own then
    local what = wanted == "EXEMPLAR_TYPE_SPAN" and "span" or "individual"
    return ask.refuse("unknown", ("rpc error: code = Unknown desc = %s exemplars only available "
      .. "for %s query type"):format(what, what))
  end
  return own, true
end

function values.SelectHeatmap(store, server, request)
  local step, err = heatmap_checked(server, request)
  if not step then return nil, err end
  local range
  range, err = ask.range(server, request)
  if not range then return nil, err end
  if range.empty then return {} end
  local asked
  asked, err = asked_of(server, request, range)
  if not asked then return nil, err end
  if not ask.has_dataset(store, asked.matchers, range) then return {} end
  local kind, exemplars = exemplar_kind(request)
  if not kind then return nil, exemplars end
  local hits
  hits, err = hits_of(store, asked, step)
  if not hits then return nil, err end
  local singles = {}
  for _, hit in ipairs(hits) do
    local found
    found, err = heat[kind == "EXEMPLAR_TYPE_SPAN" and "spans" or "profiles"](store, hit)
    if not found then return nil, err end
    table.move(found, 1, #found, #singles + 1, singles)
  end
  local rows = heat.map(singles, { group_by = request.groupBy or {}, exemplars = exemplars,
    limit = request.limit and request.limit > 0 and request.limit or nil,
    slot = grid_of(range, step, range.from, true) })
  local series = {}
  for i, row in ipairs(rows) do
    local list = pairs_of(row.labels, request.groupBy or {})
    local slots = {}
    for k, slot in ipairs(row.slots) do
      local some = {}
      for j, single in ipairs(slot.exemplars or {}) do some[j] = exemplar_of(single, list) end
      slots[k] = { timestamp = slot.time_ms, yMin = slot.y_min, counts = slot.counts,
        exemplars = exemplars and some or nil }
    end
    series[i] = { labels = #list > 0 and list or nil, slots = slots }
  end
  return { series = series }
end

return values
