--- Every flag of every command, once: checking, parsing, help and completion come from here.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local flags = require "pyroscope.cli.flags"
local screen = require "pyroscope.cli.screen"

local options = {}

local by_group = {}
for _, group in ipairs(flags.groups) do by_group[group.name] = group end

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
      own[#own + 1] = assert(flags.single[name] or command.own_flags
        and command.own_flags[name], name)
    end
  end
  if #own > 0 then sections[1] = { title = "options", flags = own } end
  for _, group in ipairs(flags.groups) do
    if wanted[group.name] then
      local list = {}
      for _, flag in ipairs(group) do
        local fits = not left_out[flag.name]
        if flag.name == "format" and not command.formats then fits = false end
        if flag.name == "json" and not (command.formats and options.has(command, "json")) then
          fits = false
        end
        if flag.name == "editor" and not options.has(command, "quickfix") then fits = false end
        if (flag.name == "fields" or flag.name == "budget") and not command.columns then
          fits = false
        end
        if fits then list[#list + 1] = flag end
      end
      sections[#sections + 1] = { title = group.title, flags = list }
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

local function spell(index, flag)
  for _, spelling in ipairs(flag) do index[spelling] = flag end
  for _, spelling in ipairs(flag.also or {}) do index[spelling] = flag end
end

--- Spelling -> flag.
---@param command table
function options.index(command)
  local index = {}
  for _, section in ipairs(options.sections(command)) do
    for _, flag in ipairs(section.flags) do
      spell(index, flag)
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
  for _, group in ipairs(flags.groups) do
    for _, flag in ipairs(group) do spell(index, flag) end
  end
  for _, flag in pairs(flags.single) do spell(index, flag) end
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

function checks.nodes(value, flag)
  if value == "-1" then return -1 end
  return checks.positive(value, flag)
end

function checks.positive(value, flag)
  local n = integer(value, 1)
  if not n then return bad(flag, value, "a positive whole number") end
  return n
end

function checks.pixels(value, flag)
  local n = tonumber(value:match "^(%d*%.?%d+)px$" or value:match "^%d*%.?%d+$" or "")
  if not n or n > 1000 then return bad(flag, value, "a number of pixels from 0 to 1000") end
  return n
end

function checks.link(value, flag)
  for _, scheme in ipairs { "https", "http", "vscode" } do
    if value:find("^" .. scheme .. "://") then return value end
  end
  return bad(flag, value, "a link that begins with https://, http:// or vscode://")
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
  local near = screen.meant(value, flag.choices)
  return usage(("%s: unknown value '%s'%s"):format(flag[1], value, near),
    "one of: " .. table.concat(flag.choices, ", "))
end

-- Formats by the words of other tools: what they write is what ours means.
local formats = { agents = "md", markdown = "md", yaml = "json", graph = "table", text = "table" }

-- `wide` is a table of which nothing is cut; the command may have more columns for it.
local function wide(values)
  if values.format == "wide" then
    values.format, values.wide, values.no_truncate = "table", true, true
  end
  return values
end

function checks.format(value, flag, command)
  if formats[value] and not options.has(command, value) then value = formats[value] end
  if value == "wide" and options.has(command, "table") then return value end
  for _, format in ipairs(command.formats) do
    if value == format then return value end
  end
  return usage(("%s: '%s' does not write '%s'%s"):format(flag[1], command.name, value,
    screen.meant(value, command.formats)), "formats: " .. table.concat(command.formats, " "))
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
      local words = table.concat(flag, " ")
      if flag.also then words = words .. " " .. table.concat(flag.also, " ") end
      local option = flag.value and parser:option(words) or parser:flag(words)
      option:target(flag.name)
      if flag.value then option:args(1) end
      if flag.many or flag.count then option:count "*" end
      if flag.once then option:overwrite(false) end
    end
    local _ = spelling
  end
  for _, argument in ipairs(command.arguments or {}) do
    parser:argument(argument.name):args(argument.many and "*" or argument.optional and "?" or 1)
  end
  return parser
end

local function joined(lists)
  local all = {}
  for _, list in ipairs(lists) do table.move(list, 1, #list, #all + 1, all) end
  return all
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
        if flag.kind == "list" then results = joined(results) end
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
      local flag = { argument.name:upper(), choices = argument.choices }
      local result, err = checks.choice(value, flag)
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
    local hint = ("pscope %s -h"):format(command.name)
    for _, word in ipairs(message:find "too many arguments" and arguments or {}) do
      if word:find "^[./~].*/" then
        hint = ("a service of a folder: pscope %s SERVICE --source %s\n"):format(command.name, word)
          .. hint
        break
      end
    end
    return usage(command.name .. ": " .. message, hint)
  end
  local values, err = checked(command, index, parsed)
  if not values then return nil, err end
  for _, format in ipairs { "json", "editor" } do
    if values[format] then
      if values.format and values.format ~= format then
        return usage(("--%s and -o %s exclude each other"):format(format, values.format))
      end
      values.format = format
    end
  end
  return exclusive(wide(values))
end

return options
