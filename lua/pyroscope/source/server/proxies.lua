--- The words in which Grafana's and Perses's data source proxies refuse: who refused, why, and what
--- to do there. Their errors have no Connect code; the server's own pass through unchanged.

local proxies = {}

-- Who stands before the server: told by the client, or by the address.
---@param context pyroscope.refusal.context
---@return "grafana"|"perses"|nil
function proxies.of(context)
  if context.via then return context.via end
  local base = context.base
  if base:find "/api/datasources/" then return "grafana" end
  if base:find "/proxy/globaldatasources/" or base:find "/proxy/projects/" then return "perses" end
  return nil
end

local SERVICE_ACCOUNT = "in Grafana: Administration > Users and access > Service accounts"

-- Pattern of the text, kind, code, what happened, what to do.
local GRAFANA = {
  { "^Authentication to data source failed$", "auth", "data_source",
    "Grafana reaches the server but is refused there",
    "the credentials are those of the data source: Connections > Data sources" },
  { "^Expired API key", "auth", "unauthenticated", "Grafana refuses the token",
    "make a new token; " .. SERVICE_ACCOUNT },
  { "^Invalid API key", "auth", "unauthenticated", "Grafana refuses the token",
    "is it a token (glsa_...) of this Grafana? " .. SERVICE_ACCOUNT },
  { "^Invalid username or password", "auth", "unauthenticated", "Grafana refuses the login",
    "are user name and password those of Grafana, not of Pyroscope?" },
  { "[Pp]ermissions needed: ", "auth", "permission_denied", "Grafana forbids it", nil },
  { "non allow%-listed", "config", "datasource_type",
    "the data source is not a Pyroscope one: Grafana lets only its own queries through",
    "name the Pyroscope data source: --datasource UID (datasource = \"...\")" },
  { "^Unable to find datasource plugin", "config", "datasource_plugin",
    "Grafana has no plugin for this data source",
    "install the data source's plugin in Grafana, or ask another data source" },
  { "^Unable to find data ?source", "config", "datasource", "Grafana knows no such data source",
    "its uid stands in its address below Connections > Data sources; --datasource UID" },
  { "^Data source not found", "config", "datasource", "Grafana knows no such data source",
    "its uid stands in its address below Connections > Data sources; --datasource UID" },
  { "^UID is invalid", "config", "datasource", "Grafana takes this for no uid of a data source",
    "a uid has letters, digits, - and _; a name is looked up with datasource = \"NAME\"" },
}

local PERSES = {
  { "^missing or malformed jwt", "auth", "unauthenticated", "Perses wants a login",
    "give an access token of Perses as token; user name and password are not taken here" },
  { "^invalid or expired jwt", "auth", "unauthenticated", "Perses refuses the token",
    "access tokens last 15 minutes: log in to Perses again (percli login) for a new one" },
  { "wrong login or password", "auth", "unauthenticated", "Perses refuses the login", nil },
  { "token is malformed", "auth", "unauthenticated", "Perses refuses the token", nil },
  { "missing '%a+' global permission", "auth", "permission_denied", "Perses forbids it",
    "ask for a role with that permission, or use a data source of a project: project = \"...\"" },
  { "missing '%a+' permission in '", "auth", "permission_denied", "Perses forbids it",
    "ask for a role with that permission in the project" },
  { "secret .* doesn't exist", "config", "datasource_secret",
    "Perses lacks the secret that its data source names",
    "create it in Perses, or correct the data source" },
  { "datasource doesn't exist", "config", "datasource", "Perses knows no such data source",
    "is it global, or of a project (project = \"...\")? Its name is datasource = \"...\"" },
  { "unable to forward the request", "config", "datasource", "Perses cannot forward the request",
    "look at the data source and the dashboard that it names" },
  { "metadata%.project .* doesn't exist", "config", "project", "Perses knows no such project",
    "project = \"...\" names it" },
  { "^dial tcp", "http", "gateway", "Perses cannot reach the server behind its data source", nil },
  { "^read tcp", "http", "gateway", "the server behind Perses's data source hung up", nil },
}

--- What a data source's list of endpoints lacks for a path, ready to be pasted into it.
---@param method string
---@param path string
---@return string
function proxies.missing(method, path)
  return ("add to allowedEndpoints of the data source:\n  - endpointPattern: %s\n    method: %s")
    :format(path, method)
end

--- The error for a path that a data source does not let through.
---@return table fields
function proxies.closed(method, path)
  return { kind = "unsupported", code = "endpoint",
    message = ("the data source's proxy does not let %s %s through"):format(method, path),
    hint = proxies.missing(method, path) }
end

local function matched(list, said)
  for _, known in ipairs(list) do
    if said:find(known[1]) then
      return { kind = known[2], code = known[3], message = ("%s: %s"):format(known[4], said),
        hint = known[5] }
    end
  end
end

local function from_grafana(status, said, body, context)
  if said ~= "" then
    local fields = matched(GRAFANA, said)
    if fields and fields.code == "permission_denied" then
      local needed = said:match "[Pp]ermissions needed: ([%w:%._,%-]+)"
      fields.hint = ("the token's service account needs %s%s; %s"):format(needed or "more rights",
        needed and needed:find "datasources:read"
          and " to find the data source (or name it: --datasource UID)" or "", SERVICE_ACCOUNT)
    end
    if fields then return fields end
  end
  if status == 401 then
    return { kind = "auth", code = "unauthenticated",
      message = "Grafana refuses the credentials (HTTP 401)" .. (said ~= "" and ": " .. said or ""),
      hint = context.access.kind == "none"
        and "give a service account token as token; " .. SERVICE_ACCOUNT
        or context.access:advice(context.base) }
  end
  if body == "" and status == 502 then
    return { kind = "http", code = "gateway", retryable = true,
      message = "Grafana cannot reach the server behind the data source (HTTP 502)",
      hint = "is the server up, and the URL in the data source right? Connections > Data sources" }
  end
  if body == "" and status == 504 then
    return { kind = "timeout", code = "gateway_timeout", retryable = true,
      message = "Grafana gave up waiting for the server (HTTP 504)",
      hint = "ask for a shorter window, or name a service (Grafana waits dataproxy.timeout, 30 s "
        .. "by default)" }
  end
  return nil
end

local function from_perses(status, said, context)
  local method_path = said:match 'not allowed to use this endpoint "([^"]*)"'
  if method_path then
    return proxies.closed(said:match "HTTP method (%u+)" or context.method, method_path)
  end
  local fields = said ~= "" and matched(PERSES, said)
  if fields then
    fields.retryable = fields.kind == "http" or nil
    fields.hint = fields.hint or fields.kind == "http"
      and "is the server up, and is the data source's url right for the Perses server?"
      or context.access:advice(context.base)
    return fields
  end
  if status == 500 and said == "internal server error" then
    return { kind = "config", code = "direct_url",
      message = "Perses cannot forward to this data source: internal server error",
      hint = "a data source with a directUrl is asked without Perses: url = that address, or "
        .. "perses = the address of Perses itself, which is then looked up" }
  end
  return nil
end

--- The fields of an error of the proxy itself; nil where it is somebody else's.
---@param status integer
---@param said string       the message, without secrets
---@param form? string      what the body is: "json", "html", "text"
---@param body string
---@param context pyroscope.refusal.context
---@return table? fields
function proxies.judge(status, said, form, body, context)
  if form == "html" then return nil end
  local via = proxies.of(context)
  if via == "grafana" then return from_grafana(status, said, body, context) end
  if via == "perses" then return from_perses(status, said, context) end
  return nil
end

return proxies
