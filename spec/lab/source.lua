--- A service of the lab as a bundle on disk: real pprof files with times and labels, an index, the
--- truth. `pyroscope.open` makes a source of it; `profilecli upload` pushes its files.

local core = require "pyroscope.core"
local lab = require "spec.lab"

local random, trees, load = lab.random, lab.trees, lab.load

local source = {}

local TYPES = {
  cpu = { "process_cpu", lab.CPU, "nanoseconds", "flow" },
  alloc_bytes = { "memory", "memory:alloc_space:bytes:space:bytes", "bytes", "flow" },
  alloc_objects = { "memory", "memory:alloc_objects:count:space:bytes", "count", "flow" },
  live_bytes = { "memory", "memory:inuse_space:bytes:space:bytes", "bytes", "stock" },
  goroutine = { "goroutine", "goroutine:goroutine:count:goroutine:count", "count", "stock" },
  mutex_delay = { "mutex", "mutex:delay:nanoseconds:contentions:count", "nanoseconds", "flow" },
  mutex_count = { "mutex", "mutex:contentions:count:contentions:count", "count", "flow" },
}

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  file:close()
end

local function json_labels(labels)
  local keys, parts = {}, {}
  for key in pairs(labels) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = ('"%s":"%s"'):format(key, labels[key]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

---@class lab.process
---@field labels table<string, string>
---@field from_ms integer
---@field to_ms integer

--- Writes a bundle. `profiles(process, class, time_ms)` gives the folded text of one profile, or
--- nil where there is none.
---@param folder string           an existing empty folder
---@param options { processes: lab.process[], classes: string[], every_ms?: integer, profiles: function, truth?: table }
function source.write(folder, options)
  local every, index, number = options.every_ms or 15000, {}, 0
  for p, process in ipairs(options.processes) do
    for time = process.from_ms, process.to_ms - every, every do
      for _, class in ipairs(options.classes) do
        local text = options.profiles(process, class, time)
        if text then
          local kind = TYPES[class]
          number = number + 1
          local file = ("%s-%02d-%05d.pb.gz"):format(kind[1], p, number)
          local profile = assert(core.decode(text, "folded"))
          profile:describe { profile_type = kind[2], unit = kind[3], kind = kind[4] }
          write(folder .. "/" .. file, assert(profile:render("pprof",
            { time_nanos = time * 1000000, duration_nanos = every * 1000000 })))
          profile:close()
          index[#index + 1] = { time, ('{"file":"%s","name":"%s","labels":%s,"time_ms":%d,"duration_ms":%d,"types":["%s"]}')
            :format(file, kind[1], json_labels(process.labels), time, every, kind[2]) }
        end
      end
    end
  end
  table.sort(index, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  for i, entry in ipairs(index) do index[i] = entry[2] end
  write(folder .. "/index.jsonl", table.concat(index, "\n") .. "\n")
  write(folder .. "/bundle.json", '{"format":"pyroscope-bundle","version":1,"title":"A service of the lab"}')
end

--- Folded text of Poisson counts of a tree. `factor(name)` multiplies what a function does.
---@param tree lab.tree
---@param mean number
---@param quantum number
---@param factor? fun(name: string): number
---@return string
function source.folded(tree, mean, quantum, factor)
  tree.lines = tree.lines or trees.lines(tree)
  local parts = {}
  for v, weight in ipairs(tree.weight) do
    if weight > 0 then
      local count = random.poisson(mean * weight * (factor and factor(tree.name[v]) or 1))
      if count > 0 then parts[#parts + 1] = ("%s %d"):format(tree.lines[v], math.floor(count * quantum)) end
    end
  end
  return table.concat(parts, "\n")
end

--- Luck of one process: a factor for every function, drawn when first asked for.
function source.luck(sd)
  local factors = {}
  return function(name)
    factors[name] = factors[name] or random.lognormal(sd)
    return factors[name]
  end
end

--- The processes of a deployment: `count` pods before and as many after; fresh ones under another
--- version, or the same.
---@param options { count?: integer, windows?: integer, every_ms?: integer, fresh?: boolean, gap_ms?: integer }
---@return lab.process[] processes
---@return { A: table, B: table } phases
function source.deployment(options)
  local count, every = options.count or 3, options.every_ms or 15000
  local length = (options.windows or 20) * every
  local start, gap = load.start_ms, options.gap_ms or options.fresh and 60000 or 0
  local phases = { A = { from_ms = start, to_ms = start + length },
    B = { from_ms = start + length + gap, to_ms = start + 2 * length + gap } }
  local processes = {}
  for _, side in ipairs { "A", "B" } do
    for i = 1, count do
      local labels = { service_name = "lab", namespace = "lab", pyroscope_spy = "gospy",
        region = i % 2 == 0 and "eu" or "us" }
      labels.pod = ("lab-%s%d"):format(options.fresh and side:lower() or "", i)
      if options.fresh then labels.version = side == "A" and "v1" or "v2" end
      processes[#processes + 1] = { labels = labels, side = side, from_ms = phases[side].from_ms,
        to_ms = phases[side].to_ms, luck = source.luck(0.03) }
    end
  end
  if not options.fresh then
    for i = 1, count do processes[count + i].luck = processes[i].luck end
  end
  return processes, phases
end

--- A new folder below build, and what removes it.
---@return string folder
---@return fun() remove
function source.folder()
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir -m 700 '%s'"):format(folder)))
  return folder, function() os.execute(("rm -rf '%s'"):format(folder)) end
end

return source
