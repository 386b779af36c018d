--- What every recipe about a flow does once samples are there: test, explain, guard. Pure.

local explain = require "pyroscope.investigate.explain"
local guards = require "pyroscope.investigate.guards"
local normalise = require "pyroscope.investigate.normalise"
local requests = require "pyroscope.investigate.requests"
local shifts = require "pyroscope.investigate.shifts"
local stats = require "pyroscope.investigate.stats"

-- All code is dearer by request when the cost moved by as much as a load that counts, as surely.
local UNIFORM, SURE = 0.10, 0.01

---@class pyroscope.analysis
---@field findings pyroscope.finding[]       causes that stand
---@field explained table[]                  { kind, members, domain, net, value, note, findings }
---@field tests pyroscope.tests
---@field load { ratio: number, p: number, changed: boolean }
---@field groups { runtime: table, profiler: table }
---@field shifts table[]

-- Kinds whose value is what remains of a move, here as a part of the whole.
local MOVES = { shift = true, rename = true, inline = true }

local function explained_by(list, result, finding, base)
  for _, known in ipairs(list) do
    if known.kind == result.kind and known.note == result.note and known.value == result.value then
      known.members[#known.members + 1] = finding.name
      known.findings[#known.findings + 1] = finding
      return
    end
  end
  list[#list + 1] = { kind = result.kind, members = { finding.name }, findings = { finding },
    net = MOVES[result.kind] and base > 0 and result.value / base or nil,
    value = result.value, note = result.note }
end

---@class pyroscope.analysis.context
---@field quality? pyroscope.quality
---@field domains? table<string, string>   names of groups and patterns of what is in them
---@field class? string
---@field blocks? fun(finding: table, tests: table): (number[]?, number[]?)   of `evidence`
---@field mix? fun(findings: table[])      of `evidence`
---@field cpu_load? { ratio: number, changed: boolean }   of waits
---@field season? { same: boolean, value: number }
---@field weights? number[]     what samples are divided by, in place of the median function
---@field cost? pyroscope.cost  work by request

--- Causes of the change between the sides of a union, with what explains others away.
---@param u pyroscope.union
---@param design? { unit?: string, paired?: boolean }
---@param bar { alpha: number, min_share: number, min_rel: number, persists?: boolean }
---@param context? pyroscope.analysis.context
---@return pyroscope.analysis
return function(u, design, bar, context)
  context = context or {}
  -- Once causes are taken out, functions that are too small for a finding are left out as well, and
  -- the noise of the family stays what it was.
  local first
  local function test(rest)
    local size = normalise.size_factors(rest, { least = first and bar.min_share / 4,
      weights = context.weights })
    local result = stats.choose(rest, size, design, bar, first)
    first = first or result
    return result
  end
  local found, tests, groups = explain.causes(u, test, bar)
  local by_time = not design or design.unit == nil or design.unit == "block"
  for _, finding in ipairs(found) do
    local blocks, divisors
    if context.blocks and not by_time then blocks, divisors = context.blocks(finding, tests) end
    if blocks or by_time then
      finding.persistence = explain.persistence(finding, tests, blocks, divisors)
    else
      finding.persistence = { state = "unknown" }
    end
  end
  if context.mix then context.mix(found) end
  local moved = shifts.find(u, found, tests,
    { domains = context.domains, alpha = bar.alpha, min_share = bar.min_share })
  local guarded = { u = u, tests = tests, found = found, shifts = moved,
    quality = context.quality, class = context.class, cpu_load = context.cpu_load,
    season = context.season, persists = bar.persists }
  local standing, explained = {}, {}
  for _, finding in ipairs(found) do
    finding.guards = guards.all(guarded, finding)
    local result = guards.explaining(finding.guards)
    if result then
      explained_by(explained, result, finding, tests.base or 0)
    else
      standing[#standing + 1] = finding
    end
  end
  local load = normalise.load(tests.u or u, (tests.last or tests).size)
  local cost = context.cost
  if cost and #standing == 0 and cost.p <= SURE and math.abs(cost.rel) >= UNIFORM then
    local finding = requests.finding(tests.u or u, cost)
    finding.guards = {}
    standing[1] = finding
  elseif load.changed and #standing == 0 then
    local note = ("load is x%.2f at the median function"):format(load.ratio)
    if cost then note = ("%s; by request it costs x%.2f"):format(note, 1 + cost.rel) end
    explained[#explained + 1] = { kind = "load", members = {}, findings = {},
      value = load.ratio, note = note }
  end
  for _, group in ipairs { "runtime", "profiler" } do
    local share = groups[group]
    if math.abs(share.B - share.A) >= bar.min_share then
      explained[#explained + 1] = { kind = "runtime", members = {}, findings = {}, domain = group,
        net = share.B - share.A, value = share.B - share.A,
        note = ("the %s without user code: %.1f%% -> %.1f%%"):format(group, 100 * share.A,
          100 * share.B) }
    end
  end
  return { findings = standing, explained = explained, tests = tests, load = load,
    groups = groups, shifts = moved }
end
