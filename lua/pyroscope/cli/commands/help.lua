--- `pscope help`: a command in full, or a topic.

local errors = require "pyroscope.errors"
local screen = require "pyroscope.cli.screen"

local command = {
  name = "help",
  summary = "Help on a command or a topic",
  arguments = { { name = "topic", optional = true, complete = "topics" } },
  flags = {},
  examples = { "pscope help top", "pscope help selectors" },
}

function command.run(run, options)
  local word = options.topic
  local help = require "pyroscope.cli.help"
  if not word then return run:write(help.first()) end
  if word == "tools" then return run:write "pyroscope\n" end
  local topics = require "pyroscope.cli.topics"
  local text = topics.of(word)
  if text then return run:write(text) end
  local index = require "pyroscope.cli.index"
  local found = index.load(word)
  if found then return run:write(help.command(found, true)) end
  local known = index.names()
  for _, name in ipairs(topics.names()) do known[#known + 1] = name end
  return nil, errors.new { kind = "usage",
    message = ("there is no command or topic '%s'%s"):format(word, screen.meant(word, known)),
    hint = "topics: " .. table.concat(topics.names(), ", ") }
end

return command
