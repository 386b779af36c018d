--- JSON written by hand: keys in a fixed order, int64 as strings, doubles that stay finite.
--- (lua-cjson turns every number into a float and cuts it to 14 digits.)

local json = {}

-- The order in which keys are written; the others follow by name.
local order = {
  "type", "schema", "error", "kind", "code", "message", "hint", "status", "where",
  "name", "label", "file", "line", "query", "mode", "sides", "source", "profile_type",
  "selector", "from_ms", "to_ms", "max_nodes", "totals", "measure", "value", "before", "after",
  "delta", "unit", "cores", "rate", "instances", "coverage", "shown", "rest", "other", "rows",
  "link", "partial", "warnings",
}
local rank = {}
for i, key in ipairs(order) do rank[key] = i end

local array_meta = { __name = "pyroscope.array" }

--- Marks a table as an array, so that it stays one when it is empty.
function json.array(list)
  return setmetatable(list or {}, array_meta)
end

local escapes = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t", ["\127"] = "\\u007f",
}

local function escape(c)
  return escapes[c] or ("\\u%04x"):format(c:byte())
end

-- JSON is UTF-8: a byte that is none becomes the replacement character.
local function repaired(text)
  local parts, at = {}, 1
  while true do
    local ok, bad = utf8.len(text, at)
    if ok then
      parts[#parts + 1] = text:sub(at)
      return table.concat(parts)
    end
    parts[#parts + 1] = text:sub(at, bad - 1)
    parts[#parts + 1] = "\u{fffd}"
    at = bad + 1
    if at > #text then return table.concat(parts) end
  end
end

-- Control characters beyond ASCII and marks that turn the text around them: escaped, so that a
-- terminal shows them and does not obey.
local marks = { "\194[\128-\159]", "\226\128[\139-\143\168-\174]", "\226\129[\166-\169]",
  "\239\187\191" }

local function escape_mark(char)
  return ("\\u%04x"):format(utf8.codepoint(char))
end

--- A JSON string.
---@param text string
---@return string
function json.string(text)
  local beyond = text:find "[\128-\255]"
  if beyond then text = repaired(text) end
  text = text:gsub('[%c"\\\127]', escape)
  if beyond then
    for _, pattern in ipairs(marks) do text = text:gsub(pattern, escape_mark) end
  end
  return '"' .. text .. '"'
end

local function number(value)
  if math.type(value) == "integer" then return ("%d"):format(value) end
  if value ~= value or value == math.huge or value == -math.huge then
    error("a number of an answer is not finite", 2)
  end
  if value == math.floor(value) and math.abs(value) < 1e15 then return ("%.1f"):format(value) end
  return ("%.10g"):format(value)
end

local encode

local function sorted_keys(object, ranks)
  local keys = {}
  for key in pairs(object) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    local x, y = ranks[a] or math.huge, ranks[b] or math.huge
    if x ~= y then return x < y end
    return a < b
  end)
  return keys
end

local usual = { rank = rank, number = number }

--- Any value: Lua integers as bare numbers, tables with [1] (or made by `json.array`) as arrays.
--- A style of one's own has another order of keys and another way to write numbers.
---@param value any
---@param style? { rank: table<string, integer>, number: fun(value: number): string }
---@return string
function json.encode(value, style)
  return encode(value, style or usual)
end

function encode(value, style)
  local kind = type(value)
  if kind == "string" then return json.string(value) end
  if kind == "number" then return style.number(value) end
  if kind == "boolean" then return tostring(value) end
  if kind ~= "table" then error("cannot write a " .. kind .. " as JSON", 2) end
  local parts = {}
  if getmetatable(value) == array_meta or value[1] ~= nil then
    for i, item in ipairs(value) do parts[i] = encode(item, style) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for _, key in ipairs(sorted_keys(value, style.rank)) do
    parts[#parts + 1] = json.string(key) .. ":" .. encode(value[key], style)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function object(labels)
  local keys, parts = {}, {}
  for key in pairs(labels) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = json.string(key) .. ":" .. json.string(tostring(labels[key]))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- A value of a row as its column says: "int64" is a string, "labels" an object of strings.
---@param value any
---@param kind string
---@return string
function json.value(value, kind)
  if kind == "int64" then return '"' .. ("%d"):format(value) .. '"' end
  if kind == "labels" then return object(value) end
  if kind == "number" then return number(value + 0.0) end
  if kind == "list" or kind == "points" then return encode(json.array(value), usual) end
  return encode(value, usual)
end

--- One row by the columns of its document; what a row lacks is absent.
---@return string
function json.row(row, columns)
  local parts = {}
  for _, column in ipairs(columns) do
    local value = column.get and column.get(row) or row[column.name]
    if value ~= nil then
      parts[#parts + 1] = json.string(column.name) .. ":" .. json.value(value, column.kind)
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The fields of a document around its rows.
local function fields(document, with_rows)
  local head = {}
  for key, value in pairs(document.head) do head[key] = value end
  head.type, head.schema = document.type, 1
  head.partial = document.partial or false
  head.warnings = json.array(document.warnings or {})
  local parts = {}
  if with_rows then head.rows = {} end
  for _, key in ipairs(sorted_keys(head, rank)) do
    local text
    if key == "rows" then
      local rows = {}
      for i, row in ipairs(document.rows) do rows[i] = json.row(row, document.columns) end
      text = "[" .. table.concat(rows, ",\n  ") .. "]"
    else
      text = encode(head[key], usual)
    end
    parts[#parts + 1] = json.string(key) .. ":" .. text
  end
  return parts
end

--- The whole document as one object, a line a row.
---@param document pyroscope.document
---@return string
function json.write(document)
  local parts = fields(document, true)
  return "{" .. table.concat(parts, ",\n ", 1, #parts):gsub("^(\"type\":[^\n]-),\n ", "%1,", 1)
    .. "}\n"
end

--- The object without its rows, on one line: what `jsonl` begins with.
---@param document pyroscope.document
---@return string
function json.first_line(document)
  return "{" .. table.concat(fields(document, false), ",") .. "}\n"
end

return json
