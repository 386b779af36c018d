--- `pscope perses FILE`: runs the profile queries of a Perses file.

local documents = require "pyroscope.config.perses"
local errors = require "pyroscope.errors"
local query = require "pyroscope.query"
local question = require "pyroscope.cli.question"
local screen = require "pyroscope.cli.screen"
local subject = require "pyroscope.cli.subject"
local target = require "pyroscope.cli.target"
local units = require "pyroscope.units"

local command = {
  name = "perses",
  summary = "Run the profile queries of a Perses dashboard, query or data source file",
  arguments = { { name = "file", shown = "FILE", complete = "files" } },
  flags = { "limit", "cum", "window", "tree", "picture", "output", "source" },
  without = { "max_nodes", "relative_percentages", "invert", "fields", "budget", "unit" },
  formats = { "table", "json", "md", "html" },
  columns = { { name = "panel", kind = "text" }, { name = "profile_type", kind = "text" },
    { name = "selector", kind = "text" }, { name = "value", kind = "int64" },
    { name = "unit", kind = "text" }, { name = "functions", kind = "list" },
    { name = "error", kind = "error" } },
  examples = { "pscope perses dashboard.yaml --source prod", "pscope perses query.json",
    "pscope perses dashboard.yaml -o html --out page.html" },
  notes = "Data sources are those of the file, of --source, or the default deployment. A file with "
    .. "data sources and no queries answers with the services behind its data source. -o html (or "
    .. "--out FILE.html) is one page with a section a query: facts, line over time, flame graph, "
    .. "functions; of a panel that is a FlameChart what it shows (showSeries, showFlameGraph, "
    .. "showTable), in its palette unless --colors says another; with showSettings the rest is "
    .. "there, closed. A query that failed is a section that says why; the exit code is 4.",
}

-- The source of a query: what --source names, else the data source of its name in the file, else a
-- deployment of that name, else the default one.
local function source_of(run, options, resources, name)
  if options.source then return target.open(run, options.source) end
  local list = documents.datasources(resources)
  if #list > 0 then
    local opened = run.sources["perses:" .. (name or "")]
    if opened then return opened end
    local source, err = require "pyroscope".connect { perses = options.file, datasource = name }
    if source then
      run:watch(source)
      run.sources["perses:" .. (name or "")] = source
      return source
    end
    if not name or not run:knows(name) then return nil, err end
  end
  return target.open(run, name and run:knows(name) and name or nil)
end

-- The profile, and the line over time where the page has one: at once where the source can.
local function answers_of(source, resolved, display)
  local questions = { function() return source:profile(resolved) end }
  if display and (display.series or display.settings) then
    questions[2] = function() return source:timeline(resolved) end
  end
  local results = source.together and #questions > 1 and source:together(questions)
  if results then return results[1], results[2] end
  local profile = table.pack(questions[1]())
  return profile, profile[1] and questions[2] and table.pack(questions[2]()) or nil
end

local function entry_of(run, options, resources, item, display)
  local where = item.panel and ("%s: panel '%s'"):format(options.file, item.panel) or options.file
  local asked, name = documents.query(item.plugin, where)
  if not asked then return nil, name end
  local source, err = source_of(run, options, resources, name)
  if not source then return nil, err end
  local window
  window, err = question.window(options, source)
  if not window then return nil, err end
  for key, value in pairs(window) do asked[key] = value end
  asked.sum = options.sum
  local resolved
  resolved, err = query.resolve(asked, source, { where = "query" })
  if not resolved then return nil, err end
  local answer, timeline = answers_of(source, resolved, display)
  local profile
  profile, err = table.unpack(answer, 1, 2)
  if not profile then return nil, err end
  local self = subject.of(run, profile, { source = source, resolved = resolved,
    target = { text = source.name, shown = source.name } })
  local ok
  ok, err = self:filter(options)
  if not ok then return nil, err end
  self.timeline = timeline
  return self
