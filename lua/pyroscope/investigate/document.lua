--- Parts of a report made of what a recipe gives: plain data, in the units and words of the
--- report, without anything that could be a secret.

local types = require "pyroscope.types"
local verdict = require "pyroscope.investigate.verdict"

local document = {}

local function copy_keys(source, keys)
  local out = {}
  for _, key in ipairs(keys) do out[key] = source[key] end
  return out
end

--- A copy of one level; nil of nil.
---@param source table?
---@return table?
function document.copy(source)
  if not source then return nil end
  local out = {}
  for key, value in pairs(source) do out[key] = value end
  return out
end

--- Plain data with its numbers to ten digits, which is what the JSON has: every form of a report
--- says the same, also when it was read back.
---@param value any
---@return any
function document.rounded(value)
  if math.type(value) == "float" then
    return value - value == 0 and tonumber(("%.10g"):format(value)) + 0.0 or value
  end
  if type(value) ~= "table" or getmetatable(value) then return value end
  local out = {}
  for key, item in pairs(value) do out[key] = document.rounded(item) end
  return out
end

local WINDOW = { "from_ms", "to_ms", "selector", "instance", "stratum", "day" }

local function windows(list)
  local out = {}
  for i, window in ipairs(list or {}) do out[i] = copy_keys(window, WINDOW) end
  return out
end

