--- One run of the program: which command, its options, where its answer goes, how it ends.

local errors = require "pyroscope.errors"

local runs = {}

---@class pyroscope.run
---@field command table
---@field options table         parsed flags and arguments
---@field terminal pyroscope.terminal
---@field screen table          for stdout
---@field sources table         opened sources by name
---@field progress table
---@field status integer        the exit code so far
local run = {}
local meta = { __name = "pyroscope.run", __index = run }

local function screen_for(terminal, options, color)
  return require "pyroscope.cli.screen".new {
    width = terminal.width, utf8 = terminal.utf8, color = color,
    cut = terminal.output and not options.no_truncate, links = terminal.links,
  }
end

--- A run of a command with parsed options.
function runs.new(command, options)
  local terminal = require "pyroscope.cli.terminal".detect(options.color)
  local self = setmetatable({ command = command, options = options, terminal = terminal,
    sources = {}, status = 0 }, meta)
  self.screen = screen_for(terminal, options, terminal.color)
  self.progress = require "pyroscope.cli.progress".new(terminal,
    { verbose = (options.verbose or 0) > 0 })
  return self
end

--- A window for headers: dates unless it is today's, seconds only where they matter.
function run:window(from_ms, to_ms)
  if to_ms - from_ms >= 10000 then
    from_ms, to_ms = (from_ms + 500) // 1000 * 1000, (to_ms + 500) // 1000 * 1000
  end
  return require "pyroscope.units".window(from_ms, to_ms,
    { tz = self.options.tz, now_ms = os.time() * 1000 })
end

--- A line on stderr, for people.
function run:say(text)
  self.progress:finish()
  io.stderr:write(require "pyroscope.cli.screen".printable(text), "\n")
end

--- A warning: on stderr, except where the answer itself carries it.
function run:warn(text)
  if self.options.format ~= "json" and self.options.format ~= "jsonl" then
    self:say("warning: " .. text)
  end
end

--- Details for those who asked with -v.
function run:detail(text)
  if (self.options.verbose or 0) > 0 then self:say(text) end
end

--- The exit code grows worse, never better.
function run:worsen(code)
  self.status = errors.worse(self.status, code)
end

function run:configuration()
  if not self.config then
    self.config = require "pyroscope.cli.deployments".new(self)
  end
  return self.config
end

--- Is this the name of a deployment?
function run:knows(name)
  return name ~= "" and self:configuration():knows(name)
end

--- A client for a deployment, an address, or (nil) the default.
function run:connect(name, options)
  return self:configuration():connect(name, options)
end

--- Writes bytes to `--out` or stdout. `binary`: never to a terminal.
---@return integer code
function run:write(bytes, options)
  options = options or {}
  self.progress:finish()
  if self.options.out then
    local ok, err = require "pyroscope.system".write_file(self.options.out, bytes,
      { force = self.options.force })
    if not ok then return self:fail(err) end
    if options.receipt then self:say(options.receipt) end
    return self.status
  end
  if options.binary and self.terminal.output then
    return self:fail(errors.new { kind = "usage", code = "binary",
      message = ("%s is binary and stdout is a terminal"):format(options.binary),
      hint = "write it to a file with --out FILE, or into a pipe" })
  end
  local paged = not options.binary and not self.options.no_pager
  local ok, why = require "pyroscope.cli.pager".write(bytes, self.terminal, paged)
  if not ok and why ~= "closed" then
    return self:fail(errors.new { kind = "io", message = "cannot write to stdout: " .. why })
  end
  return self.status
end

--- Waits for a client: draws progress, sees ctrl-c. True cancels what is in flight; a second
--- ctrl-c ends at once.
function run:wait(client, seconds)
  if not self.pending then
    self.pending, self.stop_watching = require "pyroscope.system".interrupts()
  end
  client:poll(seconds)
  local count, signal = self.pending()
  if count > 1 then
    self.progress:finish()
    os.exit(signal == "sigterm" and 143 or 130, false)
  end
  if count == 1 then
    self.interrupted = signal == "sigterm" and 143 or 130
    return true
  end
  local status = client:status()
  self.progress:update { what = "fetching", done = status.finished, total = status.requests,
    bytes = status.received }
end

