--- The files of a store, parsed when a question needs them and kept while memory allows.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local system = require "pyroscope.system"
local types = require "pyroscope.types"

---@class pyroscope.store.files
local files = {}
files.__index = files

local LARGEST = 512 << 20
-- What a parsed file takes beside its inflated bytes, roughly; gzip shrinks pprof about so much.
local INFLATED = 8
local KEPT = 64 << 20

---@class pyroscope.store.meta
---@field ids string[]            profile type of each sample type
---@field index table<string, integer>
---@field default integer         of the sample types
---@field sets { labels: table<string,string>, samples: integer }[]
---@field present integer[]       the sets that samples have
---@field totals table            cache: [type] -> what `pprof:totals` gives
---@field series table            cache: [type] -> { [set] = labels }
---@field bytes integer           estimate

--- A cache of parsed files that keeps about `limit` bytes.
---@param root? string            files must really lie below it; nil: anywhere
---@param limit? integer
---@return pyroscope.store.files
function files.new(root, limit)
  return setmetatable({ root = root, limit = limit or KEPT, open = {}, order = {}, bytes = 0,
    clock = 0 }, files)
end

local function fault(entry, err, code)
  return nil, errors.wrap(err, { message = ("%s: %s"):format(entry.path, err.message),
    code = code or err.code,
    hint = err.hint or (err.kind == "decode"
      and "the file is damaged or cut off, or it is no profile; fetch it again" or nil) })
end

local function new_fault(entry, kind, message, hint)
  return nil, errors.new { kind = kind, message = ("%s: %s"):format(entry.path, message),
    hint = hint }
end

-- What a profile without a name is called, from its sample types as agents write them.
local function guess_name(sample_types, path)
  local has = {}
  for _, t in ipairs(sample_types) do has[t.type] = true end
  if has.cpu then return "process_cpu" end
  if has.inuse_space or has.inuse_objects or has.alloc_space or has.alloc_objects then
    return "memory"
  end
  if has.goroutine then return "goroutine" end
  if has.contentions or has.delay then return path:find "block" and "block" or "mutex" end
  if has.wall then return "wall" end
  if has.samples and #sample_types == 1 then return "process_cpu" end
  local first = sample_types[1]
  return first and first.type ~= "" and first.type or "profile"
end

-- The ids of the sample types: as the index lists them, else made of name, types and period.
local function ids_of(entry, pprof)
  local sample_types = pprof:types()
  local name = entry.name or guess_name(sample_types, entry.file)
  local listed = {}
  for _, id in ipairs(entry.types or {}) do
    local row = types.row(id)
    if row then
      listed[row.id] = true
      local key = row.sample_type .. ":" .. row.sample_unit
      listed[key] = listed[key] == nil and row.id or false
    end
  end
  local ids = {}
  for i, t in ipairs(sample_types) do
    local id = types.join { name = name, sample_type = t.type, sample_unit = t.unit,
      period_type = pprof.period_type, period_unit = pprof.period_unit }
    ids[i] = listed[id] and id or listed[t.type .. ":" .. t.unit] or id
  end
  return ids
end

-- The id of a profile that is no pprof: only its unit is known, if that.
local function id_of_tree(entry, profile)
  if entry.types and entry.types[1] then return types.resolve(entry.types[1]) end
  local unit = profile.unit
  if unit and (unit:match "seconds$" or unit == "seconds") then
    return ("wall:wall:%s:wall:%s"):format(unit, unit)
  end
  return ("samples:samples:%s::"):format(unit and unit ~= "none" and unit ~= "" and unit or "count")
end

local function index_of(ids)
  local by_id = {}
  for i = #ids, 1, -1 do by_id[ids[i]] = i end
  return by_id
end

