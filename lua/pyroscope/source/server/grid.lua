--- Buckets of time from a server: SelectSeries and SelectHeatmap asked so that the server's
--- (t - step, t] is our [t, t + step), its first point (before the window) dropped, every bucket
--- in one piece.

local flight = require "pyroscope.source.server.flight"
local ranges = require "pyroscope.source.server.ranges"
local shared = require "pyroscope.source.shared"
local version = require "pyroscope.source.server.version"

local grid = {}

---@class pyroscope.grid
---@field step_ms integer
---@field count integer
---@field from_ms integer
---@field to_ms integer

--- The grid of a question: whole steps, lengthened at the start.
---@param question pyroscope.resolved
---@return pyroscope.grid
function grid.of(question)
  local step, count, from_ms = shared.grid(question)
  return { step_ms = step, count = count, from_ms = from_ms, to_ms = question.to_ms }
end

--- The whole window as one bucket.
---@param question pyroscope.resolved
---@return pyroscope.grid
function grid.whole(question)
  return { step_ms = question.to_ms - question.from_ms, count = 1, from_ms = question.from_ms,
    to_ms = question.to_ms }
end

-- A step that a server may be asked for: the grid's, or a part of it where that exceeds the limit.
local function asked_step(cells, limit)
  local parts = -(-cells.step_ms // limit)
  while cells.step_ms % parts ~= 0 do parts = parts + 1 end
  return cells.step_ms // parts
end

-- The bucket that a point ends in: nil for those that lie before or after.
local function bucket(cells, time)
  local since = time - (cells.from_ms - 1)
  if since <= 0 or time > cells.to_ms - 1 then return nil end
  return (since + cells.step_ms - 1) // cells.step_ms
end

local function labels_of(pairs_list)
  local labels = {}
  for _, pair in ipairs(pairs_list or {}) do labels[pair.name or ""] = pair.value or "" end
  return labels
end

grid.labels_of = labels_of

---@class pyroscope.grid.found
---@field groups table<string, { labels: table, cells: table<integer, any> }>
---@field warnings string[]
---@field partial? boolean

-- Asks a method for every piece and hands each point over: visit(group, index, point, time).
local function collect(self, question, cells, spec)
  local step = asked_step(cells, self.range_ms)
  local result, err = ranges.fetch(self, cells.from_ms, cells.to_ms, function(from_ms, to_ms)
    local request = { profileTypeID = question.profile_type, labelSelector = question.selector,
      start = from_ms - 1, ["end"] = to_ms - 1, step = step / 1000, groupBy = spec.group_by }
    for name, value in pairs(spec.request or {}) do request[name] = value end
    local answer, bad = ranges.ask(self, spec.method, request)
    if not answer then return nil, bad end
    return { from_ms = from_ms, series = answer.series or {} }
  end, step)
  if not result then return nil, err end
  local found = { groups = {}, warnings = result.warnings, partial = result.partial }
  local shifted = false
  for _, piece in ipairs(result.values) do
    for _, series in ipairs(piece.value.series) do
      local labels = labels_of(series.labels)
      local key = shared.key(labels, spec.group_by)
      local group = found.groups[key]
      if not group then
        group = { labels = labels, cells = {}, key = key }
        found.groups[key] = group
      end
      for _, point in ipairs(series[spec.points] or {}) do
        local time = point.timestamp or 0
        -- The first point of a piece belongs to the piece before.
        local index = time > piece.from_ms - 1 and bucket(cells, time)
        if index then
          shifted = shifted or (time - (cells.from_ms - 1)) % step ~= 0
          spec.visit(group, index, point, time, labels)
        end
      end
    end
  end
  found.shifted = shifted
  if shifted and not spec.loose then
    table.insert(found.warnings, "the server answered on another grid (it splits its storage): "
      .. "points were put into the step in which they end")
  end
  return found
end

grid.collect = collect

-- The grid of one bucket in many small steps.
local function refined(cells)
  local step = math.max(1000, cells.step_ms // 200)
  local count = -(-cells.step_ms // step)
  return { step_ms = step, count = count, from_ms = cells.to_ms - count * step,
    to_ms = cells.to_ms }
end

local function add(group, index, n)
  group.cells[index] = (group.cells[index] or 0) + n
end

--- Sums of values by group and bucket.
---@param self table
---@param question pyroscope.resolved
---@param cells pyroscope.grid
---@param group_by string[]
---@return pyroscope.grid.found? found
---@return pyroscope.error? err
function grid.values(self, question, cells, group_by)
  local function ask(asked, visit)
    return collect(self, question, asked, { method = "SelectSeries", points = "points",
      group_by = group_by, visit = visit })
  end
  local function visit(group, index, point)
    local value = point.value or 0
    local cell = group.cells[index]
    if not cell then
      cell = { raw = 0 }
      group.cells[index] = cell
    end
    cell.raw = cell.raw + (math.tointeger(value) or math.floor(value + 0.5))
    for _, note in ipairs(point.annotations or {}) do
      cell.annotations = cell.annotations or {}
      table.insert(cell.annotations, { key = note.key, value = note.value })
    end
  end
  local found, err = ask(cells, visit)
  if not found then return nil, err end
  -- Where the server splits its storage the grid of the newer part begins at the split, and what
  -- follows its last whole step is not in the answer: one bucket is then asked for in small ones.
  local dual = found.shifted or (self.known_server and self.known_server.storage == "dual")
  if cells.count == 1 and cells.step_ms > 1000 and (dual or not next(found.groups)) then
    return ask(refined(cells), function(group, index, point, time)
      if time >= cells.from_ms then visit(group, index and 1, point) end
    end)
  end
  return found
end

-- Where there are no heat maps: points of single instances, close enough together that each holds
-- one profile.
local FINE = 5000

local function by_instances(self, question, cells, group_by)
  local names, err = self:label_names({ from_ms = cells.from_ms, to_ms = cells.to_ms },
    { selector = question.selector })
  if not names then return nil, err end
  local present, instance = {}, nil
  for _, name in ipairs(names) do present[name] = true end
  for _, name in ipairs(shared.instance_labels) do
    if present[name] then
      instance = name
      break
    end
  end
  local fine_names = table.move(group_by, 1, #group_by, 1, {})
  fine_names[#fine_names + 1] = instance
  local count = -((cells.from_ms - cells.to_ms) // FINE)
  local fine = { step_ms = FINE, count = count, from_ms = cells.to_ms - count * FINE,
    to_ms = cells.to_ms }
  local groups = {}
  local found
  found, err = collect(self, question, fine, { method = "SelectSeries", points = "points",
    group_by = fine_names, loose = true, visit = function(_, _, point, time, labels)
      local index = bucket(cells, time)
      if not index or (point.value or 0) == 0 then return end
      local key = shared.key(labels, group_by)
      local group = groups[key]
      if not group then
        group = { labels = {}, cells = {}, key = key }
        for _, name in ipairs(group_by) do group.labels[name] = labels[name] end
        groups[key] = group
      end
      add(group, index, 1)
    end })
  if not found then return nil, err end
  found.groups = groups
  table.insert(found.warnings, instance
    and ("profiles were counted by label %s: too few if several processes share a value"):format(
      instance)
    or "profiles were counted without an instance label: too few if there are several processes")
  return found
end

--- Numbers of profiles by group and bucket.
---@param self table
---@param question pyroscope.resolved
---@param cells pyroscope.grid
---@param group_by string[]
---@return pyroscope.grid.found? found
---@return pyroscope.error? err
function grid.counts(self, question, cells, group_by)
  if self.heatmaps ~= false then
    local found, err = collect(self, question, cells, { method = "SelectHeatmap",
      points = "slots", group_by = group_by,
      request = { queryType = "HEATMAP_QUERY_TYPE_INDIVIDUAL",
        exemplarType = "EXEMPLAR_TYPE_NONE" },
      visit = function(group, index, slot)
        local n = 0
        for _, count in ipairs(slot.counts or {}) do n = n + count end
        add(group, index, n)
      end })
    if found then return found end
    if not version.absent(err) then return nil, err end
    if self.known_server and self.known_server.storage == "v1" then self.heatmaps = false end
  end
  return by_instances(self, question, cells, group_by)
end

--- Runs two or more of these in one flight; results in order, each value or nil and error.
grid.together = flight.all

return grid
