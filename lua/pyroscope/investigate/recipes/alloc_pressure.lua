--- Which code creates garbage, did it change, what does the collector cost because of it?

local inv = require "pyroscope.investigate"

return function(source, options)
  local case, err = inv.case.open(source, options, { "alloc_bytes" })
  if not case then return nil, err end
  if not case.quality.ok then return inv.case.report(case, { recipe = "alloc_pressure" }) end
  case, err = inv.case.fetch(case, inv.heap.quantum)
  if not case then return nil, err end
  local result
  result, err = inv.case.causes(case)
  if not result then return nil, err end
  inv.heap.split(case, result.findings)

  local notes, tables = {}, {}
  local collector = inv.heap.collector(case)
  if collector then
    tables[1] = { title = "What it costs the CPU", columns = { { key = "what", label = "work" },
      { key = "before", label = "before", unit = "share" },
      { key = "after", label = "after", unit = "share" } },
      rows = { { what = "garbage collector", before = collector.gc.A, after = collector.gc.B },
        { what = "allocator", before = collector.alloc.A, after = collector.alloc.B } } }
    notes[1] = { code = "apportioned", message = "a site's part of the collector is apportioned "
      .. "by bytes: the collector is not charged to who allocates" }
    local growth = result.tests.size.total.B > 0 and collector.gc.B or 0
    for _, finding in ipairs(result.findings) do
      finding.tax = growth * finding.after.total * result.tests.size.n.B
        / result.tests.size.total.B
    end
  end
  return inv.case.report(case, { recipe = "alloc_pressure", notes = notes, tables = tables,
    next = #result.findings > 0 and { { recipe = "cpu_regression", args = {} } } or {} }, result)
end
