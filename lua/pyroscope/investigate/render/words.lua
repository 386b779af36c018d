--- Sentences of a report that every form shows. They hold names as they are: each writer escapes
--- whole sentences in its own way.

local finding = require "pyroscope.investigate.finding"
local quantity = require "pyroscope.investigate.quantity"
local units = require "pyroscope.units"
local verdict = require "pyroscope.investigate.verdict"

local words = {}

local VERDICT = { regression = "REGRESSION", improvement = "IMPROVEMENT", no_change = "NO CHANGE",
  inconclusive = "INCONCLUSIVE", not_tested = "NOT TESTED" }

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
  gaps = "gaps: less than half of the expected profiles are there",
  mde_too_large = "too noisy or too few samples: a change that matters would not have been seen",
  sensitivity_unknown = "no finding, but nothing tells what could have been missed",
  not_equivalent = "the total is not proved to be the same within what was asked",
  instrumentation_changed = "the profiler itself changed between the sides",
  deadline = "the deadline came before enough was fetched",
}

--- The verdict in capitals.
---@param report pyroscope.report
---@return string
function words.verdict(report)
  if report.verdict == "regression" and report.outcome == "leak" then return "LEAK" end
  if report.verdict == "regression" and report.outcome == "contention" then return "CONTENTION" end
  return VERDICT[report.verdict] or report.verdict
end

--- What the class measures.
function words.class(report)
  local class = report.subject and report.subject.class
  return CLASS[class] or class or ""
end

--- The service, else the selector, else nothing.
function words.service(report)
  local service = finding.service(report.subject or {})
  return service ~= "" and service or nil
end

--- The outcome where it says more than the verdict.
function words.outcome(report)
  local outcome = report.outcome
  if not outcome or outcome == report.verdict or words.verdict(report):lower() == outcome then
    return nil
  end
  return (outcome:gsub("_", " "))
end

--- `+26..+36` of a pair of relative bounds.
function words.interval(pair)
  if not pair or not pair[1] or not pair[2] then return nil end
  local function bound(x)
    local value = x * 100
    local digits = math.abs(value) < 9.95 and value ~= math.floor(value) and 1 or 0
    return ((("%+." .. digits .. "f"):format(value)):gsub("^[-+](0%.?0*)$", "%1"))
  end
  return bound(pair[1]) .. ".." .. bound(pair[2])
end

