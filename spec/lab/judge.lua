--- The judgement of recipes about flows on samples: what `cpu_regression` does once it has
--- fetched. Ablations replace a step for the time of one judgement.

local tree = require "pyroscope.investigate.tree"
local analyse = require "pyroscope.investigate.analyse"
local verdict = require "pyroscope.investigate.verdict"

local judge = {}

--- The modules whose functions an ablation may replace.
judge.steps = { stats = require "pyroscope.investigate.stats", normalise = require "pyroscope.investigate.normalise",
  explain = require "pyroscope.investigate.explain", shifts = require "pyroscope.investigate.shifts",
  guards = require "pyroscope.investigate.guards", frames = require "pyroscope.investigate.frames" }

-- Runs with functions replaced (`{ ["guards.load"] = f }`), and puts them back whatever happens.
local function replacing(change, run)
  local kept = {}
  for key, f in pairs(change) do
    local module, name = key:match "^(%w+)%.(.+)$"
    kept[key] = judge.steps[module][name] or error("no such step: " .. key)
    judge.steps[module][name] = f
  end
  local result = table.pack(pcall(run))
  for key, f in pairs(kept) do
    local module, name = key:match "^(%w+)%.(.+)$"
    judge.steps[module][name] = f
  end
  if not result[1] then error(result[2], 0) end
  return table.unpack(result, 2, result.n)
end

---@class lab.judgement: pyroscope.analysis
---@field found pyroscope.finding[]       standing and explained away

--- Passes judgement.
---@param samples pyroscope.samples
---@param design table
---@param policy? string
---@param context? { quality?: table, class?: string, domains?: table }
---@param change? table<string, function>
---@return lab.judgement
function judge.run(samples, design, policy, context, change)
  local function run()
    local u = assert(tree.union(samples))
    return analyse(u, design, verdict.bar { policy = policy }, context or {})
  end
  local result = change and replacing(change, run) or not change and run()
  result.found = table.move(result.findings, 1, #result.findings, 1, {})
  for _, entry in ipairs(result.explained) do
    for _, finding in ipairs(entry.findings or {}) do result.found[#result.found + 1] = finding end
  end
  if os.getenv "LAB_TELL" then judge.tell(result) end
  return result
end

--- Writes a judgement to standard error: for a run that missed its goal.
---@param result lab.judgement
function judge.tell(result)
  local tests = result.tests
  io.stderr:write(("R %.3f load %.3f%s rho %s vif %.2f sigma0 %.4f m %d\n"):format(tests.size.R, result.load.ratio,
    result.load.changed and "!" or "", tests.rho and ("%.2f"):format(tests.rho) or "-", tests.vif,
    math.sqrt(tests.sigma2_0), tests.m))
  local function line(finding, why)
    io.stderr:write(("  %-12s %-11s %s d %.3f se %.3f df %.1f q %.2g of_total %+.2f%% %s%s\n"):format(why, finding.kind,
      finding.name, finding.d, finding.se, finding.df, finding.q, 100 * finding.delta.of_total,
      finding.persistence and finding.persistence.state or "", finding.certain and " certain" or ""))
    io.stderr:write("    ", table.concat(finding.path, " > ", finding.entry), "\n")
  end
  for _, finding in ipairs(result.findings) do line(finding, "stands") end
  for _, entry in ipairs(result.explained) do
    for _, finding in ipairs(entry.findings or {}) do line(finding, entry.kind) end
  end
end

--- Is one of these frames in the range of a finding, from entry to the last hot frame?
---@param finding pyroscope.finding
---@param frames string[]
---@return boolean inside
---@return boolean exact
function judge.locates(finding, frames)
  local names = { [finding.name] = true }
  for i = finding.entry or 1, finding.node or 0 do names[finding.path[i]] = true end
  for _, name in ipairs(finding.hot or {}) do names[name] = true end
  for _, frame in ipairs(frames) do
    if names[frame] then return true, finding.name == frame end
  end
  return false, false
end

--- How many findings name none of the frames of a truth.
---@param findings pyroscope.finding[]
---@param truth lab.truth
---@return integer
function judge.false_findings(findings, truth)
  local count = 0
  for _, finding in ipairs(findings) do
    if truth.causes == 0 or not judge.locates(finding, truth.frames) then count = count + 1 end
  end
  return count
end

return judge
