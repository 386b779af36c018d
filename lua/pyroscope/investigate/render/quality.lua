--- How good the data of a report is, in labelled rows.

local quantity = require "pyroscope.investigate.quantity"
local units = require "pyroscope.units"
local words = require "pyroscope.investigate.render.words"

local quality = {}

local function pair(value, format)
  if type(value) ~= "table" then return nil end
  local a, b = value.A or value[1], value.B or value[2]
  if a == nil or b == nil then return a ~= nil and format(a) or b ~= nil and format(b) or nil end
  local x, y = format(a), format(b)
  return x == y and x or x .. " -> " .. y
end

--- Quality of the data: rows { label, text }.
---@param report pyroscope.report
---@return string[][]
function quality.rows(report)
  local q, rows = report.data_quality or {}, {}
  local function put(label, text) if text then rows[#rows + 1] = { label, text } end end
  local whole = function(v) return units.count(math.tointeger(v) or v) end
  put("partial", q.partial and "yes: some queries failed" or nil)
  put("profiles", pair(q.profiles, whole))
  put("instances", pair(q.instances, whole))
  put("raw samples", pair(q.samples, whole))
  put("coverage", pair(q.coverage, units.percent))
  put("truncated (other)", pair(q.other_share, units.percent))
  local groups = report.groups or {}
  put("runtime without user code", pair(groups.runtime, units.percent))
  put("profiler", pair(groups.profiler, units.percent))
  put("interval", q.interval_ms and units.span(q.interval_ms))
  put("counted from", q.counter_source)
  put("throttled at ingestion", q.throttled and "yes" or nil)
  local changed = q.profiler_changed
  put("profiler changed", type(changed) == "table" and ("%s: %s -> %s"):format(changed.label or "",
    changed.A or "", changed.B or "") or changed and tostring(changed) or nil)
  put("noise floor", q.noise_floor and quantity.text(q.noise_floor) .. " findings in A/A")
  for _, w in ipairs(q.warnings or {}) do put("warning", words.note(report, w)) end
  return rows
end

return quality
