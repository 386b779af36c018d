--- What else could a finding be? One function a guard; each says its value, and whether it
--- explains the finding away, weakens it, or has nothing against it.

local counts = require "pyroscope.investigate.counts"

local guards = {}

local function clear(value) return { result = "clear", value = value } end

local function explains(kind, value, note)
  return { result = "explains", kind = kind, value = value, note = note }
end

local function weakens(factor, value, note)
  return { result = "weakens", factor = factor, value = value, note = note }
end

--- Did the profiler change between the sides?
function guards.instrumentation(context)
  local changed = context.quality and context.quality.profiler_changed
  if not changed then return clear() end
  return weakens(0.5, nil, type(changed) == "string" and changed
    or "the profiler or its settings differ between before and after")
end

--- Are the profiles counters since the start of the process?
function guards.counter(context)
  if context.quality and context.quality.counter_like and not context.quality.counter_source then
    return weakens(0.5, nil, "profiles count since the start of the process")
  end
  return clear()
end

--- How much of the windows has profiles?
function guards.gaps(context)
  local coverage = context.quality and context.quality.coverage
  if not coverage then return { result = "unknown" } end
  local worse = math.min(coverage.A or 1, coverage.B or 1)
  if worse < 0.8 then
    return weakens(nil, worse, ("profiles cover %.0f%% of the worse side"):format(100 * worse))
  end
  return clear(worse)
end

--- Work that does not scale with requests looks dearer where there are fewer; waits grow faster
--- than load.
function guards.load(context, finding)
  if context.cpu_load and context.cpu_load.changed and context.cpu_load.ratio > 1 then
    return explains("load", context.cpu_load.ratio,
      ("load is x%.2f, and waits grow faster than load"):format(context.cpu_load.ratio))
  end
  local size = context.tests and (context.tests.last or context.tests).size
  if not size then return { result = "unknown" } end
  local ratio = size.load_ratio
  if ratio < 0.95 and finding.delta.abs > 0 then
    local rows = context.tests.rows -- raw counts
    local a = finding.a * size.n.A / rows.q
    local b = finding.b * size.n.B / rows.q
    if finding.candidate == "flat" then b = finding.after.self * size.n.B / rows.q end
    local grown = math.log((b + 0.5) / (a + 0.5))
      + math.log(size.profiles.A / size.profiles.B)
    local root = context.tests.root
    local noise = math.sqrt((finding.se or 0) ^ 2 + (root and root.se or 0) ^ 2)
    if grown <= 1.64 * noise then
      return explains("load", ratio,
        ("load is x%.2f and this did not grow: a fixed cost"):format(ratio))
    end
  end
  return clear(ratio)
end

--- Runtime work is a consequence, never a cause.
function guards.runtime(context, finding)
  local role = finding.role or counts.role(context.u, finding.name)
  if role == "runtime" or role == "profiler" then
    return explains("runtime", nil, "work of the " .. role)
  end
  return clear()
end

--- Did the mix of versions, regions or nodes change rather than what each of them does?
function guards.mix(_, finding)
  local mix = finding.mix
  if not mix then return clear() end
  if mix.fraction >= 0.7 then
    return explains("mix", mix.fraction, ("the mix over %s changed"):format(mix.label))
  end
  return clear(mix.fraction)
end

local function moved(kind)
  return function(context, finding)
    for _, shift in ipairs(context.shifts or {}) do
      for _, member in ipairs(shift.members) do
        if context.found[member] == finding and shift.kind == kind then
          return explains(kind, shift.net, shift.domain and "inside " .. shift.domain or nil)
        end
      end
    end
    return clear()
  end
end

guards.shift, guards.rename, guards.inline = moved "shift", moved "rename", moved "inline"

--- Was the same step there a day earlier?
function guards.season(context)
  if not context.season then return { result = "unknown" } end
  if context.season.same then
    return explains("season", context.season.value, "a day earlier the same was seen")
  end
  return clear(context.season.value)
end

--- Is it gone again?
function guards.transient(context, finding)
  local persistence = finding.persistence
  if not persistence then return { result = "unknown" } end
  if persistence.state == "transient" then
    return explains("transient", persistence.ratio, "gone before the end")
  elseif persistence.state == "fading" then
    if context.persists then
      return explains("transient", persistence.ratio, "fading towards the end")
    end
    return weakens(nil, persistence.ratio, "fading towards the end")
  end
  return clear(persistence.ratio)
end

--- Are the instances too young to judge?
function guards.warmup(context, finding)
  if finding.plateau == "plateau" then
    return explains("warmup", finding.slope_late, "growth ends: it may be a warm-up")
  end
  local young = context.quality and context.quality.young
  if young and #young > 0 and not context.quality.young_dropped then
    return weakens(nil, #young, ("%d instances started shortly before"):format(#young))
  end
  return clear()
end

--- Could the change hide in what truncation cut off?
function guards.other(_, finding)
  if finding.certain == false then
    return weakens(nil, finding.delta.lower, "within what truncation hides")
  end
  return clear()
end

local ORDER = { "instrumentation", "counter", "gaps", "load", "runtime", "mix", "shift", "rename",
  "inline", "season", "transient", "warmup", "other" }

--- Every guard in its order.
---@param context pyroscope.guard_context
---@param finding pyroscope.finding
---@return pyroscope.guard_result[]
function guards.all(context, finding)
  local results = {}
  for i, name in ipairs(ORDER) do
    local result = guards[name](context, finding)
    result.name = name
    results[i] = result
  end
  return results
end

--- The first guard that explains a finding away.
---@param results pyroscope.guard_result[]
---@return pyroscope.guard_result?
function guards.explaining(results)
  for _, result in ipairs(results) do
    if result.result == "explains" then return result end
  end
  return nil
end

return guards
