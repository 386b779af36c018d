--- `pscope top`: functions by self or total.

local subject = require "pyroscope.cli.subject"
local units = require "pyroscope.units"
local place = require "pyroscope.cli.screen".place

local command = {
  name = "top",
  summary = "Functions by self, or by total with --cum",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "facts", "limit", "cum", "group", "where", "max_other", "window", "data", "stack",
    "tree", "output", "source" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "quickfix", "names", "dot", "pprof" },
  columns = {
    { name = "name", kind = "text" }, { name = "file", kind = "text" },
    { name = "line", kind = "integer" }, { name = "self", kind = "int64" },
    { name = "total", kind = "int64" }, { name = "self_share", kind = "number" },
    { name = "total_share", kind = "number" }, { name = "self_cores", kind = "number" },
    { name = "total_cores", kind = "number" }, { name = "self_rate", kind = "number" },
    { name = "total_rate", kind = "number" },
  },
  examples = { "pscope top prod/checkout --since 1h", "pscope top ./incident --type memory --cum",
    "pscope export prod/checkout | pscope top - --focus 'json\\.'" },
  notes = "Printed rows, the rest and truncated stacks add up to the total. Recursion counts once "
    .. "in totals. CPU is shown in cores; stocks (memory in use, goroutines) as the mean per "
    .. "profile, with --sum as sums. Patterns are RE2 with pprof's meanings. -o dot and pprof "
    .. "write the profile itself; pprof on a terminal goes to profile-DATE-TIME.pb.gz.",
}

-- How a bar's cell stands for a share, so that the longest fits.
local function bar_unit(rows, cells)
  local most = 0
  for _, row in ipairs(rows) do most = math.max(most, row.bar) end
  for _, unit in ipairs { 0.02, 0.04, 0.05, 0.1 } do
    if most / unit <= cells then return unit end
  end
  return 1 / cells
end

local titles = { ["function"] = "FUNCTION", line = "FUNCTION", file = "FILE",
  package = "PACKAGE" }

