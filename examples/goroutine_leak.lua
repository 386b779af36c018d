-- Are goroutines piling up, who starts them, where do they block?
-- Usage: lua goroutine_leak.lua SERVICE [FOLDER]     (a folder of profiles, else $PYROSCOPE_URL)
local pyroscope = require "pyroscope"

local service, folder = arg[1] or "checkout", arg[2]
local source = assert(folder and pyroscope.open(folder)
  or pyroscope.connect { url = os.getenv "PYROSCOPE_URL" })

local report = assert(pyroscope.investigate("goroutine_leak", source, {
  selector = ('{service_name="%s"}'):format(service),
  range = not folder and "6h" or nil,
}))
print(report:text())

for _, finding in ipairs(report.findings) do
  local per_hour = finding.slope and finding.slope.per_hour or 0
  print(("%s: %.0f an hour, blocked in %s"):format(finding.name, per_hour,
    finding.wait and finding.wait.site or "?"))
end
os.exit(report.exit_code)
