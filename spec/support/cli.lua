--- Runs `pscope` as a person would, in a process of its own, with an environment that says nothing.

local cli = {}

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
cli.quote = quote

local function capture(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local root = capture "pwd":gsub("\n$", "")

local function absolute(path)
  return (path:gsub("[^;]+", function(part)
    return part:match "^/" and part or root .. "/" .. part:gsub("^%./", "")
  end))
end

--- A new folder, removed by `cli.clean`.
local folders = {}
function cli.folder()
  local path = capture "mktemp -d":gsub("\n$", "")
  folders[#folders + 1] = path
  return path
end

function cli.clean()
  for _, path in ipairs(folders) do os.execute("rm -rf " .. quote(path)) end
  folders = {}
end

local home

--- The environment of a run, as words for `env -i`.
local function environment(extra)
  home = home or cli.folder()
  local words = { "PATH=" .. os.getenv "PATH", "HOME=" .. home, "XDG_CONFIG_HOME=" .. home .. "/c",
    "XDG_STATE_HOME=" .. home .. "/s", "XDG_CACHE_HOME=" .. home .. "/k", "LANG=C.UTF-8",
    "COLUMNS=132", "TZ=UTC", "LUA_PATH=" .. absolute(package.path),
    "LUA_CPATH=" .. absolute(package.cpath) }
  for name, value in pairs(extra or {}) do words[#words + 1] = name .. "=" .. value end
  for i, word in ipairs(words) do words[i] = quote(word) end
  return "env -i " .. table.concat(words, " ")
end
cli.environment = environment

--- The words of a command line for the shell.
function cli.command(arguments)
  local words = { "lua5.4", quote(root .. "/lua/pyroscope/cli/main.lua") }
  for _, argument in ipairs(arguments) do words[#words + 1] = quote(argument) end
  return table.concat(words, " ")
end

--- Runs pscope; stdout, stderr and the exit code.
---@param arguments string[]
---@param options? { env?: table, input?: string, folder?: string, after?: string }
---@return string out, string err, integer code
function cli.run(arguments, options)
  options = options or {}
  local errors_path = os.tmpname()
  local input = "/dev/null"
  if options.input then
    input = os.tmpname()
    local file = assert(io.open(input, "wb"))
    file:write(options.input)
    file:close()
  end
  local code_path = os.tmpname()
  local line = ("cd %s && { %s %s <%s 2>%s; echo $? >%s; } %s"):format(
    quote(options.folder or root), environment(options.env), cli.command(arguments), quote(input),
    quote(errors_path), quote(code_path), options.after or "")
  local out = capture(line)
  local code_file = assert(io.open(code_path))
  local code = code_file:read "n"
  code_file:close()
  os.remove(code_path)
  local file = assert(io.open(errors_path))
  local err = file:read "a"
  file:close()
  os.remove(errors_path)
  if options.input then os.remove(input) end
  return out, err, math.tointeger(code)
end

cli.root = root

return cli
