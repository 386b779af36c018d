--- The flame graph that is moved in: what each key does, and the lines that a terminal shows. It
--- knows no terminal; `flame_tty` has one.

local core = require "pyroscope.core"
local drawing = require "pyroscope.cli.flame_screen"

local keys = {}

local view = { lines = drawing.lines }
local meta = { __index = view }

--- A view of something that has cells. `spec`: `cells(options)` with the rows' `base` for shares,
--- `hit(options, after, back)`, `header(rows, width, most, strict)`, `detail(box, width, lines)`
--- (both lists of lines), `screen`, `colour`, `diff?`, `flames?` (the root is at the bottom),
--- `sandwich(name)`, `switch()`.
function keys.view(spec)
  return setmetatable({ spec = spec, top = 0, history = {} }, meta)
end

--- The selected box, the top one where it is not seen any more.
function view:box()
  if self.sandwich then return self.sandwich:box() end
  local first
  for _, row in ipairs(self.rows or {}) do
    for _, box in ipairs(row) do
      first = first or box
      if box.node == self.selected then return box end
    end
  end
  if first then self.selected = first.node end
  return first
end

local function place(self)
  for i, row in ipairs(self.rows or {}) do
    for k, box in ipairs(row) do
      if box.node == self.selected then return i, k, box end
    end
  end
  return 1, 1, self:box()
end

local moves = {}

local function beside(self, step)
  local i, k = place(self)
  local box = self.rows[i] and self.rows[i][k + step]
  if box then self.selected = box.node end
end

function moves.left(self) beside(self, -1) end
function moves.right(self) beside(self, 1) end

-- Down is to the callees: the root is on top.
function moves.down(self)
  local i, _, box = place(self)
  if not box then return end
  for _, below in ipairs(self.rows[i + 1] or {}) do
    if below.parent == box.node then
      self.selected = below.node
      return
    end
  end
  -- below the last row, or without a column
  local rows = self.spec.cells { top = box.node, width = self.width, levels = 2,
    by = self.larger and "larger" or nil }
  if rows[2] and box.node ~= self.top then self:zoom(box.node, rows[2][1].node) end
end

function moves.up(self)
  local i, _, box = place(self)
  if i > 1 and box then
    self.selected = box.parent
  elseif #self.path > 0 then
    moves.parent(self)
  end
end

