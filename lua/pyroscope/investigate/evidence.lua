--- What is fetched once a cause is known: its file and line, whether it lasts, whether a mix of
--- instances explains it, the rows of a picture.

local fetch = require "pyroscope.investigate.fetch"
local frames = require "pyroscope.investigate.frames"
local stats = require "pyroscope.investigate.stats"
local tree = require "pyroscope.investigate.tree"
local unions = require "pyroscope.investigate.unions"
local windows = require "pyroscope.investigate.windows"

local evidence = {}

-- Labels whose elements may do different work; instances of one service are not among them.
local MIXES = { "region", "zone", "availability_zone", "datacenter", "cluster", "node", "tier" }
local SHIFTED, ELEMENTS = 0.1, 6
-- Blocks of a side by which is told what lasts.
local BLOCKS = 8

-- The line of a function with the most value, of a profile that has lines; its first otherwise.
local function place_of(profile, row)
  local place = { file = row.file, line = row.line ~= 0 and row.line or nil }
  local best
  for _, line in ipairs(profile:lines(row.file, { name = row.name }) or {}) do
    if line.line > 0 and (not best or line.total > best.total) then best = line end
  end
  if best then place.line, place.hot = best.line, true end
  return place
end

--- Gives findings their file and line: the line of the function that holds the most of it where it
--- is dearer. What fails leaves them without, since places are an addition.
---@param source pyroscope.source
---@param subject pyroscope.subject
---@param design pyroscope.design
---@param findings pyroscope.finding[]
function evidence.locate(source, subject, design, findings)
  local wanted = { A = {}, B = {} }
  for _, finding in ipairs(findings) do
    local removed = finding.kind == "removed_code"
    wanted[removed and "A" or "B"][finding.name] = finding
  end
  for _, side in ipairs { "B", "A" } do
    if next(wanted[side]) then
      local hull = windows.whole(design[side][1] and design[side] or design.A)
      local text = fetch.selector_of({ selector = subject.selector }, hull)
      local answer = text and fetch.pprof(source, { selector = text, type = subject.types,
        from_ms = hull.from_ms, to_ms = hull.to_ms })
      local profile = answer and answer:profile { granularity = "line" }
      if answer then answer:close() end
      if profile then
        for _, row in ipairs((profile:top(0, { by = "total" }))) do
          local finding = wanted[side][frames.normalise(row.name)]
          if finding and not finding.location and row.file and row.file ~= "" then
            finding.location = place_of(profile, row)
          end
        end
        profile:close()
      end
    end
  end
end

