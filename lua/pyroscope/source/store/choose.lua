--- Which files, sample types and label sets of a store a question is about.

local errors = require "pyroscope.errors"
local files = require "pyroscope.source.store.files"
local selector = require "pyroscope.selector"
local types = require "pyroscope.types"

local choose = {}

--- One sample type of one file, and the label sets of its samples that are wanted.
---@class pyroscope.store.hit
---@field entry pyroscope.store.entry
---@field type integer
---@field id string
---@field sets? integer[]         nil: all; empty for a file without samples

-- First entry whose time is not before `ms`.
local function first_at(entries, ms)
  local low, high = 1, #entries + 1
  while low < high do
    local middle = (low + high) // 2
    if entries[middle].time_ms < ms then low = middle + 1 else high = middle end
  end
  return low
end

--- The entries with from_ms <= time < to_ms.
---@param entries pyroscope.store.entry[]
---@return fun(): pyroscope.store.entry?
function choose.between(entries, from_ms, to_ms)
  local i = first_at(entries, from_ms) - 1
  return function()
    i = i + 1
    local entry = entries[i]
    return entry and entry.time_ms < to_ms and entry or nil
  end
end

-- A matcher that the entry's own labels fail, whatever the samples have, needs no parse.
local function excluded(entry, matchers)
  for _, m in ipairs(matchers) do
    local value = entry.labels[m.name]
    if value and m.op == "=" and value ~= m.value then return true end
    if value and m.op == "!=" and value == m.value then return true end
  end
  return false
end

-- Do the matchers look only at what the index says?
local function told_by_index(entry, matchers)
  for _, m in ipairs(matchers) do
    if not entry.labels[m.name] and not m.name:match "^__.*__$" then return false end
  end
  return true
end

