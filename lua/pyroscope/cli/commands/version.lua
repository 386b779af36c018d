--- `pscope version`.

local command = {
  name = "version",
  summary = "The version",
  arguments = {},
  flags = {},
}

function command.run(run)
  return run:write("pscope " .. require "pyroscope.core".version .. "\n")
end

return command
