local core = require "pyroscope.core"
local trees = require "spec.support.trees"

local function walked(alignment)
  local map, path = {}, {}
  for depth, name, before, after, before_total, after_total in alignment:walk() do
    path[depth] = name
    local key = depth == 0 and "" or table.concat(path, ";", 1, depth)
    assert.is_nil(map[key])
    map[key] = { before, after, before_total, after_total }
  end
  return map
end

local function sides(map, path)
  local self, total = (map[path] or "0 0"):match "^(%d+) (%d+)$"
  return math.tointeger(tonumber(self)), math.tointeger(tonumber(total))
end

describe("an alignment", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("has every path of both sides with the values of each", function()
    for seed = 1, 40 do
      local first, second = trees.stacks(seed), trees.stacks(seed + 1000)
      local before, after = trees.map(first), trees.map(second)
      local alignment = assert(core.align(trees.profile(first), trees.profile(second)))
      local got = walked(alignment)
      for path in pairs(before) do assert.is_truthy(got[path], path) end
      for path in pairs(after) do assert.is_truthy(got[path], path) end
      for path, values in pairs(got) do
        assert.is_truthy(before[path] or after[path])
        local a, at = sides(before, path)
        local b, bt = sides(after, path)
        assert.same({ a, b, at, bt }, values)
      end
      assert.same({ got[""][3], got[""][4] }, { alignment.before, alignment.after })
    end
  end)

  it("of a profile with itself has no change, and turned round it is turned round", function()
    for seed = 1, 20 do
      local a, b = trees.profile(trees.stacks(seed)), trees.profile(trees.stacks(seed + 1))
      for _, row in ipairs(core.align(a, a):rows(0)) do
        assert.equal(row.before, row.after)
        assert.equal(row.before_total, row.after_total)
      end
      local there, back = core.align(a, b):rows(0), core.align(b, a):rows(0)
      assert.equal(#there, #back)
      for i, row in ipairs(there) do
        assert.same({ row.name, row.before, row.after, row.before_total, row.after_total },
          { back[i].name, back[i].after, back[i].before, back[i].after_total,
            back[i].before_total })
      end
    end
  end)

  it("ranks functions by their change, and says what its rows leave out", function()
    for seed = 1, 40 do
      local first, second = trees.stacks(seed), trees.stacks(seed + 1000)
      local before, after = trees.functions(first), trees.functions(second)
      local alignment = core.align(trees.profile(first), trees.profile(second))
      for _, by in ipairs { "self", "total" } do
        for _, factors in ipairs { { 1, 1 }, { 2, 0.5 }, { 0, 1 } } do
          local expected = {}
          local function side(list, name) return list[name] or { self = 0, total = 0 } end
          for _, list in ipairs { before, after } do
            for name in pairs(list) do
              local a, b = side(before, name), side(after, name)
              expected[name] = { name = name, before = a.self, after = b.self,
                before_total = a.total, after_total = b.total,
                size = math.abs(b[by] * factors[2] - a[by] * factors[1]) }
            end
          end
          local sorted = trees.sorted(expected, "size")
          for _, n in ipairs { 0, 1, 5 } do
            local rows, rest = alignment:rows(n, { by = by, factors = factors })
            assert.equal(n == 0 and #sorted or n, #rows)
            local left, right = rest.before, rest.after
            for i, row in ipairs(rows) do
              sorted[i].size = nil
              assert.same(sorted[i], row)
              left, right = left + row.before, right + row.after
            end
            assert.equal(alignment.before, left)
            assert.equal(alignment.after, right)
            assert.equal(#sorted, #rows + rest.functions)
          end
        end
      end
    end
  end)

  it("keeps truncated stacks out of its rows", function()
    local whole = trees.profile { { frames = { "a" }, value = 5 }, { frames = { "b" }, value = 3 },
      { frames = { "b", "c" }, value = 1 } }
    local cut = whole:truncate(1)
    local alignment = core.align(whole, cut)
    assert.equal(0, alignment.before_other)
    assert.equal(4, alignment.after_other)
    local names = {}
    for _, row in ipairs(alignment:rows(0)) do names[row.name] = row.after - row.before end
    assert.same({ a = 0, b = -3, c = -1 }, names)
  end)

  it("is exact where doubles are not", function()
    local a = assert(core.decode("f 9007199254740993\ng 9007199254740993\n", "folded"))
    local b = assert(core.decode("f 9007199254740994\ng 9007199254740993\n", "folded"))
    local rows = core.align(a, b):rows(1)
    assert.equal("f", rows[1].name)
    assert.equal(9007199254740993, rows[1].before)
    assert.equal(9007199254740994, rows[1].after)
  end)

  it("groups by package, and refuses options that it does not know", function()
    local a = trees.profile { { frames = { "net/http.a", "net/http.b" }, value = 2 } }
    local b = trees.profile { { frames = { "net/http.c" }, value = 5 },
      { frames = { "main.m" }, value = 1 } }
    assert.same({ { name = "net/http", before = 2, after = 5, before_total = 2, after_total = 5 },
      { name = "main", before = 0, after = 1, before_total = 0, after_total = 1 } },
      (core.align(a, b):rows(0, { group = "package" })))
    assert.has_error(function() core.align(a, b):rows(0, { factor = {} }) end)
  end)

  it("outlives its profiles, and raises once it is closed", function()
    local a = trees.profile(trees.stacks(1))
    local alignment = core.align(a, a)
    a:close()
    assert.is_true(alignment.before > 0)
    local count = 0
    for _ in alignment:walk() do count = count + 1 end
    assert.equal(#alignment, count)
    assert.has_error(function() core.align(a, a) end, "profile is closed")
    alignment:close()
    alignment:close()
    assert.equal("alignment (closed)", tostring(alignment))
    assert.has_error(function() return alignment.before end, "alignment is closed")
    assert.has_error(function() alignment:rows(1) end, "alignment is closed")
  end)

  it("may be a million calls deep", function()
    local path = ("a;b;"):rep(500000)
    local a = assert(core.decode(path .. "c 3\n", "folded"))
    local b = assert(core.decode(path .. "d 4\n", "folded"))
    local rows, rest = core.align(a, b):rows(0, { by = "total" })
    assert.same({ "d", "c", "a", "b" }, { rows[1].name, rows[2].name, rows[3].name, rows[4].name })
    assert.same({ 3, 4 }, { rows[3].before_total, rows[3].after_total })
    assert.equal(0, rest.functions)
  end)

  it("is read from a recorded answer of Diff", function()
    local path = "../shared/fixtures/wire/diff-small-v2/response.body"
    local file = io.open(path, "rb")
    if not file then
      pending "needs ../shared: a recorded answer of Diff"
      return
    end
    local alignment = assert(core.decode_diff(file:read "a", "json"))
    file:close()
    local left, right = 0, 0
    for _, row in ipairs(alignment:rows(0)) do
      left, right = left + row.before, right + row.after
    end
    assert.equal(alignment.before, left + alignment.before_other)
    assert.equal(alignment.after, right + alignment.after_other)
  end)
end)
