--- `pscope tree`: the call tree, indented, largest branches first to be kept.

local subject = require "pyroscope.cli.subject"
local units = require "pyroscope.units"
local place = require "pyroscope.cli.screen".place

local command = {
  name = "tree",
  summary = "The call tree with indentation: the largest nodes, callers above callees",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "limit", "min", "depth", "group", "where", "max_other", "window", "data", "stack",
    "tree", "output", "source" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "folded", "quickfix" },
  columns = {
    { name = "depth", kind = "integer" }, { name = "name", kind = "text" },
    { name = "file", kind = "text" }, { name = "line", kind = "integer" },
    { name = "self", kind = "int64" }, { name = "total", kind = "int64" },
    { name = "self_share", kind = "number" }, { name = "total_share", kind = "number" },
  },
  examples = { "pscope tree prod/checkout", "pscope tree ./incident --min 5%",
    "pscope tree prod/checkout --invert --focus runtime.mallocgc" },
  notes = "A node is shown when it is among the -n largest (default 60) and holds at least --min "
    .. "of the total. What the shown nodes leave out is counted below the tree.",
}

-- The n-th largest total without a table of all of them: a heap of n numbers.
local function threshold(profile, n, least, deepest)
  local heap, size = {}, 0
  local function down(i)
    while true do
      local child = 2 * i
      if child > size then return end
      if child < size and heap[child + 1] < heap[child] then child = child + 1 end
      if heap[i] <= heap[child] then return end
      heap[i], heap[child] = heap[child], heap[i]
      i = child
    end
  end
  for depth, _, _, total in profile:walk() do
    if depth > 0 and depth <= deepest and total >= least then
      if size < n then
        size = size + 1
        heap[size] = total
        local i = size
        while i > 1 and heap[i // 2] > heap[i] do
          heap[i // 2], heap[i] = heap[i], heap[i // 2]
          i = i // 2
        end
      elseif total > heap[1] then
        heap[1] = total
        down(1)
      end
    end
  end
  if size < n then return least, math.maxinteger end
  local equal = 0
  for i = 1, size do
    if heap[i] == heap[1] then equal = equal + 1 end
  end
  return heap[1], equal
end

-- The rows of a tree with the largest child first, callers still above callees.
local function largest_first(rows)
  local children, above = { [0] = {} }, {}
  for i, row in ipairs(rows) do
    local parent = row.depth > 0 and above[row.depth - 1] or 0
    table.insert(children[parent], i)
    children[i], above[row.depth] = {}, i
  end
  local function before(a, b)
    if rows[a].total ~= rows[b].total then return rows[a].total > rows[b].total end
    return a < b
  end
  local ordered, stack = {}, { 0 }
  while #stack > 0 do
    local i = table.remove(stack)
    ordered[#ordered + 1] = rows[i]
    table.sort(children[i], before)
    for k = #children[i], 1, -1 do stack[#stack + 1] = children[i][k] end
  end
  return ordered
end

-- The largest nodes; a child is kept only below a kept parent.
local function select(self, n, options, has_other)
  local profile = self.profile
  local whole = profile.total
  local least = math.max(1, math.ceil((options.min or 0.01) * self.whole.total))
  local deepest = options.depth or math.maxinteger
  local limit, equal = threshold(profile, n == 0 and math.maxinteger or n, least, deepest)
  local rows, kept, nodes = {}, { [0] = true }, 0
  for depth, name, own, total, file, line in profile:walk() do
    if depth > 0 and not (has_other and name == "other") then
      nodes = nodes + 1
      local wanted = kept[depth - 1] and depth <= deepest and total >= limit
      if wanted and total == limit and limit > least then
        wanted = equal > 0
        equal = equal - 1
      end
      kept[depth] = wanted
      if wanted then
        rows[#rows + 1] = { depth = depth - 1, name = name, self = own, total = total,
          self_share = own / whole * self.share, total_share = total / whole * self.share,
          file = file ~= "" and file or nil, line = (line or 0) > 0 and line or nil }
      end
    elseif depth > 0 then
      kept[depth] = false
    end
  end
  return largest_first(rows), nodes
end

local function build(self, all, nodes, n, options)
  local rows = { table.unpack(all, 1, n) }
  local coverage = self.profile:coverage()
  local _, counted = self.profile:top(1)
  local other, empty = (coverage.other_share or 0) * self.share, (counted.empty or 0) * self.share
  local shown, shown_value = 0, 0
  for _, row in ipairs(rows) do
    shown, shown_value = shown + row.self_share, shown_value + row.self
  end
  local rest_value = self.profile.total - shown_value
    - math.floor(((coverage.other_share or 0) + (counted.empty or 0)) * self.profile.total + 0.5)
  local rest = math.max(0, self.share - shown - other - empty)
  if #rows == nodes then rest, rest_value = 0, 0 end
  local document = self:document "tree"
  document.columns, document.rows = command.columns, rows
  document.head.coverage = { shown = shown, rest = rest, other = other, nodes = nodes,
    empty = empty > 0 and empty or nil, filtered = self.share < 1 and 1 - self.share or nil }
  document.title[2] = ("%s · %s of %s nodes, %s of self"):format(self:total_text(),
    units.count(#rows), units.count(nodes), units.percent(shown))
  document.title[3] = self:filter_text()
  local indent = options.format == "md" and "· " or "  "
  document.view = {
    { "TOTAL", right = true, min = 6, cell = function(row) return self:cell(row.total) end },
    { "", right = true, min = 6, cell = function(row) return units.percent(row.total_share) end,
      style = function(row) return row.total_share >= 0.1 and "hot" or nil end },
    { "SELF", right = true, min = 6, gap = 3,
      cell = function(row) return row.self ~= 0 and self:cell(row.self) or "-" end },
    { "", right = true, min = 6,
      cell = function(row) return row.self ~= 0 and units.percent(row.self_share) or "" end },
    { "FUNCTION", gap = 3, shrink = 30, cell = function(row, screen)
      return indent:rep(row.depth) .. screen:name(row.name)
    end },
    { "WHERE", gap = 3, optional = true, shrink = 10, tail = true, place = true,
      cell = function(row, screen) return screen:name(place(row)) end },
  }
  document.notes = function()
    local screen = require "pyroscope.cli.screen"
    local function line(value, share, text)
      return ("  %s  %s  %s"):format(screen.pad(self:cell(value), 6, true),
        screen.pad(units.percent(share), 6, true), text)
    end
    local lines = {}
    if nodes > #rows then
      lines[1] = line(rest_value, rest, ("self of %s more nodes (-n, --min, --depth)")
        :format(units.count(nodes - #rows)))
    end
    for _, text in ipairs(self:coverage_lines({ other = coverage.other_share or 0,
      empty = counted.empty }, line)) do
      lines[#lines + 1] = text
    end
    return lines
  end
  document.entry = function(row)
    return row.total_share, ("%s  %s  self %s  %s"):format(units.percent(row.total_share),
      self:cell(row.total), units.percent(row.self_share), row.name)
  end
  document.keep = function(fewer) return build(self, all, nodes, fewer, options) end
  return document
end

function command.run(run, options)
  local self, err = subject.fetch(run, options.target, { group = options.group })
  if not self then return nil, err end
  if options.format == "folded" then
    local bytes
    bytes, err = self.profile:render "folded"
    if not bytes then return nil, err end
    return run:write(bytes)
  end
  local coverage = self.profile:coverage()
  local rows, nodes = select(self, options.limit or 60, options, (coverage.other or 0) > 0)
  self:check_other(coverage.other_share or 0)
  return run:answer(build(self, rows, nodes, #rows, options))
end

return command
