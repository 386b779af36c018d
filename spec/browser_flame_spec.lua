-- Flame graphs in a real browser, used as a person does: click, type, keys, back, forward, reload.

local browser = require "spec.support.browser"
local core = require "pyroscope.core"
local trees = require "spec.support.trees"

local READ = [[
(function () {
  var p = document.querySelector(".pyr-root").pyroscope, c = p.chart(), t = p.tree();
  return c.boxes.map(function (b) {
    return { i: b.i, x: b.x, w: b.w, level: b.level, faded: b.faded, parent: t.parent[b.i],
      total: t.W[0][b.i], self: t.S[0][b.i], name: p.name(b.i) };
  });
})()]]

local b, missing

local function boxes()
  local list, by = b:eval(READ), {}
  for _, box in ipairs(list) do by[box.i] = box end
  return list, by
end

local function named(name)
  for _, box in ipairs((boxes())) do if box.name == name then return box end end
end

local function press_box(name, button)
  local box = assert(named(name), name)
  local at = b:eval(("document.querySelector('.pyr-root').pyroscope.chart().center(%d)"):format(box.i))
  b:click(at.x, at.y, button)
end

local function matched() return b:eval "document.querySelector('.matched').textContent" end
local function hash() return b:eval "location.hash" end
local function zoomed() return b:eval("(function () { var p = document.querySelector('.pyr-root').pyroscope;" ..
  " return p.name(p.state().x); })()") end
local function state(key) return b:eval("document.querySelector('.pyr-root').pyroscope.state()." .. key) end
local function count(selector) return b:eval(("document.querySelectorAll(%q).length"):format(selector)) end
local function settle() b:eval "new Promise(function (done) { setTimeout(done, 120); })" end

local function search(text)
  b:eval "(function () { var i = document.querySelector('input[type=search]'); i.focus(); i.select(); })()"
  if text == "" then b:key "Backspace" else b:type(text) end
  return matched()
end

local SHOP = [[
main;serve;json.encode;json.struct 40
main;serve;json.encode 6
main;serve;db.query 20
main;serve;render;json.encode 4
main;gc 20
idle 10
]]

local function profile(text) return assert(core.decode(text, "folded")) end

