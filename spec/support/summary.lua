-- Output of busted: silent while all is well, one block per failure, a line per skipped case
-- with its reason, and "N passed, N failed, N skipped" as the last line.

local function text(message)
  if message == nil then return "no message" end
  if type(message) == "string" then return message end
  return (require "pl.pretty".write(message))
end

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local function where(element)
    local trace = element.trace
    return trace and trace.short_src and (trace.short_src .. ":" .. trace.currentline .. ": ") or ""
  end

  handler.suiteEnd = function()
    -- one line for each reason, with the number of cases that share it
    local reasons, order = {}, {}
    for _, case in ipairs(handler.pendings) do
      local reason = case.message and text(case.message) or case.name
      if not reasons[reason] then
        reasons[reason] = 0
        order[#order + 1] = reason
      end
      reasons[reason] = reasons[reason] + 1
    end
    for _, reason in ipairs(order) do
      io.write(("skipped %d: %s\n"):format(reasons[reason], reason))
    end
    for _, kind in ipairs { "failures", "errors" } do
      for _, case in ipairs(handler[kind]) do
        io.write(("FAILED %s%s\n  %s\n"):format(where(case.element), case.name,
          (text(case.message):gsub("\n", "\n  "))))
        if case.isError and case.trace and case.trace.traceback then
          io.write("  ", (case.trace.traceback:gsub("\n", "\n  ")), "\n")
        end
      end
    end
    local line = ("%d passed, %d failed"):format(handler.successesCount,
      handler.failuresCount + handler.errorsCount)
    if handler.pendingsCount > 0 or #handler.pendings > 0 then
      line = line .. (", %d skipped"):format(#handler.pendings)
    end
    io.write(line, "\n")
    io.flush()
    return nil, true
  end

  busted.subscribe({ "suite", "end" }, handler.suiteEnd)
  return handler
end
