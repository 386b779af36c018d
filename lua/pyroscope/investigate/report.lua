--- The one document that every recipe returns: verdict, findings, what explains the rest, what
--- could have been missed, how good the data is. Schema `pyroscope-investigation/1`.

local check = require "pyroscope.check"
local document = require "pyroscope.investigate.document"
local errors = require "pyroscope.errors"
local finding = require "pyroscope.investigate.finding"
local quantity = require "pyroscope.investigate.quantity"
local verdict = require "pyroscope.investigate.verdict"

local report = {}
local methods = {}
local meta = { __name = "pyroscope.report", __index = methods }

report.schema = "pyroscope-investigation/1"

local ALLOWED = { recipe = "string", recipe_version = "integer", verdict = "string",
  outcome = "string", reason = "string", reason_text = "string", subject = "table",
  design = "table", findings = "table", explained_away = "table", shifts = "table",
  tests = "table", sensitivity = "table", quality = "table", totals = "table",
  normalisation = "table", options = "table", summary = "string", extra = "table",
  tables = "table", timeline = "table", notes = "table", facts = "table", icicle = "table",
  union = "userdata|table", quantum = "table|number", unit = "string", factors = "table",
  ranked = "boolean", partial = "boolean", provenance = "table", requests = "table",
  next = "table", links = "table", confidence = "string", confidence_score = "number",
  groups = "table" }

local VERDICTS = { regression = true, improvement = true, no_change = true, inconclusive = true,
  not_tested = true }

-- What fails a run first, then by change times confidence, then by relative change, then by name.
local function by_weight(a, b)
  local x, y = verdict.is_bad(a.kind), verdict.is_bad(b.kind)
  if x ~= y then return x end
  local wa = math.abs(a.delta.abs or a.delta.of_total or 0) * a.confidence_score
  local wb = math.abs(b.delta.abs or b.delta.of_total or 0) * b.confidence_score
  if wa ~= wb then return wa > wb end
  local ra, rb = math.abs(a.delta.rel or 0), math.abs(b.delta.rel or 0)
  if ra ~= rb then return ra > rb end
  return (a.name or "") < (b.name or "")
end

local function findings_of(kept, context, state, given)
  local out = {}
  for i, f in ipairs(kept) do
    local done = finding.complete(f, context)
    done.severity = done.severity or verdict.severity(done)
    local factors
    done.confidence_score, done.confidence, factors = verdict.confidence(done, state)
    if f.confidence_score then
      done.confidence_score, done.confidence = f.confidence_score,
        verdict.word(f.confidence_score)
    end
    done.doubts = done.confidence ~= "high" and verdict.doubts(done, factors, state) or nil
    done.q, done.confidence_cap = nil, nil
    done.fingerprint = done.fingerprint or finding.fingerprint(done, context.subject)
    done.title = done.title or finding.title(done, done.unit)
    out[i] = done
  end
  if not given.ranked then table.sort(out, by_weight) end
  for i, f in ipairs(out) do f.id, f.rank = "f" .. i, i end
  return out
end

