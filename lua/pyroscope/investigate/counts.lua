--- The table of functions that size factors and tests read: values and raw counts by sample.

local frames = require "pyroscope.investigate.frames"

local counts = {}

---@class pyroscope.counts.row
---@field name string
---@field role string
---@field flat number[]           by sample, in base units
---@field cum number[]
---@field q number                value of one raw sample in `flat`
---@field q_cum number
---@field flat_a number           sums over a side, in raw samples
---@field flat_b number
---@field cum_a number
---@field cum_b number
---@field differs boolean         are flat and cum values different?

--- Sampling error is priced only where a raw sample is known.
---@class pyroscope.counts
---@field [integer] pyroscope.counts.row
---@field sides ("A"|"B")[]
---@field n { A: integer, B: integer }
---@field totals number[]         by sample, in base units, what is cut off included
---@field total { A: number, B: number }
---@field profiles { A: number, B: number }
---@field sampled boolean
---@field q number                value of one raw sample of the whole, 1 when unknown

-- Roles of names by the samples they come from, and tables by union.
local roles = setmetatable({}, { __mode = "k" })
local tables = setmetatable({}, { __mode = "k" })

---@param u pyroscope.union
---@param name string
---@return string
function counts.role(u, name)
  local known = roles[u.samples]
  if not known then
    known = {}
    roles[u.samples] = known
  end
  local role = known[name]
  if not role then
    role = frames.role(name, u.runtime)
    known[name] = role
  end
  return role
end

--- How many profiles a sample was merged from.
---@param sample pyroscope.sample
---@return number
function counts.profiles(sample)
  return sample.profiles or 1
end

local function sums(values, sides, q)
  local a, b = 0, 0
  for k, side in ipairs(sides) do
    if side == "A" then a = a + values[k] else b = b + values[k] end
  end
  return a / q, b / q
end

local function same(x, y)
  for k = 1, #x do
    if x[k] ~= y[k] then return false end
  end
  return true
end

--- Functions of a union with at least 20 raw samples in all, as rows. Made once a union, by who
--- asks first.
---@param u pyroscope.union
---@param least? number           share below which functions are left out as well
---@return pyroscope.counts
function counts.of(u, least)
  local rows = tables[u]
  if rows then return rows end
  local quantum = u.quantum or {}
  local q = quantum.value or 1
  local by_flat = quantum.by_function and quantum.by_function.flat or {}
  local by_cum = quantum.by_function and quantum.by_function.cum or {}
  rows = { sides = u.sides, n = { A = 0, B = 0 }, totals = u:totals(), total = { A = 0, B = 0 },
    profiles = { A = 0, B = 0 }, q = q,
    sampled = quantum.value ~= nil or quantum.by_function ~= nil }
  for k, side in ipairs(u.sides) do
    rows.n[side] = rows.n[side] + 1
    rows.total[side] = rows.total[side] + rows.totals[k]
    rows.profiles[side] = rows.profiles[side] + counts.profiles(u.samples[k])
  end
  local whole = math.max(rows.total.A, rows.total.B)
  local floor = rows.sampled and whole > 0 and 8 * q / whole or 0
  local functions = u:functions(math.max(least or 0, math.min(floor, 0.001)))
  for i, name in ipairs(functions.name) do
    local row = { name = name, role = counts.role(u, name), flat = functions.flat[i],
      cum = functions.cum[i], q = by_flat[name] or q, q_cum = by_cum[name] or q }
    row.cum_a, row.cum_b = sums(row.cum, u.sides, row.q_cum)
    if row.cum_a + row.cum_b >= 20 or not rows.sampled then
      row.flat_a, row.flat_b = sums(row.flat, u.sides, row.q)
      row.differs = not same(row.flat, row.cum)
      rows[#rows + 1] = row
    end
  end
  tables[u] = rows
  return rows
end

return counts
