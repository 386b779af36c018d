--- Processes without a shell, several at once, on libuv's loop.

local errors = require "pyroscope.errors"
local uv = require "pyroscope.system".uv

local process = {}

---@class pyroscope.job
---@field command string        the program, for messages
---@field code? integer         exit code, when it ended
---@field signal? integer
---@field stdout string         when done
---@field stderr string
---@field err? pyroscope.error
local job = {}
job.__index = job
job.__name = "pyroscope.job"

--- True when the process ended and its output was read, or when it failed.
function job:done()
  return self.finished
end

local function finish(self, err)
  if self.finished then return end
  self.finished = true
  self.err = err
  self.stdout, self.stderr = table.concat(self.chunks.stdout), table.concat(self.chunks.stderr)
  for _, handle in ipairs(self.handles) do
    if not uv().is_closing(handle) then uv().close(handle) end
  end
end

--- Ends the process; the job is done with a `cancelled` error, or with the one given.
function job:kill(err)
  if self.finished then return end
  if not self.exited then uv().process_kill(self.process, "sigterm") end
  finish(self, err or errors.new { kind = "cancelled",
    message = ("'%s' was cancelled"):format(self.command) })
end

local function collect(self, name, pipe, max_bytes)
  self.open = self.open + 1
  local size = 0
  uv().read_start(pipe, function(message, chunk)
    if self.finished then return end
    if chunk then
      size = size + #chunk
      if size > max_bytes then
        if name == "stderr" then return end -- the beginning says enough
        return self:kill(errors.new { kind = "limit", code = "output",
          message = ("'%s' printed more than %d bytes"):format(self.command, max_bytes) })
      end
      table.insert(self.chunks[name], chunk)
    else
      if message then self.read_error = message end
      self.open = self.open - 1
      if self.exited and self.open == 0 then finish(self) end
    end
  end)
end

local function environment(extra)
  if not extra then return nil end
  local list = {}
  for name, value in pairs(uv().os_environ()) do
    if extra[name] == nil then list[#list + 1] = name .. "=" .. value end
  end
  for name, value in pairs(extra) do
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

--- Starts a program without a shell. Several can run at once: `process.step` moves them all.
--- `stdout` and `stderr`: "capture" (default) or "inherit"; `env` adds variables (false removes).
---@param argv string[]
---@param options? { stdin?: string, timeout_ms?: integer, max_bytes?: integer, env?: table,
---  cwd?: string, stdout?: string, stderr?: string }
---@return pyroscope.job? job
---@return pyroscope.error? err
function process.spawn(argv, options)
  options = options or {}
  local self = setmetatable({ command = argv[1], open = 0, handles = {},
    chunks = { stdout = {}, stderr = {} } }, job)
  local function pipe()
    local handle = uv().new_pipe(false)
    table.insert(self.handles, handle)
    return handle
  end
  local stdin = options.stdin and pipe() or nil
  local stdout = options.stdout ~= "inherit" and pipe() or nil
  local stderr = options.stderr ~= "inherit" and pipe() or nil
  local arguments = table.move(argv, 2, #argv, 1, {})
  local handle, message, code = uv().spawn(argv[1], {
    args = arguments, cwd = options.cwd, env = environment(options.env),
    stdio = { stdin, stdout or 1, stderr or 2 },
  }, function(exit_code, signal)
    self.code, self.signal, self.exited = exit_code, signal, true
    if not uv().is_closing(self.process) then uv().close(self.process) end
    if self.open == 0 then return finish(self) end
    -- A grandchild may hold the pipes open for ever.
    local grace = uv().new_timer()
    table.insert(self.handles, grace)
    if not self.finished then uv().timer_start(grace, 500, 0, function() finish(self) end) end
  end)
  if not handle then
    for _, opened in ipairs(self.handles) do uv().close(opened) end
    uv().run "nowait"
    local missing = tostring(message):match "^ENOENT"
    return nil, errors.new { kind = "io", code = code or tostring(message):match "^(%u+)",
      message = missing and ("there is no program '%s'"):format(argv[1])
        or ("cannot start '%s': %s"):format(argv[1], (tostring(message):gsub("^%u+: ", ""))),
      hint = missing and "is it installed, and is its folder in PATH?" or nil }
  end
  self.process, self.process_id = handle, code
  local max_bytes = options.max_bytes or 16777216
  if stdout then collect(self, "stdout", stdout, max_bytes) end
  if stderr then collect(self, "stderr", stderr, 65536) end
  if stdin then
    -- A program that does not read its input is no failure of ours.
    uv().write(stdin, options.stdin, function()
      if not uv().is_closing(stdin) then uv().close(stdin) end
    end)
  end
  if options.timeout_ms then
    local timer = uv().new_timer()
    table.insert(self.handles, timer)
    uv().timer_start(timer, math.max(1, options.timeout_ms), 0, function()
      self:kill(errors.new { kind = "timeout", code = "command_timeout",
        message = ("'%s' did not end within %.1f s"):format(self.command,
          options.timeout_ms / 1000) })
    end)
  end
  return self
end

--- Lets the processes started here move on until something happened or the time is over.
---@param timeout_ms? integer   nil: until something happens
function process.step(timeout_ms)
  if not timeout_ms then
    uv().run "once"
  elseif timeout_ms <= 0 then
    uv().run "nowait"
  else
    local timer = uv().new_timer()
    uv().timer_start(timer, timeout_ms, 0, function() end)
    uv().run "once"
    uv().close(timer)
    uv().run "nowait"
  end
end

--- Runs a program to its end.
---@param argv string[]
---@param options? table   as `process.spawn`
---@return pyroscope.job? job   with code, signal, stdout, stderr
---@return pyroscope.error? err
function process.run(argv, options)
  local self, err = process.spawn(argv, options)
  if not self then return nil, err end
  while not self.finished do uv().run "once" end
  uv().run "nowait"
  if self.err then return nil, self.err end
  return self
end

return process
