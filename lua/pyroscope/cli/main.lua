#!/usr/bin/env lua5.4
--- The program `pscope`. What needs no parsing is answered before anything is loaded.

local arguments = arg or {}
local first = arguments[1]

if #arguments == 1 and (first == "--version" or first == "version" or first == "-V") then
  io.stdout:write("pscope ", require "pyroscope.core".version, "\n")
  os.exit(0, true)
end
if not first or (#arguments == 1 and (first == "-h" or first == "--help" or first == "help")) then
  io.stdout:write(require "pyroscope.cli.help".first())
  os.exit(0, true)
end

local code = require "pyroscope.cli.run".main(arguments)
io.stdout:flush()
os.exit(code, true)
