-- A server's answer to SVG on standard output, whole processes, beside flamegraph.pl and inferno on
-- the same stacks at the same least width, where they are installed. Nobody's output goes to a disk.
-- As a program: picture.lua ANSWER.

local core = require "pyroscope.core"

local WIDTH, LEAST = 1200, 0.1

if arg and arg[0]:find "picture%.lua$" then
  local f = assert(io.open(arg[1], "rb"))
  local profile = assert(core.decode(f:read "a", "flamegraph"))
  f:close()
  assert(profile:save("/dev/stdout", { format = "svg", width = WIDTH, min_width = LEAST,
    title = "x" }))
  return
end

local generate = require "generate"

local function found(names)
  for _, name in ipairs(names) do
    local pipe = assert(io.popen("PATH=\"build/cargo/bin:build/bin:$PATH\" command -v " .. name))
    local path = pipe:read "l"
    pipe:close()
    if path then return path end
  end
end

local function write(path, bytes)
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
  return path
end

local SETS = {
  { "16k", 16384, 6000, 80, 9, inferno = 2, perl = 30 },
  { "200k", 200000, 20000, 100, 3, inferno = 2, perl = 45 },
}

---@param check fun(name: string, limit: number, worse: boolean, measure: fun(): number)
---@param output fun(command: string): number
---@param directory string
---@param lua string                how a bare Lua is started that finds the modules
return function(check, output, directory, lua)
  local tools = {
    { name = "inferno", key = "inferno", path = found { "inferno-flamegraph" },
      command = "%s --minwidth 0.0083 %s" },
    { name = "flamegraph.pl", key = "perl", path = found { "flamegraph.pl", "flamegraph" },
      command = "%s --minwidth 0.1 %s" },
  }
  for _, tool in ipairs(tools) do
    if not tool.path then
      print(("skipped: answer to SVG against %s (it is not installed)"):format(tool.name))
    end
  end
  if not tools[1].path and not tools[2].path then return end
  for _, set in ipairs(SETS) do
    local label, nodes, functions, cap, rounds = table.unpack(set)
    local profile = assert(core.decode(generate.folded(nodes, functions, cap, 1), "folded"))
    local answer = write(("%s/picture-%s.pb"):format(directory, label),
      profile:render "flamegraph")
    local stacks = write(("%s/picture-%s.folded"):format(directory, label),
      profile:render "folded")
    local ours = write(("%s/picture-%s.sh"):format(directory, label),
      ("export %s\nexec lua5.4 spec/bench/picture.lua %s\n"):format(lua:gsub(" lua5.4 $", ""), answer))
    for _, tool in ipairs(tools) do
      if tool.path then
        local theirs = write(("%s/picture-%s-%s.sh"):format(directory, label, tool.key),
          ("exec %s\n"):format(tool.command:format(tool.path, stacks)))
        check(("answer to SVG, %d nodes, against %s"):format(#profile, tool.name), set[tool.key],
          false, function()
            return output(("python3 spec/bench/process.py %d 'sh %s' 'sh %s'"):format(rounds,
              ours, theirs))
          end)
      end
    end
  end
end
