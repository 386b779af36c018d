--- `pscope flame`: the flame graph in the terminal; with -o the same picture in other formats.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local flame = require "pyroscope.cli.flame"
local picture = require "pyroscope.output.picture"
local screens = require "pyroscope.cli.screen"
local subject = require "pyroscope.cli.subject"
local units = require "pyroscope.units"

local command = {
  name = "flame",
  summary = "Flame graph in the terminal, to move in; -o svg, html and others write it",
  usage = "flame [TARGET] [--diff --before SIDE --after SIDE] [options]",
  arguments = { { name = "items", shown = "TARGET", optional = true, many = true,
    complete = "targets" } },
  flags = { "compare", "before", "after", "mode", "noise", "flames", "columns", "search", "plain",
    "picture_title", "group", "where", "max_other", "window", "data", "stack", "tree", "output",
    "source" },
  without = { "fields", "budget", "unit", "no_truncate", "json" },
  own_flags = {
    compare = { "--diff", name = "compare", help = "a comparison; its sides as those of diff" },
    flames = { "--flames", name = "flames", help = "the root at the bottom" },
    columns = { "--columns", name = "columns", value = "N", kind = "positive",
      help = "this wide (default: the terminal)" },
    search = { "--search", name = "search", value = "RE", help = "highlight what matches" },
    plain = { "--plain", name = "plain", help = "print it once, also on a terminal" },
    picture_title = { "--title", name = "title", value = "TEXT", help = "title of svg and html" },
  },
  formats = { "text", "json", "svg", "html", "folded", "speedscope", "dot", "tree", "pprof" },
  examples = { "pscope flame prod/checkout", "pscope flame cpu.pb.gz -o html --out cpu.html",
    "pscope flame prod/checkout --diff -2h -1h -1h now" },
  notes = "On a terminal: hjkl or arrows move, Enter zooms, / searches, ? lists the keys. "
    .. "Otherwise it is printed once. Boxes are coloured by package; those under one column are "
    .. "counted. json is Pyroscope's flame graph JSON.",
}

