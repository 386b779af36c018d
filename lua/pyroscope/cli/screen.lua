--- Text for people: names made harmless, columns, bars, colour.

local screen = {}

local methods = {}
local meta = { __name = "pyroscope.screen", __index = methods }

local blocks = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }
local sparks = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local ascii_sparks = { "_", ".", ":", "-", "=", "+", "*", "#" }
local styles = {
  bold = "1", dim = "2", up = "31", down = "32", bar = "36", hot = "31", warm = "33",
  error = "1;31", hint = "36", own = "1;34",
}

--- A screen of a given width and character set.
---@param options { width?: integer, utf8?: boolean, color?: boolean, cut?: boolean }
function screen.new(options)
  local self = {
    width = options.width or 100, utf8 = options.utf8 or false,
    color = options.color or false, cuts = options.cut or false, links = options.links or false,
  }
  self.dot = self.utf8 and " · " or " | "
  self.up = self.utf8 and "▲" or "^"
  self.down = self.utf8 and "▼" or "v"
  self.plus_minus = self.utf8 and "±" or "+-"
  return setmetatable(self, meta)
end

local function invisible(code)
  return code < 32 or (code >= 0x7f and code < 0xa0)
end

-- Marks that turn or hide the text around them: harmless as text, not as what they do.
local function deceiving(code)
  return code == 0x200e or code == 0x200f or code == 0x2028 or code == 0x2029
    or (code >= 0x202a and code <= 0x202e) or (code >= 0x2066 and code <= 0x2069)
    or code == 0xfeff or code == 0x200b
end

local function escape_bytes(text)
  return (text:gsub(".", function(c) return ("\\x%02x"):format(c:byte()) end))
end

