--- Long windows: cut into pieces that a server answers, asked together, put together again. What
--- fails makes the answer partial, never silently smaller.

local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local refusal = require "pyroscope.source.server.refusal"
local rpc = require "pyroscope.source.server.rpc"
local units = require "pyroscope.units"

local ranges = {}

ranges.DAY = 86400000
local MOST = 2000

--- Adjacent half-open pieces of a window; with `step` every piece is a whole number of steps.
---@param from_ms integer
---@param to_ms integer
---@param limit integer
---@param step? integer
---@return { from_ms: integer, to_ms: integer }[]
function ranges.pieces(from_ms, to_ms, limit, step)
  if step then limit = math.max(step, limit // step * step) end
  local pieces = {}
  local at = from_ms
  while at < to_ms do
    local ending = math.min(at + limit, to_ms)
    pieces[#pieces + 1] = { from_ms = at, to_ms = ending }
    at = ending
  end
  return pieces
end

--- Asks a method about a range. A server that splits its storage refuses a range that starts just
--- at the split: it is asked again from a millisecond earlier.
---@param client table
---@param method string
---@param request table    with `start` and `end`
---@param options? table   of `rpc.call`
---@return table? answer
---@return pyroscope.error? err
function ranges.ask(client, method, request, options)
  local answer, err = rpc.call(client, method, request, options)
  if answer or err.code ~= "range" or request.start > request["end"] then return answer, err end
  local again = {}
  for name, value in pairs(request) do again[name] = value end
  again.start = request.start - 1
  return rpc.call(client, method, again, options)
end

-- What no other piece will do better.
local HOPELESS = { usage = true, config = true, auth = true, unsupported = true }

-- One piece, cut again where the server names a smaller limit.
local function fetch_piece(client, piece, ask, step, out)
  local value, err = ask(piece.from_ms, piece.to_ms)
  local limit = err and err.code == "range_too_long" and refusal.limit(err.server or err.message)
  local length = piece.to_ms - piece.from_ms
  if not limit or (step and limit < step) or limit >= length then
    out[#out + 1] = { from_ms = piece.from_ms, to_ms = piece.to_ms, value = value, err = err }
    return
  end
  client.range_ms = math.min(client.range_ms, limit)
  local tasks, parts = {}, {}
  for i, smaller in ipairs(ranges.pieces(piece.from_ms, piece.to_ms, limit, step)) do
    parts[i] = {}
    tasks[i] = function() fetch_piece(client, smaller, ask, step, parts[i]) end
  end
  flight.all(tasks)
  for _, part in ipairs(parts) do table.move(part, 1, #part, #out + 1, out) end
end

---@class pyroscope.ranges.result
---@field values table[]       { from_ms, to_ms, value }, in order; without empty ones
---@field warnings string[]    which pieces failed, and why
---@field partial? boolean

--- Asks about every piece of a window at once: `ask(from_ms, to_ms)` gives a value, false for
--- "nothing there", or nil and an error.
---@param client table
---@param from_ms integer
---@param to_ms integer
---@param ask fun(from_ms: integer, to_ms: integer): any, pyroscope.error?
---@param step? integer
---@return pyroscope.ranges.result? result
---@return pyroscope.error? err
function ranges.fetch(client, from_ms, to_ms, ask, step)
  local limit = client.range_ms
  if (to_ms - from_ms) // limit > MOST then
    return nil, errors.new { kind = "limit", code = "range_too_long",
      message = ("a window of %s would take more than %d requests"):format(
        units.span(to_ms - from_ms), MOST), hint = "ask for a shorter window" }
  end
  local tasks, parts = {}, {}
  for i, piece in ipairs(ranges.pieces(from_ms, to_ms, limit, step)) do
    parts[i] = {}
    tasks[i] = function() fetch_piece(client, piece, ask, step, parts[i]) end
  end
  if #tasks == 1 then tasks[1]() else flight.all(tasks) end
  local result, failed, answered = { values = {}, warnings = {} }, {}, 0
  for _, part in ipairs(parts) do
    for _, piece in ipairs(part) do
      if piece.err then
        failed[#failed + 1] = piece
      else
        answered = answered + 1
        if piece.value then result.values[#result.values + 1] = piece end
      end
    end
  end
  for _, piece in ipairs(failed) do
    if answered == 0 or HOPELESS[piece.err.kind] then return nil, piece.err end
    result.partial = true
    table.insert(result.warnings, ("partial: no answer for %s: %s"):format(
      units.window(piece.from_ms, piece.to_ms), piece.err.message))
  end
  return result
end

return ranges
