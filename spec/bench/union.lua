-- One process: K trees of about the same stacks, read, and then united under normalised names and
-- peeled for 12 rounds (functions above a floor, one taken out). Prints the time of the second by
-- that of the first, by turns, medians. Arguments: nodes, samples, rounds. "peak" as fourth: bytes
-- of memory a node and sample beyond the profiles instead; "analyse": union, tests, causes and
-- guards of a change in one function in place of the peeling.

local core = require "pyroscope.core"
local generate = require "generate"
local tree = require "pyroscope.investigate.tree"

local nodes, samples, rounds = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])

local function bodies_of()
  local stacks, bodies = {}, {}
  for path, value in generate.folded(nodes, nodes // 5, 80, 1):gmatch "([^\n]+) (%d+)\n" do
    stacks[#stacks + 1] = { path, math.tointeger(tonumber(value)) }
  end
  -- the dearest function is eight times as dear in the second half
  local sums, dearer = {}, nil
  for _, stack in ipairs(stacks) do
    local leaf = stack[1]:match "[^;]*$"
    sums[leaf] = (sums[leaf] or 0) + stack[2]
    if arg[4] == "analyse" and (not dearer or sums[leaf] > sums[dearer]) then dearer = leaf end
  end
  math.randomseed(1)
  for j = 1, samples do
    local lines = {}
    for _, stack in ipairs(stacks) do
      if dearer or math.random(5) > 1 then
        local factor = math.random(1, 3)
        if dearer then
          factor = math.random(9, 11)
          if j > samples // 2 and stack[1]:match "[^;]*$" == dearer then factor = factor * 8 end
        end
        lines[#lines + 1] = ("%s %d\n"):format(stack[1], stack[2] * factor)
      end
    end
    local profile = assert(core.decode(table.concat(lines), "folded"))
    bodies[j] = core.body(profile:render "tree")
    profile:close()
  end
  return bodies
end

local bodies = bodies_of()

local function read()
  local list = {}
  for j, body in ipairs(bodies) do
    list[j] = { profile = assert(core.decode(body, "tree")), side = j * 2 <= samples and "A" or "B" }
  end
  return list
end

local list = read()

local function peel()
  local u = assert(tree.union(list))
  local view = tree.user(u)
  for _ = 1, 12 do
    local rows = view:functions(0.0025)
    local rest = view:without(view:nodes(rows.name[#rows.name // 2]))
    view:close()
    view = rest
  end
  local n = u:size()
  view:close()
  u:close()
  return n
end

local function analyse()
  list.quantum = { value = 10000000 }
  local u = assert(tree.union(list))
  local result = require "pyroscope.investigate.analyse"(u, { unit = "block" },
    { alpha = 0.05, min_share = 0.005, min_rel = 0.05 })
  assert(#result.findings > 0 and #result.findings < 4, "findings: " .. #result.findings)
  u:close()
end

if arg[4] == "analyse" then peel = analyse end

if arg[4] == "peak" then
  local function status(key)
    local f = assert(io.open "/proc/self/status")
    local text = f:read "a"
    f:close()
    return tonumber(text:match(key .. ":%s+(%d+) kB")) * 1024
  end
  collectgarbage()
  local f = assert(io.open("/proc/self/clear_refs", "w"))
  f:write "5"
  f:close()
  local before = status "VmRSS"
  local n = peel()
  print((status "VmHWM" - before) / (n * samples))
  return
end

local function timed(f)
  collectgarbage()
  local start = os.clock()
  f()
  return os.clock() - start
end

local function read_and_close()
  for _, sample in ipairs(read()) do sample.profile:close() end
end

local a, b = {}, {}
for i = 1, rounds do
  a[i], b[i] = timed(read_and_close), timed(peel)
end
table.sort(a)
table.sort(b)
print(b[#b // 2 + 1] / a[#a // 2 + 1])
