local core = require "pyroscope.core"
local trees = require "spec.support.trees"
local writer = require "spec.support.pprof_writer"

local sample = "examples/data/cpu-hotspot/cpu/checkout-0/0001.pb.gz"

local function near(expected, actual)
  assert.is_true(math.abs(expected - actual) < 1e-12, expected .. " is not " .. actual)
end

local function compare(rows, expected, by, what)
  assert.equal(#expected, #rows, what)
  for i, row in ipairs(rows) do
    local wanted = expected[i]
    assert.equal(("%s %d %d"):format(wanted.name, wanted.self, wanted.total),
      ("%s %d %d"):format(row.name, row.self, row.total), what .. " by " .. by .. " row " .. i)
  end
end

describe("a profile", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("has the same functions, selfs and totals as its stacks, recursion counted once", function()
    for seed = 1, 60 do
      local stacks = trees.stacks(seed)
      local profile = trees.profile(stacks)
      local functions = trees.functions(stacks)
      for _, by in ipairs { "self", "total" } do
        local expected = trees.sorted(functions, by)
        compare(profile:top(0, { by = by }), expected, by, "seed " .. seed)
        for n = 1, #expected, 4 do
          compare(profile:top(n, { by = by }), table.move(expected, 1, n, 1, {}), by,
            "seed " .. seed .. " n " .. n)
        end
      end
      assert.equal(#trees.sorted(functions, "self"), profile.functions)
    end
  end)

  it("ranks thousands of functions as it ranks twenty", function()
    local stacks = trees.stacks(4, { names = 3000, stacks = 5000, depth = 4, top = 5 })
    local profile = trees.profile(stacks)
    local expected = trees.sorted(trees.functions(stacks), "self")
    compare(profile:top(0), expected, "self", "all")
    compare(profile:top(500), table.move(expected, 1, 500, 1, {}), "self", "500")
    compare(profile:top(), table.move(expected, 1, 20, 1, {}), "self", "20")
  end)

  it("breaks ties by the bytes of the names", function()
    local profile = trees.profile {
      { frames = { "b" }, value = 1 }, { frames = { "a" }, value = 1 },
      { frames = { "B" }, value = 1 }, { frames = { "aa" }, value = 1 },
      { frames = { "\u{e9}" }, value = 1 } }
    local names = {}
    for i, row in ipairs(profile:top(0)) do names[i] = row.name end
    assert.same({ "B", "a", "aa", "b", "\u{e9}" }, names)
  end)

  it("says what its rows leave out, so that shares add up to one (GCX-15)", function()
    local stacks = trees.stacks(9)
    stacks[#stacks + 1] = { frames = { "f1", "other" }, value = 7, cut = true }
    stacks[#stacks + 1] = { frames = { "other" }, value = 4, cut = true }
    local bytes = trees.profile(stacks):render "tree"
    -- the self of the root: samples without a stack
    bytes = bytes:gsub("^\0\0", "\0\5")
    local profile = assert(core.decode(bytes, "tree"))
    for n = 0, 14 do
      local rows, coverage = profile:top(n)
      local shown = 0
      for _, row in ipairs(rows) do
        assert.not_equal("other", row.name)
        shown = shown + row.self_share
      end
      near(shown, coverage.shown)
      near(1, coverage.shown + coverage.rest + coverage.other + coverage.empty)
      near(11 / profile.total, coverage.other)
      near(5 / profile.total, coverage.empty)
    end
    assert.same({ other = 11, other_share = 11 / profile.total, truncated = true },
      profile:coverage())
  end)

  it("has shares of zero, not NaN, when it is empty", function()
    local profile = assert(core.decode("", "tree"))
    local rows, coverage = profile:top()
    assert.same({}, rows)
    assert.same({ shown = 0.0, rest = 0.0, other = 0.0, functions = 0 }, coverage)
    assert.equal(0, profile.total)
    assert.equal(1, #profile)
    assert.equal(0, profile.functions)
    assert.same({}, profile:stacks())
    assert.same({ other = 0, other_share = 0.0, truncated = false }, profile:coverage())
  end)

  it("knows who calls a function and whom it calls, an edge once per stack", function()
    for seed = 1, 40 do
      local stacks = trees.stacks(seed, { names = 5 })
      local profile, functions = trees.profile(stacks), trees.functions(stacks)
      for name, row in pairs(functions) do
        for _, way in ipairs { "callers", "callees" } do
          local rows, of = profile[way](profile, name)
          local expected, before = trees.edges(stacks, name, way == "callers"), math.huge
          assert.equal(row.self, of.self)
          assert.equal(row.total, of.total)
          for _, edge in ipairs(rows) do
            assert.equal(edge.name == "", edge.root == true)
            assert.equal(expected[edge.name], edge.value, way .. " of " .. name)
            near(edge.value / row.total, edge.share)
            assert.is_true(edge.value <= before)
            expected[edge.name], before = nil, edge.value
          end
          assert.is_nil(next(expected))
        end
      end
    end
  end)

  it("has no callers for a function that it does not have", function()
    local rows, of = trees.profile(trees.stacks(1)):callers "nobody"
    assert.same({}, rows)
    assert.is_nil(of)
  end)

  it("keeps truncated stacks out of callees and says their value", function()
    local profile = trees.profile { { frames = { "a", "b" }, value = 9 },
      { frames = { "a", "c" }, value = 2 }, { frames = { "a", "d" }, value = 1 } }:truncate(2)
    local rows, of = profile:callees "a"
    assert.equal(1, #rows)
    assert.equal("b", rows[1].name)
    assert.equal(3, of.other)
    assert.equal(of.total, of.self + rows[1].value + of.other)
  end)

  it("finds functions by name, file or binary", function()
    local profile = assert(core.decode(trees.read(sample)))
    local names = {}
    for i, row in ipairs(assert(profile:find "scoreDoc$")) do names[i] = row.name end
    assert.same({ "shop.example/checkout/catalog.(*Index).scoreDoc" }, names)
    local before = math.huge
    local rows = assert(profile:find "catalog/score\\.go$")
    assert.is_true(#rows > 1)
    for _, row in ipairs(rows) do
      assert.equal("shop.example/checkout/catalog/score.go", row.file)
      assert.is_true(row.total <= before)
      before = row.total
    end
    local found, err = profile:find "a(?=b)"
    assert.is_nil(found)
    assert.equal("usage", err.kind)
    assert.matches("\n ^", err.hint, 1, true)
  end)

  it("lists the heaviest whole stacks, by value and then by path", function()
    for seed = 1, 20 do
      local stacks = trees.stacks(seed, { names = 6, top = 4 })
      table.sort(stacks, function(a, b)
        if a.value ~= b.value then return a.value > b.value end
        for i = 1, math.max(#a.frames, #b.frames) do
          local x, y = a.frames[i] or "", b.frames[i] or ""
          if x ~= y then return x < y end
        end
        return false
      end)
      for _, n in ipairs { 0, 1, 7 } do
        local rows = trees.profile(stacks):stacks(n)
        assert.equal(n == 0 and #stacks or math.min(n, #stacks), #rows)
        for i, row in ipairs(rows) do
          assert.equal(stacks[i].value, row.value)
          assert.same(stacks[i].frames, row.frames)
        end
      end
    end
  end)

  it("groups rows by file, package and line", function()
    local bytes = writer.pprof { types = { { "cpu", "nanoseconds" } }, samples = {
      { stack = { { "net/http.(*conn).serve", "net/http/server.go", 20 },
        { "main.main", "/src/main.go", 5 } }, values = { 4 } },
      { stack = { { "net/http.(*conn).serve", "net/http/server.go", 21 },
        { "main.main", "/src/main.go", 5 } }, values = { 3 } },
      { stack = { { "read", "", 0 }, { "main.run", "/src/main.go", 9 } }, values = { 2 } } } }
    local profile = assert(core.decode(bytes, "pprof", { granularity = "line" }))
    local function shown(group)
      local lines = {}
      for i, row in ipairs(profile:top(0, { group = group })) do
        lines[i] = ("%s %s:%s %d %d"):format(row.name, row.file, row.line, row.self, row.total)
      end
      return lines
    end
    assert.same({ "net/http.(*conn).serve net/http/server.go:20 7 7", "read nil:nil 2 2",
      "main.main /src/main.go:5 0 7", "main.run /src/main.go:9 0 2" }, shown "function")
    assert.same({ "net/http.(*conn).serve net/http/server.go:20 4 4",
      "net/http.(*conn).serve net/http/server.go:21 3 3", "read nil:nil 2 2",
      "main.main /src/main.go:5 0 7", "main.run /src/main.go:9 0 2" }, shown "line")
    assert.same({ "net/http/server.go net/http/server.go:nil 7 7", "<unknown> nil:nil 2 2",
      "/src/main.go /src/main.go:nil 0 9" }, shown "file")
    assert.same({ "net/http nil:nil 7 7", "<none> nil:nil 2 2", "main nil:nil 0 9" },
      shown "package")
  end)

  it("knows the package of a function from its name", function()
    for name, package in pairs {
      ["net/http.(*conn).serve"] = "net/http", ["main.main.func1"] = "main",
      ["main.(*T[github.com/x/y.Z]).M"] = "main", ["time.Time.Sub"] = "time",
      ["encoding/json.appendString[go.shape.string]"] = "encoding/json",
      ["gopkg.in/yaml%2ev3.Unmarshal"] = "gopkg.in/yaml%2ev3",
      ["github.com/Azure/sdk/core.(*X).Y"] = "github.com/Azure/sdk/core",
      ["com.acme.Foo.bar"] = "com.acme", ["java/lang/Thread.run"] = "java/lang",
      ["java.util.Timer$Task.run"] = "java.util", ["os.path.join"] = "os.path",
      ["System.Text.Json.Reader.Read"] = "System.Text.Json",
      ["System.Threading!Thread.Start"] = "System.Threading",
      ["std::vector<int, std::allocator<int> >::push_back(int const&)"] = "std",
      ["void a::b<int>(int)"] = "a", ["v8::internal::Heap::Collect"] = "v8::internal",
      ["(anonymous namespace)::x::f()"] = "x",
      ["<alloc::vec::Vec<T> as core::ops::Drop>::drop"] = "alloc::vec",
      ["tokio::runtime::task::Harness<T,S>::poll"] = "tokio::runtime::task",
      ["app/server.py:handle"] = "app/server.py", ["/usr/lib/threading.py:run - 12"]
        = "/usr/lib/threading.py", ["libc.so.6`read"] = "libc.so.6", ["[vdso]"] = "vdso",
      ["malloc"] = "<none>", ["operator!="] = "<none>", [""] = "<none>", ["."] = "<none>",
      ["::"] = "<none>", ["("] = "<none>", ["/"] = "<none>", ["\xff.\xff"] = "\xff" } do
      local profile = assert(core.decode(writer.pprof { types = { { "cpu", "ns" } },
        samples = { { stack = { name }, values = { 1 } } } }))
      assert.equal(package, profile:top(1, { group = "package" })[1].name, name)
    end
  end)

  it("takes the package from the place where the name has none", function()
    for _, case in ipairs { { "quote", "lib/quote.js", "lib/quote.js" },
      { "tick", "/app/src/tick.c", "/app/src" }, { "post", "node:inspector", "node:inspector" } } do
      local profile = assert(core.decode(writer.pprof { types = { { "cpu", "ns" } },
        samples = { { stack = { { case[1], case[2], 3 } }, values = { 1 } } } }))
      assert.equal(case[3], profile:top(1, { group = "package" })[1].name)
    end
  end)

  it("lists the lines of a file, recursion counted once", function()
    local bytes = writer.pprof { types = { { "cpu", "nanoseconds" } }, samples = {
      { stack = { { "f", "a.go", 3 }, { "f", "a.go", 2 }, { "f", "a.go", 3 } }, values = { 5 } },
      { stack = { { "g", "a.go", 3 }, { "f", "a.go", 2 } }, values = { 2 } },
      { stack = { { "h", "b.go", 1 } }, values = { 1 } } } }
    local profile = assert(core.decode(bytes, nil, { granularity = "line" }))
    assert.same({ { line = 2, name = "f", self = 0, total = 7 },
      { line = 3, name = "f", self = 5, total = 5 },
      { line = 3, name = "g", self = 2, total = 2 } }, profile:lines "a.go")
    assert.same({ { line = 3, name = "g", self = 2, total = 2 } },
      profile:lines("a.go", { name = "g" }))
    assert.same({}, profile:lines "c.go")
    local files = profile:files()
    table.sort(files)
    assert.same({ "a.go", "b.go" }, files)
  end)

  it("says so when it has no lines", function()
    local profile = trees.profile(trees.stacks(1))
    for _, ask in ipairs {
      function() return profile:lines "a.go" end,
      function() return profile:regroup "line" end,
      function() return profile:top(5, { group = "line" }) end } do
      local answer, err = ask()
      assert.is_nil(answer)
      assert.equal("unsupported", err.kind)
    end
  end)

  it("is walked depth first in the order of names, with 'other' last (PER-18)", function()
    local profile = trees.profile { { frames = { "b", "z" }, value = 1 },
      { frames = { "b", "other" }, value = 2 }, { frames = { "a" }, value = 3 },
      { frames = { "b", "y" }, value = 4 }, { frames = { "other" }, value = 5 },
      { frames = { "p" }, value = 6 } }
    local lines = {}
    for depth, name, self, total in profile:walk() do
      lines[#lines + 1] = ("%d %s %d %d"):format(depth, name, self, total)
    end
    assert.same({ "0 total 0 21", "1 a 3 3", "1 b 0 7", "2 y 4 4", "2 z 1 1", "2 other 2 2",
      "1 p 6 6", "1 other 5 5" }, lines)
  end)

  it("may be left in the middle of a walk, but not closed", function()
    local profile = trees.profile(trees.stacks(3))
    for depth in profile:walk() do
      if depth == 2 then break end
    end
    assert.has_error(function()
      for _ in profile:walk() do profile:close() end
    end, "profile is closed")
  end)

  it("divides a stock by the number of its profiles, rounded once, and keeps the shares", function()
    local profile = trees.profile { { frames = { "a" }, value = 7 }, { frames = { "b" }, value = 2 },
      { frames = { "b", "c" }, value = 5 } }
    assert.equal(profile, profile:describe { kind = "stock", profiles = 4, unit = "bytes" })
    assert.equal(14, profile.sum)
    assert.equal(4, profile.total) -- 3.5 is rounded away from zero
    local rows = profile:top(0)
    assert.same({ 2, 1, 1 }, { rows[1].self, rows[2].self, rows[3].self })
    near(0.5, rows[1].self_share)
    assert.equal(2, profile:stacks(1)[1].value)
    assert.equal(4, profile.profiles)
    assert.equal("bytes", profile.unit)
    profile:describe { kind = "stock", profiles = 4, sum = true }
    assert.equal(14, profile.total)
    profile:describe { kind = "flow", profiles = 4 }
    assert.equal(14, profile.total)
    profile:describe { kind = "stock" }
    assert.equal(14, profile.total)
  end)

  it("prints what it is and its largest functions, and nothing a terminal would obey", function()
    local profile = trees.profile { { frames = { "a", "b" }, value = 3000000000 },
      { frames = { "\27[31mred" }, value = 1000000000 } }
    profile:describe { profile_type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
      unit = "nanoseconds" }
    assert.equal("profile process_cpu:cpu:nanoseconds:cpu:nanoseconds, total 4.00 s, 3 functions\n"
      .. "   75.0%  b\n   25.0%  ?[31mred\n    0.0%  a", tostring(profile))
    profile:close()
    assert.equal("profile (closed)", tostring(profile))
  end)

  it("raises after close, and closes twice without harm", function()
    local profile = trees.profile(trees.stacks(2))
    do
      local closing <close> = profile
      assert.is_true(closing.total > 0)
    end
    profile:close()
    for _, use in ipairs {
      function() return profile.total end, function() return #profile end,
      function() return profile:top() end, function() return profile:walk() end,
      function() return profile:render "json" end, function() return profile:focus "a" end,
      function() return core.merge { profile } end } do
      assert.has_error(use, "profile is closed")
    end
  end)

  it("refuses options that it does not know", function()
    local profile = trees.profile(trees.stacks(2))
    assert.has_error(function() profile:top(5, { bye = "self" }) end,
      "unknown option 'bye' (known: by, group)")
    assert.has_error(function() profile:top(5, { by = "size" }) end)
    assert.has_error(function() profile:top(-1) end)
    assert.has_error(function() profile:truncate(0) end)
    assert.has_error(function() core.decode("a 1\n", "folded", { max = 1 }) end)
  end)

  it("may be a million calls deep", function()
    local deep = "deep"
    local line = ("a;b;"):rep(500000) .. "c"
    local profile = assert(core.decode(line .. " 3\n" .. "a;b 2\n" .. deep .. " 1\n", "folded"))
    assert.equal(1000002, profile.levels)
    local rows = profile:top(0, { by = "total" })
    assert.same({ "a", "b", "c", "deep" },
      { rows[1].name, rows[2].name, rows[3].name, rows[4].name })
    assert.equal(5, rows[1].total)
    assert.equal(5, profile:callers "b"[1].value)
    assert.equal(1000001, #profile:stacks(1)[1].frames)
    local count = 0
    for _ in profile:walk() do count = count + 1 end
    assert.equal(#profile, count)
    assert.equal(6, profile:hide "^b$".total)
    assert.equal(6, profile:truncate(10).total)
    assert.equal(3, profile:focus "c".total)
    assert.equal(6, profile:invert().total)
    local again = assert(core.decode(profile:render "tree", "tree"))
    assert.equal(#profile, #again)
    assert.equal(12, core.merge { profile, again }.total)
    profile:close()
    again:close()
  end)
end)
