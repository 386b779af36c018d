--- What a terminal shows of a view of a flame graph: header, boxes, the selected one, the keys.

local flame = require "pyroscope.cli.flame"

local drawing = {}

local HELP = {
  "h j k l, arrows   move: left, down, up, right; down zooms to what is too small",
  "Enter             zoom into the selected box",
  "-                 up one level",
  "u, Backspace      back to where you were",
  "/                 search (a regular expression), live; matches are filled with =",
  "n N               next, previous match, the largest first; zooms in or out to show it",
  "*                 the same function everywhere",
  "s                 sandwich: callers above, callees below",
  "o                 open its source in $EDITOR",
  "d                 of a comparison: absolute rates or shares",
  "e                 of a comparison: vanished boxes too",
  "q                 quit" }

--- What a layout is asked for, whatever is drawn of it.
---@param self table   a view
---@param more table   options of `cells`
---@return table
function drawing.asked(self, more)
  more.top, more.pattern = self.top, self.pattern
  more.by = self.larger and "larger" or nil
  return more
end

-- Where one looks first: the box that has most of its own; all that is below the last row counts
-- as such.
local function hottest(rows)
  local best, most
  for i, row in ipairs(rows) do
    local cut = i == #rows and (rows.deep or 0) > 0
    for _, box in ipairs(row) do
      local own = cut and box.total or box.self
      if not box.other and (not best or own > most) then best, most = box, own end
    end
  end
  return best and best.node or 0
end

-- In a comparison: from the root down to where at least half of the change goes on.
local function changed_most(rows, diff)
  local function change(box)
    return math.abs(box.after * diff.scales[2] - box.before * diff.scales[1])
  end
  local at = rows[1] and rows[1][1]
  for i = 2, at and #rows or 0 do
    local best
    for _, box in ipairs(rows[i]) do
      if box.parent == at.node and not box.other and (not best or change(box) > change(best)) then
        best = box
      end
    end
    if not best or change(best) < change(at) / 2 then break end
    at = best
  end
  return at and at.node or 0
end

--- The lines of boxes of a layout, as this terminal draws them.
function drawing.boxes(spec, rows, selected)
  return flame.lines(rows, { screen = spec.screen, colour = spec.colour, diff = spec.diff,
    selected = selected or -1, whole = rows.base })
end

--- The lines below a picture: the selected box, and the last one.
---@param spec table
---@param box? table
---@param width integer
---@param height integer
---@param last string
---@return string[]
function drawing.foot(spec, box, width, height, last)
  -- two lines where a name and its place hardly fit on one and there is room
  local lines = height >= 16 and width < 160 and 2 or 1
  local list = box and spec.detail(box, width - 3, lines) or {}
  while #list < lines do table.insert(list, 1, "") end
  local first = #list[1] > 0 and 1 or #list
  for i, line in ipairs(list) do
    list[i] = line == "" and "" or flame.head((i == first and " > " or "   ") .. line, width)
  end
  list[#list + 1] = flame.head(last, width)
  return list
end

-- The layout of what is seen below so many lines that may be of the boxes above the top: those
-- have a third of the room, more where the picture leaves it.
local function layout(self, width, room)
  local function cells(levels)
    return self.spec.cells(drawing.asked(self, { width = width, levels = math.max(1, levels) }))
  end
  local rows = cells(room)
  local above = math.min(#rows.path, math.max(room // 3, room - #rows), room - 1)
  if #rows > room - above then rows = cells(room - above) end
  return rows, above
end

-- The boxes above the top as lines, the nearest last.
local function path_lines(self, rows, above, width)
  local lines, path = {}, rows.path
  for i = #path - above + 1, #path do
    lines[#lines + 1] = flame.box(self.spec.screen:name(path[i].name), nil, width, "|")
  end
  if above > 0 and above < #path then
    local more = ("%d more above; - goes up"):format(#path - above + 1)
    lines[1] = flame.box(more, nil, width, "|")
  end
  return lines
end

-- The keys, a screen at a time.
local function help_lines(self, width, height)
  local lines, room = {}, math.max(1, height - 1)
  for i = self.page, math.min(self.page + room - 1, #HELP) do
    lines[#lines + 1] = flame.head(HELP[i], width)
  end
  local over = self.page + room <= #HELP
  while #lines < room do lines[#lines + 1] = "" end
  lines[#lines + 1] = flame.head(over and " any key: more" or " any key goes back", width)
  self.after = over and self.page + room or nil
  return lines
end

local KEYS = { { "hjkl move", late = 5 }, { "enter zoom", late = 3 }, { "- up", late = 9 },
  { "u back", late = 2 }, { "/ search", late = 4 }, { "n N", late = 10 }, { "* same", late = 11 },
  { "s sandwich", late = 6 }, { "o source", late = 8 }, { "d mode", late = 7, diff = true },
  { "e elided", late = 7, diff = true }, { "? help", late = 1 }, { "q quit" } }

--- The last line: what was typed, what matched, or the keys.
local function status(self, rows)
  local width = self.width
  if self.typing then
    local found = self.pattern and flame.matched(rows) or ""
    local text = self.spec.screen:name(self.typing)
    local room = width - 4 - #found
    if found ~= "" and room < 12 then found, room = "", width - 4 end
    return (" /%s_  %s"):format(flame.tail(text, room), found)
  end
  if self.message then return " " .. self.message end
  if self.pattern then
    local search = "/" .. self.spec.screen:name(self.search or "")
    return flame.keys({ { flame.matched(rows) },
      { search, late = 4, short = { flame.head(search, math.max(4, width // 4)) } },
      { "n N", late = 3 }, { "u back", late = 2 }, { "q quit", late = 1 } }, width)
  end
  local list = {}
  for _, key in ipairs(KEYS) do
    if self.spec.diff or not key.diff then list[#list + 1] = key end
  end
  return flame.keys(list, width)
end

--- The lines that a terminal of this size shows.
---@param self table   a view
---@param width integer
---@param height integer
---@return string[]
function drawing.lines(self, width, height)
  local spec = self.spec
  self.width, self.height = width, height
  if self.sandwich then return self.sandwich:lines(width, height, self.message) end
  if self.page then return help_lines(self, width, height) end
  local most = height >= 12 and 2 or 1
  local foot = #drawing.foot(spec, nil, width, height, "")
  local rows, above = layout(self, width, height - foot - 1)
  local lines = spec.header(rows, width, most, true)
  if #lines > 1 then
    rows, above = layout(self, width, height - foot - #lines)
    lines = spec.header(rows, width, #lines, true)
  end
  for i, line in ipairs(lines) do lines[i] = flame.head(line, width) end
  self.rows, self.path = rows, rows.path
  if not self.selected then
    self.selected = spec.diff and changed_most(rows, spec.diff) or hottest(rows)
  end
  local room = height - foot - #lines
  local box = self:box()
  local shown = path_lines(self, rows, above, width)
  table.move(drawing.boxes(spec, rows, self.selected), 1, #rows, #shown + 1, shown)
  for i = 1, room do
    -- flames stand on their root
    lines[#lines + 1] = shown[spec.flames and room - i + 1 or i] or ""
  end
  local below = drawing.foot(spec, box, width, height, status(self, rows))
  return table.move(below, 1, #below, #lines + 1, lines)
end

return drawing
