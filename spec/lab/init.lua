--- The laboratory: profiles with a known truth, made in memory, and the judgement that the
--- recipes pass on them. `generate` makes samples of two sides, `judge` does what
--- `cpu_regression` does after fetching.

local core = require "pyroscope.core"
local random = require "spec.lab.random"
local trees = require "spec.lab.trees"
local load = require "spec.lab.load"

local lab = {}

lab.CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

local function lines_of(tree)
  -- lines and function ids of a tree are the same in every window
  if not tree.lines then
    tree.lines = trees.lines(tree)
    local ids, names = {}, {}
    tree.fid = {}
    for v, name in ipairs(tree.name) do
      if not ids[name] then
        names[#names + 1] = name
        ids[name] = #names
      end
      tree.fid[v] = ids[name]
    end
    tree.names = names
  end
  return tree
end

-- One profile: Poisson counts of every stack, times the value of a raw sample.
local function profile(tree, mean, functions, groups, quantum, meta)
  local text, n = {}, 0
  local lines, fid, group, weight = tree.lines, tree.fid, tree.group, tree.weight
  local poisson = random.poisson
  for v = 1, #weight do
    local w = weight[v]
    if w > 0 then
      local count = poisson(mean * w * functions[fid[v]] * groups[group[v]])
      if count > 0 then
        n = n + 1
        text[n] = lines[v] .. " " .. count * quantum
      end
    end
  end
  if n == 0 then text[1] = lines[1] .. " 0" end
  return assert(core.decode(table.concat(text, "\n"), "folded")):describe(meta)
end

---@class lab.scene
---@field samples pyroscope.samples
---@field design table
---@field quality table
---@field truth table

---@class lab.options
---@field tree lab.tree
---@field after? lab.tree
---@field design? string
---@field windows? table          options of `load.windows`
---@field samples? number
---@field quantum? integer
---@field noise? lab.noise
---@field load? number
---@field fixed? table<string, boolean>   functions whose work does not depend on load
---@field active? fun(w: lab.window): boolean
---@field adjust? fun(windows: lab.window[])
---@field truth? lab.truth
---@field type? string
---@field kind? string
---@field unit? string
---@field class? string

--- Samples of a design. `samples` is the mean number of raw samples in a window of side A; the
--- tree of side B is `after`, with a sum of weights that says how much work it does; `load` is
--- the traffic of B over that of A. `active(window)` false: that window of B is like A.
---@param options lab.options
---@return lab.scene
function lab.generate(options)
  local before, after = lines_of(options.tree), lines_of(options.after or options.tree)
  local windows, design = load.windows(options.design or "before_after", options.windows)
  if options.adjust then options.adjust(windows) end
  local noise = options.noise or {}
  -- functions of both trees share their luck by name
  local names, ids = {}, {}
  for _, tree in ipairs { before, after } do
    for _, name in ipairs(tree.names) do
      if not ids[name] then
        names[#names + 1] = name
        ids[name] = #names
      end
    end
  end
  local by_function, by_group, totals =
    load.factors(names, math.max(before.groups, after.groups), windows, noise)
  local quantum = options.quantum or 10000000
  local samples = { kind = options.kind or "flow", runtime = "go",
    quantum = { value = quantum, source = "exact" } }
  local quality = { ok = true, profiles = { A = 0, B = 0 }, instances = { A = 3, B = 3 },
    instance_names = { A = {}, B = {} }, samples = { A = 0, B = 0 }, coverage = { A = 1, B = 1 },
    other_share = { A = 0, B = 0 }, interval_ms = 15000, instance_label = "pod",
    fresh = design.unit == "pod", young = {}, restarts = {}, gaps = {}, warnings = {} }
  for k, w in ipairs(windows) do
    local tree = before
    if w.side == "B" and not (options.active and not options.active(w)) then tree = after end
    local traffic = totals[k] * (w.side == "B" and options.load or 1)
    local functions = {}
    for f, name in ipairs(tree.names) do
      functions[f] = by_function[k][ids[name]]
      if options.fixed and options.fixed[name] then functions[f] = functions[f] / traffic end
    end
    local mean = (options.samples or 20000) * traffic * (w.part or 1)
    local p = profile(tree, mean, functions, by_group[k], w.quantum or quantum,
      { profile_type = options.type or lab.CPU, unit = options.unit or "nanoseconds",
        kind = samples.kind, profiles = w.profiles, from_ms = w.from_ms, to_ms = w.to_ms })
    samples[k] = { profile = p, side = w.side, profiles = w.profiles, from_ms = w.from_ms,
      to_ms = w.to_ms, seconds = w.profiles * 15, instance = w.instance, order = w.order }
    quality.profiles[w.side] = quality.profiles[w.side] + w.profiles
    quality.samples[w.side] = quality.samples[w.side] + p.sum // (w.quantum or quantum)
  end
  if design.unit == "pod" then
    for _, w in ipairs(windows) do table.insert(quality.instance_names[w.side], w.instance) end
    quality.instances = { A = #quality.instance_names.A, B = #quality.instance_names.B }
  end
  return { samples = samples, design = design, quality = quality, truth = options.truth,
    class = options.class or "cpu" }
end

--- Frees the profiles of a scene.
---@param scene lab.scene
function lab.close(scene)
  for _, sample in ipairs(scene.samples) do sample.profile:close() end
end

--- What recipes would say of these samples: findings, what explains others away, tests.
---@param samples pyroscope.samples
---@param design table
---@param policy? string          default "ticket"
---@param context? table          quality, class
---@return lab.judgement
function lab.judge(samples, design, policy, context)
  return require "spec.lab.judge".run(samples, design, policy, context)
end

lab.random, lab.trees, lab.load = random, trees, load

return lab
