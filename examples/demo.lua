-- What `make demo` shows: from a folder of profiles to the function, file and line that made a
-- service dearer. examples/data/cpu-hotspot was recorded from a running program around a
-- deployment: version v41 before, v42 after. Usage: demo.lua [FOLDER [PICTURE.html [REPORT.html]]]

local pyroscope = require "pyroscope"
local fmt = pyroscope.fmt

local folder = arg and arg[1] or "examples/data/cpu-hotspot"
local picture = arg and arg[2] or "build/demo.html"
local document = arg and arg[3] or "build/report.html"

local store = assert(pyroscope.open(folder))
local service = assert(store:services({}))[1]
-- the window in which each version ran, from the timeline
local function side(version)
  local query = { service = service.name, type = "cpu", labels = { version = version } }
  local timeline = assert(store:timeline(query))
  for _, point in ipairs(timeline[1].points) do
    if point.value > 0 then
      query.from_ms = query.from_ms or point.time_ms
      query.to_ms = point.time_ms + timeline.step_ms
    end
  end
  return query
end

local before, after = side "v41", side "v42"
local diff = assert(store:diff(before, after))

print(("service    %s, written in %s, %d instances, versions %s"):format(service.name,
  service.language or "?", service.instances, "v41 and v42"))
print(("cpu        %s before, %s after (%s)"):format(fmt.cores(diff.before / 1e9, { digits = 2 }),
  fmt.cores(diff.after / 1e9, { digits = 2 }), fmt.percent(diff.change, { sign = true })))

print "\nchanged most, self CPU:\n"
print(("  %9s  %9s  %9s   %s"):format("BEFORE", "AFTER", "DELTA", "FUNCTION"))
local rows, rest = diff:rows(5)
for _, row in ipairs(rows) do
  print(("  %8.3fc  %8.3fc  %+8.3fc   %s"):format(row.before / 1e9, row.after / 1e9,
    row.delta / 1e9, row.name))
end
print(("  %8.3fc  %8.3fc  %+8.3fc   %d more functions"):format(rest.before / 1e9,
  rest.after / 1e9, rest.delta / 1e9, rest.functions))

local suspect = rows[1]
print(("\nsuspect    %s\n           %s:%d, %s of the whole change"):format(suspect.name,
  suspect.file, suspect.line, fmt.percent(suspect.delta / diff.delta)))

assert(diff:save(picture, { force = true, title = service.name .. ", CPU", before = "version v41",
  after = "version v42" }))
print(("picture    %s  (open it in a browser: both versions, coloured by the change)"):format(
  picture))

-- The same question with an answer that says how sure it is: every process of both phases is
-- compared, and what else could explain the difference is looked at.
local report = assert(pyroscope.investigate("cpu_regression", store, {
  selector = ('{service_name="%s"}'):format(service.name), at = { version = { "v41", "v42" } } }))
print("\ninvestigation\n")
print(report:text())
assert(report:save(document))
print(("report     %s"):format(document))

print(("\nthe same   ./pscope diff %s --before version=v41 --after version=v42 --source ./%s")
  :format(service.name, folder))
print(("           ./pscope investigate cpu %s --source ./%s"):format(service.name, folder))