--- A relative change: `+31%`, `x5.2` from four times on.
function words.relative(rel)
  if not rel then return nil end
  if rel >= 9.995 then return ("x%.0f"):format(rel + 1) end
  if rel >= 3 then return ("x%.1f"):format(rel + 1) end
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
  local rel, interval = words.relative(totals.rel), words.interval(totals.ci95)
  if rel then parts[1] = rel end
  if interval then parts[#parts + 1] = "95% CI " .. interval end
  if totals.A and totals.B and totals.A.rate and totals.B.rate then
    local text = quantity.text(totals.B.rate - totals.A.rate, unit, { sign = true })
    if totals.per then text = text .. " per " .. totals.per end
    return #parts > 0 and ("%s (%s)"):format(text, table.concat(parts, ", ")) or text
  end
  return parts[1] and "total " .. table.concat(parts, ", ") or nil
end

--- `high confidence`; nothing where nothing was tested.
function words.confidence(report)
  return report.confidence and report.confidence .. " confidence" or nil
end

local SOURCE = { change_point = "change point", given = "as given", versions = "versions" }

local function hull(list)
  local from, to
  for _, w in ipairs(list or {}) do
    if w.from_ms then from = math.min(from or w.from_ms, w.from_ms) end
    if w.to_ms then to = math.max(to or w.to_ms, w.to_ms) end
  end
  return from, to
end

local function side(design, name, tz)
  local list = design[name] or {}
  local from, to = hull(list)
  if not from then return nil end
  local text = units.window(from, to, { tz = tz })
  return #list > 1 and ("%s, %d %ss"):format(text, #list, design.unit or "window") or text
end

--- When it began, or what was compared; one sentence a row.
---@param report pyroscope.report
---@param options? { tz?: string }
---@return string[]
function words.when(report, options)
  local design, tz = report.design, options and options.tz
  local lines = {}
  if not design then return lines end
  if design.at_ms then
    local why = {}
    if SOURCE[design.change_source] then why[1] = SOURCE[design.change_source] end
    local v = design.versions
    if v and (v.from or v[1]) and (v.to or v[2]) then
      why[#why + 1] = ("version %s -> %s"):format(v.from or v[1], v.to or v[2])
    end
    if design.change_note then why[#why + 1] = design.change_note end
    lines[1] = "since " .. units.time(design.at_ms, { tz = tz })
      .. (#why > 0 and " (" .. table.concat(why, "; ") .. ")" or "")
  end
  local a, b = side(design, "A", tz), side(design, "B", tz)
  if a and b then
    lines[#lines + 1] = ("before %s; after %s"):format(a, b)
  elseif a or b then
    lines[#lines + 1] = "window " .. (a or b)
  end
  return lines
end

--- Load and instances of both sides.
function words.load(report)
  local n = report.normalisation
  if not n then return nil end
  local parts = {}
  if n.load_ratio then parts[1] = ("load x%.2f"):format(n.load_ratio) end
  local i = n.instances
  if i and i.A and i.B then
    parts[#parts + 1] = i.A == i.B and ("%d instance%s"):format(i.A, i.A == 1 and "" or "s")
      or ("%d -> %d instances"):format(i.A, i.B)
  end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

--- Why a report is inconclusive or empty.
function words.reason(report)
  if report.reason_text then return report.reason_text end
  if not report.reason then return nil end
  return REASON[report.reason] or (report.reason:gsub("_", " "))
end

--- `4.1% -> 24.8%`, or the values where shares say nothing.
function words.change(f)
  local a, b = f.before, f.after
  if not a and not b then return nil end
  a, b = a or {}, b or {}
  if f.unit ~= "waiters" and a.share and b.share then
    return ("%s -> %s"):format(units.percent(a.share), units.percent(b.share))
  end
  local x, y = a.total or a.self, b.total or b.self
  if x and y then
    return ("%s -> %s"):format(quantity.text(x, f.unit, { bare = true }),
      quantity.text(y, f.unit, { bare = true }))
  end
end

--- The change itself with its sign and unit.
function words.delta(f)
  local slope = f.slope
  if slope and slope.per_hour then
    return quantity.text(slope.per_hour, slope.unit or f.unit, { sign = true }) .. "/h"
  end
  if not f.delta.abs then return "" end
  return quantity.text(f.delta.abs, f.unit, { sign = true })
end

--- `q=2e-12`.
function words.q(f)
  local q = f.test and f.test.q
  return q and ("q=%.1g"):format(q):gsub("e([-+])0+(%d)", "e%1%2") or nil
end

local KINDS = { new_code = "new code", removed_code = "gone" }

-- What labels say: `97% of it in version=v42`.
local function label_words(f, parts)
  for _, row in ipairs(f.labels and f.labels.explained_by or {}) do
    local values = table.concat(row.values or { row.value }, ",")
    parts[#parts + 1] = row.ep and ("%s of it in %s=%s"):format(
      units.percent(row.ep, { digits = 0 }), row.label, values)
      or ("%s=%s"):format(row.label, values)
  end
end

--- What else is known of a finding, in short sentences.
---@param f table
---@return string[]
function words.facts(f)
  local parts = {}
  if KINDS[f.kind] then parts[#parts + 1] = KINDS[f.kind] end
  if f.explains then
    local part = units.percent(f.explains, { digits = 0 })
    parts[#parts + 1] = ("explains %s of the change"):format(part)
  end
  label_words(f, parts)
  local rel, interval = words.relative(f.delta.rel), words.interval(f.delta.ci95_rel)
  if rel and f.kind ~= "new_code" and f.kind ~= "removed_code" then
    parts[#parts + 1] = rel .. (interval and " (95% CI " .. interval .. "%)" or "")
  end
  local slope = f.slope
  if slope then
    if slope.ci95 and slope.ci95[1] and slope.ci95[2] then
      parts[#parts + 1] = ("95%% CI %s to %s/h"):format(
        quantity.text(slope.ci95[1], slope.unit or f.unit, { sign = true }),
        quantity.text(slope.ci95[2], slope.unit or f.unit, { sign = true }))
    end
    if slope.doubling_hours then
      parts[#parts + 1] = "doubles in " .. units.duration(slope.doubling_hours * 3600)
    end
    if slope.hours_to_limit then
      parts[#parts + 1] = "limit reached in " .. units.duration(slope.hours_to_limit * 3600)
    end
  end
  if f.split and f.split.text then parts[#parts + 1] = f.split.text end
  if f.instances and #f.instances > 0 then
    local names = {}
    for i = 1, math.min(3, #f.instances) do
      local item = f.instances[i]
      names[i] = type(item) == "table" and item.name or tostring(item)
    end
    local more = #f.instances - #names
    parts[#parts + 1] = "on " .. table.concat(names, ", ")
      .. (more > 0 and (" and %d more"):format(more) or "")
  end
  for _, note in ipairs(f.notes or {}) do
    parts[#parts + 1] = type(note) == "table" and (note.message or note.text) or tostring(note)
  end
  for _, guard in ipairs(f.guards or {}) do
    if guard.result == "weakens" then
      parts[#parts + 1] = guard.note or "weakened by " .. guard.name
    end
  end
  return parts
end

--- Names of a call path from the entry on, the finding itself in brackets, hot frames behind it.
---@param f table
---@param short? boolean
---@return string[] names
---@return boolean cut            callers above the entry are left out
function words.chain(f, short)
  local names, path = {}, f.path or {}
  local name = short and quantity.short or function(text) return text end
  local node, entry = f.node or #path, f.entry or 1
  for i = entry, node do
    names[#names + 1] = i == node and "[" .. name(path[i]) .. "]" or name(path[i])
  end
  local hot = f.hot or {}
  if #hot == 0 then hot = table.move(path, node + 1, #path, 1, {}) end
  for _, below in ipairs(hot) do names[#names + 1] = name(below) end
  return names, entry > 1
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
  if entry.domain and entry.domain ~= "" then text = text .. " inside " .. entry.domain end
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
  if entry.net then more[#more + 1] = ("net %s of the total"):format(
    units.percent(entry.net, { sign = true })) end
  if entry.note then more[#more + 1] = entry.note end
  return #more > 0 and ("%s (%s)"):format(text, table.concat(more, "; ")) or text
end

--- What the tests could have missed; nothing where it is not known.
---@param report pyroscope.report
---@return string?
function words.missed(report)
  local s = report.sensitivity
  if not s then return nil end
  local parts = {}
  for _, row in ipairs(s.mde or {}) do
    local of = ("functions at %s of %s"):format(
      units.percent(row.share, { digits = row.share * 100 % 1 == 0 and 0 or 1 }),
      words.class(report))
    parts[#parts + 1] = row.rel and ("changes below %s in %s"):format(
      words.relative(row.rel), of) or "any change in " .. of
  end
  if s.note then parts[#parts + 1] = s.note end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

-- An argument as a shell takes it.
local function quoted(text)
  text = tostring(text)
  if text:find "^[%w_./:@%%+=,-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- The command that runs the next recipe.
---@param report pyroscope.report
---@param step { recipe?: string, args?: table, command?: string, text?: string }
---@return string
function words.command(report, step)
  if type(step) == "string" then return step end
  if step.command or step.text then return step.command or step.text end
  local subject = report.subject or {}
  local parts = { "pscope investigate", quoted(step.recipe) }
  local target = subject.target or subject.service
  if target then parts[#parts + 1] = quoted(target) end
  local names = {}
  for name in pairs(step.args or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = step.args[name]
    if type(value) ~= "table" then
      parts[#parts + 1] = "--" .. name:gsub("_", "-")
      if value ~= true then parts[#parts + 1] = quoted(value) end
    end
  end
  return table.concat(parts, " ")
end

--- The next steps of the report and of its findings, each once.
---@param report pyroscope.report
---@return string[]
function words.next(report)
  local lines, seen = {}, {}
  local function add(list)
    for _, step in ipairs(list or {}) do
      local line = words.command(report, step)
      if not seen[line] then
        seen[line] = true
        lines[#lines + 1] = line
      end
    end
  end
  for _, f in ipairs(report.findings) do add(f.next) end
  add(report.next)
  return lines
end

local function pair(value, format)
  if type(value) ~= "table" then return nil end
  local a, b = value.A or value[1], value.B or value[2]
  if a == nil or b == nil then return a ~= nil and format(a) or b ~= nil and format(b) or nil end
  local x, y = format(a), format(b)
  return x == y and x or x .. " -> " .. y
end

--- Quality of the data: rows { label, text }.
---@param report pyroscope.report
---@return string[][]
function words.quality(report)
  local q, rows = report.data_quality or {}, {}
  local function put(label, text) if text then rows[#rows + 1] = { label, text } end end
  local whole = function(v) return units.count(math.tointeger(v) or v) end
  put("partial", q.partial and "yes: some queries failed" or nil)
  put("profiles", pair(q.profiles, whole))
  put("instances", pair(q.instances, whole))
  put("raw samples", pair(q.samples, whole))
  put("coverage", pair(q.coverage, units.percent))
  put("truncated (other)", pair(q.other_share, units.percent))
  put("interval", q.interval_ms and units.span(q.interval_ms))
  put("counted from", q.counter_source)
  put("throttled at ingestion", q.throttled and "yes" or nil)
  put("profiler changed", q.profiler_changed and "yes" or nil)
  put("noise floor", q.noise_floor and quantity.text(q.noise_floor) .. " findings in A/A")
  for _, w in ipairs(q.warnings or {}) do put("warning", w.message or w.code) end
  return rows
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
