--- Freezes what an investigation needs into a bundle: before, during and after, every type, the
--- timelines by instance and version, and the largest single profiles.

local bundle = require "pyroscope.source.store.bundle"
local check = require "pyroscope.check"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local json = require "pyroscope.output.json"
local pieces = require "pyroscope.source.capture_pieces"
local query = require "pyroscope.query"
local redact = require "pyroscope.source.redact"
local shared = require "pyroscope.source.shared"
local timespec = require "pyroscope.timespec"
local types = require "pyroscope.types"

local capture = {}

--- Options of a capture, beside those of a window and what is selected.
---@type table<string, string|true>
capture.options = {
  service = "string", selector = "string", labels = "table", from = "string|number",
  to = "string|number", since = "string|number", from_ms = "integer", to_ms = "integer",
  tz = "string", now_ms = "integer", around = "string|number", window = "string|number",
  types = "table|string", blocks = "integer", max_bytes = "integer", deadline = "string|number",
  title = "string", note = "string", redact = "table", singles = "integer",
  on_progress = "function",
}

local MOST_BYTES, DEADLINE = 200 << 20, 60
local WINDOW = 1800000
-- Profiles of the last minute may not have arrived.
local SETTLE = 60000
local MOST_SETS = 2000

local function usage(message, hint)
  return nil, errors.new { kind = "usage", message = message, hint = hint }
end

