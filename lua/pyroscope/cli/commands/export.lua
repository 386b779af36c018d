--- `pscope export`: writes a profile to stdout or a file.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local picture = require "pyroscope.output.picture"
local question = require "pyroscope.cli.question"
local subject = require "pyroscope.cli.subject"
local target = require "pyroscope.cli.target"
local units = require "pyroscope.units"

local command = {
  name = "export",
  summary = "Write a profile: format by -o, else by the extension of --out, else pprof",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "nodes", "pgo", "group", "where", "window", "data", "stack", "tree", "picture",
    "output", "source" },
  without = { "fields", "budget", "unit", "no_truncate", "relative_percentages" },
  formats = { "pprof", "folded", "json", "speedscope", "tree", "dot", "svg", "html" },
  examples = { "pscope export prod/checkout --out cpu.pb.gz",
    "pscope export prod/checkout -o folded | head",
    "pscope export ./incident --type memory --out memory.html" },
  notes = "json is Pyroscope's flame graph JSON, tree the server's binary tree. Binary formats are "
    .. "never written to a terminal. --out writes mode 600 and overwrites only with --force. "
    .. "Stocks are the mean per profile unless --sum.",
}

local function format_of(options)
  if options.format then return options.format end
  local best, length = "pprof", 0
  for name, facts in pairs(core.formats()) do
    local extension = facts.extension
    if options.out and #extension > length and options.out:sub(-#extension) == extension then
      for _, known in ipairs(command.formats) do
        if known == name then best, length = name, #extension end
      end
    end
  end
  return best
end

-- The server's own pprof, uncut, when nothing has to be done to it.
local function untouched(options, format, resolved)
  if format ~= "pprof" or options.group or options.invert or question.patterns(options) ~= "" then
    return false
  end
  return not options.max_nodes and (resolved.kind ~= "stock" or options.sum)
end

local function receipt(options, format, bytes, what)
  if not options.out then return nil end
  local handle = format == "pprof" and core.pprof(bytes)
  local samples = handle and ("%s samples  "):format(units.count(handle.samples)) or ""
  if handle then handle:close() end
  return ("%s  %s  %s  %s%s"):format(options.out, format, units.bytes(#bytes), samples, what)
end

local function pprof(run, options, source, resolved)
  local answer, err = source:pprof(resolved)
  if not answer then return nil, err end
  local bytes
  bytes, err = answer:bytes()
  answer:close()
  if not bytes then return nil, err end
  return run:write(bytes, { binary = "pprof", receipt = receipt(options, "pprof", bytes,
    resolved.profile_type or "") })
end

function command.run(run, options)
  local format = format_of(options)
  local binary = core.formats()[format] and core.formats()[format].binary
  if binary and run.terminal.output and not options.out then
    return nil, errors.new { kind = "usage", code = "binary",
      message = ("%s is binary and stdout is a terminal"):format(format),
      hint = "write it to a file with --out FILE, into a pipe, or choose -o folded" }
  end
  local found, source = target.find(run, options.target)
  if not found then return nil, source end
  local resolved, err = question.resolve(options, found, source)
  if not resolved then return nil, err end
  if untouched(options, format, resolved) then return pprof(run, options, source, resolved) end
  local self
  options.where = options.where or "never"
  self, err = subject.fetch(run, options.target, { exact = true, group = options.group })
  if not self then return nil, err end
  if options.max_nodes and source.kind == "store" then
    self.profile = self.profile:truncate(options.max_nodes)
  end
  local bytes
  local drawn = picture.formats[format] or format == "dot" or format == "speedscope"
  local said = drawn and { title = self:headline(),
    subtitle = picture.formats[format] and self:total_text() or nil,
    nodes = format == "dot" and options.nodes or nil } or nil
  if picture.formats[format] then said = picture.told(options, said) end
  bytes, err = self.profile:render(format, said)
  if not bytes then return nil, err end
  for _, warning in ipairs(self.warnings) do run:warn(warning) end
  if self.partial then run:worsen(4) end
  return run:write(bytes, { binary = binary and format or nil,
    receipt = receipt(options, format, bytes, self:total_text()) })
end

return command
