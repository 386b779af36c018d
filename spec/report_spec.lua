-- Reports of investigations: what they say, in every form, whatever the names in them.

local cjson = require "cjson"
local report = require "pyroscope.investigate.report"
local reports = require "spec.support.reports"
local verdict = require "pyroscope.investigate.verdict"

local FORMS = { "text", "markdown", "html", "json", "quickfix", "diagnostics", "sarif", "junit" }

local hostile = {
  '<script>alert(1)</script><img src=x onerror="alert(2)">', "a\nb\r\n# heading", "\27[31mred\27]0;t\7",
  "`code` *bold* [link](javascript:alert(1)) | cell", "``` fence", "\u{202e}evil\u{2066}", "caf\xe9 \xff\xfe",
  "quote \" apostrophe ' back\\slash", "]]>&amp;</svg></style>", "\0nul\127", "\u{9b}31m", ("x"):rep(5000),
  "日本語.関数", "", "{{template}} ${x} %s %d", "--><!--", "\u{2028}line", "\239\191\191",
}

-- The regression with every name replaced.
local function poisoned(name)
  local given = reports.regression()
  given.subject.service, given.subject.selector = name, '{service_name="' .. name .. '"}'
  for _, f in ipairs(given.findings) do
    f.name, f.raw = name, name
    f.path = { name, name, name }
    f.hot = { name }
    f.entry, f.node = 2, 3
    f.location = { file = name, line = 3 }
    f.labels = { explained_by = { { label = name, values = { name }, ep = 0.5 } } }
    f.callers = { { name = name, delta = 1.0 } }
    f.notes = { name }
    f.links = { diff = "javascript:alert(1)", [name] = "https://x.example/" .. name }
    f.next = { { recipe = name, args = { by = name } } }
  end
  given.shifts[1].domain = name
  given.explained_away = { { kind = "rename", members = { name, name }, note = name } }
  given.tables = { { title = name, note = name, columns = { { key = "k", label = name, unit = "text" } },
    rows = { { k = name } } } }
  given.timeline = { { at_ms = 1772460300000, text = name } }
  given.notes, given.facts = { name }, { { label = name, value = name } }
  given.quality.warnings = { { code = "x", message = name } }
  given.icicle[2].name, given.icicle[4].name = name, name
  given.summary = name
  return given
end

