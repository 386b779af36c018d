local core = require "pyroscope.core"
local proto = require "spec.support.profile_proto"

local function parse(seed)
  return assert(core.pprof(proto.write(proto.random(seed))))
end

describe("rows without a tree", function()
  it("are those of the tree, whatever is selected", function()
    local a, b = parse(41), parse(42)
    for _, options in ipairs { {}, { named_only = true }, { max_depth = 2 },
      { call_site = { "f1" } }, { call_site = { "f2", "f3" }, named_only = true } } do
      for _, selections in ipairs { { { a, type = 2 } }, { { a, type = 1 }, { b, type = 2 } },
        { { b, type = 2, sets = { 2 } } }, { { b, type = 2, sets = {} } }, {} } do
        local profile <close> = assert(core.collect(selections, options))
        for _, by in ipairs { "self", "total" } do
          for _, n in ipairs { 0, 1, 3, 20 } do
            local rows, coverage = profile:top(n, { by = by })
            options.by = by
            local quick, quick_coverage = core.pprof_top(selections, n, options)
            options.by = nil
            assert.same(rows, quick)
            assert.same(coverage, quick_coverage)
          end
        end
      end
    end
  end)

  it("are those of the tree for every kind of profile of the sample incident", function()
    local pipe = assert(io.popen "ls examples/data/cpu-hotspot/*/checkout-[01]/000[1-4].pb.gz")
    local groups, compared = {}, 0
    for path in pipe:lines() do
      local group = path:match "cpu%-hotspot/(%w+)"
      groups[group] = groups[group] or {}
      local body <close> = assert(core.read_file(path))
      local pprof = assert(core.pprof(body))
      table.insert(groups[group], pprof)
    end
    pipe:close()
    for _, handles in pairs(groups) do
      for kind in ipairs(handles[1]:types()) do
        local selections = {}
        for i, pprof in ipairs(handles) do selections[i] = { pprof, type = kind } end
        local profile <close> = assert(core.collect(selections))
        local rows, coverage = profile:top(0)
        local quick, quick_coverage = core.pprof_top(selections, 0)
        assert.same(rows, quick)
        assert.same(coverage, quick_coverage)
        assert.is_true(#rows > 0)
        compared = compared + 1
      end
    end
    assert.is_true(compared >= 10)
  end)

  it("are divided as those of a stock", function()
    local pprof = parse(43)
    local profile = assert(core.collect { { pprof, type = 2 } })
    profile:describe { kind = "stock", profiles = 3 }
    assert.same(profile:top(5), (core.pprof_top({ { pprof, type = 2 } }, 5, { divide = 3 })))
  end)

  it("fail as a tree does", function()
    local pprof = assert(core.pprof(proto.write { types = { { "n", "" } },
      functions = { { "f" } }, locations = { { lines = { { 1, 1 } } } },
      samples = { { stack = { 1 }, values = { math.maxinteger } },
        { stack = { 1, 1 }, values = { 1 } } } }))
    local rows, err = core.pprof_top { { pprof, type = 1 } }
    assert.is_nil(rows)
    assert.equal("decode", err.kind)
    for _, call in ipairs { function() core.pprof_top({}, -1) end,
      function() core.pprof_top({}, 1, { group = "line" }) end,
      function() core.pprof_top({}, 1, { divide = 0 }) end,
      function() core.pprof_top({ { pprof, type = 3 } }) end } do
      assert.is_false((pcall(call)))
    end
  end)
end)