local function print_once(run, header, rows, spec)
  local lines = header
  table.move(flame.lines(rows, spec), 1, #rows, #lines + 1, lines)
  if rows.pattern_text then
    lines[#lines + 1] = flame.matched(rows)
  end
  return run:write(table.concat(lines, "\n") .. "\n")
end

-- Callers and callees of a function, as lines.
local function edges(self, name)
  local lines = { ("%s  (any key goes back)"):format(screens.printable(name)), "", "callers" }
  for _, part in ipairs { { "callers", self.profile:callers(name) },
    { "callees", self.profile:callees(name) } } do
    if part[1] == "callees" then lines[#lines + 1] = "callees" end
    for i, row in ipairs(part[2] or {}) do
      if i > 15 then break end
      lines[#lines + 1] = ("  %8s  %s"):format(self:cell(row.value or row.total or 0),
        screens.printable(row.name))
    end
  end
  return lines
end

local function pattern_of(options)
  if not options.search then return nil end
  local pattern, err = core.regex(options.search)
  if not pattern then return nil, errors.wrap(err, { message = "--search: " .. err.message }) end
  return pattern
end

local function interactive(run, options)
  return run.terminal.output and not options.plain and not options.out and not options.format
    and require "pyroscope.system".is_terminal(0) and os.getenv "TERM" ~= "dumb"
end

local function file_here(file, line)
  if not file or file == "" then return nil end
  local system = require "pyroscope.system"
  local path = file
  while path do -- the longest tail of the path that exists here
    local stat = system.stat(path)
    if stat and stat.type == "file" then return { file = path, line = line } end
    path = path:match "^/?[^/]*/(.*)$"
  end
end

local function one(run, options)
  local self, err = subject.fetch(run, options.items and options.items[1], { exact = true,
    granularity = options.group == "line" and "line" or nil })
  if not self then return nil, err end
  if options.group and options.group ~= "function" and options.group ~= "line" then
    self.profile, err = self.profile:regroup(options.group)
    if not self.profile then return nil, err end
  end
  for _, warning in ipairs(self.warnings) do run:warn(warning) end
  if self.partial then run:worsen(4) end
  self:check_other(self.profile:coverage().other_share or 0)
  local format = options.format or "text"
  if format ~= "text" then
    local facts = core.formats()[format]
    local bytes
    bytes, err = self.profile:render(format, (picture.formats[format] or format == "dot") and {
      title = options.title or self:headline(),
      subtitle = picture.formats[format] and self:total_text() or nil,
      icicle = picture.formats[format] and not options.flames or nil } or nil)
    if not bytes then return nil, err end
    return run:write(bytes, { binary = facts and facts.binary and format or nil,
      receipt = options.out and ("%s  %s  %s"):format(options.out, format, units.bytes(#bytes)) })
  end
  local pattern
  pattern, err = pattern_of(options)
  if err then return nil, err end
  local function header()
    return self:headline() .. " · " .. self:value(self.whole.total)
  end
  local spec = { screen = screens.new { utf8 = run.terminal.utf8, width = 100000 },
    colour = flame.colours(flame.depth(run.terminal.color)), whole = self.profile.sum,
    flames = options.flames }
  if interactive(run, options) then
    local keys = require "pyroscope.cli.flame_keys"
    local view = keys.view { screen = spec.screen, colour = spec.colour, whole = spec.whole,
      header = header, cells = function(o) return self.profile:cells(o) end,
      edges = function(name) return edges(self, name) end,
      detail = function(box)
        local file, line = self:where(box)
        local scale = self.profile.total / math.max(1, self.profile.sum)
        return ("%s   total %s %s   self %s %s   %s"):format(spec.screen:name(box.name),
          self:cell(box.total * scale), self:percent(box.total / math.max(1, self.profile.sum)),
          self:cell(box.self * scale), self:percent(box.self / math.max(1, self.profile.sum)),
          file and ("%s:%d"):format(screens.printable(file), line or 0) or "")
      end }
    if options.search then view:find(options.search) end
    keys.run(view, function(box) return file_here(self:where(box)) end)
    return run.status
  end
  spec.width = options.columns or run.terminal.width
  local rows = self.profile:cells { width = spec.width, pattern = pattern }
  rows.pattern_text = options.search
  local head = { table.concat({ header(), ("%d rows"):format(#rows), flame.hidden(rows) }, " · ") }
  head[2] = self:filter_text()
  local other = self.profile:coverage().other_share or 0
  if other > 0 then
    head[#head + 1] = ('%s in truncated stacks ("other")'):format(units.percent(other))
  end
  return print_once(run, head, rows, spec)
end

local function both(run, options)
  local diffs = require "pyroscope.cli.commands.diff"
  local format = options.format or "text"
  if format ~= "text" then
    local copy = {}
    for name, value in pairs(options) do copy[name] = value end
    if not picture.formats[format] and format ~= "folded" and format ~= "pprof" then
      return nil, errors.new { kind = "usage",
        message = ("--diff is not written as %s"):format(format),
        hint = "text, svg or html" }
    end
    return diffs.run(run, copy)
  end
  local diff, parts = diffs.compare(run, options)
  if not diff then return nil, parts end
  for _, warning in ipairs(diff.warnings) do run:warn(warning) end
  local pattern, err = pattern_of(options)
  if err then return nil, err end
  local alignment = diff.alignment
  local scales = { diff.sides[1].scale or 1, diff.sides[2].scale or 1 }
  local whole = { alignment.before * scales[1], alignment.after * scales[2] }
  local spec = { screen = screens.new { utf8 = run.terminal.utf8, width = 100000 },
    colour = flame.colours(flame.depth(run.terminal.color)), flames = options.flames,
    diff = { scales = scales, whole = whole, noise = diff.noise or 0 } }
  local function cells(o)
    o.scales = scales
    local rows = alignment:cells(o)
    for _, row in ipairs(rows) do
      for _, box in ipairs(row) do
        local a, b = box.before * scales[1], box.after * scales[2]
        box.value = o.by == "larger" and math.max(a, b) or b
      end
    end
    spec.whole = o.by == "larger" and math.max(whole[1], whole[2]) or whole[2]
    return rows
  end
  local function header()
    return ("%s · A %s > B %s · %s"):format(screens.printable(parts.shown or ""),
      screens.printable(parts[1].label or ""), screens.printable(parts[2].label or ""),
      units.percent(diff.change or 0, { sign = true }))
  end
  if interactive(run, options) then
    local keys = require "pyroscope.cli.flame_keys"
    local holder = setmetatable({}, { __index = function(_, name)
      if name == "whole" then return spec.whole end
    end })
    holder.screen, holder.colour, holder.diff, holder.header = spec.screen, spec.colour, spec.diff,
      header
    holder.cells = cells
    holder.edges = function(name) return { name, "", "compare it: pscope diff, or peek a side" } end
    holder.detail = function(box)
      local a, b = box.before * scales[1], box.after * scales[2]
      return ("%s   before %s   after %s   %s"):format(spec.screen:name(box.name),
        units.percent(whole[1] > 0 and a / whole[1] or 0),
          units.percent(whole[2] > 0 and b / whole[2]
          or 0), a > 0 and units.percent(b / a - 1, { sign = true }) or "new")
    end
    keys.run(keys.view(holder), function(box) return file_here(box.file, box.line) end)
    return run.status
  end
  spec.width = options.columns or run.terminal.width
  local rows = cells { width = spec.width, pattern = pattern }
  rows.pattern_text = options.search
  return print_once(run, { table.concat({ header(), ("%d rows"):format(#rows), flame.hidden(rows) },
    " · "), "+ more  - less  * new, by width of B; --noise says what is grey" }, rows, spec)
end

function command.run(run, options)
  if options.compare or options.before or options.after or (options.items
    and #options.items > 1) then
    return both(run, options)
  end
  return one(run, options)
end

return command
