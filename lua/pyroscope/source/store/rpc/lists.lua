--- What a store has, as a server lists it: types, names, values, series, statistics.

local ask = require "pyroscope.source.store.rpc.ask"
local choose = require "pyroscope.source.store.choose"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"

local lists = {}

-- Visits the labels of every series in a range that has samples at all.
local function each(store, matchers, range, visit)
  if range.empty then return true end
  local question, err = ask.question(matchers, range)
  if not question then return nil, err end
  local hits
  hits, err = choose.hits(store, question)
  if not hits then return nil, err end
  local failed
  choose.each_series(hits, function(labels, hit, set)
    if failed or not set then return end
    local value, bad = store.files:total(hit.entry, hit.type, set)
    if not value then
      failed = bad
    elseif value > 0 then
      visit(labels)
    end
  end)
  if failed then return nil, failed end
  return true
end

function lists.ProfileTypes(store, server, request)
  local range, err = ask.list_range(server, request, true)
  if not range then return nil, err end
  local found, ok = {}
  ok, err = each(store, {}, range, function(labels) found[labels.__profile_type__] = true end)
  if not ok then return nil, err end
  local rows = {}
  for i, id in ipairs(shared.sorted(found)) do
    local row = types.row(id)
    rows[i] = { ID = id, name = row.name, sampleType = row.sample_type,
      sampleUnit = row.sample_unit, periodType = row.period_type, periodUnit = row.period_unit }
  end
  return { profileTypes = rows }
end

function lists.LabelNames(store, server, request)
  local range, err = ask.list_range(server, request)
  if not range then return nil, err end
  local matchers
  matchers, err = ask.matchers(server, request, "parsing label selector: ")
  if not matchers then return nil, err end
  local found, ok = {}
  ok, err = each(store, matchers[1], range, function(labels)
    for name in pairs(labels) do
      if ask.shows(server, name) then found[name] = true end
    end
  end)
  if not ok then return nil, err end
  return { names = shared.sorted(found) }
end

function lists.LabelValues(store, server, request)
  local name = request.name or ""
  if name == "" then return ask.nested(server, "invalid_argument", "name is required") end
  local range, err = ask.list_range(server, request)
  if not range then return nil, err end
  local matchers
  matchers, err = ask.matchers(server, request, "parsing label selector: ")
  if not matchers then return nil, err end
  local found, ok = {}
  ok, err = each(store, matchers[1], range, function(labels)
    if labels[name] then found[labels[name]] = true end
  end)
  if not ok then return nil, err end
  return { names = shared.sorted(found) }
end

-- Names and values of two lists of labels in turn, as the server sorts series.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    if a[i].name ~= b[i].name then return a[i].name < b[i].name end
    if a[i].value ~= b[i].value then return a[i].value < b[i].value end
  end
  return #a < #b
end

function lists.Series(store, server, request)
  local range, err = ask.list_range(server, request)
  if not range then return nil, err end
  local matchers
  matchers, err = ask.matchers(server, request, "", true)
  if not matchers then return nil, err end
  local wanted = {}
  for _, name in ipairs(request.labelNames or {}) do
    if ask.shows(server, name) then wanted[#wanted + 1] = name end
  end
  -- Asked for names of which none is shown, the server forgets to hide any.
  local hides = #(request.labelNames or {}) == 0
  local reduce = #wanted > 0
  table.sort(wanted)
  local found = {}
  for _, list in ipairs(matchers) do
    local ok
    ok, err = each(store, list, range, function(labels)
      local pairs_of, key = {}, {}
      for _, name in ipairs(reduce and wanted or shared.sorted(labels)) do
        if labels[name] and (not hides or ask.shows(server, name)) then
          pairs_of[#pairs_of + 1] = { name = name, value = labels[name] }
          key[#key + 1] = name .. "\1" .. labels[name]
        end
      end
      if #pairs_of > 0 or server.mode == "v1" then found[table.concat(key, "\2")] = pairs_of end
    end)
    if not ok then return nil, err end
  end
  local sets = {}
  for _, labels in pairs(found) do sets[#sets + 1] = labels end
  table.sort(sets, before)
  for i, labels in ipairs(sets) do sets[i] = { labels = labels } end
  return { labelsSet = sets }
end

function lists.GetProfileStats(store)
  local stats = store:stats()
  return { dataIngested = stats.ingested, oldestProfileTime = stats.oldest_ms,
    newestProfileTime = stats.newest_ms }
end

--- A server's estimate of cost, which current ones leave empty.
function lists.AnalyzeQuery()
  return {}
end

return lists
