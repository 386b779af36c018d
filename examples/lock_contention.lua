-- Which lock makes others wait, and did it get worse?
-- Usage: lua lock_contention.lua SERVICE [FOLDER]    (a folder of profiles, else $PYROSCOPE_URL)
local pyroscope = require "pyroscope"

local service, folder = arg[1] or "checkout", arg[2]
local source = assert(folder and pyroscope.open(folder)
  or pyroscope.connect { url = os.getenv "PYROSCOPE_URL" })

local worst = 0
for _, recipe in ipairs { "mutex_contention", "block_offcpu" } do
  local report = assert(pyroscope.investigate(recipe, source, {
    selector = ('{service_name="%s"}'):format(service),
    bar = 0.1,                   -- mean waiters that are worth a look
  }))
  print(report:text())
  if report.exit_code == 10 then worst = 10 end
end
os.exit(worst)
