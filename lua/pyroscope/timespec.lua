--- Times and durations as people write them, and the windows made of them.

local errors = require "pyroscope.errors"

local timespec = {}

local SECOND = 1000
local DAY = 86400 * SECOND
local UNITS = {
  ms = 1, s = SECOND, m = 60 * SECOND, h = 3600 * SECOND, d = DAY, w = 7 * DAY,
  M = 30 * DAY, y = 365 * DAY,
}
local HOUR = UNITS.h
-- Beyond this no clock goes; sums and differences of two such numbers stay exact.
local FARTHEST = 1 << 53

local HINT = "a time is now, -1h, now-1h30m, 14:05, 2026-11-20T14:05:00Z, or seconds, ms, µs or ns "
  .. "since 1970; units are s m h d w M y"
local DURATION_HINT = "a duration is 30s, 15m, 1h30m, 2d; units are ms s m h d w M y"

local function usage(message, hint)
  return nil, errors.new { kind = "usage", message = message, hint = hint }
end

-- Milliseconds of "1h30m", "1.5h"; nil when it is none.
local function span(text)
  local total, at = 0, 1
  while at <= #text do
    local number, unit, after = text:match("^(%d+%.?%d*)(%a+)()", at)
    local factor = UNITS[unit]
    if not factor then return nil end
    local value = tonumber(number) * factor
    if value > FARTHEST then return nil end
    total, at = total + math.floor(value + 0.5), after
  end
  return at > 1 and total <= FARTHEST and math.tointeger(total) or nil
end

--- A duration such as `1h30m` in milliseconds; a plain number is seconds.
---@param text string|number
---@return integer? ms
---@return pyroscope.error? err
function timespec.duration(text)
  local ms
  if type(text) == "number" then
    local scaled = text * 1000 + 0.5
    if scaled == scaled and scaled >= 0 and scaled < FARTHEST then ms = math.floor(scaled) end
  else
    ms = span(text)
  end
  if not ms or ms <= 0 then
    return usage(("'%s' is not a duration"):format(tostring(text)), DURATION_HINT)
  end
  return ms
end

-- Days since 1970-01-01 of a date of the Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = year // 400
  local of_era = year - era * 400
  local of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

local LENGTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function valid_date(year, month, day)
  if month < 1 or month > 12 or day < 1 then return false end
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return day <= LENGTHS[month] + (month == 2 and leap and 1 or 0)
end

--- Year, month, day, hour, minute, second, millisecond of a time at an offset in seconds.
---@param ms integer
---@param offset? integer
---@return integer year
---@return integer month
---@return integer day
---@return integer hour
---@return integer minute
---@return integer second
---@return integer millisecond
function timespec.civil(ms, offset)
  ms = ms + (offset or 0) * SECOND
  local z = ms // DAY + 719468
  local era = z // 146097
  local of_era = z - era * 146097
  local year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year + year // 4 - year // 100)
  local shifted = (5 * of_year + 2) // 153
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local rest = ms % DAY
  return year + era * 400 + (month <= 2 and 1 or 0), month, of_year - (153 * shifted + 2) // 5 + 1,
    rest // HOUR, rest // 60000 % 60, rest // SECOND % 60, rest % SECOND
end

--- Offset from UTC in seconds of `utc`, `local` or `+02:00` at a moment.
---@param tz? string
---@param ms? integer
---@return integer? seconds
---@return pyroscope.error? err
function timespec.offset(tz, ms)
  if tz == nil or tz:lower() == "utc" or tz == "Z" then return 0 end
  if tz:lower() == "local" then
    local at = (ms or timespec.now()) // SECOND
    local there = os.date("*t", at) --[[@as osdate]]
    return days(there.year, there.month, there.day) * 86400 + there.hour * 3600
      + there.min * 60 + there.sec - at
  end
  local sign, hours, minutes = tz:match "^([+-])(%d%d):?(%d%d)$"
  if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then
    return usage(("'%s' is not a time zone"):format(tz),
      "use utc, local or an offset such as +02:00; names of zones are not read")
  end
  local seconds = math.tointeger(hours) * 3600 + math.tointeger(minutes) * 60
  return sign == "-" and -seconds or seconds
end

--- The clock, in milliseconds.
---@return integer
function timespec.now()
  return os.time() * SECOND
end

-- Whole milliseconds of ".25"; more digits are cut.
local function thousandths(fraction)
  return math.tointeger(tonumber((fraction:sub(2) .. "000"):sub(1, 3)))
end

-- Seconds, ms, µs or ns by the number of digits; a fraction only of seconds.
local function epoch(text)
  local whole, fraction = text:match "^(%d+)(%.?%d*)$"
  if not whole or fraction == "." then return nil end
  if whole:match "^0+$" and fraction == "" then return 0 end
  local digits = #whole
  local value = math.tointeger(whole)
  if not value then return nil end
  if fraction ~= "" then
    if digits > 11 then return nil end
    return value * SECOND + thousandths(fraction)
  end
  if digits >= 9 and digits <= 11 then return value * SECOND end
  if digits >= 12 and digits <= 14 then return value end
  if digits >= 15 and digits <= 17 then return value // 1000 end
  if digits >= 18 and digits <= 19 then return value // 1000000 end
  return nil
end

