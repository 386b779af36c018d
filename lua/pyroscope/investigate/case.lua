--- What recipes that compare two sides do before they test: what is looked at, which windows, is
--- the data good enough, the trees. Each step is a building block of its own.

local analyse = require "pyroscope.investigate.analyse"
local counters = require "pyroscope.investigate.counters"
local design = require "pyroscope.investigate.design"
local errors = require "pyroscope.errors"
local evidence = require "pyroscope.investigate.evidence"
local fetch = require "pyroscope.investigate.fetch"
local preflight = require "pyroscope.investigate.preflight"
local quantum = require "pyroscope.investigate.quantum"
local report = require "pyroscope.investigate.report"
local requests = require "pyroscope.investigate.requests"
local subject = require "pyroscope.investigate.subject"
local types = require "pyroscope.types"
local unions = require "pyroscope.investigate.unions"
local units = require "pyroscope.units"
local verdict = require "pyroscope.investigate.verdict"
local where = require "pyroscope.investigate.where"
local windows = require "pyroscope.investigate.windows"

local case = {}

---@class pyroscope.case
---@field source pyroscope.source
---@field options table
---@field subject pyroscope.subject
---@field design pyroscope.design
---@field quality pyroscope.quality
---@field samples? pyroscope.samples
---@field union? pyroscope.union

