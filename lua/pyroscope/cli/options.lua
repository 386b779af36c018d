--- Every flag of every command, once: checking, parsing, help and completion come from here.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"

local options = {}

---@class pyroscope.flag
---@field [integer] string  spellings, the first is the one we print
---@field name string       key in the parsed table
---@field value? string     what it takes, for help; absent: a switch
---@field kind? string      how the value is checked
---@field many? boolean     may be repeated
---@field count? boolean    counts how often it is given
---@field help string
---@field more? string      said by --help only
---@field choices? string[]

local relative = "now, -2h, now-1h30m, 14:05, RFC 3339 or epoch seconds to nanoseconds"

-- Groups in the order in which help shows them.
options.groups = {
  { name = "window", title = "window",
    { "--since", "--range", name = "since", value = "DURATION", kind = "duration",
      help = "this long until --to or now (default 1h; of a store all it holds)" },
    { "--from", "--start", name = "from", value = "TIME", kind = "time", help = "first moment",
      more = relative },
    { "--to", "--end", name = "to", value = "TIME", kind = "time", help = "first moment after" },
    { "--around", name = "around", value = "TIME", kind = "time",
      help = "a window around this moment" },
    { "--window", name = "window", value = "DURATION", kind = "duration",
      help = "how long the window of --around is (default 30m)" },
    { "--tz", name = "tz", value = "ZONE", kind = "zone", choices = { "utc", "local" },
      help = "utc, local or +02:00: for what is shown and bare clock times" } },
  { name = "data", title = "data",
    { "--type", "--profile-type", name = "type", value = "TYPE", complete = "types",
      help = "cpu, memory, alloc, goroutine, mutex, block, wall, or a full id" },
    { "-l", "--label", name = "labels", value = "K=V", kind = "matcher", many = true,
      complete = "labels", help = "only this label value; also k!=v k=~re k!~re" },
    { "-q", "--selector", "--expr", name = "selector", value = "SELECTOR",
      help = "PromQL matchers: '{namespace=\"a\", pod=~\"b.*\"}'" } },
  { name = "stack", title = "one stack, profile or trace",
    { "--call-site", "--stacktrace-selector", name = "call_site", value = "FUNCTION", many = true,
      help = "only stacks that begin so; repeat, root first" },
    { "--profile-id", name = "profile_ids", value = "UUID", kind = "uuid", many = true,
      help = "one profile" },
    { "--trace-id", name = "trace_ids", value = "HEX", kind = "trace", many = true,
      help = "samples of a trace (32 hex digits)" },
    { "--span-id", name = "span_ids", value = "HEX", kind = "span", many = true,
      help = "samples of a span (16 hex digits)" } },
  { name = "tree", title = "tree",
    { "--max-nodes", name = "max_nodes", value = "N", kind = "positive",
      help = "limit of the tree a server sends (default 16384)" },
    { "--focus", name = "focus", value = "RE",
      help = "only stacks with a matching function" },
    { "--ignore", name = "ignore", value = "RE",
      help = "no stacks with a matching function" },
    { "--hide", name = "hide", value = "RE", help = "leave matching frames out" },
    { "--show", name = "show", value = "RE", help = "matching frames only" },
    { "--show-from", name = "show_from", value = "RE", help = "from the first match down" },
    { "--prune-from", name = "prune_from", value = "RE", help = "nothing below a match" },
    { "--relative-percentages", name = "relative_percentages",
      help = "shares of what the patterns leave, not of everything" },
    { "--invert", name = "invert", help = "the tree from the leaves up" },
    { "--sum", name = "sum", help = "stocks as sums, not per profile" } },
  { name = "output", title = "output",
    { "-o", "--output", name = "format", value = "FORMAT", kind = "format", help = "" },
    { "--json", name = "json", help = "the same as -o json" },
    { "--fields", name = "fields", value = "A,B", kind = "list",
      help = "these fields of the rows; `--fields list` names them" },
    { "--budget", name = "budget", value = "BYTES", kind = "size",
      help = "leave rows out until the answer fits" },
    { "--out", name = "out", value = "FILE", help = "write to a file (mode 600)",
      complete = "files" },
    { "--force", name = "force", help = "overwrite that file" },
    { "--unit", name = "unit", value = "UNIT", kind = "choice",
      choices = { "cores", "%", "s", "bytes" }, help = "cores, %, s or bytes" },
    { "--no-truncate", name = "no_truncate", help = "never cut names" },
    { "--color", name = "color", value = "WHEN", kind = "choice",
      choices = { "auto", "always", "never" }, help = "auto, always or never" },
    { "--no-pager", name = "no_pager", help = "never start a pager" },
    { "--explain", name = "explain", help = "print the requests, with curl lines, on stderr" },
    { "-v", "--verbose", name = "verbose", count = true,
      help = "say more; -vv also where it broke" } },
  { name = "source", title = "source",
    { "--source", name = "source", value = "SOURCE", complete = "deployments",
      help = "a deployment, a URL, or a path (bundle, folder, file)" },
    { "--tenant", name = "tenant", value = "ID", help = "X-Scope-OrgID" },
    { "--token-file", name = "token_file", value = "FILE", complete = "files",
      help = "bearer token; - reads stdin" },
    { "--config", name = "config", value = "FILE", complete = "files",
      help = "another configuration file" },
    { "--connect-timeout", name = "connect_timeout", value = "DURATION", kind = "duration",
      help = "default 5s" },
    { "--timeout", name = "timeout", value = "DURATION", kind = "duration",
      help = "of one request with its tries, default 60s" },
    { "--concurrency", name = "concurrency", value = "N", kind = "positive",
      help = "requests in flight, default 8" },
    { "--no-cache", name = "no_cache", help = "neither read nor write the cache on disk" } },
}

