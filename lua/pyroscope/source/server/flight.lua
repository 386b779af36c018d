--- Many requests in flight, written as straight lines: each function of `flight.all` runs as a
--- coroutine, and one that waits for an answer lets the others go on. Outside of it waiting blocks.

local flight = {}

-- Coroutines that a driver of ours resumes.
local driven = setmetatable({}, { __mode = "k" })

--- Lets time pass until something happened, `seconds` at most; true says: give up, all of you.
---@alias pyroscope.poller fun(seconds: number): boolean?

--- Called where there is nothing to do but wait: polls, or (inside of a flight) lets the flight
--- poll for everybody.
---@param poller pyroscope.poller
---@param seconds number
---@return boolean? give_up
function flight.wait(poller, seconds)
  if driven[coroutine.running()] then return coroutine.yield(poller) end
  return poller(seconds)
end

---@class pyroscope.flight
local object = {}
local meta = { __index = object, __name = "pyroscope.flight" }

--- Starts functions; each runs until it has to wait. `take(i)` waits for results, `cancel()` drops
--- what is not finished (so does leaving the scope of a `<close>` variable).
---@param functions (fun(): ...)[]
---@return pyroscope.flight
function flight.start(functions)
  local self = setmetatable({ threads = {}, pollers = {}, results = {} }, meta)
  for i, f in ipairs(functions) do
    self.threads[i] = coroutine.create(f)
    driven[self.threads[i]] = true
  end
  for i in ipairs(functions) do self:resume(i) end
  return self
end

function object:resume(i, give_up)
  local thread = self.threads[i]
  local back = table.pack(coroutine.resume(thread, give_up))
  if back[1] and coroutine.status(thread) ~= "dead" then
    self.pollers[i] = back[2]
    return
  end
  self.threads[i], self.pollers[i] = false, nil
  self.results[i] = back
end

-- Polls once for all that wait, then lets them look.
local function step(self)
  local distinct, count = {}, 0
  for _, poller in pairs(self.pollers) do
    if not distinct[poller] then distinct[poller], count = true, count + 1 end
  end
  local give_up
  for poller in pairs(distinct) do
    give_up = flight.wait(poller, count == 1 and 0.1 or 0.01) or give_up
  end
  for i, thread in ipairs(self.threads) do
    if thread then self:resume(i, give_up) end
  end
end

--- Waits for the i-th function and hands its results over; what it raised is raised here.
---@param i integer
---@return any ...
function object:take(i)
  while not self.results[i] do
    if not self.threads[i] then error("the flight was cancelled", 2) end
    step(self)
  end
  local result = self.results[i]
  self.results[i] = { true, n = 1 }
  if not result[1] then error(result[2], 0) end
  return table.unpack(result, 2, result.n)
end

--- Drops what is not finished: their requests are cancelled.
function object:cancel()
  for i, thread in ipairs(self.threads) do
    if thread then
      coroutine.close(thread)
      self.threads[i], self.pollers[i] = false, nil
    end
  end
end

meta.__close = object.cancel

--- Runs functions together; their results in order, each packed (`n` counts).
---@param functions (fun(): ...)[]
---@return table[] results
function flight.all(functions)
  local self <close> = flight.start(functions)
  local results = {}
  for i in ipairs(functions) do results[i] = table.pack(self:take(i)) end
  return results
end

return flight
