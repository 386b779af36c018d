-- One process: aligns two answers to the 20 functions that changed most, ours and good Lua by turns,
-- and prints the ratio of the medians. Arguments: two JSON flame graphs, rounds.

local core = require "pyroscope.core"
local good = require "good"

local function read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

local texts = { read(arg[1]), read(arg[2]) }
local bodies = { core.body(texts[1]), core.body(texts[2]) }

local function ours()
  local a, b = assert(core.decode(bodies[1], "json")), assert(core.decode(bodies[2], "json"))
  local alignment = assert(core.align(a, b))
  local rows = alignment:rows(20)
  alignment:close()
  a:close()
  b:close()
  return rows
end

local mine, theirs = ours(), good.diff(texts[1], texts[2], 20)
for i, row in ipairs(mine) do
  for _, key in ipairs { "name", "before", "after", "before_total", "after_total" } do
    if row[key] ~= theirs[i][key] then
      error(("row %d differs: %s %s against %s"):format(i, key, row[key], theirs[i][key]))
    end
  end
end

local function timed(f)
  collectgarbage()
  local start = os.clock()
  f()
  return os.clock() - start
end

local a, b = {}, {}
for i = 1, tonumber(arg[3]) do
  a[i] = timed(ours)
  b[i] = timed(function() good.diff(texts[1], texts[2], 20) end)
end
table.sort(a)
table.sort(b)
print(b[#b // 2 + 1] / a[#a // 2 + 1])
