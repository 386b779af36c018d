--- The commands, in the order of help: name, one line, other names. Loading a command's file is
--- left to whoever runs it.

local index = {}

index.sections = {
  { "look", {
    { "services", "who sends profiles" },
    { "types", "profile types, of one service when named" },
    { "labels", "label names, or values of one label" },
    { "versions", "versions of a service: first and last seen" },
    { "top", "functions by self, or by total with --cum" },
    { "tree", "the call tree, indented" },
    { "peek", "callers and callees of a function", also = { "sandwich" } },
    { "traces", "the heaviest whole stacks" },
    { "flame", "flame graph in the terminal; svg, html" },
    { "list", "source lines of a function or file" },
    { "series", "the total over time" },
    { "exemplars", "single profiles or spans by value" } } },
  { "ask", {
    { "diff", "what changed between two windows, label values or files" },
    { "investigate", "a report with a verdict: cpu memory goroutine mutex block deploy ..." },
    { "recipes", "what can be investigated, and with which options" },
    { "capture", "write a bundle: before, during and after, to be read with --source" } } },
  { "move", {
    { "export", "write a profile: pprof, folded, speedscope, dot, svg, html" },
    { "open", "open it in the browser, in pprof or in $EDITOR" },
    { "link", "the address of the same view for a person" } } },
  { "set", {
    { "config", "deployments, and where each setting comes from" },
    { "use", "store the default target" },
    { "doctor", "is each deployment reachable, and what can it do" },
    { "discover", "the services of all deployments" },
    { "stats", "was anything ever ingested, oldest and newest profile" } } },
  { "talk", {
    { "call", "the raw answer of any RPC or path", also = { "query" } },
    { "perses", "the profile queries of a Perses file" },
    { "run", "a Lua script with pyroscope on its path" },
    { "completion", "the completion script of bash, zsh or fish" },
    { "help", "help on a command or topic" },
    { "version", "the version" } } },
}

local by_name = {}
for _, section in ipairs(index.sections) do
  for _, entry in ipairs(section[2]) do
    by_name[entry[1]] = entry
    for _, other in ipairs(entry.also or {}) do by_name[other] = entry end
  end
end

-- The names of older scripts: not in the lists, each with its old arguments and defaults.
index.old = { "pyroscope-config", "pyroscope-services", "pyroscope-profiles", "pyroscope-labels",
  "pyroscope-flamegraph", "pyroscope-diff", "pyroscope-query", "pyroscope-link",
  "discover-pyroscope", "curl-auth", "init" }
local old = {}
for _, name in ipairs(index.old) do old[name] = true end

--- The arguments of an older script as one of our command lines.
---@param name string
---@param rest string[]
---@return string? command
---@return string[]|pyroscope.error words
function index.translate(name, rest)
  if old[name] then return require "pyroscope.cli.old".translate(name, rest) end
  -- `config <tool> <env>` and its lists
  if name == "config" and (rest[1] == "pyroscope" or rest[1] == "--list"
      or rest[1] == "--list-tools") then
    return require "pyroscope.cli.old".translate("config", rest)
  end
  return name, rest
end

--- The entry of a command by any of its names.
---@param name string
function index.find(name)
  return by_name[name]
end

--- All names, sorted.
---@return string[]
function index.names()
  local names = {}
  for name in pairs(by_name) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- Loads a command by any of its names.
---@param name string
---@return table? command
function index.load(name)
  local entry = by_name[name]
  return entry and require("pyroscope.cli.commands." .. entry[1])
end

return index
