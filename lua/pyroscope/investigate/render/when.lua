--- Since when, and which windows were compared.

local units = require "pyroscope.units"

local when = {}

local SOURCE = { change_point = "change point", given = "as given", versions = "versions" }

local function hull(list)
  local from, to
  for _, w in ipairs(list or {}) do
    if w.from_ms then from = math.min(from or w.from_ms, w.from_ms) end
    if w.to_ms then to = math.max(to or w.to_ms, w.to_ms) end
  end
  return from, to
end

-- One side: `13:20-14:00 UTC`, with the date where the sides do not share the day of `day_ms`.
local function side(design, name, tz, day_ms, trend)
  local list = design[name] or {}
  local from, to = hull(list)
  if not from then return nil end
  local length = list[1].to_ms and list[1].from_ms and list[1].to_ms - list[1].from_ms
  local text = units.window(from, to, { tz = tz, now_ms = day_ms, length = #list < 2 })
  if trend then
    local r = design.replicates or {}
    local n = math.max(r.A or 0, r.B or 0)
    local span = ("%s (%s)"):format(text:gsub(" %b()$", ""), units.span(to - from))
    return n > 0 and ("%s, %d process%s"):format(span, n, n == 1 and "" or "es") or span
  end
  if #list < 2 then return text end
  if length and length == to - from then
    return ("%s, %d %ss"):format(text, #list, design.unit or "window")
  end
  return ("%s, %d x %s"):format(text, #list, units.span(length))
end

-- The version before and after, where it changed.
local function versions(report)
  local v = report.design.versions
  if v then return v.from or v[1], v.to or v[2] end
  v = report.data_quality and report.data_quality.versions
  if v and v.A and v.B and #v.A > 0 and #v.B > 0 then
    local a, b = table.concat(v.A, ","), table.concat(v.B, ",")
    if a ~= b then return a, b end
  end
end

--- When it began, or what was compared; one sentence a row.
---@param report pyroscope.report
---@param options? { tz?: string }
---@return string[]
function when.lines(report, options)
  local design, tz = report.design, options and options.tz
  local lines = {}
  if not design then return lines end
  local named = design.at_ms and design.change_source ~= "none"
  if named then
    local why = {}
    local from, to = versions(report)
    if SOURCE[design.change_source] and not (from and design.change_source == "versions") then
      why[1] = SOURCE[design.change_source]
    end
    if from then why[#why + 1] = ("version %s -> %s"):format(from, to) end
    if design.change_note then why[#why + 1] = design.change_note end
    lines[1] = "since " .. units.time(design.at_ms, { tz = tz })
      .. (#why > 0 and " (" .. table.concat(why, "; ") .. ")" or "")
  end
  local trend = design.name == "trend"
  -- the date is said once: by the line above, or before both sides
  local day, date = named and design.at_ms or nil, nil
  if not day and design.unit ~= "day" and hull(design.A) and hull(design.B) then
    day = hull(design.B)
    date = units.time(day, { tz = tz, form = "date" })
    if units.time(hull(design.A), { tz = tz, form = "date" }) ~= date then day, date = nil, nil end
  end
  local a = side(design, "A", tz, day, trend)
  local b = side(design, "B", tz, day, trend)
  if a and b and design.unit == "day" and #design.A > 1 then
    lines[#lines + 1] = ("%s against the same time of %d earlier days"):format(b, #design.A)
  elseif a and b then
    -- said once where both sides are cut alike
    local cut = a:match "(, %d+ x %w+)$" or a:match "(, %d+ %a+s)$"
    if cut and b:sub(-#cut) == cut then a = a:sub(1, -#cut - 1) b = b .. " each" end
    if a:find " UTC$" and b:find " UTC" then a = a:sub(1, -5) end
    lines[#lines + 1] = ("%sbefore %s, after %s"):format(date and date .. " " or "", a, b)
  elseif a or b then
    lines[#lines + 1] = "window " .. (a or b)
  end
  return lines
end

return when
