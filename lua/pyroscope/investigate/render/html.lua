--- The report as one page: opens from disk, asks no network, works without its script.

local icicle = require "pyroscope.investigate.render.icicle"
local markup = require "pyroscope.investigate.render.markup"
local page = require "pyroscope.investigate.render.page"
local quantity = require "pyroscope.investigate.quantity"
local screen = require "pyroscope.cli.screen"
local units = require "pyroscope.units"
local verdict = require "pyroscope.investigate.verdict"
local document = require "pyroscope.investigate.document"
local facts = require "pyroscope.investigate.render.facts"
local steps = require "pyroscope.investigate.render.steps"
local quality = require "pyroscope.investigate.render.quality"
local when = require "pyroscope.investigate.render.when"
local words = require "pyroscope.investigate.render.words"

local writer = {}

local escaped = markup.escaped

local function badge(text, class)
  return ('<span class="badge %s">%s</span>'):format(class, escaped(text))
end

-- Bars of both sides on one scale, A grey, B in the colour of its direction.
local function spark(f)
  local blocks = f.blocks
  if not blocks or not blocks.A or not blocks.B then return nil end
  local most, n = 0, #blocks.A + #blocks.B
  if n < 2 then return nil end
  for _, list in ipairs { blocks.A, blocks.B } do
    for _, value in ipairs(list) do most = math.max(most, value) end
  end
  if most <= 0 then return nil end
  local step = math.max(3, math.min(12, 480 / n))
  local out, x = {}, 0
  local way = (f.delta.abs or 0) < 0 and "less" or "more"
  for s, list in ipairs { blocks.A, blocks.B } do
    for _, value in ipairs(list) do
      local h = math.max(1, math.max(0, value) / most * 32)
      out[#out + 1] = ('<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>'):format(
        s == 1 and "a" or way, x, 33 - h, step - 1, h)
      x = x + step
    end
    x = x + (s == 1 and step or 0)
  end
  local title = ("before and after, at equal load; highest %s"):format(quantity.text(most, f.unit))
  return ('<svg class="spark" viewBox="0 0 %.1f 34" width="%.1f" height="34" role="img">'
    .. "<title>%s</title>%s</svg>"):format(x, x, escaped(title), table.concat(out))
end

