--- One name a line, for shells.

local screen = require "pyroscope.cli.screen"

local names = {}

---@param document pyroscope.document
---@return string
function names.write(document)
  local lines = {}
  local key = document.name_field or "name"
  for i, row in ipairs(document.rows) do
    lines[i] = screen.printable(tostring(row[key])) .. "\n"
  end
  return table.concat(lines)
end

return names
