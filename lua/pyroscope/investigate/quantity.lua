--- What the values of a report are: the unit in which a class is shown, how values of samples
--- become it, how a value is written.

local types = require "pyroscope.types"
local units = require "pyroscope.units"

local quantity = {}

-- Units of report values by class. Flows of time are time per time: cores, or how many wait.
local of_class = {
  cpu = "cores", wall = "threads", live_bytes = "bytes", live_objects = "objects",
  alloc_bytes = "bytes/s", alloc_objects = "objects/s", goroutine = "goroutines",
  goroutine_leak = "goroutines", mutex_delay = "waiters", block_delay = "waiters",
  mutex_count = "contentions/s", block_count = "waits/s", exceptions = "exceptions/s",
}

--- The unit in which values of a subject are reported.
---@param subject { class?: string, kind?: string, unit?: string, type?: string }
---@return string
function quantity.unit(subject)
  local class = subject.class or subject.type and types.class(subject.type)
  if of_class[class] then return of_class[class] end
  local unit = subject.unit or "count"
  if units.seconds(unit) then unit = "seconds" end
  return subject.kind == "stock" and unit or unit .. "/s"
end

-- Length of what a set of windows covers, and the sum of their lengths, in seconds.
local function lengths(windows)
  local spans, sum = {}, 0
  for _, w in ipairs(windows) do
    if w.from_ms and w.to_ms then
      spans[#spans + 1] = { w.from_ms, w.to_ms }
      sum = sum + (w.to_ms - w.from_ms) / 1000
    end
  end
  table.sort(spans, function(a, b) return a[1] < b[1] end)
  local covered, upto = 0, -math.huge
  for _, span in ipairs(spans) do
    local from = math.max(span[1], upto)
    if span[2] > from then
      covered = covered + (span[2] - from) / 1000
      upto = span[2]
    end
  end
  return covered, sum, #spans
end

--- What a mean value per sample is multiplied with to be in the report's unit: flows become rates
--- of the whole service (samples of instances side by side add up), stocks values per profile.
---@param subject table
---@param design { A?: table[], B?: table[] }
---@param counts? { profiles?: table<string, number>, n?: table<string, number> }
---@return { A: number, B: number }? factors  nil: cannot be told
function quantity.factors(subject, design, counts)
  local factors = {}
  for _, side in ipairs { "A", "B" } do
    local windows = design and design[side] or {}
    if subject.kind == "stock" then
      local profiles = counts and counts.profiles and counts.profiles[side]
      local n = counts and counts.n and counts.n[side] or #windows
      if not profiles or profiles == 0 or n == 0 then return nil end
      factors[side] = n / profiles
    else
      local covered, sum, n = lengths(windows)
      if covered <= 0 then return nil end
      factors[side] = n / covered * (units.seconds(subject.unit) or 1)
      if sum <= 0 then return nil end
    end
  end
  return factors
end

local function cores(value, options, word)
  local size = math.abs(value)
  if size > 0 and size < 0.00095 then
    local text = ("%.2g"):format(value):gsub("e%-0*", "e-")
    if options.sign and value > 0 then text = "+" .. text end
    return word and text .. " " .. word or text
  end
  local digits = size >= 99.95 and 0 or size >= 9.995 and 1 or size >= 0.095 and 2 or nil
  local text = units.cores(value, { digits = digits, sign = options.sign, short = true })
  return text:gsub("c$", word ~= "" and " " .. word or "")
end

-- Small numbers keep two digits, whole ones none.
local function count(value, options, word)
  local size = math.abs(value)
  if size > 0 and size < 0.00095 then
    local text = ("%.2g"):format(value):gsub("e%-0*", "e-")
    if options.sign and value > 0 then text = "+" .. text end
    return word and text .. " " .. word or text
  end
  local digits = size >= 99.95 and 0 or size >= 0.995 and 1 or size >= 0.0995 and 2 or nil
  local whole = math.tointeger(value)
  local text = units.count(whole or value, { sign = options.sign,
    digits = not whole and digits or nil })
  return word and text .. " " .. word or text
end

local plain = {
  text = function(v) return tostring(v) end,
  cores = function(v, o) return (cores(v, o, o.bare and "" or "cores")) end,
  threads = function(v, o) return (cores(v, o, o.bare and "" or "threads")) end,
  bytes = function(v, o) return units.bytes(v, o) end,
  seconds = function(v, o) return units.duration(v, o) end,
  hours = function(v) return units.duration(v * 3600) end,
  share = function(v, o) return units.percent(v, o) end,
  ratio = function(v) return ("x%.2f"):format(v) end,
  time_ms = function(v, o) return units.time(v, o) end,
  span_ms = function(v) return units.span(v) end,
  waiters = function(v, o) return count(v, o, not o.bare and "waiters" or nil) end,
}
plain.percent = plain.share

--- A value as a person reads it.
---@param value any
---@param unit? string            "cores", "bytes", "bytes/s", "waiters", "share", "time_ms", ...
---@param options? { sign?: boolean, bare?: boolean, tz?: string }
---@return string
function quantity.text(value, unit, options)
  options = options or {}
  if value == nil then return "" end
  if type(value) == "boolean" then return value and "yes" or "no" end
  if type(value) == "table" then
    local parts = {}
    for i, item in ipairs(value) do parts[i] = quantity.text(item, unit, options) end
    return table.concat(parts, ", ")
  end
  if type(value) ~= "number" then return tostring(value) end
  if value ~= value or value == math.huge or value == -math.huge then return "-" end
  if plain[unit] then return plain[unit](value, options) end
  local base = unit and unit:match "^(.+)/s$"
  if base and plain[base] then return plain[base](value, options) .. "/s" end
  if not unit or unit == "" or unit == "count" then return count(value, options) end
  return count(value, options, not options.bare and unit or nil)
end

--- The part of a name that people say: without the path of its package or module.
---@param name string
---@return string
function quantity.short(name)
  if name == "" then return "(no name)" end
  local head = name:match "^[^%(%[<{ ]*" -- a path stands before brackets and arguments
  local at = head:match "^.*()/"
  if at and at < #name then return name:sub(at + 1) end
  local class = name:match "^%l[%w_]*%.[%w_%.]-(%u[%w_$]*[%.:].+)$" -- Java, Kotlin, C#
  return class or name
end

return quantity
