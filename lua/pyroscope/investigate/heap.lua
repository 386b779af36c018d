--- Allocation beside CPU and objects: how much a raw sample of a site is worth, whether it is more
--- objects or larger ones, what the collector costs.

local fetch = require "pyroscope.investigate.fetch"
local frames = require "pyroscope.investigate.frames"
local quantum = require "pyroscope.investigate.quantum"
local resolve = require "pyroscope.source.resolve"
local stats = require "pyroscope.investigate.stats"
local tree = require "pyroscope.investigate.tree"
local windows = require "pyroscope.investigate.windows"

local heap = {}

-- One window a side: the whole of it, or its latest day.
local function sides_of(design)
  local parts = { A = {}, B = {}, unit = "window" }
  for _, side in ipairs { "A", "B" } do
    local list = design[side]
    if design.unit == "day" then
      parts[side][1] = list[#list]
    else
      local hull, first = windows.hull(list), list[1]
      hull.labels = not first.instance and first.labels or nil
      hull.selector = not first.instance and first.selector or nil
      parts[side][1] = hull
    end
  end
  return parts
end

-- Trees of a class, one a side; nil where there is no such type or no answer.
local function trees_of(case, class)
  local about = case.subject
  local hull = windows.hull(case.design.A, case.design.B)
  local id, found = resolve.choose(case.source, class, about.selector, hull)
  if not id then return nil end
  return fetch.trees(case.source, { selector = about.selector, type = found.types,
    design = sides_of(case.design), max_nodes = case.options.max_nodes, runtime = about.runtime })
end

--- The worth of a raw sample by function; where objects are not known, the rate of the sampler.
---@param case pyroscope.case     with samples
---@return pyroscope.quantum
function heap.quantum(case)
  local about, rate = case.subject, case.options.heap_rate
  local objects = trees_of(case, "alloc_objects")
  case.objects = objects
  if not objects then return { value = rate or 524288, source = "assumed" } end
  local bytes = fetch.trees(case.source, { selector = about.selector, type = about.types,
    design = sides_of(case.design), max_nodes = case.options.max_nodes, runtime = about.runtime })
  if not bytes then return { value = rate or 524288, source = "assumed" } end
  local of_bytes, of_objects = {}, {}
  for k, sample in ipairs(bytes) do of_bytes[k] = sample.profile end
  for k, sample in ipairs(objects) do of_objects[k] = sample.profile end
  local found = quantum.heap_counts(of_bytes, of_objects, rate, function(name)
    return frames.normalise(name, case.options.name_rules or nil)
  end)
  fetch.close(bytes)
  return found
end

--- More objects, or larger ones?  Gives findings `split` and `objects`.
---@param case pyroscope.case
---@param findings pyroscope.finding[]
function heap.split(case, findings)
  local u = case.objects and tree.union(case.objects, { names = case.options.name_rules })
  if case.objects then fetch.close(case.objects) end
  case.objects = nil
  if not u or #findings == 0 then return end
  local tables = { flat = tree.flat(u), cum = tree.cum(u) }
  for _, finding in ipairs(findings) do
    local found = tables[finding.candidate]
    for i, name in ipairs(found.name) do
      if name == finding.name then
        local count = { A = 0, B = 0 }
        for k, side in ipairs(u.sides) do count[side] = count[side] + found.value[i][k] end
        local bytes = finding.candidate == "flat"
          and { A = finding.before.self, B = finding.after.self }
          or { A = finding.before.total, B = finding.after.total }
        -- both as parts of one window: objects are of the whole side, bytes of a mean sample
        local n = { A = #finding.blocks.A, B = #finding.blocks.B }
        local size = {}
        for _, side in ipairs { "A", "B" } do
          size[side] = count[side] > 0 and bytes[side] * n[side] / count[side] or 0
        end
        if size.A == 0 then size.A = size.B elseif size.B == 0 then size.B = size.A end
        local split = stats.two_factor(count.A / n.A, size.A, count.B / n.B, size.B)
        local words = { first = "more objects", second = "larger objects", both = "both" }
        if finding.delta.abs < 0 then
          words = { first = "fewer objects", second = "smaller objects", both = "both" }
        end
        finding.split = { word = words[split.word], objects = split.n_share }
        finding.objects = { mean_size = { A = size.A, B = size.B } }
      end
    end
  end
end

--- Part of the CPU that the collector and the allocator take, by side; nil without a CPU type.
---@param case pyroscope.case
---@return { gc: { A: number, B: number }, alloc: { A: number, B: number } }?
function heap.collector(case)
  local samples = trees_of(case, "cpu")
  local u = samples and tree.union(samples, { names = case.options.name_rules })
  if samples then fetch.close(samples) end
  if not u then return nil end
  local totals = (u:totals())
  local result = {}
  for _, wanted in ipairs { "gc", "alloc" } do
    local flags = {}
    for id, name in ipairs(u:names()) do
      flags[id] = frames.gc(name, u.runtime) == wanted and 1 or 0
    end
    local held = (u:keep(flags):totals())
    local part, whole = { A = 0, B = 0 }, { A = 0, B = 0 }
    for k, side in ipairs(u.sides) do
      part[side], whole[side] = part[side] + held[k], whole[side] + totals[k]
    end
    result[wanted] = { A = whole.A > 0 and part.A / whole.A or 0,
      B = whole.B > 0 and part.B / whole.B or 0 }
  end
  return result
end

return heap