-- Markdown without its fenced blocks and code spans, as CommonMark delimits them.
local function outside_of_code(text)
  local kept, fence = {}, nil
  for line in text:gmatch "[^\n]*" do
    local ticks = line:match "^(```+)"
    if fence then
      if line == fence then fence = nil end
    elseif ticks then
      fence = ticks
    else
      local at, out = 1, {}
      while true do
        local from, to = line:find("`+", at)
        if not from then break end
        local escaped = line:sub(from - 1, from - 1) == "\\"
        local run, close, after = line:sub(from, to), nil, to
        while not escaped do
          local a, b = line:find("`+", after + 1)
          if not a then break end
          if line:sub(a, b) == run then close = b break end
          after = b
        end
        out[#out + 1] = line:sub(at, from - 1)
        at = (close or to) + 1
      end
      kept[#kept + 1] = table.concat(out) .. line:sub(at)
    end
  end
  assert.is_nil(fence)
  return table.concat(kept, "\n")
end

describe("a report", function()
  it("says what the hand-made cases mean, with the exit code that follows", function()
    local wanted = {
      regression = { "regression", "regression", "high", 10 }, leak = { "regression", "leak", "high", 10 },
      goroutines = { "regression", "leak", "high", 10 }, contention = { "regression", "contention", "high", 10 },
      load = { "no_change", "load", "high", 0 }, no_change = { "no_change", "no_change", "high", 0 },
      inconclusive = { "inconclusive", "inconclusive", nil, 11 }, gate = { "inconclusive", "inconclusive", nil, 11 },
      fleet = { "not_tested", "ranked", nil, 0 }, changed = { "regression", "regression", "high", 10 },
      improvement = { "improvement", "improvement", "high", 0 },
    }
    for _, name in ipairs(reports.names) do
      local r = report.new(reports[name]())
      assert.same(wanted[name], { r.verdict, r.outcome, r.confidence, r.exit_code }, name)
    end
  end)

  it("turns nanoseconds of samples into cores, shares and titles", function()
    local f = report.new(reports.regression()).findings[1]
    assert.near(0.77, f.delta.abs, 1e-9)
    assert.near(0.88, f.after.total, 1e-9)
    assert.near(0.88 / 3.55, f.after.share, 1e-9)
    assert.near(0.11, f.blocks.A[2], 1e-9)
    assert.equal("shop.(*Cart).reprice +0.77 cores", f.title)
    assert.same({ 3, 4 }, { f.entry, f.node })
    assert.equal("critical", f.severity)
  end)

  it("adds up samples that lie side by side, and divides stocks by profiles", function()
    local given = reports.regression()
    local w = given.design.A[1]
    given.design.A, given.design.B = { w, w, w }, { w, w, w } -- three pods in one window
    assert.near(3 * 0.77, report.new(given).findings[1].delta.abs, 1e-9)
    local quantity = require "pyroscope.investigate.quantity"
    assert.same({ A = 2 / 40, B = 2 / 20 }, quantity.factors({ kind = "stock" }, given.design,
      { profiles = { A = 40, B = 20 }, n = { A = 2, B = 2 } }))
  end)

  it("lists what guards explain with all its members, never among the findings", function()
    local r = report.new(reports.regression())
    assert.equal(2, #r.findings)
    assert.near(0.004, r.explained_away[1].net, 1e-9) -- a part of the total
    r.explained_away[1].net = nil
    assert.same({ { kind = "shift", domain = "encoding/json",
      members = { "encoding/json.compact", "encoding/json.indent" } } }, r.explained_away)
  end)

  it("takes what does not last for no finding, unless the policy explores", function()
    for state, rows in pairs { transient = { ticket = 0, explore = 0 }, fading = { ticket = 0, explore = 1 } } do
      for policy, n in pairs(rows) do
        local given = reports.regression()
        given.findings = { reports.finding { persistence = { state = state } } }
        given.shifts, given.options.policy = nil, policy
        local r = report.new(given)
        assert.equal(n, #r.findings, state .. " " .. policy)
        assert.equal(1 - n, #r.explained_away)
      end
    end
  end)

  it("ranks what fails a run first, then by change times confidence", function()
    local given = reports.regression()
    given.findings = { reports.finding { name = "better", kind = "improvement" },
      reports.finding { name = "sure" }, reports.finding { name = "unsure", certain = false },
      reports.finding { name = "large", delta = { abs = 600e9, of_total = 0.5, rel = 7 } } }
    given.shifts = nil
    local names = {}
    for i, f in ipairs(report.new(given).findings) do names[i] = f.name end
    assert.same({ "large", "sure", "unsure", "better" }, names)
  end)

  it("is the same, byte for byte, from the same facts", function()
    for _, name in ipairs(reports.names) do
      local a, b = report.new(reports[name]()), report.new(reports[name]())
      for _, form in ipairs(FORMS) do assert.equal(a:render(form), b:render(form)) end
    end
  end)

  it("comes back from its JSON as it was", function()
    for _, name in ipairs(reports.names) do
      local r = report.new(reports[name]())
      local back = assert(report.from_json(r:json()))
      assert.equal(r:json(), back:json())
      assert.equal(r:text(), back:text())
      assert.equal(r:markdown(), back:markdown())
      assert.equal(r.exit_code, back.exit_code)
    end
    local value = cjson.decode(report.new(reports.regression()):json())
    assert.same({ 2, 3 }, { value.findings[1].entry, value.findings[1].node })
    local head = '{"schema":"pyroscope-investigation/1","verdict":"regression"'
    assert(report.from_json(head .. ',"summary":null}')):text()
    for _, text in ipairs { "", "[]", "{}", '{"schema":"pyroscope-investigation/2"}', "nonsense",
      '{"schema":"pyroscope-investigation/1"}', head .. ',"findings":[1]}', head .. ',"findings":[{}]}',
      head .. ',"subject":"x"}', head .. ',"exit_code":"10"}' } do
      local r, err = report.from_json(text)
      assert.is_nil(r)
      assert.matches("^%a+$", err.kind)
    end
  end)

  it("keeps no credential and no function", function()
    local given = reports.regression()
    given.options.headers = { Authorization = "Bearer x" }
    local r = report.new(given)
    for _, form in ipairs(FORMS) do
      local text = r:render(form)
      assert.is_nil(text:find("glsa_never", 1, true))
      assert.is_nil(text:find("user:pass", 1, true))
      assert.is_nil(text:find("token=y", 1, true))
      assert.is_nil(text:find("Bearer", 1, true))
    end
  end)

  it("raises on what it does not know", function()
    assert.has_error(function() report.new { recipe = "x", finding = {} } end)
    assert.has_error(function() report.new { verdict = "guilty" } end)
    assert.has_error(function() report.new { options = { policy = "tickets" } } end)
    assert.has_error(function() report.new {}:render "pdf" end)
  end)

  it("needs nothing but a name", function()
    local r = report.new { recipe = "mine" }
    assert.equal("inconclusive", r.verdict)
    for _, form in ipairs(FORMS) do assert.is_string(r:render(form)) end
  end)
end)

describe("the forms of a report", function()
  it("are what they were", function()
    local update = os.getenv "UPDATE_GOLDEN"
    for _, name in ipairs(reports.names) do
      local r = report.new(reports[name]())
      for form, extension in pairs { text = "txt", markdown = "md", quickfix = "qf", junit = "xml" } do
        local path = ("spec/fixtures/reports/%s.%s"):format(name, extension)
        local text = r:render(form)
        if update then
          local file = assert(io.open(path, "wb"))
          file:write(text)
          file:close()
        end
        local file = assert(io.open(path, "rb"))
        assert.equal(file:read "a", text, path)
        file:close()
      end
    end
  end)

  it("keep to the width of the screen, also in ASCII", function()
    local screen = require "pyroscope.cli.screen"
    local all = {}
    for _, name in ipairs(reports.names) do all[#all + 1] = reports[name]() end
    for _, name in ipairs(hostile) do all[#all + 1] = poisoned(name) end
    for _, given in ipairs(all) do
      local r = report.new(given)
      for _, width in ipairs { 60, 80, 120 } do
        for line in r:text { width = width }:gmatch "[^\n]+" do
          assert.is_true(screen.width(line) <= width, ("%d: %s"):format(width, line:sub(1, 200)))
        end
      end
      assert.is_nil(r:text { utf8 = false }:find "[\128-\255]")
    end
  end)

  it("say that a finding is too small to fail the run", function()
    local given = reports.regression()
    given.findings = { reports.finding { delta = { abs = 1e9, of_total = 0.006, rel = 0.2 } } }
    given.shifts = nil
    local r = report.new(given)
    assert.same({ "no_change", 0, "low" }, { r.verdict, r.exit_code, r.findings[1].severity })
    for _, form in ipairs { "text", "markdown", "html" } do
      assert.matches("1 finding below the severity that fails a run (medium)", r:render(form), 1, true)
    end
    given.options.fail_on = "low"
    assert.equal(10, report.new(given).exit_code)
  end)

  it("say in colour what they say without", function()
    for _, name in ipairs(reports.names) do
      local r = report.new(reports[name]())
      assert.equal(r:text(), (r:text { color = true }:gsub("\27%[[%d;]*m", ""):gsub(" +\n", "\n")))
    end
    assert.matches("\27[1;31mREGRESSION\27[0m", report.new(reports.regression()):text { color = true }, 1, true)
  end)

  it("show five findings unless all are asked for", function()
    local given = reports.regression()
    given.shifts, given.findings = nil, {}
    for i = 1, 9 do given.findings[i] = reports.finding { name = "f" .. i, path = { "main", "f" .. i } } end
    local r = report.new(given)
    local _, shown = r:text():gsub("q=2e%-12", "")
    assert.equal(5, shown)
    assert.matches("4 more findings", r:text(), 1, true)
    _, shown = r:text { all = true }:gsub("q=2e%-12", "")
    assert.equal(9, shown)
  end)

  it("let no name be more than text", function()
    for _, name in ipairs(hostile) do
      local r = report.new(poisoned(name))
      for _, form in ipairs(FORMS) do
        local text = r:render(form)
        assert.is_truthy(utf8.len(text), form .. " is UTF-8")
        assert.is_nil(text:find "[%z\1-\8\11-\31\127]", form)
        for _, mark in ipairs { "\u{202e}", "\u{2066}", "\u{9b}", "\u{2028}" } do
          assert.is_nil(text:find(mark, 1, true), form)
        end
        if form == "markdown" then text = outside_of_code(text) end
        if form == "html" or form == "markdown" or form == "junit" then
          assert.is_nil(text:find("<script>alert", 1, true), form)
          assert.is_nil(text:find("<img", 1, true), form)
          assert.is_nil(text:find("</svg></style>", 1, true), form)
        end
      end
      assert.is_nil(r:html():find 'href="javascript')
      local lines = select(2, r:quickfix():gsub("\n", "\n"))
      assert.equal(name == "" and 0 or #r.findings, lines)
      cjson.decode(r:sarif())
      cjson.decode(r:diagnostics())
      assert.equal(r:json(), assert(report.from_json(r:json())):json())
    end
  end)

  it("hold no markup but their own, as another parser reads them", function()
    if not os.execute "python3 -c 'import html.parser' 2>/dev/null" then pending "needs python3" end
    local state = 7
    local function random(n)
      state = (state * 6364136223846793005 + 1442695040888963407)
      return (state >> 33) % n + 1
    end
    local pieces = { "<", ">", "&", "\"", "'", "<b", "</", "<!--", "-->", "]]>", "<![CDATA[", "`", "\\", "\0", "\255",
      "\u{202e}", "\n", "javascript:", "&#60;", "&lt;", " onload=x ", "=", "/", "style", "script", "é", "\xe2\x80", "%" }
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    for _ = 1, 60 do
      local parts = {}
      for i = 1, 12 do parts[i] = pieces[random(#pieces)] end
      file:write(report.new(poisoned(table.concat(parts))):html(), "\0")
    end
    file:close()
    local pipe = assert(io.popen("python3 spec/support/html_tags.py < " .. path .. " 2>&1"))
    local said = pipe:read "a"
    pipe:close()
    os.remove(path)
    assert.equal("60 pages\n", said)
  end)

  it("are well-formed XML, whatever the names", function()
    if not os.execute "python3 -c 'import xml.dom.minidom' 2>/dev/null" then pending "needs python3" end
    local pipe = assert(io.popen("python3 -c 'import sys,xml.dom.minidom\n" ..
      "for t in sys.stdin.buffer.read().split(b\"\\x00\"):\n" ..
      "    if t: xml.dom.minidom.parseString(t)\n' >/dev/null 2>&1", "w"))
    for _, name in ipairs(hostile) do pipe:write(report.new(poisoned(name)):junit(), "\0") end
    for _, name in ipairs(reports.names) do pipe:write(report.new(reports[name]()):junit(), "\0") end
    assert.is_true(pipe:close())
  end)

  it("validate against the JSON Schema", function()
    if not os.execute "python3 -c 'import jsonschema' 2>/dev/null" then pending "needs python3-jsonschema" end
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    local n = 0
    local function keep(given)
      n = n + 1
      local file = assert(io.open(("%s/%03d.json"):format(folder, n), "w"))
      file:write(report.new(given):json())
      file:close()
    end
    for _, name in ipairs(reports.names) do keep(reports[name]()) end
    for _, name in ipairs(hostile) do keep(poisoned(name)) end
    keep { recipe = "mine" }
    local pipe = assert(io.popen(("python3 spec/support/validate.py doc/schema %s/*.json 2>&1"):format(folder)))
    local said = pipe:read "a"
    pipe:close()
    os.execute("rm -r " .. folder)
    assert.matches(("%d documents, 0 wrong"):format(n), said, 1, true)
  end)

  it("hold for what every recipe says of the sample incident", function()
    local pyroscope = require "pyroscope"
    local source = assert(pyroscope.open "examples/data/cpu-hotspot")
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    local n = 0
    for _, recipe in ipairs(require "pyroscope.investigate.recipes".list) do
      if recipe.name ~= "incident_bundle" then
        local options = { selector = recipe.name ~= "fleet_top" and '{service_name="checkout"}' or nil }
        local r = assert(pyroscope.investigate(recipe.name, source, options))
        local back = assert(report.from_json(r:json()))
        for _, form in ipairs(FORMS) do -- the picture is no part of the document
          if form ~= "html" then assert.equal(r:render(form), back:render(form), recipe.name .. " " .. form) end
        end
        for line in r:text():gmatch "[^\n]+" do
          assert.is_true(require "pyroscope.cli.screen".width(line) <= 80, line)
        end
        n = n + 1
        local file = assert(io.open(("%s/%s.json"):format(folder, recipe.name), "w"))
        file:write(r:json())
        file:close()
      end
    end
    source:close()
    assert.is_true(n >= 9)
    if os.execute "python3 -c 'import jsonschema' 2>/dev/null" then
      local pipe = assert(io.popen(("python3 spec/support/validate.py doc/schema %s/*.json 2>&1"):format(folder)))
      local said = pipe:read "a"
      pipe:close()
      assert.matches(("%d documents, 0 wrong"):format(n), said, 1, true)
    end
    os.execute("rm -r " .. folder)
  end)

  it("carry a policy that names style and script of the page", function()
    local page = require "pyroscope.investigate.render.page"
    local html = report.new(reports.regression()):html()
    for _, tag in ipairs { "style", "script" } do
      local body = html:match("<" .. tag .. ">(.-)</" .. tag .. ">")
      local path = os.tmpname()
      local file = assert(io.open(path, "wb"))
      file:write(body)
      file:close()
      local pipe = assert(io.popen(("sha256sum '%s'"):format(path)))
      local hex = pipe:read "l":match "^%x+"
      pipe:close()
      os.remove(path)
      local bytes = hex:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)
      local base64 = bytes:gsub("..?.?", function(three)
        local a, b, c = three:byte(1, 3)
        local bits = a << 16 | (b or 0) << 8 | (c or 0)
        local out = ""
        for i = 0, #three do
          local k = bits >> (18 - 6 * i) & 63
          out = out .. ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):sub(k + 1, k + 1)
        end
        return out .. ("="):rep(3 - #three)
      end)
      assert.equal(base64, tag == "style" and page.css_hash or page.script_hash)
      assert.matches("sha256-" .. base64, html, 1, true)
    end
    assert.matches("default-src 'none'", html, 1, true)
  end)

  it("are written to a file by its extension", function()
    local path = os.tmpname()
    local r = report.new(reports.leak())
    for extension, form in pairs { json = "json", html = "html", md = "markdown", sarif = "sarif" } do
      assert.is_true(r:save(path .. "." .. extension))
      local file = assert(io.open(path .. "." .. extension, "rb"))
      assert.equal(r:render(form), file:read "a")
      file:close()
      os.remove(path .. "." .. extension)
    end
    os.remove(path)
    local ok, err = r:save "report"
    assert.is_nil(ok)
    assert.equal("usage", err.kind)
    ok, err = r:save "/nonexistent/x.json"
    assert.is_nil(ok)
    assert.equal("io", err.kind)
  end)
end)

describe("a finding", function()
  local function of(fields, subject)
    local given = reports.regression()
    given.findings, given.shifts = { reports.finding(fields) }, nil
    for key, value in pairs(subject or {}) do given.subject[key] = value end
    return report.new(given).findings[1]
  end

  it("keeps its fingerprint over values, windows and lines, not over names", function()
    local one = of()
    assert.matches("^%x+$", one.fingerprint)
    assert.equal(16, #one.fingerprint)
    assert.equal(one.fingerprint, of { delta = { abs = 1e9, of_total = 0.1 }, q = 0.04,
      location = { file = "x.go", line = 9 } }.fingerprint)
    assert.equal(one.fingerprint, of { path = { "main.other", "net/http.(*conn).serve",
      "shop.(*Cart).checkout", "shop.(*Cart).reprice" } }.fingerprint)
    assert.not_equal(one.fingerprint, of { shape = "self" }.fingerprint)
    assert.not_equal(one.fingerprint, of({}, { service = "cart" }).fingerprint)
    assert.not_equal(one.fingerprint, of({}, { class = "alloc_bytes" }).fingerprint)
  end)

  it("has the severity of its size", function()
    local rows = { { 0.2, "critical" }, { 0.199, "high" }, { 0.05, "high" }, { 0.049, "medium" },
      { 0.01, "medium" }, { 0.009, "low" } }
    for _, row in ipairs(rows) do
      assert.equal(row[2], verdict.severity { delta = { of_total = row[1], abs = 0.1 }, unit = "cores" })
    end
    assert.equal("high", verdict.severity { delta = { of_total = 0.01, abs = 1.0 }, unit = "cores" })
    assert.equal("critical", verdict.severity { delta = { of_total = 0.02 }, slope = { hours_to_limit = 5 } })
    assert.equal("high", verdict.severity { delta = { abs = 1.2 }, unit = "waiters" })
    assert.equal("medium", verdict.severity { delta = { abs = 0.06 }, unit = "waiters" })
  end)

  it("has the confidence of the formula", function()
    local five = { A = { {}, {}, {}, {}, {} }, B = { {}, {}, {}, {}, {} } }
    local function c(fields, design, quality)
      local f = { kind = "regression", q = 0.001, persistence = { state = "persists" }, certain = true }
      for key, value in pairs(fields or {}) do f[key] = value end
      return (verdict.confidence(f, { design = design or five, quality = quality }))
    end
    assert.equal(1, c())
    assert.equal(0.85, c { q = 0.05 })
    assert.equal(0.6, c { q = 0.1 })
    assert.equal(0.7, c { persistence = { state = "unknown" } })
    assert.equal(0.4, c { persistence = { state = "fading" } })
    assert.equal(0.5, c { certain = false })
    assert.equal(0.85, c({}, { A = { {}, {}, {} }, B = { {}, {}, {}, {} } }))
    assert.equal(1, c({}, { A = { {}, {} }, B = { {}, {} }, paired = true }))
    assert.equal(1, c({}, { A = { {}, {}, {}, {}, {} }, B = { {} }, unit = "day" }))
    assert.equal("low", (select(2, verdict.confidence({ kind = "regression", q = 0.001,
      persistence = { state = "persists" } }, { design = { A = { {} }, B = { {} } } }))))
    assert.equal(0.4, c({}, five, { throttled = true }))
    assert.equal(0.49, c({}, five, { profiler_changed = true }))
    assert.near(0.79, c({}, five, { coverage = { A = 0.79, B = 1 } }), 0.05)
    assert.equal(0.79, c({}, five, { other_share = { A = 0, B = 0.01 } }))
    assert.equal(0.25, c { certain = false, guards = { { name = "mix", result = "weakens", factor = 0.5 } } })
    assert.equal(0.5, c { certain = false, guards = { { name = "other", result = "weakens", factor = 0.5 } } })
  end)
end)

describe("a verdict", function()
  local function decide(fields, options)
    local state = { findings = {}, sensitivity = { mde = { { share = 0.05, rel = 0.2 } } } }
    for key, value in pairs(fields or {}) do state[key] = value end
    local r = verdict.decide(state, options)
    return { r.verdict, r.exit_code, r.reason }
  end
  local low = { kind = "regression", severity = "low", confidence_score = 1 }
  local high = { kind = "leak", severity = "high", confidence_score = 1 }
  local better = { kind = "improvement", severity = "high", confidence_score = 1 }

  it("is no_change only where the change that matters would have been seen", function()
    assert.same({ "no_change", 0 }, decide())
    assert.same({ "no_change", 0 }, decide { sensitivity = { mde = { { share = 0.05, rel = 2.0 } } } })
    assert.same({ "inconclusive", 11, "mde_too_large" },
      decide { sensitivity = { mde = { { share = 0.05, rel = 2.01 } } } })
    assert.same({ "no_change", 0 }, decide({ sensitivity = { mde = { { share = 0.05, rel = 2.01 } } } },
      { must_detect = 0.2 }))
    assert.same({ "inconclusive", 11, "mde_too_large" },
      decide { sensitivity = { mde = { { share = 0.05, rel = math.huge } } } })
    assert.same({ "inconclusive", 11, "sensitivity_unknown" }, decide { sensitivity = { mde = {} } })
    assert.same({ "no_change", 0 }, decide { sensitivity = { met = true } })
  end)

  it("fails a run at and above fail_on", function()
    assert.same({ "no_change", 0 }, decide { findings = { low } })
    assert.same({ "regression", 10 }, decide({ findings = { low } }, { fail_on = "low" }))
    assert.same({ "regression", 10 }, decide { findings = { better, high } })
    assert.same({ "no_change", 0 }, decide({ findings = { high } }, { fail_on = "critical" }))
    assert.same({ "improvement", 0 }, decide { findings = { better } })
    assert.same({ "no_change", 0 }, decide { findings = { better, low } })
  end)

  it("has the exit codes of the table, alone and combined", function()
    assert.same({ "inconclusive", 11, "gaps" }, decide { quality = { ok = false, reason = "gaps" } })
    assert.same({ "inconclusive", 0, "gaps" }, decide({ quality = { ok = false, reason = "gaps" } },
      { on_inconclusive = "ok" }))
    assert.same({ "inconclusive", 6, "no_data" }, decide { quality = { ok = false, reason = "no_data" } })
    assert.same({ "inconclusive", 4, "no_data" },
      decide { quality = { ok = false, reason = "no_data", partial = true } })
    assert.same({ "regression", 10 }, decide { findings = { high }, partial = true })
    assert.same({ "no_change", 4 }, decide { quality = { partial = true } })
    assert.same({ "not_tested", 0 }, decide { verdict = "not_tested" })
    assert.same({ "not_tested", 4 }, decide { verdict = "not_tested", partial = true })
  end)
end)

describe("two reports", function()
  it("tell what is new, worse, going on and over", function()
    local function of(...)
      local given = reports.regression()
      given.shifts, given.findings = nil, {}
      for i, name in ipairs { ... } do
        given.findings[i] = reports.finding { name = name, path = { "main", name }, entry = 2, node = 2 }
      end
      return given
    end
    local old = report.new(of("a", "b", "c"))
    local given = of("b", "c", "d")
    given.findings[2].delta = { abs = 300e9, of_total = 0.4, rel = 9 }
    local new = report.new(given)
    local said = report.compare(old, new)
    local function names(list)
      local out = {}
      for i, f in ipairs(list) do out[i] = f.name end
      return table.concat(out, ",")
    end
    assert.same({ "d", "c", "b", "a" },
      { names(said.new), names(said.worse), names(said.ongoing), names(said.resolved) })
    assert.equal("c,b,d", names(report.compare(nil, new).new))
    local silent = report.new(reports.inconclusive())
    assert.equal(0, #report.compare(old, silent).resolved)
    assert.same(names(said.worse),
      names(report.compare(assert(report.from_json(old:json())), assert(report.from_json(new:json()))).worse))
  end)
end)
