--- Services of the lab as bundles, for recipes from end to end: a folder, what to ask, the truth.

local lab = require "spec.lab"
local faults = require "spec.lab.faults"
local source = require "spec.lab.source"

local trees, random, load = lab.trees, lab.random, lab.load

local bundles = {}

local SELECTOR = '{service_name="lab"}'

---@class lab.bundle
---@field recipe string
---@field options table           of the recipe
---@field frames string[]         names of the cause
---@field pod? string             the only one that is ill

local function asked(recipe, phases, frames)
  return { recipe = recipe, frames = frames or {}, options = { selector = SELECTOR,
    at = phases and { A = phases.A, B = phases.B } or nil } }
end

--- CPU of three pods before and three fresh ones after; the fault is one of the catalogue or none.
---@param folder string
---@param options { fault?: string, factor?: number, share?: number, load?: number, spike?: boolean }
---@return lab.bundle?
function bundles.cpu(folder, options)
  local tree = trees.random()
  local after, truth
  if options.fault then
    after, truth = faults.apply(options.fault, tree,
      { factor = options.factor or 2, share = options.share or 0.05, variant = options.variant, from = 0.05, to = 0.2 })
    if not after then return nil end
  end
  local processes, phases = source.deployment { fresh = not options.spike }
  local middle = (phases.B.from_ms + phases.B.to_ms) // 2
  source.write(folder, { processes = processes, classes = { "cpu" }, profiles = function(process, _, time)
    local ill = after and process.side == "B" and not (options.spike and time >= middle)
    return source.folded(ill and after or tree, 600 * (process.side == "B" and options.load or 1), 10000000, process.luck)
  end })
  return asked("cpu_regression", phases, truth and truth.frames)
end

-- Twenty sites below three entries, with the parts they hold.
local function sites(entry)
  local list = {}
  for i = 1, 20 do
    list[i] = { name = ("shop.example/s%02d.(*Part%d).keep"):format(i % 7, i), part = i ^ -0.9 * random.lognormal(0.3) }
    list[i].stack = ("main.main;shop.example/server.(*Server).%s%d;%s"):format(entry, i % 3, list[i].name)
  end
  local sum = 0
  for _, site in ipairs(list) do sum = sum + site.part end
  for _, site in ipairs(list) do site.part = site.part / sum end
  return list
end

