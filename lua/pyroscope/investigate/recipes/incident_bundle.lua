--- Freeze the evidence now, analyse later, share without access to the server.

local capture = require "pyroscope.source.capture"
local errors = require "pyroscope.errors"
local inv = require "pyroscope.investigate"

local METHODS = { profile = "pprof", timeline = "timeline", single = "exemplars" }

-- The questions of a capture, put to a source that only writes them down.
local function rehearse(source, asked)
  local tasks, err = capture.plan(source, asked)
  if not tasks then return nil, err end
  for _, task in ipairs(tasks) do
    source[METHODS[task.what]](source, { selector = asked.selector,
      profile_type = task.profile_type, from_ms = task.from_ms, to_ms = task.to_ms,
      group_by = task.group_by, step = task.step_ms and task.step_ms / 1000 })
  end
  return inv.report.new { recipe = "incident_bundle", verdict = "not_tested" }
end

return function(source, options)
  local path = options.path
  if not path and source.kind ~= "plan" then
    return nil, errors.new { kind = "usage", message = "incident_bundle needs the folder that it "
      .. "writes", hint = "pscope investigate incident_bundle TARGET --path incident" }
  end
  local window, err = inv.design.range(source, options, "30m")
  if not window then return nil, err end
  local asked = { selector = options.selector, around = options.around,
    from_ms = not options.around and window.from_ms or nil,
    to_ms = not options.around and window.to_ms or nil, types = options.types,
    blocks = options.blocks, max_bytes = options.max_bytes, deadline = options.deadline or 60,
    title = options.title, note = options.note, redact = options.redact,
    on_progress = options.on_progress }
  if source.kind == "plan" then return rehearse(source, asked) end
  local store
  store, err = capture.run(source.source or source, asked, path)
  if not store then return nil, err end
  local requests, rows, by = store.capture.requests, {}, {}
  local files, bytes, missing = 0, 0, 0
  for _, request in ipairs(requests) do
    local key = request.what .. "\1" .. (request.window or "")
    local row = by[key]
    if not row then
      row = { what = request.what, window = request.window, files = 0, bytes = 0, missing = 0 }
      by[key], rows[#rows + 1] = row, row
    end
    if request.status == "ok" then
      row.files, row.bytes = row.files + 1, row.bytes + (request.bytes or 0)
      files, bytes = files + 1, bytes + (request.bytes or 0)
    elseif request.status ~= "no_data" then
      row.missing, missing = row.missing + 1, missing + 1
    end
  end
  store:close()
  return inv.report.new { recipe = "incident_bundle", verdict = "not_tested",
    outcome = missing > 0 and "partial" or "captured", partial = missing > 0 or nil,
    subject = { selector = options.selector }, options = options,
    summary = ("%d pieces, %s, in %s%s"):format(files, inv.quantity.text(bytes, "bytes"), path,
      missing > 0 and ("; %d are missing"):format(missing) or ""),
    tables = { { title = "What is in it", columns = { { key = "what", label = "what" },
      { key = "window", label = "window" }, { key = "files", label = "pieces" },
      { key = "bytes", label = "size", unit = "bytes" }, { key = "missing", label = "missing" } },
      rows = rows } },
    next = { { recipe = "what_changed", args = { source = path } } } }
end
