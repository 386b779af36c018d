--- Draws a flame graph of character cells: boxes of `profile:cells`, as lines of text.

local screens = require "pyroscope.cli.screen"
local units = require "pyroscope.units"

local flame = {}

--- The last part of a text that fits into so many columns, and how many it takes.
---@param text string
---@param columns integer
---@return string
---@return integer
function flame.tail(text, columns)
  local at = #text + 1
  local used = 0
  while at > 1 do
    local before = utf8.offset(text, -1, at)
    local width = screens.width(text:sub(before, at - 1))
    if used + width > columns then break end
    used, at = used + width, before
  end
  -- a mark whose letter was cut off would sit on what stands before it
  while at <= #text do
    local after = utf8.offset(text, 2, at)
    if screens.width(text:sub(at, after - 1)) > 0 then break end
    at = after
  end
  return text:sub(at), used
end

--- The text of a box of so many columns: a rule, the sign of a change, the name (its last part
--- where it does not fit, none below three letters), its share where there is room, then dots (or
--- what else fills it).
---@param name string      printable
---@param share? string
---@param columns integer
---@param rule string
---@param fill? string
---@param sign? string     "+", "-", "*"
---@return string
function flame.box(name, share, columns, rule, fill, sign)
  if sign and columns > #sign then rule = rule .. sign end
  local room = columns - #rule
  local text, used = "", 0
  local width = screens.width(name)
  if share and width + 1 + #share <= room then
    text, used = name .. " " .. share, width + 1 + #share
  elseif width <= room and room >= 1 then
    text, used = name, width
  elseif room >= 4 then
    local part, taken = flame.tail(name, room - 1)
    text, used = "~" .. part, taken + 1
  end
  return rule .. text .. (fill or "."):rep(room - used)
end

local function channel(hex, at) return tonumber(hex:sub(at, at + 1), 16) end

-- What the nearest of 216 colours would make the same.
local APART = { ["#fada9d"] = 222, ["#30c7d3"] = 44, ["#bac4ff"] = 147, ["#b4a2f6"] = 141 }

-- The nearest of the 216 colours of a terminal with 256.
local function cube(hex)
  if APART[hex] then return APART[hex] end
  local n = 16
  for i, weight in ipairs { 36, 6, 1 } do
    local v = channel(hex, 2 * i)
    local step = v < 48 and 0 or v < 115 and 1 or (v - 35) // 40
    n = n + weight * math.min(5, step)
  end
  return n
end

-- The nearest in hue of the few colours of a terminal with 16, light hues as bright ones; magenta
-- is left to matches.
local FEW = { { 0, 41 }, { 55, 43 }, { 110, 42 }, { 180, 46 }, { 225, 44 }, { 360, 41 } }
local function few(hex)
  local r, g, b = channel(hex, 2), channel(hex, 4), channel(hex, 6)
  local most, least = math.max(r, g, b), math.min(r, g, b)
  local span = math.max(1, most - least)
  local hue = most == r and (g - b) / span % 6 or most == g and (b - r) / span + 2
    or (r - g) / span + 4
  local best
  for _, one in ipairs(FEW) do
    local far = math.abs(one[1] - hue * 60)
    if not best or far < best[1] then best = { far, one[2] } end
  end
  return ("%d"):format(best[2] + (least > 0x90 and 60 or 0))
end

--- How boxes are coloured on this terminal: a function from a box to the codes of its background.
---@param depth "none"|16|256|"true"
---@return (fun(box: table): string?)
function flame.colours(depth)
  if depth == "none" then return function() return nil end end
  local change = { more = { 215, "43", "#f4a259" }, less = { 110, "44", "#7fb3e6" },
    new = { 228, "103", "#f0e442" }, same = { 252, "47", "#f3f3f3" } }
  return function(box)
    local hue, basic = box.hue, nil
    if box.matches then
      return depth == 16 and "30;105" or "30;48;5;201"
    elseif box.other then
      hue, basic = "#b4b8c0", "100"
    elseif box.change then
      local entry = change[box.change]
      if depth == 256 then return "30;48;5;" .. entry[1] end
      hue, basic = entry[3], entry[2]
    end
    if depth == 16 then return "30;" .. (basic or few(hue)) end
    if depth == 256 then return "30;48;5;" .. cube(hue) end
    return ("30;48;2;%d;%d;%d"):format(channel(hue, 2), channel(hue, 4), channel(hue, 6))
  end
end

-- How a box of a diff changed: by more than the noise of the larger whole.
local function judge(box, spec)
  local a, b = box.before * spec.scales[1], box.after * spec.scales[2]
  local whole = math.max(spec.whole[1], spec.whole[2])
  if math.abs(b - a) < spec.noise * whole then return "same", "" end
  if box.before == 0 then return "new", "*" end
  return b > a and "more" or "less", b > a and "+" or "-"
end

