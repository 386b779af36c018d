--- Where a source file that a profile names lies on this machine.

local here = {}

local found = {} -- file -> path, false for none: a table asks for the same ones again

--- The longest end of a path that is a file, below this folder or as it stands.
---@param file string
---@return string? path
function here.path(file)
  if found[file] == nil then
    local stat = require "pyroscope.system".stat
    local path = file
    while path do
      local known = stat(path)
      if known and known.type == "file" then break end
      path = path:match "^/?[^/]*/(.*)$"
    end
    found[file] = path or false
  end
  return found[file] or nil
end

--- The address of a file that is here, for terminals that open what is clicked; nil for others.
---@param file? string
---@return string? url
function here.url(file)
  local path = file and file ~= "" and here.path(file)
  if not path then return nil end
  local system = require "pyroscope.system"
  path = system.realpath(path)
  if not path then return nil end
  return "file://" .. system.uv().os_gethostname() .. path:gsub("[^%w%-._~/]", function(c)
    return ("%%%02X"):format(c:byte())
  end)
end

return here
