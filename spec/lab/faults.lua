--- The catalogue of faults: each takes a tree and gives the tree after it, with the truth. Weights
--- of the tree before sum to 1; those of the tree after say how much dearer everything became.
--- Where a tree has no place for a fault, it is `nil`.

local random = require "spec.lab.random"
local trees = require "spec.lab.trees"

local faults = {}

---@class lab.truth
---@field id string
---@field expected string         kind of the finding, or of what explains it away; "none"
---@field frames string[]         any of them is the fault frame
---@field causes integer          how many findings there should be
---@field share? number           of the fault frame before
---@field effect? number          value after over value before, of the fault frame
---@field delta? number           change over the total

local function is_app(name) return name:find("^shop%.example/[^s]") ~= nil end
local function is_library(name)
  return name:find "%." ~= nil and name ~= "main.main" and not name:find "^shop%.example/"
    and not name:find "^runtime[./]" and not name:find "^sync[./]" and not name:find "^internal/"
end
faults.is_app = is_app

-- A function of a role whose `by` (flat or cum) lies in a range; the list is in order of name.
local function choose(tree, options)
  local list = {}
  for name, f in pairs(trees.functions(tree)) do
    if options.role(name) and f[options.by] >= options.from and f[options.by] <= (options.to or 1)
      and #f.nodes >= (options.nodes or 1) and #f.nodes <= (options.most or math.huge)
      and not (options.without and options.without[name])
      and not (options.where and not options.where(name, f)) then
      list[#list + 1] = { name = name, f = f }
    end
  end
  if #list == 0 then return nil end
  table.sort(list, function(a, b) return a.name < b.name end)
  local chosen = random.pick(list)
  return chosen.name, chosen.f
end
faults.choose = choose

local function set(list)
  local result = {}
  for _, v in ipairs(list) do result[v] = true end
  return result
end

-- Nodes at or below any of these.
local function subtree(tree, tops)
  local inside, list = set(tops), {}
  for v = 1, #tree.name do
    if inside[tree.parent[v]] then inside[v] = true end
    if inside[v] then list[#list + 1] = v end
  end
  return list
end

local function scale(tree, nodes, factor)
  local added = 0
  for _, v in ipairs(nodes) do
    added = added + tree.weight[v] * (factor - 1)
    tree.weight[v] = tree.weight[v] * factor
  end
  return added
end

local function move(tree, v, parent, rename)
  -- the copy stands at the end; the old stacks become empty
  local copies = {}
  for _, w in ipairs(subtree(tree, { v })) do
    local at = w == v and parent or copies[tree.parent[w]]
    copies[w] = trees.add(tree, at, rename and rename(tree.name[w]) or tree.name[w], tree.weight[w],
      tree.group[w])
    tree.weight[w] = 0
  end
  return copies[v]
end

--- Self cost of one function times `factor`.
function faults.C1(tree, options)
  local name, f = choose(tree, { role = is_app, by = "flat", from = options.from or 0.01,
    to = options.to or 0.2, without = options.without })
  if not name then return nil end
  local after = trees.copy(tree)
  local added = scale(after, f.nodes, options.factor)
  return after, { id = "C1", expected = options.factor > 1 and "regression" or "improvement",
    frames = { name }, causes = 1, share = f.flat, effect = options.factor, delta = added }
end

--- A function with all it calls runs `factor` times as often.
function faults.C2(tree, options)
  local name, f = choose(tree, { role = is_app, by = "cum", from = options.from or 0.01,
    to = options.to or 0.2, without = options.without,
    where = function(_, g) return g.flat < 0.5 * g.cum end })
  if not name then return nil end
  local after = trees.copy(tree)
  local added = scale(after, subtree(after, f.nodes), options.factor)
  return after, { id = "C2", expected = "regression", frames = { name }, causes = 1, share = f.cum,
    effect = options.factor, delta = added }
end

--- A library function is dearer wherever it is called, with all it calls.
function faults.C3(tree, options)
  local name, f = choose(tree, { role = is_library, by = "cum", from = options.from or 0.01,
    to = options.to or 0.2, nodes = 3, without = options.without,
    -- its cost must not be that of one application function that it calls
    where = function(_, g)
      for _, v in ipairs(subtree(tree, g.nodes)) do
        if is_app(tree.name[v]) then return false end
      end
      return true
    end })
  if not name then return nil end
  local after = trees.copy(tree)
  local added = scale(after, subtree(after, f.nodes), options.factor)
  return after, { id = "C3", expected = "regression", frames = { name }, causes = 1, share = f.cum,
    effect = options.factor, delta = added }
end

--- New code of `share` of the total: a chain of three functions below an application function.
function faults.C4(tree, options)
  local name, f = choose(tree, { role = is_app, by = "cum", from = 0.02, to = 0.5 })
  if not name then return nil end
  local after, parent = trees.copy(tree), random.pick(f.nodes)
  local share = options.share
  local top = trees.add(after, parent, "shop.example/audit.(*Trail).Record", 0.1 * share)
  local middle = trees.add(after, top, "shop.example/audit.(*Trail).encode", 0.3 * share)
  trees.add(after, middle, "encoding/json.Indent", 0.4 * share)
  trees.add(after, middle, "runtime.mallocgc", 0.2 * share)
  return after, { id = "C4", expected = "new_code", frames = { "shop.example/audit.(*Trail).Record" },
    causes = 1, share = 0, effect = math.huge, delta = share }
end

--- Two independent faults and one improvement.
function faults.C5(tree, options)
  local after, frames, without = tree, {}, {}
  for i = 1, 3 do
    local next_tree, truth = faults.C1(after, { factor = i < 3 and options.factor or 1 / options.factor,
      from = options.from or 0.02, to = options.to, without = without })
    if not next_tree then return nil end
    after, frames[i], without[truth.frames[1]] = next_tree, truth.frames[1], true
  end
  return after, { id = "C5", expected = "regression", frames = frames, causes = 3 }
end

--- Work moves: "sibling" (self time to another callee), "package" (the same code under another
--- name and package), "wrapper" (a new caller in between).
function faults.N3(tree, options)
  local after = trees.copy(tree)
  local name, f = choose(tree, { role = is_app, by = "cum", from = options.from or 0.02, to = 0.2, most = 1 })
  if not name then return nil end
  local v = f.nodes[1]
  local truth = { id = "N3", expected = "shift", frames = { name }, causes = 0, share = f.cum,
    variant = options.variant }
  if options.variant == "sibling" then
    local siblings = {}
    for w = 1, #tree.name do
      if tree.parent[w] == tree.parent[v] and w ~= v and is_app(tree.name[w]) then siblings[#siblings + 1] = w end
    end
    if not siblings[1] then return nil end
    local to = random.pick(siblings)
    local part = 0.5 + 0.5 * random.uniform()
    local moved = -scale(after, subtree(after, { v }), 1 - part)
    after.weight[to] = after.weight[to] + moved
    truth.frames[2] = tree.name[to]
  elseif options.variant == "package" then
    move(after, v, tree.parent[v], function(n)
      return is_app(n) and (n:gsub("^shop%.example/pkg(%d+)", "shop.example/moved%1")) or n
    end)
    truth.frames[2] = after.name[#after.name]
  elseif options.variant == "wrapper" then
    local wrapper = trees.add(after, tree.parent[v], "shop.example/trace.(*Span).Do", 0.0002)
    move(after, v, wrapper)
    truth.frames[2] = "shop.example/trace.(*Span).Do"
  else
    error "no such variant"
  end
  return after, truth
end

--- The same function under another name: "rename", or "shape", "closure", "hash", which the rules
--- of names see through.
function faults.N4(tree, options)
  local name = choose(tree, { role = is_app, by = "cum", from = options.from or 0.02, to = 0.2 })
  if not name then return nil end
  local old, new = name, name
  if options.variant == "rename" then
    new = name:gsub("%.(%a+)(%d+)$", ".%1Fast%2")
  elseif options.variant == "shape" then
    old, new = name .. "[go.shape.int64]", name .. "[go.shape.string,go.shape.uint8]"
  elseif options.variant == "closure" then
    old, new = name .. ".func1", name .. ".func2.1"
  elseif options.variant == "hash" then
    old, new = name .. "::h0123456789abcdef", name .. "::hfedcba9876543210"
  else
    error "no such variant"
  end
  local before, after = trees.copy(tree), trees.copy(tree)
  for v, n in ipairs(tree.name) do
    if n == name then before.name[v], after.name[v] = old, new end
  end
  return after, { id = "N4", expected = "rename", frames = { old, new }, causes = 0,
    variant = options.variant }, before
end

--- A function disappears into its caller.
function faults.N5(tree)
  local name, f = choose(tree, { role = is_app, by = "flat", from = 0.02, to = 0.3, most = 1,
    where = function(_, g) return g.nodes[1] and is_app(tree.name[tree.parent[g.nodes[1]]] or "") end })
  if not name then return nil end
  local after, v = trees.copy(tree), f.nodes[1]
  local caller = tree.parent[v]
  after.weight[caller] = after.weight[caller] + after.weight[v]
  after.weight[v] = 0
  for w = 1, #tree.name do
    if tree.parent[w] == v then after.parent[w] = caller end
  end
  return after, { id = "N5", expected = "inline", frames = { name, tree.name[caller] }, causes = 0 }
end

--- One of the faults by its id.
---@param id string
---@param tree lab.tree
---@param options table
---@return lab.tree? after, lab.truth? truth, lab.tree? before
function faults.apply(id, tree, options)
  return faults[id](tree, options)
end

return faults
