--- The configuration as this run sees it: which deployments there are, and connecting to one.

local deployments = {}

local methods = {}
local meta = { __name = "pyroscope.deployments", __index = methods }

function deployments.new(run)
  return setmetatable({ run = run }, meta)
end

-- The files are read at the first question about them. A broken file is an error of every
-- command that needs it and of none that does not.
function methods:load()
  if self.config == nil then
    local config, err = require "pyroscope.config".load { config = self.run.options.config }
    self.config, self.problem = config or false, err
    for _, warning in ipairs(config and config.warnings or {}) do self.run:warn(warning) end
  end
  if not self.config then return nil, self.problem end
  return self.config
end

--- Is this the name of a deployment?
function methods:knows(name)
  local config = self:load()
  return config and config:knows(name) or false
end

--- Finds a deployment's settings.
---@return table? found
---@return pyroscope.error? err
function methods:find(name, flags)
  local config, err = self:load()
  if not config then return nil, err end
  return config:find(name, flags)
end

--- A client for a deployment, an address, or the default; nothing is sent yet.
---@return pyroscope.source? source
---@return pyroscope.error? err
function methods:connect(name, flags)
  local found, err = self:find(name, flags)
  if not found then return nil, err end
  for _, warning in ipairs(found.warnings or {}) do self.run:warn(warning) end
  local values = {}
  for key, value in pairs(found.values) do values[key] = value end
  if values.cache == nil then values.cache = not self.run.options.no_cache end
  local source
  source, err = require "pyroscope".connect(values)
  if not source then return nil, err end
  self.run:watch(source)
  self.run.origins = self.run.origins or {}
  self.run.origins[source] = found
  return source
end

return deployments
