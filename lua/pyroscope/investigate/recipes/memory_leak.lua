--- Does live memory grow without bound, how fast, allocated where, when does it hit the limit?

local inv = require "pyroscope.investigate"

-- One in a thousand series without a trend looks as steep as this.
local Z = 3.09
-- A heap is known by samples of half a mebibyte: fewer of them than this are its noise.
local SAMPLE, ENOUGH = 512 * 1024, 20

return function(source, options)
  local growth, lives = inv.growth, inv.lives
  local opened, err = lives.open(source, options, { "live_bytes", "live_objects" }, "12h")
  if not opened then return nil, err end
  local range, subject, found = opened.range, opened.subject, opened.found
  local given = { recipe = "memory_leak", subject = subject, quality = opened.quality,
    options = options, unit = subject.class == "live_bytes" and "bytes" or "objects", tables = {},
    notes = { { code = "allocated", message = "the profile shows where memory was allocated, not "
      .. "who holds it" } }, next = {} }
  local function done(more)
    for key, value in pairs(more) do given[key] = value end
    given.design = given.design or growth.design(range, given.trees, found)
    given.trees = nil
    return inv.report.new(given)
  end
  if #found.processes == 0 then
    return done { verdict = "inconclusive", reason = "too_few_points" }
  end

  local grown, total = lives.growing(found.processes, options, function(trend, list)
    local small = (trend.rel or 0) < options.min_growth
    if trend.z < Z or trend.slope <= 0 or small then return false end
    return subject.class ~= "live_bytes"
      or trend.slope * lives.hours(list) * #list >= ENOUGH * SAMPLE
  end)
  local level = lives.level(found.processes)
  given.sensitivity = lives.sensitivity(total, level,
    lives.hours(found.processes), options.alpha)
  given.totals = lives.totals(found.processes, given.unit)
  if not grown then return done {} end
  total, found.processes = grown.trend, grown.processes

  -- Growth with the work that is done is load: the same series over the allocation rate or CPU.
  local proxy = inv.subject.of(source, { "alloc_bytes", "cpu" }, options.selector, range)
  if proxy then
    local divide, load = lives.load(source, proxy, found, options)
    local normalised = lives.trend(found.processes, options, divide)
    if load.z >= Z and (normalised.z < Z or (normalised.rel or 0) < options.min_growth) then
      return done { outcome = "growth_explained_by_load", verdict = "no_change",
        explained_away = { { kind = "load", members = {}, value = load.rel,
          note = ("%s grows as well, and memory by unit of it does not"):format(proxy.class) } } }
    end
  end
  if total.plateau == "plateau" then
    return done(growth.ended(total, range, "it may be a warm-up"))
  end

  local trees
  trees, err = growth.trees(source, subject, found, options)
  if not trees then return nil, err end
  given.trees = trees
  local sites = inv.tree.sites(trees.union)
  local skip = {}
  for i, name in ipairs(sites.name) do skip[name] = sites.role[i] == "runtime" end
  local rows = growth.per_profile(trees, sites)
  local findings, tested = growth.findings(trees, rows, { alpha = options.alpha,
    least = options.min_share * level, level = level, unit = given.unit, skip = skip })
  local design = growth.design(range, trees, found)
  inv.evidence.locate(source, subject, design, findings)
  for _, finding in ipairs(findings) do
    finding.instances, finding.values = growth.instances(trees, finding.values), nil
  end
  if #findings == 0 then -- the whole grows, and no site stands out
    findings[1] = growth.whole(total, given.totals, level, given.unit,
      lives.hours(found.processes))
  end
  local notes
  given.facts, notes = growth.outlook(total, given.totals.B.rate, options.limit,
    options.rss, given.unit)
  table.move(notes, 1, #notes, #given.notes + 1, given.notes)
  given.tables[#given.tables + 1] = growth.table(tested, given.unit, "site")
  local goroutines = inv.subject.of(source, { "goroutine" }, options.selector, range)
  if goroutines then
    local others = lives.find(source, goroutines, range, options)
    local own = others and #others.processes > 0 and lives.trend(others.processes, options)
    if own and own.z >= Z and own.slope > 0 then
      given.next[1] = { recipe = "goroutine_leak", args = {} }
      table.insert(given.notes, { code = "goroutines", message = ("goroutines grow as well, by "
        .. "%.0f an hour and instance: they hold what they work on"):format(own.slope) })
    end
  end
  return done { findings = findings, outcome = "leak", design = design }
end
