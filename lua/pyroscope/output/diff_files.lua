--- Files of a diff: rows for people and programs, both sides as stacks, pictures.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local rows_of = require "pyroscope.output.diff"
local screens = require "pyroscope.cli.screen"
local units = require "pyroscope.units"

local out = {}

-- How a side is called when nobody says it.
local function part_of(side, given, letter)
  return { label = given or side.selector or side.source or letter,
    window = side.from_ms and side.to_ms and units.window(side.from_ms, side.to_ms) or nil }
end

local ROWS = { n = "number", by = "string", group = "string", tree = "boolean", bounds = "boolean",
  before = "string", after = "string" }

local function rows_text(diff, format, options)
  options = check.options("diff:render", options, ROWS)
  local rows, rest
  if options.tree then
    rows, rest = diff:tree(options.n)
  else
    rows, rest = diff:rows(options.n, { by = options.by, group = options.group })
  end
  if not rows then return nil, rest end
  local document = rows_of.document(diff, { rows = rows, rest = rest }, #rows, { format = format,
    cum = options.by == "total", group = options.group, tree = options.tree,
    bounds = options.bounds, parts = { part_of(diff.sides[1], options.before, "before"),
      part_of(diff.sides[2], options.after, "after") } })
  if format == "text" then
    local text = require "pyroscope.output.table".write(document, screens.new { utf8 = true })
    for _, warning in ipairs(diff.warnings) do text = text .. "warning: " .. warning .. "\n" end
    return text
  end
  return require("pyroscope.output." .. format).write(document)
end

-- Stocks leave as what they are on average, so both sides are divided before they are aligned.
local function exported(diff)
  local a, b = diff.sides[1], diff.sides[2]
  local before, after = a.profile, b.profile
  if not before or not after or before.divisor == 1 and after.divisor == 1 then
    return diff.alignment, a.scale, b.scale
  end
  local alignment, err = require "pyroscope.core".align(before:scaled(), after:scaled())
  if not alignment then return nil, err end
  return alignment, a.scale * before.divisor, b.scale * after.divisor
end

local function stacks(diff, format, options)
  check.options("diff:render", options, { raw = "boolean" })
  local alignment, before, after = exported(diff)
  if not alignment then return nil, before end
  local told = { before = { scale = before }, after = { scale = after } }
  if format == "pprof" then
    local side = diff.sides[2]
    told.profile_type, told.unit, told.raw = diff.profile_type, diff.unit, options and options.raw
    if side.from_ms and side.to_ms and side.from_ms >= 0 and side.to_ms < 9e12 then
      told.time_nanos = side.from_ms * 1000000
      told.duration_nanos = (side.to_ms - side.from_ms) * 1000000
    end
  end
  return alignment:render(format, told)
end

local writers = { svg = "picture", html = "picture", folded = stacks, json = stacks, pprof = stacks,
  md = rows_text, csv = rows_text, quickfix = rows_text, text = rows_text }

--- Formats that hold both sides whole, not as rows.
out.whole = { svg = true, html = true, folded = true, json = true, pprof = true }

local extensions = { svg = "svg", html = "html", folded = "folded", collapsed = "folded",
  json = "json", pb = "pprof", pprof = "pprof", gz = "pprof", md = "md", csv = "csv", txt = "text" }

--- The format that a path's extension names.
---@param path string
---@return string?
function out.format_of(path)
  return extensions[path:match "%.(%w+)$"]
end

--- See `diff:render`.
---@return string? bytes
---@return pyroscope.error? err
function out.render(diff, format, options)
  local write = writers[format]
  if not write then
    return nil, errors.new { kind = "usage",
      message = ("a diff cannot be written as '%s'"):format(tostring(format)),
      hint = "one of: svg, html, folded, json, pprof, csv, md, quickfix, text" }
  end
  if write == "picture" then
    return require "pyroscope.output.picture".diff(diff, format, options)
  end
  return write(diff, format, options)
end

return out
