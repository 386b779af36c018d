--- Checks of what a caller passed. Misuse raises at the caller's line, with the nearest known name.

local check = {}

-- Optimal string alignment distance, bounded: names are short and few.
local function distance(a, b)
  local before, row = {}, {}
  for j = 0, #b do row[j] = j end
  local previous
  for i = 1, #a do
    previous, before = before, row
    row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + cost)
      if cost == 1 and i > 1 and j > 1 and a:byte(i) == b:byte(j - 1)
          and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, previous[j - 2] + 1)
      end
      row[j] = best
    end
  end
  return row[#b]
end

--- The names nearest to a mistyped one, best first; empty when nothing is near.
---@param name string
---@param known string[]
---@param most? integer default 1
---@return string[]
function check.nearest(name, known, most)
  local found = {}
  local low = name:lower()
  for _, candidate in ipairs(known) do
    local other = candidate:lower()
    local d = math.abs(#low - #other) > 64 and math.huge or distance(low, other)
    if #low >= 3 and other:find(low, 1, true) then d = math.min(d, 1) end
    if d <= math.max(1, #low // 3) then found[#found + 1] = { candidate, d } end
  end
  table.sort(found, function(a, b)
    if a[2] ~= b[2] then return a[2] < b[2] end
    return a[1] < b[1]
  end)
  local names = {}
  for i = 1, math.min(most or 1, #found) do names[i] = found[i][1] end
  return names
end

--- " (did you mean 'x'?)", or the empty string.
---@param name string
---@param known string[]
---@return string
function check.suggestion(name, known)
  local near = check.nearest(name, known)[1]
  return near and ("(did you mean '%s'?)"):format(near) or ""
end

--- Checks an options table against the allowed names and Lua types; returns it (or an empty one).
---@param where string  the public function, for the message
---@param options table?
---@param allowed table<string, string|true>  name -> Lua type ("string|number"), true for any
---@param level? integer  of the caller to blame; default: whoever called the public function
---@return table
function check.options(where, options, allowed, level)
  level = (level or 2) + 1
  if options == nil then return {} end
  if type(options) ~= "table" then
    error(("%s: options must be a table, not %s"):format(where, type(options)), level)
  end
  for name, value in pairs(options) do
    local expected = allowed[name]
    if not expected then
      local known = {}
      for k in pairs(allowed) do known[#known + 1] = k end
      table.sort(known)
      local near = check.suggestion(tostring(name), known)
      error(("%s: unknown option '%s'%s"):format(where, tostring(name),
        near ~= "" and " " .. near or ""), level)
    end
    if expected ~= true then
      local ok = false
      local actual = math.type(value) or type(value)
      for t in expected:gmatch "[^|]+" do
        if t == actual or t == type(value) then ok = true end
      end
      if not ok then
        error(("%s: option '%s' must be %s, not %s"):format(where, name,
          (expected:gsub("|", " or ")), type(value)), level)
      end
    end
  end
  return options
end

return check
