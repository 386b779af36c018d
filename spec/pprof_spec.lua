local core = require "pyroscope.core"
local proto = require "spec.support.profile_proto"
local protobuf = require "spec.support.protobuf"

local field = protobuf.field

-- Two samples: main;work 30 ms and main 10 ms.
local minimal = ([[
  0a 04 08 01 10 02
  12 0a 0a 02 02 01 12 04 80 87 a7 0e
  12 09 0a 01 01 12 04 80 ad e2 04
  22 08 08 01 22 04 08 01 10 0a
  22 08 08 02 22 04 08 02 10 14
  2a 08 08 01 10 03 18 03 20 05
  2a 08 08 02 10 04 18 04 20 05
  32 00  32 03 63 70 75  32 0b 6e 61 6e 6f 73 65 63 6f 6e 64 73
  32 04 6d 61 69 6e  32 04 77 6f 72 6b  32 06 6d 61 69 6e 2e 63
  5a 04 08 01 10 02
  60 80 ad e2 04]]):gsub("(%x%x)%s*", function(hex) return string.char(tonumber(hex, 16)) end)
  :sub(3)

local function parse(bytes, options)
  return assert(core.pprof(bytes, options))
end

local function collect(bytes, kind, options, selection)
  local pprof = type(bytes) == "string" and parse(bytes) or bytes
  selection = selection or {}
  selection[1], selection.type = pprof, kind or pprof.default_type
  return assert(core.collect({ selection }, options))
end