-- Column titles stand a little left of the middle of their two numbers.
local function pair_title(title, width)
  local left = math.max(0, (width - #title - 1) // 2)
  return (" "):rep(left) .. title
end

-- What the other columns leave for bars; a terminal without room for eight cells has none.
local function bar_cells(screen, rows, values)
  local width = require "pyroscope.cli.screen".width
  local name, where = 31, 0
  for _, row in ipairs(rows) do
    name = math.max(name, width(screen:name(row.name)))
    where = math.max(where, width(screen:name(place(row))))
  end
  if screen.cuts then name, where = math.min(name, 40), math.min(where, 31) end
  local pairs_and_gaps = 2 + values.self + 7 + 5 + values.total + 7 + 3 + 3 + 3
  local cells = screen.width - (pairs_and_gaps + name + where)
  if cells < 8 then return screen.cuts and 0 or 10 end
  return math.min(30, cells)
end

local function view(self, rows, group)
  local values = { self = 0, total = 0 }
  for _, row in ipairs(rows) do
    values.self = math.max(values.self, #self:cell(row.self))
    values.total = math.max(values.total, #self:cell(row.total))
  end
  local function pair(value, share, width)
    local screen = require "pyroscope.cli.screen"
    return screen.pad(self:cell(value), width, true) .. "  "
      .. screen.pad(units.percent(share), 5, true)
  end
  values.self, values.total = math.max(5, values.self), math.max(5, values.total)
  local cells, unit
  return {
    { pair_title("SELF", values.self + 7), screen_only = true,
      cell = function(row) return pair(row.self, row.self_share, values.self) end,
      style = function(row) return row.self_share >= 0.1 and "hot" or nil end },
    { pair_title("TOTAL", values.total + 7), gap = 5, screen_only = true,
      cell = function(row) return pair(row.total, row.total_share, values.total) end },
    { "", gap = 3, screen_only = true, optional = true,
      cell = function(row, screen)
        cells = cells or bar_cells(screen, rows, values)
        unit = unit or bar_unit(rows, math.max(1, cells))
        if cells == 0 then return "" end -- the column goes with its last cell
        return require "pyroscope.cli.screen".pad(screen:bar(row.bar, unit), cells)
      end, style = function() return "bar" end },
    { titles[group or "function"], gap = 3, shrink = 16, min = 31, screen_only = true,
      cell = function(row, screen) return screen:name(row.name) end },
    { "WHERE", gap = 3, optional = true, shrink = 6, tail = true, place = true, screen_only = true,
      cell = function(row, screen)
        return place(row) ~= row.name and screen:name(place(row)) or ""
      end },
  }
end

-- Markdown has one number a column.
local function markdown_view(self)
  return {
    { "Self", right = true, cell = function(row) return self:value(row.self) end },
    { "%", right = true, cell = function(row) return units.percent(row.self_share) end },
    { "Total", right = true, cell = function(row) return self:value(row.total) end },
    { "%", right = true, cell = function(row) return units.percent(row.total_share) end },
    { "Function", code = true, cell = function(row) return row.name end },
    { "Where", cell = place },
  }
end

local words = { ["function"] = "functions", line = "lines", file = "files", package = "packages" }

-- The same answer with n rows: what is shown and what is left are counted from the rows.
local function with_rows(self, all, coverage, n, options)
  local rows = { table.unpack(all, 1, n) }
  local what = words[options.group or "function"]
  local shown, shown_value = 0, 0
  for _, row in ipairs(rows) do
    shown, shown_value = shown + row.self_share, shown_value + row.self
  end
  local whole = self.profile.total
  local other, empty = coverage.other * self.share, (coverage.empty or 0) * self.share
  local rest_value = whole - shown_value
    - math.floor((coverage.other + (coverage.empty or 0)) * whole + 0.5)
  local rest = math.max(0, self.share - shown - other - empty)
  local left = coverage.functions - #rows
  if left == 0 then rest, rest_value = 0, 0 end
  local document = self:document "top"
  document.columns, document.rows = command.columns, rows
  document.head.coverage = { shown = shown, rest = rest, other = other,
    functions = coverage.functions, empty = empty > 0 and empty or nil,
    filtered = self.share < 1 and 1 - self.share or nil }
  document.title[2] = self:total_text() .. " · " .. ("%s of %s %s, %s of self"):format(
    units.count(#rows), units.count(coverage.functions), what, units.percent(shown))
  document.title[3] = self:filter_text()
  document.view = options.format == "md" and markdown_view(self) or view(self, rows, options.group)
  document.notes = function()
    local screen = require "pyroscope.cli.screen"
    local function line(value, share, text)
      return ("  %s  %s  %s"):format(screen.pad(self:cell(value), 5, true),
        screen.pad(units.percent(share), 5, true), text)
    end
    local lines = {}
    if left > 0 then
      lines[1] = line(rest_value, rest, ("in %s more %s"):format(units.count(left),
        left == 1 and what:gsub("s$", "") or what))
    end
    for _, text in ipairs(self:coverage_lines(coverage, line)) do lines[#lines + 1] = text end
    return lines
  end
  document.hints = function(screen)
    if not self.run.terminal.output or #rows == 0 then return {} end
    local name = rows[1].name
    if name:find "[^%w_./:*()%-]" then name = "'" .. name:gsub("'", "'\\''") .. "'" end
    if name:find "[*()]" and name:sub(1, 1) ~= "'" then name = "'" .. name .. "'" end
    return { ("next: pscope peek %s %s"):format(screen:name(name), self.target.text) }
  end
  document.entry = function(row)
    local text = ("%s  self %s  %s"):format(self:cell(row.total), units.percent(row.self_share),
      row.name)
    return row.total_share, units.percent(row.total_share) .. "  " .. text
  end
  document.keep = function(fewer) return with_rows(self, all, coverage, fewer, options) end
  return document
end

-- The header of the older script: one fact a line, the largest self and the depth among them.
local function facts_of(self)
  local most, depth, names = 0, 0, {}
  for level, name, own in self.profile:walk() do
    most, depth = math.max(most, own), math.max(depth, level)
    names[name] = true
  end
  local count = 0
  for _ in pairs(names) do count = count + 1 end
  local what = self.resolved.service or self.resolved.selector
  return { "Deployment: " .. self.source.name, "Service:    " .. what,
    "Profile:    " .. (self.resolved.profile_type or ""),
    "Time:       " .. self.run:window(self.from_ms, self.to_ms),
    "Total:      " .. self:value(self.whole.total), "Max self:   " .. self:value(most),
    ("Functions:  %d"):format(math.max(0, count - 1)), ("Depth:      %d"):format(depth) }
end

-- What is no table is a file: pprof gets a name of its own, as nobody wants it on a screen.
local function write(run, options)
  if options.format == "pprof" and not options.out and run.terminal.output then
    options.out = os.date "!profile-%Y-%m-%d-%H%M%S.pb.gz"
  end
  if options.format == "dot" then
    options.nodes = options.limit == 0 and -1 or options.limit
  end
  return require "pyroscope.cli.commands.export".run(run, options)
end

function command.run(run, options)
  if options.format == "dot" or options.format == "pprof" then return write(run, options) end
  local self, err = subject.fetch(run, options.target,
    { exact = true, granularity = options.group == "line" and "line" or nil })
  if not self then return nil, err end
  local n = options.limit or 20
  local rows, coverage = self.profile:top(n, { by = options.cum and "total" or "self",
    group = options.group })
  local name, factor = self:derived()
  for _, row in ipairs(rows) do
    row.self_share, row.total_share = row.self_share * self.share, row.total_share * self.share
    row.bar = options.cum and row.total_share or row.self_share
    row.file, row.line = self:where(row)
    if name then
      row["self_" .. name], row["total_" .. name] = row.self * factor, row.total * factor
    end
  end
  self:check_other(coverage.other)
  local document = with_rows(self, rows, coverage, #rows, options)
  if options.facts then document.title = facts_of(self) end
  return run:answer(document)
end

return command
