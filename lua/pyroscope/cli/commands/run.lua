--- `pscope run`: a Lua script with `pyroscope` on its path.

local errors = require "pyroscope.errors"

local command = {
  name = "run", raw = true,
  summary = "Run a Lua script with pyroscope on its path",
  usage = "run FILE.lua [ARGUMENTS]",
  arguments = { { name = "file", shown = "FILE.lua", complete = "files" } },
  flags = {},
  examples = { "pscope run examples/memory_leak.lua checkout ./incident" },
  notes = "Everything after FILE.lua belongs to the script, as `...` and as `arg`. What it "
    .. "returns is "
    .. "printed by __tostring; `nil, err` is printed as an error and gives its exit code.",
}

local function show(results)
  for i = 1, results.n do
    if results[i] ~= nil then io.stdout:write(tostring(results[i]), "\n") end
  end
end

function command.run(rest, before, runs)
  if rest[1] == "-h" or rest[1] == "--help" then
    io.stdout:write(require "pyroscope.cli.help".command(command, rest[1] == "--help"))
    return 0
  end
  if #before > 0 then
    return runs.report(errors.new { kind = "usage", message = ("run: '%s' stands before the "
      .. "command")
      :format(before[1]), hint = "pscope run FILE.lua ARGUMENTS" }, {})
  end
  local path = rest[1]
  if not path then
    return runs.report(errors.new { kind = "usage", message = "run: which script?",
      hint = "pscope run FILE.lua [ARGUMENTS]" }, {})
  end
  local text, err = require "pyroscope.system".read_file(path)
  if not text then return runs.report(err, {}) end
  text = text:gsub("^#[^\n]*", "")
  local chunk, problem = load(text, "@" .. path, "t")
  if not chunk then
    return runs.report(errors.new { kind = "usage", code = "syntax",
      message = (problem:gsub("\n.*", "")) }, {})
  end
  local arguments = { table.unpack(rest, 2) }
  _G.arg = { [0] = path, table.unpack(arguments) }
  local results = table.pack(xpcall(chunk, function(failure)
    if errors.is(failure) then return failure end
    return { text = tostring(failure), trace = debug.traceback("", 2) }
  end, table.unpack(arguments)))
  if results[1] then
    if results[2] == nil and errors.is(results[3]) then return runs.report(results[3], {}) end
    results = table.pack(table.unpack(results, 2, results.n))
    show(results)
    return 0
  end
  local failure = results[2]
  if errors.is(failure) then return runs.report(failure, {}) end
  -- the script's own mistake: its author wants to see where
  local text_of = failure.text:gsub("\n.*", "")
  io.stderr:write("error: ", require "pyroscope.cli.screen".printable(text_of), "\n")
  return 1
end

return command
