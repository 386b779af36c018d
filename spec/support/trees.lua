--- Random call trees as lists of stacks, and slow answers to the questions that profiles answer:
--- what the core says is compared with what a reader can check with pencil and paper.
--- A stack is { frames = { root first }, value = integer, cut = true if it ends in "other" }.

local core = require "pyroscope.core"

local trees = {}

--- A generator of its own, so that no spec depends on another's use of math.random.
---@param seed integer
---@return fun(low: integer, high: integer): integer
function trees.random(seed)
  local state = seed * 2654435761 % 4294967296 + 1
  return function(low, high)
    state = state ~ (state << 13) & 0xffffffffffffffff
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return low + (state >> 1) % (high - low + 1)
  end
end

--- Stacks without duplicates; few names, so that functions recurse and meet again.
---@param seed integer
---@param options? { names?: integer, stacks?: integer, depth?: integer, top?: integer }
function trees.stacks(seed, options)
  options = options or {}
  local random, seen, list = trees.random(seed), {}, {}
  for _ = 1, options.stacks or 60 do
    local frames = {}
    for i = 1, random(1, options.depth or 9) do
      frames[i] = "f" .. random(1, options.names or 12)
    end
    local key = table.concat(frames, ";")
    if not seen[key] then
      seen[key] = { frames = frames, value = random(1, options.top or 9) }
      list[#list + 1] = seen[key]
    end
  end
  return list
end

function trees.folded(list)
  local lines = {}
  for i, stack in ipairs(list) do
    lines[i] = table.concat(stack.frames, ";") .. " " .. stack.value .. "\n"
  end
  return table.concat(lines)
end

--- The profile of some stacks.
function trees.profile(list)
  return assert(core.decode(trees.folded(list), "folded"))
end

--- What a profile holds: path -> "self total", the root under "".
function trees.of(profile)
  local map, path = {}, {}
  for depth, name, self, total in profile:walk() do
    path[depth] = name
    for i = depth + 1, #path do path[i] = nil end
    local key = depth == 0 and "" or table.concat(path, ";", 1, depth)
    assert(not map[key], "siblings of one name: " .. key)
    map[key] = self .. " " .. total
  end
  return map
end

--- The same from stacks; frames of a stack may be empty.
function trees.map(list)
  local selfs, totals = {}, { [""] = 0 }
  for _, stack in ipairs(list) do
    local key = ""
    totals[""] = totals[""] + stack.value
    for i, name in ipairs(stack.frames) do
      key = i == 1 and name or key .. ";" .. name
      totals[key] = (totals[key] or 0) + stack.value
    end
    selfs[key] = (selfs[key] or 0) + stack.value
  end
  local map = {}
  for key, total in pairs(totals) do map[key] = (selfs[key] or 0) .. " " .. total end
  return map
end

--- name -> { self, total }: the last frame has the value as self, every function once as total.
function trees.functions(list)
  local rows = {}
  for _, stack in ipairs(list) do
    local once, n = {}, #stack.frames
    for i, name in ipairs(stack.frames) do
      if not (stack.cut and i == n) then
        local row = rows[name] or { name = name, self = 0, total = 0 }
        rows[name] = row
        if i == n then row.self = row.self + stack.value end
        if not once[name] then row.total = row.total + stack.value end
        once[name] = true
      end
    end
  end
  return rows
end

--- Rows sorted by a value, largest first, then by name.
function trees.sorted(rows, by)
  local list = {}
  for _, row in pairs(rows) do list[#list + 1] = row end
  table.sort(list, function(a, b)
    if a[by] ~= b[by] then return a[by] > b[by] end
    return a.name < b.name
  end)
  return list
end

--- name -> value of the calls between a function and others; "" is nobody.
function trees.edges(list, name, callers)
  local values = {}
  for _, stack in ipairs(list) do
    local once = {}
    for i, below in ipairs(stack.frames) do
      local above = stack.frames[i - 1] or ""
      local far
      if callers and below == name then far = above end
      if not callers and above == name then far = below end
      if far and above ~= below and not once[far] then
        once[far] = true
        values[far] = (values[far] or 0) + stack.value
      end
    end
  end
  return values
end

--- The rule of a server for at most about n nodes, node by node.
function trees.truncated(list, n)
  local root = { total = 0, self = 0, children = {}, names = {} }
  local nodes = {}
  for _, stack in ipairs(list) do
    local at = root
    root.total = root.total + stack.value
    for _, name in ipairs(stack.frames) do
      local child = at.children[name]
      if not child then
        child = { name = name, total = 0, self = 0, children = {} }
        at.children[name] = child
        nodes[#nodes + 1] = child
      end
      child.total = child.total + stack.value
      at = child
    end
    at.self = at.self + stack.value
  end
  if #nodes <= n then return trees.map(list) end
  table.sort(nodes, function(a, b) return a.total > b.total end)
  local least, map = nodes[n].total, { [""] = root.self .. " " .. root.total }
  local function walk(node, path)
    local other = 0
    for name, child in pairs(node.children) do
      local key = path == "" and name or path .. ";" .. name
      if child.total >= least and name ~= "other" then
        map[key] = child.self .. " " .. child.total
        walk(child, key)
      else
        other = other + child.total
      end
    end
    if other > 0 then
      map[path == "" and "other" or path .. ";other"] = other .. " " .. other
    end
  end
  walk(root, "")
  return map
end

--- Nothing of the library is alive, once the garbage is gone.
function trees.nothing_alive()
  collectgarbage()
  collectgarbage()
  return core.live()
end

function trees.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

return trees
