--- Profile types: five-part ids, what they measure, whether they may be summed, words for them.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"

local types = {}

-- Classes in the order in which a type is looked up; the first pattern that an existing id
-- matches is the one meant. `*` stands for any part, an ending `*` for all that follow.
local CLASSES = {
  { "cpu", "flow", "process_cpu:cpu:nanoseconds:cpu:nanoseconds", "process_cpu:cpu:nanoseconds:*",
    "*:cpu:nanoseconds:*", "process_cpu:samples:count:*", "process_cpu:cpu_samples:count:*",
    "cpu:samples:count:*" },
  { "wall", "flow", "wall:wall:nanoseconds:wall:nanoseconds", "wall:wall:nanoseconds:*",
    "process_cpu:wall:nanoseconds:*", "*:wall:nanoseconds:*",
    "wall:wall:microseconds:wall:microseconds", "*:wall:microseconds:*", "wall:samples:count:*" },
  { "live_bytes", "stock", "memory:inuse_space:bytes:space:bytes", "memory:inuse_space:bytes:*",
    "heap:inuse_space:bytes:cpu:nanoseconds", "*:inuse_space:bytes:*",
    "memory:space:bytes:space:bytes", "memory:space:bytes:*" },
  { "live_objects", "stock", "memory:inuse_objects:count:space:bytes",
    "memory:inuse_objects:count:*", "heap:inuse_objects:count:*", "*:inuse_objects:count:*",
    "memory:live:count:objects:count", "memory:live:count:*", "memory:objects:count:*" },
  { "alloc_bytes", "flow", "memory:alloc_space:bytes:space:bytes", "memory:alloc_space:bytes:*",
    "*:alloc_space:bytes:*", "memory:alloc_in_new_tlab_bytes:bytes:*",
    "memory:alloc_outside_tlab_bytes:bytes:*", "memory:alloc_sample_bytes:bytes:*",
    "alloc:alloc_size:bytes:*", "process_cpu:alloc_size:bytes:*", "memory:malloc_bytes:bytes:*" },
  { "alloc_objects", "flow", "memory:alloc_objects:count:space:bytes",
    "memory:alloc_objects:count:*", "*:alloc_objects:count:*",
    "memory:alloc_in_new_tlab_objects:count:*", "memory:alloc_outside_tlab_objects:count:*",
    "memory:alloc_sample_objects:count:*", "alloc:alloc_samples:count:*",
    "process_cpu:alloc_samples:count:*", "memory:malloc_objects:count:*" },
  { "goroutine", "stock", "goroutine:goroutine:count:goroutine:count",
    "goroutines:goroutine:count:goroutine:count", "goroutine:goroutines:count:*",
    "goroutine:goroutine:count:*", "goroutines:goroutine:count:*", "*:goroutine:count:*",
    "*:goroutines:count:*" },
  { "goroutine_leak", "stock", "*:goroutineleak:count:*", "goroutineleak:*" },
  { "mutex_delay", "flow", "mutex:delay:nanoseconds:contentions:count",
    "mutex:delay:nanoseconds:mutex:count", "mutex:delay:nanoseconds:*",
    "lock:lock_time:nanoseconds:*", "process_cpu:lock_time:nanoseconds:*" },
  { "mutex_count", "flow", "mutex:contentions:count:contentions:count",
    "mutex:contentions:count:*", "lock:lock_count:count:*", "process_cpu:lock_count:count:*" },
  { "block_delay", "flow", "block:delay:nanoseconds:contentions:count",
    "block:delay:nanoseconds:block:count", "block:delay:nanoseconds:*",
    "off_cpu:off_cpu:nanoseconds:*" },
  { "block_count", "flow", "block:contentions:count:contentions:count",
    "block:contentions:count:*" },
  { "exceptions", "flow", "exception:exception:count:*", "process_cpu:exception:count:*" },
}

