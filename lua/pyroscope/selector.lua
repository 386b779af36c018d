--- Label selectors of PromQL: read, checked, written, joined, tried on label sets.
--- The grammar is `[name] [ "{" name op "value", ... "}" ]`; errors have a caret.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local promql = require "pyroscope.promql"

local selector = {}

local OPS = { ["="] = true, ["!="] = true, ["=~"] = true, ["!~"] = true }

selector.scan, selector.position = promql.scan, promql.position

-- Reading --------------------------------------------------------------------------------

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
    local inner, after = promql.quoted(value, 1)
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
