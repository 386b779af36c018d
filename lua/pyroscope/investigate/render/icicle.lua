--- A two-sided icicle: before above, after at equal load below, on one scale. Orange costs more,
--- blue less, grey is not significant. Drawn here; the script of the page only zooms.

local markup = require "pyroscope.investigate.render.markup"
local quantity = require "pyroscope.investigate.quantity"
local units = require "pyroscope.units"
local screen = require "pyroscope.cli.screen"

local icicle = {}

local WIDTH, ROW, LEAST, LETTER = 1200, 18, 0.5, 7.3

local MORE, LESS, SAME = { 0xf4, 0xa2, 0x59 }, { 0x7f, 0xb3, 0xe6 }, { 0xf3, 0xf3, 0xf3 }
local GREY, NEW = "#d5d9e0", "#f0e442"

-- Rows as arrays { id =, parent =, ... }, whatever they came as.
local function columns(given)
  if type(given.id) == "table" then return given end
  local out = { id = {}, parent = {}, depth = {}, name = {}, a = {}, b = {}, significant = {} }
  for i, row in ipairs(given) do
    for key in pairs(out) do out[key][i] = row[key] end
  end
  out.unit, out.title = given.unit, given.title
  return out
end

--- The colour of a box: how far it is from equal, relative to the larger side.
---@param a number
---@param b number
---@param significant boolean?
---@return string
function icicle.colour(a, b, significant)
  if not significant then return GREY end
  local most = math.max(a, b)
  if most <= 0 then return GREY end
  if a <= 0 then return NEW end
  local t = (b - a) / most
  local goal = t > 0 and MORE or LESS
  local part = math.min(1, 0.25 + 0.75 * math.abs(t))
  local out = {}
  for i = 1, 3 do out[i] = math.floor(SAME[i] + (goal[i] - SAME[i]) * part + 0.5) end
  return ("#%02x%02x%02x"):format(out[1], out[2], out[3])
end

local function named(rows, i, level)
  local name = rows.name[i]
  return name and name ~= "" and name or level == 0 and "total" or "(no name)"
end

