local cjson = require "cjson"
local cli = require "spec.support.cli"
local process = require "spec.support.process"
local trees = require "spec.support.trees"
local world = require "spec.support.world"

local SAMPLE = "examples/data/cpu-hotspot"

describe("pscope diff", function()
  local here, server

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world")
    local function save(name, text)
      local file = assert(io.open(here .. "/" .. name, "w"))
      file:write(text)
      file:close()
    end
    save("a.folded", "main;a 100\nmain;b 200\nmain;gone 50\n")
    save("b.folded", "main;a 400\nmain;b 150\nmain;new 30\n")
    local falls = {}
    for i = 1, 30 do falls[i] = ("main;f%02d 1000\n"):format(i) end
    save("before.folded", table.concat(falls) .. "main;grows 1\n")
    save("after.folded", "main;rest 30000\nmain;grows 700\n" .. table.concat(falls):gsub("1000", "1"))
  end)

  teardown(function()
    server:stop()
    cli.clean()
  end)

  local function run(line, expected)
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    local out, err, code = cli.run(words, { folder = here })
    assert.equal(expected or 0, code, line .. "\n" .. out .. err)
    return out, err
  end

  local function number(text) return math.tointeger(tonumber(text)) end

  it("adds up in every view: rows and rest are both sides, exactly (E-01, E-02)", function()
    for _, view in ipairs { "", "--group file", "--group package", "--group line", "--tree",
      "--mode share", "--mode share --tree", "--per-request 3,7", "--noise 5%", "--budget 9000" } do
      for _, n in ipairs { 0, 1, 7 } do
        local answer = cjson.decode((run(("diff ./world -2h -1h -1h now --json -n %d %s"):format(n,
          view))))
        local rest = answer.coverage.rest
        local a, b, delta = number(rest.before), number(rest.after), rest.delta
        for _, row in ipairs(answer.rows) do
          local tree = answer.query.view == "tree"
          a = a + number(tree and row.before_self or row.before)
          b = b + number(tree and row.after_self or row.after)
          if not tree then delta = delta + row.delta end
        end
        assert.equal(number(answer.sides[1].value), a, view)
        assert.equal(number(answer.sides[2].value), b, view)
        if answer.query.view ~= "tree" then
          assert.near(answer.totals.delta, delta, 1e-6 * math.abs(answer.totals.after), view)
        end
      end
    end
  end)

  it("writes the formats of files, by -o and by the extension", function()
    assert.equal("main;a 100 400\nmain;b 200 150\nmain;gone 50 0\nmain;new 0 30\n",
      (run "diff a.folded b.folded -o folded"))
    assert.equal("\31\139", (run "diff a.folded b.folded -o pprof"):sub(1, 2))
    for name, start in pairs { ["d.folded"] = "^main;a 100 400\n", ["d.md"] = "^%*%*",
      ["d.csv"] = "^name,", ["d.pb.gz"] = "^\31\139", ["d.svg"] = "^<%?xml",
      ["d.json"] = '^{"type":"pyroscope.diff"', ["d.html"] = "^<!DOCTYPE" } do
      run("diff a.folded b.folded --out " .. name)
      assert.matches(start, trees.read(here .. "/" .. name))
    end
    assert.matches('^{"flamegraph"', (run "flame --diff a.folded b.folded -o json"))
    assert.matches("^main;a 100 400\n", (run "flame --diff a.folded b.folded -o folded"))
  end)

  it("compares the window with the same one yesterday when only a target is named", function()
    local _, err = run("diff ./world --since 1h", 6)
    assert.matches("side A %(before%)", err) -- that world has no yesterday
    local out = cjson.decode((run(("diff checkout --source %s --json "
      .. "--from 2025-11-20T14:00:00Z --to 2025-11-20T15:00:00Z"):format(server.url), 6)))
    assert.equal("no_data", out.error.kind)
  end)

  it("compares a server with a file (E-02)", function()
    local from = "--from 2025-11-20T14:00:00Z --to 2025-11-20T15:00:00Z"
    run(("export checkout --source %s %s --out live.pb.gz"):format(server.url, from))
    local answer = cjson.decode((run(("diff live.pb.gz %s/checkout %s --json --config c.toml")
      :format("prod", from), 2)))
    assert.equal("pyroscope.error", answer.type)
    local file = assert(io.open(here .. "/c.toml", "w"))
    file:write('[pyroscope.deployments.prod]\nurl = "' .. server.url .. '"\n')
    file:close()
    assert(os.execute("chmod 600 " .. here .. "/c.toml"))
    answer = cjson.decode((run(("diff live.pb.gz prod/checkout %s --json --config c.toml -n 0 --noise 0")
      :format(from))))
    assert.same({}, answer.rows)
    assert.equal(answer.sides[1].value, answer.sides[2].value)
    assert.equal(0, answer.totals.delta)
    assert.equal("prod", answer.sides[2].source)
  end)

  it("takes files and lines of functions from beside a server's trees", function()
    local out = run(("diff checkout --source %s --before 2025-11-20T13:00:00Z..2025-11-20T14:00:00Z "
      .. "--after 2025-11-20T14:00:00Z..2025-11-20T14:10:00Z -o quickfix"):format(server.url))
    assert.matches("encoding/json/encode.go:704:1: error:", out, 1, true)
    out = run(("diff checkout --source %s --before 2025-11-20T13:00:00Z..2025-11-20T14:00:00Z "
      .. "--after 2025-11-20T14:00:00Z..2025-11-20T14:10:00Z -o quickfix --where never"):format(
      server.url))
    assert.equal("", out)
  end)

  it("takes a version alone while only it ran, and beside a window no longer than that", function()
    local answer = cjson.decode((run
      "diff ./world --before version=2.40.3 --after version=2.41.0 --json"))
    local a, b = answer.sides[1], answer.sides[2]
    assert.equal(a.to_ms - a.from_ms, b.to_ms - b.from_ms)
    assert.is_true(a.to_ms - a.from_ms <= 3600000)
    assert.is_true(a.to_ms <= b.from_ms)
    answer = cjson.decode((run
      "diff ./world --before version=2.40.3 --after version=2.41.0@-1h..now --json"))
    a, b = answer.sides[1], answer.sides[2]
    assert.equal(3600000, b.to_ms - b.from_ms)
    assert.equal(3600000, a.to_ms - a.from_ms)
    assert.is_true(a.to_ms <= b.from_ms)
  end)

  it("exits with 10 over --fail-over, whichever rows are shown (D-3)", function()
    run("diff a.folded b.folded --fail-over 60%", 10)
    run("diff a.folded b.folded --fail-over 70%")
    run("diff a.folded b.folded --fail-over 70% --per-request 2,1", 10)
    -- thirty functions shrink by more than this one grows
    run("diff before.folded after.folded --mode share --fail-over 99% -n 2")
    run("diff before.folded after.folded --mode share --fail-over 1% -n 1", 10)
  end)

  it("exits with 4 over --max-other", function()
    run("diff ./world -2h -1h -1h now --max-nodes 4 --max-other 1%", 4)
    run("diff ./world -2h -1h -1h now --max-other 1%")
  end)

  it("marks what only cut stacks may have made new or gone", function()
    local out = run "diff ./world -2h -1h -1h now --max-nodes 6 --noise 0 -n 0 --bounds"
    assert.matches("BOUNDS", out)
    local whole = run "diff ./world -2h -1h -1h now --noise 0 -n 0"
    assert.is_nil(whole:find("new?", 1, true))
  end)

  it("shows the tree of what changed", function()
    local out = run "diff a.folded b.folded --tree --noise 0"
    for _, word in ipairs { "main", "  a", "  b", "  gone", "  new" } do
      assert.matches(word .. "\n", out .. "\n", 1, true)
    end
    assert.matches("SELF", out)
  end)

  it("holds on the sample incident for every view", function()
    for _, view in ipairs { "--tree -n 12", "--group line", "--group file", "-o md --tree" } do
      local words = { "diff", "./" .. SAMPLE .. "/", "--before", "version=v41", "--after", "version=v42" }
      for word in view:gmatch "%S+" do words[#words + 1] = word end
      local out, err, code = cli.run(words, { folder = cli.root })
      assert.equal(0, code, err)
      assert.matches(view:find "file" and "score.go" or "catalog.fieldNorm", out, 1, true)
    end
  end)
end)
