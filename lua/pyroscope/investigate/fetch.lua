--- The only file that asks the source. A source is anything with the query methods: a client, a
--- store, the lab, a proxy that records, a table of one's own.

local trees = require "pyroscope.investigate.fetch.trees"

local fetch = {}

local selector_of, types_of = trees.selector_of, trees.types_of
fetch.selector_of = selector_of

-- Rows --------------------------------------------------------------------------------------

local function key_of(labels)
  local names = {}
  for name in pairs(labels) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do names[i] = name .. "\1" .. labels[name] end
  return table.concat(names, "\2")
end

-- A copy that may be added to: answers belong to the source.
local function copy_rows(rows)
  local copy = {}
  for name, value in pairs(rows) do copy[name] = value end
  for i, row in ipairs(rows) do
    local points = {}
    for n, point in ipairs(row.points) do
      points[n] = { time_ms = point.time_ms, value = point.value, raw = point.raw,
        profiles = point.profiles, annotations = point.annotations }
    end
    copy[i] = { labels = row.labels, name = row.name, points = points, sum = row.sum,
      profiles = row.profiles }
  end
  return copy
end

-- Adds the rows of a second type, step by step.
local function add_rows(rows, more)
  local by_key = {}
  for _, row in ipairs(rows) do by_key[key_of(row.labels)] = row end
  for _, row in ipairs(more) do
    local into = by_key[key_of(row.labels)]
    if not into then
      rows[#rows + 1] = row
    else
      into.sum = into.sum + row.sum
      for i, point in ipairs(row.points) do
        local other = into.points[i]
        if other and other.time_ms == point.time_ms then
          other.raw = (other.raw or 0) + (point.raw or 0)
          if point.value then other.value = (other.value or 0) + point.value end
        end
      end
    end
  end
  return rows
end

--- Values over time: `{ selector, type, from_ms, to_ms, step_ms?, group_by?, limit? }`. Several
--- types are added.
---@param source pyroscope.source
---@param asked table
---@return pyroscope.timeline? rows
---@return pyroscope.error? err
function fetch.series(source, asked)
  local rows, failed
  for _, id in ipairs(types_of(asked)) do
    local found, err = source:timeline { selector = asked.selector, profile_type = id,
      from_ms = asked.from_ms, to_ms = asked.to_ms, group_by = asked.group_by,
      step = asked.step_ms and asked.step_ms / 1000, limit = asked.limit,
      aggregation = asked.aggregation }
    if not found then
      failed = failed or err
      if err.kind ~= "no_data" then return nil, err end
    else
      rows = rows and add_rows(copy_rows(rows), found) or found
    end
  end
  if not rows then return nil, failed end
  return rows
end

--- How many profiles there are: `{ selector, type, from_ms, to_ms, group_by? }`.
---@param source pyroscope.source
---@param asked table
---@return pyroscope.count_row[]? rows
---@return pyroscope.error? err
function fetch.profile_counts(source, asked)
  return source:profile_counts { selector = asked.selector, profile_type = types_of(asked)[1],
    from_ms = asked.from_ms, to_ms = asked.to_ms, group_by = asked.group_by }
end

--- Heat map of single profiles, where a source has them: `{ selector, type, from_ms, to_ms,
--- step_ms, group_by?, limit? }`.
---@param source pyroscope.source
---@param asked table
---@return pyroscope.heatmap? heatmap
---@return pyroscope.error? err
function fetch.heatmap(source, asked)
  if not source.heatmap then return nil end
  return source:heatmap { selector = asked.selector, profile_type = types_of(asked)[1],
    from_ms = asked.from_ms, to_ms = asked.to_ms, step = asked.step_ms / 1000,
    group_by = asked.group_by, limit = asked.limit }
end

--- Label sets of a window: `{ selector, from_ms, to_ms, labels? }`.
---@param source pyroscope.source
---@param asked table
---@return table<string, string>[]? sets
---@return pyroscope.error? err
function fetch.sets(source, asked)
  return source:series({ from_ms = asked.from_ms, to_ms = asked.to_ms },
    { selector = asked.selector, labels = asked.labels })
end

--- Names of the labels in a window as a set; nil where the source does not tell.
---@param source pyroscope.source
---@param asked { selector: string, from_ms: integer, to_ms: integer }
---@return table<string, boolean>?
function fetch.label_names(source, asked)
  local names = source.label_names and source:label_names({ from_ms = asked.from_ms,
    to_ms = asked.to_ms }, { selector = asked.selector })
  if not names then return nil end
  local set = {}
  for _, name in ipairs(names) do set[name] = true end
  return set
end

--- Oldest and newest profile, once a run.
---@param source pyroscope.source
---@return pyroscope.stats? stats
---@return pyroscope.error? err
function fetch.stats(source)
  if not source.stats then return {} end
  return source:stats()
end

local function values_of(sets)
  local values = {}
  for _, set in ipairs(sets) do
    for name, value in pairs(set) do
      values[name] = values[name] or {}
      values[name][value] = true
    end
  end
  return values
end

-- Values that one side has and the other lacks, by label, sorted.
local function only(mine, other)
  local found = {}
  for name, values in pairs(mine) do
    local list = {}
    for value in pairs(values) do
      if not (other[name] and other[name][value]) then list[#list + 1] = value end
    end
    table.sort(list)
    if #list > 0 then found[name] = list end
  end
  return found
end

--- Label values of two windows: `{ selector, A, B, labels? }`; `gone` and `new` are what only one
--- of them has, `A` and `B` the label sets.
---@param source pyroscope.source
---@param asked { selector: string, A: table, B: table, labels?: string[] }
---@return { gone: table<string, string[]>, new: table<string, string[]>, A: table[], B: table[] }?
---  difference
---@return pyroscope.error? err
function fetch.labels_diff(source, asked)
  local sets = {}
  for _, side in ipairs { "A", "B" } do
    local window = asked[side]
    local text, err = selector_of(asked, window)
    if not text then return nil, err end
    local rows
    rows, err = fetch.sets(source, { selector = text, labels = asked.labels,
      from_ms = window.from_ms, to_ms = window.to_ms })
    if not rows then
      if err.kind ~= "no_data" then return nil, err end
      rows = {}
    end
    sets[side] = rows
  end
  local a, b = values_of(sets.A), values_of(sets.B)
  return { gone = only(a, b), new = only(b, a), A = sets.A, B = sets.B }
end

--- The trees of a design; see `trees.fetch`.
fetch.trees = trees.fetch
--- Closes the profiles of samples; what was made of them stays.
fetch.close = trees.close
--- Nodes of a tree that is asked from a server.
fetch.NODES = trees.NODES

--- All samples of a question: `{ selector, type, from_ms, to_ms, call_site? }`.
---@param source pyroscope.source
---@param asked table
---@return pyroscope.pprof_answer? answer
---@return pyroscope.error? err
function fetch.pprof(source, asked)
  return source:pprof { selector = asked.selector, profile_type = types_of(asked)[1],
    from_ms = asked.from_ms, to_ms = asked.to_ms, call_site = asked.call_site }
end

--- Where functions are: name -> `{ file, line }`, from one exact profile of a window. `names`: only
--- these. What fails leaves the answer empty, since places are an addition.
---@param source pyroscope.source
---@param asked { selector: string, type: string|string[], from_ms: integer, to_ms: integer,
---  names?: string[] }
---@return table<string, { file: string, line?: integer }>
function fetch.locations(source, asked)
  local answer = fetch.pprof(source, asked)
  local profile = answer and answer:profile {}
  if answer then answer:close() end
  if not profile then return {} end
  local wanted, places
  if asked.names then
    wanted = {}
    for _, name in ipairs(asked.names) do wanted[name] = true end
  end
  places = {}
  for _, row in ipairs((profile:top(0, { by = "total" }))) do
    if row.file and row.file ~= "" and (not wanted or wanted[row.name]) then
      places[row.name] = { file = row.file, line = row.line ~= 0 and row.line or nil }
    end
  end
  profile:close()
  return places
end

return fetch
