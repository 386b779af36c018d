--- The report for a terminal: at most 80 columns, five findings unless all are asked for.

local check = require "pyroscope.check"
local quantity = require "pyroscope.investigate.quantity"
local screen = require "pyroscope.cli.screen"
local units = require "pyroscope.units"
local facts = require "pyroscope.investigate.render.facts"
local steps = require "pyroscope.investigate.render.steps"
local when = require "pyroscope.investigate.render.when"
local words = require "pyroscope.investigate.render.words"

local writer = {}

local function mark(view) return view.utf8 and "…" or ".." end

-- Lines of a text of words that fit; what is longer than a line is cut in its middle.
local function wrapped(view, text, first, rest)
  local lines, line = {}, first
  local used, room = false, view.width - math.max(screen.width(first), screen.width(rest))
  for word in view:name(text):gmatch "%S+" do
    word = screen.cut(word, room, mark(view))
    if used and screen.width(line) + 1 + screen.width(word) > view.width then
      lines[#lines + 1] = line
      line, used = rest, false
    end
    line = line .. (used and " " or "") .. word
    used = true
  end
  if used then lines[#lines + 1] = line end
  return lines
end

local function add(lines, more)
  for _, line in ipairs(more) do lines[#lines + 1] = line end
end

local function painted(view, style, text)
  return style and view:style(style, text) or text
end

-- Parts joined by two blanks, broken between parts where they do not fit.
local function joined(view, parts, first, rest, gap)
  local lines, line = {}, nil
  gap = gap or "  "
  for _, part in ipairs(parts) do
    local text = view:name(part.text)
    local wanted = line and screen.width(line.plain) + #gap + screen.width(text)
    if line and wanted <= view.width then
      line.plain = line.plain .. gap .. text
      line.shown = line.shown .. gap .. painted(view, part.style, text)
    else
      local indent = line and rest or first
      if screen.width(indent) + screen.width(text) > view.width then
        if line then lines[#lines + 1] = line.shown end
        local broken = wrapped(view, text, indent, rest)
        for i = 1, #broken - 1 do lines[#lines + 1] = broken[i] end
        line = { plain = broken[#broken], shown = broken[#broken] }
      else
        if line then lines[#lines + 1] = line.shown end
        line = { plain = indent .. text, shown = indent .. painted(view, part.style, text) }
      end
    end
  end
  if line then lines[#lines + 1] = line.shown end
  return lines
end

local STYLE = { regression = "error", improvement = "down", inconclusive = "warm",
  no_change = "bold", not_tested = "bold" }

local function headline(report, view)
  local parts = {}
  local function put(text, style) if text and text ~= "" then
    parts[#parts + 1] = { text = text, style = style }
  end end
  put(words.service(report) or report.recipe, "bold")
  put(words.short_class(report))
  put(words.verdict(report), STYLE[report.verdict])
  put(words.outcome(report))
  if report.verdict ~= "inconclusive" then put(words.total(report)) end
  put(words.confidence(report))
  return joined(view, parts, "", "  ")
end

-- The path around a finding: what is left of the left end when it is too long.
local function chain(f, view, indent)
  local names, cut = facts.chain(f, true)
  if #names == 0 then return nil end
  for i, name in ipairs(names) do names[i] = view:name(name) end
  local node = 1
  for i, name in ipairs(names) do if name:sub(1, 1) == "[" then node = i end end
  local function width(from, to, dots)
    local n = #indent + (dots and 4 or 0)
    for i = from, to do n = n + screen.width(names[i]) + (i > from and 3 or 0) end
    return n
  end
  local from, to = 1, #names
  while to > node and width(from, to, cut or from > 1) > view.width do to = to - 1 end
  while from < node and width(from, to, cut or from > 1) > view.width do from = from + 1 end
  cut = cut or from > 1
  local text = table.concat(names, " > ", from, to)
  local room = view.width - #indent - (cut and 4 or 0)
  return indent .. (cut and "... " or "") .. screen.cut(text, room, mark(view))
end

-- Both sides on one scale.
local function sparks(f, view)
  local blocks = f.blocks
  if not blocks or not blocks.A or not blocks.B or #blocks.A + #blocks.B < 3 then return nil end
  local most = 0
  for _, list in ipairs { blocks.A, blocks.B } do
    for _, value in ipairs(list) do most = math.max(most, value) end
  end
  local function side(list)
    local shown = #list > 24 and table.move(list, #list - 23, #list, 1, {}) or list
    return view:spark(shown, most)
  end
  return "A " .. side(blocks.A) .. "  B " .. side(blocks.B)
end

local function one(f, view)
  local lines, indent = {}, "    "
  local head = ("%2d  %-12s"):format(f.rank, view:name(facts.delta(f)))
  local change = facts.change(f)
  if change then head = head .. "  " .. ("%-14s"):format(view:name(change)) end
  local tail = {}
  tail[#tail + 1] = facts.q(f)
  local state = f.persistence and f.persistence.state
  if state and state ~= "unknown" then tail[#tail + 1] = state end
  local behind = #tail > 0 and "  " .. table.concat(tail, "  ") or ""
  local name = view:name(quantity.short(f.name or f.title))
  if f.wait and f.wait.class and f.wait.class ~= "unknown" then
    name = name .. " (" .. view:name((f.wait.class:gsub("_", " "))) .. ")"
  end
  local room = view.width - screen.width(head) - 2 - screen.width(behind)
  if screen.width(name) > room then
    behind, room = "", room + screen.width(behind)
  else
    tail = {}
  end
  local style = f.delta.abs and f.delta.abs < 0 and "down" or "up"
  local shown = view:style(style, head) .. "  "
  if screen.width(name) > room and screen.width(name) > 24 and room < 40 then
    lines[1] = view:style(style, (head:gsub("%s+$", "")))
    lines[2] = indent .. view:style("bold",
      screen.cut(name, view.width - #indent, mark(view)))
  else
    name = screen.cut(name, room, mark(view))
    lines[1] = shown .. view:style("bold", name)
      .. (" "):rep(behind ~= "" and room - screen.width(name) or 0) .. behind
  end
  lines[#lines + 1] = chain(f, view, indent)
  local place = f.location and view:name(screen.place(f.location)) or ""
  local spark = sparks(f, view)
  local both = spark and #indent + screen.width(spark) + 4 + screen.width(place)
  if spark and place ~= "" and both <= view.width then
    lines[#lines + 1] = indent .. spark .. "    " .. place
  else
    if spark then lines[#lines + 1] = indent .. spark end
    if place ~= "" then
      lines[#lines + 1] = indent .. screen.cut(place, view.width - #indent, mark(view))
    end
  end
  local told = facts.list(f)
  for i = #tail, 1, -1 do table.insert(told, 1, tail[i]) end
  table.insert(told, 1, facts.sure(f))
  add(lines, wrapped(view, table.concat(told, "; "), indent, indent))
  return lines
end

local function cell(value, column, options)
  local text = quantity.text(value, column.unit, { bare = column.unit ~= "text", tz = options.tz })
  return text
end

-- Units that a cell says itself; the others are said once, in the title or in the header.
local SAYS = { bytes = true, ["bytes/s"] = true, share = true, percent = true, ratio = true,
  seconds = true, time_ms = true, span_ms = true, hours = true, text = true,
  count = true }

local function unit_of(column)
  local unit = column.unit
  if not unit or unit == "" or SAYS[unit] or unit == column.label then return nil end
  return column.label:find(unit, 1, true) == nil and unit or nil
end

-- The unit that all columns share which have one to say.
local function shared_unit(columns)
  local shared
  for _, column in ipairs(columns) do
    local unit = unit_of(column)
    if unit and shared and unit ~= shared then return nil end
    shared = unit or shared
  end
  return shared
end

-- Long names lose their path before they lose their middle; what begins with a slash is no name.
local function shortened(view, columns, rows)
  local width = 2
  for c, column in ipairs(columns) do
    local most = screen.width(column[1])
    for _, row in ipairs(rows) do most = math.max(most, screen.width(row[c])) end
    width = width + most + (c > 1 and 2 or 0)
  end
  if width <= view.width then return end
  for c, column in ipairs(columns) do
    for _, row in ipairs(not column.right and rows or {}) do
      if row[c]:sub(1, 1) ~= "/" then row[c] = view:name(quantity.short(row[c])) end
    end
  end
end

local function grid(given, view, options)
  local columns, rows = {}, {}
  local shared = given.title and shared_unit(given.columns)
  for c, column in ipairs(given.columns) do
    local numbers = words.numeric(given, column)
    local unit = not shared and unit_of(column)
    local label = unit and column.label .. ", " .. unit or column.label
    columns[c] = { view:name(label), right = numbers, shrink = not numbers and 8 or nil }
  end
  local most = options.all and #given.rows or math.min(#given.rows, options.rows or 15)
  for r = 1, most do
    rows[r] = {}
    for c, column in ipairs(given.columns) do
      local value = given.rows[r][column.key]
      rows[r][c] = value ~= nil and view:name(cell(value, column, options)) or ""
    end
  end
  local lines = {}
  shortened(view, columns, rows)
  if given.title then
    add(lines, wrapped(view, shared and given.title .. ", " .. shared or given.title, "", "  "))
  end
  local cut = setmetatable({ cuts = true, color = false }, { __index = view })
  for _, line in ipairs(cut:table(columns, rows)) do
    lines[#lines + 1] = screen.cut(line, view.width, mark(view))
  end
  if most < #given.rows then
    lines[#lines + 1] = ("  and %s more"):format(units.count(#given.rows - most))
  end
  if given.note then add(lines, wrapped(view, given.note, "  ", "  ")) end
  return lines
end

local OPTIONS = { width = "number", all = "boolean", color = "boolean", utf8 = "boolean",
  tz = "string", findings = "integer", rows = "integer" }

local function facts_of(report, view, lines)
  for _, fact in ipairs(report.facts or {}) do
    add(lines, wrapped(view, ("%s: %s"):format(words.fact(fact)), " ", "   "))
  end
end

--- The report as text.
---@param report pyroscope.report
---@param options? { width?: integer, all?: boolean, color?: boolean, utf8?: boolean, tz?: string }
---@return string
function writer.write(report, options)
  options = check.options("report:text", options, OPTIONS)
  local view = screen.new { width = math.max(40, options.width or 80),
    utf8 = options.utf8 ~= false, color = options.color, cut = false }
  local lines = headline(report, view)
  local windows = when.lines(report, options)
  local load = words.load(report)
  if load then
    local last = windows[#windows]
    windows[math.max(1, #windows)] = (last and last .. "; " or "") .. load
  end
  for _, line in ipairs(windows) do add(lines, wrapped(view, line, "", "  ")) end
  local reason = words.reason(report)
  if reason then add(lines, wrapped(view, "why: " .. reason, "", "  ")) end
  local below = words.below(report)
  if below then add(lines, wrapped(view, below, "", "  ")) end
  local most = options.all and #report.findings or math.min(#report.findings, options.findings or 5)
  for i = 1, most do add(lines, one(report.findings[i], view)) end
  if most < #report.findings then
    lines[#lines + 1] = (" %d more findings: all of them with --all, -o json or -o html")
      :format(#report.findings - most)
  end
  if #report.timeline > 0 then
    lines[#lines + 1] = view:style("bold", "timeline")
    for _, entry in ipairs(report.timeline) do
      local at = entry.at_ms and units.time(entry.at_ms, { tz = options.tz }) or ""
      add(lines, wrapped(view, entry.text or "", "  " .. at .. "  ", "    "))
    end
  end
  for _, given in ipairs(report.tables) do add(lines, grid(given, view, options)) end
  facts_of(report, view, lines)
  for _, note in ipairs(report.notes) do
    add(lines, wrapped(view, words.note(report, note) or "", " ", "   "))
  end
  for _, entry in ipairs(report.explained_away) do
    add(lines, wrapped(view, "explained away: " .. words.explained(entry, report.unit), " ", "   "))
  end
  local missed = words.missed(report)
  if missed then add(lines, wrapped(view, "could have missed: " .. missed, " ", "   ")) end
  local q = report.data_quality or {}
  for _, w in ipairs(q.warnings or {}) do
    local text = words.note(report, w)
    if text then add(lines, wrapped(view, "warning: " .. text, " ", "   ")) end
  end
  if q.partial then lines[#lines + 1] = " partial: some queries failed, see data_quality" end
  local links = report.links or {}
  local url = links.diff or links.after
  if url then lines[#lines + 1] = " see: " .. url end -- one word: it is not wrapped
  for i, step in ipairs(steps.list(report)) do
    if i > 3 then break end
    add(lines, wrapped(view, step, i == 1 and " next: " or "       ", "         "))
  end
  for i, line in ipairs(lines) do
    if not view.utf8 then line = line:gsub("µ", "u") end
    lines[i] = line:gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

return writer
