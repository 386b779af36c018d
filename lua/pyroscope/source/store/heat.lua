--- Single profiles and spans by time and value: what exemplars and heat maps are made of.

local choose = require "pyroscope.source.store.choose"
local files = require "pyroscope.source.store.files"

local heat = {}

local BUCKETS = 20

---@class pyroscope.store.single
---@field time_ms integer
---@field value integer
---@field labels table<string,string>
---@field profile_id? string
---@field span_id? string
---@field trace_id? string

--- The labels that two series share with equal values.
---@param a table<string,string>?  nil: nothing is known yet
---@param b table<string,string>
---@return table<string,string>
function heat.common(a, b)
  if not a then return b end
  local both = {}
  for name, value in pairs(a) do
    if b[name] == value then both[name] = value end
  end
  return both
end

--- The profile of a hit, with the labels that its wanted sets share; empty without a value.
---@param store pyroscope.store
---@param hit pyroscope.store.hit
---@return pyroscope.store.single[]? rows
---@return pyroscope.error? err
function heat.profile(store, hit)
  local rows, err = heat.profiles(store, hit)
  if not rows or #rows < 2 then return rows, err end
  local whole = { time_ms = rows[1].time_ms, value = 0, profile_id = rows[1].profile_id }
  for _, row in ipairs(rows) do
    whole.value = whole.value + row.value
    whole.labels = heat.common(whole.labels, row.labels)
  end
  return { whole }
end

--- The profiles of a hit, one for each label set, as a server stores them; without empty ones.
---@param store pyroscope.store
---@param hit pyroscope.store.hit
---@return pyroscope.store.single[]? rows
---@return pyroscope.error? err
function heat.profiles(store, hit)
  local rows = {}
  for _, set in ipairs(hit.sets or hit.entry.meta.present) do
    local value, err = store.files:total(hit.entry, hit.type, set)
    if not value then return nil, err end
    if value ~= 0 then
      rows[#rows + 1] = { time_ms = hit.entry.time_ms, value = value,
        profile_id = choose.profile_id(hit.entry),
        labels = files.series(hit.entry, hit.type, set) }
    end
  end
  return rows
end

--- The spans of a hit.
---@param store pyroscope.store
---@param hit pyroscope.store.hit
---@return pyroscope.store.single[]? rows
---@return pyroscope.error? err
function heat.spans(store, hit)
  local handle, err = store.files:get(hit.entry)
  if not handle then return nil, err end
  local rows, wanted = {}, {}
  if not handle.pprof then return rows end
  for _, set in ipairs(hit.sets or hit.entry.meta.present) do wanted[set] = true end
  for _, span in ipairs(handle.pprof:spans(hit.type)) do
    -- Ids of another shape are none; a server drops them when it takes the profile in.
    local id = #span.span_id == 16 and span.span_id:match "^%x+$"
    if id and wanted[span.set] and span.value ~= 0 then
      rows[#rows + 1] = { time_ms = hit.entry.time_ms, value = span.value, span_id = id:lower(),
        trace_id = #span.trace_id == 32 and span.trace_id:lower() or nil,
        labels = files.series(hit.entry, hit.type, span.set) }
    end
  end
  return rows
end

--- The lower edges of the buckets between two values.
---@param low integer
---@param high integer
---@return number[]
function heat.edges(low, high)
  local edges = {}
  local width = (high - low) / BUCKETS
  for i = 1, BUCKETS do edges[i] = low + (i - 1) * width end
  return edges
end

local function bucket_of(value, low, high)
  if low == high then return BUCKETS end
  local width = (high - low) / BUCKETS
  return math.min(BUCKETS, math.floor((value - low) / width) + 1)
end

local function key_of(labels, names)
  local parts = {}
  for i, name in ipairs(names) do
    parts[i] = labels[name] and name .. "\1" .. labels[name] or ""
  end
  return table.concat(parts, "\2")
end

local function by_count(a, b)
  if a.count ~= b.count then return a.count > b.count end
  return a.key < b.key
end

local function new_slot(time)
  local slot = { time_ms = time, counts = {}, best = {} }
  for i = 1, BUCKETS do slot.counts[i] = 0 end
  return slot
end

-- One upload whose samples have labels is stored as several profiles of one id: within a group they
-- are one.
local function uploads(singles, group_by)
  local list, seen = {}, {}
  for _, single in ipairs(singles) do
    local id = not single.span_id and single.profile_id
    local key = id and table.concat({ key_of(single.labels, group_by), single.time_ms, id }, "\3")
    local into = key and seen[key]
    if into then
      into.value, into.labels = into.value + single.value, heat.common(into.labels, single.labels)
    else
      into = { time_ms = single.time_ms, value = single.value, labels = single.labels,
        profile_id = single.profile_id, span_id = single.span_id, trace_id = single.trace_id }
      list[#list + 1] = into
      if key then seen[key] = into end
    end
  end
  return list
end

--- Groups singles into rows and slots of 20 buckets each. `slot(time_ms)` names the slot of a
--- time, nil for none.
---@param singles pyroscope.store.single[]
---@param options { group_by: string[], limit?: integer, exemplars?: boolean, slot: function }
---@return table[] rows   { labels, slots = { { time_ms, y_min, counts, exemplars } } }
function heat.map(singles, options)
  local low, high
  local kept = {}
  for _, single in ipairs(uploads(singles, options.group_by)) do
    local time = options.slot(single.time_ms)
    if time then
      low, high = math.min(low or single.value, single.value), math.max(high or single.value,
        single.value)
      kept[#kept + 1] = { single, time }
    end
  end
  if not low then return {} end
  local rows, by_key = {}, {}
  for _, pair in ipairs(kept) do
    local single, time = pair[1], pair[2]
    local key = key_of(single.labels, options.group_by)
    local row = by_key[key]
    if not row then
      row = { key = key, labels = {}, slots = {}, by_time = {}, count = 0 }
      for _, name in ipairs(options.group_by) do row.labels[name] = single.labels[name] end
      by_key[key] = row
      rows[#rows + 1] = row
    end
    local slot = row.by_time[time]
    if not slot then
      slot = new_slot(time)
      row.by_time[time] = slot
      row.slots[#row.slots + 1] = slot
    end
    local bucket = bucket_of(single.value, low, high)
    slot.counts[bucket] = slot.counts[bucket] + 1
    row.count = row.count + 1
    local best = slot.best[bucket]
    if not best or single.value > best.value then slot.best[bucket] = single end
  end
  table.sort(rows, by_count)
  for i = #rows, (options.limit or #rows) + 1, -1 do rows[i] = nil end
  local edges = heat.edges(low, high)
  for _, row in ipairs(rows) do
    table.sort(row.slots, function(a, b) return a.time_ms < b.time_ms end)
    for _, slot in ipairs(row.slots) do
      slot.y_min = edges
      if options.exemplars then
        slot.exemplars = {}
        for bucket = 1, BUCKETS do
          local best = slot.best[bucket]
          if best then
            local copy = {}
            for name, value in pairs(best) do copy[name] = value end
            slot.exemplars[#slot.exemplars + 1] = copy
          end
        end
      end
      slot.best = nil
    end
    row.key, row.by_time, row.count = nil, nil, nil
  end
  return rows
end

return heat
