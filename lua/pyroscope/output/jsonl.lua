--- JSON lines: the document without rows, then one row a line.

local json = require "pyroscope.output.json"

local jsonl = {}

---@param document pyroscope.document
---@return string
function jsonl.write(document)
  local lines = { json.first_line(document) }
  for i, row in ipairs(document.rows) do
    lines[i + 1] = json.row(row, document.columns) .. "\n"
  end
  return table.concat(lines)
end

return jsonl
