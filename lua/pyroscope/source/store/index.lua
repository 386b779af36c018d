--- What a path holds: a bundle, an older index, a folder of profiles, or one file, all as entries.

local cjson = require "cjson"
local errors = require "pyroscope.errors"
local shared = require "pyroscope.source.shared"
local system = require "pyroscope.system"

local index = {}

local json = cjson.new()
json.decode_invalid_numbers(false)
json.decode_max_depth(64)

--- One profile file of a store.
---@class pyroscope.store.entry
---@field file string             relative to the store's folder
---@field path string             as it is opened
---@field name? string            `__name__`; nil: told by the file's types
---@field labels table<string,string>
---@field time_ms? integer        start of what the file covers; nil: the file says it
---@field duration_ms? integer    nil: the file says it
---@field types? string[]         ids; nil: the file says it
---@field profiles integer        how many were merged into it
---@field merged? boolean         it holds all of a window: a part of it cannot be told
---@field position integer        order in the index

local function failure(kind, path, message, hint, code)
  return nil, errors.new { kind = kind, message = ("%s: %s"):format(path, message), hint = hint,
    code = code }
end

local function read_text(path)
  local file, message = io.open(path, "rb")
  if not file then
    return failure("io", path, (message or "cannot be read"):match "([^:]*)$":match "^ *(.*)$")
  end
  local text = file:read "a"
  file:close()
  if not text then return failure("io", path, "cannot be read") end
  return text
end

-- Checks --------------------------------------------------------------------------------

--- True for a relative path that cannot leave its folder.
---@param file string
---@return boolean
function index.stays_inside(file)
  if file == "" or file:find "[%z\\]" or file:sub(1, 1) == "/" or file:match "^%a:" then
    return false
  end
  for part in file:gmatch "[^/]+" do
    if part == ".." then return false end
  end
  return true
end

local function strings(value)
  if type(value) ~= "table" then return nil end
  for k, v in pairs(value) do
    if type(v) ~= "string" or (type(k) ~= "string" and math.type(k) ~= "integer") then
      return nil
    end
  end
  return value
end

local FAR = 1 << 53

-- One object of an index as an entry, or nil and what is wrong with it.
local function entry_of(object, root, position)
  if type(object) ~= "table" then return nil, "is not an object" end
  local file = object.file
  if type(file) ~= "string" then return nil, "has no 'file'" end
  if not index.stays_inside(file) then
    return nil, ("names a file outside of the folder: '%s'"):format(file:gsub("%c", "?"))
  end
  local labels = {}
  if object.labels ~= nil then
    local given = strings(object.labels)
    if not given then return nil, "has labels that are not texts" end
    for name, value in pairs(given) do
      if type(name) ~= "string" then return nil, "has labels without names" end
      if value ~= "" then labels[name] = value end
    end
  end
  local time_ms = shared.whole(object.time_ms)
  if not time_ms or math.abs(time_ms) > FAR then return nil, "has no whole number 'time_ms'" end
  local entry = { file = file, path = root .. "/" .. file, labels = labels, time_ms = time_ms,
    position = position, profiles = 1 }
  for _, name in ipairs { "duration_ms", "profiles" } do
    if object[name] ~= nil then
      entry[name] = shared.whole(object[name])
      if not entry[name] or entry[name] < (name == "profiles" and 1 or 0)
          or entry[name] > FAR then
        return nil, ("has a bad '%s'"):format(name)
      end
    end
  end
  if object.types ~= nil then
    entry.types = strings(object.types)
    if not entry.types then return nil, "has 'types' that are not texts" end
  end
  entry.merged = object.merged == true or nil
  entry.name = labels.__name__
  if type(object.name) == "string" and object.name ~= "" then entry.name = object.name end
  -- Labels that a server makes itself, and one that only marks a push.
  for name in pairs(labels) do
    if name:match "^__.*__$" then labels[name] = nil end
  end
  labels.service_name = labels.service_name or "unknown_service"
  return entry
end

local function by_time(a, b)
  if a.time_ms ~= b.time_ms then return a.time_ms < b.time_ms end
  return a.position < b.position
end

-- The kinds of a store --------------------------------------------------------------------

