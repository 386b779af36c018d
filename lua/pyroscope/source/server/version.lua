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

-- Feature -> first version; those before heat maps are proved by these.
local FEATURES = { tree = "1.7", pprof_format = "2.2", span_profile = "1.2", call_site = "1.3",
  exemplars = "1.17", limit = "1.9", annotations = "1.14", stats = "1.5" }
local BEFORE_HEAT = { "tree", "span_profile", "call_site", "limit", "annotations", "stats" }
local NEW_STORAGE = { exemplars = true }

--- Version, storage and what follows from them.
---@param client table
---@return { version?: string, storage?: "v1"|"v2"|"dual", features: table }? server
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
  local server = { version = found or nil, features = {} }
  if new == false and old == false then
    server.storage = "v1"
  elseif new and old == false then
    server.storage = "dual"
  elseif new and old then
    server.storage = "v2"
  end
  local number = version.number(server.version)
  for name, since in pairs(FEATURES) do
    if number then server.features[name] = number >= version.number(since) end
    if NEW_STORAGE[name] and server.storage == "v1" then server.features[name] = false end
  end
  server.features.heatmap = new
  local newest = server.storage == "v2" or server.storage == "dual"
  if server.storage == "v1" then
    server.features.trace_ids, server.features.profile_ids = false, false
    server.features.dot = false
  elseif newest then
    -- The method itself is younger than the filter.
    server.features.profile_ids, server.features.exemplars = true, true
    server.features.trace_ids = server.features.pprof_format
    server.features.dot = server.storage == "v2" and (not number or number >= version.number "1.21")
    for _, name in ipairs(BEFORE_HEAT) do server.features[name] = true end
  end
  return server
end

return version
