--- A page of several profiles: for each its facts, its line over time, its flame graph and its
--- functions. One file that asks nobody for anything; its policy names its styles and its script.

local markup = require "pyroscope.investigate.render.markup"
local units = require "pyroscope.units"

local page = {}
local escaped = markup.escaped

page.css = [[
body { margin: 0; background: #fff; color: #1d2129; font: 14px/1.5 system-ui, "Segoe UI", Roboto,
  sans-serif; }
main { padding: 14px 18px 40px; }
h1, h2 { overflow-wrap: anywhere; line-height: 1.3; }
main > h1 { font-size: 20px; margin: 0 0 4px; }
.part { border-top: 2px solid #d4d9e1; margin-top: 18px; padding-top: 8px; }
.part h2 { font-size: 17px; margin: 4px 0; }
.part p { margin: 3px 0; overflow-wrap: anywhere; }
.part .facts { display: grid; grid-template-columns: max-content 1fr; gap: 0 14px; margin: 4px 0; }
.part .facts dt, .part .cap { color: #4a5260; }
.part .facts dd { margin: 0; overflow-wrap: anywhere; }
.part .bad { border-left: 4px solid #a3260f; padding-left: 10px; }
.part .warn { color: #7a5200; }
.part summary { cursor: pointer; font-weight: 600; margin: 8px 0 2px; }
.part .line { display: block; width: 100%; height: 90px; background: #f3f5f8; }
.part .line path { fill: none; stroke: #1f5fae; stroke-width: 1.5; stroke-linejoin: round;
  stroke-linecap: round; }
.part .cap { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 16px;
  font-size: 13px; }
.part .pyr-root { padding: 2px 0; }
.part .pyr-root h1 { display: none; }
.part.fixed .pyr-root .bar .group, .part.fixed .pyr-root .bar select { display: none; }
.part .rows { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.part .rows th, .part .rows td { padding: 2px 16px 2px 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #d4d9e1; vertical-align: top; }
.part .rows th:last-child, .part .rows td:last-child { text-align: left; white-space: normal;
  overflow-wrap: anywhere; }
.part .rows td:last-child { font-family: ui-monospace, Menlo, Consolas, monospace; }
@media (prefers-color-scheme: dark) {
  body { background: #16181d; color: #e8eaee; }
  .part, .part .rows th, .part .rows td { border-color: #3a404b; }
  .part .facts dt, .part .cap { color: #b3bac6; }
  .part .warn { color: #f0c674; }
  .part .line { background: #23272f; }
  .part .line path { stroke: #86b7f2; }
}
@media print { .part { break-inside: avoid-page; } }
]]

-- SHA-256 of the text above, in base64.
page.css_hash = "59KlSYdEIQjcndHjLXAG8NKKrjIrkHaKOmsScyjbPqg="

local WIDTH, HEIGHT = 1000, 100

-- Points of one step after another; a step without a value is a gap.
local function path_of(points, most)
  local out, drawn = {}, false
  local step = WIDTH / math.max(1, #points - 1)
  for i, point in ipairs(points) do
    if point.value then
      local x = (i - 1) * step
      local y = HEIGHT - 4 - (most > 0 and point.value / most or 0) * (HEIGHT - 8)
      out[#out + 1] = ("%s%.1f %.1f"):format(drawn and "L" or "M", x, y)
      local after = points[i + 1]
      if not drawn and not (after and after.value) then out[#out + 1] = "h0.1" end
    end
    drawn = point.value ~= nil
  end
  return table.concat(out)
end

-- The line over time, what it reaches, and when it begins and ends.
local function line(series)
  local most, least
  for _, point in ipairs(series.points) do
    if point.value then
      most, least = math.max(most or point.value, point.value),
        math.min(least or point.value, point.value)
    end
  end
  if not most then return '<p class="cap">no values in this window</p>\n' end
  local text = ("%s at the lowest, %s at the highest, a value every %s"):format(
    series.shown(least), series.shown(most), units.span(series.step_ms))
  return ('<svg class="line" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" '
    .. 'aria-label="%s"><path vector-effect="non-scaling-stroke" d="%s"/></svg>\n'
    .. '<p class="cap"><span>%s</span><span>%s</span><span>%s</span></p>\n'):format(WIDTH, HEIGHT,
    escaped(text), path_of(series.points, most), escaped(series.first), escaped(text),
    escaped(series.last))
end

local function functions(given)
  local out = { '<table class="rows"><thead><tr><th>self</th><th>%</th><th>total</th><th>%</th>'
    .. "<th>function</th></tr></thead>\n<tbody>" }
  for _, row in ipairs(given) do
    out[#out + 1] = "<tr>"
    for _, cell in ipairs(row) do out[#out + 1] = "<td>" .. escaped(cell) .. "</td>" end
    out[#out + 1] = "</tr>\n"
  end
  out[#out + 1] = "</tbody></table>\n"
  for _, note in ipairs(given.notes or {}) do
    out[#out + 1] = "<p>" .. escaped(note) .. "</p>\n"
  end
  return table.concat(out)
end

-- With settings every part is there, closed where it is off; without them only what is on.
local function folding(part, name, title, body)
  if not body then return "" end
  if not part.settings then return part.open[name] and body or "" end
  return ("<details%s><summary>%s</summary>\n%s</details>\n"):format(
    part.open[name] and " open" or "", title, body)
end

local function section(part)
  local out = { ('<section class="part%s">\n<h2>%s</h2>\n'):format(
    part.settings == false and " fixed" or "", escaped(part.title)) }
  if #(part.facts or {}) > 0 then
    out[#out + 1] = '<dl class="facts">'
    for _, fact in ipairs(part.facts) do
      out[#out + 1] = ("<dt>%s</dt><dd>%s</dd>\n"):format(escaped(fact[1]), escaped(fact[2]))
    end
    out[#out + 1] = "</dl>\n"
  end
  if part.failure then
    out[#out + 1] = ('<div class="bad"><p>%s</p>%s</div>\n'):format(escaped(part.failure.message),
      part.failure.hint and "<p>" .. escaped(part.failure.hint) .. "</p>" or "")
  end
  for _, warning in ipairs(part.warnings or {}) do
    out[#out + 1] = ('<p class="warn">%s</p>\n'):format(escaped(warning))
  end
  if not part.failure then
    out[#out + 1] = folding(part, "series", "Over time", part.series and line(part.series))
    out[#out + 1] = folding(part, "graph", "Flame graph", part.picture)
    out[#out + 1] = folding(part, "table", "Functions", part.rows and functions(part.rows))
  end
  out[#out + 1] = "</section>\n"
  return table.concat(out)
end

--- The page. A part has `title`, `facts` (name, value), `warnings`, and either `failure` or
--- `series` ({ points, step_ms, first, last, shown }), `picture` (written with option `part`),
--- `rows` (cells as texts, `notes`), `open` (which of series, graph, table is seen) and `settings`
--- (whether a reader may change that).
---@param title string
---@param parts table[]
---@return string
function page.write(title, parts)
  local assets = require "pyroscope.core".picture_assets()
  local policy = assets.policy:gsub("style%-src ", "%0'sha256-" .. page.css_hash .. "' ")
  local out = { '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n',
    '<meta http-equiv="Content-Security-Policy" content="', policy, '">\n',
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
    '<meta name="referrer" content="no-referrer">\n<title>', escaped(title), "</title>\n<style>",
    assets.style, "</style>\n<style>", page.css, "</style>\n</head><body><main>\n<h1>",
    escaped(title), "</h1>\n" }
  for _, part in ipairs(parts) do out[#out + 1] = section(part) end
  out[#out + 1] = "</main>\n<script>"
  out[#out + 1] = assets.script
  out[#out + 1] = "</script>\n</body></html>\n"
  return table.concat(out)
end

return page
