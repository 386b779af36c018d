-- Diffs, tables, other views, filters, themes, large pictures and speedscope's own page, in a real
-- browser.

local browser = require "spec.support.browser"
local cjson = require "cjson"
local core = require "pyroscope.core"
local pyroscope = require "pyroscope"
local trees = require "spec.support.trees"

local b, missing
local ROOT = "document.querySelector('.pyr-root')"
local API = ROOT .. ".pyroscope"

local function count(selector) return b:eval(("document.querySelectorAll(%q).length"):format(selector)) end
local function text(selector) return b:eval(("document.querySelector(%q).textContent"):format(selector)) end
local function texts(selector)
  return b:eval(("Array.prototype.map.call(document.querySelectorAll(%q)," ..
    " function (e) { return e.textContent; })")
    :format(selector))
end
local function settle(ms) b:eval(("new Promise(function (done) { setTimeout(done, %d); })")
  :format(ms or 150)) end
local function choose(selector, value)
  b:eval(("(function () { var e = document.querySelector(%q); e.value = %q;" ..
    " e.dispatchEvent(new Event('change')); })()")
    :format(selector, value))
end
local function tab(name)
  b:eval(("Array.prototype.filter.call(document.querySelectorAll('[role=tab]')," ..
    " function (t) { return t.textContent === %q; })[0].click()")
    :format(name))
end
local function names()
  local list = b:eval(API .. ".chart().boxes.map(function (x) { return " .. API .. ".name(x.i); })")
  table.sort(list)
  return table.concat(list, " ")
end
local function press_box(name, button)
  local at = b:eval(([[(function () { var p = %s, c = p.chart();
    for (var i = 0; i < c.boxes.length; i++) if (p.name(c.boxes[i].i) === %q) return c.center(c.boxes[i].i);
      })()]])
    :format(API, name))
  b:click(at.x, at.y, button)
end
local function item(label)
  b:eval(("Array.prototype.filter.call(document.querySelectorAll('[role=menuitem]')," ..
    " function (t) { return t.textContent === %q; })[0].click()")
    :format(label))
end

local function profile(lines, about) return assert(core.decode(lines, "folded")):describe(about or {}) end

local SHOP = [[
main;serve;json.encode;json.struct 40
main;serve;json.encode 6
main;serve;db.query 20
main;serve;render;json.encode 4
main;gc;gc;gc 20
idle 10
]]

local HOUR = 3600000
local function side(lines, from)
  return profile(lines, { profile_type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
    unit = "nanoseconds", kind = "flow", from_ms = from, to_ms = from + HOUR })
end

-- cores of one hour in nanoseconds
local function cores(x) return ("%d"):format(x * 3600 * 1e9) end
local BEFORE = "main;price " .. cores(4) .. "\nmain;json " .. cores(2) .. "\nmain;old;deep " .. cores(1) .. "\nmain;same "
  .. cores(3) .. "\n"
local AFTER = "main;price " .. cores(3) .. "\nmain;json " .. cores(6) .. "\nmain;fresh " .. cores(2) .. "\nmain;same "
  .. cores(3) .. "\n"

local function contrast(colour, with)
  local function luminance(c)
    local sum = 0
    for i, weight in ipairs { 0.2126, 0.7152, 0.0722 } do
      local v = c[i] / 255
      sum = sum + weight * (v <= 0.04045 and v / 12.92 or ((v + 0.055) / 1.055) ^ 2.4)
    end
    return sum
  end
  local x, y = luminance(colour), luminance(with)
  return (math.max(x, y) + 0.05) / (math.min(x, y) + 0.05)
end

local function rgb(css)
  local r, g, bl = css:match "rgba?%((%d+), (%d+), (%d+)"
  return { tonumber(r), tonumber(g), tonumber(bl) }
end

