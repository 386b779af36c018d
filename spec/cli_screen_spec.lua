local cjson = require "cjson"
local cli = require "spec.support.cli"
local world = require "spec.support.world"

-- Screens are compared whole. PYROSCOPE_WRITE_SCREENS=1 writes them anew, to be read by a person.
local function golden(name, text)
  local path = "spec/fixtures/screens/" .. name .. ".txt"
  if os.getenv "PYROSCOPE_WRITE_SCREENS" then
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
  end
  local file = assert(io.open(path))
  local expected = file:read "a"
  file:close()
  assert.equal(expected, text, name)
end

describe("screens of pscope", function()
  local folder, here

  setup(function()
    here = cli.folder()
    folder = here .. "/world"
    assert(os.execute("mkdir " .. folder))
    world.write(folder)
  end)

  teardown(cli.clean)

  local function run(line, env)
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    return cli.run(words, { folder = here, env = env })
  end

  local screens = {
    top = "top ./world -n 7 --from -1h",
    top_cum = "top ./world -n 3 --from -1h --cum",
    top_focus = "top ./world -n 2 --from -1h --focus json",
    top_truncated = "top ./world -n 3 --from -1h --max-nodes 50",
    top_memory = "top ./world --type memory",
    top_memory_sum = "top ./world --type memory --sum",
    top_markdown = "top ./world -n 3 --from -1h -o md",
    top_quickfix = "top ./world -n 3 --from -1h -o quickfix",
    top_csv = "top ./world -n 3 --from -1h -o csv",
    tree = "tree ./world --from -1h --min 2%",
    peek = "peek runtime.mallocgc ./world --from -1h -n 3",
    traces = "traces ./world --from -1h -n 2",
    list = "list price ./world --from -1h",
    diff = "diff ./world --before version=2.40.3 --after version=2.41.0",
    diff_times = "diff ./world -2h -1h -1h now -n 3",
    diff_share = "diff ./world -2h -1h -1h now -n 3 --mode share",
    diff_markdown = "diff ./world -2h -1h -1h now -n 3 -o md",
    services = "services ./world --from -1h",
    types = "types ./world",
    labels = "labels ./world --cardinality",
    series = "series ./world --group-by version --step 30m",
    ranking = "series ./world --group-by version --top",
    stats = "stats ./world",
    flame = "flame ./world --since 1h --width 96",
    flame_40 = "flame ./world --since 1h --width 40",
    flame_200 = "flame ./world --since 1h --width 200",
    flame_truncated = "flame ./world --since 1h --width 96 --max-nodes 12",
    flame_diff = "flame --diff ./world -2h -1h -1h now --width 96",
  }

  for name, line in pairs(screens) do
    it("are as they are meant (GCX-21): " .. name, function()
      local out, err, code = run(line)
      assert.equal("", err)
      assert.equal(0, code)
      golden(name, out)
    end)
  end

  it("are as they are meant without UTF-8: rules, bars and arrows are ASCII", function()
    for _, name in ipairs { "top", "diff", "services", "flame" } do
      local out = run(screens[name], { LANG = "C" })
      assert.is_nil(out:find "[\128-\255]", name)
      golden(name .. "_ascii", out)
    end
  end)

  it("are as they are meant in colour, and say the same without it", function()
    for _, name in ipairs { "top", "diff", "peek" } do
      local out = run(screens[name] .. " --color always")
      assert.matches("\27%[", out)
      assert.equal(run(screens[name]), (out:gsub("\27%[[%d;]*m", "")))
      golden(name .. "_colour", out)
    end
  end)

  it("have colour where it is wanted and none where it is not (GCX-42)", function()
    local function coloured(line, env) return run(line, env):find "\27" ~= nil end
    assert.is_false(coloured(screens.top))
    assert.is_true(coloured(screens.top, { CLICOLOR_FORCE = "1" }))
    assert.is_false(coloured(screens.top, { CLICOLOR_FORCE = "1", NO_COLOR = "1" }))
    assert.is_false(coloured(screens.top .. " --color never", { CLICOLOR_FORCE = "1" }))
    assert.is_true(coloured(screens.top .. " --color always", { NO_COLOR = "1" }))
  end)

  -- Numbers of the printed lines, as a reader would add them up.
  local function numbers(out)
    local values, shares = 0, 0
    local rows = 0
    for line in out:gmatch "[^\n]+" do
      local value, share = line:match "^%s+([%d.,]+)c%s+([%d.]+)%%"
      if value then
        rows = rows + 1
        values = values + tonumber((value:gsub(",", "")))
        shares = shares + tonumber(share)
      end
    end
    return values, shares, rows
  end

  it("add up: rows, rest, truncated and filtered stacks are everything (MCP-09)", function()
    for _, line in ipairs { "-n 7", "-n 1", "-n 40", "-n 7 --max-nodes 50", "-n 3 --max-nodes 5",
      "-n 5 --focus json", "-n 5 --ignore runtime", "-n 5 --hide PlaceOrder",
      "-n 0 --focus Service", "-n 4 --show-from json", "-n 4 --prune-from malloc", "-n 4 --group file",
      "-n 2 --group package", "-n 5 --cum" } do
      local values, shares, rows = numbers((run("top ./world --from -1h " .. line)))
      assert.is_true(rows > 0, line)
      assert.is_true(math.abs(values - 41.0) <= 0.05 * rows + 0.001, line .. ": " .. values)
      assert.is_true(math.abs(shares - 100) <= 0.05 * rows + 0.001, line .. ": " .. shares)
    end
  end)

  it("add up exactly in JSON: rows, rest and other are the total", function()
    for _, line in ipairs { "-n 7", "-n 3 --max-nodes 50", "-n 2 --focus json", "-n 0" } do
      local out = run("top ./world --from -1h --json " .. line)
      local answer = cjson.decode(out)
      local shown = 0
      for _, row in ipairs(answer.rows) do shown = shown + row.self_share end
      local c = answer.coverage
      assert.near(c.shown, shown, 1e-6)
      assert.near(1, c.shown + c.rest + c.other + (c.filtered or 0) + (c.empty or 0), 1e-6)
      assert.equal("147600000000000", answer.totals.value)
    end
  end)

  it("add up in a diff: A, B, delta and shares, rows and rest", function()
    for _, line in ipairs { "-n 3", "-n 1", "-n 20", "-n 4 --noise 5", "-n 3 --group package" } do
      local out = run("diff ./world -2h -1h -1h now " .. line)
      local a, b, delta, before, after, rows = 0, 0, 0, 0, 0, 0
      for text in out:gmatch "[^\n]+" do
        local function number(word)
          return word:find "^%-?$" and 0 or tonumber((word:gsub("[c%%+,]", "")))
        end
        local wa, wb, wd, sa, sb = text:match
          "^%s+(%S+)%s+(%S+)%s+([+-]%S+)%s+%S+%s+(%S+)%s+>%s+(%S+)%s"
        if wa then
          rows = rows + 1
          a, b, delta = a + number(wa), b + number(wb), delta + number(wd)
          before, after = before + number(sa), after + number(sb)
        end
      end
      assert.is_true(rows >= 2, line)
      assert.near(31.4, a, 0.05 * rows)
      assert.near(41.0, b, 0.05 * rows)
      assert.near(9.6, delta, 0.05 * rows)
      assert.near(100, before, 0.06 * rows)
      assert.near(100, after, 0.06 * rows)
    end
  end)

  it("count callers, callees and the function itself to its total", function()
    local answer = cjson.decode((run "peek runtime.mallocgc ./world --from -1h -n 0 --json"))
    local sums = { caller = 0, callee = 0 }
    for _, row in ipairs(answer.rows) do
      local side = (row.relation == "caller" or row.relation == "root") and "caller" or "callee"
      sums[side] = sums[side] + math.tointeger(tonumber(row.value))
    end
    local total = math.tointeger(tonumber(answer["function"].total))
    assert.equal(total, sums.caller)
    assert.equal(total, sums.callee)
  end)

  it("do not depend on the width when piped, and never cut names there", function()
    local narrow = run("top ./world -n 7 --from -1h", { COLUMNS = "40" })
    assert.matches("checkout.(*Service).price", narrow, 1, true)
    assert.matches("crypto/sha256/sha256block.go:33", narrow, 1, true)
  end)

  it("leave rows out until the answer fits into a budget, and still add up", function()
    for _, format in ipairs { "table", "json", "md", "csv" } do
      for _, budget in ipairs { 700, 1500, 6000 } do
        local out, err, code = run(("top ./world --from -1h -n 0 -o %s --budget %d"):format(format,
          budget))
        assert.equal(0, code, err)
        assert.is_true(#out <= budget, format .. " " .. #out)
        if format == "table" then
          local values = numbers(out)
          assert.is_true(math.abs(values - 41) < 1, out)
        end
      end
    end
    local _, err, code = run "top ./world --budget 10"
    assert.equal(1, code)
    assert.matches("give at least %-%-budget %d+", err)
  end)

  it("name the sides and warn when they are swapped or unequal (AX-36)", function()
    local _, err = run "diff ./world -1h now -2h -1h"
    assert.matches("warning: B %(after%) starts before A", err)
    _, err = run "diff ./world -2h -1h -30m now"
    assert.matches("no .* in", err)
    _, err = run "diff ./world -2h -90m -1h now"
    assert.matches("warning: the windows differ in length: A 30m, B 1h", err)
  end)
end)
