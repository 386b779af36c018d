--- Cuts an alignment of two trees as a server's Diff does, and gives it back as an alignment.

local ask = require "pyroscope.source.store.rpc.ask"
local core = require "pyroscope.core"

-- The nodes of an alignment, root first, each with its children in order.
local function nodes_of(alignment)
  local all, path = {}, {}
  for depth, name, a_self, b_self, a_total, b_total in alignment:walk() do
    local node = { name = name, self = { a_self, b_self }, total = { a_total, b_total },
      children = {} }
    all[#all + 1] = node
    path[depth] = node
    if depth > 0 then table.insert(path[depth - 1].children, node) end
  end
  return all
end

-- The value below which both sides of a node may lie only if it is cut.
local function threshold(all, most)
  if #all <= most then return 0 end
  local values = {}
  for i, node in ipairs(all) do values[i] = math.max(node.total[1], node.total[2]) end
  table.sort(values, function(x, y) return x > y end)
  return values[most]
end

local function cut_children(node, least)
  local kept, rest = {}, nil
  for _, child in ipairs(node.children) do
    if child.total[1] >= least or child.total[2] >= least then
      kept[#kept + 1] = child
    else
      rest = rest or { name = "other", self = { 0, 0 }, total = { 0, 0 }, children = {} }
      for side = 1, 2 do
        rest.total[side] = rest.total[side] + child.total[side]
        rest.self[side] = rest.total[side]
      end
    end
  end
  kept[#kept + 1] = rest
  return kept
end

-- One level as groups of seven; x of both sides count from the end of the node before.
local function level_text(level, name_index)
  local ends, parts = { 0, 0 }, {}
  for i, placed in ipairs(level) do
    local node, texts = placed.node, {}
    for side = 1, 2 do
      texts[#texts + 1] = ('"%d","%d","%d"'):format(placed.x[side] - ends[side],
        node.total[side], node.self[side])
      ends[side] = placed.x[side] + node.total[side]
    end
    parts[i] = ('%s,%s,"%d"'):format(texts[1], texts[2], name_index(node.name))
  end
  return '{"values":[' .. table.concat(parts, ",") .. "]}"
end

--- The alignment that is left of one when at most about `most` nodes are kept.
---@param alignment pyroscope.alignment
---@param most integer
---@return pyroscope.alignment? alignment
---@return pyroscope.error? err
return function(alignment, most)
  local all = nodes_of(alignment)
  local least = threshold(all, most)
  if least == 0 then return alignment end
  local names, indexes = {}, {}
  local function name_index(name)
    if not indexes[name] then
      names[#names + 1] = ask.json(name)
      indexes[name] = #names - 1
    end
    return indexes[name]
  end
  name_index "total"
  local root = all[1]
  root.name = "total"
  local level, texts = { { node = root, x = { 0, 0 } } }, {}
  while #level > 0 do
    texts[#texts + 1] = level_text(level, name_index)
    local next_level = {}
    for _, placed in ipairs(level) do
      local x = { placed.x[1] + placed.node.self[1], placed.x[2] + placed.node.self[2] }
      for _, child in ipairs(cut_children(placed.node, least)) do
        next_level[#next_level + 1] = { node = child, x = { x[1], x[2] } }
        x[1], x[2] = x[1] + child.total[1], x[2] + child.total[2]
      end
    end
    level = next_level
  end
  return core.decode_diff(('{"flamegraph":{"names":[%s],"levels":[%s],"total":"%d",'
    .. '"leftTicks":"%d","rightTicks":"%d"}}'):format(table.concat(names, ","),
    table.concat(texts, ","), root.total[1] + root.total[2], root.total[1], root.total[2]),
    "json")
end
