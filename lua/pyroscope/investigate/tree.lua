--- The union of call trees, for recipes: samples in, one tree with a column for every sample out.
--- The work is done in C; here are names, roles and what is made of both.

local check = require "pyroscope.check"
local core = require "pyroscope.core"
local frames = require "pyroscope.investigate.frames"

local tree = {}

-- New names of all names in the profiles, and for each new name one that is in a profile: the
-- first in byte order, so that the order of the samples does not matter.
local function renamed(profiles, rules)
  local names, raw = {}, {}
  local list = core.union_names(profiles)
  for i = 1, #list do
    local name = list[i]
    local new = name
    if rules ~= false then new = frames.normalise(name, rules) end
    if new ~= name then names[name] = new end
    local before = raw[new]
    if not before or name < before then raw[new] = name end
  end
  return names, raw
end

local function check_samples(samples)
  if type(samples) ~= "table" or #samples == 0 then
    error("tree.union: samples must be a list of { profile = ..., side = \"A\" or \"B\" }", 3)
  end
  local profiles, sides = {}, {}
  for i, sample in ipairs(samples) do
    if type(sample) ~= "table" or type(sample.profile) ~= "userdata" then
      error(("tree.union: sample %d has no profile"):format(i), 3)
    end
    if sample.side ~= "A" and sample.side ~= "B" then
      error(("tree.union: sample %d: its side must be \"A\" or \"B\""):format(i), 3)
    end
    profiles[i], sides[i] = sample.profile, sample.side
  end
  return profiles, sides
end

local function quantum_of(value)
  if type(value) == "number" then return { value = value, source = "exact" } end
  return value
end

-- Neighbours in time stand side by side, whatever the order in which they came.
local function in_order(samples)
  local place = {}
  for i, sample in ipairs(samples) do
    if not sample.order then return end
    place[sample] = i
  end
  table.sort(samples, function(x, y)
    if x.side ~= y.side then return x.side < y.side end
    if x.order ~= y.order then return x.order < y.order end
    return place[x] < place[y]
  end)
end

--- Aligns samples under normalised names. `names`: rules of `frames.normalise` switched off
--- (`{ go_shapes = false }`), or false for names as they are.
---@param samples pyroscope.samples
---@param options? { names?: table<string, boolean>|false }
---@return pyroscope.union? union
---@return pyroscope.error? err
function tree.union(samples, options)
  options = check.options("tree.union", options, { names = "table|boolean" })
  in_order(samples)
  local profiles, sides = check_samples(samples)
  local rules = options.names
  if rules == true then rules = nil end
  if rules then frames.check_rules(rules) end
  local names, raw = renamed(profiles, rules)
  for _, sample in ipairs(samples) do -- the profile may be closed before anybody counts
    sample.profiles = sample.profiles or sample.profile.profiles or 1
  end
  local fields = { samples = samples, sides = sides, quantum = quantum_of(samples.quantum),
    kind = samples.kind, raw = raw, runtime = samples.runtime, rules = rules, known = {} }
  local u, err = core.union(profiles, sides, names, fields)
  if not u then return nil, err end
  if not fields.runtime then fields.runtime = frames.runtime(u:names()) end
  local kept = {}
  for _, name in ipairs(u:names()) do kept[name] = raw[name] end
  fields.raw = kept
  return u
end

--- Self values by function.
---@param u pyroscope.union
---@return { name: string[], value: integer[][] }
function tree.flat(u)
  local rows = u:functions()
  return { name = rows.name, value = rows.flat }
end

--- Totals by function, recursion counted once.
---@param u pyroscope.union
---@return { name: string[], value: integer[][] }
function tree.cum(u)
  local rows = u:functions()
  return { name = rows.name, value = rows.cum }
end

--- Node of a path of names (root first, without the root), as they are in profiles or in the union.
---@param u pyroscope.union
---@param path string[]
---@return integer? id
function tree.at(u, path)
  local id = u:at(path)
  if id or u.rules == false then return id end
  local names = {}
  for i, name in ipairs(path) do names[i] = frames.normalise(name, u.rules) end
  return u:at(names)
end

--- The union of the same samples under other name rules; nothing is taken out of it.
---@param u pyroscope.union
---@param rules table<string, boolean>|false
---@return pyroscope.union? union
---@return pyroscope.error? err
function tree.rename(u, rules)
  return tree.union(u.samples, { names = rules })
end

--- Roles of all functions by id: one table per union, also for its views.
local function roles_of(u)
  local known = u.known
  if not known.roles then
    local roles = {}
    for i, name in ipairs(u:names()) do roles[i] = frames.role(name, u.runtime) end
    known.roles = roles
  end
  return known.roles
end

-- One flag for every function: flags[role], 0 where it has none.
local function flagged(u, flags)
  local list = {}
  for i, role in ipairs(roles_of(u)) do list[i] = flags[role] or 0 end
  return list
end

