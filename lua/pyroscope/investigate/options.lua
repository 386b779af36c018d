--- Options of investigations: which there are, what they mean, their defaults; checked before
--- anything is asked, since a mistyped name must not weaken a gate.

local check = require "pyroscope.check"
local timespec = require "pyroscope.timespec"

local options = {}

---@class pyroscope.investigate.option
---@field name string
---@field type string          Lua types, "|" between them
---@field kind? "duration"|"time"|"share"|"size"|"list"|"flag"   how a flag reads it
---@field default? any
---@field choices? string[]
---@field help string

--- The options of every recipe, in the order of help.
---@type pyroscope.investigate.option[]
options.shared = {
  { name = "selector", type = "string", help = "which series: PromQL matchers" },
  { name = "at", type = "string|number|table", default = "auto",
    help = "when it changed: auto, a time, { version = { old, new } } or { A, B }" },
  { name = "range", type = "string|number", kind = "duration", help = "how far to look back" },
  { name = "from", type = "string|number", kind = "time", help = "first moment looked at" },
  { name = "to", type = "string|number", kind = "time", help = "what stands for now" },
  { name = "tz", type = "string", help = "zone of bare clock times" },
  { name = "effort", type = "string", default = "standard",
    choices = { "quick", "standard", "deep" }, help = "how many windows are fetched" },
  { name = "policy", type = "string", default = "ticket",
    choices = { "page", "ticket", "explore" },
    help = "how large and how sure a finding has to be" },
  { name = "alpha", type = "number", kind = "share", help = "error rate, from policy" },
  { name = "min_share", type = "number", kind = "share",
    help = "smallest change as a part of the total, from policy" },
  { name = "min_rel", type = "number", kind = "share",
    help = "smallest change relative to what it was, from policy" },
  { name = "must_detect", type = "number", kind = "share", default = 0.10,
    help = "a change of the total that \"no change\" has to exclude" },
  { name = "assert_unchanged", type = "number", kind = "share",
    help = "test that the total changed by less than this" },
  { name = "fail_on", type = "string", default = "medium",
    choices = { "low", "medium", "high", "critical" }, help = "severity that makes exit code 10" },
  { name = "on_inconclusive", type = "string", default = "fail", choices = { "fail", "ok" },
    help = "ok: exit 0 when it cannot be told" },
  { name = "normalise", type = "string",
    choices = { "robust", "rate", "per_instance", "per_request", "share" },
    help = "what values are divided by, by class" },
  { name = "per_request", type = "number|table|function",
    help = "requests: a number, one a window, or a function of a window" },
  { name = "instance_label", type = "string", help = "the label that tells instances apart" },
  { name = "version_labels", type = "table", kind = "list", help = "labels that tell versions" },
  { name = "block", type = "string|number", kind = "duration", help = "length of a block (5m)" },
  { name = "gap", type = "string|number", kind = "duration",
    help = "time around the change that is left out (5m)" },
  { name = "len", type = "string|number", kind = "duration",
    help = "length of the hours that earlier days are compared in (1h)" },
  { name = "warmup", type = "string|number", kind = "duration",
    help = "age below which an instance is young" },
  { name = "max_nodes", type = "integer", help = "nodes of a tree (65536)" },
  { name = "concurrency", type = "integer", default = 8, help = "requests in flight" },
  { name = "max_requests", type = "integer", default = 80, help = "requests at most" },
  { name = "deadline", type = "string|number", kind = "duration",
    help = "stop then and report what is there" },
  { name = "settle", type = "string|number", kind = "duration", default = "60s",
    help = "how old profiles are before all have arrived" },
  { name = "cache", type = "boolean", help = "answers about past windows from the disk" },
  { name = "clock", type = "function|number", help = "milliseconds of now, for the report" },
  { name = "seed", type = "integer", default = 1, help = "of what is drawn at random" },
  { name = "ignore", type = "table|string", kind = "list",
    help = "stacks with a matching function are left out" },
  { name = "domains", type = "table", help = "groups of functions that work moves within" },
  { name = "name_rules", type = "table|boolean", help = "rules of names that are switched off" },
  { name = "on_progress", type = "function", help = "called with how far it is" },
}

local POSITIVE = { alpha = true, min_share = true, min_rel = true, must_detect = true,
  assert_unchanged = true, max_nodes = true, concurrency = true, max_requests = true }
