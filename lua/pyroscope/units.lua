--- Numbers, times and labels for people (`pyroscope.fmt`). Machines get the raw values instead.

local timespec = require "pyroscope.timespec"

local units = {}

local function finite(value)
  return type(value) == "number" and value == value and value ~= math.huge and value ~= -math.huge
end


-- "1234567.8" with commas.
local function grouped(digits)
  local sign, whole, rest = digits:match "^(%-?)(%d+)(.*)$"
  local text = whole:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return sign .. text .. rest
end

-- At least one decimal, more where the number is small; `digits` fixes them.
local function decimal(value, digits)
  if digits then return grouped(("%." .. digits .. "f"):format(value)) end
  local size = math.abs(value)
  if size == 0 then return "0" end
  if size >= 0.095 then return grouped(("%.1f"):format(value)) end
  local places = 1 - math.floor(math.log(size, 10))
  return (("%." .. math.min(places, 12) .. "f"):format(value))
end

local function signed(text, value, options)
  return options and options.sign and value > 0 and "+" .. text or text
end

--- `41.0 cores`, short `41.0c`.
---@param cores number
---@param options? { short?: boolean, digits?: integer, fine?: boolean, sign?: boolean }
---@return string
function units.cores(cores, options)
  if not finite(cores) then return "-" end
  options = options or {}
  local digits = options.digits
  if digits and options.fine and cores ~= 0 then -- at least two that are not 0
    digits = math.max(digits, math.min(9, 1 - math.floor(math.log(math.abs(cores), 10) + 1e-12)))
  end
  local text = decimal(cores, digits) .. (options.short and "c" or " cores")
  return signed(text, cores, options)
end

local BINARY = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" }

--- `1.4 MiB`, `512 B`.
---@param bytes number
---@param options? { digits?: integer, sign?: boolean }
---@return string
function units.bytes(bytes, options)
  if not finite(bytes) then return "-" end
  local size, step = math.abs(bytes), 1
  while size >= 1023.95 and step < #BINARY do size, step = size / 1024, step + 1 end
  local negative = bytes < 0 and "-" or ""
  local digits = options and options.digits
  if step == 1 and not digits then
    digits = size == math.floor(size) and 0 or 1
  end
  return signed(negative .. ("%." .. (digits or 1) .. "f"):format(size) .. " " .. BINARY[step],
    bytes, options)
end

--- `1,842`; numbers that are not whole keep a decimal or two digits.
---@param count number
---@param options? { digits?: integer, sign?: boolean }
---@return string
function units.count(count, options)
  if not finite(count) then return "-" end
  local whole = math.tointeger(count)
  local text = whole and not (options and options.digits) and grouped(("%d"):format(whole))
    or decimal(count, options and options.digits)
  return signed(text, count, options)
end

