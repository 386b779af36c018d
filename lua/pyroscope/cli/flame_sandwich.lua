--- A function between those that call it, above, and those that it calls, below.

local drawing = require "pyroscope.cli.flame_screen"
local flame = require "pyroscope.cli.flame"
local screens = require "pyroscope.cli.screen"
local units = require "pyroscope.units"

local sandwich = {}

local both = {}
local meta = { __index = both }

--- The sandwich of a function of a view's profile or comparison.
---@param spec table   of `flame_keys.view`
---@param name string
---@return table? sandwich
---@return string? why
function sandwich.new(spec, name)
  local self = setmetatable({ spec = spec, history = {} }, meta)
  local ok, why = self:show(name)
  if not ok then return nil, why end
  return self
end

-- The whole is the function: the only child of each root.
function both:show(name)
  local parts, why = self.spec.sandwich(name)
  if not parts then return nil, why end
  self.name, self.parts, self.tops = name, parts, {}
  for side, part in pairs(parts) do
    local below = part.cells({ width = 1, levels = 2 })[2]
    if not below then return nil, "no stack has it" end
    self.tops[side] = below[1].node
  end
  self.side, self.selected = "callees", self.tops.callees
  return true
end
local KEYS = { { "hjkl move", late = 4 }, { "enter its sandwich", late = 3 },
  { "u back", late = 2 }, { "s flame", late = 5 }, { "o source", late = 6 },
  { "? help", late = 1 }, { "q quit" } }

-- What stands behind the name, from all to the least.
local function headings(self, rows)
  local parts = {}
  for _, side in ipairs { "callers", "callees" } do
    local list, missing = rows[side], 0
    if list.whole > 0 then missing = (list.hidden + list.deep) / list.whole end
    parts[#parts + 1] = missing > 0 and ("%s %s"):format(side, units.percent(missing)) or nil
  end
  local plain, dot = "callers above, callees below", self.spec.screen.dot
  local all = parts[1] and plain .. dot .. "not seen: " .. table.concat(parts, ", ") or plain
  return { all, plain, "callers, callees" }
end

-- Both sides, and how many of so many lines are of callers: half of them, or what callees leave.
local function layout(self, width, room)
  local rows = {}
  local function cells(side, most)
    if rows[side] and #rows[side] <= most then return end
    rows[side] = self.parts[side].cells { top = self.tops[side], width = width, levels = most }
  end
  cells("callers", room)
  cells("callees", room)
  local up = math.min(#rows.callers - 1, math.max((room - 1) // 2, room - #rows.callees))
  cells("callers", up + 1)
  cells("callees", room - up)
  return rows, up
end

--- The lines that a terminal of this size shows: callers, the function, callees, the selected box.
function both:lines(width, height, message)
  local spec = self.spec
  local foot = #drawing.foot(spec, nil, width, height, "")
  local rows, up = layout(self, width, math.max(2, height - 1 - foot))
  self.rows = rows
  local box = self:box()
  box.caller = self.side == "callers" or nil -- its value is what comes through it, none is its own
  local drawn = {}
  for side, list in pairs(rows) do
    drawn[side] = drawing.boxes(spec, list, side == self.side and self.selected or nil)
  end
  local name, heading = spec.screen:name(self.name), nil
  for _, text in ipairs(headings(self, rows)) do
    heading = name .. "   " .. text
    if screens.width(heading) <= width then break end
  end
  local lines = { flame.head(heading, width) }
  for _ = #drawn.callers, up do lines[#lines + 1] = "" end
  for i = #drawn.callers, 2, -1 do lines[#lines + 1] = drawn.callers[i] end
  for _, line in ipairs(drawn.callees) do lines[#lines + 1] = line end
  while #lines < height - foot do lines[#lines + 1] = "" end
  local below = drawing.foot(spec, box, width, height, message and " " .. message
    or flame.keys(KEYS, width))
  return table.move(below, 1, #below, #lines + 1, lines)
end

local function place(self)
  for i, row in ipairs(self.rows[self.side]) do
    for k, box in ipairs(row) do
      if box.node == self.selected then return i, k, box end
    end
  end
end

--- The selected box; the function itself where it is not seen any more.
function both:box()
  local _, _, box = place(self)
  if box then return box end
  self.side, self.selected = "callees", self.tops.callees
  return self.rows.callees[1][1]
end

local moves = {}

local function beside(self, step)
  local i, k = place(self)
  local box = i and self.rows[self.side][i][k + step]
  if box then self.selected = box.node end
end

function moves.left(self) beside(self, -1) end
function moves.right(self) beside(self, 1) end

-- Away from the function, on the side where the selection is.
local function out(self, side)
  local i, _, box = place(self)
  if self.side ~= side then i, box = 1, self.rows[side][1][1] end
  for _, further in ipairs(i and self.rows[side][i + 1] or {}) do
    if further.parent == box.node then
      self.side, self.selected = side, further.node
      return
    end
  end
end

-- Towards it.
local function back(self)
  local i, _, box = place(self)
  if not i or i == 1 then return end
  self.selected = box.parent
  if i == 2 then self.side, self.selected = "callees", self.tops.callees end
end

function moves.down(self)
  if self.side == "callers" then back(self) else out(self, "callees") end
end

function moves.up(self)
  if self.side == "callees" and self.selected ~= self.tops.callees then
    back(self)
  else
    out(self, "callers")
  end
end

function moves.enter(self)
  local box = self:box()
  if box.other or box.name == self.name then return end
  local old = self.name
  if self:show(box.name) then self.history[#self.history + 1] = old end
end

function moves.back(self)
  local name = table.remove(self.history)
  if not name then return "back" end
  self:show(name)
end

function moves.sandwich() return "back" end
function moves.help() return "help" end

--- One key; "back" leaves, "help" asks for the list of keys.
---@param key string
---@return "back"|"help"|nil
function both:key(key)
  local name = require "pyroscope.cli.flame_keys".name(key)
  local move = name and moves[name]
  return move and move(self) or nil
end

return sandwich
