--- What a server is: its version, and which storage answers it, found when first needed.

local flight = require "pyroscope.source.server.flight"
local refusal = require "pyroscope.source.server.refusal"
local rpc = require "pyroscope.source.server.rpc"
local timespec = require "pyroscope.timespec"

local version = {}

--- "2.2.1" as a number that compares: 20201; nil for what is no version.
---@param text? string
---@return integer?
function version.number(text)
  local major, minor, patch = (text or ""):match "^v?(%d+)%.(%d+)%.?(%d*)"
  if not major then return nil end
  return math.tointeger(major) * 10000 + math.tointeger(minor) * 100
    + (math.tointeger(patch) or 0)
end

local function build(client)
  local response, err = rpc.get(client, "/api/v1/status/buildinfo", nil, { what = "buildinfo" })
  if not response then return nil, err end
  local object = refusal.json(rpc.beginning(response.body))
  local data = object and type(object.data) == "table" and object.data or object
  local found = data and data.version
  if type(found) ~= "string" or found == "" then return false end
  return found
end

--- True where a method is not there: refused by name, or by a router that does not know it.
---@param err pyroscope.error
---@return boolean
function version.absent(err)
  return err.kind == "unsupported" or (err.kind == "http" and (err.status == 404
    or err.status == 405))
end

-- Only the new storage has heat maps: who answers one second of now, and one just after 1970?
local function heat(client, start)
  local answer, err = rpc.call(client, "SelectHeatmap", {
    profileTypeID = "process_cpu:cpu:nanoseconds:cpu:nanoseconds", labelSelector = "{}",
    start = start, ["end"] = start + 1000, step = 1, queryType = "HEATMAP_QUERY_TYPE_INDIVIDUAL",
  })
  if answer then return true end
  if version.absent(err) then return false end
  return nil, err
end

-- Which formats a server without a version gives: an answer about nothing tells as well, since
-- older ones answer with a flame graph whatever was asked.
local function formats(client, now)
  local function ask(format)
    local answer = rpc.call(client, "SelectMergeStacktraces", {
      profileTypeID = "process_cpu:cpu:nanoseconds:cpu:nanoseconds", labelSelector = "{}",
      start = now - 1000, ["end"] = now, maxNodes = 1, format = "PROFILE_FORMAT_" .. format })
    if not answer then return nil end
    local other = answer.flamegraph ~= nil
    for _, name in ipairs { "flamegraph", "tree", "pprof" } do
      if answer[name] then answer[name]:close() end
    end
    if format == "PPROF" then return answer.pprof ~= nil end
    return answer.tree ~= nil or not other
  end
  local results = flight.all { function() return ask "TREE" end, function() return ask "PPROF" end }
  return results[1][1], results[2][1]
end

-- Feature -> first version.
local FEATURES = { tree = "1.7", pprof_format = "2.2", span_profile = "1.2", call_site = "1.3",
  exemplars = "1.17", limit = "1.9", annotations = "1.14", stats = "1.5", go_pgo = "1.7",
  list_windows = "1.2", profile_ids = "1.17", trace_ids = "2.2", heatmap = "1.19", dot = "1.21" }
-- Those that only the new storage has; drawings only where it answers alone.
local NEW_STORAGE = { exemplars = true, profile_ids = true, trace_ids = true, heatmap = true,
  dot = true }

-- The first version that a server can be of, and the first that it cannot, from its own words or
-- from what it answers.
local function bounds(client, number, newest, now)
  if number then return number, number + 1 end
  local tree, pprof = formats(client, now)
  local least = pprof and version.number "2.2" or newest and version.number "1.19"
    or tree and version.number "1.7" or 0
  local beyond = tree == false and version.number "1.7" or pprof == false and version.number "2.2"
    or math.maxinteger
  return least, beyond
end

--- Version, storage and what follows from them.
---@param client table
---@return { version?: string, storage?: "v1"|"v2"|"dual", features: table,
---  clock_skew_ms?: integer }? server
---@return pyroscope.error? err
function version.of(client)
  local now = client.options.now_ms or timespec.now()
  local results = flight.all {
    function() return build(client) end,
    function() return heat(client, now - 1000) end,
    function() return heat(client, 1000) end,
  }
  local found, build_err = results[1][1], results[1][2]
  local new, new_err = results[2][1], results[2][2]
  local old, old_err = results[3][1], results[3][2]
  if not found and new == nil and old == nil then return nil, new_err or old_err end
  -- Nothing there at all is a wrong address, not an old server.
  if not found and new == false and old == false and build_err and build_err.status == 404
      and results[2][1] == false then
    local _, err = rpc.call(client, "ProfileTypes", { start = now - 1000, ["end"] = now })
    if err then return nil, err end
  end
  local server = { version = found or nil, features = {},
    clock_skew_ms = require "pyroscope.source.server.clock".skew(client.clock) }
  if new == false and old == false then
    server.storage = "v1"
  elseif new and old == false then
    server.storage = "dual"
  elseif new and old then
    server.storage = "v2"
  end
  local newest = server.storage == "v2" or server.storage == "dual"
  local least, beyond = bounds(client, version.number(server.version), newest, now)
  for name, since in pairs(FEATURES) do
    local first = version.number(since)
    if least >= first then
      server.features[name] = true
    elseif beyond <= first then
      server.features[name] = false
    end
    if NEW_STORAGE[name] and server.storage == "v1" then server.features[name] = false end
  end
  -- What answered is there, whatever the version says.
  if newest then server.features.heatmap = true end
  if server.storage == "dual" then server.features.dot = false end
  return server
end

return version
