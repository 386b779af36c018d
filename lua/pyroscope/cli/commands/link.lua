--- `pscope link`: the address of the same question for a person.

local errors = require "pyroscope.errors"
local question = require "pyroscope.cli.question"
local target = require "pyroscope.cli.target"

local command = {
  name = "link",
  summary = "The address of the same question in Pyroscope or Grafana",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "view", "link_as", "window", "data", "stack", "output", "source" },
  without = { "fields", "budget", "unit", "no_truncate" },
  formats = { "table", "json" },
  columns = { { name = "url", kind = "text" }, { name = "view", kind = "text" },
    { name = "definition", kind = "text" } },
  examples = { "pscope link prod/checkout", "pscope link prod/checkout --view diff --since 1h",
    "pscope link prod/checkout --as perses" },
  notes = "comparison and diff compare the window with the one of equal length before it. No "
    .. "credential is ever part of an address.",
}

--- Address of the question of a target; the resolved question and its source too.
---@return string? url
---@return pyroscope.error|string|nil err_or_warning
---@return table? resolved
---@return table? source
function command.of(run, options, text, asked)
  local found, source = target.find(run, text)
  if not found then return nil, source end
  if source.kind == "store" then
    return nil, errors.new { kind = "unsupported", code = "no_page",
      message = ("'%s' is no server: nobody shows it under an address"):format(source.name),
      hint = "a page of it: pscope open, or pscope flame -o html --out flame.html" }
  end
  local resolved, settled = question.guess(options, found, source)
  if not resolved then return nil, settled end
  local guessed
  if type(settled) == "function" then
    -- an address is right, too, where nobody sends profiles now or nobody answers
    local known, err = settled()
    if known then resolved = known else guessed = err end
  end
  if not asked.as then source:server() end -- which pages it has
  local url, why = source:link(resolved, asked)
  if url and guessed and guessed.kind ~= "no_data" then
    local said = ("type %s is a guess: %s"):format(resolved.profile_type, guessed.message)
    why = type(why) == "string" and why .. "; " .. said or said
  end
  return url, why, resolved, source
end

function command.run(run, options)
  local url, why, resolved, source = command.of(run, options, options.target,
    { view = options.view, as = options.link_as })
  if not url then return nil, why end
  if type(why) == "string" then run:warn(why) end
  if options.link_as then return run:write(url .. "\n") end
  if options.format == "json" then
    return run:answer { type = "pyroscope.link", columns = command.columns,
      rows = { { url = url, view = options.view or "single" } },
      head = { query = question.document(resolved, source.name), link = url },
      warnings = type(why) == "string" and { why } or {} }
  end
  return run:write(url .. "\n")
end

return command
