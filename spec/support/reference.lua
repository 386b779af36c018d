--- Slow and simple readers of flame graphs, trees and diffs, for specs that check the core
--- against them. A tree is { name, values, children }; values are { self, total }, of a diff
--- { left self, left total, right self, right total }.

local cjson = require "cjson"
local protobuf = require "spec.support.protobuf"

local reference = {}

local function integer(text)
  return assert(math.tointeger(tonumber(text)), "not an integer")
end

--- Names and rows of numbers of the JSON object that holds a flame graph, decoded.
function reference.from_json(graph)
  local rows = {}
  for i, level in ipairs(graph.levels or {}) do
    local row = {}
    for k, value in ipairs(level.values or level) do row[k] = integer(value) end
    rows[i] = row
  end
  return graph.names or {}, rows
end

--- The same of a message FlameGraph or FlameGraphDiff.
function reference.from_proto(bytes)
  local names, rows = {}, {}
  for number, _, value in protobuf.fields(bytes) do
    if number == 1 then
      names[#names + 1] = value
    elseif number == 2 then
      local row = {}
      for field, wire, packed in protobuf.fields(value) do
        if field == 1 then protobuf.integers(row, wire, packed) end
      end
      rows[#rows + 1] = row
    end
  end
  return names, rows
end

local function boxes(row, width, names)
  local list, x = {}, 0
  for i = 1, #row, width do
    local at, wide, values
    if width == 4 then
      at, wide, values = x + row[i], row[i + 1], { row[i + 2], row[i + 1] }
    else
      at, wide = x + row[i] + row[i + 3], row[i + 1] + row[i + 4]
      values = { row[i + 2], row[i + 1], row[i + 5], row[i + 4] }
    end
    local index = row[i + width - 1]
    -- name 0 is the root's; in a diff functions without a name share it
    local name = index == 0 and width == 7 and "" or names[index + 1]
    list[#list + 1] = { at = at, name = name, values = values, children = {} }
    x = at + wide
  end
  return list
end

--- The tree of names and rows; `width` is 4, or 7 for a diff. A box belongs to the last box
--- above that begins at or before it.
function reference.tree(names, rows, width)
  local above
  local root = { name = "", values = width == 4 and { 0, 0 } or { 0, 0, 0, 0 }, children = {} }
  for depth, row in ipairs(rows) do
    local level = boxes(row, width, names)
    if depth == 1 then
      root = level[1]
    else
      for _, box in ipairs(level) do
        local parent
        for _, candidate in ipairs(above) do
          if candidate.at <= box.at then parent = candidate end
        end
        table.insert(parent.children, box)
      end
    end
    above = level
  end
  return root
end

--- The tree of bytes of format TREE.
function reference.from_tree(bytes)
  if bytes == "" then return { name = "", values = { 0, 0 }, children = {} } end
  local at, order, open, root = 1, {}, {}, nil
  repeat
    local length, self, children
    length, at = protobuf.varint_at(bytes, at)
    local node = { name = bytes:sub(at, at + length - 1), children = {} }
    self, at = protobuf.varint_at(bytes, at + length)
    children, at = protobuf.varint_at(bytes, at)
    node.values, node.left = { self, self }, children
    order[#order + 1] = node
    local parent = open[#open]
    if parent then
      table.insert(parent.children, node)
      parent.left = parent.left - 1
    else
      root = node
    end
    open[#open + 1] = node
    while #open > 0 and open[#open].left == 0 do open[#open] = nil end
  until #open == 0
  assert(at == #bytes + 1, "bytes after the tree")
  for i = #order, 1, -1 do
    for _, child in ipairs(order[i].children) do
      order[i].values[2] = order[i].values[2] + child.values[2]
    end
  end
  return root
end

--- Adds up siblings of one name, everywhere.
function reference.unite(root)
  local queue, at = { root }, 1
  while queue[at] do
    local node, seen, kept = queue[at], {}, {}
    for _, child in ipairs(node.children) do
      local first = seen[child.name]
      if first then
        for k, value in ipairs(child.values) do first.values[k] = first.values[k] + value end
        table.move(child.children, 1, #child.children, #first.children + 1, first.children)
      else
        seen[child.name] = child
        kept[#kept + 1] = child
      end
    end
    node.children = kept
    table.move(kept, 1, #kept, #queue + 1, queue)
    at = at + 1
  end
  return root
end

local function before(a, b)
  if a[1].name == b[1].name then return a[2] < b[2] end
  if a[1].name == "other" or b[1].name == "other" then return b[1].name == "other" end
  return a[1].name < b[1].name
end

--- One line of text for every node, depth first; siblings by name, "other" last.
function reference.lines(root)
  local lines, open = {}, { { root, 0 } }
  while #open > 0 do
    local node, depth = table.unpack(table.remove(open))
    lines[#lines + 1] = ("%d %q %s"):format(depth, depth == 0 and "" or node.name,
      table.concat(node.values, " "))
    local children = {}
    for i, child in ipairs(node.children) do children[i] = { child, i } end
    table.sort(children, before)
    for i = #children, 1, -1 do open[#open + 1] = { children[i][1], depth + 1 } end
  end
  return lines
end

--- The same lines of what the core made: a profile or an alignment.
function reference.lines_of(handle)
  local lines = {}
  for depth, name, a, b, c, d in handle:walk() do
    if math.type(c) == "integer" then a, b, c, d = a, c, b, d end -- selfs come before totals
    lines[#lines + 1] = ("%d %q %s"):format(depth, depth == 0 and "" or name,
      table.concat({ a, b, c, d }, " "))
  end
  return lines
end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Bytes of standard base64.
function reference.base64(text)
  local out, bits, have = {}, 0, 0
  for c in text:gmatch "[%w+/]" do
    bits, have = (bits << 6 | alphabet:find(c, 1, true) - 1) & 0xffffff, have + 6
    if have >= 8 then
      have = have - 8
      out[#out + 1] = string.char(bits >> have & 0xff)
    end
  end
  return table.concat(out)
end

--- JSON text as tables. Only for values that doubles hold exactly, or that are strings.
reference.json = cjson.decode

return reference
