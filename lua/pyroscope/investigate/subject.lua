--- What is looked at: a selector with one profile type, and what is known of both.

local errors = require "pyroscope.errors"
local query = require "pyroscope.query"
local resolve = require "pyroscope.source.resolve"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"

local subject = {}

---@class pyroscope.subject
---@field selector string
---@field type string
---@field types string[]        more than one: they are added
---@field class string
---@field kind "flow"|"stock"
---@field unit string
---@field runtime? string       "go", "jvm", "node", ...
---@field service? string
---@field all string[]          ids of every type that there is

-- The words of `shared.language` in those of `frames`.
local RUNTIMES = { java = "jvm", nodejs = "node" }

--- What a type says about itself, for a subject that only names it.
---@param given { selector: string, type: string|string[] }
---@return pyroscope.subject
function subject.complete(given)
  local made = {}
  for name, value in pairs(given) do made[name] = value end
  if type(made.type) == "table" then made.types, made.type = made.type, made.type[1] end
  made.types = made.types or { made.type }
  made.all = made.all or made.types
  local row = types.row(made.type)
  if not row then error(("'%s' is not a profile type"):format(tostring(made.type)), 3) end
  made.class, made.kind = made.class or row.class, made.kind or row.kind
  made.unit = made.unit or row.sample_unit
  return made
end

--- The first of some classes that a selector has in a window.
---@param source pyroscope.source
---@param classes string|string[]   in order of preference
---@param selector string
---@param window { from_ms: integer, to_ms: integer }
---@return pyroscope.subject? subject
---@return pyroscope.error? err     `type_absent` of the first class where there is none
function subject.of(source, classes, selector, window)
  local first
  for _, class in ipairs(type(classes) == "table" and classes or { classes }) do
    local id, about = resolve.choose(source, class, selector, window)
    if id then
      local matchers = query.window({ from_ms = window.from_ms, to_ms = window.to_ms }, source,
        "subject", { selector = selector })
      local language = shared.language(nil, about.all)
      return subject.complete { selector = selector, type = id, types = about.types,
        class = types.class(id), all = about.all, runtime = RUNTIMES[language] or language,
        service = matchers and require "pyroscope.selector".fixed(matchers.matchers,
          "service_name") or nil }
    end
    first = first or about
    if about.code ~= "type_absent" then return nil, about end
  end
  return nil, first or errors.new { kind = "no_data", message = "no class was asked for" }
end

return subject
