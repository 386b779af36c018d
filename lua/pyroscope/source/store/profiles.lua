--- Trees of a store: all files of a question merged, exactly.

local check = require "pyroscope.check"
local choose = require "pyroscope.source.store.choose"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local query = require "pyroscope.query"
local selector = require "pyroscope.selector"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"

local store = {}

local function set_of(list)
  if not list then return nil end
  local set = {}
  for _, item in ipairs(list) do set[item] = true end
  return set
end

-- Merges what was collected so far into `parts`, and lets the files go.
local function flush(self, batch, parts, options)
  if #batch == 0 then return true end
  local profile, err = core.collect(batch, options)
  for i, hit in ipairs(batch.hits) do
    self.files:pin(hit.entry, false)
    batch[i] = nil
  end
  batch.hits, batch.bytes = {}, 0
  if not profile then return nil, err end
  parts[#parts + 1] = profile
  return true
end

local function close_all(parts)
  for _, part in ipairs(parts) do part:close() end
end

--- One tree from any number of hits, in batches that memory bears.
---@param hits pyroscope.store.hit[]
---@param options? table      granularity, named_only, call_site, spans, traces
---@return pyroscope.profile? profile
---@return pyroscope.error? err
local function gather(self, hits, options)
  options = options or {}
  local collecting = { granularity = options.granularity, named_only = options.named_only,
    call_site = options.call_site, max_depth = options.max_depth, tagfocus = options.tagfocus,
    tagignore = options.tagignore }
  local parts, trees, batch = {}, {}, { hits = {}, bytes = 0 }
  -- Files of a batch stay parsed until it is merged, so it has half of what may be kept.
  local most = self.files.limit // 2
  local failed
  for _, hit in ipairs(hits) do
    local handle, err = self.files:get(hit.entry)
    if not handle then
      failed = err
      break
    end
    if handle.tree then
      if options.call_site or options.spans or options.traces or options.tagfocus
          or options.tagignore then
        local _, lacks = choose.lacking(hit.entry.path .. " has no samples to filter, only a tree",
          "call sites, spans, traces and tags need pprof")
        failed = lacks
        break
      end
      -- A copy: the cache may close its own.
      trees[#trees + 1], err = core.merge { handle.tree }
      if err then failed = err end
    else
      self.files:pin(hit.entry, true)
      batch[#batch + 1] = { handle.pprof, type = hit.type, sets = hit.sets, spans = options.spans,
        traces = options.traces }
      batch.hits[#batch.hits + 1] = hit
      batch.bytes = batch.bytes + handle.bytes
      if batch.bytes > most then
        local ok
        ok, failed = flush(self, batch, parts, collecting)
        if not ok then break end
        failed = nil
      end
    end
    if failed then break end
  end
  local ok, err
  if not failed then
    ok, err = flush(self, batch, parts, collecting)
    failed = not ok and err or nil
  else
    for _, hit in ipairs(batch.hits) do self.files:pin(hit.entry, false) end
  end
  table.move(trees, 1, #trees, #parts + 1, parts)
  if failed then
    close_all(parts)
    return nil, failed
  end
  if #parts == 1 then return parts[1] end
  local merged
  if #parts == 0 then
    merged, err = core.collect({}, collecting)
  else
    merged, err = core.merge(parts)
  end
  close_all(parts)
  return merged, err
end

store.gather = gather

-- Ids that no file has: a filter that would give nothing for want of data, not of samples.
local function check_ids(self, hits, resolved)
  for _, wanted in ipairs { { "span_ids", "span_id", "spans" }, { "trace_ids", "trace_id",
    "traces" } } do
    if resolved[wanted[1]] then
      local any = false
      for _, hit in ipairs(hits) do
        local handle, err = self.files:get(hit.entry)
        if not handle then return nil, err end
        if handle.pprof then
          local ids = handle.pprof:ids(hit.type)
          any = any or next(ids[wanted[2]] or {}) ~= nil
            or (wanted[2] == "span_id" and next(ids.profile_id or {}) ~= nil)
        end
        if any then break end
      end
      if not any then
        return choose.lacking(("the samples in %s carry no ids of %s"):format(self.name,
          wanted[3]), "ask a server, or a file captured with span labels")
      end
    end
  end
  return true
end

--- The hits of a resolved query; none is the source's `no_data`.
---@param resolved pyroscope.resolved
---@return pyroscope.store.hit[]? hits
---@return pyroscope.error? err
function store:hits_of(resolved)
  local question, err = choose.question(resolved.matchers, resolved.from_ms, resolved.to_ms,
    resolved.profile_type)
  if not question then return nil, err end
  choose.only_profiles(question, resolved.profile_ids)
  local hits
  hits, err = choose.hits(self, question)
  if not hits then return nil, err end
  if #hits == 0 then
    if resolved.profile_ids then
      return nil, errors.new { kind = "no_data", code = "unknown_profile",
        message = ("no profile in %s has that id"):format(self.name),
        hint = "ids of stored files are those of `pscope exemplars profile`" }
    end
    return nil, self:absence(resolved)
  end
  local ok
  ok, err = check_ids(self, hits, resolved)
  if not ok then return nil, err end
  return hits
end

--- A question in full, and what the store has for it.
---@param asked pyroscope.query|pyroscope.resolved
---@param where string      the method that was asked, for messages
---@param settle? fun(resolved: pyroscope.resolved): pyroscope.resolved?, pyroscope.error?
---  what is looked at or changed before files are
---@return pyroscope.resolved? resolved
---@return pyroscope.store.hit[]|pyroscope.error hits
function store:question(asked, where, settle)
  local resolved, err = query.resolve(asked, self, { where = where })
  if resolved and settle then resolved, err = settle(resolved) end
  if not resolved then return nil, err end
  local hits
  hits, err = self:hits_of(resolved)
  if not hits then return nil, err end
  return resolved, hits
end

local function no_pgo(resolved)
  if not resolved.go_pgo then return resolved end
  return choose.lacking("profiles for Go's PGO are made by a server",
    "go build reads a plain pprof CPU profile too: pscope export -o pprof")
end

--- One tree: everything in the files that the query selects, uncut. With `max_nodes` it is what a
--- server would send: named functions only, small ones cut into "other".
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function store:profile(asked)
  local resolved, hits = self:question(asked, "profile", no_pgo)
  if not resolved then return nil, hits end
  local profile, err = gather(self, hits, {
    granularity = resolved.granularity, named_only = resolved.max_nodes ~= nil or nil,
    call_site = resolved.call_site, spans = set_of(resolved.span_ids),
    traces = set_of(resolved.trace_ids), tagfocus = resolved.tagfocus,
    tagignore = resolved.tagignore,
  })
  if not profile then return nil, err end
  if profile.sum == 0 then
    profile:close()
    return nil, shared.untagged(resolved) or self:absence(resolved)
  end
  profile = shared.cut(profile, resolved.max_nodes)
  local warnings = table.move(resolved.warnings, 1, #resolved.warnings, 1, {})
  table.move(self.warnings, 1, #self.warnings, #warnings + 1, warnings)
  return profile:describe {
    profile_type = resolved.profile_type, unit = resolved.unit, kind = resolved.kind,
    profiles = choose.profiles(hits), sum = resolved.sum, from_ms = resolved.from_ms,
    to_ms = resolved.to_ms, labels = self.fixed_labels(resolved), selector = resolved.selector,
    source = self.name, warnings = warnings,
  }
end

--- Several questions: `for i, profile, err in store:profiles(queries) do`.
---@param queries pyroscope.query[]
---@return fun(): integer?, pyroscope.profile?, pyroscope.error?
function store:profiles(queries)
  local i = 0
  return function()
    i = i + 1
    if queries[i] == nil then return nil end
    return i, self:profile(queries[i])
  end
end

-- pprof -----------------------------------------------------------------------------------

---@class pyroscope.store.pprof: pyroscope.pprof_answer
local answer = {}
local answer_meta = { __name = "pyroscope.pprof_answer", __index = answer }

function answer_meta.__tostring(self)
  return ("pyroscope.pprof_answer: %d files of %s"):format(#self.hits, self.resolved.profile_type)
end

--- All samples of a question, for pprof's own questions.
---@param asked pyroscope.query|pyroscope.resolved
---@return pyroscope.pprof_answer? answer
---@return pyroscope.error? err
function store:pprof(asked)
  local resolved, hits = self:question(asked, "pprof")
  if not resolved then return nil, hits end
  return setmetatable({ store = self, resolved = resolved, hits = hits }, answer_meta)
end

--- Sample types of the files: rows { type, unit, id }.
function answer:types()
  local rows, seen = {}, {}
  for _, hit in ipairs(self.hits) do
    for _, id in ipairs(hit.entry.meta.ids) do
      if not seen[id] then
        seen[id] = true
        local parts = types.parts(id)
        rows[#rows + 1] = { type = parts.sample_type, unit = parts.sample_unit, id = id }
      end
    end
  end
  return rows
end

--- Labels of the samples: name -> value -> summed value.
function answer:labels()
  local all = {}
  for _, hit in ipairs(self.hits) do
    local handle, err = self.store.files:get(hit.entry)
    if not handle then return nil, err end
    shared.add_tags(all, handle.pprof and handle.pprof:tags(hit.type) or {})
  end
  return all
end

--- A profile of it: another sample type, fewer labels, lines in place of functions.
---@param options? { type?: string, labels?: table, granularity?: string }
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function answer:profile(options)
  options = check.options("profile", options,
    { type = "string", labels = "table", granularity = "string", tagfocus = "string",
      tagignore = "string" })
  local asked = {}
  for name, value in pairs(self.resolved) do asked[name] = value end
  asked.tagfocus = options.tagfocus or asked.tagfocus
  asked.tagignore = options.tagignore or asked.tagignore
  asked.granularity = options.granularity or asked.granularity
  asked.max_nodes = nil
  if options.labels then
    asked.matchers = selector.merge(asked.matchers, selector.from_labels(options.labels))
    asked.selector = selector.build(asked.matchers)
  end
  if options.type then
    for _, row in ipairs(self:types()) do
      if row.type == options.type or row.id == options.type then
        asked.profile_type, asked.unit = row.id, row.unit
        asked.kind = types.kind(row.id)
      end
    end
  end
  return self.store:profile(asked)
end

-- When the profiles were taken and for how long, for the written file.
local function moment(self)
  local first, last
  for _, hit in ipairs(self.hits) do
    local entry = hit.entry
    first = math.min(first or entry.time_ms, entry.time_ms)
    last = math.max(last or entry.time_ms, entry.time_ms + (entry.duration_ms or 0))
  end
  return { time_nanos = first * 1000000, duration_nanos = (last - first) * 1000000 }
end

--- Gzipped pprof of all of it, with files and lines.
---@return string? bytes
---@return pyroscope.error? err
function answer:bytes()
  local profile, err = self:profile { granularity = "line" }
  if not profile then return nil, err end
  local bytes
  bytes, err = profile:render("pprof", moment(self))
  profile:close()
  return bytes, err
end

--- Writes it, mode 600.
---@param path string
---@param options? { force?: boolean }
---@return true? ok
---@return pyroscope.error? err
function answer:save(path, options)
  local profile, err = self:profile { granularity = "line" }
  if not profile then return nil, err end
  local how = moment(self)
  how.format, how.force = "pprof", options and options.force
  local ok
  ok, err = profile:save(path, how)
  profile:close()
  return ok, err
end

function answer.close() end

return store
