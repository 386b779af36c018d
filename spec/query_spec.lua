local query = require "pyroscope.query"
local types = require "pyroscope.types"

local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
local NOW = 1795183500000

-- A source that has these types and remembers what it was asked.
local function source_of(ids, defaults)
  local source = { asked = {} }
  function source.profile_types(self, window, options)
    self.asked[#self.asked + 1] = { window = window, selector = options.selector }
    local rows = {}
    for i, id in ipairs(ids) do rows[i] = types.row(id) end
    return rows
  end
  function source.defaults()
    return defaults or { now_ms = NOW, max_nodes = 16384 }
  end
  return source
end

local function resolve(options, source, spec)
  return query.resolve(options, source or source_of { CPU }, spec)
end

describe("query.resolve", function()
  it("completes a question: type, selector, window, limit", function()
    local source = source_of { CPU, "memory:inuse_space:bytes:space:bytes" }
    local resolved = assert(resolve({ service = "checkout", type = "CPU", since = "30m",
      labels = { pod = 'a"1' } }, source))
    assert.equal(CPU, resolved.profile_type)
    assert.equal("flow", resolved.kind)
    assert.equal("cpu", resolved.class)
    assert.equal("nanoseconds", resolved.unit)
    assert.equal('{service_name="checkout", pod="a\\"1"}', resolved.selector)
    assert.equal("checkout", resolved.service)
    assert.equal(NOW - 1800000, resolved.from_ms)
    assert.equal(NOW, resolved.to_ms)
    assert.equal(16384, resolved.max_nodes)
    assert.same({}, resolved.group_by)
    assert.equal("profile", resolved.exemplars)
    assert.same({ window = { from_ms = NOW - 1800000, to_ms = NOW },
      selector = resolved.selector }, source.asked[1])
  end)

  it("asks a source for its types only when a word has to be resolved", function()
    local source = source_of {}
    assert(resolve({ service = "a", type = CPU }, source))
    assert.equal(0, #source.asked)
  end)

  it("leaves a resolved question as it is", function()
    local source = source_of { CPU }
    local resolved = assert(resolve({ service = "a", type = "cpu" }, source))
    assert.equal(resolved, resolve(resolved, source))
    assert.equal(1, #source.asked)
  end)

  it("takes the type out of a legacy query text", function()
    local resolved = assert(resolve { selector = CPU .. '{service_name="a"}' })
    assert.equal(CPU, resolved.profile_type)
    assert.equal('{service_name="a"}', resolved.selector)
    local none, err = resolve { selector = CPU .. "{}", type = "a:b:c:d:e" }
    assert.is_nil(none)
    assert.equal("usage", err.kind)
  end)

  it("names what is missing before anything is sent (PER-16)", function()
    local source = source_of { CPU }
    for text, options in pairs { ["which service"] = { type = "cpu" },
      ["which profile type"] = { service = "a" } } do
      local none, err = resolve(options, source)
      assert.is_nil(none)
      assert.equal("usage", err.kind)
      assert.truthy(err.message:find(text, 1, true))
    end
    assert.equal(0, #source.asked)
    assert.truthy(resolve({ type = "cpu", selector = "{}" }, source))
    assert.truthy(resolve({ type = "cpu" }, source_of({ CPU }, { selector = "{}" })))
    assert.truthy(resolve({ service = "a" }, source, { type = false }))
  end)

  it("raises for unknown options at the caller, with the nearest name", function()
    local function method()
      local resolved = query.resolve({ tennant = "a" }, source_of {})
      return resolved
    end
    local ok, message = pcall(function()
      local answer = method()
      return answer
    end)
    assert.is_false(ok)
    assert.truthy(tostring(message):find "query_spec.lua")
    assert.truthy(tostring(message):find("unknown option 'tennant'", 1, true))
    assert.has_error(function() resolve { service = 5 } end)
    assert.has_error(function() resolve { service = "a", labels = { a = {} } } end)
  end)

  it("refuses what a person typed wrong without raising", function()
    for name, value in pairs { selector = "{a=}", type = "cpuu", max_nodes = 0, limit = 1.5,
      step = "x", from = "yesterday", span_ids = { "abcd" }, trace_ids = "xyz",
      profile_ids = { "123" }, max_other = 1.5, kind = "both", granularity = "word",
      call_site = { "" } } do
      local options = { service = "a", type = "cpu" }
      options[name] = value
      local none, err = resolve(options)
      assert.is_nil(none, name)
      assert.equal("usage", err.kind, name)
      assert.truthy(err.message ~= "" and not err.message:find "\n", name)
    end
  end)

  it("brings ids into one form", function()
    local uuid = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    for _, text in ipairs { uuid, uuid:upper(), (uuid:gsub("-", "")), "{" .. uuid .. "}",
      "urn:uuid:" .. uuid } do
      assert.same({ uuid }, assert(resolve { service = "a", type = CPU,
        profile_ids = text }).profile_ids)
    end
    assert.same({ "00000000000000a1" }, assert(resolve { service = "a", type = CPU,
      span_ids = "00000000000000A1" }).span_ids)
    assert.same({ "4bf92f3577b34da6a3ce929d0e0e4736" }, assert(resolve { service = "a",
      type = CPU, trace_ids = { "4BF92F3577B34DA6A3CE929D0E0E4736" } }).trace_ids)
  end)

  it("refuses filters that exclude each other (GCX-34)", function()
    local span, trace = "00000000000000a1", "4bf92f3577b34da6a3ce929d0e0e4736"
    local profile = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    for _, options in ipairs {
      { span_ids = span, trace_ids = trace }, { span_ids = span, profile_ids = profile },
      { span_ids = span, call_site = { "main" } }, { trace_ids = trace, profile_ids = profile },
    } do
      options.service, options.type = "a", CPU
      local none, err = resolve(options)
      assert.is_nil(none)
      assert.truthy(err.message:find("exclude each other", 1, true))
    end
    assert.truthy(resolve { service = "a", type = CPU, trace_ids = trace, call_site = "main" })
  end)

  it("refuses a service that the selector contradicts (GCX-30)", function()
    local none, err = resolve { service = "a", selector = '{service_name="b"}', type = CPU }
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    assert.equal('{service_name="a"}', assert(resolve { service = "a", type = CPU,
      selector = 'service_name="a"' }).selector)
  end)

  it("warns when a word could mean another type that exists", function()
    local resolved = assert(resolve({ service = "a", type = "goroutine" }, source_of {
      "goroutine:goroutine:count:goroutine:count",
      "goroutines:goroutine:count:goroutine:count" }))
    assert.equal(1, #resolved.warnings)
    assert.equal("stock", resolved.kind)
  end)

  it("lets the source say what is near when it has no type at all", function()
    local source = source_of {}
    local none, err = resolve({ service = "a", type = "cpu" }, source)
    assert.is_nil(none)
    assert.equal("no_data", err.kind)
    function source.absence() return { kind = "no_data", message = "mine" } end
    none, err = resolve({ service = "a", type = "cpu" }, source)
    assert.is_nil(none)
    assert.equal("mine", err.message)
  end)

  it("keeps a step in milliseconds and lists as lists", function()
    local resolved = assert(resolve { service = "a", type = CPU, step = "15s", group_by = "pod",
      functions = "f", call_site = { "main", "x" } })
    assert.equal(15000, resolved.step_ms)
    assert.same({ "pod" }, resolved.group_by)
    assert.same({ "f" }, resolved.functions)
    assert.same({ "main", "x" }, resolved.call_site)
    assert.equal(500, assert(resolve { service = "a", type = CPU, step = 0.5 }).step_ms)
  end)
end)

describe("query.window", function()
  it("takes windows as people write them and as they were resolved", function()
    local source = source_of { CPU }
    local window = assert(query.window({ since = "1h" }, source, "labels", { selector = 'a="b"' }))
    assert.equal(NOW - 3600000, window.from_ms)
    assert.equal('{a="b"}', window.selector)
    local again = assert(query.window(window, source, "labels"))
    assert.equal(window.from_ms, again.from_ms)
    assert.equal(window.to_ms, again.to_ms)
    local resolved = assert(resolve { service = "a", type = CPU, since = "10m" })
    assert.equal(NOW - 600000, assert(query.window(resolved, source, "labels")).from_ms)
  end)

  it("raises for unknown names", function()
    assert.has_error(function() query.window({ fromm = "1h" }, source_of {}, "labels") end)
  end)
end)