-- Flags that only some commands have.
options.single = {
  limit = { "-n", "--limit", name = "limit", value = "N", kind = "count",
    help = "rows (default 20; 0: all)" },
  cum = { "--cum", name = "cum", help = "rank by total, not by self" },
  group = { "--group", name = "group", value = "WHAT", kind = "choice",
    choices = { "function", "line", "file", "package" },
    help = "function, line, file or package" },
  where = { "--where", name = "where", value = "WHEN", kind = "choice",
    choices = { "auto", "always", "never" },
    help = "file and line: auto, always (pprof over the whole window), never" },
  depth = { "--depth", name = "depth", value = "N", kind = "positive", help = "levels shown" },
  min = { "--min", name = "min", value = "PERCENT", kind = "percent",
    help = "leave out what is below this share (default 1%)" },
  group_by = { "--group-by", name = "group_by", value = "LABEL", kind = "list",
    complete = "labels", help = "a line for each value of this label" },
  step = { "--step", name = "step", value = "DURATION", kind = "duration",
    help = "length of a step (default window / 1500, at least 15s)" },
  top = { "--top", name = "top", help = "rank the groups by their value over the window" },
  wide = { "--wide", name = "wide", help = "a column for each group" },
  cardinality = { "--cardinality", name = "cardinality", help = "values of every label, counted" },
  series = { "--series", name = "series", help = "whole label sets" },
  before = { "--before", name = "before", value = "SIDE",
    help = "label=value, a window -2h..-1h, or both with @" },
  after = { "--after", name = "after", value = "SIDE", help = "the other side, likewise" },
  mode = { "--mode", name = "mode", value = "MODE", kind = "choice",
    choices = { "rate", "share" }, help = "rate (absolute) or share" },
  per_request = { "--per-request", name = "per_request", value = "A,B", kind = "numbers",
    help = "divide the sides by these numbers" },
  noise = { "--noise", name = "noise", value = "PERCENT", kind = "percent",
    help = "smaller changes go into the rest (default 0.5% of the larger side)" },
  bounds = { "--bounds", name = "bounds",
    help = "how far truncated stacks could move each row" },
  fail_over = { "--fail-over", name = "fail_over", value = "PERCENT", kind = "percent",
    help = "exit 10 when the total grew by more" },
  max_other = { "--max-other", name = "max_other", value = "PERCENT", kind = "percent",
    help = "exit 4 when more is hidden in truncated stacks" },
  internal = { "--internal", name = "internal", help = "names like __profile_type__ too" },
  pgo = { "--pgo", name = "go_pgo", help = "a profile for Go's compiler" },
  all = { "--all", name = "all", help = "every file of the profile" },
  raw = { "-X", "--method", name = "method", value = "METHOD", kind = "choice",
    choices = { "GET", "POST" }, help = "of a path: GET or POST" },
  path_map = { "--source-dir", name = "source_dir", value = "DIR", complete = "files",
    help = "where the source files are (default: here)" },
}