local function stack(f)
  local path = f.path
  if not path or #path == 0 then return nil end
  local out = { '<ol class="stack">' }
  local node, entry = f.node or #path, f.entry or 1
  local function row(class, name, note)
    out[#out + 1] = ('<li%s>%s%s</li>'):format(class and ' class="' .. class .. '"' or "",
      escaped(name), note and ' <span class="note">' .. note .. "</span>" or "")
  end
  for i = 1, node do
    row(i == node and "node" or i < entry and "above" or nil, path[i],
      i == node and "the cause" or i == entry and "carries the change from here" or nil)
  end
  local hot = f.hot or {}
  if #hot == 0 then hot = table.move(path, node + 1, #path, 1, {}) end
  for i, name in ipairs(hot) do row(nil, name, i == #hot and "hot" or nil) end
  out[#out + 1] = "</ol>"
  return table.concat(out)
end

local LINKS = { "diff", "before", "after", "profile", "code" }

local function links(given)
  local out, seen = {}, {}
  local names = {}
  for name in pairs(given or {}) do names[#names + 1] = name end
  table.sort(names)
  local order = table.move(LINKS, 1, #LINKS, 1, {})
  table.move(names, 1, #names, #order + 1, order)
  for _, name in ipairs(order) do
    local url = given and markup.address(given[name])
    if url and not seen[name] then
      seen[name] = true
      out[#out + 1] = ('<a href="%s" rel="noreferrer">%s</a>'):format(url, escaped(name))
    end
  end
  return #out > 0 and "<p>" .. table.concat(out, " · ") .. "</p>" or ""
end

local function one(f)
  local told = facts.list(f)
  local q = facts.q(f)
  if q then table.insert(told, 1, q) end
  if f.persistence and f.persistence.state ~= "unknown" then
    table.insert(told, q and 2 or 1, f.persistence.state)
  end
  local values = {}
  local a, b = f.before or {}, f.after or {}
  local x, y = a.total or a.self, b.total or b.self
  if x and y then
    values[#values + 1] = ("%s -> %s"):format(quantity.text(x, f.unit), quantity.text(y, f.unit))
  end
  if a.share and b.share then
    values[#values + 1] = ("%s -> %s of the total"):format(units.percent(a.share),
      units.percent(b.share))
  end
  local bars = spark(f)
  return table.concat { ('<section class="finding %s" id="%s">'):format(
      verdict.is_bad(f.kind) and "bad" or "better", escaped(f.id)),
    ("<h3>%d. %s %s %s</h3>"):format(f.rank, escaped(f.title),
      verdict.is_bad(f.kind) and badge(f.severity, f.severity) or "",
      badge(f.confidence .. " confidence", "sure")),
    #values > 0 and '<p class="num">' .. escaped(table.concat(values, ", ")) .. "</p>" or "",
    bars and "<p>" .. bars .. "</p>" or "",
    #told > 0 and '<p class="facts num">' .. escaped(table.concat(told, "; ")) .. "</p>" or "",
    f.doubts and #f.doubts > 0 and '<p class="dim">less sure: '
      .. escaped(table.concat(f.doubts, ", ")) .. "</p>" or "",
    stack(f) or "",
    f.location and "<p><code>" .. escaped(screen.place(f.location)) .. "</code></p>" or "",
    links(f.links), "</section>\n" }
end

local function grid(given, options)
  local out = {}
  if given.title then out[1] = "<h2>" .. escaped(given.title) .. "</h2>" end
  out[#out + 1] = '<div class="wide"><table><tr>'
  local right = {}
  for c, column in ipairs(given.columns) do
    right[c] = words.numeric(given, column)
    out[#out + 1] = ('<th%s>%s</th>'):format(right[c] and ' class="r"' or "",
      escaped(column.label or column.key))
  end
  out[#out + 1] = "</tr>\n"
  for _, row in ipairs(given.rows) do
    out[#out + 1] = "<tr>"
    for c, column in ipairs(given.columns) do
      local value = row[column.key]
      local text = escaped(quantity.text(value, column.unit, { tz = options.tz }))
      if type(value) == "string" and text ~= "" then text = "<code>" .. text .. "</code>" end
      out[#out + 1] = ('<td%s>%s</td>'):format(right[c] and ' class="r"' or "", text)
    end
    out[#out + 1] = "</tr>\n"
  end
  out[#out + 1] = "</table></div>\n"
  if given.note then out[#out + 1] = '<p class="dim">' .. escaped(given.note) .. "</p>" end
  return table.concat(out)
end

local function pairs_table(rows)
  local out = { "<table>" }
  for _, row in ipairs(rows) do
    out[#out + 1] = ("<tr><th>%s</th><td>%s</td></tr>\n"):format(escaped(row[1]), escaped(row[2]))
  end
  out[#out + 1] = "</table>"
  return table.concat(out)
end

local function more(report)
  local rows = {}
  for i, fact in ipairs(report.facts or {}) do
    rows[i] = { words.fact(fact) }
  end
  return #rows > 0 and pairs_table(rows) or ""
end

local function list(title, rows, code)
  if #rows == 0 then return "" end
  local out = { title and "<h2>" .. title .. "</h2>\n" or "" }
  for _, text in ipairs(rows) do
    text = escaped(text)
    out[#out + 1] = "<p>" .. (code and "<code>" .. text .. "</code>" or text) .. "</p>\n"
  end
  return table.concat(out)
end

--- The report as a page.
---@param report pyroscope.report
---@param options? { tz?: string }
---@return string
function writer.write(report, options)
  options = options or {}
  local title = ("%s: %s"):format(table.concat({ words.service(report) or report.recipe or "",
    words.class(report) }, " "), words.verdict(report):lower())
  local out = { "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n",
    ('<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src '
      .. "'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">\n"):format(
      page.css_hash, page.script_hash),
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
    '<meta name="referrer" content="no-referrer">\n', "<title>", escaped(title), "</title>\n",
    "<style>", page.css, "</style></head><body><main>\n" }
  local function put(text) if text and text ~= "" then out[#out + 1] = text end end
  local total = report.verdict ~= "inconclusive" and words.total(report) or nil
  put(("<h1>%s %s %s</h1>\n"):format(escaped(table.concat({ words.service(report)
    or report.recipe or "", words.class(report) }, " ")), badge(words.verdict(report),
    report.verdict), total and escaped(total) or ""))
  put("<p>" .. escaped(report.summary or "") .. "</p>\n")
  for _, line in ipairs(when.lines(report, options)) do
    put('<p class="dim">' .. escaped(line) .. "</p>\n")
  end
  local below = {}
  below[#below + 1] = words.load(report)
  below[#below + 1] = words.confidence(report)
  below[#below + 1] = words.outcome(report)
  if #below > 0 then put('<p class="dim">' .. escaped(table.concat(below, ", ")) .. "</p>\n") end
  local reason = words.reason(report)
  if reason then put("<p><b>why:</b> " .. escaped(reason) .. "</p>\n") end
  local low = words.below(report)
  if low then put("<p>" .. escaped(low) .. "</p>\n") end
  put(links(report.links))
  if #report.findings > 0 then put "<h2>Findings</h2>\n" end
  for _, f in ipairs(report.findings) do put(one(f)) end
  local picture = report.icicle and icicle.svg(report.icicle, report.unit)
  if picture then
    put("<h2>Call tree, before and after</h2>\n" .. '<p id="zoom"></p>\n' .. picture)
  end
  if #report.timeline > 0 then
    local rows = {}
    for i, entry in ipairs(report.timeline) do
      rows[i] = { entry.at_ms and units.time(entry.at_ms, { tz = options.tz }) or "",
        entry.text or "" }
    end
    put("<h2>Timeline</h2>\n" .. pairs_table(rows))
  end
  for _, given in ipairs(report.tables) do put(grid(given, options)) end
  put(more(report))
  local notes, away = {}, {}
  for _, note in ipairs(report.notes) do notes[#notes + 1] = words.note(report, note) end
  for i, entry in ipairs(report.explained_away) do
    away[i] = words.explained(entry, report.unit)
  end
  put(list(nil, notes))
  put(list("Explained away", away))
  local missed = words.missed(report)
  put(list("Could have missed", { missed }))
  put(list("Next", steps.list(report), true))
  local checked = quality.rows(report)
  if #checked > 0 then
    put("<details><summary>Data quality</summary>\n" .. pairs_table(checked) .. "</details>\n")
  end
  local made = report.provenance or {}
  local from = { "pyroscope " .. (made.module or ""), report.recipe, made.policy
    and "policy " .. made.policy, made.endpoint and made.endpoint:find "^https?://"
    and document.bare_url(made.endpoint) or nil }
  local shown = {}
  for i = 1, 4 do if from[i] and from[i] ~= "" then shown[#shown + 1] = from[i] end end
  put('<p class="cap">' .. escaped(table.concat(shown, " · ")) .. "</p>\n")
  put("</main><script>" .. page.script .. "</script></body></html>\n")
  return table.concat(out)
end

return writer
