--- Values of a store over time: timelines, counts, rankings, exemplars, heat maps.

local choose = require "pyroscope.source.store.choose"
local errors = require "pyroscope.errors"
local gather = require "pyroscope.source.store.profiles".gather
local heat = require "pyroscope.source.store.heat"
local shared = require "pyroscope.source.shared"

local store = {}

local MOST_STEPS = 100000

local function overflow(self)
  return nil, errors.new { kind = "limit", code = "overflow",
    message = ("%s: the sum of the values exceeds 64 bits"):format(self.name),
    hint = "narrow the window or the selector" }
end

--- The exact sum of two integers, nil where it leaves 64 bits.
local function add(a, b)
  local sum = a + b
  if (a ~ sum) & (b ~ sum) < 0 then return nil end
  return sum
end

local function by_key(a, b) return a.key < b.key end

-- Hits of a question split into groups of equal labels: { key, labels, hits }, each hit with only
-- the sets of its group.
local function grouped(hits, names)
  local groups, list = {}, {}
  choose.each_series(hits, function(labels, hit, set)
    local key = shared.key(labels, names)
    local group = groups[key]
    if not group then
      group = { key = key, labels = shared.reduced(labels, names), hits = {} }
      groups[key] = group
      list[#list + 1] = group
    end
    local last = group.hits[#group.hits]
    if not last or last.whole ~= hit then
      last = { entry = hit.entry, type = hit.type, id = hit.id, sets = {}, whole = hit }
      group.hits[#group.hits + 1] = last
    end
    last.sets[#last.sets + 1] = set
  end)
  table.sort(list, by_key)
  return list
end

-- The value of one hit: from the totals, or from its stacks where those are filtered.
local function value_of(self, hit, filters)
  if filters then
    local profile, err = gather(self, { hit }, filters)
    if not profile then return nil, err end
    local sum = profile.sum
    profile:close()
    return sum
  end
  local sum = 0
  for _, set in ipairs(hit.sets) do
    local value, err = self.files:total(hit.entry, hit.type, set)
    if not value then return nil, err end
    sum = add(sum, value)
    if not sum then return overflow(self) end
  end
  return sum
end

local function set_of(list)
  if not list then return nil end
  local set = {}
  for _, item in ipairs(list) do set[item] = true end
  return set
end

local function filters_of(resolved)
  if not (resolved.call_site or resolved.span_ids or resolved.trace_ids) then return nil end
  return { call_site = resolved.call_site, spans = set_of(resolved.span_ids),
    traces = set_of(resolved.trace_ids) }
end

-- Empty points of a timeline.
local function new_points(from_ms, step, count)
  local points = {}
  for i = 1, count do
    points[i] = { time_ms = from_ms + (i - 1) * step, raw = 0, profiles = 0 }
  end
  return points
end

-- Fills `points` of a group, one value a hit, each in the step that its time lies in.
local function fill(self, resolved, group, points, from_ms, step)
  local filters = filters_of(resolved)
  local sum = 0
  for _, hit in ipairs(group.hits) do
    local point = points[(hit.entry.time_ms - from_ms) // step + 1]
    local value, err = value_of(self, hit, filters)
    if not value then return nil, err end
    point.raw = add(point.raw, value)
    sum = add(sum, value)
    if not sum or not point.raw then return overflow(self) end
    point.profiles = point.profiles + hit.entry.profiles
  end
  return sum
end

-- Rows of single functions: a tree for every step, the functions' totals in it.
local function function_rows(self, resolved, group, from_ms, step, count)
  local rows, by_name, steps = {}, {}, {}
  for i, name in ipairs(resolved.functions) do
    rows[i] = { name = name, labels = group.labels, sum = 0, profiles = 0, key = group.key,
      points = new_points(from_ms, step, count) }
    by_name[name] = rows[i]
  end
  for _, hit in ipairs(group.hits) do
    local i = (hit.entry.time_ms - from_ms) // step + 1
    steps[i] = steps[i] or {}
    table.insert(steps[i], hit)
  end
  local filters = filters_of(resolved)
  for i = 1, count do
    if steps[i] then
      local profile, err = gather(self, steps[i], filters)
      if not profile then return nil, err end
      local profiles = choose.profiles(steps[i])
      for _, row in ipairs(profile:top(0, { by = "total" })) do
        local wanted = by_name[row.name]
        if wanted then
          wanted.points[i].raw = add(wanted.points[i].raw, row.total)
          wanted.sum = add(wanted.sum, row.total)
          if not wanted.sum or not wanted.points[i].raw then return overflow(self) end
        end
      end
      profile:close()
      for _, row in ipairs(rows) do
        row.points[i].profiles = profiles
        row.profiles = row.profiles + profiles
      end
    end
  end
  return rows
end

-- Lengthens the window of a question at its start to whole steps.
local function whole_steps(resolved)
  local step, count, from_ms = shared.grid(resolved)
  if count > MOST_STEPS then
    return nil, errors.new { kind = "usage",
      message = ("a step of %g s makes %d points, more than %d"):format(step / 1000, count,
        MOST_STEPS), hint = "take a longer step or a shorter window" }
  end
  local copy = {}
  for name, value in pairs(resolved) do copy[name] = value end
  copy.from_ms, copy.step_ms = from_ms, step
  return copy
end

--- Values over time, one row for each value of `group_by`: per second for flows, per profile for
--- stocks. Every step of the window has a point; a stock's is without `value` where nothing was
--- measured. With `functions`: a row for each of them, from one tree a step.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.timeline? rows
---@return pyroscope.error? err
function store:timeline(asked)
  local resolved, hits = self:question(asked, "timeline", whole_steps)
  if not resolved then return nil, hits end
  local step, count, from_ms = shared.grid(resolved)
  local rows = {}
  for _, group in ipairs(grouped(hits, resolved.group_by)) do
    if resolved.functions then
      local some, err = function_rows(self, resolved, group, from_ms, step, count)
      if not some then return nil, err end
      table.move(some, 1, #some, #rows + 1, rows)
    else
      local row = { labels = group.labels, key = group.key,
        points = new_points(from_ms, step, count), profiles = choose.profiles(group.hits) }
      local sum, err = fill(self, resolved, group, row.points, from_ms, step)
      if not sum then return nil, err end
      row.sum = sum
      rows[#rows + 1] = row
    end
  end
  for _, row in ipairs(rows) do
    for _, point in ipairs(row.points) do
      point.value = shared.shown(resolved, point.raw, step / 1000, point.profiles)
    end
  end
  table.sort(rows, shared.by_sum)
  for _, row in ipairs(rows) do row.key = nil end
  shared.limited(rows, resolved.limit)
  rows.profile_type, rows.unit, rows.kind = resolved.profile_type, resolved.unit, resolved.kind
  rows.step_ms, rows.from_ms, rows.to_ms = step, from_ms, resolved.to_ms
  rows.warnings = resolved.warnings
  return rows
end

--- How many profiles a question covers: one row, or one for each value of `group_by`.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.count_row[]? rows
---@return pyroscope.error? err
function store:profile_counts(asked)
  local resolved, hits = self:question(asked, "profile_counts")
  if not resolved then return nil, hits end
  local rows = {}
  for i, group in ipairs(grouped(hits, resolved.group_by)) do
    rows[i] = { labels = group.labels, profiles = choose.profiles(group.hits) }
  end
  return rows
end

--- Series ranked by their sum over the window; by service when nothing else is said.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.top_series_row[]? rows
---@return pyroscope.error? err
function store:top_series(asked)
  local resolved, hits = self:question(asked, "top_series")
  if not resolved then return nil, hits end
  local names = #resolved.group_by > 0 and resolved.group_by or { "service_name" }
  local filters, rows, whole = filters_of(resolved), {}, 0
  local seconds = (resolved.to_ms - resolved.from_ms) / 1000
  for i, group in ipairs(grouped(hits, names)) do
    local sum = 0
    for _, hit in ipairs(group.hits) do
      local value, err = value_of(self, hit, filters)
      if not value then return nil, err end
      sum = add(sum, value)
      if not sum then return overflow(self) end
    end
    local profiles = choose.profiles(group.hits)
    rows[i] = { labels = group.labels, sum = sum, profiles = profiles, key = group.key,
      value = shared.shown(resolved, sum, seconds, profiles) }
    whole = whole + sum
  end
  for _, row in ipairs(rows) do row.share = whole ~= 0 and row.sum / whole or 0 end
  table.sort(rows, shared.by_sum)
  for _, row in ipairs(rows) do row.key = nil end
  return shared.limited(rows, resolved.limit)
end

-- Single profiles, or spans, of hits as heat map and exemplars want them; `unsupported` for spans
-- where no sample has one.
local function singles(self, resolved, hits)
  local rows = {}
  for _, hit in ipairs(hits) do
    local found, err
    if resolved.exemplars == "span" then
      found, err = heat.spans(self, hit)
    else
      found, err = heat.profile(self, hit)
    end
    if not found then return nil, err end
    table.move(found, 1, #found, #rows + 1, rows)
  end
  if #rows == 0 and resolved.exemplars == "span" then
    return choose.lacking(("the samples in %s carry no span ids"):format(self.name),
      "ask for kind 'profile', or a service that is profiled with spans")
  end
  return rows
end

--- The largest single profiles, or spans with `kind = "span"`.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.exemplar_row[]? rows
---@return pyroscope.error? err
function store:exemplars(asked)
  local resolved, hits = self:question(asked, "exemplars")
  if not resolved then return nil, hits end
  local found, err = singles(self, resolved, hits)
  if not found then return nil, err end
  table.sort(found, shared.by_value)
  shared.limited(found, resolved.limit or 100)
  for _, row in ipairs(found) do row.labels = shared.visible(row.labels) end
  return found
end

--- Counts of profiles, or spans, by time and value.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.heatmap? heatmap
---@return pyroscope.error? err
function store:heatmap(asked)
  local resolved, hits = self:question(asked, "heatmap", whole_steps)
  if not resolved then return nil, hits end
  local step, _, from_ms = shared.grid(resolved)
  local found, err = singles(self, resolved, hits)
  if not found then return nil, err end
  local rows = heat.map(found, { group_by = resolved.group_by, limit = resolved.limit,
    exemplars = true, slot = function(time_ms)
      return from_ms + (time_ms - from_ms) // step * step
    end })
  for _, row in ipairs(rows) do
    for _, slot in ipairs(row.slots) do
      for _, exemplar in ipairs(slot.exemplars) do
        exemplar.labels = shared.visible(exemplar.labels)
      end
    end
  end
  return { profile_type = resolved.profile_type, unit = resolved.unit, step_ms = step,
    from_ms = from_ms, to_ms = resolved.to_ms, rows = rows }
end

return store
