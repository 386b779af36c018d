--- Help: the first screen, a command on one screen (-h) or in full (--help), topics.

local help = {}

--- What `pscope` alone prints.
---@return string
function help.first()
  return [[
pscope - profiles of running services, from Pyroscope or from files

  pscope services prod                            who sends profiles
  pscope top prod/checkout --since 1h             where the CPU goes
  pscope diff prod/checkout -2h -1h -30m now      what changed
  pscope investigate memory prod/checkout         is it a leak, and whose
  pscope top ./incident                           the same questions to files

look  services types labels versions top tree flame peek traces list series exemplars
ask   diff investigate recipes capture          move  export open link
set   config use doctor discover stats        talk  call perses run completion help version
pscope COMMAND -h    pscope help TOPIC    exit codes: pscope help exit-codes
]]
end

--- Every command with what it is for, and the topics.
---@return string
function help.commands()
  local lines = { "pscope COMMAND [TARGET] [options]" }
  for _, section in ipairs(require "pyroscope.cli.index".sections) do
    lines[#lines + 1] = ""
    lines[#lines + 1] = section[1]
    for _, entry in ipairs(section[2]) do
      lines[#lines + 1] = ("  %-12s %s"):format(entry[1], entry[2])
    end
  end
  local topics = table.concat(require "pyroscope.cli.topics".names(), " ")
  table.move({ "", "pscope COMMAND -h       one screen; --help: every option with its sentence",
    "pscope help TOPIC       " .. topics, "pscope help man         all of it as a manual page: "
      .. "pscope help man > pscope.1" }, 1, 4, #lines + 1, lines)
  return table.concat(lines, "\n") .. "\n"
end

local function wrap(text, width, indent)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    if #line + #word + 1 > width and line ~= "" then
      lines[#lines + 1] = line
      line = word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  if line ~= "" then lines[#lines + 1] = line end
  return table.concat(lines, "\n" .. (" "):rep(indent))
end

--- All spellings of a flag, and its value.
---@param flag pyroscope.flag
---@return string
function help.spelled(flag)
  local text = table.concat(flag, ", ")
  if flag.value then text = text .. " " .. flag.value end
  return text
end

--- "usage: pscope ..."
---@param command table
---@return string
function help.usage(command)
  if command.usage then return "usage: pscope " .. command.usage end
  local parts = { "usage: pscope", command.name }
  for _, argument in ipairs(command.arguments or {}) do
    local text = argument.shown or argument.name:upper()
    if argument.many then text = text .. "..." end
    parts[#parts + 1] = argument.optional and "[" .. text .. "]" or text
  end
  parts[#parts + 1] = "[options]"
  return table.concat(parts, " ")
end

--- What a flag is for.
---@param flag pyroscope.flag
---@param command table
---@return string
function help.sentence(flag, command)
  if flag.name == "format" then return "one of: " .. table.concat(command.formats, " ") end
  return flag.help
end

--- The help of a command. `full`: every flag with its sentence.
---@param command table
---@param full boolean
---@return string
function help.command(command, full)
  local options = require "pyroscope.cli.options"
  local lines = { help.usage(command), "", command.summary .. "." }
  if command.names then
    lines[#lines + 1] = "also: " .. table.concat(command.names, ", ")
  end
  if command.examples then
    lines[#lines + 1] = ""
    for _, example in ipairs(command.examples) do lines[#lines + 1] = "  " .. example end
  end
  if full and command.notes then
    lines[#lines + 1] = ""
    for paragraph in command.notes:gmatch "[^\n]+" do lines[#lines + 1] = wrap(paragraph, 96, 0) end
  end
  for i, section in ipairs(options.sections(command)) do
    if #section.flags > 0 then
      local short = not full and (i > 1 or section.title ~= "options")
        and section.title ~= "window" and section.title ~= "data"
      if short then
        local names = {}
        for _, flag in ipairs(section.flags) do names[#names + 1] = flag[1] end
        lines[#lines + 1] = ("%-8s %s"):format(section.title, wrap(table.concat(names, " "), 86, 9))
      else
        lines[#lines + 1] = ""
        lines[#lines + 1] = section.title
        local rare = {}
        for _, flag in ipairs(section.flags) do
          if flag.rare then rare[#rare + 1] = flag[1] end
        end
        for _, flag in ipairs(section.flags) do
          if not full and flag.rare then goto continue end
          local text = help.sentence(flag, command)
          if full and flag.more then text = text .. ": " .. flag.more end
          local left = "  " .. help.spelled(flag)
          if #left > 30 then
            lines[#lines + 1] = left
            left = ""
          end
          lines[#lines + 1] = ("%-31s %s"):format(left, wrap(text, 66, 32))
          ::continue::
        end
        if not full and #rare > 0 then
          lines[#lines + 1] = "  " .. wrap(table.concat(rare, " "), 92, 2)
        end
        if not full then lines[#lines + 1] = "" end
      end
    end
  end
  if not full then
    if command.formats then
      lines[#lines + 1] = ("%-8s %s"):format("formats", table.concat(command.formats, " "))
    end
    lines[#lines + 1] = ("everything: pscope %s --help"):format(command.name)
  end
  return (table.concat(lines, "\n"):gsub("\n\n\n+", "\n\n")) .. "\n"
end

return help