local by_group = {}
for _, group in ipairs(options.groups) do by_group[group.name] = group end

--- The flags of a command in the order of help: { title, flags }.
---@param command table
---@return { title: string, flags: pyroscope.flag[] }[]
function options.sections(command)
  local own, sections = {}, {}
  local left_out, wanted = {}, {}
  for _, name in ipairs(command.without or {}) do left_out[name] = true end
  for _, name in ipairs(command.flags or {}) do
    if by_group[name] then
      wanted[name] = true
    else
      own[#own + 1] = assert(options.single[name] or command.own_flags
        and command.own_flags[name], name)
    end
  end
  if #own > 0 then sections[1] = { title = "options", flags = own } end
  for _, group in ipairs(options.groups) do
    if wanted[group.name] then
      local flags = {}
      for _, flag in ipairs(group) do
        local fits = not left_out[flag.name]
        if flag.name == "format" and not command.formats then fits = false end
        if flag.name == "json" and not (command.formats and options.has(command, "json")) then
          fits = false
        end
        if (flag.name == "fields" or flag.name == "budget") and not command.columns then
          fits = false
        end
        if fits then flags[#flags + 1] = flag end
      end
      sections[#sections + 1] = { title = group.title, flags = flags }
    end
  end
  return sections
end

--- Whether a command writes a format.
function options.has(command, format)
  for _, name in ipairs(command.formats or {}) do
    if name == format then return true end
  end
  return false
end

--- Spelling -> flag.
---@param command table
function options.index(command)
  local index = {}
  for _, section in ipairs(options.sections(command)) do
    for _, flag in ipairs(section.flags) do
      for _, spelling in ipairs(flag) do index[spelling] = flag end
    end
  end
  for _, spelling in ipairs { "-h", "--help" } do
    index[spelling] = { spelling, name = spelling == "-h" and "help" or "help_all" }
  end
  return index
end

--- Spelling -> flag of all commands, to tell values from a command's name.
function options.everything()
  local index = {}
  for _, group in ipairs(options.groups) do
    for _, flag in ipairs(group) do
      for _, spelling in ipairs(flag) do index[spelling] = flag end
    end
  end
  return index
end

local function usage(message, hint)
  return nil, errors.new { kind = "usage", message = message, hint = hint }
end

-- Values -------------------------------------------------------------------------------

local checks = {}

local function bad(flag, value, expected)
  return usage(("%s: '%s' is not %s"):format(flag[1], value, expected))
end

-- A value that one of the small languages reads; its error names the flag.
local function read(flag, result, err)
  if result ~= nil then return result end
  return nil, errors.wrap(err, { message = flag[1] .. ": " .. err.message })
end

-- "-1h" is how long as well as when.
local function length(value)
  return (value:gsub("^now%-", ""):gsub("^%-", ""))
end

function checks.duration(value, flag)
  local text = length(value)
  local ms, err = require "pyroscope.timespec".duration(text)
  if not ms then return read(flag, nil, err) end
  return text
end

function checks.time(value, flag)
  local ok, err = require "pyroscope.timespec".parse(value)
  if not ok then return read(flag, nil, err) end
  return value
end

function checks.zone(value, flag)
  local ok, err = require "pyroscope.timespec".offset(value, 0)
  if not ok then return read(flag, nil, err) end
  return value
end

local function integer(value, least)
  local n = value:match "^%d+$" and math.tointeger(tonumber(value))
  return n and n >= least and n or nil
end

function checks.positive(value, flag)
  local n = integer(value, 1)
  if not n then return bad(flag, value, "a positive whole number") end
  return n
end

function checks.count(value, flag)
  local n = integer(value, 0)
  if not n then return bad(flag, value, "a whole number, 0 or more") end
  return n
end

local sizes = { [""] = 1, b = 1, k = 1024, kb = 1000, kib = 1024, m = 1 << 20, mb = 1000000,
  mib = 1 << 20 }

function checks.size(value, flag)
  local n, unit = value:match "^(%d+)(%a*)$"
  local factor = unit and sizes[unit:lower()]
  if not factor or not integer(n, 1) then return bad(flag, value, "a number of bytes (8000, "
    .. "64k)") end
  return integer(n, 1) * factor
end

function checks.percent(value, flag)
  local n = tonumber(value:match "^(%d+%.?%d*)%%?$" or "")
  if not n then return bad(flag, value, "a percentage like 5%") end
  return n / 100
end

function checks.numbers(value, flag)
  local a, b = value:match "^([%d.]+),([%d.]+)$"
  a, b = tonumber(a), tonumber(b)
  if not a or not b or a <= 0 or b <= 0 then
    return bad(flag, value, "two positive numbers like 1200,1500")
  end
  return { a, b }
end

function checks.choice(value, flag)
  for _, choice in ipairs(flag.choices) do
    if value == choice then return value end
  end
  local near = check.suggestion(value, flag.choices)
  return usage(("%s: unknown value '%s'%s"):format(flag[1], value, near ~= "" and " " .. near or ""),
    "one of: " .. table.concat(flag.choices, ", "))
end

function checks.format(value, flag, command)
  for _, format in ipairs(command.formats) do
    if value == format then return value end
  end
  local near = check.suggestion(value, command.formats)
  return usage(("%s: '%s' does not write '%s'%s"):format(flag[1], command.name, value,
    near ~= "" and " " .. near or ""), "formats: " .. table.concat(command.formats, " "))
end

function checks.list(value, flag)
  local list = {}
  for item in value:gmatch "[^,]+" do list[#list + 1] = item:match "^%s*(.-)%s*$" end
  if #list == 0 then return bad(flag, value, "a list like a,b") end
  return list
end

function checks.matcher(value, flag)
  return read(flag, require "pyroscope.selector".label(value))
end

for kind, name in pairs { uuid = "profile_id", trace = "trace_id", span = "span_id" } do
  checks[kind] = function(value, flag)
    return read(flag, require "pyroscope.query"[name](value))
  end
end

-- Parsing ------------------------------------------------------------------------------

-- argparse takes "-2h" for an option: such values wear a mark while it looks.
local mark = "\1"

local function protect(arguments)
  local safe = {}
  for i, argument in ipairs(arguments) do
    safe[i] = argument:find "^%-%d" and mark .. argument or argument
  end
  return safe
end

local function restore(value)
  if type(value) == "string" and value:sub(1, 1) == mark then return value:sub(2) end
  return value
end

-- The first argument that looks like a flag and is none.
local function unknown_flag(arguments, index)
  for _, argument in ipairs(arguments) do
    if argument == "--" then return nil end
    local spelling = argument:match "^(%-%-[^=]+)" or argument:match "^%-%a"
    if spelling and not index[spelling] then return spelling end
  end
end

local function build(command, index)
  local argparse = require "argparse"
  local parser = argparse("pscope " .. command.name):add_help(false)
  local made = {}
  for spelling, flag in pairs(index) do
    if not made[flag] and flag.name ~= "help" and flag.name ~= "help_all" then
      made[flag] = true
      local option = flag.value and parser:option(table.concat(flag, " "))
        or parser:flag(table.concat(flag, " "))
      option:target(flag.name)
      if flag.value then option:args(1) end
      if flag.many or flag.count then option:count "*" end
    end
    local _ = spelling
  end
  for _, argument in ipairs(command.arguments or {}) do
    parser:argument(argument.name):args(argument.many and "*" or argument.optional and "?" or 1)
  end
  return parser
end

local function checked(command, index, parsed)
  local values, seen = {}, {}
  for _, flag in pairs(index) do
    local value = parsed[flag.name]
    if not seen[flag] and value ~= nil and flag.value then
      seen[flag] = true
      local one = checks[flag.kind] or function(v) return v end
      local list, results = flag.many and value or { value }, {}
      for i, item in ipairs(list) do
        local result, err = one(restore(item), flag, command)
        if result == nil then return nil, err end
        results[i] = result
      end
      if flag.many then
        if #results > 0 then values[flag.name] = results end
      else
        values[flag.name] = results[1]
      end
    elseif value ~= nil and not flag.value then
      values[flag.name] = value
    end
  end
  for _, argument in ipairs(command.arguments or {}) do
    local value = parsed[argument.name]
    if type(value) == "table" then
      for i, item in ipairs(value) do value[i] = restore(item) end
    end
    value = restore(value)
    if argument.choices and value ~= nil and command.name ~= "config" then
      local result, err = checks.choice(value, { argument.name:upper(), choices = argument.choices })
      if not result then return nil, err end
    end
    values[argument.name] = value
  end
  return values
end

local function exclusive(values)
  if values.since and values.from then
    return usage("--since and --from exclude each other",
      "--since counts back from --to; --from is a moment")
  end
  if values.around and (values.from or values.to or values.since) then
    return usage("--around excludes --from, --to and --since",
      "--window says how long the window around it is")
  end
  if values.window and not values.around then
    return usage("--window needs --around", "for a window that ends now use --since")
  end
  if values.span_ids and (values.trace_ids or values.profile_ids or values.call_site) then
    return usage "--span-id excludes --trace-id, --profile-id and --call-site"
  end
  if values.trace_ids and values.profile_ids then
    return usage "--trace-id excludes --profile-id"
  end
  if values.force and not values.out then return usage "--force needs --out" end
  return values
end

--- Parses the arguments of a command. The result has a key for every flag given and every
--- positional argument.
---@param command table
---@param arguments string[]
---@return table? values
---@return pyroscope.error? err
function options.parse(command, arguments)
  local index = options.index(command)
  local unknown = unknown_flag(arguments, index)
  if unknown then
    local known = {}
    for spelling in pairs(index) do known[#known + 1] = spelling end
    local near = check.nearest(unknown, known)[1]
    return usage(("%s: unknown option '%s'%s"):format(command.name, unknown,
      near and (" (did you mean '%s'?)"):format(near) or ""),
      ("pscope %s -h"):format(command.name))
  end
  local ok, parsed = build(command, index):pparse(protect(arguments))
  if not ok then
    local message = tostring(parsed):gsub(mark, ""):gsub("\n.*", "")
    return usage(command.name .. ": " .. message, ("pscope %s -h"):format(command.name))
  end
  local values, err = checked(command, index, parsed)
  if not values then return nil, err end
  if values.json then
    if values.format and values.format ~= "json" then
      return usage(("--json and -o %s exclude each other"):format(values.format))
    end
    values.format = "json"
  end
  return exclusive(values)
end

return options
