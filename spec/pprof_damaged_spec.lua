local core = require "pyroscope.core"
local proto = require "spec.support.profile_proto"
local protobuf = require "spec.support.protobuf"

local field = protobuf.field

-- main;work 30 ns and main 10 ns, of two types, with a label each.
local minimal = proto.write { types = { { "cpu", "nanoseconds" } }, mappings = { "app" },
  functions = { { "main", "main.c", 5 }, { "work", "main.c", 9 } },
  locations = { { lines = { { 1, 10 } }, mapping = 1 }, { lines = { { 2, 20 } } } },
  samples = { { stack = { 2, 1 }, values = { 30 }, labels = { { "k", "v" }, { "n", 3 } } },
    { stack = { 1 }, values = { 10 } } } }

local function total(bytes)
  local profile = assert(core.collect { { assert(core.pprof(bytes)), type = 1 } })
  return profile.total
end

local function refused(bytes, message)
  local pprof, err = core.pprof(bytes)
  assert.is_nil(pprof)
  assert.equal("decode", err.kind)
  assert.truthy(err.message:find(message, 1, true), err.message)
  assert.is_true(err.where >= 0 and err.where <= #bytes)
  return err
end

-- A profile of one sample over what is given as raw fields.
local function crafted(fields)
  return field(1, field(1, 1) .. field(2, 2)) .. table.concat(fields)
    .. field(6, "") .. field(6, "cpu") .. field(6, "ns") .. field(6, "f")
end

describe("a damaged pprof file", function()
  local function sample(...)
    return field(2, table.concat { ... })
  end
  local location = field(4, field(1, 1) .. field(4, field(1, 1)))
  local func = field(5, field(1, 1) .. field(2, 3))
  local good = sample(protobuf.packed(1, { 1 }), protobuf.packed(2, { 5 }))

  it("is refused with what is wrong and where", function()
    assert.equal(5, total(crafted { good, location, func }))
    for _, case in ipairs {
      { { field(5, field(1, 1) .. field(2, 4)) }, "string index out of range" },
      { { field(5, field(1, 1) .. field(2, -1)) }, "string index out of range" },
      { { field(5, field(1, 1) .. field(4, 1 << 40)) }, "string index out of range" },
      { { field(3, field(1, 1) .. field(5, 9)) }, "string index out of range" },
      { { field(11, field(1, 4)) }, "string index out of range" },
      { { field(14, 4) }, "string index out of range" },
      { { location, func, sample(protobuf.packed(2, { 5 }), field(3, field(1, 9))) },
        "string index out of range" },
      { { location, func, sample(protobuf.packed(2, { 5 }), field(3, field(2, 9))) },
        "string index out of range" },
      { { good }, "location that is not there" },
      { { good, location }, "function that is not there" },
      { { field(4, field(1, 1) .. field(2, 3)) }, "mapping that is not there" },
      { { sample(protobuf.packed(2, { 1, 2 })) }, "number of values" },
      { { sample() }, "number of values" },
      { { func, func }, "used twice" },
      { { func, location, location }, "used twice" },
      { { field(4, field(2, 0)) }, "0 or missing" },
      { { field(5, field(1, 0)) }, "0 or missing" },
      { { field(2, 5) }, "wrong type" },
      { { sample "\x0a\x05\x01" }, "past its end" },
      { { sample "\x12\x02\x80\x80" }, "past its end" },
      { { sample "\x07" }, "damaged field" },
      { { "\x0b" }, "damaged field" },
      { { "\x00\x01" }, "damaged field" },
    } do
      refused(crafted(case[1]), case[2])
    end
    refused(field(6, "first") .. field(6, ""), "first string")
  end)

  it("says where: the offset of the field that is wrong", function()
    local prefix = field(1, field(1, 1) .. field(2, 2))
    local err = refused(crafted { func, func }, "used twice")
    assert.equal(#prefix + #func, err.where)
    err = refused(crafted { field(5, field(1, 1) .. field(2, 4)) }, "out of range")
    assert.equal(#prefix + 4, err.where)
  end)

  it("is refused in every truncation, raw and gzipped, with an offset inside the bytes", function()
    assert.equal(40, total(minimal))
    for n = 1, #minimal - 1 do
      local pprof, err = core.pprof(minimal:sub(1, n))
      assert.is_nil(pprof, "cut at " .. n)
      assert.equal("decode", err.kind)
      assert.is_true(err.where <= n)
    end
    local packed = core.gzip(minimal)
    for n = 2, #packed - 1 do
      local pprof, err = core.pprof(packed:sub(1, n))
      assert.is_nil(pprof)
      assert.equal("decode", err.kind)
      assert.is_true(err.where <= n)
    end
  end)

  it("is no crash with any single byte changed", function()
    local bytes = proto.write(proto.random(3))
    for _, original in ipairs { minimal, bytes } do
      local step = #original > 1000 and 3 or 1
      for at = 1, #original, step do
        for _, flip in ipairs { 0x01, 0x80, 0xff, 0x07, 0x40 } do
          local changed = original:sub(1, at - 1) .. string.char(original:byte(at) ~ flip)
            .. original:sub(at + 1)
          local pprof, err = core.pprof(changed)
          if pprof then
            for kind in ipairs(pprof:types()) do
              local profile, failure = core.collect({ { pprof, type = kind } },
                { granularity = "line" })
              if profile then
                assert.is_true(profile.total >= 0)
                profile:close()
              else
                assert.equal("decode", failure.kind)
              end
            end
            pprof:sets()
            pprof:close()
          else
            assert.equal("decode", err.kind)
            assert.is_true(err.where <= #changed)
          end
        end
      end
    end
  end)

  it("is refused above the limit before anything is read", function()
    local bytes = proto.write(proto.random(4))
    for _, input in ipairs { bytes, core.gzip(bytes) } do
      local pprof, err = core.pprof(input, { max_bytes = #bytes - 1 })
      assert.is_nil(pprof)
      assert.equal("limit", err.kind)
      assert.truthy((core.pprof(input, { max_bytes = #bytes })))
    end
  end)

  it("costs no more time with ids made to collide", function()
    local parts, ids = {}, {}
    for i = 1, 40000 do
      ids[i] = i << 40
      parts[i] = field(4, field(1, ids[i]))
    end
    local bytes = crafted { sample(protobuf.packed(1, ids), protobuf.packed(2, { 1 })),
      table.concat(parts) }
    local began = os.clock()
    assert.equal(1, total(bytes))
    assert.is_true(os.clock() - began < 5)
  end)
end)