local function rows(profile)
  local list = {}
  for depth, name, self, total, file, line in profile:walk() do
    if depth == 0 then name = "" end -- whatever the root is called
    list[#list + 1] = { depth, name, self, total, file or false, line or false }
  end
  return list
end

-- A profile of one sample over what is given as raw fields.
local function crafted(fields)
  return field(1, field(1, 1) .. field(2, 2)) .. table.concat(fields)
    .. field(6, "") .. field(6, "cpu") .. field(6, "ns") .. field(6, "f")
end

describe("a parsed pprof file", function()
  it("has the types, times and samples of the file", function()
    local pprof = parse(minimal)
    assert.same({ { type = "cpu", unit = "nanoseconds" } }, pprof:types())
    assert.equal(2, pprof.samples)
    assert.equal(1, pprof.default_type)
    assert.equal(0, pprof.time_nanos)
    assert.equal(10000000, pprof.period)
    assert.equal("cpu", pprof.period_type)
    assert.equal("nanoseconds", pprof.period_unit)
    assert.same({ 40000000, 2 }, { pprof:total(1) })
    assert.equal(minimal, pprof:bytes())
    assert.equal(120, #minimal)
  end)

  it("becomes a tree with files and hottest lines", function()
    assert.same({
      { 0, "", 0, 40000000, false, false },
      { 1, "main", 10000000, 40000000, "main.c", 10 },
      { 2, "work", 30000000, 30000000, "main.c", 20 },
    }, rows(collect(minimal)))
  end)

  it("is the same gzipped, in several gzip members, and as a body", function()
    local expected = rows(collect(minimal))
    local two = core.gzip(minimal:sub(1, 50)) .. core.gzip(minimal:sub(51))
    for _, bytes in ipairs { core.gzip(minimal), two, core.body(minimal), core.body(two) } do
      local pprof = parse(bytes)
      assert.same(expected, rows(collect(pprof, 1)))
      assert.equal(minimal, pprof:bytes())
    end
  end)

  it("may be empty in every way a server says so", function()
    local shapes = { "", "\x0a\x00\x32\x00\x5a\x00", field(6, ""),
      field(1, field(1, 1)) .. field(6, "") .. field(6, "cpu"), core.gzip "" }
    for _, bytes in ipairs(shapes) do
      local pprof = parse(bytes)
      assert.equal(0, pprof.samples)
      assert.same({ 0, 0 }, { pprof:total(1) })
      local profile = collect(pprof, 1)
      assert.equal(0, profile.total)
      assert.same({ { 0, "", 0, 0, false, false } }, rows(profile))
    end
  end)

  it("takes packed and unpacked numbers, fields in any order, other ids and unknown fields",
    function()
      local ways = {
        {}, { unpacked = true }, { reversed = true }, { unknown = true },
        { id = function(n) return n * 7919 end },
        { id = function(n) return ~n end },
        { id = function(n) return n << 32 end },
        { id = function(n) return 61 - n end },
        { unpacked = true, reversed = true, unknown = true, id = function(n) return n << 20 end },
      }
      for seed = 1, 5 do
        local spec = proto.random(seed)
        for _, how in ipairs(ways) do
          local bytes = proto.write(spec, how)
          local reference = proto.read(bytes)
          local pprof = parse(bytes)
          assert.same(reference.types, pprof:types())
          assert.equal(2, pprof.default_type)
          assert.equal(1 << 60, pprof.time_nanos)
          assert.equal(10, pprof.duration_nanos)
          for kind = 1, 2 do
            for _, named_only in ipairs { false, true } do
              for _, by in ipairs { "function", "line" } do
                local line = by == "line"
                local profile = collect(pprof, kind, { granularity = by, named_only = named_only })
                assert.same(
                  proto.tree(reference, kind, { named_only = named_only, line = line }),
                  proto.paths(profile, line))
              end
            end
          end
        end
      end
    end)

  it("keeps 64 bits", function()
    local max = math.maxinteger
    local spec = { types = { { "n", "count" } }, functions = { { "f" }, { "g" } },
      locations = { { lines = { { 1, 1 } } }, { lines = { { 2, 1 } } } },
      samples = { { stack = { 1 }, values = { max - 1 } }, { stack = { 2 }, values = { 1 } } } }
    local profile = collect(proto.write(spec))
    assert.equal(max, profile.total)
    spec.samples[3] = { stack = { 1 }, values = { 1 } }
    local pprof = parse(proto.write(spec))
    local sum, err = pprof:total(1)
    assert.is_nil(sum)
    assert.equal("decode", err.kind)
    local none
    none, err = core.collect { { pprof, type = 1 } }
    assert.is_nil(none)
    assert.equal("decode", err.kind)
    -- Each file fits, both together do not.
    spec.samples[3] = nil
    pprof = parse(proto.write(spec))
    none, err = core.collect { { pprof, type = 1 }, { pprof, type = 1 } }
    assert.is_nil(none)
    assert.equal("decode", err.kind)
  end)

  it("counts samples with negative values and leaves them out", function()
    local bytes = proto.write { types = { { "a", "" }, { "b", "" } }, functions = { { "f" } },
      locations = { { lines = { { 1, 1 } } } },
      samples = { { stack = { 1 }, values = { -5, 7 } }, { stack = { 1 }, values = { 3, 1 } },
        { stack = {}, values = { 2, -1 } } } }
    local pprof = parse(bytes)
    local profile, count, negative = core.collect { { pprof, type = 1 } }
    assert.same({ 5, 2, 1 }, { profile.total, count, negative })
    assert.equal(5, pprof:total(1))
    -- A server drops the whole sample when one of its values is negative.
    profile, count, negative = core.collect({ { pprof, type = 1 } }, { named_only = true })
    assert.same({ 3, 1, 2 }, { profile.total, count, negative })
  end)

  it("gives a line number that cannot be the number 0", function()
    local spec = { types = { { "n", "count" } }, functions = { { "f", "a.c" } }, locations = {},
      samples = {} }
    for i, line in ipairs { -1, 1 << 32, math.mininteger, 0xffffffff } do
      spec.locations[i] = { lines = { { 1, line } } }
      spec.samples[i] = { stack = { i }, values = { 1 } }
    end
    assert.same({ { 0, "", 0, 4, false, false }, { 1, "f", 3, 3, "a.c", false },
      { 1, "f", 1, 1, "a.c", 0xffffffff } },
      rows(collect(proto.write(spec), 1, { granularity = "line" })))
  end)

  it("names unknown functions by address, with named_only leaves them out", function()
    local bytes = proto.write { types = { { "n", "count" } }, functions = { { "main" }, { "" } },
      mappings = { "/usr/bin/app" },
      locations = { { lines = { { 1, 3 } } }, { address = 0x401234, mapping = 1 },
        { address = -1 }, { lines = { { 2, 9 } } }, { address = 7, lines = { { 0, 5 } } } },
      samples = { { stack = { 2, 1 }, values = { 1 } }, { stack = { 3, 2 }, values = { 2 } },
        { stack = {}, values = { 4 } }, { stack = { 4, 1 }, values = { 8 } },
        { stack = { 5, 1 }, values = { 16 } } } }
    assert.same({
      { 0, "", 4, 31, false, false },
      { 1, "0x401234", 0, 2, false, false },
      { 2, "0xffffffffffffffff", 2, 2, false, false },
      { 1, "main", 0, 25, false, 3 },
      { 2, "", 8, 8, false, 9 },
      { 2, "0x401234", 1, 1, false, false },
      { 2, "0x7", 16, 16, false, false },
    }, rows(collect(bytes)))
    local profile, count = core.collect({ { parse(bytes), type = 1 } }, { named_only = true })
    assert.same({
      { 0, "", 0, 25, false, false },
      { 1, "main", 17, 25, false, 3 },
      { 2, "", 8, 8, false, 9 },
    }, rows(profile))
    assert.equal(3, count)
  end)

  it("takes the innermost inlined function from the first line", function()
    local bytes = proto.write { types = { { "n", "count" } },
      functions = { { "inner", "i.c" }, { "middle", "m.c" }, { "outer", "o.c" } },
      locations = { { lines = { { 1, 1 }, { 2, 2 }, { 3, 3 } } } },
      samples = { { stack = { 1 }, values = { 6 } } } }
    assert.same({ { 0, "", 0, 6, false, false }, { 1, "outer", 0, 6, "o.c", 3 },
      { 2, "middle", 0, 6, "m.c", 2 }, { 3, "inner", 6, 6, "i.c", 1 } }, rows(collect(bytes)))
  end)

  it("shows the line with the largest self value, then total counted once per stack", function()
    local spec = { types = { { "n", "count" } }, functions = { { "r" }, { "leaf" } },
      locations = { { lines = { { 1, 10 } } }, { lines = { { 1, 20 } } },
        { lines = { { 2, 1 } } }, { lines = { { 1, 10 } }, address = 5 } },
      samples = { { stack = { 3, 1, 4, 1 }, values = { 3 } },
        { stack = { 3, 2 }, values = { 4 } } } }
    local function line_of(name)
      for _, row in ipairs(rows(collect(proto.write(spec)))) do
        if row[2] == name then return row[6] end
      end
    end
    -- Line 10 occurs three times in a stack worth 3: 3 in total, against 4 for line 20.
    assert.equal(20, line_of "r")
    spec.samples[3] = { stack = { 1 }, values = { 1 } }
    assert.equal(10, line_of "r")
  end)

  it("takes the type that the file names as default, else the last", function()
    local spec = { types = { { "a", "" }, { "b", "" }, { "c", "" } } }
    assert.equal(3, parse(proto.write(spec)).default_type)
    spec.default = "b"
    assert.equal(2, parse(proto.write(spec)).default_type)
    spec.default = "unknown"
    assert.equal(3, parse(proto.write(spec)).default_type)
    -- The same text under another index.
    local bytes = field(1, field(1, 1)) .. field(1, field(1, 2)) .. field(14, 3) .. field(6, "")
      .. field(6, "x") .. field(6, "y") .. field(6, "x")
    assert.equal(1, parse(bytes).default_type)
  end)
end)

describe("labels of samples", function()
  local spec = { types = { { "n", "count" } }, functions = { { "main" }, { "work" } },
    locations = { { lines = { { 1, 1 } } }, { lines = { { 2, 1 } } } },
    samples = {
      { stack = { 1 }, values = { 1 }, labels = { { "b", "2" }, { "a", "1" } } },
      { stack = { 1 }, values = { 2 }, labels = { { "a", "1" }, { "bytes", 64 }, { "b", "2" } } },
      { stack = { 2, 1 }, values = { 4 }, labels = { { "a", "" }, { "bytes", 64 } } },
      { stack = { 2, 1 }, values = { 8 }, labels = { { "span_id", "00AB" }, { "a", "1" } } },
      { stack = { 2 }, values = { 16 }, labels = { { "profile_id", "00cd" },
        { "trace_id", "Ff" } } },
      { stack = { 2 }, values = { 32 }, labels = { { "lone" } } },
    } }
  local bytes = proto.write(spec)

  it("make sets of string labels, whatever their order, without ids and numbers", function()
    assert.same({ { labels = {}, samples = 3 }, { labels = { a = "1", b = "2" }, samples = 2 },
      { labels = { a = "1" }, samples = 1 } }, parse(bytes):sets())
    assert.same({ { labels = {}, samples = 2 } }, parse(minimal):sets())
  end)

  it("are the same set when the string table repeats a text", function()
    local function sample(key, value)
      return field(2, protobuf.packed(1, { 1 }) .. protobuf.packed(2, { 5 })
        .. field(3, field(1, key) .. field(2, value)))
    end
    local repeated = crafted { sample(4, 5), sample(6, 7), sample(4, 8),
      field(4, field(1, 1) .. field(4, field(1, 1))), field(5, field(1, 1) .. field(2, 3)) }
      .. field(6, "k") .. field(6, "v") .. field(6, "k") .. field(6, "v") .. field(6, "")
    assert.same({ { labels = {}, samples = 1 }, { labels = { k = "v" }, samples = 2 } },
      parse(repeated):sets())
  end)

  it("choose the samples of a tree and of a total", function()
    local pprof = parse(bytes)
    assert.same({ 3, 2 }, { pprof:total(1, { 2 }) })
    assert.same({ 11, 3 }, { pprof:total(1, { 3, 2 }) })
    assert.same({ 0, 0 }, { pprof:total(1, {}) })
    assert.equal(3, collect(pprof, 1, nil, { sets = { 2 } }).total)
    assert.equal(11, collect(pprof, 1, nil, { sets = { 2, 3 } }).total)
    assert.equal(0, collect(pprof, 1, nil, { sets = {} }).total)
    assert.equal(63, collect(pprof, 1).total)
    local total = 0
    for i, row in ipairs(pprof:totals(1)) do
      assert.same({ row.value, row.samples }, { pprof:total(1, { i }) })
      total = total + row.value
    end
    assert.equal(63, total)
  end)

  it("are listed with the value they carry", function()
    local pprof = parse(bytes)
    assert.same({ a = { ["1"] = 11, [""] = 4 }, b = { ["2"] = 3 }, bytes = { ["64"] = 6 },
      lone = { [""] = 32 }, span_id = { ["00AB"] = 8 }, profile_id = { ["00cd"] = 16 },
      trace_id = { Ff = 16 } }, pprof:tags(1))
    assert.same({ span_id = { ["00ab"] = 8 }, profile_id = { ["00cd"] = 16 },
      trace_id = { ff = 16 } }, pprof:ids(1))
    assert.same({ { set = 3, span_id = "00ab", trace_id = "", value = 8 },
      { set = 1, span_id = "00cd", trace_id = "ff", value = 16 } }, pprof:spans(1))
  end)

  it("select spans and traces by hex in any case", function()
    local pprof = parse(bytes)
    assert.equal(8, collect(pprof, 1, nil, { spans = { ["00ab"] = true } }).total)
    assert.equal(24,
      collect(pprof, 1, nil, { spans = { ["00aB"] = true, ["00CD"] = true } }).total)
    assert.equal(16, collect(pprof, 1, nil, { traces = { fF = true } }).total)
    assert.equal(0, collect(pprof, 1, nil, { spans = { ff = true } }).total)
    assert.equal(0, collect(pprof, 1, nil, { spans = {} }).total)
  end)

  it("may be many on one sample", function()
    local labels, expected = {}, {}
    for i = 3000, 1, -1 do
      labels[#labels + 1] = { "k" .. i, "v" }
      expected["k" .. i] = "v"
    end
    local sets = parse(proto.write { types = { { "n", "" } },
      samples = { { stack = {}, values = { 1 }, labels = labels } } }):sets()
    assert.same(expected, sets[2].labels)
  end)
end)

describe("collect", function()
  local function chain(depth)
    local spec = { types = { { "n", "count" } }, functions = {}, locations = {}, samples = {} }
    local stack = {}
    for i = 1, depth do
      spec.functions[i] = { "f" .. i }
      spec.locations[i] = { lines = { { i, 1 } } }
      stack[depth + 1 - i] = i
    end
    spec.samples[1] = { stack = stack, values = { 1 } }
    return spec
  end

  it("merges any number of files", function()
    local a, b = proto.random(11), proto.random(12)
    local pa, pb = parse(proto.write(a)), parse(proto.write(b))
    local merged = assert(core.collect { { pa, type = 2 }, { pb, type = 2 }, { pa, type = 2 } })
    local expected = proto.tree(proto.read(pa:bytes()), 2)
    for _, node in pairs(expected) do
      node.self, node.total = node.self * 2, node.total * 2
    end
    for path, node in pairs(proto.tree(proto.read(pb:bytes()), 2)) do
      local at = expected[path] or { self = 0, total = 0 }
      expected[path] = { self = at.self + node.self, total = at.total + node.total }
    end
    assert.same(expected, proto.paths(merged))
    assert.equal(0, core.collect({}).total)
  end)

  it("keeps stacks that begin with the functions of the call site, and no other frames", function()
    local bytes = proto.write { types = { { "n", "count" } },
      functions = { { "main" }, { "work" }, { "other work" } },
      locations = { { lines = { { 1, 1 } } }, { lines = { { 2, 7 } } },
        { lines = { { 3, 1 }, { 1, 9 } } }, { address = 255 } },
      samples = { { stack = { 2, 1 }, values = { 1 } }, { stack = { 3 }, values = { 2 } },
        { stack = { 1 }, values = { 4 } }, { stack = { 1, 2 }, values = { 8 } },
        { stack = { 2, 4, 1 }, values = { 16 } } } }
    local function total(site, named_only)
      return collect(bytes, 1, { call_site = site, named_only = named_only }).total
    end
    assert.equal(23, total { "main" })
    assert.equal(1, total { "main", "work" })
    assert.equal(17, total({ "main", "work" }, true))
    assert.equal(16, total { "main", "0xff", "work" })
    assert.equal(2, total { "main", "other work" })
    assert.equal(0, total { "main", "work", "main" })
    assert.equal(31, total {})
    local profile = collect(bytes, 1, { call_site = { "main", "work" } })
    assert.same({ { 0, "", 0, 1, false, false }, { 1, "main", 0, 1, false, 1 },
      { 2, "work", 1, 1, false, 7 } }, rows(profile))
    assert.equal(2, profile.functions)
  end)

  it("cuts what is nearest the leaf beyond max_depth", function()
    local profile = collect(proto.write(chain(5)), 1, { max_depth = 3 })
    assert.same({ { 0, "", 0, 1, false, false }, { 1, "f1", 0, 1, false, 1 },
      { 2, "f2", 0, 1, false, 1 }, { 3, "f3", 1, 1, false, 1 } }, rows(profile))
  end)

  it("bears stacks as deep as the file", function()
    local spec = chain(1)
    local stack = {}
    for i = 1, 300000 do stack[i] = 1 end
    spec.samples[1].stack = stack
    local profile = collect(proto.write(spec))
    local deepest = 0
    for depth in profile:walk() do deepest = math.max(deepest, depth) end
    assert.equal(300000, deepest)
  end)

  it("raises what is the caller's mistake", function()
    local pprof = parse(minimal)
    for message, call in pairs {
      ["no sample type"] = function() core.collect { { pprof, type = 2 } } end,
      ["no open pprof"] = function() core.collect { { "x", type = 1 } } end,
      ["no label set of number 9"] = function() core.collect { { pprof, type = 1, sets = { 9 } } }
      end,
      ["granularity must be"] = function()
        core.collect({ { pprof, type = 1 } }, { granularity = "file" })
      end,
      ["max_depth"] = function() core.collect({ { pprof, type = 1 } }, { max_depth = 0 }) end,
      ["function names"] = function() core.collect({ { pprof, type = 1 } }, { call_site = { 1 } })
      end,
      ["must be strings"] = function() core.collect { { pprof, type = 1, spans = { true } } } end,
      ["max_bytes"] = function() core.pprof(minimal, { max_bytes = 0 }) end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.truthy(tostring(err):find(message, 1, true), tostring(err))
    end
    pprof:close()
    pprof:close()
    assert.equal("pprof (closed)", tostring(pprof))
    for _, use in ipairs { function() return pprof:types() end, function() return pprof.period end,
      function() return core.collect { { pprof, type = 1 } } end } do
      local ok, err = pcall(use)
      assert.is_false(ok)
      assert.truthy(tostring(err):find("closed", 1, true) or tostring(err):find("open", 1, true))
    end
  end)

  it("leaves no handle behind", function()
    collectgarbage()
    collectgarbage()
    local before = core.live()
    do
      local pprof <close> = parse(minimal)
      local profile = collect(pprof)
      assert.equal(before + 2, core.live())
      profile:close()
      assert.is_nil((core.pprof "\x0a"))
    end
    assert.equal(before, core.live())
  end)
end)
