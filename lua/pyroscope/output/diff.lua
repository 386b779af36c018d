--- A diff as rows for people and programs: the document that `pscope diff` prints and `diff:render`
--- writes. Files are written by `output.diff_files`.

local screens = require "pyroscope.cli.screen"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local out = {}

--- What programs read of a row.
out.columns = {
  { name = "name", kind = "text" }, { name = "file", kind = "text" },
  { name = "line", kind = "integer" }, { name = "depth", kind = "integer" },
  { name = "status", kind = "text" },
  { name = "before", kind = "int64", get = function(row) return row.before_raw end },
  { name = "after", kind = "int64", get = function(row) return row.after_raw end },
  { name = "before_value", kind = "number", get = function(row) return row.before end },
  { name = "after_value", kind = "number", get = function(row) return row.after end },
  { name = "delta", kind = "number" }, { name = "change", kind = "number" },
  { name = "lower", kind = "number" }, { name = "upper", kind = "number" },
  { name = "certain", kind = "boolean" },
  { name = "before_share", kind = "number" }, { name = "after_share", kind = "number" },
  { name = "before_self", kind = "int64" }, { name = "after_self", kind = "int64" },
  { name = "before_total", kind = "int64" }, { name = "after_total", kind = "int64" },
  { name = "before_cores", kind = "number" }, { name = "after_cores", kind = "number" },
  { name = "delta_cores", kind = "number" },
}

local function cores_of(diff)
  return diff.measure == "per second" and types.class(diff.profile_type or "") == "cpu"
    and units.seconds(diff.unit)
end

--- What shows a value of the diff's measure to people.
---@param diff pyroscope.diff
---@return fun(value: number, options?: table): string
function out.shower(diff)
  local class = diff.profile_type and types.class(diff.profile_type)
  local scale = cores_of(diff)
  local digits = scale and units.digits(math.max(diff.before, diff.after) * scale) or nil
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

-- A function may be new or gone only because one side's stacks were cut: that is doubtful.
local function change_text(row)
  if row.status == "new" or row.status == "gone" then
    return row.status .. (row.certain and "" or "?")
  end
  return row.change and units.percent(row.change, { sign = true, digits = 0 }) or "-"
end

local function pad(text, width) return screens.pad(text, width, true) end

local function side_share(row, which)
  if row[which .. "_raw"] == 0 then return "-" end
  return units.percent(row[which .. "_share"])
end

-- Of the tree only: the part of a node's change that is its own.
local function own_change(show)
  return { "SELF", right = true, gap = 3, cell = function(row)
    return row.self_delta == 0 and "-" or show(row.self_delta, { sign = true })
  end }
end

local titles = { ["function"] = "FUNCTION", line = "FUNCTION", file = "FILE",
  package = "PACKAGE" }

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
    { titles[options.group or "function"], gap = 2, shrink = 24, code = true, name = true,
      cell = function(row, screen)
        return ("  "):rep((row.depth or 1) - 1) .. screen:name(row.name)
      end },
    options.group ~= "file" and { "WHERE", gap = 3, optional = true, shrink = 10, tail = true,
      place = true, drop = 1,
      cell = function(row, screen) return screen:name(screens.place(row)) end } or nil,
  }
  if options.tree then table.insert(view, 4, own_change(show)) end
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
    { titles[options.group or "function"]:lower():gsub("^%l", string.upper), code = true,
      cell = function(row) return ("· "):rep((row.depth or 1) - 1) .. row.name end },
    options.group ~= "file" and { "Where", cell = screens.place } or nil,
  }
  if options.tree then table.insert(view, 5, own_change(show)) end
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
  local text = pieces[1] .. " " .. screens.printable(part.label)
  if side.seconds or side.from_ms and side.kind == "stock" then
    text = text .. "  " .. part.window
  end
  if part.facts and part.facts.instances then
    text = text .. "  " .. require "pyroscope.cli.facts".instances(part.facts)
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
  return { name = i == 1 and "before" or "after", label = part.label,
    source = part.source and part.source.name or side.source,
    selector = side.selector or part.resolved and part.resolved.selector,
    profile_type = side.profile_type,
    from_ms = side.from_ms, to_ms = side.to_ms, profiles = side.profiles,
    instances = part.facts and part.facts.instances, value = ("%d"):format(side.raw),
    scaled = value, cores = scale and value * scale or nil, other = side.other_share }
end

