--- Who sends profiles to a server: two lists of label sets in one flight, then CPU by service.

local flight = require "pyroscope.source.server.flight"
local grid = require "pyroscope.source.server.grid"
local query = require "pyroscope.query"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local client = {}

local POINTS = 30

-- Label sets of a window, of any length; metadata answers know nothing of exact times.
local function both_lists(self, window)
  local details = { "service_name", "pyroscope_spy" }
  table.move(shared.instance_labels, 1, #shared.instance_labels, #details + 1, details)
  table.move(shared.version_labels, 1, #shared.version_labels, #details + 1, details)
  local results = flight.all {
    function() return self:label_sets(window, "{}", { "service_name", "__profile_type__" }) end,
    function() return self:label_sets(window, "{}", details) end,
  }
  if not results[1][1] then return nil, results[1][2] end
  return results[1][1], results[2][1] or {}, not results[2][1] and results[2][2] or nil
end

local function survey(pairs_list, details)
  local services = {}
  local function service_of(labels)
    local name = labels.service_name
    if not name or name == "" then return nil end
    services[name] = services[name] or { name = name, ids = {}, values = {} }
    return services[name]
  end
  for _, labels in ipairs(pairs_list) do
    local service, id = service_of(labels), labels.__profile_type__
    if service and id and types.parts(id) then service.ids[types.resolve(id)] = true end
  end
  for _, labels in ipairs(details) do
    local service = services[labels.service_name or ""]
    if service then
      for name, value in pairs(labels) do
        service.values[name] = service.values[name] or {}
        service.values[name][value] = true
      end
    end
  end
  return services
end

-- "2.10.0" after "2.9.1": numbers inside of texts count as numbers.
local function newer(a, b)
  local function padded(text)
    return (text:gsub("%d+", function(n) return ("0"):rep(math.max(0, 12 - #n)) .. n end))
  end
  local x, y = padded(a), padded(b)
  if x ~= y then return x > y end
  return a > b
end

local function versions_of(service)
  for _, label in ipairs(shared.version_labels) do
    if service.values[label] then
      local list = shared.sorted(service.values[label])
      table.sort(list, newer)
      return list
    end
  end
  return {}
end

local function row_of(service)
  local ids = shared.sorted(service.ids)
  local row = { name = service.name, types = {}, instances = 0, versions = versions_of(service) }
  for i, id in ipairs(ids) do row.types[i] = types.row(id) end
  row.version = row.versions[1]
  for _, label in ipairs(shared.instance_labels) do
    if service.values[label] then
      row.instance_label, row.instances = label, #shared.sorted(service.values[label])
      break
    end
  end
  local spies = service.values.pyroscope_spy and shared.sorted(service.values.pyroscope_spy)
  row.language = shared.language(spies and spies[1], ids)
  local cpu = types.resolve("cpu", ids)
  if cpu and units.seconds(types.parts(cpu).sample_unit) then row.cpu_type = cpu end
  return row
end

-- CPU over twice the window in 30 steps: the newer half is the window.
local function add_cores(self, rows, resolved, from_ms)
  local by_type, names = {}, {}
  for _, row in ipairs(rows) do
    if row.cpu_type then
      if not by_type[row.cpu_type] then names[#names + 1] = row.cpu_type end
      by_type[row.cpu_type] = by_type[row.cpu_type] or {}
      by_type[row.cpu_type][row.name] = row
    end
  end
  table.sort(names)
  local step = math.max(1, (resolved.to_ms - from_ms) // POINTS)
  local cells = { step_ms = step, count = POINTS, from_ms = resolved.to_ms - POINTS * step,
    to_ms = resolved.to_ms }
  local tasks = {}
  for i, id in ipairs(names) do
    tasks[i] = function()
      return grid.values(self, { profile_type = id, selector = "{}" }, cells, { "service_name" })
    end
  end
  local warnings, partial = {}, nil
  for i, result in ipairs(flight.all(tasks)) do
    local found, err = result[1], result[2]
    if not found then
      partial = true
      table.insert(warnings, ("partial: no CPU values of %s: %s"):format(names[i], err.message))
    else
      partial = partial or found.partial
      table.move(found.warnings, 1, #found.warnings, #warnings + 1, warnings)
      local factor = units.seconds(types.parts(names[i]).sample_unit) / (step / 1000)
      for _, row in pairs(by_type[names[i]]) do
        row.points, row.cores = {}, 0
        for j = 1, POINTS do row.points[j] = 0 end
      end
      for _, group in pairs(found.groups) do
        local row = by_type[names[i]][group.labels.service_name or ""]
        if row then
          local whole = 0
          for j, cell in pairs(group.cells) do
            row.points[j] = cell.raw * factor
            if j > POINTS // 2 then whole = whole + cell.raw end
          end
          row.cores = whole * factor / (POINTS // 2)
        end
      end
    end
  end
  return warnings, partial
end

--- Services that sent profiles in a window, by CPU: language, cores, instances, versions, types.
--- The points cover twice the window; `rows.points_from_ms` and `rows.points_to_ms` say it.
---@param window? pyroscope.window
---@return pyroscope.service_row[]? rows
---@return pyroscope.error? err
function client:services(window)
  local resolved, err = query.window(window, self, "services")
  if not resolved then return nil, err end
  local found, details, why = both_lists(self, resolved)
  if not found and details.code == "endpoint" then -- a proxy may let the names through
    local names = self:label_values("service_name", resolved)
    if names then
      local rows = { from_ms = resolved.from_ms, to_ms = resolved.to_ms, partial = true,
        points_from_ms = 2 * resolved.from_ms - resolved.to_ms, points_to_ms = resolved.to_ms,
        warnings = { "names only: " .. details.message } }
      for i, name in ipairs(names) do rows[i] = { name = name, types = {}, ids = {} } end
      return rows
    end
  end
  if not found then return nil, details end
  local services = survey(found, details)
  local from_ms = 2 * resolved.from_ms - resolved.to_ms
  local rows = { points_from_ms = from_ms, points_to_ms = resolved.to_ms,
    from_ms = resolved.from_ms, to_ms = resolved.to_ms, warnings = {} }
  local names = shared.sorted(services)
  for i, name in ipairs(names) do rows[i] = row_of(services[name]) end
  if self.options.cache then require "pyroscope.source.server.cache".remember(self, names) end
  if why then
    table.insert(rows.warnings, "instances and versions are unknown: " .. why.message)
  end
  local warnings
  warnings, rows.partial = add_cores(self, rows, resolved, from_ms)
  table.move(warnings, 1, #warnings, #rows.warnings + 1, rows.warnings)
  table.sort(rows, shared.by_cores)
  return rows
end

return client
