--- make lab: every score of the lab with its confidence interval, as Markdown. LAB_RUNS sets the
--- runs of an ordinary scene (A/A runs are ten times as many), LAB_JOBS the processes, LAB_SET =
--- "tuning" the other seeds, LAB_ONLY a Lua pattern of scene names. A worker is this program with
--- its number as argument; it prints what its runs emit. `run.lua SCENE RUN` does one run, with
--- LAB_TELL=1 with all findings on standard error.

local score = require "spec.lab.score"
local random = require "spec.lab.random"

local SETS = { tuning = 1000003, scoring = 1300000021 }
local PARTS = { "scenes_flat", "scenes_trees", "scenes_series", "scenes_real", "scenes_recipes",
  "scenes_speed", "ablations", "baselines" }

local runs = tonumber(os.getenv "LAB_RUNS") or 300
local jobs = tonumber(os.getenv "LAB_JOBS") or 4
local set = os.getenv "LAB_SET" or "scoring"
local only = os.getenv "LAB_ONLY" or ""
local first = SETS[set] or error("LAB_SET is tuning or scoring")

local names, all, rows = {}, {}, {}
for _, part in ipairs(PARTS) do
  local module = require("spec.lab." .. part)
  for name, scene in pairs(module.scenes) do
    if name:find(only) then
      names[#names + 1] = name
      all[name] = scene
    end
  end
  table.move(module.rows, 1, #module.rows, #rows + 1, rows)
end
table.sort(names)

-- A scene is told from others under the same seed by its name.
local function stream(name)
  local hash = 5381
  for i = 1, #name do hash = (hash * 33 + name:byte(i)) & 0x7fffffff end
  return hash
end

local function once(name, i)
  random.seed(first + i, stream(name))
  all[name].run(i, function(id, value) print(id, value) end)
end

local function work(worker)
  local out = {}
  for _, name in ipairs(names) do
    local count = all[name].count or math.max(1, math.ceil(runs * all[name].runs))
    for i = worker, count, jobs do
      random.seed(first + i, stream(name))
      local ok, err = xpcall(all[name].run, debug.traceback, i, function(id, value)
        out[#out + 1] = ("%s\t%.17g\n"):format(id, value)
      end)
      if not ok then
        io.stderr:write(("scene %s, run %d, set %s: %s\n"):format(name, i, set, err))
        out[#out + 1] = "error\t1\n"
      end
      if #out > 1000 then
        io.write(table.concat(out))
        out = {}
      end
    end
  end
  io.write(table.concat(out), "done\t0\n")
end

if arg[2] then return once(arg[1], math.tointeger(tonumber(arg[2]))) end
if arg[1] then return work(math.tointeger(tonumber(arg[1]))) end

-- Workers write into files: a pipe that nobody reads yet would stop them.
local command = arg[-1] or "lua5.4"
local workers, values, done = {}, {}, 0
for worker = 1, jobs do
  local path = os.tmpname()
  workers[worker] = { path = path,
    pipe = assert(io.popen(("%s spec/lab/run.lua %d >'%s'"):format(command, worker, path))) }
end
for _, worker in ipairs(workers) do
  worker.pipe:close()
  for line in io.lines(worker.path) do
    local id, value = line:match "^(.-)\t(.+)$"
    if id == "done" then done = done + 1 else
      values[id] = values[id] or {}
      table.insert(values[id], tonumber(value))
    end
  end
  os.remove(worker.path)
end
if done < jobs then
  io.stderr:write "a worker failed\n"
  os.exit(1)
end
local text, missed = score.markdown(rows, values)
print(text)
local errors = values.error and #values.error or 0
print(("\n%d goals missed%s; seeds: %s set, %d runs of a scene"):format(missed,
  errors > 0 and (", %d runs failed"):format(errors) or "", set, runs))
if errors > 0 then os.exit(1) end
