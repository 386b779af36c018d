--- One profile from one file or from bytes, whatever its format.

local check = require "pyroscope.check"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"

local OPTIONS = { type = "string|integer", labels = "table", format = "string",
  granularity = "string", max_bytes = "integer" }

-- The index of a sample type: by number, by name, else the file's default.
local function choose_type(pprof, wanted)
  if wanted == nil then return pprof.default_type end
  local list = pprof:types()
  if math.type(wanted) == "integer" then
    if list[wanted] then return wanted end
  else
    for i, row in ipairs(list) do
      if row.type == wanted then return i end
    end
  end
  local names = {}
  for i, row in ipairs(list) do names[i] = row.type end
  local near = type(wanted) == "string" and check.suggestion(wanted, names) or ""
  return nil, errors.new { kind = "usage", code = "type",
    message = ("there is no sample type '%s' in it%s"):format(wanted,
      near ~= "" and " " .. near or ""), hint = "sample types: " .. table.concat(names, ", ") }
end

local function choose_sets(pprof, labels)
  if not labels then return nil end
  local sets = {}
  for i, set in ipairs(pprof:sets()) do
    local fits = true
    for name, value in pairs(labels) do fits = fits and (set.labels[name] or "") == value end
    if fits then sets[#sets + 1] = i end
  end
  return sets
end

local function from_pprof(bytes, options)
  local pprof, err = core.pprof(bytes, { max_bytes = options.max_bytes })
  if not pprof then return nil, err end
  local index
  index, err = choose_type(pprof, options.type)
  if not index then
    pprof:close()
    return nil, err
  end
  local sets = choose_sets(pprof, options.labels)
  if sets and #sets == 0 then
    pprof:close()
    return nil, errors.new { kind = "no_data", code = "labels",
      message = "no sample has these labels",
      hint = "labels are those of the samples inside of the file" }
  end
  local row = pprof:types()[index]
  local about = { unit = row.unit, from_ms = nil, to_ms = nil }
  if pprof.time_nanos > 0 and pprof.duration_nanos > 0 then
    about.from_ms = pprof.time_nanos // 1000000
    about.to_ms = about.from_ms + pprof.duration_nanos // 1000000
  end
  local profile
  profile, err = core.collect({ { pprof, type = index, sets = sets } },
    { granularity = options.granularity })
  pprof:close()
  if not profile then return nil, err end
  return profile, nil, about
end

local function describe(profile, about, options)
  about.labels = options.labels
  return profile:describe(about)
end

-- Bytes of a profile, or a path? A path is one short line without control characters.
local function is_path(input)
  if #input > 4096 or input == "" or input:find "[%c]" then return false end
  return not input:find "^%s*[{%[]"
end

--- See `pyroscope.load`.
---@param input string
---@param options? table
---@return pyroscope.profile? profile
---@return pyroscope.error? err
return function(input, options)
  options = check.options("load", options, OPTIONS, 2)
  local bytes, err = input
  local path = type(input) == "string" and is_path(input) and input or nil
  if path then
    bytes, err = core.read_file(path, options.max_bytes or 536870912)
    if not bytes then return nil, err end
  elseif type(input) ~= "string" and type(input) ~= "userdata" then
    error("load: a path or bytes are needed, not " .. type(input), 3)
  end
  local format = options.format
  if not format then
    local probe = bytes
    if core.guess(bytes) == "gzip" then
      probe, err = core.gunzip(bytes, options.max_bytes)
      if not probe then
        return nil, errors.wrap(err, { message = (path and path .. ": " or "") .. err.message })
      end
    end
    format = core.guess(probe)
  end
  local profile, about
  if format == "pprof" or ((options.type or options.labels) and format == nil) then
    profile, err, about = from_pprof(bytes, options)
  else
    if options.type or options.labels then
      return nil, errors.new { kind = "usage",
        message = ("type and labels choose in pprof; this is %s"):format(format or "unknown") }
    end
    profile, err = core.decode(bytes, format,
      { max_bytes = options.max_bytes, granularity = options.granularity })
    about = {}
  end
  if not profile then
    return nil, path and errors.wrap(err, { message = path .. ": " .. err.message }) or err
  end
  about.source = path
  return describe(profile, about, options)
end
