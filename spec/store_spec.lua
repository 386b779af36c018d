local cjson = require "cjson"
local core = require "pyroscope.core"
local open = require "pyroscope.source.store".open
local system = require "pyroscope.system"

local PUSHED = "spec/fixtures/wire/pushed"
local HOTSPOT = "examples/data/cpu-hotspot"
local INCIDENTS = "../shared/data/incidents"
local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

local folders = {}

-- An empty folder that is removed after the specs.
local function folder()
  local path = os.tmpname()
  os.remove(path)
  assert(system.mkdir(path, 448))
  folders[#folders + 1] = path
  return path
end

local function write(path, bytes)
  local dir = path:match "^(.*)/[^/]*$"
  if not system.stat(dir) then assert(system.mkdir(dir, 448)) end
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

local BUNDLE = '{"format":"pyroscope-bundle","version":1,"title":"test"}'

-- A bundle of these lines (tables) with copies of files of the recorded store.
local function bundle(lines, head)
  local path = folder()
  write(path .. "/bundle.json", head or BUNDLE)
  local text = {}
  for i, line in ipairs(lines) do
    if type(line) == "table" then
      if line.copy then
        write(path .. "/" .. line.file, core.gzip(read(PUSHED .. "/" .. line.copy)))
        line.copy = nil
      end
      line = cjson.encode(line):gsub("\\/", "/")
    end
    text[i] = line .. "\n"
  end
  write(path .. "/index.jsonl", table.concat(text))
  return path
end

local function refused(path, kind)
  local store, err = open(path)
  assert.is_nil(store)
  assert.equal(kind, err.kind, tostring(err))
  return err
end

describe("store", function()
  teardown(function()
    for _, path in ipairs(folders) do os.execute("rm -rf '" .. path .. "'") end
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)

  -- Opening -------------------------------------------------------------------------------

  describe("open", function()
    it("opens a bundle, an older index, a folder and a file, and says what it is", function()
      local dir = folder()
      write(dir .. "/checkout/a.pb", read(PUSHED .. "/left.pb"))
      for path, form in pairs { [HOTSPOT] = "bundle", [PUSHED] = "index", [dir] = "folder",
        [PUSHED .. "/left.pb"] = "file" } do
        local store <close> = assert(open(path))
        assert.equal(form, store.form)
        assert.equal("store", store.kind)
        assert.truthy(tostring(store):find(form, 1, true))
      end
    end)

    it("names what is wrong with a bundle and where", function()
      refused(folder() .. "/none", "io")
      local err = refused(bundle({}, "{"), "decode")
      assert.truthy(err.message:find("bundle.json", 1, true))
      assert.truthy(refused(bundle({}, '{"format":"x","version":1}'), "decode").hint)
      assert.truthy(refused(bundle({}, '{"format":"pyroscope-bundle","version":2}'),
        "unsupported").message:find("version 2", 1, true))
      refused(bundle {}, "no_data")
      local good = '{"file":"a.pb.gz","time_ms":1}'
      for _, line in ipairs { "{", "5", '{"time_ms":1}', '{"file":"a.pb"}',
        '{"file":"a.pb","time_ms":1.5}', '{"file":"a.pb","time_ms":1,"labels":{"a":1}}',
        '{"file":"a.pb","time_ms":1,"profiles":0}', '{"file":"a.pb","time_ms":1,"types":[1]}',
        '{"file":"a.pb","time_ms":1,"duration_ms":-1}', '{"file":"a.pb","time_ms":1e400}',
        '{"file":5,"time_ms":1}' } do
        err = refused(bundle { good, line }, "decode")
        assert.truthy(err.message:find("line 2", 1, true), tostring(err))
      end
    end)

    it("reads no file outside of the folder, by name or by link", function()
      for _, file in ipairs { "../left.pb", "/etc/passwd", "a/../../b.pb", "a\\b.pb", "c:x.pb",
        "..", "" } do
        local err = refused(bundle { { file = file, time_ms = 1 } }, "decode")
        assert.truthy(err.message:find("line 1", 1, true))
      end
      local outside = write(folder() .. "/left.pb", read(PUSHED .. "/left.pb"))
      local path = bundle { { file = "a.pb", name = "process_cpu", time_ms = 5 } }
      os.execute(("ln -s '%s' '%s/a.pb'"):format(outside, path))
      local store <close> = assert(open(path))
      local profile, err = store:profile { type = CPU }
      assert.is_nil(profile)
      assert.equal("io", err.kind)
      assert.truthy(err.message:find("a.pb", 1, true))
    end)

    it("names the file that is missing, empty, cut off or no profile", function()
      local whole = core.gzip(read(PUSHED .. "/shop-a-1-00.pb"))
      for name, case in pairs {
        missing = { "io" }, empty = { "decode", "" }, cut = { "decode", whole:sub(1, -100) },
        html = { "decode", "<html><body>Sign in</body></html>" },
        inside = { "decode", core.gzip(read(PUSHED .. "/shop-a-1-00.pb"):sub(1, -20)) },
      } do
        local path = bundle { { file = name .. ".pb.gz", name = "process_cpu", time_ms = 5 } }
        if case[2] then write(path .. "/" .. name .. ".pb.gz", case[2]) end
        local store <close> = assert(open(path))
        local profile, err = store:profile { type = CPU }
        assert.is_nil(profile, name)
        assert.equal(case[1], err.kind, name)
        assert.truthy(err.message:find(name .. ".pb.gz", 1, true), tostring(err))
      end
      local dir = folder()
      write(dir .. "/s/bad.pb.gz", whole:sub(1, -100))
      assert.truthy(refused(dir, "decode").message:find("bad.pb.gz", 1, true))
      refused(write(dir .. "/x.jfr", "FLR\0\0\2\0\0" .. ("\0"):rep(100)), "unsupported")
      refused(write(dir .. "/x.txt", "hello\0world"), "decode")
    end)

    it("answers or fails with an error, but never raises, for every cut of a file", function()
      local bytes = core.gzip(read(PUSHED .. "/left.pb"))
      local path = folder() .. "/a.pb.gz"
      for n = 0, #bytes - 1, 3 do
        write(path, bytes:sub(1, n))
        local err = refused(path, "decode")
        assert.truthy(err.message:find("a.pb.gz", 1, true))
      end
    end)

    it("takes time and service of a folder's files from the files and their folders", function()
      local dir = folder()
      write(dir .. "/checkout/cpu.pb", read(PUSHED .. "/shop-a-1-00.pb"))
      write(dir .. "/cart/deep/er/x.folded", "main;a 3\nmain;b 4\n")
      write(dir .. "/root.pprof", read(PUSHED .. "/left.pb"))
      write(dir .. "/notes.json", '{"a":1}')
      write(dir .. "/.hidden.pb", "x")
      local store <close> = assert(open(dir))
      assert.equal(3, #store.entries)
      assert.equal(1, #store.warnings)
      assert.same({ "cart", "checkout", dir:match "([^/]+)$" },
        store:label_values "service_name")
      local pprof = core.pprof(read(PUSHED .. "/shop-a-1-00.pb"))
      local time = pprof.time_nanos // 1000000
      pprof:close()
      local rows = assert(store:exemplars { service = "checkout", type = "cpu" })
      assert.equal(time, rows[1].time_ms)
      assert.equal(7, assert(store:profile { service = "cart",
        type = "samples:samples:count::" }).sum)
    end)

    it("asks a single file for CPU, else for its default type", function()
      local store <close> = assert(open(PUSHED .. "/left.pb"))
      assert.equal(CPU, store:defaults().profile_type)
      local profile <close> = assert(store:profile {})
      assert.equal(15, profile.total)
      assert.equal(CPU, profile.profile_type)
      local memory <close> = assert(open(PUSHED .. "/mem-0.pb"))
      local pprof = core.pprof(read(PUSHED .. "/mem-0.pb"))
      assert.equal(pprof:types()[pprof.default_type].type,
        memory:defaults().profile_type:match "^[^:]*:([^:]*)")
      pprof:close()
    end)

    it("reads every format it knows as a single file", function()
      local source <close> = assert(open(PUSHED))
      local profile <close> = assert(source:profile { service = "wire-shop", type = "cpu" })
      local dir = folder()
      for _, case in ipairs { { "folded", "x.folded" }, { "json", "x.json" },
        { "tree", "x.tree" }, { "pprof", "x.pb.gz" } } do
        local bytes = assert(profile:render(case[1]))
        local store <close> = assert(open(write(dir .. "/" .. case[2], bytes)))
        local again <close> = assert(store:profile {})
        assert.equal(profile.sum, again.sum, case[1])
        for i, row in ipairs((profile:top(5))) do
          local other = again:top(5)[i]
          assert.same({ row.name, row.self, row.total }, { other.name, other.self, other.total })
        end
      end
    end)

    it("raises for what is no path", function()
      assert.has_error(function() open(nil) end)
      assert.has_error(function() open "" end)
      assert.has_error(function() open(PUSHED, { cache = 1 }) end)
    end)
  end)

  -- Profiles ------------------------------------------------------------------------------

  describe("profile", function()
    local store
    lazy_setup(function() store = assert(open(PUSHED)) end)
    lazy_teardown(function() store:close() end)

    local function profile(options)
      options.type = options.type or "cpu"
      return store:profile(options)
    end

    it("is exact: every sample of the selected files, uncut", function()
      local one = assert(profile { service = "wire-shop" })
      assert.equal(82250000000, one.sum)
      assert.equal(40, one.profiles)
      local by_pod = 0
      for _, pod in ipairs { "a-1", "a-2", "b-1", "c-1" } do
        by_pod = by_pod + assert(profile { service = "wire-shop", labels = { pod = pod } }).sum
      end
      assert.equal(one.sum, by_pod)
      assert.equal(0, one:coverage().other)
    end)

    it("says what it is", function()
      local one = assert(profile { service = "wire-shop", labels = { pod = "a-1" } })
      assert.equal(CPU, one.profile_type)
      assert.equal("nanoseconds", one.unit)
      assert.equal("flow", one.kind)
      assert.same({ service_name = "wire-shop", pod = "a-1" }, one.meta.labels)
      assert.equal('{service_name="wire-shop", pod="a-1"}', one.meta.selector)
      assert.equal(store:defaults().from_ms, one.from_ms)
      assert.equal(PUSHED, one.meta.source)
    end)

    it("takes what starts in [from, to)", function()
      local time = 1795212010000
      for _, case in ipairs { { time, time + 1, 15 }, { time - 5, time + 5, 15 },
        { time - 1, time, nil }, { time + 1, time + 2, nil } } do
        local one, err = profile { service = "wire-left", from_ms = case[1], to_ms = case[2] }
        assert.equal(case[3], one and one.sum)
        if not one then assert.equal("no_data", err.kind) end
      end
    end)

    it("keeps locations without functions and empty stacks, a server's tree does not", function()
      local exact = assert(profile { service = "wire-inline" })
      local cut = assert(profile { service = "wire-inline", max_nodes = 100 })
      assert.equal(17670000, exact.sum)
      assert.equal(17070000, cut.sum)
    end)

    it("cuts only when told", function()
      local cut = assert(profile { service = "wire-shop", max_nodes = 5 })
      assert.equal(82250000000, cut.sum)
      assert.is_true(cut:coverage().truncated)
    end)

    it("selects by labels of samples, of files and internal ones alike", function()
      local whole = assert(profile { service = "wire-span" }).sum
      local named, rest = 0, assert(profile { service = "wire-span",
        selector = 'span_name="", vehicle=""' }).sum
      for _, name in ipairs(assert(store:label_values("span_name", nil,
        { selector = 'service_name="wire-span"' }))) do
        named = named + assert(profile { service = "wire-span",
          labels = { span_name = name } }).sum
      end
      local vehicles = assert(profile { service = "wire-span",
        selector = 'vehicle!="", span_name=""' }).sum
      assert.equal(whole, named + rest + vehicles)
      assert.equal(15, assert(profile { selector =
        '{__name__="process_cpu", __service_name__=~"wire-le.*"}' }).sum)
    end)

    it("keeps only stacks of a call site, a span, a trace or a profile", function()
      assert.equal(4, assert(profile { service = "wire-left",
        call_site = { "main", "alloc" } }).sum)
      local spans = assert(store:exemplars { service = "wire-span", type = "cpu",
        kind = "span" })
      local of_span = {}
      for _, row in ipairs(spans) do
        of_span[row.span_id] = (of_span[row.span_id] or 0) + row.value
      end
      for id, value in pairs(of_span) do
        assert.equal(value, assert(profile { service = "wire-span", span_ids = id }).sum)
      end
      for _, row in ipairs(assert(store:exemplars { service = "wire-shop", type = "cpu",
        limit = 3 })) do
        assert.equal(row.value, assert(profile { service = "wire-shop",
          profile_ids = { row.profile_id } }).sum)
      end
      assert.is_number(assert(profile { service = "wire-span",
        trace_ids = "4bf92f3577b34da6a3ce929d0e0e4736" }).sum)
    end)

    it("refuses spans and traces where no sample has one, and unknown profile ids", function()
      local one, err = profile { service = "wire-shop", span_ids = "00000000000000a1" }
      assert.is_nil(one)
      assert.equal("unsupported", err.kind)
      one, err = profile { service = "wire-shop",
        profile_ids = "7c9e6679-7425-40de-944b-e07fc1f90ae7" }
      assert.is_nil(one)
      assert.equal("no_data", err.kind)
      one, err = profile { service = "wire-shop", go_pgo = true }
      assert.is_nil(one)
      assert.equal("unsupported", err.kind)
    end)

    it("divides stocks by the number of profiles, counting what an index line merged", function()
      local one = assert(store:profile { service = "wire-go", type = "goroutine" })
      assert.equal("stock", one.kind)
      assert.equal(3, one.profiles)
      assert.equal((one.sum + 1) // 3, one.total)
      assert.equal(one.sum, assert(store:profile { service = "wire-go", type = "goroutine",
        sum = true }).total)
      local merged <close> = assert(open(bundle {
        { copy = "goroutine-0.pb", file = "a.pb.gz", name = "goroutine", time_ms = 1,
          profiles = 10 },
        { copy = "goroutine-1.pb", file = "b.pb.gz", name = "goroutine", time_ms = 2 },
      }))
      local both = assert(merged:profile { type = "goroutine" })
      assert.equal(11, both.profiles)
      assert.equal(math.floor(both.sum / 11 + 0.5), both.total)
      assert.same({ { labels = {}, profiles = 11 } },
        merged:profile_counts { type = "goroutine" })
    end)

    it("gives files and lines when asked, and the same values", function()
      local lines = assert(profile { service = "wire-shop", granularity = "line" })
      assert.equal("line", lines.granularity)
      assert.is_true(#lines:files() > 0)
      assert.equal(82250000000, lines.sum)
    end)

    it("answers several questions, each with its own error (MCP-15)", function()
      local sums, errors = {}, {}
      for i, one, err in store:profiles { { service = "wire-left", type = "cpu" },
        { service = "nobody", type = "cpu" }, { service = "wire-right", type = "cpu" } } do
        sums[i], errors[i] = one and one.sum or 0, err and err.kind or ""
      end
      assert.same({ 15, 0, 9 }, sums)
      assert.same({ "", "no_data", "" }, errors)
    end)

    it("gives pprof that holds the same, with its types and labels", function()
      local answer = assert(store:pprof { service = "wire-mem", type = "memory" })
      local names = {}
      for _, row in ipairs(answer:types()) do names[row.type] = true end
      assert.same({ alloc_objects = true, alloc_space = true, inuse_objects = true,
        inuse_space = true }, names)
      local alloc = assert(answer:profile { type = "alloc_space" })
      assert.equal(assert(store:profile { service = "wire-mem", type = "alloc" }).sum, alloc.sum)
      local bytes = assert(assert(store:pprof { service = "wire-shop", type = "cpu" }):bytes())
      local pprof = assert(core.pprof(bytes))
      assert.equal(82250000000, (pprof:total(1)))
      pprof:close()
      local spans = assert(store:pprof { service = "wire-span", type = "cpu" })
      assert.is_table(spans:labels().span_name)
    end)

    it("compares two questions", function()
      local diff = assert(store:diff({ service = "wire-left", type = "cpu" },
        { service = "wire-right", type = "cpu" }, { mode = "share" }))
      assert.equal(15, diff.sides[1].raw)
      assert.equal(9, diff.sides[2].raw)
      local none, err = store:diff({ service = "wire-left", type = "cpu" },
        { service = "nobody", type = "cpu" })
      assert.is_nil(none)
      assert.truthy(err.message:find("B (after)", 1, true))
    end)

    it("says what is near when it finds nothing", function()
      local function absence(options)
        local one, err = profile(options)
        assert.is_nil(one)
        assert.equal("no_data", err.kind)
        return err
      end
      assert.truthy(absence { service = "wire-shp" }.message:find("'wire-shop'", 1, true))
      local err = absence { service = "wire-left", from_ms = 1795212100000,
        to_ms = 1795212101000 }
      assert.truthy(err.hint:find("2026-11-20 22:00:10", 1, true), tostring(err))
      assert.truthy(absence { service = "wire-left", type =
        "goroutine:goroutine:count:goroutine:count" }.hint:find(CPU, 1, true))
      assert.truthy(absence { service = "wire-left", type = "mutex" }.hint:find(CPU, 1, true))
      assert.truthy(absence { labels = { nope = "x" } })
    end)

    it("refuses what only a server can do", function()
      local answer, err = store:link { service = "wire-left", type = "cpu" }
      assert.is_nil(answer)
      assert.equal("unsupported", err.kind)
      assert.truthy(err.hint)
    end)

    it("draws DOT of a question, 100 functions unless told", function()
      local text = assert(store:dot { service = "wire-left", type = "cpu" })
      assert.matches("^digraph", text)
      assert.matches("N1 %[label=", text)
    end)

    it("raises for unknown options and returns what a person typed wrong", function()
      assert.has_error(function() store:profile { service = "a", typ = "cpu" } end)
      assert.has_error(function() store:label_names({}, { selectr = "" }) end)
      assert.has_error(function() store:label_values "" end)
      local one, err = store:profile { service = "a", type = "cpu", selector = "{a" }
      assert.is_nil(one)
      assert.equal("usage", err.kind)
    end)

    it("keeps no more parsed files than it may, and answers the same", function()
      local small <close> = assert(open(PUSHED, { cache_bytes = 20000 }))
      for _ = 1, 3 do
        assert.equal(82250000000, assert(small:profile { service = "wire-shop",
          type = "cpu" }).sum)
        assert.is_true(small.files.bytes <= 20000 + 20000)
      end
      local large = assert(store:timeline { service = "wire-span", type = "cpu",
        group_by = "span_name" })
      local again = assert(small:timeline { service = "wire-span", type = "cpu",
        group_by = "span_name" })
      assert.same(large, again)
    end)
  end)

  -- Over time -----------------------------------------------------------------------------

  describe("over time", function()
    local store
    lazy_setup(function() store = assert(open(PUSHED)) end)
    lazy_teardown(function() store:close() end)

    local function sum_of(rows)
      local sum = 0
      for _, row in ipairs(rows) do
        local points = 0
        for _, point in ipairs(row.points) do points = points + point.raw end
        assert.equal(row.sum, points)
        sum = sum + points
      end
      return sum
    end

    it("puts every profile into one step, whatever the step and the grouping", function()
      for _, step in ipairs { 1, 7, 15, 60, 1000 } do
        for _, group in ipairs { {}, { "pod" }, { "namespace", "pod" }, { "nope" } } do
          local rows = assert(store:timeline { service = "wire-shop", type = "cpu",
            step = step, group_by = group })
          assert.equal(82250000000, sum_of(rows))
          assert.equal(step * 1000, rows.step_ms)
          assert.equal(0, (rows.to_ms - rows.from_ms) % rows.step_ms)
          assert.equal((rows.to_ms - rows.from_ms) // rows.step_ms, #rows[1].points)
          for i = 2, #rows do assert.is_true(rows[i - 1].sum >= rows[i].sum) end
        end
      end
    end)

    it("lengthens a window that is no whole number of steps at its start", function()
      local rows = assert(store:timeline { service = "wire-shop", type = "cpu", step = 60,
        from_ms = 1795212010000, to_ms = 1795212100000 })
      assert.equal(1795212100000 - 120000, rows.from_ms)
      assert.equal(1795212100000, rows.to_ms)
      assert.equal(2, #rows[1].points)
    end)

    it("gives flows per second and stocks per profile", function()
      local rows = assert(store:timeline { service = "wire-left", type = "cpu", step = 10 })
      local largest = 0
      for _, point in ipairs(rows[1].points) do largest = math.max(largest, point.value) end
      assert.equal(1.5, largest)
      rows = assert(store:timeline { service = "wire-go", type = "goroutine", step = 1000 })
      assert.equal(578 / 3, rows[1].points[1].value)
      rows = assert(store:timeline { service = "wire-go", type = "goroutine", step = 15 })
      local measured = 0
      for _, point in ipairs(rows[1].points) do
        if point.profiles == 0 then assert.is_nil(point.value) else measured = measured + 1 end
      end
      assert.equal(3, measured)
    end)

    it("follows single functions by a tree for each step", function()
      local rows = assert(store:timeline { service = "wire-left", type = "cpu", step = 1000,
        functions = { "main", "parse", "nope" } })
      local sums = {}
      for _, row in ipairs(rows) do sums[row.name] = row.sum end
      assert.same({ main = 10, parse = 5, nope = 0 }, sums)
    end)

    it("filters a timeline by call site as it does a tree", function()
      local rows = assert(store:timeline { service = "wire-left", type = "cpu", step = 1000,
        call_site = { "main" } })
      assert.equal(10, rows[1].sum)
    end)

    it("chooses a step that people know, and refuses one that makes too many points", function()
      assert.equal(15000, assert(store:timeline { service = "wire-shop", type = "cpu" }).step_ms)
      local rows, err = store:timeline { service = "wire-shop", type = "cpu", step = 0.001 }
      assert.is_nil(rows)
      assert.equal("usage", err.kind)
    end)

    it("ranks series whose sums are the tree's total", function()
      local rows = assert(store:top_series { type = "cpu", selector = "{}" })
      local sum, share = 0, 0
      for _, row in ipairs(rows) do sum, share = sum + row.sum, share + row.share end
      assert.equal(assert(store:profile { type = "cpu", selector = "{}" }).sum, sum)
      assert.is_true(math.abs(share - 1) < 1e-9)
      assert.equal("wire-shop", rows[1].labels.service_name)
      assert.equal(2, #assert(store:top_series { type = "cpu", selector = "{}", limit = 2 }))
    end)

    it("counts profiles as exemplars, heat map and index do", function()
      local counts = assert(store:profile_counts { service = "wire-shop", type = "cpu",
        group_by = "pod" })
      local by_pod = {}
      for _, row in ipairs(counts) do by_pod[row.labels.pod] = row.profiles end
      assert.same({ ["a-1"] = 12, ["a-2"] = 12, ["b-1"] = 4, ["c-1"] = 12 }, by_pod)
      local heatmap = assert(store:heatmap { service = "wire-shop", type = "cpu", step = 60,
        group_by = "pod" })
      for _, row in ipairs(heatmap.rows) do
        local sum = 0
        for _, slot in ipairs(row.slots) do
          assert.equal(20, #slot.counts)
          assert.equal(20, #slot.y_min)
          for _, count in ipairs(slot.counts) do sum = sum + count end
        end
        assert.equal(by_pod[row.labels.pod], sum)
      end
      assert.equal(by_pod["a-1"], #assert(store:exemplars { service = "wire-shop",
        type = "cpu", labels = { pod = "a-1" } }))
    end)

    it("gives exemplars by value without internal labels", function()
      local rows = assert(store:exemplars { service = "wire-shop", type = "cpu", limit = 10 })
      assert.equal(10, #rows)
      for i, row in ipairs(rows) do
        if i > 1 then assert.is_true(rows[i - 1].value >= row.value) end
        assert.is_nil(row.labels.__name__)
        assert.truthy(row.profile_id:match
          "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
      end
      local none, err = store:exemplars { service = "wire-shop", type = "cpu", kind = "span" }
      assert.is_nil(none)
      assert.equal("unsupported", err.kind)
    end)

    it("refuses sums beyond 64 bits", function()
      local huge = math.maxinteger // 2 + 1
      local dir = folder()
      write(dir .. "/s/a.folded", ("main;a %d\n"):format(huge))
      write(dir .. "/s/b.folded", ("main;a %d\n"):format(huge))
      local both <close> = assert(open(dir))
      local rows, err = both:top_series { type = "samples:samples:count::" }
      assert.is_nil(rows)
      assert.equal("limit", err.kind)
      local profile, bad = both:profile { type = "samples:samples:count::" }
      assert.is_nil(profile)
      assert.is_string(bad.kind)
    end)
  end)

  -- Lists ---------------------------------------------------------------------------------

  describe("lists", function()
    local store
    lazy_setup(function() store = assert(open(PUSHED)) end)
    lazy_teardown(function() store:close() end)

    it("gives types with class and kind, all or those of a selector", function()
      assert.equal(12, #assert(store:profile_types()))
      local rows = assert(store:profile_types(nil, { selector = 'service_name="wire-mem"' }))
      assert.equal(4, #rows)
      for _, row in ipairs(rows) do assert.equal("memory", row.name) end
      assert.same({}, store:profile_types({ from_ms = 1, to_ms = 2 }))
    end)

    it("gives label names, internal ones only when asked", function()
      for _, name in ipairs(assert(store:label_names())) do
        assert.is_nil(name:match "^__")
      end
      assert.is_true(#store:label_names(nil, { internal = true }) > #store:label_names())
      assert.same({ "pod", "service_name", "span_name", "vehicle" },
        store:label_names(nil, { selector = 'service_name="wire-span"' }))
    end)

    it("gives distinct label sets, reduced to the names asked for", function()
      local rows = assert(store:series(nil, { labels = { "service_name", "pod" },
        selector = 'service_name="wire-shop"' }))
      assert.same({ { service_name = "wire-shop", pod = "a-1" },
        { service_name = "wire-shop", pod = "a-2" }, { service_name = "wire-shop", pod = "b-1" },
        { service_name = "wire-shop", pod = "c-1" } }, rows)
    end)

    it("gives services by CPU with types, instances, versions and language", function()
      local rows = assert(store:services())
      assert.equal("wire-shop", rows[1].name)
      assert.equal(4, rows[1].instances)
      assert.equal("pod", rows[1].instance_label)
      assert.equal(30, #rows[1].points)
      assert.equal("1.1", rows[1].version) -- of its newest profile
      assert.equal(4, #rows[1].versions)
      local by_name = {}
      for i, row in ipairs(rows) do
        by_name[row.name] = row
        if i > 1 then assert.is_true((rows[i - 1].cores or -1) >= (row.cores or -1)) end
      end
      assert.equal("go", by_name["wire-go"].language)
      assert.is_nil(by_name["wire-go"].cores)
      assert.truthy(by_name.unknown_service)
      local hotspot <close> = assert(open(HOTSPOT))
      local window = { from_ms = 1795204800000, to_ms = 1795204950000 }
      local row = assert(hotspot:services(window))[1]
      assert.near(44290000000 / 1e9 / 150, row.cores, 1e-12)
      assert.equal("v41", row.version)
      assert.equal(3, row.instances)
    end)

    it("says from when to when it has profiles (GCX-10, GCX-40)", function()
      assert.same({ ingested = true, oldest_ms = 1795212005000, newest_ms = 1795212200000 },
        store:stats())
    end)
  end)

  -- Incidents -----------------------------------------------------------------------------

  local function check_truth(path)
    local truth = cjson.decode(read(path .. "/truth.json"))
    local expected = truth.expected
    local store <close> = assert(open(path))
    local before = { from_ms = math.tointeger(truth.baseline.from_ms),
      to_ms = math.tointeger(truth.baseline.to_ms) }
    local after = { from_ms = math.tointeger(truth.incident.from_ms),
      to_ms = math.tointeger(truth.incident.to_ms) }
    local id
    for _, row in ipairs(assert(store:profile_types())) do
      if row.id:sub(1, #expected.type + 1) == expected.type .. ":" then id = row.id end
    end
    local cause = type(truth.cause) == "table" and truth.cause["function"]
    local bounded = type(truth.cause) == "table" and type(truth.cause.label) == "table"
    for i, window in ipairs { before, after } do
      local suffix = i == 1 and "before" or "after"
      local profile <close> = assert(store:profile { service = truth.service, type = id,
        from_ms = window.from_ms, to_ms = window.to_ms })
      assert.equal(math.tointeger(expected["total_" .. suffix]), profile.sum)
      assert.equal(math.tointeger(expected.profiles[i]), profile.profiles)
      local value = expected["value_" .. suffix]
      if value and cause and not bounded then
        local raw <close> = assert(store:profile { service = truth.service, type = id,
          from_ms = window.from_ms, to_ms = window.to_ms, sum = true })
        local found = 0
        for _, row in ipairs((raw:top(0, { by = "total" }))) do
          if row.name == cause then found = row.total end
        end
        assert.equal(math.tointeger(value), found)
      end
      local rows = assert(store:timeline { service = truth.service, type = id, step = 15,
        from_ms = window.from_ms, to_ms = window.to_ms, group_by = "pod" })
      local sum = 0
      for _, row in ipairs(rows) do sum = sum + row.sum end
      assert.equal(profile.sum, sum)
    end
  end

  it("gives the values of the sample incident that its truth names", function()
    check_truth(HOTSPOT)
  end)

  if io.open(INCIDENTS .. "/README.md") then
    for _, item in ipairs(assert(system.list(INCIDENTS))) do
      if item.type == "directory" then
        it("gives the values of " .. item.name .. " that its truth names", function()
          check_truth(INCIDENTS .. "/" .. item.name)
        end)
      end
    end
  else
    pending "needs ../shared: the other incidents with what is true of them"
  end
end)
