--- The names of older scripts, with their arguments and their defaults, as command lines of ours.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"

local old = {}

local function usage(name, shown, message, hint)
  return nil, errors.new { kind = "usage", code = "old_name",
    message = ("%s: %s"):format(name, message),
    hint = (hint and hint .. "\n" or "") .. ("usage: pscope %s %s"):format(name, shown) }
end

-- Splits words into positional ones and options. `known` names the options: true for one that
-- takes a value, false for a switch.
local function split(name, shown, words, known, refused)
  local rest, options, i = {}, {}, 1
  while i <= #words do
    local word = words[i]
    local spelling, value = word:match "^(%-%-?%a[%w%-]*)=(.*)$"
    spelling = spelling or word:match "^%-%-?%a[%w%-]*$"
    if spelling and not (word:find "^%-%d") then
      local kind = known[spelling]
      if kind == nil then
        local list = {}
        for option in pairs(known) do list[#list + 1] = option end
        local near = check.suggestion(spelling, list)
        return usage(name, shown, ("unknown option '%s'%s"):format(spelling,
          near ~= "" and " " .. near or ""), refused and refused[spelling])
      end
      if kind then
        if not value then
          i = i + 1
          value = words[i]
        end
        if not value then return usage(name, shown, ("%s needs a value"):format(spelling)) end
        options[#options + 1] = { spelling, value }
      else
        options[#options + 1] = { spelling }
      end
    else
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  return rest, options
end

local function find(options, spelling)
  for _, option in ipairs(options) do
    if option[1] == spelling then return option[2] or true end
  end
end

local function add(words, ...)
  for _, word in ipairs { ... } do words[#words + 1] = word end
  return words
end

local function has_env(name, shown, rest)
  if rest[1] then return true end
  return usage(name, shown, "which deployment? None is named", "pscope config list")
end

local function is_duration(word)
  return word:find "^%d+[smhdwMy]" ~= nil and not word:find ":"
end

local scripts = {}

scripts["pyroscope-config"] = { "[env]", function(rest)
  if not rest[1] then return "config", { "list", "-o", "names" } end
  return "config", { "show", rest[1] }
end, {} }

scripts.config = { "<tool> <env> | --list <tool> | --list-tools", function(rest, options, name,
  shown)
  if find(options, "--list-tools") then return "help", { "tools" } end
  local listed = find(options, "--list")
  local tool = listed or rest[1]
  if tool ~= "pyroscope" then
    return usage(name, shown, ("there is no tool '%s' here"):format(tostring(tool)),
      "the only one is pyroscope")
  end
  if listed or not rest[2] then return "config", { "list", "-o", "names" } end
  return "config", { "show", rest[2] }
end, { ["--list"] = true, ["--list-tools"] = false } }

scripts.init = { "[--migrate]", function(_, options)
  return "config", find(options, "--migrate") and { "init", "--migrate" } or { "init" }
end, { ["--migrate"] = false } }

-- What curl's other options are called here.
local CURL = {}
for ours, list in pairs {
  ["headers stand in the deployment: headers = { NAME = \"VALUE\" }"] = "-H --header",
  ["a name and a password stand in the deployment: username, password"] = "-u --user",
  ["ca_file = FILE in the deployment trusts another authority"] = "-k --insecure --cacert",
  ["client_cert and client_key in the deployment"] = "-E --cert --key",
  ["proxy = URL in the deployment, or HTTPS_PROXY"] = "-x --proxy",
  ["pscope call URL --out FILE"] = "-o --output -O --remote-name",
  ["pscope call URL --timeout 30s"] = "-m --max-time",
  ["pscope call URL --connect-timeout 10s"] = "--connect-timeout",
  ["pscope call URL --explain shows the request and its curl line"] = "-v --verbose -i --include",
  ["nothing else: a status that is an error ends with an error"] = "-f --fail",
  ["give the whole URL: redirects are not followed with credentials"] = "-L --location",
  ["the body as the last argument: TEXT, @FILE or -"] = "--data-binary --data-raw --json",
} do
  for spelling in list:gmatch "%S+" do CURL[spelling] = ours end
end

scripts["curl-auth"] = { "pyroscope <env> [-X METHOD] [-d BODY] URL",
  function(rest, options, name, shown)
    if rest[1] ~= "pyroscope" then
      return usage(name, shown, "the first word is the tool: pyroscope")
    end
    if not rest[2] or not rest[3] then return usage(name, shown, "an env and a URL are needed") end
    local words = { rest[3] }
    local body, method = find(options, "-d") or find(options, "--data"),
      find(options, "-X") or find(options, "--request")
    if body then add(words, body) end
    if method then add(words, "--method", method) end
    return "call", add(words, "--source", rest[2], "--connect-timeout", "10s", "--timeout", "30s")
  end, { ["-X"] = true, ["--request"] = true, ["-d"] = true, ["--data"] = true, ["-s"] = false,
    ["-S"] = false, ["-sS"] = false, ["--silent"] = false }, CURL }

scripts["discover-pyroscope"] = { "[env...]", function(rest)
  return "discover", add(rest, "--since", "1h")
end, {} }

scripts["pyroscope-services"] = { "<env> [duration]", function(rest, _, name, shown)
  local ok, err = has_env(name, shown, rest)
  if not ok then return nil, err end
  return "services", { "--source", rest[1], "--since", rest[2] or "1h", "-o", "names" }
end, {} }

scripts["pyroscope-profiles"] = { "<env>", function(rest, _, name, shown)
  local ok, err = has_env(name, shown, rest)
  if not ok then return nil, err end
  return "types", { "--source", rest[1], "--since", "1h", "--listing" }
end, {} }

scripts["pyroscope-labels"] = { "<env> [label] [--range D]", function(rest, options, name, shown)
  local ok, err = has_env(name, shown, rest)
  if not ok then return nil, err end
  local words = rest[2] and { rest[2] } or {}
  return "labels", add(words, "--source", rest[1], "--since", find(options, "--range") or "2h",
    "-o",
    "names")
end, { ["--range"] = true } }

local function copy_labels(words, options)
  for _, option in ipairs(options) do
    if option[1] == "--label" or option[1] == "-l" then add(words, "-l", option[2]) end
  end
  return words
end

scripts["pyroscope-flamegraph"] = { "<env> <service> [duration] [type id] [nodes] [--range D] "
  .. "[--start T --end T] [--type T] [--label k=v] [--max-nodes N] [--json]",
  function(rest, options, name, shown)
    if not rest[1] or not rest[2] then return usage(name, shown,
      "an env and a service are needed") end
    local range, kind, nodes = find(options, "--range"), find(options, "--type"),
      find(options, "--max-nodes")
    for i = 3, #rest do -- told apart by their shape
      local word = rest[i]
      if word:find "^%d+$" then
        nodes = nodes or word
      elseif is_duration(word) then
        range = range or word
      else
        kind = kind or word
      end
    end
    local start, stop = find(options, "--start"), find(options, "--end")
    if start and not stop then return usage(name, shown, "--start needs --end beside it") end
    local json = find(options, "--json")
    local words = { rest[2], "--source", rest[1], "--type", kind or "cpu", "--max-nodes",
      nodes or "16384" }
    if start then
      add(words, "--from", start, "--to", stop)
    else
      add(words, "--since", range or "10m")
      if stop then add(words, "--to", stop) end
    end
    for _, option in ipairs(options) do
      -- what the server calls a profile's id was a label in the old scripts
      local id = option[1] == "--label" and option[2]:match "^profile_id=(.*)$"
      if id and id:find "^%x+%-%x+%-%x+%-%x+%-%x+$" then
        add(words, "--profile-id", id)
      elseif option[1] == "--label" or option[1] == "-l" then
        add(words, "-l", option[2])
      end
    end
    if json then return "export", add(words, "-o", "json") end
    return "top", add(words, "--facts")
  end, { ["--range"] = true, ["--start"] = true, ["--end"] = true, ["--type"] = true,
    ["--label"] = true, ["-l"] = true, ["--max-nodes"] = true, ["--json"] = false } }

scripts["pyroscope-diff"] = { "<env> <service> [--type T] [--label k=v] <baseline start> "
  .. "<baseline end> <start> <end>", function(rest, options, name, shown)
    if #rest ~= 6 then
      return usage(name, shown, "an env, a service and four times are needed")
    end
    local words = { rest[2], "--source", rest[1], "--type", find(options, "--type") or "cpu" }
    copy_labels(words, options)
    local function since(word) return is_duration(word) and "now-" .. word or word end
    return "diff", add(words, since(rest[3]), since(rest[4]), since(rest[5]), since(rest[6]),
      "--facts")
  end, { ["--type"] = true, ["--label"] = true, ["-l"] = true } }

scripts["pyroscope-query"] = { "<env> <Method> [json]", function(rest, _, name, shown)
  if not rest[1] or not rest[2] then return usage(name, shown, "an env and a method are needed") end
  return "call", { rest[2], rest[3] or "{}", "--source", rest[1] }
end, {} }

scripts["pyroscope-link"] = { "<env> <query> [range | FROM,UNTIL] [view]",
  function(rest, _, name, shown)
    if not rest[1] or not rest[2] then return usage(name, shown,
      "an env and a query are needed") end
    local words = { "--source", rest[1], "-q", rest[2], "--view", rest[4] or "single" }
    local from, to = (rest[3] or "1h"):match "^([^,]+),(.+)$"
    if from then return "link", add(words, "--from", from, "--to", to) end
    return "link", add(words, "--since", rest[3] or "1h")
  end, {} }

--- One of our command lines for an older script's.
---@param name string
---@param rest string[]
---@return string? command
---@return string[]|pyroscope.error words
function old.translate(name, rest)
  local script = scripts[name]
  for _, word in ipairs(rest) do
    if word == "-h" or word == "--help" then return "help", { "old-names" } end
  end
  local words, options = split(name, script[1], rest, script[3], script[4])
  if not words then return nil, options end
  return script[2](words, options, name, script[1])
end

--- The table of `pscope help old-names`.
---@return string
function old.help()
  return [[
OLD NAMES

Scripts of axiom-sre, with their arguments and defaults. `exec pscope NAME "$@"` keeps an old path
working.

  pyroscope-config [env]                      config list -o names | config show ENV
  config <tool> <env>, --list, --list-tools   the same
  init [--migrate]                            config init [--migrate]
  curl-auth pyroscope <env> [-X M] [-d B] URL call URL [B] (connect 10s, total 30s)
  discover-pyroscope [env...]                 discover [ENV...] --since 1h
  pyroscope-services <env> [duration]         services ENV --since 1h -o names
  pyroscope-profiles <env>                    types --source ENV --since 1h --listing
  pyroscope-labels <env> [label] [--range D]  labels ENV [LABEL] --since 2h -o names
  pyroscope-flamegraph <env> <service>        top ENV/SERVICE --since 10m --max-nodes 16384 --facts
      [duration] [type id] [nodes]            (--json: export -o json)
      [--range D] [--start T --end T] [--type T] [--label k=v] [--max-nodes N] [--json]
  pyroscope-diff <env> <service> [--type T]   diff ENV/SERVICE B0 B1 C0 C1 --facts
      [--label k=v] B0 B1 C0 C1
  pyroscope-query <env> <Method> [json]       call METHOD JSON --source ENV
  pyroscope-link <env> <query> [range] [view] link -q QUERY --since 1h --view single
]]
end

--- The table of `pscope help gcx`.
---@return string
function old.gcx()
  return [[
GCX

What `gcx profiles ...` asks, in our words. Its flag names mean the same here.

  profiles query [EXPR]            top -q EXPR (last hour; its 50,000 nodes: --max-nodes 50000)
      --stacktrace-selector, --profile-id, --span-id, --trace-id   the same names
      -o pprof                     top -o pprof, export -o pprof: uncut; on a terminal the file is
                                   profile-DATE-TIME.pb.gz
      --pprof-path FILE            --out FILE (both names are read)
      --pprof-overwrite            --force (both names are read)
      -o dot                       top -o dot (-n says how many functions)
  profiles metrics [EXPR]          series -q EXPR: points
      --top                        series --top (--group-by service_name, --limit 10)
      --group-by, --step           the same; --group-by may be repeated, a step is at least 15s
      --aggregation sum|average    the same; averages are computed here
  profiles exemplars profile|span  exemplars profile|span (cpu)
      --top-n 100                  -n 100 (both names are read)
      --max-label-columns 3        the same
  profiles labels [-l NAME]        labels [NAME]
  profiles list-profile-types      types
  profiles data-range              stats
  -d UID                           the same (--datasource)
  --context C                      --source C (both names are read)
  --profile-type T, --expr S       the same (--type T, -q S)
  --json                           the same
  --json a,b; --json list; --jq    --fields a,b; --fields list; pipe to jq
  -o json, yaml                    -o json (which is YAML too)
  -o wide                          -o wide: nothing is cut; series: a column a group; exemplars: all
                                   labels
  -o graph, agents                 bars are always there; -o md (both names are read)
]]
end

return old