-- 3600000 ms as "1h", 5400000 as "1h30m"; what is left below a second as ms.
local function compound(ms)
  local parts = {}
  for _, unit in ipairs { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" },
    { 1, "ms" } } do
    local n = ms // unit[1]
    if n > 0 then
      parts[#parts + 1] = ("%d%s"):format(n, unit[2])
      ms = ms - n * unit[1]
    end
  end
  return parts[1] and table.concat(parts) or "0s"
end

--- The length of a window: `1h`, `1h30m`, `15s`.
---@param ms integer
---@return string
function units.span(ms)
  if not finite(ms) then return "-" end
  ms = math.floor(ms + 0.5)
  return ms < 0 and "-" .. compound(-ms) or compound(ms)
end

--- Seconds as a measured time: `2.1 s`, `350 ms`, `12 µs`, `15 ns`; from a minute on `1h30m`.
---@param seconds number
---@param options? { sign?: boolean }
---@return string
function units.duration(seconds, options)
  if not finite(seconds) then return "-" end
  local size, text = math.abs(seconds), nil
  if size == 0 then
    text = "0 s"
  elseif size >= 59.95 then
    local whole = math.floor(size + 0.5) -- days and hours with the two largest parts
    if whole >= 3600 then whole = whole // 60 * 60 end
    text = compound(whole * 1000)
  else
    for _, unit in ipairs { { 1, "s" }, { 1e-3, "ms" }, { 1e-6, "µs" }, { 1e-9, "ns" } } do
      if size >= unit[1] * 0.9995 or unit[2] == "ns" then
        local n = size / unit[1]
        local whole = math.abs(n - math.floor(n + 0.5)) < 1e-9
        text = ((n >= 99.95 or whole) and "%.0f %s" or n >= 9.995 and "%.1f %s" or "%.2g %s")
          :format(n, unit[2])
        break
      end
    end
  end
  return signed(seconds < 0 and "-" .. text or text, seconds, options)
end

--- A share as `31.2%`; large changes without decimals; `-` for what cannot be told.
---@param share number?
---@param options? { sign?: boolean, digits?: integer }
---@return string
function units.percent(share, options)
  if not finite(share) then return "-" end
  local value = share * 100
  local digits = options and options.digits
  if not digits then digits = options and options.sign and math.abs(value) >= 99.95 and 0 or 1 end
  local text = ("%." .. digits .. "f"):format(value)
  if text:match "^%-[0.]+$" then text = text:sub(2) end
  return signed(text, value, options) .. "%"
end

-- The name of a zone as it is printed after a time.
local function zone_name(tz, ms)
  local offset = timespec.offset(tz, ms) or 0
  if tz == nil or tz:lower() == "utc" or tz == "Z" then return "UTC" end
  local minutes = math.abs(offset) // 60
  return ("%s%02d:%02d"):format(offset < 0 and "-" or "+", minutes // 60, minutes % 60)
end

local function pieces(ms, tz)
  local y, mo, d, h, mi, s, rest = timespec.civil(ms, timespec.offset(tz, ms) or 0)
  local clock = ("%02d:%02d"):format(h, mi)
  if s ~= 0 or rest ~= 0 then clock = ("%s:%02d"):format(clock, s) end
  if rest ~= 0 then clock = ("%s.%03d"):format(clock, rest) end
  return ("%04d-%02d-%02d"):format(y, mo, d), clock
end

--- A moment: `2026-11-20 14:05 UTC`; form "clock": `14:05`; "date": `2026-11-20`; "rfc3339".
---@param ms integer
---@param options? { tz?: string, form?: "full"|"clock"|"date"|"rfc3339" }
---@return string
function units.time(ms, options)
  if not finite(ms) then return "-" end
  options = options or {}
  ms = math.floor(ms)
  local date, clock = pieces(ms, options.tz)
  if options.form == "clock" then return clock end
  if options.form == "date" then return date end
  if options.form == "rfc3339" then
    local zone = zone_name(options.tz, ms)
    local seconds = #clock == 5 and ":00" or ""
    return date .. "T" .. clock .. seconds .. (zone == "UTC" and "Z" or zone)
  end
  return ("%s %s %s"):format(date, clock, zone_name(options.tz, ms))
end

--- A window: `14:00-15:00 UTC (1h)`; with dates unless it lies within the day of `now_ms`.
---@param from_ms integer
---@param to_ms integer
---@param options? { tz?: string, now_ms?: integer, length?: boolean }
---@return string
function units.window(from_ms, to_ms, options)
  options = options or {}
  local date, from = pieces(from_ms, options.tz)
  local end_date, to = pieces(to_ms, options.tz)
  local today = pieces(options.now_ms or to_ms, options.tz)
  local text
  if date == end_date and date == today and options.now_ms then
    text = from .. "-" .. to
  elseif date == end_date then
    text = ("%s %s-%s"):format(date, from, to)
  else
    text = ("%s %s to %s %s"):format(date, from, end_date, to)
  end
  text = text .. " " .. zone_name(options.tz, to_ms)
  if options.length == false then return text end
  return ("%s (%s)"):format(text, units.span(to_ms - from_ms))
end

--- `{a=b, c=d}`, sorted by name.
---@param labels table<string, string>
---@return string
function units.labels(labels)
  local parts = {}
  for name, value in pairs(labels) do parts[#parts + 1] = name .. "=" .. value end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

local SECONDS = { nanoseconds = 1e-9, microseconds = 1e-6, milliseconds = 1e-3, seconds = 1 }

--- How many seconds a unit of time is; nil for other units.
---@param unit string?
---@return number?
function units.seconds(unit)
  return SECONDS[unit]
end

---@class pyroscope.fmt.what
---@field unit? string            sample unit
---@field kind? "flow"|"stock"
---@field class? string           of types.lua; "cpu" is shown in cores
---@field seconds? number         length of the window: a flow becomes a rate
---@field whole? number           the total, for force = "%"
---@field force? "cores"|"%"|"s"|"bytes"|"raw"
---@field short? boolean
---@field digits? integer
---@field fine? boolean            of cores: more digits where one alone needs them
---@field sign? boolean

--- A value of a profile by its unit: CPU in cores, other times as durations, bytes, counts; flows
--- per second where the window's length is given.
---@param value number
---@param what pyroscope.fmt.what
---@return string
function units.value(value, what)
  if not finite(value) then return "-" end
  local factor = SECONDS[what.unit]
  local force = what.force
  if force == "raw" then
    return math.type(value) == "integer" and ("%d"):format(value) or ("%.17g"):format(value)
  end
  if force == "%" then
    return units.percent(what.whole and what.whole ~= 0 and value / what.whole or nil, what)
  end
  if force == "bytes" and not factor then return units.bytes(value, what) end
  local rate = what.kind ~= "stock" and what.seconds and what.seconds > 0 and what.seconds or nil
  if factor then
    if force == "s" then
      return signed(decimal(value * factor, what.digits or 1) .. " s", value, what)
    end
    if (what.class == "cpu" or force == "cores") and rate then
      return units.cores(value * factor / rate, what)
    end
    if what.class == "cpu" then
      return signed(decimal(value * factor):gsub("%.0$", "") .. " core-s", value, what)
    end
    return units.duration(value * factor / (rate or 1), what) .. (rate and "/s" or "")
  end
  local text
  if what.unit == "bytes" then
    text = units.bytes(value / (rate or 1), what)
  else
    text = units.count(rate and value / rate or value, what)
  end
  return text .. (rate and "/s" or "")
end

--- How many decimals cores have, so that all of a table have as many and add up by eye.
---@param cores number   the largest
---@return integer
function units.digits(cores)
  if cores >= 10 or cores <= 0 then return 1 end
  return math.min(9, 2 - math.floor(math.log(cores, 10) + 1e-12))
end

return units
