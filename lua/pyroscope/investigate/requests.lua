--- Work by request: what the caller counts, brought to the samples of a design, and whether all
--- code became dearer by it.

local stats = require "pyroscope.investigate.stats"

local requests = {}

-- Requests of a window as the caller gives them; nil where it knows none.
local function count_of(given, sample, place)
  if type(given) == "function" then
    return given { from_ms = sample.from_ms, to_ms = sample.to_ms, side = sample.side }
  elseif type(given) == "number" then
    return given
  end
  return given[place]
end

--- Requests by sample. `given` is a number (the same in every window), { A =, B = } (of both
--- sides), one number a window in the order of the design, or a function of a window. Samples of
--- instances that share a window share its requests.
---@param given number|table|fun(window: table): number?
---@param samples pyroscope.samples
---@return number[]? counts       nil: some window has none
---@return { A: number, B: number }? sums
function requests.of(given, samples)
  local sharing, members = {}, { A = 0, B = 0 }
  for _, sample in ipairs(samples) do
    local key = ("%s %d %d"):format(sample.side, sample.from_ms or 0, sample.to_ms or 0)
    sharing[key] = (sharing[key] or 0) + 1
    members[sample.side] = members[sample.side] + 1
  end
  local by_side = type(given) == "table" and given.A ~= nil
  local counts, sums = {}, { A = 0, B = 0 }
  for k, sample in ipairs(samples) do
    local count
    if by_side then
      count = given[sample.side] and given[sample.side] / members[sample.side]
    else
      count = count_of(given, sample, k)
      local key = ("%s %d %d"):format(sample.side, sample.from_ms or 0, sample.to_ms or 0)
      count = count and count / sharing[key]
    end
    if type(count) ~= "number" or count ~= count or count <= 0 then return nil end
    counts[k] = count
    sums[sample.side] = sums[sample.side] + count
  end
  return counts, sums
end

---@class pyroscope.cost
---@field A number                base units a request
---@field B number
---@field rel number
---@field p number
---@field d number                log ratio
---@field se number
---@field df number
---@field counts number[]

--- Cost of a request on both sides, with a test over the samples.
---@param u pyroscope.union
---@param counts number[]         of `requests.of`
---@param sums { A: number, B: number }
---@return pyroscope.cost
function requests.cost(u, counts, sums)
  local totals = (u:totals())
  local whole, logs = { A = 0, B = 0 }, { A = {}, B = {} }
  for k, side in ipairs(u.sides) do
    whole[side] = whole[side] + totals[k]
    if totals[k] > 0 then table.insert(logs[side], math.log(totals[k] / counts[k])) end
  end
  local a, b = whole.A / sums.A, whole.B / sums.B
  local welch = stats.welch(logs.A, logs.B)
  return { A = a, B = b, rel = a > 0 and b / a - 1 or 0, p = welch.p, d = welch.difference,
    se = welch.se, df = welch.df, counts = counts }
end

--- The finding that all code became dearer by request.
---@param u pyroscope.union
---@param cost table              of `requests.cost`
---@return table
function requests.finding(u, cost)
  local totals = (u:totals())
  local n, sums = { A = 0, B = 0 }, { A = 0, B = 0 }
  local blocks = { A = {}, B = {} }
  local mean = 0
  for k, side in ipairs(u.sides) do
    n[side], sums[side] = n[side] + 1, sums[side] + totals[k]
    mean = mean + (side == "A" and cost.counts[k] or 0)
  end
  mean = mean / math.max(1, n.A)
  for k, side in ipairs(u.sides) do
    table.insert(blocks[side], totals[k] / cost.counts[k] * mean)
  end
  local before = sums.A / math.max(1, n.A)
  local reach = cost.se > 0 and stats.t_quantile(0.975, cost.df) * cost.se or 0
  return { name = "(all code)", shape = "uniform", path = {}, hot = {}, candidate = "cum",
    kind = cost.rel > 0 and "regression" or "improvement", d = cost.d, se = cost.se, df = cost.df,
    p = cost.p, q = cost.p, before = { total = before },
    after = { total = sums.B / math.max(1, n.B) },
    delta = { abs = before * cost.rel, of_total = cost.rel, rel = cost.rel,
      ci95_rel = { math.exp(cost.d - reach) - 1, math.exp(cost.d + reach) - 1 } },
    blocks = blocks, explains = 1, certain = true, persistence = { state = "unknown" },
    notes = { ("by request all code became %s alike"):format(cost.rel > 0 and "dearer"
      or "cheaper") } }
end

--- What every sample is divided by where the caller says how: nil for the default, the median
--- function.
---@param u pyroscope.union
---@param method? string          "rate", "per_instance", "per_request", "share"
---@param counts? number[]        of `requests.of`
---@return number[]? weights
function requests.weights(u, method, counts)
  if not method or method == "robust" then return nil end
  if method == "share" then return (u:totals()) end
  if method == "per_request" then return counts end
  local weights = {}
  for k, sample in ipairs(u.samples) do
    weights[k] = method == "rate" and sample.to_ms and (sample.to_ms - sample.from_ms) / 1000
      or sample.profiles or 1
  end
  return weights
end

return requests
