--- Values over time from a server: timelines, counts, rankings, exemplars, heat maps.

local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local grid = require "pyroscope.source.server.grid"
local query = require "pyroscope.query"
local selector = require "pyroscope.selector"
local shared = require "pyroscope.source.shared"
local version = require "pyroscope.source.server.version"

local client = {}

local MOST_STEPS = 100000
local MOST_TREES = 2000

local function too_many(cells)
  return nil, errors.new { kind = "usage",
    message = ("a step of %g s makes %d points, more than %d"):format(cells.step_ms / 1000,
      cells.count, MOST_STEPS), hint = "take a longer step or a shorter window" }
end

local by_sum, limited, reduced = shared.by_sum, shared.limited, shared.reduced

local function joined(...)
  local all = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
  return all
end

-- Values and (of stocks) counts of a question in one flight.
local function measure(self, question, cells, group_by)
  local tasks = { function() return grid.values(self, question, cells, group_by) end }
  if shared.averaged(question) then
    tasks[2] = function() return grid.counts(self, question, cells, group_by) end
  end
  local results = flight.all(tasks)
  local values, err = results[1][1], results[1][2]
  if not values then return nil, err end
  if not next(values.groups) then return nil, self:absence(question) end
  local counts = results[2] and results[2][1]
  local warnings = joined(question.warnings or {}, values.warnings,
    counts and counts.warnings or {})
  if results[2] and not counts then
    table.insert(warnings, "the number of profiles is unknown (" .. results[2][2].message .. ")")
  end
  return { groups = values.groups, counts = counts and counts.groups, warnings = warnings,
    partial = values.partial or (counts and counts.partial) or nil }
end

local function finish(rows, question, cells, found)
  for _, row in ipairs(rows) do
    for _, point in ipairs(row.points) do
      point.value = shared.shown(question, point.raw, cells.step_ms / 1000, point.profiles)
    end
  end
  table.sort(rows, by_sum)
  for _, row in ipairs(rows) do row.key = nil end
  limited(rows, question.limit)
  rows.profile_type, rows.unit, rows.kind = question.profile_type, question.unit, question.kind
  rows.step_ms, rows.from_ms, rows.to_ms = cells.step_ms, cells.from_ms, cells.to_ms
  rows.warnings, rows.partial = found.warnings, found.partial
  return rows
end

-- One row of zeros, one point a step.
local function empty_row(cells, labels, key)
  local row = { labels = labels, key = key, points = {}, sum = 0 }
  for i = 1, cells.count do
    row.points[i] = { time_ms = cells.from_ms + (i - 1) * cells.step_ms, raw = 0 }
  end
  return row
end

local function add_counts(row, cells)
  row.profiles = 0
  for i, point in ipairs(row.points) do
    point.profiles = cells and cells[i] or 0
    row.profiles = row.profiles + point.profiles
  end
end