--- Waits for a client's answers with progress and ctrl-c, and keeps its log for --explain.
function run:watch(client)
  if self.options.explain then client.explain = true end
  client.on_wait = function(waiting, seconds) return self:wait(waiting, seconds) end
end

-- The requests that were made, for --explain.
function run:print_log()
  if not self.options.explain then return end
  for _, source in pairs(self.sources) do
    if source.log then
      for _, line in ipairs(require "pyroscope.cli.explain".lines(source)) do self:say(line) end
    end
  end
end

--- Prints a document in the format asked for; the exit code is the result.
---@param document pyroscope.document
---@return integer code
function run:answer(document)
  local format = self.options.format or "table"
  if document.partial then self:worsen(4) end
  for _, warning in ipairs(document.warnings or {}) do
    if format ~= "md" then self:warn(warning) end
  end
  local text, err = require "pyroscope.cli.answer".render(document, format, {
    screen = self.screen, fields = self.options.fields, budget = self.options.budget,
    printable = self.terminal.output })
  if not text then return self:fail(err) end
  return self:write(text)
end

--- Prints an error; its exit code is the result.
---@param err pyroscope.error
---@return integer code
function run:fail(err)
  self.progress:finish()
  if err.kind == "cancelled" and self.interrupted then
    err = errors.wrap(err, { code = "interrupted", message = "interrupted" })
  end
  return runs.report(self:named(err), self.options, self)
end

