--- Real programs: every ordered pair of baselines of the recorded incidents is an A/A run with
--- fresh processes, other random numbers and another load. Left out where the data is not there.

local judge = require "spec.lab.judge"
local recorded = require "spec.lab.recorded"
local tree = require "pyroscope.investigate.tree"
local stats = require "pyroscope.investigate.stats"
local frames = require "pyroscope.investigate.frames"

local rows, scenes = {}, {}

local names = recorded.names "checkout"
local pairs_of = {}
for _, a in ipairs(names) do
  for _, b in ipairs(names) do
    if a ~= b then pairs_of[#pairs_of + 1] = { a, b } end
  end
end

local function row(id, title, limits)
  limits.id, limits.title = id, title
  rows[#rows + 1] = limits
end

local WORDS = { cpu = "CPU", alloc_bytes = "allocation", mutex_delay = "mutex" }
local BARS = { cpu = {}, alloc_bytes = {}, mutex_delay = { bar = 0.05 } }

local function tell(class, pair, findings)
  if os.getenv "LAB_TELL" and #findings > 0 then
    local list = {}
    for i, f in ipairs(findings) do
      list[i] = ("%s %s %+.2f%%"):format(f.kind, f.name, 100 * (f.delta and f.delta.of_total or f.d or 0))
    end
    io.stderr:write(("%s %s %s: %s\n"):format(class, pair[1], pair[2], table.concat(list, "; ")))
  end
end

for _, class in ipairs { "cpu", "alloc_bytes" } do
  local id = "real_" .. class
  row(id, ("A/A on real pairs, %s"):format(WORDS[class]), { below = 0.01 })
  row(id .. "_roles", "- roles of frames left out: every frame is application code", {})
  scenes[id] = { count = #pairs_of, run = function(i, emit)
    local pair = pairs_of[i]
    local samples, design = recorded.sides(class, { pair[1] }, { pair[2] })
    local result = judge.run(samples, design, "ticket", { class = class })
    tell(class, pair, result.findings)
    emit(id, #result.findings > 0 and 1 or 0)
    local other = judge.run(samples, design, "ticket", { class = class },
      { ["frames.role"] = function() return "app" end })
    emit(id .. "_roles", #other.findings > 0 and 1 or 0)
  end }
end

-- Mean waiters of a site in one process: nanoseconds waited by nanoseconds that passed.
-- Stacks that wait for work to come are left out.
local function waiters(u)
  local sites = tree.group(u, function(stack)
    if frames.wait_class(stack, "go") == "idle" then return nil end
    for i = #stack, 1, -1 do
      if frames.role(stack[i], "go") == "app" then return stack[i] end
    end
    return ""
  end)
  local values = {}
  for i, list in ipairs(sites.value) do
    values[i] = {}
    for k, value in ipairs(list) do values[i][k] = value / (u.samples[k].seconds * 1e9) end
  end
  return { name = sites.name, value = values }
end

for _, class in ipairs { "mutex_delay" } do
  local id = "real_" .. class
  row(id, ("A/A on real pairs, %s, sites"):format(WORDS[class]), { below = 0.01 })
  scenes[id] = { count = #pairs_of, run = function(i, emit)
    local pair = pairs_of[i]
    local samples = recorded.sides(class, { pair[1] }, { pair[2] })
    local u = assert(tree.union(samples))
    local found = {}
    for _, site in ipairs(stats.waits(waiters(u), u.sides, { bar = BARS[class].bar, min_rel = 0.2, alpha = 0.05 })) do
      if site.passes and site.name ~= "" then found[#found + 1] = site end
    end
    u:close()
    tell(class, pair, found)
    emit(id, #found > 0 and 1 or 0)
  end }
end

return { rows = rows, scenes = scenes }
