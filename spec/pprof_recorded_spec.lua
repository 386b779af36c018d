local core = require "pyroscope.core"
local json = require "cjson"
local pprof_tool = require "spec.support.pprof_tool"
local proto = require "spec.support.profile_proto"
local pushes = require "spec.support.pushes"
local protobuf = require "spec.support.protobuf"

local wire = "../shared/fixtures/wire"
local incidents = "../shared/data/incidents"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

local function list(command)
  local names = {}
  local pipe = assert(io.popen(command))
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  return names
end

local function present(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- Value and number of samples of each set of string labels, by both decoders.
local function by_set(pprof, kind)
  local sets, totals = pprof:sets(), pprof:totals(kind)
  local sums = {}
  for i, set in ipairs(sets) do
    local names = {}
    for name, value in pairs(set.labels) do names[#names + 1] = name .. "=" .. value end
    table.sort(names)
    if totals[i].samples > 0 then
      sums[table.concat(names, ",")] = { totals[i].value, totals[i].samples }
    end
  end
  return sums
end

local ids = { span_id = true, profile_id = true, trace_id = true }

local function reference_sets(p, kind)
  local sums = {}
  for _, sample in ipairs(p.samples) do
    local names = {}
    for _, label in ipairs(sample.labels) do
      if label.str ~= "" and not ids[label.key] then
        names[#names + 1] = label.key .. "=" .. label.str
      end
    end
    table.sort(names)
    local key = table.concat(names, ",")
    if sample.values[kind] > 0 then
      local sum = sums[key] or { 0, 0 }
      sums[key] = { sum[1] + sample.values[kind], sum[2] + 1 }
    end
  end
  return sums
end

local function compare(bytes, without_trees)
  local pprof <close> = assert(core.pprof(bytes))
  local reference = proto.read(pprof:bytes())
  assert.same(reference.types, pprof:types())
  assert.same({ #reference.samples, reference.time_nanos, reference.duration_nanos,
    reference.period, reference.period_type.type, reference.period_type.unit },
    { pprof.samples, pprof.time_nanos, pprof.duration_nanos, pprof.period, pprof.period_type,
      pprof.period_unit })
  for kind in ipairs(reference.types) do
    assert.same(reference_sets(reference, kind), by_set(pprof, kind))
    for _, line in ipairs(without_trees and {} or { false, true }) do
      local profile <close> = assert(core.collect({ { pprof, type = kind } },
        { granularity = line and "line" or "function" }))
      assert.same(proto.tree(reference, kind, { line = line }), proto.paths(profile, line))
    end
  end
end

-- The paths of a flame graph in JSON.
local function flame_paths(graph)
  local names, paths, above = graph.names, { [""] = { self = 0, total = 0 } }, nil
  for depth, level in ipairs(graph.levels) do
    local row, x, parent = {}, 0, 1
    for i = 1, #level.values, 4 do
      local delta, total, self, name = table.unpack(level.values, i, i + 3)
      delta, total, self = math.tointeger(delta), math.tointeger(total), math.tointeger(self)
      x = x + delta
      local path = ""
      if depth > 1 then
        while above[parent].x + above[parent].total <= x do parent = parent + 1 end
        path = proto.child(above[parent].path, names[math.tointeger(name) + 1])
      end
      row[#row + 1] = { x = x, total = total, path = path }
      paths[path] = { self = self, total = total }
      x = x + total
    end
    above = row
  end
  return paths
end

-- A server's flame graph ends at "other", also where a real function has that name.
local function end_at_other(paths)
  local other = proto.child("", "other"):sub(2)
  local cut = {}
  for path, node in pairs(paths) do
    local _, at = (path .. "/"):find("/" .. other .. "/", 1, true)
    if not at or at > #path then
      cut[path] = at and { self = node.total, total = node.total } or node
    end
  end
  return cut
end

local function recorded(name)
  local meta = json.decode(read(wire .. "/" .. name .. "/request.json"))
  return meta, meta.body and json.decode(meta.body), read(wire .. "/" .. name .. "/response.body")
end

describe("recorded profiles", function()
  it("are decoded as an independent reader decodes them: the sample incident", function()
    local paths = list "ls examples/data/cpu-hotspot/*/checkout-0/000[1-4].pb.gz"
    assert.is_true(#paths >= 5)
    for _, path in ipairs(paths) do compare(read(path)) end
  end)

  it("are decoded as an independent reader decodes them: what was pushed to a server", function()
    if not present(wire .. "/README.md") then pending "needs ../shared: recorded exchanges" end
    local paths = list("ls " .. wire .. "/pushed/*.pb")
    assert.is_true(#paths > 50)
    for _, path in ipairs(paths) do compare(read(path)) end
  end)

  it("are decoded as an independent reader decodes them: a server's merged answers", function()
    if not present(wire .. "/README.md") then pending "needs ../shared: recorded exchanges" end
    local names = list("cd " .. wire .. " && ls -d mergeprofile-*-pb-* pprof-*-pb-*")
    assert.is_true(#names >= 19)
    for _, name in ipairs(names) do
      local _, _, body = recorded(name)
      if name:find "^pprof" then
        local inner = body
        for _, wanted in ipairs { 5, 1 } do
          for number, _, value in protobuf.fields(inner) do
            if number == wanted then inner = value end
          end
        end
        body = inner
      end
      if name:find "-empty-" then
        local pprof <close> = assert(core.pprof(body:find "^\x2a" and "" or body))
        assert.equal(0, pprof.samples)
      else
        assert.is_true(#proto.read(body).samples > 0, name)
        compare(body)
      end
    end
  end)

  it("are decoded as an independent reader decodes them: every file of every incident",
    function()
      if not present(incidents .. "/README.md") then pending "needs ../shared: incidents" end
      local paths = list("ls " .. incidents .. "/*/*/*/*.pb.gz")
      assert.is_true(#paths > 2000)
      -- Totals of all; trees of one in seven, which the slow reader needs long for.
      for i, path in ipairs(paths) do compare(read(path), i % 7 ~= 1) end
    end)

  it("give the trees that the server drew from them", function()
    if not present(wire .. "/README.md") then pending "needs ../shared: recorded exchanges" end
    local pushed = pushes.list()
    local compared = 0
    for _, name in ipairs(list("cd " .. wire .. " && ls -d flamegraph-*")) do
      local meta, request, body = recorded(name)
      local selector = request and request.labelSelector or ""
      if request and body:find "^{\"flamegraph\"" and not request.maxNodes
        and not request.profileIdSelector and not selector:find "[!~]"
        and not (name:find "v1$" and request.stackTraceSelector) -- which v1 ignores
        and not meta.path:find "Span" and request["end"] > request.start then
        local call_site
        for _, frame in ipairs((request.stackTraceSelector or {}).callSite or {}) do
          call_site = call_site or {}
          call_site[#call_site + 1] = frame.name
        end
        local profile = assert(core.collect(pushes.selections(pushed, request),
          { named_only = true, max_depth = 1000, call_site = call_site }))
        assert.same(flame_paths(json.decode(body).flamegraph), end_at_other(proto.paths(profile)),
          name)
        compared = compared + 1
      end
    end
    assert.is_true(compared >= 25, tostring(compared))
  end)
end)

-- Self and total of every function of a profile; recursion counts once per stack.
local function functions_of(profile)
  local rows, open, stack = {}, {}, {}
  for depth, name, self, total in profile:walk() do
    for i = #stack, depth, -1 do
      if i > 0 and stack[i] then open[stack[i]] = open[stack[i]] - 1 end
      stack[i] = nil
    end
    if depth > 0 then
      local row = rows[name] or { 0, 0 }
      rows[name] = row
      row[1] = row[1] + self
      if (open[name] or 0) == 0 then row[2] = row[2] + total end
      open[name] = (open[name] or 0) + 1
      stack[depth] = name
    end
  end
  return rows
end

local function same_as_pprof(tool, folder)
  local compared = 0
  for _, group in ipairs(list("ls -d " .. folder .. "/*/ | xargs -n1 basename")) do
    local paths = list(("ls %s/%s/*/*.pb.gz"):format(folder, group))
    local handles = {}
    for i, path in ipairs(paths) do handles[i] = assert(core.pprof(read(path))) end
    for kind, t in ipairs(handles[1]:types()) do
      local chosen = {}
      for i, pprof in ipairs(handles) do chosen[i] = { pprof, type = kind } end
      local profile <close> = assert(core.collect(chosen))
      local unit = t.unit == "count" and "minimum" or t.unit
      local rows, total = pprof_tool.top(tool, ("-sample_index=%s -unit=%s %s"):format(t.type,
        unit, table.concat(paths, " ")))
      local ours = functions_of(profile)
      -- pprof prints a function without a name as unknown, and no row of zeros.
      if ours[""] then
        ours["<unknown>"], ours[""] = ours[""], nil
      end
      assert.same(rows, ours, group .. " " .. t.type)
      assert.equal(total, profile.total)
      assert.is_not_nil(next(rows))
      compared = compared + 1
    end
    for _, pprof in ipairs(handles) do pprof:close() end
  end
  return compared
end

describe("the rows of `pprof -top`", function()
  local tool = pprof_tool.find()

  it("are ours to the last unit: the sample incident", function()
    if not tool then pending "needs google/pprof" end
    assert.is_true(same_as_pprof(tool, "examples/data/cpu-hotspot") >= 11)
  end)

  it("are ours to the last unit: every incident and type", function()
    if not tool then pending "needs google/pprof" end
    if not present(incidents .. "/README.md") then pending "needs ../shared: incidents" end
    local compared = 0
    for _, folder in ipairs(list("ls -d " .. incidents .. "/*/")) do
      compared = compared + same_as_pprof(tool, (folder:gsub("/$", "")))
    end
    assert.is_true(compared >= 100, tostring(compared))
  end)
end)
