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

local function decoded(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

--- Fetches a profile, once, from a handler: `http://host:6060/debug/pprof/profile?seconds=30`.
---@param run table
---@param url string
---@param options table  of a connection
---@return pyroscope.source? source
---@return pyroscope.error? err
function fetch.profile(run, url, options)
  local base, path, query = url:match "^(https?://[^/?#]+)([^?#]*)%??([^#]*)"
  local parameters, seconds = {}, 0
  for name, value in query:gmatch "([^&=]+)=?([^&]*)" do
    parameters[#parameters + 1] = { decoded(name), decoded(value) }
    if name == "seconds" then seconds = tonumber(value) or 0 end
  end
  local settings = { url = base, timeout = (options.timeout or 60) + seconds }
  for _, name in ipairs { "connect_timeout", "token_file" } do settings[name] = options[name] end
  local client, err = require "pyroscope".connect(settings)
  if not client then return nil, err end
  run:watch(client)
  local bytes
  bytes, err = client:get(path, parameters)
  client:close()
  run.progress:finish()
  if not bytes then return nil, err end
  return fetch.from_bytes(bytes, client.name .. path)
end

return fetch