--- A report of what a recipe found. Every fact but the recipe's name may be absent.
---@param given pyroscope.report.given
---@return pyroscope.report
function report.new(given)
  check.options("report.new", given, ALLOWED)
  if given.verdict and not VERDICTS[given.verdict] then
    error(("report.new: unknown verdict '%s'"):format(given.verdict), 2)
  end
  local options = given.options or {}
  local subject = document.subject(given.subject)
  local tests = given.tests
  local quantum = given.quantum or given.union and given.union.quantum
  if type(quantum) == "number" then quantum = { value = quantum } end
  local context = { subject = subject, tests = tests, quantum = quantum,
    unit = given.unit or quantity.unit(subject), ready = given.unit ~= nil }
  context.factors = given.factors or given.design and quantity.factors(subject, given.design,
    { profiles = tests and tests.size and tests.size.profiles
      or given.quality and given.quality.profiles, n = tests and tests.size and tests.size.n })
  context.totals = document.totals(given, context, { tests = tests, union = given.union })
  local state = { tests = tests, design = given.design, quality = given.quality }
  local kept, away = document.sort_out(given, verdict.bar(options), context)
  local self = { schema = report.schema, recipe = given.recipe,
    recipe_version = given.recipe_version or 1, subject = subject,
    design = document.design(given.design, tests), totals = context.totals, unit = context.unit,
    normalisation = document.normalisation(given.normalisation, tests, given.quality),
    findings = findings_of(kept, context, state, given), explained_away = away,
    sensitivity = document.copy(given.sensitivity)
      or tests and verdict.sensitivity(tests, options),
    data_quality = document.quality(given.quality, given.partial),
    tables = document.tables(given.tables), timeline = document.timeline(given.timeline),
    notes = document.messages(given.notes), facts = document.facts(given.facts, context.unit),
    extra = given.extra, next = given.next, links = given.links,
    icicle = document.icicle(given.icicle, context), groups = given.groups,
    reason_text = given.reason_text,
    provenance = document.provenance(given, options, given.quality) }
  state.findings, state.explained_away, state.sensitivity = self.findings, away, self.sensitivity
  state.verdict, state.outcome, state.reason = given.verdict, given.outcome, given.reason
  state.partial = given.partial
  local decided = verdict.decide(state, options)
  for key, value in pairs(decided) do self[key] = value end
  if self.sensitivity and self.sensitivity.met == nil then
    self.sensitivity.must_detect = options.must_detect or 0.10
    self.sensitivity.met = verdict.sees(self.sensitivity, options.must_detect)
  end
  if given.confidence_score then
    self.confidence_score = given.confidence_score
    self.confidence = verdict.word(given.confidence_score)
  end
  self.confidence = given.confidence or self.confidence
  self.summary = given.summary
  setmetatable(self, meta)
  for key, value in pairs(self) do
    if key ~= "icicle" then self[key] = document.rounded(value) end
  end
  if not self.summary then
    self.summary = require "pyroscope.investigate.render.words".summary(self)
  end
  return self
end

-- What JSON has lost: whole numbers are integers again. `null` says no more than absence.
local function restored(value)
  if type(value) == "table" then
    local out = {}
    for key, item in pairs(value) do out[key] = restored(item) end
    return out
  end
  if type(value) == "userdata" then return nil end
  return math.type(value) == "float" and math.tointeger(value) or value
end

-- Fields of a document and of a finding that every writer relies on.
local SHAPE = { verdict = "string", exit_code = "integer", subject = "table", design = "table",
  totals = "table", sensitivity = "table", data_quality = "table", provenance = "table",
  normalisation = "table", summary = "string", recipe = "string", outcome = "string" }
local FINDING = { id = "string", fingerprint = "string", rank = "integer", kind = "string",
  title = "string", severity = "string", confidence = "string", confidence_score = "number",
  name = "string", delta = "table", path = "table", entry = "integer", node = "integer",
  before = "table", after = "table", blocks = "table", location = "table", test = "table",
  persistence = "table", labels = "table", slope = "table", unit = "string" }
local NEEDED = { "id", "fingerprint", "rank", "kind", "title", "severity", "confidence",
  "confidence_score" }

local function misshapen(value, shape)
  for key, kind in pairs(shape) do
    local item = value[key]
    if item ~= nil and type(item) ~= kind and math.type(item) ~= kind then return key end
  end
end

-- The first thing that is not as the schema has it, or nil.
local function wrong(self)
  local bad = type(self.verdict) ~= "string" and "verdict" or misshapen(self, SHAPE)
  if bad then return bad end
  for i, f in ipairs(self.findings) do
    local where = ("findings[%d]"):format(i - 1)
    if type(f) ~= "table" then return where end
    bad = misshapen(f, FINDING)
    for _, key in ipairs(NEEDED) do
      if f[key] == nil then bad = bad or key end
    end
    if bad then return where .. "." .. bad end
  end
end

