--- What Lua's own library cannot do: processes without a shell, the terminal, file modes, safe
--- writes, interrupts. The only file that knows luv, which it loads at the first need.

local errors = require "pyroscope.errors"

local system = {}

local loaded

--- The luv module.
function system.uv()
  if not loaded then
    local ok, module = pcall(require, "luv")
    if not ok then
      error("luv is missing: install lua-luv (Debian) or the rock luv", 0)
    end
    loaded = module
  end
  return loaded
end

local uv = system.uv

-- "ENOENT: no such file or directory: /x" as an error about what was tried.
local function failed(what, path, message, code)
  local reason = tostring(message):gsub("^%u+: ", "")
  reason = reason:match "^(.-): " or reason
  return nil, errors.new { kind = "io", code = code or tostring(message):match "^(%u+)",
    message = ("%s '%s': %s"):format(what, path, reason) }
end

-- Terminal and clock -----------------------------------------------------------------------

--- True if a file descriptor is a terminal.
---@param fd integer
---@return boolean
function system.is_terminal(fd)
  return uv().guess_handle(fd) == "tty"
end

--- Columns and rows of the terminal behind a descriptor; nil where there is none.
---@param fd integer
---@return integer? columns
---@return integer? rows
function system.window_size(fd)
  if not system.is_terminal(fd) then return nil end
  -- A second descriptor: libuv would make the one it is given close-on-exec.
  local own = uv().fs_open(("/proc/self/fd/%d"):format(fd), "r+", 0)
    or uv().fs_open("/dev/tty", "r+", 0)
  if not own then return nil end
  local tty = uv().new_tty(own, false)
  if not tty then
    uv().fs_close(own)
    return nil
  end
  local columns, rows = uv().tty_get_winsize(tty)
  uv().close(tty)
  uv().run "nowait"
  uv().fs_close(own)
  if type(columns) ~= "number" or columns <= 0 then return nil end
  return columns, rows
end

--- Milliseconds since epoch.
---@return integer
function system.now_ms()
  local seconds, microseconds = uv().gettimeofday()
  return seconds * 1000 + microseconds // 1000
end

--- Milliseconds of a clock that never goes back.
---@return number
function system.monotonic_ms()
  return uv().hrtime() / 1e6
end

---@param ms integer
function system.sleep(ms)
  uv().sleep(ms)
end

--- From here on a write to a pipe that nobody reads fails, in place of ending the process.
function system.catch_broken_pipes()
  if system.pipes_caught then return end
  system.pipes_caught = uv().new_signal()
  uv().signal_start(system.pipes_caught, "sigpipe", function() end)
  uv().unref(system.pipes_caught)
end

--- Starts to count ctrl-c and SIGTERM instead of dying of them; the result tells how many came
--- and which was the last, and `stop()` gives the signals back.
---@return fun(): integer, string? pending
---@return fun() stop
function system.interrupts()
  local count, last, watchers = 0, nil, {}
  for i, name in ipairs { "sigint", "sigterm" } do
    local watcher = uv().new_signal()
    uv().signal_start(watcher, name, function()
      count, last = count + 1, name
    end)
    uv().unref(watcher)
    watchers[i] = watcher
  end
  local function pending()
    -- A loop without referenced handles does not even look.
    for _, watcher in ipairs(watchers) do uv().ref(watcher) end
    if #watchers > 0 then uv().run "nowait" end
    for _, watcher in ipairs(watchers) do uv().unref(watcher) end
    return count, last
  end
  local function stop()
    for _, watcher in ipairs(watchers) do
      uv().signal_stop(watcher)
      uv().close(watcher)
    end
    watchers = {}
    uv().run "nowait"
  end
  return pending, stop
end

-- Files ------------------------------------------------------------------------------------

---@class pyroscope.system.stat
---@field type "file"|"directory"|"link"|"fifo"|"socket"|"char"|"block"|"unknown"
---@field mode integer      permission bits
---@field size integer
---@field mtime_ms integer