function view:zoom(node, selected)
  self.away = nil
  if node ~= self.top then self.history[#self.history + 1] = { self.top, self.selected } end
  self.top, self.selected = node, selected or node
end

function moves.enter(self)
  local box = self:box()
  if box then self:zoom(box.node) end
end

function moves.parent(self)
  local above = self.path and self.path[#self.path]
  if above then self:zoom(above.node) end
end

function moves.back(self)
  self.away = nil
  local last = table.remove(self.history)
  if last then
    self.top, self.selected = last[1], last[2]
  else
    self.pattern, self.search = nil, nil
  end
end

-- The next match by size, drawn or not: the view goes where it has a column and a row, and from
-- there back, as long as nothing else moves it.
local function step(self, back)
  if not self.pattern then
    self.message = "nothing is searched for: / does"
    return
  end
  local from, here = self.away or { self.top, self.selected }, self.selected
  if self.away then
    table.remove(self.history)
    self.top, self.away = from[1], nil
  end
  local function look(top)
    self.top = top
    return self.spec.hit(drawing.asked(self, { width = self.width or 80 }), here, back)
  end
  local hit, view_of = look(self.top)
  if from[1] ~= 0 and (not hit or hit == here) then
    local outside, from_there = look(0)
    if outside and outside ~= here then
      hit, view_of = outside, from_there
      self.history[#self.history + 1] = from
      from = { 0, hit }
      self.message = "no other match in the zoomed box: of all there is; u goes back"
    else
      self.top = from[1]
    end
  end
  if not hit then
    self.message = "no function matches"
    return
  end
  local function drawn(top)
    self.top, self.selected = top, hit
    self:lines(self.width or 80, self.height or 24)
    for _, row in ipairs(self.rows) do
      for _, box in ipairs(row) do
        if box.node == hit then return true end
      end
    end
  end
  if drawn(self.top) then return end
  self.history[#self.history + 1], self.away = from, from
  if not drawn(view_of) then drawn(hit) end -- too deep for this screen
end

function moves.next(self) step(self, false) end
function moves.previous(self) step(self, true) end

--- Searches for an expression; an invalid one says so and matches nothing.
---@param text string
function view:find(text)
  self.pattern, self.search = nil, nil
  if text == "" then return end
  local pattern, err = core.regex(text)
  if not pattern then
    self.message = err.message
    return
  end
  self.pattern, self.search = pattern, text
end

function moves.same(self)
  local box = self:box()
  if not box or box.other or box.node == 0 then return end
  self:find("^" .. box.name:gsub("[%^%$%(%)%[%]%{%}%.%*%+%?|\\]", "\\%0") .. "$")
end

function moves.sandwich(self)
  local box = self:box()
  if not box or box.node == 0 or box.other then
    self.message = "a sandwich is of a function: select one"
    return
  end
  local made, err = require "pyroscope.cli.flame_sandwich".new(self.spec, box.name)
  if made then self.sandwich = made else self.message = err end
end

function moves.help(self) self.page = 1 end

function moves.mode(self)
  self.message = self.spec.switch and self.spec.switch()
    or "one profile has no mode: pscope flame --diff compares two"
end

function moves.elided(self)
  if self.spec.diff then
    self.larger = not self.larger
    self.message = self.larger and "width: the larger side, vanished boxes too"
      or "width: B (after)"
  end
end

local names = { h = "left", j = "down", k = "up", l = "right", ["\27[D"] = "left",
  ["\27[B"] = "down", ["\27[A"] = "up", ["\27[C"] = "right", ["\27OD"] = "left",
  ["\27OB"] = "down", ["\27OA"] = "up", ["\27OC"] = "right", ["\r"] = "enter", ["\n"] = "enter",
  ["-"] = "parent", u = "back", ["\127"] = "back", ["\8"] = "back", ["\27"] = "back", n = "next",
  N = "previous", ["*"] = "same", s = "sandwich", ["?"] = "help", e = "elided", d = "mode" }

local TURNED = { up = "down", down = "up" } -- where the root is at the bottom

--- What a key is called; nil for keys that do nothing.
---@param key string
---@return string?
function keys.name(key) return names[key] end

local function live(self)
  if self.typing == "" then
    self.pattern, self.search = nil, nil
    return
  end
  local pattern = core.regex(self.typing) -- half of one may be invalid: the last valid one stays
  if pattern then self.pattern, self.search = pattern, self.typing end
end

local function typed(self, key)
  if key == "\r" or key == "\n" then
    self:find(self.typing)
    self.typing = nil
  elseif key == "\27" then
    self.typing, self.pattern, self.search = nil, self.before, self.before_text
  elseif key == "\127" or key == "\8" then
    self.typing = self.typing:sub(1, (utf8.offset(self.typing, -1) or 1) - 1)
    live(self)
  elseif not key:find "^%c" and utf8.len(key) then
    self.typing = self.typing .. key
    live(self)
  end
end

--- One key; "quit", "interrupt", "suspend" and "source" are for whoever has the terminal.
---@param key string
---@return "quit"|"interrupt"|"suspend"|"source"|nil
function view:key(key)
  self.message = nil
  if key == "\3" then return "interrupt" end
  if key == "\26" then return "suspend" end
  if self.page then
    self.page, self.after = self.after, nil
    return nil
  end
  if self.typing then
    typed(self, key)
    return nil
  end
  if key == "q" then return "quit" end
  if key == "o" then return "source" end
  if self.sandwich then
    local after = self.sandwich:key(key)
    if after == "help" then self.page = 1 end
    if after == "back" then self.sandwich = nil end
    return nil
  end
  if key == "/" then
    self.typing, self.before, self.before_text = "", self.pattern, self.search
    return nil
  end
  local name = names[key]
  if self.spec.flames then name = TURNED[name] or name end
  if name then moves[name](self) end
  return nil
end

--- Splits what came into keys: an escape sequence is one, a character of UTF-8 too. The second
--- result is what may be the beginning of one.
---@param bytes string
---@return string[] list
---@return string rest
function keys.split(bytes)
  local list = {}
  while bytes ~= "" do
    if bytes:find "^\27$" or bytes:find "^\27[%[O][%d;]*$"
        or (bytes:find "^[\194-\244][\128-\191]*$" and not utf8.len(bytes) and #bytes < 4) then
      return list, bytes
    end
    local key = bytes:match "^\27[%[O][%d;]*[%a~]" or bytes:match "^[\194-\244][\128-\191]+"
      or bytes:sub(1, 1)
    if #key > 1 and key:byte() ~= 27 then
      key = bytes:sub(1, (utf8.offset(bytes, 2) or #key + 1) - 1)
    end
    list[#list + 1] = key
    bytes = bytes:sub(#key + 1)
  end
  return list, ""
end

return keys
