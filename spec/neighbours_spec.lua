-- What the neighbouring tools ask: exemplars, rankings, versions, several deployments at once,
-- drawings, links, from a server and from files.

local cjson = require "cjson"
local cli = require "spec.support.cli"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local writer = require "spec.support.pprof_writer"
local world = require "spec.support.world"

local FROM, TO = "2025-11-20T14:00:00Z", "2025-11-20T15:00:00Z"

describe("a question of a neighbouring tool", function()
  local here, server, client, store

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world")
    client = assert(pyroscope.connect { url = server.url })
    store = assert(pyroscope.open(here .. "/world"))
  end)
  teardown(function()
    client:close()
    store:close()
    server:stop()
    cli.clean()
  end)

  local function both(line, expected)
    local outs = {}
    for i, source in ipairs { server.url, "./world" } do
      local words = {}
      for word in line:gmatch "%S+" do words[#words + 1] = word end
      table.move({ "--source", source, "--from", FROM, "--to", TO }, 1, 6, #words + 1, words)
      local out, err, code = cli.run(words, { folder = here })
      assert.equal(expected or 0, code, line .. "\n" .. out .. err)
      outs[i] = out
    end
    return outs[1], outs[2]
  end

  it("exemplars: the largest profiles first, ids and telling labels (GCX-17, GCX-19, GCX-20, GCX-38)",
    function()
      local served, filed = both "exemplars profile checkout -n 8 --json"
      for _, text in ipairs { served, filed } do
        local answer = cjson.decode(text)
        assert.equal("pyroscope.exemplars", answer.type)
        assert.is_true(#answer.rows > 0 and #answer.rows <= 8)
        local last = math.huge
        for _, row in ipairs(answer.rows) do
          assert.is_true(tonumber(row.value) <= last)
          last = tonumber(row.value)
          assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+$", row.profile_id)
          for name in pairs(row.labels) do assert.is_nil(name:find "^__") end
        end
      end
      local table_text = both "exemplars checkout -n 8 --max-label-columns 1"
      assert.matches("PROFILE", table_text)
      assert.is_nil(table_text:find "SPAN")
    end)

  it("exemplars: columns are the labels with most values, ties by name (GCX-19)", function()
    local choose = require "pyroscope.cli.commands.exemplars".label_columns
    local rows = {}
    for i = 1, 6 do
      rows[i] = { labels = { pod = "p" .. i, zone = "z" .. i % 2, area = "a" .. i % 2, one = "1",
        __x__ = "h" .. i } }
    end
    assert.same({ "pod", "area", "zone" }, choose(rows, 3))
    assert.same({ "pod" }, choose(rows, 1))
    assert.same({}, choose(rows, 0))
  end)

  it("exemplars: the kinds are named, and spans need profiles with spans (GCX-18)", function()
    local _, err, code = cli.run({ "exemplars", "trace", "checkout", "--source", "./world" },
      { folder = here })
    assert.equal(2, code)
    assert.matches("'profile' or 'span'", err)
    _, err, code = cli.run({ "exemplars", "span", "checkout", "--source", "./world" },
      { folder = here })
    assert.equal(1, code)
    assert.matches("spans", err)
  end)

  it("rankings sum to what the flame graph sums to (GCX-16, GCX-37, S-13)", function()
    for _, source in ipairs { client, store } do
      local question = { service = "checkout", type = "cpu", from = FROM, to = TO,
        group_by = { "pod" } }
      local sum = 0
      for _, row in ipairs(assert(source:top_series(question))) do sum = sum + row.sum end
      question.group_by = nil
      assert.equal(assert(source:profile(question)).sum, sum)
    end
    local text = both "series checkout --top --group-by pod"
    assert.matches("checkout", text)
  end)

  it("timelines say their step, sums and averages are computed here (GCX-06, GCX-22, S-14)",
    function()
      local rows = assert(client:timeline { service = "checkout", type = "memory", from = FROM, to = TO,
        step = 600 })
      assert.equal(600000, rows.step_ms)
      local filed = assert(store:timeline { service = "checkout", type = "memory", from = FROM,
        to = TO, step = 600 })
      for i, point in ipairs(rows[1].points) do assert.equal(filed[1].points[i].value, point.value) end
      local wide = both "series checkout --group-by pod --wide --step 10m"
      assert.matches("checkout%-", wide)
    end)

  it("heat maps count profiles (GCX-07)", function()
    local map = assert(client:heatmap { service = "checkout", type = "cpu", from = FROM, to = TO,
      step = 1200 })
    local filed = assert(store:heatmap { service = "checkout", type = "cpu", from = FROM, to = TO,
      step = 1200 })
    local function count(answer)
      local n = 0
      for _, row in ipairs(answer.rows) do
        for _, slot in ipairs(row.slots) do
          for _, c in ipairs(slot.counts) do n = n + c end
        end
      end
      return n
    end
    assert.is_true(count(map) > 0)
    assert.equal(count(filed), count(map))
  end)

  it("versions: when each was first and last seen, on how many instances", function()
    local served, filed = both "versions checkout --json"
    for _, text in ipairs { served, filed } do
      local by_name = {}
      for _, row in ipairs(cjson.decode(text).rows) do by_name[row.name] = row end
      assert.is_table(by_name["2.41.0"])
      assert.is_true(by_name["2.41.0"].first_ms < by_name["2.41.0"].last_ms)
      assert.is_true(by_name["2.41.0"].instances > 0)
    end
  end)

  it("discover: all deployments at once, a dead one hides nothing (AX-28)", function()
    local file = assert(io.open(here .. "/config.toml", "w"))
    file:write(('[pyroscope.deployments.live]\nurl = "%s"\n[pyroscope.deployments.dead]\n'
      .. 'url = "http://127.0.0.1:1"\n'):format(server.url))
    file:close()
    local out, _, code = cli.run({ "discover", "--config", "config.toml", "--from", FROM, "--to", TO },
      { folder = here })
    assert.equal(7, code)
    assert.matches("live  %d+ services?  %d+ ms\n  ", out)
    assert.matches("dead  unreachable", out)
    local answer = cjson.decode((cli.run({ "discover", "live", "--config", "config.toml", "--from",
      FROM, "--to", TO, "-n", "1", "--json" }, { folder = here })))
    assert.equal(1, #answer.rows[1].first)
    assert.equal(1, answer.rows[1].services)
    out = cli.run({ "discover", "./examples/data/cpu-hotspot", "./spec/fixtures/" }, {
      folder = cli.root })
    assert.matches("cpu%-hotspot  1 service", out)
  end)

  it("lists narrowed by selector and range, empty ones say where they looked (GCX-02, GCX-04, GCX-39,"
    .. " PER-15, AX-12, AX-13)", function()
      for _, source in ipairs { client, store } do
        local window = { from = FROM, to = TO }
        local all = assert(source:label_values("pod", window, { selector = "{}" }))
        local some = assert(source:label_values("pod", window,
          { selector = '{service_name="checkout"}' }))
        assert.is_true(#some > 0 and #some <= #all)
        for _, name in ipairs(assert(source:label_names(window))) do assert.is_nil(name:find "^__") end
      end
      local _, err, code = cli.run({ "labels", "--source", server.url, "--from",
        "2025-01-01T00:00:00Z", "--to", "2025-01-01T01:00:00Z" }, { folder = here })
      assert.equal(6, code)
      assert.matches("2025%-01%-01", err)
    end)

  it("DOT with a number of functions, from a server, from files and from the tree (MCP-05's result,"
    .. " GCX-36, MCP-10, S-25)", function()
      local question = { service = "checkout", type = "cpu", from = FROM, to = TO }
      for _, source in ipairs { client, store } do
        assert.matches("^digraph", (assert(source:dot(question))))
      end
      local profile = assert(store:profile(question))
      local rows, coverage = profile:top(0)
      local function drawn(nodes)
        local n = 0
        for _ in assert(profile:render("dot", { nodes = nodes })):gmatch "\nN%d+ %[label" do n = n + 1 end
        return n
      end
      assert.equal(2, drawn(2))
      assert.equal(math.min(100, #rows), drawn())
      assert.equal(coverage.functions, drawn(-1))
      local out, err, code = cli.run({ "export", "checkout", "--source", "./world", "-o", "dot",
        "--nodes", "-1" }, { folder = here })
      assert.equal(0, code, err)
      assert.matches("^digraph", out)
    end)

  it("DOT is read by Graphviz, names whole and hostile names inert", function()
    if not os.execute "command -v dot >/dev/null" then pending "needs Graphviz" end
    local names = { 'a"b\\c', "x\ny\27[31m", "<script>", "\xff\xfe", ("t"):rep(70000), "日本" }
    local samples = {}
    for i, name in ipairs(names) do
      samples[i] = { stack = { "main", name, "main", "leaf" }, values = { i } }
    end
    local bytes = writer.pprof { types = { { "cpu", "nanoseconds" } }, samples = samples }
    local path = here .. "/h.dot"
    local profile = assert(pyroscope.load(bytes))
    assert(profile:save(path))
    local pipe = assert(io.popen("dot -Tplain " .. path .. " 2>&1", "r"))
    local text = pipe:read "a"
    assert.is_truthy(pipe:close(), text:sub(1, 300))
    local nodes = 0
    for _ in text:gmatch "\nnode N%d" do nodes = nodes + 1 end
    assert.equal(#names + 2, nodes)
  end)

  it("edges of a drawing count once per stack, as pprof's", function()
    local profile = assert(pyroscope.load("a;b;a;b 5\na;c;b 3\na;b 2\n"))
    local dot = assert(profile:render("dot", { nodes = -1 }))
    local number, edges = {}, {}
    for id, name in dot:gmatch '\n(N%d+) %[label="(%w)\\n' do number[id] = name end
    for from, to, value in dot:gmatch '\n(N%d+) %-> (N%d+) %[label=" (%d+)' do
      edges[number[from] .. number[to]] = tonumber(value)
    end
    assert.same({ ab = 7, ba = 5, ac = 3, cb = 3 }, edges)
    -- c is not drawn: what lies between is dotted
    dot = assert(profile:render("dot", { nodes = 2 }))
    assert.matches("style=dotted", dot)
    assert.matches('%-> N2 %[label=" 10', dot)
  end)

  it("links to Pyroscope's own pages, escaped (AX-27)", function()
    local question = { service = "checkout", type = "cpu", from = FROM, to = TO }
    local url = assert(client:link(question))
    assert.matches("/%?query=process_cpu%%3Acpu%%3Ananoseconds%%3Acpu%%3Ananoseconds%%7Bservice_name"
      .. "%%3D%%22checkout%%22%%7D&from=1763647200000&until=1763650800000$", url)
    url = assert(client:link(question, { view = "diff" }))
    assert.matches("/comparison%-diff%?", url)
    assert.matches("leftFrom=1763643600000&leftUntil=1763647200000", url)
    local _, warning = client:link(question, { view = "explore" })
    assert.matches("no longer", warning)
    assert.has_error(function() client:link(question, { veiw = "diff" }) end)
    local _, err = client:link(question, { view = "table" })
    assert.equal("usage", err.kind)
    _, err = store:link(question)
    assert.equal("unsupported", err.kind)
  end)

  it("raw calls write 64-bit numbers as strings, others as numbers (AX-25, GCX-09)", function()
    local out, err, code = cli.run({ "call", "SelectSeries", '{"profileTypeID":"'
      .. 'process_cpu:cpu:nanoseconds:cpu:nanoseconds","labelSelector":"{}","start":"1763647200000",'
      .. '"end":"1763650800000","step":1200}', "--source", server.url }, { folder = here })
    assert.equal(0, code, err)
    assert.matches('"timestamp":"%d+"', out)
  end)

  it("budgets and fields fit an answer for a program (GCX-43, GCX-44)", function()
    local out = both "top checkout -n 0 --json --budget 900"
    assert.is_true(#out <= 900)
    assert.is_true(#cjson.decode(out).rows < 9)
    out = both "top checkout -o csv --fields name,self -n 2"
    assert.matches("^name,self\r\n", out)
  end)
end)
