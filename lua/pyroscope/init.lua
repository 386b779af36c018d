--- The public module. Requiring it does nothing: everything is loaded when it is first used.

if _VERSION ~= "Lua 5.4" then
  local jit = rawget(_G, "jit")
  error("pyroscope needs Lua 5.4, this is " .. (jit and jit.version or _VERSION)
    .. "; in Neovim use require 'pyroscope.nvim'", 0)
end

local pyroscope = {}

--- A client for a Pyroscope server: options (`url`, `token`, `tenant`, ...) or the name of a
--- deployment of the configuration file. Nothing is sent yet.
---@param options table|string
---@return pyroscope.client? client
---@return pyroscope.error? err
function pyroscope.connect(options)
  if type(options) == "string" then
    local config, err = require("pyroscope.config").load()
    if not config then return nil, err end
    local found
    found, err = config:find(options)
    if not found then return nil, err end
    options = found.values
  elseif type(options) ~= "table" then
    error("connect: options must be a table or the name of a deployment, not " .. type(options), 2)
  end
  return require("pyroscope.source.server.client").connect(options, 2)
end

--- A store: a bundle, a folder of profiles, or one profile file.
---@param path string
---@param options? table
---@return pyroscope.store? store
---@return pyroscope.error? err
function pyroscope.open(path, options)
  return require("pyroscope.source.store").open(path, options)
end

--- Writes what an investigation needs into a new folder, a bundle, and opens it: before, during
--- and after a window, every type, the timelines. `store.capture` says what is in it.
---@param source pyroscope.source
---@param options? table     a service or selector and a window (`around`, `from`, `to`, `since`);
---  `window`, `types`, `blocks`, `max_bytes`, `deadline`, `title`, `note`, `redact`
---@param path string
---@return pyroscope.store? store
---@return pyroscope.error? err
function pyroscope.capture(source, options, path)
  return require("pyroscope.source.capture").run(source, options, path)
end

--- One profile from a file, or from bytes; the format is told by the content. In pprof `type`
--- chooses the sample type (name or number), `labels` the samples.
---@param input string     a path, or the bytes of a profile
---@param options? { type?: string|integer, labels?: table<string,string>, format?: string,
---  granularity?: "function"|"line", max_bytes?: integer }
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function pyroscope.load(input, options)
  return require("pyroscope.source.load")(input, options)
end

--- The sum of profiles, aligned by path.
---@param profiles pyroscope.profile[]
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function pyroscope.merge(profiles)
  return require("pyroscope.core").merge(profiles)
end

--- a - b by path; below 0 becomes 0, and the second result says how much that was.
---@param a pyroscope.profile
---@param b pyroscope.profile
---@return pyroscope.profile? profile
---@return integer|pyroscope.error clipped_or_err
function pyroscope.subtract(a, b)
  return require("pyroscope.core").subtract(a, b)
end

--- Compares two profiles: rows of what changed, rate or share.
---@param before pyroscope.profile
---@param after pyroscope.profile
---@param options? { mode?: "rate"|"share", factors?: number[], noise?: number }
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function pyroscope.diff(before, after, options)
  return require("pyroscope.diff").of(before, after, options)
end

-- `fmt`, `investigate` and `_VERSION` load what they need when somebody looks. `investigate(recipe,
-- source, options)` runs a recipe; its fields are the blocks that recipes are made of.
local lazy = {
  investigate = function() return require "pyroscope.investigate" end,
  fmt = function() return require "pyroscope.units" end,
  _VERSION = function() return require("pyroscope.core").version end,
}

return setmetatable(pyroscope, { __name = "pyroscope", __index = function(self, name)
  local make = lazy[name]
  if not make then return nil end
  local value = make()
  rawset(self, name, value)
  return value
end })
