--- Two phases cut into replicates, by what a survey of them tells.

local survey = require "pyroscope.investigate.survey"
local timespec = require "pyroscope.timespec"
local windows = require "pyroscope.investigate.windows"

local phases = {}

--- Blocks and days of an effort.
phases.efforts = { quick = { K = 1, D = 1 }, standard = { K = 8, D = 5 },
  deep = { K = 16, D = 7 } }

--- Milliseconds of an option that was checked before.
function phases.duration(value, default)
  if value == nil then return default end
  return assert(timespec.duration(value)) -- options were checked before
end

--- Blocks and days of the effort that options ask for.
---@return { K: integer, D: integer }
function phases.effort(options)
  return phases.efforts[options.effort or "standard"]
end

--- How long a phase is, at most: K blocks of 5 minutes; where nothing is cut, as long as that.
---@param options table
---@return integer ms
function phases.reach(options)
  local K = phases.effort(options).K
  if K == 1 then K = phases.efforts.standard.K end
  return K * phases.duration(options.block, 300000)
end

--- How a survey says to cut two phases: the interval, the times of few profiles.
function phases.cutting(found, A, B, options)
  local how = { K = phases.effort(options).K, interval_ms = found.known_interval
    and found.interval_ms or nil, times = {}, per_instance = {} }
  if options.block then how.block_ms = phases.duration(options.block) end
  for side, window in pairs { A = A, B = B } do
    local by_instance, total = survey.count(found, { window })
    local count = 0
    for _ in pairs(by_instance) do count = count + 1 end
    how.times[side] = survey.times(found, window)
    how.per_instance[side] = count > 0 and total / count or nil
  end
  return how
end

--- Blocks of a captured bundle are the windows that were captured: no part of them can be told.
---@param source pyroscope.source
---@param subject { type: string }
---@param window pyroscope.investigate.window
---@param touching? boolean   those that only overlap the window too
---@return pyroscope.investigate.window[]?
function phases.captured(source, subject, window, touching)
  local list = {}
  for _, request in ipairs(source.capture and source.capture.requests or {}) do
    local fits = request.from_ms >= window.from_ms and request.to_ms <= window.to_ms
    if touching then
      fits = request.from_ms < window.to_ms and request.to_ms > window.from_ms
    end
    if fits and request.what == "profile" and request.profile_type == subject.type
        and (request.status == "ok" or request.status == "no_data") then
      local block = { from_ms = request.from_ms, to_ms = request.to_ms }
      block.labels, block.selector = window.labels, window.selector
      list[#list + 1] = block
    end
  end
  table.sort(list, function(a, b) return a.from_ms < b.from_ms end)
  return #list > 0 and list or nil
end

--- The same design in windows that a captured bundle has.
function phases.of_capture(source, subject, made)
  if not source.capture then return made end
  for _, side in ipairs { "A", "B" } do
    local hull = made.phases and made.phases[side] or windows.hull(made[side])
    hull.selector = made[side][1].selector
    -- versions that follow each other are told apart by time: a captured window has no label
    hull.labels = made.change_source ~= "versions" and made[side][1].labels or nil
    made[side] = phases.captured(source, subject, hull) or made[side]
  end
  local K = math.min(#made.A, #made.B)
  if K == 1 then made.name, made.unit = "quick", "window" else made.unit = "block" end
  return made
end

--- Two phases as a design: blocks, cut by what a survey of them tells.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param A pyroscope.investigate.window
---@param B pyroscope.investigate.window
---@param options table
---@param more? { at_ms?: integer, change_source?: string }
---@return pyroscope.design? design
---@return pyroscope.error? err
function phases.of(source, subject, A, B, options, more)
  A, B = windows.align(A), windows.align(B)
  local range = windows.hull({ A }, { B })
  local found, err = survey.of(source, subject, range, options)
  if not found then return nil, err end
  local how = phases.cutting(found, A, B, options)
  how.at_ms, how.change_source = more and more.at_ms, more and more.change_source
  return phases.of_capture(source, subject, windows.given(A, B, how))
end

return phases
