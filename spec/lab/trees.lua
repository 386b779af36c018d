--- Call trees with the expected value of every stack: arrays by node in pre-order (`parent[v] < v`,
--- 0 for roots), `weight` is self and sums to 1, `group` the request endpoint a node belongs to.
--- Names are of Go programs, because roles of frames go by names.

local random = require "spec.lab.random"

local trees = {}

---@class lab.tree
---@field parent integer[]
---@field name string[]
---@field weight number[]
---@field group integer[]
---@field groups integer

local function new() return { parent = {}, name = {}, weight = {}, group = {}, groups = 1 } end

local function add(tree, parent, name, weight, group)
  local v = #tree.parent + 1
  tree.parent[v], tree.name[v], tree.weight[v] = parent, name, weight
  tree.group[v] = group or (parent > 0 and tree.group[parent] or 1)
  return v
end
trees.add = add

--- Weights divided by their sum; returns what the sum was.
---@param tree lab.tree
---@return number
function trees.normalise(tree)
  local sum = 0
  for _, w in ipairs(tree.weight) do sum = sum + w end
  for v, w in ipairs(tree.weight) do tree.weight[v] = w / sum end
  return sum
end

---@param tree lab.tree
---@return lab.tree
function trees.copy(tree)
  local result = new()
  for _, key in ipairs { "parent", "name", "weight", "group" } do
    table.move(tree[key], 1, #tree[key], 1, result[key])
  end
  result.groups = tree.groups
  return result
end

--- Functions without callers or callees: what a test of functions sees and nothing else. Shares
--- are Zipf-like.
---@param options? { functions?: integer, exponent?: number, sd?: number, groups?: integer }
---@return lab.tree
function trees.flat(options)
  options = options or {}
  local tree, count = new(), options.functions or 350
  tree.groups = options.groups or 8
  for i = 1, count do
    local weight = i ^ -(options.exponent or 1.1) * math.exp((options.sd or 0.3) * random.normal())
    add(tree, 0, ("shop.example/p%02d.(*T%d).Run"):format(i % 37, i), weight, 1 + i % tree.groups)
  end
  trees.normalise(tree)
  return tree
end

local VERBS = { "Load", "Store", "Encode", "Price", "Match", "Render", "Check", "Index", "Merge",
  "Scan", "Route", "Sign" }
local LIBRARY = { "encoding/json.(*encodeState)", "encoding/json.(*decodeState)", "strings.(*Builder)",
  "net/http.(*response)", "bufio.(*Writer)", "compress/flate.(*compressor)", "regexp.(*Regexp)",
  "crypto/sha256.(*digest)", "sort.(*reverse)", "reflect.Value", "fmt.(*pp)", "bytes.(*Buffer)" }
local RUNTIME = { "runtime.mallocgc", "runtime.mapaccess2_faststr", "runtime.memmove", "runtime.growslice",
  "aeshashbody", "memeqbody", "runtime.mapassign_faststr", "runtime.convTstring", "sync.(*Mutex).Lock",
  "internal/bytealg.IndexByteString" }

-- Functions by layer, each with a cost of its own and calls into deeper layers.
local function pool(options)
  local list = {}
  local layers = options.layers
  for i = 1, options.app do
    list[#list + 1] = { role = "app", layer = 1 + (i - 1) * layers // options.app,
      name = ("shop.example/%s%02d.(*%s).%s"):format("pkg", i % 23, "T" .. i % 61, VERBS[1 + i % 12] .. i),
      -- three in ten only pass on
      cost = random.uniform() < 0.3 and 0.01 * random.uniform() or math.exp(1.2 * random.normal()) }
  end
  for i = 1, options.library do
    list[#list + 1] = { role = "library", layer = layers + 1 + (i - 1) * 4 // options.library,
      name = ("%s.%s%d"):format(LIBRARY[1 + i % #LIBRARY], VERBS[1 + i % 12]:lower(), i),
      cost = 0.5 * math.exp(random.normal()) }
  end
  for i, name in ipairs(RUNTIME) do
    list[#list + 1] = { role = "runtime", layer = layers + 5 + i % 2, name = name,
      cost = 0.5 * math.exp(0.7 * random.normal()) }
  end
  local by_layer = {}
  for _, f in ipairs(list) do
    by_layer[f.layer] = by_layer[f.layer] or {}
    table.insert(by_layer[f.layer], f)
  end
  local last = layers + 6
  local function below(layer)
    -- mostly the next layers; libraries and runtime from everywhere
    local at = layer + random.uniform(2)
    if random.uniform() < 0.2 then at = layers + random.uniform(6) end
    for l = math.max(at, layer + 1), last do
      if by_layer[l] then return random.pick(by_layer[l]) end
    end
  end
  for _, f in ipairs(list) do
    f.calls = {}
    local seen = {}
    for _ = 1, f.role == "runtime" and random.uniform(0, 1) or random.uniform(1, 3) do
      local g = below(f.layer)
      if g and not seen[g] then
        seen[g] = true
        f.calls[#f.calls + 1] = { to = g, rate = math.exp(0.8 * random.normal()) * 0.8 }
      end
    end
    -- some call themselves
    if f.role == "app" and random.uniform() < 0.04 then f.calls[#f.calls + 1] = { to = f, rate = 0.4 } end
  end
  return list, by_layer
end

--- A service of six endpoints: up to 18 levels, application functions over a shared pool of
--- library functions over the runtime, some recursion, callers that do nothing themselves.
---@param options? { app?: integer, library?: integer, layers?: integer, levels?: integer, nodes?: integer }
---@return lab.tree
function trees.random(options)
  options = options or {}
  local endpoints, levels, nodes = 6, options.levels or 18, options.nodes or 1800
  local _, by_layer = pool { app = options.app or 420, library = options.library or 120,
    layers = options.layers or 12 }
  local tree = new()
  tree.groups = endpoints
  local main = add(tree, 0, "main.main", 0.001, 1)
  local serve = add(tree, main, "shop.example/server.(*Server).Serve", 0.01, 1)
  local open = {}
  for i = 1, endpoints do
    local handler = add(tree, serve, ("shop.example/server.(*Server).handle%d"):format(i), 0.02, i)
    open[#open + 1] = { at = handler, f = { calls = {} }, frequency = math.exp(0.7 * random.normal()), depth = 3 }
    for _ = 1, 3 do
      table.insert(open[#open].f.calls, { to = random.pick(by_layer[1]), rate = math.exp(0.5 * random.normal()) })
    end
  end
  -- any open call next, so that the limit of nodes cuts the ends of all endpoints alike
  while open[1] and #tree.parent < nodes do
    local i = random.uniform(#open)
    local node = open[i]
    open[i] = open[#open]
    open[#open] = nil
    local seen = {}
    for _, call in ipairs(node.f.calls) do
      local frequency = node.frequency * call.rate
      if not seen[call.to] and node.depth < levels and frequency > 1e-5 then
        seen[call.to] = true
        local v = add(tree, node.at, call.to.name, frequency * call.to.cost)
        open[#open + 1] = { at = v, f = call.to, frequency = frequency, depth = node.depth + 1 }
      end
    end
  end
  -- the runtime's own stacks: no user frame
  trees.normalise(tree)
  for _, name in ipairs { "runtime.schedule", "runtime.gcDrain", "runtime.netpoll" } do
    local root = add(tree, 0, name == "runtime.gcDrain" and "runtime.gcBgMarkWorker" or "runtime.mcall", 0, 1)
    add(tree, root, name, 0.02 * math.exp(0.3 * random.normal()))
  end
  trees.normalise(tree)
  return tree
end

--- The tree of a profile, its application names replaced by invented ones; weights are its self
--- values. `rename = false` keeps names.
---@param profile pyroscope.profile
---@param options? { rename?: boolean, app?: fun(name: string): boolean }
---@return lab.tree
function trees.shape(profile, options)
  options = options or {}
  local tree, at, names, count = new(), {}, {}, 0
  local function invented(name)
    if options.rename == false or not (options.app and options.app(name)) then return name end
    if not names[name] then
      count = count + 1
      names[name] = ("shop.example/%s%02d.(*T%d).%s%d"):format("pkg", count % 23, count % 61,
        VERBS[1 + count % 12], count)
    end
    return names[name]
  end
  local groups = 0
  for depth, name, self in profile:walk() do
    if depth > 0 and name ~= "other" then
      if depth == 1 then groups = groups % 8 + 1 end
      at[depth] = add(tree, depth == 1 and 0 or at[depth - 1], invented(name), self, groups)
    end
  end
  tree.groups = 8
  trees.normalise(tree)
  return tree
end

--- Sums over subtrees, by node.
---@param tree lab.tree
---@return number[]
function trees.totals(tree)
  local totals = table.move(tree.weight, 1, #tree.weight, 1, {})
  for v = #totals, 1, -1 do
    local p = tree.parent[v]
    if p > 0 then totals[p] = totals[p] + totals[v] end
  end
  return totals
end

--- Per function: `flat`, `cum` (recursion counted once) and `nodes`.
---@param tree lab.tree
---@return table<string, { flat: number, cum: number, nodes: integer[] }>
function trees.functions(tree)
  local totals, list = trees.totals(tree), {}
  for v, name in ipairs(tree.name) do
    local f = list[name]
    if not f then
      f = { flat = 0, cum = 0, nodes = {} }
      list[name] = f
    end
    f.flat = f.flat + tree.weight[v]
    f.nodes[#f.nodes + 1] = v
    local above, recursive = tree.parent[v], false
    while above > 0 and not recursive do
      recursive = tree.name[above] == name
      above = tree.parent[above]
    end
    if not recursive then f.cum = f.cum + totals[v] end
  end
  return list
end

--- Names from the root down to a node.
---@param tree lab.tree
---@param v integer
---@return string[]
function trees.path(tree, v)
  local names = {}
  while v > 0 do
    table.insert(names, 1, tree.name[v])
    v = tree.parent[v]
  end
  return names
end

--- Is `v` below `top`, or `top` itself?
function trees.below(tree, v, top)
  while v > top do v = tree.parent[v] end
  return v == top
end

--- The beginning of the folded line of every node.
---@param tree lab.tree
---@return string[]
function trees.lines(tree)
  local lines = {}
  for v, name in ipairs(tree.name) do
    local p = tree.parent[v]
    lines[v] = p > 0 and lines[p] .. ";" .. name or name
  end
  return lines
end

return trees
