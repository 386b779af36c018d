--- Tables for people: title lines, aligned columns, what the rows leave out.

local tables = {}

--- The lines of a document on a screen. `document.body(screen)` replaces the table, for
--- trees and stacks.
---@param document pyroscope.document
---@param screen table
---@return string
function tables.write(document, screen)
  local lines = {}
  for i, line in ipairs(document.title or {}) do
    line = line:gsub(" · ", screen.dot)
    for _, part in ipairs(screen:wrapped(line)) do
      lines[#lines + 1] = i == 1 and screen:style("bold", part) or part
    end
  end
  if document.body then
    if #lines > 0 then lines[#lines + 1] = "" end
    for _, line in ipairs(document.body(screen)) do lines[#lines + 1] = line end
  elseif #document.rows > 0 then
    if #lines > 0 then lines[#lines + 1] = "" end
    local rows = {}
    for r, row in ipairs(document.rows) do
      local cells = { styles = {}, links = {} }
      for c, column in ipairs(document.view) do
        cells[c] = column.cell(row, screen) or ""
        cells.styles[c] = column.style and column.style(row) or nil
        if screen.links and column.place then
          cells.links[c] = require "pyroscope.cli.here".url(row.file)
        end
      end
      rows[r] = cells
    end
    for _, row in ipairs(document.extra_rows and document.extra_rows(screen) or {}) do
      rows[#rows + 1] = row
    end
    for _, line in ipairs(screen:table(document.view, rows)) do lines[#lines + 1] = line end
  end
  local notes = document.notes and document.notes(screen) or {}
  if #notes > 0 then lines[#lines + 1] = "" end
  for _, line in ipairs(notes) do lines[#lines + 1] = line end
  local hints = document.hints and document.hints(screen) or {}
  if #hints > 0 then
    lines[#lines + 1] = ""
    for _, line in ipairs(hints) do lines[#lines + 1] = screen:style("dim", line) end
  end
  for i, line in ipairs(lines) do
    lines[i] = screen:plain(line):match "^.*%S" or ""
  end
  return table.concat(lines, "\n") .. "\n"
end

return tables
