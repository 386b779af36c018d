local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local shop = require "spec.support.shop"

local QUERIER = "spec/support/querier.lua"

-- A tree as a list of lines: everything that two equal trees share.
local function tree_of(profile)
  local lines = {}
  for depth, name, self, total in profile:walk() do
    lines[#lines + 1] = ("%d %s %d %d"):format(depth, name, self, total)
  end
  return table.concat(lines, "\n")
end

local function plain(rows)
  local copy = {}
  for i, row in ipairs(rows) do copy[i] = row end
  return copy
end

local function requests_of(url, want)
  local reader = assert(pyroscope.connect { url = url })
  local text = assert(reader:get "/@log")
  reader:close()
  local cjson = require "cjson"
  local found = {}
  for _, request in ipairs(cjson.decode(text)) do
    if not want or request.target:find(want, 1, true) then found[#found + 1] = request end
  end
  return found
end

describe("a client", function()
  local folder, remove, store
  local servers = {}

  local function server(...)
    local key = table.concat({ ... }, " ")
    if not servers[key] then servers[key] = process.start(QUERIER, folder, ...) end
    return servers[key]
  end

  local function connect(mode, options)
    local given = { url = server(table.unpack(mode or {})).url }
    for name, value in pairs(options or {}) do given[name] = value end
    return assert(pyroscope.connect(given))
  end

  setup(function()
    folder, remove = shop.folder()
    store = assert(pyroscope.open(folder))
  end)

  teardown(function()
    for _, one in pairs(servers) do one:stop() end
    store:close()
    remove()
  end)

  after_each(function()
    collectgarbage()
    collectgarbage()
  end)

  local hour = { from_ms = shop.from_ms + 10 * shop.HOUR, to_ms = shop.from_ms + 11 * shop.HOUR }
  local function ask(extra, window)
    local question = { service = "checkout", type = "cpu" }
    for name, value in pairs(window or hour) do question[name] = value end
    for name, value in pairs(extra or {}) do question[name] = value end
    return question
  end
  local last_day = { from_ms = shop.to_ms - shop.DAY, to_ms = shop.to_ms }
  local whole = { from_ms = shop.from_ms, to_ms = shop.to_ms }

  describe("answers as the store behind the server does", function()
    for _, mode in ipairs { { "--mode", "v2" }, { "--mode", "v1" },
      { "--mode", "v1", "--version", "1.5.0" }, { "--mode", "v1", "--version", "1.9.0" } } do
      local name = table.concat(mode, " "):gsub("%-%-%a+ ", "")
      local client

      setup(function() client = connect(mode) end)
      teardown(function() client:close() end)

      it("lists of " .. name, function()
        assert.same(plain(store:profile_types(last_day)), plain(client:profile_types(last_day)))
        assert.same(plain(store:profile_types(hour, { selector = '{service_name="cart"}' })),
          plain(client:profile_types(hour, { selector = '{service_name="cart"}' })))
        assert.same(store:label_names(hour), client:label_names(hour))
        for _, label in ipairs { "service_name", "pod", "version", "nothing" } do
          assert.same(store:label_values(label, hour), client:label_values(label, hour))
        end
        assert.same({ "cart-0" },
          client:label_values("pod", hour, { selector = '{service_name="cart"}' }))
        assert.same(store:series(hour), client:series(hour))
        assert.same(store:series(hour, { labels = { "pod", "version" } }),
          client:series(hour, { labels = { "pod", "version" } }))
      end)

      it("trees of " .. name, function()
        local expected = assert(store:profile(ask { max_nodes = 16384 }))
        local found = assert(client:profile(ask()))
        assert.equal(tree_of(expected), tree_of(found))
        assert.equal(2 * (shop.value["checkout-0"] + shop.value["checkout-1"]), found.sum)
        assert.equal("nanoseconds", found.unit)
        assert.equal(shop.CPU, found.profile_type)
        assert.equal("flow", found.kind)
        assert.equal(hour.from_ms, found.from_ms)
        assert.equal(hour.to_ms, found.to_ms)
        assert.same({ service_name = "checkout" }, found.meta.labels)
      end)

      it("lines of " .. name, function()
        local expected = assert(store:profile(ask { granularity = "line" }))
        local found = assert(client:profile(ask { granularity = "line" }))
        assert.equal(tree_of(expected), tree_of(found))
        assert.equal("line", found.granularity)
        assert.equal(41, found:lines("shop/price.go")[1].line)
      end)

      it("stocks of " .. name .. ", divided by the profiles", function()
        local question = ask({ type = "memory" }, last_day)
        local expected = assert(store:profile(question))
        local found = assert(client:profile(question))
        assert.equal(3, found.profiles)
        assert.equal(shop.heap[1] + shop.heap[2] + shop.heap[3], found.sum)
        assert.equal(expected.total, found.total)
        assert.equal(math.floor(found.sum / 3 + 0.5), found.total)
        question.sum = true
        assert.equal(found.sum, assert(client:profile(question)).total)
      end)

      it("timelines of " .. name .. ", aligned to the window", function()
        for _, extra in ipairs { { step = 600 }, { step = "20m", group_by = "pod" },
          { step = 700, group_by = { "pod", "version" } }, {} } do
          local expected = assert(store:timeline(ask(extra)))
          local found = assert(client:timeline(ask(extra)))
          assert.equal(#expected, #found)
          for _, key in ipairs { "step_ms", "from_ms", "to_ms", "unit", "kind" } do
            assert.equal(expected[key], found[key])
          end
          for i, row in ipairs(expected) do
            assert.same(row.labels, found[i].labels)
            assert.equal(row.sum, found[i].sum)
            assert.equal(#row.points, #found[i].points)
            for j, point in ipairs(row.points) do
              assert.equal(point.time_ms, found[i].points[j].time_ms)
              assert.equal(point.raw, found[i].points[j].raw)
              assert.near(point.value, found[i].points[j].value, 1e-6)
            end
          end
        end
      end)

      it("timelines of stocks of " .. name .. ", per profile", function()
        local question = ask({ type = "memory", step = "1h", group_by = "pod" }, last_day)
        local expected = assert(store:timeline(question))
        local found = assert(client:timeline(question))
        assert.equal(#expected, #found)
        for i, row in ipairs(expected) do
          assert.same(row.labels, found[i].labels)
          for j, point in ipairs(row.points) do
            assert.equal(point.profiles, found[i].points[j].profiles)
            assert.equal(point.value, found[i].points[j].value)
          end
        end
      end)

      it("counts and rankings of " .. name, function()
        local question = ask({ group_by = "pod" })
        local expected, found = store:profile_counts(question), client:profile_counts(question)
        assert.same(plain(expected), plain(found))
        assert.equal(4, client:profile_counts(ask())[1].profiles)
        local all = { type = "cpu", selector = "{}", from_ms = hour.from_ms, to_ms = hour.to_ms }
        local ranked = assert(client:top_series(all))
        assert.equal(2, #ranked)
        for i, row in ipairs(assert(store:top_series(all))) do
          assert.same(row.labels, ranked[i].labels)
          assert.equal(row.sum, ranked[i].sum)
          assert.near(row.value, ranked[i].value, 1e-6)
          assert.near(row.share, ranked[i].share, 1e-12)
        end
        assert.equal(assert(client:profile(ask())).sum, ranked[1].sum)
      end)

      it("services of " .. name, function()
        local expected, found = store:services(last_day), assert(client:services(last_day))
        assert.equal(#expected, #found)
        for i, row in ipairs(expected) do
          for _, key in ipairs { "name", "cpu_type", "version", "instances",
            "instance_label" } do
            assert.equal(row[key], found[i][key], key)
          end
          -- A store looks into its files where no label tells; a server is not asked for more.
          assert.equal("go", row.language)
          assert.equal(row.name == "checkout" and "go" or nil, found[i].language)
          assert.same(row.types, found[i].types)
          assert.near(row.cores, found[i].cores, 1e-9)
          assert.equal(30, #found[i].points)
        end
        assert.equal("2.10.0", found[1].version)
      end)

      it("statistics of " .. name, function()
        local expected, found = store:stats(), assert(client:stats())
        assert.equal(expected.ingested, found.ingested)
        assert.equal(expected.oldest_ms, found.oldest_ms)
        assert.equal(expected.newest_ms, found.newest_ms)
      end)
    end

    it("exemplars and heat maps, with the same values", function()
      local client <close> = connect()
      local question = ask { step = 600, group_by = "pod" }
      local expected, found = assert(store:exemplars(question)), assert(client:exemplars(question))
      assert.equal(#expected, #found)
      for i, row in ipairs(expected) do
        assert.equal(row.value, found[i].value)
        assert.equal(row.time_ms, found[i].time_ms)
        assert.same(row.labels, found[i].labels)
        assert.is_string(found[i].profile_id)
      end
      local map, seen = assert(store:heatmap(question)), assert(client:heatmap(question))
      assert.equal(map.step_ms, seen.step_ms)
      assert.equal(#map.rows, #seen.rows)
      for i, row in ipairs(map.rows) do
        assert.same(row.labels, seen.rows[i].labels)
        for j, slot in ipairs(row.slots) do
          assert.equal(slot.time_ms, seen.rows[i].slots[j].time_ms)
          assert.same(slot.counts, seen.rows[i].slots[j].counts)
        end
      end
    end)

    it("differences of two windows, here and on the server", function()
      local client <close> = connect()
      local before = ask { max_nodes = 16384 }
      local after = ask({ max_nodes = 16384 }, { from_ms = hour.to_ms, to_ms = hour.to_ms
        + shop.HOUR // 2 })
      local expected = assert(store:diff(before, after))
      local found = assert(client:diff(before, after))
      before.server = true
      local theirs = assert(client:diff(before, after))
      for _, diff in ipairs { found, theirs } do
        assert.equal(expected.before, diff.before)
        assert.equal(expected.after, diff.after)
        assert.equal(expected.measure, diff.measure)
        assert.same(expected.warnings, (function(list)
          return list
        end)(diff.warnings))
        local rows, rest = diff:rows(0)
        local wanted, left = expected:rows(0)
        assert.equal(#wanted, #rows)
        for i, row in ipairs(wanted) do
          assert.equal(row.name, rows[i].name)
          assert.equal(row.before_raw, rows[i].before_raw)
          assert.equal(row.after_raw, rows[i].after_raw)
        end
        assert.equal(left.before_raw, rest.before_raw)
      end
    end)
  end)

  describe("asks about long windows", function()
    it("in pieces of a day, together, and merges them exactly", function()
      local client <close> = connect()
      requests_of(client.base)
      local found = assert(client:profile(ask(nil, whole)))
      assert.equal(tree_of(assert(store:profile(ask({ max_nodes = 16384 }, whole)))),
        tree_of(found))
      assert.equal(shop.count * (shop.value["checkout-0"] + shop.value["checkout-1"]), found.sum)
      assert.is_nil(found.meta.partial)
      assert.equal(3, #requests_of(client.base, "SelectMergeStacktraces"))
    end)

    it("cut to the limit that a refusal names", function()
      local client <close> = connect()
      client.range_ms = 10 * shop.DAY -- as if this server's limit were unknown
      local found = assert(client:profile(ask(nil, whole)))
      assert.equal(shop.count * (shop.value["checkout-0"] + shop.value["checkout-1"]), found.sum)
      assert.equal(shop.DAY, client.range_ms)
    end)

    it("as samples, timelines, counts and lists too", function()
      local client <close> = connect()
      local exact = assert(client:pprof(ask(nil, whole)))
      assert.equal(shop.count * (shop.value["checkout-0"] + shop.value["checkout-1"]),
        assert(exact:profile()).sum)
      local pprof = assert(core.pprof(assert(exact:bytes())))
      assert.equal(shop.count * (shop.value["checkout-0"] + shop.value["checkout-1"]),
        (pprof:total(pprof.default_type)))
      local question = ask({ step = "2h", group_by = "pod" }, whole)
      local expected, found = assert(store:timeline(question)), assert(client:timeline(question))
      assert.equal(#expected, #found)
      for i, row in ipairs(expected) do
        for j, point in ipairs(row.points) do
          assert.equal(point.raw, found[i].points[j].raw)
        end
      end
      local days = assert(client:timeline(ask({ step = "3d" }, whole)))
      assert.equal(1, #days[1].points)
      assert.equal(shop.count * (shop.value["checkout-0"] + shop.value["checkout-1"]),
        days[1].sum)
      assert.equal(2 * shop.count, client:profile_counts(ask(nil, whole))[1].profiles)
      assert.same({ "2.10.0", "2.9.1" }, client:label_values("version", whole))
    end)

    it("and says which pieces have no answer", function()
      local client <close> = connect()
      local gone = false
      local send = client.access.of
      client.access.of = function(...)
        -- One request of three is refused on its way.
        if not gone then
          gone = true
          return nil, errors.new { kind = "unreachable", code = "reset", message = "lost" }
        end
        return send(...)
      end
      local found = assert(client:profile(ask({ type = shop.CPU }, whole)))
      assert.is_true(found.meta.partial)
      assert.equal(2 * 48 * (shop.value["checkout-0"] + shop.value["checkout-1"]), found.sum)
      assert.matches("partial: no answer for", found.meta.warnings[1])
      assert.matches("lost", found.meta.warnings[1])
    end)

    it("but not about ones that would take thousands of requests", function()
      local client <close> = connect()
      local found, err = client:profile(ask({ type = shop.CPU }, { from_ms = 0,
        to_ms = shop.to_ms }))
      assert.is_nil(found)
      assert.equal("limit", err.kind)
    end)
  end)

  describe("obeys filters", function()
    it("of spans and traces (GCX-05)", function()
      local client <close> = connect()
      local third = shop.value["checkout-0"] // 3
      for _, extra in ipairs { { span_ids = shop.span }, { trace_ids = shop.trace },
        { span_ids = shop.span, granularity = "line" } } do
        local question = ask(extra, { from_ms = shop.from_ms + 50 * shop.HOUR,
          to_ms = shop.from_ms + 51 * shop.HOUR })
        local found = assert(client:profile(question))
        assert.equal(third, found.sum)
        assert.equal(assert(store:profile(question)).sum, found.sum)
      end
    end)

    it("of call sites, on every storage", function()
      for _, mode in ipairs { { "--mode", "v2" }, { "--mode", "v1" },
        { "--mode", "v1", "--version", "1.2.0" } } do
        local client <close> = connect(mode)
        local question = ask { call_site = { "main.main", "net/http.serve", "shop.price",
          "json.Marshal" } }
        local found = assert(client:profile(question))
        assert.equal(assert(store:profile(question)).sum, found.sum)
        assert.equal(2 * (shop.value["checkout-0"] // 3 + shop.value["checkout-1"] // 3), found.sum)
      end
    end)

    it("of profile ids where the server does, and refuses where it would not", function()
      local client <close> = connect()
      local id = assert(client:exemplars(ask()))[1].profile_id
      local found = assert(client:profile(ask { profile_ids = id }))
      assert.equal(shop.value["checkout-0"], found.sum)
      for _, mode in ipairs { { "--mode", "v1" }, { "--mode", "dual" },
        { "--mode", "v2", "--version", "1.16.0" } } do
        local other <close> = connect(mode)
        local question = mode[2] == "dual" and ask({ profile_ids = id },
          { from_ms = shop.from_ms, to_ms = shop.from_ms + shop.HOUR }) or ask { profile_ids = id }
        local answer, err = other:profile(question)
        assert.is_nil(answer)
        assert.equal("unsupported", err.kind)
      end
    end)

    it("of traces not on a server that would ignore them", function()
      for _, mode in ipairs { { "--mode", "v1" }, { "--mode", "v2", "--version", "2.1.0" } } do
        local client <close> = connect(mode)
        local answer, err = client:profile(ask { trace_ids = shop.trace })
        assert.is_nil(answer)
        assert.equal("unsupported", err.kind)
        assert.equal(1, errors.exit_code(err))
      end
    end)

    it("of time series by trees, since no server filters those", function()
      local client <close> = connect()
      local question = ask { call_site = { "main.main", "net/http.serve" }, step = "20m" }
      local expected, found = assert(store:timeline(question)), assert(client:timeline(question))
      for j, point in ipairs(expected[1].points) do
        assert.equal(point.raw, found[1].points[j].raw)
      end
      question = ask { functions = { "json.Marshal", "nobody" }, step = "20m" }
      expected, found = assert(store:timeline(question)), assert(client:timeline(question))
      assert.equal(2, #found)
      for i, row in ipairs(expected) do
        assert.equal(row.name, found[i].name)
        assert.equal(row.sum, found[i].sum)
      end
    end)

    it("never sends ids of another shape", function()
      local client <close> = connect()
      requests_of(client.base)
      for name, text in pairs { span_ids = "xyz", trace_ids = "abcd", profile_ids = "1-2" } do
        local answer, err = client:profile(ask { type = shop.CPU, [name] = text })
        assert.is_nil(answer)
        assert.equal("usage", err.kind)
      end
      assert.equal(0, #requests_of(client.base, "Select"))
    end)
  end)

  describe("knows its server", function()
    local cases = {
      { { "--mode", "v2", "--version", "2.2.1" }, "2.2.1", "v2" },
      { { "--mode", "v1", "--version", "2.2.1" }, "2.2.1", "v1" },
      { { "--mode", "dual", "--version", "2.1.0" }, "2.1.0", "dual" },
      { { "--mode", "v1", "--version", "1.5.0" }, "1.5.0", "v1" },
      { { "--mode", "v2" }, nil, "v2" },
    }
    for _, case in ipairs(cases) do
      it(table.concat(case[1], " "), function()
        local client <close> = connect(case[1])
        local server_info = assert(client:server())
        assert.equal(case[2], server_info.version)
        assert.equal(case[3], server_info.storage)
        assert.equal(case[3] ~= "v1", server_info.features.heatmap)
        assert.equal(server_info, client:server())
      end)
    end

    it("and asks again from a millisecond earlier at the split", function()
      local client <close> = connect { "--mode", "dual" }
      local split = shop.from_ms + 5 * shop.MINUTE
      local found = assert(client:profile(ask(nil, { from_ms = split,
        to_ms = split + shop.HOUR })))
      assert.equal(2 * (shop.value["checkout-0"] + shop.value["checkout-1"]), found.sum)
    end)

    it("and finds rankings whole although the grid begins at the split", function()
      local client <close> = connect { "--mode", "dual" }
      local rows = assert(client:top_series { type = "cpu", selector = "{}",
        from_ms = shop.from_ms, to_ms = shop.from_ms + 12 * shop.HOUR })
      assert.equal(24 * (shop.value["checkout-0"] + shop.value["checkout-1"]), rows[1].sum)
    end)

    it("falls back to flame graphs of servers without trees", function()
      local client <close> = connect { "--mode", "v1", "--version", "1.0.0" }
      assert.equal(2 * (shop.value["checkout-0"] + shop.value["checkout-1"]),
        assert(client:profile(ask())).sum)
      local stats, err = client:stats()
      assert.is_nil(stats)
      assert.equal("unsupported", err.kind)
      assert.matches("1%.5", err.hint)
    end)

    it("counts profiles without heat maps and says how", function()
      local client <close> = connect { "--mode", "v1" }
      local rows = assert(client:profile_counts(ask()))
      assert.equal(4, rows[1].profiles)
      assert.matches("label pod", rows.warnings[1])
    end)
  end)

  it("reads the legacy path as well as the methods (PER-24)", function()
    local client <close> = connect()
    local found = assert(client:render(ask(nil, whole)))
    assert.equal(tree_of(assert(client:profile(ask(nil, whole)))), tree_of(found))
    assert.equal(shop.CPU, found.profile_type)
    local answer, err = client:render(ask { trace_ids = shop.trace })
    assert.is_nil(answer)
    assert.equal("unsupported", err.kind)
  end)

  it("gives raw answers with exact integers and wire names", function()
    local client <close> = connect()
    local answer = assert(client:call("GetProfileStats", {}))
    assert.is_true(answer.dataIngested)
    assert.equal("integer", math.type(answer.oldestProfileTime))
    local graph = assert(client:call("SelectMergeStacktraces", { profileTypeID = shop.CPU,
      labelSelector = "{}", start = hour.from_ms, ["end"] = hour.to_ms - 1 }))
    assert.equal("total", graph.flamegraph.names[1])
    local missing, err = client:call("SelectSerie", {})
    assert.is_nil(missing)
    assert.equal("usage", err.kind)
    assert.matches("SelectSeries", err.message)
    missing, err = client:call("SelectSeries", { labelSelecto = "{}" })
    assert.is_nil(missing)
    assert.equal("usage", err.kind)
  end)

  it("runs questions together and in order", function()
    local client <close> = connect()
    local questions = {}
    for i = 1, 12 do
      questions[i] = ask({ type = shop.CPU }, { from_ms = shop.from_ms + i * shop.HOUR,
        to_ms = shop.from_ms + (i + i % 3 + 1) * shop.HOUR })
    end
    questions[5] = ask({ type = shop.CPU, service = "chekout" })
    local seen = 0
    for i, profile, err in client:profiles(questions) do
      seen = seen + 1
      assert.equal(seen, i)
      if i == 5 then
        assert.is_nil(profile)
        assert.equal("no_data", err.kind)
      else
        assert.equal((i % 3 + 1) * 2 * (shop.value["checkout-0"] + shop.value["checkout-1"]),
          profile.sum)
      end
    end
    assert.equal(12, seen)
  end)

  it("takes as long for eight slow questions as for one", function()
    local slow <close> = assert(pyroscope.connect { url = server().url .. "/@slow:0.3" })
    local questions = {}
    for i = 1, 8 do questions[i] = ask { type = shop.CPU } end
    local http = require "pyroscope.http"
    local start = http.now()
    for _, profile in slow:profiles(questions) do assert.is_truthy(profile) end
    assert.is_true(http.now() - start < 1.5)
  end)

  it("drops what is in flight when the loop is left", function()
    local slow <close> = assert(pyroscope.connect { url = server().url .. "/@slow:0.2" })
    local iterate, _, _, closing = slow:profiles { ask { type = shop.CPU },
      ask { type = shop.CPU, service = "cart" } }
    assert.is_truthy(select(2, iterate()))
    do local _ <close> = closing end
    assert.equal(0, slow:status().running)
  end)

  it("is cancelled by whoever waits for it", function()
    local never <close> = assert(pyroscope.connect { url = server().url .. "/@never" })
    local calls = 0
    never.on_wait = function(client, seconds)
      calls = calls + 1
      client:poll(seconds)
      return calls > 2
    end
    local found, err = never:profile(ask { type = shop.CPU })
    assert.is_nil(found)
    assert.equal("cancelled", err.kind)
  end)

  describe("without data", function()
    it("names the service that was meant", function()
      local client <close> = connect()
      local found, err = client:profile(ask { service = "chekout" })
      assert.is_nil(found)
      assert.equal("no_data", err.kind)
      assert.matches("did you mean 'checkout'", err.message)
      assert.equal(6, errors.exit_code(err))
    end)

    it("names the nearest window that has some", function()
      local client <close> = connect()
      local question = ask({ type = shop.CPU }, { from_ms = shop.to_ms + shop.HOUR,
        to_ms = shop.to_ms + 2 * shop.HOUR })
      local found, err = client:profile(question)
      assert.is_nil(found)
      assert.equal("no_data", err.kind)
      assert.matches("2025%-11%-20T23:", err.hint)
      question.type = "cpu" -- what this word means is not known where the window has no type
      found, err = client:profile(question)
      assert.is_nil(found)
      assert.equal("no_data", err.kind)
      assert.matches("2025%-11%-20T23:", err.hint)
    end)

    it("lists the types that there are", function()
      local client <close> = connect()
      local found, err = client:profile(ask { type = "mutex:delay:nanoseconds:contentions:count" })
      assert.is_nil(found)
      assert.equal("type_absent", err.code)
      assert.matches(shop.CPU, err.hint, 1, true)
      found, err = client:profile(ask { type = "goroutine" })
      assert.is_nil(found)
      assert.equal("no_data", err.kind)
    end)

    it("gives empty lists, not errors", function()
      local client <close> = connect()
      local empty = { from_ms = shop.to_ms + shop.DAY, to_ms = shop.to_ms + shop.DAY + 1000 }
      assert.same({}, client:label_names(empty))
      assert.same({}, client:profile_types(empty))
      assert.same({}, plain(client:services(empty)))
    end)
  end)

  describe("that meets trouble", function()
    local function failing(path, options)
      local given = { url = server().url .. path, timeout = 1.8 }
      for name, value in pairs(options or {}) do given[name] = value end
      local client <close> = assert(pyroscope.connect(given))
      local found, err = client:profile(ask { type = shop.CPU })
      assert.is_nil(found)
      assert.is_string(err.message)
      assert.is_nil(err.message:find "[\n\r]")
      return err
    end

    local cases = {
      { "/nowhere", "http", "not_found", 7, "address" },
      { "/@html", "auth", "login_page", 3, "login page" },
      { "/@html:404", "http", "not_found", 7, "address" },
      { "/@type:text%2Fplain", "http", "content_type", 7, "text/plain" },
      { "/@401", "auth", "unauthenticated", 3, "credential" },
      { "/@403", "auth", "permission_denied", 3, "forbidden" },
      { "/@429", "http", "too_many_requests", 7, "429" },
      { "/@500", "http", "500", 7, "500" },
      { "/@502", "http", "gateway", 7, "502" },
      { "/@504", "timeout", "gateway_timeout", 7, "504" },
      { "/@garbage", "decode", nil, 1, "cannot be read" },
      { "/@reset", "unreachable", "reset", 7, "cannot reach" },
      { "/@redirect:https:%2F%2Fteam.cloudflareaccess.com%2Fcdn-cgi%2Faccess%2Flogin", "auth",
        "login", 3, "login" },
      { "/@redirect:https:%2F%2Fprofiles.example.test%2Fx%3Fsecret=1", "http", "redirect", 7,
        "redirects" },
      { "/@redirect:%2Flogin", "auth", "grafana", 3, "Grafana" },
    }
    for _, case in ipairs(cases) do
      it(case[1] .. " says so", function()
        local err = failing(case[1])
        assert.equal(case[2], err.kind)
        if case[3] then assert.equal(case[3], err.code) end
        assert.equal(case[4], errors.exit_code(err))
        assert.matches(case[5], err.message .. "\n" .. err.hint, 1, true)
        assert.is_string(err.hint)
        assert.is_nil(tostring(err):find("secret", 1, true))
      end)
    end

    it("a cut answer is an error, never a smaller answer", function()
      local err = failing "/@cut:40"
      assert.equal("cut_off", err.code)
    end)

    it("an answer that is too large says how to narrow it (GCX-12)", function()
      local err = failing("/@bomb", { max_bytes = 1000000, timeout = 30 })
      assert.equal("limit", err.kind)
      assert.matches("too large", err.message)
      assert.matches("shorter window", err.hint)
    end)

    it("silence ends at the timeout (MCP-18)", function()
      local err = failing("/@never", { timeout = 0.3 })
      assert.equal("timeout", err.kind)
    end)

    it("nothing listens", function()
      local err = failing("", { url = "http://127.0.0.1:1" })
      assert.equal("unreachable", err.kind)
      assert.equal("refused", err.code)
      assert.matches("4040", err.hint)
    end)

    it("tries again what may be tried again", function()
      local client <close> = assert(pyroscope.connect { url = server().url .. "/@flaky:1" })
      assert.is_truthy(client:label_names(hour))
    end)

    it("a tenant is missing", function()
      local client <close> = connect { "--tenant", "team-a" }
      local found, err = client:label_names(hour)
      assert.is_nil(found)
      assert.equal("auth", err.kind)
      assert.equal("no_tenant", err.code)
      assert.matches("tenant", err.hint)
      local named <close> = connect({ "--tenant", "team-a" }, { tenant = "team-a" })
      assert.is_true(#named:label_names(hour) > 0)
    end)

    it("a selector that only the server refuses keeps its words", function()
      local client <close> = connect()
      local found, err = client:call("SelectSeries", { profileTypeID = shop.CPU,
        labelSelector = '{a="b"', start = hour.from_ms, ["end"] = hour.to_ms, step = 60 })
      assert.is_nil(found)
      assert.equal("usage", err.kind)
      assert.equal("selector", err.code)
      assert.matches("unexpected end of input inside braces", err.message, 1, true)
    end)

    it("too many nodes name the server's maximum (GCX-33, PER-14)", function()
      local client <close> = connect()
      local found, err = client:profile(ask { type = shop.CPU, max_nodes = 2000000 })
      assert.is_nil(found)
      assert.equal("limit", err.kind)
      assert.matches("1048576", err.hint)
    end)
  end)

  it("leaves no handle behind, whatever became of the question", function()
    local client <close> = connect()
    local function questions()
      assert(client:profile(ask())):close()
      assert(client:pprof(ask(nil, whole))):close()
      client:profile(ask { service = "nobody" })
      client:profile(ask { trace_ids = shop.trace })
      client:timeline(ask { functions = { "main.main" }, step = "30m" })
      client:render(ask(nil, whole)):close()
      for _, profile in client:profiles { ask(), ask(nil, whole) } do profile:close() end
    end
    local function alive()
      for _ = 1, 4 do collectgarbage() end
      return core.live()
    end
    questions()
    local before = alive()
    for _ = 1, 3 do questions() end
    assert.equal(before, alive())
  end)

  it("loads no libcurl before its first request", function()
    local code = [[
      local p = require "pyroscope"
      local client = p.connect { url = "http://127.0.0.1:1" }
      for name in pairs(package.loaded) do
        if name == "pyroscope.http" or name == "luv" then os.exit(1) end
      end
      client:close()]]
    local command = ("LUA_PATH='%s' LUA_CPATH='%s' lua5.4 -e '%s'"):format(package.path,
      package.cpath, code)
    assert.is_true(os.execute(command))
  end)
end)
