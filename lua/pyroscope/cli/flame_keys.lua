--- The flame graph that is moved in: what each key does, and the lines that a terminal shows. It
--- knows no terminal; `flame_tty` has one.

local core = require "pyroscope.core"
local flame = require "pyroscope.cli.flame"

local keys = {}

local HELP = { "keys", "",
  "h j k l, arrows   move: left, down, up, right",
  "Enter             zoom into the selected box",
  "-                 up one level",
  "u, Backspace      back to where you were",
  "/                 search (a regular expression), live",
  "n N               next, previous match, the largest first; zooms to what is too small",
  "*                 the same function everywhere",
  "s                 sandwich: callers above, callees below",
  "o                 open its source in $EDITOR",
  "d                 (of a comparison) absolute rates or shares",
  "e                 (of a comparison) vanished boxes too",
  "q                 quit", "", "any key goes back" }

local view = {}
local meta = { __index = view }

--- A view of something that has cells. `spec`: `cells(options)` with the rows' `base` for shares,
--- `hit(options, after, back)`, `header(rows, width, most)`, `detail(box, width)`, `screen`,
--- `colour`, `diff?`, `sandwich(name)`, `switch()`.
function keys.view(spec)
  return setmetatable({ spec = spec, top = 0, history = {} }, meta)
end

-- What the layout is asked for, whatever is drawn of it.
local function asked(self, more)
  more.top, more.pattern = self.top, self.pattern
  more.by = self.larger and "larger" or nil
  return more
end

-- Where one looks first: the box that has most of its own.
local function hottest(rows)
  local best
  for _, row in ipairs(rows) do
    for _, box in ipairs(row) do
      if not box.other and (not best or box.self > best.self) then best = box end
    end
  end
  return best and best.node or 0
end

--- The lines of boxes of a layout, as this terminal draws them.
function keys.boxes(spec, rows, selected)
  return flame.lines(rows, { screen = spec.screen, colour = spec.colour, diff = spec.diff,
    selected = selected or -1, whole = rows.base })
end

--- The lines that a terminal of this size shows.
---@param width integer
---@param height integer
---@return string[]
function view:lines(width, height)
  local spec = self.spec
  self.width = width
  if self.sandwich then return self.sandwich:lines(width, height) end
  if self.page then
    local lines = {}
    for i = 1, math.min(height, #self.page) do lines[i] = self.page[i]:sub(1, width) end
    return lines
  end
  local path = self.path or {}
  local function layout(room)
    local above = math.max(0, math.min(#path, room - 1))
    local rows = spec.cells(asked(self, { width = width, levels = math.max(1, room - above) }))
    return rows, math.max(0, math.min(#rows.path, room - 1))
  end
  local rows, above = layout(height - 3)
  local lines = spec.header(rows, width, 2)
  if #lines > 1 then
    rows, above = layout(height - 4)
    lines = spec.header(rows, width, 2)
    lines = { lines[1], lines[2] }
  end
  for i, line in ipairs(lines) do lines[i] = flame.head(line, width) end
  self.rows, self.path = rows, rows.path
  if not self.selected then self.selected = hottest(rows) end
  local room = height - 2 - #lines
  for i = #rows.path - above + 1, #rows.path do
    lines[#lines + 1] = flame.box(spec.screen:name(rows.path[i].name), nil, width, "|")
  end
  local box = self:box()
  local shown = keys.boxes(spec, rows, self.selected)
  for i = 1, math.min(#shown, room - above) do lines[#lines + 1] = shown[i] end
  while #lines < height - 2 do lines[#lines + 1] = "" end
  lines[#lines + 1] = flame.head(" > " .. (box and spec.detail(box, width - 3) or ""), width)
  lines[#lines + 1] = flame.head(self:status(rows), width)
  return lines
end

--- The last line: what was typed, what matched, or the keys.
function view:status(rows)
  if self.typing then
    return (" /%s_  %s"):format(self.spec.screen:name(self.typing),
      self.pattern and flame.matched(rows) or "")
  end
  if self.message then return " " .. self.message end
  if self.pattern then
    return (" %s  /%s  n N  u back  q quit"):format(flame.matched(rows),
      self.spec.screen:name(self.search or ""))
  end
  return " hjkl move  enter zoom  - up  u back  / search  n N  * same  s sandwich  o source"
    .. (self.spec.diff and "  d mode  e elided" or "") .. "  ? help  q quit"
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
  for _, below in ipairs(self.rows[i + 1] or {}) do
    if box and below.parent == box.node then
      self.selected = below.node
      return
    end
  end
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
  if not self.pattern then return end
  local from = self.away or { self.top, self.selected }
  self.top = from[1]
  local hit, top = self.spec.hit(asked(self, { width = self.width or 80 }), self.selected, back)
  if not hit then return end
  local function drawn()
    self.selected = hit
    self:lines(self.width or 80, self.height or 24)
    for _, row in ipairs(self.rows) do
      for _, box in ipairs(row) do
        if box.node == hit then return true end
      end
    end
  end
  if self.away then self.history[#self.history], self.away = nil, nil end
  if drawn() then return end
  self:zoom(top, hit)
  if not drawn() then self:zoom(hit) end -- too deep for this screen
  for i = #self.history, 1, -1 do
    if self.history[i][1] == from[1] then
      self.history[i], self.away = from, from
      break
    end
    self.history[i] = nil
  end
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

function moves.help(self) self.page = HELP end

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
    self.page = nil
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
    if after == "help" then self.page = HELP end
    if after == "back" then self.sandwich = nil end
    return nil
  end
  if key == "/" then
    self.typing, self.before, self.before_text = "", self.pattern, self.search
    return nil
  end
  local name = names[key]
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
