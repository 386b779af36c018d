-- A gate for CI: is the new version dearer than the old one?  Fails the job on a regression, passes
-- when nothing can be told, and leaves a report and annotations for the pipeline behind.
-- Usage: lua deploy_check.lua SERVICE OLD NEW [FOLDER]
local pyroscope = require "pyroscope"

local service, old, new, folder = arg[1], arg[2], arg[3], arg[4]
local source = assert(folder and pyroscope.open(folder)
  or pyroscope.connect { url = os.getenv "PYROSCOPE_URL" })

local failed = false
for _, recipe in ipairs { "cpu_regression", "alloc_pressure" } do
  local report, err = pyroscope.investigate(recipe, source, {
    selector = ('{service_name="%s"}'):format(service),
    at = { version = { old, new } },
    fail_on = "high", on_inconclusive = "ok", deadline = "60s",
  })
  if not report then
    io.stderr:write(recipe, ": ", tostring(err), "\n")
    os.exit(3)
  end
  print(report.verdict, report.summary)
  assert(report:save(recipe .. ".html"))
  assert(report:save(recipe .. ".sarif"))
  failed = failed or report.exit_code == 10
end
os.exit(failed and 10 or 0)