-- Instances that are too young to judge are left out of every window.
local function without_young(made, quality)
  if #quality.young == 0 or not quality.instance_label then return end
  local names = {}
  for i, name in ipairs(quality.young) do names[i] = name:gsub("%p", "\\%0") end
  local matcher = { name = quality.instance_label, op = "!~", value = table.concat(names, "|") }
  local young = {}
  for _, name in ipairs(quality.young) do young[name] = true end
  for _, side in ipairs { "A", "B" } do
    local kept = {}
    for _, window in ipairs(made[side]) do
      if not window.instance then
        local labels = { matcher }
        for key, value in pairs(window.labels or {}) do
          if math.type(key) then labels[#labels + 1] = value else labels[key] = value end
        end
        window.labels = labels
        kept[#kept + 1] = window
      elseif not young[window.instance] then
        kept[#kept + 1] = window
      end
    end
    made[side] = kept
  end
  quality.young_dropped = true
end

--- Subject, design and quality of a comparison. `unit` "pod": processes are the replicates.
---@param source pyroscope.source
---@param options table
---@param classes string|string[]
---@param more? { range?: string, unit?: "pod" }
---@return pyroscope.case? case
---@return pyroscope.error? err
function case.open(source, options, classes, more)
  more = more or {}
  local range, err = design.range(source, options, more.range or "24h")
  if not range then return nil, err end
  local about
  about, err = subject.of(source, classes, options.selector, range)
  if not about then return nil, err end
  local made
  made, err = design.choose(source, about, options, more.range or "24h")
  if not made then return nil, err end
  local quality
  quality, err = preflight.run(source, about, made, options)
  if not quality then return nil, err end
  if quality.ok then
    made = design.unit(made, quality, { unit = more.unit })
    without_young(made, quality)
  end
  return { source = source, options = options, subject = about, design = made, quality = quality,
    range = range }
end

-- The count type beside a type, such as samples beside nanoseconds.
local function companion_of(about)
  local own = types.row(about.type)
  for _, id in ipairs(about.all) do
    local row = types.row(id)
    if row and row.name == own.name and row.sample_unit == "count"
      and row.sample_type ~= own.sample_type
      and (row.sample_type == "samples" or row.sample_type:find "_samples$") then
      return id
    end
  end
end

local function total_of(source, about, id, window)
  local rows = fetch.series(source, { selector = about.selector, type = id,
    from_ms = window.from_ms, to_ms = window.to_ms, step_ms = window.to_ms - window.from_ms })
  local sum = 0
  for _, row in ipairs(rows or {}) do sum = sum + row.sum end
  return sum
end

--- Value of one raw sample: from the values of the smallest profile, else from the count type.
---@param self pyroscope.case
---@return pyroscope.quantum
function case.quantum(self)
  local about, least = self.subject, nil
  for _, sample in ipairs(self.samples) do
    if sample.profile.sum > 0 and (not least or sample.profile.sum < least.sum) then
      least = sample.profile
    end
  end
  local found = quantum.infer { class = about.class, runtime = about.runtime, profile = least }
  local companion = found.source ~= "gcd" and found.source ~= "exact" and companion_of(about)
  if companion then
    local window = windows.hull(self.design.B[1] and self.design.B or self.design.A)
    local total, count = total_of(self.source, about, about.types, window),
      total_of(self.source, about, companion, window)
    if count > 0 and total > 0 then
      return quantum.infer { class = about.class, total = total, companion = count }
    end
  end
  return found
end

-- The halves of each side against each other: nothing changed between them.
local function halves_of(self)
  local found = {}
  for _, side in ipairs { "A", "B" } do
    local own = {}
    for _, sample in ipairs(self.samples) do
      if sample.side == side then own[#own + 1] = sample end
    end
    if #own >= 4 then
      local halves = { quantum = self.samples.quantum, runtime = self.samples.runtime,
        kind = self.samples.kind }
      for i, sample in ipairs(own) do
        halves[i] = setmetatable({ side = i <= #own // 2 and "A" or "B" }, { __index = sample })
      end
      found[#found + 1] = unions.of(halves, self.options)
    end
  end
  return found
end

--- Trees of the design, aligned. Gates that need trees are applied to the quality.
---@param self pyroscope.case
---@param quantum_of? fun(self: pyroscope.case): pyroscope.quantum
---@return pyroscope.case? self
---@return pyroscope.error? err
function case.fetch(self, quantum_of)
  local options, about = self.options, self.subject
  local samples, err
  if self.quality.counter_like then
    samples, err = counters.samples(self)
  else
    samples, err = fetch.trees(self.source, { selector = about.selector, type = about.types,
      design = self.design, interval_ms = self.quality.interval_ms, runtime = about.runtime,
      max_nodes = options.max_nodes, on_progress = options.on_progress })
  end
  if not samples then return nil, err end
  self.samples = samples
  samples.quantum = (quantum_of or case.quantum)(self)
  preflight.samples(self.quality, samples, { class = about.class })
  self.union, err = unions.of(samples, options)
  if self.union and options.effort == "deep" then
    self.halves = halves_of(self) -- before their profiles are closed
  end
  fetch.close(samples)
  if not self.union then return nil, err end
  return self
end

-- What the caller says of load: how samples are divided, and the cost of a request. An error when
-- requests are wanted and some window has none.
local function load_of(self)
  local options, u = self.options, self.union
  local counts, sums, cost
  if options.per_request then
    counts, sums = requests.of(options.per_request, u.samples)
    if counts then cost = requests.cost(u, counts, sums) end
  end
  if (options.per_request or options.normalise == "per_request") and not counts then
    return nil, nil, errors.new { kind = "usage", code = "per_request",
      message = options.per_request and "per_request: a window has no number of requests"
        or "normalise = per_request needs the number of requests",
      hint = "per_request is a number, { A =, B = }, one number a window, or a function of one" }
  end
  if cost then
    local seconds = units.seconds(self.subject.unit)
    self.facts = { { key = "per_request", label = "by request", before = cost.A * (seconds or 1),
      after = cost.B * (seconds or 1), unit = seconds and "seconds" or self.subject.unit } }
  end
  return requests.weights(u, options.normalise, counts), cost
end

--- Causes of the change of a flow, with what explains others away, file and line, and the labels
--- that bound them.
---@param self pyroscope.case     with its union
---@return pyroscope.analysis? result
---@return pyroscope.error? err
function case.causes(self)
  local bar = verdict.bar(self.options)
  local weights, cost, err = load_of(self)
  if err then return nil, err end
  local result = analyse(self.union, self.design, bar, { quality = self.quality,
    class = self.subject.class, domains = self.options.domains, weights = weights, cost = cost,
    blocks = evidence.blocks(self), mix = function(found) evidence.mix(self, found) end })
  evidence.locate(self.source, self.subject, self.design, result.findings)
  where.find(self, result.findings)
  for _, u in ipairs(self.halves or {}) do
    self.quality.noise_floor = (self.quality.noise_floor or 0)
      + #analyse(u, self.design, bar).findings
  end
  return result
end

--- The report of a case: what it holds beside what the recipe says. `result`: of `case.causes`.
---@param self pyroscope.case
---@param given table
---@param result? pyroscope.analysis
---@return pyroscope.report
function case.report(self, given, result)
  given.subject, given.design, given.quality = self.subject, self.design, self.quality
  given.options, given.union = self.options, given.union or self.union
  given.facts = given.facts or self.facts
  if result then
    given.findings, given.explained_away = result.findings, result.explained
    given.tests, given.groups = result.tests, result.groups
    if #result.findings > 0 then
      given.icicle = evidence.icicle(self.union, result.tests, result.findings)
    end
  end
  return report.new(given)
end

return case