--- How findings go over the blocks of B where samples are processes: values at equal load and the
--- divisors that made them so, by time. One union of the blocks serves all findings.
---@param case pyroscope.case
---@return fun(finding: pyroscope.finding, tests: pyroscope.tests): number[]?, number[]?
function evidence.blocks(case)
  local blocks, totals
  if case.quality.counter_like then return function() return nil end end
  local function make()
    local design = { A = windows.blocks(windows.whole(case.design.B), BLOCKS,
      { interval_ms = case.quality.interval_ms }), B = {}, unit = "block" }
    local u = unions.fetch(case.source, case.subject, design, case.options,
      { interval_ms = case.quality.interval_ms })
    if not u then return false end
    local view = tree.user(u)
    totals = (view:totals())
    return view
  end
  return function(finding, tests)
    if blocks == nil then blocks = make() end
    if not blocks then return nil end
    local size = (tests.last or tests).size
    local sum, divisors, out = 0, {}, {}
    for _, total in ipairs(totals) do sum = sum + total end
    if sum <= 0 then return nil end
    for k, value in ipairs(unions.values(blocks, finding)) do
      if totals[k] > 0 then
        local divisor = size.n.A * size.R * totals[k] / sum
        out[#out + 1], divisors[#divisors + 1] = value / divisor, divisor
      end
    end
    return out, divisors
  end
end

-- Profiles by value of a label in a window.
local function counts_by(source, subject, window, label)
  local text = fetch.selector_of({ selector = subject.selector }, window)
  local rows = text and fetch.profile_counts(source, { selector = text, type = subject.types,
    from_ms = window.from_ms, to_ms = window.to_ms, group_by = { label } })
  local by_value, total = {}, 0
  for _, row in ipairs(rows or {}) do
    local value = row.labels[label] or ""
    by_value[value] = (by_value[value] or 0) + row.profiles
    total = total + row.profiles
  end
  return by_value, total
end

local function sorted_values(...)
  local seen, list = {}, {}
  for _, set in ipairs { ... } do
    for value in pairs(set) do
      if not seen[value] then
        seen[value] = true
        list[#list + 1] = value
      end
    end
  end
  table.sort(list)
  return list
end

--- Did the mix of regions, zones or nodes change, rather than what each of them does? Only where
--- the weights of a label moved are its elements fetched. Gives every finding `mix`.
---@param case pyroscope.case
---@param findings pyroscope.finding[]
function evidence.mix(case, findings)
  local source, subject, design = case.source, case.subject, case.design
  if #findings == 0 or not design.A[1] or not design.B[1] then return end
  local hulls = { A = windows.whole(design.A), B = windows.whole(design.B) }
  local present = fetch.label_names(source, { selector = subject.selector,
    from_ms = hulls.B.from_ms, to_ms = hulls.B.to_ms })
  local asked = {}
  for _, label in ipairs(MIXES) do
    if not present or present[label] then asked[#asked + 1] = label end
  end
  for _, label in ipairs(asked) do
    local a, total_a = counts_by(source, subject, hulls.A, label)
    local b, total_b = counts_by(source, subject, hulls.B, label)
    local values, moved = sorted_values(a, b), 0
    for _, value in ipairs(values) do
      moved = math.max(moved, math.abs((a[value] or 0) / math.max(1, total_a)
        - (b[value] or 0) / math.max(1, total_b)))
    end
    if #values >= 2 and #values <= ELEMENTS and moved >= SHIFTED then
      local parts = { A = {}, B = {}, unit = "window" }
      for _, side in ipairs { "A", "B" } do
        for i, value in ipairs(values) do
          local hull = hulls[side]
          local labels = { [label] = value }
          for name, other in pairs(hull.labels or {}) do labels[name] = other end
          parts[side][i] = { from_ms = hull.from_ms, to_ms = hull.to_ms, labels = labels,
            selector = hull.selector, instance = value }
        end
      end
      local u = unions.fetch(source, subject, parts, case.options, { empty = "zero" })
      for _, finding in ipairs(u and findings or {}) do
        local of = unions.values(u, finding)
        local elements, by_value = {}, {}
        for i, value in ipairs(values) do
          elements[i] = { name = value, a = { value = 0, weight = a[value] or 0 },
            b = { value = 0, weight = b[value] or 0 } }
          by_value[value] = elements[i]
        end
        for k, sample in ipairs(u.samples) do
          local element = by_value[sample.instance]
          element[sample.side:lower()].value = element[sample.side:lower()].value + of[k]
        end
        local split = stats.kitagawa(elements)
        if split.delta * finding.delta.abs > 0
          and (not finding.mix or split.mix_fraction > finding.mix.fraction) then
          finding.mix = { label = label, fraction = split.mix_fraction }
        end
      end
    end
  end
end

--- Rows of the two-sided picture: nodes with both sides at equal load, by how much of the whole.
---@param u pyroscope.union
---@param tests pyroscope.tests
---@param findings pyroscope.finding[]
---@param floor? number           share below which nodes are left out, default 0.5 %
---@return table
function evidence.icicle(u, tests, findings, floor)
  local rows = u:rows(floor or 0.005)
  local size = (tests.last or tests).size
  local marked = {}
  for _, finding in ipairs(findings) do
    for i = finding.entry or 1, #finding.path do marked[finding.path[i]] = true end
  end
  local out = { id = rows.id, parent = rows.parent, depth = rows.depth, name = rows.name, a = {},
    b = {}, significant = {} }
  for i in ipairs(rows.id) do
    local a, b = 0, 0
    for k, value in ipairs(rows.tot[i]) do
      if u.sides[k] == "A" then a = a + value else b = b + value end
    end
    out.a[i], out.b[i] = a / size.n.A, b / size.R / size.n.A
    out.significant[i] = marked[rows.name[i]] or false
  end
  return out
end

return evidence
