-- One process: decodes one answer to its top 20 again and again, ours and good Lua by turns, and
-- prints the ratio of the medians. Arguments: format, file, file of the same tree as JSON, rounds.
-- "peak": prints bytes a node beyond the body instead.

local core = require "pyroscope.core"
local format, path, json_path, rounds = arg[1], arg[2], arg[3], tonumber(arg[4])

local function read(file)
  local f = assert(io.open(file, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

if json_path == "peak" then
  local body = assert(core.read_file(path))
  collectgarbage()
  local function status(key)
    return tonumber(read "/proc/self/status":match(key .. ":%s+(%d+) kB")) * 1024
  end
  local f = assert(io.open("/proc/self/clear_refs", "w"))
  f:write "5"
  f:close()
  local before = status "VmRSS"
  local profile = assert(core.decode(body, format))
  profile:top(20)
  print((status "VmHWM" - before) / #profile)
  return
end

local good = require "good"
local text = read(json_path)
local body = core.body(read(path))

local function ours()
  local profile = assert(core.decode(body, format))
  local rows = profile:top(20)
  profile:close()
  return rows
end

local mine, theirs = ours(), good.top(text, 20)
for i, row in ipairs(mine) do
  if row.self ~= theirs[i].self or row.total ~= theirs[i].total then
    error(("row %d differs: %s %d/%d against %s %d/%d"):format(i, row.name, row.self, row.total,
      theirs[i].name, theirs[i].self, theirs[i].total))
  end
end

local function timed(f)
  collectgarbage()
  local start = os.clock()
  f()
  return os.clock() - start
end
local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end
local a, b = {}, {}
for i = 1, rounds do
  a[i] = timed(ours)
  b[i] = timed(function() good.top(text, 20) end)
end
print(median(b) / median(a))
