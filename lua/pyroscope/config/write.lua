--- Writing a first configuration file, and taking over an older one.

local errors = require "pyroscope.errors"
local discovery = require "pyroscope.config.discovery"
local toml = require "pyroscope.config.toml"

local write = {}

local function refuse(message, hint, code)
  return nil, errors.new { kind = "config", message = message, hint = hint, code = code }
end

local function quoted(text)
  return '"' .. tostring(text):gsub('[\\"]', "\\%0"):gsub("%c", function(c)
    return ("\\u%04X"):format(c:byte())
  end) .. '"'
end

--- The text of a configuration file with these deployments (none: an example in comments).
---@param deployments? table<string, table>
---@param default? string
---@return string
function write.text(deployments, default)
  local lines = { "# Deployments of `pscope`. Keep this file to yourself: chmod 600.", "" }
  local names = {}
  for name in pairs(deployments or {}) do names[#names + 1] = name end
  table.sort(names)
  if #names == 0 then
    return table.concat({ lines[1], "", "# [pyroscope]", '# default = "prod"', "#",
      "# [pyroscope.deployments.prod]", '# url = "https://pyroscope.example.com"',
      "# # one of these, if the server wants it:",
      '# token_file = "~/.config/pyroscope/prod.token"',
      '# username = "..."', '# password = "..."',
      '# access_command = "cloudflared access curl"', '# tenant = "..."', "" }, "\n")
  end
  if default then
    table.move({ "[pyroscope]", "default = " .. quoted(default), "" }, 1, 3, #lines + 1, lines)
  end
  for _, name in ipairs(names) do
    local key = name:match "^[%w_%-]+$" or quoted(name)
    lines[#lines + 1] = ("[pyroscope.deployments.%s]"):format(key)
    local keys = {}
    for option in pairs(deployments[name]) do keys[#keys + 1] = option end
    table.sort(keys, function(a, b)
      if (a == "url") ~= (b == "url") then return a == "url" end
      return a < b
    end)
    for _, option in ipairs(keys) do
      local value = deployments[name][option]
      local written = type(value) == "string" and quoted(value) or tostring(value)
      if type(value) == "table" then
        local parts = {}
        for k, v in pairs(value) do
          parts[#parts + 1] = math.type(k) and quoted(v) or quoted(k) .. " = " .. quoted(v)
        end
        table.sort(parts)
        written = value[1] and "[" .. table.concat(parts, ", ") .. "]"
          or "{ " .. table.concat(parts, ", ") .. " }"
      end
      lines[#lines + 1] = option .. " = " .. written
    end
    lines[#lines + 1] = ""
  end
  return table.concat(lines, "\n")
end

-- The older tool's file in the home folder: tables of credentials at the top or below
-- [deployments], in the same words.
local function older(path)
  local system = require "pyroscope.system"
  local text, err = system.read_file(path, 1048576)
  if not text then return nil, errors.wrap(err, { kind = "config" }) end
  local values, lines = toml.parse(text, path)
  if not values then return nil, lines end
  local sections = type(values.pyroscope) == "table" and values.pyroscope.deployments
    or values.deployments or values
  local found = {}
  for name, section in pairs(sections) do
    if type(section) == "table" and section.url then
      local read
      read, err = discovery.deployment({ path = path, kind = "axiom-sre", lines = lines,
        sections = sections }, name, section)
      if not read then return nil, err end
      found[name] = read.values
    end
  end
  if not next(found) and type(values.url) == "string" then
    local read
    read, err = discovery.deployment({ path = path, kind = "axiom-sre", lines = lines,
      sections = {} }, "default", values)
    if not read then return nil, err end
    found.default = read.values
  end
  if not next(found) then
    return refuse(("'%s' holds no deployment"):format(path), "a deployment has at least a url")
  end
  return found
end

--- Writes a first configuration file, mode 600 in a folder of mode 700; symbolic links are
--- refused, an existing file stays. `migrate`: takes over `~/.pyroscope.toml` (or that path).
---@param options? { path?: string, migrate?: boolean|string, env?: fun(name: string): string? }
---@return { path: string, names: string[] }? written
---@return pyroscope.error? err
function write.init(options)
  options = options or {}
  local env = options.env or os.getenv
  local system = require "pyroscope.system"
  local path = options.path or discovery.places(env)[1].path
  local deployments
  if options.migrate then
    local from = type(options.migrate) == "string" and options.migrate or "~/.pyroscope.toml"
    local err
    deployments, err = older(discovery.expand(from, env))
    if not deployments then return nil, err end
  end
  local names = {}
  for name in pairs(deployments or {}) do names[#names + 1] = name end
  table.sort(names)
  local folder = path:match "^(.*)/[^/]*$"
  if folder and folder ~= "" then
    local stat = system.stat(folder, { link = true })
    if stat and stat.type == "link" then
      return refuse(("will not write below the symbolic link '%s'"):format(folder),
        "name the real folder with --config", "symlink")
    end
    local ok, err = system.mkdir(folder, 448)
    if not ok then return nil, err end
  end
  local ok, err = system.write_file(path, write.text(deployments, names[1]), { follow = false })
  if not ok then
    local hint = err.code == "exists" and "edit it; `pscope config show` prints what is in force"
      or err.hint
    return nil, errors.wrap(err, { kind = "config", hint = hint })
  end
  return { path = path, names = names }
end

return write