--- A name as it may be printed anywhere: control bytes and invalid UTF-8 as `\x1b`.
---@param text string
---@param ascii? boolean  escape everything beyond ASCII too
---@return string
function screen.printable(text, ascii)
  if not text:find "[%c\127-\255]" then return text end
  local parts, at = {}, 1
  while at <= #text do
    local stop = text:find("[%c\127-\255]", at)
    if not stop then
      parts[#parts + 1] = text:sub(at)
      break
    end
    parts[#parts + 1] = text:sub(at, stop - 1)
    local char = text:match("^[\194-\244][\128-\191]+", stop)
    local length = char and utf8.len(text, stop, stop) and utf8.offset(text, 2, stop) - stop or 1
    char = text:sub(stop, stop + length - 1)
    if length == 1 then
      parts[#parts + 1] = escape_bytes(char)
    else
      local code = utf8.codepoint(char)
      if invisible(code) then
        parts[#parts + 1] = ("\\x%02x"):format(code)
      elseif deceiving(code) or ascii then
        parts[#parts + 1] = code > 0xffff and ("\\U%08x"):format(code) or ("\\u%04x"):format(code)
      else
        parts[#parts + 1] = char
      end
    end
    at = stop + length
  end
  return table.concat(parts)
end

-- Ranges that take two columns, and marks that take none; enough for names people write.
local wide = {
  { 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf }, { 0xac00, 0xd7a3 },
  { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 },
  { 0x1f300, 0x1f64f }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
}

local function columns(code)
  if code < 0x300 then return 1 end
  if code <= 0x36f or (code >= 0x200b and code <= 0x200d)
      or (code >= 0xfe00 and code <= 0xfe0f) then
    return 0
  end
  for _, range in ipairs(wide) do
    if code >= range[1] and code <= range[2] then return 2 end
  end
  return 1
end

--- " (did you mean 'x'?)" for a mistyped word, or nothing.
---@param word string
---@param known string[]
---@return string
function screen.meant(word, known)
  local near = require "pyroscope.check".suggestion(word, known)
  return near ~= "" and " " .. near or ""
end

--- `file:line` of a row, as far as it has them; empty without a file.
---@param row { file?: string, line?: integer }
---@return string
function screen.place(row)
  if not row.file then return "" end
  return row.line and ("%s:%d"):format(row.file, row.line) or row.file
end

--- How many columns a printable text takes.
---@param text string
---@return integer
function screen.width(text)
  if not text:find "[\128-\255]" then return #text end
  local n = 0
  for _, code in utf8.codes(text) do n = n + columns(code) end
  return n
end

--- Pads with blanks on the right, or on the left when `right` is set.
function screen.pad(text, width, right)
  local missing = width - screen.width(text)
  if missing <= 0 then return text end
  return right and (" "):rep(missing) .. text or text .. (" "):rep(missing)
end

--- Cuts the middle out of a text so that it takes at most `width` columns.
---@param text string
---@param width integer
---@param mark string
function screen.cut(text, width, mark)
  if screen.width(text) <= width then return text end
  local room = width - screen.width(mark)
  if room < 2 then return mark:sub(1, width) end
  local head, tail = room // 2, room - room // 2
  local chars = {}
  for _, code in utf8.codes(text) do chars[#chars + 1] = utf8.char(code) end
  local left, used, i = {}, 0, 1
  while chars[i] and used + screen.width(chars[i]) <= head do
    used = used + screen.width(chars[i])
    left[#left + 1] = chars[i]
    i = i + 1
  end
  local right, j = {}, #chars
  used = 0
  while j > i and used + screen.width(chars[j]) <= tail do
    used = used + screen.width(chars[j])
    table.insert(right, 1, chars[j])
    j = j - 1
  end
  return table.concat(left) .. mark .. table.concat(right)
end

--- Cuts the beginning off a text, so that it takes at most `width` columns.
---@param text string
---@param width integer
---@param mark string
---@return string
function screen.tail(text, width, mark)
  if screen.width(text) <= width then return text end
  local room = width - screen.width(mark)
  if room < 1 then return mark:sub(1, width) end
  while screen.width(text) > room do text = text:sub(utf8.offset(text, 2) or #text + 1) end
  return mark .. text
end

--- A name for this screen, harmless and (on a terminal) at most `width` columns.
function methods:name(text, width)
  text = screen.printable(text, not self.utf8)
  if width and self.cuts then
    return screen.cut(text, math.max(4, width), self.utf8 and "…" or "..")
  end
  return text
end

-- Signs of ours that a screen without UTF-8 has not.
local ascii = { ["±"] = "+-", ["µ"] = "u", ["·"] = "|" }

--- A line of ours for this screen; names in it have to be escaped before.
---@param line string
---@return string
function methods:plain(line)
  if self.utf8 then return line end
  return (line:gsub("[\194][\176-\183]", ascii))
end

--- Text in a style; colour never carries meaning alone.
function methods:style(style, text)
  if not self.color or text == "" then return text end
  return "\27[" .. styles[style] .. "m" .. text .. "\27[0m"
end

--- A bar for a share (0 to 1), `unit` of share a cell, to an eighth of a cell. It is as long as
--- the percentage that is printed beside it.
function methods:bar(share, unit)
  share = math.floor(share * 1000 + 0.5) / 1000
  if share <= 0 then return "" end
  if not self.utf8 then return ("#"):rep(math.floor(share / unit + 0.5)) end
  local eighths = math.floor(share / unit * 8 + 0.5)
  return ("█"):rep(eighths // 8) .. (blocks[eighths % 8] or "")
end

--- A sparkline; `most` is the value of a full cell. Missing values (false) are blank.
function methods:spark(values, most)
  local cells = self.utf8 and sparks or ascii_sparks
  local text = {}
  for i, value in ipairs(values) do
    if not value then
      text[i] = " "
    else
      local level = most > 0 and math.ceil(value / most * 8 - 1e-9) or 1
      text[i] = cells[math.max(1, math.min(8, level))]
    end
  end
  return table.concat(text)
end

--- The parts of a header line that are there, joined by dots.
function methods:header(parts)
  local kept = {}
  for _, part in ipairs(parts) do
    if part and part ~= "" then kept[#kept + 1] = part end
  end
  return table.concat(kept, self.dot)
end

-- Some of the columns.
local function picked(list, rows, kept)
  if #kept == #list then return list, rows end
  local columns_left, moved = {}, {}
  for k, c in ipairs(kept) do columns_left[k] = list[c] end
  for r, row in ipairs(rows) do
    moved[r] = { styles = {}, links = {} }
    for k, c in ipairs(kept) do
      moved[r][k] = row[c]
      moved[r].styles[k] = row.styles and row.styles[c]
      moved[r].links[k] = row.links and row.links[c]
    end
  end
  return columns_left, moved
end

-- Optional columns that no row fills are left out.
local function needed(list, rows)
  local kept = {}
  for c, column in ipairs(list) do
    local filled = not column.optional
    for _, row in ipairs(rows) do filled = filled or (row[c] or "") ~= "" end
    if filled then kept[#kept + 1] = c end
  end
  return picked(list, rows, kept)
end

-- Without the column that a narrow terminal misses least; nil where all are needed.
local function fewer(list, rows)
  local least
  for c, column in ipairs(list) do
    if column.drop and (not least or column.drop > list[least].drop) then least = c end
  end
  if not least then return nil end
  local kept = {}
  for c in ipairs(list) do
    if c ~= least then kept[#kept + 1] = c end
  end
  return picked(list, rows, kept)
end

local function widths_of(list, rows, header)
  local widths = {}
  for c, column in ipairs(list) do
    local w = math.max(column.min or 0, header and screen.width(column[1]) or 0)
    for _, row in ipairs(rows) do
      if row[c] then w = math.max(w, screen.width(row[c])) end
    end
    widths[c] = w
  end
  return widths
end

--- An aligned table. A column is { title, right = bool, min = n, gap = n (blanks before it),
--- shrink = least width on a narrow terminal, tail = bool (what is cut is the beginning), drop = n
--- (a narrow terminal does without it, the highest first), style = function(row) }; a cell is a
--- printable text.
---@param list table[]    columns
---@param rows string[][]
---@param options? { header?: boolean, indent?: integer, most?: integer }
---@return string[] lines
function methods:table(list, rows, options)
  options = options or {}
  list, rows = needed(list, rows)
  local widths = widths_of(list, rows, options.header ~= false)
  while not self:shrink(list, widths, options.indent or 2) do
    local some, left = fewer(list, rows)
    if not some then break end
    list, rows = some, left
    widths = widths_of(list, rows, options.header ~= false)
  end
  local mark = self.utf8 and "…" or ".."
  local lines = {}
  local function line(row, style)
    local parts, pending = {}, (" "):rep(options.indent or 2)
    for c, column in ipairs(list) do
      if c > 1 then pending = pending .. (" "):rep(column.gap or 2) end
      local cell = row[c] or ""
      if cell ~= "" then
        if self.cuts then
          cell = (column.tail and screen.tail or screen.cut)(cell, widths[c], mark)
        end
        local blank = (" "):rep(math.max(0, widths[c] - screen.width(cell)))
        local shown = style and style(c, cell) or cell
        if column.right then
          parts[#parts + 1] = pending .. blank .. shown
          pending = ""
        else
          parts[#parts + 1] = pending .. shown
          pending = blank
        end
      else
        pending = pending .. (" "):rep(widths[c])
      end
    end
    lines[#lines + 1] = table.concat(parts)
  end
  if options.header ~= false then
    local titles = {}
    for c, column in ipairs(list) do titles[c] = column[1] end
    line(titles, function(_, cell) return self:style("bold", cell) end)
  end
  for _, row in ipairs(rows) do
    line(row, function(c, cell)
      local style, url = row.styles and row.styles[c], row.links and row.links[c]
      cell = style and self:style(style, cell) or cell
      return url and ("\27]8;;%s\27\\%s\27]8;;\27\\"):format(url, cell) or cell
    end)
  end
  return lines
end

-- On a terminal that is too narrow the columns that may shrink give room, widest first. True if
-- all have room then.
function methods:shrink(list, widths, indent)
  if not self.cuts then return true end
  local function excess()
    local sum = indent
    for c, column in ipairs(list) do
      sum = sum + widths[c] + (c > 1 and (column.gap or 2) or 0)
    end
    return sum - self.width
  end
  local over = excess()
  while over > 0 do
    local widest
    for c, column in ipairs(list) do
      if column.shrink and widths[c] > column.shrink
          and (not widest or widths[c] > widths[widest]) then
        widest = c
      end
    end
    if not widest then return false end
    widths[widest] = widths[widest] - 1
    over = over - 1
  end
  return true
end

--- A line for this screen: on a terminal where it is too long it goes on below, from a place
--- between its parts.
---@param line string   parts behind dots or several blanks
---@return string[]
function methods:wrapped(line)
  if not self.cuts or screen.width(line) <= self.width then return { line } end
  local lines, current, gap, at = {}, "", "", 1
  while at <= #line do
    local dot = line:find(self.dot, at, true)
    local from, to = line:find("   *", at)
    if dot and (not from or dot <= from) then from, to = dot, dot + #self.dot - 1 end
    local part = line:sub(at, (from or #line + 1) - 1)
    if current ~= "" and screen.width(current .. gap .. part) > self.width then
      lines[#lines + 1], current, gap = current, "  ", ""
    end
    current = current .. gap .. part
    gap = from and line:sub(from, to) or ""
    at = (to or #line) + 1
  end
  lines[#lines + 1] = current
  return lines
end

return screen
