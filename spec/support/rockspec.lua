-- Writes the lists of C sources into the rockspec from what the Makefile compiles. Run by hand
-- when a file is added; spec/package_spec.lua fails until it was: lua5.4 spec/support/rockspec.lua

local function list(name)
  local pipe = assert(io.popen("make -s --no-print-directory print-" .. name))
  local files = {}
  for file in pipe:read "a":gmatch "%S+" do files[#files + 1] = ('        "%s",'):format(file) end
  pipe:close()
  return table.concat(files, "\n")
end

local path = "pyroscope-scm-0.rockspec"
local f = assert(io.open(path))
local text = f:read "a"
f:close()
for module, name in pairs { core = "core_src", http = "http_src" } do
  text = text:gsub('(%["pyroscope.' .. module .. '"%] = {%s+sources = {\n).-(\n      },)', function(a, b)
    return a .. list(name) .. b
  end)
end
f = assert(io.open(path, "w"))
f:write(text)
f:close()
