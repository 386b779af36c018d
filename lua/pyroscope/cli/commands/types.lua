--- `pscope types`: profile types with class, unit, flow or stock.

local question = require "pyroscope.cli.question"
local scope = require "pyroscope.cli.scope"
local types = require "pyroscope.types"

local command = {
  name = "types",
  summary = "Profile types with their unit and kind; of one service when named",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "listing", "window", "data", "output", "source" },
  own_flags = { listing = { "--listing", name = "listing",
    help = "one line a type, without a header: id, name/sample type" } },
  without = { "unit", "type" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "names" },
  columns = {
    { name = "id", kind = "text" }, { name = "name", kind = "text" },
    { name = "sample_type", kind = "text" }, { name = "sample_unit", kind = "text" },
    { name = "period_type", kind = "text" }, { name = "period_unit", kind = "text" },
    { name = "class", kind = "text" }, { name = "kind", kind = "text" },
    { name = "word", kind = "text" },
  },
  examples = { "pscope types prod", "pscope types prod/checkout", "pscope types ./incident -o "
    .. "names" },
  notes = "A flow may be summed over time (CPU time, allocated bytes); a stock is a snapshot "
    .. "and is "
    .. "shown as the mean per profile. WORD is what --type takes. Not every service has every "
    .. "type.",
}

-- What --type takes for an id; nil where only the id does.
local function word_of(row, rows)
  for _, word in ipairs { "cpu", "wall", "memory", "alloc", "goroutine", "mutex", "block" } do
    if types.meaning(word) == row.class then
      local ids = {}
      for i, other in ipairs(rows) do ids[i] = other.id end
      if types.resolve(word, ids) == row.id then return word end
    end
  end
end

--- What a target or a single word means for lists: a source and a selector.
function command.place(run, options)
  local target = require "pyroscope.cli.target"
  local text = options.target
  local single = text and not text:find("/", 1, true) and run:knows(text)
  local source, opened
  if single or (text and (target.is_path(text) or target.is_url(text))) then
    source, opened = scope.open(run, text)
    if not source then return nil, opened end
    return source, { name = opened.name, everything = true }
  end
  if not text then
    source, opened = scope.open(run)
    if not source then return nil, opened end
    return source, { name = opened.name, everything = true, service = opened.service }
  end
  local found
  found, source = target.find(run, text)
  if not found then return nil, source end
  found.name = found.shown
  return source, found
end

function command.run(run, options)
  local source, place = command.place(run, options)
  if not source then return nil, place end
  local resolved, err = question.resolve(options, place, source,
    { type = false, everything = true })
  if not resolved then return nil, err end
  local rows
  rows, err = source:profile_types(resolved, { selector = resolved.selector })
  if not rows then return nil, err end
  if #rows == 0 then
    return nil, source.absence and source:absence(resolved)
      or scope.empty(source, resolved, "profile types")
  end
  for _, row in ipairs(rows) do row.word = word_of(row, rows) end
  local printable = require "pyroscope.cli.screen".printable
  local document = { type = "pyroscope.types", columns = command.columns, rows = rows,
    name_field = "id", head = { query = question.document(resolved, source.name) } }
  document.title = { table.concat({ printable(place.name), run:window(resolved.from_ms,
    resolved.to_ms), ("%d profile type%s"):format(#rows, #rows == 1 and "" or "s") }, " · ") }
  if options.listing then
    local longest = 0
    for _, row in ipairs(rows) do longest = math.max(longest, #row.id) end
    local lines = {}
    for i, row in ipairs(rows) do
      lines[i] = printable(("%-" .. longest .. "s  %s/%s"):format(row.id, row.name,
        row.sample_type)) .. "\n"
    end
    return run:write(table.concat(lines))
  end
  document.view = {
    { "WORD", cell = function(row) return row.word or "-" end },
    { "TYPE", cell = function(row) return printable(row.name .. "/" .. row.sample_type) end },
    { "UNIT", drop = 2, cell = function(row) return printable(row.sample_unit) end },
    { "KIND", drop = 1, cell = function(row) return row.kind end },
    { "ID", code = true, cell = function(row, screen) return screen:name(row.id) end },
  }
  return run:answer(document)
end

return command
