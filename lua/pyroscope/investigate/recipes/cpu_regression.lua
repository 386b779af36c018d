--- Did this service become more expensive, since when, in which code, by how much?

local inv = require "pyroscope.investigate"

return function(source, options)
  local case, err = inv.case.open(source, options, { "cpu", "wall" })
  if not case then return nil, err end
  if not case.quality.ok then return inv.case.report(case, { recipe = "cpu_regression" }) end
  case, err = inv.case.fetch(case)
  if not case then return nil, err end
  local result
  result, err = inv.case.causes(case)
  if not result then return nil, err end
  local subject, design, quality = case.subject, case.design, case.quality

  local notes = {}
  if subject.class == "wall" then
    notes[1] = { code = "wall",
      message = "there is no CPU type: wall time, which includes waiting" }
  end
  local next_steps = {}
  for _, finding in ipairs(result.findings) do
    if finding.delta.abs > 0 then
      next_steps[1] = { recipe = "breakdown", args = {} }
      if inv.frames.gc(finding.name, subject.runtime) then
        next_steps[2] = { recipe = "alloc_pressure", args = {} }
      end
    end
  end
  if #result.findings == 0 and design.unit == "pod" and quality.instance_label then
    notes[#notes + 1] = { code = "one_instance", message = "processes were compared: what only one "
      .. "of few does differently is taken for its luck; breakdown by instance shows it" }
    next_steps[1] = { recipe = "breakdown", args = { by = quality.instance_label } }
  end
  if #result.findings == 0 and result.load.changed then
    next_steps[1] = { recipe = "what_changed", args = {} }
  end
  return inv.case.report(case, { recipe = "cpu_regression", notes = notes, next = next_steps },
    result)
end
