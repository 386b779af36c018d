--- How errors look: what failed, which request, what happened, where it was set, what to do next.

local errors = require "pyroscope.errors"
local screen = require "pyroscope.cli.screen"

local report = {}

local topics = { usage = nil, config = "errors" }

--- The exit code of an error; ctrl-c is 130.
---@param err pyroscope.error
---@return integer
function report.exit_code(err)
  if err.kind == "cancelled" and err.code == "interrupted" then return 130 end
  return errors.exit_code(err)
end

--- The error as `--json` writes it.
---@param err pyroscope.error
---@return string
function report.json(err)
  local json = require "pyroscope.output.json"
  local message = err.title and err.title .. ": " .. err.message or err.message
  local object = { kind = err.kind, code = err.code, message = message, hint = err.hint,
    status = err.status, where = err.where, url = err.url, retryable = err.retryable,
    exit = report.exit_code(err) }
  return '{"type":"pyroscope.error","schema":1,"error":' .. json.encode(object) .. "}\n"
end

local function printable_lines(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = screen.printable(line) end
  return lines
end

--- The lines of an error on a terminal.
---@param err pyroscope.error
---@param look table    a screen
---@return string
function report.text(err, look)
  local lines = {}
  local message = printable_lines(err.message)
  if err.title then -- what failed, apart from what happened
    lines[1] = look:style("error", "error:") .. " " .. screen.printable(err.title)
  else
    lines[1] = look:style("error", "error:") .. " " .. table.concat(message, " ")
  end
  local request = err.url
  if request then
    local method = err.method and err.method .. " " or ""
    lines[#lines + 1] = "  " .. method .. screen.printable(request)
  end
  if err.title then lines[#lines + 1] = "  " .. table.concat(message, " ") end
  local facts = {}
  if err.status then facts[#facts + 1] = ("HTTP %d"):format(err.status) end
  if err.where then facts[#facts + 1] = ("at byte %d"):format(err.where) end
  if err.tries and err.tries > 1 then facts[#facts + 1] = ("%d tries"):format(err.tries) end
  if #facts > 0 then lines[#lines + 1] = "  " .. table.concat(facts, ", ") end
  if err.origin then lines[#lines + 1] = "  from " .. screen.printable(err.origin) end
  if err.hint then
    lines[#lines + 1] = ""
    for i, line in ipairs(printable_lines(err.hint)) do
      lines[#lines + 1] = (i == 1 and look:style("hint", "hint") .. "  " or "      ") .. line
    end
  end
  local topic = topics[err.kind] or "errors"
  lines[#lines + 1] = look:style("dim", ("exit %d%spscope help %s"):format(report.exit_code(err),
    look.dot, topic))
  return table.concat(lines, "\n") .. "\n"
end

return report
