local core = require "pyroscope.core"
local trees = require "spec.support.trees"

local sample = "examples/data/cpu-hotspot/cpu/checkout-0/0001.pb.gz"

-- Each filter on one stack: what is left of its frames, or nil. `hit` says whether a frame matches.
local filters = {}

function filters.focus(frames, hit)
  for _, name in ipairs(frames) do
    if hit(name) then return frames end
  end
end

function filters.ignore(frames, hit)
  return not filters.focus(frames, hit) and frames or nil
end

local function kept(frames, wanted)
  local rest = {}
  for _, name in ipairs(frames) do
    if wanted(name) then rest[#rest + 1] = name end
  end
  return rest[1] and rest
end

function filters.hide(frames, hit)
  return kept(frames, function(name) return not hit(name) end)
end

function filters.show(frames, hit)
  return kept(frames, hit)
end

function filters.show_from(frames, hit)
  for i, name in ipairs(frames) do
    if hit(name) then return table.move(frames, i, #frames, 1, {}) end
  end
end

function filters.prune_from(frames, hit)
  for i = #frames, 1, -1 do
    if hit(frames[i]) then return table.move(frames, 1, i, 1, {}) end
  end
  return frames
end

local order = { "focus", "ignore", "hide", "show", "show_from", "prune_from" }

describe("a filter", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("does to a tree what it does to each stack", function()
    for seed = 1, 40 do
      local stacks = trees.stacks(seed)
      local profile = trees.profile(stacks)
      for _, name in ipairs(order) do
        for _, pattern in ipairs { "^f1$", "^f[234]$", "f1", "f", "zzz" } do
          local lua = pattern == "f1" and "f1" or pattern
          local left = {}
          for _, stack in ipairs(stacks) do
            local frames = filters[name](stack.frames, function(f) return f:find(lua) end)
            if frames then left[#left + 1] = { frames = frames, value = stack.value } end
          end
          assert.same(trees.map(left), trees.of(assert(profile[name](profile, pattern))))
        end
      end
    end
  end)

  it("leaves of a real profile what pprof leaves", function()
    local profile = assert(core.decode(trees.read(sample)))
    local rows, i, checked = nil, 0, 0
    for line in io.lines "spec/fixtures/select.txt" do
      local filter, pattern, total, stacks = line:match "^= (%S+) (%S+) (%d+) (%d+)$"
      if filter then
        local filtered = assert(profile[filter](profile, pattern))
        assert.equal(total, ("%d"):format(filtered.total), line)
        assert.equal(stacks, ("%d"):format(#filtered:stacks(0)), line)
        rows, i, checked = filtered:top(6), 0, checked + 1
      elseif line:sub(1, 1) ~= "#" then
        i = i + 1
        assert.equal(line, ("%d %d %s"):format(rows[i].self, rows[i].total, rows[i].name))
      end
    end
    assert.equal(19, checked)
  end)

  it("tries names, files and binaries; prune_from only names without arguments", function()
    local profile = assert(core.decode(trees.read(sample)))
    local method = "handleSearch"
    assert.is_true(profile:focus(method).total > 0)
    assert.is_true(profile:focus "server/server\\.go".total >= 0)
    assert.same(trees.of(profile), trees.of(profile:prune_from(method)))
    assert.not_same(trees.of(profile), trees.of(profile:prune_from "^shop.example/checkout/server"))
    local cpp = trees.profile { { frames = { "a::operator()(int)", "x" }, value = 1 },
      { frames = { "(anonymous namespace)::f(int)", "y" }, value = 2 },
      { frames = { ".g(int)", "z" }, value = 4 } }
    assert.same({ [""] = "0 7", ["a::operator()(int)"] = "1 1",
      ["(anonymous namespace)::f(int)"] = "2 2", [".g(int)"] = "4 4" },
      trees.of(cpp:prune_from "^(a::operator\\(\\)|\\(anonymous namespace\\)::f|g)$"))
  end)

  it("drops stacks without frames, but for prune_from", function()
    local bytes = trees.profile { { frames = { "a" }, value = 3 } }:render "tree"
    local profile = assert(core.decode("\0\5" .. bytes:sub(3), "tree"))
    assert.equal(8, profile.total)
    assert.equal(3, profile:focus "a".total)
    assert.equal(3, profile:ignore "b".total)
    assert.equal(3, profile:hide "b".total)
    assert.equal(3, profile:show "a".total)
    assert.equal(3, profile:show_from "a".total)
    assert.equal(8, profile:prune_from "b".total)
  end)

  it("leaves truncated stacks with the frame they were cut off from", function()
    local profile = assert(core.decode(trees.profile { { frames = { "a", "other" }, value = 3 },
      { frames = { "other" }, value = 5 }, { frames = { "b" }, value = 1 } }:render "tree", "tree"))
    assert.same({ [""] = "0 3", a = "0 3", ["a;other"] = "3 3" }, trees.of(profile:show "a"))
    assert.same({ [""] = "0 9", other = "8 8", b = "1 1" }, trees.of(profile:hide "a"))
    assert.same({ [""] = "0 3", a = "0 3", ["a;other"] = "3 3" }, trees.of(profile:focus "a"))
    assert.same({ [""] = "0 0" }, trees.of(profile:focus "other"))
    assert.same(trees.of(profile), trees.of(profile:hide "other"))
    assert.same({ [""] = "0 9", a = "3 3", other = "5 5", b = "1 1" },
      trees.of(profile:prune_from "a"))
    assert.equal(8, profile:hide "a":coverage().other)
  end)

  it("can be followed by another, and leaves its input as it was", function()
    local stacks = trees.stacks(11)
    local profile = trees.profile(stacks)
    local before = trees.of(profile)
    local twice = assert(assert(profile:focus "f1"):hide "f2")
    assert.is_true(twice.total <= profile.total)
    assert.same(before, trees.of(profile))
    profile:close()
    assert.is_true(twice.total > 0)
  end)

  it("keeps what the profile is", function()
    local profile = trees.profile(trees.stacks(11))
    profile:describe { kind = "stock", profiles = 3, unit = "bytes", from_ms = 5 }
    local focused = assert(profile:focus "f1")
    assert.same({ "bytes", 3, 5 }, { focused.unit, focused.profiles, focused.from_ms })
    assert.equal((focused.sum * 2 + 3) // 6, focused.total)
  end)

  it("says where a pattern is wrong", function()
    local profile = trees.profile(trees.stacks(1))
    for _, name in ipairs(order) do
      local none, err = profile[name](profile, "(a")
      assert.is_nil(none)
      assert.equal("usage", err.kind)
      assert.equal("bad pattern: missing )", err.message)
      assert.equal("(a\n^\n", err.hint:sub(1, 5))
    end
  end)
end)
