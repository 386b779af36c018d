--- A function between those that call it, above, and those that it calls, below.

local flame = require "pyroscope.cli.flame"

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

--- The lines that a terminal of this size shows: callers, the function, callees, the selected box.
function both:lines(width, height)
  local spec = self.spec
  local room = math.max(2, height - 3)
  local up = (room - 1) // 2
  local rows = {}
  for side, most in pairs { callers = up + 1, callees = room - up } do
    rows[side] = self.parts[side].cells { top = self.tops[side], width = width, levels = most }
  end
  self.rows = rows
  local box = self:box()
  local keys = require "pyroscope.cli.flame_keys"
  local drawn = {}
  for side, list in pairs(rows) do
    drawn[side] = keys.boxes(spec, list, side == self.side and self.selected or nil)
  end
  local hidden = flame.hidden(rows.callees)
  local lines = { flame.head(flame.detail(spec.screen:name(self.name),
    "callers above, callees below" .. (hidden and spec.screen.dot .. hidden or ""), "", width),
    width) }
  for _ = #drawn.callers, up do lines[#lines + 1] = "" end
  for i = #drawn.callers, 2, -1 do lines[#lines + 1] = drawn.callers[i] end
  for _, line in ipairs(drawn.callees) do lines[#lines + 1] = line end
  while #lines < height - 2 do lines[#lines + 1] = "" end
  lines[#lines + 1] = flame.head(" > " .. (box and spec.detail(box, width - 3) or ""), width)
  lines[#lines + 1] = flame.head(" hjkl move  enter sandwich of the selected  u back  "
    .. "s flame  o source  ? help  q quit", width)
  return lines
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
