--- The flame graph that is moved in: keys, zoom, search, sandwich, source. Draws into the
--- terminal's
--- second screen and leaves the first as it was.

local core = require "pyroscope.core"
local flame = require "pyroscope.cli.flame"
local screens = require "pyroscope.cli.screen"
local system = require "pyroscope.system"

local keys = {}

local HELP = { "keys", "", "h j k l, arrows   move: left, down, up, right",
  "Enter            zoom into the selected box", "-                up one level",
  "u, Backspace     back to where you were", "/                search (a regular expression)",
  "n N              next, previous match", "*                the same function everywhere",
  "s                sandwich: callers and callees of the function",
  "o                open its source in $EDITOR",
    "e                (of a comparison) vanished boxes too",
  "q                quit", "", "any key goes back" }

local view = {}
local meta = { __index = view }

--- A view of something that has cells. `spec`: `cells(options)`, `header()`, `detail(box)`,
--- `screen`, `colour`, `diff?`, `edges(name)`.
function keys.view(spec)
  return setmetatable({ spec = spec, top = 0, history = {}, selected = 0, search = nil }, meta)
end

--- The second screen: the lines that a terminal of this size shows.
---@param width integer
---@param height integer
---@return string[]
function view:lines(width, height)
  local spec = self.spec
  if self.page then
    local lines = {}
    for i = 1, math.min(height, #self.page) do lines[i] = self.page[i]:sub(1, width) end
    return lines
  end
  local picture = height - 3
  local rows = spec.cells { top = self.top, width = width, levels = math.max(1,
    picture - #(self.path
    or {})), pattern = self.pattern, by = self.larger and "larger" or nil }
  self.rows, self.path = rows, rows.path
  local lines = { screens.cut(spec.header() .. (flame.hidden(rows) and " · " .. flame.hidden(rows)
    or ""), width, "~") }
  local above = math.max(0, math.min(#rows.path, picture - 1))
  for i = #rows.path - above + 1, #rows.path do
    lines[#lines + 1] = flame.box(spec.screen:name(rows.path[i].name), nil, width, "|")
  end
  local shown = flame.lines(rows, { width = width, screen = spec.screen, colour = spec.colour,
    diff = spec.diff, selected = self.selected, whole = spec.whole })
  for i = 1, math.min(#shown, picture - above) do lines[#lines + 1] = shown[i] end
  while #lines < height - 2 do lines[#lines + 1] = "" end
  local box = self:box()
  lines[#lines + 1] = screens.cut(" > " .. (box and spec.detail(box) or ""), width, "~")
  lines[#lines + 1] = screens.cut(self:status(rows), width, "~")
  return lines
end

--- The last line: what was typed, what matched, or the keys.
function view:status(rows)
  if self.typing then return " /" .. self.typing .. "_" end
  if self.message then return " " .. self.message end
  if self.pattern then
    return (" %s  /%s  n N  u back  q quit"):format(flame.matched(rows),
      screens.printable(self.search or ""))
  end
  return " hjkl move  enter zoom  - up  u back  / search  n N  * same  s sandwich  o source"
    .. "  ? help  q quit"
end

--- The selected box, the top one where it is not seen any more.
function view:box()
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

function moves.left(self)
  local i, k = place(self)
  local box = self.rows[i] and self.rows[i][k - 1]
  if box then self.selected = box.node end
end

function moves.right(self)
  local i, k = place(self)
  local box = self.rows[i] and self.rows[i][k + 1]
  if box then self.selected = box.node end
end

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

function view:zoom(node)
  if node == self.top then return end
  self.history[#self.history + 1] = { self.top, self.selected }
  self.top, self.selected = node, node
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
  local last = table.remove(self.history)
  if last then
    self.top, self.selected = last[1], last[2]
  else
    self.pattern, self.search = nil, nil
  end
end

-- The matches that are seen, in the order of reading.
local function step(self, direction)
  local list = {}
  for _, row in ipairs(self.rows or {}) do
    for _, box in ipairs(row) do
      if box.matches then list[#list + 1] = box.node end
    end
  end
  if #list == 0 then return end
  local at = direction > 0 and 0 or 1
  for i, node in ipairs(list) do
    if node == self.selected then at = i end
  end
  self.selected = list[(at - 1 + direction) % #list + 1]
end

function moves.next(self) step(self, 1) end
function moves.previous(self) step(self, -1) end

--- Searches for an expression; an invalid one says so and matches nothing.
---@param text string
function view:find(text)
  if text == "" then
    self.pattern, self.search = nil, nil
    return
  end
  local pattern, err = core.regex(text)
  if not pattern then
    self.message = err.message
    return
  end
  self.pattern, self.search = pattern, text
end

function moves.same(self)
  local box = self:box()
  if box then self:find("^" .. box.name:gsub("[%^%$%(%)%[%]%{%}%.%*%+%?%|\\]", "\\%0") .. "$") end
end

function moves.sandwich(self)
  local box = self:box()
  if box and box.node ~= 0 then self.page = self.spec.edges(box.name) end
end

function moves.help(self) self.page = HELP end

function moves.elided(self)
  if self.spec.diff then self.larger = not self.larger end
end

local names = { h = "left", j = "down", k = "up", l = "right", ["\27[D"] = "left",
  ["\27[B"] = "down", ["\27[A"] = "up", ["\27[C"] = "right", ["\27OD"] = "left",
  ["\27OB"] = "down", ["\27OA"] = "up", ["\27OC"] = "right", ["\r"] = "enter", ["\n"] = "enter",
  ["-"] = "parent", u = "back", ["\127"] = "back", ["\27"] = "back", n = "next", N = "previous",
  ["*"] = "same", s = "sandwich", ["?"] = "help", e = "elided" }

--- One key; "quit" and "source" are for whoever has the terminal.
---@param key string
---@return "quit"|"source"|nil
function view:key(key)
  self.message = nil
  if self.page then
    self.page = nil
    return nil
  end
  if self.typing then
    if key == "\r" or key == "\n" then
      self:find(self.typing)
      self.typing = nil
    elseif key == "\27" or key == "\3" then
      self.typing = nil
    elseif key == "\127" or key == "\8" then
      self.typing = self.typing:sub(1, (utf8.offset(self.typing, -1) or 1) - 1)
    elseif not key:find "^[%c]" then
      self.typing = self.typing .. key
      local pattern = core.regex(self.typing)
      if pattern then self.pattern, self.search = pattern, self.typing end
    end
    return nil
  end
  if key == "q" or key == "\3" then return "quit" end
  if key == "o" then return "source" end
  if key == "/" then
    self.typing = ""
    return nil
  end
  local name = names[key]
  if name then moves[name](self) end
  return nil
end

-- Splits what came into keys: an escape sequence is one, a character of UTF-8 too.
local function split(bytes)
  local list = {}
  while bytes ~= "" do
    local key = bytes:match "^\27[%[O][%d;]*[%a~]" or bytes:match "^[\194-\244][\128-\191]+"
      or bytes:sub(1, 1)
    list[#list + 1] = key
    bytes = bytes:sub(#key + 1)
  end
  return list
end

keys.split = split

local function edit(box, where)
  local editor = os.getenv "VISUAL" or os.getenv "EDITOR" or "vi"
  local words = {}
  for word in editor:gmatch "%S+" do words[#words + 1] = "'" .. word:gsub("'", "'\\''") .. "'" end
  words[#words + 1] = ("+%d"):format(math.max(1, where.line or 1))
  words[#words + 1] = "'" .. where.file:gsub("'", "'\\''") .. "'"
  local _ = box
  return os.execute(table.concat(words, " "))
end

--- Runs a view on the terminal until `q`.
---@param self table     of `keys.view`
---@param locate fun(box: table): { file: string, line: integer }?
function keys.run(self, locate)
  local uv = system.uv()
  local tty = assert(uv.new_tty(0, true))
  local width, height, done = 80, 24, false
  local function draw()
    width, height = uv.tty_get_winsize(tty)
    if type(width) ~= "number" or width < 2 then width, height = 80, 24 end
    local lines = self:lines(width, math.max(4, height))
    io.stdout:write("\27[H", table.concat(lines, "\27[K\r\n"), "\27[K\27[J")
    io.stdout:flush()
  end
  local function open()
    tty:set_mode(1)
    io.stdout:write "\27[?1049h\27[?25l"
  end
  local function close()
    io.stdout:write "\27[?25h\27[?1049l"
    io.stdout:flush()
    tty:set_mode(0)
  end
  local resized = uv.new_signal()
  uv.signal_start(resized, "sigwinch", draw)
  local ended = uv.new_signal()
  uv.signal_start(ended, "sigterm", function() done = true end)
  open()
  draw()
  local ok, err = pcall(function()
    tty:read_start(function(_, bytes)
      if not bytes then
        done = true
        return
      end
      for _, key in ipairs(split(bytes)) do
        local what = self:key(key)
        if what == "quit" then done = true end
        if what == "source" then
          local box = self:box()
          local where = box and locate(box)
          if where then
            close()
            tty:read_stop()
            edit(box, where)
            open()
            done = "again"
          else
            self.message = "the source of this function is not here"
          end
        end
      end
      if not done then draw() end
    end)
    while not done do uv.run "once" end
  end)
  tty:read_stop()
  close()
  for _, handle in ipairs { resized, ended } do
    handle:stop()
    handle:close()
  end
  tty:close()
  uv.run "nowait"
  if not ok then error(err, 0) end
  if done == "again" then return keys.run(self, locate) end
end

return keys
