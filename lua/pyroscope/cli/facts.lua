--- Instances, versions and language of what was asked, from one list of label sets.

local selector = require "pyroscope.selector"
local shared = require "pyroscope.source.shared"

local facts = {}

local words = { pod = "pods", hostname = "hosts", host = "hosts", node = "nodes" }

local wanted = { "service_name", table.unpack(shared.version_labels) }
for _, name in ipairs(shared.instance_labels) do wanted[#wanted + 1] = name end

local function distinct(rows, label)
  local seen, list = {}, {}
  for _, row in ipairs(rows) do
    local value = row[label]
    if value and value ~= "" and not seen[value] then
      seen[value] = true
      list[#list + 1] = value
    end
  end
  table.sort(list)
  return list
end

---@class pyroscope.facts
---@field instances? integer
---@field word? string       "pods", "hosts", "instances"
---@field versions string[]
---@field refs string[]
---@field services string[]

--- Asks the source; nil when it cannot tell (the header then lacks them).
---@param source pyroscope.source
---@param resolved pyroscope.resolved
---@return pyroscope.facts?
function facts.of(source, resolved)
  local matchers = { table.unpack(resolved.matchers) }
  if source.kind == "store" then -- servers do not promise to know this label in a matcher
    matchers[#matchers + 1] = { name = "__profile_type__", op = "=", value = resolved.profile_type }
  end
  local rows = source:series({ from_ms = resolved.from_ms, to_ms = resolved.to_ms },
    { selector = selector.build(matchers), labels = wanted })
  if not rows then return nil end
  local found = { versions = {}, refs = distinct(rows, "service_git_ref"),
    services = distinct(rows, "service_name") }
  for _, label in ipairs(shared.instance_labels) do
    local values = distinct(rows, label)
    if #values > 0 then
      found.instances, found.word, found.label = #values, words[label] or "instances", label
      break
    end
  end
  for _, label in ipairs(shared.version_labels) do
    if label ~= "service_git_ref" then found.versions = distinct(rows, label) end
    if #found.versions > 0 then break end
  end
  return found
end

--- "18 pods".
function facts.instances(found)
  if not found or not found.instances then return nil end
  local word = found.instances == 1 and found.word:gsub("s$", "") or found.word
  return ("%d %s"):format(found.instances, word)
end

--- "2.41.0 (9f3c1a2)", "v41, v42", "5 versions".
function facts.version(found)
  if not found then return nil end
  local screen = require "pyroscope.cli.screen"
  local list = #found.versions > 0 and found.versions or found.refs
  if #list == 0 then return nil end
  if #list > 3 then return ("%d versions"):format(#list) end
  local text = screen.printable(table.concat(list, ", "))
  if #found.versions == 1 and #found.refs == 1 then
    text = ("%s (%s)"):format(text, screen.printable(found.refs[1]:sub(1, 7)))
  end
  return text
end

return facts
