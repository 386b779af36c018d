--- `pscope completion`: the completion script of a shell.

local command = {
  name = "completion",
  summary = "Print the completion script of bash, zsh or fish",
  arguments = { { name = "shell", choices = { "bash", "zsh", "fish" } } },
  flags = {},
  examples = { "source <(pscope completion bash)", "pscope completion zsh > ~/.zfunc/_pscope",
    "pscope completion fish | source" },
}

function command.run(run, options)
  local text, err = require "pyroscope.cli.completion".script(options.shell)
  if not text then return nil, err end
  return run:write(text)
end

return command
