--- Sums up what scenes emit: means, rates and quantiles with 95 % confidence intervals, and the
--- table of goals as Markdown.

local score = {}

--- Wilson's interval of a proportion.
---@param successes number
---@param n integer
---@return number low, number high
function score.wilson(successes, n)
  if n == 0 then return 0, 1 end
  local z = 1.959964
  local p, zz = successes / n, z * z / n
  local middle = (p + zz / 2) / (1 + zz)
  local half = z / (1 + zz) * math.sqrt(p * (1 - p) / n + zz / (4 * n))
  return math.max(0, middle - half), math.min(1, middle + half)
end

local function mean(list)
  local sum = 0
  for _, x in ipairs(list) do sum = sum + x end
  return sum / #list
end

local statistics = {}

function statistics.rate(list)
  local p = mean(list)
  local low, high = score.wilson(p * #list, #list)
  return p, low, high
end

function statistics.mean(list)
  local m, squares = mean(list), 0
  for _, x in ipairs(list) do squares = squares + (x - m) ^ 2 end
  local half = #list > 1 and 1.959964 * math.sqrt(squares / (#list - 1) / #list) or math.huge
  return m, m - half, m + half
end

local function quantile(list, p)
  local sorted, n = table.move(list, 1, #list, 1, {}), #list
  table.sort(sorted)
  local function at(q) return sorted[math.max(1, math.min(n, math.ceil(q * n)))] end
  local half = 1.959964 * math.sqrt(p * (1 - p) / n)
  return at(p), at(p - half), at(p + half)
end

function statistics.p95(list) return quantile(list, 0.95) end
function statistics.p99(list) return quantile(list, 0.99) end
function statistics.median(list) return quantile(list, 0.5) end

--- One row of the table from the emitted values.
---@param row { id: string, stat?: string, compute?: function, below?: number, above?: number }
---@param values table<string, number[]>
---@return { value: number, low: number, high: number, n: integer, reached: boolean }?
function score.row(row, values)
  local value, low, high, n
  if row.compute then
    value, low, high, n = row.compute(values)
    if not value then return nil end
  else
    local list = values[row.id]
    if not list then return nil end
    value, low, high = statistics[row.stat or "rate"](list)
    n = #list
  end
  local reached = (not row.below or value <= row.below) and (not row.above or value >= row.above)
  return { value = value, low = low, high = high, n = n, reached = reached }
end

local function format(row, x)
  if row.format then return row.format(x) end
  if (row.stat or "rate") == "rate" then
    local percent = 100 * x
    return ((percent < 10 and percent > 0 or percent > 99 and percent < 100) and "%.2f %%" or "%.1f %%"):format(percent)
  end
  return ("%.3g"):format(x)
end

local function goal(row)
  if row.goal then return row.goal end
  local parts = {}
  if row.above then parts[1] = ">= " .. format(row, row.above):gsub("%.0+ ", " ") end
  if row.below then parts[#parts + 1] = "<= " .. format(row, row.below):gsub("%.0+ ", " ") end
  return table.concat(parts, ", ")
end

--- The table as Markdown; rows without values are left out.
---@param rows table[]
---@param values table<string, number[]>
---@return string text
---@return integer missed
function score.markdown(rows, values)
  local lines = { "| score | goal | value | 95 % CI | runs | reached |",
    "| --- | --- | --- | --- | --- | --- |" }
  local missed = 0
  for _, row in ipairs(rows) do
    local r = score.row(row, values)
    if r then
      local has_goal = row.below or row.above
      if has_goal and not r.reached then missed = missed + 1 end
      lines[#lines + 1] = ("| %s | %s | %s | %s to %s | %d | %s |"):format(row.title, goal(row),
        format(row, r.value), format(row, r.low), format(row, r.high), r.n,
        has_goal and (r.reached and "yes" or "**no**") or "")
    end
  end
  return table.concat(lines, "\n"), missed
end

return score
