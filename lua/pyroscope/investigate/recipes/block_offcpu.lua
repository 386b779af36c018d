--- Where does wall time go when it is not CPU?

local inv = require "pyroscope.investigate"

return function(source, options)
  local case, err = inv.case.open(source, options, { "block_delay" }, { unit = "pod" })
  if not case then return nil, err end
  if not case.quality.ok then return inv.case.report(case, { recipe = "block_offcpu" }) end
  case, err = inv.case.fetch(case)
  if not case then return nil, err end

  local result = inv.waiting.judge(case, { bar = options.bar, alpha = options.alpha,
    min_rel = options.min_rel, idle = false })

  local notes = { { code = "idle", message = ("waits of idle workers, listeners and tickers are "
    .. "left out: %.2f mean waiters before, %.2f after"):format(result.idle.A, result.idle.B) } }
  local next_steps = {}
  for _, finding in ipairs(result.findings) do
    if finding.wait and finding.wait.class == "lock" then
      next_steps[1] = { recipe = "mutex_contention", args = {} }
    end
  end
  if #result.findings > 0 then
    notes[2] = { code = "consequence", message = "a wait is often the consequence of another "
      .. "fault: where another recipe finds a cause in the same windows, that one comes first" }
    next_steps[#next_steps + 1] = { recipe = "what_changed", args = {} }
  end
  return inv.case.report(case, { recipe = "block_offcpu", findings = result.findings,
    sensitivity = result.sensitivity, totals = result.totals, tables = result.tables,
    reason = result.reason, unit = "waiters", notes = notes, next = next_steps })
end
