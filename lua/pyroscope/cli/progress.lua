--- One line on a terminal's stderr while something takes longer than 300 ms, gone at the end.

local progress = {}

local methods = {}
local meta = { __name = "pyroscope.progress", __index = methods }

local DELAY, PAUSE = 300, 100

---@class pyroscope.progress.state
---@field done? integer
---@field total? integer
---@field bytes? integer
---@field what? string

--- A line of progress; silent unless stderr is a terminal (or `verbose`, one line a phase).
---@param terminal { errors: boolean, utf8: boolean, width: integer }
---@param options? { verbose?: boolean, clock?: fun(): number, write?: fun(text: string) }
function progress.new(terminal, options)
  options = options or {}
  local clock = options.clock or require "pyroscope.system".monotonic_ms
  return setmetatable({ terminal = terminal, verbose = options.verbose or false, clock = clock,
    write = options.write or function(text) io.stderr:write(text) io.stderr:flush() end,
    started = clock(), drawn = nil, shown = false }, meta)
end

--- What the line says.
---@param state pyroscope.progress.state
---@param seconds number
---@param utf8_ok boolean
function progress.line(state, seconds, utf8_ok)
  local units = require "pyroscope.units"
  local parts = { state.what or "fetching" }
  if state.total and state.total > 1 then
    parts[1] = ("%s %d/%d"):format(parts[1], state.done or 0, state.total)
    local cells = math.floor(12 * (state.done or 0) / state.total)
    parts[2] = utf8_ok and ("▇"):rep(cells) .. ("▁"):rep(12 - cells)
      or ("#"):rep(cells) .. ("."):rep(12 - cells)
  end
  if state.bytes and state.bytes > 0 then parts[#parts + 1] = units.bytes(state.bytes) end
  parts[#parts + 1] = ("%.1f s"):format(seconds)
  parts[#parts + 1] = "ctrl-c keeps what is there"
  return table.concat(parts, "  ")
end

--- Says how far things are; cheap to call often.
---@param state pyroscope.progress.state
function methods:update(state)
  if self.verbose and not self.terminal.errors then
    if state.what and state.what ~= self.phase then
      self.phase = state.what
      self.write(state.what .. "\n")
    end
    return
  end
  if not self.terminal.errors then return end
  local now = self.clock()
  if now - self.started < DELAY or (self.drawn and now - self.drawn < PAUSE) then return end
  self.drawn, self.shown = now, true
  local text = progress.line(state, (now - self.started) / 1000, self.terminal.utf8)
  local screen = require "pyroscope.cli.screen"
  self.write("\r\27[K" .. screen.cut(text, math.max(20, self.terminal.width - 1), ".."))
end

--- Removes the line.
function methods:finish()
  if self.shown then self.write "\r\27[K" end
  self.shown, self.drawn = false, nil
  self.started = self.clock()
end

return progress