-- The three windows: the one that was named, and as much before and after as there is.
local function windows_of(source, options, now)
  local named = { from = options.from, to = options.to, since = options.since, tz = options.tz,
    from_ms = options.from_ms, to_ms = options.to_ms, now_ms = options.now_ms }
  if options.around then
    local at, err = timespec.parse(options.around, { now_ms = now, tz = options.tz })
    if not at then return nil, err end
    local length = WINDOW
    if options.window then
      length, err = timespec.duration(options.window)
      if not length then return nil, err end
    end
    named = { from_ms = at - length // 2, to_ms = at - length // 2 + length }
  end
  local during, err = query.window(named, source, "capture", nil, 4)
  if not during then return nil, err end
  local newest = source.kind == "client" and now - SETTLE or now
  local from, to = during.from_ms, math.min(during.to_ms, newest)
  if to <= from then
    return usage("the window to capture is in the future",
      "profiles of the last minute may not have arrived yet; name an earlier moment")
  end
  local length = to - from
  local windows = { { name = "during", from_ms = from, to_ms = to },
    { name = "before", from_ms = from - length, to_ms = from } }
  local last = math.min(to + length, newest)
  if last > to then windows[3] = { name = "after", from_ms = to, to_ms = last } end
  return windows
end

local function hull_of(windows)
  local hull = { from_ms = windows[1].from_ms, to_ms = windows[1].to_ms }
  for _, window in ipairs(windows) do
    hull.from_ms = math.min(hull.from_ms, window.from_ms)
    hull.to_ms = math.max(hull.to_ms, window.to_ms)
  end
  return hull
end

local ORDER = { cpu = 1, alloc_bytes = 2, live_bytes = 3, goroutine = 4, mutex_delay = 5,
  block_delay = 6, wall = 7, goroutine_leak = 8, alloc_objects = 9, live_objects = 10,
  mutex_count = 11, block_count = 12, exceptions = 13 }

-- The types that are wanted of those that there are, the most telling first.
local function types_of(source, hull, selector, wanted)
  local rows, err = source:profile_types(hull, { selector = selector })
  if not rows then return nil, err end
  local ids, all = {}, {}
  for i, row in ipairs(rows) do ids[i], all[row.id] = row.id, row end
  local chosen = rows
  if wanted then
    chosen = {}
    local seen = {}
    for _, word in ipairs(type(wanted) == "string" and { wanted } or wanted) do
      local id
      id, err = types.resolve(word, ids)
      if not id then return nil, err end
      if not seen[id] then chosen[#chosen + 1] = all[id] or types.row(id) end
      seen[id] = true
    end
  end
  chosen = table.move(chosen, 1, #chosen, 1, {})
  table.sort(chosen, function(a, b)
    local x, y = ORDER[a.class] or 99, ORDER[b.class] or 99
    if x ~= y then return x < y end
    return a.id < b.id
  end)
  return chosen, ids
end

-- Label sets of every window, and which label tells instances and versions.
local function label_sets(source, windows, selector)
  local found, seen = {}, {}
  for i, window in ipairs(windows) do
    local sets, err = source:series({ from_ms = window.from_ms, to_ms = window.to_ms },
      { selector = selector })
    if not sets then
      if err.kind ~= "no_data" then return nil, err end
      sets = {}
    end
    local kept = {}
    for n = 1, math.min(#sets, MOST_SETS) do
      kept[n] = sets[n]
      for name in pairs(sets[n]) do seen[name] = true end
    end
    found[i] = { name = window.name, from_ms = window.from_ms, to_ms = window.to_ms, sets = kept,
      left_out = #sets > #kept and #sets - #kept or nil }
  end
  local function first(names)
    for _, name in ipairs(names) do
      if seen[name] then return name end
    end
  end
  return found, { instance = first(shared.instance_labels), version = first(shared.version_labels) }
end

-- What makes two captures the same, beside their times.
local function key_of(source, options, hiding, resolved, wanted)
  local ids = {}
  for i, row in ipairs(wanted) do ids[i] = row.id end
  return json.encode { source = source.name,
    selector = resolved.selector, ids = ids, blocks = options.blocks or 1,
    window = tostring(options.window or options.since or ""),
    redact = hiding:key(), singles = options.singles or 5 }
end

local function read_options(options)
  options = check.options("capture", options, capture.options, 3)
  for name, least in pairs { blocks = 1, max_bytes = 1, singles = 0 } do
    if options[name] and (options[name] < least or options[name] > 1 << 40) then
      return usage(("%s must be at least %d, not %d"):format(name, least, options[name]))
    end
  end
  if (options.blocks or 1) > 100 then return usage "blocks: more than 100 are not useful" end
  local deadline = DEADLINE * 1000
  if options.deadline then
    local ms, bad = timespec.duration(options.deadline)
    if not ms then return nil, errors.wrap(bad, { message = "deadline: " .. bad.message }) end
    deadline = ms
  end
  local hiding, err = redact.new(options.redact)
  if not hiding then return nil, err end
  return options, deadline, hiding
end


-- Keeps a piece; what does not fit any more is left out and said.
local function keep(state, piece, body)
  local files = piece.files or {}
  local size = body and #body or 0
  for _, file in ipairs(files) do size = size + #file.bytes end
  if state.writer.bytes + size > state.max_bytes then
    state.limited = true
    return state.writer:put { key = piece.key, status = "limit",
      message = ("it has %d bytes, and the bundle may have %d"):format(size, state.max_bytes) }
  end
  if piece.files then
    local told = json.array()
    for i, file in ipairs(files) do
      local ok, err = state.writer:put({ key = piece.key .. " " .. i, status = "ok",
        file = file.file }, file.bytes)
      if not ok then return nil, err end
      told[i] = file.told
      told[i].file = file.file
    end
    piece.files = nil
    piece.series = { json.encode { what = "singles", from_ms = state.windows[1].from_ms,
      to_ms = state.windows[1].to_ms, rows = told } }
  end
  return state.writer:put(piece, body)
end

-- While a client waits the deadline counts too: what is in flight then is given up.
local function watch(state)
  local source = state.source
  local before = source.on_wait
  if source.kind ~= "client" then return function() end end
  source.on_wait = function(client, seconds)
    if state.late() then
      state.stopped = "deadline"
      return true
    end
    if before then return before(client, seconds) end
    client:poll(seconds)
  end
  return function() source.on_wait = before end
end

-- Asks everything that no earlier run has, as many at a time as the source takes.
local function run(state)
  local open = {}
  for _, task in ipairs(state.tasks) do
    if not state.writer.pieces[task.key] then open[#open + 1] = task end
  end
  local done = #state.tasks - #open
  local many = state.source.together and 8 or 1
  for first = 1, #open, many do
    if state.late() then state.stopped = "deadline" end
    if state.stopped then return true end
    local functions = {}
    for i = first, math.min(first + many - 1, #open) do
      functions[#functions + 1] = function() return pieces.answer(state, open[i]) end
    end
    local results = state.source.together and state.source:together(functions)
      or { table.pack(functions[1]()) }
    for _, result in ipairs(results) do
      local piece, body, err = result[1], result[2], result[3]
      local known = piece.status == "ok" or piece.status == "no_data"
      if piece.status == "cancelled" then
        state.stopped = state.stopped or "cancelled"
      else
        if not known then state.failed = state.failed or err end
        local ok, bad = keep(state, piece, body)
        if not ok then return nil, bad end
      end
    end
    done = done + #functions
    if state.on_progress then
      state.on_progress { what = "capturing", done = done, total = #state.tasks,
        bytes = state.writer.bytes }
    end
  end
  return true
end

-- What became of every question, for bundle.json.
local function outcome(state)
  local requests, missing, warnings = json.array(), json.array(), json.array()
  for i, task in ipairs(state.tasks) do
    local piece = state.writer.pieces[task.key]
    local status = piece and piece.status or "not_asked"
    requests[i] = { what = task.what, window = task.window, profile_type = task.profile_type,
      from_ms = task.from_ms, to_ms = task.to_ms, status = status,
      group_by = task.group_by and json.array(task.group_by) or nil,
      file = piece and piece.file, bytes = piece and piece.bytes,
      profiles = piece and piece.profiles }
    if status ~= "ok" and status ~= "no_data" then
      missing[#missing + 1] = ("%s of %s, %s: %s"):format(task.what, task.profile_type,
        task.window, piece and piece.message or "not asked any more (" ..
          (state.stopped or "stopped") .. ")")
    end
    if piece and piece.warning then warnings[#warnings + 1] = piece.warning end
  end
  return requests, missing, warnings
end

local function head_of(state, options)
  local requests, missing, warnings = outcome(state)
  local windows = {}
  for i, window in ipairs(state.windows) do
    windows[i] = { name = window.name, from_ms = window.from_ms, to_ms = window.to_ms }
  end
  local sets = {}
  for i, of_window in ipairs(state.sets) do
    local list = json.array()
    for n, labels in ipairs(of_window.sets) do list[n] = state.hiding:labels(labels) end
    sets[i] = { name = of_window.name, from_ms = of_window.from_ms, to_ms = of_window.to_ms,
      sets = list, left_out = of_window.left_out }
  end
  local server = state.source.server and state.source:server()
  return {
    title = options.title or ("%s, %s"):format(state.shown, timespec.rfc3339(state.now)),
    note = options.note, created = timespec.rfc3339(state.now), module = core.version,
    capture = { source = state.source.name, selector = state.shown, windows = windows,
      types = json.array(state.ids), requests = requests, missing = missing,
      warnings = warnings, partial = #missing > 0, label_sets = sets, labels = state.labels,
      storage = server and server.storage or nil, version = server and server.version or nil },
  }, missing
end

-- Everything that has to be known before the first profile is asked for.
local function prepare(source, options, hiding)
  local now = options.now_ms or source.defaults and source:defaults().now_ms or timespec.now()
  local windows, err = windows_of(source, options, now)
  if not windows then return nil, err end
  local state = { source = source, now = now, windows = windows, hull = hull_of(windows),
    hiding = hiding, blocks = options.blocks or 1, singles = options.singles or 5,
    max_bytes = options.max_bytes or MOST_BYTES, on_progress = options.on_progress }
  local resolved
  resolved, err = query.resolve({ service = options.service, selector = options.selector,
    labels = options.labels, from_ms = state.hull.from_ms, to_ms = state.hull.to_ms }, source,
    { where = "capture", type = false })
  if not resolved then return nil, err end
  state.matchers, state.selector = resolved.matchers, resolved.selector
  state.shown = hiding:selector(resolved.matchers)
  state.rows, state.ids = types_of(source, state.hull, state.selector, options.types)
  if not state.rows then return nil, state.ids end
  if #state.rows == 0 then
    if source.absence then
      local absent = source:absence(resolved)
      if absent then return nil, absent end
    end
    return nil, errors.new { kind = "no_data", hint = "pscope services",
      message = ("no profiles of %s around that time"):format(state.selector) }
  end
  state.asked = key_of(source, options, hiding, resolved, state.rows)
  return state
end

--- What a capture would ask, in its order; nothing is written. Options as those of `run`.
---@param source pyroscope.source
---@param options? table
---@return pyroscope.capture.task[]? tasks
---@return pyroscope.error? err
function capture.plan(source, options)
  local given, err, hiding = read_options(options)
  if not given then return nil, err end
  local state
  state, err = prepare(source, given, hiding)
  if not state then return nil, err end
  state.sets, state.labels = label_sets(source, state.windows, state.selector)
  if not state.sets then return nil, state.labels end
  return pieces.plan(state)
end

--- Writes a bundle of a source into a new folder and opens it: `store.capture` says what is in it
--- and what is missing. What is cut off stays beside its place as PATH.partial, is readable there,
--- and is continued by the same call.
---@param source pyroscope.source
---@param options? table      see `capture.options`
---@param path string
---@return pyroscope.store? store
---@return pyroscope.error? err
function capture.run(source, options, path)
  if type(path) ~= "string" or path == "" then
    error("capture: the path must be a text that is not empty", 3)
  end
  local given, deadline, hiding = read_options(options)
  if not given then return nil, deadline end
  local system = require "pyroscope.system"
  local started = system.monotonic_ms()
  local state, err = prepare(source, given, hiding)
  if not state then return nil, err end
  state.late = function() return system.monotonic_ms() - started > deadline end
  state.writer, err = bundle.create(path, { asked = state.asked, windows = state.windows })
  if not state.writer then return nil, err end
  state.windows = state.writer.plan.windows -- of the first run, where one is continued
  state.hull = hull_of(state.windows)
  state.sets, state.labels = label_sets(source, state.windows, state.selector)
  if not state.sets then
    state.writer:abandon()
    return nil, state.labels
  end
  state.tasks = pieces.plan(state)
  local restore = watch(state)
  local fine, ok, bad = pcall(run, state)
  restore()
  if not fine then error(ok, 0) end
  if not ok then return nil, bad end
  local any = false
  for _, piece in pairs(state.writer.pieces) do any = any or piece.index ~= nil end
  if not any and (state.failed or not state.stopped) then
    state.writer:abandon()
    return nil, state.failed or errors.new { kind = "no_data",
      message = ("no profiles of %s in these windows"):format(state.selector),
      hint = "pscope services" }
  end
  if not any then
    return nil, errors.new { kind = state.stopped == "deadline" and "timeout" or "cancelled",
      message = "nothing was captured before the end",
      hint = "the same command again continues; --deadline gives it more time" }
  end
  local head, missing = head_of(state, given)
  local complete = not state.stopped and not state.failed
  local where
  where, err = state.writer:finish(head, complete)
  if not where then return nil, err end
  local store
  store, err = require "pyroscope.source.store".open(where)
  if not store then return nil, err end
  store.complete, store.missing, store.failed = complete, missing, state.failed
  store.continued, store.stopped = state.writer.continued, state.stopped
  return store
end

return capture
