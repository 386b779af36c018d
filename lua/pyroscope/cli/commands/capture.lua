--- `pscope capture`: freezes what an investigation needs into a folder.

local errors = require "pyroscope.errors"
local question = require "pyroscope.cli.question"
local target = require "pyroscope.cli.target"
local units = require "pyroscope.units"

local own_flags = {
  out = { "--out", name = "out", value = "DIR", complete = "files",
    help = "the new folder; unfinished it is DIR.partial, and the same command continues it" },
  types = { "--types", name = "types", value = "A,B", kind = "list",
    help = "only these profile types (default: all that there are)" },
  blocks = { "--blocks", name = "blocks", value = "N", kind = "positive",
    help = "cut each window into N profiles, for tests that need replicates (default 1)" },
  max_bytes = { "--max-bytes", name = "max_bytes", value = "SIZE", kind = "size",
    help = "leave out what does not fit (default 200MiB)" },
  deadline = { "--deadline", name = "deadline", value = "DURATION", kind = "duration",
    help = "stop then and keep what is there (default 60s)" },
  title = { "--title", name = "title", value = "TEXT", help = "what the bundle is called" },
  note = { "--note", name = "note", value = "TEXT", help = "kept in the bundle" },
  redact = { "--redact", name = "redact", value = "A,B", kind = "list",
    help = "write hashes for the values of these labels" },
  redact_functions = { "--redact-functions", name = "redact_functions",
    help = "write hashes for names of functions, no files and lines" },
}

