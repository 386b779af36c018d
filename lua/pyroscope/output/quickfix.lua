--- Lines for `nvim -q`, `:cexpr` and annotations: file:line:col: severity: text.

local screen = require "pyroscope.cli.screen"

local quickfix = {}

--- The severity of a share of the whole.
---@param share number
---@return "error"|"warning"|"info"
function quickfix.severity(share)
  share = math.abs(share)
  return share >= 0.1 and "error" or share >= 0.02 and "warning" or "info"
end

--- Rows that have a file; `document.entry(row)` gives share and text.
---@param document pyroscope.document
---@return string
function quickfix.write(document)
  local lines = {}
  for _, row in ipairs(document.rows) do
    if row.file and row.file ~= "" then
      local share, text = document.entry(row)
      lines[#lines + 1] = ("%s:%d:1: %s: %s\n"):format(screen.printable(row.file),
        math.max(1, row.line or row.start_line or 1), quickfix.severity(share),
        screen.printable(text))
    end
  end
  return table.concat(lines)
end

return quickfix
