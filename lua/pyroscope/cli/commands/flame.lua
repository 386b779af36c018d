--- `pscope flame`: the flame graph in the terminal; with -o the same picture in other formats.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local flame = require "pyroscope.cli.flame"
local screens = require "pyroscope.cli.screen"
local subject = require "pyroscope.cli.subject"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local command = {
  name = "flame",
  summary = "Flame graph in the terminal, to move in; -o svg, html and others write it",
  usage = "flame [TARGET] [options]\n       pscope flame --diff A B | TARGET [--before SIDE "
    .. "--after SIDE] | TARGET FROM TO FROM TO [options]",
  arguments = { { name = "items", shown = "TARGET", optional = true, many = true,
    complete = "targets" } },
  flags = { "compare", "before", "after", "mode", "noise", "flames", "search", "plain", "group",
    "where", "max_other", "window", "data", "stack", "tree", "picture", "output", "source" },
  without = { "fields", "budget", "unit", "no_truncate" },
  own_flags = {
    compare = { "--diff", name = "compare", help = "a comparison; its sides as those of diff" },
    flames = { "--flames", name = "flames", help = "in the terminal: the root at the bottom" },
    search = { "--search", name = "search", value = "RE", help = "highlight what matches" },
    plain = { "--plain", name = "plain", help = "print it once, also on a terminal" },
  },
  formats = { "text", "json", "svg", "html", "folded", "speedscope", "dot", "tree", "pprof" },
  examples = { "pscope flame prod/checkout", "pscope flame cpu.pb.gz -o html --out cpu.html",
    "pscope flame prod/checkout --diff -2h -1h -1h now" },
  notes = "On a terminal: hjkl or arrows move, Enter zooms, / searches, ? lists the keys; it "
    .. "begins at the hottest function, of a comparison where most of the change is. "
    .. "Otherwise, and with -o text, it is printed once, --width columns wide. The root is on top. "
    .. "Boxes are coloured by package; those under one column are counted. Truncated stacks are "
    .. "hatched. json is Pyroscope's flame graph JSON.",
}

local function usage(message, hint)
  return nil, errors.new { kind = "usage", message = message, hint = hint }
end

local function interactive(run, options)
  return run.terminal.output and not options.plain and not options.out and not options.format
    and os.getenv "TERM" ~= "dumb" and require "pyroscope.cli.flame_tty".there()
end

local function look_of(run)
  return { screen = screens.new { utf8 = run.terminal.utf8, width = 100000 },
    colour = flame.colours(flame.depth(run.terminal.color)) }
end

-- Our own signs as this screen has them.
local function signs(look, lines)
  for i, line in ipairs(lines) do lines[i] = look.screen:plain(line) end
  return lines
end

