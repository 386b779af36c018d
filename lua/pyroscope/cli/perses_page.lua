--- `pscope perses FILE -o html`: the queries of a dashboard as one page, as its panels show them.

local page = require "pyroscope.output.page"
local picture = require "pyroscope.output.picture"
local subject = require "pyroscope.cli.subject"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local perses_page = {}

-- What a query that was not answered asks for, as far as it says so.
local function asked(plugin)
  local spec = type(plugin.spec) == "table" and plugin.spec or {}
  local datasource = type(spec.datasource) == "table" and spec.datasource.name
  local facts = {}
  for _, fact in ipairs { { "data source", datasource }, { "profile type", spec.profileType },
    { "service", spec.service }, { "selector", spec.query } } do
    if type(fact[2]) == "string" and fact[2] ~= "" then facts[#facts + 1] = fact end
  end
  return facts
end

local function facts_of(self)
  local facts = { { "data source", self.source.name or "" },
    { "profile type", self.resolved.profile_type }, { "selector", self.resolved.selector },
    { "window", self.run:window(self.from_ms, self.to_ms) }, { "total", self:total_text() } }
  local filtered = self:filter_text()
  if filtered then facts[#facts + 1] = { "filtered", filtered } end
  return facts
end

-- The line over time; nil and why where there is none.
local function series_of(self)
  if not self.timeline then return nil end
  local answer, err = self.timeline[1], self.timeline[2]
  if not answer then return nil, err.message end
  if not answer[1] then return nil, "no points in this window" end
  local rate = answer.kind ~= "stock"
  local what = { unit = answer.unit, kind = rate and "flow" or "stock", seconds = rate and 1 or nil,
    class = rate and types.class(answer.profile_type) or nil, force = self.options.unit }
  local function moment(ms)
    return units.time((ms + 500) // 1000 * 1000, { tz = self.options.tz })
  end
  return { points = answer[1].points, step_ms = answer.step_ms, first = moment(answer.from_ms),
    last = moment(answer.to_ms), partial = answer.partial, warnings = answer.warnings,
    shown = function(value) return units.value(value, what) end }
end

local function rows_of(self, row)
  local rows, shown = { notes = {} }, 0
  for i, f in ipairs(row.top) do
    shown = shown + f.self_share
    rows[i] = { self:value(f.self), units.percent(f.self_share), self:value(f.total),
      units.percent(f.total_share), f.name }
  end
  local coverage = row.coverage
  rows.notes[1] = ("%d function%s with %s of self values"):format(#rows, #rows == 1 and "" or "s",
    units.percent(shown))
  for _, text in ipairs(self:coverage_lines(coverage, function(_, share, what)
    return units.percent(share) .. " " .. what
  end)) do
    rows.notes[#rows.notes + 1] = text
  end
  return rows
end

local function part_of(run, options, row, number)
  local item, display, self = row.item, row.display, row.subject
  local part = { title = row.panel, warnings = row.unread, failure = row.failure,
    settings = display.settings, open = display }
  if item.panel and item.index > 1 then
    part.title = ("%s (query %d)"):format(row.panel, item.index)
  end
  if row.failure then
    part.facts = asked(item.plugin)
    return part
  end
  part.facts = facts_of(self)
  local why
  part.series, why = series_of(self)
  if why then
    part.warnings[#part.warnings + 1] = "no line over time: " .. why
    if display.series then run:worsen(4) end
  end
  subject.join(part.warnings, self.warnings, part.series and part.series.warnings)
  if self.partial or (part.series and part.series.partial) then
    part.warnings[#part.warnings + 1] = "a part of the answer is missing"
    run:worsen(4)
  end
  if display.graph or display.settings then
    local told = picture.told(options, { title = row.panel, subtitle = self:total_text(),
      colors = display.palette })
    told.title, told.part = row.panel, number
    local bytes, err = picture.profile(self.profile, "html", told)
    if not bytes then return nil, err end
    part.picture = bytes
  end
  part.rows = rows_of(self, row)
  return part
end

--- Writes the page of the rows that the command made.
---@param run table
---@param options table
---@param rows table[]     panel, item, display, unread, and subject, top, coverage or failure
---@return integer? code
---@return pyroscope.error? err
function perses_page.write(run, options, rows)
  local parts = {}
  for i, row in ipairs(rows) do
    local part, err = part_of(run, options, row, i)
    if not part then return nil, err end
    parts[i] = part
    if row.failure then run:warn(("%s: %s"):format(part.title, row.failure.message)) end
    for _, warning in ipairs(part.warnings or {}) do run:warn(part.title .. ": " .. warning) end
  end
  local title = options.title or options.file:match "[^/]*$"
  return run:write(page.write(title, parts))
end

return perses_page
