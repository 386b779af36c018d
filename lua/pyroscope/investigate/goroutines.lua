--- Goroutines by what they are: who started them, what they wait in, and where.

local frames = require "pyroscope.investigate.frames"

local goroutines = {}

-- Waits that are how servers and pools look; they count only while they grow.
local USUAL = { io = "connections that are open: compare with their limits",
  idle = "workers or listeners that have nothing to do",
  sleep = "timers; benign unless their number grows", cond = "a pool that waits for work" }

local function user(name, runtime)
  local role = frames.role(name, runtime)
  return role == "app" or role == "library"
end

--- The key of a stack: entry (first user frame from the root, of the program itself where there is
--- one), wait class, site (first user frame above the leaf). Nil for stacks of the profiler.
---@param names string[]          root first
---@param runtime string
---@return { id: string, entry: string, site: string, class: string }?
function goroutines.key(names, runtime)
  local entry, site, outer
  for _, name in ipairs(names) do
    local role = frames.role(name, runtime)
    if role == "profiler" then return nil end
    if role == "app" and not entry then entry = name end
    if role == "library" and not outer then outer = name end
  end
  for i = #names, 1, -1 do
    if user(names[i], runtime) then
      site = names[i]
      break
    end
  end
  entry = entry or outer
  if not entry or not site then return nil end
  local class = frames.wait_class(names, runtime)
  return { id = entry .. "\1" .. class .. "\1" .. site, entry = entry, site = site, class = class }
end

local function place_of(stack, name, from, to, step)
  for i = from, to, step do
    if stack[i] == name then return i end
  end
  return from
end

--- Names of a finding about a key: the entry function, with the path to where it waits.
---@param finding table
---@param key table
function goroutines.name(finding, key)
  local stack = key.stack
  finding.name, finding.raw = key.entry, nil
  finding.path = stack
  finding.node = place_of(stack, key.entry, 1, #stack, 1)
  finding.entry = finding.node
  local last = place_of(stack, key.site, #stack, 1, -1)
  finding.hot = table.move(stack, finding.node + 1, last, 1, {})
  finding.path = table.move(stack, 1, math.max(last, finding.node), 1, {})
  finding.wait = { class = key.class, site = key.site }
  local usual = USUAL[key.class]
  if usual then
    finding.notes = finding.notes or {}
    table.insert(finding.notes, key.class .. ": " .. usual)
  end
end

--- Crowds: so many goroutines of one key on one instance that it is a finding without a trend.
--- Ranked by the root mean square over instances, so that one bad instance of many stands out.
---@param findings table[]        those of the trend, to which these are added
---@param keys table<string, table>
---@param trees table
---@param options { blocked_threshold: integer }
function goroutines.crowds(findings, keys, trees, options)
  local known = {}
  for _, finding in ipairs(findings) do known[finding.name] = true end
  local ids, crowds = {}, {}
  for id in pairs(keys) do ids[#ids + 1] = id end
  table.sort(ids)
  for _, id in ipairs(ids) do
    local key, most, squares = keys[id], 0, 0
    for _, value in ipairs(key.values) do
      most, squares = math.max(most, value), squares + value * value
    end
    if most >= options.blocked_threshold and not known[id] and not USUAL[key.class] then
      crowds[#crowds + 1] = { id = id, most = most, rms = math.sqrt(squares / #key.values) }
    end
  end
  table.sort(crowds, function(a, b)
    if a.rms ~= b.rms then return a.rms > b.rms end
    return a.id < b.id
  end)
  for _, crowd in ipairs(crowds) do
    local values = keys[crowd.id].values
    findings[#findings + 1] = { name = crowd.id, kind = "leak", shape = "self",
      candidate = "flat", path = keys[crowd.id].stack, hot = {},
      before = { total = values[1] }, after = { total = values[#values] },
      delta = { abs = crowd.most, of_total = 1, rel = math.huge }, unit = "goroutines",
      persistence = { state = "unknown" }, values = values, confidence_cap = 0.79,
      blocks = { A = {}, B = {} },
      notes = { ("%.0f at one place of one instance"):format(crowd.most) } }
  end
  return trees
end

return goroutines