-- A date, a moment of RFC 3339: milliseconds, or nil and why not.
local function moment(text, tz, ending)
  local y, mo, d, rest = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$"
  if not y then return nil end
  y, mo, d = math.tointeger(y), math.tointeger(mo), math.tointeger(d)
  if not valid_date(y, mo, d) then return nil, "there is no such day" end
  local day = days(y, mo, d) * DAY
  if rest == "" then -- the whole day: an end is the end of it
    if ending then day = day + DAY end
    return day - (timespec.offset(tz, day) or 0) * SECOND
  end
  local h, mi, after = rest:match "^[Tt ](%d%d):(%d%d)(.*)$"
  if not h then return nil end
  local seconds, fraction, zone = "00", "", after
  if after:sub(1, 1) == ":" then
    seconds, fraction, zone = after:match "^:(%d%d)(%.?%d*)(.*)$"
    if not seconds or fraction == "." then return nil end
  end
  if zone == "" then return nil, "it has no zone: add Z or an offset such as +02:00" end
  local offset = timespec.offset(zone == "z" and "Z" or zone)
  if not zone:match "^[Zz+-]" or not offset then return nil end
  h, mi = math.tointeger(h), math.tointeger(mi)
  local s = math.tointeger(seconds)
  if h > 23 or mi > 59 or s > 60 then return nil, "there is no such time of day" end
  return day + h * HOUR + mi * 60000 + s * SECOND + thousandths(fraction) - offset * SECOND
end

-- 14:05 or 14:05:30: the last one that is not in the future.
local function clock(text, now, tz)
  local h, m, s = text:match "^(%d%d?):(%d%d):?(%d*)$"
  if not h or (#s ~= 0 and #s ~= 2) or text:sub(-1) == ":" then return nil end
  h, m, s = math.tointeger(h), math.tointeger(m), math.tointeger(s == "" and "0" or s)
  if h > 23 or m > 59 or s > 59 then return nil, "there is no such time of day" end
  local offset = (timespec.offset(tz, now) or 0) * SECOND
  local there = now + offset
  local at = there - there % DAY + h * HOUR + m * 60000 + s * SECOND
  if at > there then at = at - DAY end
  return at - offset
end

--- Reads a time; the result is milliseconds since epoch.
---@param text string|integer
---@param options? { now_ms?: integer, tz?: string, ending?: boolean }  ending: a date means its end
---@return integer? ms
---@return pyroscope.error? err
function timespec.parse(text, options)
  options = options or {}
  if type(text) == "number" then
    text = math.type(text) == "integer" and tostring(text) or ("%.3f"):format(text)
  end
  local now = options.now_ms or timespec.now()
  local trimmed = text:match "^%s*(.-)%s*$"
  local _, bad = timespec.offset(options.tz)
  if bad then return nil, bad end
  if trimmed == "now" then return now end
  local sign, length = trimmed:match "^now%s*([+-])%s*(.+)$"
  if not sign then sign, length = trimmed:match "^([+-]?)(%d.*)$" end
  local distance = length and span(length)
  if distance then return sign == "+" and now + distance or now - distance end
  local ms, why = epoch(trimmed)
  if not ms then ms, why = moment(trimmed, options.tz, options.ending) end
  if not ms and not why then ms, why = clock(trimmed, now, options.tz) end
  if ms then return ms end
  return usage(("'%s' is not a time%s"):format(text, why and ": " .. why or ""), HINT)
end

local function show(ms)
  local y, mo, d, h, mi, s, rest = timespec.civil(ms)
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(y, mo, d, h, mi, s,
    rest ~= 0 and (".%03d"):format(rest) or "")
end

--- RFC 3339 in UTC, with milliseconds only where there are any.
---@param ms integer
---@return string
function timespec.rfc3339(ms)
  return show(ms)
end

--- A window from `from`, `to`, `since` (or `from_ms`, `to_ms`); what is missing comes from the
--- source's defaults: its own window, else the last hour.
---@param options pyroscope.window
---@param defaults? pyroscope.defaults
---@return { from_ms: integer, to_ms: integer, windowed: boolean }? window
---@return pyroscope.error? err
function timespec.window(options, defaults)
  defaults = defaults or {}
  local now = options.now_ms or defaults.now_ms or timespec.now()
  local reading = { now_ms = now, tz = options.tz }
  local from, to, err = options.from_ms, options.to_ms
  if options.since ~= nil and (options.from ~= nil or options.from_ms) then
    return usage("a window has a start or a length, not both",
      "give either since (counted back from the end) or from")
  end
  if options.to ~= nil then
    to, err = timespec.parse(options.to, { now_ms = now, tz = options.tz, ending = true })
    if not to then return nil, err end
  end
  if options.from ~= nil then
    from, err = timespec.parse(options.from, reading)
    if not from then return nil, err end
  end
  local windowed = from ~= nil or to ~= nil or options.since ~= nil
  if options.since ~= nil then
    local length
    length, err = timespec.duration(options.since)
    if not length then return nil, err end
    to = to or now
    from = to - length
  elseif not windowed and defaults.from_ms and defaults.to_ms then
    from, to = defaults.from_ms, defaults.to_ms
  end
  to = to or math.max(now, defaults.to_ms or now)
  if not from then
    from = defaults.from_ms
    if not from or from >= to then from = to - HOUR end
  end
  if from >= to then
    return usage(("the window ends before it starts: %s to %s"):format(show(from), show(to)),
      "swap from and to, or give a length with since")
  end
  if math.abs(from) > FARTHEST or math.abs(to) > FARTHEST then
    return usage("the window lies outside of any calendar", HINT)
  end
  return { from_ms = from, to_ms = to, windowed = windowed }
end

--- A window written as one word: `-2h..-1h`.
---@param text string
---@param options? { now_ms?: integer, tz?: string }
---@return { from_ms: integer, to_ms: integer, windowed: boolean }? window
---@return pyroscope.error? err
function timespec.range(text, options)
  local from, to = text:match "^(.-)%.%.(.+)$"
  if not from or from == "" then
    return usage(("'%s' is not a window"):format(text), "write FROM..TO, as in -2h..-1h")
  end
  options = options or {}
  return timespec.window { from = from, to = to, now_ms = options.now_ms, tz = options.tz }
end

return timespec
