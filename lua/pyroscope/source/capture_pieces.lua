--- The questions of a capture, the most valuable first, and their answers as pieces of a bundle.

local bundle = require "pyroscope.source.store.bundle"
local errors = require "pyroscope.errors"
local json = require "pyroscope.output.json"
local shared = require "pyroscope.source.shared"
local types = require "pyroscope.types"

local pieces = {}

---@class pyroscope.capture.task
---@field what "profile"|"timeline"|"single"
---@field key string
---@field window string       "during", "before", "after" or "all"
---@field profile_type string
---@field from_ms integer
---@field to_ms integer
---@field block? integer
---@field group_by? string[]
---@field step_ms? integer

-- A word for a type that is good for a folder: "process_cpu-cpu".
local function word_of(id)
  local parts = types.parts(id)
  return parts.name .. "-" .. parts.sample_type
end

local function folders_of(rows)
  local folders, taken = {}, {}
  for _, row in ipairs(rows) do
    local word = word_of(row.id)
    taken[word] = (taken[word] or 0) + 1
    folders[row.id] = taken[word] == 1 and word or ("%s-%d"):format(word, taken[word])
  end
  return folders
end

--- All questions: the incident, before it, after it, each type; timelines; single profiles.
---@param state table     windows, hull, rows (types), blocks, labels { instance, version }, singles
---@return pyroscope.capture.task[]
function pieces.plan(state)
  local tasks = {}
  local folders = folders_of(state.rows)
  local function add(task)
    task.key = ("%s %s %s %d-%d %s"):format(task.what, task.window, task.profile_type,
      task.from_ms, task.to_ms, table.concat(task.group_by or {}, ","))
    task.folder = folders[task.profile_type]
    tasks[#tasks + 1] = task
  end
  for _, window in ipairs(state.windows) do
    local length = window.to_ms - window.from_ms
    for _, row in ipairs(state.rows) do
      for block = 1, state.blocks do
        add { what = "profile", window = window.name, profile_type = row.id, block = block,
          from_ms = window.from_ms + length * (block - 1) // state.blocks,
          to_ms = window.from_ms + length * block // state.blocks }
      end
    end
  end
  local groups = { {} }
  for _, name in ipairs { "instance", "version" } do
    if state.labels[name] then groups[#groups + 1] = { state.labels[name] } end
  end
  if #groups == 3 then -- processes: an instance of a version
    groups[4] = { state.labels.instance, state.labels.version }
  end
  -- Steps begin where the incident does, so that its window and the one before are whole steps.
  local start = state.windows[1].from_ms
  local step = shared.step(state.hull)
  local from_ms = start + (state.hull.from_ms - start) // step * step
  local to_ms = start - (start - state.hull.to_ms) // step * step
  for _, row in ipairs(state.rows) do
    for _, group_by in ipairs(groups) do
      add { what = "timeline", window = "all", profile_type = row.id, group_by = group_by,
        from_ms = from_ms, to_ms = to_ms, step_ms = step }
    end
  end
  if state.singles > 0 and state.rows[1] then
    local during = state.windows[1]
    add { what = "single", window = during.name, profile_type = state.rows[1].id,
      from_ms = during.from_ms, to_ms = during.to_ms }
  end
  return tasks
end

-- A task as a question of the source; sums, since files of stocks hold sums.
local function question_of(state, task, extra)
  local asked = { selector = state.selector, profile_type = task.profile_type,
    from_ms = task.from_ms, to_ms = task.to_ms }
  for name, value in pairs(extra or {}) do asked[name] = value end
  return require "pyroscope.query".resolve(asked, state.source, { where = "capture" })
end

-- Counts of a window by instance, as one line, and their sum.
local function counts_of(state, task)
  local group_by = { state.labels.instance }
  local question, err = question_of(state, task, { group_by = group_by })
  if not question then return nil, err end
  local rows
  rows, err = state.source:profile_counts(question)
  if not rows then return nil, err end
  local total, list = 0, json.array()
  for i, row in ipairs(rows) do
    total = total + row.profiles
    list[i] = { labels = state.hiding:labels(row.labels), profiles = row.profiles }
  end
  return total, json.encode { what = "counts", profile_type = task.profile_type,
    selector = state.shown, from_ms = task.from_ms, to_ms = task.to_ms,
    group_by = json.array(group_by), rows = list }
end

local function together(source, functions)
  if source.together then return source:together(functions) end
  local results = {}
  for i, f in ipairs(functions) do results[i] = table.pack(f()) end
  return results
end

local answers = {}

function answers.profile(state, task)
  local question, err = question_of(state, task, { sum = true })
  if not question then return nil, err end
  local results = together(state.source, {
    function()
      local answer, why = state.source:pprof(question)
      if not answer then return nil, why end
      local bytes
      bytes, why = state.hiding:bytes(answer, question)
      answer:close()
      return bytes, why
    end,
    function() return counts_of(state, task) end,
  })
  local bytes, count = results[1][1], results[2][1]
  if not bytes then return nil, results[1][2] end
  local name = state.blocks > 1 and ("%s-%02d"):format(task.window, task.block) or task.window
  local piece = { file = bundle.file_name(task.folder, name) }
  local labels = state.hiding:labels(shared.fixed_labels(state.matchers))
  local line = { file = piece.file, name = types.parts(task.profile_type).name,
    labels = labels, time_ms = task.from_ms, duration_ms = task.to_ms - task.from_ms,
    types = { task.profile_type }, merged = true }
  if count and count > 0 then
    line.profiles, piece.profiles, piece.series = count, count, { results[2][2] }
  elseif question.kind == "stock" then
    piece.warning = ("%s of %s: the number of profiles is unknown, values are sums"):format(
      task.profile_type, task.window)
  end
  piece.index = json.encode(line)
  return piece, bytes
end

-- Points as [time, raw or value, profiles]: exact sums are texts, what is not known is null.
local function points_of(row)
  local list = {}
  for i, point in ipairs(row.points) do
    local value = point.raw and ('"%d"'):format(point.raw)
      or point.value and json.encode(point.value) or "null"
    list[i] = ("[%d,%s%s]"):format(point.time_ms, value,
      point.profiles and (",%d"):format(point.profiles) or "")
  end
  return "[" .. table.concat(list, ",") .. "]"
end

function answers.timeline(state, task)
  local question, err = question_of(state, task, { group_by = task.group_by,
    step = task.step_ms / 1000 })
  if not question then return nil, err end
  local rows
  rows, err = state.source:timeline(question)
  if not rows then return nil, err end
  if rows.partial then
    return nil, errors.new { kind = "http", message = "a part of the timeline is missing" }
  end
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = ('{"labels":%s,"sum":"%d","points":%s}'):format(
      json.value(state.hiding:labels(row.labels), "labels"), row.sum, points_of(row))
  end
  local head = json.encode { what = "timeline", profile_type = rows.profile_type,
    unit = rows.unit, kind = rows.kind, selector = state.shown,
    group_by = json.array(task.group_by), from_ms = rows.from_ms, to_ms = rows.to_ms,
    step_ms = rows.step_ms }
  return { series = { head:sub(1, -2) .. ',"rows":[' .. table.concat(list, ",") .. "]}" } }
end

-- The largest profiles of the incident lie beside the index: in it they would count twice.
function answers.single(state, task)
  local question, err = question_of(state, task, { limit = state.singles })
  if not question then return nil, err end
  local rows
  rows, err = state.source:exemplars(question)
  if not rows then return nil, err end
  local kept = {}
  for _, row in ipairs(rows) do
    if #kept == state.singles then break end
    if row.profile_id then kept[#kept + 1] = row end
  end
  local functions = {}
  for i, row in ipairs(kept) do
    functions[i] = function()
      local one, why = question_of(state, task, { profile_ids = { row.profile_id }, sum = true })
      if not one then return nil, why end
      local answer
      answer, why = state.source:pprof(one)
      if not answer then return nil, why end
      local bytes
      bytes, why = state.hiding:bytes(answer, one)
      answer:close()
      return bytes, why
    end
  end
  local files, failed = {}, nil
  for i, result in ipairs(together(state.source, functions)) do
    local row = kept[i]
    if not result[1] then
      failed = failed or result[2]
    else
      files[#files + 1] = { bytes = result[1],
        file = bundle.file_name("single", ("%d-%s"):format(row.time_ms, row.profile_id)),
        told = { time_ms = row.time_ms, value = ("%d"):format(row.value),
          profile_type = task.profile_type, profile_id = row.profile_id,
          labels = state.hiding:labels(row.labels) } }
    end
  end
  if failed and #files == 0 then return nil, failed end
  return { files = files }
end

--- Asks one question; what failed is a piece too, with the reason as its status.
---@return pyroscope.bundle.piece piece
---@return string? body
function pieces.answer(state, task)
  local piece, result = answers[task.what](state, task)
  if piece then
    piece.key, piece.status = task.key, "ok"
    return piece, result
  end
  -- A server that knows no single profiles is not at fault, and there is nothing to repeat.
  local status = result.kind
  if task.what == "single" and (status == "unsupported" or status == "rpc") then
    status = "no_data"
  end
  return { key = task.key, status = status, message = result.message, code = result.code },
    nil, result
end

return pieces