local function describe(stat)
  return { type = stat.type, mode = stat.mode & 0xFFF, size = stat.size, uid = stat.uid,
    mtime_ms = stat.mtime.sec * 1000 + stat.mtime.nsec // 1000000 }
end

--- What a path is; `link = true` does not follow a symbolic link.
---@param path string
---@param options? { link?: boolean }
---@return pyroscope.system.stat? stat
---@return pyroscope.error? err
function system.stat(path, options)
  local stat, message, code = uv()[options and options.link and "fs_lstat" or "fs_stat"](path)
  if not stat then return failed("cannot look at", path, message, code) end
  return describe(stat)
end

--- Names and types in a folder, sorted by name.
---@param path string
---@return { name: string, type: string }[]? entries
---@return pyroscope.error? err
function system.list(path)
  local scan, message, code = uv().fs_scandir(path)
  if not scan then return failed("cannot read the folder", path, message, code) end
  local entries = {}
  while true do
    local name, kind = uv().fs_scandir_next(scan)
    if not name then break end
    entries[#entries + 1] = { name = name, type = kind or "unknown" }
  end
  table.sort(entries, function(a, b) return a.name < b.name end)
  return entries
end

--- The path without links, "." and "..".
---@param path string
---@return string? path
---@return pyroscope.error? err
function system.realpath(path)
  local real, message, code = uv().fs_realpath(path)
  if not real then return failed("cannot find", path, message, code) end
  return real
end

---@return string
function system.cwd()
  return uv().cwd() or "."
end

--- The home folder: $HOME, else that of the account.
---@return string?
function system.home()
  local home = os.getenv "HOME"
  if home and home ~= "" then return home end
  local ok, path = pcall(uv().os_homedir)
  return ok and path or nil
end

---@return integer
function system.pid()
  return uv().os_getpid()
end

--- The user that this process acts as.
---@return integer
function system.uid()
  return uv().getuid()
end

--- Makes a folder and those above it; what exists stays as it is.
---@param path string
---@param mode? integer   default 700 octal
---@return true? ok
---@return pyroscope.error? err
function system.mkdir(path, mode)
  local missing, at = {}, path
  while at ~= "" and at ~= "/" and at ~= "." do
    local stat = uv().fs_stat(at)
    if stat then
      if stat.type ~= "directory" then
        return failed("cannot make the folder", path, ("'%s' is no folder"):format(at), "ENOTDIR")
      end
      break
    end
    missing[#missing + 1] = at
    at = at:match "^(.*[^/])/+[^/]+/*$" or ""
  end
  for i = #missing, 1, -1 do
    local ok, message, code = uv().fs_mkdir(missing[i], mode or 448)
    if not ok and code ~= "EEXIST" then
      return failed("cannot make the folder", missing[i], message, code)
    end
  end
  return true
end

--- Removes a file.
---@return true? ok
---@return pyroscope.error? err
function system.remove(path)
  local ok, message, code = uv().fs_unlink(path)
  if not ok then return failed("cannot remove", path, message, code) end
  return true
end

--- Removes an empty folder.
---@return true? ok
---@return pyroscope.error? err
function system.remove_folder(path)
  local ok, message, code = uv().fs_rmdir(path)
  if not ok then return failed("cannot remove the folder", path, message, code) end
  return true
end

--- Sets when a file was last read and written.
---@param path string
---@param time_ms integer
---@return true? ok
---@return pyroscope.error? err
function system.set_time(path, time_ms)
  local ok, message, code = uv().fs_utime(path, time_ms / 1000, time_ms / 1000)
  if not ok then return failed("cannot set the time of", path, message, code) end
  return true
end

--- Renames a file or a folder.
---@return true? ok
---@return pyroscope.error? err
function system.rename(from, to)
  local ok, message, code = uv().fs_rename(from, to)
  if not ok then return failed("cannot rename", from, message, code) end
  return true
end

--- Reads a small file as a string; a larger one than `max_bytes` (16 MiB) is `limit`.
---@param path string
---@param max_bytes? integer
---@return string? bytes
---@return pyroscope.error? err
function system.read_file(path, max_bytes)
  max_bytes = max_bytes or 16777216
  local file, message, code = io.open(path, "rb")
  if not file then
    local names = { [2] = "ENOENT", [13] = "EACCES", [20] = "ENOTDIR", [21] = "EISDIR" }
    message = message:gsub("^.*: ", "", 1):gsub("^%u", string.lower)
    return failed("cannot read", path, message, names[code])
  end
  local bytes, why = file:read(max_bytes + 1)
  local reason = why and why:gsub("^%u", string.lower)
  file:close()
  if not bytes and reason then return failed("cannot read", path, reason) end
  bytes = bytes or ""
  if #bytes > max_bytes then
    return nil, errors.new { kind = "limit",
      message = ("'%s' is larger than %d bytes"):format(path, max_bytes) }
  end
  return bytes
end

local function write_all(fd, bytes)
  local at = 0
  while at < #bytes do
    local piece = at == 0 and bytes or bytes:sub(at + 1)
    local n, message, code = uv().fs_write(fd, piece, -1)
    if not n then return nil, message, code end
    at = at + n
  end
  return true
end

-- Through a temporary file beside the target, synced, then linked or renamed into its place.
local function write_atomic(path, bytes, mode, force)
  local folder = path:match "^(.*)/[^/]*$" or "."
  if folder == "" then folder = "/" end
  local temporary
  local fd, message, code
  for try = 1, 16 do
    temporary = ("%s.%d-%d.tmp"):format(path, uv().os_getpid(), uv().hrtime() % 1000000007 + try)
    fd, message, code = uv().fs_open(temporary, "wx", mode)
    if fd or code ~= "EEXIST" then break end
  end
  if not fd then return nil, message, code end
  local ok
  ok, message, code = write_all(fd, bytes)
  if ok then ok, message, code = uv().fs_fsync(fd) end
  local closed, close_message, close_code = uv().fs_close(fd)
  if ok and not closed then ok, message, code = nil, close_message, close_code end
  if ok and force then
    ok, message, code = uv().fs_rename(temporary, path)
  elseif ok then
    ok, message, code = uv().fs_link(temporary, path)
    if not ok and code ~= "EEXIST" and not uv().fs_lstat(path) then -- no hard links here
      ok, message, code = uv().fs_rename(temporary, path)
    end
  end
  if not ok or not force then uv().fs_unlink(temporary) end
  if not ok then return nil, message, code end
  local directory = uv().fs_open(folder, "r", 0)
  if directory then
    uv().fs_fsync(directory)
    uv().fs_close(directory)
  end
  return true
end

--- Writes a file at once or not at all, mode 600. An existing one is an `io` error with code
--- "exists" unless `force`; `follow = false` refuses symbolic links. Devices and pipes are
--- written as they are.
---@param path string
---@param bytes string
---@param options? { mode?: integer, force?: boolean, follow?: boolean }
---@return true? ok
---@return pyroscope.error? err
function system.write_file(path, bytes, options)
  options = options or {}
  local stat = uv().fs_lstat(path)
  if stat and stat.type == "link" then
    if options.follow == false then
      return failed("will not write through the symbolic link", path,
        "remove it, or name the file itself", "symlink")
    end
    path = uv().fs_realpath(path) or path
    stat = uv().fs_stat(path)
  end
  if stat and stat.type == "directory" then
    return failed("cannot write", path, "it is a folder", "EISDIR")
  end
  if stat and stat.type ~= "file" then
    local fd, message, code = uv().fs_open(path, "w", 384)
    if not fd then return failed("cannot write", path, message, code) end
    local ok, why, what = write_all(fd, bytes)
    uv().fs_close(fd)
    if not ok then return failed("cannot write", path, why, what) end
    return true
  end
  local function taken()
    return nil, errors.new { kind = "io", code = "exists",
      message = ("'%s' exists already"):format(path),
      hint = "name another file, or overwrite it with --force (force = true)" }
  end
  if stat and not options.force then return taken() end
  local ok, message, code = write_atomic(path, bytes, options.mode or 384, options.force)
  if not ok and code == "EEXIST" then return taken() end
  if not ok then return failed("cannot write", path, message, code) end
  return true
end

-- Processes live in a file of their own, loaded at the first need.
for _, name in ipairs { "spawn", "step", "run" } do
  system[name] = function(...)
    return require "pyroscope.process"[name](...)
  end
end

return system
