--- What top, tree, peek, traces and list have in common: one profile, asked for and filtered,
--- the header that says what it is, and how its values are shown.

local errors = require "pyroscope.errors"
local facts = require "pyroscope.cli.facts"
local question = require "pyroscope.cli.question"
local target = require "pyroscope.cli.target"
local types = require "pyroscope.types"
local units = require "pyroscope.units"

local subject = {}

local methods = {}
local meta = { __name = "pyroscope.subject", __index = methods }

local HOUR = 3600000

-- A pprof request is exact and has files; a tree is what --max-nodes or a long window asks for.
local function wants_pprof(options, source, resolved, spec)
  if source.kind == "store" then return false end
  if spec.granularity == "line" or options.where == "always" then return true end
  if resolved.tagfocus or resolved.tagignore then return true end
  if options.where == "never" or options.max_nodes or options.span_ids then return false end
  return spec.exact and resolved.to_ms - resolved.from_ms <= HOUR
end

local function pprof_profile(source, resolved, spec)
  local answer, err = source:pprof(resolved)
  if not answer and err.code == "endpoint" and spec.granularity ~= "line" then
    return source:profile(resolved) -- a proxy that lets only trees through
  end
  if not answer then return nil, err end
  local profile
  profile, err = answer:profile { granularity = spec.granularity }
  answer:close()
  if profile and profile.sum == 0 then
    profile:close()
    return nil, require "pyroscope.source.shared".untagged(resolved) or source:absence(resolved)
  end
  return profile, err
end

local function copy(resolved, changes)
  local other = {}
  for k, v in pairs(resolved) do other[k] = v end
  for k, v in pairs(changes) do other[k] = v end
  return other
end

--- file:line by function name, from one pprof request over at most the last 15 minutes.
---@return table<string, table>?
function subject.locations(source, resolved)
  local answer = source:pprof(copy(resolved, { max_nodes = false,
    from_ms = math.max(resolved.from_ms, resolved.to_ms - 15 * 60000) }))
  if not answer then return nil end
  local profile = answer:profile {}
  answer:close()
  if not profile then return nil end
  local found = {}
  for _, row in ipairs((profile:top(0))) do found[row.name] = row end
  profile:close()
  return found
end

-- The order in which questions are sent: what takes longest first.
local ORDER = { "profile", "profile1", "profile2", "locations", "settled", "facts", "facts1",
  "facts2" }

