--- Answers kept on the disk: whole ones about windows that had ended ten minutes before they were
--- fetched, and the names that completion offers. Never an error, a partial answer or a credential.

local cache = {}

local SETTLED = 600000        -- ms after which a window no longer changes
local LIMIT = 512 << 20       -- bytes in all; the oldest go
local NAMES = 86400           -- seconds for which names are offered
local MAGIC = "pscope cache 1"

-- Methods whose answers about a past window stay what they are.
local KEPT = { SelectMergeStacktraces = true, SelectMergeProfile = true,
  SelectMergeSpanProfile = true, SelectSeries = true, SelectHeatmap = true, Series = true,
  LabelNames = true, LabelValues = true, ProfileTypes = true }

local function system()
  return require "pyroscope.system"
end

--- The folder: `$XDG_CACHE_HOME/pyroscope`.
---@param env? fun(name: string): string?
---@return string
function cache.folder(env)
  env = env or os.getenv
  local base = env "XDG_CACHE_HOME"
  if not base or base == "" then base = (env "HOME" or ".") .. "/.cache" end
  return base .. "/pyroscope"
end

-- Two hashes of 64 bits; the key itself stands in the file, so that equal hashes do no harm.
local function digest(text)
  local a, b = 0xcbf29ce484222325, 0x84222325cbf29ce4
  for i = 1, #text do
    local byte = text:byte(i)
    a = (a ~ byte) * 0x100000001b3
    b = (b ~ byte) * 0x9e3779b97f4a7c15
    b = b ~ (b >> 29)
  end
  return ("%016x%016x"):format(a, b)
end

local function escaped(text)
  return (tostring(text):gsub("[%c%%]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function key_of(client, method, body)
  local datasource = client.datasource
  return table.concat({ MAGIC, escaped(client.base),
    escaped(datasource and (datasource.uid or datasource.name) or ""),
    escaped(client.access.tenant or ""), method, client.json and "json" or "proto",
    digest(body) .. " " .. #body }, "\t")
end

--- Where the answer of a request is kept; nil for what is not kept.
---@param client table
---@param method string
---@param request table
---@param body string
---@return string? path
---@return string? key
function cache.place(client, method, request, body)
  if not client.options.cache or not KEPT[method] or not request["end"] then return nil end
  local now = require "pyroscope.timespec".now()
  if math.type(request["end"]) ~= "integer" or request["end"] > now - SETTLED then return nil end
  local key = key_of(client, method, body)
  return ("%s/%s"):format(cache.folder(), digest(key .. body)), key
end

--- The kept bytes of an answer.
---@param path string
---@param key string
---@param body string     of the request: compared, so that no other question's answer comes back
---@return string? bytes
function cache.read(path, key, body)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  local head = key .. "\n" .. #body .. "\n" .. body .. "\n"
  if text:sub(1, #head) ~= head then return nil end
  return text:sub(#head + 1)
end

-- Makes room: the oldest files go until a tenth is free.
local function prune(folder)
  local list, sum = {}, 0
  for _, item in ipairs(system().list(folder) or {}) do
    local stat = system().stat(folder .. "/" .. item.name)
    if stat and stat.type == "file" then
      list[#list + 1] = { name = item.name, size = stat.size,
        time = require "pyroscope.core".modified(folder .. "/" .. item.name) or 0 }
      sum = sum + stat.size
    end
  end
  if sum <= LIMIT then return end
  table.sort(list, function(a, b) return a.time < b.time end)
  for _, item in ipairs(list) do
    if sum <= LIMIT * 9 // 10 then break end
    if os.remove(folder .. "/" .. item.name) then sum = sum - item.size end
  end
end

local pruned = {}

local function ready(folder)
  if not pruned[folder] then
    pruned[folder] = true
    if not system().mkdir(folder, 448) then return false end
    prune(folder)
  end
  local stat = system().stat(folder)
  return stat ~= nil and stat.type == "directory" and stat.mode & 63 == 0
end

--- Keeps an answer; what cannot be kept is not missed.
---@param path string
---@param key string
---@param body string
---@param bytes string
function cache.write(path, key, body, bytes)
  if #bytes > LIMIT // 8 or not ready(path:match "^(.*)/") then return end
  system().write_file(path, ("%s\n%d\n%s\n%s"):format(key, #body, body, bytes), { force = true })
end

-- Names for completion -----------------------------------------------------------------------

local function names_path(address)
  return ("%s/names-%s"):format(cache.folder(), digest(address))
end

--- Remembers the services of a connection for completion.
---@param client table
---@param names string[]
function cache.remember(client, names)
  if not client.options.cache or not ready(cache.folder()) then return end
  local lines = {}
  for i, name in ipairs(names) do lines[i] = escaped(name) end
  system().write_file(names_path(client.gate and client.gate.root or client.base),
    table.concat(lines, "\n"), { force = true })
end

--- The services that an address had when somebody last looked, a day ago at most.
---@param address string
---@return string[] names
function cache.recall(address)
  local path = names_path(address)
  local time = require "pyroscope.core".modified(path)
  if not time or time // 1000000000 < os.time() - NAMES then return {} end
  local file = io.open(path, "rb")
  if not file then return {} end
  local names = {}
  for line in file:read "a":gmatch "[^\n]+" do
    names[#names + 1] = (line:gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end))
  end
  file:close()
  return names
end

return cache
