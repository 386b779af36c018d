--- Pictures of profiles and diffs (SVG, HTML): what a writer in the core has to be told, made of
--- what a profile or a diff knows of itself. Commands and reports write their pictures here.

local check = require "pyroscope.check"
local units = require "pyroscope.units"

local picture = {}

--- Formats that are pictures.
picture.formats = { svg = true, html = true }

local COMMON = { title = "string", subtitle = "string", width = "number", min_width = "number",
  icicle = "boolean", colors = "string", sort = "string", link = "string", sections = "string",
  fragment = "boolean", part = "integer" }

local SIDES = { before = "string", after = "string" }

--- What a command was told of pictures, over what it says by itself.
---@param options table              parsed options of a command
---@param said table                 options of `picture.profile` or `picture.diff`
---@return table
function picture.told(options, said)
  for _, name in ipairs { "title", "width", "min_width", "icicle", "colors", "sort", "link" } do
    if options[name] ~= nil then said[name] = options[name] end
  end
  return said
end

local function with(more)
  local all = {}
  for name, kind in pairs(COMMON) do all[name] = kind end
  for name, kind in pairs(more) do all[name] = kind end
  return all
end

local PROFILE, DIFF = with { seconds = "number" }, with(SIDES)

--- A picture of a profile. Options: `title`, `subtitle`, `width` and `min_width` in px, `icicle`,
--- `colors` (package, value, class, plain), `sort` (total, name), `link` (template for sources),
--- `sections` (escaped markup behind the picture of a page), `fragment` (no page around), `part`
--- (its number on a page of several, without style and script).
---@param profile pyroscope.profile
---@param format "svg"|"html"
---@param options? table
---@return string? bytes
---@return pyroscope.error? err
function picture.profile(profile, format, options)
  return profile:render(format, check.options("picture", options, PROFILE))
end

local function total_text(diff, side, value)
  local class = diff.profile_type and require "pyroscope.types".class(diff.profile_type) or nil
  if diff.measure == "share" then
    return units.value(side.raw, { unit = diff.unit, kind = diff.kind, class = class,
      seconds = diff.kind ~= "stock" and side.seconds or nil })
  end
  return units.value(value, { unit = diff.unit, kind = diff.kind, class = class,
    seconds = diff.measure == "per second" and 1 or nil, digits = class == "cpu" and 2 or nil })
end

-- The scale of absolute values where the diff itself compares shares; nil where sides differ.
local function rates(diff)
  if diff.mode == "rate" then return nil end
  local other = diff:as "rate"
  if not other then return nil end
  return other.sides[1].scale, other.sides[2].scale, other.measure
end

--- A picture of a diff: as `picture.profile`, and `before`, `after`: what the sides are called.
---@param diff pyroscope.diff
---@param format "svg"|"html"
---@param options? table
---@return string? bytes
---@return pyroscope.error? err
function picture.diff(diff, format, options)
  options = check.options("picture", options, DIFF)
  local rate_a, rate_b, measure = rates(diff)
  local told = { unit = diff.unit, profile_type = diff.profile_type, mode = diff.mode,
    measure = measure or diff.measure, noise = diff.noise }
  for name in pairs(COMMON) do told[name] = options[name] end
  told.before = { label = options.before, scale = diff.sides[1].scale, rate = rate_a,
    text = total_text(diff, diff.sides[1], diff.before) }
  told.after = { label = options.after, scale = diff.sides[2].scale, rate = rate_b,
    text = total_text(diff, diff.sides[2], diff.after) }
  return diff.alignment:render(format, told)
end

return picture
