--- What a judgement costs: 16 call trees of 50,000 nodes, in processor time and memory.

local lab = require "spec.lab"
local faults = require "spec.lab.faults"

local trees = lab.trees
local rows, scenes = {}, {}

local function resident()
  local file = io.open "/proc/self/status"
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return tonumber(text:match "VmRSS:%s*(%d+)"), tonumber(text:match "VmHWM:%s*(%d+)")
end

rows[1] = { id = "speed", title = "16 trees of 50 000 nodes: union, tests, causes; ms on one core", stat = "median",
  below = 250 }
rows[2] = { id = "memory", title = "- MiB of memory beyond the profiles", stat = "median", below = 150 }

scenes.speed = { count = 4, run = function(_, emit)
  local tree = trees.random { nodes = 66000, app = 8000, library = 900, layers = 14, levels = 40 }
  local after = faults.C1(tree, { factor = 3, from = 0.005, to = 0.2 })
  if not after then return end
  local scene = lab.generate { tree = tree, after = after, samples = 6000000, noise = { sd = 0.03, traffic = 0.1 } }
  collectgarbage()
  collectgarbage()
  local before = resident()
  local started = os.clock()
  local result = lab.judge(scene.samples, scene.design, "ticket", { quality = scene.quality })
  emit("speed", 1000 * (os.clock() - started))
  local _, most = resident()
  if before then emit("memory", (most - before) / 1024) end
  if #result.findings == 0 then error "nothing was found" end
  if os.getenv "LAB_TELL" then
    local u = require "pyroscope.investigate.tree".union(scene.samples)
    print("nodes, samples, functions", u:size())
  end
  lab.close(scene)
end }

return { rows = rows, scenes = scenes }
