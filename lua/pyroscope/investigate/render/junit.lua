--- The report as a test suite for CI: one case for each finding, or one for the run.

local markup = require "pyroscope.investigate.render.markup"
local facts = require "pyroscope.investigate.render.facts"
local words = require "pyroscope.investigate.render.words"

local writer = {}

local escaped = markup.escaped

local function case(class, name, body)
  local head = ('  <testcase classname="%s" name="%s"'):format(escaped(class), escaped(name))
  return body and head .. ">\n    " .. body .. "\n  </testcase>\n" or head .. "/>\n"
end

--- The report as JUnit's XML.
---@param report pyroscope.report
---@return string
function writer.write(report)
  local class = table.concat({ "pscope", report.recipe, words.service(report) }, ".")
  local cases, failures, skipped = {}, 0, 0
  for _, f in ipairs(report.findings) do
    local body
    if words.fails(report, f) then
      failures = failures + 1
      local lines = { f.title, table.concat(facts.list(f), "; "),
        (table.concat((facts.chain(f)), " > ")) }
      for i, line in ipairs(lines) do lines[i] = escaped(line) end
      body = ('<failure type="%s" message="%s">%s</failure>'):format(escaped(f.kind),
        escaped(f.title), table.concat(lines, "\n"))
    end
    cases[#cases + 1] = case(class, f.title, body)
  end
  local errors = 0
  if #cases == 0 then
    local body
    if report.verdict == "inconclusive" then
      local reason = escaped(words.reason(report) or "inconclusive")
      if report.exit_code == 0 then
        skipped, body = 1, ('<skipped message="%s"/>'):format(reason)
      else
        errors, body = 1, ('<error type="inconclusive" message="%s"/>'):format(reason)
      end
    end
    cases[1] = case(class, report.summary or report.verdict, body)
  end
  return table.concat { '<?xml version="1.0" encoding="UTF-8"?>\n',
    ('<testsuite name="%s" tests="%d" failures="%d" errors="%d" skipped="%d">\n'):format(
      escaped(class), #cases, failures, errors, skipped), table.concat(cases), "</testsuite>\n" }
end

return writer
