--- From flags to the options of an investigation, and what a person sees while it runs.

local errors = require "pyroscope.errors"
local selector = require "pyroscope.selector"
local units = require "pyroscope.units"

local investigation = {}

local function usage(message, hint)
  return nil, errors.new { kind = "usage", message = message, hint = hint }
end

local function flag_of(name) return "--" .. name:gsub("_", "-") end

-- Flags -------------------------------------------------------------------------------------

-- Options that only a program can give, or that other flags stand for.
local NO_FLAG = { selector = true, range = true, from = true, to = true, tz = true,
  concurrency = true, cache = true, clock = true, on_progress = true, domains = true,
  name_rules = true, normalise = false }

local VALUES = { duration = "DURATION", time = "TIME", share = "SHARE", size = "SIZE",
  list = "A,B" }
-- Help of flags that say less than a program may.
local HELP = {
  at = "when it changed: auto, a time, or version=OLD..NEW",
  per_request = "requests of both sides: A,B, or a file with TIME COUNT lines",
  redact = "write hashes for the values of these labels",
}

-- How a flag reads what a program may also give as a table.
local KINDS = { rss = "size", redact = "list" }

-- What -h says a sentence of.
local COMMON = { at = true, effort = true, policy = true, fail_on = true, per_request = true }

local function value_name(option)
  if option.choices and #table.concat(option.choices) < 24 then
    return table.concat(option.choices, "|")
  end
  local kind = option.kind or KINDS[option.name]
  if VALUES[kind] then return VALUES[kind] end
  if option.name == "at" then return "TIME" end
  if option.type:find "integer" then return "N" end
  if option.type:find "number" then return "X" end
  return option.name:upper():match "([^_]+)$"
end

-- Flags are listed under keys of their own: other commands have some of these names for other
-- things.
local function key_of(name) return "recipe " .. name end

