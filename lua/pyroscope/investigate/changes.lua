--- What differs between two windows before any function is looked at: labels, types, totals of
--- every class, and how far the shares of functions moved.

local fetch = require "pyroscope.investigate.fetch"
local lives = require "pyroscope.investigate.lives"
local normalise = require "pyroscope.investigate.normalise"
local quantum = require "pyroscope.investigate.quantum"
local resolve = require "pyroscope.source.resolve"
local shared = require "pyroscope.source.shared"
local stats = require "pyroscope.investigate.stats"
local subjects = require "pyroscope.investigate.subject"
local survey = require "pyroscope.investigate.survey"
local tree = require "pyroscope.investigate.tree"
local unions = require "pyroscope.investigate.unions"
local units = require "pyroscope.units"
local waiting = require "pyroscope.investigate.waiting"
local windows = require "pyroscope.investigate.windows"

local changes = {}

--- Classes in the order in which they are looked at, with the recipe of each. Waits come last: they
--- are often the consequence of something else.
changes.classes = {
  { class = "cpu", recipe = "cpu_regression" }, { class = "wall", recipe = "cpu_regression" },
  { class = "alloc_bytes", recipe = "alloc_pressure" },
  { class = "live_bytes", recipe = "memory_leak" },
  { class = "goroutine", recipe = "goroutine_leak" },
  { class = "mutex_delay", recipe = "mutex_contention" },
  { class = "block_delay", recipe = "block_offcpu" },
}

-- Mean waiters at a site that count.
local BAR = 0.1

local INSTANCE = {}
for _, name in ipairs(shared.instance_labels) do INSTANCE[name] = true end

