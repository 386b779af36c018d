--- The grammar of PromQL's label selectors, `[name] [ "{" [ name op "value", ... ] "}" ]`, with the
--- faults worded and placed as a server does.

local promql = {}

local SIMPLE = { a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v",
  ["\\"] = "\\" }
local DIGITS = { x = 2, u = 4, U = 8 }

-- Go's %q of one character, and U+002E '.'.
local function quoted_char(text, at)
  local c = text:match("^[\0-\x7F\xC2-\xF4][\x80-\xBF]*", at) or text:sub(at, at)
  if c == "'" or c == "\\" then return "'\\" .. c .. "'" end
  if c == "\n" then return "'\\n'" end
  return "'" .. c .. "'"
end

local function unicode_char(text, at)
  local c = text:match("^[\0-\x7F\xC2-\xF4][\x80-\xBF]*", at) or text:sub(at, at)
  local ok, code = pcall(utf8.codepoint, c)
  return ("U+%04X '%s'"):format(ok and code or c:byte(), c)
end

local function go_quote(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"'
end

--- A quoted string that starts at `at`: its value and where it ends, or nil, message, where.
---@param text string
---@param at integer
---@return string? value
---@return integer|string after_or_message
---@return integer? mark
function promql.quoted(text, at)
  local quote = text:sub(at, at)
  if quote == "`" then
    local close = text:find("`", at + 1, true)
    if not close then return nil, "unterminated raw string" end
    return text:sub(at + 1, close - 1), close + 1
  end
  local parts, i = {}, at + 1
  while true do
    local plain, after = text:match("^([^\\\n\"']*)()", i)
    parts[#parts + 1], i = plain, after
    local c = text:sub(i, i)
    if c == "" or c == "\n" then return nil, "unterminated quoted string" end
    if c == quote then return table.concat(parts), i + 1 end
    if c ~= "\\" then
      parts[#parts + 1], i = c, i + 1
    else
      local e = text:sub(i + 1, i + 1)
      if e == "" then return nil, "escape sequence not terminated" end
      if SIMPLE[e] or e == quote then
        parts[#parts + 1], i = SIMPLE[e] or e, i + 2
      else
        local base, count, from = 16, DIGITS[e], i + 2
        if e:match "[0-7]" then base, count, from = 8, 3, i + 1 end
        if not count then
          return nil, "unknown escape sequence " .. unicode_char(text, i + 1), i + 1
        end
        local class = base == 16 and "%x" or "[0-7]"
        for k = from, from + count - 1 do
          local digit = text:sub(k, k)
          if digit == "" then return nil, "escape sequence not terminated" end
          if not digit:match(class) then
            return nil, ("illegal character %s in escape sequence"):format(
              unicode_char(text, k)), k
          end
        end
        local code = tonumber(text:sub(from, from + count - 1), base)
        if e == "u" or e == "U" then
          if code > 0x10FFFF or (code >= 0xD800 and code < 0xE000) then
            return nil, "escape sequence is an invalid Unicode code point"
          end
          parts[#parts + 1] = utf8.char(code)
        else
          if code > 255 then
            return nil, "escape sequence is an invalid Unicode code point"
          end
          parts[#parts + 1] = string.char(code)
        end
        i = from + count
      end
    end
  end
end

---@class pyroscope.selector.fault
---@field message string    as the server words it
---@field at? integer       1-based byte, as the server counts; nil where there is none to name
---@field mark? integer     the very character, where `at` is the start of what it is in
---@field advice? string

-- The next token inside braces: kind, where it starts, where it ends, its value.
local function inside(text, at)
  at = text:match("^%s*()", at)
  local comment = text:match("^#[^\n]*()", at)
  if comment then return inside(text, comment) end
  local c = text:sub(at, at)
  if c == "" then return "end", at, at end
  local name, after = text:match("^([%a_][%w_]*)()", at)
  if name then return "name", at, after, name end
  if c == "," or c == "}" then return c, at, at + 1, c end
  if c == '"' or c == "'" or c == "`" then
    local value, next_at, mark = promql.quoted(text, at)
    if not value then return "fault", at, mark or at, next_at end
    return "string", at, next_at, value
  end
  local op = text:match("^[=!][=~]?", at)
  if op == "==" then op = "=" end
  if op == "!" then
    local message = at == #text and "unexpected end of input inside braces"
      or "unexpected character after '!' inside braces: " .. quoted_char(text, at + 1)
    return "fault", at, at, message
  end
  if op then return "op", at, at + #op, op end
  if c == "{" then return "fault", at, at, "unexpected left brace '{'" end
  return "fault", at, at, "unexpected character inside braces: " .. quoted_char(text, at)
end

local function describe(text, kind, at, after)
  if kind == "end" then return "end of input" end
  local raw = text:sub(at, after - 1)
  if kind == "name" then return "identifier " .. go_quote(raw) end
  if kind == "string" then
    if #raw > 10 then return "string " .. go_quote(raw:sub(1, 10)) .. "..." end
    return "string " .. go_quote(raw)
  end
  if kind == "op" then return ("<op:%s>"):format(raw) end
  return go_quote(raw)
end

local NAME_ADVICE = 'quote names that are not letters, digits and "_": {"service.version"="1"}'

-- What the grammar expected, as a fault; a fault of the lexer goes first.
local function unexpected(text, token, expected)
  local kind, at, after, value = token[1], token[2], token[3], token[4]
  if kind == "fault" then
    local advice
    if value:find("unexpected character inside braces", 1, true) then advice = NAME_ADVICE end
    if value:find("unknown escape", 1, true) then
      advice = 'a backslash is written \\\\ inside "..." (a regular expression\'s dot: "a\\\\.b")'
    end
    return { message = value, at = at, mark = after > at and after or nil, advice = advice }
  end
  if kind == "end" then
    return { message = "unexpected end of input inside braces", at = at }
  end
  return { message = ("unexpected %s in label matching, expected %s"):format(
    describe(text, kind, at, after), expected), at = at }
end

local function set_name(matchers, metric, name, at)
  if metric then
    return nil, { message = ("metric name must not be set twice: %s or %s"):format(
      go_quote(metric), go_quote(name)), at = at }
  end
  table.insert(matchers, 1, { name = "__name__", op = "=", value = name, at = at })
  return name
end

-- Matchers up to "}" (or, bare, up to the end); returns where it stopped.
local function matchers_at(text, at, matchers, metric, bare)
  local closing = bare and "end" or "}"
  local token = { inside(text, at) }
  while token[1] ~= closing do
    local kind, start, value = token[1], token[2], token[4]
    if kind ~= "name" and kind ~= "string" then
      return nil, unexpected(text, token, 'identifier or "}"')
    end
    token = { inside(text, token[3]) }
    if token[1] == "op" then
      local op = token[4]
      token = { inside(text, token[3]) }
      if token[1] ~= "string" then
        local fault = unexpected(text, token, "string")
        if token[1] == "name" then fault.advice = "put the value in quotes" end
        return nil, fault
      end
      matchers[#matchers + 1] = { name = value, op = op, value = token[4], at = start,
        value_at = token[2] }
      token = { inside(text, token[3]) }
    elseif kind == "string" and (token[1] == "," or token[1] == closing) then
      local fault
      metric, fault = set_name(matchers, metric, value, start)
      if not metric then return nil, fault end
    else
      local expected = kind == "string" and '"," or "}"' or "label matching operator"
      return nil, unexpected(text, token, expected)
    end
    if token[1] == "," then
      token = { inside(text, token[3]) }
    elseif token[1] ~= closing then
      return nil, unexpected(text, token, '"," or "}"')
    end
  end
  return token[3]
end

--- Reads a selector's text. `bare`: braces may be left out. Regular expressions are not looked at.
---@param text string
---@param bare? boolean
---@return pyroscope.matcher[]? matchers
---@return pyroscope.selector.fault? fault
function promql.scan(text, bare)
  local matchers = {}
  if bare and text:match "^%s*$" then return matchers end
  if bare and (text:match "^%s*[%a_][%w_]*%s*[=!]" or text:match "^%s*[\"'`]") then
    local done, fault = matchers_at(text, 1, matchers, nil, true)
    if not done then return nil, fault end
    return matchers
  end
  local at = 1
  local function skip()
    repeat
      at = text:match("^%s*()", at)
      local after = text:match("^#[^\n]*()", at)
      at = after or at
    until not after
  end
  skip()
  local metric, after = text:match("^([%a_:][%w_:]*)()", at)
  if metric then
    set_name(matchers, nil, metric, at)
    at = after
    skip()
  end
  local c = text:sub(at, at)
  if c == "{" then
    local done, fault = matchers_at(text, at + 1, matchers, metric)
    if not done then return nil, fault end
    at = done
    skip()
    c = text:sub(at, at)
  elseif c == "" and not metric then
    return nil, { message = "unexpected end of input", advice = "{} selects everything" }
  end
  if c ~= "" then
    local word, ending = text:match("^([%a_:][%w_:]*)()", at)
    return nil, { message = word and "unexpected identifier " .. go_quote(word)
      or "unexpected character: " .. quoted_char(text, at), at = at, ending = ending }
  end
  return matchers
end

--- Line and column (both from 1, in bytes) of a byte in a text.
---@param text string
---@param at integer
---@return integer line, integer column
function promql.position(text, at)
  local line, start = 1, 1
  for newline in text:sub(1, at - 1):gmatch "()\n" do line, start = line + 1, newline + 1 end
  return line, at - start + 1
end

return promql