--- The ids of an entry that fulfil the matchers: parses the file only where the index is silent.
---@return string[]? ids
---@return pyroscope.error? err
local function ids_of_entry(cache, entry, question)
  local matchers = question.matchers
  if excluded(entry, matchers) then return {} end
  if entry.types and not entry.meta and told_by_index(entry, matchers) then
    local ids = {}
    for _, listed in ipairs(entry.types) do
      local id = types.parts(listed) and types.resolve(listed)
      local matches, err = false, nil
      if id then matches, err = question.test(files.labels_of(entry, id)) end
      if err then return nil, err end
      if matches then ids[#ids + 1] = id end
    end
    return ids
  end
  local hits, err = choose.of_entry(cache, entry, question)
  if not hits then return nil, err end
  local ids = {}
  for i, hit in ipairs(hits) do ids[i] = hit.id end
  return ids
end

-- Wanted sets of one sample type: nil for all, false for none.
local function wanted_sets(entry, type, question)
  local meta = entry.meta
  if #meta.present == 0 then
    local matches, err = question.test(files.series(entry, type))
    if err then return nil, err end
    return matches and {} or false
  end
  local wanted = {}
  for _, s in ipairs(meta.present) do
    local matches, err = question.test(files.series(entry, type, s))
    if err then return nil, err end
    if matches and question.accept then matches = question.accept(entry) end
    if matches then wanted[#wanted + 1] = s end
  end
  if #wanted == 0 then return false end
  return #wanted < #meta.present and wanted or nil
end

--- The hits of one entry.
---@return pyroscope.store.hit[]? hits
---@return pyroscope.error? err
function choose.of_entry(cache, entry, question)
  local id = question.id
  if excluded(entry, question.matchers) then return {} end
  if id and entry.types and not entry.meta then
    local listed = false
    for _, other in ipairs(entry.types) do
      if types.parts(other) and types.resolve(other) == id then listed = true end
    end
    if not listed then return {} end
  end
  local meta, err = cache:meta(entry)
  if not meta then return nil, err end
  local hits = {}
  for t, of_type in ipairs(meta.ids) do
    if (not id or of_type == id) and meta.index[of_type] == t then
      local sets, bad = wanted_sets(entry, t, question)
      if bad then return nil, bad end
      if sets ~= false then
        hits[#hits + 1] = { entry = entry, type = t, id = of_type, sets = sets }
      end
    end
  end
  return hits
end

--- A question for the functions of this module.
---@param matchers pyroscope.matcher[]
---@param from_ms integer
---@param to_ms integer       not included
---@param id? string          only this profile type
---@return table? question
---@return pyroscope.error? err
function choose.question(matchers, from_ms, to_ms, id)
  local test, err = selector.compile(matchers)
  if not test then return nil, err end
  return { matchers = matchers, test = test, from_ms = from_ms, to_ms = to_ms, id = id }
end

--- All hits, in order of time.
---@return pyroscope.store.hit[]? hits
---@return pyroscope.error? err
function choose.hits(store, question)
  local all = {}
  for entry in choose.between(store.entries, question.from_ms, question.to_ms) do
    local hits, err = choose.of_entry(store.files, entry, question)
    if not hits then return nil, err end
    table.move(hits, 1, #hits, #all + 1, all)
  end
  return all
end

--- The profile types, sorted.
---@return string[]? ids
---@return pyroscope.error? err
function choose.ids(store, question)
  local seen, ids = {}, {}
  for entry in choose.between(store.entries, question.from_ms, question.to_ms) do
    local found, err = ids_of_entry(store.files, entry, question)
    if not found then return nil, err end
    for _, id in ipairs(found) do
      if not seen[id] then
        seen[id] = true
        ids[#ids + 1] = id
      end
    end
  end
  table.sort(ids)
  return ids
end

--- Calls `visit(labels, hit, set)` for every series; set is nil for a file without samples.
---@param hits pyroscope.store.hit[]
---@param visit fun(labels: table<string,string>, hit: pyroscope.store.hit, set?: integer)
function choose.each_series(hits, visit)
  for _, hit in ipairs(hits) do
    local sets = hit.sets or hit.entry.meta.present
    if #sets == 0 then visit(files.series(hit.entry, hit.type), hit) end
    for _, s in ipairs(sets) do visit(files.series(hit.entry, hit.type, s), hit, s) end
  end
end

--- How many profiles were merged into the files of hits.
---@param hits pyroscope.store.hit[]
---@return integer
function choose.profiles(hits)
  local seen, count = {}, 0
  for _, hit in ipairs(hits) do
    if not seen[hit.entry] then
      seen[hit.entry] = true
      count = count + hit.entry.profiles
    end
  end
  return count
end

-- Two 64-bit FNV-1a hashes of a text.
local function hash(text)
  local a, b = 0xcbf29ce484222325, 0x84222325cbf29ce4
  for i = 1, #text do
    local byte = text:byte(i)
    a = (a ~ byte) * 0x100000001b3
    b = (b ~ (byte + i)) * 0x100000001b3
  end
  return a, b
end

--- The id of a file's profile: made from the name and time, so that it is always the same.
---@param entry pyroscope.store.entry
---@return string uuid
function choose.profile_id(entry)
  local a, b = hash(entry.file .. "\0" .. entry.time_ms)
  return ("%08x-%04x-8%03x-%04x-%012x"):format(a >> 32, a >> 16 & 0xffff, a & 0xfff,
    (b >> 48 & 0x3fff) | 0x8000, b & 0xffffffffffff)
end

--- Restricts a question to profile ids; no id known is `no_data`.
---@param question table
---@param ids string[]?
function choose.only_profiles(question, ids)
  if not ids then return end
  local wanted = {}
  for _, id in ipairs(ids) do wanted[id] = true end
  question.accept = function(entry) return wanted[choose.profile_id(entry)] == true end
end

--- An error that some filter needs what these files do not have.
function choose.lacking(what, hint)
  return nil, errors.new { kind = "unsupported", code = "not_in_files", message = what,
    hint = hint }
end

return choose