describe("a picture in a browser", function()
  setup(function() b, missing = browser.open { width = 1000, height = 800 } end)
  teardown(function() if b then b:close() end end)

  local function case(title, body)
    it(title, function()
      if not b then pending("needs a browser: " .. missing) return end
      b.errors, b.requests = {}, {}
      b:media {}
      body()
      assert.same({}, b.errors)
      assert.same({}, b.requests)
    end)
  end

  local function show(made, options, fragment, format)
    b:show(assert(made:render(format or "html", options)), "." .. (format or "html"), fragment)
  end

  case("shows who calls a function, and both ways from it (GUI-03, SPD-02)", function()
    show(profile(SHOP))
    tab "Callers"
    local roots = b:eval(([[(function () { var t = %s.tree(), l = [], i;
      for (i = t.first[0]; i < t.first[1]; i++) l.push(%s.name(i) + " " + t.W[0][i]);
      return l; })()]]):format(API, API))
    assert.same({ "json.struct 40", "db.query 20", "gc 20", "idle 10", "json.encode 10" }, roots)
    press_box "json.struct"
    assert.equal("json.encode json.struct main serve total", names())
    tab "Flame"
    b:eval "document.querySelector('.chart').focus()"
    press_box "gc"
    b:key "s"
    assert.equal("sandwich", b:eval(API .. ".state().v"))
    local weights = b:eval(("[%s.chart(0).tree.W[0][0], %s.chart(1).tree.W[0][0]]"):format(API, API))
    assert.same({ 20, 20 }, weights)
    b:travel(-1)
    assert.equal("flame", b:eval(API .. ".state().v"))
    show(profile(SHOP), nil, "v=sandwich&k=json.encode")
    assert.same({ 50, 50 }, b:eval(("[%s.chart(0).tree.W[0][0], %s.chart(1).tree.W[0][0]]"):format(API, API)))
  end)

  case("lists functions: sorted, searched, adding up, a total once a stack (GUI-09)", function()
    local made = trees.stacks(7, { stacks = 200 })
    show(trees.profile(made), nil, "v=table")
    local slow = trees.functions(made)
    local rows = b:eval(API .. ".rows().map(function (r) { return [r.name, r.self[0], r.total[0]]; })")
    local n = 0
    for _, row in ipairs(rows) do
      n = n + 1
      assert.equal(slow[row[1]].self, math.tointeger(row[2]))
      assert.equal(slow[row[1]].total, math.tointeger(row[3]))
    end
    for _ in pairs(slow) do n = n - 1 end
    assert.equal(0, n)
    assert.equal(#rows, count "tbody tr")
    local first = trees.sorted(slow, "self")[1].name
    assert.equal(first, texts "tbody tr td:first-child"[1])
    b:press "th:nth-child(4) button"
    assert.equal(trees.sorted(slow, "total")[1].name, texts "tbody tr td:first-child"[1])
    assert.equal("descending", b:eval "document.querySelector('th:nth-child(4)').getAttribute('aria-sort')")
    b:press "th:nth-child(1) button"
    local list = texts "tbody tr td:first-child"
    local sorted = { table.unpack(list) }
    table.sort(sorted)
    assert.same(sorted, list)
    b:eval "document.querySelector('input[type=search]').focus()"
    b:type "^f1$"
    assert.same({ "f1" }, texts "tbody tr td:first-child")
    b:press "tbody button"
    assert.equal("f1", b:eval(API .. ".state().k"))
  end)

  case("focuses, hides, shows from, with a pill to undo each (GUI-01, PPR-13)", function()
    show(profile(SHOP))
    press_box("db.query", "right")
    assert.equal(1, count "[role=menu]")
    item "Hide this function"
    assert.equal("gc gc gc idle json.encode json.encode json.struct main render serve total", names())
    assert.equal(100, b:eval(API .. ".tree().W[0][0]"))
    press_box("serve", "right")
    item "Focus on stacks with it"
    assert.equal("json.encode json.encode json.struct main render serve total", names())
    assert.equal(70, b:eval(API .. ".tree().W[0][0]"))
    press_box("json.struct", "right")
    item "Show from here"
    assert.equal("json.struct total", names())
    assert.equal(3, count ".pill")
    b:reload()
    assert.equal("json.struct total", names())
    for _ = 1, 3 do b:press ".pill" end
    assert.equal(0, count ".pill")
    assert.equal(100, b:eval(API .. ".tree().W[0][0]"))
    -- the menu by keys
    b:eval "document.querySelector('.chart').focus()"
    b:key "ArrowUp"
    b:key "m"
    assert.equal("Copy name", b:eval "document.activeElement.textContent")
    b:key "ArrowDown"
    b:key "Enter"
    assert.equal(1, count ".pill")
  end)

  case("collapses recursion and chains; a search finds what is inside (GUI-06)", function()
    show(profile(SHOP))
    local function button(label) b:eval(("Array.prototype.filter.call(document.querySelectorAll('button')," ..
      " function (t) { return t.textContent === %q; })[0].click()"):format(label)) end
    button "Recursion"
    assert.equal("db.query gc idle json.encode json.encode json.struct main render serve total", names())
    button "Chains"
    assert.is_truthy(names():find("render → json.encode", 1, true))
    b:eval "document.querySelector('input[type=search]').focus()"
    b:type "json.e"
    assert.equal("Matched 50.0% (1 function, 2 boxes)", text ".matched")
    button "Chains"
    assert.equal("Matched 50.0% (1 function, 2 boxes)", text ".matched")
  end)

  case("colours by package, value, class or not at all, with a legend (GUI-05, FG-04)", function()
    local made = profile "net/http.serve;runtime.mallocgc 3\nnet/http.serve;runtime.gcDrain 4\nmine.run 2\n"
    local function fills() return b:eval("Array.prototype.map.call(document.querySelectorAll('.b rect')," ..
      " function (r) { return r.getAttribute('fill'); }).join(' ')") end
    local seen = {}
    for _, colours in ipairs { "package", "value", "class", "plain" } do
      for _, format in ipairs { "html", "svg" } do
        show(made, { colors = colours }, nil, format)
        local now = fills()
        assert.is_true(seen[colours] == nil or seen[colours] == now)
        seen[colours] = now
        assert.is_true(#text ".legend" > 5)
      end
    end
    assert.is_true(seen.package ~= seen.value and seen.value ~= seen.class and seen.class ~= seen.plain)
    show(made, { colors = "class" })
    assert.is_truthy(text ".legend":find("garbage collection", 1, true))
    choose("[aria-label=Colours]", "plain")
    assert.is_truthy(b:eval "location.hash":find "p=plain")
  end)

  for _, format in ipairs { "html", "svg" } do
    case("draws a diff: widths, signs, elided frames, both modes (E-20, GUI-05) (" .. format .. ")", function()
      local diff = assert(pyroscope.diff(side(BEFORE, 0), side(AFTER, HOUR), { noise = 0.005 }))
      show(diff, { title = "Shop", before = "v1", after = "v2" }, nil, format)
      assert.equal("fresh json main price same total", names())
      local legend = text ".legend"
      for _, part in ipairs { "▲ more after: worse", "▼ less after: better", "✳ new", "✖ gone", "absolute" } do
        assert.is_truthy(legend:find(part, 1, true), part)
      end
      assert.is_truthy(text ".sides":find("v1   10.00 cores", 1, true), text ".sides")
      assert.is_truthy(text ".delta":find("+4.00c  +40.0%", 1, true), text ".delta")
      local function spoken(name)
        return b:eval(([[(function () { var g = document.querySelectorAll(".b"), i;
          for (i = 0; i < g.length; i++) if (g[i].getAttribute("aria-label").indexOf(%q) === 0)
            return [g[i].getAttribute("aria-label"), getComputedStyle(g[i].querySelector("rect")).fill,
              g[i].getAttribute("class")];
          })()]]):format(name .. ","))
      end
      assert.is_truthy(spoken "json"[1]:find("before 2.00c · after 6.00c · ▲ +4.00c +200%", 1, true),
        spoken "json"[1])
      assert.is_truthy(spoken "price"[1]:find("▼ -1.00c -25%", 1, true))
      assert.is_truthy(spoken "same"[1]:find("unchanged", 1, true))
      assert.is_truthy(spoken "fresh"[1]:find("✳ new +2.00c", 1, true))
      assert.equal("rgb(240, 228, 66)", spoken "fresh"[2])
      assert.equal("rgb(243, 243, 243)", spoken "same"[2])
      assert.is_truthy(spoken "fresh"[3]:find "new")
      -- sign and arrow on every coloured box
      assert.equal(0, b:eval [[Array.prototype.filter.call(document.querySelectorAll(".b"), function (g) {
        return g.querySelector("rect").getAttribute("fill") !== "#f3f3f3" &&
          !/[\u25b2\u25bc\u2733\u2716]/.test(g.getAttribute("aria-label"));
      }).length]])
      assert.is_nil(b:eval "document.documentElement.textContent":find "NaN")
      b:eval "document.querySelector('.chart').focus()"
      b:key "e"
      assert.equal("deep fresh json main old price same total", names())
      assert.equal("rgb(127, 179, 230)", spoken "deep"[2])
      assert.is_truthy(spoken "deep"[1]:find("✖ gone -1.00c", 1, true))
      choose("[aria-label='Width of boxes']", "before")
      assert.equal("deep json main old price same total", names())
      -- shares: 40% of 10 against 3 of 14
      b:key "d"
      assert.is_truthy(spoken "price"[1]:find("before 40.00% · after 21.43%", 1, true), spoken "price"[1])
      assert.is_truthy(b:eval "location.hash":find "m=share")
      b:travel(-1)
      assert.is_truthy(spoken "price"[1]:find("before 4.00c", 1, true))
    end)
  end

  case("has a table of a diff that adds up to the change of the picture", function()
    local diff = assert(pyroscope.diff(side(BEFORE, 0), side(AFTER, HOUR)))
    show(diff, nil, "v=table")
    local rows = b:eval("Array.prototype.map.call(document.querySelectorAll('tbody tr')," ..
      " function (r) { return Array.prototype.map.call(r.children, function (c) { return c.textContent; }); })")
    local sum = 0
    for _, row in ipairs(rows) do sum = sum + tonumber((row[4]:gsub("c$", ""))) end
    assert.is_true(math.abs(sum - 4) < 0.02)
    assert.equal("json", rows[1][1])
    assert.same({ "total", "10.0c", "14.0c", "+4.00c" }, { table.unpack(texts "tfoot td", 1, 4) })
    local exact = b:eval(([[(function () { var t = %s.tree(), r = %s.rows(), d = 0, i;
      for (i = 0; i < r.length; i++) d += r[i].self[1] - r[i].self[0];
      return d - (t.W[1][0] - t.W[0][0]); })()]]):format(API, API))
    assert.equal(0, exact)
    local by = {}
    for _, row in ipairs(rows) do by[row[1]] = row[5] end
    assert.equal("new", by.fresh)
    assert.equal("gone", by.deep)
  end)

  case("shows where an unchanged box ends, light and dark (GUI-05)", function()
    local diff = assert(pyroscope.diff(side(BEFORE, 0), side(AFTER, HOUR)))
    for _, scheme in ipairs { "light", "dark" } do
      b:media { ["prefers-color-scheme"] = scheme }
      show(diff, nil, "w=both")
      local pair = b:eval [[(function () { var g = document.querySelectorAll(".b"), i, c;
        for (i = 0; i < g.length; i++) if (/^same,/.test(g[i].getAttribute("aria-label"))) {
          c = getComputedStyle(g[i].querySelector("rect"));
          return [c.stroke, c.fill, getComputedStyle(document.querySelector(".chart")).backgroundColor];
        } })()]]
      local edge, fill, ground = rgb(pair[1]), rgb(pair[2]), rgb(pair[3])
      assert.is_true(math.max(contrast(edge, ground), contrast(fill, ground)) >= 2.5, scheme)
    end
  end)

  case("keeps the number of a change where the name has to be cut", function()
    local name = "shop.example/checkout/catalog/index/normalised.(*Index).fieldNormOfDocument"
    local function of(x, y) return name .. " " .. cores(x) .. "\nrest " .. cores(y) .. "\n" end
    show(assert(pyroscope.diff(side(of(1, 9), 0), side(of(3, 7), HOUR))))
    local label = b:eval [[Array.prototype.map.call(document.querySelectorAll(".b text"),
      function (t) { return t.textContent; }).filter(function (t) { return /Document/.test(t); })[0] ]]
    assert.is_truthy(label:find "^▲ ~.*fieldNormOfDocument %+200%%$", label)
  end)

  case("has the signs and colours of the picture in the table of a diff, on the line of the name",
    function()
      local name = ("go.shape.interface { Write([]uint8) (int, error) } "):rep(12) .. "end"
      local diff = assert(pyroscope.diff(side(BEFORE .. name .. " " .. cores(1), 0),
        side(AFTER .. name .. " " .. cores(1.5), HOUR)))
      for scheme, middle in pairs { light = "rgb(243, 243, 243)", dark = "rgb(154, 154, 154)" } do
        b:media { ["prefers-color-scheme"] = scheme }
        show(diff, nil, "v=table")
        local rows = b:eval [[Array.prototype.map.call(document.querySelectorAll("tbody tr"), function (r) {
          var chip = r.querySelector("i"), name = r.querySelector("button");
          return [name.textContent, r.children[4].textContent, getComputedStyle(chip).backgroundColor,
            name.getBoundingClientRect().top - chip.getBoundingClientRect().top]; })]]
        local by = {}
        for _, row in ipairs(rows) do
          by[row[1]] = row
          assert.is_true(math.abs(row[4]) < 12, row[1])
        end
        assert.equal("+200%", by.json[2])
        assert.equal("-25%", by.price[2])
        assert.equal("+50%", by[name][2])
        assert.equal(middle, by.same[3])
      end
    end)

  case("stays where it is while a search is typed", function()
    for _, width in ipairs { 1300, 1000 } do
      b:size(width, 800)
      show(profile(SHOP))
      local top = "document.querySelector('.chart').getBoundingClientRect().top"
      local before = b:eval(top)
      b:eval "document.querySelector('input[type=search]').focus()"
      b:type "js"
      assert.equal("Matched 50.0% (2 functions, 3 boxes)", text ".matched")
      assert.equal(before, b:eval(top))
    end
    b:size(1000, 800)
  end)

  case("says how far truncated stacks could move a change", function()
    local function cut(lines, from)
      local read = assert(core.decode(profile(lines):render "tree", "tree"))
      return read:describe { unit = "nanoseconds", kind = "flow", from_ms = from, to_ms = from + HOUR,
        profile_type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds" }
    end
    local diff = assert(pyroscope.diff(cut("main;a " .. cores(4) .. "\nmain;other " .. cores(1), 0),
      cut("main;a " .. cores(9) .. "\nmain;other " .. cores(2), HOUR)))
    show(diff)
    press_box "a"
    assert.is_truthy(text ".detail":find("+4.00c to +7.00c", 1, true), text ".detail")
    assert.is_truthy(text ".note":find("truncated stacks: A 20.0%, B 18.2%", 1, true), text ".note")
    assert.equal(0, b:eval(API .. ".rows().filter(function (r) { return r.name === 'other'; }).length"))
  end)

  case("has black text with a contrast of 7 on every box, light and dark (E-20)", function()
    local diff = assert(pyroscope.diff(side(BEFORE, 0), side(AFTER, HOUR)))
    local many = {}
    for i = 1, 60 do many[i] = ("pkg%d.run;pkg%d.sub %d"):format(i, i * 7, 10) end
    for _, scheme in ipairs { "light", "dark" } do
      b:media { ["prefers-color-scheme"] = scheme }
      for _, made in ipairs { diff, profile(table.concat(many, "\n")) } do
        for _, fragment in ipairs { "w=both", "w=both&s=price", "s=pkg1" } do
          show(made, nil, fragment)
          local list = b:eval [[Array.prototype.map.call(document.querySelectorAll(".b rect"),
            function (r) { return getComputedStyle(r).fill; })]]
          assert.is_true(#list > 4)
          for _, fill in ipairs(list) do
            if fill:find "^rgb" then assert.is_true(contrast(rgb(fill),
              { 0, 0, 0 }) >= 7, scheme .. " " .. fill) end
          end
        end
        for _, selector in ipairs { "h1", ".note", ".legend", ".detail", "button",
          "[role=tab][aria-selected=true]" } do
          local pair = b:eval(([[(function () { var e = document.querySelector(%q), bg = e, c;
            for (;; bg = bg.parentNode) { c = getComputedStyle(bg).backgroundColor;
              if (c !== "rgba(0, 0, 0, 0)") break; }
            return [getComputedStyle(e).color, c]; })()]]):format(selector))
          assert.is_true(contrast(rgb(pair[1]), rgb(pair[2])) >= 4.5, selector .. " " .. scheme)
        end
      end
    end
    show(diff, nil, "w=both")
    local before = text ".pyr-root"
    for _, kind in ipairs { "deuteranopia", "protanopia", "tritanopia" } do
      b:call("Emulation.setEmulatedVisionDeficiency", { type = kind })
      assert.equal(before, text ".pyr-root")
    end
    b:call("Emulation.setEmulatedVisionDeficiency", { type = "none" })
  end)

  case("prints the picture and the legend, without controls", function()
    show(profile(SHOP))
    b:media({}, "print")
    assert.equal("none", b:eval "getComputedStyle(document.querySelector('.bar')).display")
    assert.equal("visible", b:eval "getComputedStyle(document.querySelector('.chart')).overflow")
    assert.is_true(b:eval "document.querySelector('.legend').getBoundingClientRect().height > 0")
    assert.equal("rgb(255, 255, 255)", b:eval "getComputedStyle(document.querySelector('.pyr-root')).backgroundColor")
  end)

  case("fits a narrow window and follows its size", function()
    b:size(380, 700)
    show(profile(SHOP))
    assert.is_true(b:eval "document.documentElement.scrollWidth <= 380")
    local narrow = b:eval(API .. ".chart().pixels(0)")
    b:size(1000, 800)
    settle()
    assert.is_true(b:eval(API .. ".chart().pixels(0)") > narrow * 2)
  end)

  case("opens sources by a template, else offers a command (GUI-11, E-20)", function()
    local made = assert(core.decode(require "spec.support.pprof_writer".pprof { types = { { "cpu",
      "nanoseconds" } },
      samples = { { stack = { { "work", "/app/src/it's a.go", 12 } }, values = { 10 } } } }))
    show(made, { link = "https://example.org/r/blob/main/{path}#L{line}" })
    b:eval [[window.opened = []; HTMLAnchorElement.prototype.click = function () {
      window.opened.push([this.href, this.rel, this.target]); }]]
    press_box("work", "right")
    item "Open source"
    assert.same({ { "https://example.org/r/blob/main/app/src/it's%20a.go#L12", "noopener noreferrer",
      "_blank" } }, b:eval "window.opened")
    show(made)
    press_box("work", "right")
    assert.is_truthy(text "[role=menu]":find([[Copy: nvim +12 '/app/src/it'\''s a.go']], 1, true),
      text "[role=menu]")
  end)

  case("saves the visible part as SVG and the profile as folded text", function()
    show(profile(SHOP))
    b:eval [[window.saved = []; URL.createObjectURL = function (blob) { window.saved.push(blob);
      return "blob:x"; };
      HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download); };]]
    press_box "serve"
    b:eval "document.querySelector('button.folded').click()"
    b:eval "document.querySelector('button.svg').click()"
    local folded = b:eval "window.saved[0].text()"
    assert.same(trees.of(profile(SHOP)), trees.of(assert(core.decode(folded, "folded"))))
    local svg = b:eval "window.saved[2].text()"
    assert.same({ "profile.folded", "flamegraph.svg" }, b:eval "[window.saved[1], window.saved[3]]")
    assert.is_truthy(svg:find "^<svg")
    assert.is_truthy(svg:find("json.struct", 1, true))
    assert.is_nil(svg:find(">idle<", 1, true))
  end)

  case("lists its keys, and sections follow the picture of a page", function()
    show(profile(SHOP), { sections = "<section id='more'><h2>More</h2></section>" })
    assert.equal("More", text "#more h2")
    b:eval "document.querySelector('.chart').focus()"
    b:key "?"
    assert.equal(1, count "[role=dialog]")
    b:key "Escape"
    assert.equal(0, count "[role=dialog]")
    for key, view in pairs { t = "table", i = "icicle", c = "callers", f = "flame" } do
      b:key(key)
      assert.equal(view, b:eval(API .. ".state().v"))
    end
    b:key "/"
    assert.equal("INPUT", b:eval "document.activeElement.tagName")
  end)

  -- A wide tree of exactly n nodes, the root included.
  local function large(n)
    local lines, made = {}, 1
    local i = 0
    while made < n do
      i = i + 1
      local depth = math.min(20, n - made)
      local stack = {}
      for k = 1, depth do stack[k] = ("f%d_%d"):format(k == 1 and i or k, k == 1 and 0 or i % 997) end
      lines[i] = table.concat(stack, ";") .. " " .. (n - i)
      made = made + depth
    end
    return profile(table.concat(lines, "\n"))
  end

  case("draws on a canvas above 20,000 boxes, and answers the same", function()
    for _, n in ipairs { 20000, 20001 } do
      local made = large(n)
      assert.equal(n, #made)
      show(made, nil, "s=" .. "^f1_0$")
      assert.equal(n > 20000 and 1 or 0, count "canvas")
      assert.is_truthy(text ".matched":find "^Matched 0%.%d%% %(1 function, 1 box%)$")
      assert.equal(n, math.tointeger(b:eval(API .. ".tree().n")))
      b:eval "document.querySelector('.chart').focus()"
      b:key "ArrowUp"
      b:key "Enter"
      assert.equal("f1_0", b:eval(("%s.name(%s.state().x)"):format(API, API)))
      assert.equal("Matched 100.0% (1 function, 1 box)", text ".matched")
      -- what a screen reader has: the way to the box, and its children
      assert.is_true(count "[role=treeitem]" >= 3)
      local at = b:eval(API .. ".chart().center(0)")
      b:click(at.x, at.y)
      assert.equal("total", b:eval(("%s.name(%s.state().x)"):format(API, API)))
    end
  end)

  case("opens and zooms 200,000 boxes at the speed of a click", function()
    local made = large(200000)
    local bytes = made:render "html"
    b:show(bytes, ".html")
    assert.equal(200000, math.tointeger(b:eval(API .. ".tree().n")))
    local ms = b:eval(([[(function () { var t = performance.now();
      document.querySelector(".chart").focus();
      ["k", "Enter", "Escape"].forEach(function (k) { document.querySelector(".chart")
        .dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true })); });
      return (performance.now() - t) / 2; })()]]))
    assert.is_true(ms < 3000, "a zoom takes " .. ms .. " ms")
    b:eval "document.querySelector('input[type=search]').focus()"
    b:type "f3"
    assert.is_truthy(text ".matched":find "^Matched %d")
    tab "Callers"
    assert.is_true(b:eval(API .. ".tree().n") > 1000)
    tab "Table"
    assert.equal(500, count "tbody tr")
    assert.is_true(#bytes < 200000 * 45)
  end)

  it("opens a file for speedscope in that program's own page (SPD-01)", function()
    if not b then pending("needs a browser: " .. missing) return end
    local page = "build/npm/node_modules/speedscope/dist/release/index.html"
    local f = io.open(page)
    if not f then
      pending "needs speedscope's npm package (npm is not installed, or was offline)"
      return
    end
    f:close()
    local path = b.folder .. "/made.speedscope.json"
    local file = assert(io.open(path, "wb"))
    file:write(profile(SHOP):render("speedscope", { title = "checkout, CPU", unit = "nanoseconds" }))
    file:close()
    local pwd = assert(io.popen "pwd"):read "l"
    b:go("file://" .. pwd .. "/" .. page)
    settle(300)
    -- dropped on the page, as a person would
    b:eval(([[(function () {
      var data = new DataTransfer();
      data.items.add(new File([%s], "made.speedscope.json"));
      ["dragover", "drop"].forEach(function (kind) {
        document.querySelector("div").dispatchEvent(new DragEvent(kind,
          { dataTransfer: data, bubbles: true, cancelable: true }));
      });
    })()]]):format(cjson.encode(trees.read(path))))
    local said
    for _ = 1, 40 do
      settle(100)
      said = b:eval "document.title + ' ' + document.body.innerText"
      if said:find("checkout, CPU", 1, true) then break end
    end
    assert.is_truthy(said:find("checkout, CPU", 1, true), said:sub(1, 200))
    assert.is_nil(said:lower():find "unrecognized")
  end)
end)