--- Live heaps of five pods over twelve hours. "leak": one site grows by `rate` of the heap an hour;
--- "warmup": all grow towards a plateau; nil: nothing.
---@param folder string
---@param options { shape?: "leak"|"warmup", rate?: number, restarts?: boolean }
function bundles.memory(folder, options)
  local hours, every = 12, 10 * load.MINUTE
  local start = load.start_ms
  local list, bad = sites "load", random.uniform(2, 10)
  local processes = {}
  for i = 1, 5 do
    processes[i] = { labels = { service_name = "lab", pod = ("lab-%d"):format(i) }, from_ms = start,
      to_ms = start + hours * load.HOUR, restarted = options.restarts and i <= 2 and random.uniform(3, 9) or nil,
      level = 400 * random.lognormal(0.1) }
  end
  source.write(folder, { processes = processes, classes = { "live_bytes", "alloc_bytes" }, every_ms = every,
    profiles = function(process, class, time)
      local age = (time - start) / load.HOUR
      if process.restarted and age >= process.restarted then age = age - process.restarted end
      local parts = {}
      for i, site in ipairs(list) do
        local raw = process.level * site.part * random.lognormal(0.03)
        if class == "live_bytes" then
          if options.shape == "leak" and i == bad then raw = raw + process.level * options.rate * age end
          if options.shape == "warmup" then raw = raw * (1 - 0.5 * math.exp(-age / 0.7)) end
          raw = raw * 2
        end
        local count = random.poisson(raw)
        if count > 0 then parts[#parts + 1] = ("%s;runtime.mallocgc %d"):format(site.stack, count * 524300) end
      end
      return table.concat(parts, "\n")
    end })
  local result = asked("memory_leak", nil, options.shape == "leak" and { list[bad].name } or nil)
  result.options.range = "12h"
  return result
end

--- Goroutines of four pods over six hours; with `rate`, so many an hour are never woken, on all
--- pods or one.
---@param folder string
---@param options { rate?: number, one?: boolean }
function bundles.goroutines(folder, options)
  local hours, every = 6, 5 * load.MINUTE
  local start = load.start_ms
  local keys = {
    { "net/http.(*conn).serve;net/http.(*conn).readRequest;internal/poll.runtime_pollWait;runtime.gopark", 120 },
    { "shop.example/worker.(*Pool).run;runtime.chanrecv1;runtime.chanrecv;runtime.gopark", 64 },
    { "shop.example/feed.(*Feed).Watch;runtime.selectgo;runtime.gopark", 30 },
    { "shop.example/tick.Every;time.Sleep;runtime.gopark", 12 },
  }
  local bad = "shop.example/mail.(*Outbox).deliver"
  local ill = random.uniform(4)
  local processes = {}
  for i = 1, 4 do
    processes[i] = { labels = { service_name = "lab", pod = ("lab-%d"):format(i) }, index = i, from_ms = start,
      to_ms = start + hours * load.HOUR }
  end
  source.write(folder, { processes = processes, classes = { "goroutine" }, every_ms = every,
    profiles = function(process, _, time)
      local parts = {}
      for _, key in ipairs(keys) do
        -- now and then a burst of requests in flight
        local burst = random.uniform() < 0.03 and 5 or 1
        local count = random.poisson(key[2] * burst * random.lognormal(0.1))
        if count > 0 then parts[#parts + 1] = ("%s %d"):format(key[1], count) end
      end
      if options.rate and (not options.one or process.index == ill) then
        local count = random.poisson(options.rate * (time - start) / load.HOUR)
        if count > 0 then
          parts[#parts + 1] = ("%s;runtime.chansend1;runtime.chansend;runtime.gopark %d"):format(bad, count)
        end
      end
      return table.concat(parts, "\n")
    end })
  local result = asked("goroutine_leak", nil, options.rate and { bad } or nil)
  result.options.range = "6h"
  result.pod = options.one and ("lab-%d"):format(ill) or nil
  return result
end

--- Allocation of three pods before and three fresh ones after; one site makes more objects, or
--- larger ones.
---@param folder string
---@param options { larger?: number, more?: number }
function bundles.alloc(folder, options)
  local list, bad = sites "make", random.uniform(2, 6)
  local processes, phases = source.deployment { fresh = true }
  local drawn = {}
  -- a raw sample of the heap stands for about half a mebibyte; objects are of 2 KiB
  local function values(process, time)
    local key = process.labels.pod .. time
    if not drawn[key] then
      local result = {}
      for i, site in ipairs(list) do
        local ill = i == bad and process.side == "B"
        local size = 2048 * (ill and options.larger or 1)
        local bytes = 3e8 * site.part * process.luck(site.name) * (ill and (options.larger or options.more) or 1)
        local each = 1 - math.exp(-size / 524288)
        local count = random.poisson(bytes / size * each)
        result[i] = { math.floor(count / each * size), math.floor(count / each) }
      end
      drawn[key] = result
    end
    return drawn[key]
  end
  source.write(folder, { processes = processes, classes = { "alloc_bytes", "alloc_objects" },
    profiles = function(process, class, time)
      local parts = {}
      for i, pair in ipairs(values(process, time)) do
        local value = class == "alloc_bytes" and pair[1] or pair[2]
        if value > 0 then parts[#parts + 1] = ("%s;runtime.mallocgc %d"):format(list[i].stack, value) end
      end
      return #parts > 0 and table.concat(parts, "\n") or nil
    end })
  local ill = options.larger or options.more
  local result = asked("alloc_pressure", phases, ill and { list[bad].name } or nil)
  result.factor = options.larger and "larger" or options.more and "more" or nil
  return result
end

--- CPU of many pods, one of which goes wrong, or of two versions of which the new one does.
---@param folder string
---@param options { by?: "pod"|"version" }
function bundles.breakdown(folder, options)
  local tree = trees.random { nodes = 200 }
  local processes, phases = source.deployment { count = 12, windows = 6 }
  local ill = random.uniform(12)
  for i, process in ipairs(processes) do
    local index = (i - 1) % 12 + 1
    if options.by == "version" then process.labels.version = index % 3 == 0 and "v2" or "v1" end
    process.ill = process.side == "B" and (options.by == "pod" and index == ill
      or options.by == "version" and index % 3 == 0)
  end
  source.write(folder, { processes = processes, classes = { "cpu" }, profiles = function(process)
    return source.folded(tree, 300 * (process.ill and 3 or 1), 10000000, process.luck)
  end })
  local result = asked("breakdown", phases)
  result.element = options.by == "pod" and ("lab-%d"):format(ill) or options.by == "version" and "v2" or nil
  result.by = options.by
  return result
end

--- Waits for locks of three pods before and three after; one lock is held longer, or taken more
--- often.
---@param folder string
---@param options { longer?: number, more?: number, counter?: boolean }
function bundles.mutex(folder, options)
  local list, bad = sites "call", random.uniform(1, 2)
  local processes, phases = source.deployment { fresh = true }
  for _, process in ipairs(processes) do process.luck = source.luck(0.1) end
  -- both types of a window come of the same contentions
  local drawn, sums = {}, {}
  local function waits(process, time)
    local key = process.labels.pod .. time
    if not drawn[key] then
      local result = {}
      for i, site in ipairs(list) do
        local ill = i == bad and process.side == "B"
        local count = random.poisson(600 * site.part * process.luck(site.name) * (ill and options.more or 1))
        local sum = 0
        for _ = 1, count do
          sum = sum + 3e7 * (ill and options.longer or 1) * math.exp(1.5 * random.normal() - 1.125)
        end
        result[i] = { count, math.floor(sum) }
      end
      if options.counter then
        -- uploads are sums since the start of the process
        local last = sums[process] or {}
        for i, pair in ipairs(result) do
          local known = last[i] or { 0, 0 }
          last[i] = { known[1] + pair[1], known[2] + pair[2] }
        end
        sums[process] = last
        result = table.move(last, 1, #last, 1, {})
      end
      drawn[key] = result
    end
    return drawn[key]
  end
  source.write(folder, { processes = processes, classes = { "mutex_delay", "mutex_count" },
    profiles = function(process, class, time)
      local parts = {}
      for i, pair in ipairs(waits(process, time)) do
        local value = class == "mutex_count" and pair[1] or pair[2]
        if value > 0 then parts[#parts + 1] = ("%s;sync.(*Mutex).Unlock %d"):format(list[i].stack, value) end
      end
      return #parts > 0 and table.concat(parts, "\n") or nil
    end })
  local ill = options.longer or options.more
  local result = asked("mutex_contention", phases, ill and { list[bad].name } or nil)
  result.factor = options.longer and "longer" or options.more and "more" or nil
  return result
end

--- Makes a bundle in a new folder, runs its recipe, removes the folder.
---@param make function           of this module
---@param options table
---@return table? report, lab.bundle|pyroscope.error bundle_or_err
function bundles.run(make, options)
  local pyroscope = require "pyroscope"
  local folder, remove = source.folder()
  local report, result
  local ok, problem = xpcall(function()
    result = make(folder, options)
    if not result then return end
    local store = assert(pyroscope.open(folder))
    local err
    report, err = pyroscope.investigate(result.recipe, store, result.options)
    if not report then error(("%s: %s: %s"):format(result.recipe, err.kind, err.message), 0) end
  end, debug.traceback)
  remove()
  if not ok then error(problem, 0) end
  return report, result
end

return bundles
