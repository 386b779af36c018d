--- Words for an editor's command line: `+line file`, the path as it is on this machine.

local here = require "pyroscope.cli.here"
local screen = require "pyroscope.cli.screen"

local editor = {}

--- Rows that have a file.
---@param document pyroscope.document
---@return string
function editor.write(document)
  local lines = {}
  for _, row in ipairs(document.rows) do
    if row.file and row.file ~= "" then
      lines[#lines + 1] = ("+%d %s\n"):format(math.max(1, row.line or row.start_line or 1),
        screen.printable(here.path(row.file) or row.file))
    end
  end
  return table.concat(lines)
end

return editor
