--- What findings amount to: thresholds of the policies, severity, confidence, verdict, exit code.

local errors = require "pyroscope.errors"

local verdict = {}

--- What a finding has to pass, by policy.
---@type table<string, { alpha: number, min_share: number, min_rel: number, persists: boolean }>
verdict.policies = {
  page = { alpha = 0.01, min_share = 0.05, min_rel = 0.20, persists = true },
  ticket = { alpha = 0.05, min_share = 0.005, min_rel = 0.05, persists = true },
  explore = { alpha = 0.10, min_share = 0.001, min_rel = 0.02, persists = false },
}

--- Severities, least first.
verdict.severities = { "low", "medium", "high", "critical" }

local level = {}
for i, name in ipairs(verdict.severities) do level[name] = i end

-- Kinds that can fail a run.
local bad = { regression = true, new_code = true, leak = true, contention = true }

--- True for kinds of findings that make a verdict `regression`.
---@param kind string
---@return boolean
function verdict.is_bad(kind)
  return bad[kind] or false
end

--- True if a severity is at or above another.
---@param severity string
---@param fail_on string
---@return boolean
function verdict.at_least(severity, fail_on)
  return (level[severity] or 1) >= (level[fail_on] or 2)
end

--- The thresholds of a run: those of the policy, explicit options win.
---@param options? table          policy, alpha, min_share, min_rel
---@return { policy: string, alpha: number, min_share: number, min_rel: number, persists: boolean }
function verdict.bar(options)
  options = options or {}
  local policy = options.policy or "ticket"
  local known = verdict.policies[policy]
  if not known then
    error(("unknown policy '%s': one of page, ticket, explore"):format(tostring(policy)), 2)
  end
  return { policy = policy, alpha = options.alpha or known.alpha,
    min_share = options.min_share or known.min_share, min_rel = options.min_rel or known.min_rel,
    persists = known.persists }
end

-- Waits have no total of a service to be a share of: a tenth of a waiter is a tenth of the time
-- of one goroutine or thread.
local WAITS = { { 10, "critical" }, { 1, "high" }, { 0.05, "medium" } }

--- How bad a finding is if it is true. The change counts, not how sure we are of it.
---@param finding table           delta { abs, of_total }, slope { hours_to_limit }, unit
---@return "low"|"medium"|"high"|"critical"
function verdict.severity(finding)
  local delta, slope = finding.delta or {}, finding.slope or {}
  if slope.hours_to_limit and slope.hours_to_limit < 6 then return "critical" end
  local size = math.abs(delta.abs or 0)
  if finding.unit == "waiters" then
    for _, step in ipairs(WAITS) do
      if size >= step[1] then return step[2] end
    end
    return "low"
  end
  local share = delta.of_total and math.abs(delta.of_total)
  if share and share >= 0.20 then return "critical" end
  if share and share >= 0.05 or finding.unit == "cores" and size >= 1 then return "high" end
  if not share or share >= 0.01 then return "medium" end
  return "low"
end

--- The word for a score.
---@param score number
---@return "low"|"medium"|"high"
function verdict.word(score)
  return score >= 0.8 and "high" or score >= 0.5 and "medium" or "low"
end

local function worse_side(pair, worst)
  if type(pair) ~= "table" then return nil end
  local value
  for _, side in ipairs { "A", "B" } do
    local x = pair[side]
    if x then value = value and worst(value, x) or x end
  end
  return value
end

-- Replicates of each side: of the tests, else of the design.
local function replicates(context)
  local tests, design = context.tests, context.design
  if tests and tests.size and tests.size.n then return tests.size.n.A, tests.size.n.B end
  local given = design and design.replicates
  if given then return given.A, given.B end
  if design and design.A and design.B then return #design.A, #design.B end
end

-- How much the design can bear, and the most it can be worth.
local function design_factor(context)
  local design, tests = context.design or {}, context.tests or {}
  if tests.method == "tier0" or design.name == "quick" then return 0.5, 0.49 end
  local a, b = replicates(context)
  if not a then return 1, 1 end
  if design.unit == "day" then b = a end -- several days against one
  -- of trends processes are the replicates, and their points are many
  if design.name == "trend" then return 1, math.max(a, b) >= 2 and 1 or 0.79 end
  local n = math.min(a, b)
  if design.few_processes then return 0.5, 1 end
  if design.paired or n >= 5 then return 1, 1 end
  if n >= 3 then return 0.85, 1 end
  return 0.5, 0.49
