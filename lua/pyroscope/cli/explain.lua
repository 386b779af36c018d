--- What --explain prints: the requests that were made, each with a curl line that repeats it.

local units = require "pyroscope.units"

local explain = {}

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Headers that say who asks are never shown; a variable stands in their place.
local function credentials(client)
  local kind = client.access and client.access.kind
  if kind == "bearer token" then return ' -H "Authorization: Bearer $PYROSCOPE_TOKEN"' end
  if kind == "basic" then return ' -u "$PYROSCOPE_USERNAME:$PYROSCOPE_PASSWORD"' end
  if kind == "Cloudflare Access" then
    return ' -H "CF-Access-Client-Id: $PYROSCOPE_CF_ACCESS_CLIENT_ID"'
      .. ' -H "CF-Access-Client-Secret: $PYROSCOPE_CF_ACCESS_CLIENT_SECRET"'
  end
  return ""
end

--- The lines for one client.
---@param client pyroscope.client
---@return string[]
function explain.lines(client)
  local lines = {}
  for _, entry in ipairs(client:log()) do
    lines[#lines + 1] = ("%s %s  %s  %.0f ms  %s%s"):format(entry.method, entry.url,
      entry.status and "HTTP " .. entry.status or entry.error or "", entry.ms,
      units.bytes(entry.bytes), (entry.tries or 1) > 1 and ("  %d tries"):format(entry.tries) or "")
    local body = entry.explain
      and " -H 'Content-Type: application/json' -d " .. quote(entry.explain) or ""
    lines[#lines + 1] = ("  curl%s%s%s %s"):format(entry.method ~= "GET" and " -X " .. entry.method
      or "", credentials(client), body, quote(entry.url))
  end
  return lines
end

return explain
