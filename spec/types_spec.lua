local types = require "pyroscope.types"

local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

-- Ids seen in practice, and whether their values may be summed over time.
local SEEN = {
  { CPU, "flow", "cpu" },
  { "process_cpu:cpu:nanoseconds::nanoseconds", "flow", "cpu" },
  { "process_cpu:samples:count:cpu:nanoseconds", "flow", "cpu" },
  { "process_cpu:samples:count::milliseconds", "flow", "cpu" },
  { "memory:alloc_objects:count:space:bytes", "flow", "alloc_objects" },
  { "memory:alloc_space:bytes:space:bytes", "flow", "alloc_bytes" },
  { "memory:alloc_space:bytes::", "flow", "alloc_bytes" },
  { "memory:inuse_objects:count:space:bytes", "stock", "live_objects" },
  { "memory:inuse_space:bytes:space:bytes", "stock", "live_bytes" },
  { "memory:inuse_space:bytes:inuse_space:bytes", "stock", "live_bytes" },
  { "godeltaprof_memory:alloc_space:bytes:space:bytes", "flow", "alloc_bytes" },
  { "goroutine:goroutine:count:goroutine:count", "stock", "goroutine" },
  { "goroutines:goroutine:count:goroutine:count", "stock", "goroutine" },
  { "mutex:contentions:count:contentions:count", "flow", "mutex_count" },
  { "mutex:delay:nanoseconds:contentions:count", "flow", "mutex_delay" },
  { "mutex:delay:nanoseconds:mutex:count", "flow", "mutex_delay" },
  { "block:contentions:count:block:count", "flow", "block_count" },
  { "block:delay:nanoseconds:block:count", "flow", "block_delay" },
  { "off_cpu:off_cpu:nanoseconds::", "flow", "block_delay" },
  { "wall:wall:nanoseconds:wall:nanoseconds", "flow", "wall" },
  { "wall:wall:microseconds:wall:microseconds", "flow", "wall" },
  { "wall:samples:count:wall:microseconds", "flow", "wall" },
  { "memory:alloc_in_new_tlab_bytes:bytes:space:bytes", "flow", "alloc_bytes" },
  { "memory:alloc_outside_tlab_objects:count:space:bytes", "flow", "alloc_objects" },
  { "memory:live:count:objects:count", "stock", "live_objects" },
  { "memory:objects:count:space:bytes", "stock", "live_objects" },
  { "memory:space:bytes:space:bytes", "stock", "live_bytes" },
  { "process_cpu:alloc_size:bytes:cpu:nanoseconds", "flow", "alloc_bytes" },
  { "process_cpu:exception:count:cpu:nanoseconds", "flow", "exceptions" },
  { "process_cpu:lock_time:nanoseconds:cpu:nanoseconds", "flow", "mutex_delay" },
  { "heap:inuse_space:bytes:cpu:nanoseconds", "stock", "live_bytes" },
  { "heap:anything:count:cpu:nanoseconds", "stock", "other" },
  { "goroutineleak:goroutineleak:count:goroutineleak:count", "stock", "goroutine_leak" },
  { "thread_lifetime:lifetime:nanoseconds:cpu:nanoseconds", "flow", "other" },
}

describe("types", function()
  it("knows for every id seen in practice whether it may be summed, and its class (MCP-22)", function()
    for _, case in ipairs(SEEN) do
      assert.equal(case[2], types.kind(case[1]), case[1])
      assert.equal(case[3], types.class(case[1]), case[1])
    end
  end)

  it("takes ids apart and puts them together again, empty parts and old suffix included", function()
    for _, case in ipairs(SEEN) do
      assert.equal(case[1], types.join(types.parts(case[1])))
    end
    assert.equal(CPU, types.row(CPU .. ":delta").id)
    assert.same({ id = CPU, name = "process_cpu", sample_type = "cpu", class = "cpu",
      sample_unit = "nanoseconds", period_type = "cpu", period_unit = "nanoseconds",
      kind = "flow" }, types.row(CPU))
    for _, text in ipairs { "", "cpu", "a:b:c:d", "a:b:c:d:e:f", "a:b:c:d:e:f:g" } do
      assert.is_nil(types.parts(text), text)
      assert.is_nil(types.row(text), text)
    end
  end)

  it("resolves a word to the spelling that exists, the usual one first", function()
    for word, cases in pairs {
      cpu = { { CPU, "process_cpu:samples:count:cpu:nanoseconds" },
        { "process_cpu:cpu:nanoseconds::nanoseconds", "wall:wall:nanoseconds:wall:nanoseconds" },
        { "process_cpu:samples:count::milliseconds" } },
      Goroutines = { { "goroutines:goroutine:count:goroutine:count" } },
      goroutine = { { "goroutine:goroutine:count:goroutine:count",
        "goroutines:goroutine:count:goroutine:count" } },
      mem = { { "memory:inuse_space:bytes:space:bytes", "memory:inuse_objects:count:space:bytes" },
        { "heap:inuse_space:bytes:cpu:nanoseconds" } },
      ALLOC = { { "memory:alloc_in_new_tlab_bytes:bytes::" },
        { "godeltaprof_memory:alloc_space:bytes:space:bytes" } },
      mutex = { { "mutex:delay:nanoseconds:mutex:count" },
        { "process_cpu:lock_time:nanoseconds:cpu:nanoseconds" } },
      block = { { "off_cpu:off_cpu:nanoseconds::" } },
      wall = { { "process_cpu:wall:nanoseconds:cpu:nanoseconds" } },
      ["goroutine-leak"] = { { "goroutine:goroutineleak:count:goroutineleak:count" } },
    } do
      for _, existing in ipairs(cases) do
        local wanted = existing[1]
        local reversed = {}
        for i, id in ipairs(existing) do reversed[#existing + 1 - i] = id end
        assert.equal(wanted, types.resolve(word, existing), word)
        assert.equal(wanted, types.resolve(word, reversed), word)
      end
    end
  end)

  it("names the other spellings that exist", function()
    local id, others = types.resolve("goroutine", { "goroutines:goroutine:count:goroutine:count",
      "goroutine:goroutine:count:goroutine:count" })
    assert.equal("goroutine:goroutine:count:goroutine:count", id)
    assert.same({ "goroutines:goroutine:count:goroutine:count" }, others)
  end)

  it("takes a sample type that only one existing type has", function()
    local existing = { "memory:inuse_objects:count:space:bytes", CPU,
      "mutex:contentions:count:contentions:count", "block:contentions:count:contentions:count" }
    assert.equal("memory:inuse_objects:count:space:bytes",
      types.resolve("inuse_objects", existing))
    local id, err = types.resolve("contentions", existing)
    assert.is_nil(id)
    assert.equal("usage", err.kind)
    assert.truthy(err.hint:find("block:contentions", 1, true))
  end)

  it("never needs a list for a full id", function()
    assert.equal("a:b:c:d:e", types.resolve "a:b:c:d:e")
    assert.is_true(types.is_id "a:b:c:d:e")
    assert.is_false(types.is_id "cpu")
  end)

  it("says what there is when a class is missing, and what was meant by a wrong word", function()
    local id, err = types.resolve("mutex", { CPU })
    assert.is_nil(id)
    assert.equal("no_data", err.kind)
    assert.equal("type_absent", err.code)
    assert.truthy(err.hint:find(CPU, 1, true))
    id, err = types.resolve("gorutine", { CPU })
    assert.is_nil(id)
    assert.equal("usage", err.kind)
    assert.truthy(err.message:find("'goroutine'", 1, true))
  end)
end)
