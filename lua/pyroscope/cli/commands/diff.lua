--- `pscope diff`: what changed between two windows, label values, versions or files.

local errors = require "pyroscope.errors"
local facts = require "pyroscope.cli.facts"
local picture = require "pyroscope.output.picture"
local question = require "pyroscope.cli.question"
local sides = require "pyroscope.cli.sides"
local subject = require "pyroscope.cli.subject"
local types = require "pyroscope.types"
local units = require "pyroscope.units"
local place = require "pyroscope.cli.screen".place

local command = {
  name = "diff",
  summary = "What changed: two windows, two label values, two versions, two files",
  usage = "diff A B | TARGET [--before SIDE --after SIDE] | TARGET FROM TO FROM TO [options]",
  arguments = { { name = "items", shown = "A B", many = true, optional = true,
    complete = "targets" } },
  flags = { "facts", "before", "after", "mode", "noise", "limit", "cum", "group", "bounds",
    "per_request", "fail_over", "max_other", "where", "window", "data", "stack", "tree", "picture",
    "output", "source" },
  without = { "invert", "relative_percentages", "unit" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "quickfix", "names", "svg", "html",
    "folded", "pprof" },
  columns = {
    { name = "name", kind = "text" }, { name = "file", kind = "text" },
    { name = "line", kind = "integer" }, { name = "status", kind = "text" },
    { name = "before", kind = "int64", get = function(row) return row.before_raw end },
    { name = "after", kind = "int64", get = function(row) return row.after_raw end },
    { name = "before_value", kind = "number", get = function(row) return row.before end },
    { name = "after_value", kind = "number", get = function(row) return row.after end },
    { name = "delta", kind = "number" }, { name = "change", kind = "number" },
    { name = "lower", kind = "number" }, { name = "upper", kind = "number" },
    { name = "certain", kind = "boolean" },
    { name = "before_share", kind = "number" }, { name = "after_share", kind = "number" },
    { name = "before_cores", kind = "number" }, { name = "after_cores", kind = "number" },
    { name = "delta_cores", kind = "number" },
  },
  examples = { "pscope diff prod/checkout -2h -1h -30m now",
    "pscope diff prod/checkout --before version=2.40.3 --after version=2.41.0",
    "pscope diff base.pb.gz head.pb.gz -o md --fail-over 5%",
    "pscope diff prod/checkout -2h -1h -30m now -o html --out diff.html" },
  notes = "A is before, B is after. A side is label=value, a window -2h..-1h, or both as "
    .. "label=value@-2h..-1h. A TARGET alone is compared with the same window yesterday. "
    .. "Values are "
    .. "rates: per second for flows, per profile for stocks; --mode share compares parts of each "
    .. "side's total. Rows and rest add up to the change. --fail-over P exits with 10 when "
    .. "the total "
    .. "grew by more than P (with --mode share: when a function's share grew by more than P "
    .. "points); "
    .. "--per-request A,B divides the sides by numbers of requests.",
}

local function cores_of(diff)
  return diff.measure == "per second" and types.class(diff.profile_type or "") == "cpu"
    and units.seconds(diff.unit)
end

-- A value of the diff's measure for people.
local function shower(diff)
  local class = diff.profile_type and types.class(diff.profile_type)
  local scale = cores_of(diff)
  local digits = scale and subject.digits(math.max(diff.before, diff.after) * scale) or nil
  return function(value, options)
    if diff.measure == "share" then
      return units.percent(value, { sign = options and options.sign })
    end
    local what = { unit = diff.unit, kind = diff.kind, class = class, short = true,
      seconds = diff.measure == "per second" and 1 or nil, digits = digits }
    for k, v in pairs(options or {}) do what[k] = v end
    if what.free then what.digits = nil end
    return units.value(value, what)
  end
end

local function change_text(row)
  if row.status == "new" or row.status == "gone" then return row.status end
  return row.change and units.percent(row.change, { sign = true, digits = 0 }) or "-"
end

local function pad(text, width) return require "pyroscope.cli.screen".pad(text, width, true) end

local function side_share(row, which)
  if row[which .. "_raw"] == 0 then return "-" end
  return units.percent(row[which .. "_share"])
end

