local core = require "pyroscope.core"
local proto = require "spec.support.profile_proto"
local protobuf = require "spec.support.protobuf"

local type_id = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

local function collect(bytes, kind, granularity)
  local pprof <close> = assert(core.pprof(bytes))
  return assert(core.collect({ { pprof, type = kind or pprof.default_type } },
    { granularity = granularity }))
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

-- What every frame says of itself: name, file, line, start line, object.
local function frames_of(p)
  local frames = {}
  for _, sample in ipairs(p.samples) do
    for _, f in ipairs(sample.stack) do
      frames[("%s|%s|%d|%d|%s"):format(f.name, f.file, f.line, f.start_line, f.object)] = true
    end
  end
  return frames
end

local fixtures = {}
for _, group in ipairs { "cpu", "memory", "goroutine", "mutex", "block" } do
  local pipe = assert(io.popen("ls examples/data/cpu-hotspot/" .. group .. "/checkout-0/*.pb.gz"))
  fixtures[#fixtures + 1] = read(pipe:read "l")
  pipe:close()
end
for seed = 21, 25 do fixtures[#fixtures + 1] = proto.write(proto.random(seed)) end

describe("a profile written as pprof", function()
  it("reads back as the same tree, at both granularities", function()
    for _, bytes in ipairs(fixtures) do
      for _, by in ipairs { "function", "line" } do
        local profile = collect(bytes, nil, by)
        for _, raw in ipairs { true, false } do
          local written = assert(profile:render("pprof", { raw = raw }))
          assert.equal(not raw, written:sub(1, 2) == "\x1f\x8b")
          assert.same(proto.paths(profile, true), proto.paths(collect(written, 1, by), true))
        end
      end
    end
  end)

  it("keeps files, lines, start lines and objects of frames", function()
    for _, bytes in ipairs(fixtures) do
      local pprof <close> = assert(core.pprof(bytes))
      local original = proto.read(pprof:bytes())
      local kind, kept = pprof.default_type, { samples = {} }
      for _, sample in ipairs(original.samples) do
        if sample.values[kind] > 0 then kept.samples[#kept.samples + 1] = sample end
      end
      local written = proto.read(collect(bytes, nil, "line"):render("pprof", { raw = true }))
      local expected, found = frames_of(kept), frames_of(written)
      -- A frame is a name, a file and a line: it has one start line and one object.
      for frame in pairs(found) do assert.is_true(expected[frame], frame) end
      local function keys(set)
        local known = {}
        for frame in pairs(set) do known[frame:match "^(.-|.-|.-)|"] = true end
        return known
      end
      assert.same(keys(expected), keys(found))
    end
  end)

  it("has one location for a function, file and line, and no function twice", function()
    for _, bytes in ipairs(fixtures) do
      local written = collect(bytes, nil, "line"):render("pprof", { raw = true })
      local functions, locations = {}, {}
      for number, _, value in protobuf.fields(written) do
        if number == 4 or number == 5 then
          local id, rest = nil, {}
          for field, _, v in protobuf.fields(value) do
            if field == 1 then id = v elseif field ~= 2 or number == 5 then
              rest[#rest + 1] = field .. "=" .. v
            end
          end
          local key, seen = table.concat(rest, " "), number == 4 and locations or functions
          assert.is_nil(seen[key], key)
          seen[key] = id
        end
      end
      assert.is_not_nil(next(functions))
    end
  end)

  it("has the type, unit, period type, time and duration it is given", function()
    local profile = collect(fixtures[1])
    profile:describe { profile_type = type_id }
    local p = proto.read(profile:render("pprof", { raw = true, time_nanos = 1 << 60,
      duration_nanos = 15000000000 }))
    assert.same({ { type = "cpu", unit = "nanoseconds" } }, p.types)
    assert.same({ type = "cpu", unit = "nanoseconds" }, p.period_type)
    assert.equal("cpu", p.default)
    assert.same({ 1 << 60, 15000000000 }, { p.time_nanos, p.duration_nanos })
    assert.equal(0, p.period)
    profile = collect(fixtures[1])
    profile:describe { profile_type = "off_cpu:off_cpu:nanoseconds::" }
    p = proto.read(profile:render("pprof", { raw = true }))
    assert.same({ { type = "off_cpu", unit = "nanoseconds" } }, p.types)
    assert.same({ type = "", unit = "" }, p.period_type)
    profile = collect(fixtures[1])
    p = proto.read(profile:render("pprof", { raw = true }))
    assert.same({ type = "samples", unit = "count" }, p.types[1])
  end)

  it("has a sample without locations for the value of empty stacks", function()
    local bytes = proto.write { types = { { "n", "count" } }, functions = { { "f" } },
      locations = { { lines = { { 1, 1 } } } },
      samples = { { stack = {}, values = { 7 } }, { stack = { 1 }, values = { 2 } } } }
    local p = proto.read(collect(bytes):render("pprof", { raw = true }))
    assert.equal(2, #p.samples)
    assert.same({ {}, { 7 } }, { p.samples[1].stack, p.samples[1].values })
    p = proto.read(collect(""):render("pprof", { raw = true }))
    assert.same({ {}, 1 }, { p.samples, #p.types })
  end)

  it("is the same bytes whatever the order of the samples", function()
    for seed = 31, 34 do
      local spec = proto.random(seed)
      -- What a tree keeps one of: a function starts in one place and is of one object.
      for _, f in ipairs(spec.functions) do f[3] = 7 end
      for _, l in ipairs(spec.locations) do l.mapping = 1 end
      local first = collect(proto.write(spec), 2, "line"):render "pprof"
      local samples = {}
      for i, sample in ipairs(spec.samples) do
        samples[(i * 7) % #spec.samples + 1] = sample
      end
      spec.samples = samples
      local locations = #spec.locations
      local second = collect(proto.write(spec, { id = function(n) return locations * 9 - n end }),
        2, "line"):render "pprof"
      assert.equal(first, second)
    end
  end)

  it("divides what is a stock, so that the root is the rounded quotient", function()
    local profile = collect(fixtures[3], 1)
    local sum = profile.total
    profile:describe { profile_type = "goroutine:goroutine:count:goroutine:count", kind = "stock",
      profiles = 4 }
    local written = collect(profile:render("pprof"), 1)
    assert.equal((sum + 2) // 4, written.total)
  end)
end)

local find_tool = require "spec.support.pprof_tool".find

local function output(tool, flags, kind, path)
  local pipe = assert(io.popen(("%s -symbolize=none -sample_index=%s %s %s 2>/dev/null"):format(
    tool, kind, flags, path)))
  local lines = {}
  for line in pipe:lines() do
    -- Rows: flat, cum, name. The running sum depends on the order of rows that are equal, and
    -- what was inlined is no part of a tree.
    local flat, cum, name =
      line:match "^%s*([%d.]+%a*)%s+%S+%%%s+%S+%%%s+([%d.]+%a*)%s+%S+%%%s+(.*)$"
    if name then
      name = name:gsub(" %(partial%-inline%)$", ""):gsub(" %(inline%)$", "")
      lines[#lines + 1] = flat .. " " .. cum .. " " .. name
    end
  end
  pipe:close()
  table.sort(lines)
  return lines
end

describe("pprof", function()
  it("shows a written profile with the names, files, lines and values of the original (GCX-08)", function()
    local tool = find_tool()
    if not tool then pending "needs google/pprof" end
    local source, target = os.tmpname(), os.tmpname()
    for i = 1, 5 do
      local file = assert(io.open(source, "wb"))
      file:write(fixtures[i])
      file:close()
      local pprof <close> = assert(core.pprof(fixtures[i]))
      local t = pprof:types()[pprof.default_type]
      local profile = collect(fixtures[i], nil, "line")
      profile:describe { profile_type = ("x:%s:%s::"):format(t.type, t.unit) }
      file = assert(io.open(target, "wb"))
      file:write(profile:render "pprof")
      file:close()
      local all = " -nodecount=1000000 -nodefraction=0 -edgefraction=0 -unit=" ..
        (t.unit == "count" and "minimum" or t.unit)
      for _, flags in ipairs { "-top", "-top -lines", "-top -files", "-top -filefunctions" } do
        local expected = output(tool, flags .. all, t.type, source)
        assert.is_true(#expected > 3)
        assert.same(expected, output(tool, flags .. all, t.type, target), flags .. " " .. t.type)
      end
    end
    os.remove(source)
    os.remove(target)
  end)
end)
