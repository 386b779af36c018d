--- From a document to what is printed: the format, the chosen fields, the byte budget.

local errors = require "pyroscope.errors"
local screen = require "pyroscope.cli.screen"

local answer = {}

---@class pyroscope.document
---@field type string                 "pyroscope.top"
---@field head table                  query, totals, coverage: ready for JSON
---@field columns table[]             { name, kind, get? }: what programs read of a row
---@field rows table[]
---@field view table[]                columns for people: { title, cell = function(row, screen) }
---@field title? string[]             header lines
---@field notes? fun(screen): string[]  lines after the table
---@field hints? fun(screen): string[]
---@field body? fun(screen): string[]   replaces the table of `view`
---@field entry? fun(row): number, string  share and text for quickfix
---@field keep? fun(n: integer): pyroscope.document  the same answer with n rows
---@field flat? fun(): { columns: table[], rows: table[] }  what CSV has in place of rows
---@field name_field? string
---@field warnings? string[]
---@field partial? boolean

--- What `--fields list` prints: names and kinds.
function answer.list_fields(command)
  local lines = {}
  for _, column in ipairs(command.columns) do
    lines[#lines + 1] = ("%-20s %s"):format(column.name, column.kind)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function find_column(columns, name)
  for _, column in ipairs(columns) do
    if column.name == name then return column end
  end
  -- one label of a set: labels.pod
  local base, key = name:match "^([^.]+)%.(.+)$"
  for _, column in ipairs(columns) do
    if column.name == base and column.kind == "labels" then
      return { name = name, kind = "text", get = function(row)
        local set = row[base]
        return set and set[key]
      end }
    end
  end
end

--- The columns that `--fields` names.
---@return table[]? columns
---@return pyroscope.error? err
function answer.select(columns, names)
  local chosen = {}
  for _, name in ipairs(names) do
    local column = find_column(columns, name)
    if not column then
      local known = {}
      for i, c in ipairs(columns) do known[i] = c.name end
      return nil, errors.new { kind = "usage",
        message = ("--fields: there is no field '%s'%s"):format(name, screen.meant(name, known)),
        hint = "fields: " .. table.concat(known, ", ") }
    end
    chosen[#chosen + 1] = column
  end
  return chosen
end

local numeric = { int64 = true, integer = true, number = true }

-- A plain table of the chosen fields.
local function plain_view(columns)
  local csv = require "pyroscope.output.csv"
  local view = {}
  for i, column in ipairs(columns) do
    view[i] = { column.name, right = numeric[column.kind] or false, shrink = 8,
      cell = function(row, look)
        local value
        if column.get then value = column.get(row) else value = row[column.name] end
        return look:name(csv.text(value, column.kind))
      end }
  end
  return view
end

local writers = {
  json = function(document) return require "pyroscope.output.json".write(document) end,
  jsonl = function(document) return require "pyroscope.output.jsonl".write(document) end,
  csv = function(document, _, printable)
    return require "pyroscope.output.csv".write(document, { printable = printable })
  end,
  tsv = function(document)
    return require "pyroscope.output.csv".write(document, { tabs = true })
  end,
  md = function(document) return require "pyroscope.output.md".write(document) end,
  names = function(document) return require "pyroscope.output.names".write(document) end,
  editor = function(document) return require "pyroscope.output.editor".write(document) end,
  quickfix = function(document) return require "pyroscope.output.quickfix".write(document) end,
  table = function(document, look)
    return require "pyroscope.output.table".write(document, look)
  end,
}

-- The document with n rows; what is left out is said.
local function with_rows(document, n)
  if n >= #document.rows then return document end
  if document.keep then return document.keep(n) end
  local copy = {}
  for k, v in pairs(document) do copy[k] = v end
  copy.rows = { table.unpack(document.rows, 1, n) }
  copy.head = {}
  for k, v in pairs(document.head) do copy.head[k] = v end
  copy.head.rows_left_out = #document.rows - n
  local notes = document.notes
  copy.notes = function(look)
    local lines = notes and notes(look) or {}
    lines[#lines + 1] = ("  %d rows left out by --budget"):format(#document.rows - n)
    return lines
  end
  return copy
end

--- The text of a document in a format.
---@param document pyroscope.document
---@param format string
---@param options { screen: table, fields?: string[], budget?: integer, printable?: boolean }
---@return string? text
---@return pyroscope.error? err
function answer.render(document, format, options)
  local prepare = function(d) return d end
  if options.fields then
    local columns, err = answer.select(document.columns, options.fields)
    if not columns then return nil, err end
    prepare = function(d)
      local copy = {}
      for k, v in pairs(d) do copy[k] = v end
      copy.columns, copy.view, copy.body, copy.flat = columns, plain_view(columns), nil, nil
      copy.extra_rows = nil
      return copy
    end
  end
  local write = writers[format]
  local function render(n)
    return write(prepare(with_rows(document, n)), options.screen, options.printable)
  end
  local text = render(#document.rows)
  if not options.budget or #text <= options.budget then return text end
  local low, high, best = 0, #document.rows - 1, nil
  while low <= high do
    local middle = (low + high) // 2
    local attempt = render(middle)
    if #attempt <= options.budget then
      best, low = attempt, middle + 1
    else
      high = middle - 1
    end
  end
  if best then return best end
  return nil, errors.new { kind = "limit",
    message = ("even without rows the answer is larger than --budget %d"):format(options.budget),
    hint = ("give at least --budget %d"):format(#render(0)) }
end

return answer
