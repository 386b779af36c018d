--- What a function name tells: the function under any build, its runtime, whose code it is, what
--- a stack waits for. The knowledge is in `name_rules` and `frame_tables`.

local rules = require "pyroscope.investigate.name_rules"
local check = require "pyroscope.check"
local core = require "pyroscope.core"
local tables = require "pyroscope.investigate.frame_tables"

local frames = {}

local rule_names, is_rule = {}, {}
for i, rule in ipairs(rules) do
  rule_names[i], is_rule[rule.name] = rule.name, true
end

--- Raises for names of rules that do not exist.
---@param off table<string, boolean>?
function frames.check_rules(off)
  for name in pairs(off or {}) do
    if not is_rule[name] then
      local near = check.suggestion(tostring(name), rule_names)
      error(("names: there is no rule '%s' %s"):format(tostring(name),
        near ~= "" and near or "(rules: " .. table.concat(rule_names, ", ") .. ")"), 3)
    end
  end
end

local LONGEST = 4096 -- a longer name is data of somebody who means no good

--- A name under the rules that make builds and versions comparable; `off` switches rules off
--- (`{ go_shapes = false }`). Applying them twice changes nothing more.
---@param name string
---@param off? table<string, boolean>
---@return string
function frames.normalise(name, off)
  local find = string.find
  -- nearly all names: nothing here to look at
  if not find(name, "[%d%[%$%@:]") and not find(name, ".cold", 1, true)
      and not find(name, "-range", 1, true) or #name > LONGEST then
    return name
  end
  for i = 1, #rules do
    local rule = rules[i]
    if not (off and off[rule.name] == false) then
      local has = rule.has
      for k = 1, #has do
        if find(name, has[k], 1, true) then
          name = rule.apply(name)
          break
        end
      end
    end
  end
  return name
end

local function matches(name, patterns)
  for i = 1, patterns and #patterns or 0 do
    if name:find(patterns[i]) then return true end
  end
  return false
end

local aliases = { java = "jvm", javascript = "node", nodejs = "node", csharp = "dotnet",
  ["c++"] = "native", cpp = "native", c = "native", ebpf = "native", golang = "go" }

local SEEN = 512 -- bytes of a name that tell whose it is

local function family(runtime, name)
  runtime = runtime and (aliases[runtime] or runtime)
  if runtime and tables.roles[runtime] then return runtime end
  local guessed = frames.runtime { name }
  return tables.roles[guessed] and guessed or "native"
end

local function go_role(name, known)
  if name:find("[", 1, true) then name = name:gsub("%b[]", "") end
  if name == "main" or not name:find "[%./]" then
    return name:find("::", 1, true) and "app" or "runtime"
  end
  if matches(name, known.library) then return "library" end
  if matches(name, known.profiler) then return "profiler" end
  if matches(name, known.runtime) then return "runtime" end
  if matches(name, known.more_library) then return "library" end
  local first = name:match "^([^/]*)/" or name:match "^([^%.]*)%."
  return tables.go_standard[first] and "library" or "app"
end

--- Whose code it is; what no table knows is "app".
---@param name string
---@param runtime? string
---@return "app"|"library"|"runtime"|"profiler"
function frames.role(name, runtime)
  if name == "" then return "runtime" end
  if #name > SEEN then name = name:sub(1, SEEN) end
  local of = family(runtime, name)
  local known = tables.roles[of]
  if of == "go" then return go_role(name, known) end
  if of == "jvm" then name = name:gsub("/", ".") end
  if matches(name, known.library) then return "library" end
  if matches(name, known.profiler) then return "profiler" end
  if matches(name, known.runtime) then return "runtime" end
  if matches(name, known.more_library) then return "library" end
  return "app"
end

local VOTERS = 500 -- names that are looked at, spread over all

--- The runtime most of these names look like, or "unknown".
---@param names string[]
---@return string
function frames.runtime(names)
  local best, most = "unknown", 0
  local votes = {}
  for at = 1, #names, math.max(1, #names // VOTERS) do
    local name = names[at]:sub(1, SEEN)
    for i, look in ipairs(tables.looks) do
      local weight = 0
      for _, row in ipairs(look[2]) do
        if row[2] > weight and name:find(row[1]) then weight = row[2] end
      end
      votes[i] = (votes[i] or 0) + weight
    end
  end
  for i, look in ipairs(tables.looks) do
    if (votes[i] or 0) > most then best, most = look[1], votes[i] end
  end
  return best
end

local function wait_tables(runtime, names)
  runtime = runtime and (aliases[runtime] or runtime) or frames.runtime(names)
  local of = tables.waits[runtime] and runtime or "native"
  return of, tables.waits[of]
end

local LOOK_ABOVE = 8 -- frames between a parked thread and the queue that parked it

local function first_wait(names, of, waits)
  local weak, at
  for i = #names, 1, -1 do
    if weak and at - i > LOOK_ABOVE then break end
    local name = names[i]:sub(1, SEEN)
    if of == "jvm" then name = name:gsub("/", ".") end
    for _, row in ipairs(waits) do
      if name:find(row[2]) then
        if not row.weak then return row[1], i end
        if not weak then weak, at = row[1], i end
        break
      end
    end
  end
  return weak, at
end

-- Is this wait that of a loop with nothing to do?
local function idles(names, class, index, of, runtime)
  if not tables.may_idle[class] then return false end
  local first, site
  for i = 1, index do
    local name = frames.normalise(names[i])
    if of == "jvm" then name = name:gsub("/", ".") end
    if matches(name, tables.idle[of]) then return true end
    local role = frames.role(names[i], runtime)
    if role == "app" then site = name end
    if not first and role ~= "runtime"
        and not (tables.wrapper[of] and name:find(tables.wrapper[of])) then
      first = i
    end
  end
  if site and matches(site, tables.idle_site[of]) then return true end
  local loops = tables.root_loop[of]
  return loops ~= nil and first ~= nil and loops[names[first + 1]] == true
end

--- What a stack (names root first) waits for, and the place in it that told: "chan_send",
--- "chan_recv", "select", "lock", "waitgroup", "cond", "io", "sleep", "idle" or "unknown".
---@param names string[]
---@param runtime? string
---@return string class
---@return integer? index
function frames.wait_class(names, runtime)
  local of, waits = wait_tables(runtime, names)
  local class, index = first_wait(names, of, waits)
  if not class then return "unknown" end
  if idles(names, class, index, of, runtime or of) then return "idle", index end
  return class, index
end

--- The package of a function: import path, Java package, module or library; "<none>" without one.
---@param name string
---@param runtime? string
---@return string
function frames.package(name, runtime)
  local package = core.package(name)
  if package ~= "" then return package end
  return aliases[runtime] == "go" and "runtime" or runtime == "go" and "runtime" or "<none>"
end

--- Does a frame belong to the garbage collector ("gc") or to the allocator ("alloc")?
---@param name string
---@param runtime? string
---@return string?
function frames.gc(name, runtime)
  runtime = runtime and (aliases[runtime] or runtime)
  name = name:sub(1, SEEN)
  for _, of in ipairs { "go", "jvm", "dotnet", "python", "node", "ruby" } do
    if not tables.gc[runtime] or runtime == of then
      if matches(name, tables.gc[of].gc) then return "gc" end
      if matches(name, tables.gc[of].alloc) then return "alloc" end
    end
  end
  return nil
end

return frames
