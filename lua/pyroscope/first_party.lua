--- The part of a profile that its owners wrote.

local frames = require "pyroscope.investigate.frames"

--- The profile with frames of the program itself alone: those of runtimes, standard libraries,
--- profilers and libraries that are known by name are left out, and what they hold counts for the
--- function that called them. Stacks without any own function are not in it.
---@param profile pyroscope.profile
---@return pyroscope.profile? own
---@return pyroscope.error? err
return function(profile)
  local names, shown = {}, {}
  for i, row in ipairs((profile:top(0))) do names[i] = row.name end
  local runtime = frames.runtime(names)
  for _, name in ipairs(names) do shown[name] = frames.role(name, runtime) == "app" end
  return profile:show(shown)
end
