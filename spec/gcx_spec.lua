-- What gcx's commands for profiles ask, in its words: flags, formats, rankings, annotations.

local cjson = require "cjson"
local cli = require "spec.support.cli"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local world = require "spec.support.world"

local FROM, TO = "2025-11-20T14:00:00Z", "2025-11-20T15:00:00Z"

describe("gcx's questions", function()
  local here, server, client, store

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world", "--annotate",
      "pyroscope.ingest.throttled")
    client = assert(pyroscope.connect { url = server.url })
    store = assert(pyroscope.open(here .. "/world"))
  end)
  teardown(function()
    client:close()
    store:close()
    server:stop()
    cli.clean()
  end)

  local function run(line, expected, options)
    local words = {}
    for word in line:gsub("URL", server.url):gmatch "%S+" do words[#words + 1] = word end
    table.move({ "--from", FROM, "--to", TO }, 1, 4, #words + 1, words)
    options = options or {}
    options.folder = options.folder or here
    local out, err, code = cli.run(words, options)
    assert.equal(expected or 0, code, line .. "\n" .. out .. err)
    return out, err
  end

  it("its flags mean the same here (GCX-30, GCX-31, GCX-42)", function()
    local ours = run "top checkout --source ./world -n 2"
    assert.equal(ours, (run "top checkout --context ./world --limit 2"))
    assert.equal(ours, (run "top checkout --context ./world --top-n 2 --profile-type cpu"))
    assert.equal(ours, (run "top checkout --source ./world -n 2 --selector {}"))
    assert.matches("^cpu", (run "top --source ./world -n 2 --expr {service_name=\"checkout\"}"))
    local _, err = run("top checkout --source ./world -q {} --selector {a=\"b\"}", 2)
    assert.matches("must be used at most 1 time", err)
    _, err = run("top checkout --source ./world --focus a --focus b", 2)
    assert.matches("at most", err)
    assert.equal((run "exemplars profile checkout --source URL -n 3 --json"),
      (run "exemplars profile checkout --source URL --top-n 3 --json"))
  end)

  it("its formats are ours: agents, yaml, graph, wide (GCX-35)", function()
    for theirs, ours in pairs { agents = "md", yaml = "json", graph = "table" } do
      assert.equal((run("top checkout --source ./world -n 3 -o " .. ours)),
        (run("top checkout --source ./world -n 3 -o " .. theirs)), theirs)
    end
    local wide = run "series checkout --source ./world --group-by version --step 30m -o wide"
    assert.equal((run "series checkout --source ./world --group-by version --step 30m --wide"), wide)
    assert.matches("\n%s*TIME%s+2%.41%.0\n", wide)
    local narrow = run "exemplars profile checkout --source ./world -n 3 --max-label-columns 1"
    local all = run "exemplars profile checkout --source ./world -n 3 -o wide"
    assert.is_nil(narrow:find "VERSION")
    assert.matches("VERSION", all)
    local _, err = run("top checkout --source ./world -o wdie", 2)
    assert.matches("formats: table", err)
  end)

  it("top writes pprof and DOT as export does, a file is not overwritten (GCX-08, GCX-35)", function()
    local receipt = select(2, run "top checkout --source ./world -o pprof --pprof-path x.pb.gz")
    assert.matches("^x%.pb%.gz  pprof  [%d.]+ KiB  1,845 samples  ", receipt)
    local file = assert(io.open(here .. "/x.pb.gz", "rb"))
    local bytes = file:read "a"
    file:close()
    assert.equal("600\n", (function()
      local pipe = assert(io.popen("stat -c %a " .. here .. "/x.pb.gz"))
      local text = pipe:read "a"
      pipe:close()
      return text
    end)())
    local profile = assert(pyroscope.load(bytes))
    assert.equal(41 * 3600 * 1000000000, profile.sum)
    profile:close()
    local _, err = run("top checkout --source ./world -o pprof --pprof-path x.pb.gz", 1)
    assert.matches("x%.pb%.gz", err)
    assert.matches("%-%-force", err)
    run "top checkout --source ./world -o pprof --pprof-path x.pb.gz --pprof-overwrite"
    local function drawn(text)
      local n = 0
      for _ in text:gmatch "\nN%d+ %[label" do n = n + 1 end
      return n
    end
    assert.equal(3, drawn((run "top checkout --source ./world -o dot -n 3")))
    assert.equal(100, drawn((run "top checkout --source ./world -o dot")))
    assert.equal(1842, drawn((run "top checkout --source ./world -o dot -n 0")))
  end)

  it("pprof without a path goes to a file with the time in its name (GCX-35)", function()
    if not os.execute "command -v script >/dev/null" then pending "needs script(1) for a terminal" end
    local command = cli.command { "top", "checkout", "--source", "./world", "-o", "pprof" }
    os.execute(("cd %s && %s TERM=xterm script -qec %s /dev/null >/dev/null 2>&1 </dev/null"):format(
      cli.quote(here), cli.environment(), cli.quote(command)))
    local pipe = assert(io.popen(("ls %s | grep -c '^profile-20[0-9-]*-[0-9]\\{6\\}.pb.gz$'"):format(
      cli.quote(here))))
    assert.equal("1\n", pipe:read "a")
    pipe:close()
  end)

  it("ranks services where no group is named, and groups by several labels (GCX-37)", function()
    for _, source in ipairs { "URL", "./world" } do
      local answer = cjson.decode((run(("series --source %s --top --json"):format(source))))
      assert.same({ "service_name" }, answer.query.group_by)
      assert.equal(1, #answer.rows)
      assert.same({ service_name = "checkout" }, answer.rows[1].labels)
      assert.equal(("%d"):format(41 * 3600 * 1000000000), answer.rows[1].sum)
      assert.near(41, answer.rows[1].cores, 1e-9)
      answer = cjson.decode((run(("series checkout --source %s --top -n 0 --json --group-by pod "
        .. "--group-by version"):format(source))))
      assert.equal(18, #answer.rows)
      for _, row in ipairs(answer.rows) do
        assert.equal("2.41.0", row.labels.version)
        assert.matches("^checkout%-", row.labels.pod)
      end
      assert.equal((run(("series checkout --source %s --top -n 0 --json --group-by pod,version")
        :format(source))), (run(("series checkout --source %s --top -n 0 --json --group-by pod "
        .. "--group-by version"):format(source))))
    end
  end)

  it("sums and averages are computed here, of flows and of stocks (GCX-06, S-15, S-16)", function()
    for _, source in ipairs { client, store } do
      for _, kind in ipairs { "cpu", "memory" } do
        local asked = { service = "checkout", type = kind, from = FROM, to = TO, step = 3600 }
        local counts = assert(source:profile_counts(asked))[1].profiles
        -- the CPU profiles of 18 pods are one file: the index says so, a server sees one upload
        assert.equal(kind == "memory" and 2 or source == store and 18 or 1, counts)
        asked.aggregation = "average"
        local average = assert(source:timeline(asked))[1]
        assert.equal(average.sum / counts, average.points[1].value)
        local ranked = assert(source:top_series(asked))[1]
        assert.equal(average.sum / counts, ranked.value)
        asked.aggregation = "sum"
        local sum = assert(source:timeline(asked))[1].points[1].value
        assert.equal(kind == "cpu" and average.sum / 3600 or average.sum, sum)
      end
      local _, err = source:timeline { service = "checkout", type = "cpu", aggregation = "mean",
        from = FROM, to = TO }
      assert.equal("usage", err.kind)
    end
    assert.matches("· mean of a profile\n", (run "series checkout --source URL --aggregation average"))
    assert.matches("· sums\n", (run "series checkout --source URL --type memory --aggregation sum"))
    local _, err = run("series checkout --source URL --aggregation avg", 2)
    assert.matches("one of: sum, average", err)
  end)

  it("shows what the server says of single steps (GCX-20)", function()
    local rows = assert(client:timeline { service = "checkout", type = "cpu", from = FROM, to = TO,
      step = 600 })
    assert.same({ key = "pyroscope.ingest.throttled", value = '{"body":{"periodLimitMb":10}}' },
      rows[1].points[1].annotations[1])
    local _, err = run "series checkout --source URL --step 10m"
    assert.matches("^warning: ingestion was throttled in %d steps? of 2025%-11%-20 14:%d%d", err)
    local answer = cjson.decode((run "series checkout --source URL --step 10m --json"))
    assert.equal("pyroscope.ingest.throttled", answer.annotations[1].key)
    assert.equal(1763647200000 % 600000, answer.annotations[1].time_ms % 600000)
    assert.matches("throttled", answer.warnings[1])
  end)

  it("is explained: pscope help gcx (GCX-46)", function()
    local text = cli.run { "help", "gcx" }
    for _, word in ipairs { "--top-n", "--aggregation", "--pprof-path", "--pprof-overwrite",
      "--context", "--max-label-columns", "data-range", "list-profile-types", "--fields" } do
      assert.matches(word, text, 1, true)
    end
  end)
end)
