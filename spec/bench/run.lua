-- The bars of speed and memory, as ratios from interleaved runs. A missing tool skips its rows
-- by name. Exit code 1 if a bar is missed twice.

package.path = "./spec/bench/?.lua;./spec/support/?.lua;" .. package.path

local core = require "pyroscope.core"
local generate = require "generate"

local directory = "build/bench"
os.execute("mkdir -p " .. directory)

local function write(name, bytes)
  local path = directory .. "/" .. name
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
  return path
end

local lua = "LUA_PATH='./spec/bench/?.lua;" .. package.path .. "' LUA_CPATH='" .. package.cpath
  .. "' lua5.4 "

local function output(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read "a"
  if not pipe:close() then error("failed: " .. command) end
  return tonumber(text) or error("no number from: " .. command .. "\n" .. text)
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function processes(count, command)
  local results = {}
  for i = 1, count do results[i] = output(command) end
  return median(results)
end

local missed = 0
local function bar(name, value, limit, worse)
  local good = value >= limit
  if worse then good = value <= limit end
  return good, ("%-58s %7.2f  (bar: %s %g)%s"):format(name, value, worse and "<=" or ">=", limit,
    good and "" or "  MISSED")
end

--- Measures, and once more before a miss counts.
local function check(name, limit, worse, measure)
  local good, line = bar(name, measure(), limit, worse)
  if not good then good, line = bar(name, measure(), limit, worse) end
  print(line)
  if not good then missed = missed + 1 end
end

local sets = {
  { "2k", 2130, 1400, 45, 60 },
  { "16k", 16384, 6000, 80, 15 },
  { "200k", 200000, 20000, 100, 5 },
}
local bars = {
  json = { ["2k"] = 12, ["16k"] = 12, ["200k"] = 8 },
  flamegraph = { ["2k"] = 13, ["16k"] = 13, ["200k"] = 13 },
  tree = { ["2k"] = 10, ["16k"] = 10, ["200k"] = 8 },
}

for _, set in ipairs(sets) do
  local label, nodes, functions, cap, rounds = table.unpack(set)
  local profile = assert(core.decode(generate.folded(nodes, functions, cap, 1), "folded"))
  local files = {
    json = write(label .. ".json", profile:render "json"),
    tree = write(label .. ".tree", profile:render "tree"),
    flamegraph = write(label .. ".pb", profile:render "flamegraph"),
  }
  for _, format in ipairs { "json", "flamegraph", "tree" } do
    check(("%s, %d nodes to the top 20, against cjson and good Lua"):format(format, #profile),
      bars[format][label], false, function()
        return processes(5, ("%s spec/bench/decode.lua %s %s %s %d"):format(lua, format,
          files[format], files.json, rounds))
      end)
    if label == "200k" then
      check(format .. ", bytes of memory a node beyond the body", 48, true, function()
        return processes(3, ("%s spec/bench/decode.lua %s %s peak"):format(lua, format,
          files[format]))
      end)
    end
  end
end

do
  local paths = {}
  for i, seed in ipairs { 1, 2 } do
    local profile = assert(core.decode(generate.folded(200000, 20000, 100, seed), "folded"))
    paths[i] = write(("side%d.json"):format(i), profile:render "json")
    profile:close()
  end
  check("diff of 2 x 200,000 nodes, against cjson and good Lua", 16, false, function()
    return processes(3, ("%s spec/bench/diff.lua %s %s 3"):format(lua, paths[1], paths[2]))
  end)
end

check("union of 16 x 50,000 nodes, 12 rounds of peeling, against reading", 6, true, function()
  return processes(3, lua .. "spec/bench/union.lua 50000 16 5")
end)
check("union, tests, causes and guards of 16 x 50,000 nodes, against reading", 6, true, function()
  return processes(3, lua .. "spec/bench/union.lua 50000 16 5 analyse")
end)
check("the same, bytes of memory a node and sample", 60, true, function()
  return processes(1, lua .. "spec/bench/union.lua 50000 16 1 peak")
end)

check("require 'pyroscope' against bare Lua, whole process", 1.4, true, function()
  return output("python3 spec/bench/process.py 41 \"" .. "lua5.4 -e ''" .. "\" \""
    .. "lua5.4 -e 'require [[pyroscope]]'" .. "\" env LUA_PATH='" .. package.path
    .. "' LUA_CPATH='" .. package.cpath .. "'")
end)

assert(loadfile "spec/bench/peers.lua")()(check, output, directory)

assert(loadfile "spec/bench/picture.lua")()(check, output, directory, lua)

os.exit(missed == 0 and 0 or 1)
