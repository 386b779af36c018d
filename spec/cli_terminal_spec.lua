local cli = require "spec.support.cli"
local process = require "spec.support.process"
local world = require "spec.support.world"

-- `script` gives a program a terminal of its own; its size is set inside.
describe("pscope on a terminal", function()
  local here, server
  local has_script = os.execute "command -v script >/dev/null 2>&1"

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world")
  end)

  teardown(function()
    server:stop()
    cli.clean()
  end)

  -- Output as the terminal got it, and the exit code.
  local function typed(line, options)
    if not has_script then pending "needs script (util-linux)" end
    options = options or {}
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    local inner = ("stty cols %d rows %d; %s%s"):format(options.columns or 132, options.rows or 60,
      cli.command(words), options.redirect or "")
    local command = ("cd %s && %s script -qec %s /dev/null </dev/null; echo \"code $?\"")
      :format(cli.quote(here), cli.environment(options.env or { TERM = "xterm-256color" }),
        cli.quote(inner))
    local pipe = assert(io.popen(command))
    local text = pipe:read "a":gsub("\r\n", "\n")
    pipe:close()
    local out, code = text:match "^(.*)code (%d+)\n$"
    return out, math.tointeger(tonumber(code))
  end

  local function plain(text) return (text:gsub("\27%[[%d;]*[mK]", "")) end

  it("is as wide as the terminal: names are cut in the middle, unless told", function()
    local screen = require "pyroscope.cli.screen"
    for _, columns in ipairs { 70, 80, 90, 132 } do
      local out, code = typed("top ./world -n 7 --from -1h --no-pager", { columns = columns })
      assert.equal(0, code)
      local cut = false
      for line in plain(out):gmatch "[^\n]+" do
        if line:find "^%s" then
          assert.is_true(screen.width(line) <= columns, line)
          cut = cut or line:find("…", 1, true) ~= nil
        end
      end
      assert.equal(columns < 132, cut, columns)
    end
    local out = typed("top ./world -n 7 --from -1h --no-pager --no-truncate", { columns = 80 })
    assert.matches("crypto/sha256/sha256block.go:33", out, 1, true)
  end)

  it("holds every table on 80 columns: a column less, not a line more", function()
    local screen = require "pyroscope.cli.screen"
    for line, there in pairs { ["top ./world --from -1h -n 5"] = "256/sha256block.go:33",
      ["tree ./world --from -1h --min 5%"] = "…", ["diff ./world -2h -1h -1h now -n 5"] = "FUNCTION",
      ["services ./world --from -1h"] = "VERSION", ["versions ./world"] = "INSTANCES",
      ["types ./world"] = "memory:inuse_space:bytes:space:bytes",
      ["exemplars profile ./world -n 3 --from -1h"] = "PROFILE",
      ["peek runtime.mallocgc ./world --from -1h"] = "callees",
      ["list price ./world --from -1h"] = "LINE", ["labels ./world --cardinality"] = "SERIES",
      ["series ./world --group-by version --step 30m"] = "MEAN" } do
      local out, code = typed(line .. " --no-pager", { columns = 80 })
      assert.equal(0, code, out)
      assert.matches(there, out, 1, true)
      for row in plain(out):gmatch "[^\n]+" do
        local command = row:find "pscope " or row:find "%-%-" -- is to be copied whole
        assert.is_true(command ~= nil or screen.width(row) <= 80, row)
      end
    end
  end)

  it("makes links of places that are here, on terminals that have links", function()
    assert(os.execute(("mkdir -p '%s/encoding/json/a b' && touch %s/encoding/json/encode.go"):format(
      here, here)))
    local line = "top ./world -n 2 --from -1h --no-pager"
    for _, env in ipairs { { TERM = "xterm-256color", VTE_VERSION = "7000" },
      { TERM = "xterm-kitty" }, { TERM = "xterm", TERM_PROGRAM = "vscode" } } do
      local out = typed(line, { env = env })
      assert.matches("\27]8;;file://[^/]+" .. here:gsub("%p", "%%%0")
        .. "/encoding/json/encode%.go\27\\encoding/json/encode.go:704\27]8;;\27\\", out)
      assert.equal(2, select(2, out:gsub("\27]8;", ""))) -- runtime/mgcmark.go is not here
      assert.equal(plain(typed(line)), (plain(out):gsub("\27]8;[^\27]*\27\\", "")))
    end
    for _, other in ipairs { { { TERM = "xterm" } }, { { TERM = "screen", VTE_VERSION = "1" } },
      { { TERM = "dumb", VTE_VERSION = "1" } }, { { TERM = "xterm-kitty" }, " --color never" },
      { { TERM = "xterm-kitty" }, " -o md" } } do
      assert.is_nil((typed(line .. (other[2] or ""), { env = other[1] })):find("\27]8;", 1, true))
    end
    assert.is_nil(cli.run({ "top", "./world" }, { folder = here, env = { TERM = "xterm-kitty" } })
      :find("\27]", 1, true))
  end)

  it("prints +line file for an editor, the path as it is here", function()
    assert(os.execute(("mkdir -p %s/json && touch %s/json/encode.go"):format(here, here)))
    os.execute(("rm -rf %s/encoding"):format(here))
    for line, expected in pairs { ["top ./world -n 2 --from -1h"] =
        "+704 json/encode.go\n+1446 runtime/mgcmark.go\n",
      ["diff ./world -2h -1h -1h now -n 1"] = "+704 json/encode.go\n",
      ["list json.structEncoder.encode ./world --from -1h"] = "+704 json/encode.go\n" } do
      local words = {}
      for word in (line .. " --editor"):gmatch "%S+" do words[#words + 1] = word end
      local out, err, code = cli.run(words, { folder = here })
      assert.equal(0, code, err)
      assert.equal(expected, out:sub(1, #expected), line)
    end
    local _, err, code = cli.run({ "top", "./world", "--editor", "-o", "csv" }, { folder = here })
    assert.equal(2, code)
    assert.matches("--editor and -o csv exclude each other", err, 1, true)
  end)

  it("has colour there, and none with NO_COLOR or a dumb terminal", function()
    assert.matches("\27%[1m", (typed "top ./world -n 2 --no-pager"))
    for _, env in ipairs { { TERM = "xterm", NO_COLOR = "1" }, { TERM = "dumb" } } do
      local out = typed("top ./world -n 2 --no-pager", { env = env })
      assert.is_nil(out:find("\27[", 1, true))
    end
  end)

  it("refuses binary output, and writes it to files", function()
    local out, code = typed "export ./world"
    assert.equal(2, code)
    assert.matches("is binary and stdout is a terminal", plain(out))
    out, code = typed "export ./world --out x.pb.gz"
    assert.equal(0, code, out)
    out, code = typed("export ./world", { redirect = " > y.pb.gz" })
    assert.equal(0, code, out)
  end)

  it("uses a pager for what is longer than the screen, and only then", function()
    local env = { TERM = "xterm", PSCOPE_PAGER = "sed s/^/PAGED:/" }
    assert.matches("PAGED:", (typed("top ./world -n 50", { rows = 20, env = env })))
    assert.is_nil((typed("top ./world -n 3", { rows = 40, env = env })):find "PAGED:")
    assert.is_nil((typed("top ./world -n 50 --no-pager", { rows = 20, env = env })):find "PAGED:")
    -- a pager that does not exist, or is left at once, is no error
    local out, code = typed("top ./world -n 50", { rows = 20,
      env = { TERM = "xterm", PSCOPE_PAGER = "no-such-pager-anywhere" } })
    assert.equal(0, code)
    assert.matches("runtime.mallocgc", out)
    out, code = typed("top ./world -n 0", { rows = 20,
      env = { TERM = "xterm", PSCOPE_PAGER = "true" } })
    assert.equal(0, code, out)
  end)

  it("shows progress after 300 ms, on one line, and removes it", function()
    local slow = ("stats --source %s/@slow:1"):format(server.url)
    local out, code = typed(slow)
    assert.equal(0, code, out)
    assert.matches("\r\27%[Kfetching", out)
    assert.matches("\r\27%[K[^\r]*INGESTED", (out:gsub("\n", " ")))
    local quick = typed(("stats --source %s"):format(server.url))
    assert.is_nil(quick:find "fetching")
  end)

  it("shows no progress where stderr is none", function()
    local _, err = cli.run { "stats", "--source", server.url .. "/@slow:1" }
    assert.equal("", err)
  end)
end)

describe("progress", function()
  local progress = require "pyroscope.cli.progress"

  it("says done, bytes and time, and is never wider than the terminal", function()
    local line = progress.line({ done = 3, total = 12, bytes = 1468006 }, 2.1, true)
    assert.equal("fetching 3/12  ▇▇▇▁▁▁▁▁▁▁▁▁  1.4 MiB  2.1 s  ctrl-c keeps what is there", line)
    assert.is_nil(progress.line({ done = 3, total = 12 }, 2.1, false):find "[\128-\255]")
    local now, written = 0, {}
    local bar = progress.new({ errors = true, utf8 = true, width = 30 }, {
      clock = function() return now end, write = function(text) written[#written + 1] = text end })
    bar:update { done = 1, total = 2 }
    assert.equal(0, #written)
    now = 301
    bar:update { done = 1, total = 2 }
    assert.equal(1, #written)
    bar:update { done = 2, total = 2 }
    assert.equal(1, #written) -- not drawn more often than ten times a second
    assert.is_true(require "pyroscope.cli.screen".width((written[1]:gsub("^\r\27%[K", ""))) <= 30)
    bar:finish()
    assert.equal("\r\27[K", written[2])
    bar:finish()
    assert.equal(2, #written)
  end)

  it("without a terminal is one line a phase, with -v only", function()
    local written = {}
    local function write(text) written[#written + 1] = text end
    local bar = progress.new({ errors = false }, { clock = function() return 0 end, write = write })
    bar:update { what = "fetching" }
    assert.same({}, written)
    bar = progress.new({ errors = false }, { clock = function() return 0 end, write = write,
      verbose = true })
    bar:update { what = "fetching" }
    bar:update { what = "fetching", done = 1 }
    bar:update { what = "drawing" }
    assert.same({ "fetching\n", "drawing\n" }, written)
  end)
end)