-- Filters by stacks and ids, and single functions: no server answers these as series, so there is
-- one tree for every step.
local function from_trees(self, question, cells)
  local groups = { [""] = { labels = {}, key = "" } }
  local found = { warnings = joined(question.warnings or {}) }
  if #question.group_by > 0 then
    local values, err = measure(self, question, cells, question.group_by)
    if not values then return nil, err end
    groups = values.groups
  end
  local list = {}
  for _, key in ipairs(shared.sorted(groups)) do list[#list + 1] = groups[key] end
  if #list * cells.count > MOST_TREES then
    return nil, errors.new { kind = "usage",
      message = ("this takes a tree for every step: %d, more than %d"):format(#list * cells.count,
        MOST_TREES), hint = "take a longer step, a shorter window, or fewer groups" }
  end
  local rows, tasks, any = {}, {}, false
  for _, group in ipairs(list) do
    local labels = reduced(group.labels, question.group_by)
    local made, by_name = {}, {}
    for i, name in ipairs(question.functions or { false }) do
      made[i] = empty_row(cells, labels, group.key .. "\3" .. (name or ""))
      made[i].name = name or nil
      by_name[name or ""] = made[i]
    end
    table.move(made, 1, #made, #rows + 1, rows)
    for index = 1, cells.count do
      tasks[#tasks + 1] = function()
        local asked = {}
        for name, value in pairs(question) do asked[name] = value end
        asked.from_ms = cells.from_ms + (index - 1) * cells.step_ms
        asked.to_ms = asked.from_ms + cells.step_ms
        asked.sum, asked.functions = true, nil
        asked.matchers = selector.merge(question.matchers, selector.from_labels(labels))
        asked.selector = selector.build(asked.matchers)
        local count
        if shared.averaged(question) then count = self:count(asked) end
        local profile, err = self:profile(asked)
        if not profile then
          if err.kind == "no_data" then return true end
          return nil, err
        end
        any = true
        for _, row in ipairs(made) do
          if count then row.points[index].profiles = count.total end
        end
        if question.functions then
          for _, row in ipairs(profile:top(0, { by = "total" })) do
            local wanted = by_name[row.name]
            if wanted then
              wanted.points[index].raw = row.total
              wanted.sum = wanted.sum + row.total
            end
          end
        else
          made[1].points[index].raw, made[1].sum = profile.sum, made[1].sum + profile.sum
        end
        profile:close()
        return true
      end
    end
  end
  local failed
  for _, result in ipairs(flight.all(tasks)) do
    if not result[1] then failed = failed or result[2] end
  end
  if failed and not any then return nil, failed end
  if failed then
    found.partial = true
    table.insert(found.warnings, "partial: some steps have no answer: " .. failed.message)
  end
  if not any then return nil, self:absence(question) end
  return finish(rows, question, cells, found)
end

--- Values over time, one row for each value of `group_by`: per second for flows, per profile for
--- stocks. Every step of the window has a point; a stock's is without `value` where nothing was
--- measured. With `functions`: a row for each of them, from one tree a step.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.timeline? rows
---@return pyroscope.error? err
function client:timeline(asked)
  local question, err = query.resolve(asked, self, { where = "timeline" })
  if not question then return nil, err end
  local cells = grid.of(question)
  if cells.count > MOST_STEPS then return too_many(cells) end
  if question.functions or question.call_site or question.span_ids or question.trace_ids
      or question.profile_ids then
    return from_trees(self, question, cells)
  end
  local found
  found, err = measure(self, question, cells, question.group_by)
  if not found then return nil, err end
  local rows = {}
  for key, group in pairs(found.groups) do
    local row = empty_row(cells, reduced(group.labels, question.group_by), key)
    for index, cell in pairs(group.cells) do
      local point = row.points[index]
      point.raw, point.annotations = cell.raw, cell.annotations
      row.sum = row.sum + cell.raw
    end
    if found.counts then add_counts(row, found.counts[key] and found.counts[key].cells) end
    if next(group.cells) then rows[#rows + 1] = row end
  end
  if #rows == 0 then return nil, self:absence(question) end
  return finish(rows, question, cells, found)
end

--- How many profiles a question covers in all: what a stock is divided by.
---@param question pyroscope.resolved
---@return { total: integer, warnings: string[] }? count
---@return pyroscope.error? err
function client:count(question)
  local found, err = grid.counts(self, question, grid.whole(question), {})
  if not found then return nil, err end
  local total = 0
  for _, group in pairs(found.groups) do total = total + (group.cells[1] or 0) end
  return { total = total, warnings = found.warnings, partial = found.partial }
end

--- How many profiles a question covers: one row, or one for each value of `group_by`.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.count_row[]? rows
---@return pyroscope.error? err
function client:profile_counts(asked)
  local question, err = query.resolve(asked, self, { where = "profile_counts" })
  if not question then return nil, err end
  local found
  found, err = grid.counts(self, question, grid.whole(question), question.group_by)
  if not found then return nil, err end
  local rows = { warnings = found.warnings, partial = found.partial }
  for _, key in ipairs(shared.sorted(found.groups)) do
    local group = found.groups[key]
    if (group.cells[1] or 0) > 0 then
      rows[#rows + 1] = { labels = reduced(group.labels, question.group_by),
        profiles = group.cells[1] }
    end
  end
  if #rows == 0 then return nil, self:absence(question) end
  return rows
end

--- Series ranked by their sum over the window; by service when nothing else is said.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.top_series_row[]? rows
---@return pyroscope.error? err
function client:top_series(asked)
  local question, err = query.resolve(asked, self, { where = "top_series" })
  if not question then return nil, err end
  local names = #question.group_by > 0 and question.group_by or { "service_name" }
  local found
  found, err = measure(self, question, grid.whole(question), names)
  if not found then return nil, err end
  local rows, whole = {}, 0
  local seconds = (question.to_ms - question.from_ms) / 1000
  for key, group in pairs(found.groups) do
    local sum = group.cells[1] and group.cells[1].raw or 0
    local counted = found.counts and found.counts[key]
    local profiles = counted and counted.cells[1] or nil
    if group.cells[1] then
      rows[#rows + 1] = { labels = reduced(group.labels, names), sum = sum, key = key,
        profiles = profiles, value = shared.shown(question, sum, seconds, profiles) }
      whole = whole + sum
    end
  end
  if #rows == 0 then return nil, self:absence(question) end
  for _, row in ipairs(rows) do row.share = whole ~= 0 and row.sum / whole or 0 end
  table.sort(rows, by_sum)
  for _, row in ipairs(rows) do row.key = nil end
  rows.warnings, rows.partial = found.warnings, found.partial
  return limited(rows, question.limit)
end

-- Exemplars ---------------------------------------------------------------------------------

local function exemplar_of(exemplar, series_labels)
  local labels = {}
  for name, value in pairs(series_labels) do labels[name] = value end
  for name, value in pairs(grid.labels_of(exemplar.labels)) do labels[name] = value end
  local function id(text) return text ~= nil and text ~= "" and text or nil end
  return { time_ms = exemplar.timestamp, value = exemplar.value or 0,
    labels = shared.visible(labels), profile_id = id(exemplar.profileId),
    span_id = id(exemplar.spanId), trace_id = id(exemplar.traceId) }
end

local KIND = {
  profile = { query = "HEATMAP_QUERY_TYPE_INDIVIDUAL", exemplar = "EXEMPLAR_TYPE_INDIVIDUAL" },
  span = { query = "HEATMAP_QUERY_TYPE_SPAN", exemplar = "EXEMPLAR_TYPE_SPAN" },
}

local function needs_new(err)
  if not version.absent(err) then return err end
  return errors.wrap(err, { kind = "unsupported", code = "needs_v2",
    message = "this server has no heat maps for this window",
    hint = "they need the new storage (v2) from version 1.19 on, for all of the window" })
end

--- The largest single profiles, or spans with `kind = "span"`: about one for every step, so the
--- step is chosen for the number wanted.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.exemplar_row[]? rows
---@return pyroscope.error? err
function client:exemplars(asked)
  local question, err = query.resolve(asked, self, { where = "exemplars" })
  if not question then return nil, err end
  local limit = question.limit or 100
  local fitted = {}
  for name, value in pairs(question) do fitted[name] = value end
  fitted.step_ms = question.step_ms
    or math.max(1000, (question.to_ms - question.from_ms) // limit // 1000 * 1000)
  local cells = grid.of(fitted)
  if cells.count > MOST_STEPS then return too_many(cells) end
  local rows, seen, points, without = {}, {}, 0, 0
  local span = question.exemplars == "span"
  local found
  found, err = grid.collect(self, question, cells, {
    method = span and "SelectHeatmap" or "SelectSeries", points = span and "slots" or "points",
    group_by = question.group_by, loose = true,
    request = span and { queryType = KIND.span.query, exemplarType = KIND.span.exemplar }
      or { exemplarType = KIND.profile.exemplar },
    visit = function(_, _, point, _, labels)
      points = points + 1
      for _, exemplar in ipairs(point.exemplars or {}) do
        local row = exemplar_of(exemplar, labels)
        local id = row.profile_id or row.span_id
        if span then id = row.span_id end
        if not id then without = without + 1 end
        local inside = row.time_ms and row.time_ms >= question.from_ms
          and row.time_ms < question.to_ms
        if id and inside and not seen[id .. "\1" .. row.time_ms] then
          seen[id .. "\1" .. row.time_ms] = true
          rows[#rows + 1] = row
        end
      end
    end })
  if not found then return nil, span and needs_new(err) or err end
  if points == 0 then return nil, self:absence(question) end
  if #rows == 0 then
    return nil, errors.new { kind = "unsupported", code = "no_exemplars",
      message = span and "the profiles of this window carry no spans"
        or "this server gives no exemplars for this window",
      hint = span and "ask for kind 'profile', or a service that is profiled with spans"
        or "they need the new storage (v2) from version 1.17 on: pscope doctor" }
  end
  table.sort(rows, shared.by_value)
  if without > 0 then
    table.insert(found.warnings, ("%d exemplar%s without %s id left out"):format(without,
      without == 1 and "" or "s", span and "a span" or "an"))
  end
  rows.step_ms, rows.warnings, rows.partial = cells.step_ms, found.warnings, found.partial
  return limited(rows, limit)
end

--- Counts of profiles, or spans, by time and value.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.heatmap? heatmap
---@return pyroscope.error? err
function client:heatmap(asked)
  local question, err = query.resolve(asked, self, { where = "heatmap" })
  if not question then return nil, err end
  local cells = grid.of(question)
  if cells.count > MOST_STEPS then return too_many(cells) end
  local kind = KIND[question.exemplars]
  local found
  found, err = grid.collect(self, question, cells, { method = "SelectHeatmap", points = "slots",
    group_by = question.group_by,
    request = { queryType = kind.query, exemplarType = kind.exemplar },
    visit = function(group, index, slot, _, labels)
      local made = { time_ms = cells.from_ms + (index - 1) * cells.step_ms, y_min = slot.yMin or {},
        counts = slot.counts or {}, exemplars = {} }
      for i, exemplar in ipairs(slot.exemplars or {}) do
        made.exemplars[i] = exemplar_of(exemplar, labels)
      end
      table.sort(made.exemplars, function(a, b) return a.value < b.value end)
      group.slots = group.slots or {}
      table.insert(group.slots, made)
      for _, n in ipairs(made.counts) do group.count = (group.count or 0) + n end
    end })
  if not found then return nil, needs_new(err) end
  local rows = {}
  for key, group in pairs(found.groups) do
    if group.slots then
      table.sort(group.slots, function(a, b) return a.time_ms < b.time_ms end)
      rows[#rows + 1] = { labels = reduced(group.labels, question.group_by), slots = group.slots,
        sum = group.count or 0, key = key }
    end
  end
  if #rows == 0 then return nil, self:absence(question) end
  table.sort(rows, by_sum)
  for _, row in ipairs(rows) do row.key, row.sum = nil, nil end
  return { profile_type = question.profile_type, unit = question.unit, step_ms = cells.step_ms,
    from_ms = cells.from_ms, to_ms = cells.to_ms, rows = limited(rows, question.limit),
    warnings = found.warnings, partial = found.partial }
end

return client