local function read_bundle(root)
  local text, err = read_text(root .. "/bundle.json")
  if not text then return nil, err end
  local ok, head = pcall(json.decode, text)
  if not ok or type(head) ~= "table" then
    return failure("decode", root .. "/bundle.json", "is not JSON",
      "a bundle is what `pscope capture` writes")
  end
  if head.format ~= "pyroscope-bundle" then
    return failure("decode", root .. "/bundle.json", "is not a bundle of profiles: its format is "
      .. "not 'pyroscope-bundle'", "a bundle is what `pscope capture` writes")
  end
  if shared.whole(head.version) ~= 1 then
    return failure("unsupported", root .. "/bundle.json",
      ("has version %s, this program reads 1"):format(tostring(head.version)),
      "use a newer pscope")
  end
  local path = root .. "/index.jsonl"
  text, err = read_text(path)
  if not text then return nil, err end
  local entries, number = {}, 0
  for line in text:gmatch "([^\n]*)\n?" do
    number = number + 1
    if line:match "%S" then
      local fine, object = pcall(json.decode, line)
      local entry, why
      if fine then
        entry, why = entry_of(object, root, number)
      else
        why = "is not JSON (was the file cut off?)"
      end
      if not entry then
        return failure("decode", path, ("line %d %s"):format(number, why),
          "each line is one object with file, labels, time_ms and types")
      end
      entries[#entries + 1] = entry
    end
  end
  local function text_of(value) return type(value) == "string" and value or nil end
  return { form = "bundle", entries = entries, title = text_of(head.title),
    created = text_of(head.created), note = text_of(head.note),
    capture = type(head.capture) == "table" and head.capture or nil }
end

local function read_pushed(root)
  local path = root .. "/pushed.json"
  local text, err = read_text(path)
  if not text then return nil, err end
  local ok, list = pcall(json.decode, text)
  if not ok or type(list) ~= "table" then return failure("decode", path, "is not JSON") end
  local entries = {}
  for i, object in ipairs(list) do
    local entry, why = entry_of(object, root, i)
    if not entry then return failure("decode", path, ("element %d %s"):format(i, why)) end
    entries[i] = entry
  end
  return { form = "index", entries = entries }
end

local EXTENSIONS = { "%.pb%.gz", "%.pb", "%.pprof", "%.pprof%.gz", "%.folded", "%.folded%.gz",
  "%.collapsed", "%.collapsed%.gz", "%.json", "%.json%.gz", "%.tree" }

local function extension_of(name)
  for _, extension in ipairs(EXTENSIONS) do
    local stem = name:match("^(.+)" .. extension .. "$")
    if stem then return stem end
  end
end

-- All files below a folder that have a profile's extension; links are not followed.
local function read_folder(root)
  local entries, pending, deepest = {}, { { "", 0 } }, 16
  while #pending > 0 do
    local folder, depth = table.unpack(table.remove(pending))
    local list, err = system.list(folder == "" and root or root .. "/" .. folder)
    if not list then return nil, err end
    for _, item in ipairs(list) do
      local file = folder == "" and item.name or folder .. "/" .. item.name
      local hidden = item.name:sub(1, 1) == "."
      if not hidden and item.type == "directory" and depth < deepest then
        pending[#pending + 1] = { file, depth + 1 }
      elseif not hidden and item.type == "file" and extension_of(item.name) then
        local service = file:match "^([^/]+)/" or root:match "([^/]+)/*$" or root
        if service == "." or service == ".." then service = "unknown_service" end
        entries[#entries + 1] = { file = file, path = root .. "/" .. file,
          labels = { service_name = service }, profiles = 1,
          -- Any JSON may lie beside profiles; what names itself a profile has to be one.
          optional = file:match "%.json$" ~= nil or nil }
      end
    end
  end
  table.sort(entries, function(a, b) return a.file < b.file end)
  for i, entry in ipairs(entries) do entry.position = i end
  if #entries == 0 then
    return failure("no_data", root, "there are no profiles in this folder",
      "files ending in .pb.gz .pb .pprof .folded .collapsed .json are read; "
        .. "a bundle has bundle.json and index.jsonl")
  end
  return { form = "folder", entries = entries }
end

local function read_file(path)
  local name = path:match "([^/]+)$"
  local entry = { file = name, path = path, profiles = 1, position = 1,
    labels = { service_name = extension_of(name) or name } }
  return { form = "file", entries = { entry } }
end

--- Reads what a path holds. Entries whose time is known come sorted by time.
---@param path string
---@return table? found   form ("bundle", "index", "folder", "file"), root, entries, title, note
---@return pyroscope.error? err
function index.read(path)
  local stat, err = system.stat(path)
  if not stat then return nil, err end
  local root = #path > 1 and path:gsub("/+$", "") or path
  local found
  if stat.type ~= "directory" then
    found, err = read_file(path)
  elseif system.stat(root .. "/bundle.json") or system.stat(root .. "/index.jsonl") then
    found, err = read_bundle(root)
  elseif system.stat(root .. "/pushed.json") then
    found, err = read_pushed(root)
  else
    found, err = read_folder(root)
  end
  if not found then return nil, err end
  found.root = root
  return found
end

--- Puts entries, all of known time, into their order.
---@param entries pyroscope.store.entry[]
function index.sort(entries)
  table.sort(entries, by_time)
end

return index
