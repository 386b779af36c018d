--- What `pyroscope.connect` takes: one list for checking, configuration files and help.

local options = {}

--- Option -> Lua types. Durations are seconds, or texts such as "5s".
---@type table<string, string>
options.types = {
  url = "string", grafana = "string", perses = "string", project = "string",
  datasource = "string", name = "string", tenant = "string", headers = "table",
  token = "string", token_file = "string", username = "string", password = "string",
  access_command = "string|table", cf_access_client_id = "string",
  cf_access_client_secret = "string",
  ca_file = "string", client_cert = "string", client_key = "string",
  proxy = "string", unix_socket = "string",
  connect_timeout = "number|string", timeout = "number|string", concurrency = "integer",
  max_bytes = "integer", cache = "boolean", compress = "boolean", diagnostics = "boolean",
}

--- Options that say where the server is; a deployment has one of them.
options.address = { "url", "grafana", "perses" }

--- Options that hold a credential, fetch one, or may: they go only where the URL of the same
--- place points.
---@type table<string, true>
options.secret = {
  token = true, token_file = true, username = true, password = true, headers = true,
  access_command = true, cf_access_client_id = true, cf_access_client_secret = true,
  client_cert = true, client_key = true,
}

return options
