-- Did a service become dearer, since when, in which code?
-- Usage: lua cpu_regression.lua SERVICE [FOLDER]     (a folder of profiles, else $PYROSCOPE_URL)
local pyroscope = require "pyroscope"

local service, folder = arg[1] or "checkout", arg[2]
local source = assert(folder and pyroscope.open(folder)
  or pyroscope.connect { url = os.getenv "PYROSCOPE_URL" })

local report = assert(pyroscope.investigate("cpu_regression", source, {
  selector = ('{service_name="%s"}'):format(service),
  at = "auto",   -- or a time, { version = { "v41", "v42" } }, { A = "-2h..-1h", B = "-1h..now" }
}))
print(report:text())

for _, finding in ipairs(report.findings) do
  local place = finding.location
  if place then print(("%s:%d  %s"):format(place.file, place.line or 1, finding.title)) end
end
os.exit(report.exit_code)
