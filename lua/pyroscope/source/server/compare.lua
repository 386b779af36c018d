--- Two sides from one server: fetched together, or aligned by the server itself.

local diff = require "pyroscope.diff"
local errors = require "pyroscope.errors"
local flight = require "pyroscope.source.server.flight"
local query = require "pyroscope.query"
local resolve = require "pyroscope.source.resolve"
local rpc = require "pyroscope.source.server.rpc"
local shared = require "pyroscope.source.shared"

local compare = {}

local LETTERS = { "A (before): ", "B (after): " }

local function named(err, i)
  return errors.wrap(err, { message = LETTERS[i] .. err.message })
end

local function wire(question)
  local request = { profileTypeID = question.profile_type, labelSelector = question.selector,
    start = question.from_ms, ["end"] = question.to_ms - 1,
    maxNodes = question.max_nodes or resolve.NODES }
  return request
end

-- What a side would say about itself as a profile.
local function side_of(self, question, count)
  return { from_ms = question.from_ms, to_ms = question.to_ms, kind = question.kind,
    unit = question.unit, profile_type = question.profile_type, sum = question.sum,
    profiles = count and count.total > 0 and count.total or nil, selector = question.selector,
    labels = shared.fixed_labels(question.matchers), source = self.name }
end

-- The Diff method: both sides in one request, no filters, no long windows.
local function by_server(self, questions, options)
  for _, question in ipairs(questions) do
    for _, name in ipairs { "call_site", "go_pgo", "profile_ids", "trace_ids", "span_ids" } do
      if question[name] then
        return nil, errors.new { kind = "unsupported",
          message = ("the server's Diff may ignore %s"):format(name),
          hint = "leave out server = true: both sides are then fetched and aligned here" }
      end
    end
    if question.to_ms - question.from_ms > self.range_ms then
      return nil, errors.new { kind = "unsupported",
        message = "the server's Diff answers about a day at most",
        hint = "leave out server = true: long windows are then cut and aligned here" }
    end
  end
  local counts = {}
  local tasks = { function()
    return rpc.call(self, "Diff", { left = wire(questions[1]), right = wire(questions[2]) })
  end }
  for i, question in ipairs(questions) do
    if question.kind == "stock" and not question.sum then
      tasks[#tasks + 1] = function() counts[i] = self:count(question) end
    end
  end
  local results = flight.all(tasks)
  local answer, err = results[1][1], results[1][2]
  if not answer then return nil, err end
  if not answer.flamegraph then return nil, self:absence(questions[1]) end
  return diff.from(answer.flamegraph, side_of(self, questions[1], counts[1]),
    side_of(self, questions[2], counts[2]), options)
end

--- Compares two questions of one client.
---@param self pyroscope.client
---@param before pyroscope.query
---@param after pyroscope.query
---@param options? table
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function compare.diff(self, before, after, options)
  local questions = {}
  local results = flight.all {
    function() return query.resolve(before, self, { where = "diff" }) end,
    function() return query.resolve(after, self, { where = "diff" }) end,
  }
  for i = 1, 2 do
    if not results[i][1] then return nil, named(results[i][2], i) end
    questions[i] = results[i][1]
  end
  if questions[1].server or questions[2].server then return by_server(self, questions, options) end
  local fetched = flight.all {
    function() return self:profile(questions[1]) end,
    function() return self:profile(questions[2]) end,
  }
  for i = 1, 2 do
    if not fetched[i][1] then
      if fetched[3 - i][1] then fetched[3 - i][1]:close() end
      return nil, named(fetched[i][2], i)
    end
  end
  return diff.of(fetched[1][1], fetched[2][1], options)
end

return compare
