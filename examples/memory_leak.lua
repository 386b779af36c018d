-- Does live memory grow without bound, where was it allocated, when is the limit reached?
-- Usage: lua memory_leak.lua SERVICE [FOLDER]        (a folder of profiles, else $PYROSCOPE_URL)
local pyroscope = require "pyroscope"

local service, folder = arg[1] or "checkout", arg[2]
local source = assert(folder and pyroscope.open(folder)
  or pyroscope.connect { url = os.getenv "PYROSCOPE_URL" })

local report = assert(pyroscope.investigate("memory_leak", source, {
  selector = ('{service_name="%s"}'):format(service),
  range = not folder and "12h" or nil,
  limit = 512 << 20,             -- bytes that an instance may have
}))
print(report:text())

for _, fact in ipairs(report.facts or {}) do
  if fact.key == "limit_in" then
    print(("out of memory in %.1f hours"):format(fact.value / 3600))
  end
end
os.exit(report.exit_code)
