--- The one error object: kinds, how it prints, exit codes.

local errors = {}

--- What failed, for programs and people. Never holds a secret, a header value or a query string.
---@class pyroscope.error
---@field kind pyroscope.error.kind
---@field message string     one line, lower case, says what failed and on what
---@field hint? string       what to do next; lines
---@field code? string       Connect code or errno-like word
---@field status? integer    HTTP status
---@field where? integer     byte offset of a decode error
---@field url? string        without credentials and query
---@field retryable? boolean

---@alias pyroscope.error.kind
---| "usage"|"config"|"auth"|"unreachable"|"timeout"|"http"|"rpc"|"decode"
---| "limit"|"no_data"|"unsupported"|"io"|"cancelled"

local exits = {
  usage = 2, config = 2, auth = 3, unreachable = 7, timeout = 7, http = 7, rpc = 7,
  decode = 1, limit = 1, unsupported = 1, io = 1, no_data = 6, cancelled = 5,
}

-- The core registers the same metatable, so that its errors and ours are one type.
local meta = require "pyroscope.core".error_metatable

function meta.__tostring(err)
  local text = err.kind .. ": " .. err.message
  if err.where then text = ("%s (at byte %d)"):format(text, err.where) end
  if err.hint then text = text .. "\n  " .. err.hint:gsub("\n", "\n  ") end
  return text
end

--- Makes an error from its fields; an unknown kind is a mistake of ours.
---@param fields table
---@return pyroscope.error
function errors.new(fields)
  if not exits[fields.kind] then
    error("unknown error kind '" .. tostring(fields.kind) .. "'", 2)
  end
  return setmetatable(fields, meta)
end

--- A copy of an error with fields replaced: to add a hint or name the thing that failed.
---@param err pyroscope.error
---@param fields table
---@return pyroscope.error
function errors.wrap(err, fields)
  local copy = {}
  for k, v in pairs(err) do copy[k] = v end
  for k, v in pairs(fields) do copy[k] = v end
  return errors.new(copy)
end

--- True for our errors.
function errors.is(value)
  return getmetatable(value) == meta
end

--- The exit code of an error kind.
---@param err pyroscope.error
---@return integer
function errors.exit_code(err)
  return exits[err.kind] or 1
end

local rank = { [3] = 1, [7] = 2, [5] = 3, [10] = 4, [4] = 5, [11] = 6, [6] = 7, [0] = 8 }

--- The code that wins when several apply: 3 > 7 > 5 > 10 > 4 > 11 > 6 > 0; 1 and 2 stand alone.
---@param a integer
---@param b integer
---@return integer
function errors.worse(a, b)
  if not rank[a] then return a end
  if not rank[b] then return b end
  return rank[a] <= rank[b] and a or b
end

return errors