--- The error in the words of the person who asked: which deployment, and where it is set.
function run:named(err)
  local told = err.kind == "unreachable" or err.kind == "auth" or err.kind == "timeout"
  if err.title or not told then return err end
  for source, found in pairs(self.origins or {}) do
    if err.url and err.url:sub(1, #source.base) == source.base then
      local config = require "pyroscope.config"
      local origin = found.origins.url
      origin = origin and origin.path and config.origin(origin)
      local message, title = err.message, nil
      if err.kind == "unreachable" and found.name then
        message = message:gsub("^cannot reach %S+: ", "")
        title = ('cannot reach deployment "%s"'):format(found.name)
      end
      return errors.wrap(err, { message = message, title = title, origin = origin or nil })
    end
  end
  return err
end

--- Prints an error for options that may not have been parsed yet.
function runs.report(err, options, self)
  local report = require "pyroscope.cli.errors"
  if options.format == "json" or options.format == "jsonl" then
    require "pyroscope.system".catch_broken_pipes()
    io.stdout:write(report.json(err))
  else
    local terminal = self and self.terminal
      or require "pyroscope.cli.terminal".detect(options.color)
    local look = screen_for(terminal, options, terminal.error_color)
    io.stderr:write(report.text(err, look))
  end
  return report.exit_code(err)
end

-- Which command --------------------------------------------------------------------------

-- `pscope --source x top` is `pscope top --source x`: flags before the command move behind it.
local function split(arguments)
  local before, i = {}, 1
  local everything
  while arguments[i] and arguments[i]:find "^%-." and arguments[i] ~= "--" do
    everything = everything or require "pyroscope.cli.options".everything()
    local spelling = arguments[i]:match "^(%-%-[^=]+)" or arguments[i]:sub(1, 2)
    local flag = everything[spelling]
    before[#before + 1] = arguments[i]
    if flag and flag.value and #spelling == #arguments[i] then
      i = i + 1
      before[#before + 1] = arguments[i]
    end
    i = i + 1
  end
  local name = arguments[i]
  local rest = { table.unpack(arguments, i + 1) }
  table.move(before, 1, #before, #rest + 1, rest)
  return name, rest, before
end

local function unknown(name)
  local check = require "pyroscope.check"
  local index = require "pyroscope.cli.index"
  local known = index.names()
  table.move(index.old, 1, #index.old, #known + 1, known)
  local near = check.nearest(name, known)[1]
  return errors.new { kind = "usage", code = "command",
    message = ("there is no command '%s'%s"):format(name,
      near and (" (did you mean '%s'?)"):format(near) or ""),
    hint = "pscope help" }
end

-- A guess at the format before the options are parsed: an error has to know how to look.
local function wants_json(arguments)
  for i, argument in ipairs(arguments) do
    if argument == "--" then return nil end
    if argument == "--json" or argument == "-ojson" or argument == "--output=json"
        or ((argument == "-o" or argument == "--output") and arguments[i + 1] == "json") then
      return "json"
    end
  end
end

local function asks_help(rest)
  for _, argument in ipairs(rest) do
    if argument == "--" then return nil end
    if argument == "-h" then return "short" end
    if argument == "--help" then return "full" end
  end
end

-- `--fields list` asks about the command, not about a source: no argument has to be there.
local function lists_fields(rest)
  for i, argument in ipairs(rest) do
    if argument == "--" then return false end
    if argument == "--fields=list" or (argument == "--fields" and rest[i + 1] == "list") then
      return true
    end
  end
end

local function perform(command, options)
  local self = runs.new(command, options)
  local code, err = command.run(self, options)
  self.progress:finish()
  if err then code = self:fail(err) end
  self:print_log()
  if self.interrupted then code = self.interrupted end
  for _, source in pairs(self.sources) do source:close() end
  return code or self.status
end

local function dispatch(arguments)
  local name, rest, before = split(arguments)
  local report = { format = wants_json(arguments) }
  if not name then
    if asks_help(before) then
      io.stdout:write(require "pyroscope.cli.help".first())
      return 0
    end
    for _, argument in ipairs(before) do
      if argument == "--version" or argument == "-V" then
        io.stdout:write("pscope ", require "pyroscope.core".version, "\n")
        return 0
      end
    end
    return runs.report(errors.new { kind = "usage", message = "no command given",
      hint = "pscope help" }, report)
  end
  if name == "__complete" then return require "pyroscope.cli.completion".complete(rest) end
  local bad
  name, bad = require "pyroscope.cli.index".translate(name, rest)
  if not name then return runs.report(bad, report) end
  rest = bad
  local command = require "pyroscope.cli.index".load(name)
  if not command then return runs.report(unknown(name), report) end
  if command.raw then return command.run(rest, before, runs) end
  local help = asks_help(rest)
  if help then
    local self = runs.new(command, {})
    return self:write(require "pyroscope.cli.help".command(command, help == "full"))
  end
  if command.columns and lists_fields(rest) then
    return runs.new(command, {}):write(require "pyroscope.cli.answer".list_fields(command))
  end
  local options, err = require "pyroscope.cli.options".parse(command, rest)
  if not options then return runs.report(err, report) end
  return perform(command, options)
end

-- A standard stream that is closed would be the number of the next file that is opened, which
-- libuv does not survive: it becomes /dev/null.
local function fill_closed_streams()
  for _, stream in ipairs { io.stdin, io.stdout, io.stderr } do
    local _, _, code = stream:seek "cur"
    if code == 9 then -- EBADF
      runs.kept = runs.kept or {}
      table.insert(runs.kept, (io.open("/dev/null", "r+")))
    end
  end
end

--- Runs the program; the exit code is the result. A crash is one line, its trace needs -vv.
---@param arguments string[]
---@return integer code
function runs.main(arguments)
  fill_closed_streams()
  local ok, result = xpcall(dispatch, function(problem)
    if errors.is(problem) then return problem end
    return { problem = tostring(problem), trace = debug.traceback("", 2) }
  end, arguments)
  if ok then return result end
  if errors.is(result) then return runs.report(result, { format = wants_json(arguments) }) end
  local verbose = 0
  for _, argument in ipairs(arguments) do
    if argument == "-vv" then verbose = 2 end
    if argument == "-v" or argument == "--verbose" then verbose = verbose + 1 end
  end
  if verbose >= 2 then io.stderr:write(result.trace:gsub("^\n", ""), "\n") end
  local message = require "pyroscope.cli.screen".printable((result.problem:gsub("\n.*", "")))
  if wants_json(arguments) then
    io.stdout:write('{"type":"pyroscope.error","schema":1,"error":',
      require "pyroscope.output.json".encode { kind = "io", code = "crash",
        message = "internal error: " .. message, exit = 1 }, "}\n")
  else
    io.stderr:write("error: internal error: ", message, "\n",
      "hint  this is a mistake in pscope; run again with -vv for the trace\n")
  end
  return 1
end

return runs