local function print_once(run, options, spec, more)
  local pattern, err
  if options.search then
    pattern, err = core.regex(options.search)
    if not pattern then return nil, errors.wrap(err, { message = "--search: " .. err.message }) end
  end
  local width = options.width or run.terminal.width
  local rows = spec.cells { width = width, pattern = pattern }
  local lines = spec.header(rows, width, 1, false)
  for _, line in ipairs(more) do lines[#lines + 1] = line end
  signs(spec, lines)
  local boxes = flame.lines(rows, { screen = spec.screen, colour = spec.colour, diff = spec.diff,
    whole = rows.base, flames = options.flames })
  table.move(boxes, 1, #boxes, #lines + 1, lines)
  if pattern then lines[#lines + 1] = flame.matched(rows) end
  return run:write(table.concat(lines, "\n") .. "\n")
end

local function move_in(options, spec, locate)
  spec.flames = options.flames
  local view = require "pyroscope.cli.flame_keys".view(spec)
  if options.search then view:find(options.search) end
  return require "pyroscope.cli.flame_tty".run(view, locate)
end

local function file_here(file, line)
  if not file or file == "" then return nil, "the profile does not say where its source is" end
  local path = require "pyroscope.cli.here".path(file)
  if path then return { file = path, line = line } end
  return nil, "not below this folder: " .. screens.printable(file)
end

-- What every picture says behind its own header.
local function tail_parts(parts, rows)
  local hidden, deep = flame.hidden(rows)
  parts[#parts + 1] = { ("%d row%s"):format(#rows, #rows == 1 and "" or "s"), late = 9 }
  if hidden then
    parts[#parts + 1] = { hidden, late = 2, short = { hidden:match "%S+$" .. " hidden", late = 0 } }
  end
  if deep then parts[#parts + 1] = { deep, late = 7 } end
  return parts
end

local function place_text(look, file, line)
  if not file or file == "" then return "" end
  return look.screen:name(file) .. (line and line > 0 and (":%d"):format(line) or "")
end

-- The view of one profile ------------------------------------------------------------------

local function spec_of(run, self)
  local spec = look_of(run)
  local scale = self.profile.total / math.max(1, self.profile.sum)
  local base = self.profile.sum / (self.share > 0 and self.share or 1)
  local other = self.profile:coverage().other_share or 0
  local function cells_of(profile)
    return function(o)
      local rows = profile:cells(o)
      rows.base = base
      return rows
    end
  end
  spec.cells = cells_of(self.profile)
  function spec.hit(o, after, back) return self.profile:hit(o, after, back) end
  function spec.header(rows, width, most, strict)
    local head = self:head()
    local short = head.target:match "^(.+) in "
    local parts = { { head.type },
      { head.target, late = 8, short = short and { short, late = 4 } },
      { head.window, drop = 1,
        short = { units.span((self.to_ms - self.from_ms + 500) // 1000 * 1000), late = 5 } } }
    for i, name in ipairs { "services", "instances", "version" } do
      if head[name] then parts[#parts + 1] = { head[name], drop = 1 + i } end
    end
    parts[#parts + 1] = { self:value(self.whole.total) }
    tail_parts(parts, rows)
    if other > 0 then
      parts[#parts + 1] = { ('%s in truncated stacks ("other")'):format(self:percent(other)),
        late = 6 }
    end
    return signs(spec, flame.header(parts, width, " · ", most, strict))
  end
  function spec.detail(box, width, lines)
    local function value(of) return self:value(of * scale, { short = true, fine = true }) end
    local function both(of) return ("%s %s"):format(value(of), units.percent(of / base)) end
    local least = { both(box.total), units.percent(box.total / base) }
    if box.other then
      return flame.detail("truncated stacks", { "total " .. least[1], table.unpack(least) },
        "ask with --max-nodes", width, lines)
    end
    if box.caller then
      return flame.detail(spec.screen:name(box.name), { "calls it for " .. least[1],
        table.unpack(least) }, place_text(spec, self:where(box)), width, lines)
    end
    return flame.detail(spec.screen:name(box.name), {
      ("total %s   self %s"):format(least[1], both(box.self)),
      ("total %s   self %s"):format(value(box.total), value(box.self)),
      table.unpack(least) }, place_text(spec, self:where(box)), width, lines)
  end
  function spec.sandwich(name)
    local callers, callees = self.profile:sandwich(name)
    if not callers then return nil, callees.message end
    return { callers = { cells = cells_of(callers) }, callees = { cells = cells_of(callees) } }
  end
  return spec
end

local function one(run, options)
  if options.items and #options.items > 1 then
    return usage(("flame takes one TARGET, not %d"):format(#options.items),
      "two are compared with --diff")
  end
  options.target = options.items and options.items[1]
  if options.format and options.format ~= "text" then
    return require "pyroscope.cli.commands.export".run(run, options)
  end
  local self, err = subject.fetch(run, options.target, { exact = true, group = options.group })
  if not self then return nil, err end
  if options.max_nodes and self.source.kind == "store" then
    self.profile = self.profile:truncate(options.max_nodes)
  end
  self:check_other(self.profile:coverage().other_share or 0)
  for _, warning in ipairs(self.warnings) do run:warn(warning) end
  if self.partial then run:worsen(4) end
  local spec = spec_of(run, self)
  if not interactive(run, options) then
    return print_once(run, options, spec, { self:filter_text() })
  end
  local code = move_in(options, spec, function(box) return file_here(self:where(box)) end)
  return code ~= 0 and code or run.status
end

-- The view of a comparison -----------------------------------------------------------------

-- What an alignment is asked with: the scales of the mode that is shown.
local function scales_of(diff) return { diff.sides[1].scale, diff.sides[2].scale } end

local function compared(spec, alignment)
  return function(o)
    local scales = scales_of(spec.shown)
    o.scales = scales
    local rows = alignment:cells(o)
    for _, row in ipairs(rows) do
      for _, box in ipairs(row) do
        local a, b = box.before * scales[1], box.after * scales[2]
        box.value = o.by == "larger" and math.max(a, b) or b
      end
    end
    local whole = spec.diff.whole
    rows.base = o.by == "larger" and math.max(whole[1], whole[2]) or whole[2]
    return rows
  end
end

local function choose(spec, diff)
  local scales = scales_of(diff)
  spec.shown = diff
  spec.show = require "pyroscope.output.diff".shower(diff)
  spec.diff = { scales = scales, noise = diff.noise or 0,
    whole = { diff.alignment.before * scales[1], diff.alignment.after * scales[2] } }
end

local function change_of(spec, a, b, fine)
  local delta = spec.show(b - a, { sign = true, fine = fine })
  if a == 0 then return delta .. " new" end
  if b == 0 then return delta .. " gone" end
  if spec.shown.mode == "share" then return delta end
  return ("%s %s"):format(delta, units.percent((b - a) / a, { sign = true, digits = 0 }))
end

local function diff_header(spec, parts, rows, width, most, strict)
  local shown, whole = spec.shown, spec.diff.whole
  local word = shown.profile_type and types.short(shown.profile_type) or shown.unit or "profile"
  local function side(letter, part, value)
    local text = ("%s %s"):format(letter, screens.printable(part.label))
    local long = ("%s  %s"):format(text, part.window or "")
    local total = shown.mode == "share" and "" or "  " .. spec.show(value, { short = false })
    local less = { text .. total, late = 1, short = { letter:match "^%S+" .. total:sub(2) } }
    return part.window and { long .. total, drop = 1, short = less } or less
  end
  local list = { { word, late = 5 }, { screens.printable(parts.shown), drop = 2 },
    side("A (before)", parts[1], whole[1]), side("B (after)", parts[2], whole[2]) }
  if shown.mode ~= "share" then list[#list + 1] = { change_of(spec, whole[1], whole[2]) } end
  if shown.mode == "share" or shown.measure ~= "per second" then
    list[#list + 1] = { shown.mode == "share" and "shares" or shown.measure, late = 6 }
  end
  tail_parts(list, rows)
  for i, letter in ipairs { "A", "B" } do
    local other = shown.sides[i].other_share or 0
    if other > 0 then
      list[#list + 1] = { ('%s of %s in truncated stacks ("other")'):format(units.percent(other),
        letter), late = 8 }
    end
  end
  return signs(spec, flame.header(list, width, " · ", most, strict))
end

local function diff_spec(run, diff, parts)
  local spec = look_of(run)
  choose(spec, diff)
  spec.cells = compared(spec, diff.alignment)
  function spec.hit(o, after, back)
    o.scales = scales_of(spec.shown)
    return diff.alignment:hit(o, after, back)
  end
  function spec.header(rows, width, most, strict)
    return diff_header(spec, parts, rows, width, most, strict)
  end
  function spec.detail(box, width, lines)
    local a, b = box.before * spec.diff.scales[1], box.after * spec.diff.scales[2]
    local whole = spec.diff.whole
    local function show(value) return spec.show(value, { fine = true }) end
    local function share(value, all)
      return spec.shown.mode == "share" and "" or " " .. units.percent(value / all)
    end
    local before, after, change = show(a), show(b), change_of(spec, a, b, true)
    return flame.detail(box.other and "truncated stacks" or spec.screen:name(box.name), {
      ("A %s%s   B %s%s   %s"):format(before, share(a, whole[1]), after, share(b, whole[2]),
        change),
      ("A %s   B %s   %s"):format(before, after, change), change, change:match "%S+$" },
      place_text(spec, box.file, box.line), width, lines)
  end
  function spec.switch()
    local other, err = spec.shown:as(spec.shown.mode == "share" and "rate" or "share")
    if not other then return err.message end
    choose(spec, other)
    return other.mode == "share" and "shares of each side's total" or "absolute, " .. other.measure
  end
  function spec.sandwich(name)
    local made = {}
    for i, part in ipairs(parts) do
      local callers, callees = part.profile:sandwich(name)
      if not callers then return nil, callees.message end
      made[i] = { callers = callers, callees = callees }
    end
    local found = {}
    for _, side in ipairs { "callers", "callees" } do
      local alignment, err = core.align(made[1][side], made[2][side])
      if not alignment then return nil, err.message end
      found[side] = { cells = compared(spec, alignment) }
    end
    return found
  end
  return spec
end

local function both(run, options)
  local diffs = require "pyroscope.cli.commands.diff"
  local format = options.format or "text"
  if format ~= "text" and not require "pyroscope.output.diff_files".whole[format] then
    return usage(("a comparison is not written as %s"):format(format),
      "one of: text, svg, html, folded, json, pprof")
  end
  if options.group and options.group ~= "function" then
    return usage("--group and --diff exclude each other", "pscope diff --group compares groups")
  end
  local diff, parts = diffs.compare(run, options)
  if not diff then return nil, parts end
  if format ~= "text" then return diffs.write(run, diff, parts, options, format) end
  for i, side in ipairs(diff.sides) do
    if options.max_other and side.other_share > options.max_other then
      run:worsen(4)
      diff.warnings[#diff.warnings + 1] = ("%s of side %s is in truncated stacks, more than "
        .. "--max-other"):format(units.percent(side.other_share), i == 1 and "A" or "B")
    end
    if side.partial then run:worsen(4) end
  end
  for _, warning in ipairs(diff.warnings) do run:warn(warning) end
  local spec = diff_spec(run, diff, parts)
  if not interactive(run, options) then
    return print_once(run, options, spec,
      { "+ more  - less  * new; width: B; changes under --noise have no sign" })
  end
  local code = move_in(options, spec, function(box) return file_here(box.file, box.line) end)
  return code ~= 0 and code or run.status
end

function command.run(run, options)
  if options.compare or options.before or options.after then return both(run, options) end
  return one(run, options)
end

return command
