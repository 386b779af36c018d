local core = require "pyroscope.core"
local trees = require "spec.support.trees"
local writer = require "spec.support.pprof_writer"

local function paths(map)
  local list = {}
  for path in pairs(map) do list[#list + 1] = path end
  table.sort(list)
  return list
end

local example = { { frames = { "main" }, value = 1 }, { frames = { "main", "alloc" }, value = 4 },
  { frames = { "main", "parse" }, value = 2 }, { frames = { "main", "parse", "lex" }, value = 3 },
  { frames = { "gc" }, value = 5 } }

describe("truncation", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("follows the server's rule: ties stay, what is cut becomes one leaf of its parent", function()
    local cut = trees.profile(example):truncate(2)
    assert.same({ [""] = "0 15", main = "1 10", ["main;other"] = "4 4", ["main;parse"] = "2 5",
      ["main;parse;other"] = "3 3", gc = "5 5" }, trees.of(cut))
    assert.same({ other = 7, other_share = 7 / 15, truncated = true }, cut:coverage())
    assert.equal(3, cut.functions)
    for seed = 1, 60 do
      local stacks = trees.stacks(seed, { top = seed % 3 == 0 and 2 or 1000000007 })
      local profile = trees.profile(stacks)
      for _, n in ipairs { 1, 2, 5, 17, 60, 1000 } do
        assert.same(trees.truncated(stacks, n), trees.of(profile:truncate(n)), "seed " .. seed)
      end
    end
  end)

  it("keeps the total, and every function's value is a lower bound", function()
    for seed = 1, 20 do
      local stacks = trees.stacks(seed)
      local profile, functions = trees.profile(stacks), trees.functions(stacks)
      for _, n in ipairs { 1, 4, 16 } do
        local cut = profile:truncate(n)
        assert.equal(profile.total, cut.total)
        local self = cut:coverage().other
        for _, row in ipairs(cut:top(0)) do
          assert.is_true(row.self <= functions[row.name].self)
          assert.is_true(row.total <= functions[row.name].total)
          self = self + row.self
        end
        assert.equal(cut.total, self)
      end
    end
  end)

  it("tells values apart that differ in one bit, up to the largest", function()
    local stacks = {}
    for bit = 0, 61 do stacks[bit + 1] = { frames = { "f" .. bit }, value = 1 << bit } end
    for n = 1, 61, 6 do
      local cut = trees.profile(stacks):truncate(n)
      assert.equal(n, cut.functions)
      assert.equal((1 << 62 - n) - 1, cut:coverage().other)
    end
  end)

  it("folds what is called 'other' already, and cuts nothing that is small enough", function()
    local profile = trees.profile { { frames = { "a", "other", "x" }, value = 8 },
      { frames = { "a", "b" }, value = 5 }, { frames = { "a", "c" }, value = 1 } }
    assert.same({ [""] = "0 14", a = "0 14", ["a;b"] = "5 5", ["a;other"] = "9 9" },
      trees.of(profile:truncate(4)))
    assert.same(trees.of(profile), trees.of(profile:truncate(5)))
    assert.equal(0, profile:truncate(5):coverage().other)
  end)

  it("cuts a recorded tree where the server cut it", function()
    local folder = "../shared/fixtures/wire/"
    if not io.open(folder .. "flamegraph-wide-40-v2/response.body") then
      pending "needs ../shared: recorded answers of a server"
      return
    end
    local answer = assert(core.decode_answer("SelectMergeStacktraces",
      trees.read(folder .. "flamegraph-wide-full-pb-v2/response.body")))
    local full = answer.flamegraph
    -- this server cuts twice, when merging and when rendering
    local ours = full:truncate(40):truncate(40)
    for _, case in ipairs { "flamegraph-wide-40-v2", "flamegraph-wide-40-dual" } do
      local theirs = assert(core.decode(trees.read(folder .. case .. "/response.body"), "json"))
      local mine, recorded = trees.of(ours), trees.of(theirs)
      assert.same(paths(recorded), paths(mine))
      -- a function really called "other" below r0 makes the server lose one of two values
      for path, values in pairs(recorded) do
        if path ~= "" and path ~= "r0" and path ~= "r0;other" then
          assert.equal(values, mine[path], path)
        end
      end
    end
    for _, case in ipairs { "flamegraph-maxnodes2-v2", "flamegraph-maxnodes2-dual" } do
      local theirs = assert(core.decode(trees.read(folder .. case .. "/response.body"), "json"))
      assert.same(trees.of(theirs), trees.of(trees.profile(example):truncate(2)))
    end
  end)
end)

describe("a scaled stock", function()
  it("has the rounded quotient at its root, and no node off by more than one", function()
    for seed = 1, 40 do
      local stacks = trees.stacks(seed, { top = 100 })
      local profile = trees.profile(stacks)
      for _, profiles in ipairs { 2, 3, 7, 100, 100000 } do
        profile:describe { kind = "stock", profiles = profiles }
        local scaled = profile:scaled()
        assert.equal(profile.total, scaled.total)
        assert.equal(scaled.sum, scaled.total)
        local got, left = trees.of(scaled), 0
        for path, values in pairs(trees.map(stacks)) do
          local self, total = values:match "(%d+) (%d+)"
          local own, all = (got[path] or "0 0"):match "(%d+) (%d+)"
          assert.is_true(math.abs(own - self / profiles) <= 1)
          assert.is_true(math.abs(all - total / profiles) <= 1)
          left = left + own
        end
        assert.equal(scaled.total, left)
      end
    end
  end)

  it("is the same in whatever order the stacks came", function()
    local stacks = trees.stacks(5, { top = 100 })
    local other = {}
    for i = #stacks, 1, -1 do other[#other + 1] = stacks[i] end
    local a, b = trees.profile(stacks), trees.profile(other)
    a:describe { kind = "stock", profiles = 7 }
    b:describe { kind = "stock", profiles = 7 }
    assert.same(trees.of(a:scaled()), trees.of(b:scaled()))
  end)

  it("is the profile itself where there is nothing to divide", function()
    local profile = trees.profile(example)
    assert.equal(profile, profile:scaled())
    profile:describe { kind = "stock", profiles = 3, sum = true }
    assert.equal(profile, profile:scaled())
  end)

  it("counts as one profile, so that it is not divided again", function()
    local profile = trees.profile(example)
    profile:describe { kind = "stock", profiles = 5, unit = "bytes" }
    local scaled = profile:scaled()
    assert.equal(1, scaled.profiles)
    assert.equal(5, profile.profiles)
    assert.equal("bytes", scaled.unit)
    assert.equal(6, core.merge { scaled, scaled }.sum)
  end)
end)

describe("a sum of profiles", function()
  it("has the stacks of all of them, in any order of adding", function()
    for seed = 1, 30 do
      local parts, all = {}, {}
      for i = 1, 1 + seed % 4 do
        local stacks = trees.stacks(seed * 10 + i)
        parts[i] = trees.profile(stacks)
        for _, stack in ipairs(stacks) do all[#all + 1] = stack end
      end
      local expected = trees.map(all)
      assert.same(expected, trees.of(core.merge(parts)))
      local first = table.remove(parts, 1)
      parts[#parts + 1] = first
      assert.same(expected, trees.of(core.merge(parts)))
      assert.same(expected, trees.of(core.merge { core.merge(parts) }))
    end
  end)

  it("is known by what its parts agree on; counts add up, windows unite", function()
    local a, b = trees.profile(example), trees.profile(example)
    a:describe { unit = "bytes", kind = "stock", profiles = 2, from_ms = 10, to_ms = 20,
      labels = { pod = "a", service_name = "s" }, warnings = { "one", "two" }, selector = "{}" }
    b:describe { unit = "bytes", kind = "stock", profiles = 3, from_ms = 5, to_ms = 15,
      labels = { pod = "b", service_name = "s" }, warnings = { "two" }, partial = true }
    local sum = core.merge { a, b }
    assert.same({ unit = "bytes", kind = "stock", profiles = 5, from_ms = 5, to_ms = 20,
      labels = { service_name = "s" }, warnings = { "one", "two" }, partial = true }, sum.meta)
    assert.equal(30, sum.sum)
    assert.equal(6, sum.total)
    b:describe { kind = "stock" }
    assert.is_nil(core.merge { a, b }.profiles)
  end)

  it("is refused for different units, and for values beyond 64 bits", function()
    local a, b = trees.profile(example), trees.profile(example)
    a:describe { unit = "bytes" }
    assert.is_truthy(core.merge { a, b })
    b:describe { unit = "nanoseconds" }
    local none, err = core.merge { a, b }
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    assert.equal("profiles in bytes and in nanoseconds have no sum", err.message)
    local large = assert(core.decode("a 9223372036854775807\n", "folded"))
    none, err = core.merge { large, trees.profile(example) }
    assert.is_nil(none)
    assert.equal("decode", err.kind)
    assert.has_error(function() core.merge {} end)
  end)
end)

describe("a difference of profiles", function()
  it("is nothing of the same, and the first of nothing", function()
    local a = trees.profile(trees.stacks(1))
    local nothing, clipped = core.subtract(a, a)
    assert.same({ [""] = "0 0" }, trees.of(nothing))
    assert.equal(0, clipped)
    local empty = assert(core.decode("", "tree"))
    assert.same(trees.of(a), trees.of(core.subtract(a, empty)))
    nothing, clipped = core.subtract(empty, a)
    assert.equal(0, nothing.total)
    assert.equal(a.total, clipped)
  end)

  it("takes away path by path; what would be negative is zero and counted", function()
    for seed = 1, 30 do
      local first, second = trees.stacks(seed, { names = 4 }), trees.stacks(-seed, { names = 4 })
      local left, clipped = {}, 0
      local function add(list, sign)
        for _, stack in ipairs(list) do
          local key = table.concat(stack.frames, ";")
          left[key] = left[key] or { frames = stack.frames, value = 0 }
          left[key].value = left[key].value + sign * stack.value
        end
      end
      add(first, 1)
      add(second, -1)
      local list = {}
      for _, stack in pairs(left) do
        if stack.value > 0 then list[#list + 1] = stack else clipped = clipped - stack.value end
      end
      local result, lost = core.subtract(trees.profile(first), trees.profile(second))
      assert.same(trees.map(list), trees.of(result))
      assert.equal(clipped, lost)
    end
  end)

  it("of stocks is one of means, however many profiles each has", function()
    local a, b = trees.profile { { frames = { "x" }, value = 40 } },
      trees.profile { { frames = { "x" }, value = 90 } }
    a:describe { kind = "stock", profiles = 2 }
    b:describe { kind = "stock", profiles = 10 }
    assert.equal(11, core.subtract(a, b).total)
  end)
end)

describe("another shape", function()
  it("merges stacks from the leaves, twice gives them back", function()
    for seed = 1, 30 do
      local stacks = trees.stacks(seed)
      local turned = {}
      for i, stack in ipairs(stacks) do
        local frames = {}
        for k = #stack.frames, 1, -1 do frames[#frames + 1] = stack.frames[k] end
        turned[i] = { frames = frames, value = stack.value }
      end
      local profile = trees.profile(stacks)
      assert.same(trees.map(turned), trees.of(profile:invert()))
      assert.same(trees.of(profile), trees.of(profile:invert():invert()))
    end
  end)

  it("keeps truncated stacks apart when merging from the leaves", function()
    local cut = trees.profile(example):truncate(2):invert()
    assert.same({ [""] = "0 15", other = "7 7", main = "1 1", parse = "0 2",
      ["parse;main"] = "2 2", gc = "5 5" }, trees.of(cut))
    assert.equal(7, cut:coverage().other)
  end)

  it("has files or packages in place of functions", function()
    local profile = assert(core.decode(writer.pprof { types = { { "cpu", "nanoseconds" } },
      samples = { { stack = { { "net/http.read", "/go/http/a.go", 2 },
        { "net/http.serve", "/go/http/b.go", 3 }, { "main.main", "/m.go", 1 } }, values = { 5 } },
        { stack = { { "malloc" } }, values = { 2 } } } }, "pprof", { granularity = "line" }))
    assert.same({ [""] = "0 7", ["main"] = "0 5", ["main;net/http"] = "0 5",
      ["main;net/http;net/http"] = "5 5", ["<none>"] = "2 2" },
      trees.of(profile:regroup "package"))
    local files = profile:regroup "file"
    assert.same({ [""] = "0 7", ["/m.go"] = "0 5", ["/m.go;/go/http/b.go"] = "0 5",
      ["/m.go;/go/http/b.go;/go/http/a.go"] = "5 5", ["<unknown>"] = "2 2" }, trees.of(files))
    assert.equal("file", files.granularity)
    assert.equal("line", profile.granularity)
    assert.equal("/go/http/a.go", files:top(1)[1].file)
  end)

  it("puts the lines of a function together", function()
    local samples = {
      { stack = { { "f", "a.go", 1 }, { "g", "a.go", 7 } }, values = { 1 } },
      { stack = { { "f", "a.go", 2 }, { "g", "a.go", 7 } }, values = { 4 } },
      { stack = { { "f", "a.go", 2 }, { "g", "a.go", 8 } }, values = { 2 } } }
    local bytes = writer.pprof { types = { { "cpu", "ns" } }, samples = samples }
    local lines = assert(core.decode(bytes, "pprof", { granularity = "line" }))
    local functions = assert(core.decode(bytes, "pprof"))
    assert.equal(6, #lines)
    assert.same(trees.of(functions), trees.of(lines:regroup "function"))
    for _, profile in ipairs { functions, lines, (lines:regroup "function") } do
      local row = profile:top(1)[1]
      assert.same({ "f", "a.go", 2, 7 }, { row.name, row.file, row.line, row.self })
    end
  end)

  it("is refused where it would take for ever", function()
    -- a chain in which every node has a value: its stacks together have n^2 / 2 frames
    local bytes = { "\0\0\1" }
    for i = 1, 40000 do bytes[i + 1] = i < 40000 and "\1f\1\1" or "\1f\1\0" end
    local chain = assert(core.decode(table.concat(bytes), "tree"))
    assert.equal(40000, chain.total)
    local none, err = chain:invert()
    assert.is_nil(none)
    assert.equal("limit", err.kind)
  end)
end)