-- Words that people type, and the class they mean; names of classes are words too.
local WORDS = {
  cpu = "cpu", wall = "wall",
  memory = "live_bytes", mem = "live_bytes", inuse = "live_bytes",
  alloc = "alloc_bytes", allocations = "alloc_bytes",
  goroutine = "goroutine", goroutines = "goroutine",
  mutex = "mutex_delay", block = "block_delay",
}

-- Short names for lists of types.
local SHORT = { live_bytes = "mem", alloc_bytes = "alloc", mutex_delay = "mutex",
  block_delay = "block", live_objects = "mem-objects", alloc_objects = "alloc-objects",
  mutex_count = "mutex-count", block_count = "block-count", goroutine_leak = "goroutine-leak" }

local by_class = {}
for _, class in ipairs(CLASSES) do
  by_class[class[1]] = class
  WORDS[class[1]] = WORDS[class[1]] or class[1]
end

-- Profilers that put a word before the name; what follows means the same.
local PREFIX = "godeltaprof_"

---@class pyroscope.type_parts
---@field name string
---@field sample_type string
---@field sample_unit string
---@field period_type string
---@field period_unit string

--- The parts of an id, nil when it has not five (an old sixth, `delta`, is left out).
---@param id string
---@return pyroscope.type_parts?
function types.parts(id)
  local name, sample_type, sample_unit, period_type, period_unit, rest =
    id:match "^([^:]*):([^:]*):([^:]*):([^:]*):([^:]*)(.*)$"
  if not name or (rest ~= "" and rest ~= ":delta") then return nil end
  return { name = name, sample_type = sample_type, sample_unit = sample_unit,
    period_type = period_type, period_unit = period_unit }
end

--- The five-part id of parts.
---@param parts pyroscope.type_parts
---@return string
function types.join(parts)
  return table.concat({ parts.name, parts.sample_type, parts.sample_unit, parts.period_type,
    parts.period_unit }, ":")
end

