--- What a recipe would ask, without a network: it runs against a source that answers everything
--- with the least that lets it go on, and every question is written down.

local core = require "pyroscope.core"
local shared = require "pyroscope.source.shared"
local query = require "pyroscope.query"
local types = require "pyroscope.types"

local plan = {}

-- What a node of a tree takes on the wire, about; and a point of a series.
local NODE, POINT, SET = 24, 20, 160
local INSTANCES, INTERVAL = 12, 15000

local source = { kind = "plan", name = "plan" }

local IDS = {}
for _, class in ipairs { "cpu", "live_bytes", "live_objects", "alloc_bytes", "alloc_objects",
  "goroutine", "mutex_delay", "mutex_count", "block_delay", "block_count" } do
  IDS[#IDS + 1] = types.likeliest(class)
end

function source:defaults() return { now_ms = self.now_ms } end
function source:stats() return { ingested = true, oldest_ms = 1, newest_ms = self.now_ms } end

function source.profile_types()
  local rows = {}
  for i, id in ipairs(IDS) do rows[i] = types.row(id) end
  return rows
end

local function name_of(i) return "pod-" .. i end

function source.series(_, _, options)
  local rows = {}
  for i = 1, INSTANCES do
    rows[i] = { service_name = "service", pod = name_of(i), version = "v1", region = "a" }
    if options and options.labels then rows[i] = shared.reduced(rows[i], options.labels) end
  end
  return rows
end

function source.label_names() return { "pod", "region", "service_name", "version" } end
function source.label_values() return { "a", "b" } end

-- Rows of constant points: nothing happened.
function source:timeline(asked)
  local resolved, err = query.resolve(asked, self, { where = "timeline" })
  if not resolved then return nil, err end
  local step, count, from = shared.grid(resolved)
  local rows = { profile_type = resolved.profile_type, unit = resolved.unit,
    kind = resolved.kind, step_ms = step, from_ms = from, to_ms = resolved.to_ms, warnings = {} }
  for i = 1, #resolved.group_by > 0 and INSTANCES or 1 do
    local row = { labels = {}, points = {}, sum = 0, profiles = 0 }
    for _, name in ipairs(resolved.group_by) do
      row.labels[name] = name == "pod" and name_of(i) or "a"
    end
    for n = 1, count do
      local profiles = math.max(1, step // INTERVAL)
      row.points[n] = { time_ms = from + (n - 1) * step, raw = 1000000000 * profiles,
        value = 1e9, profiles = profiles }
      row.sum, row.profiles = row.sum + 1000000000, row.profiles + profiles
    end
    rows[i] = row
    if resolved.group_by[1] ~= "pod" then break end
  end
  return rows
end

function source:profile_counts(asked)
  local rows = self:timeline(asked)
  local list = {}
  for i, row in ipairs(rows) do list[i] = { labels = row.labels, profiles = row.profiles } end
  return list
end

function source:heatmap()
  return nil, require "pyroscope.errors".new { kind = "unsupported", code = "needs_v2",
    message = self.name .. " has no heat maps" }
end

function source:profile(asked)
  local resolved, err = query.resolve(asked, self, { where = "profile" })
  if not resolved then return nil, err end
  local profile = core.decode "main.main;main.serve;main.work 1000000000000\n"
  return profile:describe { profile_type = resolved.profile_type, unit = resolved.unit,
    kind = resolved.kind, profiles = 240, from_ms = resolved.from_ms, to_ms = resolved.to_ms }
end

function source:profiles(queries)
  local i = 0
  return function()
    i = i + 1
    if queries[i] then return i, self:profile(queries[i]) end
  end
end

function source:pprof(asked)
  local given = self
  return { profile = function() return given:profile(asked) end, close = function() end,
    labels = function() return {} end, types = function() return {} end }
end

function source:top_series(asked)
  local rows = self:timeline(asked)
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = { labels = row.labels, sum = row.sum, value = 1, share = 1 / #rows }
  end
  return list
end

function source.exemplars() return {} end
function source.services()
  return { { name = "service", types = source.profile_types(), cores = 1, versions = {},
    instances = INSTANCES } }
end
function source.link() return nil end
function source.close() end

-- What an answer may have, at most, in bytes.
local function estimate(method, asked)
  local length = asked.to_ms and asked.from_ms and asked.to_ms - asked.from_ms or 3600000
  if method == "profile" then return (asked.max_nodes or 16384) * NODE end
  if method == "pprof" then return 4 << 20 end
  if method == "timeline" or method == "heatmap" or method == "profile_counts" then
    local points = length / 1000 / (asked.step or length / 1000)
    local groups = asked.group_by and #asked.group_by > 0 and INSTANCES or 1
    return math.ceil(points * groups * POINT)
  end
  return INSTANCES * SET
end

---@class pyroscope.plan
---@field recipe string
---@field queries { rpc: string, method: string, selector?: string, profile_type?: string,
--- from_ms?: integer, to_ms?: integer, step_ms?: integer, group_by?: string[], max_nodes?:
--- integer, bytes: integer }[]
---@field requests integer
---@field bytes integer         an upper bound
---@field note? string          why it ends early, where it does

--- Writes down what a function asks of a source.
---@param name string
---@param recipe fun(source: table, options: table): any
---@param options table        completed
---@return pyroscope.plan
function plan.of(name, recipe, options)
  local recorder = require "pyroscope.investigate.recorder"
  local made = { recipe = name, queries = {}, requests = 0, bytes = 0 }
  local fake = setmetatable({ now_ms = options.clock and options.clock()
    or require "pyroscope.timespec".now() }, { __index = source })
  local proxy, finish = recorder.wrap(fake, {
    on_ask = function(method, asked, second)
      asked = asked or {}
      local about = type(asked) == "table" and asked or {}
      local row = { rpc = recorder.rpcs[method], method = method,
        selector = about.selector or type(second) == "table" and second.selector or nil,
        profile_type = about.profile_type, from_ms = about.from_ms, to_ms = about.to_ms,
        step_ms = about.step and math.floor(about.step * 1000) or nil, group_by = about.group_by,
        max_nodes = about.max_nodes, bytes = estimate(method, about) }
      made.queries[#made.queries + 1] = row
      made.requests, made.bytes = made.requests + 1, made.bytes + row.bytes
    end })
  -- the answers say nothing: a recipe that stumbles over that has asked what it asks anyway
  local ok, report, err = pcall(recipe, proxy, options)
  finish()
  if made.requests > (options.max_requests or math.huge) then
    made.note = ("more than max_requests = %d: the effort will be lowered"):format(
      options.max_requests)
  end
  if not ok then
    made.note = "what follows depends on the answers"
  elseif not report and err then
    made.note = "it ends here without data: " .. tostring(err.message)
  end
  return made
end

return plan