--- Lines of a picture, the root first (or last with `flames`), each as wide as asked. A box that
--- matches is filled with `=`, one of truncated stacks with `/`, so that no colour is needed.
---@param rows table         of `profile:cells` or `alignment:cells`
---@param spec { width: integer, screen: table, colour: fun(box: table): string?, diff?: table,
---  selected?: integer, flames?: boolean, whole: number }
---@return string[] lines
function flame.lines(rows, spec)
  local lines = {}
  local look = spec.screen
  local rule = "|"
  for i, row in ipairs(rows) do
    local parts, at = {}, 0
    for _, box in ipairs(row) do
      if box.from > at then parts[#parts + 1] = (" "):rep(box.from - at) end
      local sign = ""
      if spec.diff and not box.other then box.change, sign = judge(box, spec.diff) end
      local name = look:name(box.name)
      local value = box.value or box.total
      local share = units.percent(spec.whole > 0 and value / spec.whole or 0)
      local text = flame.box(name, share, box.to - box.from, rule,
        box.other and "/" or box.matches and "=" or nil, sign)
      local codes = spec.colour(box)
      if box.node == spec.selected then
        text = "\27[7m" .. text .. "\27[0m"
      elseif codes then
        text = "\27[" .. codes .. "m" .. text .. "\27[0m"
      end
      parts[#parts + 1] = text
      at = box.to
    end
    lines[i] = table.concat(parts)
  end
  if spec.flames then
    local turned = {}
    for i = #lines, 1, -1 do turned[#turned + 1] = lines[i] end
    return turned
  end
  return lines
end

--- What a search found: its share of what is seen, counted once per stack.
---@param rows table
---@return string
function flame.matched(rows)
  return ("Matched %s (%d function%s, %d box%s)"):format(
    units.percent(rows.whole > 0 and rows.matched / rows.whole or 0), rows.functions,
    rows.functions == 1 and "" or "s", rows.boxes, rows.boxes == 1 and "" or "es")
end

--- What of the picture is not seen, as a header says it: boxes without a column, and those below
--- the last row; nil where everything is seen.
---@param rows table
---@return string? hidden
---@return string? deep
function flame.hidden(rows)
  local function part(value, text)
    if value <= 0 or rows.whole <= 0 then return nil end
    return text:format(units.percent(value / rows.whole))
  end
  return part(rows.hidden, "boxes under 1 column hidden: %s"),
    part(rows.deep or 0, "below the last row: %s")
end

local function wrapped(parts, width, dot)
  local lines, line = {}, nil
  for _, part in ipairs(parts) do
    local longer = line and line .. dot .. part[1] or part[1]
    if line and screens.width(longer) > width then
      lines[#lines + 1] = line
      longer = part[1]
    end
    line = longer
  end
  lines[#lines + 1] = line
  return lines
end

--- The lines of a header: parts are { text, drop = n, late = n, short = part }. Where they take
--- more than `most` lines, those with the highest `drop` are said shorter or go. With `strict`
--- (there is no room for more) those with the highest `late` are next; otherwise what nothing
--- helps is whole again.
---@param parts table[]
---@param width integer
---@param dot string
---@param most integer
---@param strict? boolean
---@return string[]
function flame.header(parts, width, dot, most, strict)
  local list = table.move(parts, 1, #parts, 1, {})
  local lines = wrapped(list, width, dot)
  while #lines > most or (lines[1] and screens.width(lines[#lines]) > width) do
    local at, rank
    for i, part in ipairs(list) do
      local this = part.drop and part.drop + 1000 or strict and part.late
      if this and (not rank or this > rank) then at, rank = i, this end
    end
    if not at then
      return strict and table.move(lines, 1, most, 1, {}) or wrapped(parts, width, dot)
    end
    if list[at].short then
      list[at] = list[at].short
    else
      table.remove(list, at)
    end
    lines = wrapped(list, width, dot)
  end
  return lines
end

--- A line of keys, as many as there is room for: those with the highest `late` go first.
---@param parts table[]
---@param width integer
---@return string
function flame.keys(parts, width)
  return " " .. (flame.header(parts, width - 1, "  ", 1, true)[1] or "")
end

--- The beginning of a text, so that it has at most so many columns.
---@param text string
---@param width integer
---@return string
function flame.head(text, width)
  if screens.width(text) <= width then return text end
  local used, at = 0, 1
  while at <= #text do
    local after = utf8.offset(text, 2, at)
    local columns = screens.width(text:sub(at, after - 1))
    if used + columns > width - 1 then break end
    used, at = used + columns, after
  end
  return text:sub(1, at - 1) .. (width > 0 and "~" or "")
end

-- The end of a text that has at most so many columns; nothing where that would say nothing.
local function short(text, room)
  if screens.width(text) <= room then return text end
  return room >= 5 and "~" .. flame.tail(text, room - 1) or ""
end

local function joined(...)
  local parts = {}
  for _, part in ipairs { ... } do
    if part ~= "" then parts[#parts + 1] = part end
  end
  return table.concat(parts, "   ")
end

--- A box in full: name, values, place. What does not fit on one line takes two, where there are
--- two; then the place and the name lose their beginnings, and the values say less: no number is
--- ever cut.
---@param name string
---@param values string[]   from all that there is to the least
---@param place string      empty: not known
---@param width integer
---@param lines? integer    1 or 2; so many are returned, an empty one first
---@return string[]
function flame.detail(name, values, place, width, lines)
  local whole = joined(name, values[1], place)
  local fits = screens.width(whole) <= width
  if lines == 2 and not fits then
    local said = values[#values]
    for i = #values, 1, -1 do
      if screens.width(values[i]) <= width then said = values[i] end
    end
    return { short(name, width), joined(said, short(place, width - 3 - screens.width(said))) }
  end
  if not fits then
    local most = screens.width(name)
    local said, room
    for _, value in ipairs(values) do
      said, room = value, width - screens.width(value) - 3
      if room >= math.min(most, 14) then break end
    end
    local where = short(place, room - 3 - math.min(most, math.max(14, room // 2)))
    if where ~= "" then room = room - 3 - screens.width(where) end
    whole = joined(short(name, room), said, where)
  end
  return lines == 2 and { "", whole } or { whole }
end

--- How many colours this terminal has.
---@param color boolean
---@param env? fun(name: string): string?
---@return "none"|16|256|"true"
function flame.depth(color, env)
  env = env or os.getenv
  if not color then return "none" end
  local true_color = env "COLORTERM"
  if true_color == "truecolor" or true_color == "24bit" then return "true" end
  return (env "TERM" or ""):find "256color" and 256 or 16
end

return flame