local command = {
  name = "capture",
  summary = "Write a bundle: before, during and after a window, every type, the timelines",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  own_flags = own_flags,
  flags = { "out", "types", "blocks", "max_bytes", "deadline", "title", "note", "redact",
    "redact_functions", "window", "data", "output", "source" },
  without = { "type", "unit", "out", "force" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md" },
  columns = {
    { name = "what", kind = "text" }, { name = "window", kind = "text" },
    { name = "profile_type", kind = "text" }, { name = "status", kind = "text" },
    { name = "from_ms", kind = "integer" }, { name = "to_ms", kind = "integer" },
    { name = "group_by", kind = "list" }, { name = "file", kind = "text" },
    { name = "bytes", kind = "integer" }, { name = "profiles", kind = "integer" },
  },
  examples = { "pscope capture prod/checkout --around 14:05 --out incident",
    "pscope capture prod/checkout --since 30m --blocks 8 --out incident",
    "pscope top --source ./incident" },
  notes = "The window is what the other commands mean by it; as much again is captured before and "
    .. "after. No address, header or credential is in a bundle, but names of functions and labels "
    .. "are, unless --redact hides them.",
}

local function whole(value) return value and math.tointeger(value) end

-- What became of each question, as rows.
local function rows_of(store)
  local rows = {}
  for i, request in ipairs(store.capture.requests) do
    rows[i] = { what = request.what, window = request.window, status = request.status,
      profile_type = request.profile_type, from_ms = request.from_ms, to_ms = request.to_ms,
      group_by = request.group_by, file = request.file, bytes = whole(request.bytes),
      profiles = whole(request.profiles) }
  end
  return rows
end

-- One line a type for people: what there is of each window.
local function table_of(rows)
  local list, by_id = {}, {}
  for _, row in ipairs(rows) do
    if row.what == "profile" then
      local line = by_id[row.profile_type]
      if not line then
        line = { profile_type = row.profile_type, bytes = 0 }
        by_id[row.profile_type], list[#list + 1] = line, line
      end
      local cell = line[row.window] or { ok = 0, all = 0 }
      line[row.window] = cell
      cell.all = cell.all + 1
      if row.status == "ok" then
        cell.ok = cell.ok + 1
        cell.profiles = (cell.profiles or 0) + (row.profiles or 0)
      else
        cell.status = row.status
      end
      line.bytes = line.bytes + (row.bytes or 0)
    end
  end
  return list
end

local function cell_of(cell)
  if not cell then return "-" end
  if cell.ok == 0 then return (cell.status:gsub("_", " ")) end
  local text = cell.profiles > 0 and units.count(cell.profiles) or "yes"
  return cell.ok < cell.all and ("%s, %d of %d parts"):format(text, cell.ok, cell.all) or text
end

local WINDOWS = { "before", "during", "after" }

local function document_of(run, store)
  local rows = rows_of(store)
  local bytes = 0
  for _, row in ipairs(rows) do bytes = bytes + (row.bytes or 0) end
  local document = { type = "pyroscope.capture", columns = command.columns, rows = rows,
    partial = #store.capture.missing > 0 }
  document.warnings = table.move(store.capture.warnings, 1, #store.capture.warnings, 1, {})
  for _, what in ipairs(store.capture.missing) do
    document.warnings[#document.warnings + 1] = "missing: " .. what
  end
  local first = store.capture.windows[1]
  document.head = { query = { source = store.capture.source, selector = store.capture.selector,
    from_ms = first.from_ms, to_ms = first.to_ms }, path = store.path,
    complete = store.complete }
  local printable = require "pyroscope.cli.screen".printable
  document.title = { table.concat({ printable(store.path), units.bytes(bytes),
    run:window(first.from_ms, first.to_ms) }, " · ") }
  local lines = table_of(rows)
  document.view = {
    { "WHAT", cell = function(row) return row.what end },
    { "WINDOW", cell = function(row) return row.window end },
    { "TYPE", code = true, cell = function(row, screen) return screen:name(row.profile_type) end },
    { "STATUS", cell = function(row) return (row.status:gsub("_", " ")) end },
    { "SIZE", right = true, cell = function(row) return row.bytes and units.bytes(row.bytes) or "-"
    end },
  }
  document.body = function(screen)
    local view = { { "TYPE", shrink = 8 } }
    local cells = {}
    for _, name in ipairs(WINDOWS) do view[#view + 1] = { name:upper(), right = true } end
    view[#view + 1] = { "SIZE", right = true }
    for i, line in ipairs(lines) do
      cells[i] = { screen:name(line.profile_type), styles = {} }
      for _, name in ipairs(WINDOWS) do table.insert(cells[i], cell_of(line[name])) end
      table.insert(cells[i], units.bytes(line.bytes))
    end
    return screen:table(view, cells)
  end
  document.hints = function()
    local hints = {}
    if not store.complete then
      hints[1] = ("the same command again continues it (%s)"):format(
        store.stopped == "deadline" and "the deadline is over" or store.stopped
          or "some questions failed")
    end
    hints[#hints + 1] = "pscope top --source " .. (target.is_path(store.path) and store.path
      or "./" .. store.path)
    return hints
  end
  return document
end

function command.run(run, options)
  if not options.out then
    return nil, errors.new { kind = "usage", message = "where to? --out names the new folder",
      hint = "pscope capture TARGET --around 14:05 --out incident" }
  end
  local found, source = target.find(run, options.target)
  if not found then return nil, source end
  local window, err = question.window(options, source)
  if not window then return nil, err end
  local asked = { service = found.service, selector = options.selector, labels = options.labels,
    types = options.types, blocks = options.blocks, max_bytes = options.max_bytes,
    title = options.title, note = options.note }
  for name, value in pairs(window) do asked[name] = value end
  asked.deadline = options.deadline
  if options.redact or options.redact_functions then
    asked.redact = { labels = options.redact,
      functions = options.redact_functions and "hash" or nil }
  end
  if not asked.service and not asked.selector and not asked.labels then asked.selector = "{}" end
  asked.on_progress = function(state) run.progress:update(state) end
  local path = require "pyroscope.config".expand(options.out)
  options.out = nil -- the answer itself goes to stdout
  local store
  store, err = require "pyroscope".capture(source, asked, path)
  run.progress:finish()
  if not store then return nil, err end
  local document = document_of(run, store)
  store:close()
  return run:answer(document)
end

return command
