-- What `make demo` prints: the sample incident, from question to function and line.
-- Before and after a deployment of a shop's "checkout" service; the folder was recorded from a
-- running program (its README line is in bundle.json). Everything here is the public API.

local pyroscope = require "pyroscope"
local fmt = pyroscope.fmt

local path = arg and arg[1] or "examples/data/cpu-hotspot"
local picture = arg and arg[2] or "build/demo.svg"

local store = assert(pyroscope.open(path))
local service = assert(store:services())[1]
local types = {}
for _, t in ipairs(assert(store:profile_types())) do types[#types + 1] = t.class end

local before = { type = "cpu", service = service.name, labels = { version = "v41" } }
local after = { type = "cpu", service = service.name, labels = { version = "v42" } }
for _, side in ipairs { before, after } do
  local versions = assert(store:series({}, { labels = { "version" }, selector = "{}" }))
  assert(#versions > 0)
  side.service = service.name
end

local diff = assert(store:diff(before, after))
print(("service   %s (%s), %d instances, versions %s"):format(service.name,
  service.language or "-", #(service.instances or {}), table.concat(service.versions or {}, ", ")))
print(("cpu       %s before, %s after (%s)"):format(fmt.cores(diff.before.cores),
  fmt.cores(diff.after.cores), fmt.percent(diff.change.relative, true)))
