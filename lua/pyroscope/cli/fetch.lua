--- Profiles that are no store and no server: standard input, one address of a pprof handler.

local errors = require "pyroscope.errors"

local fetch = {}

-- The names that the store tells formats by.
local extensions = { gzip = ".pb.gz", pprof = ".pb", json = ".json", speedscope = ".json",
  folded = ".folded" }

--- A source that holds one profile given as bytes. It lies in a private folder for as long as the
--- store needs it, then the folder is removed.
---@param bytes string
---@param name string   how the source is shown
---@return pyroscope.source? source
---@return pyroscope.error? err
function fetch.from_bytes(bytes, name)
  local core = require "pyroscope.core"
  local kind = core.guess(bytes)
  local extension = extensions[kind or ""]
  if not extension then
    local profile, err = core.decode(bytes)
    if profile then profile:close() end
    return nil, errors.wrap(err or errors.new { kind = "decode",
      message = ("a profile of the format '%s' cannot be read here"):format(tostring(kind)) },
      { hint = "pprof (gzip or raw), folded stacks, speedscope and flame graph JSON are read" })
  end
  local uv = require "pyroscope.system".uv()
  local folder, why = uv.fs_mkdtemp((os.getenv "TMPDIR" or "/tmp") .. "/pscope-XXXXXX")
  if not folder then
    return nil, errors.new { kind = "io", message = "cannot make a temporary folder: " .. why }
  end
  local path = folder .. "/profile" .. extension
  local function clean()
    uv.fs_unlink(path)
    uv.fs_rmdir(folder)
  end
  local ok, err = require "pyroscope.system".write_file(path, bytes)
  local store
  if ok then store, err = require "pyroscope".open(path) end
  if not store then
    clean()
    return nil, errors.is(err) and errors.wrap(err, {
      message = (err.message:gsub(path:gsub("%p", "%%%0"), function() return name end)) }) or err
  end
  store.name = name
  local close = store.close
  store.close = function(self)
    close(self)
    clean()
  end
  return store
end

--- Fetches a profile, once, from a handler: `http://host:6060/debug/pprof/profile?seconds=30`.
---@param run table
---@param url string
---@param options table  of a connection
---@return pyroscope.source? source
---@return pyroscope.error? err
function fetch.profile(run, url, options)
  run.progress:update { what = "fetching" }
  local seconds = tonumber(url:match "[?&]seconds=(%d+)") or 0
  local timeout = (options.timeout or 60) + seconds
  local bytes, err = require "pyroscope.source.server".get(url,
    { timeout = timeout, connect_timeout = options.connect_timeout })
  run.progress:finish()
  if not bytes then return nil, err end
  return fetch.from_bytes(bytes, (url:gsub("^(https?://)[^/@]*@", "%1"):gsub("%?.*$", "")))
end

return fetch
