-- The comparison: lua-cjson and the best loops we know to write in plain Lua. One cursor a level,
-- flat arrays by function, no table per node.

local cjson = require "cjson"

local good = {}

--- Top k rows {name, self, total} of a Connect JSON flame graph.
function good.top(text, k)
  local graph = cjson.decode(text).flamegraph
  local names, levels = graph.names, graph.levels
  local self, total, on = {}, {}, {}
  for i = 1, #names do self[i], total[i], on[i] = 0, 0, 0 end
  local none = math.maxinteger
  local values, cursor, start, finish, open = {}, {}, {}, {}, {}
  for l = 1, #levels do
    values[l] = levels[l].values
    cursor[l] = 1
    start[l] = values[l][1] and math.tointeger(tonumber(values[l][1])) or none
  end
  start[#levels + 1] = none
  local l = 1
  finish[0] = none
  while true do
    if start[l] < finish[l - 1] then
      local v, c = values[l], cursor[l]
      local t, s = math.tointeger(tonumber(v[c + 1])), math.tointeger(tonumber(v[c + 2]))
      local f = tonumber(v[c + 3]) + 1
      local stop = start[l] + t
      self[f] = self[f] + s
      if on[f] == 0 then total[f] = total[f] + t end
      on[f] = on[f] + 1
      open[l], finish[l] = f, stop
      c = c + 4
      cursor[l] = c
      local d = v[c]
      start[l] = d and stop + math.tointeger(tonumber(d)) or none
      l = l + 1
    else
      l = l - 1
      if l == 0 then break end
      on[open[l]] = on[open[l]] - 1
      if l == 1 and start[1] == none then break end
    end
  end
  local order = {}
  for i = 2, #names do order[#order + 1] = i end
  table.sort(order, function(a, b)
    if self[a] ~= self[b] then return self[a] > self[b] end
    return names[a] < names[b]
  end)
  local rows = {}
  for i = 1, math.min(k, #order) do
    rows[i] = { name = names[order[i]], self = self[order[i]], total = total[order[i]] }
  end
  return rows
end

return good
