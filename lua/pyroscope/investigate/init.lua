--- Investigations: recipes that ask a source and answer with a report, and the blocks they are
--- built of. `pyroscope.investigate(recipe, source, options)` runs one; the fields of the module
--- are the blocks, loaded when somebody looks.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"

local investigate = {}

local BLOCKS = { windows = "windows", fetch = "fetch", preflight = "preflight",
  design = "design", history = "history", survey = "survey", subject = "subject", tree = "tree",
  frames = "frames", stats = "stats", normalise = "normalise", quantum = "quantum",
  explain = "explain", cause = "cause", shifts = "shifts", guards = "guards", analyse = "analyse",
  verdict = "verdict", report = "report", recipes = "recipes", options = "options",
  recorder = "recorder", case = "case", evidence = "evidence", where = "where",
  waiting = "waiting", lives = "lives", growth = "growth", goroutines = "goroutines",
  heap = "heap", unions = "unions", labels = "labels",
  requests = "requests", changes = "changes", quantity = "quantity" }

-- Finding a recipe ----------------------------------------------------------------------------

local function usage(message, hint)
  return nil, errors.new { kind = "usage", code = "recipe", message = message, hint = hint }
end

-- A file that returns a recipe: a function, or a table that says more of it.
local function of_file(path)
  local chunk, problem = loadfile(path, "t")
  if not chunk then
    return usage(("cannot load the recipe '%s': %s"):format(path, problem),
      "a recipe is a Lua file that returns function(source, options) ... return report end")
  end
  local ok, recipe = pcall(chunk, path)
  if not ok then
    return usage(("the recipe '%s' fails: %s"):format(path, tostring(recipe)))
  end
  local entry = type(recipe) == "table" and recipe or { run = recipe }
  if type(entry.run) ~= "function" then
    return usage(("'%s' returns a %s, not a recipe"):format(path, type(recipe)),
      "a recipe is a Lua file that returns function(source, options) ... return report end")
  end
  return { name = entry.name or path:match "([^/]+)%.lua$" or path, run = entry.run,
    options = entry.options or {}, question = entry.question, class = entry.class,
    range = entry.range, selector = entry.selector, defaults = entry.defaults,
    open = entry.options == nil, file = path }
end

-- What a file of one's own does wrong is an answer, as what is wrong with its text is.
local function own_fault(found, message)
  return usage(("the recipe '%s' %s"):format(found.file, message),
    "a recipe returns a report, or nil and an error: lua/pyroscope/_meta/investigate.lua")
end

--- A recipe by name (`-` and `_` are equal, short names too), by the path of a Lua file, or the
--- function itself: `{ name, run, options, question, class }`.
---@param recipe string|function|table
---@return table? found
---@return pyroscope.error? err
function investigate.find(recipe)
  if type(recipe) == "function" then
    return { name = "own", run = recipe, options = {}, open = true }
  end
  if type(recipe) == "table" and type(recipe.run) == "function" then return recipe end
  if type(recipe) ~= "string" then
    return usage(("a recipe is a name, a path or a function, not a %s"):format(type(recipe)))
  end
  if recipe:find "%.lua$" or recipe:find "/" then return of_file(recipe) end
  local recipes = require "pyroscope.investigate.recipes"
  local found = recipes.find(recipe)
  if not found then
    local names = recipes.names()
    local near = check.suggestion((recipe:gsub("-", "_")), names)
    return usage(("there is no recipe '%s'%s"):format(recipe, near ~= "" and " " .. near or ""),
      "recipes: " .. table.concat(names, ", "))
  end
  return setmetatable({ run = recipes.load(found) }, { __index = found })
end

local function completed(found, given, level)
  local defaults = found.defaults or {}
  if found.selector and not defaults.selector then
    defaults = setmetatable({ selector = found.selector }, { __index = defaults })
  end
  local recipe = setmetatable({ defaults = defaults }, { __index = found })
  local options, fault = require "pyroscope.investigate.options".complete(recipe, given)
  if not options then error(("investigate %s: %s"):format(found.name, fault), level + 1) end
  return options
end

-- Running -----------------------------------------------------------------------------------

-- Errors that become a report which says why nothing can be told.
local REASONS = { type_absent = true, not_in_bundle = true, deadline = true,
  max_requests = true }

local function report_of_error(found, options, err)
  local reason = REASONS[err.code or ""] and err.code or err.kind == "no_data" and "no_data"
  if not reason then return nil end
  local cut = reason == "deadline" or reason == "max_requests"
  local hint = err.hint and err.hint:gsub(":\n%s*", ": "):gsub("\n%s*", ", ")
  local message = err.message .. (hint and "; " .. hint or "")
  local report = require "pyroscope.investigate.report".new { recipe = found.name,
    verdict = "inconclusive", reason = reason, subject = { selector = options.selector,
      class = found.class ~= "every class" and found.class or nil },
    options = options, partial = cut or nil, summary = err.message,
    notes = { { code = reason, message = message } } }
  rawset(report, "error", err)
  return report
end

local function endpoint_of(source)
  return source.kind == "client" and source.base or source.path or source.name
end

local function read_path(source)
  if source.kind == "store" then return "files" end
  return source.known_server and source.known_server.storage or nil
end

