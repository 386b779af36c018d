--- Comparing two profiles: scales both sides, ranks what changed, bounds what truncation may hide.
--- The alignment by path is the core's; windows, counts, shares and verdicts about sides are made
--- here. See `_meta/diff.lua` for every field.

local check = require "pyroscope.check"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local units = require "pyroscope.units"

local diff = {}

local method = {}
local meta = { __name = "pyroscope.diff", __index = method }

local function usage(message, hint)
  return nil, errors.new { kind = "usage", message = message, hint = hint }
end

-- What a side is --------------------------------------------------------------------------

-- A file that does not say how long it took is given one millisecond: that is no window.
local function length_of(about)
  local length = about.from_ms and about.to_ms and about.to_ms - about.from_ms
  return length and length > 1 and length / 1000 or nil
end

local function side_of(profile)
  local about = profile.meta or {}
  return {
    profile = profile, raw = profile.sum, seconds = length_of(about),
    profiles = profile.profiles, sum = about.sum or nil,
    from_ms = about.from_ms, to_ms = about.to_ms,
    profile_type = profile.profile_type, unit = profile.unit, kind = profile.kind,
    selector = about.selector, labels = about.labels, source = about.source,
    partial = about.partial or nil,
  }
end

local function service_of(side)
  return side.labels and side.labels.service_name
end

local function empty_side(letter, word, side)
  local where = side.source and (" of '%s'"):format(side.source) or ""
  return nil, errors.new { kind = "no_data", code = "empty_side",
    message = ("side %s (%s)%s is empty: there is nothing to compare"):format(letter, word, where),
    hint = "choose a window or labels that have data on both sides" }
end