--- The design with its windows, and what the tests say of it.
function document.design(given, tests)
  if not given then return nil end
  local out = copy_keys(given, { "name", "at_ms", "change_source", "change_note", "unit",
    "paired", "versions", "range", "blocks", "few_processes" })
  tests = tests or {}
  out.rho, out.vif = tests.rho, tests.vif
  local n = tests.size and tests.size.n
  out.replicates = given.replicates or n and { A = n.A, B = n.B }
    or { A = #(given.A or {}), B = #(given.B or {}) }
  out.A, out.B = windows(given.A), windows(given.B)
  return out
end

local QUALITY = { "ok", "reason", "partial", "profiles", "instances", "samples", "coverage",
  "other_share", "interval_ms", "instance_label", "instance_names", "fresh", "young",
  "profiler_changed", "throttled", "counter_like", "counter_source", "restarts", "gaps",
  "noise_floor", "warnings", "rss_unexplained", "versions", "all_young" }

--- Warnings and notes as rows { code, message }; a string is a message.
function document.messages(list)
  local out = {}
  for i, item in ipairs(list or {}) do
    out[i] = type(item) == "table" and { code = item.code, message = item.message or item.text }
      or { message = tostring(item) }
  end
  return out
end

--- Quality of the data as preflight gives it.
function document.quality(given, partial)
  local out = copy_keys(given or {}, QUALITY)
  out.partial = partial or out.partial or false
  out.warnings = document.messages(out.warnings)
  return out
end

-- Interval of the change of the whole: the standard error of the totals' own test around it.
local function interval(result, tests)
  local root = tests and tests.root
  local rel = result.rel
  if result.ci95 or not root or root.se <= 0 or not rel or rel <= -1 then return end
  local special = require "pyroscope.investigate.stats.special"
  local d, reach = math.log(1 + rel), special.t_quantile(0.975, root.df) * root.se
  result.ci95 = { math.exp(d - reach) - 1, math.exp(d + reach) - 1 }
  result.p = result.p or special.t_two_sided(d / root.se, root.df)
end

--- Rate of the whole on both sides, in the unit of the report.
function document.totals(given, context, state)
  local tests, u = state.tests, state.union
  local out = given.totals
  if not out then
    local mean = {}
    if u and context.factors then
      local sums, n = { A = 0, B = 0 }, { A = 0, B = 0 }
      for k, total in ipairs((u:totals())) do
        local side = u.sides[k]
        sums[side], n[side] = sums[side] + total, n[side] + 1
      end
      if n.A > 0 and n.B > 0 then mean.A, mean.B = sums.A / n.A, sums.B / n.B end
    elseif tests and tests.size and tests.size.total and context.factors then
      mean.A = tests.size.total.A / tests.size.n.A
      mean.B = tests.size.total.B / tests.size.n.B
    end
    if not mean.A then return nil end
    out = { A = { rate = mean.A * context.factors.A, unit = context.unit },
      B = { rate = mean.B * context.factors.B, unit = context.unit } }
  end
  local result = { A = out.A, B = out.B, rel = out.rel, ci95 = out.ci95, p = out.p,
    per = out.per }
  if not result.rel and out.A and out.B and out.A.rate and out.B.rate and out.A.rate > 0 then
    result.rel = out.B.rate / out.A.rate - 1
  end
  interval(result, tests)
  return result
end

--- How the sides were made comparable.
function document.normalisation(given, tests, quality)
  local out = given and copy_keys(given, { "method", "load_ratio", "per", "flag" }) or {}
  local size = tests and (tests.last or tests).size -- without what was found
  if size then
    out.method = out.method or size.method
    out.load_ratio = out.load_ratio or size.load_ratio
    out.profiles = size.profiles
  end
  if quality then
    out.instances = quality.instances
    out.profiles = out.profiles or quality.profiles
  end
  if next(out) then return out end
end

local SECRET = { "token", "password", "secret", "authorization", "header", "credential", "cookie" }

local function hidden(key)
  key = tostring(key):lower()
  for _, word in ipairs(SECRET) do
    if key:find(word, 1, true) then return true end
  end
  return false
end

local PLAIN = { string = true, number = true, boolean = true, table = true }

-- Options as plain data: no functions, no handles, nothing that could be a credential.
local function plain_options(options)
  local out = {}
  for key, value in pairs(options or {}) do
    local kind = type(value)
    local handle = kind == "table" and getmetatable(value) ~= nil
    if type(key) == "string" and not hidden(key) and PLAIN[kind] and not handle then
      out[key] = value
    end
  end
  return out
end

--- A URL without user, password and query.
---@param url string
---@return string
function document.bare_url(url)
  return (url:gsub("^(%a[%w+.-]*://)[^/@]*@", "%1"):gsub("[?#].*$", ""))
end

--- Where the report comes from.
function document.provenance(given, options, quality)
  local p = given.provenance or {}
  local clock = options.clock
  local generated = p.generated_ms
  if not generated and type(clock) == "function" then generated = clock() end
  if not generated and type(clock) == "number" then generated = clock end
  local requests = {}
  for i, row in ipairs(given.requests or p.requests or {}) do
    requests[i] = copy_keys(row, { "rpc", "n", "bytes", "ms", "cached", "failed" })
  end
  return { module = require "pyroscope.core".version,
    endpoint = p.endpoint and document.bare_url(p.endpoint) or nil,
    read_path = p.read_path or quality and quality.read_path or "unknown",
    generated_ms = generated and math.tointeger(math.floor(generated)) or nil,
    policy = verdict.bar(options).policy, options = plain_options(p.options or options),
    seed = p.seed or options.seed, requests = requests }
end

local MOVES = { shift = true, rename = true, inline = true }

local function explains(f)
  for _, guard in ipairs(f.guards or {}) do
    if guard.result == "explains" then return guard end
  end
end

local function gone(f, bar)
  local state = f.persistence and f.persistence.state
  return state == "transient" or state == "fading" and bar.persists
end

-- A net change per sample of A, as findings have it, as a part of the whole; nil: cannot be told.
local function of_total(net, context)
  local whole = context.totals and context.totals.A and context.totals.A.rate
  if not net or not whole or whole <= 0 then return nil end
  return net * (not context.ready and context.factors and context.factors.A or 1) / whole
end

--- Findings that stand, and what guards explain: one entry for a shift with all its members.
function document.sort_out(given, bar, context)
  local kept, away, entry_of = {}, {}, {}
  for i, shift in ipairs(given.shifts or {}) do
    for _, member in ipairs(shift.members or {}) do entry_of[member] = i end
  end
  local made = {}
  for i, f in ipairs(given.findings or {}) do
    local guard = explains(f)
    if not guard and not gone(f, bar) then
      kept[#kept + 1] = f
    else
      guard = guard or { name = "transient", kind = "transient",
        note = f.persistence.state == "fading" and "fading at the end of B" or nil }
      local shift = entry_of[i] and given.shifts[entry_of[i]]
      local kind = guard.kind or guard.name
      if shift and shift.kind ~= kind then shift = nil end
      local entry = shift and made[shift]
      if not entry then
        entry = { kind = kind, domain = shift and shift.domain or guard.domain, members = {},
          net = shift and of_total(shift.net, context), score = shift and shift.score,
          value = guard.value, note = guard.note }
        if shift then made[shift] = entry end
        away[#away + 1] = entry
      end
      entry.members[#entry.members + 1] = f.name
    end
  end
  for _, entry in ipairs(given.explained_away or {}) do
    local out = copy_keys(entry, { "kind", "domain", "score", "value", "ratio", "note",
      "share", "delta", "p" })
    out.net = MOVES[entry.kind] and of_total(entry.net, context) or nil
    out.members = {}
    for i, member in ipairs(entry.members or {}) do
      local f = type(member) == "number" and (given.findings or {})[member]
      out.members[i] = type(member) == "table" and member.name or f and f.name
        or tostring(member)
    end
    away[#away + 1] = out
  end
  return kept, away
end

--- Tables of a recipe: rows by the keys of their columns.
function document.tables(list)
  local out = {}
  for i, given in ipairs(list or {}) do
    local columns = {}
    for c, column in ipairs(given.columns or {}) do
      columns[c] = { key = column.key, label = column.label or column.key, unit = column.unit }
    end
    local rows = {}
    for r, row in ipairs(given.rows or {}) do
      rows[r] = {}
      for c, column in ipairs(columns) do
        local value = row[column.key]
        if value == nil then value = row[c] end
        rows[r][column.key] = value
      end
    end
    out[i] = { title = given.title, note = given.note, columns = columns, rows = rows }
  end
  return out
end

local LABELS = { doubling_hours = "doubles in", hours_to_limit = "limit reached in",
  slope_per_hour = "growth per hour", resident_unexplained = "resident memory not explained" }

-- What the end of a key says of its unit.
local function unit_of(key, unit)
  if key:find "hours$" then return "hours" end
  if key:find "share$" then return "share" end
  if key:find "per_hour$" or key:find "limit$" or key:find "unexplained$" then return unit end
end

--- Facts of a recipe as rows; of a table by name one row each, in order of name.
---@param given table?
---@param unit string
---@return table[]?
function document.facts(given, unit)
  if not given or #given > 0 then return given end
  local out = {}
  for key, value in pairs(given) do
    out[#out + 1] = { key = key, label = LABELS[key] or key:gsub("_", " "), value = value,
      unit = unit_of(key, unit) }
  end
  table.sort(out, function(a, b) return a.key < b.key end)
  return #out > 0 and out or nil
end

--- Events in order of time.
function document.timeline(list)
  local out = {}
  for i, entry in ipairs(list or {}) do
    out[i] = copy_keys(entry, { "at_ms", "kind", "class", "change" })
    out[i].text = entry.text or entry.message
  end
  table.sort(out, function(a, b)
    if a.at_ms ~= b.at_ms then return (a.at_ms or math.huge) < (b.at_ms or math.huge) end
    return (a.text or "") < (b.text or "")
  end)
  return out
end

--- Rows of the picture with the factor that makes their values those of the report.
---@param given table?
---@param context table
---@return table?
function document.icicle(given, context)
  if not given or given.unit then return given end
  local out = document.copy(given)
  out.unit, out.factor = context.unit, not context.ready and context.factors and context.factors.A
  return out
end

--- What the report is about; class, kind and unit follow from the type where absent.
function document.subject(given)
  local s = given or {}
  local type_id = s.type or s.profile_type
  local out = { selector = s.selector, profile_type = type_id, service = s.service,
    class = s.class, kind = s.kind, unit = s.unit, runtime = s.runtime, target = s.target }
  if type(type_id) == "table" then
    out.profile_type = table.concat(type_id, " + ")
    type_id = type_id[1]
  end
  if type_id then
    local parts = types.parts(type_id)
    out.class = out.class or types.class(type_id)
    out.unit = out.unit or parts and parts.sample_unit
    out.kind = out.kind or types.kind(type_id)
  end
  out.service = out.service or s.selector and s.selector:match 'service_name%s*=%s*"([^"]*)"'
  return out
end

return document
