--- A source that remembers what it was asked: counts requests, keeps small answers for the length
--- of one investigation, ends it when its budget or time is spent, and tells how far it is.

local errors = require "pyroscope.errors"

local recorder = {}

-- The methods that ask, each with the name of the request that a server gets.
local RPCS = { profile_types = "Series", label_names = "LabelNames", label_values = "LabelValues",
  series = "Series", stats = "GetProfileStats", timeline = "SelectSeries",
  profile_counts = "SelectHeatmap", heatmap = "SelectHeatmap", exemplars = "SelectSeries",
  top_series = "SelectSeries", services = "Series", profile = "SelectMergeStacktraces",
  pprof = "SelectMergeProfile", diff = "Diff", call = "call" }
recorder.rpcs = RPCS

-- Answers that are plain tables: asked twice they are given twice.
local KEPT = { profile_types = true, label_names = true, label_values = true, series = true,
  stats = true, timeline = true, profile_counts = true, heatmap = true }

-- What a failed question says nothing of: there was nothing, or it is asked in another way.
local HARMLESS = { no_data = true, unsupported = true, limit = true }

-- A text that is equal for equal arguments.
local function key_of(value, depth)
  if type(value) ~= "table" then return type(value):sub(1, 1) .. tostring(value) end
  if depth > 4 then return "..." end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do
    keys[i] = tostring(key) .. "=" .. key_of(value[key], depth + 1)
  end
  return "{" .. table.concat(keys, "\1") .. "}"
end

---@class pyroscope.recorder: pyroscope.source
local methods = {}

local function spent(code, message)
  return errors.new { kind = code == "deadline" and "timeout" or "limit", code = code,
    message = message, hint = code == "deadline" and "give it more time: deadline"
      or "allow more: max_requests, or ask less: effort = \"quick\"" }
end

local function late(self)
  return self.state.deadline and self.state.monotonic() > self.state.deadline
end

-- Why nothing may be asked any more, nil where it may.
local function refused(self)
  local state = self.state
  if late(self) then
    return spent("deadline", "the deadline is over")
  end
  if state.max_requests and self:asked() >= state.max_requests then
    return spent("max_requests", ("%d requests were made"):format(self:asked()))
  end
end

-- An error in the words of an investigation: what was cut off by the deadline was not cancelled.
local function named(self, err)
  if err and err.kind == "cancelled" and self.state.timed_out then
    return spent("deadline", "the deadline is over")
  end
  return err
end

