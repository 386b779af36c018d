--- Who is in a store: services with their types, cores, instances, versions and language.

local choose = require "pyroscope.source.store.choose"
local core = require "pyroscope.core"
local query = require "pyroscope.query"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local store = {}

local POINTS = 30
-- Gathers what the index says of a window: no file is parsed.
local function survey(self, window)
  local by_name = {}
  for entry in choose.between(self.entries, window.from_ms, window.to_ms) do
    local name = entry.labels.service_name
    local service = by_name[name]
    if not service then
      service = { name = name, ids = {}, values = {}, versions = {} }
      by_name[name] = service
    end
    local ids = entry.types
    if not ids then
      local known, err = self.files:meta(entry)
      if not known then return nil, err end
      ids = known.ids
    end
    for _, id in ipairs(ids) do
      if types.parts(id) then service.ids[types.resolve(id)] = true end
    end
    for label, value in pairs(entry.labels) do
      service.values[label] = service.values[label] or {}
      service.values[label][value] = true
    end
    for _, label in ipairs(shared.version_labels) do
      local value = entry.labels[label]
      if value then
        service.versions[label] = service.versions[label] or {}
        service.versions[label][value] = entry.time_ms
      end
    end
    if entry.labels.pyroscope_spy then service.spy = entry.labels.pyroscope_spy end
  end
  return by_name
end

local function version_of(service)
  for _, label in ipairs(shared.version_labels) do
    local seen = service.versions[label]
    if seen then
      local list = shared.sorted(seen)
      table.sort(list, function(a, b)
        if seen[a] ~= seen[b] then return seen[a] > seen[b] end
        return a > b
      end)
      return list[1], list
    end
  end
  return nil, {}
end

-- CPU of one service: cores over the window, and in 30 steps over `over`.
local function cores_of(self, service, id, window, over)
  local factor = units.seconds(types.parts(id).sample_unit)
  local question, err = choose.question({ { name = "service_name", op = "=",
    value = service.name } }, over.from_ms, over.to_ms, id)
  if not question then return nil, err end
  local hits
  hits, err = choose.hits(self, question)
  if not hits then return nil, err end
  local length = over.to_ms - over.from_ms
  local points, whole = {}, 0
  for i = 1, POINTS do points[i] = 0 end
  for _, hit in ipairs(hits) do
    local time = hit.entry.time_ms
    for _, set in ipairs(hit.entry.meta.present) do
      local value, bad = self.files:total(hit.entry, hit.type, set)
      if not value then return nil, bad end
      local i = (time - over.from_ms) * POINTS // length + 1
      points[i] = points[i] + value * factor / (length / POINTS / 1000)
      if time >= window.from_ms then whole = whole + value end
    end
  end
  return whole * factor / ((window.to_ms - window.from_ms) / 1000), points
end

-- The language of a service whose labels and types do not tell it: that of the sources in its
-- newest profile.
local function written_in(self, service, id, window)
  local question = id and choose.question({ { name = "service_name", op = "=",
    value = service.name } }, window.from_ms, window.to_ms, id)
  local hits = question and choose.hits(self, question)
  local hit = hits and hits[#hits]
  local handle = hit and self.files:get(hit.entry)
  if not handle then return nil end
  if handle.tree then return shared.written_in(handle.tree) end
  local profile = core.collect { { handle.pprof, type = hit.type, sets = hit.sets } }
  local language = profile and shared.written_in(profile)
  if profile then profile:close() end
  return language
end

--- Services that sent profiles in a window, by CPU. The points cover twice the window where one
--- was asked for, else the store; `rows.points_from_ms`, `rows.points_to_ms` say it.
---@param window? pyroscope.window
---@return pyroscope.service_row[]? rows
---@return pyroscope.error? err
function store:services(window)
  local resolved, err = query.window(window, self, "services")
  if not resolved then return nil, err end
  local by_name
  by_name, err = survey(self, resolved)
  if not by_name then return nil, err end
  local over = { from_ms = resolved.from_ms, to_ms = resolved.to_ms }
  if resolved.windowed then over.from_ms = 2 * resolved.from_ms - resolved.to_ms end
  local rows = { points_from_ms = over.from_ms, points_to_ms = over.to_ms,
    from_ms = resolved.from_ms, to_ms = resolved.to_ms }
  for _, name in ipairs(shared.sorted(by_name)) do
    local service = by_name[name]
    local ids = shared.sorted(service.ids)
    local row = { name = name, types = {}, instances = 0 }
    for i, id in ipairs(ids) do row.types[i] = types.row(id) end
    local cpu = types.resolve("cpu", ids)
    if cpu and units.seconds(types.parts(cpu).sample_unit) then
      row.cpu_type = cpu
      row.cores, row.points = cores_of(self, service, cpu, resolved, over)
      if not row.cores then return nil, row.points end
    end
    for _, label in ipairs(shared.instance_labels) do
      if service.values[label] then
        row.instance_label, row.instances = label, #shared.sorted(service.values[label])
        break
      end
    end
    row.version, row.versions = version_of(service)
    row.language = shared.language(service.spy, ids)
      or written_in(self, service, cpu or ids[1], resolved)
    rows[#rows + 1] = row
  end
  table.sort(rows, shared.by_cores)
  return rows
end

return store
