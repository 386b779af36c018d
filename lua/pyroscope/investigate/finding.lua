--- A finding as it stands in a report: values in the unit of the report, title, fingerprint.

local hash = require "pyroscope.hash"
local quantity = require "pyroscope.investigate.quantity"

local finding = {}

-- What a finding of the explanation or of a recipe may bring beside what is computed here.
local KEPT = { "kind", "shape", "candidate", "role", "name", "raw", "path", "hot", "callers",
  "location", "persistence", "explains", "certain", "links", "next", "labels", "guards", "test",
  "slope", "wait", "split", "instances", "notes", "severity", "title", "confidence_cap",
  "fingerprint", "unit", "per", "since_ms", "change_source", "tax", "objects" }

local function scaled(value, factor)
  if type(value) == "number" then return value * factor end
  return value
end

local function scaled_list(list, factor)
  local out = {}
  for i, value in ipairs(list or {}) do out[i] = scaled(value, factor) end
  return out
end

-- One side: a number is a total.
local function side(given, factor, total)
  if given == nil then return nil end
  if type(given) == "number" then given = { total = given } end
  local out = { self = given.self and scaled(given.self, factor),
    total = given.total and scaled(given.total, factor), share = given.share }
  local value = out.total or out.self
  if not out.share and value and total and total > 0 then out.share = value / total end
  return out
end

local METHODS = { moderated = "moderated_t", paired = "paired_t" }

local function test_of(f, context)
  if f.test then return f.test end
  if not f.p and not f.z then return nil end
  local tests, quantum = context.tests or {}, context.quantum or {}
  return { name = METHODS[tests.method] or tests.method or "sites", d = f.d, se = f.se,
    t = f.d and f.se and f.se > 0 and f.d / f.se or nil, df = f.df, p = f.p, q = f.q, z = f.z,
    quantum = quantum.value, quantum_source = quantum.source }
end

-- Where in the path the finding itself is: the last frame of its name.
local function node_of(f)
  local path = f.path or {}
  if f.node and path[f.node] == f.name then return f.node end
  for i = #path, 1, -1 do
    if path[i] == f.name then return i end
  end
  return #path - #(f.hot or {}) > 0 and #path - #(f.hot or {}) or #path
end

--- The same over runs, windows, versions and lines: class, service, shape, names entry..node.
---@param f table
---@param subject table
---@return string hex             16 digits
function finding.fingerprint(f, subject)
  local parts = { subject.class or "", finding.service(subject), f.shape or "" }
  local path = f.path or {}
  for i = f.entry or 1, f.node or #path do parts[#parts + 1] = path[i] end
  if #path == 0 then parts[#parts + 1] = f.name or "" end
  if f.wait then parts[#parts + 1] = f.wait.class or "" end
  return hash.fnv1a(table.concat(parts, "\0"))
end

--- The service of a subject: named, else an equality in its selector, else the selector.
---@param subject table
---@return string
function finding.service(subject)
  if subject.service then return subject.service end
  local selector = subject.selector or ""
  return selector:match 'service_name%s*=%s*"([^"]*)"' or selector
end

local WORDS = { new_code = " (new code)", removed_code = " (gone)" }

-- "chan_send" as "chan send".
local function spoken(word) return (word:gsub("_", " ")) end

--- One line of what was found, in the words of its class.
---@param f table                 completed
---@param unit string
---@return string
function finding.title(f, unit)
  local name = quantity.short(f.name or f.path and f.path[f.node or #f.path] or "total")
  local wait = f.wait and f.wait.class
  if wait and wait ~= "unknown" and unit ~= "waiters" then
    name = ("%s blocked in %s"):format(name, spoken(wait))
  end
  local slope = f.slope
  if slope and slope.per_hour then
    return ("%s %s/h per instance"):format(name,
      quantity.text(slope.per_hour, slope.unit or unit, { sign = true }))
  end
  local delta = f.delta or {}
  if unit == "waiters" and f.before and f.after and f.after.total and f.before.total then
    return ("%s %s -> %s mean waiters"):format(name,
      quantity.text(f.before.total, unit, { bare = true }),
      quantity.text(f.after.total, unit, { bare = true }))
  end
  if not delta.abs then return name .. (WORDS[f.kind] or "") end
  return ("%s %s%s%s"):format(name, quantity.text(delta.abs, unit, { sign = true }),
    f.per and " per " .. f.per or "", WORDS[f.kind] or "")
end

--- A finding of a recipe or of `explain.causes` as a new table for the report.
---@param f table
---@param context { unit: string, factors?: table, totals?: table, tests?: table, quantum?: table,
---  subject: table }
---@return table
function finding.complete(f, context)
  local unit = f.unit or context.unit
  local ready = f.unit or context.ready or not context.factors
  local a = ready and 1 or context.factors.A
  local b = ready and 1 or context.factors.B
  local totals = context.totals or {}
  local out = {}
  for _, key in ipairs(KEPT) do out[key] = f[key] end
  out.unit = unit
  if not out.per and context.subject.kind == "stock" then out.per = "instance" end
  out.before = side(f.before, a, totals.A and totals.A.rate)
  out.after = side(f.after, b, totals.B and totals.B.rate)
  if f.location then out.location = { file = f.location.file, line = f.location.line } end
  local d = f.delta or {}
  local abs = d.abs and scaled(d.abs, a)
  if not abs and out.before and out.after and out.before.total and out.after.total then
    abs = out.after.total - out.before.total
  end
  local rel = d.rel
  if not rel and abs and out.before and (out.before.total or 0) > 0 then
    rel = abs / out.before.total
  end
  local share
  if out.before and out.after and out.before.share and out.after.share then
    share = out.after.share - out.before.share
  end
  out.delta = { abs = abs, of_total = d.of_total, share = d.share or share, rel = rel,
    ci95_rel = d.ci95_rel, lower_bound = scaled(d.lower_bound or d.lower, a),
    upper_bound = scaled(d.upper_bound or d.upper, a) }
  if f.blocks then
    out.blocks = { A = scaled_list(f.blocks.A, a), B = scaled_list(f.blocks.B, a) }
  end
  if f.callers then
    out.callers = {}
    for i, caller in ipairs(f.callers) do
      out.callers[i] = { name = caller.name, delta = scaled(caller.delta, a) }
    end
  end
  if out.path and #out.path > 0 then
    out.node = node_of(f)
    out.entry = math.min(f.entry or out.node, out.node)
  end
  local slope = f.slope
  if slope and not slope.ci95 and slope.lower and slope.upper then
    out.slope = {}
    for key, value in pairs(slope) do out.slope[key] = value end
    out.slope.ci95, out.slope.lower, out.slope.upper = { slope.lower, slope.upper }, nil, nil
  end
  out.test = test_of(f, context)
  out.q = f.q
  return out
end

return finding
