--- The report as Markdown for a ticket, a chat or a pull request: headline, one table, one fenced
--- stack per finding, data quality folded away.

local md = require "pyroscope.output.md"
local quantity = require "pyroscope.investigate.quantity"
local screen = require "pyroscope.cli.screen"
local units = require "pyroscope.units"
local facts = require "pyroscope.investigate.render.facts"
local steps = require "pyroscope.investigate.render.steps"
local quality = require "pyroscope.investigate.render.quality"
local when = require "pyroscope.investigate.render.when"
local words = require "pyroscope.investigate.render.words"

local writer = {}

local escaped, code = md.escaped, md.code

-- A fence longer than any run of backticks inside.
local function fenced(lines)
  local longest, text = 2, table.concat(lines, "\n")
  for run in text:gmatch "`+" do longest = math.max(longest, #run) end
  local fence = ("`"):rep(longest + 1)
  return fence .. "text\n" .. text .. "\n" .. fence
end

local function table_lines(lines, head, rows)
  local rule = {}
  for c, column in ipairs(head) do rule[c] = column.right and "---:" or "---" end
  local titles = {}
  for c, column in ipairs(head) do titles[c] = column[1] == "" and " " or escaped(column[1]) end
  lines[#lines + 1] = "| " .. table.concat(titles, " | ") .. " |"
  lines[#lines + 1] = "| " .. table.concat(rule, " | ") .. " |"
  for _, row in ipairs(rows) do
    for c, text in ipairs(row) do if text == "" then row[c] = " " end end
    lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |"
  end
  lines[#lines + 1] = ""
end

local HEAD = { { "#", right = true }, { "finding" }, { "change", right = true },
  { "before -> after", right = true }, { "severity" }, { "confidence" }, { "where" } }

local function findings(report, lines)
  if #report.findings == 0 then return end
  local rows = {}
  for i, f in ipairs(report.findings) do
    rows[i] = { tostring(f.rank),
      code(quantity.short(f.name or f.title)) .. " " .. escaped((f.kind:gsub("_", " "))),
      escaped(facts.delta(f)), escaped(facts.change(f) or ""), escaped(f.severity),
      escaped(("%s (%.2f)"):format(f.confidence, f.confidence_score)),
      f.location and code(screen.place(f.location)) or "" }
  end
  table_lines(lines, HEAD, rows)
  for _, f in ipairs(report.findings) do
    lines[#lines + 1] = ("**%d. %s**  "):format(f.rank, escaped(f.title))
    local told = facts.list(f)
    local q = facts.q(f)
    if q then table.insert(told, 1, q) end
    if f.doubts and #f.doubts > 0 then told[#told + 1] = facts.sure(f) end
    if #told > 0 then lines[#lines + 1] = escaped(table.concat(told, "; ")) end
    local names, above = facts.chain(f)
    if #names > 0 then
      local stack = {}
      if above then stack[1] = "..." end
      for _, name in ipairs(names) do stack[#stack + 1] = screen.printable(name) end
      lines[#lines + 1] = ""
      lines[#lines + 1] = fenced(stack)
    end
    lines[#lines + 1] = ""
  end
end

local function tables(report, lines, options)
  for _, given in ipairs(report.tables) do
    if given.title then
      lines[#lines + 1] = "**" .. escaped(given.title) .. "**"
      lines[#lines + 1] = ""
    end
    local head, rows = {}, {}
    for c, column in ipairs(given.columns) do
      head[c] = { column.label or column.key, right = words.numeric(given, column) }
    end
    for r, row in ipairs(given.rows) do
      rows[r] = {}
      for c, column in ipairs(given.columns) do
        local value = row[column.key]
        local text = quantity.text(value, column.unit, { tz = options.tz })
        rows[r][c] = type(value) == "string" and text ~= "" and code(text) or escaped(text)
      end
    end
    if #head > 0 then table_lines(lines, head, rows) end
    if given.note then lines[#lines + 1] = escaped(given.note) .. "\n" end
  end
end

--- The report as Markdown.
---@param report pyroscope.report
---@param options? { tz?: string }
---@return string
function writer.write(report, options)
  options = options or {}
  local head = { words.service(report) or report.recipe or "", words.class(report) }
  local total = report.verdict ~= "inconclusive" and words.total(report) or nil
  local lines = { ("### %s: %s%s%s"):format(escaped(table.concat(head, " ")), words.verdict(report),
    total and " " .. escaped(total) or "",
    report.confidence and ", " .. words.confidence(report) or ""), "" }
  local function put(text) if text then lines[#lines + 1] = escaped(text) .. "  " end end
  put(report.summary)
  for _, line in ipairs(when.lines(report, options)) do put(line) end
  put(words.load(report))
  local reason = words.reason(report)
  put(reason and "why: " .. reason)
  put(words.below(report))
  lines[#lines + 1] = ""
  findings(report, lines)
  if #report.timeline > 0 then
    local rows = {}
    for i, entry in ipairs(report.timeline) do
      rows[i] = { entry.at_ms and units.time(entry.at_ms, { tz = options.tz }) or "",
        escaped(entry.text or "") }
    end
    table_lines(lines, { { "time" }, { "event" } }, rows)
  end
  tables(report, lines, options)
  for _, fact in ipairs(report.facts or {}) do
    put(("%s: %s"):format(words.fact(fact)))
  end
  for _, note in ipairs(report.notes) do put(words.note(report, note)) end
  for _, entry in ipairs(report.explained_away) do
    put("explained away: " .. words.explained(entry, report.unit))
  end
  local missed = words.missed(report)
  put(missed and "could have missed: " .. missed)
  local commands = steps.list(report)
  for i, command in ipairs(commands) do commands[i] = code(command) end
  if #commands > 0 then lines[#lines + 1] = "next: " .. table.concat(commands, " · ") end
  local checked = quality.rows(report)
  if #checked > 0 then
    lines[#lines + 1] = "\n<details><summary>Data quality</summary>\n"
    local rows = {}
    for i, row in ipairs(checked) do rows[i] = { escaped(row[1]), escaped(row[2]) } end
    table_lines(lines, { { "what" }, { "value" } }, rows)
    lines[#lines + 1] = "</details>"
  end
  return table.concat(lines, "\n"):gsub("\n\n\n+", "\n\n") .. "\n"
end

return writer
