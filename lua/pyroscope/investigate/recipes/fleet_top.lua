--- Which functions and packages cost most over all services, and where would an optimisation pay?

local inv = require "pyroscope.investigate"

-- Services with fewer raw samples are put together.
local FEWEST = 1000

-- Services by cores, dearest first; the rest is one number.
local function services_of(source, options, window, type_id)
  local rows, err = inv.fetch.series(source, { selector = options.selector, type = type_id,
    from_ms = window.from_ms, to_ms = window.to_ms, step_ms = window.to_ms - window.from_ms,
    group_by = { "service_name" } })
  if not rows then return nil, err end
  local seconds, list = (window.to_ms - window.from_ms) / 1000, {}
  for _, row in ipairs(rows) do
    local name = row.labels.service_name
    if name and name ~= "" and row.sum > 0 then
      list[#list + 1] = { name = name, cores = row.sum / 1e9 / seconds, sum = row.sum }
    end
  end
  table.sort(list, function(a, b)
    if a.cores ~= b.cores then return a.cores > b.cores end
    return a.name < b.name
  end)
  return list
end

-- Cores of functions of one service, under normalised names. The language is part of the key.
local function add(functions, packages, sample, service, window)
  local u = inv.tree.union { sample, runtime = sample.runtime }
  if not u then return 0 end
  local seconds = (window.to_ms - window.from_ms) / 1000
  local flat, cum = inv.tree.flat(u), inv.tree.cum(u)
  for i, name in ipairs(cum.name) do
    local key = u.runtime .. "\1" .. name
    local entry = functions[key]
    if not entry then
      entry = { name = name, runtime = u.runtime, self = 0, total = 0, services = 0, squares = 0,
        list = {} }
      functions[key] = entry
    end
    local own = flat.value[i][1] / 1e9 / seconds
    entry.self, entry.total = entry.self + own, entry.total + cum.value[i][1] / 1e9 / seconds
    entry.services = entry.services + 1
    entry.list[#entry.list + 1] = own
    if own > 0 then
      local package = inv.frames.package(name, u.runtime)
      local of = packages[u.runtime .. "\1" .. package]
        or { name = package, runtime = u.runtime, self = 0, of = {} }
      packages[u.runtime .. "\1" .. package] = of
      of.self, of.of[service] = of.self + own, true
    end
  end
end

-- Sum of squared shares: 1 is one service alone, 1 / n is n services alike.
local function concentration(list)
  local sum, squares = 0, 0
  for _, value in ipairs(list) do sum = sum + value end
  if sum <= 0 then return nil end
  for _, value in ipairs(list) do squares = squares + (value / sum) ^ 2 end
  return squares
end

local function sorted(entries)
  local list = {}
  for _, entry in pairs(entries) do list[#list + 1] = entry end
  table.sort(list, function(a, b)
    if a.self ~= b.self then return a.self > b.self end
    if a.name ~= b.name then return a.name < b.name end
    return a.runtime < b.runtime
  end)
  return list
end

return function(source, options)
  local window, err = inv.design.range(source, options, "1h")
  if not window then return nil, err end
  local subject
  subject, err = inv.subject.of(source, { "cpu" }, options.selector, window)
  if not subject then return nil, err end
  local services
  services, err = services_of(source, options, window, subject.types)
  if not services then return nil, err end
  local chosen, small = {}, 0
  for i, service in ipairs(services) do
    if i <= options.services and service.sum >= FEWEST * 1e7 then
      chosen[#chosen + 1] = service
    else
      small = small + service.cores
    end
  end
  if #chosen == 0 then -- a small tenant is looked at as it is
    for i = 1, math.min(options.services, #services) do chosen[i] = services[i] end
    small = 0
    for i = #chosen + 1, #services do small = small + services[i].cores end
  end
  local design = { A = {}, B = {}, unit = "window", name = "quick" }
  for i, service in ipairs(chosen) do
    design.A[i] = { from_ms = window.from_ms, to_ms = window.to_ms,
      labels = { service_name = service.name }, instance = service.name }
  end
  local samples
  samples, err = inv.fetch.trees(source, { selector = options.selector, type = subject.types,
    design = design, max_nodes = options.max_nodes, on_progress = options.on_progress })
  if not samples then return nil, err end
  local functions, packages = {}, {}
  for _, sample in ipairs(samples) do
    add(functions, packages, sample, sample.instance, window)
  end
  inv.fetch.close(samples)

  local total = 0
  for _, service in ipairs(services) do total = total + service.cores end
  local price = options.price
  local rows, shown = {}, sorted(functions)
  for i = 1, math.min(options.limit, #shown) do
    local entry = shown[i]
    rows[i] = { name = entry.name, language = entry.runtime, self = entry.self,
      total = entry.total, share = total > 0 and entry.self / total or 0,
      services = entry.services, hhi = concentration(entry.list),
      price = price and entry.self * price * 24 * 30 or nil }
  end
  local columns = { { key = "name", label = "function" }, { key = "language", label = "language" },
    { key = "self", label = "self", unit = "cores" },
    { key = "total", label = "total", unit = "cores" },
    { key = "share", label = "of all", unit = "share" },
    { key = "services", label = "services" }, { key = "hhi", label = "concentration" } }
  if price then columns[#columns + 1] = { key = "price", label = "a month" } end
  local by_package, of_packages = sorted(packages), {}
  for i = 1, math.min(20, #by_package) do
    local entry, count = by_package[i], 0
    for _ in pairs(entry.of) do count = count + 1 end
    of_packages[i] = { name = entry.name, language = entry.runtime, self = entry.self,
      share = total > 0 and entry.self / total or 0, services = count }
  end
  local of_services = {}
  for i, service in ipairs(chosen) do
    of_services[i] = { name = service.name, cores = service.cores,
      share = total > 0 and service.cores / total or 0 }
  end
  if small > 0 then
    of_services[#of_services + 1] = { name = "(small services)", cores = small,
      share = total > 0 and small / total or 0 }
  end
  local best = rows[1]
  return inv.report.new { recipe = "fleet_top", verdict = "not_tested", outcome = "ranking",
    subject = subject, design = design, options = options, quality = { ok = true,
      partial = samples.partial or false, warnings = {} }, unit = "cores",
    summary = best and ("%d services, %.2f cores; dearest %s with %.2f cores in %d services")
      :format(#services, total, best.name, best.self, best.services) or "no CPU is used",
    notes = { { code = "saving", message = "making a function p % faster saves p % of its self "
      .. "cores; of its total, when all below it becomes faster as well" },
      { code = "language", message = "one name in two languages is two functions" } },
    tables = { { title = "Functions", columns = columns, rows = rows },
      { title = "Packages", columns = { { key = "name", label = "package" },
        { key = "language", label = "language" }, { key = "self", label = "self", unit = "cores" },
        { key = "share", label = "of all", unit = "share" },
        { key = "services", label = "services" } }, rows = of_packages },
      { title = "Services", columns = { { key = "name", label = "service" },
        { key = "cores", label = "cores", unit = "cores" },
        { key = "share", label = "of all", unit = "share" } }, rows = of_services } },
    next = best and { { recipe = "cpu_regression", args = {} } } or {} }
end
