--- Findings as SARIF 2.1.0, which code hosts show beside the lines.

local json = require "pyroscope.output.json"
local screen = require "pyroscope.cli.screen"
local facts = require "pyroscope.investigate.render.facts"
local words = require "pyroscope.investigate.render.words"

local writer = {}

local RULES = {
  { "regression", "A function costs more than before" },
  { "new_code", "Code that was not there before costs something" },
  { "leak", "Memory or goroutines grow without bound" },
  { "contention", "Code waits longer than before" },
  { "improvement", "A function costs less than before" },
  { "removed_code", "Code that cost something is gone" },
}

local LEVEL = { critical = "error", high = "error", medium = "warning", low = "note" }

-- A path as a reference of a URI: everything that could end or change it is escaped.
local function uri(path)
  path = path:gsub("\\", "/"):gsub("[^%w%-%._~/]", function(c)
    return ("%%%02X"):format(c:byte())
  end)
  return path
end

local function result(report, f)
  local out = { ruleId = f.kind, level = words.fails(report, f) and LEVEL[f.severity] or "note",
    message = { text = screen.printable(f.title .. ". " .. table.concat(facts.list(f), "; ")) },
    partialFingerprints = { ["pyroscopeFinding/v1"] = f.fingerprint },
    properties = { severity = f.severity, confidence = f.confidence, ["function"] = f.name } }
  if f.location and f.location.file and f.location.file ~= "" then
    out.locations = json.array { { physicalLocation = {
      artifactLocation = { uri = uri(f.location.file) },
      region = { startLine = math.max(1, math.tointeger(f.location.line or 1) or 1) } } } }
  end
  return out
end

--- The report as SARIF.
---@param report pyroscope.report
---@return string
function writer.write(report)
  local rules, results = {}, {}
  for i, rule in ipairs(RULES) do
    rules[i] = { id = rule[1], shortDescription = { text = rule[2] } }
  end
  for i, f in ipairs(report.findings) do results[i] = result(report, f) end
  local run = { tool = { driver = { name = "pscope", version = require "pyroscope.core".version,
    rules = json.array(rules) } }, results = json.array(results),
    invocations = json.array { { executionSuccessful = true, exitCode = report.exit_code,
      toolExecutionNotifications = report.reason and json.array { { level = "warning",
        message = { text = screen.printable(words.reason(report)) } } } or nil } },
    properties = { recipe = report.recipe, verdict = report.verdict, summary =
      screen.printable(report.summary or "") } }
  return json.encode { ["$schema"] = "https://json.schemastore.org/sarif-2.1.0.json",
    version = "2.1.0", runs = json.array { run } } .. "\n"
end

return writer
