--- A reader of TOML: tables, dotted and quoted keys, strings of all four kinds, numbers, booleans,
--- arrays, inline tables, arrays of tables. Dates are refused by name. Nothing is ever evaluated;
--- mistakes have line, column and a caret, and never show what may be a secret.

local errors = require "pyroscope.errors"

local toml = {}

-- Words in keys whose values nobody should see.
local SECRET = { "token", "password", "secret", "authorization", "credential", "api_key", "apikey",
  "cookie", "headers", "access_command" }

--- True for a key whose value may be a secret.
---@param key string
---@return boolean
function toml.is_secret(key)
  key = key:lower()
  if key == "token_file" then return false end
  for _, word in ipairs(SECRET) do
    if key:find(word, 1, true) then return true end
  end
  return false
end

-- A line of the file without what may be secret: same width, so that the caret stays right.
local function masked(line)
  local key, rest = line:match "^(%s*[%w_%-%.\"' ]-%s*=)(.*)$"
  if key and toml.is_secret(key) then return key .. rest:gsub("%S", "*") end
  line = line:gsub("([\"'])(.-)%1", function(quote, inner)
    return quote .. ("*"):rep(#inner) .. quote
  end)
  line = line:gsub("([\"'])([^\"']*)$", function(quote, inner)
    return quote .. ("*"):rep(#inner)
  end)
  line = line:gsub("://([^/%s@]*)@", function(inner) return "://" .. ("*"):rep(#inner) .. "@" end)
  return (line:gsub("[%w_%-%.%+/~=]+", function(word)
    if #word >= 12 and word:find "%d" then return ("*"):rep(#word) end
  end))
end

local function place(text, at)
  local line, start = 1, 1
  for newline in text:sub(1, at - 1):gmatch "()\n" do line, start = line + 1, newline + 1 end
  return line, at - start + 1, start
end

-- Raised inside, caught by parse: { at, message }.
local function fault(at, message, ...)
  error({ at = at, message = message:format(...) }, 0)
end

local ESCAPES = { b = "\b", t = "\t", n = "\n", f = "\f", r = "\r", e = "\27", ['"'] = '"',
  ["\\"] = "\\" }

local function escape(text, at, parts)
  local c = text:sub(at + 1, at + 1)
  if ESCAPES[c] then
    parts[#parts + 1] = ESCAPES[c]
    return at + 2
  end
  local digits = c == "u" and 4 or c == "U" and 8
  local hex = digits and text:match("^%x+", at + 2)
  if not hex or #hex < digits then
    fault(at, "unknown escape '\\%s' (a backslash is written \\\\, or use '...')", c)
  end
  local code = tonumber(hex:sub(1, digits), 16)
  if code > 0x10FFFF or (code >= 0xD800 and code < 0xE000) then
    fault(at, "no such Unicode character")
  end
  parts[#parts + 1] = utf8.char(code)
  return at + 2 + digits
end

-- """...""" and '''...''': up to the closing three quotes.
local function long_string(text, at)
  local quote = text:sub(at, at)
  local start, parts = at, {}
  at = text:match("^\n()", at + 3) or at + 3
  while true do
    local run, after = text:match(quote == '"' and '^([^"\\]*)()' or "^([^']*)()", at)
    parts[#parts + 1], at = run, after
    local c = text:sub(at, at)
    if c == "" then fault(start, "the string does not end") end
    if c == "\\" then
      local continued = text:match("^\\[ \t]*\n%s*()", at)
      at = continued or escape(text, at, parts)
    else
      local quotes = text:match("^" .. quote .. "+", at)
      if #quotes >= 3 then
        if #quotes > 5 then fault(at + 3, "too many quotes") end
        parts[#parts + 1] = quote:rep(#quotes - 3)
        return table.concat(parts), at + #quotes
      end
      parts[#parts + 1], at = quotes, at + #quotes
    end
  end
end

local function string_at(text, at)
  local quote = text:sub(at, at)
  if text:sub(at, at + 2) == quote:rep(3) then return long_string(text, at) end
  if quote == "'" then
    local inner, after = text:match("^'([^'\n]*)'()", at)
    if not inner then fault(at, "the string does not end on its line") end
    return inner, after
  end
  local start, parts = at, {}
  at = at + 1
  while true do
    local run, after = text:match('^([^"\\\n%z\1-\8\11-\31\127]*)()', at)
    parts[#parts + 1], at = run, after
    local c = text:sub(at, at)
    if c == '"' then return table.concat(parts), at + 1 end
    if c == "" or c == "\n" then fault(start, "the string does not end on its line") end
    if c ~= "\\" then fault(at, "a control character in a string is written \\u%04X", c:byte()) end
    at = escape(text, at, parts)
  end
end

-- Blanks and comments; `lines` also passes line ends.
local function skip(text, at, lines)
  while true do
    at = text:match(lines and "^[ \t\n]*()" or "^[ \t]*()", at)
    if text:sub(at, at) ~= "#" then return at end
    local bad = text:match("^#[^\n%z\1-\8\11-\31\127]*()", at)
    local c = text:sub(bad, bad)
    if c ~= "" and c ~= "\n" then fault(bad, "a control character in a comment") end
    at = bad
    if not lines then return at end
  end
end

-- A key of one or more parts: { {name, at}, ... }.
local function key_at(text, at)
  local parts = {}
  while true do
    local name, after = text:match("^([%w_%-]+)()", at)
    local c = text:sub(at, at)
    if not name and (c == '"' or c == "'") then
      if text:sub(at, at + 2) == c:rep(3) then fault(at, "a key is no long string") end
      name, after = string_at(text, at)
    end
    if not name then fault(at, c == "" and "a key is missing" or "a key is expected here") end
    parts[#parts + 1] = { name, at }
    at = skip(text, after)
    if text:sub(at, at) ~= "." then return parts, at end
    at = skip(text, at + 1)
  end
end

local BASES = { x = 16, o = 8, b = 2 }

local function number_of(word)
  local sign, base, digits = word:match "^([+-]?)0([xob])([%x_]+)$"
  if base then
    if sign ~= "" or digits:find "__" or digits:find "^_" or digits:find "_$" then return nil end
    digits = digits:gsub("_", "")
    local value = tonumber(digits, BASES[base])
    -- Larger numbers would wrap round.
    if not value or value < 0 or #digits > 16 then return nil end
    return value
  end
  if word:match "^[+-]?inf$" then return word:sub(1, 1) == "-" and -math.huge or math.huge end
  if word:match "^[+-]?nan$" then return 0 / 0 end
  if not word:match "^[+-]?%d[%d_]*%.?[%d_]*[eE]?[+-]?[%d_]*$" then return nil end
  if word:find "__" or word:find "_$" or word:find "_[%.eE]" or word:find "[%.eE+-]_"
      or word:find "%.$" or word:find "%.[eE]" or word:find "^[+-]?0[%d_]" then
    return nil
  end
  local plain = word:gsub("_", ""):gsub("^%+", "")
  if plain:match "^%-?%d+$" then return math.tointeger(plain) end
  return tonumber(plain)
end

local value_at

local function array_at(text, at, positions, depth)
  local list, start = {}, at
  at = skip(text, at + 1, true)
  while text:sub(at, at) ~= "]" do
    if at > #text then fault(start, "the array does not end") end
    list[#list + 1], at = value_at(text, at, positions, depth + 1)
    at = skip(text, at, true)
    local c = text:sub(at, at)
    if c == "," then
      at = skip(text, at + 1, true)
    elseif c ~= "]" then
      fault(at, "',' or ']' is expected here")
    end
  end
  return list, at + 1
end

-- Puts a value at a key of several parts below `root`.
local function assign(root, parts, value, positions, closed)
  local current = root
  for i = 1, #parts - 1 do
    local name, at = parts[i][1], parts[i][2]
    local inner = current[name]
    if inner == nil then
      inner = {}
      current[name] = inner
      positions[inner], closed[inner] = {}, "dotted"
      positions[current][name] = at
    elseif type(inner) ~= "table" or closed[inner] == "inline" or closed[inner] == "list"
        or closed[inner] == "header" then
      fault(at, "'%s' is already defined", name)
    end
    current = inner
  end
  local name, at = parts[#parts][1], parts[#parts][2]
  if current[name] ~= nil then fault(at, "'%s' is already defined", name) end
  current[name] = value
  positions[current][name] = at
end

local function inline_at(text, at, positions, depth)
  local made = {}
  positions[made] = {}
  local closed = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return made, at + 1 end
  while true do
    local parts, value
    parts, at = key_at(text, at)
    if text:sub(at, at) ~= "=" then fault(at, "'=' is expected after the key") end
    value, at = value_at(text, skip(text, at + 1), positions, depth + 1)
    assign(made, parts, value, positions, closed)
    at = skip(text, at)
    local c = text:sub(at, at)
    if c == "}" then return made, at + 1 end
    if c ~= "," then fault(at, "',' or '}' is expected here") end
    at = skip(text, at + 1)
  end
end

function value_at(text, at, positions, depth)
  if depth > 64 then fault(at, "nested too deeply") end
  local c = text:sub(at, at)
  if c == '"' or c == "'" then return string_at(text, at) end
  if c == "[" then return array_at(text, at, positions, depth) end
  if c == "{" then return inline_at(text, at, positions, depth) end
  local word, after = text:match("^([%w_%+%-%.:]+)()", at)
  if word == "true" then return true, after end
  if word == "false" then return false, after end
  if not word then
    fault(at, (c == "" or c == "\n" or c == "#") and "a value is missing"
      or "a value is expected here")
  end
  local number = number_of(word)
  if number then return number, after end
  if word:match "^%d%d%d%d%-%d%d%-%d%d" or word:match "^%d%d:%d%d" then
    fault(at, "dates and times are not read: put them in quotes")
  end
  fault(at, "a text needs quotes")
end

-- The table that a header names, made if need be.
local function header(root, parts, list, state)
  local positions, closed = state.positions, state.closed
  local current = root
  for i = 1, #parts do
    local name, at = parts[i][1], parts[i][2]
    local inner, last = current[name], i == #parts
    if inner ~= nil and type(inner) ~= "table" then fault(at, "'%s' is already a value", name) end
    if inner ~= nil and (closed[inner] == "inline" or (last and closed[inner] == "dotted")) then
      fault(at, "'%s' is already defined", name)
    end
    if last and list then
      if inner ~= nil and closed[inner] ~= "list" then
        fault(at, "'%s' is no list of tables", name)
      end
      inner = inner or {}
      closed[inner] = "list"
      current[name] = inner
      positions[current][name] = positions[current][name] or at
      local item = {}
      positions[item] = {}
      inner[#inner + 1] = item
      return item
    end
    if last and (closed[inner or ""] == "header" or closed[inner or ""] == "list") then
      fault(at, "the table [%s] is defined twice", name)
    end
    if inner == nil then
      inner = {}
      positions[inner] = {}
      current[name] = inner
      positions[current][name] = at
    end
    if last then closed[inner] = "header" end
    if closed[inner] == "list" then inner = inner[#inner] end
    current = inner
  end
  return current
end

-- Tables written as a value are complete.
local function close_value(value, closed)
  if type(value) ~= "table" then return end
  closed[value] = "inline"
  for _, inner in pairs(value) do close_value(inner, closed) end
end

local function read(text)
  local root = {}
  local state = { positions = { [root] = {} }, closed = {} }
  local current = root
  local at = skip(text, 1, true)
  while at <= #text do
    if text:sub(at, at) == "[" then
      local list = text:sub(at, at + 1) == "[["
      local closing = list and "]]" or "]"
      local parts
      parts, at = key_at(text, skip(text, at + #closing))
      if text:sub(at, at + #closing - 1) ~= closing then
        fault(at, "'%s' is expected here", closing)
      end
      current = header(root, parts, list, state)
      at = at + #closing
    else
      local parts, value
      parts, at = key_at(text, at)
      if text:sub(at, at) ~= "=" then fault(at, "'=' is expected after the key") end
      value, at = value_at(text, skip(text, at + 1), state.positions, 1)
      close_value(value, state.closed)
      assign(current, parts, value, state.positions, state.closed)
    end
    at = skip(text, at)
    if at <= #text and text:sub(at, at) ~= "\n" then fault(at, "the line should end here") end
    at = skip(text, at, true)
  end
  return root, state.positions
end

--- Reads TOML. The second result tells where keys stand: `lines[table][key]` = line.
---@param text string
---@param name string   of the file, for messages
---@return table? values
---@return table|pyroscope.error lines_or_err
function toml.parse(text, name)
  text = text:gsub("^\239\187\191", ""):gsub("\r\n", "\n")
  local ok, values, positions = pcall(read, text)
  if not ok then
    local why = values
    if type(why) ~= "table" then error(why, 0) end
    local line, column, start = place(text, why.at)
    local shown = masked(text:sub(start):match "^[^\n]*")
    local indent = text:sub(start, why.at - 1):gsub("[^\t]", " ")
    return nil, errors.new { kind = "config", code = "toml",
      message = ("%s:%d:%d: %s"):format(name, line, column, why.message),
      hint = shown .. "\n" .. indent .. "^" }
  end
  local starts, lines = {}, {}
  for newline in text:gmatch "()\n" do starts[#starts + 1] = newline end
  for owner, keys in pairs(positions) do
    lines[owner] = {}
    for key, at in pairs(keys) do
      local low, high = 1, #starts + 1
      while low < high do
        local middle = (low + high) // 2
        if starts[middle] < at then low = middle + 1 else high = middle end
      end
      lines[owner][key] = low
    end
  end
  return values, lines
end

return toml