-- Where the same windows can be looked at, for sources that have a page of their own.
local function links_of(report, source)
  local subject, design = report.subject, report.design
  if not source.link or not subject or not subject.profile_type or not design then return nil end
  local windows = require "pyroscope.investigate.windows"
  if #(design.A or {}) == 0 then return nil end
  local function side(list)
    local hull = windows.hull(list)
    return { selector = subject.selector, profile_type = subject.profile_type,
      from_ms = hull.from_ms, to_ms = hull.to_ms }
  end
  local both = #(design.B or {}) > 0
  local found, url = pcall(source.link, source, side(both and design.B or design.A),
    both and { view = "diff", before = side(design.A) } or nil)
  return found and type(url) == "string" and { [both and "diff" or "after"] = url } or nil
end

-- What the run adds to a report: where it comes from, what it took, what is missing.
local function complete(report, proxy, source, options)
  local state = proxy.state
  local provenance = report.provenance or {}
  report.provenance = provenance
  provenance.requests = proxy:requests()
  provenance.endpoint = provenance.endpoint or endpoint_of(source)
  if not provenance.read_path or provenance.read_path == "unknown" then
    provenance.read_path = read_path(source) or "unknown"
  end
  provenance.generated_ms = provenance.generated_ms or options.clock()
  report.links = report.links or links_of(report, source)
  report.notes = report.notes or {}
  for _, note in ipairs(state.notes) do table.insert(report.notes, note) end
  local quality = report.data_quality or { warnings = {} }
  report.data_quality = quality
  if state.failed or state.partial or state.stopped then
    quality.partial = true
    local err = state.failed or state.stopped
    if err then
      table.insert(quality.warnings, { code = "partial", message = "some questions have no "
        .. "answer: " .. err.message })
    end
  end
  if quality.partial then
    report.exit_code = errors.worse(report.exit_code or 0, 4)
  end
  return report
end

-- Now, once: a report holds one time. A store's now is the end of its newest profile.
local function clock_of(source)
  local defaults = source.defaults and source:defaults() or {}
  local now = defaults.now_ms or require "pyroscope.timespec".now()
  return function() return now end
end

-- Settings of the source for the length of a run.
local function set_up(source, options, given)
  if source.kind ~= "client" then return function() end end
  local cache, look_around = source.options.cache, source.options.look_around
  if options.cache ~= nil then source.options.cache = options.cache end
  -- how many are in flight is settled by the first request
  if given and given.concurrency and not source.transport then
    source.options.concurrency = given.concurrency
  end
  -- an empty window of many is an answer; what lies near it is asked once, for all of them
  source.options.look_around = false
  return function()
    source.options.cache, source.options.look_around = cache, look_around
  end
end

--- Runs a recipe on a source: a report, or `nil, err` where none can be made (no access, no answer,
--- cancelled). Options are those of every recipe and its own; unknown names raise.
---@param recipe string|function|table
---@param source pyroscope.source
---@param given? table
---@return pyroscope.report? report
---@return pyroscope.error? err
function investigate.run(recipe, source, given, level)
  level = (level or 1) + 1
  local found, err = investigate.find(recipe)
  if not found then
    if type(recipe) == "string" and recipe:find "[/.]" then return nil, err end
    error("investigate: " .. err.message, level)
  end
  if type(source) ~= "table" and type(source) ~= "userdata" then
    error("investigate: the source must be one, as pyroscope.connect and pyroscope.open give",
      level)
  end
  local options = completed(found, given, level)
  options.clock = options.clock or clock_of(source)
  local deadline = options.deadline and require "pyroscope.timespec".duration(options.deadline)
  local restore = set_up(source, options, given)
  local proxy, finish = require "pyroscope.investigate.recorder".wrap(source, {
    max_requests = (source.kind ~= "store" or (given or {}).max_requests)
      and options.max_requests or nil, deadline_ms = deadline,
    on_progress = options.on_progress })
  local ok, report, bad = pcall(found.run, proxy, options)
  finish()
  restore()
  if not ok then
    if found.file and not errors.is(report) then
      return own_fault(found, "fails: " .. tostring(report))
    end
    error(report, 0)
  end
  if found.file and report and type(report) ~= "table" then
    return own_fault(found, ("returns a %s, not a report"):format(type(report)))
  end
  if not report then
    if not errors.is(bad) then
      if found.file then return own_fault(found, "returned neither a report nor an error") end
      error(("the recipe '%s' returned neither a report nor an error"):format(found.name), level)
    end
    local made = report_of_error(found, options, bad)
    if not made then return nil, bad end
    report = made
  end
  return complete(report, proxy, source, options)
end

--- What a recipe would ask, without asking: queries with estimated bytes.
---@param recipe string|function|table
---@param given? table
---@return pyroscope.plan? plan
---@return pyroscope.error? err
function investigate.plan(recipe, given)
  local found, err = investigate.find(recipe)
  if not found then return nil, err end
  local options = completed(found, given, 2)
  return require "pyroscope.investigate.plan".of(found.name, found.run, options)
end

-- `resolve(source, class, selector, window)` and what it is made of.
local function resolver()
  local resolve = require "pyroscope.source.resolve"
  return setmetatable({ list = resolve.list, choose = resolve.choose },
    { __call = function(_, ...) return resolve.choose(...) end })
end

return setmetatable(investigate, {
  __name = "pyroscope.investigate",
  __call = function(_, recipe, source, options)
    return investigate.run(recipe, source, options, 2)
  end,
  __index = function(self, name)
    local value
    if name == "resolve" then
      value = resolver()
    elseif BLOCKS[name] then
      value = require("pyroscope.investigate." .. BLOCKS[name])
    end
    if value ~= nil then rawset(self, name, value) end
    return value
  end,
})
