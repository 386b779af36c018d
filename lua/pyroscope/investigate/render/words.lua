--- Sentences of a report that every form shows. They hold names as they are: each writer escapes
--- whole sentences in its own way.

local finding = require "pyroscope.investigate.finding"
local quantity = require "pyroscope.investigate.quantity"
local units = require "pyroscope.units"
local verdict = require "pyroscope.investigate.verdict"

local words = {}

local VERDICT = { regression = "REGRESSION", improvement = "IMPROVEMENT", no_change = "NO CHANGE",
  inconclusive = "INCONCLUSIVE", not_tested = "NOT TESTED" }

local SHORT = { live_bytes = "memory", live_objects = "objects", alloc_bytes = "alloc",
  alloc_objects = "alloc objects", goroutine = "goroutines", goroutine_leak = "goroutine leak",
  mutex_delay = "mutex", mutex_count = "mutex count", block_delay = "block",
  block_count = "block count" }

local CLASS = { cpu = "CPU", wall = "wall time", live_bytes = "live memory",
  live_objects = "live objects", alloc_bytes = "allocation", alloc_objects = "allocated objects",
  goroutine = "goroutines", goroutine_leak = "leaked goroutines", mutex_delay = "lock waiting",
  mutex_count = "lock contentions", block_delay = "waiting", block_count = "waits",
  exceptions = "exceptions" }

local REASON = {
  no_data = "no profile in any window",
  type_absent = "the service sends no profile of this type",
  not_in_bundle = "the bundle does not hold what was asked",
  too_few_profiles = "too few profiles: at least 10 a side are needed",
  too_few_samples = "too few samples: at least 1,000 a side are needed",
  too_few_points = "too few points in time for a trend",
  too_few_replicates = "too few processes or windows a side to tell a change from noise",
  too_few_contentions = "too few contentions to say anything of a lock",
  gaps = "gaps: less than half of the expected profiles are there",
  mde_too_large = "too noisy or too few samples: a change that matters would not have been seen",
  sensitivity_unknown = "no finding, but nothing tells what could have been missed",
  not_equivalent = "the total is not proved to be the same within what was asked",
  instrumentation_changed = "the profiler itself changed between the sides",
  deadline = "the deadline came before enough was fetched",
  max_requests = "the budget of requests was used up before enough was fetched",
}

--- The verdict in capitals; of a ranking or a capture the name of the recipe.
---@param report pyroscope.report
---@return string
function words.verdict(report)
  if report.verdict == "not_tested" and report.recipe then return report.recipe end
  if report.verdict == "regression" and report.outcome == "leak" then return "LEAK" end
  if report.verdict == "regression" and report.outcome == "contention" then return "CONTENTION" end
  local load = report.outcome == "load" or report.outcome == "growth_explained_by_load"
  if report.verdict == "no_change" and load then return "NO CHANGE (load)" end
  return VERDICT[report.verdict] or report.verdict
end

--- What the class measures.
function words.class(report)
  local class = report.subject and report.subject.class
  return CLASS[class] or class or ""
end

--- The class as people type it.
function words.short_class(report)
  local class = report.subject and report.subject.class
  return SHORT[class] or class
end

--- The service, else the selector, else nothing.
function words.service(report)
  local service = finding.service(report.subject or {})
  if service == "{}" then return "all services" end
  return service ~= "" and service or nil
end

--- The outcome where it says more than the verdict.
function words.outcome(report)
  local outcome = report.outcome
  if not outcome or outcome == report.verdict then return nil end
  local said = words.verdict(report):lower()
  if said == outcome or outcome:find "load$" and said:find "%(load%)$" then return nil end
  return (outcome:gsub("_", " "))
end

--- `+26..+36` of a pair of relative bounds, in multiples where the change is told in them.
---@param pair number[]?
---@param rel number?
---@return string?
function words.interval(pair, rel)
  if not pair or not pair[1] or not pair[2] then return nil end
  if not (math.abs(pair[1]) < 1e6 and math.abs(pair[2]) < 1e6) then return nil end
  if rel and rel >= 3 then
    local low, high = words.multiple(pair[1]), words.multiple(pair[2])
    return low .. ".." .. high
  end
  local function bound(x)
    local value = x * 100
    local digits = math.abs(value) < 9.95 and value ~= math.floor(value) and 1 or 0
    return ((("%+." .. digits .. "f"):format(value)):gsub("^[-+](0%.?0*)$", "%1"))
  end
  return bound(pair[1]) .. ".." .. bound(pair[2])
end

--- A relative change as a multiple: `x5.2`.
function words.multiple(rel)
  return ((rel >= 9.95 and "x%.0f" or "x%.1f"):format(rel + 1))
end

