--- What `client:pprof` gives: the pprof answers of a server's pieces, merged on demand.

local check = require "pyroscope.check"
local core = require "pyroscope.core"
local shared = require "pyroscope.source.shared"

---@class pyroscope.server.pprof: pyroscope.pprof_answer
local answer = {}
local meta = { __name = "pyroscope.pprof_answer", __index = answer }

function meta.__tostring(self)
  return ("pyroscope.pprof_answer: %s of %s"):format(self.question.profile_type,
    self.question.selector)
end

--- Sample types: a server merges one at a time.
---@return { type: string, unit: string, id: string }[]
function answer:types()
  local rows, seen = {}, {}
  for _, handle in ipairs(self.handles) do
    for _, row in ipairs(handle:types()) do
      if not seen[row.type] then
        seen[row.type] = true
        rows[#rows + 1] = { type = row.type, unit = row.unit, id = self.question.profile_type }
      end
    end
  end
  return rows
end

--- Labels of the samples: none, a server merges them away.
function answer:labels()
  local all = {}
  for _, handle in ipairs(self.handles) do
    shared.add_tags(all, handle:tags(handle.default_type))
  end
  return all
end

--- Collects the handles into one profile, not described yet.
---@param options? { granularity?: string, call_site?: string[] }
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function answer:collect(options)
  local selections = {}
  for i, handle in ipairs(self.handles) do
    selections[i] = { handle, type = handle.default_type }
  end
  return core.collect(selections, options)
end

--- A profile of it: lines in place of functions, or only samples with these labels.
---@param options? { type?: string, labels?: table, granularity?: string, tagfocus?: string,
---  tagignore?: string }
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function answer:profile(options)
  options = check.options("profile", options,
    { type = "string|integer", labels = "table", granularity = "string", tagfocus = "string",
      tagignore = "string" })
  if options.type or (options.labels and next(options.labels)) then
    -- The server has one type and no labels in a merged answer: ask it again for others.
    local asked = {}
    for name, value in pairs(self.question) do asked[name] = value end
    return self.again(asked, options)
  end
  local profile, err = self:collect { call_site = self.question.call_site,
    tagfocus = options.tagfocus or self.question.tagfocus,
    tagignore = options.tagignore or self.question.tagignore,
    granularity = options.granularity or self.question.granularity or "function" }
  if not profile then return nil, err end
  return shared.cut(profile, self.question.max_nodes):describe(self.about)
end

-- The same bytes as the server's while there is one answer and no filter of ours.
local function whole(self)
  local question = self.question
  local filtered = question.call_site or question.tagfocus or question.tagignore
  if #self.handles == 1 and not filtered then return self.handles[1] end
end

local function moment(self)
  return { time_nanos = self.question.from_ms * 1000000,
    duration_nanos = (self.question.to_ms - self.question.from_ms) * 1000000 }
end

--- Gzipped pprof: the sums as the server holds them, with files and lines.
---@return string? bytes
---@return pyroscope.error? err
function answer:bytes()
  local handle = whole(self)
  if handle then return core.gzip(handle:bytes()) end
  local profile, err = self:collect { granularity = "line", call_site = self.question.call_site,
    tagfocus = self.question.tagfocus, tagignore = self.question.tagignore }
  if not profile then return nil, err end
  profile:describe { profile_type = self.question.profile_type, unit = self.question.unit }
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
  local bytes, err = self:bytes()
  if not bytes then return nil, err end
  return require "pyroscope.system".write_file(path, bytes,
    { force = options and options.force })
end

--- Frees it; profiles made from it stay.
function answer:close()
  for _, handle in ipairs(self.handles) do handle:close() end
end

meta.__close = answer.close

--- An answer from handles, the question they answer, and what its profiles are described as.
---@param handles pyroscope.pprof[]
---@param question pyroscope.resolved
---@param about table
---@param again fun(question: table, options: table): pyroscope.profile?, pyroscope.error?
---@return pyroscope.server.pprof
return function(handles, question, about, again)
  return setmetatable({ handles = handles, question = question, about = about, again = again },
    meta)
end
