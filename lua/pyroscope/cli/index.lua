--- The commands, in the order of help: name, one line, other names. Loading a command's file is
--- left to whoever runs it.

local index = {}

index.sections = {
  { "look", {
    { "services", "who sends profiles" },
    { "types", "profile types, of one service when named" },
    { "labels", "label names, or values of one label" },
    { "top", "functions by self, or by total with --cum" },
    { "tree", "the call tree, indented" },
    { "peek", "callers and callees of a function", also = { "sandwich" } },
    { "traces", "the heaviest whole stacks" },
    { "list", "source lines of a function or file" },
    { "series", "the total over time" } } },
  { "ask", {
    { "diff", "what changed between two windows, label values or files" } } },
  { "move", {
    { "export", "write a profile: pprof, folded, speedscope, svg, ..." } } },
  { "set", {
    { "config", "deployments, and where each setting comes from" },
    { "use", "store the default target" },
    { "doctor", "is each deployment reachable, and what can it do" },
    { "stats", "was anything ever ingested, oldest and newest profile" } } },
  { "talk", {
    { "call", "the raw answer of any RPC or path", also = { "query" } },
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
