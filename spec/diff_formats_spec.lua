local cjson = require "cjson"
local core = require "pyroscope.core"
local diff = require "pyroscope.diff"
local pprof_tool = require "spec.support.pprof_tool"
local pyroscope = require "pyroscope"
local trees = require "spec.support.trees"

local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
local HOUR = 3600000
local SAMPLE = "examples/data/cpu-hotspot/cpu/checkout-0/"

local function profile(text, about)
  local described = { profile_type = CPU, unit = "nanoseconds", kind = "flow", from_ms = 0,
    to_ms = HOUR, source = "test" }
  for name, value in pairs(about or {}) do described[name] = value end
  return assert(core.decode(text, "folded")):describe(described)
end

local LATER = { from_ms = HOUR, to_ms = 2 * HOUR }

local function pair(options)
  return assert(diff.of(profile "main;a 100\nmain;b 200\nmain;gone 50\n",
    profile("main;a 400\nmain;b 150\nmain;new 30\n", LATER), options))
end

-- path -> { before_self, after_self, before_total, after_total }
local function walked(alignment)
  local map, path = {}, {}
  for depth, name, a, b, at, bt in alignment:walk() do
    path[depth] = name
    map[depth == 0 and "" or table.concat(path, ";", 1, depth)] = { a, b, at, bt }
  end
  return map
end

