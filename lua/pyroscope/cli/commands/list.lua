--- `pscope list`: source lines with self and total.

local errors = require "pyroscope.errors"
local subject = require "pyroscope.cli.subject"
local units = require "pyroscope.units"

local command = {
  name = "list",
  summary = "Source lines of a function or file with self and total",
  arguments = { { name = "what", shown = "FUNC|FILE" },
    { name = "target", optional = true, complete = "targets" } },
  flags = { "limit", "path_map", "window", "data", "stack", "tree", "output", "source" },
  without = { "invert" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "quickfix" },
  columns = {
    { name = "name", kind = "text" }, { name = "file", kind = "text" },
    { name = "line", kind = "integer" }, { name = "self", kind = "int64" },
    { name = "total", kind = "int64" }, { name = "self_share", kind = "number" },
    { name = "total_share", kind = "number" }, { name = "source", kind = "text" },
  },
  examples = { "pscope list checkout.PlaceOrder prod/checkout", "pscope list score.go ./incident" },
  notes = "A FILE is a path or its end as the profile has it; a FUNC is a name, else an RE2 "
    .. "pattern "
    .. "(-n 5 functions at most). Lines are exact: one pprof request. The text is shown where "
    .. "the file is "
    .. "found here by its path, or by a path that ends like it; never by its base name alone.",
}

-- Files of the profile that a word means: the whole path, or its end at a slash.
local function match_files(profile, word)
  local found = {}
  for _, file in ipairs(profile:files()) do
    if file == word then return { file } end
    if #file > #word and file:sub(-#word - 1) == "/" .. word then found[#found + 1] = file end
  end
  return found
end

