--- Where a finding lives: the values of a label that carry more of its change than their part of
--- the work.

local fetch = require "pyroscope.investigate.fetch"
local labels = require "pyroscope.investigate.labels"
local stats = require "pyroscope.investigate.stats"
local tree = require "pyroscope.investigate.tree"

local where = {}

-- Values of a label that are looked at; what of the change has to be in them, and how much more
-- than their part of everything.
local MOST, EXPLAINS, BEYOND = 12, 0.67, 0.15
-- Trees that are asked of a server for this.
local REQUESTS = 16

local VERSION = {}
for _, name in ipairs(require "pyroscope.source.shared".version_labels) do VERSION[name] = true end

-- Values of findings and of the whole, by side, of one value of a label.
local function part_of(source, subject, sides, label, value, options)
  local design = { A = {}, B = {}, unit = "window" }
  for _, side in ipairs { "A", "B" } do
    local window = sides[side]
    local own = { [label] = value }
    for name, known in pairs(window.labels or {}) do own[name] = known end
    design[side][1] = { from_ms = window.from_ms, to_ms = window.to_ms, labels = own,
      selector = window.selector }
  end
  local samples = fetch.trees(source, { selector = subject.selector, type = subject.types,
    design = design, runtime = subject.runtime, max_nodes = options.max_nodes, empty = "zero" })
  local u = samples and tree.union(samples, { names = options.names })
  if samples then fetch.close(samples) end
  if not u then return nil end
  local totals = (u:totals())
  local tables = { flat = tree.flat(u), cum = tree.cum(u) }
  return { A = totals[1] or 0, B = totals[2] or 0, of = function(finding)
    local found = tables[finding.candidate]
    for i, name in ipairs(found.name) do
      if name == finding.name then
        return { A = found.value[i][1] or 0, B = found.value[i][2] or 0 }
      end
    end
    return { A = 0, B = 0 }
  end }
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

--- Gives findings the labels that bound them, as `labels.explained_by`. At most `requests` trees
--- are asked for of a server; of files, all labels are looked at.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param design pyroscope.design
---@param findings table[]        with `candidate` and `name`
---@param options? { max_nodes?: integer, names?: table, requests?: integer, counters?: boolean }
function where.find(source, subject, design, findings, options)
  options = options or {}
  if #findings == 0 or findings[1].shape == "uniform" or options.counters then return end
  if not design.A[1] or not design.B[1] then return end
  local sides = labels.sides(design)
  local names, known = labels.candidates(source, subject, sides, {})
  if not names then return end
  local left = math.huge
  if source.kind ~= "store" then
    left = options.requests or REQUESTS
    local remaining = source.remaining and source:remaining()
    if remaining then left = math.min(left, remaining - 2) end
  end
  table.sort(names, function(a, b) -- instances first, then by name
    local x, y = labels.is_instance(a), labels.is_instance(b)
    if x ~= y then return x end
    return a < b
  end)
  local jobs = {}
  for _, label in ipairs(names) do
    if not VERSION[label] and label ~= "service_name" then
      local values = known[label]
      if #values >= 2 and #values <= MOST then
        jobs[#jobs + 1] = { label = label, values = values }
      end
    end
  end
  for _, job in ipairs(jobs) do
    local cost = 2 * #job.values
    local affordable = cost <= left
    if affordable then left = left - cost end
    local parts, complete = {}, true
    for i, value in ipairs(affordable and job.values or {}) do
      parts[i] = part_of(source, subject, sides, job.label, value, options)
      complete = complete and parts[i] ~= nil
    end
    if affordable and complete then explain(findings, job.label, job.values, parts) end
  end
end

return where
