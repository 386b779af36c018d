--- Something is different since T. What, and in which order?

local inv = require "pyroscope.investigate"

local WAITS = { mutex_delay = true, block_delay = true }

-- Findings of classes whose recipe was run, waits after all else: they are often the consequence.
local function ranked(reports)
  local list = {}
  for _, report in ipairs(reports) do
    for _, finding in ipairs(report.findings) do
      finding.class = report.subject.class
      finding.notes = finding.notes or {}
      table.insert(finding.notes, 1, report.recipe)
      list[#list + 1] = finding
    end
  end
  local function weight(finding)
    return math.abs(finding.delta.of_total or 0) * (finding.confidence_score or 0)
  end
  table.sort(list, function(a, b)
    local x, y = inv.verdict.is_bad(a.kind), inv.verdict.is_bad(b.kind)
    if x ~= y then return x end
    x, y = a.class == "block_delay", b.class == "block_delay"
    if x ~= y then return y end
    local leak_a, leak_b = a.kind == "leak", b.kind == "leak"
    if leak_a ~= leak_b then return leak_a end
    local wait_a, wait_b = a.kind == "contention", b.kind == "contention"
    if wait_a ~= wait_b then return wait_a end
    if weight(a) ~= weight(b) then return weight(a) > weight(b) end
    return a.name < b.name
  end)
  return list
end

local function run(source, row, found, options)
  local entry = inv.recipes.find(row.recipe)
  if not entry then return nil end
  local given = {}
  for key, value in pairs(options) do given[key] = value end
  given.classes, given.follow = nil, nil
  if row.subject.kind ~= "stock" then
    given.at = { A = found.sides.A, B = found.sides.B }
  else
    given.range = nil
    given.from, given.to = found.range.from_ms, found.range.to_ms
  end
  local completed, fault = inv.options.complete(entry, given)
  if not completed then error("what_changed: " .. fault) end
  return inv.recipes.load(entry)(source, completed)
end

return function(source, options)
  local found, err = inv.changes.windows(source, options, "24h")
  if not found then return nil, err end
  local quality
  quality, err = inv.preflight.run(source, found.subject, found.design, options)
  if not quality then return nil, err end
  local notes
  notes, err = inv.changes.metadata(source, options.selector, found.sides)
  if not notes then return nil, err end

  local wanted = {}
  for _, class in ipairs(options.classes or {}) do wanted[class] = true end
  local rows, p = {}, {}
  for _, entry in ipairs(inv.changes.classes) do
    local skip = options.classes and not wanted[entry.class]
      or entry.class == "wall" and rows[1] and rows[1].class == "cpu"
    local row
    if not skip then
      row, err = inv.changes.class(source, entry, options.selector, found.range, found.sides,
        options)
      if err then return nil, err end
    end
    if row then
      rows[#rows + 1] = row
      p[#p + 1] = row.p
    end
  end
  local q = inv.stats.bh(p)
  local timeline, followed = {}, {}
  for i, row in ipairs(rows) do
    row.q = q[i]
    for _, moment in ipairs(row.moments) do
      timeline[#timeline + 1] = { at_ms = moment.time_ms, kind = "step", class = row.class,
        change = moment.change, text = ("%s %+.0f%%"):format(row.class, 100 * moment.change) }
    end
    -- files cost next to nothing to read: every recipe is run on them
    if row.q <= options.alpha or source.kind == "store" then followed[#followed + 1] = row end
  end
  if found.design.change_source == "versions" or #quality.versions.A > 0
    and table.concat(quality.versions.A, ",") ~= table.concat(quality.versions.B, ",") then
    timeline[#timeline + 1] = { at_ms = found.design.at_ms or found.sides.B.from_ms,
      kind = "version", text = ("version %s -> %s"):format(table.concat(quality.versions.A, ", "),
        table.concat(quality.versions.B, ", ")) }
  end
  table.sort(timeline, function(a, b)
    if a.at_ms ~= b.at_ms then return a.at_ms < b.at_ms end
    return a.text < b.text
  end)

  -- The classes that moved most have their own recipe run on the same windows; of files, all.
  local most = source.kind == "store" and #followed or options.follow
  table.sort(followed, function(a, b)
    if a.q ~= b.q then return a.q < b.q end
    if a.divergence ~= b.divergence then return a.divergence > b.divergence end
    return a.class < b.class
  end)
  local reports, next_steps = {}, {}
  for i, row in ipairs(followed) do
    if i <= most then
      local report, problem = run(source, row, found, options)
      if report then
        reports[#reports + 1] = report
        row.verdict = report.outcome
      elseif problem and problem.code == "max_requests" then
        next_steps[#next_steps + 1] = { recipe = row.recipe, args = {} }
      elseif problem and problem.kind ~= "no_data" then
        return nil, problem
      end
    else
      next_steps[#next_steps + 1] = { recipe = row.recipe, args = {} }
    end
  end
  local findings = ranked(reports)
  -- gates of the first class do not bind the others: each recipe has had its own
  if #findings > 0 then quality.ok, quality.reason = true, nil end
  local explained = {}
  for _, row in ipairs(rows) do
    if not row.verdict and row.load and row.load.changed then
      explained[#explained + 1] = { kind = "load", members = {}, value = row.load.ratio,
        note = ("%s: load is x%.2f"):format(row.class, row.load.ratio) }
    end
  end
  for _, report in ipairs(reports) do
    for _, entry in ipairs(report.explained_away) do
      if entry.kind ~= "runtime" then explained[#explained + 1] = entry end
    end
  end
  local shown = {}
  for i, row in ipairs(rows) do
    local unit = inv.quantity.unit(row.subject)
    local load = row.load and row.load.changed and ("load x%.2f"):format(row.load.ratio)
    shown[i] = { class = row.class, q = row.q, divergence = row.divergence,
      before = row.before and inv.quantity.text(row.before, unit) or "-",
      after = row.after and inv.quantity.text(row.after, unit) or "-",
      verdict = row.verdict or row.note or load or (WAITS[row.class] and "same size")
        or "no change" }
  end
  if #findings == 0 then
    notes[#notes + 1] = { code = "order", message = "nothing changed in any class" }
  elseif #timeline > 1 then
    notes[#notes + 1] = { code = "order", message = "order in time is no cause" }
  end
  return inv.report.new { recipe = "what_changed", subject = { selector = options.selector,
      service = found.subject.service, runtime = found.subject.runtime },
    design = found.design, quality = quality, options = options, findings = findings,
    ranked = true, explained_away = explained, timeline = timeline, notes = notes,
    next = next_steps, sensitivity = { alpha = options.alpha, tests = #rows,
      met = #rows > 0 and quality.ok },
    tables = { { title = "Classes", columns = { { key = "class", label = "class" },
      { key = "before", label = "before" }, { key = "after", label = "after" },
      { key = "q", label = "q" }, { key = "divergence", label = "moved" },
      { key = "verdict", label = "verdict" } }, rows = shown } } }
end
