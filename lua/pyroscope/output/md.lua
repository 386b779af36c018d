--- Markdown that a chat or a pull request renders: title, table, what the rows leave out.

local screen = require "pyroscope.cli.screen"

local md = {}

--- Text in which nothing is markup.
---@param text string
---@return string
function md.escaped(text)
  return (screen.printable(text):gsub("[\\|`<>*_%[%]&]", { ["&"] = "&amp;", ["<"] = "&lt;",
    [">"] = "&gt;", ["|"] = "\\|", ["\\"] = "\\\\", ["`"] = "\\`", ["*"] = "\\*",
    ["_"] = "\\_", ["["] = "\\[", ["]"] = "\\]" }))
end

local escaped = md.escaped

--- A name as code: nothing in it is markup; a bar still has to be escaped inside a table.
---@param text string
---@return string
function md.code(text)
  text = screen.printable(text):gsub("|", "\\|")
  local fence = text:find "`" and "``" or "`"
  local blank = text:find "`" and " " or ""
  return fence .. blank .. text .. blank .. fence
end

local code = md.code

---@param document pyroscope.document
---@return string
function md.write(document)
  local lines = {}
  for i, line in ipairs(document.title or {}) do
    line = escaped(line)
    lines[#lines + 1] = i == 1 and "**" .. line .. "**  " or line .. "  "
  end
  if #lines > 0 then lines[#lines + 1] = "" end
  local plain = screen.new { utf8 = true }
  local view = {}
  for _, column in ipairs(document.view) do
    if not column.screen_only then view[#view + 1] = column end
  end
  local cells, rule = {}, {}
  for c, column in ipairs(view) do
    cells[c] = column[1] == "" and " " or escaped(column[1])
    rule[c] = column.right and "---:" or "---"
  end
  lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  lines[#lines + 1] = "| " .. table.concat(rule, " | ") .. " |"
  for _, row in ipairs(document.rows) do
    cells = {}
    for c, column in ipairs(view) do
      local text = column.cell(row, plain) or ""
      cells[c] = text == "" and " " or column.code and code(text) or escaped(text)
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  local notes = {}
  for _, line in ipairs(document.notes and document.notes(plain) or {}) do
    notes[#notes + 1] = escaped((line:gsub("^%s+", ""):gsub("%s+", " "))) .. "  "
  end
  for _, warning in ipairs(document.warnings or {}) do
    notes[#notes + 1] = "warning: " .. escaped(warning) .. "  "
  end
  if #notes > 0 then
    lines[#lines + 1] = ""
    for _, line in ipairs(notes) do lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n") .. "\n"
end

return md
