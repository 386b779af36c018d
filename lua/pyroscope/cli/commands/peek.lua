--- `pscope peek` (= `sandwich`): callers and callees of a function.

local errors = require "pyroscope.errors"
local subject = require "pyroscope.cli.subject"
local units = require "pyroscope.units"

local command = {
  name = "peek", names = { "sandwich" },
  summary = "Callers and callees of a function, with what each contributes",
  arguments = { { name = "func", shown = "FUNC" },
    { name = "target", optional = true, complete = "targets" } },
  flags = { "limit", "where", "window", "data", "stack", "tree", "output", "source" },
  without = { "invert" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "quickfix" },
  columns = {
    { name = "relation", kind = "text" }, { name = "name", kind = "text" },
    { name = "file", kind = "text" }, { name = "line", kind = "integer" },
    { name = "value", kind = "int64" }, { name = "share", kind = "number" },
  },
  examples = { "pscope peek json.Marshal prod/checkout",
    "pscope sandwich 'runtime\\.mallocgc' ./incident --type alloc" },
  notes = "FUNC is a name, else an RE2 pattern; of several matches the largest is shown and the "
    .. "others are named. Shares are of the function's total: callers add up to it, and so do "
    .. "callees with the function itself.",
}

--- The function a name or pattern means, and the names of further matches.
local function find(self, pattern)
  for _, row in ipairs((self.profile:top(0, { by = "total" }))) do
    if row.name == pattern then return row, {} end
  end
  local rows, err = self.profile:find(pattern)
  if not rows then return nil, errors.wrap(err, { message = "FUNC: " .. err.message }) end
  local named = {}
  for _, row in ipairs(rows) do -- a pattern may match the file only
    named[#named + 1] = row
  end
  if not named[1] then return nil, self:no_function(pattern) end
  local others = {}
  for i = 2, #named do others[#others + 1] = named[i].name end
  return named[1], others
end

local function gather(rows, list, relation, total)
  local sum = 0
  for _, row in ipairs(list) do
    local name = row.name
    if row.root then name = "(root)" end
    rows[#rows + 1] = { relation = row.root and "root" or relation, name = name,
      file = row.file, line = row.line, value = row.value,
      share = total > 0 and row.value / total or 0 }
    sum = sum + row.value
  end
  return sum
end

-- The first n of one relation; the rest as one number.
local function head(list, n)
  if n == 0 or #list <= n then return list, 0, 0 end
  local value = 0
  for i = n + 1, #list do value = value + list[i].value end
  return { table.unpack(list, 1, n) }, #list - n, value
end

function command.run(run, options)
  local self, err = subject.fetch(run, options.target, { exact = true })
  if not self then return nil, err end
  local found, others = find(self, options.func)
  if not found then return nil, others end
  local n = options.limit or 20
  local callers, more_callers, callers_rest = head(self.profile:callers(found.name), n)
  local callees, more_callees, callees_rest = head(self.profile:callees(found.name), n)
  local rows = {}
  local from = gather(rows, callers, "caller", found.total)
  rows[#rows + 1] = { relation = "self", name = found.name, file = found.file, line = found.line,
    value = found.self, share = found.total > 0 and found.self / found.total or 0 }
  local into = gather(rows, callees, "callee", found.total)
  local document = self:document "peek"
  document.columns, document.rows = command.columns, rows
  local file, line = self:where(found)
  document.head["function"] = { name = found.name, file = file, line = line,
    self = ("%d"):format(found.self), total = ("%d"):format(found.total),
    self_share = found.self_share * self.share, total_share = found.total_share * self.share }
  document.head.coverage = { callers = found.total > 0 and from / found.total or 0,
    callees = found.total > 0 and (into + found.self) / found.total or 0 }
  local screen_module = require "pyroscope.cli.screen"
  document.title[2] = self:total_text()
  document.title[3] = self:filter_text()
  local where = file and ("%s%s"):format(file, line and ":" .. line or "")
  local function title_line(screen)
    return ("%s   total %s %s   self %s %s%s"):format(screen:name(found.name),
      self:cell(found.total), units.percent(found.total_share * self.share),
      self:cell(found.self), units.percent(found.self_share * self.share),
      where and "   " .. screen:name(where) or "")
  end
  document.view = {
    { "Relation", cell = function(row) return row.relation end },
    { "Value", right = true, cell = function(row) return self:cell(row.value) end },
    { "%", right = true, cell = function(row) return units.percent(row.share) end },
    { "Function", code = true, cell = function(row, screen) return screen:name(row.name) end },
  }
  document.body = function(screen)
    local lines = {}
    local function entry(value, share, text)
      lines[#lines + 1] = ("  %s  %s  %s"):format(screen_module.pad(self:cell(value), 8, true),
        screen_module.pad(units.percent(share), 6, true), text)
    end
    local function block(title, relation, rest, more)
      lines[#lines + 1] = screen:style("dim", title)
      local any = false
      for _, row in ipairs(rows) do
        if row.relation == relation or (relation == "caller" and row.relation == "root") then
          any = true
          entry(row.value, row.share, screen:name(row.name, screen.width - 22))
        end
      end
      if more > 0 then
        any = true
        entry(rest, found.total > 0 and rest / found.total or 0, ("in %d more"):format(more))
      end
      return any
    end
    block("callers", "caller", callers_rest, more_callers)
    lines[#lines + 1] = ""
    for _, part in ipairs(screen:wrapped(title_line(screen))) do
      lines[#lines + 1] = screen:style("bold", part)
    end
    lines[#lines + 1] = ""
    if found.self ~= 0 then
      lines[#lines + 1] = screen:style("dim", "callees")
      entry(found.self, found.total > 0 and found.self / found.total or 0, "(self)")
      local at = #lines
      block("", "callee", callees_rest, more_callees)
      table.remove(lines, at + 1)
    else
      block("callees", "callee", callees_rest, more_callees)
    end
    return lines
  end
  document.notes = function(screen)
    if #others == 0 then return {} end
    local shown = {}
    for i = 1, math.min(5, #others) do shown[i] = screen:name(others[i]) end
    return { ("%d more match: %s%s"):format(#others, table.concat(shown, ", "),
      #others > 5 and ", ..." or "") }
  end
  document.entry = function(row)
    return row.share, ("%s  %s  %s  %s"):format(units.percent(row.share), self:cell(row.value),
      row.relation, row.name)
  end
  return run:answer(document)
end

return command
