local shared = require "pyroscope.source.shared"
local writer = require "spec.support.pprof_writer"

local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

-- A bundle of services with one CPU profile each: name -> samples.
local function bundle(services, folder)
  local index = {}
  local function write(name, bytes)
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    assert(file:write(bytes))
    file:close()
  end
  for name, spec in pairs(services) do
    write(name .. ".pb", writer.pprof { types = { { "cpu", "nanoseconds" } },
      samples = spec.samples })
    index[#index + 1] = ('{"file":"%s.pb","name":"process_cpu","labels":{"service_name":"%s"%s},'
      .. '"time_ms":1763643600000,"duration_ms":10000,"types":["%s"]}'):format(name, name,
        spec.labels or "", CPU)
  end
  write("bundle.json", '{"format":"pyroscope-bundle","version":1}')
  write("index.jsonl", table.concat(index, "\n") .. "\n")
end

describe("the language of a service", function()
  it("is told by its profiler, then by types that only one language has", function()
    assert.equal("python", shared.language("pyspy", {}))
    assert.equal("somespy", shared.language("somespy", {}))
    for _, id in ipairs { "wall:wall:microseconds:wall:microseconds",
      "wall:samples:count:wall:microseconds" } do
      assert.equal("nodejs", shared.language(nil, { id }), id)
    end
    assert.equal("go", shared.language("", { "goroutine:goroutine:count:goroutine:count" }))
    assert.equal("java", shared.language(nil,
      { "memory:alloc_in_new_tlab_bytes:bytes:space:bytes" }))
    assert.is_nil(shared.language(nil, { CPU, "wall:wall:nanoseconds:wall:nanoseconds" }))
  end)

  it("is else, in a store, that of most of the time in its sources", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir -m 700 '%s'"):format(folder)))
    bundle({
      quotes = { samples = {
        { stack = { { "normalise", "lib/validate.js", 5 }, { "(anonymous)", "node:net", 1 } },
          values = { 900 } },
        { stack = { { "uv__io_poll", "src/unix/linux.c", 9 } }, values = { 5000 } } } },
      -- a script that calls into a library of another language
      model = { samples = {
        { stack = { { "kernel", "native/kernel.rs", 3 }, { "step", "train.py", 7 },
          { "main", "train.py", 90 } }, values = { 100 } },
        { stack = { { "main", "train.py", 91 } }, values = { 10 } } } },
      native = { samples = { { stack = { { "read", "io.c", 1 } }, values = { 7 } },
        { stack = { { "main", "", 0 } }, values = { 7 } } } },
      spied = { labels = ',"pyroscope_spy":"rbspy"', samples = {
        { stack = { { "a", "a.js", 1 } }, values = { 7 } } } },
    }, folder)
    local store = assert(require "pyroscope".open(folder))
    local found = {}
    for _, row in ipairs(assert(store:services())) do found[row.name] = row.language or "-" end
    store:close()
    os.execute(("rm -rf '%s'"):format(folder))
    assert.same({ quotes = "nodejs", model = "python", native = "-", spied = "ruby" }, found)
  end)

  it("is known of the Node service among the incidents", function()
    local path = "../shared/data/incidents/node-hotspot"
    local file = io.open(path .. "/bundle.json")
    if not file then pending "needs ../shared: the incident node-hotspot" return end
    file:close()
    local store <close> = assert(require "pyroscope".open(path))
    assert.equal("nodejs", assert(store:services())[1].language)
  end)
end)
