--- What every source does alike: steps of timelines, labels that say who and which version.

local shared = {}

local NICE = { 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400 }

--- Labels that tell instances apart, the first present one counts.
shared.instance_labels = { "pod", "instance", "container_id", "hostname", "service_instance_id",
  "node", "host" }

--- Labels that tell versions, the first present one counts.
shared.version_labels = { "version", "service_version", "service.version", "service_git_ref" }

--- The step of a timeline: at most 1,500 points, at least 15 s, a length that people know.
---@param resolved pyroscope.resolved
---@return integer ms
function shared.step(resolved)
  if resolved.step_ms then return resolved.step_ms end
  local least = (resolved.to_ms - resolved.from_ms) / 1500
  for _, seconds in ipairs(NICE) do
    if seconds * 1000 >= least then return seconds * 1000 end
  end
  return math.ceil(least / 86400000) * 86400000
end

--- Whole steps that cover a window; it is lengthened at its start.
---@param resolved pyroscope.resolved
---@return integer step
---@return integer count
---@return integer from_ms
function shared.grid(resolved)
  local step = shared.step(resolved)
  local count = -((resolved.from_ms - resolved.to_ms) // step)
  return step, count, resolved.to_ms - count * step
end

--- True for labels that a server keeps for itself.
function shared.internal(name)
  return name:match "^__.*__$" ~= nil
end

--- Labels without the internal ones.
---@param labels table<string,string>
---@return table<string,string>
function shared.visible(labels)
  local some = {}
  for name, value in pairs(labels) do
    if not shared.internal(name) then some[name] = value end
  end
  return some
end

--- A text that is equal for equal values of some labels, and sorts by them.
---@param labels table<string,string>
---@param names string[]
---@return string
function shared.key(labels, names)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = labels[name] and "\1" .. labels[name] or "" end
  return table.concat(parts, "\2")
end

--- Names of a set, sorted.
---@param set table<string, any>
---@return string[]
function shared.sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local SPIES = { gospy = "go", javaspy = "java", nodespy = "nodejs", pyspy = "python",
  rbspy = "ruby", phpspy = "php", dotnetspy = "dotnet", ebpfspy = "ebpf",
  ["pyroscope-rs"] = "rust", rust = "rust" }

--- The language of a service, from its profiler's name or from the types that only one has.
---@param spy? string
---@param ids string[]
---@return string?
function shared.language(spy, ids)
  if spy and spy ~= "" then return SPIES[spy] or spy end
  for _, id in ipairs(ids) do
    if id:find "^goroutines?:" then return "go" end
    if id:find "tlab" then return "java" end
    if id:find "^wall:[^:]*:[^:]*:[^:]*:microseconds$"
        or id:find "^wall:[^:]*:microseconds:" then
      return "nodejs"
    end
  end
end

local SUFFIXES = { go = "go", js = "nodejs", cjs = "nodejs", mjs = "nodejs", jsx = "nodejs",
  ts = "nodejs", tsx = "nodejs", py = "python", java = "java", kt = "java", scala = "java",
  rb = "ruby", php = "php", cs = "dotnet", rs = "rust" }

--- The language in which most of a profile was written, by the names of its source files; nil
--- where they do not tell.
---@param profile pyroscope.profile
---@return string?
function shared.written_in(profile)
  local values, best = {}, nil
  for _, row in ipairs((profile:top(0, { by = "total", group = "file" }))) do
    local language = row.name:find "^node:" and "nodejs" or SUFFIXES[row.name:match "%.(%w+)$"]
    if language then values[language] = (values[language] or 0) + row.total end
  end
  for _, language in ipairs(shared.sorted(values)) do
    if not best or values[language] > values[best] then best = language end
  end
  return best
end

--- A whole number of a JSON text, where 64-bit ones are strings; nil for anything else.
---@param value any
---@return integer?
function shared.whole(value)
  if type(value) == "string" then
    return value:match "^%-?%d+$" and math.tointeger(tonumber(value)) or nil
  end
  return type(value) == "number" and math.tointeger(value) or nil
end

--- Adds sums by label and value to others.
---@param all table<string, table<string, integer>>
---@param tags table<string, table<string, integer>>
function shared.add_tags(all, tags)
  for name, values in pairs(tags) do
    all[name] = all[name] or {}
    for value, sum in pairs(values) do all[name][value] = (all[name][value] or 0) + sum end
  end
end

--- The profile with so many nodes at most, in place of the one that is given; nil: as it is.
---@param profile pyroscope.profile
---@param nodes? integer
---@return pyroscope.profile
function shared.cut(profile, nodes)
  if not nodes then return profile end
  local cut = profile:truncate(nodes)
  profile:close()
  return cut
end

--- What equality matchers fix: name -> value.
---@param matchers pyroscope.matcher[]
---@return table<string,string>
function shared.fixed_labels(matchers)
  local labels = {}
  for _, m in ipairs(matchers) do
    if m.op == "=" and m.value ~= "" and not shared.internal(m.name) then
      labels[m.name] = labels[m.name] or m.value
    end
  end
  return labels
end

--- Whether values are means per profile: those of stocks, unless sums are asked for.
---@param resolved pyroscope.resolved
---@return boolean
function shared.averaged(resolved)
  if resolved.aggregation then return resolved.aggregation == "average" end
  return resolved.kind == "stock" and not resolved.sum
end

--- What is shown of a raw sum: per second for flows, per profile for stocks (nil: not known).
---@param resolved pyroscope.resolved
---@param raw number
---@param seconds number
---@param profiles? integer
---@return number?
function shared.shown(resolved, raw, seconds, profiles)
  if shared.averaged(resolved) then return profiles and profiles > 0 and raw / profiles or nil end
  if resolved.kind == "stock" then return raw end
  return seconds > 0 and raw / seconds or raw
end

--- Makes a list shorter; nil leaves it as it is.
function shared.limited(rows, limit)
  for i = #rows, (limit or #rows) + 1, -1 do rows[i] = nil end
  return rows
end

--- Some labels of a set.
---@param labels table<string,string>
---@param names string[]
---@return table<string,string>
function shared.reduced(labels, names)
  local some = {}
  for _, name in ipairs(names) do some[name] = labels[name] end
  return some
end

--- Order of rows: the largest sum first, then by key.
function shared.by_sum(a, b)
  if a.sum ~= b.sum then return a.sum > b.sum end
  return a.key < b.key
end

--- Order of services: the most cores first, then by name.
function shared.by_cores(a, b)
  local x, y = a.cores or -1, b.cores or -1
  if x ~= y then return x > y end
  return a.name < b.name
end

--- Order of exemplars: the largest first, then the oldest.
function shared.by_value(a, b)
  if a.value ~= b.value then return a.value > b.value end
  if a.time_ms ~= b.time_ms then return a.time_ms < b.time_ms end
  return (a.profile_id or a.span_id or "") < (b.profile_id or b.span_id or "")
end

--- What helps where no series has the labels of a question: the label that there is not, or the
--- values of the one whose value there is not, else the names of all.
---@param matchers pyroscope.matcher[]
---@param names string[]?
---@param values_of fun(name: string): string[]?
---@return string? hint
function shared.labels_hint(matchers, names, values_of)
  if not names then return nil end
  local check = require "pyroscope.check"
  local function set(list)
    local has = {}
    for _, item in ipairs(list) do has[item] = true end
    return has
  end
  local function shown(list)
    local text = table.concat(list, ", ", 1, math.min(#list, 20))
    return #list > 20 and ("%s and %d more"):format(text, #list - 20) or text
  end
  local known = set(names)
  for _, m in ipairs(matchers) do
    if m.op == "=" and m.value ~= "" and m.name ~= "service_name" and not shared.internal(m.name)
    then
      if not known[m.name] then
        local near = check.suggestion(m.name, names)
        return ("there is no label '%s'%s; labels: %s"):format(m.name, near ~= "" and " " .. near
          or "", shown(names))
      end
      local values = values_of(m.name)
      if values and #values > 0 and not set(values)[m.value] then
        local near = #values > 20 and check.suggestion(m.value, values) or ""
        return ("values of %s: %s%s"):format(m.name, shown(values),
          near ~= "" and " " .. near or "")
      end
    end
  end
  return "labels: " .. shown(names)
end

--- The error of a question whose tag filters leave nothing; nil where it has none.
---@param question pyroscope.resolved
---@return pyroscope.error? err
function shared.untagged(question)
  if not question.tagfocus and not question.tagignore then return nil end
  local words = {}
  if question.tagfocus then words[1] = ("tagfocus '%s'"):format(question.tagfocus) end
  if question.tagignore then words[#words + 1] = ("tagignore '%s'"):format(question.tagignore) end
  return require "pyroscope.errors".new { kind = "no_data", code = "filtered",
    message = "no sample is left after " .. table.concat(words, " and "),
    hint = "a tag is RE (of key:value), KEY=RE, or a number or range with units: bytes=1mb:2mb" }
end

--- Graphviz text drawn here, from a tree of any source.
---@param source pyroscope.source
---@param asked pyroscope.query|pyroscope.resolved
---@param nodes? integer    functions drawn
---@return string? text
---@return pyroscope.error? err
function shared.dot(source, asked, nodes)
  local question = {}
  for name, value in pairs(asked) do question[name] = value end
  nodes = nodes or question.max_nodes or question.limit or 100
  question.max_nodes = nil
  local profile, err = source:profile(question)
  if not profile then return nil, err end
  local text
  text, err = profile:render("dot", { nodes = nodes })
  profile:close()
  return text, err
end

--- A text as part of a path or query of an address.
---@param text string
---@return string
function shared.escape(text)
  return (tostring(text):gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- The address of a web application from what people copy out of the address bar.
---@param url string
---@return string
function shared.root_of(url)
  local root = url:gsub("[?#].*$", "")
  for _, tail in ipairs { "/api/datasources.*$", "/api/v1/.*$", "/connections/.*$",
    "/datasources/.*$",
    "/explore.*$", "/d/.*$", "/a/.*$", "/proxy/.*$", "/projects/.*$", "/login$" } do
    root = root:gsub(tail, "")
  end
  return (root:gsub("/+$", ""))
end

return shared
