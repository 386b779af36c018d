--- Completion: scripts of three shells, and what they call.

local completion = {}

local scripts = {}

scripts.bash = [[
# bash completion of pscope: source <(pscope completion bash)
_pscope() {
  local IFS=$'\n'
  local cur="${COMP_WORDS[COMP_CWORD]}"
  local words=()
  # readline splits at = and :, the program does not
  local line="${COMP_LINE:0:COMP_POINT}"
  local last="${line##* }"
  local lead="${last%"$cur"}"
  COMPREPLY=()
  local reply
  reply="$(pscope __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$last" 2>/dev/null)" || return 0
  local item
  for item in $reply; do
    if [ "$item" = ":files" ]; then
      compopt -o filenames 2>/dev/null
      COMPREPLY+=($(compgen -f -- "$cur"))
    else
      words+=("${item#"$lead"}")
    fi
  done
  COMPREPLY+=("${words[@]}")
  case "${words[0]}" in */|*=) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _pscope pscope
]]

scripts.zsh = [[
#compdef pscope
# zsh completion of pscope: pscope completion zsh > a folder of $fpath/_pscope
_pscope() {
  local -a reply
  reply=("${(@f)$(pscope __complete "${(@)words[2,CURRENT-1]}" "${words[CURRENT]}" 2>/dev/null)}")
  local files=0
  if (( ${reply[(I):files]} )); then
    files=1
    reply=("${(@)reply:#:files}")
  fi
  reply=("${(@)reply:#}")
  (( $#reply )) && compadd -U -S '' -- "${reply[@]}"
  (( files )) && _files
}
if [ "$funcstack[1]" = "_pscope" ]; then _pscope "$@"; else compdef _pscope pscope; fi
]]

scripts.fish = [[
# fish completion of pscope: pscope completion fish | source
function __pscope_complete
  set -l tokens (commandline -opc) (commandline -ct)
  set -l reply (pscope __complete $tokens[2..-1] 2>/dev/null)
  for item in $reply
    if test "$item" = ":files"
      __fish_complete_path (commandline -ct)
    else
      echo $item
    end
  end
end
complete -c pscope -f -a '(__pscope_complete)'
]]

--- The script of a shell.
---@param shell string
---@return string? text
---@return pyroscope.error? err
function completion.script(shell)
  if scripts[shell] then return scripts[shell] end
  return nil, require "pyroscope.errors".new { kind = "usage",
    message = ("there is no completion for '%s'"):format(shell), hint = "bash, zsh or fish" }
end

local function deployments(suffix)
  local ok, config = pcall(function() return (require "pyroscope.config".load()) end)
  local names = {}
  for _, name in ipairs(ok and config and config:names() or {}) do
    names[#names + 1] = name .. suffix
  end
  return names
end

-- Services of a deployment, as somebody last saw them; nobody is asked.
local function services_of(name)
  local ok, found = pcall(function()
    local config = require "pyroscope.config".load()
    return config and config:knows(name) and config:find(name) or nil
  end)
  if not ok or not found then return {} end
  local values = found.values
  local address = values.url or require "pyroscope.source.shared".root_of(values.grafana
    or values.perses or "")
  local list = {}
  for i, service in ipairs(require "pyroscope.source.server.cache".recall(
    (address:gsub("/+$", "")))) do
    list[i] = ("%s/%s"):format(name, service)
  end
  return list
end

local function sorted(set) return require "pyroscope.source.shared".sorted(set) end

-- What a flag or argument of this kind can be; nothing here asks a server.
local function values(kind, item, current)
  if item.choices then return item.choices end
  if kind == "files" then return { ":files" } end
  if kind == "deployments" then
    local list = deployments ""
    list[#list + 1] = ":files"
    return list
  end
  if kind == "targets" then
    local name = (current or ""):match "^([^/]+)/"
    if name then
      local list = services_of(name)
      if #list > 0 then return list end
    end
    local list = deployments "/"
    list[#list + 1] = ":files"
    return list
  end
  if kind == "types" then
    local words = {}
    for _, row in ipairs(require "pyroscope.types".words()) do words[#words + 1] = row.word end
    return words
  end
  if kind == "recipes" then
    local names = require "pyroscope.investigate.recipes".names()
    names[#names + 1] = ":files"
    return names
  end
  if kind == "methods" then return sorted(require "pyroscope.core".methods()) end
  if kind == "topics" then
    local names = require "pyroscope.cli.topics".names()
    table.move(require "pyroscope.cli.index".names(), 1, 1000, #names + 1, names)
    return names
  end
  return {}
end

--- What may stand at the end of `words` (the last one is what was typed so far).
---@param words string[]
---@return string[]
function completion.candidates(words)
  local options = require "pyroscope.cli.options"
  local index = require "pyroscope.cli.index"
  local current = words[#words] or ""
  local name, at
  local everything = options.everything()
  local i = 1
  while i < #words do
    local word = words[i]
    if word:sub(1, 1) == "-" then
      local flag = everything[word]
      if flag and flag.value then i = i + 1 end
    else
      name, at = word, i
      break
    end
    i = i + 1
  end
  local function fitting(list, prefix)
    local found = {}
    for _, item in ipairs(list) do
      if item == ":files" or item:sub(1, #current) == current then
        found[#found + 1] = (prefix or "") .. item
      end
    end
    return found
  end
  if not name then
    local names = index.names()
    return fitting(names)
  end
  local command = index.load(name)
  if not command then return {} end
  local flags = options.index(command)
  local function of_flag(flag)
    if flag.name == "format" then return command.formats end
    if flag.name == "fields" then
      local names = { "list" }
      for _, column in ipairs(command.columns or {}) do names[#names + 1] = column.name end
      return names
    end
    return values(flag.complete, flag)
  end
  local inline, part = current:match "^(%-%-[^=]+)=(.*)$"
  if inline and flags[inline] and flags[inline].value then
    current = part
    local found = fitting(of_flag(flags[inline]))
    for k, item in ipairs(found) do
      if item ~= ":files" then found[k] = inline .. "=" .. item end
    end
    return found
  end
  local before = #words - 1 > at and flags[words[#words - 1]]
  if before and before.value then return fitting(of_flag(before)) end
  if current:sub(1, 1) == "-" then return fitting(sorted(flags)) end
  local position, k = 1, at + 1
  while k < #words do
    local flag = flags[words[k]]
    if flag and flag.value then k = k + 1
    elseif words[k]:sub(1, 1) ~= "-" then position = position + 1 end
    k = k + 1
  end
  local arguments = command.arguments or {}
  local last = arguments[#arguments]
  local argument = arguments[position] or last and last.many and last
  return argument and fitting(values(argument.complete, argument, current)) or {}
end

--- Answers a shell: one candidate a line; never an error.
---@param words string[]
---@return integer code
function completion.complete(words)
  local ok, found = pcall(completion.candidates, words)
  for _, item in ipairs(ok and found or {}) do io.stdout:write(item, "\n") end
  return 0
end

return completion
