-- What holds for every profile: random trees with fixed seeds, with recursion, large values, empty
-- and hostile names.

local core = require "pyroscope.core"
local pyroscope = require "pyroscope"

local NAMES = { "main.main", "a", "b;c", "pkg/x.(*T).M", "other", "", "日本", "\xff\xfe", "tab\tx",
  ("long"):rep(300), "a.b.c", "runtime.mallocgc", "<x>", "q\"uote" }

local function random_of(seed)
  local state = seed * 2654435761 & 0xffffffff
  return function(n)
    state = state * 1664525 + 1013904223 & 0xffffffff
    return (state >> 8) % n
  end
end

-- A tree as stacks: no name is changed by the way it comes in.
local function stacks_of(seed, plain)
  local random = random_of(seed)
  local list = {}
  for i = 1, 5 + random(60) do
    local frames = {}
    for k = 1, 1 + random(12) do
      frames[k] = plain and "f" .. random(15) or NAMES[1 + random(#NAMES)]
    end
    list[i] = { frames = frames, value = 1 + random(20) == 20 and 1 << 50 or 1 + random(1000) }
  end
  return list
end

local trees = require "spec.support.trees"

local function profile_of(seed, plain) return trees.profile(stacks_of(seed, plain)) end

local function nodes(profile)
  local list = {}
  for depth, name, self, total in profile:walk() do
    list[#list + 1] = ("%d\1%s\1%d\1%d"):format(depth, name, self, total)
  end
  return table.concat(list, "\n")
end

local SEEDS = 40

local function each(f, plain)
  for seed = 1, SEEDS do f(profile_of(seed, plain), seed) end
end

describe("every profile", function()
  it("has a total that is the sum of what its nodes hold themselves", function()
    each(function(profile)
      local sum = 0
      for _, _, own in profile:walk() do sum = sum + own end
      assert.equal(profile.sum, sum)
      local rows, coverage = profile:top(0)
      local selfs = 0
      for _, row in ipairs(rows) do selfs = selfs + row.self end
      assert.equal(profile.sum, selfs + math.floor((coverage.other + (coverage.empty or 0)) * profile.sum
        + 0.5))
    end)
  end)

  it("is read back as the same tree, from every format that can hold its names", function()
    each(function(profile)
      for _, format in ipairs { "pprof", "speedscope", "json", "tree", "flamegraph" } do
        local bytes = assert(profile:render(format))
        local again = assert(core.decode(bytes, format))
        assert.equal(profile.sum, again.sum, format)
        assert.equal(bytes, assert(again:render(format)), format)
      end
    end)
    each(function(profile)
      for _, format in ipairs { "pprof", "folded", "speedscope", "json", "tree", "flamegraph" } do
        assert.equal(nodes(profile), nodes(assert(core.decode(assert(profile:render(format)),
          format))), format)
      end
    end, true)
  end)

  it("keeps its total under every change that only rearranges", function()
    each(function(profile)
      local n = 1 + #profile // 3
      for name, changed in pairs { truncate = profile:truncate(n), invert = profile:invert(),
        file = profile:regroup "file", package = profile:regroup "package",
        hide = assert(profile:hide "^nobody$"), merge = core.merge { profile } } do
        assert.equal(profile.sum, changed.sum, name)
      end
    end, true)
  end)

  it("is split by focus and ignore into two parts that make it up", function()
    each(function(profile)
      for _, pattern in ipairs { "f1", "^f2$", "f[3-7]", "nothing at all", "." } do
        assert.equal(profile.sum, assert(profile:focus(pattern)).sum
          + assert(profile:ignore(pattern)).sum, pattern)
      end
    end, true) -- a sample without a frame is in neither, as in pprof
  end)

  it("is merged the same in any order and grouping, and subtracted back", function()
    for seed = 1, SEEDS, 3 do
      local a, b, c = profile_of(seed), profile_of(seed + 1), profile_of(seed + 2)
      local abc = core.merge { a, b, c }
      assert.equal(nodes(abc), nodes(core.merge { c, a, b }))
      assert.equal(nodes(abc), nodes(core.merge { core.merge { a, b }, c }))
      assert.equal(a.sum + b.sum + c.sum, abc.sum)
      local back, clipped = core.subtract(abc, core.merge { b, c })
      assert.equal(a.sum, back.sum)
      assert.equal(0, clipped)
    end
  end)
end)

describe("every comparison", function()
  local function pairs_of(f, plain)
    for seed = 1, SEEDS, 2 do
      local a, b = profile_of(seed, plain), profile_of(seed + 1, plain)
      if seed % 4 == 1 then a, b = a:truncate(6), b:truncate(9) end
      f(a, b)
    end
  end

  it("of a profile with itself is empty", function()
    each(function(profile)
      for _, mode in ipairs { "rate", "share" } do
        local diff = assert(pyroscope.diff(profile, profile, { mode = mode }))
        assert.same({}, (diff:rows(0)))
        assert.equal(0, diff.delta)
      end
    end)
  end)

  it("adds up: rows and rest are the whole change, whatever is shown", function()
    pairs_of(function(a, b)
      local diff = assert(pyroscope.diff(a, b))
      for _, n in ipairs { 0, 1, 3, 1000 } do
        for _, group in ipairs { "function", "package", "file" } do
          local rows, rest = diff:rows(n, { group = group })
          local before, after, delta = rest.before_raw, rest.after_raw, rest.delta
          for _, row in ipairs(rows) do
            before, after = before + row.before_raw, after + row.after_raw
            delta = delta + row.delta
          end
          assert.equal(a.sum, before)
          assert.equal(b.sum, after)
          assert.near(diff.delta, delta, math.abs(diff.delta) * 1e-9 + 1e-6)
        end
      end
    end)
  end)

  it("changes its sign when the sides are swapped", function()
    pairs_of(function(a, b)
      local there, back = {}, {}
      for _, row in ipairs((assert(pyroscope.diff(a, b)):rows(0))) do there[row.name] = row.delta end
      for _, row in ipairs((assert(pyroscope.diff(b, a)):rows(0))) do back[row.name] = -row.delta end
      assert.same(there, back)
    end)
  end)

  it("is the same after its JSON is read back, and in two columns of folded text", function()
    pairs_of(function(a, b)
      local diff = assert(pyroscope.diff(a, b))
      local text = assert(diff:render "json")
      local graph = text:match '^{"flamegraph":(.*)}$'
      local again = assert(core.decode_diff(graph, "json"))
      assert.equal(a.sum, again.before)
      assert.equal(b.sum, again.after)
      local before, after = 0, 0
      for x, y in assert(diff:render "folded"):gmatch " (%d+) (%d+)\n" do
        before, after = before + math.tointeger(tonumber(x)), after + math.tointeger(tonumber(y))
      end
      assert.equal(a.sum, before)
      assert.equal(b.sum, after)
    end, true)
  end)

  it("as pprof is B minus A, as pprof itself computes it", function()
    local a, b = profile_of(3, true), profile_of(4, true)
    local diff = assert(pyroscope.diff(a, b))
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    assert(a:save(folder .. "/a.pb.gz"))
    assert(b:save(folder .. "/b.pb.gz"))
    assert(diff:save(folder .. "/d.pb.gz"))
    local pprof = require "spec.support.pprof_tool".find()
    if not pprof then
      os.execute("rm -r " .. folder)
      pending "needs google/pprof"
    end
    local function top(words)
      local pipe = assert(io.popen(pprof .. " -top -unit=count -nodefraction=0 " .. words
        .. " 2>/dev/null | sed -n '/flat%/,$p' | awk 'NR>1{print $1, $NF}' | sort"))
      local text = pipe:read "a"
      pipe:close()
      return text
    end
    local ours = top(folder .. "/d.pb.gz")
    assert.equal(top(("-base %s/a.pb.gz %s/b.pb.gz"):format(folder, folder)), ours)
    assert.matches("\n%-?%d", ours)
    os.execute("rm -r " .. folder)
  end)
end)