--- The flags of every recipe, each once: flags by key, and their keys in the order of help.
---@return table<string, pyroscope.flag> flags
---@return string[] keys
function investigation.flags()
  local options = require "pyroscope.investigate.options"
  local recipes = require "pyroscope.investigate.recipes"
  local own, keys = {}, {}
  local function put(flag)
    own[key_of(flag.name)] = flag
    keys[#keys + 1] = key_of(flag.name)
  end
  local function add(option, of)
    local name = option.name
    if NO_FLAG[name] then return end
    local known = own[key_of(name)]
    if known then
      if of then known.help = ("%s; %s (%s)"):format(known.help, option.help, of) end
      return
    end
    put { flag_of(name), name = name, value = value_name(option),
      help = (HELP[name] or option.help) .. (of and (" (%s)"):format(of) or ""),
      choices = option.choices, kind = option.choices and "choice" or nil,
      rare = not COMMON[name] or nil }
  end
  add(options.shared[2])
  put { "--before", "--baseline", name = "before", value = "SIDE",
    help = "what it is compared with: -2h..-1h, label=value, or both with @" }
  put { "--after", name = "after", value = "SIDE", help = "the other side, likewise" }
  for _, option in ipairs(options.shared) do add(option) end
  put { "--all", name = "all", help = "every finding, not the first five" }
  put { "--set", name = "set", value = "KEY=VALUE", many = true,
    help = "an option of a recipe of one's own" }
  put { "--plan", name = "plan", help = "print what would be asked, and ask nothing" }
  put { "--progress", name = "progress",
    help = "a line for each step, also where stderr is no terminal" }
  for _, recipe in ipairs(recipes.all()) do
    for _, option in ipairs(recipe.options) do add(option, recipe.alias or recipe.name) end
  end
  return own, keys
end

-- Values ------------------------------------------------------------------------------------

local SIZES = { [""] = 1, k = 1 << 10, kib = 1 << 10, kb = 1000, m = 1 << 20, mib = 1 << 20,
  mb = 1000000, g = 1 << 30, gib = 1 << 30, gb = 1000000000, b = 1 }

local readers = {}

function readers.share(text)
  local number, percent = text:match "^(%d*%.?%d+)(%%?)$"
  number = tonumber(number)
  return number and (percent == "%" and number / 100 or number), "a share like 5% or 0.05"
end

function readers.size(text)
  local number, unit = text:match "^(%d+%.?%d*)(%a*)$"
  local factor = unit and SIZES[unit:lower()]
  return factor and math.floor(tonumber(number) * factor + 0.5), "a size like 512MiB"
end

function readers.list(text)
  local list = {}
  for item in text:gmatch "[^,]+" do list[#list + 1] = item:match "^%s*(.-)%s*$" end
  return #list > 0 and list, "a list like a,b"
end

-- A value as an option wants it; text where the option reads it itself.
local function read(option, text)
  local reader = readers[option.kind or KINDS[option.name]]
  if reader then
    local value, expected = reader(text)
    if not value then
      return usage(("%s: '%s' is not %s"):format(flag_of(option.name), text, expected))
    end
    return value
  end
  if option.kind == "duration" or option.kind == "time" or option.type:find "string" then
    return text
  end
  local number = tonumber(text)
  if option.type:find "integer" and not option.type:find "number" then
    number = number and math.tointeger(number)
  end
  if not number then
    return usage(("%s: '%s' is not a %snumber"):format(flag_of(option.name), text,
      option.type:find "integer" and "whole " or ""))
  end
  return number
end

-- KEY=VALUE for recipes of one's own: numbers and booleans are taken for what they look like.
local function set(into, pairs_given)
  for _, text in ipairs(pairs_given or {}) do
    local key, value = text:match "^([%a_][%w_]*)=(.*)$"
    if not key then
      return usage(("--set: '%s' is not KEY=VALUE"):format(text), "--set limit=5")
    end
    if value == "true" or value == "false" then
      into[key] = value == "true"
    else
      into[key] = math.tointeger(tonumber(value)) or tonumber(value) or value
    end
  end
  return true
end

-- The moments and numbers of a file: `TIME COUNT` a line, as a function of a window.
local function counts_of_file(path, reading)
  local system = require "pyroscope.system"
  local text, err = system.read_file(require "pyroscope.config".expand(path), 1 << 26)
  if not text then return nil, err end
  local rows, number = {}, 0
  for line in text:gmatch "[^\n]+" do
    number = number + 1
    local time, count = line:match "^%s*([^%s,;]+)[%s,;]+([%d.eE+-]+)%s*$"
    local ms = time and require "pyroscope.timespec".parse(time, reading)
    if ms and tonumber(count) then
      rows[#rows + 1] = { ms, tonumber(count) }
    elseif line:find "%S" and number > 1 then
      return usage(("--per-request: %s, line %d is not TIME COUNT"):format(path, number),
        "a line is a time (epoch or RFC 3339) and how many requests began since the one before")
    end
  end
  if #rows == 0 then return usage(("--per-request: %s has no line TIME COUNT"):format(path)) end
  return function(window)
    local sum = 0
    for _, row in ipairs(rows) do
      if row[1] >= window.from_ms and row[1] < window.to_ms then sum = sum + row[2] end
    end
    return sum
  end
end

local function per_request(text, reading)
  local a, b = text:match "^([%d.]+),([%d.]+)$"
  a, b = tonumber(a), tonumber(b)
  if a and b and a > 0 and b > 0 then return { A = a, B = b } end
  if text:find "^[%d.,%-]+$" then
    return usage(("--per-request: '%s' is not two numbers above 0"):format(text),
      "requests of both sides: --per-request 1200,1350, or a file with TIME COUNT lines")
  end
  return counts_of_file(text, reading)
end

local function at_of(text, reading)
  local old, new = text:match "^version=(.+)%.%.(.+)$"
  if old then return { version = { old, new } } end
  if text ~= "auto" then
    local _, err = require "pyroscope.timespec".parse(text, reading)
    if err then
      return nil, errors.wrap(err, { message = "--at: " .. err.message,
        hint = "auto, version=OLD..NEW, or a time:\n  " .. err.hint })
    end
  end
  return text
end

-- Classes by the words that every other flag takes for them.
local function classes_of(words)
  local types = require "pyroscope.types"
  local names, known, made = {}, {}, {}
  for _, entry in ipairs(require "pyroscope.investigate.changes".classes) do
    names[#names + 1] = entry.class
    known[entry.class] = true
  end
  for i, word in ipairs(words) do
    made[i] = types.meaning(word)
    if not known[made[i]] then
      return usage(("--classes: '%s' is no class that is looked at"):format(word),
        "classes: " .. table.concat(names, ", "))
    end
  end
  return made
end

-- The selector of a target and the flags beside it.
local function selector_of(options, found, recipe)
  local lists = {}
  if options.selector then
    local matchers, err = selector.parse(options.selector, { bare = true })
    if not matchers then return nil, err end
    lists[1] = matchers
  end
  if found.service then
    table.insert(lists, 1, { { name = "service_name", op = "=", value = found.service } })
  end
  if options.labels then lists[#lists + 1] = selector.from_labels(options.labels) end
  if #lists == 0 and not found.everything and not recipe.selector then
    return usage("which service? The question names none",
      "name a target: DEPLOYMENT/SERVICE, or -q '{...}'; `pscope services` lists them")
  end
  return selector.build(selector.merge(table.unpack(lists)))
end

--- The options of a recipe from flags: checked, since a person typed them.
---@param recipe table        as `investigate.find` gives it
---@param options table       parsed flags
---@param found table         target
---@param source pyroscope.source
---@return table? given
---@return pyroscope.error? err
function investigation.options(recipe, options, found, source)
  local library = require "pyroscope.investigate.options"
  local known = library.known(recipe)
  local text, err = selector_of(options, found, recipe)
  if not text then return nil, err end
  local given = { selector = text }
  local reading = { now_ms = source.defaults and source:defaults().now_ms, tz = options.tz }
  given.range, given.from, given.to, given.tz = options.since, options.from, options.to, options.tz
  given.concurrency = options.concurrency
  if options.no_cache then given.cache = false end
  local _, keys = investigation.flags()
  for _, key in ipairs(keys) do
    local name = key:match "^recipe (.*)$"
    local option, value = known[name], options[name]
    if type(value) == "string" and name ~= "at" and name ~= "per_request" then
      if option then
        given[name], err = read(option, value)
        if given[name] == nil then return nil, err end
      elseif name ~= "before" and name ~= "after" then
        return usage(("%s has no option %s"):format(recipe.name, flag_of(name)),
          ("pscope recipes %s"):format(recipe.name))
      end
    end
  end
  if given.classes and options.classes and recipe.design then
    given.classes, err = classes_of(given.classes)
    if not given.classes then return nil, err end
  end
  if type(given.redact) == "table" then given.redact = { labels = given.redact } end
  if options.at then
    given.at, err = at_of(options.at, reading)
    if not given.at then return nil, err end
  end
  if options.per_request then
    given.per_request, err = per_request(options.per_request, reading)
    if not given.per_request then return nil, err end
  end
  if options.before or options.after then
    if options.at then return usage("--at and --before or --after exclude each other") end
    if not options.before then return usage("--after needs --before, what it is compared with") end
    given.at = { A = options.before, B = options.after or {} }
  end
  local ok
  ok, err = set(given, options.set)
  if not ok then return nil, err end
  local complete, fault, near = library.complete(recipe, given)
  if not complete then
    return usage(("investigate %s: %s"):format(recipe.name, fault),
      near and ("say --set %s=... or %s"):format(near, flag_of(near))
        or ("pscope recipes %s"):format(recipe.name))
  end
  return given
end

-- While it runs -----------------------------------------------------------------------------

local function time(run, ms)
  return units.time(ms, { tz = run.options.tz })
end

local function clock(run, ms)
  return (time(run, ms):match "(%d%d:%d%d:?%d*)") or time(run, ms)
end

local function span(list)
  return units.span(list[1].to_ms - list[1].from_ms)
end

-- What the steps of an investigation have shown, a line each.
local describe = {}

function describe.design(run, told)
  local design = told.design
  local text = "windows were named"
  if design.change_source == "change_point" then
    text = "change point " .. clock(run, design.at_ms)
  elseif design.change_source == "versions" then
    local a, b = design.A[1].labels or {}, design.B[1].labels or {}
    local old, new = select(2, next(a)), select(2, next(b))
    text = old and new and ("version %s -> %s at %s"):format(old, new, clock(run, design.at_ms))
      or "versions side by side"
  elseif design.name == "same_time" then
    text = ("no change point; the same hours of %d earlier day%s"):format(#design.A,
      #design.A == 1 and "" or "s")
  elseif design.change_source == "none" then
    text = "no change point"
  elseif design.at_ms then
    text = "since " .. clock(run, design.at_ms)
  end
  local hull = require "pyroscope.investigate.windows".hull
  local a, b = hull(design.A), hull(design.B)
  return { { "step", text }, { "windows", ("%d x %s up to %s against %d x %s from %s"):format(
    #design.A, span(design.A), clock(run, a.to_ms), #design.B, span(design.B),
    clock(run, b.from_ms)) } }
end

function describe.quality(_, told)
  local q = told.quality
  local text = ("%d before, %d after"):format(q.profiles.A, q.profiles.B)
  local word = q.instance_label == "pod" and "pod" or "instance"
  if q.instances.A == q.instances.B and q.instances.A > 0 then
    text = text .. ("; %d %s%s on both sides"):format(q.instances.A, word,
      q.instances.A == 1 and "" or "s")
  else
    text = text .. ("; %d %ss, then %d"):format(q.instances.A, word, q.instances.B)
  end
  local lines = { { "profiles", text, q.ok } }
  for _, warning in ipairs(q.warnings) do
    lines[#lines + 1] = { "data", warning.message, false }
  end
  return lines
end

function describe.samples(_, told)
  return { { "trees", ("%d fetched"):format(#told.samples) } }
end

--- The listener of an investigation: progress while it waits, and (on a terminal, or with
--- --progress) a line for each step that is done.
---@param run table
---@param options { steps: boolean, write: fun(text: string) }
---@return fun(state: table)
function investigation.listener(run, options)
  local now = require "pyroscope.system".monotonic_ms
  local since = now()
  local ok_mark, seen = run.terminal.utf8 and "✓" or "+", {}
  return function(state)
    local step = state.step
    if not step then return run.progress:update(state) end
    -- what follows the first trees are details of findings
    local again = step == "samples" and seen.samples
    if not options.steps or not describe[step] or again then return end
    seen[step] = true
    run.progress:finish()
    local lines = describe[step](run, state)
    local seconds = (now() - since) / 1000
    since = now()
    for i, line in ipairs(lines) do
      local text = require "pyroscope.cli.screen".printable(line[2])
      options.write((" %s %-10s %s%s\n"):format(line[3] == false and "!" or ok_mark, line[1], text,
        i == 1 and ("  %.1f s"):format(seconds) or ""))
    end
  end
end

return investigation
