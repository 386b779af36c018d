--- `pscope traces`: the heaviest whole stacks.

local subject = require "pyroscope.cli.subject"
local units = require "pyroscope.units"

local command = {
  name = "traces",
  summary = "The heaviest whole stacks",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "limit", "group", "where", "max_other", "window", "data", "stack", "tree", "output",
    "source" },
  without = { "invert" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "folded" },
  columns = {
    { name = "frames", kind = "list" }, { name = "value", kind = "int64" },
    { name = "share", kind = "number" },
  },
  examples = { "pscope traces prod/checkout -n 5", "pscope traces ./incident --type goroutine" },
  notes = "Stacks are written root first in JSON and CSV, leaf first on the screen. Printed stacks "
    .. "and the rest add up to the total.",
}

local function build(self, all, n)
  local rows = { table.unpack(all, 1, n) }
  local shown, shown_value = 0, 0
  for _, row in ipairs(rows) do
    shown, shown_value = shown + row.share, shown_value + row.value
  end
  local rest = math.max(0, self.share - shown)
  local document = self:document "traces"
  document.columns, document.rows = command.columns, rows
  document.head.coverage = { shown = shown, rest = rest,
    filtered = self.share < 1 and 1 - self.share or nil }
  document.title[2] = ("%s · %s stacks, %s of everything"):format(self:total_text(),
    units.count(#rows), units.percent(shown))
  document.title[3] = self:filter_text()
  document.view = {
    { "Value", right = true, cell = function(row) return self:cell(row.value) end },
    { "%", right = true, cell = function(row) return units.percent(row.share) end },
    { "Stack", code = true, cell = function(row) return table.concat(row.frames, " > ") end },
  }
  document.body = function(screen)
    local pad = require "pyroscope.cli.screen".pad
    local lines = {}
    for i, row in ipairs(rows) do
      if i > 1 then lines[#lines + 1] = "" end
      local frames = row.frames
      for f = #frames, 1, -1 do
        local prefix = f == #frames and ("  %s  %s"):format(pad(self:cell(row.value), 8, true),
          pad(units.percent(row.share), 6, true)) or (" "):rep(18)
        local name = screen:name(frames[f], screen.width - 21)
        lines[#lines + 1] = prefix .. "  " .. (f == #frames and screen:style("bold", name) or name)
      end
      if #frames == 0 then
        lines[#lines + 1] = ("  %s  %s  (no stack)"):format(pad(self:cell(row.value), 8, true),
          pad(units.percent(row.share), 6, true))
      end
    end
    return lines
  end
  document.notes = function()
    local pad = require "pyroscope.cli.screen".pad
    local lines = {}
    if rest > 5e-10 then
      local left = self.profile.total - shown_value
      lines[1] = ("  %s  %s  in more stacks"):format(pad(self:cell(left), 8, true),
        pad(units.percent(rest), 6, true))
    end
    if self.share < 1 then
      lines[#lines + 1] = ("  %s  %s  outside of the patterns"):format(
        pad(self:cell((1 - self.share) * self.whole.total), 8, true),
        pad(units.percent(1 - self.share), 6, true))
    end
    return lines
  end
  document.keep = function(fewer) return build(self, all, fewer) end
  return document
end

function command.run(run, options)
  local self, err = subject.fetch(run, options.target, { group = options.group })
  if not self then return nil, err end
  if options.format == "folded" then
    local bytes
    bytes, err = self.profile:render "folded"
    if not bytes then return nil, err end
    return run:write(bytes)
  end
  local rows = {}
  for i, row in ipairs(self.profile:stacks(options.limit or 20)) do
    rows[i] = { frames = row.frames, value = row.value, share = row.share * self.share }
  end
  self:check_other(self.profile:coverage().other_share or 0)
  return run:answer(build(self, rows, #rows))
end

return command
