--- The terminal of a flame graph: its second screen, raw keys, size, signals. Whatever happens, the
--- terminal is left as it was.

local keys = require "pyroscope.cli.flame_keys"
local system = require "pyroscope.system"

local tty = {}

local PAUSE = 40 -- ms after which Escape was a key, not the beginning of a sequence
local CODES = { sigterm = 143, sighup = 129, sigint = 130 }

--- Is there a terminal to read keys from? Standard input may be a profile.
---@return boolean
function tty.there()
  local fd = system.uv().fs_open("/dev/tty", "r+", 0)
  if not fd then return false end
  system.uv().fs_close(fd)
  return true
end

-- Keys, size and signals are only noted in callbacks: what draws runs outside of libuv, which
-- would end the process on an error before the terminal is put back.
local function open()
  local uv = system.uv()
  -- A descriptor of our own: libuv makes it close-on-exec, and an editor needs the standard one.
  local handle = assert(uv.new_tty(assert(uv.fs_open("/dev/tty", "r+", 0)), true))
  local self = { bytes = "", handle = handle, watchers = {} }
  for _, name in ipairs { "sigwinch", "sigcont", "sigterm", "sighup", "sigint" } do
    local watcher = uv.new_signal()
    uv.signal_start(watcher, name, function()
      self.resized = true
      self.code = self.code or CODES[name]
    end)
    self.watchers[#self.watchers + 1] = watcher
  end
  self.timer = uv.new_timer()
  function self.enter()
    uv.tty_set_mode(handle, 1)
    uv.read_start(handle, function(err, bytes)
      if bytes then self.bytes = self.bytes .. bytes else self.code = err and 1 or 129 end
    end)
    io.stdout:write "\27[?1049h\27[?25l"
    io.stdout:flush()
  end
  function self.leave()
    uv.read_stop(handle)
    io.stdout:write "\27[0m\27[?25h\27[?1049l"
    io.stdout:flush()
    uv.tty_set_mode(handle, 0)
  end
  function self.close()
    self.watchers[#self.watchers + 1] = self.timer
    self.watchers[#self.watchers + 1] = handle
    for _, one in ipairs(self.watchers) do uv.close(one) end
    uv.run "nowait"
  end
  function self.size()
    local width, height = uv.tty_get_winsize(handle)
    if type(width) ~= "number" or width < 1 or height < 1 then return 80, 24 end
    return width, height
  end
  --- Waits for keys; the beginning of one is a key when nothing more comes.
  function self.keys()
    local list, rest = keys.split(self.bytes)
    if rest ~= "" and #list == 0 then
      local over = false
      uv.timer_start(self.timer, PAUSE, 0, function() over = true end)
      while not over and self.bytes == rest and not self.code do uv.run "once" end
      uv.timer_stop(self.timer)
      if self.bytes == rest then
        self.bytes = ""
        return { rest }
      end
      list, rest = keys.split(self.bytes)
    end
    self.bytes = rest
    return list
  end
  return self
end

local function draw(screen, view)
  local width, height = screen.size()
  view.height = math.max(4, height)
  local lines = view:lines(width, view.height)
  for i = #lines, height + 1, -1 do lines[i] = nil end
  io.stdout:write("\27[H", table.concat(lines, "\27[0m\27[K\r\n"), "\27[0m\27[K\27[J")
  io.stdout:flush()
end

local function source(screen, view, locate)
  local box = view:box()
  local where, why = nil, nil
  if box and not box.other then where, why = locate(box) end
  if not where then
    view.message = why or "the source of this function is not here"
    return
  end
  screen.leave()
  local terminal = require "pyroscope.cli.terminal"
  local ok, err = terminal.start(terminal.editor(where.file, where.line))
  screen.enter()
  if not ok then view.message = err.message end
end

-- The whole group stops, as it does when the terminal itself sees the key.
local function suspend(screen)
  screen.leave()
  system.uv().kill(0, "sigtstp")
  screen.enter()
end

local function loop(screen, view, locate)
  draw(screen, view)
  while not screen.code do
    if screen.bytes == "" and not screen.resized then system.uv().run "once" end
    local again = screen.resized or screen.bytes ~= ""
    screen.resized = false
    for _, key in ipairs(screen.bytes ~= "" and screen.keys() or {}) do
      local what = view:key(key)
      if what == "quit" then return 0 end
      if what == "interrupt" then return 130 end
      if what == "suspend" then suspend(screen) end
      if what == "source" then source(screen, view, locate) end
    end
    if again and not screen.code then draw(screen, view) end
  end
  return screen.code
end

--- Runs a view until it is quit; the exit code.
---@param view table     of `flame_keys.view`
---@param locate fun(box: table): ({ file: string, line: integer }?, string?)
---@return integer code
function tty.run(view, locate)
  local screen = open()
  screen.enter()
  local ok, result = xpcall(loop, debug.traceback, screen, view, locate)
  screen.leave()
  screen.close()
  if not ok then error(result, 0) end
  return result
end

return tty
