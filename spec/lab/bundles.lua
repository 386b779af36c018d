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
--- `short`: ten windows and about 950 samples a pod and phase, as in recorded incidents; `one`: the
--- processes go on and one pod is ill.
---@param folder string
---@param options table          fault, factor, share, variant, load, spike, fresh, short, one, cold
---@return lab.bundle?
function bundles.cpu(folder, options)
  local tree = trees.random()
  local after, truth
  if options.fault then
    after, truth = faults.apply(options.fault, tree,
      { factor = options.factor or 2, share = options.share or 0.05, variant = options.variant, from = 0.05, to = 0.2 })
    if not after then return nil end
  end
  local fresh = options.fresh or not options.spike and not options.one
  local processes, phases = source.deployment { fresh = fresh, windows = options.short and 10 or nil }
  local middle = (phases.B.from_ms + phases.B.to_ms) // 2
  local mean, ill_pod = options.short and 95 or 600, processes[random.uniform(3)].labels.pod
  source.write(folder, { processes = processes, classes = { "cpu" }, profiles = function(process, _, time)
    local ill = after and process.side == "B" and not (options.spike and time >= middle)
      and (not options.one or process.labels.pod == ill_pod) and not options.cold
    local luck = process.luck
    if options.cold and process.side == "B" then
      -- what a new process does until its caches are full
      local extra = 1 + 3 * math.exp((process.from_ms - time) / 30000)
      function luck(name) return process.luck(name) * (name == truth.frames[1] and extra or 1) end
    end
    return source.folded(ill and after or tree, mean * (process.side == "B" and options.load or 1), 10000000, luck)
  end })
  local result = asked("cpu_regression", phases, truth and truth.frames)
  result.pod = options.one and ill_pod or nil
  return result
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

-- What live memory does with age (hours) and traffic, as a factor of a level.
local SHAPES = {
  flat = function() return 1 end,
  warmup = function(_, process, age) return 1 - 0.5 * math.exp(-age / process.tau) end,
  diurnal = function(traffic) return traffic end,
  sawtooth = function(_, process)
    process.tooth = (process.tooth or random.uniform()) + 0.37
    return 1 + 0.5 * (process.tooth % 1)
  end,
}