-- Does an id match a pattern of the table above?
local function matches(id, pattern)
  if id == pattern then return true end
  if id:sub(1, #PREFIX) == PREFIX then id = id:sub(#PREFIX + 1) end
  local escaped = pattern:gsub("[%-%.%+%?%^%$%(%)%[%]%%]", "%%%0")
  local all = escaped:match "^(.*)%*$"
  local lua_pattern = (all or escaped):gsub("%*", "[^:]*")
  return id:find("^" .. lua_pattern .. (all and "" or "$")) ~= nil
end

--- The class of an id: "cpu", "live_bytes", ..., or "other".
---@param id string
---@return string
function types.class(id)
  for _, class in ipairs(CLASSES) do
    for i = 3, #class do
      if matches(id, class[i]) then return class[1] end
    end
  end
  return "other"
end

--- May values be summed over time ("flow"), or are they snapshots ("stock")?
---@param id string
---@return "flow"|"stock"
function types.kind(id)
  local class = by_class[types.class(id)]
  if class then return class[2] end
  local parts = types.parts(id)
  if parts and (parts.sample_type:find "^inuse" or parts.sample_type:find "^live"
      or parts.name == "heap" or parts.name:find "^goroutine") then
    return "stock"
  end
  return "flow"
end

--- What a list shows for a type: "cpu", "mem", ..., else its sample type.
---@param id string
---@return string
function types.short(id)
  local class = types.class(id)
  if class ~= "other" then return SHORT[class] or class end
  local parts = types.parts(id)
  return parts and parts.sample_type or id
end

--- What a list shows for several types, each word once.
---@param ids string[]
---@return string[]
function types.shorts(ids)
  local words, seen = {}, {}
  for _, id in ipairs(ids) do
    local word = types.short(id)
    if not seen[word] then
      seen[word] = true
      words[#words + 1] = word
    end
  end
  return words
end

--- A row of `source:profile_types`; nil for what is no id.
---@param id string
---@return pyroscope.type_row?
function types.row(id)
  local parts = types.parts(id)
  if not parts then return nil end
  local row = parts --[[@as table]]
  row.id = types.join(parts)
  row.class, row.kind = types.class(row.id), types.kind(row.id)
  return row
end

--- The words that people may type for types, sorted.
---@return { word: string, class: string, id: string }[]
function types.words()
  local rows = {}
  for word, class in pairs(WORDS) do
    rows[#rows + 1] = { word = word, class = class, id = by_class[class][3] }
  end
  table.sort(rows, function(a, b) return a.word < b.word end)
  return rows
end

--- The class that a word means; nil for anything else.
---@param word string
---@return string?
function types.meaning(word)
  return WORDS[(word:lower():gsub("-", "_"))]
end

--- The id that a word most likely means, before anybody was asked; nil where none stands out.
---@param word string
---@return string?
function types.likeliest(word)
  if types.parts(word) then return types.join(types.parts(word)) end
  local class = types.meaning(word)
  local first = class and by_class[class][3]
  return first and not first:find("*", 1, true) and first or nil
end

-- Ids of existing types of a class: the best pattern's first, each once.
local function of_class(class, ids)
  local found, seen = {}, {}
  for i = 3, #by_class[class] do
    for _, id in ipairs(ids) do
      if not seen[id] and matches(id, by_class[class][i]) and types.class(id) == class then
        seen[id] = true
        found[#found + 1] = id
      end
    end
  end
  return found
end

local function list(ids)
  local shown = {}
  for i = 1, math.min(#ids, 12) do shown[i] = "  " .. ids[i] end
  if #ids > 12 then shown[#shown + 1] = ("  and %d more"):format(#ids - 12) end
  return table.concat(shown, "\n")
end

local function names_of_words(existing)
  local words = {}
  for word in pairs(WORDS) do words[#words + 1] = word end
  for _, id in ipairs(existing) do
    words[#words + 1] = id
    words[#words + 1] = types.parts(id).sample_type
  end
  table.sort(words)
  return words
end

--- Finds the id that a word, a sample type or an id means among the types that exist.
--- Without `existing` only ids can be told. Second result of success: further ids of that class.
---@param word string
---@param existing? string[]      ids
---@return string? id
---@return pyroscope.error|string[]|nil err_or_others
function types.resolve(word, existing)
  if types.parts(word) then return types.join(types.parts(word)), {} end
  local ids = {}
  for _, id in ipairs(existing or {}) do
    if types.parts(id) then ids[#ids + 1] = id end
  end
  table.sort(ids)
  local class = types.meaning(word)
  if class then
    local found = of_class(class, ids)
    if found[1] then return found[1], { table.unpack(found, 2) } end
    return nil, errors.new { kind = "no_data", code = "type_absent",
      message = ("there is no profile type for '%s' here"):format(word),
      hint = #ids > 0 and "what there is:\n" .. list(ids)
        or "there is no profile type at all in this window" }
  end
  local by_sample = {}
  for _, id in ipairs(ids) do
    if types.parts(id).sample_type == word then by_sample[#by_sample + 1] = id end
  end
  if #by_sample == 1 then return by_sample[1], {} end
  if #by_sample > 1 then
    return nil, errors.new { kind = "usage", code = "type",
      message = ("'%s' is the sample type of several profile types"):format(word),
      hint = "say which:\n" .. list(by_sample) }
  end
  local near = check.suggestion(word, names_of_words(ids))
  return nil, errors.new { kind = "usage", code = "type",
    message = ("'%s' is not a profile type%s"):format(word, near ~= "" and " " .. near or ""),
    hint = "a type is cpu, memory, alloc, goroutine, mutex, block, wall or a full id such as\n"
      .. "  process_cpu:cpu:nanoseconds:cpu:nanoseconds"
      .. (#ids > 0 and "\nwhat there is:\n" .. list(ids) or "") }
end

--- True when a word needs no list of existing types.
---@param word string
---@return boolean
function types.is_id(word)
  return types.parts(word) ~= nil
end

return types
