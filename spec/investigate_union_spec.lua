-- Unions of call trees against lists of stacks, one stack after the other.

local core = require "pyroscope.core"
local pyroscope = require "pyroscope"
local stacks = require "spec.support.stacks"
local tree = require "pyroscope.investigate.tree"
local trees = require "spec.support.trees"

-- K profiles with recursion, some truncated, some with empty stacks, some with a function that is
-- really called "other".
local function profiles_of(seed, k)
  local random, list = trees.random(seed), {}
  for j = 1, k do
    local these = trees.stacks(seed * 100 + j, { names = random(2, 9), stacks = random(0, 50),
      depth = random(1, 8), top = random(1, 3) == 1 and 1 << 40 or 9 })
    if random(1, 4) == 1 then these[#these + 1] = { frames = { "f1", "other" }, value = 5 } end
    if #these == 0 then these[1] = { frames = { "f2" }, value = 1 } end
    local profile = trees.profile(these)
    if random(1, 3) == 1 then profile = assert(profile:prune_from("^f1$")) end
    if random(1, 2) == 1 then profile = profile:truncate(random(1, 20)) end
    list[j] = profile
  end
  return list
end

local function samples_of(profiles)
  local samples = {}
  for j, profile in ipairs(profiles) do
    samples[j] = { profile = profile, side = j <= #profiles // 2 and "A" or "B" }
  end
  return samples
end

local function union_of(profiles, names)
  local sides = {}
  for j in ipairs(profiles) do sides[j] = j <= #profiles // 2 and "A" or "B" end
  return assert(core.union(profiles, sides, names or {}, {}))
end

local function rows_by_path(u, rows)
  local map = {}
  for i, id in ipairs(rows.id) do
    local key = stacks.key_of(u:path(id))
    assert(not map[key], "two nodes of one path")
    map[key] = { self = rows.self[i], tot = rows.tot[i], other = rows.other[i] }
  end
  return map
end

local function named(rows)
  local map = {}
  for i, name in ipairs(rows.name) do map[name] = rows.value[i] end
  return map
end

local function named_functions(rows)
  local map = {}
  for i, name in ipairs(rows.name) do map[name] = { flat = rows.flat[i], cum = rows.cum[i] } end
  return map
end

-- Functions of which there is no stack left are zero.
local function with_zeros(u, rows, k)
  for _, name in ipairs(u:names()) do
    rows[name] = rows[name] or { flat = stacks.zeros(k), cum = stacks.zeros(k) }
  end
  return rows
end

-- A union or a view holds exactly these stacks.
local function check(u, list, paths, k)
  assert.same(stacks.nodes(list, paths, k), rows_by_path(u, u:rows()))
  assert.same(with_zeros(u, stacks.functions(list, k), k), named_functions(u:functions()))
  local totals, other = stacks.zeros(k), stacks.zeros(k)
  for _, stack in ipairs(list) do
    stacks.add(totals, stack.value)
    if stack.cut then stacks.add(other, stack.value) end
  end
  local got, got_other = u:totals()
  assert.same(totals, got)
  assert.same(other, got_other)
end

local SEEDS = 40

local function each(f)
  for seed = 1, SEEDS do
    local k = 1 + seed % 5
    local profiles = profiles_of(seed, k)
    local list, paths = stacks.of(profiles)
    f(union_of(profiles), list, paths, k, trees.random(seed + 5000), profiles)
  end
end

local function flags_of(u, random)
  local flags, by_name = {}, {}
  for i, name in ipairs(u:names()) do
    flags[i] = random(0, 2)
    by_name[name] = flags[i] ~= 0 and flags[i] or nil
  end
  return flags, by_name
end

describe("a union of call trees", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("has every path of every sample with its values, and those of functions", function()
    each(function(u, list, paths, k)
      check(u, list, paths, k)
      local nodes, samples, functions = u:size()
      local count = 0
      for _ in pairs(paths) do count = count + 1 end
      assert.same({ count, k, #u:names() }, { nodes, samples, functions })
    end)
  end)

  it("has parents before children, siblings and functions in order of name", function()
    each(function(u)
      local names, rows = u:names(), u:rows()
      for i = 2, #names do assert.is_true(names[i - 1] < names[i]) end
      local last, closed = {}, {}
      for i, id in ipairs(rows.id) do
        assert.equal(i, id)
        if i > 1 then
          local parent = rows.parent[i]
          assert.is_true(parent < i)
          assert.equal(rows.depth[parent] + 1, rows.depth[i])
          assert.is_nil(closed[parent])
          if last.parent and last.parent ~= parent then closed[last.parent] = true end
          if last.parent == parent then assert.is_true(last.name < rows.name[i]) end
          last = { parent = parent, name = rows.name[i] }
        end
      end
    end)
  end)

  it("takes samples in any order, and their stacks in any order", function()
    for seed = 1, 25 do
      local profiles, names = profiles_of(seed, 4), nil
      local a = union_of(profiles, names)
      local back = { profiles[4], profiles[3], profiles[2], profiles[1] }
      local b = union_of(back, names)
      local function turned(v) return { v[4], v[3], v[2], v[1] } end
      local before, after = a:rows(), b:rows()
      assert.same(before.name, after.name)
      assert.same(before.parent, after.parent)
      for i in ipairs(before.id) do
        assert.same(before.self[i], turned(after.self[i]))
        assert.same(before.tot[i], turned(after.tot[i]))
        assert.same(before.other[i], turned(after.other[i]))
      end
      local lines = trees.stacks(seed, { names = 6 })
      local mixed = {}
      for i = #lines, 1, -1 do mixed[#mixed + 1] = lines[i] end
      local u, v = union_of { trees.profile(lines) }, union_of { trees.profile(mixed) }
      assert.same(u:rows(), v:rows())
      assert.same(u:functions(), v:functions())
    end
  end)

  it("adds up what gets the same name, also siblings and recursion", function()
    local names = { f1 = "f2", f3 = "f2", f4 = "", f5 = "zebra" }
    for seed = 1, 40 do
      local profiles = profiles_of(seed, 3)
      local list, paths = stacks.of(profiles, names)
      check(union_of(profiles, names), list, paths, 3)
    end
  end)

  it("leaves nodes and functions out below a floor of either side", function()
    each(function(u, list, paths, k)
      local function side(values, from, to)
        local sum = 0
        for j = from, to do sum = sum + values[j] end
        return sum
      end
      local nodes, totals = stacks.nodes(list, paths, k), u:totals()
      for _, floor in ipairs { 0.01, 0.1, 0.5, 1 } do
        local function reaches(values)
          local a, b = side(totals, 1, k // 2), side(totals, k // 2 + 1, k)
          return a > 0 and side(values, 1, k // 2) >= floor * a
            or b > 0 and side(values, k // 2 + 1, k) >= floor * b
        end
        local expected = {}
        for key, node in pairs(nodes) do expected[key] = reaches(node.tot) and node or nil end
        local rows = u:rows(floor)
        assert.same(expected, rows_by_path(u, rows))
        local place = {}
        for i, id in ipairs(rows.id) do place[id] = i end
        local inner = {}
        for i, id in ipairs(rows.id) do
          if id > 1 then
            local parent = place[rows.parent[i]]
            inner[parent] = inner[parent] or stacks.zeros(k)
            stacks.add(inner[parent], rows.tot[i])
          end
        end
        for i in ipairs(rows.id) do
          local sum = stacks.zeros(k)
          for _, part in ipairs { rows.self[i], rows.other[i], rows.rest[i], inner[i] or {} } do
            stacks.add(sum, part)
          end
          assert.same(rows.tot[i], sum)
        end
        local functions = {}
        for name, row in pairs(stacks.functions(list, k)) do
          functions[name] = reaches(row.cum) and row or nil
        end
        assert.same(functions, named_functions(u:functions(floor)))
      end
    end)
  end)

  it("gives what is around a function, each once a stack", function()
    each(function(u, list, _, k)
      for _, name in ipairs(u:names()) do
        for _, how in ipairs { "callees", "callers", "below", "above" } do
          assert.same(stacks.nonzero(stacks.related(list, name, how, k)),
            named(u:related(name, how)), how .. " of " .. name)
        end
      end
      assert.same({ name = {}, value = {} }, u:related("nobody", "above"))
    end)
  end)

  it("gives self values by site, and partitions the total with them", function()
    each(function(u, list, _, k, random)
      local flags, by_name = flags_of(u, random)
      local rows = u:sites(flags)
      assert.same(stacks.nonzero(stacks.sites(list, by_name, k)), named(rows))
      local sum = stacks.zeros(k)
      for _, value in ipairs(rows.value) do stacks.add(sum, value) end
      assert.same(sum, (u:totals()))
    end)
  end)

  it("finds nodes by path and by function", function()
    each(function(u, _, paths)
      for _, names in pairs(paths) do
        local id = u:at(names)
        assert.same(names, u:path(id))
      end
      assert.equal(1, u:at {})
      assert.is_nil(u:at { "nobody" })
      assert.is_nil(u:at { "f1", "nobody" })
      for _, name in ipairs(u:names()) do
        local all, top = {}, {}
        for key, names in pairs(paths) do
          local above = false
          for i = 1, #names - 1 do above = above or names[i] == name end
          if names[#names] == name then
            all[key] = true
            if not above then top[key] = true end
          end
        end
        for which, expected in pairs { all = all, top = top } do
          local got = {}
          for _, id in ipairs(u:nodes(name, which)) do got[stacks.key_of(u:path(id))] = true end
          assert.same(expected, got)
        end
      end
      assert.same({}, u:nodes "nobody")
    end)
  end)

  it("gives any weighted sum of the samples", function()
    each(function(u, _, _, k, random)
      local weights, rows = {}, u:rows()
      for j = 1, k do weights[j] = random(-3, 3) / 2 end
      for _, what in ipairs { "self", "tot", "other" } do
        local values = u:combine(what, weights)
        assert.equal(#rows.id, #values)
        for i, row in ipairs(rows[what]) do
          local sum = 0
          for j = 1, k do sum = sum + weights[j] * row[j] end
          assert.is_true(math.abs(sum - values[i]) <= 1e-9 * math.max(1, math.abs(sum)))
        end
      end
    end)
  end)

  it("gathers self values of nodes by group", function()
    each(function(u, list, _, k, random)
      local held, groups, expected = u:held(), {}, {}
      for i, id in ipairs(held) do
        groups[i] = random(1, math.max(1, #held // 2))
        local key = stacks.key_of(u:path(id))
        for _, stack in ipairs(list) do
          if not stack.cut and stacks.key_of(stack.names) == key then
            expected[groups[i]] = expected[groups[i]] or stacks.zeros(k)
            stacks.add(expected[groups[i]], stack.value)
          end
        end
      end
      for g, sums in ipairs(u:gather(held, groups)) do
        assert.same(expected[g] or stacks.zeros(k), sums)
      end
    end)
  end)

  it("may be a million calls deep", function()
    local path = ("a;b;"):rep(500000)
    local u = union_of { assert(core.decode(path .. "c 3\n", "folded")),
      assert(core.decode(path .. "d 4\n", "folded")) }
    assert.same({ 3, 4 }, u:functions().cum[1])
    assert.equal(1000001, #u:path(1000003 - 1))
    assert.same({ name = { "b", "c", "d" }, value = { { 3, 4 }, { 3, 0 }, { 0, 4 } } },
      u:related("a", "below"))
    assert.same({ name = { "a", "b" }, value = { { 3, 0 }, { 3, 0 } } }, u:related("c", "above"))
    assert.same({ 0, 4 }, (u:without(u:nodes "c"):totals()))
  end)

  it("holds values up to 64 bits and refuses what it cannot hold", function()
    local most = ("a;b %d\n"):format(math.maxinteger)
    local u = union_of { assert(core.decode(most, "folded")), assert(core.decode(most, "folded")) }
    assert.same({ math.maxinteger, math.maxinteger }, (u:totals()))
    assert.same({ 1, 2, 3 }, u:rows(1).id)
    assert.same({ math.maxinteger, math.maxinteger }, u:functions().cum[1])
    local many, lines = {}, {}
    for i = 1, 40000 do lines[i] = "x" .. i .. " 1\n" end
    local wide = assert(core.decode(table.concat(lines), "folded"))
    local sides = {}
    for j = 1, 1800 do many[j], sides[j] = wide, "A" end
    local none, err = core.union(many, sides, {}, {})
    assert.is_nil(none)
    assert.equal("limit", err.kind)
  end)

  it("says what is wrong with a call", function()
    local p = trees.profile(trees.stacks(1))
    local u = union_of { p, p }
    for message, f in pairs {
      ["at least one profile"] = function() core.union({}, {}, {}, {}) end,
      ["its side must be"] = function() core.union({ p }, { "C" }, {}, {}) end,
      ["names must be strings"] = function() core.union({ p }, { "A" }, { f1 = 3 }, {}) end,
      ["there is no node 0"] = function() u:path(0) end,
      ["there is no node 1.5"] = function() u:without { 1.5 } end,
      ["one flag, 0 to 2"] = function() u:keep { 1 } end,
      ["one weight is needed"] = function() u:combine("tot", { 1 }) end,
      ["must be a share"] = function() u:rows(2) end,
      ["invalid option"] = function() u:related("f1", "beside") end,
      ["has no profile"] = function() tree.union { { side = "A" } } end,
      ["side must be \"A\" or \"B\""] = function() tree.union { { profile = p, side = "C" } } end,
      ["did you mean 'go_shapes'"] = function()
        tree.union({ { profile = p, side = "A" } }, { names = { go_shape = false } })
      end,
    } do
      local ok, err = pcall(f)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(message, 1, true), message .. ": " .. tostring(err))
    end
    u:close()
    u:close()
    assert.equal("union (closed)", tostring(u))
    assert.has_error(function() u:size() end, "union is closed")
    p:close()
    assert.has_error(function() union_of { p } end, "profile is closed")
  end)
end)

describe("a view of a union", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("lacks the subtrees that were taken out, again and again", function()
    each(function(u, list, paths, k, random)
      local names, view, left = u:names(), u, list
      for _ = 1, 3 do
        local name = names[random(1, #names)]
        view = view:without(view:nodes(name))
        left = stacks.filter(left, function(stack) return not stacks.holds(stack, name) end)
        check(view, left, paths, k)
      end
      check(u, list, paths, k)
      assert.same({}, view:without({ 1 }):held())
    end)
  end)

  it("lacks the self values that were taken out, and no others", function()
    each(function(u, list, paths, k, random)
      local gone, ids = {}, {}
      for key, names in pairs(paths) do
        if random(1, 4) == 1 then
          gone[key] = true
          ids[#ids + 1] = u:at(names)
        end
      end
      local view = u:without(ids, "self")
      local left = stacks.filter(list, function(stack)
        return stack.cut or not gone[stacks.key_of(stack.names)]
      end)
      check(view, left, paths, k)
      local name = u:names()[1]
      check(view:without(view:nodes(name)), stacks.filter(left, function(stack)
        return not stacks.holds(stack, name)
      end), paths, k)
    end)
  end)

  it("keeps stacks that hold what is wanted and nothing unwanted", function()
    each(function(u, list, paths, k, random)
      for _, all in ipairs { false, true } do
        local flags, by_name = flags_of(u, random)
        local function wanted(stack)
          local yes = all
          for _, name in ipairs(stack.names) do
            if by_name[name] == 2 then return false end
            yes = yes or by_name[name] == 1
          end
          return yes
        end
        local left = stacks.filter(list, wanted)
        local view = u:keep(flags, all)
        check(view, left, paths, k)
        local more = view:without(view:nodes(u:names()[1]))
        check(more, stacks.filter(left, function(stack)
          return not stacks.holds(stack, u:names()[1])
        end), paths, k)
        for _, name in ipairs(u:names()) do
          for _, how in ipairs { "callees", "callers", "below", "above" } do
            assert.same(stacks.nonzero(stacks.related(left, name, how, k)),
              named(view:related(name, how)))
          end
        end
      end
    end)
  end)

  it("outlives the union it was made of, and knows its fields", function()
    local u = assert(tree.union(samples_of(profiles_of(7, 4))))
    local view = u:without(u:nodes "f1")
    local rows = view:rows()
    u:close()
    assert.has_error(function() u:rows() end, "union is closed")
    assert.same(rows, view:rows())
    assert.equal(4, #view.samples)
    assert.same({ "A", "A", "B", "B" }, view.sides)
    assert.is_truthy(tostring(view):find("some taken out", 1, true))
    view:close()
    assert.equal("union (closed)", tostring(view))
  end)
end)

local INCIDENTS = { { "examples/data/cpu-hotspot", "cpu" }, { "examples/data/cpu-hotspot", "memory" },
  { "../shared/data/incidents/alloc-pressure", "memory" },
  { "../shared/data/incidents/mutex-contention", "mutex" },
  { "../shared/data/incidents/goroutine-leak", "goroutine" },
  { "../shared/data/incidents/node-hotspot", "cpu" } }

local function load_all(folder, kind, most)
  local pipe = assert(io.popen(("ls %s/%s/*/*.pb.gz"):format(folder, kind)))
  local profiles = {}
  for path in pipe:lines() do
    if #profiles < most then profiles[#profiles + 1] = assert(pyroscope.load(path)) end
  end
  pipe:close()
  return profiles
end

describe("a union of recorded profiles", function()
  for _, incident in ipairs(INCIDENTS) do
    local folder, kind = table.unpack(incident)
    it("has in each column what that profile says alone: " .. folder:match "[^/]+$" .. " " .. kind,
      function()
        local index = io.open(folder .. "/index.jsonl")
        if not index then
          pending("needs ../shared: profiles of " .. folder)
          return
        end
        index:close()
        local profiles = load_all(folder, kind, 30)
        local u = assert(tree.union(samples_of(profiles), { names = false }))
        local rows = u:functions()
        local place = {}
        for i, name in ipairs(rows.name) do place[name] = i end
        for j, profile in ipairs(profiles) do
          local flat, cum = 0, 0
          for _, row in ipairs(profile:top(0)) do
            local i = assert(place[row.name], row.name)
            assert.equal(row.self, rows.flat[i][j], row.name)
            assert.equal(row.total, rows.cum[i][j], row.name)
            flat, cum = flat + row.self, cum + row.total
          end
          for i in ipairs(rows.name) do
            flat, cum = flat - rows.flat[i][j], cum - rows.cum[i][j]
          end
          assert.same({ 0, 0 }, { flat, cum })
          assert.equal(profile.sum, (u:totals())[j])
        end
        -- under the rules of names it is the union of fewer functions and the same values
        local normal = assert(tree.union(samples_of(profiles)))
        assert.is_true(select(3, normal:size()) <= select(3, u:size()))
        assert.same((u:totals()), (normal:totals()))
        local flat = stacks.zeros(#profiles)
        for _, value in ipairs(tree.flat(normal).value) do stacks.add(flat, value) end
        local rest = stacks.zeros(#profiles)
        for _, value in ipairs(tree.flat(u).value) do stacks.add(rest, value) end
        assert.same(rest, flat)
        for name, raw in pairs(normal.raw) do assert.is_truthy(place[raw], name) end
      end)
  end
end)

describe("tree", function()
  local function go_samples()
    local function profile(lines) return assert(core.decode(table.concat(lines, "\n"), "folded")) end
    return samples_of {
      profile { "main.main;main.work;runtime.mallocgc 10", "main.main;encoding/json.Marshal 5",
        "runtime.mcall;runtime.park_m 7", "net/http.(*conn).serve;runtime.gopark 3",
        "main.main;runtime/pprof.StartCPUProfile;runtime.memmove 2",
        "main.main;runtime/pprof.Do;main.work 1" },
      profile { "main.main;main.work;main.sum[go.shape.int] 4", "main.main;main.work;main.sum[...] 2",
        "main.main;main.work;main.sum 1", "runtime.mcall 9" },
    }
  end

  it("takes stacks of the runtime and of the profiler apart", function()
    local u = assert(tree.union(go_samples()))
    assert.equal("go", u.runtime)
    local view, runtime, profiler = tree.user(u)
    assert.same({ 7, 9 }, runtime)
    assert.same({ 2, 0 }, profiler)
    assert.same({ 19, 7 }, (view:totals()))
    assert.same({ name = { "", "main.main", "main.sum", "main.work", "net/http.(*conn).serve" },
      role = { "runtime", "app", "app", "app", "library" },
      value = { { 7, 9 }, { 5, 0 }, { 0, 7 }, { 11, 0 }, { 3, 0 } } }, tree.sites(u))
  end)

  it("unites names under rules that can be switched off", function()
    local u = assert(tree.union(go_samples()))
    assert.same({ { 0, 7 } }, { named(tree.flat(u))["main.sum"] })
    assert.equal("main.sum", u.raw["main.sum"])
    local other = assert(tree.rename(u, { go_shapes = false }))
    assert.same({ 0, 4 }, named(tree.flat(other))["main.sum[go.shape.int]"])
    assert.same({ 0, 1 }, named(tree.cum(other))["main.sum"])
    assert.equal(tree.at(u, { "main.main", "main.work", "main.sum" }),
      tree.at(u, { "main.main", "main.work", "main.sum[go.shape.int]" }))
    assert.is_nil(tree.at(other, { "main.main", "main.work", "main.sum[go.shape.string]" }))
    local plain = assert(tree.rename(u, false))
    assert.same(other:names(), plain:names())
  end)

  it("drops what patterns match, and refuses patterns that mean nothing", function()
    local u = assert(tree.union(go_samples()))
    local view = assert(tree.drop(u, { "^encoding/", "mallocgc$" }))
    assert.same({ 13, 16 }, (view:totals()))
    local none, err = tree.drop(u, { "(" })
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    assert.same({ 13, 16 }, (tree.without(u, { "encoding/json.Marshal", "runtime.mallocgc" }):totals()))
    assert.same({ 27, 16 }, (tree.without(u, { "main.work" }, "self"):totals()))
    assert.same({ 20, 16 },
      (tree.without(u, { "main.work", u:at { "runtime.mcall", "runtime.park_m" } }, "self"):totals()))
  end)

  it("groups stacks by any key, with the heaviest of each", function()
    for seed = 1, 30 do
      local profiles = profiles_of(seed, 3)
      local list = stacks.of(profiles)
      local u = assert(tree.union(samples_of(profiles), { names = false }))
      local expected, heaviest = {}, {}
      for _, stack in ipairs(list) do
        local key = stack.names[1]
        local sum = stack.value[1] + stack.value[2] + stack.value[3]
        if key and not stack.cut and sum > 0 then
          expected[key] = expected[key] or stacks.zeros(3)
          stacks.add(expected[key], stack.value)
          heaviest[key] = math.max(heaviest[key] or 0, sum)
        end
      end
      local calls = {}
      local rows = tree.group(u, function(names)
        local key = stacks.key_of(names)
        assert.is_nil(calls[key])
        calls[key] = true
        return names[1]
      end)
      assert.same(expected, named(rows))
      for i, names in ipairs(rows.example) do
        local value = u:gather({ u:at(names) }, { 1 })[1]
        assert.equal(heaviest[rows.name[i]], value[1] + value[2] + value[3])
      end
    end
  end)

  it("inverts: what is next to the root is the flat value", function()
    for seed = 1, 30 do
      local profiles = {}
      for j = 1, 3 do profiles[j] = trees.profile(trees.stacks(seed * 10 + j)) end
      local u = assert(tree.union(samples_of(profiles)))
      local inverted = assert(tree.invert(u))
      local nodes = rows_by_path(inverted, inverted:rows())
      local flat = named(tree.flat(u))
      for name, value in pairs(flat) do
        local node = nodes[stacks.key_of { name }]
        assert.same(value, node and node.tot or stacks.zeros(3))
      end
      assert.same((u:totals()), (inverted:totals()))
      for _, sample in ipairs(inverted.samples) do sample.profile:close() end
    end
  end)

  it("gives the slope of every node", function()
    local profiles = {}
    for j = 1, 5 do
      profiles[j] = assert(core.decode(("a;b %d\na;c %d\n"):format(10 + 3 * j, 50 - 2 * j), "folded"))
    end
    local u = assert(tree.union(samples_of(profiles)))
    local slopes = tree.slopes(u, { 2, 4, 6, 8, 10 })
    assert.is_true(math.abs(slopes[u:at { "a", "b" }] - 1.5) < 1e-12)
    assert.is_true(math.abs(slopes[u:at { "a", "c" }] + 1) < 1e-12)
    assert.is_true(math.abs(slopes[u:at { "a" }] - 0.5) < 1e-12)
    assert.has_error(function() tree.slopes(u, { 1, 1, 1, 1, 1 }) end)
  end)
end)
