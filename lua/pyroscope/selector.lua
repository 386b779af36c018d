--- Label selectors of PromQL: read, checked, written, joined, tried on label sets.
--- The grammar is `[name] [ "{" name op "value", ... "}" ]`; errors have a caret.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"

local selector = {}

-- Reading --------------------------------------------------------------------------------

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

-- A quoted string that starts at `at`: its value and where it ends, or nil, message, where.
local function quoted(text, at)
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
    local value, next_at, mark = quoted(text, at)
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

local OPS = { ["="] = true, ["!="] = true, ["=~"] = true, ["!~"] = true }

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
function selector.scan(text, bare)
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
function selector.position(text, at)
  local line, start = 1, 1
  for newline in text:sub(1, at - 1):gmatch "()\n" do line, start = line + 1, newline + 1 end
  return line, at - start + 1
end

-- The line with the character, and a caret under it; columns count characters.
local function caret(text, at)
  local _, column = selector.position(text, at)
  local start = at - column + 1
  local line = text:sub(start):match "^[^\n]*"
  local before = text:sub(start, at - 1)
  local width = utf8.len(before) or #before
  return line:gsub("%c", " ") .. "\n" .. (" "):rep(width) .. "^"
end

--- Reads and checks a selector: `usage` errors have a caret.
---@param text string
---@param options? { bare?: boolean }
---@return pyroscope.matcher[]? matchers
---@return pyroscope.error? err
function selector.parse(text, options)
  local matchers, fault = selector.scan(text, options and options.bare)
  if matchers then
    for _, m in ipairs(matchers) do
      if m.op == "=~" or m.op == "!~" then
        local _, err = core.regex(m.value, { anchored = true })
        if err then
          fault = { message = ("regular expression of label '%s': %s"):format(m.name, err.message),
            at = m.value_at, advice = err.hint }
          break
        end
      end
    end
  end
  if not fault then return matchers end
  local at = fault.mark or fault.at
  local hint = at and caret(text, at) or nil
  if fault.advice then hint = (hint and hint .. "\n" or "") .. fault.advice end
  local where = ""
  if at then
    local line, column = selector.position(text, at)
    where = line == 1 and (" at column %d"):format(column)
      or (" at line %d, column %d"):format(line, column)
  end
  return nil, errors.new { kind = "usage", code = "selector", hint = hint,
    message = ("bad selector%s: %s"):format(where, fault.message) }
end

--- One filter as typed after `-l`: `k=v`, `k!=v`, `k=~v`, `k!~v`; quotes around v are optional.
---@param text string
---@return pyroscope.matcher? matcher
---@return pyroscope.error? err
function selector.label(text)
  local name, rest = text:match "^%s*([^=!~%s]+)%s*(.*)$"
  local op = rest and (rest:match "^[=!]~" or rest:match "^!=" or rest:match "^=")
  if not op then
    return nil, errors.new { kind = "usage", hint = "write name=value; also !=, =~ and !~",
      message = ("'%s' is not a label filter"):format(text) }
  end
  local value = rest:sub(#op + 1)
  if value:match '^".*"$' and #value > 1 then
    local inner, after = quoted(value, 1)
    if inner and after == #value + 1 then value = inner end
  end
  local matcher = { name = name:match '^"(.*)"$' or name, op = op, value = value }
  local _, err = selector.compile { matcher }
  if err then return nil, err end
  return matcher
end

-- Writing --------------------------------------------------------------------------------

local WRITTEN = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

--- A value in double quotes, escaped for a selector.
---@param value string
---@return string
function selector.quote(value)
  return '"' .. value:gsub('[\\"\n]', WRITTEN) .. '"'
end

--- The text of matchers: `{a="b", "c.d"=~"e"}`, in the order given.
---@param matchers pyroscope.matcher[]
---@return string
function selector.build(matchers)
  local parts = {}
  for i, m in ipairs(matchers) do
    local name = m.name:match "^[%a_][%w_]*$" or selector.quote(m.name)
    parts[i] = name .. m.op .. selector.quote(m.value)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- Matchers of a table: its array part, then its `name = value` entries sorted by name.
---@param labels table
---@return pyroscope.matcher[]
function selector.from_labels(labels)
  local matchers, names = {}, {}
  for i, m in ipairs(labels) do
    if type(m) ~= "table" or type(m.name) ~= "string" or m.name == ""
        or type(m.value) ~= "string" or not OPS[m.op or "="] then
      error(("labels[%d] must be { name =, op =, value = }"):format(i), 3)
    end
    matchers[i] = { name = m.name, op = m.op or "=", value = m.value }
  end
  for name, value in pairs(labels) do
    if type(name) == "string" then
      if type(value) ~= "string" then
        error(("the value of label '%s' must be a string, not %s"):format(name, type(value)), 3)
      end
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    matchers[#matchers + 1] = { name = name, op = "=", value = labels[name] }
  end
  return matchers
end

--- Several lists of matchers as one, without repetitions; a series has to fulfil all of them.
---@param ... pyroscope.matcher[]
---@return pyroscope.matcher[]
function selector.merge(...)
  local merged, seen = {}, {}
  for _, matchers in ipairs { ... } do
    for _, m in ipairs(matchers) do
      local key = ("%s\0%s\0%s"):format(m.name, m.op, m.value)
      if not seen[key] then
        seen[key] = true
        merged[#merged + 1] = { name = m.name, op = m.op, value = m.value }
      end
    end
  end
  return merged
end

--- The value that an equality matcher demands of a label.
---@param matchers pyroscope.matcher[]
---@param name string
---@return string?
function selector.fixed(matchers, name)
  for _, m in ipairs(matchers) do
    if m.name == name and m.op == "=" then return m.value end
  end
end

-- Evaluating -----------------------------------------------------------------------------

local NEGATED = { ["!="] = true, ["!~"] = true }

--- Makes a test of label tables: `test(labels)` is a boolean, or nil and the error of a regular
--- expression that gave up. A label that is missing is the empty string.
---@param matchers pyroscope.matcher[]
---@return (fun(labels: table<string,string>): boolean?, pyroscope.error?)? test
---@return pyroscope.error? err
function selector.compile(matchers)
  local tests = {}
  for i, m in ipairs(matchers) do
    local test = { name = m.name, value = m.value, negated = NEGATED[m.op] or false }
    if m.op == "=~" or m.op == "!~" then
      local regex, err = core.regex(m.value, { anchored = true })
      if not regex then
        return nil, errors.wrap(err, { message = ("regular expression of label '%s': %s"):format(
          m.name, err.message) })
      end
      test.regex, test.known = regex, {}
    end
    tests[i] = test
  end
  return function(labels)
    for _, test in ipairs(tests) do
      local value = labels[test.name] or ""
      local matches
      if test.regex then
        matches = test.known[value]
        if matches == nil then
          local err
          matches, err = test.regex:test(value)
          if matches == nil then return nil, err end
          test.known[value] = matches
        end
      else
        matches = value == test.value
      end
      if matches == test.negated then return false end
    end
    return true
  end
end

return selector
