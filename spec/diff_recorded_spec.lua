-- The server's Diff and ours, of every recorded answer.

local core = require "pyroscope.core"
local json = require "cjson"
local process = require "spec.support.process"
local pushes = require "spec.support.pushes"
local protobuf = require "spec.support.protobuf"
local pyroscope = require "pyroscope"
local replay = require "spec.support.replay"
local trees = require "spec.support.trees"

local wire = "../shared/fixtures/wire"

local function present(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function cases()
  local names, pipe = {}, assert(io.popen("cd " .. wire .. " && ls -d diff-*"))
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  return names
end

local function walked(alignment)
  local map, path = {}, {}
  for depth, name, a, b, at, bt in alignment:walk() do
    path[depth] = ("%d:%s"):format(#name, name) -- names may hold anything
    map[depth == 0 and "" or table.concat(path, ";", 1, depth)] = { a, b, at, bt }
  end
  return map
end

-- A side as the server has it before it cuts; nil where a filter is asked that Diff may ignore.
local function side(pushed, request)
  local chosen = pushes.selections(pushed, request)
  return assert(core.collect(chosen, { named_only = true, max_depth = 1000 }))
end

describe("the server's Diff", function()
  it("has the numbers of ours in every recorded case that it did not cut (S-02, E-02)", function()
    if not present(wire .. "/README.md") then pending "needs ../shared: recorded exchanges" end
    local pushed, compared, cut = pushes.list(), 0, 0
    for _, name in ipairs(cases()) do
      local meta = json.decode(trees.read(wire .. "/" .. name .. "/request.json"))
      local answer = json.decode(trees.read(wire .. "/" .. name .. "/response.json"))
      local body = trees.read(wire .. "/" .. name .. "/response.body")
      local request = meta.body and meta.body:find "^{" and json.decode(meta.body)
      local proto = name:find "-pb-" ~= nil
      if proto then
        for number, _, value in protobuf.fields(body) do
          if number == 1 then body = value end
        end
        -- The same question was recorded as JSON.
        local twin = wire .. "/" .. name:gsub("%-pb%-", "-") .. "/request.json"
        request = present(twin) and json.decode(json.decode(trees.read(twin)).body)
      end
      local fine = math.tointeger(answer.status) == 200 and request and request.left
        and request.right
      if fine and request.left.profileTypeID == request.right.profileTypeID
        and not name:find "empty" and not name:find "callsite" then
        local theirs = assert(core.decode_diff(body, proto and "proto" or "json"))
        local a, b = side(pushed, request.left), side(pushed, request.right)
        local ours = assert(core.align(a, b))
        assert.equal(ours.before, theirs.before, name)
        assert.equal(ours.after, theirs.after, name)
        if not (name:find "maxnodes" or name:find "trunc") then
          assert.same(walked(ours), walked(theirs), name)
          compared = compared + 1
        else -- cut, each side by itself: a total that is left is whole
          local whole = walked(ours)
          for path, values in pairs(walked(theirs)) do
            if not path:find("5:other", 1, true) then
              for i = 3, 4 do
                assert.is_true(values[i] == 0 or values[i] == whole[path][i], name .. " " .. path)
              end
            end
          end
          cut = cut + 1
        end
      end
    end
    assert.is_true(compared >= 6, tostring(compared))
    assert.is_true(cut >= 3, tostring(cut))
  end)

  local function question(asked)
    return { type = asked.profileTypeID, selector = asked.labelSelector, server = true,
      from_ms = math.tointeger(asked.start), to_ms = math.tointeger(asked["end"]) + 1,
      max_nodes = asked.maxNodes and math.tointeger(asked.maxNodes),
      call_site = asked.stackTraceSelector and { "main" } or nil }
  end

  local function request_of(exchange)
    local json_body = exchange.request.headers["content-type"]:find "json"
    return json_body and json.decode(exchange.request.body)
      or core.decode_request("Diff", exchange.request.body)
  end

  -- What comes of a recorded case is told by what was recorded of it.
  local function check(client, exchange, counts)
    local request = request_of(exchange)
    if not request.left or not request.right then return end
    local found, err = client:diff(question(request.left), question(request.right))
    local function refused(kind)
      assert.is_nil(found, exchange.name)
      assert.equal(kind, err.kind, exchange.name)
      counts.refused = counts.refused + 1
    end
    if math.tointeger(exchange.response.status) ~= 200 then return refused "usage" end
    if request.left.stackTraceSelector then return refused "unsupported" end
    local binary = exchange.name:find "-pb-" ~= nil
    local method = binary and core.decode_answer or core.decode_answer_json
    local theirs = assert(method("Diff", exchange.response.body)).flamegraph
    if theirs.before == 0 or theirs.after == 0 then return refused "no_data" end
    assert(found, exchange.name .. ": " .. tostring(err))
    assert.same(walked(theirs), walked(found.alignment), exchange.name)
    local same = request.left.labelSelector == request.right.labelSelector
      and request.left.profileTypeID == request.right.profileTypeID
    assert.equal(same and "rate" or "share", found.mode, exchange.name)
    for _, by in ipairs { "rows", "tree" } do
      local rows, rest = found[by](found, 3)
      local before, after = rest.before_raw, rest.after_raw
      for _, row in ipairs(rows) do
        before = before + (row.own_before or row.before_raw)
        after = after + (row.own_after or row.after_raw)
      end
      assert.equal(theirs.before, before, exchange.name)
      assert.equal(theirs.after, after, exchange.name)
    end
    counts.compared = counts.compared + 1
  end

  it("is what `server = true` shows, in every recorded case and every way to store (S-02)",
    function()
      local all = present(wire .. "/README.md")
      local path = all and wire or "spec/fixtures/wire/exchanges.jsonl"
      local counts = { compared = 0, refused = 0 }
      for _, mode in ipairs { "v1", "v2", "dual" } do
        local server <close> = process.start("spec/support/recorded.lua", path, "Diff", mode)
        local client <close> = assert(pyroscope.connect { url = server.url })
        for _, exchange in ipairs(all and replay.folder(path) or replay.file(path)) do
          for _, name in ipairs(exchange.request.path:find "/Diff$" and exchange.modes or {}) do
            if name == mode then check(client, exchange, counts) end
          end
        end
      end
      assert.is_true(counts.compared >= (all and 25 or 14), tostring(counts.compared))
      assert.is_true(counts.refused >= 10, tostring(counts.refused))
    end)
end)
