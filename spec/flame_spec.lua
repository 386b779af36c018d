-- The flame graph of character cells: its layout, what is printed, and moving in it in a real
-- terminal.

local cli = require "spec.support.cli"
local core = require "pyroscope.core"
local flame = require "pyroscope.cli.flame"
local keys = require "pyroscope.cli.flame_keys"
local screens = require "pyroscope.cli.screen"

local STACKS = "a;b;c 50\na;d 30\na 10\nx 9\ny;z 1\n"

local function decode(text) return assert(core.decode(text, "folded")) end

local function drawn(profile, width, options)
  options = options or {}
  local rows = profile:cells { width = width, pattern = options.pattern, top = options.top }
  return flame.lines(rows, { width = width, whole = profile.sum, flames = options.flames,
    screen = screens.new { utf8 = not options.ascii, width = 1000 },
    colour = flame.colours(options.depth or "none"), selected = options.selected }), rows
end

describe("cells", function()
  it("are boxes from column round(W * start) to round(W * end), the largest first", function()
    local lines = drawn(decode(STACKS), 40)
    assert.same({
      "|total 100.0%...........................",
      "|a 90.0%............................|x..",
      "|b 50.0%............|d 30.0%....        ",
      "|c 50.0%............" }, { lines[1], lines[2], lines[3]:sub(1, 40) .. (" "):rep(40 - #lines[3]),
      lines[4] })
    local turned = drawn(decode(STACKS), 40, { flames = true })
    assert.equal(lines[1], turned[#turned])
  end)

  it("show the last part of a name that does not fit, nothing below three letters", function()
    assert.equal("|a.b.encode 31.2%...", flame.box("a.b.encode", "31.2%", 20, "|"))
    assert.equal("|a.b.encode..", flame.box("a.b.encode", "31.2%", 13, "|"))
    assert.equal("|~.encode", flame.box("a.b.encode", "31.2%", 9, "|"))
    assert.equal("|~ode", flame.box("a.b.encode", nil, 5, "|"))
    assert.equal("|...", flame.box("a.b.encode", nil, 4, "|"))
    assert.equal("|", flame.box("a.b.encode", nil, 1, "|"))
  end)

  it("count what has no column: what is seen and hidden is everything, at every width", function()
    local next = 1
    local function random(n)
      next = next * 1103515245 + 12345 & 0x7fffffff
      return next // 65536 % n
    end
    local lines = {}
    for i = 1, 400 do
      local frames = {}
      for k = 1, 1 + random(9) do frames[k] = "f" .. random(12) end
      lines[i] = table.concat(frames, ";") .. " " .. 1 + random(1000)
    end
    local profile = decode(table.concat(lines, "\n"))
    for _, width in ipairs { 1, 7, 40, 96, 200, 5000 } do
      local rows = profile:cells { width = width }
      local seen = 0
      for _, row in ipairs(rows) do
        local at = 0
        for _, box in ipairs(row) do
          seen = seen + box.self
          assert.is_true(box.from >= at and box.to > box.from and box.to <= width)
          at = box.to
        end
      end
      assert.equal(profile.sum, seen + math.tointeger(rows.hidden))
    end
  end)

  it("of a box lie inside of its parent, also after a zoom", function()
    local profile = decode(STACKS)
    local lines, rows = drawn(profile, 20, { top = 1 })
    assert.equal("|a 90.0%............", lines[1])
    assert.equal("total", rows.path[1].name)
    assert.equal(90, rows.whole)
  end)

  it("match a search once per stack, of what is seen", function()
    local profile = decode "a;b;a 5\na;c 3\nb 2\n"
    local function matched(pattern, top)
      local rows = profile:cells { width = 40, pattern = core.regex(pattern), top = top }
      return rows.matched, rows.functions, rows.boxes
    end
    assert.same({ 8.0, 1, 2 }, { matched "^a$" })
    assert.same({ 7.0, 1, 2 }, { matched "b" })
    assert.same({ 0.0, 0, 0 }, { matched "zzz" })
    assert.same({ 10.0, 2, 4 }, { matched "a|b" })
    local a = profile:cells { width = 40 }[2][1]
    assert.equal("a", a.name)
    assert.same({ 5.0, 1, 1 }, { matched("^b$", a.node) }) -- of the zoomed box
  end)

  it("never take truncated stacks for a function", function()
    local profile = decode("a;b 50\na;c 30\na;d 1\na;e 1\n"):truncate(2)
    local rows = profile:cells { width = 80, pattern = core.regex "other" }
    assert.equal(0, rows.matched)
    local last
    for _, box in ipairs(rows[3] or rows[2]) do last = box end
    assert.is_true(last.other)
  end)

  it("hold wide and combining characters, and nothing that a terminal obeys", function()
    local profile = decode "日本語の関数;e\u{301}e\u{301} 5\n\27[31mred 3\n"
    for _, width in ipairs { 10, 17, 40 } do
      for _, line in ipairs((drawn(profile, width))) do
        assert.is_true(screens.width(line) <= width, line)
        assert.is_nil(line:find "\27")
      end
      for _, line in ipairs((drawn(profile, width, { ascii = true }))) do
        assert.is_nil(line:find "[\128-\255]", nil, line)
      end
    end
  end)

  it("have one colour for a package, in as many colours as there are", function()
    local profile = decode "net/http.serve;encoding/json.Marshal 5\nencoding/json.Decode 3\n"
    for _, depth in ipairs { 16, 256, "true" } do
      local colour = flame.colours(depth)
      local by = {}
      for _, row in ipairs(profile:cells { width = 80 }) do
        for _, box in ipairs(row) do by[box.name] = colour(box) end
      end
      assert.equal(by["encoding/json.Marshal"], by["encoding/json.Decode"])
      assert.matches("^30;", by["net/http.serve"])
    end
    assert.equal("none", flame.depth(false))
    assert.equal(256, flame.depth(true, function(n) return n == "TERM" and "xterm-256color" or nil end))
  end)

  it("of 200,000 nodes are laid out by what is seen", function()
    local lines = {}
    for i = 1, 100000 do lines[i] = ("m;f%d;g%d %d"):format(i, i, i) end
    local rows = decode(table.concat(lines, "\n")):cells { width = 200 }
    assert.equal(3, #rows[1] + #rows[2] + (rows[3] and 1 or 0) + (rows[3] and 0 or 1))
    assert.is_true(rows.hidden > 0)
  end)
end)

describe("a view that is moved in", function()
  local function view_of(text)
    local profile = decode(text)
    return keys.view { screen = screens.new { utf8 = true, width = 1000 },
      colour = flame.colours "none", whole = profile.sum, header = function() return "head" end,
      cells = function(o) return profile:cells(o) end, edges = function(name) return { name } end,
      detail = function(box) return ("%s %d"):format(box.name, box.total) end }
  end

  local function press(view, text)
    for _, key in ipairs(keys.split(text)) do
      view:key(key)
      view:lines(90, 12)
    end
    return view:box().name
  end

  it("goes down, right, up and left by boxes", function()
    local view = view_of(STACKS)
    view:lines(90, 12)
    assert.equal("a", press(view, "j"))
    assert.equal("x", press(view, "l"))
    assert.equal("a", press(view, "\27[D"))
    assert.equal("b", press(view, "j"))
    assert.equal("c", press(view, "\27[B"))
    assert.equal("b", press(view, "k"))
  end)

  it("zooms in, out and back where it was", function()
    local view = view_of(STACKS)
    view:lines(90, 12)
    press(view, "jj\r")
    assert.matches("|b 50.0%%%.+", view:lines(90, 12)[4])
    press(view, "-")
    assert.matches("|a 90.0%%", table.concat(view:lines(90, 12), "\n"))
    press(view, "uu")
    assert.matches("^|total", view:lines(90, 12)[2])
    assert.equal(0, view.top)
  end)

  it("searches while it is typed, steps through matches, and forgets", function()
    local view = view_of(STACKS)
    view:lines(90, 12)
    press(view, "/c|d")
    assert.matches("/c|d_", view:lines(90, 12)[12])
    press(view, "\r")
    assert.matches("Matched 80.0%% %(2 functions, 2 boxes%)", view:lines(90, 12)[12])
    local first = press(view, "n")
    local second = press(view, "n")
    assert.is_true(first ~= second and (first == "c" or first == "d"))
    assert.equal(first, press(view, "n"))
    press(view, "/(\r")
    assert.matches("bad pattern", view:lines(90, 12)[12])
    press(view, "*")
    assert.matches("1 function", view:lines(90, 12)[12])
  end)

  it("keeps its place when the terminal changes", function()
    local view = view_of(STACKS)
    view:lines(90, 12)
    press(view, "jj\r")
    assert.matches("|b", table.concat(view:lines(30, 8), "\n"))
    for _, size in ipairs { { 2, 4 }, { 200, 60 }, { 40, 5 } } do
      local lines = view:lines(size[1], size[2])
      assert.is_true(#lines <= size[2])
      for _, line in ipairs(lines) do
        assert.is_true(screens.width(line:gsub("\27%[[%d;]*m", "")) <= math.max(2, size[1]))
      end
    end
  end)

  it("has pages for help and for callers and callees", function()
    local view = view_of(STACKS)
    view:lines(90, 12)
    press(view, "?")
    assert.equal("keys", view:lines(90, 12)[1])
    press(view, "x")
    press(view, "js")
    assert.equal("a", view:lines(90, 12)[1])
  end)
end)

describe("pscope flame", function()
  local SAMPLE = "./examples/data/cpu-hotspot"

  it("prints a picture once where there is no terminal", function()
    for _, columns in ipairs { "40", "96", "200" } do
      local out, err, code = cli.run({ "flame", "checkout", "--source", SAMPLE, "--columns", columns },
        { folder = cli.root })
      assert.equal(0, code, err)
      local lines = {}
      for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
      assert.matches("^cpu · ", lines[1])
      assert.matches("boxes under 1 column hidden: [%d.]+%%", lines[1])
      assert.matches("^|total 100.0%%%.+$", lines[2])
      assert.equal(tonumber(columns), screens.width(lines[2]))
      assert.is_nil(out:find "\27")
    end
  end)

  it("has only ASCII in a locale without UTF-8, and colour when told", function()
    local out = cli.run({ "flame", "--source", SAMPLE }, { folder = cli.root, env = { LANG = "C" } })
    assert.is_nil(out:match "|[^\n]*[\128-\255]")
    out = cli.run({ "flame", "--source", SAMPLE, "--color", "always" }, { folder = cli.root,
      env = { TERM = "xterm-256color" } })
    assert.matches("\27%[30;48;5;%d+m|", out)
  end)

  it("compares two versions, with signs before the names", function()
    local out, err, code = cli.run({ "flame", "--source", SAMPLE, "--before", "version=v41", "--after",
      "version=v42", "--columns", "120" }, { folder = cli.root })
    assert.equal(0, code, err)
    assert.matches("%+ more  %- less  %* new", out)
    assert.matches("|%+[^\n]*", out)
  end)

  it("writes other formats as export does", function()
    for format, beginning in pairs { json = '^{"flamegraph"', svg = "^<%?xml", html = "^<!DOCTYPE",
      folded = ";", speedscope = "^{", dot = "^digraph" } do
      local out, err, code = cli.run({ "flame", "--source", SAMPLE, "-o", format },
        { folder = cli.root })
      assert.equal(0, code, format .. err)
      assert.matches(beginning, out)
    end
  end)

  it("is moved in on a real terminal, and leaves it as it was", function()
    if not os.execute "command -v tmux >/dev/null" then pending "needs tmux" end
    local here = cli.folder()
    local name = "pscope-" .. here:match "[%w]+$"
    local function tmux(words)
      local pipe = assert(io.popen(("env -u TMUX LC_ALL=C.UTF-8 tmux -L %s -f /dev/null %s 2>&1")
        :format(name, words)))
      local text = pipe:read "a"
      pipe:close()
      return text
    end
    local function screen(pattern)
      local text
      for _ = 1, 300 do
        text = tmux "capture-pane -p"
        if text:find(pattern) then return text end
        os.execute "sleep 0.05"
      end
      error("the screen never had " .. pattern .. ":\n" .. text, 2)
    end
    local command = ("cd %s && clear && %s; echo left with $?"):format(cli.root, cli.environment {
      TERM = "screen-256color" } .. " " .. cli.command { "flame", "checkout", "--source", SAMPLE })
    local file = assert(io.open(here .. "/run.sh", "w"))
    file:write(command .. "\n")
    file:close()
    tmux "new-session -d -x 100 -y 30 sh"
    local ok, err = pcall(function()
      tmux(("send-keys 'sh %s/run.sh' Enter"):format(here))
      screen "hjkl move"
      tmux "send-keys j"
      screen "> shop.example/checkout/server.%(%*Server%).Serve "
      tmux "send-keys Enter"
      local text = screen "|total%.%.%."
      assert.matches("|shop.example/checkout/server.%(%*Server%).Serve [%d.]+%%%.+\n", text)
      tmux "send-keys / fieldNorm Enter"
      text = screen "Matched [%d.]+%% %(1 function, %d+ box"
      assert.matches("Matched 2[%d.]+%% %(1 function", text) -- of the zoomed box
      tmux "resize-window -x 70 -y 20"
      screen "Matched"
      tmux "send-keys '?'"
      screen "sandwich: callers"
      tmux "send-keys q"
      screen "Matched"
      tmux "send-keys q"
      text = screen "left with 0"
      assert.is_nil(text:find("hjkl move", 1, true))
    end)
    tmux "kill-server"
    assert(ok, err)
  end)
end)
