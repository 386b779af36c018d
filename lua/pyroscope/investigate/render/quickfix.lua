--- Findings as `file:line:col: severity: kind: title` for `nvim -q` and `:cexpr`, and as
--- diagnostics of an editor.

local json = require "pyroscope.output.json"
local screen = require "pyroscope.cli.screen"
local verdict = require "pyroscope.investigate.verdict"

local writer = {}

local SEVERITY = { critical = "error", high = "error", medium = "warning", low = "info" }

--- The severity of a finding in an editor's words.
---@param f table
---@return "error"|"warning"|"info"
function writer.severity(f)
  return verdict.is_bad(f.kind) and SEVERITY[f.severity] or "info"
end

local function placed(f)
  return f.location and f.location.file and f.location.file ~= ""
end

--- One line for each finding that has a place.
---@param report pyroscope.report
---@return string
function writer.write(report)
  local lines = {}
  for _, f in ipairs(report.findings) do
    if placed(f) then
      lines[#lines + 1] = ("%s:%d:1: %s: %s: %s\n"):format(screen.printable(f.location.file),
        math.max(1, f.location.line or 1), writer.severity(f), f.kind, screen.printable(f.title))
    end
  end
  return table.concat(lines)
end

local NUMBER = { error = 1, warning = 2, info = 3 } -- those of vim.diagnostic.severity

--- A JSON array as `vim.diagnostic.set` takes it, with the file beside: lines count from 0.
---@param report pyroscope.report
---@return string
function writer.diagnostics(report)
  local rows = {}
  for _, f in ipairs(report.findings) do
    if placed(f) then
      rows[#rows + 1] = { file = f.location.file, lnum = math.max(1, f.location.line or 1) - 1,
        col = 0, severity = NUMBER[writer.severity(f)], source = "pscope", code = f.kind,
        message = f.title, user_data = { fingerprint = f.fingerprint, id = f.id } }
    end
  end
  return json.encode(json.array(rows)) .. "\n"
end

return writer