describe("a diff as a file", function()
  it("has both columns in folded stacks, for every path of either side (FG-08)", function()
    assert.equal("main;a 100 400\nmain;b 200 150\nmain;gone 50 0\nmain;new 0 30\n",
      pair():render "folded")
  end)

  it("has A in terms of B where windows, totals or counts differ", function()
    local a = profile "main;a 90\nmain;b 1\n"
    local longer = profile("main;a 900\n", { from_ms = HOUR, to_ms = 4 * HOUR })
    assert.equal("main;a 270 900\nmain;b 3 0\n", assert(diff.of(a, longer)):render "folded")
    assert.equal("main;a 890.11 900\nmain;b 9.89 0\n",
      assert(diff.of(a, longer, { mode = "share" })):render "folded")
    local function stock(text, profiles, from)
      return profile(text, { kind = "stock", unit = "bytes", profiles = profiles,
        profile_type = "memory:inuse_space:bytes:space:bytes", from_ms = from,
        to_ms = from + HOUR })
    end
    assert.equal("main;a 50 100\n",
      assert(diff.of(stock("main;a 100\n", 2, 0), stock("main;a 900\n", 9, HOUR))):render "folded")
  end)

  it("is flame graph JSON with groups of seven that is read back (S-02)", function()
    for seed = 1, 20 do
      local a = trees.profile(trees.stacks(seed))
      local b = trees.profile(trees.stacks(seed + 500))
      local d = assert(diff.of(a, b))
      local bytes = assert(d:render "json")
      assert.same(walked(d.alignment), walked(assert(core.decode_diff(bytes, "json"))))
      local graph = cjson.decode(bytes).flamegraph
      assert.equal(tostring(a.sum), graph.leftTicks)
      assert.equal(tostring(b.sum), graph.rightTicks)
      for _, level in ipairs(graph.levels) do assert.equal(0, #level.values % 7) end
    end
  end)

  it("is a pprof of B minus A that is rounded once (E-11)", function()
    local proto = require "spec.support.profile_proto"
    local d = assert(diff.of(profile "main;a 10\nmain;b 10\nmain;c 10\n",
      profile("main;a 9\nmain;d 4\n", { from_ms = HOUR, to_ms = HOUR + HOUR // 4 })))
    local read = proto.read(core.gunzip and core.gunzip(d:render "pprof")
      or d:render("pprof", { raw = true }))
    local sums, base = { a = 0, b = 0 }, 0
    for _, sample in ipairs(read.samples) do
      local is_base = sample.labels[1] and sample.labels[1].key == "pprof::base"
      local side = is_base and "a" or "b"
      assert.equal(is_base and true or false, sample.values[1] < 0)
      sums[side] = sums[side] + sample.values[1]
      if is_base then base = base + 1 end
    end
    assert.same({ a = -8, b = 13 }, sums) -- 30 / 4 rounded, though 2.5 are on every stack
    assert.equal(3, base)
  end)

  it("refuses a pprof beyond 64 bits", function()
    local d = assert(diff.of(profile(("a %d\n"):format(math.maxinteger // 2)),
      profile("a 1\n", { from_ms = HOUR, to_ms = 4 * HOUR })))
    local bytes, err = d:render "pprof"
    assert.is_nil(bytes)
    assert.equal("limit", err.kind)
  end)

  it("is text, a table for a chat, CSV and quickfix", function()
    local d = pair()
    local md = assert(d:render("md", { n = 2, before = "v1", after = "v2" }))
    assert.matches("| `a` |", md, 1, true)
    assert.matches("| +300% |", md, 1, true)
    assert.matches("v1", md)
    local csv = assert(d:render "csv")
    assert.matches("^name,file,line,depth,status,before,after,", csv)
    assert.matches("\r\nnew,,,,new,0,30,", csv)
    assert.equal("", d:render "quickfix") -- no files in folded stacks
    local a = assert(pyroscope.load(SAMPLE .. "0001.pb.gz"))
    local b = assert(pyroscope.load(SAMPLE .. "0004.pb.gz"))
    local real = assert(diff.of(a, b))
    assert.matches("^%S+:%d+:1: %a+: [+-]", (real:render("quickfix", { n = 3 })))
    assert.matches("SELF", (real:render("text", { tree = true })))
    assert.matches("PACKAGE", (real:render("text", { group = "package" })))
    local none, err = d:render("text", { group = "line" })
    assert.is_nil(none)
    assert.equal("unsupported", err.kind)
    assert.has_error(function() d:render("md", { rows = 3 }) end)
  end)

  it("is saved in the format of its extension", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)))
    local d = pair()
    for name, start in pairs { ["d.folded"] = "^main;a 100 400\n", ["d.json"] = '^{"flamegraph"',
      ["d.md"] = "^%*%*cpu", ["d.csv"] = "^name,", ["d.pb.gz"] = "^\31\139", ["d.txt"] = "^cpu",
      ["d.svg"] = "^<%?xml", ["d.html"] = "^<!DOCTYPE" } do
      assert.is_true(d:save(folder .. "/" .. name))
      assert.matches(start, trees.read(folder .. "/" .. name))
    end
    local ok, err = d:save(folder .. "/d.md")
    assert.is_nil(ok)
    assert.equal("exists", err.code)
    assert.is_true(d:save(folder .. "/d.md", { force = true, format = "folded" }))
    assert.matches("^main;a", trees.read(folder .. "/d.md"))
    ok, err = d:save(folder .. "/d.xyz")
    assert.is_nil(ok)
    assert.equal("usage", err.kind)
    assert(os.execute(("rm -r '%s'"):format(folder)))
  end)

  it("opens in pprof with the values of -diff_base (PPR-10)", function()
    local tool = pprof_tool.find()
    if not tool then pending "needs google/pprof" end
    local written = os.tmpname()
    local files = { "0001", "0002", "0003", "0004" }
    local compared = 0
    for i = 1, #files do
      for k = 1, #files do
        local paths = { SAMPLE .. files[i] .. ".pb.gz", SAMPLE .. files[k] .. ".pb.gz" }
        local a, b = assert(pyroscope.load(paths[1])), assert(pyroscope.load(paths[2]))
        local d = assert(diff.of(a, b))
        local file = assert(io.open(written, "wb"))
        file:write((assert(d:render "pprof")))
        file:close()
        local rows, total = pprof_tool.top(tool, ("-unit=nanoseconds -sample_index=cpu -diff_base=%s %s")
          :format(paths[1], paths[2]))
        local ours, our_total = pprof_tool.top(tool, "-unit=nanoseconds " .. written)
        assert.same(rows, ours)
        assert.equal(total, our_total)
        assert.equal(i ~= k, next(rows) ~= nil)
        for name, row in pairs(rows) do -- and what we print ourselves
          local mine
          for _, r in ipairs((d:rows(0))) do
            if r.name == name then mine = r.after_raw - r.before_raw end
          end
          assert.equal(row[1], mine or 0, name)
        end
        compared = compared + 1
      end
    end
    os.remove(written)
    assert.equal(16, compared)
  end)
end)

describe("the tree of a diff", function()
  it("has every node with the nodes above it, and adds up with its rest (E-02)", function()
    for seed = 1, 40 do
      local a = trees.profile(trees.stacks(seed))
      local b = trees.profile(trees.stacks(seed + 700))
      if seed % 3 == 0 then b = b:truncate(30) end
      local d = assert(diff.of(a, b))
      local all = walked(d.alignment)
      for _, n in ipairs { 0, 1, 3, 10, 1000 } do
        local rows, rest = d:tree(n)
        if n > 0 then assert.is_true(#rows <= n) end
        local path, raw_a, raw_b = {}, rest.before_raw, rest.after_raw
        for _, row in ipairs(rows) do
          assert.is_true(row.depth == 1 or path[row.depth - 1] ~= nil)
          path[row.depth] = row.name
          for i = row.depth + 1, #path do path[i] = nil end
          local values = all[table.concat(path, ";", 1, row.depth)]
          assert.same(values, { row.own_before, row.own_after, row.before_raw, row.after_raw })
          assert.not_equal("other", row.name)
          raw_a, raw_b = raw_a + row.own_before, raw_b + row.own_after
        end
        assert.equal(a.sum, raw_a)
        assert.equal(b.sum, raw_b)
      end
      -- No node that is left out changed more than one that would have fitted.
      local shown, least = {}, math.huge
      for _, row in ipairs((d:tree(8))) do least = math.min(least, math.abs(row.delta)) end
      for _, row in ipairs((d:tree(1))) do shown[1] = row end
      if shown[1] then assert.is_true(math.abs(shown[1].delta) >= least) end
    end
  end)

  it("shows a deep change with what calls it, or not at all", function()
    local deep = {}
    for i = 1, 30 do deep[i] = "f" .. i end
    local path = table.concat(deep, ";")
    local d = assert(diff.of(profile(path .. " 100\nf1;g 900\n"),
      profile(path .. " 900\nf1;g 100\n", LATER)))
    assert.equal(0, #d:tree(0, { noise = 0.9 }))
    local rows = d:tree(0)
    assert.equal(31, #rows) -- f1 itself did not change
    assert.equal(0, rows[1].delta)
    assert.equal("f1", rows[1].name)
    assert.equal(5, #d:tree(5))
  end)

  it("of a profile with itself is empty", function()
    local a = profile "a;b 1\na;c 2\n"
    local rows, rest = assert(diff.of(a, a)):tree()
    assert.same({}, rows)
    assert.equal(3, rest.before_raw)
  end)
end)

describe("small changes of large values", function()
  it("are not lost where the sides have one scale", function()
    local huge = math.maxinteger // 4
    local d = assert(diff.of(profile(("a %d\nb 7\n"):format(huge)),
      profile(("a %d\nb 7\n"):format(huge + 1), LATER)))
    local rows = d:rows(0)
    assert.equal(1, #rows)
    assert.near(1 / 3600, rows[1].delta, 1e-15)
    assert.near(1 / 3600, d.delta, 1e-15)
  end)
end)

describe("files that do not say how long they took", function()
  it("are compared as sums, whichever was written first", function()
    local paths = { os.tmpname(), os.tmpname() }
    for i, path in ipairs(paths) do
      local file = assert(io.open(path, "w"))
      file:write(("main;a %d\n"):format(100 * i))
      file:close()
    end
    assert(os.execute(("touch -d '2020-01-01 00:00:00' '%s'"):format(paths[2])))
    local d = assert(diff.of(assert(pyroscope.load(paths[1])), assert(pyroscope.load(paths[2]))))
    assert.equal("sum", d.measure)
    assert.same({ 100, 200, 100 }, { d.before, d.after, d.delta })
    local sources = { assert(pyroscope.open(paths[1])), assert(pyroscope.open(paths[2])) }
    d = assert(diff.of(assert(sources[1]:profile {}), assert(sources[2]:profile {})))
    assert.equal("sum", d.measure)
    assert.same({ "a side has no window: sums are compared, not rates" }, d.warnings)
    assert.matches("200", (d:render("text", { n = 5 })))
    for _, path in ipairs(paths) do os.remove(path) end
  end)
end)
