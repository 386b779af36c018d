--- Many tests at once: Benjamini and Hochberg, its sequential focused form, Simes.

local multiple = {}

--- q values of Benjamini and Hochberg in the order given, capped at 1.
---@param p number[]
---@return number[]
function multiple.bh(p)
  local order, q, least = {}, {}, 1
  for i = 1, #p do order[i] = i end
  table.sort(order, function(i, j)
    if p[i] ~= p[j] then return p[i] < p[j] end
    return i < j
  end)
  for rank = #p, 1, -1 do
    local i = order[rank]
    least = math.min(least, #p * p[i] / rank)
    q[i] = least
  end
  return q
end

--- May a finding be accepted when `found` were before it, of `m` candidates?
---@param p number
---@param found integer
---@param m integer
---@param alpha number
---@return boolean ok
---@return number q
function multiple.focused_bh(p, found, m, alpha)
  local q = p * m / (found + 1)
  return q <= alpha, math.min(q, 1)
end

--- Simes' p of a family of tests; 1 of none.
---@param p number[]
---@return number
function multiple.simes(p)
  local sorted, least = table.move(p, 1, #p, 1, {}), 1
  table.sort(sorted)
  for rank, value in ipairs(sorted) do least = math.min(least, value * #p / rank) end
  return least
end

return multiple
