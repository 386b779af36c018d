--- `pscope use`: stores, shows or forgets the default target.

local target = require "pyroscope.cli.target"

local command = {
  name = "use",
  summary = "Store the default target; without one show it",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "forget", "output", "source" },
  own_flags = { forget = { "--forget", name = "forget", help = "forget the default target" } },
  without = { "unit", "explain", "fields", "budget", "source", "tenant", "token_file",
    "connect_timeout", "timeout", "concurrency" },
  formats = { "table", "json", "names" },
  columns = { { name = "name", kind = "text" } },
  examples = { "pscope use prod/checkout", "pscope use", "pscope use --forget" },
  notes = "The default target lies in the state directory; a command without TARGET means it. "
    .. "Nothing "
    .. "is asked over the network.",
}

function command.run(run, options)
  local text = options.target
  if options.forget or text then
    if text and text ~= "" then
      local found, err = target.parse(text, { known = function(name) return run:knows(name) end })
      if not found then return nil, err end
      if found.source and not found.path and not target.is_url(found.source)
          and not run:knows(found.source) then
        run:warn(("there is no deployment '%s' yet; pscope config list names those that there are")
          :format(found.source))
      end
      if found.path and text ~= "-" then -- the same from every folder
        local system = require "pyroscope.system"
        text, err = system.realpath(require "pyroscope.config".expand(text))
        if not text then return nil, err end
        local stat = system.stat(text)
        if stat and stat.type == "directory" then text = text .. "/" end
      end
    end
    local ok, err = target.store(not options.forget and text or nil)
    if not ok then return nil, err end
  end
  local stored = target.default()
  local document = { type = "pyroscope.use", columns = command.columns,
    rows = stored and { { name = stored } } or {}, head = { target = stored } }
  document.view = { { "TARGET", cell = function(row, screen) return screen:name(row.name) end } }
  document.body = function(screen)
    return { stored and ("target: %s"):format(screen:name(stored))
      or "no default target; set one: pscope use DEPLOYMENT/SERVICE" }
  end
  return run:answer(document)
end

return command
