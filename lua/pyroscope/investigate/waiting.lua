--- Where threads or goroutines wait, by site: mean waiters of every replicate, tested, as findings.

local cause = require "pyroscope.investigate.cause"
local evidence = require "pyroscope.investigate.evidence"
local frames = require "pyroscope.investigate.frames"
local guards = require "pyroscope.investigate.guards"
local normalise = require "pyroscope.investigate.normalise"
local resolve = require "pyroscope.source.resolve"
local special = require "pyroscope.investigate.stats.special"
local stats = require "pyroscope.investigate.stats"
local tree = require "pyroscope.investigate.tree"
local types = require "pyroscope.types"
local unions = require "pyroscope.investigate.unions"
local units = require "pyroscope.units"
local where = require "pyroscope.investigate.where"
local windows = require "pyroscope.investigate.windows"

local waiting = {}

-- Fewer contentions than this say nothing of a lock; waits grow with load only when it grew.
local FEWEST, LOADED = 30, 1.2

-- Seconds of instances that a sample covers: the windows are those of all that live in them.
local function seconds_of(sample, quality)
  local length = (sample.to_ms - sample.from_ms) / 1000
  if sample.instance then return length end
  return length * math.max(1, quality.instances[sample.side] or 1)
end

--- Sites with their mean number of waiters by sample. Without idle waits where `idle` is false;
--- those are summed up apart.
---@param u pyroscope.union
---@param quality pyroscope.quality
---@param options { unit: string, idle?: boolean, extra_idle?: fun(names: string[]): boolean }
---@return { name: string[], value: number[][], class: table<string, string> } sites
---@return { name: string[], value: integer[][] } raw   in base units, by the same names
---@return number[] idle          mean waiters by sample
function waiting.sites(u, quality, options)
  local factor = units.seconds(options.unit) or 1e-9
  local raw, class, idle = { name = {}, value = {} }, {}, {}
  for k = 1, #u.samples do idle[k] = 0 end
  if options.idle == false then
    local grouped = tree.group(u, function(names)
      local word = frames.wait_class(names, u.runtime)
      if word == "idle" then return "\1idle" end
      local site, library
      for i = #names, 1, -1 do
        local role = frames.role(names[i], u.runtime)
        if role == "profiler" then return nil end
        if role == "app" then
          site = names[i]
          break
        end
        if role == "library" and not library then library = names[i] end
      end
      local name = site or library
      if not name then return nil end
      class[name] = class[name] or word
      return name
    end)
    for i, name in ipairs(grouped.name) do
      if name == "\1idle" then
        idle = grouped.value[i]
      else
        raw.name[#raw.name + 1], raw.value[#raw.value + 1] = name, grouped.value[i]
      end
    end
  else
    local found = tree.sites(u)
    for i, name in ipairs(found.name) do
      if found.role[i] ~= "runtime" then
        raw.name[#raw.name + 1], raw.value[#raw.value + 1] = name, found.value[i]
      end
    end
  end
  local function waiters(values)
    local out = {}
    for k, value in ipairs(values) do
      out[k] = value * factor / seconds_of(u.samples[k], quality)
    end
    return out
  end
  local sites = { name = raw.name, value = {}, class = class }
  for i, values in ipairs(raw.value) do sites.value[i] = waiters(values) end
  return sites, raw, waiters(idle)
end

-- The type that counts what a delay type sums up.
local function count_type(about)
  local own = types.row(about.type)
  for _, id in ipairs(about.all) do
    local row = types.row(id)
    if row and row.name == own.name and row.sample_unit == "count" and id ~= about.type then
      return id
    end
  end
end

--- Contentions by site and side, one merged tree a side; nil where there is no such type.
---@param case pyroscope.case
---@return { total: { A: number, B: number }, of: table<string, { A: number, B: number }> }?
function waiting.counts(case)
  local id = count_type(case.subject)
  if not id or case.quality.counter_like then return nil end
  local sides = windows.sides(case.design)
  local u = unions.fetch(case.source, case.subject, { A = { sides.A }, B = { sides.B } },
    case.options, { types = { id }, empty = "zero" })
  if not u then return nil end
  local counts = { total = unions.sums((u:totals()), u.sides), of = {} }
  local found = tree.sites(u)
  for i, name in ipairs(found.name) do counts.of[name] = unions.sums(found.value[i], u.sides) end
  return counts
end

--- Load of the CPU in the same windows: waits grow many times faster than it does.
---@param case pyroscope.case
---@return { ratio: number, p: number, changed: boolean }?
function waiting.cpu_load(case)
  local hull = windows.hull(case.design.A, case.design.B)
  local id, about = resolve.choose(case.source, "cpu", case.subject.selector, hull)
  if not id then return nil end
  local u = unions.fetch(case.source, case.subject, case.design, case.options,
    { types = about.types })
  if not u then return nil end
  u = tree.user(u)
  local load = normalise.load(u, normalise.size_factors(u))
  load.changed = load.changed and load.ratio > LOADED
  return load
end

local function finding_of(u, site, sites, raw, context)
  local index
  for i, name in ipairs(raw.name) do if name == site.name then index = i end end
  local change = site.after - site.before
  local weights = {}
  for k, side in ipairs(u.sides) do
    weights[k] = (side == "A" and -1 / context.n.A or 1 / context.n.B) * (change > 0 and 1 or -1)
  end
  local path = cause.heaviest(u, u:nodes(site.name, "all"), "tot", weights)
  local blocks = { A = {}, B = {} }
  for k, side in ipairs(u.sides) do table.insert(blocks[side], sites.value[index][k]) end
  local finding = { name = site.name, raw = u.raw[site.name], shape = "self", candidate = "flat",
    kind = change > 0 and "contention" or "improvement",
    role = frames.role(site.name, u.runtime), path = path, entry = #path, node = #path, hot = {},
    d = site.d, se = site.se, df = site.df, p = site.p, q = site.q,
    before = { total = site.before }, after = { total = site.after },
    delta = { abs = change, of_total = change / math.max(context.total.A, context.total.B),
      rel = site.before > 0 and change / site.before or math.huge },
    blocks = blocks, certain = true, unit = "waiters",
    wait = sites.class[site.name] and { class = sites.class[site.name] } or nil }
  local counts = context.counts and context.counts.of[site.name]
  if counts and counts.A + counts.B > 0 then
    local sums = unions.sums(raw.value[index], u.sides)
    local split = stats.two_factor(counts.A, counts.A > 0 and sums.A / counts.A or 0, counts.B,
      counts.B > 0 and sums.B / counts.B or 0)
    local words = { first = "more often", second = "longer", both = "both" }
    finding.split = { word = words[split.word], frequency = split.n_share,
      counts = { A = counts.A, B = counts.B } }
  end
  return finding
end

-- Do waits last to the end of side B?  By blocks of all instances, in order of time. Waits come in
-- bursts: what lasts is a last third whose median is still worth a finding.
local function persistence(case, findings, options)
  if #findings == 0 or case.quality.counter_like then return end
  local whole = windows.whole(case.design.B)
  local design = { A = windows.blocks(whole, 8, { interval_ms = case.quality.interval_ms }), B = {},
    unit = "block" }
  local u = unions.fetch(case.source, case.subject, design, case.options, { empty = "zero" })
  if not u then return end
  local sites = waiting.sites(u, { instances = {} },
    { unit = case.subject.unit, idle = options.idle })
  local by_name = {}
  for i, name in ipairs(sites.name) do by_name[name] = sites.value[i] end
  local n = math.max(1, case.quality.instances.B or 1)
  for _, finding in ipairs(findings) do
    local values = by_name[finding.name] or {}
    local third = (#u.samples + 2) // 3
    local all, late, last = 0, 0, {}
    local up = finding.delta.abs > 0 and 1 or -1
    for k = 1, #u.samples do
      local change = (values[k] or 0) / n - finding.before.total
      all = all + change / #u.samples
      if k > #u.samples - third then
        late = late + change / third
        last[#last + 1] = change * up
      end
    end
    local ratio = all ~= 0 and late / all or 0
    local state = "unknown"
    if third >= 3 then
      if special.median(last) >= options.bar then
        state = "persists"
      else
        state = ratio >= 0.5 and "unknown" or ratio >= 0.2 and "fading" or "transient"
      end
    end
    finding.persistence = { state = state, ratio = ratio }
  end
end

-- What could have been missed: the least mean waiters at a site where nobody waited before.
local function sensitivity(u, family, bar, alpha, total, must_detect)
  local n = { A = 0, B = 0 }
  for _, side in ipairs(u.sides) do n[side] = n[side] + 1 end
  local enough = n.A >= 2 and n.B >= 2
  local se = math.sqrt(family.sigma2_0 * (1 / math.max(1, n.A) + 1 / math.max(1, n.B)))
  local rel = stats.mde(se, family.df, alpha / math.max(1, family.m))
  local least = math.max(bar, bar * rel)
  return { alpha = alpha, tests = family.m, mde = { { share = 1, rel = rel } },
    met = enough and least <= math.max(10 * bar, must_detect * total) }, least
end

--- Tests the sites of a case and makes findings of those that changed.
---@param case pyroscope.case
---@param options { bar: number, min_rel: number, alpha: number, idle?: boolean }
---@return table result           findings, sensitivity, totals, notes, sites, counts, reason
function waiting.judge(case, options)
  local u = case.union
  local sites, raw, idle = waiting.sites(u, case.quality,
    { unit = case.subject.unit, idle = options.idle })
  local n = { A = 0, B = 0 }
  for _, side in ipairs(u.sides) do n[side] = n[side] + 1 end
  local whole, rest = { A = 0, B = 0 }, { A = 0, B = 0 }
  for i in ipairs(sites.name) do
    local sums = unions.sums(sites.value[i], u.sides)
    whole.A, whole.B = whole.A + sums.A / n.A, whole.B + sums.B / n.B
  end
  local idle_sums = unions.sums(idle, u.sides)
  rest.A, rest.B = idle_sums.A / n.A, idle_sums.B / n.B
  local tested, family = stats.waits(sites, u.sides, { bar = options.bar,
    min_rel = options.min_rel, alpha = options.alpha })
  local total = { A = math.max(whole.A, 1e-12), B = math.max(whole.B, 1e-12) }
  local result = { findings = {}, totals = { A = { rate = whole.A, unit = "waiters" },
    B = { rate = whole.B, unit = "waiters" } }, notes = {}, idle = rest }
  result.counts = waiting.counts(case)
  for _, site in ipairs(tested) do
    if site.passes then
      result.findings[#result.findings + 1] = finding_of(u, site, sites, raw,
        { n = n, total = total, counts = result.counts })
    end
  end
  persistence(case, result.findings, options)
  local load = #result.findings > 0 and waiting.cpu_load(case) or nil
  for _, finding in ipairs(result.findings) do
    finding.guards = guards.all({ u = u, found = result.findings, quality = case.quality,
      cpu_load = finding.delta.abs > 0 and load or nil }, finding)
  end
  evidence.locate(case.source, case.subject, case.design, result.findings)
  where.find(case, result.findings)
  local least
  result.sensitivity, least = sensitivity(u, family, options.bar, options.alpha,
    math.max(whole.A, whole.B), case.options.must_detect or 0.1)
  result.least = least
  local counted = result.counts and result.counts.total
  if #result.findings == 0 and math.max(whole.A, whole.B) >= options.bar and counted
    and counted.A + counted.B < FEWEST then
    result.reason = "too_few_contentions"
  elseif n.A < 2 or n.B < 2 then
    result.reason = "too_few_replicates"
  end
  local rows = {}
  for i = 1, math.min(10, #tested) do
    local site = tested[i]
    rows[i] = { name = site.name, before = site.before, after = site.after, q = site.q,
      class = sites.class[site.name] }
  end
  local columns = { { key = "name", label = "site" } }
  if options.idle == false then columns[2] = { key = "class", label = "waits in" } end
  for _, column in ipairs { { key = "before", label = "before", unit = "waiters" },
    { key = "after", label = "after", unit = "waiters" }, { key = "q", label = "q" } } do
    columns[#columns + 1] = column
  end
  if #rows > 0 then
    result.tables = { { title = "Sites", columns = columns, rows = rows } }
  end
  return result
end

return waiting