local function note(self, name, err, answer)
  local state = self.state
  local row = state.rows[name]
  if not row then
    row = { rpc = RPCS[name], n = 0, cached = 0, failed = 0 }
    state.rows[name] = row
    state.order[#state.order + 1] = name
  end
  row.n = row.n + 1
  if err and not HARMLESS[err.kind] then
    row.failed, state.failed = row.failed + 1, state.failed or err
  end
  local meta = type(answer) == "userdata" and answer.meta or answer
  if type(meta) == "table" and meta.partial then state.partial = true end
end

--- How many requests were made: those of a client on the wire, else calls of methods.
---@return integer
function methods:asked()
  local source = self.source
  if source.kind == "client" and source.status then
    return source:status().requests - self.state.before
  end
  return self.state.calls
end

--- How many may still be made; nil: any number.
---@return integer?
function methods:remaining()
  local most = self.state.max_requests
  return most and math.max(0, most - self:asked())
end

--- Says how far things are.
---@param told { what: string, done?: integer, total?: integer }
function methods:progress(told)
  local say = self.state.on_progress
  if not say then return end
  local source = self.source
  local bytes = source.kind == "client" and source.status and source:status().received or nil
  say { what = told.what, done = told.done, total = told.total, bytes = bytes }
end

--- Says that a step is done, and what it gave: "design", "quality", "samples".
---@param name string
---@param told table
function methods:step(name, told)
  local say = self.state.on_progress
  if not say then return end
  told.what, told.step = name, name
  say(told)
end

--- Remembers something that the report has to say.
---@param code string
---@param message string
function methods:tell(code, message)
  for _, known in ipairs(self.state.notes) do
    if known.code == code then return end
  end
  table.insert(self.state.notes, { code = code, message = message })
end

-- One question by the name of its method.
local function ask(self, name, ...)
  local state = self.state
  local key = KEPT[name] and name .. key_of({ ... }, 0)
  local kept = key and state.kept[key]
  if kept then return table.unpack(kept, 1, kept.n) end
  local err = refused(self)
  if err then
    state.stopped = state.stopped or err
    return nil, err
  end
  state.calls = state.calls + 1
  local results = table.pack(self.source[name](self.source, ...))
  if not results[1] then results[2] = named(self, results[2]) end
  note(self, name, not results[1] and results[2] or nil, results[1])
  if state.on_ask then state.on_ask(name, ...) end
  if key and (results[1] or results[2] and results[2].kind == "no_data") then
    state.kept[key] = results
  end
  return table.unpack(results, 1, results.n)
end

for name in pairs(RPCS) do
  methods[name] = function(self, ...) return ask(self, name, ...) end
end

--- Several profiles; those beyond the budget are errors of code `max_requests`.
function methods:profiles(queries)
  local state, left = self.state, self:remaining()
  local err = refused(self)
  local allowed = err and {} or queries
  if left and left < #queries and not err then
    allowed = table.move(queries, 1, left, 1, {})
  end
  if state.on_ask then
    for _, asked in ipairs(queries) do state.on_ask("profile", asked) end
  end
  state.calls = state.calls + #allowed
  local next_one, a, b, running = self.source:profiles(allowed)
  local i = 0
  return function()
    i = i + 1
    if i > #queries then return nil end
    if i > #allowed then
      err = err or spent("max_requests", ("%d requests were made"):format(self:asked()))
      state.stopped = state.stopped or err
      return i, nil, err
    end
    local _, profile, bad = next_one(a, b)
    bad = not profile and named(self, bad) or nil
    note(self, "profile", bad, profile)
    return i, profile, bad
  end, nil, nil, running
end

--- Functions that run at the same time.
function methods:together(functions)
  if self.source.together then return self.source:together(functions) end
  local results = {}
  for i, f in ipairs(functions) do results[i] = table.pack(f()) end
  return results
end

local meta = { __name = "pyroscope.recorder" }

-- Everything else is the source's own: fields, and methods bound to it.
function meta.__index(self, name)
  local method = methods[name]
  local source = rawget(self, "source")
  if method then
    if RPCS[name] and not source[name] then return nil end
    return method
  end
  local value = source[name]
  if type(value) ~= "function" then return value end
  return function(this, ...)
    if this == self then return value(source, ...) end
    return value(this, ...)
  end
end

-- What is set on it is set on the source: hooks of whoever watches it.
function meta.__newindex(self, name, value)
  rawget(self, "source")[name] = value
end

--- Requests by name, as `provenance.requests` has them. `wire`: what a client counted.
---@return { rpc: string, n: integer, bytes?: integer, ms?: number, cached?: integer, failed?:
---  integer }[]
function methods:requests()
  local state, by_rpc, list = self.state, {}, {}
  local function add(rpc, row)
    local into = by_rpc[rpc]
    if not into then
      into = { rpc = rpc, n = 0 }
      by_rpc[rpc], list[#list + 1] = into, into
    end
    for name, value in pairs(row) do
      if name ~= "rpc" and value ~= 0 then into[name] = (into[name] or 0) + value end
    end
  end
  if next(state.wire) then
    for rpc, row in pairs(state.wire) do add(rpc, row) end
  else
    for _, name in ipairs(state.order) do add(RPCS[name], state.rows[name]) end
  end
  for _, row in ipairs(list) do
    if row.ms then row.ms = math.floor(row.ms + 0.5) end
  end
  table.sort(list, function(a, b) return a.rpc < b.rpc end)
  return list
end

-- What goes over the wire, as the client tells it.
local function listen(self)
  local source, state = self.source, self.state
  local wire = state.wire
  local before = source.on_answer
  source.on_answer = function(client, method, told)
    local row = wire[method] or { n = 0, bytes = 0, ms = 0, cached = 0, failed = 0 }
    wire[method] = row
    row.n, row.bytes = row.n + 1, row.bytes + (told.bytes or 0)
    row.ms = row.ms + (told.ms or 0)
    row.cached = row.cached + (told.cached and 1 or 0)
    row.failed = row.failed + (told.failed and 1 or 0)
    if before then before(client, method, told) end
  end
  local wait = source.on_wait
  if state.deadline or state.on_progress then
    source.on_wait = function(client, seconds)
      if late(self) then
        state.timed_out = true
        return true
      end
      if state.on_progress then
        local status = client:status()
        state.on_progress { what = "fetching", done = status.finished, total = status.requests,
          bytes = status.received }
      end
      if wait then return wait(client, seconds) end
      client:poll(seconds)
    end
  end
  return function() source.on_answer, source.on_wait = before, wait end
end

--- A source that records. `max_requests`, `deadline_ms` (from now), `on_progress`, `on_ask` (called
--- with each question), `monotonic` (clock of the deadline). The second result ends the recording.
---@param source pyroscope.source
---@param options? { max_requests?: integer, deadline_ms?: integer, on_progress?: function,
---  on_ask?: function, monotonic?: fun(): number }
---@return pyroscope.recorder proxy
---@return fun() finish
function recorder.wrap(source, options)
  options = options or {}
  local monotonic = options.monotonic or options.deadline_ms
    and require "pyroscope.system".monotonic_ms
  local state = { calls = 0, rows = {}, order = {}, kept = {}, notes = {}, wire = {},
    max_requests = options.max_requests, on_progress = options.on_progress,
    on_ask = options.on_ask, monotonic = monotonic,
    deadline = options.deadline_ms and monotonic() + options.deadline_ms or nil,
    before = source.kind == "client" and source.status and source:status().requests or 0 }
  local self = setmetatable({ source = source, state = state }, meta)
  return self, source.kind == "client" and listen(self) or function() end
end

return recorder