end

local function rows_of(self, options)
  local rows, coverage = self.profile:top(options.limit or 20,
    { by = options.cum and "total" or "self" })
  return rows, coverage
end

function command.run(run, options)
  local resources, err = documents.read(options.file)
  if not resources then -- here it is no configuration that cannot be read
    local missing = err.code and err.code:find "^E%u+$"
    return nil, missing and errors.wrap(err, { kind = "io" }) or err
  end
  local items = documents.queries(resources)
  if #items == 0 then
    if #documents.datasources(resources) == 0 then
      return nil, errors.new { kind = "config", code = "perses",
        message = ("'%s' holds no profile query and no data source of Pyroscope"):format(
          options.file),
        hint = "queries are of kind PyroscopeProfileQuery, data sources PyroscopeDatasource" }
    end
    local source
    source, err = source_of(run, options, resources, nil)
    if not source then return nil, err end
    local names
    names, err = source:label_values("service_name", question.window(options, source))
    if not names then return nil, err end
    return run:write(table.concat(names, "\n") .. "\n")
  end
  local html = options.format == "html" or not options.format and options.out
    and options.out:lower():find "%.html?$" ~= nil
  local rows, code, good = {}, 0, 0
  for i, item in ipairs(items) do
    local row = { panel = item.panel or ("query %d"):format(i), item = item }
    if html then row.display, row.unread = documents.display(item.drawn_by, row.panel) end
    local self, why = entry_of(run, options, resources, item, row.display)
    if self then
      good = good + 1
      local top, coverage = rows_of(self, options)
      row.profile_type, row.selector = self.resolved.profile_type, self.resolved.selector
      row.value, row.unit, row.subject, row.top = self.whole.total, self.unit, self, top
      row.coverage, row.functions = coverage, {}
      for k, f in ipairs(top) do
        row.functions[k] = { name = f.name, self = ("%d"):format(f.self),
          total = ("%d"):format(f.total), self_share = f.self_share, total_share = f.total_share }
      end
    else
      row.error = { kind = why.kind, code = why.code, message = why.message, hint = why.hint,
        exit = errors.exit_code(why) }
      row.failure, row.functions = why, {}
      code = errors.worse(code, row.error.exit)
    end
    rows[i] = row
  end
  run.progress:finish()
  if good == 0 and #rows == 1 then return nil, rows[1].failure end
  if good > 0 and code ~= 0 then run:worsen(4) elseif code ~= 0 then run:worsen(code) end
  if html then return require "pyroscope.cli.perses_page".write(run, options, rows) end
  local document = { type = "pyroscope.perses", columns = command.columns, rows = rows,
    head = { file = options.file, queries = #rows } }
  document.body = function(look)
    local lines = {}
    for i, row in ipairs(rows) do
      if i > 1 then lines[#lines + 1] = "" end
      lines[#lines + 1] = look:style("bold", look:name(row.panel))
      if row.error then
        lines[#lines + 1] = ("  %s: %s"):format(row.error.kind, look:name(row.error.message))
      else
        local self = row.subject
        lines[#lines + 1] = ("  %s %s · %s"):format(row.profile_type, look:name(row.selector),
          self:total_text())
        for _, f in ipairs(row.top) do
          lines[#lines + 1] = ("  %8s %6s  %8s %6s  %s"):format(self:cell(f.self),
            units.percent(f.self_share), self:cell(f.total), units.percent(f.total_share),
            look:name(f.name))
        end
      end
    end
    return lines
  end
  document.view = {
    { "PANEL", cell = function(row) return screen.printable(row.panel) end },
    { "TOTAL", right = true, cell = function(row)
      return row.subject and row.subject:value(row.value) or "-"
    end },
    { "FIRST", code = true, cell = function(row)
      return row.top and row.top[1] and row.top[1].name or row.error and row.error.message or "-"
    end },
  }
  return run:answer(document)
end

return command
