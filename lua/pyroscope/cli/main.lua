#!/usr/bin/env lua5.4
--- The program `pscope`. What needs no parsing is answered before anything is loaded.

local arguments = arg or {}
local first = arguments[1]

if #arguments == 1 and (first == "--version" or first == "version" or first == "-V") then
  io.stdout:write("pscope ", require "pyroscope.core".version, "\n")
  os.exit(0, true)
end
if not first or (#arguments == 1 and (first == "-h" or first == "help")) then
  io.stdout:write(require "pyroscope.cli.help".first())
  os.exit(0, true)
end
if #arguments == 1 and first == "--help" then
  io.stdout:write(require "pyroscope.cli.help".commands())
  os.exit(0, true)
end

-- In a checkout `make` leaves the modules compiled beside the C modules. One is taken while its
-- time is its source's, as half of a short command would be spent in the compiler.
local root = arguments[0] and arguments[0]:match "^(.*)/lua/pyroscope/cli/main%.lua$"
if root then
  local modified = require "pyroscope.core".modified
  table.insert(package.searchers, 2, function(name)
    local compiled = ("%s/build/5.4/lua/%s.luac"):format(root, name)
    local made = modified(compiled)
    local source = made and package.searchpath(name, package.path)
    if source and modified(source) == made then return loadfile(compiled, "b"), source end
  end)
end

local code = require "pyroscope.cli.run".main(arguments)
io.stdout:flush()
os.exit(code, false) -- what is open is closed; tidying up memory is felt at every run