-- Of shipped recipes: a question about nothing is a mistyped number. What 0 means to a recipe of
-- one's own is for it to say.
local COUNTS = { limit = true, rss = true, points = true, heap_rate = true, services = true,
  price = true, blocks = true, max_bytes = true, blocked_threshold = true, bar = true }
local SHARES = { alpha = 0.5, min_share = 1 }

--- All options of a recipe, its own beside the shared ones.
---@param recipe { options?: pyroscope.investigate.option[] }
---@return table<string, pyroscope.investigate.option>
function options.known(recipe)
  local known = {}
  for _, list in ipairs { options.shared, recipe.options or {} } do
    for _, option in ipairs(list) do known[option.name] = option end
  end
  return known
end

local function names_of(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- What is wrong with one value; nil for nothing.
local function fault(option, value, shipped)
  local fits = false
  for kind in option.type:gmatch "[^|]+" do
    if kind == type(value) or kind == math.type(value) then fits = true end
  end
  if not fits then
    return ("must be %s, not %s"):format((option.type:gsub("|", " or ")), type(value))
  end
  if option.choices and type(value) == "string" then
    local ok = false
    for _, choice in ipairs(option.choices) do ok = ok or choice == value end
    if not ok then
      local near = check.suggestion(value, option.choices)
      return ("is one of %s, not '%s'%s"):format(table.concat(option.choices, ", "), value,
        near ~= "" and " " .. near or "")
    end
  end
  if option.kind == "duration" and type(value) ~= "table" then
    local _, err = timespec.duration(value)
    if err then return "is a duration: " .. err.message end
  end
  if option.kind == "time" and type(value) ~= "table" then
    local _, err = timespec.parse(value)
    if err then return "is a time: " .. err.message end
  end
  local counted = POSITIVE[option.name]
    or shipped and COUNTS[option.name] and type(value) == "number"
  local positive = value ~= value or counted and value <= 0
  if positive then return "must be above 0" end
  if SHARES[option.name] and value > SHARES[option.name] then
    return ("is a share of at most %g"):format(SHARES[option.name])
  end
end

local function fault_of_at(at)
  if type(at) ~= "table" then
    if at == "auto" then return nil end
    local _, err = timespec.parse(at)
    return err and "is auto, a time, { version = { old, new } } or { A =, B = }: " .. err.message
  end
  if at.version ~= nil then
    local v = at.version
    if type(v) ~= "table" or type(v[1]) ~= "string" or type(v[2]) ~= "string" then
      return "version must be { old, new }"
    end
    return nil
  end
  if at.A == nil or at.B == nil then return "a table has version, or A and B" end
end

--- Checks options and fills in defaults: those of every recipe, then those of its own; thresholds
--- come from the policy. `open`: names that nobody knows and that are near none are kept, for a
--- recipe of one's own that has not said what it reads.
---@param recipe { name?: string, options?: pyroscope.investigate.option[], defaults?: table,
---  open?: boolean }
---@param given? table
---@return table? completed
---@return string? fault       what is wrong, for the person who wrote it
---@return string? near
function options.complete(recipe, given)
  local known = options.known(recipe)
  local shipped = recipe.design ~= nil -- only these say what they compare
  local made = {}
  for name, value in pairs(given or {}) do
    local option = known[name]
    if not option then
      local near = check.nearest(tostring(name), names_of(known))[1]
      if near or not recipe.open or type(name) ~= "string" then
        return nil, ("unknown option '%s'%s"):format(tostring(name),
          near and (" (did you mean '%s'?)"):format(near) or ""), near
      end
    else
      local bad = fault(option, value, shipped) or name == "at" and fault_of_at(value) or nil
      if bad then return nil, ("option '%s' %s"):format(name, bad) end
    end
    made[name] = value
  end
  for name, value in pairs(recipe.defaults or {}) do
    if made[name] == nil then made[name] = value end
  end
  for name, option in pairs(known) do
    if made[name] == nil and option.default ~= nil then made[name] = option.default end
  end
  if not made.selector then
    return nil, "option 'selector' is required: which service? '{service_name=\"checkout\"}'"
  end
  if type(made.ignore) == "string" then made.ignore = { made.ignore } end
  if type(made.clock) == "number" then
    local now = made.clock
    made.clock = function() return now end
  end
  local bar = require "pyroscope.investigate.verdict".bar(made)
  for _, name in ipairs { "alpha", "min_share", "min_rel" } do
    local scale = recipe.scale and recipe.scale[name] or 1
    if made[name] == nil then made[name] = bar[name] * scale end
  end
  return made
end

return options