local function view_of(show, rows, rest, options)
  local a, b, d = 6, 6, 6
  local function cell(value, raw) return raw == 0 and "-" or show(value) end
  local function measure(row)
    a = math.max(a, #cell(row.before, row.before_raw))
    b = math.max(b, #cell(row.after, row.after_raw))
    d = math.max(d, #show(row.delta, { sign = true }))
  end
  for _, row in ipairs(rows) do measure(row) end
  if rest then measure(rest) end
  local function delta_pair(row)
    return pad(show(row.delta, { sign = true }), d) .. "  " .. pad(change_text(row), 5)
  end
  local function share_pair(row)
    return pad(side_share(row, "before"), 5) .. " > " .. pad(side_share(row, "after"), 5)
  end
  local view = {
    { "A ", right = true, min = a,
      cell = function(row) return cell(row.before, row.before_raw) end },
    { "B ", right = true, min = b,
      cell = function(row) return cell(row.after, row.after_raw) end },
    { "  DELTA", gap = 3, cell = delta_pair,
      style = function(row) return row.delta > 0 and "up" or "down" end },
    { "   SHARE A>B", gap = 3, cell = share_pair },
    { "", gap = 3, cell = function(row, screen)
      return row.delta > 0 and screen.up or row.delta < 0 and screen.down or ""
    end, style = function(row) return row.delta > 0 and "up" or "down" end },
    { "FUNCTION", gap = 2, shrink = 24, code = true,
      cell = function(row, screen) return screen:name(row.name) end },
    { "WHERE", gap = 3, optional = true, shrink = 10,
      cell = function(row, screen) return screen:name(place(row)) end },
  }
  if options.bounds then
    table.insert(view, 4, { "BOUNDS", gap = 3, cell = function(row)
      return ("%s to %s%s"):format(show(row.lower, { sign = true }),
        show(row.upper, { sign = true }), row.certain and "" or " ?")
    end })
  end
  return view
end

local function markdown_view(show, options)
  local view = {
    { "A", right = true, cell = function(row) return show(row.before) end },
    { "B", right = true, cell = function(row) return show(row.after) end },
    { "Delta", right = true, cell = function(row) return show(row.delta, { sign = true }) end },
    { "%", right = true, cell = change_text },
    { "Share A", right = true, cell = function(row) return side_share(row, "before") end },
    { "Share B", right = true, cell = function(row) return side_share(row, "after") end },
    { "Function", code = true, cell = function(row) return row.name end },
    { "Where", cell = place },
  }
  if options.bounds then
    table.insert(view, 5, { "Bounds", right = true, cell = function(row)
      return ("%s to %s"):format(show(row.lower, { sign = true }), show(row.upper, { sign = true }))
    end })
  end
  return view
end

-- `A (before) version=2.40.3  12:50-13:50  18 pods   31.4 cores   1.74 per pod`
local function side_line(letter, word, part, diff, value, show)
  local side = diff.sides[letter == "A" and 1 or 2]
  local pieces = { ("%s %s"):format(letter, word) }
  pieces[1] = ("%-10s"):format(pieces[1])
  local text = pieces[1] .. " " .. require "pyroscope.cli.screen".printable(part.label)
  if side.from_ms and side.to_ms and side.to_ms > side.from_ms then
    text = text .. "  " .. part.window
  end
  if part.facts and part.facts.instances then
    text = text .. "  " .. facts.instances(part.facts)
  end
  local long = diff.measure == "share" and units.value(side.raw, { unit = diff.unit,
    kind = diff.kind, class = diff.profile_type and types.class(diff.profile_type),
    seconds = diff.kind ~= "stock" and side.seconds or nil }) or show(value, { short = false })
  text = text .. "   " .. long
  if diff.measure == "per profile" then
    text = text .. (" (mean of %s profiles)"):format(units.count(side.profiles))
  end
  if part.facts and part.facts.instances and part.facts.instances > 1
      and diff.measure == "per second" then
    local each = value / part.facts.instances
    local scale = cores_of(diff)
    text = text .. ("   %s per %s"):format(scale and ("%.2f"):format(each * scale) or show(each),
      (part.facts.word:gsub("s$", "")))
  end
  return text
end

local modes = {
  ["per second"] = "absolute rate", ["per profile"] = "absolute, per profile",
  sum = "absolute sums", share = "share of each side's total",
}

local function mode_line(diff, options)
  local note = diff.mode == "share" and "--mode rate compares absolute values"
    or "--mode share compares percentages"
  local factors = options.per_request and (" per request (A / %g, B / %g)"):format(
    options.per_request[1], options.per_request[2]) or ""
  return ("mode: %s%s; %s"):format(modes[diff.measure], factors, note)
end

local function noise_line(diff, show, options, rest)
  local largest = math.max(diff.before, diff.after)
  local parts = {}
  if diff.noise > 0 and rest then
    parts[1] = ("changes below ±%s are in the rest"):format(show(diff.noise * largest,
      { free = true }))
  end
  local a, b = diff.sides[1].other_share, diff.sides[2].other_share
  if a > 0 or b > 0 then
    parts[#parts + 1] = ("truncated stacks: A %s, B %s%s"):format(units.percent(a),
      units.percent(b), options.bounds and "" or " (bounds with --bounds)")
  end
  return #parts > 0 and table.concat(parts, "; ") or nil
end

local function side_json(diff, i, part)
  local side = diff.sides[i]
  local scale = cores_of(diff)
  local value = i == 1 and diff.before or diff.after
  return { name = i == 1 and "before" or "after", label = part.label, source = part.source.name,
    selector = side.selector or part.resolved.selector, profile_type = side.profile_type,
    from_ms = side.from_ms, to_ms = side.to_ms, profiles = side.profiles,
    instances = part.facts and part.facts.instances, value = ("%d"):format(side.raw),
    scaled = value, cores = scale and value * scale or nil, other = side.other_share }
end

-- The facts of the older script: the raw values of both sides and how many functions there are.
local function facts_of(diff, rest, shown)
  return { ("Left ticks:  %d %s"):format(diff.sides[1].raw, diff.unit or ""),
    ("Right ticks: %d %s"):format(diff.sides[2].raw, diff.unit or ""),
    ("Functions:   %d"):format((rest and rest.functions or 0) + shown) }
end

local function build(run, diff, parts, all, n, options)
  local show = shower(diff)
  local rows = { table.unpack(all.rows, 1, n) }
  local rest
  if all.rest then
    rest = {}
    for k, v in pairs(all.rest) do rest[k] = v end
    for i = n + 1, #all.rows do
      local row = all.rows[i]
      for _, key in ipairs { "before", "after", "before_raw", "after_raw", "before_share",
        "after_share" } do
        rest[key] = rest[key] + row[key]
      end
      rest.functions = rest.functions + 1
    end
    rest.delta = rest.after - rest.before
    rest.change = rest.before ~= 0 and rest.delta / rest.before or nil
  end
  local scale = cores_of(diff)
  local document = { type = "pyroscope.diff", columns = command.columns, rows = rows,
    warnings = diff.warnings, partial = (diff.sides[1].partial or diff.sides[2].partial) and true }
  document.head = {
    mode = diff.mode,
    query = { source = parts[2].source.name, profile_type = diff.profile_type, by = options.cum
      and "total" or "self", noise = diff.noise },
    sides = { side_json(diff, 1, parts[1]), side_json(diff, 2, parts[2]) },
    totals = { unit = diff.unit, kind = diff.kind, measure = diff.measure, before = diff.before,
      after = diff.after, delta = diff.delta, change = diff.change,
      delta_cores = scale and diff.delta * scale or nil },
    coverage = rest and { functions = rest.functions + #rows, rest = {
      before = ("%d"):format(rest.before_raw), after = ("%d"):format(rest.after_raw),
      delta = rest.delta, functions = rest.functions, hidden = rest.hidden } } or nil,
  }
  local printable = require "pyroscope.cli.screen".printable
  local change = diff.mode == "share" and "" or ("     %s  %s"):format(
    show(diff.delta, { sign = true, short = false }), units.percent(diff.change, { sign = true }))
  local word = diff.profile_type and types.short(diff.profile_type) or diff.unit or "profile"
  document.title = {
    ("%s · %s"):format(word, printable(parts.shown)),
    side_line("A", "(before)", parts[1], diff, diff.before, show),
    side_line("B", "(after)", parts[2], diff, diff.after, show) .. change,
    mode_line(diff, options),
  }
  document.title[#document.title + 1] = noise_line(diff, show, options, rest)
  if options.facts then table.move(facts_of(diff, rest, #rows), 1, 3, #document.title + 1,
    document.title) end
  local patterns = question.patterns(options)
  if patterns ~= "" then document.title[#document.title + 1] = "only " .. printable(patterns) end
  document.view = options.format == "md" and markdown_view(show, options)
    or view_of(show, rows, rest, options)
  local function rest_text()
    return ("%s more%s"):format(units.count(rest.functions),
      (rest.before_other > 0 or rest.after_other > 0) and ", truncated stacks included" or "")
  end
  local has_rest = rest and (rest.functions > 0 or rest.before_raw ~= 0 or rest.after_raw ~= 0)
  document.extra_rows = function()
    if not has_rest then return {} end
    local cells = {}
    for c, column in ipairs(document.view) do
      local title = column[1]
      if title == "FUNCTION" then cells[c] = rest_text()
      elseif title == "" or title == "WHERE" or title == "BOUNDS" then cells[c] = ""
      else cells[c] = column.cell(rest) end
    end
    return { cells }
  end
  document.notes = function()
    if #rows == 0 then return { "  nothing changed by more than the noise" } end
    if options.format == "md" and has_rest then
      return { ("%s in %s"):format(show(rest.delta, { sign = true }), rest_text()) }
    end
    return {}
  end
  document.entry = function(row)
    local share = (row.after - row.before) / math.max(diff.before, diff.after)
    return share, ("%s  %s  %s"):format(show(row.delta, { sign = true }), change_text(row),
      row.name)
  end
  document.keep = function(fewer) return build(run, diff, parts, all, fewer, options) end
  return document
end

local function judge(run, diff, rows, options)
  if options.max_other then
    for _, side in ipairs(diff.sides) do
      if side.other_share > options.max_other then
        run:worsen(4)
        diff.warnings[#diff.warnings + 1] = ("%s of a side is in truncated stacks, more than "
          .. "--max-other %s"):format(units.percent(side.other_share),
          units.percent(options.max_other))
        break
      end
    end
  end
  if not options.fail_over then return end
  if diff.mode == "share" then
    for _, row in ipairs(rows) do
      if row.after_share - row.before_share > options.fail_over then return run:worsen(10) end
    end
  elseif diff.change and diff.change > options.fail_over then
    run:worsen(10)
  end
end

-- The same comparison as a picture; what --fail-over asks is answered all the same.
local function draw(run, diff, parts, options)
  local screen = require "pyroscope.cli.screen"
  local function side(part)
    return part.window and ("%s  %s"):format(part.label, part.window) or part.label
  end
  local word = diff.profile_type and types.short(diff.profile_type) or diff.unit or "profile"
  local bytes, err = diff:render(options.format,
    picture.formats[options.format] and picture.told(options, {
    title = ("%s · %s"):format(word, screen.printable(parts.shown)),
    before = side(parts[1]), after = side(parts[2]) }) or nil)
  if not bytes then return nil, err end
  judge(run, diff, options.fail_over and diff.mode == "share"
    and diff:rows(0, { by = options.cum and "total" or "self", group = options.group }) or {},
    options)
  for _, warning in ipairs(diff.warnings) do run:warn(warning) end
  if diff.sides[1].partial or diff.sides[2].partial then run:worsen(4) end
  return run:write(bytes, { binary = options.format == "pprof" and "pprof" or nil,
    receipt = options.out and ("%s  %s  %s"):format(options.out,
    options.format, units.bytes(#bytes)) })
end

command.draw, command.shower = draw, shower

--- Both sides of a comparison, fetched, filtered and compared.
---@return pyroscope.diff? diff
---@return table|pyroscope.error parts_or_err
function command.compare(run, options)
  local parts, err = sides.fetch(run, options)
  if not parts then return nil, err end
  for i, part in ipairs(parts) do
    local filtered
    filtered, err = question.filter(part.profile, options)
    if not filtered then
      return nil, errors.wrap(err, { message = ("side %s: %s"):format(i == 1 and "A" or "B",
        err.message) })
    end
    part.profile = filtered
  end
  local factors = options.per_request
    and { 1 / options.per_request[1], 1 / options.per_request[2] } or nil
  local diff
  diff, err = require "pyroscope.diff".of(parts[1].profile, parts[2].profile,
    { mode = options.mode or parts.mode, factors = factors, noise = options.noise or 0.005 })
  if not diff then return nil, err end
  subject.join(diff.warnings, parts.warnings)
  for i, side in ipairs(diff.sides) do
    parts[i].window = side.from_ms and side.to_ms and run:window(side.from_ms, side.to_ms) or nil
  end
  return diff, parts
end

function command.run(run, options)
  local diff, parts = command.compare(run, options)
  if not diff then return nil, parts end
  local format = options.format
  if picture.formats[format] or format == "folded" or format == "pprof" then
    return draw(run, diff, parts, options)
  end
  local rows, rest = diff:rows(options.limit or 20,
    { by = options.cum and "total" or "self", group = options.group })
  local scale = cores_of(diff)
  if scale then
    for _, row in ipairs(rows) do
      row.before_cores, row.after_cores = row.before * scale, row.after * scale
      row.delta_cores = row.delta * scale
    end
  end
  judge(run, diff, rows, options)
  return run:answer(build(run, diff, parts, { rows = rows, rest = rest }, #rows, options))
end

return command
