--- Slow answers to the questions that a union of call trees answers, from lists of stacks:
--- { names = { root first }, value = K integers, cut = true for what was truncated below }.

local stacks = {}

local function key_of(names) return #names == 0 and "" or "\1" .. table.concat(names, "\1") end
stacks.key_of = key_of

local function zeros(k)
  local list = {}
  for j = 1, k do list[j] = 0 end
  return list
end

local function add(to, from)
  for j, value in ipairs(from) do to[j] = to[j] + value end
end

--- Stacks of profiles, one column each; `names` renames. A leaf "other" of a profile that is cut is
--- no frame. Second result: every path there is (also those without a value), by key.
function stacks.of(profiles, names)
  local list, by, paths = {}, {}, { [""] = {} }
  local k = #profiles
  for j, profile in ipairs(profiles) do
    local cut = profile:coverage().truncated
    local nodes, path = {}, {}
    for depth, name, own in profile:walk() do
      for i = depth + 1, #path do path[i] = nil end
      if depth > 0 then path[depth] = name end
      nodes[#nodes + 1] = { depth = depth, name = name, own = own, names = { table.unpack(path) } }
    end
    for i, node in ipairs(nodes) do
      local leaf = not nodes[i + 1] or nodes[i + 1].depth <= node.depth
      local other = cut and leaf and node.depth > 0 and node.name == "other"
      local at = {}
      for d, name in ipairs(node.names) do at[d] = names and names[name] or name end
      if other then at[#at] = nil end
      paths[key_of(at)] = at
      local key = (other and "o" or "s") .. key_of(at)
      if not by[key] then
        by[key] = { names = at, value = zeros(k), cut = other }
        list[#list + 1] = by[key]
      end
      by[key].value[j] = by[key].value[j] + node.own
    end
  end
  return list, paths
end

--- name -> { flat = , cum = }.
function stacks.functions(list, k)
  local rows = {}
  for _, stack in ipairs(list) do
    local once = {}
    for i, name in ipairs(stack.names) do
      local row = rows[name] or { flat = zeros(k), cum = zeros(k) }
      rows[name] = row
      if not once[name] then add(row.cum, stack.value) end
      once[name] = true
      if i == #stack.names and not stack.cut then add(row.flat, stack.value) end
    end
  end
  return rows
end

--- path key -> { self, tot, other }.
function stacks.nodes(list, paths, k)
  local nodes = {}
  for key in pairs(paths) do nodes[key] = { self = zeros(k), tot = zeros(k), other = zeros(k) } end
  for _, stack in ipairs(list) do
    add(nodes[key_of(stack.names)][stack.cut and "other" or "self"], stack.value)
    local prefix = {}
    add(nodes[""].tot, stack.value)
    for i, name in ipairs(stack.names) do
      prefix[i] = name
      add(nodes[key_of(prefix)].tot, stack.value)
    end
  end
  return nodes
end

local find = {}

function find.callees(names, of, found)
  for i = 2, #names do
    if names[i - 1] == of and names[i] ~= of then found[names[i]] = true end
  end
end

function find.callers(names, of, found)
  for i = 2, #names do
    if names[i] == of and names[i - 1] ~= of then found[names[i - 1]] = true end
  end
end

function find.below(names, of, found)
  local inside = false
  for _, name in ipairs(names) do
    if inside and name ~= of then found[name] = true end
    inside = inside or name == of
  end
end

function find.above(names, of, found)
  local last = 0
  for i, name in ipairs(names) do
    if name == of then last = i end
  end
  for i = 1, last do
    if names[i] ~= of then found[names[i]] = true end
  end
end

--- name -> value.
function stacks.related(list, of, how, k)
  local rows = {}
  for _, stack in ipairs(list) do
    local found = {}
    find[how](stack.names, of, found)
    for name in pairs(found) do
      rows[name] = rows[name] or zeros(k)
      add(rows[name], stack.value)
    end
  end
  return rows
end

--- site -> value; `flag_of` is a table name -> 1 or 2.
function stacks.sites(list, flag_of, k)
  local rows = {}
  for _, stack in ipairs(list) do
    local site = ""
    for want = 2, 1, -1 do
      for _, name in ipairs(stack.names) do
        if flag_of[name] == want then site = name end
      end
      if want == 2 then
        for _, name in ipairs(stack.names) do
          if flag_of[name] == 1 then site = "" end
        end
      end
    end
    rows[site] = rows[site] or zeros(k)
    add(rows[site], stack.value)
  end
  return rows
end

--- The stacks for which `wanted(stack)` is true.
function stacks.filter(list, wanted)
  local kept = {}
  for _, stack in ipairs(list) do
    if wanted(stack) then kept[#kept + 1] = stack end
  end
  return kept
end

function stacks.holds(stack, name)
  for _, frame in ipairs(stack.names) do
    if frame == name then return true end
  end
  return false
end

--- Rows without those that are zero in every column.
function stacks.nonzero(rows)
  local kept = {}
  for name, value in pairs(rows) do
    local any = false
    for _, v in ipairs(value) do any = any or v ~= 0 end
    if any then kept[name] = value end
  end
  return kept
end

stacks.zeros, stacks.add = zeros, add

return stacks