--- A report from its JSON.
---@param text string
---@return pyroscope.report? report
---@return pyroscope.error? err
function report.from_json(text)
  local cjson = require "cjson".new()
  cjson.decode_max_depth(64)
  cjson.decode_invalid_numbers(false)
  local ok, value = pcall(cjson.decode, text)
  if not ok or type(value) ~= "table" then
    return nil, errors.new { kind = "decode", message = "a report is not JSON"
      .. (ok and "" or ": " .. tostring(value)) }
  end
  local schema = value.schema
  if type(schema) ~= "string" or not schema:find "^pyroscope%-investigation/1%f[\0.]" then
    return nil, errors.new { kind = "unsupported",
      message = ("this is no report of schema %s"):format(report.schema) }
  end
  local self = restored(value)
  for _, key in ipairs { "findings", "explained_away", "tables", "timeline", "notes" } do
    if type(self[key]) ~= "table" then self[key] = {} end
  end
  self.data_quality = self.data_quality or { warnings = {} }
  local where = wrong(self)
  if where then
    return nil, errors.new { kind = "decode",
      message = ("this is no whole report: %s is missing or of another type"):format(where) }
  end
  for _, f in ipairs(self.findings) do
    f.delta = f.delta or {}
    if f.entry then f.entry = f.entry + 1 end
    if f.node then f.node = f.node + 1 end
  end
  return setmetatable(self, meta)
end

local function worse(old, new)
  if not verdict.is_bad(new.kind) then return false end
  local before, after = math.abs(old.delta.abs or 0), math.abs(new.delta.abs or 0)
  return verdict.is_bad(old.kind) == false or after > before * 1.25
    or old.severity ~= new.severity and verdict.at_least(new.severity, old.severity)
end

--- What is new, goes on or is over between two runs, by fingerprint.
---@param old pyroscope.report?
---@param new pyroscope.report
---@return { new: table[], worse: table[], ongoing: table[], resolved: table[], verdict: string[] }
function report.compare(old, new)
  local before, seen = {}, {}
  for _, f in ipairs(old and old.findings or {}) do before[f.fingerprint] = f end
  local result = { new = {}, worse = {}, ongoing = {}, resolved = {},
    verdict = { old and old.verdict or "not_tested", new.verdict } }
  for _, f in ipairs(new.findings) do
    local past = before[f.fingerprint]
    seen[f.fingerprint] = true
    local list = not past and result.new or worse(past, f) and result.worse or result.ongoing
    list[#list + 1] = f
  end
  -- a run that could not tell has resolved nothing
  if new.verdict ~= "inconclusive" then
    for _, f in ipairs(old and old.findings or {}) do
      if not seen[f.fingerprint] then result.resolved[#result.resolved + 1] = f end
    end
  end
  return result
end

--- The fingerprint of a finding about a subject.
report.fingerprint = finding.fingerprint

local WRITERS = { text = "text", markdown = "markdown", md = "markdown", html = "html",
  quickfix = "quickfix", diagnostics = "diagnostics", json = "json", sarif = "sarif",
  junit = "junit" }

--- The formats that `render` knows.
report.formats = { "text", "markdown", "html", "json", "quickfix", "diagnostics", "sarif",
  "junit" }

--- The report in one of its forms.
---@param format string
---@param options? table          those of the writer (`text`: width, all, color, utf8, tz)
---@return string
function methods:render(format, options)
  local name = WRITERS[format]
  if not name then
    error(("report: unknown format '%s'%s"):format(tostring(format),
      check.suggestion(tostring(format), report.formats)), 2)
  end
  if name == "diagnostics" then
    return require "pyroscope.investigate.render.quickfix".diagnostics(self)
  end
  return require("pyroscope.investigate.render." .. name).write(self, options)
end

for name in pairs { text = 1, markdown = 1, html = 1, quickfix = 1, diagnostics = 1, json = 1,
  sarif = 1, junit = 1 } do
  methods[name] = function(self, options) return self:render(name, options) end
end

local EXTENSIONS = { json = "json", md = "markdown", html = "html", htm = "html", txt = "text",
  sarif = "sarif", xml = "junit", qf = "quickfix" }

--- Writes the report to a file, replacing one; the form is that of the extension.
---@param path string
---@param options? { format?: string }
---@return true? ok
---@return pyroscope.error? err
function methods:save(path, options)
  local format = options and options.format or EXTENSIONS[path:match "%.(%w+)$" or ""]
  if not format then
    return nil, errors.new { kind = "usage",
      message = ("cannot tell the form of a report from the name '%s'"):format(path),
      hint = "end it with .json, .html, .md, .txt, .qf, .sarif or .xml" }
  end
  return require "pyroscope.system".write_file(path, self:render(format, { all = true }),
    { force = true })
end

--- One line: verdict and what it is about.
function meta:__tostring()
  return ("%s: %s"):format(self.verdict, self.summary or "")
end

return report