-- Reasons to look twice, in the order in which they matter.
local function warnings_of(before, after, mode)
  local list = {}
  local function warn(...) list[#list + 1] = string.format(...) end
  if before.profile_type and after.profile_type and before.profile_type ~= after.profile_type then
    warn("the profile types differ: A is %s, B is %s", before.profile_type, after.profile_type)
  end
  if before.from_ms and after.from_ms then
    local dated = before.seconds or after.seconds or before.kind == "stock"
    if dated and after.from_ms < before.from_ms then
      warn("B (after) starts before A (before): are the sides swapped?")
    end
    local a, b = before.to_ms - before.from_ms, after.to_ms - after.from_ms
    if before.seconds and after.seconds and math.abs(a - b) > math.max(a, b) / 100 then
      warn("the windows differ in length: A %s, B %s%s", units.span(a), units.span(b),
        mode == "rate" and "; values are rates" or "")
    end
    if after.from_ms < before.to_ms and before.from_ms < after.to_ms
        and before.selector == after.selector and before.source == after.source then
      warn("the windows overlap: what lies in both cannot differ")
    end
  end
  for i, side in ipairs { before, after } do
    if side.partial then
      warn("side %s is partial: not every request was answered", i == 1 and "A" or "B")
    end
  end
  return list
end

-- Scales ----------------------------------------------------------------------------------

-- How raw sums become comparable: the measure and one scale for each side.
local function rate_scales(before, after, kind)
  if before.sum or after.sum then return "sum", 1, 1 end
  if kind == "stock" then
    if before.profiles and after.profiles and before.profiles > 0 and after.profiles > 0 then
      return "per profile", 1 / before.profiles, 1 / after.profiles
    end
    return "sum", 1, 1, "how many profiles were merged is unknown: sums are compared"
  end
  if before.seconds and after.seconds then
    return "per second", 1 / before.seconds, 1 / after.seconds
  end
  return "sum", 1, 1, "a side has no window: sums are compared, not rates"
end

local function choose_mode(before, after)
  if before.unit and after.unit and before.unit ~= after.unit then return "share" end
  local a, b = service_of(before), service_of(after)
  if a and b and a ~= b then return "share" end
  return "rate"
end

local function factor_of(factors, i)
  local value = factors and factors[i]
  if value == nil then return 1 end
  if type(value) ~= "number" or value ~= value or value <= 0 or value == math.huge then
    return nil
  end
  return value
end

local OPTIONS = { mode = "string", factors = "table", noise = "number" }

-- The object, from an alignment and what is known of the sides.
local function make(alignment, before, after, options)
  local mode = options.mode or choose_mode(before, after)
  if mode ~= "rate" and mode ~= "share" then
    return usage(("mode is 'rate' or 'share', not '%s'"):format(mode))
  end
  if mode == "rate" and before.unit and after.unit and before.unit ~= after.unit then
    return usage(("cannot compare %s with %s as rates"):format(before.unit, after.unit),
      "compare shares (mode = \"share\"), or the same profile type on both sides")
  end
  local noise = options.noise or 0
  if noise ~= noise or noise < 0 or noise >= 1 then
    return usage(("noise is a share from 0 to 1, not %s"):format(tostring(noise)))
  end
  local f1, f2 = factor_of(options.factors, 1), factor_of(options.factors, 2)
  if not f1 or not f2 then
    return usage("factors are two numbers above 0: one for A, one for B")
  end
  before.raw, after.raw = alignment.before, alignment.after
  before.other, after.other = alignment.before_other, alignment.after_other
  if before.raw <= 0 then return empty_side("A", "before", before) end
  if after.raw <= 0 then return empty_side("B", "after", after) end
  for _, side in ipairs { before, after } do side.other_share = side.other / side.raw end
  local list = warnings_of(before, after, mode)
  local kind = after.kind or before.kind or "flow"
  local measure, why
  if mode == "share" then
    measure, before.scale, after.scale = "share", 1 / before.raw, 1 / after.raw
  else
    measure, before.scale, after.scale, why = rate_scales(before, after, kind)
    before.scale, after.scale = before.scale * f1, after.scale * f2
    if why then list[#list + 1] = why end
  end
  local a, b = before.raw * before.scale, after.raw * after.scale
  if measure == "share" then a, b = 1.0, 1.0 end
  local delta = measure ~= "share" and before.scale == after.scale
    and (after.raw - before.raw) * after.scale or b - a
  return setmetatable({
    mode = mode, measure = measure, unit = after.unit or before.unit, kind = kind,
    profile_type = after.profile_type or before.profile_type,
    before = a, after = b, delta = delta, change = a ~= 0 and delta / a or nil,
    sides = { before, after }, factors = { f1, f2 }, noise = noise,
    warnings = list, alignment = alignment,
  }, meta)
end

local function is_profile(value)
  return type(value) == "userdata" and (getmetatable(value) or {}).__name == "pyroscope.profile"
end

--- Compares two profiles: A is before, B is after. Mode "rate" compares per second (stocks: per
--- profile), "share" compares parts of each side's total; `factors` scale the sides (requests,
--- instances); changes below `noise` (a share of the larger side) stay in the rest.
---@param before pyroscope.profile
---@param after pyroscope.profile
---@param options? { mode?: "rate"|"share", factors?: number[], noise?: number }
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function diff.of(before, after, options)
  options = check.options("diff", options, OPTIONS)
  for i, profile in ipairs { before, after } do
    if not is_profile(profile) then
      error(("diff: argument %d must be a profile, not %s"):format(i, type(profile)), 2)
    end
  end
  if before == nil or after == nil then error("diff: two profiles are needed", 2) end
  local alignment, err = core.align(before, after)
  if not alignment then return nil, err end
  return make(alignment, side_of(before), side_of(after), options)
end

--- A diff from an alignment that somebody else made (the server's Diff); the sides say what a
--- profile would: from_ms, to_ms, profiles, kind, unit, profile_type, selector, labels, source.
---@param alignment pyroscope.alignment
---@param before table
---@param after table
---@param options? table
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function diff.from(alignment, before, after, options)
  before.seconds, after.seconds = length_of(before), length_of(after)
  return make(alignment, before, after, options or {})
end

-- Rows ------------------------------------------------------------------------------------

local function scaled_row(self, row, by, scales)
  local before, after = self.sides[1], self.sides[2]
  local raw_a, raw_b = row.before, row.after
  if by == "total" then raw_a, raw_b = row.before_total, row.after_total end
  local a, b = raw_a * scales[1], raw_b * scales[2]
  -- Exact where both sides have one scale: doubles would lose small changes of large values.
  local delta = scales[1] == scales[2] and (raw_b - raw_a) * scales[1] or b - a
  -- Truncation only takes away: a value may be larger by at most what lies in "other".
  local lower = delta - math.min(before.other, before.raw - raw_a) * scales[1]
  local upper = delta + math.min(after.other, after.raw - raw_b) * scales[2]
  local status = "changed"
  if raw_a == 0 and row.before_total == 0 then status = "new" end
  if raw_b == 0 and row.after_total == 0 then status = "gone" end
  return {
    name = row.name, file = row.file, line = row.line, depth = row.depth,
    before = a, after = b, delta = delta, lower = lower, upper = upper,
    certain = lower > 0 or upper < 0, change = a ~= 0 and delta / a or nil, status = status,
    before_share = raw_a / before.raw, after_share = raw_b / after.raw,
    before_raw = raw_a, after_raw = raw_b,
    before_self = row.before, after_self = row.after,
    before_total = row.before_total, after_total = row.after_total,
  }
end

local ROW_OPTIONS = { by = "string", mode = "string", group = "string", noise = "number" }
local BY = { self = true, total = true }
local GROUPS = { ["function"] = true, line = true, file = true, package = true }

-- The diff in the mode asked for, the scales of its sides, and what is too small to be shown.
local function view(self, n, options, where)
  if math.type(n) ~= "integer" or n < 0 then
    error(where .. ": n must be an integer from 0", 3)
  end
  local shown = self
  if options.mode and options.mode ~= self.mode then
    local other, err = self:as(options.mode)
    if not other then error(where .. ": " .. err.message, 3) end
    shown = other
  end
  local floor = (options.noise or shown.noise) * math.max(shown.before, shown.after)
  return shown, { shown.sides[1].scale, shown.sides[2].scale }, floor
end

-- What is left of both sides: exactly their totals without what the rows have.
local function rest_of(sides, scales, rest_a, rest_b, functions, hidden)
  local a, b = rest_a * scales[1], rest_b * scales[2]
  return {
    before = a, after = b, before_raw = rest_a, after_raw = rest_b,
    delta = scales[1] == scales[2] and (rest_b - rest_a) * scales[1] or b - a,
    before_share = rest_a / sides[1].raw, after_share = rest_b / sides[2].raw,
    functions = functions, hidden = hidden,
    before_other = sides[1].other * scales[1], after_other = sides[2].other * scales[2],
  }
end

--- What changed most, first; the second result is what the rows leave out, so that rows and rest
--- add up to the whole change (not with `by = "total"`: totals contain each other).
---@param n? integer   20; 0: everything that changed
---@param options? { by?: "self"|"total", mode?: "rate"|"share", group?: string, noise?: number }
---@return pyroscope.diff.change_row[]? rows
---@return pyroscope.diff.rest|pyroscope.error|nil rest
function method:rows(n, options)
  options = check.options("diff:rows", options, ROW_OPTIONS)
  n = n or 20
  local by = options.by or "self"
  if not BY[by] then error(("diff:rows: by is 'self' or 'total', not '%s'"):format(by), 2) end
  if options.group and not GROUPS[options.group] then
    error(("diff:rows: group is function, line, file or package, not '%s'"):format(options.group),
      2)
  end
  local shown, scales, floor = view(self, n, options, "diff:rows")
  local sides = shown.sides
  local list, left = shown.alignment:rows(n, { by = by, factors = scales, least = floor,
    group = options.group })
  if not list then return nil, left end
  local functions = #list + left.functions
  local rows = {}
  local rest_a, rest_b = sides[1].raw, sides[2].raw
  for _, row in ipairs(list) do
    local made = scaled_row(shown, row, by, scales)
    if made.delta ~= 0 then
      rows[#rows + 1] = made
      rest_a, rest_b = rest_a - made.before_raw, rest_b - made.after_raw
    end
  end
  if by == "total" then return rows, nil end
  return rows, rest_of(sides, scales, rest_a, rest_b, functions - #rows, left.small)
end

--- The call tree of what changed, depth first: at most n nodes whose totals changed most, each with
--- its callers above it. Rows are by total and have `depth` and `self_delta`; their own values
--- and the rest, the second result, add up to the whole change.
---@param n? integer   60; 0: every node that changed
---@param options? { mode?: "rate"|"share", noise?: number }
---@return pyroscope.diff.change_row[] rows
---@return pyroscope.diff.rest rest
function method:tree(n, options)
  options = check.options("diff:tree", options, { mode = "string", noise = "number" })
  n = n or 60
  local shown, scales, floor = view(self, n, options, "diff:tree")
  local sides = shown.sides
  local rest_a, rest_b = sides[1].raw, sides[2].raw
  local rows = shown.alignment:tree(n, { factors = scales, least = floor })
  for i, row in ipairs(rows) do
    local made = scaled_row(shown, row, "total", scales)
    made.own_before, made.own_after = row.before, row.after
    made.self_delta = scales[1] == scales[2] and (row.after - row.before) * scales[1]
      or row.after * scales[2] - row.before * scales[1]
    rows[i], rest_a, rest_b = made, rest_a - row.before, rest_b - row.after
  end
  return rows, rest_of(sides, scales, rest_a, rest_b, #shown.alignment - 1 - #rows)
end

--- Depth first: depth, name, before_self, after_self, before_total, after_total; raw sums.
function method:walk()
  return self.alignment:walk()
end

--- The same comparison in the other mode.
---@param mode "rate"|"share"
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function method:as(mode)
  local copies = {}
  for i, side in ipairs(self.sides) do
    copies[i] = {}
    for k, v in pairs(side) do copies[i][k] = v end
  end
  return make(self.alignment, copies[1], copies[2],
    { mode = mode, factors = self.factors, noise = self.noise })
end

--- The diff as a file. Pictures, "svg" and "html": options as those of `profile:render`, and
--- `before`, `after`: what the sides are called. Both sides as stacks: "folded" (a column for
--- each, A in terms of B), "json" (flame graph JSON of two, as it is), "pprof" (B minus A).
--- Rows: "csv", "md", "quickfix", "text"; options `n`, `by`, `group`, `tree`, `bounds`.
---@param format string
---@param options? table
---@return string? bytes
---@return pyroscope.error? err
function method:render(format, options)
  return require "pyroscope.output.diff_files".render(self, format, options)
end

--- Writes `render` to a file, mode 600; the format is `format`, else that of the extension. An
--- existing file is an `io` error without `force = true`.
---@param path string
---@param options? table
---@return true? ok
---@return pyroscope.error? err
function method:save(path, options)
  local rest, force, format = {}, nil, nil
  for name, value in pairs(options or {}) do
    if name == "force" then force = value
    elseif name == "format" then format = value
    else rest[name] = value end
  end
  format = format or require "pyroscope.output.diff_files".format_of(path) or path
  local bytes, err = self:render(format, rest)
  if not bytes then return nil, err end
  return require "pyroscope.system".write_file(path, bytes, { force = force })
end

--- Frees the alignment; the profiles stay.
function method:close()
  self.alignment:close()
end

meta.__close = method.close

function meta:__tostring()
  return (self:render "text":gsub("\n$", ""))
end

return diff
