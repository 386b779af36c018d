--- Draws a flame graph of character cells: boxes of `profile:cells`, as lines of text.

local screens = require "pyroscope.cli.screen"
local units = require "pyroscope.units"

local flame = {}

-- The last part of a text that fits into so many columns.
local function tail(text, columns)
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

--- The text of a box of so many columns: a rule, the name (its last part where it does not fit,
--- none below three letters), its share where there is room, then dots (or what else fills it).
---@param name string      printable
---@param share? string
---@param columns integer
---@param rule string
---@param fill? string
---@return string
function flame.box(name, share, columns, rule, fill)
  local room = columns - 1
  local text, used = "", 0
  local width = screens.width(name)
  if share and width + 1 + #share <= room then
    text, used = name .. " " .. share, width + 1 + #share
  elseif width <= room and room >= 1 then
    text, used = name, width
  elseif room >= 4 then
    local part, taken = tail(name, room - 1)
    text, used = "~" .. part, taken + 1
  end
  return rule .. text .. (fill or "."):rep(room - used)
end

local function channel(hex, at) return tonumber(hex:sub(at, at + 1), 16) end

-- The nearest of the 216 colours of a terminal with 256.
local function cube(hex)
  local n = 16
  for i, weight in ipairs { 36, 6, 1 } do
    local v = channel(hex, 2 * i)
    local step = v < 48 and 0 or v < 115 and 1 or (v - 35) // 40
    n = n + weight * math.min(5, step)
  end
  return n
end

--- How boxes are coloured on this terminal: a function from a box to the codes of its background.
---@param depth "none"|16|256|"true"
---@return (fun(box: table): string?)
function flame.colours(depth)
  if depth == "none" then return function() return nil end end
  local change = { more = { 215, "43", "#f4a259" }, less = { 110, "44", "#7fb3e6" },
    new = { 228, "103", "#f0e442" }, same = { 252, "47", "#f3f3f3" } }
  local few = { "41", "42", "43", "44", "45", "46" }
  return function(box)
    local hue, basic = box.hue, nil
    if box.other then
      hue, basic = "#b4b8c0", "100"
    elseif box.change then
      local entry = change[box.change]
      if depth == 256 then return "30;48;5;" .. entry[1] end
      hue, basic = entry[3], entry[2]
    end
    if depth == 16 then
      return "30;" .. (basic or few[1 + (channel(hue, 2) + 3 * channel(hue, 4) + 5 * channel(hue,
        6))
        % #few])
    end
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

--- Lines of a picture, the root first (or last with `flames`), each as wide as asked.
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
      local name = sign .. look:name(box.name)
      local value = box.value or box.total
      local share = units.percent(spec.whole > 0 and value / spec.whole or 0)
      local text = flame.box(name, share, box.to - box.from, rule, box.other and "/" or nil)
      local codes = spec.colour(box)
      if box.node == spec.selected then
        text = "\27[7m" .. text .. "\27[0m"
      elseif box.matches and codes then
        text = "\27[30;48;5;201m" .. text .. "\27[0m"
      elseif codes then
        text = "\27[" .. codes .. "m" .. text .. "\27[0m"
      elseif box.matches and spec.selected then
        text = "\27[4m" .. text .. "\27[0m"
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

--- The lines of a header, `most` of them if that can be had: parts are { text, drop = n,
--- short = text }, those with the highest `drop` get shorter or go first. What nothing helps is
--- whole again for `most` = 1 (a picture that is printed), else as short as it gets.
---@param parts table[]
---@param width integer
---@param dot string
---@param most integer
---@return string[]
function flame.header(parts, width, dot, most)
  local list = table.move(parts, 1, #parts, 1, {})
  local lines = wrapped(list, width, dot)
  while #lines > most or screens.width(lines[#lines]) > width do
    local at
    for i, part in ipairs(list) do
      if part.drop and (not at or part.drop > list[at].drop) then at = i end
    end
    if not at then return most == 1 and wrapped(parts, width, dot) or lines end
    if list[at].short then
      list[at] = { list[at].short }
    else
      table.remove(list, at)
    end
    lines = wrapped(list, width, dot)
  end
  return lines
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

--- A box in full on one line: name, values, place. What does not fit loses first the beginning of
--- its place, then of its name, never the values.
---@param name string
---@param values string
---@param place string   empty: not known
---@param width integer
---@return string
function flame.detail(name, values, place, width)
  local function short(text, room)
    if screens.width(text) <= room then return text end
    return room >= 4 and "~" .. tail(text, room - 1) or ""
  end
  local room = width - screens.width(values) - 3
  local least = math.min(screens.width(name), math.max(12, room // 2))
  local where = place ~= "" and short(place, room - 3 - least) or ""
  name = short(name, where ~= "" and room - 3 - screens.width(where) or room)
  return table.concat({ name, values, where ~= "" and where or nil }, "   ")
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