local function list_of(values, most)
  local shown = table.move(values, 1, math.min(most, #values), 1, {})
  local text = table.concat(shown, ", ")
  if #values > most then text = ("%s and %d more"):format(text, #values - most) end
  return text
end

--- Label values and types that one side has and the other lacks, as notes; names of instances are
--- summed up.
---@param source pyroscope.source
---@param selector string
---@param sides { A: table, B: table }
---@return table[]? notes
---@return pyroscope.error? err
function changes.metadata(source, selector, sides)
  local found, err = fetch.labels_diff(source, { selector = selector, A = sides.A, B = sides.B })
  if not found then return nil, err end
  local notes, names = {}, {}
  for _, of in ipairs { found.gone, found.new } do
    for name in pairs(of) do names[name] = true end
  end
  names = shared.sorted(names)
  for _, name in ipairs(names) do
    local gone, new = found.gone[name] or {}, found.new[name] or {}
    if INSTANCE[name] then
      notes[#notes + 1] = { code = "instances", message = ("%s: %d gone, %d new")
        :format(name, #gone, #new) }
    elseif not shared.internal(name) then
      local message
      if #gone > 0 and #new > 0 then
        message = ("%s: %s -> %s"):format(name, list_of(gone, 3), list_of(new, 3))
      elseif #new > 0 then
        message = ("%s: new %s"):format(name, list_of(new, 3))
      else
        message = ("%s: gone %s"):format(name, list_of(gone, 3))
      end
      notes[#notes + 1] = { code = "label", message = message }
    end
  end
  for _, side in ipairs { { "gone", found.gone }, { "new", found.new } } do
    local types = side[2].__profile_type__
    if types then
      notes[#notes + 1] = { code = "types", message = ("profile types %s: %s")
        :format(side[1], list_of(types, 4)) }
    end
  end
  return notes
end

-- Shares of functions by side and half, and how far they moved beyond noise: the divergence of the
-- sides less half of that of the halves of each, whose samples are half as many.
local function divergence(u)
  local flat = tree.flat(u)
  local function column(...)
    local out = {}
    for i, values in ipairs(flat.value) do
      out[i] = 0
      for _, k in ipairs { ... } do out[i] = out[i] + values[k] end
    end
    return out
  end
  local noise = (stats.jsd(column(1), column(2)) + stats.jsd(column(3), column(4))) / 4
  return math.max(0, stats.jsd(column(1, 2), column(3, 4)) - noise)
end

-- p of a class: Simes over its functions, two halves a side.
local function p_of_flow(u)
  local result = stats.choose(u, normalise.size_factors(u), { unit = "pod" })
  local p = {}
  for _, which in ipairs { "cum", "flat" } do
    for i, tested in ipairs(result[which].tested) do
      if tested then p[#p + 1] = result[which].p[i] end
    end
  end
  return stats.simes(p)
end

local function rate_of(sum, window, subject)
  return sum * (units.seconds(subject.unit) or 1) / ((window.to_ms - window.from_ms) / 1000)
end

local function flow(source, subject, sides, options)
  local u, err = unions.fetch(source, subject, windows.halves(sides), options, { empty = "zero",
    quantum = quantum.infer { class = subject.class, runtime = subject.runtime } })
  if not u then return nil, err end
  local totals = (u:totals())
  local sums = { A = totals[1] + totals[2], B = totals[3] + totals[4] }
  local result = { divergence = divergence(u), before = rate_of(sums.A, sides.A, subject),
    after = rate_of(sums.B, sides.B, subject) }
  if subject.class:find "_delay$" then
    local idle
    if subject.class:find "^block" then idle = false end
    local sites = waiting.sites(u, { instances = {} }, { unit = subject.unit, idle = idle })
    result.p = 1
    -- few halves make no test of waits: what changed a lot in size is worth its own recipe
    for _, site in ipairs((stats.waits(sites, u.sides, { bar = BAR }))) do
      local large = math.abs(site.after - site.before) >= 10 * BAR
        and math.abs(site.after - site.before) >= site.before
      if site.passes or large then
        result.p = math.min(result.p, site.passes and site.q or 0.001)
      end
    end
  else
    local user = tree.user(u)
    result.p = p_of_flow(user)
    result.load = normalise.load(user, normalise.size_factors(user))
  end
  return result
end

local function stock(source, subject, range, options)
  local found, err = lives.find(source, subject, range, options)
  if not found then return nil, err end
  if #found.processes == 0 then
    return { p = 1, divergence = 0, note = "too few points" }
  end
  local trend = lives.trend(found.processes, options)
  local totals = lives.totals(found.processes, subject.unit)
  return { p = trend.z > 0 and trend.plateau == "clear" and trend.p or 1, divergence = 0,
    before = totals.A.rate, after = totals.B.rate }
end

-- Moments at which the total of a class changed its level.
local function moments(source, subject, range, options)
  local found = survey.of(source, subject, range, options)
  if not found then return {} end
  local points = survey.totals(found)
  return stats.changepoints(points) or {}
end

--- One class: what it was before and after, how sure it is that functions changed.
---@param source pyroscope.source
---@param entry { class: string, recipe: string }
---@param selector string
---@param range { from_ms: integer, to_ms: integer }
---@param sides { A: table, B: table }
---@param options table
---@return table? row             nil: there is no such type
---@return pyroscope.error? err
function changes.class(source, entry, selector, range, sides, options)
  local id, about = resolve.choose(source, entry.class, selector, range)
  if not id then
    if about and about.code ~= "type_absent" and about.kind ~= "no_data" then return nil, about end
    return nil
  end
  local subject, err = subjects.of(source, { entry.class }, selector, range)
  if not subject then return nil, err end
  local row
  if subject.kind == "stock" then
    row, err = stock(source, subject, range, options)
  else
    row, err = flow(source, subject, sides, options)
  end
  if not row then
    if err.kind == "no_data" then return nil end
    return nil, err
  end
  row.class, row.recipe, row.subject = entry.class, entry.recipe, subject
  row.moments = moments(source, subject, range, options)
  return row
end

--- The two windows of what changed, of the first class that there is.
---@param source pyroscope.source
---@param options table
---@param range string
---@return table? found           { design, sides, range, subject }
---@return pyroscope.error? err
function changes.windows(source, options, range)
  local design = require "pyroscope.investigate.design"
  local whole, err = design.range(source, options, range)
  if not whole then return nil, err end
  local wanted = {}
  for i, entry in ipairs(changes.classes) do wanted[i] = entry.class end
  local subject
  subject, err = subjects.of(source, wanted, options.selector, whole)
  if not subject then return nil, err end
  local made
  made, err = design.choose(source, subject, options, range)
  if not made then return nil, err end
  local hull = windows.hull(made.A, made.B)
  if made.change_source == "given" or made.change_source == "versions" then whole = hull end
  return { design = made, sides = windows.sides(made), subject = subject, range = {
    from_ms = math.min(whole.from_ms, hull.from_ms), to_ms = math.max(whole.to_ms, hull.to_ms) } }
end

return changes
