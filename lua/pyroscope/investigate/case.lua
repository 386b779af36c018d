--- What recipes that compare two sides do before they test: what is looked at, which windows, is
--- the data good enough, the trees. Each step is a building block of its own.

local counters = require "pyroscope.investigate.counters"
local errors = require "pyroscope.errors"
local design = require "pyroscope.investigate.design"
local fetch = require "pyroscope.investigate.fetch"
local preflight = require "pyroscope.investigate.preflight"
local quantum = require "pyroscope.investigate.quantum"
local report = require "pyroscope.investigate.report"
local requests = require "pyroscope.investigate.requests"
local subject = require "pyroscope.investigate.subject"
local tree = require "pyroscope.investigate.tree"
local types = require "pyroscope.types"
local units = require "pyroscope.units"
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
  local u
  u, err = tree.union(samples, { names = options.name_rules })
  if not u then return nil, err end
  if options.ignore then
    u, err = tree.drop(u, options.ignore)
    if not u then return nil, err end
  end
  self.union = u
  return self
end

--- What the caller says of load: how samples are divided, and the cost of a request. An error when
--- requests are wanted and some window has none.
---@param self pyroscope.case     with a union
---@return number[]? weights
---@return pyroscope.cost? cost
---@return pyroscope.error? err
function case.load(self)
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

--- How many findings come out where nothing changed: the halves of each side against each other.
---@param self pyroscope.case     with samples
---@param findings_of fun(u: pyroscope.union): integer
---@return integer? floor         nil: too few samples a side
function case.noise_floor(self, findings_of)
  local floor
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
      local u = tree.union(halves, { names = self.options.name_rules })
      if u then floor = (floor or 0) + findings_of(u) end
    end
  end
  return floor
end

--- The report of a case: what it holds beside what the recipe says.
---@param self pyroscope.case
---@param given table
---@return pyroscope.report
function case.report(self, given)
  given.subject, given.design, given.quality = self.subject, self.design, self.quality
  given.options, given.union = self.options, given.union or self.union
  given.facts = given.facts or self.facts
  return report.new(given)
end

return case
