-- The comparison: lua-cjson and the best loops we know to write in plain Lua. One cursor a level,
-- flat arrays by function, no table per node.

local cjson = require "cjson"

local good = {}

-- Self and total of every function of a flame graph, recursion counted once.
local function weigh(graph)
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
  return names, self, total
end

--- Top k rows {name, self, total} of a Connect JSON flame graph.
function good.top(text, k)
  local names, self, total = weigh(cjson.decode(text).flamegraph)
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

-- A call tree of a flame graph as flat arrays: parent and name of each node, self values; nodes in
-- the order of a walk, so that a parent comes before its children.
local function tree(graph)
  local levels, parent, name, self = graph.levels, {}, {}, {}
  local above, n = {}, 0 -- nodes of the level above by where they begin and end
  for l = 1, #levels do
    local values, here, x, at = levels[l].values, {}, 0, 1
    for c = 1, #values, 4 do
      x = x + math.tointeger(tonumber(values[c]))
      local t = math.tointeger(tonumber(values[c + 1]))
      while above[at] and above[at + 2] <= x do at = at + 3 end
      n = n + 1
      parent[n], name[n] = above[at] or 0, graph.names[tonumber(values[c + 3]) + 1]
      self[n] = math.tointeger(tonumber(values[c + 2]))
      here[#here + 1], here[#here + 2], here[#here + 3] = n, x, x + t
      x = x + t
    end
    above = here
  end
  return parent, name, self, n
end

--- Aligns two flame graphs by path, with self and total of both sides for every node; top k rows
--- {name, before, after, before_total, after_total} by the change of self.
function good.diff(a, b, k)
  local children, up = {}, {}
  local selfs, totals, functions = { {}, {} }, { {}, {} }, {}
  local count = 0
  for side, text in ipairs { a, b } do
    local graph = cjson.decode(text).flamegraph
    local parent, name, own, n = tree(graph)
    local id, values = { [0] = 0 }, selfs[side]
    for i = 1, n do
      local above = id[parent[i]]
      local below = children[above]
      if not below then
        below = {}
        children[above] = below
      end
      local node = below[name[i]]
      if not node then
        count = count + 1
        node = count
        below[name[i]], up[node] = node, above
      end
      id[i] = node
      values[node] = (values[node] or 0) + own[i]
    end
    local names, self, total = weigh(graph)
    for i = 2, #names do
      local row = functions[names[i]]
      if not row then
        row = { name = names[i], self = { 0, 0 }, total = { 0, 0 } }
        functions[names[i]] = row
      end
      row.self[side], row.total[side] = row.self[side] + self[i], row.total[side] + total[i]
    end
  end
  for side = 1, 2 do
    local values, sums = selfs[side], totals[side]
    for i = 1, count do sums[i] = values[i] or 0 end
    for i = count, 1, -1 do
      local above = up[i]
      if above ~= 0 then sums[above] = sums[above] + sums[i] end
    end
  end
  local order = {}
  for _, row in pairs(functions) do order[#order + 1] = row end
  table.sort(order, function(x, y)
    local p, q = math.abs(x.self[2] - x.self[1]), math.abs(y.self[2] - y.self[1])
    if p ~= q then return p > q end
    return x.name < y.name
  end)
  local rows = {}
  for i = 1, math.min(k, #order) do
    local row = order[i]
    rows[i] = { name = row.name, before = row.self[1], after = row.self[2],
      before_total = row.total[1], after_total = row.total[2] }
  end
  return rows
end

return good
