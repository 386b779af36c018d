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
  local load = #result.findings > 0 and inv.waiting.cpu_load(case) or nil
  for _, finding in ipairs(result.findings) do
    finding.guards = inv.guards.all({ u = case.union, found = result.findings,
      quality = case.quality, cpu_load = finding.delta.abs > 0 and load or nil }, finding)
  end
  inv.evidence.locate(source, case.subject, case.design, result.findings)
  inv.where.find(source, case.subject, case.design, result.findings,
    { max_nodes = options.max_nodes, names = options.name_rules,
      counters = case.quality.counter_like })

  local notes = { case.union.runtime == "go"
    and { code = "holder", message = "this critical section made others wait: the stack is that "
      .. "of the holder, at its unlock" }
    or { code = "waiter", message = "these threads waited: the stack is that of the waiter" } }
  return inv.case.report(case, { recipe = "mutex_contention", findings = result.findings,
    sensitivity = result.sensitivity, totals = result.totals, tables = result.tables,
    reason = result.reason, unit = "waiters", notes = notes,
    next = { { recipe = "breakdown", args = { class = "mutex_delay" } } } })
end
