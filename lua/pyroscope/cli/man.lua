--- The manual page, in the language of man(7): the same help as on a screen, all of it.

local help = require "pyroscope.cli.help"
local index = require "pyroscope.cli.index"
local options = require "pyroscope.cli.options"
local topics = require "pyroscope.cli.topics"

local man = {}

-- Text that no formatter takes for a request or an escape.
local function escape(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("'", "\\(aq"):gsub("`", "\\(ga")
  return (text:gsub("^%.", "\\&."):gsub("\n%.", "\n\\&."))
end

local function add(lines, ...)
  for _, line in ipairs { ... } do lines[#lines + 1] = line end
end

local function verbatim(lines, text)
  add(lines, ".nf", escape(text:gsub("\n+$", "")), ".fi")
end

local function flags(lines, list, command)
  for _, flag in ipairs(list) do
    local text = help.sentence(flag, command)
    if flag.more then text = text .. ": " .. flag.more end
    add(lines, ".TP", ".B " .. escape(help.spelled(flag)), escape(text))
  end
end

local function command_of(lines, entry)
  local command = index.load(entry[1])
  add(lines, ".SS " .. escape(command.name), escape(command.summary) .. ".", ".PP")
  verbatim(lines, help.usage(command):gsub("^usage: ", ""))
  for paragraph in (command.notes or ""):gmatch "[^\n]+" do add(lines, ".PP", escape(paragraph)) end
  local shared = {}
  for i, section in ipairs(options.sections(command)) do
    if i == 1 and section.title == "options" then
      flags(lines, section.flags, command)
    elseif #section.flags > 0 then
      shared[#shared + 1] = section.title
    end
  end
  if shared[1] then
    add(lines, ".PP", "Options below: " .. escape(table.concat(shared, ", ")) .. ".")
  end
  if command.formats then
    add(lines, ".PP", "Formats: " .. escape(table.concat(command.formats, " ")) .. ".")
  end
  if command.examples then
    add(lines, ".PP")
    verbatim(lines, "  " .. table.concat(command.examples, "\n  "))
  end
end

--- The page.
---@return string
function man.page()
  local lines = { '.TH PSCOPE 1 "" "pscope ' .. require "pyroscope.core".version .. '"',
    ".SH NAME", escape "pscope - profiles of running services, from Pyroscope or from files",
    ".SH SYNOPSIS", ".B pscope", escape "COMMAND [TARGET] [options]", ".SH DESCRIPTION" }
  verbatim(lines, help.first())
  add(lines, ".SH COMMANDS")
  for _, section in ipairs(index.sections) do
    for _, entry in ipairs(section[2]) do command_of(lines, entry) end
  end
  add(lines, ".SH OPTIONS OF SEVERAL COMMANDS")
  for _, group in ipairs(require "pyroscope.cli.flags".groups) do
    add(lines, ".SS " .. escape(group.title))
    flags(lines, group, { formats = { "the formats of the command" } })
  end
  for _, name in ipairs(topics.names()) do
    if name ~= "man" and name ~= "commands" then
      add(lines, ".SH " .. escape(name:upper()))
      verbatim(lines, topics.of(name))
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return man
