--- Where a finding lives: the values of a label that carry more of its change than their part of
--- the work.

local labels = require "pyroscope.investigate.labels"
local stats = require "pyroscope.investigate.stats"
local unions = require "pyroscope.investigate.unions"
local windows = require "pyroscope.investigate.windows"

local where = {}

-- Values of a label that are looked at; what of the change has to be in them, and how much more
-- than their part of everything.
local MOST, EXPLAINS, BEYOND = 12, 0.67, 0.15
-- Trees that are asked of a server for this.
local REQUESTS = 16

local VERSION = {}
for _, name in ipairs(require "pyroscope.source.shared".version_labels) do VERSION[name] = true end

-- A part of the work: values of the whole and of findings by side, of some samples of a union.
local function part_of(u, counts)
  local function sums(values)
    local out = {}
    for k, value in ipairs(values) do out[k] = counts(u.samples[k]) and value or 0 end
    return unions.sums(out, u.sides)
  end
  local whole = sums((u:totals()))
  return { A = whole.A, B = whole.B,
    of = function(finding) return sums(unions.values(u, finding)) end }
end

-- Trees of one value of a label as a part; nil where they cannot be had.
local function fetched(case, sides, label, value)
  local design = { A = {}, B = {}, unit = "window" }
  for _, side in ipairs { "A", "B" } do
    local window = sides[side]
    local own = { [label] = value }
    for name, known in pairs(window.labels or {}) do own[name] = known end
    design[side][1] = { from_ms = window.from_ms, to_ms = window.to_ms, labels = own,
      selector = window.selector }
  end
  local u = unions.fetch(case.source, case.subject, design, case.options, { empty = "zero" })
  return u and part_of(u, function() return true end)
end

local function explain(findings, label, values, parts)
  local both = false
  for _, part in ipairs(parts) do both = both or part.A > 0 and part.B > 0 end
  if not both then return end -- instances that were replaced cannot be compared one by one
  local whole = 0
  for _, part in ipairs(parts) do whole = whole + part.A + part.B end
  for _, finding in ipairs(findings) do
    local elements, by_name = {}, {}
    local R = finding.R or 1
    for i, value in ipairs(values) do
      local own = parts[i].of(finding)
      elements[i] = { name = value, a = own.A, b = own.B / R }
      by_name[value] = parts[i]
    end
    local found = stats.adtributor(elements, { target = EXPLAINS })
    local fair = 0
    for _, value in ipairs(found.set) do
      fair = fair + (whole > 0 and (by_name[value].A + by_name[value].B) / whole or 0)
    end
    if #found.set > 0 and #found.set < #values and found.ep >= EXPLAINS
      and found.ep >= fair + BEYOND then
      finding.labels = finding.labels or { explained_by = {} }
      table.insert(finding.labels.explained_by,
        { label = label, values = found.set, ep = found.ep })
    end
  end
end

-- The parts of all values of a label: of instances that are samples already, those samples; else
-- trees, as many as may still be asked for.
local function parts_of(case, sides, job, left)
  local parts = {}
  if case.design.unit == "pod" and job.label == case.quality.instance_label then
    for i, value in ipairs(job.values) do
      parts[i] = part_of(case.union, function(sample) return sample.instance == value end)
    end
    return parts, 0
  end
  local cost = 2 * #job.values
  if cost > left then return nil, 0 end
  for i, value in ipairs(job.values) do
    parts[i] = fetched(case, sides, job.label, value)
    if not parts[i] then return nil, cost end
  end
  return parts, cost
end

--- Gives findings the labels that bound them, as `labels.explained_by`. Some trees are asked for of
--- a server; of files, all labels are looked at.
---@param case pyroscope.case     with its union
---@param findings table[]        with `candidate` and `name`
function where.find(case, findings)
  local source, subject, design = case.source, case.subject, case.design
  if #findings == 0 or findings[1].shape == "uniform" or case.quality.counter_like then return end
  if not design.A[1] or not design.B[1] then return end
  local sides = windows.sides(design)
  local names, known = labels.candidates(source, subject, sides, {})
  if not names then return end
  local left = math.huge
  if source.kind ~= "store" then
    local remaining = source.remaining and source:remaining()
    left = math.min(REQUESTS, remaining and remaining - 2 or REQUESTS)
  end
  table.sort(names, function(a, b) -- instances first, then by name
    local x, y = labels.is_instance(a), labels.is_instance(b)
    if x ~= y then return x end
    return a < b
  end)
  for _, label in ipairs(names) do
    local values = known[label]
    if not VERSION[label] and label ~= "service_name" and #values >= 2 and #values <= MOST then
      local parts, cost = parts_of(case, sides, { label = label, values = values }, left)
      left = left - cost
      if parts then explain(findings, label, values, parts) end
    end
  end
end

return where
