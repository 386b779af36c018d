--- Are goroutines accumulating, blocked where, started by whom, on which instances?

local inv = require "pyroscope.investigate"

-- One in a thousand series without a trend looks as steep as this; the least stack of one.
local Z, STACK = 3.09, 2048

return function(source, options)
  local growth, lives = inv.growth, inv.lives
  local opened, err = lives.open(source, options, { "goroutine" }, "6h")
  if not opened then return nil, err end
  local range, subject, found = opened.range, opened.subject, opened.found
  local given = { recipe = "goroutine_leak", subject = subject, quality = opened.quality,
    options = options, unit = "goroutines", tables = {}, notes = {}, next = {} }
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
    return trend.z >= Z and trend.slope * lives.hours(list) >= options.min_growth
  end)
  local level = lives.level(found.processes)
  given.sensitivity = lives.sensitivity(total, level,
    lives.hours(found.processes), options.alpha)
  given.totals = lives.totals(found.processes, "goroutines")
  local grows = grown ~= nil
  if grown then total, found.processes = grown.trend, grown.processes end
  local many = level >= options.blocked_threshold
  if not grows and not many then return done {} end
  if grows and total.plateau == "plateau" and not many then
    return done(growth.ended(total, range, "a pool that filled"))
  end

  local trees
  trees, err = growth.trees(source, subject, found, options)
  if not trees then return nil, err end
  given.trees = trees
  -- A key is who started it, what it waits in, and where: the unit of counting.
  local keys, of = {}, {}
  local grouped = inv.tree.group(trees.union, function(names)
    local key = inv.goroutines.key(names, trees.union.runtime)
    if not key then return nil end
    of[key.id] = key
    return key.id
  end)
  local rows = growth.per_profile(trees, grouped)
  for i, id in ipairs(grouped.name) do
    keys[id] = of[id]
    keys[id].stack, keys[id].values = grouped.example[i], rows.value[i]
  end
  local findings, tested = {}, {}
  if grows then
    findings, tested = growth.findings(trees, rows, { alpha = options.alpha,
      least = options.min_growth, level = level, unit = "goroutines",
      path = function(id) return keys[id].stack end })
  end
  if many then inv.goroutines.crowds(findings, keys, trees, options) end
  for _, finding in ipairs(findings) do
    inv.goroutines.name(finding, keys[finding.name])
    finding.instances = growth.instances(trees, finding.values or {})
    finding.values = nil
    local bytes = finding.after.total * STACK
    finding.notes = { ("stacks of at least %.1f MiB per instance"):format(bytes / (1 << 20)) }
  end
  local design = growth.design(range, trees, found)
  inv.evidence.locate(source, subject, design, findings)
  for _, row in ipairs(tested) do
    local key = keys[row.name]
    row.name = key.entry == key.site and key.site or key.entry .. " > " .. key.site
    row.class = key.class
  end
  if #tested > 0 then
    given.tables[1] = growth.table(tested, "goroutines", "key")
  end
  if #findings == 0 and grows then
    findings[1] = growth.whole(total, given.totals, level, "goroutines",
      lives.hours(found.processes))
  end
  if level >= 100000 then
    table.insert(given.notes, { code = "stop_the_world",
      message = "above 100,000 goroutines the profile itself stops the world for noticeable time" })
  end
  if #findings > 0 then
    given.next = { { recipe = "memory_leak", args = {} } }
    return done { findings = findings, outcome = "leak", design = design }
  end
  return done { design = design }
end
