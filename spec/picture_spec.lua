-- Pictures as documents: what is in the files. What a reader does with them is in browser_*_spec.

local cjson = require "cjson"
local core = require "pyroscope.core"
local pyroscope = require "pyroscope"
local trees = require "spec.support.trees"

local function data(bytes)
  return cjson.decode((assert(bytes:match '<script type="application/json" class="pyr%-data">(.-)</script>')))
end

local function folded(text, about)
  return assert(core.decode(text, "folded")):describe(about or {})
end

local function sha256(text)
  local path = os.tmpname()
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
  local pipe = assert(io.popen(("openssl dgst -sha256 -binary '%s' | base64"):format(path)))
  local digest = pipe:read "l"
  pipe:close()
  os.remove(path)
  return digest
end

describe("a picture's files (E-20, FG-02)", function()
  it("carry the script and the style that are in the tree", function()
    assert.is_true((os.execute "python3 spec/support/assets.py --check"))
  end)

  it("allow their own script and style and nothing else", function()
    local bytes = folded("a;b 1\n"):render("html", { title = "x" })
    local policy = assert(bytes:match 'Content%-Security%-Policy" content="([^"]*)"')
    assert.equal(1, (policy:find("default-src 'none'", 1, true)))
    local script = assert(bytes:match "</div>\n<script>(.-)</script>")
    local style = assert(bytes:match "<style>(.-)</style>")
    assert.is_truthy(policy:find("script-src 'sha256-" .. sha256(script) .. "'", 1, true))
    assert.is_truthy(policy:find("style-src 'sha256-" .. sha256(style) .. "'", 1, true))
    assert.is_nil(bytes:find "unsafe")
    assert.is_nil(bytes:find(" on%w+=\""))
    for url in bytes:gmatch "https?://[^\"' )]*" do assert.is_truthy(url:find "^http://www.w3.org/") end
  end)

  it("are the same for the same profile and options, in whatever order it came", function()
    for seed = 1, 5 do
      local stacks, turned = trees.stacks(seed), {}
      for i = #stacks, 1, -1 do turned[#turned + 1] = stacks[i] end
      for _, format in ipairs { "svg", "html" } do
        local options = { title = "t", colors = "class", icicle = true }
        assert.equal(trees.profile(stacks):render(format, options),
          trees.profile(turned):render(format, options))
      end
    end
  end)

  it("hold the tree once, in numbers that are exact", function()
    local profile = folded "main;a 4\nmain;b;c 5\nmain;b 2\nmain 1\n9007199254740993 9007199254740993\n"
    for _, format in ipairs { "svg", "html" } do
      local bytes = profile:render(format)
      assert.is_truthy(bytes:find("9007199254740993", 1, true))
      local tree = data(bytes)
      local names = {}
      for i, frame in ipairs(tree.frame) do names[i] = tree.names[tree.frames[5 * frame + 1] + 1] end
      assert.same({ "", "9007199254740993", "main", "b", "a", "c" }, names)
      assert.same({ 2, 0, 2, 1, 0, 0 }, tree.children)
      assert.same({ 0, 2, 4, 5 }, { tree.self[1], tree.self[4], tree.self[5], tree.self[6] })
    end
    local by_name = data(profile:render("svg", { sort = "name" }))
    local names = {}
    for i, frame in ipairs(by_name.frame) do
      names[i] = by_name.names[by_name.frames[5 * frame + 1] + 1]
    end
    assert.same({ "", "9007199254740993", "main", "a", "b", "c" }, names)
  end)

  it("write a long name once", function()
    local long = ("x"):rep(65536)
    local lines = {}
    for i = 1, 50 do lines[i] = ("f%d;%s 10"):format(i, long) end
    local bytes = folded(table.concat(lines, "\n")):render "svg"
    assert.equal(1, select(2, bytes:gsub(long, "")))
  end)

  it("take options by name, and refuse others", function()
    local profile = folded "a 1\n"
    for _, wrong in ipairs { { widht = 3 }, { colors = "red" }, { sort = "size" }, { width = -1 },
      { link = "javascript:alert(1)" }, { link = "file:///etc" }, { title = 3 } } do
      assert.has_error(function() profile:render("html", wrong) end)
    end
    local bytes = profile:render("html", { link = "https://example.org/{path}#L{line}",
      min_width = 2, width = 900, sections = "<section id=\"more\">text</section>" })
    assert.equal("https://example.org/{path}#L{line}", data(bytes).link)
    assert.equal(2, data(bytes).min)
    assert.is_truthy(bytes:find('</div>\n<section id="more">text</section>', 1, true))
    local part = profile:render("html", { fragment = true })
    assert.is_nil(part:find "<html")
    assert.equal(1, (part:find "<style>"))
  end)

  it("tell both sides of a diff, and refuse a side that is empty", function()
    local hour = 3600000
    local function side(text, from)
      return folded(text, { profile_type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
        unit = "nanoseconds", kind = "flow", from_ms = from, to_ms = from + hour })
    end
    local diff = assert(pyroscope.diff(side("a;b 3600000000000\na;gone 5\n", 0),
      side("a;b 7200000000000\na;new 9\n", hour)))
    local bytes = assert(diff:render("html", { title = "t", before = "v1", after = "v2" }))
    local tree = data(bytes)
    assert.same({ "v1", "v2" }, { tree.sides[1].label, tree.sides[2].label })
    assert.same({ "1.00 cores", "2.00 cores" }, { tree.sides[1].text, tree.sides[2].text })
    assert.equal("rate", tree.mode)
    assert.same({ 3600000000000, 5, 0 }, { tree.self[3], math.max(tree.self[4], tree.self[5]),
      math.min(tree.self[4], tree.self[5]) })
    assert.equal(bytes, diff:render("html", { title = "t", before = "v1", after = "v2" }))
    local none, err = diff:render "dot"
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    none, err = pyroscope.diff(side("", 0), side("a 1\n", hour))
    assert.is_nil(none)
    assert.equal("empty_side", err.code)
  end)

  it("come from export and diff by -o, and by the extension", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)))
    assert(folded "a;b 3\n":save(folder .. "/a.folded"))
    assert(folded "a;b 4\na;c 1\n":save(folder .. "/b.folded"))
    local function run(command)
      return os.execute(("cd '%s' && '%s/pscope' %s 2>/dev/null"):format(folder,
        os.getenv "PWD", command))
    end
    assert.is_true(run "export a.folded --out a.html")
    assert.is_true(run "export a.folded -o svg > a.svg")
    assert.is_true(run "diff a.folded b.folded -o html --out d.html")
    assert.is_true(run "diff a.folded b.folded -o svg > d.svg")
    for name, start in pairs { ["a.html"] = "^<!DOCTYPE html>", ["a.svg"] = "^<%?xml",
      ["d.html"] = "^<!DOCTYPE html>", ["d.svg"] = "^<%?xml" } do
      local bytes = trees.read(folder .. "/" .. name)
      assert.matches(start, bytes)
      assert.equal(name:sub(1, 1) == "d", data(bytes).after ~= nil)
    end
    assert.is_true(run("export a.folded -o html --title T --min-width 2px --icicle --sort name "
      .. "--colors class > t.html"))
    local told = data(trees.read(folder .. "/t.html"))
    assert.same({ "T", 2, "icicle", "name", "class" },
      { told.title, told.min, told.view, told.sort, told.colors })
    assert.is_nil((run "export a.folded -o html --link 'javascript:alert(1)'"))
    local _, _, code = run "diff a.folded b.folded -o svg --fail-over 1% > d.svg"
    assert.equal(10, code)
    assert(os.execute(("rm -r '%s'"):format(folder)))
  end)
end)
