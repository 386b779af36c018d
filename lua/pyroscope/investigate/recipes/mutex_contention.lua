--- Which lock costs waiting time, did it get worse, more often or longer?

local inv = require "pyroscope.investigate"

return function(source, options)
  local case, err = inv.case.open(source, options, { "mutex_delay" }, { unit = "pod" })
  if not case then return nil, err end
  if not case.quality.ok then return inv.case.report(case, { recipe = "mutex_contention" }) end
  case, err = inv.case.fetch(case)
  if not case then return nil, err end

  local result = inv.waiting.judge(case, { bar = options.bar, alpha = options.alpha,
    min_rel = options.min_rel })

  local notes = { case.union.runtime == "go"
    and { code = "holder", message = "this critical section made others wait: the stack is that "
      .. "of the holder, at its unlock" }
    or { code = "waiter", message = "these threads waited: the stack is that of the waiter" } }
  return inv.case.report(case, { recipe = "mutex_contention", findings = result.findings,
    sensitivity = result.sensitivity, totals = result.totals, tables = result.tables,
    reason = result.reason, unit = "waiters", notes = notes,
    next = { { recipe = "breakdown", args = { class = "mutex_delay" } } } })
end