local function describe_pprof(entry, handle, size)
  local pprof = handle.pprof
  local ids = ids_of(entry, pprof)
  if not entry.meta then
    local sets, present = pprof:sets(), {}
    for s, set in ipairs(sets) do
      if set.samples > 0 then present[#present + 1] = s end
    end
    entry.meta = { ids = ids, index = index_of(ids), default = pprof.default_type, sets = sets,
      present = present, totals = {}, series = {}, bytes = size }
  end
  if not entry.time_ms then
    if pprof.time_nanos > 0 then
      entry.time_ms = pprof.time_nanos // 1000000
    else
      entry.time_ms = handle.mtime_ms
    end
  end
  entry.duration_ms = entry.duration_ms or math.max(0, pprof.duration_nanos // 1000000)
end

local function describe_tree(entry, handle, size)
  local id = id_of_tree(entry, handle.tree)
  entry.meta = entry.meta or { ids = { id }, index = { [id] = 1 }, default = 1,
    sets = { { labels = {}, samples = 1 } }, present = { 1 },
    totals = { { { value = handle.tree.sum, samples = 1 } } }, series = {}, bytes = size }
  entry.time_ms = entry.time_ms or handle.mtime_ms
  entry.duration_ms = entry.duration_ms or 0
end

local function is_pprof(file)
  return file:match "%.pb%.gz$" or file:match "%.pb$" or file:match "%.pprof$"
    or file:match "%.pprof%.gz$"
end

local REFUSED = {
  jfr = "JFR recordings", perf = "perf.data files", ["chrome-trace"] = "Chrome traces",
  html = "HTML pages", diff = "flame graphs of two profiles",
}

-- Bytes of a file as a handle: a pprof, or a tree of another format.
local function parse(entry, body)
  if is_pprof(entry.file) then
    local pprof, err = core.pprof(body, { max_bytes = LARGEST })
    if pprof then return { pprof = pprof } end
    return nil, err
  end
  local bytes, kind = body, core.guess(body)
  if kind == "gzip" then
    local inflated, bad = core.gunzip(body, LARGEST)
    if not inflated then return nil, bad end
    bytes, kind = inflated, core.guess(inflated)
  end
  if REFUSED[kind] then
    return nil, errors.new { kind = "unsupported", code = kind,
      message = REFUSED[kind] .. " are not read",
      hint = "pprof, folded stacks, speedscope and flame graph JSON are" }
  end
  if kind == "pprof" then
    local pprof, err = core.pprof(bytes, { max_bytes = LARGEST })
    return pprof and { pprof = pprof }, err
  end
  if not kind then
    return nil, errors.new { kind = "decode", code = "format",
      message = "is not a profile of a known format",
      hint = "pprof, folded stacks, speedscope and flame graph JSON are read" }
  end
  local tree, err = core.decode(bytes, kind, { max_bytes = LARGEST })
  return tree and { tree = tree }, err
end

-- A link in a folder may lead out of it; what it leads to is not the folder's.
function files:inside(entry)
  if not self.root then return true end
  self.real = self.real or system.realpath(self.root)
  local real, err = system.realpath(entry.path)
  if not real then return nil, err end
  if self.real == "/" or real:sub(1, #self.real + 1) == self.real .. "/" then return true end
  return new_fault(entry, "io", "leads out of the folder through a link",
    "copy the file into the folder")
end

local function size_of(handle, compressed)
  return handle.pprof and compressed * INFLATED or compressed * INFLATED * 2
end

function files:forget(keep)
  while self.bytes > self.limit do
    local oldest
    for entry, kept in pairs(self.open) do
      if entry ~= keep and not kept.pinned and (not oldest or kept.used < oldest.used) then
        oldest = kept
      end
    end
    if not oldest then return end
    self:drop(oldest)
  end
end

function files:drop(kept)
  self.open[kept.entry] = nil
  self.bytes = self.bytes - kept.bytes
  if kept.pprof then kept.pprof:close() else kept.tree:close() end
end

--- The parsed file of an entry, with `pprof` or `tree`; fills the entry's `meta`, and its time and
--- length where the index does not say them. Errors name the file.
---@param entry pyroscope.store.entry
---@return { pprof?: pyroscope.pprof, tree?: pyroscope.profile, bytes: integer }? handle
---@return pyroscope.error? err
function files:get(entry)
  self.clock = self.clock + 1
  local kept = self.open[entry]
  if kept then
    kept.used = self.clock
    return kept
  end
  local fine, err = self:inside(entry)
  if not fine then return nil, err end
  local body
  body, err = core.read_file(entry.path, LARGEST)
  if not body then
    if not err.message:find(entry.path, 1, true) then return fault(entry, err) end
    return nil, err
  end
  local size = #body
  if size == 0 then
    body:close()
    return new_fault(entry, "decode", "is empty", "the file was cut off; fetch it again")
  end
  local handle
  handle, err = parse(entry, body)
  body:close()
  if not handle then return fault(entry, err) end
  handle.entry, handle.used, handle.bytes = entry, self.clock, size_of(handle, size)
  if not entry.time_ms then
    local stat
    stat, err = system.stat(entry.path)
    if not stat then return nil, err end
    handle.mtime_ms = stat.mtime_ms
  end
  if handle.pprof then
    describe_pprof(entry, handle, handle.bytes)
  else
    describe_tree(entry, handle, handle.bytes)
  end
  self.open[entry] = handle
  self.bytes = self.bytes + handle.bytes
  self:forget(entry)
  return handle
end

--- What is known of an entry's content; parses the file the first time only.
---@param entry pyroscope.store.entry
---@return pyroscope.store.meta? meta
---@return pyroscope.error? err
function files:meta(entry)
  if entry.meta then return entry.meta end
  local handle, err = self:get(entry)
  if not handle then return nil, err end
  return entry.meta
end

--- Value and number of samples of one type in one label set.
---@param entry pyroscope.store.entry
---@param type integer
---@param set integer
---@return integer? value
---@return integer|pyroscope.error samples_or_err
function files:total(entry, type, set)
  local meta, err = self:meta(entry)
  if not meta then return nil, err end
  local of_type = meta.totals[type]
  if not of_type then
    local handle
    handle, err = self:get(entry)
    if not handle then return nil, err end
    of_type, err = handle.pprof:totals(type)
    if not of_type then return fault(entry, err) end
    meta.totals[type] = of_type
  end
  return of_type[set].value, of_type[set].samples
end

--- The labels of a series: the entry's, the samples', and those a server makes from the type.
---@param entry pyroscope.store.entry
---@param type integer
---@param set? integer    nil: without labels of samples
---@return table<string,string> labels   not to be changed
function files.series(entry, type, set)
  local meta = entry.meta
  local of_type = meta.series[type] or {}
  meta.series[type] = of_type
  local known = of_type[set or 0]
  if known then return known end
  local labels = files.labels_of(entry, meta.ids[type])
  -- A label of the samples never replaces one of the profile.
  for name, value in pairs(set and meta.sets[set].labels or {}) do
    if value ~= "" then labels[name] = labels[name] or value end
  end
  of_type[set or 0] = labels
  return labels
end

--- The labels of an entry for a profile type, without those of samples.
---@param entry pyroscope.store.entry
---@param id string
---@return table<string,string>
function files.labels_of(entry, id)
  local parts = types.parts(id)
  local labels = { __profile_type__ = id, __name__ = parts.name, __type__ = parts.sample_type,
    __unit__ = parts.sample_unit, __period_type__ = parts.period_type,
    __period_unit__ = parts.period_unit }
  for name, value in pairs(entry.labels) do labels[name] = value end
  labels.__service_name__ = labels.service_name
  for name, value in pairs(labels) do
    if value == "" then labels[name] = nil end
  end
  return labels
end

function files:pin(entry, pinned)
  local kept = self.open[entry]
  if kept then kept.pinned = pinned or nil end
end

--- Closes everything.
function files:close()
  for _, kept in pairs(self.open) do
    if kept.pprof then kept.pprof:close() else kept.tree:close() end
  end
  self.open, self.bytes = {}, 0
end

return files
