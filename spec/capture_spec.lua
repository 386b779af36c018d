local cli = require "spec.support.cli"
local core = require "pyroscope.core"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local system = require "pyroscope.system"
local world = require "spec.support.world"
local writer = require "spec.support.pprof_writer"

local HOTSPOT = "examples/data/cpu-hotspot"
local SELECTOR = '{service_name="checkout"}'
local TOKEN = "s3cret-t0ken-of-nobody"

local function read(path)
  local file = assert(io.open(path, "rb"), path)
  local bytes = file:read "a"
  file:close()
  return bytes
end

-- Path below a folder -> bytes.
local function tree(root)
  local files, pending = {}, { "" }
  while #pending > 0 do
    local folder = table.remove(pending)
    for _, item in ipairs(assert(system.list(root .. folder))) do
      local path = folder .. "/" .. item.name
      if item.type == "directory" then
        pending[#pending + 1] = path
      else
        files[path] = read(root .. path)
      end
    end
  end
  return files
end

describe("a captured bundle", function()
  local here, store, count = nil, nil, 0
  local from, to

  setup(function()
    here = cli.folder()
    store = assert(pyroscope.open(HOTSPOT))
    local defaults = store:defaults()
    to = defaults.now_ms
    from = to - 150000
  end)

  teardown(function()
    store:close()
    cli.clean()
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)

  local function place()
    count = count + 1
    return ("%s/bundle-%d"):format(here, count)
  end

  local function options(more)
    local asked = { selector = SELECTOR, from_ms = from, to_ms = to }
    for name, value in pairs(more or {}) do asked[name] = value end
    return asked
  end

  it("answers about its windows what its source answers", function()
    local path = place()
    local kept <close> = assert(pyroscope.capture(store, options(), path))
    assert.is_true(kept.complete)
    assert.equal("bundle", kept.form)
    for _, window in ipairs { { from, to }, { from - (to - from), from } } do
      for _, kind in ipairs { "cpu", "memory", "alloc", "goroutine", "mutex", "block" } do
        local query = { selector = SELECTOR, type = kind, from_ms = window[1], to_ms = window[2] }
        local a, b = assert(store:profile(query)), assert(kept:profile(query))
        assert.equal(a.sum, b.sum)
        assert.equal(a.total, b.total)
        assert.equal(a.profiles, b.profiles)
        assert.equal(a:render "folded", b:render "folded")
        for _, group in ipairs { {}, { "pod" }, { "version" } } do
          query.group_by, query.step = group, 15
          local x, y = assert(store:timeline(query)), assert(kept:timeline(query))
          assert.same(x.from_ms, y.from_ms)
          assert.equal(#x, #y)
          for i, row in ipairs(x) do
            assert.same(row.labels, y[i].labels)
            assert.equal(row.sum, y[i].sum)
            for n, point in ipairs(row.points) do
              assert.equal(point.time_ms, y[i].points[n].time_ms)
              assert.equal(point.raw, y[i].points[n].raw)
              assert.equal(point.value, y[i].points[n].value)
            end
          end
        end
        query.group_by, query.step = { "pod" }, nil
        assert.same(store:profile_counts(query), kept:profile_counts(query))
        a:close()
        b:close()
      end
    end
    assert.same(store:label_values("pod", {}), kept:label_values("pod", {}))
    assert.same(store:label_names({ from_ms = from, to_ms = to }),
      kept:label_names({ from_ms = from, to_ms = to }))
  end)

  it("narrows a captured timeline by the labels it is grouped by", function()
    local kept <close> = assert(pyroscope.capture(store, options { types = "cpu" }, place()))
    local query = { selector = '{service_name="checkout", pod="checkout-1"}', type = "cpu",
      from_ms = from, to_ms = to, step = 30 }
    local a, b = assert(store:timeline(query)), assert(kept:timeline(query))
    assert.equal(1, #b)
    assert.equal(a[1].sum, b[1].sum)
    for n, point in ipairs(a[1].points) do assert.equal(point.raw, b[1].points[n].raw) end
  end)

  it("says not_in_bundle of what was not captured, type_absent of what never was", function()
    local path = place()
    local kept <close> = assert(pyroscope.capture(store, options { types = { "cpu", "memory" } },
      path))
    local function refused(query, code)
      for name, value in pairs { selector = SELECTOR, from_ms = from, to_ms = to, type = "cpu" } do
        query[name] = query[name] or value
      end
      local profile, err = kept:profile(query)
      assert.is_nil(profile)
      assert.equal("no_data", err.kind)
      assert.equal(code, err.code, tostring(err))
    end
    refused({ from_ms = from, to_ms = from + 60000 }, "not_in_bundle")
    refused({ from_ms = from - 60000 }, "not_in_bundle")
    refused({ from_ms = to + 600000, to_ms = to + 900000 }, "not_in_bundle")
    refused({ selector = '{service_name="checkout", pod="checkout-1"}' }, "not_in_bundle")
    refused({ type = "goroutine:goroutine:count:goroutine:count" }, "not_in_bundle")
    refused({ type = "wall:wall:nanoseconds:wall:nanoseconds" }, "type_absent")
    refused({ selector = '{service_name="chekout"}' }, "unknown_service")
    for _, group in ipairs { "region", "endpoint" } do
      local rows, err = kept:timeline { selector = SELECTOR, type = "cpu", from_ms = from,
        to_ms = to, group_by = group }
      assert.is_nil(rows)
      assert.equal("not_in_bundle", err.code)
    end
  end)

  it("is the same folder, byte for byte, for the same question", function()
    local a, b = place(), place()
    assert(pyroscope.capture(store, options(), a)):close()
    assert(pyroscope.capture(store, options(), b)):close()
    assert.same(tree(a), tree(b))
    assert.equal(system.stat(a .. "/index.jsonl").mtime_ms,
      system.stat(b .. "/index.jsonl").mtime_ms)
    assert.equal(384, system.stat(a .. "/bundle.json").mode)
  end)

  it("cuts windows into blocks that add up to the whole", function()
    local whole <close> = assert(pyroscope.capture(store, options { types = "cpu" }, place()))
    local cut <close> = assert(pyroscope.capture(store, options { types = "cpu", blocks = 5 },
      place()))
    local query = { selector = SELECTOR, type = "cpu", from_ms = from, to_ms = to }
    local a, b = assert(whole:profile(query)), assert(cut:profile(query))
    assert.equal(a.sum, b.sum)
    assert.equal(a.profiles, b.profiles)
    local part = assert(cut:profile { selector = SELECTOR, type = "cpu", from_ms = from,
      to_ms = from + 30000 })
    local same = assert(store:profile { selector = SELECTOR, type = "cpu", from_ms = from,
      to_ms = from + 30000 })
    assert.equal(same.sum, part.sum)
    for _, profile in ipairs { a, b, part, same } do profile:close() end
  end)

  it("never goes where something is", function()
    local path = place()
    assert(system.mkdir(path))
    local kept, err = pyroscope.capture(store, options(), path)
    assert.is_nil(kept)
    assert.equal("exists", err.code)
    path = place()
    assert(system.mkdir(path .. ".partial"))
    kept, err = pyroscope.capture(store, options(), path)
    assert.is_nil(kept)
    assert.equal("exists", err.code)
    assert.same({}, tree(path .. ".partial"))
  end)

  it("leaves out what does not fit, and says so", function()
    local kept <close> = assert(pyroscope.capture(store, options { max_bytes = 60000,
      singles = 0 }, place()))
    assert.is_true(#kept.missing > 0)
    local bytes = 0
    for path, body in pairs(tree(kept.path)) do
      if path:find "%.pb%.gz$" then bytes = bytes + #body end
    end
    assert.is_true(bytes > 0 and bytes <= 60000)
    assert.matches("60000", kept.missing[1])
    assert.matches("not in this bundle", table.concat(kept.warnings, "\n"))
  end)

  it("hides what is to be hidden, and keeps the numbers", function()
    local path = place()
    local kept <close> = assert(pyroscope.capture(store, options {
      redact = { labels = { "pod", "region" }, functions = "hash" } }, path))
    for file, bytes in pairs(tree(path)) do
      local text = file:find "%.gz$" and assert(core.gunzip(bytes, 1 << 26)) or bytes
      for _, name in ipairs { "checkout%-[012]", "fieldNorm", "score%.go", "runtime%." } do
        assert.is_nil(text:find(name), file .. " tells " .. name)
      end
    end
    local query = { selector = SELECTOR, type = "cpu", from_ms = from, to_ms = to }
    local a, b = assert(store:profile(query)), assert(kept:profile(query))
    assert.equal(a.sum, b.sum)
    local x, y = a:top(10), b:top(10)
    for i, row in ipairs(x) do assert.equal(row.self, y[i].self) end
    assert.equal(3, #assert(kept:label_values("pod", {})))
    a:close()
    b:close()
  end)

  it("takes unknown options and bad values for what they are", function()
    assert.has_error(function() pyroscope.capture(store, { selektor = "{}" }, place()) end)
    assert.has_error(function() pyroscope.capture(store, options(), "") end)
    for _, bad in ipairs { { blocks = 0 }, { deadline = "soon" }, { types = "cpuu" },
      { redact = { functions = "rot13" } }, { selector = "{a=" },
      { from_ms = to, to_ms = to + 1000 } } do
      local kept, err = pyroscope.capture(store, options(bad), place())
      assert.is_nil(kept)
      assert.matches("usage", tostring(err))
    end
  end)

  describe("of a server", function()
    local server

    setup(function()
      server = process.start("spec/support/querier.lua", HOTSPOT, "--bearer", TOKEN)
    end)

    teardown(function() server:stop() end)

    local function connect(more)
      local given = { url = server.url, token = TOKEN }
      for name, value in pairs(more or {}) do given[name] = value end
      return assert(pyroscope.connect(given))
    end

    it("holds what the server holds, and no credential", function()
      local client <close> = connect()
      local path = place()
      local kept <close> = assert(pyroscope.capture(client, options { now_ms = to + 120000 },
        path))
      assert.is_true(kept.complete)
      for _, kind in ipairs { "cpu", "memory" } do
        local query = { selector = SELECTOR, type = kind, from_ms = from, to_ms = to }
        local a, b = assert(client:profile(query)), assert(kept:profile(query))
        assert.equal(a.sum, b.sum)
        assert.equal(a.total, b.total)
        a:close()
        b:close()
      end
      for file, bytes in pairs(tree(path)) do
        assert.is_nil(bytes:find(TOKEN, 1, true), file)
        assert.is_nil(bytes:lower():find("bearer", 1, true), file)
      end
    end)

    it("is continued by the same question where it was cut off, refused to another", function()
      local client <close> = connect()
      local path = place()
      local asked = options { now_ms = to + 120000, types = { "cpu", "memory" }, blocks = 5 }
      local stop = 0
      client.on_wait = function(waiting, seconds)
        waiting:poll(seconds)
        local journal = io.open(path .. ".partial/journal.jsonl")
        if journal then
          journal:close()
          stop = stop + 1
        end
        return stop > 0
      end
      local cut <close> = assert(pyroscope.capture(client, asked, path))
      assert.is_false(cut.complete)
      assert.equal("cancelled", cut.stopped)
      assert.equal(path .. ".partial", cut.path)
      assert.is_nil(system.stat(path))
      local had = #cut.entries
      assert.is_true(had > 0)
      client.on_wait = nil
      local other, err = pyroscope.capture(client, options { now_ms = to + 120000,
        types = "cpu" }, path)
      assert.is_nil(other)
      assert.equal("exists", err.code)
      -- later on "now" has moved, and the first windows stay
      asked.now_ms = asked.now_ms + 60000
      local whole <close> = assert(pyroscope.capture(client, asked, path))
      assert.is_true(whole.complete, table.concat(whole.missing, "\n"))
      assert.is_true(whole.continued)
      assert.is_true(#whole.entries > had)
      assert.is_nil(system.stat(path .. ".partial"))
      assert.is_nil(system.stat(path .. "/journal.jsonl"))
    end)

    it("keeps what is there when the deadline is over", function()
      local client <close> = connect { url = server.url .. "/@slow:2" }
      local path = place()
      local kept, err = pyroscope.capture(client, options { now_ms = to + 120000,
        deadline = 0.2 }, path)
      assert.is_nil(kept)
      assert.is_true(err.kind == "timeout" or err.kind == "cancelled", tostring(err))
    end)

    it("is not begun without the right to ask", function()
      local client <close> = connect { token = "wrong" }
      local path = place()
      local kept, err = pyroscope.capture(client, options { now_ms = to + 120000 }, path)
      assert.is_nil(kept)
      assert.equal("auth", err.kind)
      assert.is_nil(system.stat(path .. ".partial"))
    end)
  end)

  it("keeps hostile names of labels and functions as they are", function()
    local folder = place()
    assert(system.mkdir(folder))
    local file = assert(io.open(folder .. "/x.pb", "wb"))
    file:write(writer.pprof { types = { { "cpu", "nanoseconds" } }, time_ms = world.noon,
      duration_ms = 1000, samples = {
        { stack = { { 'quote"\\', "a\nb.go", 3 }, "</script>" }, values = { 1 << 40 } } } })
    file:close()
    local hostile <close> = assert(pyroscope.open(folder .. "/x.pb"))
    local kept <close> = assert(pyroscope.capture(hostile, { selector = "{}" }, place()))
    local a, b = assert(hostile:profile {}), assert(kept:profile { selector = "{}" })
    assert.equal(a:render "folded", b:render "folded")
    a:close()
    b:close()
  end)

  it("of a damaged series.jsonl is refused with its line", function()
    local path = place()
    assert(pyroscope.capture(store, options { types = "cpu" }, path)):close()
    local file = assert(io.open(path .. "/series.jsonl", "ab"))
    file:write '{"what":"timeline","rows":[\n'
    file:close()
    local kept, err = pyroscope.open(path)
    assert.is_nil(kept)
    assert.equal("decode", err.kind)
    assert.matches("series%.jsonl", err.message)
  end)

  describe("on the command line", function()
    it("is written, said and read again", function()
      local path = place()
      local out, err, code = cli.run { "capture", "./" .. HOTSPOT, "--since", "150s", "--out",
        path }
      assert.equal(0, code, err)
      assert.matches("process_cpu:cpu:nanoseconds:cpu:nanoseconds +%d+ +%d+ +%-", out)
      assert.matches("pscope top %-%-source", out)
      local top
      top, err, code = cli.run { "top", "--source", path, "-n", "1" }
      assert.equal(0, code, err)
      assert.matches("fieldNorm", top)
      out, err, code = cli.run { "capture", "./" .. HOTSPOT, "--since", "150s", "--out", path }
      assert.equal("", out)
      assert.equal(1, code)
      assert.matches("exists already", err)
    end)

    it("exits 4 with what is missing, 2 without --out", function()
      local out, err, code = cli.run { "capture", "./" .. HOTSPOT, "--since", "150s", "--out",
        place(), "--max-bytes", "50k" }
      assert.equal(4, code)
      assert.matches("limit", out)
      assert.matches("missing: profile", err)
      out, err, code = cli.run { "capture", "./" .. HOTSPOT }
      assert.equal("", out)
      assert.equal(2, code)
      assert.matches("%-%-out", err)
    end)
  end)
end)