--- Live heaps of five pods over twelve hours. "leak": one site grows by `rate` of the heap an hour,
--- on all pods or one; "warmup": towards a plateau, "diurnal": with the traffic, "sawtooth": what a
--- collector leaves, "autoscale": pods that come and go.
---@param folder string
---@param options { shape?: string, rate?: number, restarts?: integer, one?: boolean }
function bundles.memory(folder, options)
  local hours, every = 12, 10 * load.MINUTE
  local start = load.start_ms
  local list, bad = sites "load", random.uniform(2, 10)
  local shape = SHAPES[options.shape] or SHAPES.flat
  local processes, tau = {}, 0.3 + 1.7 * random.uniform()
  for i = 1, 5 do
    local process = { labels = { service_name = "lab", pod = ("lab-%d"):format(i), pyroscope_spy = "gospy" },
      from_ms = start, to_ms = start + hours * load.HOUR, tau = tau, level = 400 * random.lognormal(0.1), restarts = {},
      ill = not options.one or i == 3 }
    if options.shape == "autoscale" and i > 2 then
      process.from_ms = start + random.uniform(0, 30) * every
      process.to_ms = process.from_ms + random.uniform(24, 40) * every
    end
    for k = 1, i <= 3 and options.restarts or 0 do process.restarts[k] = random.uniform(4, 68) * every end
    table.sort(process.restarts)
    processes[i] = process
  end
  source.write(folder, { processes = processes, classes = { "live_bytes", "alloc_bytes" }, every_ms = every,
    profiles = function(process, class, time)
      local born = process.from_ms
      for _, after in ipairs(process.restarts) do
        if time >= start + after then born = start + after end
      end
      local age = (time - born) / load.HOUR
      local traffic = options.shape == "diurnal"
        and 1 + 0.4 * math.sin(2 * math.pi * ((time - start) / load.HOUR - 3) / 24) or 1
      local factor = class == "live_bytes" and 2 * shape(traffic, process, age) or traffic
      local parts = {}
      for i, site in ipairs(list) do
        local raw = process.level * site.part * factor * random.lognormal(0.03)
        if class == "live_bytes" and options.shape == "leak" and i == bad and process.ill then
          raw = raw + 2 * process.level * options.rate * age
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

-- Part of what is held that is freed within a window.
local CHURN = 0.15

-- The two phases of three processes that go on, ten windows each.
local function phases_of(processes)
  local list, phases = source.deployment { windows = 10 }
  for i = 1, 3 do
    processes[i] = { labels = list[i].labels, from_ms = phases.A.from_ms, to_ms = phases.B.to_ms, held = {} }
  end
  return phases
end

--- Live heaps of three pods over twenty windows of 15 s: what is held stays the same objects, and
--- from the eleventh on one site keeps `rate` raw samples more a window.
---@param folder string
---@param options { rate?: number }
function bundles.short_memory(folder, options)
  local list, bad, processes = sites "load", random.uniform(2, 8), {}
  local phases = phases_of(processes)
  source.write(folder, { processes = processes, classes = { "live_bytes" }, profiles = function(process, _, time)
    local parts = {}
    for i, site in ipairs(list) do
      local level = 40 * site.part
      local held = process.held[i] or random.poisson(level)
      -- a part is freed in every window, and as much is kept anew
      for _ = 1, held do
        if random.uniform() < CHURN then held = held - 1 end
      end
      process.held[i] = held + random.poisson(CHURN * level)
      if options.rate and i == bad and time >= phases.B.from_ms then
        process.leaked = (process.leaked or 0) + random.poisson(options.rate)
      end
      held = process.held[i] + (i == bad and process.leaked or 0)
      if held > 0 then parts[#parts + 1] = ("%s;runtime.mallocgc %d"):format(site.stack, held * 524300) end
    end
    return table.concat(parts, "\n")
  end })
  return asked("memory_leak", phases, options.rate and { list[bad].name } or nil)
end

--- Goroutines of three pods over twenty windows; from the eleventh on `rate` more a window are
--- never woken.
---@param folder string
---@param options { rate?: number }
function bundles.short_goroutines(folder, options)
  local processes = {}
  local phases = phases_of(processes)
  local bad = "shop.example/mail.(*Outbox).deliver"
  source.write(folder, { processes = processes, classes = { "goroutine" }, profiles = function(process, _, time)
    local parts = { ("shop.example/server.(*Server).Serve;shop.example/store.(*DB).acquire;runtime.selectgo;"
      .. "runtime.gopark %d"):format(1 + random.poisson(20 * math.exp(random.normal()))),
      ("shop.example/worker.(*Pool).run;runtime.chanrecv1;runtime.chanrecv;runtime.gopark %d"):format(16) }
    if options.rate and time >= phases.B.from_ms then
      process.held[1] = (process.held[1] or 0) + random.poisson(options.rate)
      if process.held[1] > 0 then
        parts[3] = ("%s;runtime.chansend1;runtime.chansend;runtime.gopark %d"):format(bad, process.held[1])
      end
    end
    return table.concat(parts, "\n")
  end })
  return asked("goroutine_leak", phases, options.rate and { bad } or nil)
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
    processes[i] = { labels = { service_name = "lab", pod = ("lab-%d"):format(i), pyroscope_spy = "gospy" },
      index = i, from_ms = start,
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
---@param options { larger?: number, more?: number, short?: boolean }
function bundles.alloc(folder, options)
  local list, bad = sites "make", random.uniform(2, 6)
  local processes, phases = source.deployment { fresh = true, windows = options.short and 10 or nil }
  local drawn = {}
  -- a raw sample of the heap stands for about half a mebibyte; objects are of 2 KiB
  local function values(process, time)
    local key = process.labels.pod .. time
    if not drawn[key] then
      local result = {}
      for i, site in ipairs(list) do
        local ill = i == bad and process.side == "B"
        local size = 2048 * (ill and options.larger or 1)
        local bytes = (options.short and 8e7 or 3e8) * site.part * process.luck(site.name)
        if ill then bytes = bytes * (options.larger or options.more or 1) end
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
---@param options { longer?: number, more?: number, counter?: boolean, short?: boolean }
function bundles.mutex(folder, options)
  local list, bad = sites "call", random.uniform(1, 2)
  local processes, phases = source.deployment { fresh = true, windows = options.short and 10 or nil }
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
