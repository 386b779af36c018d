--- Allocation beside CPU and objects: how much a raw sample of a site is worth, whether it is more
--- objects or larger ones, what the collector costs.

local fetch = require "pyroscope.investigate.fetch"
local frames = require "pyroscope.investigate.frames"
local quantum = require "pyroscope.investigate.quantum"
local resolve = require "pyroscope.source.resolve"
local stats = require "pyroscope.investigate.stats"
local unions = require "pyroscope.investigate.unions"
local windows = require "pyroscope.investigate.windows"

local heap = {}

-- One window a side.
local function design_of(case)
  local sides = windows.sides(case.design)
  return { A = { sides.A }, B = { sides.B }, unit = "window" }
end

-- The types of a class; nil where there is none.
local function types_of(case, class)
  local id, found = resolve.choose(case.source, class, case.subject.selector,
    windows.hull(case.design.A, case.design.B))
  return id and found.types
end

--- The worth of a raw sample by function; where objects are not known, the rate of the sampler.
--- The union of the objects stays with the case.
---@param case pyroscope.case     with samples
---@return pyroscope.quantum
function heap.quantum(case)
  local about, options = case.subject, case.options
  local types, design = types_of(case, "alloc_objects"), design_of(case)
  local function trees(of)
    return fetch.trees(case.source, { selector = about.selector, type = of, design = design,
      max_nodes = options.max_nodes, runtime = about.runtime })
  end
  local objects = types and trees(types)
  local bytes = objects and trees(about.types)
  local found
  if bytes then
    local profiles = { {}, {} }
    for list, samples in ipairs { bytes, objects } do
      for k, sample in ipairs(samples) do profiles[list][k] = sample.profile end
    end
    found = quantum.heap_counts(profiles[1], profiles[2], options.heap_rate, function(name)
      return frames.normalise(name, options.name_rules or nil)
    end)
    fetch.close(bytes)
  end
  if objects then
    case.objects = unions.of(objects, options)
    fetch.close(objects)
  end
  return found or quantum.infer { class = about.class, rate = options.heap_rate }
end

--- More objects, or larger ones?  Gives findings `split` and `objects`.
---@param case pyroscope.case
---@param findings pyroscope.finding[]
function heap.split(case, findings)
  local u = case.objects
  if not u or #findings == 0 then return end
  for _, finding in ipairs(findings) do
    local count = unions.sums(unions.values(u, finding), u.sides)
    local field = finding.candidate == "flat" and "self" or "total"
    local bytes = { A = finding.before[field], B = finding.after[field] }
    -- objects are of the whole side, bytes of a mean sample
    local n, size = { A = #finding.blocks.A, B = #finding.blocks.B }, {}
    for _, side in ipairs { "A", "B" } do
      size[side] = count[side] > 0 and bytes[side] * n[side] / count[side] or 0
    end
    if size.A == 0 then size.A = size.B elseif size.B == 0 then size.B = size.A end
    if count.A + count.B > 0 then
      local split = stats.two_factor(count.A / n.A, size.A, count.B / n.B, size.B)
      local words = finding.delta.abs < 0
        and { first = "fewer objects", second = "smaller objects", both = "both" }
        or { first = "more objects", second = "larger objects", both = "both" }
      finding.split = { word = words[split.word], objects = split.n_share }
      finding.objects = { mean_size = { A = size.A, B = size.B } }
    end
  end
end

--- Part of the CPU that the collector and the allocator take, by side; nil without a CPU type.
---@param case pyroscope.case
---@return { gc: { A: number, B: number }, alloc: { A: number, B: number } }?
function heap.collector(case)
  local types = types_of(case, "cpu")
  local u = types and unions.fetch(case.source, case.subject, design_of(case), case.options,
    { types = types })
  if not u then return nil end
  local totals = (u:totals())
  local result = {}
  for _, wanted in ipairs { "gc", "alloc" } do
    local flags = {}
    for id, name in ipairs(u:names()) do
      flags[id] = frames.gc(name, u.runtime) == wanted and 1 or 0
    end
    local part = unions.sums((u:keep(flags):totals()), u.sides)
    local whole = unions.sums(totals, u.sides)
    result[wanted] = { A = whole.A > 0 and part.A / whole.A or 0,
      B = whole.B > 0 and part.B / whole.B or 0 }
  end
  return result
end

return heap