-- Functions by name or pattern, largest first.
local function match_functions(self, word, most)
  local by_name, all = {}, (self.profile:top(0, { by = "total" }))
  for _, row in ipairs(all) do
    if row.name == word then by_name[#by_name + 1] = row end
  end
  if #by_name > 0 then return by_name end
  local rows, err = self.profile:find(word)
  if not rows then return nil, errors.wrap(err, { message = "FUNC: " .. err.message }) end
  local found, seen = {}, {}
  for _, row in ipairs(rows) do
    if row.file and row.file ~= "" and not seen[row.name] then
      seen[row.name] = true
      found[#found + 1] = row
    end
    if #found == most then break end
  end
  return found
end

-- The local file: the path itself, or shorter and shorter ends of it (two parts at least) below
-- the folder.
local function open_source(file, folder)
  local candidates = {}
  if file:sub(1, 1) == "/" then candidates[1] = file end
  local rest = file:gsub("^/+", "")
  while rest:find("/", 1, true) do
    candidates[#candidates + 1] = folder .. "/" .. rest
    rest = rest:match "^[^/]+/(.*)$"
  end
  for _, path in ipairs(candidates) do
    if not path:find("..", 1, true) or path == file then
      local handle = io.open(path, "r")
      local first = handle and handle:read(0)
      if handle and (first or handle:seek "end" == 0) then return handle, path end
      if handle then handle:close() end
    end
  end
end

local function read_lines(file, folder, first, last)
  local handle = open_source(file, folder)
  if not handle then return nil end
  handle:seek "set"
  local texts, number = {}, 0
  for text in handle:lines() do
    number = number + 1
    if number > last then break end
    if number >= first then texts[number] = text:gsub("\t", "    ") end
  end
  handle:close()
  return texts
end

-- Lines of one function or file as rows; between them, source lines without values.
local function section(self, file, name, start, options)
  local whole = self.profile.total
  local lines = self.profile:lines(file, name and { name = name } or nil)
  if #lines == 0 then return nil end
  local merged, order = {}, {}
  for _, line in ipairs(lines) do -- several functions may share a line
    local at = merged[line.line]
    if at then
      at.self, at.total = at.self + line.self, at.total + line.total
    else
      merged[line.line] = { line = line.line, name = line.name, self = line.self,
        total = line.total }
      order[#order + 1] = merged[line.line]
    end
  end
  local first, last = order[1].line, order[#order].line
  if name and start and start > 0 then first = math.min(first, start) end
  local texts = read_lines(file, options.source_dir or ".", math.max(1, first - 2), last + 2)
  local self_sum, rows = 0, {}
  for _, row in ipairs(order) do
    self_sum = self_sum + row.self
    row.file, row.self_share = file, row.self / whole * self.share
    row.total_share = row.total / whole * self.share
    row.source = texts and texts[row.line] or nil
    rows[#rows + 1] = row
  end
  return { file = file, name = name, rows = rows, merged = merged, texts = texts, self = self_sum,
    first = math.max(1, first - 2), last = last + 2 }
end

local function section_lines(self, part, screen)
  local pad = require "pyroscope.cli.screen".pad
  local lines = {}
  local title = part.name and ("%s  %s"):format(screen:name(part.name), screen:name(part.file))
    or screen:name(part.file)
  local values = ("   self %s %s%s"):format(self:cell(part.self),
    units.percent(part.self / self.profile.total * self.share),
    part.total and ("   total %s %s"):format(self:cell(part.total),
      units.percent(part.total / self.profile.total * self.share)) or "")
  for i, line in ipairs(screen:wrapped(title .. values)) do
    -- the name is bold, its values are not
    lines[i] = i == 1 and line:sub(1, #title) == title
      and screen:style("bold", title) .. line:sub(#title + 1) or line
  end
  lines[#lines + 1] = ("  %8s %7s %8s %7s  %6s"):format("SELF", "", "TOTAL", "", "LINE")
  local function line(number)
    local row, text = part.merged[number], part.texts and part.texts[number]
    local left = (" "):rep(35)
    if row then
      local function value(v, share)
        if v == 0 then return pad(".", 8, true) .. (" "):rep(8) end
        return pad(self:cell(v), 8, true) .. " " .. pad(units.percent(share), 7, true)
      end
      left = "  " .. value(row.self, row.self_share) .. " " .. value(row.total, row.total_share)
      if row.total_share >= 0.1 then left = screen:style("hot", left) end
    end
    local room = screen.width - 46
    lines[#lines + 1] = ("%s  %6d"):format(left, number)
      .. (text and "  " .. screen:name(text, math.max(20, room)) or "")
  end
  if part.texts then
    for number = part.first, part.last do
      if part.merged[number] or part.texts[number] then line(number) end
    end
  else
    for _, row in ipairs(part.rows) do line(row.line) end
  end
  return lines
end

function command.run(run, options)
  local self, err = subject.fetch(run, options.target, { exact = true, granularity = "line" })
  if not self then return nil, err end
  local parts = {}
  local files = match_files(self.profile, options.what)
  for _, file in ipairs(files) do parts[#parts + 1] = section(self, file, nil, nil, options) end
  if #files == 0 then
    local most = options.limit and options.limit > 0 and options.limit or 5
    local found
    found, err = match_functions(self, options.what, most)
    if not found then return nil, err end
    for _, row in ipairs(found) do
      local part = row.file and section(self, row.file, row.name, row.start_line, options)
      if part then
        part.total = row.total
        parts[#parts + 1] = part
      end
    end
    if #found == 0 then return nil, self:no_function(options.what, "function or file") end
    if #parts == 0 then
      return nil, errors.new { kind = "no_data", code = "lines",
        message = ("this profile has no source lines of '%s'"):format(options.what),
        hint = "lines need pprof with files and line numbers; pscope peek shows callers and "
          .. "callees" }
    end
  end
  local document = self:document "list"
  document.columns, document.rows = command.columns, {}
  for _, part in ipairs(parts) do
    for _, row in ipairs(part.rows) do document.rows[#document.rows + 1] = row end
  end
  document.title[2] = self:total_text()
  document.title[3] = self:filter_text()
  document.view = {
    { "Self", right = true, cell = function(row) return self:cell(row.self) end },
    { "%", right = true, cell = function(row) return units.percent(row.self_share) end },
    { "Total", right = true, cell = function(row) return self:cell(row.total) end },
    { "%", right = true, cell = function(row) return units.percent(row.total_share) end },
    { "Where", cell = function(row) return ("%s:%d"):format(row.file, row.line) end },
    { "Source", code = true, cell = function(row) return row.source or "" end },
  }
  document.body = function(screen)
    local lines = {}
    for i, part in ipairs(parts) do
      if i > 1 then lines[#lines + 1] = "" end
      for _, line in ipairs(section_lines(self, part, screen)) do lines[#lines + 1] = line end
    end
    return lines
  end
  document.hints = function()
    for _, part in ipairs(parts) do
      if not part.texts then
        return { "source files are looked for below the current folder; --source-dir DIR "
          .. "names another" }
      end
    end
    return {}
  end
  document.entry = function(row)
    return row.total_share, ("%s  %s  self %s  %s"):format(units.percent(row.total_share),
      self:cell(row.total), units.percent(row.self_share), row.name)
  end
  return run:answer(document)
end

return command
