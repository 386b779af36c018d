--- Fetched and aligned in one step: the trees of a design as a union, by the caller's rules.

local fetch = require "pyroscope.investigate.fetch"
local tree = require "pyroscope.investigate.tree"

local unions = {}

--- The union of the trees of a design: under the name rules of the options, without what they
--- ignore. The profiles are closed.
---@param source pyroscope.source
---@param subject { selector: string, types: string[], runtime?: string }
---@param design { A: table[], B: table[] }
---@param options table          of an investigation: max_nodes, name_rules, ignore, on_progress
---@param more? { types?: string|string[], empty?: string, interval_ms?: integer, quantum?: table }
---@return pyroscope.union? union
---@return pyroscope.samples|pyroscope.error samples_or_err
function unions.fetch(source, subject, design, options, more)
  more = more or {}
  local samples, err = fetch.trees(source, { selector = subject.selector,
    type = more.types or subject.types, design = design, runtime = subject.runtime,
    max_nodes = options.max_nodes, on_progress = options.on_progress, empty = more.empty,
    interval_ms = more.interval_ms })
  if not samples then return nil, err end
  samples.quantum = more.quantum
  local u
  u, err = unions.of(samples, options)
  fetch.close(samples)
  if not u then return nil, err end
  return u, samples
end

--- The union of samples that are there.
---@param samples pyroscope.samples
---@param options { name_rules?: table|boolean, ignore?: string[] }
---@return pyroscope.union? union
---@return pyroscope.error? err
function unions.of(samples, options)
  local u, err = tree.union(samples, { names = options.name_rules })
  if not u or not options.ignore then return u, err end
  return tree.drop(u, options.ignore)
end

--- Values of a finding by sample of any union; zeros where it has no such function.
---@param u pyroscope.union
---@param finding { name: string, candidate: "cum"|"flat" }
---@return integer[]
function unions.values(u, finding)
  local found = tree[finding.candidate](u)
  for i, name in ipairs(found.name) do
    if name == finding.name then return found.value[i] end
  end
  local zero = {}
  for k = 1, #u.samples do zero[k] = 0 end
  return zero
end

--- Sums of values over the samples of each side.
---@param values number[]
---@param sides ("A"|"B")[]
---@return { A: number, B: number }
function unions.sums(values, sides)
  local sum = { A = 0, B = 0 }
  for k, side in ipairs(sides) do sum[side] = sum[side] + values[k] end
  return sum
end

return unions
