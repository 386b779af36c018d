--- How a change splits over factors and elements, and how far two shares are apart.

local attribution = {}

--- Exact split of the change of n * m: how much came from n, how much from m.
---@param na number
---@param ma number
---@param nb number
---@param mb number
---@return { delta: number, n: number, m: number, n_share: number, word: "first"|"second"|"both" }
function attribution.two_factor(na, ma, nb, mb)
  local n, m = (nb - na) * (ma + mb) / 2, (na + nb) / 2 * (mb - ma)
  local gross = math.abs(n) + math.abs(m)
  local share = gross == 0 and 0 or math.abs(n) / gross
  local word = "both"
  if gross > 0 and share >= 0.7 then word = "first" end
  if gross > 0 and share <= 0.3 then word = "second" end
  return { delta = n + m, n = n, m = m, n_share = share, word = word }
end

--- Exact split of the change of a product of positive factors, with logarithmic mean weights.
---@param a number[]
---@param b number[]
---@return number[] parts         as many as factors; their sum is the change
function attribution.log_mean(a, b)
  local before, after, parts = 1, 1, {}
  for i = 1, #a do before, after = before * a[i], after * b[i] end
  local weight = before
  if after ~= before then weight = (after - before) / math.log(after / before) end
  for i = 1, #a do parts[i] = weight * math.log(b[i] / a[i]) end
  return parts
end

--- Jensen-Shannon divergence in bits of two arrays of weights.
---@param a number[]
---@param b number[]
---@return number
function attribution.jsd(a, b)
  local total_a, total_b, sum = 0, 0, 0
  for i = 1, #a do total_a, total_b = total_a + a[i], total_b + b[i] end
  if total_a <= 0 or total_b <= 0 then return total_a == total_b and 0 or 1 end
  for i = 1, #a do
    local p, q = a[i] / total_a, b[i] / total_b
    if p > 0 then sum = sum + p * math.log(2 * p / (p + q), 2) / 2 end
    if q > 0 then sum = sum + q * math.log(2 * q / (p + q), 2) / 2 end
  end
  return math.max(0, sum)
end

---@class pyroscope.part
---@field value number
---@field weight number           load: profiles, requests

---@class pyroscope.kitagawa
---@field delta number
---@field rate number
---@field mix number
---@field mix_fraction number
---@field elements { name: string, rate: number, mix: number }[]

--- Splits the change of a rate over all into rates of elements and their weights (Kitagawa).
--- An element on one side only keeps its rate on the other: it is mix.
---@param elements { name: string, a: pyroscope.part, b: pyroscope.part }[]
---@return pyroscope.kitagawa
function attribution.kitagawa(elements)
  local load_a, load_b = 0, 0
  for _, element in ipairs(elements) do
    load_a, load_b = load_a + element.a.weight, load_b + element.b.weight
  end
  local result = { rate = 0, mix = 0, elements = {} }
  for i, element in ipairs(elements) do
    local rate_a = element.a.weight > 0 and element.a.value / element.a.weight
    local rate_b = element.b.weight > 0 and element.b.value / element.b.weight
    rate_a, rate_b = rate_a or rate_b or 0, rate_b or rate_a or 0
    local share_a = load_a > 0 and element.a.weight / load_a or 0
    local share_b = load_b > 0 and element.b.weight / load_b or 0
    local rate = (share_a + share_b) / 2 * (rate_b - rate_a)
    local mix = (rate_a + rate_b) / 2 * (share_b - share_a)
    result.elements[i] = { name = element.name, rate = rate, mix = mix }
    result.rate, result.mix = result.rate + rate, result.mix + mix
  end
  result.delta = result.rate + result.mix
  local gross = math.abs(result.rate) + math.abs(result.mix)
  result.mix_fraction = gross > 0 and math.abs(result.mix) / gross or 0
  return result
end

---@class pyroscope.adtributor
---@field elements { name: string, ep: number, surprise: number, chosen: boolean }[]
---@field set string[]
---@field ep number
---@field surprise number

--- Explanatory power and surprise of the elements of one label (Adtributor): those that explain
--- the change and were not expected to.
---@param elements { name: string, a: number, b: number }[]
---@param options? { min_ep?: number, target?: number }
---@return pyroscope.adtributor
function attribution.adtributor(elements, options)
  local min_ep = options and options.min_ep or 0.10
  local target = options and options.target or 0.67
  local total_a, total_b, rows = 0, 0, {}
  for _, element in ipairs(elements) do
    total_a, total_b = total_a + element.a, total_b + element.b
  end
  for i, element in ipairs(elements) do
    local p = total_a > 0 and element.a / total_a or 0
    local q = total_b > 0 and element.b / total_b or 0
    local surprise = 0
    if p > 0 then surprise = surprise + p * math.log(2 * p / (p + q)) / 2 end
    if q > 0 then surprise = surprise + q * math.log(2 * q / (p + q)) / 2 end
    local delta = total_b - total_a
    rows[i] = { name = element.name, surprise = surprise, chosen = false,
      ep = delta ~= 0 and (element.b - element.a) / delta or 0 }
  end
  table.sort(rows, function(x, y)
    if x.surprise ~= y.surprise then return x.surprise > y.surprise end
    return x.name < y.name
  end)
  local result = { elements = rows, set = {}, ep = 0, surprise = 0 }
  for _, row in ipairs(rows) do
    if result.ep >= target then break end
    if row.ep >= min_ep then
      row.chosen = true
      result.set[#result.set + 1] = row.name
      result.ep, result.surprise = result.ep + row.ep, result.surprise + row.surprise
    end
  end
  return result
end

--- How much two labels say the same: mutual information over the smaller entropy, 0 to 1.
---@param x string[]              value of the one label, by series
---@param y string[]
---@param weights number[]
---@return number
function attribution.same_partition(x, y, weights)
  local total, of_x, of_y, of_both = 0, {}, {}, {}
  local function add(into, key, weight) into[key] = (into[key] or 0) + weight end
  for i, weight in ipairs(weights) do
    total = total + weight
    add(of_x, x[i], weight)
    add(of_y, y[i], weight)
    add(of_both, #x[i] .. ":" .. x[i] .. y[i], weight)
  end
  if total <= 0 then return 0 end
  local function entropy(parts)
    local keys, sum = {}, 0
    for key in pairs(parts) do keys[#keys + 1] = key end
    table.sort(keys) -- sums in one order give one result
    for _, key in ipairs(keys) do
      local p = parts[key] / total
      if p > 0 then sum = sum - p * math.log(p) end
    end
    return sum
  end
  local hx, hy = entropy(of_x), entropy(of_y)
  local least = math.min(hx, hy)
  if least <= 0 then return hx == hy and 1 or 0 end
  return (hx + hy - entropy(of_both)) / least
end

return attribution
