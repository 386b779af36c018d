--- `pscope diff`: what changed between two windows, label values, versions or files.

local errors = require "pyroscope.errors"
local files = require "pyroscope.output.diff_files"
local picture = require "pyroscope.output.picture"
local question = require "pyroscope.cli.question"
local sides = require "pyroscope.cli.sides"
local subject = require "pyroscope.cli.subject"
local types = require "pyroscope.types"
local units = require "pyroscope.units"
local rows_of = require "pyroscope.output.diff"

local command = {
  name = "diff",
  summary = "What changed: two windows, two label values, two versions, two files",
  usage = "diff A B | TARGET [--before SIDE --after SIDE] | TARGET FROM TO FROM TO [options]",
  arguments = { { name = "items", shown = "A B", many = true, optional = true,
    complete = "targets" } },
  flags = { "facts", "before", "after", "mode", "noise", "limit", "cum", "by_path", "group",
    "bounds", "per_request", "fail_over", "max_other", "where", "window", "data", "stack", "tree",
    "picture", "output", "source" },
  own_flags = { by_path = { "--tree", name = "by_path", help = "the call tree of what changed" } },
  without = { "invert", "relative_percentages", "unit" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "quickfix", "names", "svg", "html",
    "folded", "pprof" },
  columns = rows_of.columns,
  examples = { "pscope diff prod/checkout -2h -1h -30m now",
    "pscope diff prod/checkout --before version=2.40.3 --after version=2.41.0",
    "pscope diff base.pb.gz head.pb.gz -o md --fail-over 5%",
    "pscope diff prod/checkout -2h -1h -30m now --out diff.html",
    "pscope diff ./incident --before version=v41 --after version=v42 --tree -n 30" },
  notes = "A is before, B is after. A side is label=value, a window -2h..-1h, or both as "
    .. "label=value@-2h..-1h; a version alone is taken while only it ran, at most 1h. A TARGET "
    .. "alone is compared with the same window yesterday. Values are rates: per second for flows, "
    .. "per profile for stocks; --mode share compares parts of each side's total. Rows and rest "
    .. "add up to the change. --fail-over P exits with 10 when the total grew by more than P (with "
    .. "--mode share: when a function's share grew by more than P points); --per-request A,B "
    .. "divides the sides by numbers of requests. folded has a column for each side, A in terms "
    .. "of B; pprof is B minus A, as pprof -diff_base has it.",
}

local function ranking(options, noise)
  return { by = options.cum and "total" or "self", group = options.group, noise = noise }
end

-- Does any function's share grow by more? All of them are asked, not only those that are shown.
local function share_grew(diff, options)
  for _, row in ipairs((diff:rows(0, ranking(options, 0)))) do
    if row.after_share - row.before_share > options.fail_over then return true end
  end
  return false
end

local function judge(run, diff, options)
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
    if share_grew(diff, options) then run:worsen(10) end
  elseif diff.change and diff.change > options.fail_over then
    run:worsen(10)
  end
end

--- The same comparison as a file of both sides: a picture, or stacks. What --fail-over asks is
--- answered all the same.
function command.write(run, diff, parts, options, format)
  local screen = require "pyroscope.cli.screen"
  local function side(part)
    return part.window and ("%s  %s"):format(part.label, part.window) or part.label
  end
  local word = diff.profile_type and types.short(diff.profile_type) or diff.unit or "profile"
  local told
  if picture.formats[format] then
    told = picture.told(options, { title = ("%s · %s"):format(word,
      screen.printable(parts.shown)), before = side(parts[1]), after = side(parts[2]) })
  end
  local bytes, err = diff:render(format, told)
  if not bytes then return nil, err end
  judge(run, diff, options)
  for _, warning in ipairs(diff.warnings) do run:warn(warning) end
  if diff.sides[1].partial or diff.sides[2].partial then run:worsen(4) end
  return run:write(bytes, { binary = format == "pprof" and format or nil,
    receipt = options.out and ("%s  %s  %s"):format(options.out, format, units.bytes(#bytes)) })
end

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

-- What --out says where -o says nothing; rows as text have no extension of their own.
local function format_of(options)
  if options.format or not options.out then return options.format end
  local format = files.format_of(options.out)
  return format ~= "text" and format or nil
end

function command.run(run, options)
  local diff, parts = command.compare(run, options)
  if not diff then return nil, parts end
  local format = format_of(options)
  if files.whole[format] and format ~= "json" then
    return command.write(run, diff, parts, options, format)
  end
  options.format = format
  local rows, rest
  if options.by_path then
    rows, rest = diff:tree(options.limit or 60)
  else
    rows, rest = diff:rows(options.limit or 20, ranking(options))
  end
  if not rows then return nil, rest end
  for _, row in ipairs(parts.locations and rows or {}) do
    local known = not row.file and parts.locations[row.name]
    if known then row.file, row.line = known.file, known.line end
  end
  judge(run, diff, options)
  return run:answer(rows_of.document(diff, { rows = rows, rest = rest }, #rows, {
    format = format, cum = options.cum, group = options.group, tree = options.by_path,
    bounds = options.bounds, facts = options.facts, per_request = options.per_request,
    patterns = question.patterns(options), parts = parts }))
end

return command
