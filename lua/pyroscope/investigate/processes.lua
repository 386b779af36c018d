--- Which processes there are on the sides of a design: restarts, replaced and young ones. Windows
--- of one process share its luck, so a test has to know.

local history = require "pyroscope.investigate.history"
local subjects = require "pyroscope.investigate.subject"
local survey = require "pyroscope.investigate.survey"
local types = require "pyroscope.types"
local windows = require "pyroscope.investigate.windows"

local processes = {}

local MINUTE = 60000

local function same(a, b)
  if #a ~= #b then return false end
  for i, value in ipairs(a) do
    if b[i] ~= value then return false end
  end
  return true
end

-- A series of a stock by instance: the clock by which restarts are seen.
local LIVENESS = { "live_bytes", "goroutine", "live_objects" }

--- A survey of a stock, by which restarts are seen where the subject is a flow; nil without one.
---@return pyroscope.survey?
function processes.liveness(source, subject, range, options)
  if subject.kind == "stock" then return nil end
  for _, class in ipairs(LIVENESS) do
    local id = types.resolve(class, subject.all)
    if id and types.kind(id) == "stock" then
      local stock = subjects.complete { selector = subject.selector, type = id, all = subject.all }
      return survey.of(source, stock, range, options)
    end
  end
end

--- Adds the restarts of every instance of a survey to a quality.
---@param quality pyroscope.quality
---@param found pyroscope.survey
function processes.restarts(quality, found)
  for _, name in ipairs(found.names) do
    local list = history.restarts(found.instances[name].points, found.interval_ms)
    for _, restart in ipairs(list) do
      table.insert(quality.restarts, { instance = name, time_ms = restart.time_ms,
        reason = restart.reason })
    end
  end
end

-- Was every instance silent at once between the sides? Then all of them were replaced, or nothing
-- is known of what happened: windows of one side then share what those of the other do not.
local function silence_between(found, a, b)
  local from, to = (a.from_ms + a.to_ms) // 2, (b.from_ms + b.to_ms) // 2
  local before, first
  local times = survey.times(found, { from_ms = a.from_ms, to_ms = b.to_ms })
  for _, time in ipairs(times) do
    local gap = before and time - before - found.step_ms or 0
    if gap >= 3 * math.max(found.interval_ms, found.step_ms) and before >= from and time <= to then
      first = time
    end
    before = time
  end
  return first ~= nil
end

--- Are the processes of one side others than those of the other: by version, by instance, by
--- restarts between, or by a silence of all of them?
---@param quality pyroscope.quality
---@param found pyroscope.survey
---@param design pyroscope.design
---@return boolean
function processes.fresh(quality, found, design)
  if design.paired or #design.A == 0 or #design.B == 0 then return false end
  local a, b = windows.hull(design.A), windows.hull(design.B)
  if not same(quality.versions.A, quality.versions.B) then return true end
  local names = quality.instance_names
  if #names.A > 0 and #names.B > 0 and not same(names.A, names.B) then
    local before, kept = {}, 0
    for _, name in ipairs(names.A) do before[name] = true end
    for _, name in ipairs(names.B) do kept = kept + (before[name] and 1 or 0) end
    if kept < math.max(#names.A, #names.B) / 2 then return true end
  end
  local restarted, seen = 0, {}
  for _, restart in ipairs(quality.restarts) do
    local between = restart.time_ms > a.to_ms - 2 * found.step_ms
      and restart.time_ms <= b.from_ms + 2 * math.max(found.interval_ms, found.step_ms)
    if between and not seen[restart.instance] then
      seen[restart.instance], restarted = true, restarted + 1
    end
  end
  if restarted > 0 and restarted >= #names.B / 2 then return true end
  if found.pieces then return false end
  return silence_between(found, a, b)
end

local function warmup_of(options)
  if not options.warmup then return 10 * MINUTE end
  return require "pyroscope.timespec".duration(options.warmup) or 10 * MINUTE
end

--- Instances that are younger than others of the second side, and whether all are: then none can be
--- left out.
---@param found pyroscope.survey
---@param b pyroscope.investigate.window   the hull of side B
---@param options table
---@return string[] young
---@return integer? all_young   the age in ms that none has
function processes.young(found, b, options)
  local warmup_ms = warmup_of(options)
  local young, old = {}, 0
  if found.pieces then return young end
  for _, name in ipairs(found.names) do
    local first = found.instances[name].first_ms
    -- who was there from the first point on is of unknown age
    local later = first > found.from_ms + 2 * math.max(found.interval_ms, found.step_ms)
    if first < b.to_ms then
      if later and b.from_ms - first < warmup_ms then
        young[#young + 1] = name
      elseif found.instances[name].last_ms > b.from_ms then
        old = old + 1
      end
    end
  end
  if #young > 0 and old == 0 then
    return {}, warmup_ms
  end
  return young
end

return processes