-- What n of the rows leave out: of the total, exactly.
local function rest_of(diff, all, n)
  if not all.rest then return nil end
  local rest = {}
  for k, v in pairs(all.rest) do rest[k] = v end
  for i = n + 1, #all.rows do
    local row = all.rows[i]
    rest.before_raw = rest.before_raw + (row.own_before or row.before_raw)
    rest.after_raw = rest.after_raw + (row.own_after or row.after_raw)
    rest.functions = rest.functions + 1
  end
  local a, b = diff.sides[1], diff.sides[2]
  rest.before, rest.after = rest.before_raw * a.scale, rest.after_raw * b.scale
  rest.before_share, rest.after_share = rest.before_raw / a.raw, rest.after_raw / b.raw
  rest.delta = rest.after - rest.before
  rest.change = rest.before ~= 0 and rest.delta / rest.before or nil
  return rest
end

local function add_cores(diff, rows)
  local scale = cores_of(diff)
  for _, row in ipairs(scale and rows or {}) do
    row.before_cores, row.after_cores = row.before * scale, row.after * scale
    row.delta_cores = row.delta * scale
  end
end

local function head_of(diff, parts, rows, rest, options)
  local scale = cores_of(diff)
  return {
    mode = diff.mode,
    query = { source = parts[2].source and parts[2].source.name or diff.sides[2].source or "",
      profile_type = diff.profile_type, noise = diff.noise,
      by = (options.cum or options.tree) and "total" or "self",
      view = options.tree and "tree" or options.group or "function" },
    sides = { side_json(diff, 1, parts[1]), side_json(diff, 2, parts[2]) },
    totals = { unit = diff.unit, kind = diff.kind, measure = diff.measure, before = diff.before,
      after = diff.after, delta = diff.delta, change = diff.change,
      delta_cores = scale and diff.delta * scale or nil },
    coverage = rest and { functions = rest.functions + #rows, rest = {
      before = ("%d"):format(rest.before_raw), after = ("%d"):format(rest.after_raw),
      delta = rest.delta, functions = rest.functions, hidden = rest.hidden } } or nil,
  }
end

-- The facts of the older script: the raw values of both sides and how many functions there are.
local function facts_of(diff, rest, shown)
  return ("Left ticks:  %d %s"):format(diff.sides[1].raw, diff.unit or ""),
    ("Right ticks: %d %s"):format(diff.sides[2].raw, diff.unit or ""),
    ("Functions:   %d"):format((rest and rest.functions or 0) + shown)
end

local function title_of(diff, parts, rest, options, show, shown)
  local change = diff.mode == "share" and "" or ("     %s  %s"):format(
    show(diff.delta, { sign = true, short = false }), units.percent(diff.change, { sign = true }))
  local word = diff.profile_type and types.short(diff.profile_type) or diff.unit or "profile"
  local lines = {
    parts.shown and ("%s · %s"):format(word, screens.printable(parts.shown)) or word,
    side_line("A", "(before)", parts[1], diff, diff.before, show),
    side_line("B", "(after)", parts[2], diff, diff.after, show) .. change,
    mode_line(diff, options),
  }
  lines[#lines + 1] = noise_line(diff, show, options, rest)
  if options.facts then
    table.move({ facts_of(diff, rest, shown) }, 1, 3, #lines + 1, lines)
  end
  if options.patterns and options.patterns ~= "" then
    lines[#lines + 1] = "only " .. screens.printable(options.patterns)
  end
  return lines
end

--- The document of a diff with n of its rows.
---@param diff pyroscope.diff
---@param all { rows: table[], rest?: table }   of `diff:rows` or `diff:tree`
---@param n integer
---@param options table   format, cum, group, tree, bounds, facts, per_request, patterns;
---  `parts`: what the sides are called, { label, window, facts?, source?, resolved? }
---@return pyroscope.document
function out.document(diff, all, n, options)
  local parts, show = options.parts, out.shower(diff)
  local rows, rest = { table.unpack(all.rows, 1, n) }, rest_of(diff, all, n)
  local document = { type = "pyroscope.diff", columns = out.columns, rows = rows,
    warnings = diff.warnings, partial = (diff.sides[1].partial or diff.sides[2].partial) and true }
  add_cores(diff, rows)
  document.head = head_of(diff, parts, rows, rest, options)
  document.title = title_of(diff, parts, rest, options, show, #rows)
  document.view = options.format == "md" and markdown_view(show, options)
    or view_of(show, rows, rest, options)
  local function rest_text()
    return ("%s%s more%s"):format(options.tree and "self of " or "", units.count(rest.functions),
      (rest.before_other > 0 or rest.after_other > 0) and ", truncated stacks included" or "")
  end
  local has_rest = rest and (rest.functions > 0 or rest.before_raw ~= 0 or rest.after_raw ~= 0)
  document.extra_rows = function()
    if not has_rest then return {} end
    rest.self_delta = rest.delta
    local cells = {}
    for c, column in ipairs(document.view) do
      local title = column[1]
      if column.name then cells[c] = rest_text()
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
  document.keep = function(fewer) return out.document(diff, all, fewer, options) end
  return document
end

return out
