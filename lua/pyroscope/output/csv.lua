--- CSV as RFC 4180 has it, and TSV: a header line, raw units, UTC.

local screen = require "pyroscope.cli.screen"

local csv = {}

local function labels(value)
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = key .. "=" .. tostring(value[key]) end
  return table.concat(parts, ",")
end

--- A value of a row as plain text.
---@param value any
---@param kind string
---@return string
function csv.text(value, kind)
  if value == nil then return "" end
  if kind == "labels" then return labels(value) end
  if kind == "error" then return ("%s: %s"):format(value.kind, value.message) end
  if type(value) == "table" then
    local parts = {}
    for i, item in ipairs(value) do
      parts[i] = type(item) == "table" and table.concat(item, ":") or tostring(item)
    end
    return table.concat(parts, ";")
  end
  if kind == "number" or math.type(value) == "float" then
    return ("%.10g"):format(value)
  end
  return tostring(value)
end

local function quoted(text)
  if text:find '[",\r\n]' then return '"' .. text:gsub('"', '""') .. '"' end
  return text
end

local function plain(text)
  return screen.printable(text)
end

---@param document pyroscope.document
---@param options? { tabs?: boolean, printable?: boolean }
---@return string
function csv.write(document, options)
  options = options or {}
  local source = document.flat and document.flat() or document
  local separator = options.tabs and "\t" or ","
  local ending = options.tabs and "\n" or "\r\n"
  local lines, cells = {}, {}
  for c, column in ipairs(source.columns) do
    cells[c] = options.tabs and plain(column.name) or quoted(column.name)
  end
  lines[1] = table.concat(cells, separator)
  for r, row in ipairs(source.rows) do
    cells = {}
    for c, column in ipairs(source.columns) do
      local value
      if column.get then value = column.get(row) else value = row[column.name] end
      local text = csv.text(value, column.kind)
      if options.tabs or options.printable then text = plain(text) end
      cells[c] = options.tabs and text or quoted(text)
    end
    lines[r + 1] = table.concat(cells, separator)
  end
  return table.concat(lines, ending) .. ending
end

return csv
