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
      assert.equal(0, rows.deep)
      local shallow, kept = profile:cells { width = width, levels = 3 }, 0
      assert.is_true(#shallow <= 3)
      for _, row in ipairs(shallow) do
        for _, box in ipairs(row) do kept = kept + box.self end
      end
      assert.equal(profile.sum, kept + math.tointeger(shallow.hidden + shallow.deep))
    end
  end)

  it("of a comparison hold what each child needs, in one order for every width", function()
    local before = decode "a;b 40\na;c 10\na;gone 30\n"
    local after = decode "a;b 10\na;c 40\na;new 7\n"
    local alignment = assert(core.align(before, after))
    local orders = {}
    for _, by in ipairs { "before", "after", "larger" } do
      local rows = assert(alignment:cells { width = 117, by = by, scales = { 1, 1 } })
      assert.equal(({ before = 80, after = 57, larger = 117 })[by], rows.whole)
      local names = {}
      for i, box in ipairs(rows[3]) do
        names[i] = box.name
        assert.is_true(box.to <= rows[2][1].to)
      end
      orders[by] = table.concat(names, " ")
    end
    assert.same({ before = "b c gone", after = "b c new", larger = "b c gone new" }, orders)
  end)

  it("lead from match to match, the largest first, seen or not", function()
    local profile = decode "a;big 90\nb;k1 5\nb;c;k2 3\nd;k3 2\n"
    local pattern = core.regex "^k"
    local function names(back)
      local list, at = {}, nil
      for i = 1, 4 do
        local view
        at, view = profile:hit({ width = 10, pattern = pattern }, at, back)
        local name, wide
        for _, row in ipairs(profile:cells { width = 10, top = view }) do
          for _, box in ipairs(row) do
            if box.node == at then name, wide = box.name, box.to - box.from end
          end
        end
        assert.is_true(wide and wide >= 1)
        list[i] = name
      end
      return table.concat(list, " ")
    end
    assert.equal("k1 k2 k3 k1", names(false))
    assert.equal("k3 k2 k1 k3", names(true))
    assert.is_nil((profile:hit({ width = 10, pattern = core.regex "nope" }, 0)))
    -- nothing is found above the zoomed box or beside it
    local d = profile:hit({ width = 10, pattern = core.regex "^d$" })
    assert.equal((profile:hit({ width = 10, pattern = pattern }, nil, true)),
      (profile:hit({ width = 10, pattern = pattern, top = d })))
  end)

  it("of a sandwich hold the stacks of the function, each once", function()
    local profile = decode "m;f;f;x 5\nm;g;f 3\nn;f;y 2\nm;z 100\nm;xf 7\n"
    local callers, callees = profile:sandwich "f"
    local function folded(one) return (one:render "folded") end
    assert.equal(10, callers.sum)
    assert.equal("f;f;m 5\nf;g;m 3\nf;n 2\n", folded(callers))
    assert.equal("f 3\nf;f;x 5\nf;y 2\n", folded(callees))
    assert.equal(0, (profile:sandwich "nothing").sum)
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
    assert.same({ 8.0, 1, 2 }, { matched("^a$", a.node) }) -- which may match itself
  end)

  it("never take truncated stacks for a function", function()
    local profile = decode("a;b 50\na;c 30\na;d 1\na;e 1\n"):truncate(2)
    local rows = profile:cells { width = 80, pattern = core.regex "other" }
    assert.equal(0, rows.matched)
    local last
    for _, box in ipairs(rows[3] or rows[2]) do last = box end
    assert.is_true(last.other)
    local lines = drawn(profile, 80)
    assert.matches("|other [%d.]+%%/+", table.concat(lines, "\n"))
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
    -- a mark without its letter would sit on the sign of ours
    assert.equal("|~bcd", flame.box("xxxa\u{301}bcd", nil, 5, "|"))
    assert.equal("|~a\u{301}bcd", flame.box("xxxa\u{301}bcd", nil, 6, "|"))
    assert.equal("|~語の関数", flame.box("日本語の関数", nil, 10, "|"))
    assert.equal("|~の関数.", flame.box("日本語の関数", nil, 9, "|"))
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
    local packages = {}
    for i = 1, 3000 do packages[i] = ("p%d.f 1"):format(i) end
    local hues, seen = {}, { [16] = {}, [256] = {} }
    for _, box in ipairs(decode(table.concat(packages, "\n")):cells { width = 3000 }[2]) do
      if not hues[box.hue] then
        hues[box.hue] = true
        hues[#hues + 1] = box.hue
        for depth, codes in pairs(seen) do codes[flame.colours(depth) { hue = box.hue }] = true end
      end
    end
    local function count(set)
      local n = 0
      for _ in pairs(set) do n = n + 1 end
      return n
    end
    assert.equal(24, #hues)
    assert.equal(24, count(seen[256]))
    assert.is_true(count(seen[16]) >= 7)
    for depth, codes in pairs(seen) do -- what a search marks is no package's
      assert.is_nil(codes[flame.colours(depth) { hue = hues[1], matches = true }])
    end
    assert.equal("none", flame.depth(false))
    assert.equal(256, flame.depth(true, function(n) return n == "TERM" and "xterm-256color" or nil end))
  end)

  it("say what is selected without a cut number, however narrow the screen is", function()
    local values = { "total 14.9c 36.3%   self 12.8c 31.2%", "total 14.9c   self 12.8c",
      "14.9c 36.3%", "36.3%" }
    local name, place = "json.(*structEncoder[a.b/c]).encode", "encoding/json/encode.go:704"
    for width = 12, 140 do
      for lines = 1, 2 do
        local list = flame.detail(name, values, place, width, lines)
        assert.equal(lines, #list)
        local text = table.concat(list, "   ")
        local said
        for _, value in ipairs(values) do
          if not said and text:find(value, 1, true) then said = value end
        end
        assert.is_truthy(said, text)
        for _, line in ipairs(list) do assert.is_true(screens.width(line) <= width, line) end
        -- what stands around the values is an end of the name or of the place
        local before, after = text:match("^%s*(.-)%s*" .. said:gsub("%p", "%%%0") .. "%s*(.-)$")
        assert.equal(before:gsub("^~", ""), name:sub(-#before:gsub("^~", "")):sub(1, #before))
        if after ~= "" then assert.equal(after:gsub("^~", ""), place:sub(-#after:gsub("^~", ""))) end
      end
    end
    assert.same({ name .. "   " .. values[1] .. "   " .. place },
      flame.detail(name, values, place, 140, 1))
    assert.same({ name, values[1] .. "   " .. place }, flame.detail(name, values, place, 80, 2))
  end)

  it("keep the sign of a change when there is no room for the name", function()
    assert.equal("|+a.b 31.2%..", flame.box("a.b", "31.2%", 13, "|", nil, "+"))
    assert.equal("|-~.encode", flame.box("a.bb.encode", nil, 10, "|", nil, "-"))
    assert.equal("|*...", flame.box("a.b.encode", nil, 5, "|", nil, "*"))
    assert.equal("|+", flame.box("a.b.encode", nil, 2, "|", nil, "+"))
    assert.equal("|", flame.box("a.b.encode", nil, 1, "|", nil, "+"))
  end)

  it("have keys and headers that lose whole parts, those that help least first", function()
    local parts = { { "hjkl move", late = 2 }, { "/ search", late = 3 }, { "? help", late = 1 },
      { "q quit" } }
    assert.equal(" hjkl move  / search  ? help  q quit", flame.keys(parts, 40))
    assert.equal(" hjkl move  ? help  q quit", flame.keys(parts, 30))
    assert.equal(" ? help  q quit", flame.keys(parts, 16))
    assert.equal(" q quit", flame.keys(parts, 8))
    local header = { { "cpu" }, { "checkout in ./world", late = 2, short = { "checkout" } },
      { "14:00-15:00 UTC (1h)", drop = 1, short = { "1h", late = 3 } }, { "41.0 cores" } }
    assert.same({ "cpu|checkout in ./world|1h|41.0 cores" }, flame.header(header, 40, "|", 1, true))
    assert.same({ "cpu|checkout|41.0 cores" }, flame.header(header, 24, "|", 1, true))
    assert.same({ "cpu|checkout in ./world", "14:00-15:00 UTC (1h)", "41.0 cores" },
      flame.header(header, 24, "|", 1)) -- printed: nothing is lost that wraps
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
    local function cells(one)
      return function(o)
        local rows = one:cells(o)
        rows.base = profile.sum
        return rows
      end
    end
    local view = keys.view { screen = screens.new { utf8 = true, width = 1000 },
      colour = flame.colours "none", header = function() return { "head" } end,
      cells = cells(profile), hit = function(...) return profile:hit(...) end,
      sandwich = function(name)
        local callers, callees = profile:sandwich(name)
        return { callers = { cells = cells(callers) }, callees = { cells = cells(callees) } }
      end,
      detail = function(box) return { ("%s %d"):format(box.name, box.total) } end }
    view.selected = 0
    return view
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
    local all = {}
    for _ = 1, 2 do -- two screens of it
      table.move(view:lines(90, 12), 1, 11, #all + 1, all)
      assert.matches("^ any key", view:lines(90, 12)[12])
      press(view, "x")
    end
    local text = table.concat(all, "\n")
    assert.matches("^h j k l", text)
    assert.matches("\nq +quit", text)
    press(view, "js")
    assert.matches("^a   callers above, callees below", view:lines(90, 12)[1])
    press(view, "u")
    assert.equal("head", view:lines(90, 12)[1])
  end)

  it("stands between callers and callees in a sandwich, and goes on from there", function()
    local view = view_of "m;f;f;x 5\nm;g;f 3\nn;f;y 2\nm;z 10\n"
    local function picture()
      local text = {}
      for _, line in ipairs(view:lines(40, 12)) do
        line = line:gsub("\27%[[%d;]*m", ""):gsub("%s+$", "")
        if line:find "^ *|" then text[#text + 1] = line end
      end
      return text
    end
    view:lines(40, 12)
    press(view, "/^f$\rn")
    press(view, "s")
    assert.same({ "|m 25.0%............|m 15.0%....",
      "|f 25.0%............|g 15.0%....|n 10.0%", "|f 50.0%................................",
      "|f 25.0%............|y 10.0%", "|x 25.0%............" }, picture())
    assert.equal("f 10", view:lines(40, 12)[11]:match "> (.*)$")
    assert.equal("f", press(view, "k"))
    assert.equal("g", press(view, "l"))
    assert.equal("n", press(view, "l"))
    assert.equal("f", press(view, "j"))
    assert.equal("f", press(view, "j"))
    assert.equal("x", press(view, "j"))
    assert.equal("f", press(view, "kk"))
    press(view, "kl\r") -- the sandwich of g
    assert.matches("^g   callers above", view:lines(40, 12)[1])
    press(view, "u")
    assert.matches("^f   callers above", view:lines(40, 12)[1])
    press(view, "s")
    assert.equal("head", view:lines(40, 12)[1])
  end)

  it("has the rows in a sandwich that the other side leaves", function()
    local view = view_of "a;b;c;d;e;f;g;h 5\na;b;c;d;e;f;g;x 4\nz 1\n"
    view:lines(40, 14)
    press(view, "/^g$\rns")
    local text = table.concat(view:lines(40, 14), "\n"):gsub("\27%[[%d;]*m", "")
    assert.matches("\n|a 90.0%%.*\n|b 90.0%%.*\n|f 90.0%%.*\n|g 90.0%%.*\n|h 50.0%%%.+|x", text)
    press(view, "kkkkkkk")
    assert.equal("a", view:box().name)
    assert.is_true(view:box().caller)
    press(view, "jjjjjj")
    assert.is_nil(view:box().caller)
    local short = table.concat(view:lines(40, 7), "\n") -- four rows, two are of callees
    assert.matches("\n|e.*\n|f.*|g.*\n|h", short)
  end)

  it("goes to a match that has no column, and back to where the next one is seen", function()
    local view = view_of "a;big 900\na;hit1 90\nb;c;hit2 1\n"
    view.height = 12
    view:lines(40, 12)
    press(view, "/hit\r")
    assert.equal("hit1", press(view, "n"))
    assert.equal(0, view.top)
    assert.equal("hit2", press(view, "n"))
    assert.is_true(view.top ~= 0)
    assert.equal("hit1", press(view, "n"))
    assert.equal(0, view.top)
    assert.equal("hit2", press(view, "N"))
    press(view, "u")
    assert.equal(0, view.top)
    assert.same({}, view.history)
  end)

  it("goes on with the whole graph where the zoomed box has no other match", function()
    local view = view_of "a;hit;x 900\na;b;y 90\nb;hit 50\n"
    view:lines(40, 12)
    press(view, "jj") -- hit, below a
    assert.equal("hit", press(view, "\r"))
    local zoomed = view.top
    press(view, "/hit\r")
    assert.matches("Matched 100.0%%", view:lines(90, 12)[12])
    assert.equal("hit", press(view, "n"))
    assert.equal(0, view.top)
    assert.is_true(view.selected ~= zoomed)
    view:key "u"
    assert.equal(zoomed, view.top)
    press(view, "/^y$\r")
    assert.matches("Matched 0.0%%", view:lines(90, 12)[12])
    view:key "n"
    assert.matches("no other match in the zoomed box", view:lines(90, 12)[12])
    assert.equal("y", view:box().name)
    press(view, "u/nothing\r")
    view:key "n"
    assert.matches("no function matches", view:lines(90, 12)[12])
    assert.equal(zoomed, view.top)
  end)

  it("begins at what is hottest, or at what leads there on a small screen", function()
    local view = view_of "a;b;c;d;e 90\na;x 10\nb 5\n"
    view.selected = nil
    view:lines(40, 14)
    assert.equal("e", view:box().name)
    view = view_of "a;b;c;d;e 90\na;x 10\nb 5\n"
    view.selected = nil
    view:lines(40, 6)
    assert.equal("b", view:box().name)
  end)

  it("stands on its root with flames, and moves as it is seen", function()
    local view = view_of(STACKS)
    view.spec.flames = true
    local lines = view:lines(40, 12)
    assert.matches("|total 100", lines[10])
    assert.matches("^|a 90", lines[9])
    assert.matches("^|b 50", lines[8])
    assert.equal("", lines[6])
    assert.equal("a", press(view, "k"))
    assert.equal("b", press(view, "\27[A"))
    assert.equal("a", press(view, "j"))
    press(view, "k\r")
    lines = view:lines(40, 12)
    assert.matches("^|total%.", lines[10])
    assert.matches("^|a%.", lines[9])
    assert.matches("|b 50", lines[8])
  end)

  it("goes down to boxes without a row or a column, by a zoom", function()
    local view = view_of "a;b;c;d;e;f;g;h;i 1000\nz;narrow 1\n"
    view:lines(40, 5)
    for _, name in ipairs { "a", "b", "c", "d", "e", "f", "g", "h", "i", "i" } do
      for _, key in ipairs(keys.split "j") do view:key(key) end
      view:lines(40, 5)
      assert.equal(name, view:box().name)
    end
    for _ = 1, 20 do press(view, "u") end
    assert.equal(0, view.top)
  end)

  it("shows the nearest boxes above a deep zoom, and leaves room for the picture", function()
    local frames = {}
    for i = 1, 40 do frames[i] = ("f%d"):format(i) end
    local view = view_of(table.concat(frames, ";") .. " 9\n" .. table.concat(frames, ";", 1, 20)
      .. ";" .. ("g;"):rep(20) .. "g 5\n")
    view:lines(60, 20)
    view:zoom(20) -- f20: the stack is one line of nodes up to there
    local lines = view:lines(60, 20)
    assert.equal(20, #lines)
    local text = table.concat(lines, "\n"):gsub("\27%[[%d;]*m", "")
    assert.matches("\n|16 more above; %- goes up%.+\n|f16%.+\n|f17%.+\n|f18%.+\n|f19%.+\n|f20 100", text)
    local boxes = select(2, text:gsub("\n|", ""))
    assert.equal(20 - 1 - 3, boxes) -- all but header, room for the selected box, keys
  end)

  it("reads keys however they arrive", function()
    local function list(bytes)
      local found, rest = keys.split(bytes)
      return table.concat(found, "|"), rest
    end
    assert.same({ "j|\27[A|\27OB|é|q", "" }, { list "j\27[A\27OBéq" })
    assert.same({ "j", "\27" }, { list "j\27" })
    assert.same({ "", "\27[1;" }, { list "\27[1;" })
    assert.same({ "x", "\xe6\x97" }, { list "x\xe6\x97" })
    assert.same({ "日|本", "" }, { list "日本" })
    assert.same({ "\xff|a", "" }, { list "\xffa" })
  end)

  it("says what ends it, and keeps a search that is broken off", function()
    local view = view_of(STACKS)
    view:lines(90, 12)
    assert.equal("quit", view:key "q")
    assert.equal("interrupt", view:key "\3")
    assert.equal("suspend", view:key "\26")
    assert.equal("source", view:key "o")
    press(view, "/c\r")
    press(view, "/d")
    assert.equal("d", view.search)
    view:key "\27"
    assert.equal("c", view.search)
    view:key "/"
    assert.equal("interrupt", view:key "\3")
  end)
end)

describe("pscope flame", function()
  local SAMPLE = "./examples/data/cpu-hotspot"

  it("prints a picture once where there is no terminal", function()
    for _, columns in ipairs { "40", "96", "200" } do
      local out, err, code = cli.run({ "flame", "checkout", "--source", SAMPLE, "--width", columns },
        { folder = cli.root })
      assert.equal(0, code, err)
      local lines = {}
      for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
      assert.matches("^cpu", lines[1])
      assert.matches("boxes under 1 column hidden: [%d.]+%%", out:match "^[^|]+")
      local root = out:match "\n(|total 100.0%%%.+)\n|"
      assert.equal(tonumber(columns), screens.width(root))
      for _, line in ipairs(lines) do assert.is_true(screens.width(line) <= 60 or
        screens.width(line) <= tonumber(columns), line) end
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
      "version=v42", "--width", "120" }, { folder = cli.root })
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

  -- A terminal of its own, where pscope runs behind `before`; `go(tmux, screen, here)` uses it.
  local function on_a_terminal(arguments, go, before)
    if not os.execute "command -v tmux >/dev/null" then return pending "needs tmux" end
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
      for _ = 1, 100 do
        text = tmux "capture-pane -p"
        if text:find(pattern) then return text end
        os.execute "sleep 0.05"
      end
      error("the screen never had " .. pattern .. ":\n" .. text, 2)
    end
    local function write(path, text)
      local file = assert(io.open(here .. "/" .. path, "wb"))
      file:write(text)
      file:close()
    end
    assert(os.execute("mkdir -p " .. here .. "/src"))
    write("src/leaf.go", "package main\n")
    local function line(i) return { "pkg.leaf" .. i, i == 1 and "src/leaf.go" or "gone.go", 7 } end
    local samples = { { stack = { line(1), "pkg.work", "main.main" }, values = { 600 } },
      { stack = { line(2), "pkg.work", "main.main" }, values = { 300 } },
      { stack = { "lib.tiny", "lib.rest", "main.main" }, values = { 1 } } }
    write("cpu.pb", require "spec.support.pprof_writer".pprof { types = { { "cpu", "nanoseconds" } },
      samples = samples })
    samples[1].values[1] = 100
    write("old.pb", require "spec.support.pprof_writer".pprof { types = { { "cpu", "nanoseconds" } },
      samples = samples })
    write("editor", "#!/bin/sh\necho editing \"$@\"\nread line\necho read $line\nsleep 0.2\n")
    write("run.sh", ("cd %s\necho $$ > pid\nexec %s %s\n"):format(here, cli.environment {
      TERM = "screen-256color", EDITOR = "sh " .. here .. "/editor" }, cli.command(arguments)))
    tmux "new-session -d -x 100 -y 20 'exec bash --norc --noprofile -i'"
    local ok, err = pcall(function()
      tmux(("send-keys \"PS1='ready '; cd %s; clear; %sbash run.sh; echo left with \\$?\" Enter")
        :format(here, before or ""))
      go(tmux, screen, here)
    end)
    tmux "kill-server"
    assert(ok, err)
  end

  it("is moved in on a real terminal, and leaves it as it was", function()
    on_a_terminal({ "flame", "./cpu.pb" }, function(tmux, screen)
      screen "> pkg.leaf1   total .* src/leaf.go:7" -- the hottest one is where one begins
      tmux "send-keys k"
      screen "> pkg.work "
      tmux "send-keys Enter"
      local text = screen "\n|pkg.work 99.9%%[.]+\n"
      assert.matches("\n|main.main%.+\n", text)
      tmux "send-keys / 'leaf[2]'"
      assert.matches("/leaf%[2%]_", screen "Matched 33.3%% %(1 function, 1 box%)") -- of what is seen
      tmux "send-keys Enter n"
      screen "> pkg.leaf2 "
      tmux "resize-window -x 60 -y 14"
      text = screen("\n|pkg.work 99.9%%" .. ("%."):rep(60 - #"|pkg.work 99.9%") .. "\n")
      assert.matches("> pkg.leaf2 ", text)
      tmux "resize-window -x 100 -y 20"
      screen("\n|pkg.work 99.9%%" .. ("%."):rep(100 - #"|pkg.work 99.9%") .. "\n")
      tmux "send-keys u u / tiny Enter n"
      screen "> lib.tiny "
      tmux "send-keys Escape"
      tmux "send-keys Escape"
      screen "hjkl move"
      tmux "send-keys d"
      screen "pscope flame %-%-diff compares two"
      tmux "send-keys '?'"
      screen "sandwich: callers above"
      tmux "send-keys x / leaf1 Enter n s"
      text = screen "callers above, callees below"
      tmux "send-keys k"
      screen "> pkg.work   calls it for "
      tmux "send-keys j"
      screen "> pkg.leaf1   total .*   self "
      local above, middle = text:find("|pkg.work", 1, true), text:find("|pkg.leaf1", 1, true)
      assert.is_true(above < middle)
      tmux "send-keys o"
      screen "editing %+7 src/leaf.go" -- which reads from this terminal
      tmux "send-keys typed Enter"
      screen "read typed"
      screen "callers above, callees below"
      tmux "send-keys s C-z"
      screen "Stopped"
      tmux "send-keys fg Enter"
      screen "> pkg.leaf1"
      tmux "send-keys q"
      text = screen "left with"
      assert.is_nil(text:find("hjkl move", 1, true))
      tmux "send-keys 'clear; stty -a' Enter"
      assert.is_nil((screen "icanon"):find("-icanon", 1, true))
    end)
  end)

  it("compares on a real terminal: modes, vanished boxes, the sandwich of both sides", function()
    on_a_terminal({ "flame", "--diff", "./old.pb", "./cpu.pb" }, function(tmux, screen)
      local text = screen "hjkl move"
      assert.matches("> pkg.leaf1%s+A .* B .* %+500%%", text) -- what changed most
      assert.matches("|%+total", text)
      assert.matches("|%*?%+?pkg.leaf1", text)
      tmux "send-keys d"
      screen "shares of each side's total"
      tmux "send-keys d"
      screen "%+125%% · sum ·" -- files without a duration have no rate
      tmux "send-keys e"
      screen "vanished boxes too"
      tmux "send-keys s"
      text = screen "callers above, callees below"
      assert.matches("|%+pkg.work", text)
      tmux "send-keys C-c"
      screen "left with 130"
    end)
  end)

  it("says whole numbers and whole keys on every size of terminal", function()
    local sample = cli.root .. "/" .. SAMPLE:sub(3)
    for _, what in ipairs {
      { { "flame", "checkout", "--source", sample }, " [%d.]+c? [%d.]+%%", " self [%d.]+c" },
      { { "flame", "checkout", "--source", sample, "--before", "version=v41", "--after",
        "version=v42" }, " [+-][%d.]+c [+-][%d.]+%%", " A [%d.]+c [%d.]+%%   B [%d.]+c [%d.]+%%" },
    } do
      on_a_terminal(what[1], function(tmux, screen)
        tmux "set status off"
        screen "q quit"
        for _, size in ipairs { { 80, 24 }, { 120, 24 }, { 200, 24 }, { 60, 8 }, { 40, 5 } } do
          tmux(("resize-window -x %d -y %d"):format(table.unpack(size)))
          local root = what[1][5] and "|+total 100.0%" or "|total 100.0%"
          local text, lines
          for _ = 1, 100 do -- a terminal changes in two steps
            text = screen("\n" .. root:gsub("%p", "%%%0") .. ("%."):rep(size[1] - #root) .. "\n")
            lines = {}
            for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
            if (lines[size[2]] or ""):find "q quit" then break end
            os.execute "sleep 0.05"
          end
          assert.matches(" q quit%s*$", lines[size[2]])
          local detail = lines[size[2] - 1] .. " "
          assert.matches(size[2] > 5 and what[2] or "%d", detail)
          if size[1] >= 80 then assert.matches(what[3], detail) end
          assert.matches(size[1] >= 60 and "^[^|]*hidden" or "^[^|]*cores", text)
        end
        tmux "send-keys q"
        screen "left with 0"
      end)
    end
  end)

  it("gives the terminal back when it is ended from outside", function()
    on_a_terminal({ "flame", "./cpu.pb" }, function(tmux, screen, here)
      screen "hjkl move"
      local file = assert(io.open(here .. "/pid"))
      local pid = assert(file:read "n")
      file:close()
      assert(os.execute(("kill -TERM %d"):format(pid)))
      local text = screen "left with 143"
      assert.is_nil(text:find("hjkl move", 1, true))
      tmux "send-keys 'clear; stty -a' Enter"
      assert.is_nil((screen "icanon"):find("-icanon", 1, true))
    end)
  end)

  it("takes its profile from a pipe and its keys from the terminal", function()
    on_a_terminal({ "flame", "-" }, function(tmux, screen)
      screen "hjkl move"
      tmux "send-keys k"
      screen "> pkg.work "
      tmux "send-keys q"
      screen "left with 0"
    end, "cat cpu.pb | ")
  end)
end)