--- A relative change: `+31%`, `x5.2` from four times on.
function words.relative(rel)
  if not rel or rel ~= rel or rel == math.huge then return nil end
  if rel >= 3 then return words.multiple(rel) end
  local size = math.abs(rel)
  return units.percent(rel, { sign = true, digits = size < 0.0995 and 1 or 0 })
end

--- Change of the total: `+0.84 cores (+31%, 95% CI +26..+36)`.
---@param report pyroscope.report
---@return string?
function words.total(report)
  local totals = report.totals
  if not totals then return nil end
  local unit = totals.A and totals.A.unit or report.unit
  local parts = {}
  local rel, interval = words.relative(totals.rel), words.interval(totals.ci95, totals.rel)
  if rel then parts[1] = rel end
  if interval then parts[#parts + 1] = "95% CI " .. interval end
  if totals.A and totals.B and totals.A.rate and totals.B.rate then
    local change = totals.B.rate - totals.A.rate
    -- said where the whole does not show what the findings say
    local first, ci = report.findings[1], totals.ci95
    local against = first and (first.delta.abs or 0) * change <= 0
      or first and ci and ci[1] <= 0 and ci[2] >= 0
    if unit == "waiters" then -- a ratio of waits that hardly are says nothing
      return ("%s%s -> %s mean waiters"):format(against and "total " or "",
        quantity.text(totals.A.rate, unit, { bare = true }),
        quantity.text(totals.B.rate, unit, { bare = true }))
    end
    local text = quantity.text(change, unit, { sign = true })
    if totals.per then text = text .. " per " .. totals.per end
    if against then text = "total " .. text end
    return #parts > 0 and ("%s (%s)"):format(text, table.concat(parts, ", ")) or text
  end
  return parts[1] and "total " .. table.concat(parts, ", ") or nil
end

--- `high confidence`; nothing where nothing was tested.
function words.confidence(report)
  return report.confidence and report.confidence .. " confidence" or nil
end

--- Load and instances of both sides.
function words.load(report)
  local n = report.normalisation
  if not n then return nil end
  local parts = {}
  if n.load_ratio then parts[1] = ("load x%.2f"):format(n.load_ratio) end
  local i, design = n.instances, report.design or {}
  local said = i and design.unit == "pod" and #(design.A or {}) == i.A and #(design.B or {}) == i.B
  if design.name == "trend" and i and design.replicates and design.replicates.A == i.A then
    said = true
  end
  if i and i.A and i.B and not said and i.A + i.B > 0 then
    local b = design.name == "trend" and i.A or i.B
    parts[#parts + 1] = i.A == b and ("%d instance%s"):format(i.A, i.A == 1 and "" or "s")
      or ("%d -> %d instances"):format(i.A, i.B)
  end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

--- Why a report is inconclusive or empty: with the numbers of the gate that refused, where a
--- warning has them.
---@param report pyroscope.report
---@return string?
function words.reason(report)
  if report.reason_text then return report.reason_text end
  local reason = report.reason
  if not reason then return nil end
  local text = REASON[reason] or (reason:gsub("_", " "))
  for _, list in ipairs { report.data_quality and report.data_quality.warnings or {},
    report.notes or {} } do
    for _, warning in ipairs(list) do
      if type(warning) == "table" and warning.code == reason and warning.message then
        return warning.message
      end
    end
  end
  return text
end

--- That what was found is too small to fail the run, where that is so.
---@param report pyroscope.report
---@return string?
function words.below(report)
  if report.verdict == "regression" then return nil end
  local n = 0
  for _, f in ipairs(report.findings) do
    if verdict.is_bad(f.kind) then n = n + 1 end
  end
  if n == 0 then return nil end
  local options = report.provenance and report.provenance.options or {}
  return ("%d finding%s below the severity that fails a run (%s)"):format(n, n == 1 and "" or "s",
    options.fail_on or "medium")
end

--- A warning or a note as a sentence; nil where `words.reason` has said it.
---@param report pyroscope.report
---@param note string|{ code?: string, message?: string }
---@return string?
function words.note(report, note)
  if type(note) ~= "table" then return tostring(note) end
  if note.code and note.code == report.reason and not report.reason_text then return nil end
  return note.message or note.code
end

--- Does a column of a table hold numbers alone?
---@param given table
---@param column table
---@return boolean
function words.numeric(given, column)
  for _, row in ipairs(given.rows) do
    local value = row[column.key]
    if value ~= nil and type(value) ~= "number" then return false end
  end
  return true
end

--- Label and text of one of the report's own facts.
---@param fact { key?: string, label?: string, value?: any, unit?: string, text?: string }
---@return string label
---@return string text
function words.fact(fact)
  local text = fact.text or quantity.text(fact.value, fact.unit)
  if fact.before ~= nil and fact.after ~= nil then
    text = quantity.text(fact.before, fact.unit) .. " -> " .. quantity.text(fact.after, fact.unit)
  end
  return fact.label or fact.key or "", text
end

local AWAY = { load = "load", runtime = "runtime work without user code", mix = "mix of instances",
  shift = "shift", rename = "rename", inline = "inlining", transient = "transient",
  season = "season", instrumentation = "instrumentation", warmup = "warm-up" }

--- One sentence about what a guard explained.
---@param entry table
---@param unit? string
---@return string
function words.explained(entry, unit)
  local text = AWAY[entry.kind] or (entry.kind:gsub("_", " "))
  local note = entry.note
  if note and note:find "^inside " then
    if not entry.domain then text = text .. " " .. note end
    note = nil
  end
  if entry.domain and entry.domain ~= "" and entry.kind ~= "runtime" then
    local inside = (entry.kind == "mix" and " over " or " inside ") .. entry.domain
    text = text .. inside
  end
  -- the note of these is a sentence that says it all
  if note and (entry.kind == "runtime" or note:lower():find(text, 1, true) == 1) then
    text, note = note, nil
  end
  local members = entry.members or {}
  if entry.kind == "rename" and #members == 2 then
    text = ("%s of %s to %s"):format(text, quantity.short(members[1]), quantity.short(members[2]))
  elseif #members > 0 then
    local names = {}
    for i = 1, math.min(3, #members) do names[i] = quantity.short(members[i]) end
    text = ("%s: %s%s"):format(text, table.concat(names, ", "),
      #members > 3 and (" and %d more"):format(#members - 3) or "")
  end
  local more = {}
  if entry.ratio then more[#more + 1] = ("x%.2f"):format(entry.ratio) end
  if entry.share then
    local a, b = entry.share.A or entry.share[1], entry.share.B or entry.share[2]
    if a and b then
      more[#more + 1] = ("%s -> %s"):format(units.percent(a), units.percent(b))
    end
  end
  if entry.delta then
    more[#more + 1] = quantity.text(entry.delta, entry.unit or unit, { sign = true })
  end
  if entry.net then
    more[#more + 1] = ("net %s of the total"):format(units.percent(entry.net, { sign = true }))
  end
  if note then more[#more + 1] = note end
  return #more > 0 and ("%s (%s)"):format(text, table.concat(more, "; ")) or text
end

--- What the tests could have missed; nothing where it is not known.
---@param report pyroscope.report
---@return string?
function words.missed(report)
  local s = report.sensitivity
  if not s then return nil end
  local parts = {}
  for i, row in ipairs(s.mde or {}) do
    local of = units.percent(row.share, { digits = row.share * 100 % 1 == 0 and 0 or 1 })
    if i == 1 then of = ("a function at %s of %s"):format(of, words.class(report)) end
    if row.share >= 1 then of = "all of " .. words.class(report) end
    local where = i == 1 and "in" or "at"
    local rel = row.rel and row.rel < 1e6 and row.rel
    parts[#parts + 1] = rel and ("up to %s %s %s"):format(words.relative(row.rel), where, of)
      or ("any change %s %s"):format(where, of)
  end
  if s.note then parts[#parts + 1] = s.note end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

--- One line about the whole.
---@param report pyroscope.report
---@return string
function words.summary(report)
  local service, class = words.service(report), words.class(report)
  local head = class
  if service then head = class ~= "" and ("%s of %s"):format(class, service) or service end
  if head == "" then head = report.recipe or "investigation" end
  local first = report.findings[1]
  if report.verdict == "inconclusive" then
    return ("%s: inconclusive, %s"):format(head, words.reason(report) or "no reason given")
  end
  if report.verdict == "not_tested" then
    return ("%s: %s, nothing was tested"):format(head, report.recipe or "report")
  end
  if not first or report.verdict == "no_change" then
    local away = report.explained_away[1]
    local total = words.total(report)
    return ("%s: no change%s%s"):format(head, total and ", total " .. total or "",
      away and "; " .. words.explained(away, report.unit) or "")
  end
  local total = words.total(report)
  local text = head .. (total and " " .. total or ": " .. words.verdict(report):lower())
  local at = report.design and report.design.at_ms
  if at then text = text .. " since " .. units.time(at, { form = "rfc3339" }) end
  if first.explains then
    return ("%s; %s in %s"):format(text, units.percent(first.explains, { digits = 0 }),
      quantity.short(first.name or ""))
  end
  return ("%s; %s"):format(text, first.title)
end

--- Does a finding count against the run?
function words.fails(report, f)
  local options = report.provenance and report.provenance.options or {}
  return verdict.is_bad(f.kind) and verdict.at_least(f.severity, options.fail_on or "medium")
end

return words