end

local function data_factor(quality)
  local cap, factor = 1, 1
  local coverage = worse_side(quality.coverage, math.min)
  if coverage then
    factor = math.min(1, coverage / 0.95)
    if coverage < 0.8 then cap = 0.79 end
  end
  if quality.throttled then factor, cap = factor * 0.4, 0.49 end
  if quality.profiler_changed then factor, cap = factor * 0.5, 0.49 end
  local other = worse_side(quality.other_share, math.max)
  if other and other > 0.005 then cap = math.min(cap, 0.79) end
  return factor, cap
end

-- Guards whose effect is already in the factors of the data and of `other`.
local counted = { gaps = "data", instrumentation = "data", other = "other" }

--- How sure we are of a finding: the product of what its p value, its persistence, the design,
--- the data and truncation leave, and the word for it.
---@param finding table
---@param context { tests?: table, design?: table, quality?: table }
---@return number score           0 to 1
---@return "low"|"medium"|"high" word
---@return table<string, number> factors
function verdict.confidence(finding, context)
  local f = {}
  local q = finding.q or finding.test and finding.test.q
  f.q = not q and 1 or q <= 0.01 and 1 or q <= 0.05 and 0.85 or 0.6
  local state = finding.persistence and finding.persistence.state
  if not state and finding.kind == "leak" then state = "persists" end -- a trend lasts by itself
  f.persistence = state == "persists" and 1 or state == "fading" and 0.4 or 0.7
  local cap, most
  f.design, cap = design_factor(context)
  f.data, most = data_factor(context.quality or {})
  cap = math.min(cap, most, finding.confidence_cap or 1)
  f.other = finding.certain == false and 0.5 or 1
  f.guards = 1
  for _, guard in ipairs(finding.guards or {}) do
    if guard.result == "weakens" and guard.factor then
      local known = counted[guard.name]
      if known then
        f[known] = math.min(f[known], guard.factor)
      else
        f.guards = f.guards * guard.factor
      end
    end
  end
  local score = f.q * f.persistence * f.design * f.data * f.other * f.guards
  score = math.max(0, math.min(score, cap))
  return score, verdict.word(score), f
end

local DOUBTS = { { "persistence", "unknown", "too short to see if it lasts" },
  { "persistence", "fading", "fading at the end" }, { "design", nil, "few replicates" },
  { "other", nil, "truncated stacks could hide it" } }