--- The union without stacks that hold a function matching one of the RE2 patterns.
---@param u pyroscope.union
---@param patterns string[]
---@return pyroscope.union? view
---@return pyroscope.error? err
function tree.drop(u, patterns)
  local flags = {}
  local names = u:names()
  for i = 1, #names do flags[i] = 0 end
  for _, pattern in ipairs(patterns) do
    local regex, err = core.regex(pattern)
    if not regex then return nil, err end
    for i, name in ipairs(names) do
      local found
      found, err = regex:test(name)
      if found == false and u.raw[name] ~= name then found, err = regex:test(u.raw[name]) end
      if err then
        regex:close()
        return nil, err
      end
      if found then flags[i] = 2 end
    end
    regex:close()
  end
  return u:keep(flags, true)
end

--- The union without these nodes; a string is a function with all below it (with "self": the
--- self values of all its nodes).
---@param u pyroscope.union
---@param nodes (integer|string)[]
---@param what? "subtree"|"self"
---@return pyroscope.union
function tree.without(u, nodes, what)
  local ids = {}
  for _, node in ipairs(nodes) do
    if type(node) == "string" then
      local found = u:nodes(node, what == "self" and "all" or "top")
      table.move(found, 1, #found, #ids + 1, ids)
    else
      ids[#ids + 1] = node
    end
  end
  return u:without(ids, what)
end

local function less(a, b)
  local left = {}
  for k, value in ipairs(a) do left[k] = value - b[k] end
  return left
end

--- The union without stacks that have no user frame, and without those of the profiler. Second
--- and third: what was taken out, by sample.
---@param u pyroscope.union
---@return pyroscope.union view
---@return integer[] runtime
---@return integer[] profiler
function tree.user(u)
  local unprofiled = u:keep(flagged(u, { profiler = 2 }), true)
  local profiler = less(u:totals(), (unprofiled:totals()))
  local view = unprofiled:keep(flagged(u, { app = 1, library = 1, profiler = 2 }))
  local runtime = less(unprofiled:totals(), (view:totals()))
  unprofiled:close()
  return view, runtime, profiler
end

--- One row per site (innermost app frame, else innermost library frame): `role` "app", "library"
--- or "runtime" (neither, under the name ""); stacks of the profiler are left out.
---@param u pyroscope.union
---@return { name: string[], role: string[], value: integer[][] }
function tree.sites(u)
  local unprofiled = u:keep(flagged(u, { profiler = 2 }), true)
  local rows = unprofiled:sites(flagged(u, { app = 1, library = 2 }))
  unprofiled:close()
  rows.role = {}
  for i, name in ipairs(rows.name) do rows.role[i] = frames.role(name, u.runtime) end
  return rows
end

local function sum(values)
  local total = 0.0
  for _, value in ipairs(values) do total = total + value end
  return total
end

--- Self values by any key of a stack: `key(names)` is called once per distinct stack with a value
--- (names root first) and gives a string, or nil to leave the stack out. `example` is the heaviest
--- stack of each key.
---@param u pyroscope.union
---@param key fun(names: string[]): string?
---@return { name: string[], value: integer[][], example: string[][] }
function tree.group(u, key)
  local ids, groups, names, of = {}, {}, {}, {}
  for _, id in ipairs(u:held()) do
    local name = key(u:path(id))
    if name ~= nil then
      if not of[name] then
        names[#names + 1] = name
        of[name] = #names
      end
      ids[#ids + 1], groups[#groups + 1] = id, of[name]
    end
  end
  local values = u:gather(ids, groups)
  local singles = {}
  for i = 1, #ids do singles[i] = i end
  local heaviest, most = {}, {}
  for i, value in ipairs(u:gather(ids, singles)) do
    local weight, g = sum(value), groups[i]
    if not most[g] or weight > most[g] then heaviest[g], most[g] = ids[i], weight end
  end
  table.sort(names)
  local rows = { name = names, value = {}, example = {} }
  for i, name in ipairs(names) do
    rows.value[i], rows.example[i] = values[of[name]], u:path(heaviest[of[name]])
  end
  return rows
end

--- The union of the inverted trees of the samples; nothing is taken out of it.
---@param u pyroscope.union
---@return pyroscope.union? union
---@return pyroscope.error? err
function tree.invert(u)
  local samples = {}
  for key, value in pairs(u.samples) do
    if math.type(key) ~= "integer" then samples[key] = value end
  end
  for i, sample in ipairs(u.samples) do
    local profile, err = sample.profile:invert()
    if not profile then return nil, err end
    local copy = {}
    for key, value in pairs(sample) do copy[key] = value end
    copy.profile = profile
    samples[i] = copy
  end
  samples.runtime = u.runtime
  return tree.union(samples, { names = u.rules })
end

--- Least-squares slope of every node's total over `times` (one per sample), by node id.
---@param u pyroscope.union
---@param times number[]
---@return number[]
function tree.slopes(u, times)
  local n, mean, spread = #times, 0.0, 0.0
  for _, t in ipairs(times) do mean = mean + t / n end
  for _, t in ipairs(times) do spread = spread + (t - mean) ^ 2 end
  if spread == 0 then error("tree.slopes: the times must not be all the same", 2) end
  local weights = {}
  for k, t in ipairs(times) do weights[k] = (t - mean) / spread end
  return u:combine("tot", weights)
end

return tree
