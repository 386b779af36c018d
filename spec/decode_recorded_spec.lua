local core = require "pyroscope.core"
local protobuf = require "spec.support.protobuf"
local reference = require "spec.support.reference"

local folder = "../shared/fixtures/wire/"

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function cases()
  local list, listing = {}, io.popen("ls " .. folder .. " 2>/dev/null")
  if not listing then return list end
  for name in listing:lines() do
    local about = read(folder .. name .. "/response.json")
    if about then
      about = reference.json(about)
      local body = read(folder .. name .. "/response.body")
      if body:sub(1, 2) == "\31\139" then body = assert(core.gunzip(body)) end
      local request = reference.json(read(folder .. name .. "/request.json"))
      local kind
      for header, value in pairs(about.headers) do
        if header:lower() == "content-type" then kind = value end
      end
      list[#list + 1] = { name = name, body = body, path = request.path, status = about.status,
        json = kind and kind:find("json", 1, true), proto = kind and kind:find("proto", 1, true) }
    end
  end
  listing:close()
  return list
end

local function same(expected, handle, case)
  local wanted, got = reference.lines(expected), reference.lines_of(handle)
  for i = 1, math.max(#wanted, #got) do assert.equal(wanted[i], got[i], case.name) end
  handle:close()
end

describe("recorded answers", function()
  local recorded = cases()
  if #recorded == 0 then
    pending "needs ../shared: recorded answers of a server"
    return
  end

  local function each(filter)
    local n = 0
    for _, case in ipairs(recorded) do
      if case.status == 200 and filter(case) then n = n + 1 end
    end
    return n
  end

  it("in JSON hold the flame graphs that a simple reader finds in them", function()
    local n = each(function(case)
      if not case.json or case.path:find "[Dd]iff" then return false end
      local answer = reference.json(case.body)
      local graph = type(answer) == "table" and (answer.flamegraph or answer.flamebearer)
      if type(graph) ~= "table" then return false end
      local names, rows = reference.from_json(graph)
      same(reference.tree(names, rows, 4), assert(core.decode(case.body, "json")), case)
      assert.equal("json", core.guess(case.body), case.name)
      local _, err = core.decode_diff(case.body, "json")
      assert.equal("decode", err.kind, case.name)
      return true
    end)
    assert.is_true(n > 60, "only " .. n .. " answers were found")
  end)

  it("in JSON hold the trees that a simple reader finds in them (PER-19)", function()
    local n = each(function(case)
      if not case.json then return false end
      local answer = reference.json(case.body)
      if type(answer) ~= "table" or type(answer.tree) ~= "string" then return false end
      local bytes = reference.base64(answer.tree)
      same(reference.from_tree(bytes), assert(core.decode(bytes, "tree")), case)
      assert.equal("tree", core.guess(bytes), case.name)
      if not answer.flamegraph then
        same(reference.from_tree(bytes), assert(core.decode(case.body, "json")), case)
        assert.equal("json", core.guess(case.body), case.name)
      end
      return true
    end)
    assert.is_true(n > 20, "only " .. n .. " answers were found")
  end)

  it("in protobuf hold the flame graphs and trees that a simple reader finds in them", function()
    local n = each(function(case)
      if not case.proto then return false end
      if not case.path:find "SelectMergeStacktraces" and
        not case.path:find "SelectMergeSpanProfile" then return false end
      local found = false
      for number, _, value in protobuf.fields(case.body) do
        if number == 1 then
          local names, rows = reference.from_proto(value)
          same(reference.tree(names, rows, 4), assert(core.decode(value, "flamegraph")), case)
          found = true
        elseif number == 2 then
          same(reference.from_tree(value), assert(core.decode(value, "tree")), case)
          assert.equal("tree", core.guess(value), case.name)
          found = true
        end
      end
      return found
    end)
    assert.is_true(n > 12, "only " .. n .. " answers were found")
  end)

  it("hold the comparisons that a simple reader finds in them", function()
    local n = each(function(case)
      if not case.path:find "[Dd]iff" then return false end
      local graph, handle
      if case.json then
        local answer = reference.json(case.body)
        graph = answer.flamegraph or answer.flamebearer
        if not graph then return false end
        handle = assert(core.decode_diff(case.body, "json"))
        assert.equal("diff", core.guess(case.body), case.name)
        local _, err = core.decode(case.body, "json")
        assert.equal("decode", err.kind, case.name)
        graph = { reference.from_json(graph) }
      else
        for number, _, value in protobuf.fields(case.body) do
          if number == 1 then
            handle = assert(core.decode_diff(value, "proto"))
            graph = { reference.from_proto(value) }
          end
        end
      end
      same(reference.unite(reference.tree(graph[1], graph[2], 7)), handle, case)
      return true
    end)
    assert.is_true(n > 15, "only " .. n .. " answers were found")
  end)

  it("that are errors are no flame graphs", function()
    for _, case in ipairs(recorded) do
      if case.status >= 400 and case.json and #case.body > 2 then
        local profile, err = core.decode(case.body, "json")
        assert.is_nil(profile, case.name)
        assert.equal("decode", err.kind, case.name)
      end
    end
  end)

  it("leave no handle behind", function()
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)
end)
