-- The page of a report in a real browser: read without its script, zoomed with it, whatever the
-- names in it.

local browser = require "spec.support.browser"
local report = require "pyroscope.investigate.report"
local reports = require "spec.support.reports"

local b, missing

local function page(change)
  local given = reports.regression()
  if change then change(given) end
  return report.new(given):html()
end

local function boxes(side)
  return b:eval(([[Array.prototype.map.call(document.querySelectorAll('svg.icicle[data-side="%s"] g'),
    function (g) { var r = g.querySelector("rect"), t = g.querySelector("text");
      return [g.querySelector("title").textContent.split("\n")[0], +r.getAttribute("x"),
        +r.getAttribute("width"), r.getAttribute("fill"), g.getAttribute("display") || "",
        t ? t.textContent : ""]; })]]):format(side))
end

local function by_name(list)
  local out = {}
  for _, box in ipairs(list) do out[box[1]] = box end
  return out
end

describe("the page of a report", function()
  setup(function() b, missing = browser.open() end)
  teardown(function() if b then b:close() end end)
  before_each(function()
    if missing then return pending("needs a browser: " .. missing) end
    b.errors, b.requests = {}, {}
  end)
  local function clean()
    assert.same({}, b.errors)
    assert.same({}, b.requests)
  end

  it("shows verdict, findings and both sides of the tree to scale", function()
    if missing then return pending("needs a browser: " .. missing) end
    b:show(page(), ".html")
    assert.equal("REGRESSION", b:eval "document.querySelector('h1 .badge').textContent")
    assert.equal(2, b:eval "document.querySelectorAll('.finding').length")
    assert.equal(16, b:eval "document.querySelectorAll('.finding svg.spark')[0].querySelectorAll('rect').length")
    local before, after = by_name(boxes "a"), by_name(boxes "b")
    assert.near(1200, after.total[3], 0.01)
    assert.near(1200 * 2.71 / 3.55, before.total[3], 0.01)
    assert.near(1200 * 0.88 / 3.55, after["shop.(*Cart).reprice"][3], 0.01)
    assert.equal("#d5d9e0", after["runtime.gcBgMarkWorker"][4]) -- not significant
    assert.equal("#f0e442", after["regexp.MustCompile"][4]) -- new
    assert.equal("#7fb3e6", before["shop.old"][4]) -- gone
    assert.is_nil(after["shop.old"])
    clean()
  end)

  it("zooms both sides to what is clicked, and back", function()
    if missing then return pending("needs a browser: " .. missing) end
    b:show(page(), ".html")
    b:press "svg.icicle[data-side=b] g[data-n='4'] rect"
    local after, before = by_name(boxes "b"), by_name(boxes "a")
    assert.near(1200, after["shop.(*Cart).reprice"][3], 0.01)
    assert.near(0, after["shop.(*Cart).reprice"][2], 0.01)
    assert.near(1200 * 0.77 / 0.88, after["regexp.MustCompile"][3], 0.1)
    assert.equal("none", after["runtime.gcBgMarkWorker"][5])
    assert.near(1200, after.total[3], 0.01)
    assert.near(1200, before["shop.(*Cart).reprice"][3], 0.01)
    assert.equal("shop.(*Cart).reprice", before["shop.(*Cart).reprice"][6])
    assert.matches("0.11 cores, after 0.88 cores", b:eval "document.getElementById('zoom').textContent", 1, true)
    b:key "Escape"
    assert.near(1200 * 0.88 / 3.55, by_name(boxes "b")["shop.(*Cart).reprice"][3], 0.01)
    b:press "svg.icicle[data-side=b] g[data-n='4'] rect"
    b:press "#zoom button"
    assert.near(1200 * 0.88 / 3.55, by_name(boxes "b")["shop.(*Cart).reprice"][3], 0.01)
    assert.matches("^Click a box", b:eval "document.getElementById('zoom').textContent")
    clean()
  end)

  it("says everything without its script", function()
    if missing then return pending("needs a browser: " .. missing) end
    b:call("Emulation.setScriptExecutionDisabled", { value = true })
    b:show(page(), ".html")
    local text = b:eval "document.body.innerText"
    b:call("Emulation.setScriptExecutionDisabled", { value = false })
    for _, part in ipairs { "REGRESSION", "shop.(*Cart).reprice", "Could have missed", "shop/cart.go:214",
      "pscope investigate breakdown checkout --by version" } do
      assert.matches(part, text, 1, true)
    end
  end)

  it("takes names for names", function()
    if missing then return pending("needs a browser: " .. missing) end
    for _, name in ipairs { "<script>window.hit = 1</script>", '"><img src=x onerror="window.hit = 1">',
      "</title></svg><svg onload='window.hit = 1'>", "\u{202e}gnp.exe", "a\nb", "</script><script>window.hit=1</script>" } do
      b:show(page(function(given)
        for _, f in ipairs(given.findings) do
          f.name, f.path, f.hot, f.entry = name, { name, name }, { name }, 1
          f.location, f.notes = { file = name, line = 1 }, { name }
          f.links = { diff = "javascript:window.hit=1", after = "https://example.com/\" onclick=\"window.hit=1" }
        end
        for _, row in ipairs(given.icicle) do row.name = name end
        given.summary, given.subject.service = name, name
        given.tables = { { title = name, columns = { { key = "a", label = name } }, rows = { { a = name } } } }
      end), ".html")
      assert.is_nil(b:eval "window.hit")
      assert.equal(1, b:eval "document.scripts.length")
      assert.equal(0, b:eval "document.images.length")
      assert.equal(0, b:eval "document.querySelectorAll('[onclick],[onload],[onerror]').length")
      assert.equal(2, b:eval "document.querySelectorAll('svg.icicle').length")
      b:press "svg.icicle[data-side=b] g[data-n='2'] rect"
      clean()
    end
  end)

  it("can be read in the dark, on paper and on a narrow screen", function()
    if missing then return pending("needs a browser: " .. missing) end
    b:show(page(), ".html")
    local function contrast()
      return b:eval [[(function () {
        function lum(c) { var p = c.match(/\d+(\.\d+)?/g).map(Number).slice(0, 3).map(function (v) {
          v /= 255; return v <= .03928 ? v / 12.92 : Math.pow((v + .055) / 1.055, 2.4); });
          return .2126 * p[0] + .7152 * p[1] + .0722 * p[2]; }
        var back = lum(getComputedStyle(document.body).backgroundColor), least = 99;
        Array.prototype.forEach.call(document.querySelectorAll("h1,p,.badge,td,th,code,a,.stack li,.note"), function (e) {
          var l = lum(getComputedStyle(e).color);
          least = Math.min(least, (Math.max(l, back) + .05) / (Math.min(l, back) + .05)); });
        return least; })()]]
    end
    assert.is_true(contrast() >= 6, tostring(contrast()))
    b:media { ["prefers-color-scheme"] = "dark" }
    assert.is_true(contrast() >= 6, tostring(contrast()))
    b:media(nil, "print")
    assert.equal("none", b:eval "getComputedStyle(document.getElementById('zoom')).display")
    b:media()
    b:size(420, 800)
    assert.is_true(b:eval "document.documentElement.scrollWidth <= 420")
    b:size(1200, 800)
    clean()
  end)

  it("draws a deep tree and many boxes", function()
    if missing then return pending("needs a browser: " .. missing) end
    b:show(page(function(given)
      local rows = { id = {}, parent = {}, depth = {}, name = {}, a = {}, b = {}, significant = {} }
      local n = 0
      local function add(parent, depth, name, x, y)
        n = n + 1
        rows.id[n], rows.parent[n], rows.depth[n], rows.name[n] = n, parent, depth, name
        rows.a[n], rows.b[n], rows.significant[n] = x, y, depth % 2 == 0
        return n
      end
      local at = add(0, 0, "total", 1000, 1500)
      for d = 1, 1000 do at = add(at, d, "f" .. d, 600, 900) end
      for i = 1, 2000 do add(1, 1, "g" .. i, 0.1, 0.2) end
      given.icicle = rows
    end), ".html")
    assert.equal(1001, b:eval "document.querySelectorAll('svg.icicle[data-side=a] g').length")
    assert.equal("boxes under half a pixel hidden: 4,000",
      b:eval "document.querySelector('.legend').textContent.match(/boxes.*/)[0]")
    clean()
  end)
end)
