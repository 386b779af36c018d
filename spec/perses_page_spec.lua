-- The queries of a Perses dashboard as one page: what its panels show, in their palettes.

local browser = require "spec.support.browser"
local cjson = require "cjson"
local cli = require "spec.support.cli"
local core = require "pyroscope.core"
local perses = require "pyroscope.config.perses"
local world = require "spec.support.world"
local writer = require "spec.support.pprof_writer"

local EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(2)>&amp;"
local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

local function query(spec)
  return { kind = "ProfileQuery", spec = { plugin = { kind = "PyroscopeProfileQuery", spec = spec } } }
end

local function panel(name, settings, ...)
  return { kind = "Panel", spec = { display = { name = name }, queries = { ... },
    plugin = { kind = "FlameChart", spec = settings } } }
end

local function settings(changes)
  local all = { palette = "package-name", showSettings = false, showSeries = true, showTable = true,
    showFlameGraph = true }
  for key, value in pairs(changes) do all[key] = value end
  return all
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function sha256(text)
  local path = os.tmpname()
  write(path, text)
  local pipe = assert(io.popen(("openssl dgst -sha256 -binary '%s' | base64"):format(path)))
  local digest = pipe:read "l"
  pipe:close()
  os.remove(path)
  return digest
end

local function sections(html)
  local list = {}
  for part in html:gmatch '<section class="part.-</section>' do list[#list + 1] = part end
  return list
end

local function data(part)
  local text = part:match '<script type="application/json" class="pyr%-data">(.-)</script>'
  return text and cjson.decode(text)
end

describe("a dashboard of Perses as one page (PER-20)", function()
  local here, html, said, code, parts

  local function board(panels, name)
    write(("%s/%s.json"):format(here, name or "board"), cjson.encode { kind = "Dashboard",
      metadata = { name = "board", project = "shop" }, spec = { panels = panels } })
  end

  local function run(...)
    return cli.run({ "perses", ... }, { folder = here })
  end

  setup(function()
    here = cli.folder()
    assert(os.execute(("mkdir '%s/world' '%s/evil'"):format(here, here)))
    world.write(here .. "/world")
    write(here .. "/evil/evil.pb", writer.pprof { types = { { "cpu", "nanoseconds" } }, samples = {
      { stack = { { EVIL, EVIL .. ".go", 3 }, "root" }, values = { 3000000 } },
      { stack = { "shop.price", "root" }, values = { 1000000 } } },
      time_ms = world.from_ms, duration_ms = 1000 })
    board {
      a = panel("By value", settings { palette = "value", showTable = false },
        query { profileType = CPU, service = "checkout" }),
      b = panel(EVIL, settings { showSeries = false, showSettings = true, showFlameGraph = false },
        query { profileType = "memory", service = "checkout" },
        query { profileType = "cpu", query = '{service_name="checkout",pod=~".*"}' }),
      c = panel("Broken", settings {},
        query { profileType = CPU, service = EVIL, filters = {
          { labelName = "pod", labelValue = "x", operator = "~" } } }),
      d = { kind = "Panel", spec = { plugin = { kind = "TraceTable", spec = { limit = 3 } },
        queries = { query { profileType = CPU, service = "checkout" } } } },
    }
    local _
    _, said, code = run("board.json", "--source", "./world", "-o", "html", "--out", "page.html")
    local file = io.open(here .. "/page.html", "rb")
    html = file and file:read "a" or ""
    if file then file:close() end
    parts = sections(html)
  end)
  teardown(cli.clean)

  it("has a section a query, in order, and says 4 where one failed", function()
    assert.equal(4, code, said)
    assert.equal(5, #parts, said)
    for i, title in ipairs { "By value", "&lt;script&gt;", "(query 2)", "Broken", "d" } do
      assert.matches(title, parts[i]:match "<h2>(.-)</h2>", 1, true)
    end
    assert.matches("Broken.*operator '~' is none of", said)
    assert.matches("operator &#39;~&#39; is none of", parts[4], 1, true)
    assert.matches("<dt>service</dt><dd>&lt;script&gt;", parts[4], 1, true)
    assert.is_nil(data(parts[4]))
  end)

  it("tells what every section is of", function()
    for _, part in ipairs { "<dt>profile type</dt><dd>" .. CPU, '<dt>data source</dt><dd>',
      "<dt>selector</dt><dd>{service_name=&quot;checkout&quot;}", "<dt>window</dt><dd>",
      "<dt>total</dt><dd>" } do
      assert.matches(part, parts[1], 1, true)
    end
    assert.matches("<dt>selector</dt><dd>{service_name=&quot;checkout&quot;, pod=~&quot;.*&quot;}", parts[3], 1, true)
  end)

  it("draws each query in the palette of its panel", function()
    assert.equal("value", data(parts[1]).colors)
    assert.equal("package", data(parts[2]).colors)
    assert.equal("package", data(parts[5]).colors)
    local out = run("board.json", "--source", "./world", "-o", "html", "--colors", "plain")
    for _, part in ipairs(sections(out)) do
      local tree = data(part)
      if tree then assert.equal("plain", tree.colors) end
    end
  end)

  it("shows what the panel shows; with settings the rest is there, closed", function()
    assert.matches('<svg class="line"', parts[1], 1, true)
    assert.is_nil(parts[1]:find('class="rows"', 1, true))
    assert.is_nil(parts[1]:find("<details", 1, true))
    assert.matches('class="part fixed"', parts[1], 1, true)
    for i = 2, 3 do
      assert.matches("<details><summary>Over time", parts[i], 1, true)
      assert.matches("<details><summary>Flame graph", parts[i], 1, true)
      assert.matches("<details open><summary>Functions", parts[i], 1, true)
    end
    for _, name in ipairs { "Over time", "Flame graph", "Functions" } do
      assert.matches("<details open><summary>" .. name, parts[5], 1, true)
    end
  end)

  it("has the numbers that top and series have", function()
    local out = cli.run({ "top", "./world", "--type", "cpu", "-l", "service_name=checkout", "--json" },
      { folder = here })
    local top = cjson.decode(out)
    local first = top.rows[1]
    local row = parts[5]:match("<tr>(<td>.-)</tr>")
    assert.matches("<td>" .. first.name:gsub("[^%w]", "%%%0") .. "</td>$", row)
    assert.matches(("<td>%.1f%%</td>"):format(100 * first.self_share), row, 1, true)
    local tree, sum = data(parts[5]), 0
    for _, value in ipairs(tree.self) do sum = sum + value end
    assert.equal(tonumber(top.totals.value), sum)
    local path = parts[5]:match '<path vector%-effect="non%-scaling%-stroke" d="([^"]*)"'
    local most = 100
    for y in path:gmatch "[ML][%d.]+ ([%d.]+)" do most = math.min(most, tonumber(y)) end
    assert.equal(4, most) -- the highest point touches the upper margin
  end)

  it("is one file: one script, styles and a policy that names them all", function()
    local policy = assert(html:match 'Content%-Security%-Policy" content="([^"]*)"')
    local scripts, styles = 0, 0
    for body in html:gmatch "<script>(.-)</script>" do
      scripts = scripts + 1
      assert.is_truthy(policy:find("'sha256-" .. sha256(body) .. "'", 1, true))
    end
    for body in html:gmatch "<style>(.-)</style>" do
      styles = styles + 1
      assert.is_truthy(policy:find("'sha256-" .. sha256(body) .. "'", 1, true))
    end
    assert.same({ 1, 2 }, { scripts, styles })
    assert.is_nil(html:find("<img", 1, true))
    assert.is_nil(html:find("unsafe", 1, true))
    for url in html:gmatch "https?://[^\"' )]*" do assert.is_truthy(url:find "^http://www.w3.org/") end
    local ids = {}
    for id in html:gmatch ' id="([^"]*)"' do
      assert.is_nil(ids[id], id)
      ids[id] = true
    end
    assert.is_truthy(ids.cut1 and ids.cut2)
  end)

  it("takes the initial value where a setting cannot be read, and says so", function()
    local shown, warnings = perses.display({ kind = "FlameChart", spec = { palette = "rainbow",
      showSeries = "yes", showTabel = false, traceHeight = 20 } }, "p")
    assert.same({ palette = "package", series = false, table = true, graph = true, settings = true },
      shown)
    assert.equal(3, #warnings)
    local all = table.concat(warnings, "\n")
    assert.matches("palette cannot be 'rainbow', package-name is taken", all, 1, true)
    assert.matches("showTabel.*showTable", all)
    shown, warnings = perses.display(nil, "p")
    assert.is_true(shown.series and shown.table and shown.graph)
    assert.same({}, warnings)
  end)

  it("answers with the error itself where there is nothing to show", function()
    board({ a = panel("x", settings {}, query { profileType = CPU, service = "nobody" }) }, "none")
    local out, err, status = run("none.json", "--source", "./world", "-o", "html")
    assert.equal("", out)
    assert.equal(6, status, err)
    assert.matches("no service 'nobody'", err, 1, true)
  end)

  describe("in a browser", function()
    local b, missing
    setup(function() b, missing = browser.open() end)
    teardown(function() if b then b:close() end end)
    before_each(function()
      if b then b.errors, b.requests = {}, {} end
    end)
    local function roots(expression)
      return b:eval(("Array.prototype.map.call(document.querySelectorAll('.pyr-root'), "
        .. "function (e) { return %s; })"):format(expression))
    end
    local function clean()
      assert.same({}, b.errors)
      assert.same({}, b.requests)
      assert.equal(b:eval "document.querySelectorAll('[id]').length",
        b:eval "new Set(Array.prototype.map.call(document.querySelectorAll('[id]'), function (e) { return e.id; })).size")
    end

    it("moves in one picture and leaves the others", function()
      if missing then return pending("needs a browser: " .. missing) end
      b:show(html, ".html")
      assert.same({ "value", "package", "package", "package" }, roots "e.pyroscope.state().p")
      b:eval "document.querySelectorAll('.pyr-root')[3].scrollIntoView()"
      local at = b:eval [[(function () { var p = document.querySelectorAll('.pyr-root')[3].pyroscope;
        return p.chart().center(1); })()]]
      b:click(at.x, at.y)
      assert.same({ 0, 0, 0, 1 }, roots "e.pyroscope.state().x")
      b:key "t"
      assert.same({ "flame", "flame", "flame", "table" }, roots "e.pyroscope.state().v")
      clean()
    end)

    it("draws what is opened as wide as the page", function()
      if missing then return pending("needs a browser: " .. missing) end
      b:show(html, ".html")
      b:eval "document.querySelectorAll('section')[1].querySelectorAll('details')[1].open = true"
      b:eval "new Promise(function (done) { setTimeout(done, 150); })"
      local width = roots "e.pyroscope.chart().center(0).w"
      assert.near(width[1], width[2], 30)
      clean()
    end)

    it("shows a hostile name as it is", function()
      if missing then return pending("needs a browser: " .. missing) end
      board({ a = panel(EVIL, settings {}, query { profileType = CPU, query = "{}" }),
        b = panel(EVIL, settings { palette = "value" }, query { profileType = CPU, query = "{}" }) },
        "evil")
      local out, err = run("evil.json", "--source", "./evil/evil.pb", "-o", "html")
      assert.is_nil(out:find("<img", 1, true), err)
      b:show(out, ".html")
      assert.equal(EVIL, b:eval "document.querySelector('h2').textContent")
      assert.equal(EVIL, b:eval "document.querySelector('.rows tbody td:last-child').textContent")
      local names = b:eval [[(function () { var p = document.querySelectorAll('.pyr-root')[1].pyroscope;
        return p.chart().boxes.map(function (x) { return p.name(x.i); }); })()]]
      assert.same({ "total", "root", EVIL, "shop.price" }, names)
      clean()
    end)

    it("keeps whole fragments apart, each with its own script", function()
      if missing then return pending("needs a browser: " .. missing) end
      local one = assert(core.decode("a;b 3\na;c 1\n", "folded")):render("html", { fragment = true })
      local two = assert(core.decode("x;y 1\nx;z 2\n", "folded")):render("html", { fragment = true })
      b:show("<!DOCTYPE html><meta charset=utf-8><body>" .. one .. two, ".html")
      assert.same({ "a", "x" }, roots "e.pyroscope.name(1)")
      assert.equal(2, b:eval "document.querySelectorAll('[role=tree]').length")
      b:key "t"
      assert.same({ "flame", "flame" }, roots "e.pyroscope.state().v")
      clean()
    end)
  end)
end)
