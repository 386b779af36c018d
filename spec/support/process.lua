--- Starts a server of a spec in its own process, and ends it by its own process id.

local process = {}

local function quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

local object = {}
local meta = { __index = object, __name = "process" }

--- Runs a Lua script with this process's module paths; waits for the first line that it prints,
--- the port (or the path of a socket) where it listens.
---@param script string
---@param ... string|number  arguments
---@return { pid: integer, port: integer|string, url: string }
function process.start(script, ...)
  local words = { "exec", "env", "LUA_PATH=" .. quote("./?.lua;" .. package.path),
    "LUA_CPATH=" .. quote(package.cpath), "lua5.4", quote(script) }
  for _, word in ipairs { ... } do words[#words + 1] = quote(word) end
  -- the shell becomes the server: its id is the server's
  local pipe = assert(io.popen("echo $$; " .. table.concat(words, " "), "r"))
  local pid, port = math.tointeger(pipe:read "l"), pipe:read "l"
  if not port then
    pipe:close()
    error("the server " .. script .. " did not start", 2)
  end
  port = math.tointeger(port) or port
  return setmetatable({ pipe = pipe, pid = pid, port = port,
    url = math.type(port) and ("http://127.0.0.1:%d"):format(port) or nil }, meta)
end

--- Ends it; twice is fine.
function object:stop()
  if not self.pipe then return end
  os.execute(("kill %d 2>/dev/null"):format(self.pid))
  self.pipe:close()
  self.pipe = nil
end

meta.__gc = object.stop
meta.__close = object.stop

return process
