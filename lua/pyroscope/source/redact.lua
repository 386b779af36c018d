--- Names that a bundle must not tell: values of labels and names of functions become hashes. Equal
--- names stay equal, so shares, diffs and verdicts do not change. A hash hides from readers, not
--- from somebody who tries all names that could be meant.

local check = require "pyroscope.check"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local selector = require "pyroscope.selector"

---@class pyroscope.redact
---@field names table<string, true>   labels whose values are hidden
---@field functions boolean
local redact = {}
redact.__index = redact

local module = {}

local hash = require "pyroscope.hash".fnv1a

--- Reads `{ labels = { "pod" }, functions = "hash" }`.
---@param options? { labels?: string[], functions?: "hash" }
---@return pyroscope.redact? hiding
---@return pyroscope.error? err
function module.new(options)
  options = check.options("redact", options, { labels = "table", functions = "string" }, 4)
  if options.functions and options.functions ~= "hash" then
    return nil, errors.new { kind = "usage",
      message = ("redact: functions is 'hash', not '%s'"):format(options.functions) }
  end
  local names = {}
  for _, name in ipairs(options.labels or {}) do
    if type(name) ~= "string" then
      return nil, errors.new { kind = "usage", message = "redact: labels is a list of names" }
    end
    names[name] = true
  end
  return setmetatable({ names = names, functions = options.functions == "hash" }, redact)
end

--- A text that is equal for equal redactions.
---@return string
function redact:key()
  local names = {}
  for name in pairs(self.names) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ",") .. (self.functions and ";functions" or "")
end

--- A copy of labels with the hidden values hashed.
---@param labels table<string,string>
---@return table<string,string>
function redact:labels(labels)
  local copy = {}
  for name, value in pairs(labels) do
    copy[name] = self.names[name] and "h-" .. hash(value) or value
  end
  return copy
end

--- The text of matchers without hidden values; a pattern over a hidden label says nothing.
---@param matchers pyroscope.matcher[]
---@return string
function redact:selector(matchers)
  local copy = {}
  for _, m in ipairs(matchers) do
    if not self.names[m.name] then
      copy[#copy + 1] = m
    elseif m.op == "=" or m.op == "!=" then
      copy[#copy + 1] = { name = m.name, op = m.op, value = "h-" .. hash(m.value) }
    end
  end
  return selector.build(copy)
end

-- Root to leaf with ";" between: every frame becomes its hash, the value stays.
local function hashed(folded)
  local known = {}
  return (folded:gsub("([^\n]*) (%-?%d+)\n", function(stack, value)
    local frames = {}
    for frame in (stack .. ";"):gmatch "([^;]*);" do
      known[frame] = known[frame] or "f-" .. hash(frame)
      frames[#frames + 1] = known[frame]
    end
    return table.concat(frames, ";") .. " " .. value .. "\n"
  end))
end

--- Gzipped pprof of an answer, with names hashed where that is asked: files and lines go as well.
---@param answer pyroscope.pprof_answer
---@param question pyroscope.resolved   its values are sums
---@return string? bytes
---@return pyroscope.error? err
function redact:bytes(answer, question)
  if not self.functions then return answer:bytes() end
  local profile, err = answer:profile()
  if not profile then return nil, err end
  local folded
  folded, err = profile:render "folded"
  profile:close()
  if not folded then return nil, err end
  local tree
  tree, err = core.decode(hashed(folded), "folded")
  if not tree then return nil, err end
  tree:describe { profile_type = question.profile_type, unit = question.unit }
  local bytes
  bytes, err = tree:render("pprof", { time_nanos = question.from_ms * 1000000,
    duration_nanos = (question.to_ms - question.from_ms) * 1000000 })
  tree:close()
  return bytes, err
end

return module