describe("a flame graph in a browser", function()
  setup(function()
    b, missing = browser.open { width = 1000, height = 700 }
  end)
  teardown(function() if b then b:close() end end)

  local function it_in_both(title, body)
    for _, format in ipairs { "html", "svg" } do
      it(title .. " (" .. format .. ")", function()
        if not b then pending("needs a browser: " .. missing) return end
        b.errors, b.requests = {}, {}
        body(function(text, options, fragment)
          b:show(assert((type(text) == "string" and profile(text) or text):render(format, options)),
            "." .. format, fragment)
        end, format)
        assert.same({}, b.errors)
        assert.same({}, b.requests)
      end)
    end
  end

  it_in_both("has boxes as wide as their values, children inside their parent", function(show)
    for seed = 1, 3 do
      show(trees.profile(trees.stacks(seed, { stacks = 150 })))
      local list, by = boxes()
      local whole = by[0]
      local sums = {}
      for _, box in ipairs(list) do
        if box.total / whole.total * whole.w >= 3 then
          assert.is_true(math.abs(box.w - box.total / whole.total * whole.w) < 0.5)
        end
        if box.i ~= 0 then
          local up = by[box.parent]
          assert.is_true(box.x >= up.x - 0.01 and box.x + box.w <= up.x + up.w + 3.01)
          assert.equal(up.level + 1, box.level)
          sums[box.parent] = (sums[box.parent] or 0) + box.total
        end
      end
      for i, sum in pairs(sums) do assert.is_true(sum <= by[i].total) end
      -- what is drawn is what was laid out
      local drawn = b:eval [[Array.prototype.map.call(document.querySelectorAll(".b"), function (g) {
        var r = g.querySelector("rect").getBoundingClientRect();
        return { i: +g.getAttribute("data-i"), w: r.width, y: r.top }; })]]
      assert.equal(#list, #drawn)
      for _, box in ipairs(drawn) do
        assert.is_true(math.abs(box.w - by[box.i].w) < 0.6)
        if box.i ~= 0 then assert.is_true(box.y < drawn[1].y) end -- flames go up
      end
    end
  end)

  it_in_both("zooms by click and key; Esc, u, back, forward and reload restore (GUI-01, FG-02)",
    function(show)
      show(SHOP)
      assert.equal("total", zoomed())
      local before = named "serve"
      press_box "serve"
      assert.equal("serve", zoomed())
      assert.is_true(named "serve".w > before.w)
      assert.is_true(named "main".faded)
      assert.is_nil(named "gc")
      press_box "db.query"
      assert.equal("db.query", zoomed())
      local deep = hash()
      b:travel(-1)
      assert.equal("serve", zoomed())
      b:travel(-1)
      assert.equal("total", zoomed())
      b:travel(1)
      b:travel(1)
      assert.equal("db.query", zoomed())
      assert.equal(deep, hash())
      b:reload()
      assert.equal("db.query", zoomed())
      b:key "-"
      assert.equal("serve", zoomed())
      b:key "Escape"
      assert.equal("total", zoomed())
      b:key "ArrowUp"
      b:key "Enter"
      assert.equal("main", zoomed())
      b:key "u"
      settle()
      assert.equal("total", zoomed())
      press_box "main" -- an ancestor brings back what was around it
      press_box "total"
      assert.equal("total", zoomed())
      press_box "main"
      b:press ".reset"
      assert.equal("total", zoomed())
    end)

  it_in_both("counts the matched share once a stack, of the visible root (GUI-04, E-20)",
    function(show)
      show(SHOP)
      assert.equal("", matched())
      assert.equal("Matched 50.0% (2 functions, 3 boxes)", search "json")
      assert.equal(3, count ".b.hit")
      assert.equal("Matched 0.0% (0 functions, 0 boxes)", search "nothing_like_it")
      assert.equal("Matched 100.0% (8 functions, 9 boxes)", search ".")
      assert.equal("not a regular expression: nothing matches", search "json(")
      assert.equal(0, count ".b.hit")
      assert.equal("Matched 40.0% (1 function, 1 box)", search "^json\\.s")
      search "json"
      b:key "Escape" -- empties the field
      assert.equal("", matched())
      search "json"
      press_box "serve"
      assert.equal("Matched 71.4% (2 functions, 3 boxes)", matched())
      press_box "db.query"
      assert.equal("Matched 0.0% (0 functions, 0 boxes)", matched())
      assert.is_truthy(hash():find "s=json")
      b:reload()
      assert.equal("Matched 0.0% (0 functions, 0 boxes)", matched())
      -- case
      show(SHOP, nil, "s=JSON")
      assert.equal("Matched 50.0% (2 functions, 3 boxes)", matched())
      b:press "[aria-label='Match case']"
      assert.equal("Matched 0.0% (0 functions, 0 boxes)", matched())
      -- recursion: a match inside a match is there once
      show("a;f;f;g;f 30\na;h 70\n", nil, "s=^f$")
      assert.equal("Matched 30.0% (1 function, 3 boxes)", matched())
      -- truncated stacks are no hit
      show(assert(core.decode(profile "main;a 50\nmain;other 50\n":render "tree", "tree")), nil, "s=other")
      assert.equal("Matched 0.0% (0 functions, 0 boxes)", matched())
    end)

  it_in_both("steps through matches and zooms to one too small to see", function(show)
    show("main;big 100000\nmain;mid;tiny 1\n", nil, "s=tiny")
    assert.equal(0, count ".b.hit")
    assert.equal("Matched 0.0% (1 function, 1 box)", matched())
    b:press ".chart"
    b:key "Escape"
    b:key "n"
    assert.equal("tiny", zoomed())
    assert.equal(1, count ".b.hit")
    assert.equal("Matched 100.0% (1 function, 1 box)", matched())
  end)

  it_in_both("is reached by keys as a whole, hidden boxes too (GUI-09, E-20)", function(show)
    local lines = {}
    for i = 1, 40 do lines[i] = ("main;a%d;b%d %d"):format(i % 7, i, i == 3 and 100000 or 1) end
    show(table.concat(lines, "\n"))
    local total = b:eval "document.querySelector('.pyr-root').pyroscope.tree().n"
    b:eval "document.querySelector('.chart').focus()"
    local seen, n = {}, 0
    local function here()
      local i = b:eval "document.querySelector('.pyr-root').pyroscope.selected()"
      if not seen[i] then seen[i], n = true, n + 1 end
      return i
    end
    here()
    for _ = 1, 3 do
      b:key "ArrowUp"
      local first = here()
      while true do
        local before = here()
        b:key "ArrowRight"
        if here() == before then break end
      end
      while true do
        local before = here()
        b:key "h"
        if here() == before then break end
      end
      assert.equal(first, here())
    end
    assert.equal(total, n)
    -- the selected box is on the picture, in the accessibility tree, and has a visible ring
    assert.equal(1, count ".b.sel")
    assert.equal(1, count ".b[aria-selected=true]")
    assert.equal(b:eval "document.querySelector('.b.sel').id",
      b:eval "document.querySelector('.chart').getAttribute('aria-activedescendant')")
    assert.is_true(b:eval "parseFloat(getComputedStyle(document.querySelector('.b.sel rect')).strokeWidth) >= 2")
  end)

  it_in_both("draws a thousand levels, all of them within reach (S-29)", function(show)
    local frames = {}
    for i = 1, 1000 do frames[i] = "f" .. i end
    show(table.concat(frames, ";") .. " 5\n")
    assert.equal(1001, count ".b")
    b:eval "document.querySelector('.chart').focus()"
    b:eval [[(function () {
      var c = document.querySelector(".chart");
      for (var i = 0; i < 1000; i++)
        c.dispatchEvent(new KeyboardEvent("keydown", { key: "k", bubbles: true }));
    })()]]
    assert.equal(1000, b:eval "document.querySelector('.pyr-root').pyroscope.selected()")
    assert.is_true(b:eval [[(function () {
      var r = document.querySelector(".b.sel").getBoundingClientRect(),
        c = document.querySelector(".chart").getBoundingClientRect();
      return r.top >= c.top - 1 && r.bottom <= c.bottom + 1; })()]])
    b:key "Enter"
    assert.equal("f1000", zoomed())
  end)

  it_in_both("ignores the fragment of another file", function(show)
    show(SHOP)
    press_box "serve"
    local fragment = hash():sub(2)
    show("x;y 1\nx;z 2\nx;w 3\nx;v 4\n", nil, fragment)
    assert.equal("total", zoomed())
    for _, bad in ipairs { "x=99999.abc", "x=-1.q", "v=nothing&s=%E0%A4%A", "m=share&w=before&o=zzz",
      "__proto__=1&x",
      "k=not%20there&v=sandwich" } do
      show(SHOP, nil, bad)
      assert.is_true(count ".pyr-root [role=tablist]" == 1)
    end
  end)

  it_in_both("has one name and level for each box in the accessibility tree", function(show)
    show(SHOP)
    local wanted, found = {}, {}
    for _, box in ipairs((boxes())) do wanted[#wanted + 1] = box.name .. " " .. box.level + 1 end
    local treeitems = 0
    for _, node in ipairs(b:call "Accessibility.getFullAXTree".nodes) do
      if node.role and node.role.value == "treeitem" then
        local level
        for _, property in ipairs(node.properties) do
          if property.name == "level" then level = property.value.value end
        end
        treeitems = treeitems + 1
        found[#found + 1] = node.name.value:match "^[^,]*" .. " " .. ("%d"):format(level)
      end
    end
    table.sort(wanted)
    table.sort(found)
    for i, text in ipairs(wanted) do wanted[i] = text:gsub("%.0$", "") end
    assert.same(wanted, found)
    assert.is_true(treeitems >= 9)
  end)

  it_in_both("says everything of a box under the pointer (GUI-07)", function(show)
    local made = profile "main;work 3000000000\nmain;work;leaf 1000000000\nmain 4000000000\n"
    show(made, { unit = "nanoseconds" })
    local at = b:eval(("document.querySelector('.pyr-root').pyroscope.chart().center(%d)")
      :format(named "work".i))
    b:mouse("mouseMoved", at.x, at.y)
    local text = b:eval "document.querySelector('.tip').innerText"
    for _, part in ipairs { "work", "total 4.00 s", "50.0% of all", "50.0% of parent",
      "self 3.00 s", "37.5%" } do
      assert.is_truthy(text:find(part, 1, true), part .. " in " .. text)
    end
    made:describe { profile_type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds", kind = "flow",
      unit = "nanoseconds", from_ms = 0, to_ms = 2000 }
    show(made)
    assert.is_truthy(b:eval "document.querySelector('.detail').textContent":find("4.00 cores (8.00 s)", 1,
      true))
    assert.is_truthy(b:eval "document.querySelector('.sub').textContent":find("4.00 cores", 1, true))
  end)

  it_in_both("leaves names inert, whatever they are (E-20)", function(show)
    local names = { "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a&b", 'q"uo\'te',
      "]]>", "</script><b>", "-->", "\u{2028}", "javascript:alert(1)", "%s%n", "&lt", "${x}", "__proto__",
      "constructor" }
    local lines = {}
    for i, name in ipairs(names) do lines[i] = name .. " " .. 100 + i end
    lines[#lines + 1] = "\27[31mred 90"
    lines[#lines + 1] = "\u{202e}turned 91"
    lines[#lines + 1] = "bad\xffutf8 92"
    lines[#lines + 1] = ("long"):rep(16384) .. " 93"
    show(table.concat(lines, "\n"), { title = "<b>title</b>", subtitle = "</script><i>" })
    local shown = {}
    for _, box in ipairs((boxes())) do shown[box.name] = true end
    for _, name in ipairs(names) do assert.is_true(shown[name], name) end
    assert.is_true(shown["␛[31mred"])
    assert.is_true(shown["⟨U+202E⟩turned"])
    assert.is_true(shown["bad�utf8"])
    assert.is_true(shown[("long"):rep(16384)])
    assert.equal(0, count ".pyr-root script, .pyr-root img, .pyr-root h1 b, .pyr-root i b")
    assert.equal("<b>title</b>", b:eval "document.querySelector('h1').textContent")
    for _, view in ipairs { "table", "icicle", "callers" } do
      b:eval(("Array.prototype.filter.call(document.querySelectorAll('[role=tab]')," ..
        " function (t) { return t.textContent.toLowerCase() === '%s'; })[0].click()"):format(view))
      assert.equal(0, count ".pyr-root script, .pyr-root img, .pyr-root h1 b")
    end
    assert.is_truthy(state "v")
  end)

  it("is there without a script: boxes, names, titles", function()
    if not b then pending("needs a browser: " .. missing) return end
    b:call("Emulation.setScriptExecutionDisabled", { value = true })
    for _, format in ipairs { "html", "svg" } do
      b:show(profile(SHOP):render(format, { title = "Shop" }), "." .. format)
      b:call("DOM.getDocument", { depth = 0 })
      local root = b:call("DOM.getDocument", { depth = 0 }).root.nodeId
      local html = b:call("DOM.getOuterHTML", { nodeId = root }).outerHTML
      assert.equal(10, select(2, html:gsub("<g><title>", "")))
      assert.is_truthy(html:find("<title>json.encode\ntotal 46, 46.00%\nself 6, 6.00%</title>", 1, true))
      assert.is_truthy(html:find(">json.struct</text>", 1, true))
      assert.is_nil(html:find 'role="tablist"')
      if format == "svg" then
        assert.is_truthy(html:find("interactive when opened in a browser", 1, true))
      end
    end
    b:call("Emulation.setScriptExecutionDisabled", { value = false })
  end)
end)