--- Named questions, all in one flight where the source can; their packed answers by name.
---@param source pyroscope.source
---@param questions table<string, function>
---@return table<string, table>
function subject.together(source, questions)
  local names, list, answers = {}, {}, {}
  for _, name in ipairs(ORDER) do
    if questions[name] then names[#names + 1], list[#list + 1] = name, questions[name] end
  end
  local results = source.together and source:together(list)
  for i, name in ipairs(names) do
    answers[name] = results and results[i] or table.pack(list[i]())
  end
  return answers
end

-- The profile and what stands beside it; `settled` asks at the same time what its type is.
local function ask(source, resolved, options, spec, settled)
  local pprof = wants_pprof(options, source, resolved, spec)
  local questions = { settled = settled, profile = function()
    if pprof then return pprof_profile(source, resolved, spec) end
    return source:profile(resolved)
  end }
  if options.where ~= "never" then
    questions.facts = function() return facts.of(source, resolved) end
    if source.kind ~= "store" and not pprof and spec.exact then
      questions.locations = function() return subject.locations(source, resolved) end
    end
  end
  return subject.together(source, questions)
end

--- Fetches what a command asks about.
---@param run table
---@param text? string   TARGET
---@param spec? { exact?: boolean, granularity?: string, group?: string, extra?: table } with
---  `group` the tree is of lines, files or packages
---@return table? subject
---@return pyroscope.error? err
function subject.fetch(run, text, spec)
  spec = spec or {}
  if spec.group == "line" then spec.granularity = "line" end
  local options = run.options
  local found, source = target.find(run, text)
  if not found then return nil, source end
  local extra = spec.extra or {}
  extra.granularity = spec.granularity
  local resolved, settled = question.guess(options, found, source, { extra = extra })
  if not resolved then return nil, settled end
  local answers = ask(source, resolved, options, spec, settled)
  if settled then
    local guess = resolved.profile_type
    local err
    resolved, err = table.unpack(answers.settled, 1, 2)
    if not resolved or resolved.profile_type ~= guess then
      if answers.profile[1] then answers.profile[1]:close() end
      if not resolved then return nil, err end
      answers = ask(source, resolved, options, spec)
    end
  end
  run.progress:finish()
  local profile, err = table.unpack(answers.profile, 1, 2)
  if not profile then return nil, err end
  local self = subject.of(run, profile, { source = source, target = found, resolved = resolved })
  self.facts = answers.facts and answers.facts[1]
  self.locations = answers.locations and answers.locations[1]
  local ok
  ok, err = self:filter(options)
  if not ok then return nil, err end
  if spec.group and spec.group ~= "function" and spec.group ~= "line" then
    self.profile, err = self.profile:regroup(spec.group)
    if not self.profile then return nil, err end
  end
  return self
end

--- Adds warnings that are not there yet.
function subject.join(warnings, ...)
  local seen = {}
  for _, warning in ipairs(warnings) do seen[warning] = true end
  for i = 1, select("#", ...) do
    for _, warning in ipairs((select(i, ...)) or {}) do
      if not seen[warning] then
        seen[warning] = true
        warnings[#warnings + 1] = warning
      end
    end
  end
  return warnings
end

--- A subject of a profile that is at hand.
function subject.of(run, profile, parts)
  local resolved = parts.resolved
  local self = setmetatable({ run = run, options = run.options, profile = profile, whole = profile,
    source = parts.source, target = parts.target, resolved = resolved, share = 1, warnings = {} },
    meta)
  local described = profile.meta or {}
  subject.join(self.warnings, resolved.warnings, described.warnings)
  self.partial = described.partial and true or false
  self.kind, self.unit = profile.kind or resolved.kind, profile.unit or resolved.unit
  self.class = resolved.class
  self.from_ms, self.to_ms = resolved.from_ms, resolved.to_ms
  self.seconds = (self.to_ms - self.from_ms) / 1000
  if self.seconds <= 0.001 then self.seconds = 0 end -- a file that does not say how long it took
  self.averaged = self.kind == "stock" and not self.options.sum and profile.profiles ~= nil
  if self.kind == "stock" and not self.options.sum and not profile.profiles then
    self.warnings[#self.warnings + 1] =
      "how many profiles were merged is unknown: values are sums over all of them"
  end
  return self
end

--- Applies --focus and its kin.
function methods:filter(options)
  local filtered, share = question.filter(self.whole, options)
  if not filtered then return nil, share end
  self.profile, self.share = filtered, share
  if options.invert then self.profile = filtered:invert() end
  return true
end

--- A value by its unit: `12.8c` short, `12.8 cores` long; flows as rates.
---@param value number
---@param options? table  of units.value; with fine a small one has as many digits as it needs
function methods:value(value, options)
  local what = { unit = self.unit, kind = self.kind, class = self.class,
    seconds = self.kind ~= "stock" and self.seconds > 0 and self.seconds or nil,
      force = self.options.unit,
    whole = self.whole.total }
  for k, v in pairs(options or {}) do what[k] = v end
  local scale = units.seconds(self.unit)
  if scale and what.seconds and (what.force == "cores" or (self.class == "cpu" and not what.force))
  then
    what.digits = units.digits(self.whole.total * scale / what.seconds)
  end
  return units.value(value, what)
end

--- A value in a narrow column.
function methods:cell(value)
  return self:value(value, { short = true })
end

--- A share of everything (not of what the patterns leave) as `31.2%`.
function methods:percent(share)
  return units.percent(share * self.share)
end

--- Derived numbers of a value for programs: cores, or a rate for other flows.
---@return string? key suffix
---@return number? factor
function methods:derived()
  if self.kind == "stock" or self.seconds <= 0 then return nil end
  local scale = units.seconds(self.unit)
  if self.class == "cpu" and scale then return "cores", scale / self.seconds end
  return "rate", 1 / self.seconds
end

--- `totals` of the JSON contract.
function methods:totals()
  local totals = { value = ("%d"):format(self.whole.total), unit = self.unit, kind = self.kind,
    profiles = self.whole.profiles }
  local name, factor = self:derived()
  if name then totals[name] = self.whole.total * factor end
  if self.facts and self.facts.instances then totals.instances = self.facts.instances end
  return totals
end

local function type_word(resolved)
  return types.short(resolved.profile_type)
end

--- What the first header line is made of: type, target, window, services, instances, version.
---@return { type: string, target: string, window: string, services?: string, instances?: string,
---  version?: string }
function methods:head()
  local shown = self.target.shown
  if (not self.resolved.service and self.resolved.selector ~= "{}") or #self.resolved.matchers > 1
  then
    shown = shown .. " " .. self.resolved.selector
  end
  local several = self.facts and not self.resolved.service and #self.facts.services > 1
  return { type = type_word(self.resolved),
    target = require "pyroscope.cli.screen".printable(shown),
    window = self.run:window(self.from_ms, self.to_ms),
    services = several and ("%d services"):format(#self.facts.services) or nil,
    instances = facts.instances(self.facts), version = facts.version(self.facts) }
end

--- The first header line.
function methods:headline()
  local head, parts = self:head(), {}
  for _, name in ipairs { "type", "target", "window", "services", "instances", "version" } do
    parts[#parts + 1] = head[name]
  end
  return table.concat(parts, " · ")
end

--- `41.0 cores (147,600 core-s)`, `412.0 MiB (mean of 36 profiles)`.
function methods:total_text()
  local whole = self.whole
  if self.kind == "stock" then
    local note = self.averaged and ("mean of %s profiles"):format(units.count(whole.profiles))
      or whole.profiles and ("sum of %s profiles"):format(units.count(whole.profiles)) or "sum"
    return ("%s (%s)"):format(self:value(whole.total), note)
  end
  local sum = units.value(whole.total, { unit = self.unit, kind = self.kind, class = self.class })
  local rate = self:value(whole.total)
  if sum == rate then return rate end
  return ("%s (%s)"):format(rate, sum)
end

--- What the patterns leave, for the header; nil without patterns.
function methods:filter_text()
  if self.profile == self.whole then return nil end
  local patterns = question.patterns(self.options)
  if patterns == "" then return nil end
  return ("%s: %s of it%s"):format(require "pyroscope.cli.screen".printable(patterns),
    units.percent(self.profile.sum / self.whole.sum),
    self.options.relative_percentages and ", shares are of that" or "")
end

--- Lines about samples that the rows cannot show: truncated stacks, no stack, filtered away.
---@param coverage pyroscope.coverage
---@param line fun(value: number, share: number, text: string): string
function methods:coverage_lines(coverage, line)
  local lines = {}
  local total = self.profile.total
  if coverage.other > 0 then
    lines[#lines + 1] = line(coverage.other * total, coverage.other * self.share,
      'in truncated stacks ("other"); refine with --max-nodes')
  end
  if (coverage.empty or 0) > 0 then
    lines[#lines + 1] = line(coverage.empty * total, coverage.empty * self.share,
      "in samples without a stack")
  end
  if self.share < 1 then
    lines[#lines + 1] = line((1 - self.share) * self.whole.total, 1 - self.share,
      "outside of the patterns")
  end
  return lines
end

--- `file:line` of a row, from the profile or the request beside it.
function methods:where(row)
  local known = row
  if (not row.file or row.file == "") and self.locations then known = self.locations[row.name] end
  if not known or not known.file or known.file == "" then return nil end
  return known.file, known.line or known.start_line
end

--- The document that all of them begin with.
function methods:document(name)
  return { type = "pyroscope." .. name, warnings = self.warnings, partial = self.partial,
    head = { query = question.document(self.resolved, self.source.name), totals = self:totals() },
    title = { self:headline() } }
end

--- Exits with 4 when --max-other is exceeded; the answer is printed all the same.
function methods:check_other(other)
  local most = self.options.max_other
  if most and other > most then
    self.run:worsen(4)
    self.warnings[#self.warnings + 1] = ("%s is in truncated stacks, more than --max-other %s")
      :format(units.percent(other), units.percent(most))
  end
end

-- Names that hold the last word of what was typed, those that hold all of its words first: methods
-- have more in the middle than people write.
local function alike(names, typed, most)
  local words, all, some = {}, {}, {}
  for word in typed:lower():gmatch "[%w_$]+" do words[#words + 1] = word end
  local last = words[#words] or ""
  if #last < 3 then return all end
  for _, name in ipairs(names) do
    local lower = name:lower()
    local missing = not lower:find(last, 1, true)
    for _, word in ipairs(missing and {} or words) do
      if not lower:find(word, 1, true) then missing = "some" end
    end
    if not missing then
      all[#all + 1] = name
    elseif missing == "some" then
      some[#some + 1] = name
    end
  end
  table.move(some, 1, #some, #all + 1, all)
  return { table.unpack(all, 1, math.min(most, #all)) }
end

--- An error for a function that is not in the profile, with what it may have meant.
---@param name string
---@param what? string   "function"
---@return pyroscope.error
function methods:no_function(name, what)
  local names = {}
  for _, row in ipairs((self.profile:top(0, { by = "total" }))) do names[#names + 1] = row.name end
  local like = alike(names, name, 4)
  local near = like[1] and like or require "pyroscope.check".nearest(name, names, 3)
  return errors.new { kind = "no_data", code = "function",
    message = ("there is no %s '%s' in this profile"):format(what or "function", name),
    hint = near[1] and (like[1] and "like it: " or "nearest: ") .. table.concat(near, ", ")
      or "a pattern is an RE2 expression; pscope top lists the functions" }
end

return subject