-- Order of siblings: the larger side first, then by name, the same in both halves.
local function ordered(rows)
  local children, roots, at = {}, {}, {}
  for i, id in ipairs(rows.id) do at[id] = i end
  for i = 1, #rows.id do
    local parent = at[rows.parent[i]]
    if parent == i then parent = nil end
    local list = parent and children[parent] or roots
    if parent and not children[parent] then list = {} children[parent] = list end
    list[#list + 1] = i
  end
  local function larger(x, y)
    local p = math.max(rows.a[x] or 0, rows.b[x] or 0)
    local q = math.max(rows.a[y] or 0, rows.b[y] or 0)
    if p ~= q then return p > q end
    if rows.name[x] ~= rows.name[y] then return (rows.name[x] or "") < (rows.name[y] or "") end
    return x < y
  end
  table.sort(roots, larger)
  for _, list in pairs(children) do table.sort(list, larger) end
  return roots, children
end

-- Boxes of one side: { row, x, width, level }, those under half a pixel left out.
local function layout(values, scale, roots, children)
  local boxes, hidden, depth = {}, 0, 0
  local stack = {}
  local x = 0
  local function push(list, from, level)
    local left = from
    local made = {}
    for _, i in ipairs(list) do
      local w = math.max(0, values[i] or 0) * scale
      made[#made + 1] = { i, left, w, level }
      left = left + w
    end
    for k = #made, 1, -1 do stack[#stack + 1] = made[k] end
  end
  push(roots, x, 0)
  while #stack > 0 do
    local box = table.remove(stack)
    if box[3] >= LEAST then
      boxes[#boxes + 1] = box
      depth = math.max(depth, box[4] + 1)
      if children[box[1]] then push(children[box[1]], box[2], box[4] + 1) end
    elseif box[3] > 0 then
      hidden = hidden + 1
    end
  end
  return boxes, hidden, depth
end

-- The last part of a name that fits; nothing below three letters.
local function label(name, width)
  local room = math.floor((width - 6) / LETTER)
  if screen.width(name) <= room then return name end
  name = quantity.short(name)
  if screen.width(name) <= room then return name end
  if room < 4 then return nil end
  local chars, used, i = {}, 1, utf8.len(name)
  local codes = {}
  for _, code in utf8.codes(name) do codes[#codes + 1] = utf8.char(code) end
  while i > 0 and used + screen.width(codes[i]) <= room do
    used = used + screen.width(codes[i])
    table.insert(chars, 1, codes[i])
    i = i - 1
  end
  return "~" .. table.concat(chars)
end

-- Name and numbers, escaped.
local function tooltip(rows, i, unit, factor, name)
  local a, b = (rows.a[i] or 0) * factor, (rows.b[i] or 0) * factor
  local change = a > 0 and units.percent(b / a - 1, { sign = true }) or b > 0 and "new" or "-"
  if b <= 0 and a > 0 then change = "gone" end
  return ("%s\nbefore %s, after %s, %s%s"):format(markup.escaped(name),
    quantity.text(a, unit), quantity.text(b, unit), change,
    rows.significant[i] and "" or " (not significant)")
end

--- The picture as SVG inside a page; nil without rows.
---@param given table             rows { id, parent, depth, name, a, b, significant }, `unit`
---@param unit? string
---@return string? markup
function icicle.svg(given, unit)
  local rows = columns(given)
  unit = given.unit or unit
  local factor = given.factor or 1
  if not rows.id or #rows.id == 0 then return nil end
  local roots, children = ordered(rows)
  local total = { a = 0, b = 0 }
  for _, i in ipairs(roots) do
    total.a, total.b = total.a + (rows.a[i] or 0), total.b + (rows.b[i] or 0)
  end
  local most = math.max(total.a, total.b)
  if most <= 0 then return nil end
  local out, hidden = {}, 0
  for _, side in ipairs { { "a", "before" }, { "b", "after, at equal load" } } do
    local boxes, left, depth = layout(rows[side[1]], WIDTH / most, roots, children)
    hidden = hidden + left
    out[#out + 1] = ('<p class="cap">%s: %s</p>\n<div class="wide"><svg class="icicle" '
      .. 'data-side="%s" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">\n')
      :format(side[2], markup.escaped(quantity.text(total[side[1]] * factor, unit)), side[1], WIDTH,
        math.max(1, depth) * ROW, WIDTH, math.max(1, depth) * ROW, side[2])
    for _, box in ipairs(boxes) do
      local i, x, w, row = box[1], box[2], box[3], box[4]
      local a, b = rows.a[i] or 0, rows.b[i] or 0
      local edge = rows.significant[i] and (a <= 0 or b <= 0) and ' class="dash"' or ""
      local name = named(rows, i, row)
      local text = label(screen.printable(name), w)
      out[#out + 1] = ('<g data-n="%d" data-d="%d"><title>%s</title><rect x="%.2f" y="%d" '
        .. 'width="%.2f" height="%d" fill="%s"%s/>%s</g>\n'):format(i, row,
          tooltip(rows, i, unit, factor, name), x, row * ROW, w, ROW - 1,
          icicle.colour(a, b, rows.significant[i]), edge, text
            and ('<text x="%.2f" y="%d">%s</text>'):format(x + 3, row * ROW + 13,
              markup.escaped(text)) or "")
    end
    out[#out + 1] = "</svg></div>\n"
  end
  out[#out + 1] = '<p class="cap legend"><i class="more"></i>costs more <i class="less"></i>'
    .. 'costs less <i class="new"></i>new (dashed: on one side only) <i class="same"></i>'
    .. "not significant"
  if hidden > 0 then
    out[#out + 1] = (" · boxes under half a pixel hidden: %s"):format(units.count(hidden))
  end
  out[#out + 1] = "</p>\n"
  return table.concat(out)
end

return icicle