--- What takes from the confidence, in words.
---@param finding table
---@param factors table<string, number>
---@param context { quality?: table, tests?: table }
---@return string[]?
function verdict.doubts(finding, factors, context)
  local list, quality = {}, context.quality or {}
  if factors.q < 0.8 then list[1] = "the evidence is thin" end
  local state = finding.persistence and finding.persistence.state or "unknown"
  for _, row in ipairs(DOUBTS) do
    if factors[row[1]] < 1 and (not row[2] or row[2] == state) then list[#list + 1] = row[3] end
  end
  if quality.throttled then list[#list + 1] = "profiles were throttled" end
  if quality.profiler_changed then list[#list + 1] = "the profiler changed" end
  local coverage = worse_side(quality.coverage, math.min)
  if coverage and coverage < 0.95 then list[#list + 1] = "profiles are missing" end
  for _, guard in ipairs(finding.guards or {}) do
    if guard.result == "weakens" and not counted[guard.name] then
      list[#list + 1] = guard.note or guard.name
    end
  end
  return #list > 0 and list or nil
end

--- What the tests could have missed: the smallest change that they see four times in five, in
--- functions that hold 1 % and 5 % of the total, and whether that meets `must_detect`.
---@param tests pyroscope.tests
---@param options? table          policy and thresholds, must_detect
---@return table sensitivity
function verdict.sensitivity(tests, options)
  local stats = require "pyroscope.investigate.stats"
  local bar = verdict.bar(options)
  local mde = {}
  for i, share in ipairs { 0.01, 0.05 } do
    mde[i] = { share = share, rel = stats.mde_at(tests, share, bar) }
  end
  return { alpha = bar.alpha, tests = tests.m, mde = mde, root = tests.root and tests.root.mde }
end

--- Does a sensitivity allow to say that nothing changed? nil: it does not tell.
---@param sensitivity table?
---@param must_detect number?     of the service total, default 0.10
---@return boolean?
function verdict.sees(sensitivity, must_detect)
  if not sensitivity then return nil end
  if sensitivity.met ~= nil then return sensitivity.met end
  for _, row in ipairs(sensitivity.mde or {}) do
    if math.abs(row.share - 0.05) < 1e-9 then
      local rel = row.rel
      return rel ~= nil and rel == rel and 0.05 * rel <= (must_detect or 0.10)
    end
  end
  return nil
end

-- `assert_unchanged`: is the total the same within the given part?
local function unchanged(tests, options)
  local root, part = tests and tests.root, options.assert_unchanged
  if not part or not root then return true end
  local stats = require "pyroscope.investigate.stats"
  local _, same = stats.equivalence(root.d, root.se, root.df, math.log(1 + part),
    verdict.bar(options).alpha)
  return same
end

local function best(findings, wanted)
  local score
  for _, finding in ipairs(findings) do
    if wanted(finding) then score = math.max(score or 0, finding.confidence_score or 0) end
  end
  return score
end

-- The recipe's own word where it gave none: what was found, or what explains that nothing was.
local function outcome_of(word, findings, explained)
  if word == "regression" then
    local kind = findings[1] and findings[1].kind
    return (kind == "leak" or kind == "contention") and kind or word
  end
  if word ~= "no_change" then return word end
  local kind
  for _, entry in ipairs(explained) do
    -- the runtime follows load and allocation a little in every run
    if entry.kind ~= "runtime" then
      if kind and entry.kind ~= kind then return word end
      kind = entry.kind
    end
  end
  return kind or word
end

-- Verdict and reason of findings, tests and quality.
local function judge(state, options)
  local quality = state.quality or {}
  if quality.ok == false then return "inconclusive", quality.reason or "quality" end
  local only_better = #state.findings > 0
  for _, finding in ipairs(state.findings) do
    if bad[finding.kind] and verdict.at_least(finding.severity, options.fail_on or "medium") then
      return "regression"
    end
    only_better = only_better and not bad[finding.kind]
  end
  if state.reason then return "inconclusive", state.reason end
  if not unchanged(state.tests, options) then return "inconclusive", "not_equivalent" end
  if only_better then return "improvement" end
  local seen = verdict.sees(state.sensitivity, options.must_detect)
  if seen == nil then return "inconclusive", "sensitivity_unknown" end
  if not seen then return "inconclusive", "mde_too_large" end
  return "no_change"
end

--- The verdict of a run and what follows from it. `verdict` and `outcome` given by a recipe stay.
---@param state { findings: table[], explained_away?: table[], tests?: table, sensitivity?: table,
---  quality?: table, design?: table, verdict?: string, outcome?: string, reason?: string,
---  partial?: boolean }
---@param options? table          fail_on, on_inconclusive, must_detect, assert_unchanged, policy
---@return { verdict: string, outcome: string, reason?: string, confidence_score?: number,
---  confidence?: string, exit_code: integer }
function verdict.decide(state, options)
  options = options or {}
  local explained = state.explained_away or {}
  local word, reason = state.verdict, state.reason
  if not word then word, reason = judge(state, options) end
  local result = { verdict = word, reason = reason,
    outcome = state.outcome or outcome_of(word, state.findings, explained) }

  local score
  if word == "regression" then
    score = best(state.findings, function(f) return bad[f.kind] end)
  elseif word == "improvement" then
    score = best(state.findings, function(f) return not bad[f.kind] end)
  elseif word == "no_change" then
    local design, cap = design_factor(state)
    local data, most = data_factor(state.quality or {})
    score = math.min(design * data, cap, most)
  end
  if score then result.confidence_score, result.confidence = score, verdict.word(score) end

  local code = 0
  local partial = state.partial or state.quality and state.quality.partial
  if word == "regression" then
    code = 10
  elseif word == "inconclusive" then
    if reason == "no_data" then
      code = 6
    elseif options.on_inconclusive ~= "ok" then
      code = 11
    end
  end
  if partial then code = errors.worse(code, 4) end
  result.exit_code = code
  return result
end

return verdict
