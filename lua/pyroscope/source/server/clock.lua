--- How far a server's clock is from ours, by the Date of its answers.

local clock = {}

local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9,
  Oct = 10, Nov = 11, Dec = 12 }

--- "Sun, 06 Nov 1994 08:49:37 GMT" as seconds since 1970; nil for anything else.
---@param text? string
---@return integer? seconds
function clock.date(text)
  local day, name, year, h, m, s =
    (text or ""):match "^%a+, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$"
  local y, month = math.tointeger(year), MONTHS[name]
  if not month then return nil end
  if month <= 2 then y, month = y - 1, month + 12 end
  local days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * (month - 3) + 2) // 5
    + math.tointeger(day) - 719469
  return days * 86400 + math.tointeger(h) * 3600 + math.tointeger(m) * 60 + math.tointeger(s)
end

--- Takes the Date of an answer into account. A date has whole seconds and was set at some time
--- between sending and receiving: every answer narrows the difference down.
---@param known? { low: integer, high: integer }   milliseconds that the server may be ahead
---@param headers table<string, string>
---@param sent_ms integer         our clock
---@param received_ms integer
---@return { low: integer, high: integer }? known
function clock.narrow(known, headers, sent_ms, received_ms)
  local seconds = not headers.age and clock.date(headers.date) -- a cache's date is old
  if not seconds then return known end
  local low, high = seconds * 1000 - received_ms, seconds * 1000 + 999 - sent_ms
  if known then
    local both = { low = math.max(low, known.low), high = math.min(high, known.high) }
    -- several servers behind one address need not agree: the last one counts
    if both.low <= both.high then return both end
  end
  return { low = low, high = high }
end

--- Milliseconds that the server's clock is ahead of ours (behind: below zero), at least; zero where
--- they may agree.
---@param known? { low: integer, high: integer }
---@return integer? ms
function clock.skew(known)
  if not known then return nil end
  if known.low > 0 then return known.low end
  if known.high < 0 then return known.high end
  return 0
end

return clock
