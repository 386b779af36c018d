local cjson = require "cjson"
local core = require "pyroscope.core"
local trees = require "spec.support.trees"
local writer = require "spec.support.pprof_writer"

local example = { { frames = { "main" }, value = 1 }, { frames = { "main", "alloc" }, value = 4 },
  { frames = { "main", "parse" }, value = 2 }, { frames = { "main", "parse", "lex" }, value = 3 },
  { frames = { "gc" }, value = 5 } }

local hostile = { "<script>alert(1)</script>", "a&b", 'q"uo\'te', "]]>", "semi;colon", "new\nline",
  "tab\tbed", "nul\0byte", "back\\slash", "\27[31m", "\u{202e}rtl", "bad\xffutf8", "--", " ",
  ("long"):rep(3000), "other?", "%s%n", "\u{2028}" }

local function hostile_profile()
  local samples = {}
  for i, name in ipairs(hostile) do
    samples[i] = { stack = { { name, "/x/" .. i .. ".go", i } }, values = { 100 + i } }
  end
  return assert(core.decode(writer.pprof { types = { { "cpu", "nanoseconds" } },
    samples = samples }))
end

-- Integers of the JSON writer as they are drawn: a node's left edge, total, self and name by level.
local function drawn(bytes)
  local graph = cjson.decode(bytes).flamegraph
  local levels = {}
  for i, level in ipairs(graph.levels) do
    local x, row = 0, {}
    for k = 1, #level.values, 4 do
      local function at(offset)
        local text = level.values[k + offset]
        assert.equal("string", type(text))
        return math.tointeger(tonumber(text))
      end
      x = x + at(0)
      row[#row + 1] = { x = x, total = at(1), self = at(2), name = graph.names[at(3) + 1] }
      x = x + at(1)
    end
    levels[i] = row
  end
  return levels, graph
end

describe("a written profile", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("is read back as it was, in every format that can be read", function()
    for seed = 1, 30 do
      local profile = trees.profile(trees.stacks(seed))
      for name, format in pairs(core.formats()) do
        if format.read and format.write then
          local bytes = assert(profile:render(name))
          assert.same(trees.of(profile), trees.of(assert(core.decode(bytes, name))), name)
          assert.equal(bytes, core.decode(bytes, name):render(name), name)
        end
      end
    end
  end)

  it("does not depend on the order in which stacks came", function()
    for seed = 1, 10 do
      local stacks = trees.stacks(seed)
      local other = {}
      for i = #stacks, 1, -1 do other[#other + 1] = stacks[i] end
      local a, b = trees.profile(stacks), trees.profile(other)
      for _, format in ipairs { "folded", "json", "tree", "svg" } do
        assert.equal(a:render(format), b:render(format), format)
      end
    end
  end)

  it("is JSON laid out as the server lays it out", function()
    local levels, graph = drawn(trees.profile(example):render "json")
    assert.same({
      { { x = 0, total = 15, self = 0, name = "total" } },
      { { x = 0, total = 5, self = 5, name = "gc" }, { x = 5, total = 10, self = 1, name = "main" } },
      { { x = 6, total = 4, self = 4, name = "alloc" },
        { x = 10, total = 5, self = 2, name = "parse" } },
      { { x = 12, total = 3, self = 3, name = "lex" } } }, levels)
    assert.equal("15", graph.total)
    assert.equal("5", graph.maxSelf)
    assert.equal("total", graph.names[1])
    levels = drawn(trees.profile(example):truncate(2):render "json")
    assert.same({ { x = 6, total = 5, self = 2, name = "parse" },
      { x = 11, total = 4, self = 4, name = "other" } }, levels[3])
    assert.same({ { x = 8, total = 3, self = 3, name = "other" } }, levels[4])
  end)

  it("has every child inside its parent, behind the self part, sorted by name", function()
    for seed = 1, 20 do
      local levels = drawn(trees.profile(trees.stacks(seed)):truncate(25):render "json")
      for i = 2, #levels do
        local parents, p, before = levels[i - 1], 1, nil
        for _, node in ipairs(levels[i]) do
          while parents[p].x + parents[p].total <= node.x do p, before = p + 1, nil end
          local parent = parents[p]
          assert.is_true(node.x >= parent.x + parent.self)
          assert.is_true(node.x + node.total <= parent.x + parent.total)
          if before then
            assert.equal(before.x + before.total, node.x)
            assert.is_true(before.name ~= "other" and (node.name == "other" or before.name < node.name))
          else
            assert.equal(parent.x + parent.self, node.x)
          end
          before = node
        end
      end
    end
  end)

  it("has the integers of JSON as strings, exact to 64 bits", function()
    local profile = assert(core.decode("a 9223372036854775806\na;b 1\n", "folded"))
    local _, graph = drawn(profile:render "json")
    assert.equal("9223372036854775807", graph.total)
    assert.equal("9223372036854775806", graph.maxSelf)
    assert.equal(math.maxinteger, core.decode(profile:render "json").total)
  end)

  it("is the documented bytes as TREE", function()
    assert.equal("\0\0\2\2gc\5\0\4main\1\2\5alloc\4\0\5parse\2\1\3lex\3\0",
      trees.profile(example):render "tree")
    assert.equal("", assert(core.decode("", "tree")):render "tree")
  end)

  it("is one line a stack as folded text, sorted, with ';' in names as ':'", function()
    assert.equal("gc 5\nmain 1\nmain;alloc 4\nmain;parse 2\nmain;parse;lex 3\n",
      trees.profile(example):render "folded")
    local text = hostile_profile():render "folded"
    assert.is_nil(text:find "[%z\1-\9\11-\31]")
    local lines = 0
    for line in text:gmatch "[^\n]*\n" do
      lines = lines + 1
      assert.is_truthy(line:find " %d+\n$")
      assert.is_nil(line:find ";")
    end
    assert.equal(#hostile, lines)
    assert.is_truthy(text:find("semi:colon 105\n", 1, true))
    assert.is_truthy(text:find("new line 106\n", 1, true))
  end)

  it("keeps hostile names in the formats that can hold them", function()
    local profile = hostile_profile()
    local before = trees.of(profile)
    assert.same(before, trees.of(core.decode(profile:render "tree", "tree")))
    assert.same(before, trees.of(core.decode(profile:render "pprof")))
    local again = trees.of(core.decode(profile:render "json", "json"))
    before["bad\u{fffd}utf8"], before["bad\xffutf8"] = before["bad\xffutf8"], nil
    assert.same(before, again)
  end)

  it("is divided if it is a stock, in every format", function()
    local profile = trees.profile(example)
    profile:describe { kind = "stock", profiles = 2, unit = "bytes" }
    for _, format in ipairs { "json", "tree", "folded", "pprof" } do
      local read = assert(core.decode(profile:render(format), format))
      assert.equal(8, read.total, format)
      assert.same(trees.of(profile:scaled()), trees.of(read), format)
    end
    assert.is_truthy(profile:render "svg":find("8 B", 1, true))
  end)

  it("refuses what it cannot write, by name", function()
    local none, err = trees.profile(example):render "jfr"
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    assert.equal("unknown format 'jfr'", err.message)
    assert.has_error(function() trees.profile(example):render("svg", { widht = 3 }) end)
  end)
end)

-- A reader of the XML that the writer makes: elements with attributes, texts, entities resolved.
local function parse(xml)
  local entities = { amp = "&", lt = "<", gt = ">", quot = '"', ["#39"] = "'" }
  local function text(s)
    assert.is_nil(s:find "[<>]")
    return (s:gsub("&([^;]*);?", function(name) return assert(entities[name], name) end))
  end
  local root = { children = {} }
  local open, at = { root }, 1
  -- what a script reads and is: its text is no markup
  xml = xml:gsub("^<%?xml[^>]*%?>\n", "")
  local data = assert(xml:find('<script type="application/json"', 1, true))
  xml = xml:sub(1, data - 1) .. "</svg>"
  while at <= #xml do
    local from, to, close, name, attributes, empty =
      xml:find("<(/?)([%w:]+)([^<>]-)(/?)>", at)
    local before = text(xml:sub(at, (from or #xml + 1) - 1))
    local here = open[#open]
    if name ~= "style" then here.text = (here.text or "") .. before end
    if not from then break end
    if close == "/" then
      assert.equal(here.name, name)
      open[#open] = nil
    else
      local element = { name = name, children = {} }
      local rest = attributes:gsub('%s([%w:%-]+)="([^"]*)"', function(key, value)
        element[key] = text(value)
        return ""
      end)
      assert.equal("", rest)
      here.children[#here.children + 1] = element
      if empty == "" then open[#open + 1] = element end
    end
    at = to + 1
  end
  assert.equal(1, #open)
  return root.children[1]
end

local function boxes(svg)
  local list = {}
  for _, g in ipairs(svg.children) do
    if g.name == "g" then
      local box = { title = g.children[1].text }
      for _, child in ipairs(g.children) do
        if child.name == "rect" then box.rect = child end
        if child.name == "text" then box.label = child.text end
      end
      list[#list + 1] = box
    end
  end
  return list
end

describe("a picture", function()
  it("has a box for every node, as wide as its total", function()
    local svg = parse(trees.profile(example):render("svg", { width = 1020 }))
    local list, by = boxes(svg), {}
    assert.equal(6, #list)
    for _, box in ipairs(list) do by[box.title:match "^[^\n]*"] = box end
    local unit = 1000 / 15
    local function near(wanted, got) assert.is_true(math.abs(wanted - got) < 0.5) end
    for name, total in pairs { total = 15, main = 10, gc = 5, parse = 5, alloc = 4, lex = 3 } do
      near(total * unit, tonumber(by[name].rect.width))
    end
    -- flames: the root below, children above their parent and inside of it
    assert.is_true(tonumber(by.total.rect.y) > tonumber(by.main.rect.y))
    near(tonumber(by.main.rect.x), tonumber(by.parse.rect.x))
    near(tonumber(by.parse.rect.x) + 5 * unit, tonumber(by.alloc.rect.x))
    assert.equal("parse\ntotal 5, 33.33%\nself 2, 13.33%", by.parse.title)
    assert.equal("parse", by.parse.label)
  end)

  it("is one document, whatever the names are", function()
    local profile = hostile_profile()
    local bytes = profile:render("svg", { title = "<b>&\"title", subtitle = "]]>'" })
    local svg = parse(bytes)
    assert.equal("http://www.w3.org/2000/svg", svg.xmlns)
    local titles = {}
    for _, box in ipairs(boxes(svg)) do titles[box.title:gsub("\ntotal .*$", "")] = true end
    for _, name in ipairs { "<script>alert(1)</script>", "a&b", 'q"uo\'te', "]]>", "back\\slash",
      "␛[31m", "new␊line", "�rtl", "bad�utf8" } do
      assert.is_true(titles[name], name)
    end
    local scripts = select(2, bytes:gsub("<script", ""))
    assert.equal(2, scripts) -- the data and the program
    assert.is_nil(bytes:find "[%z\1-\8\11-\31]")
    assert.is_truthy(utf8.len(bytes))
    assert.is_truthy(bytes:find("&lt;b&gt;&amp;&quot;title", 1, true))
  end)

  it("says what it leaves out: narrow boxes and truncated stacks", function()
    local stacks = { { frames = { "wide" }, value = 99000 } }
    for i = 1, 100 do stacks[i + 1] = { frames = { "thin" .. i }, value = 10 } end
    local bytes = trees.profile(stacks):render "svg"
    assert.equal(2, #boxes(parse(bytes)))
    assert.is_truthy(bytes:find("boxes under 0.5 px hidden: 1.0%", 1, true))
    local all = trees.profile(stacks):render("svg", { min_width = 0.01 })
    assert.equal(102, select(2, all:gsub('<rect x="', ""))) -- with a title where one can point at
    assert.equal(2, #boxes(parse(all)))
    local cut = trees.profile(example):truncate(2):render "svg"
    assert.is_truthy(cut:find('46.67% in truncated stacks ("other")', 1, true)
      or cut:find("46.67% in truncated stacks (&quot;other&quot;)", 1, true))
    local hatched = 0
    for _, box in ipairs(boxes(parse(cut))) do
      if box.rect.fill == "url(#cut)" then hatched = hatched + 1 end
    end
    assert.equal(2, hatched)
  end)

  it("gives a function one colour, the same for a package in every picture", function()
    local function colours(stacks)
      local map = {}
      for _, box in ipairs(boxes(parse(trees.profile(stacks):render "svg"))) do
        map[box.title:match "^[^\n]*"] = box.rect.fill
      end
      return map
    end
    local a = colours { { frames = { "net/http.serve", "json.Marshal" }, value = 3 } }
    local b = colours { { frames = { "main.main", "json.Marshal" }, value = 5 },
      { frames = { "net/http.serve" }, value = 1 } }
    assert.equal(a["json.Marshal"], b["json.Marshal"])
    assert.equal(a["net/http.serve"], b["net/http.serve"])
  end)

  it("shows quantities in units that people read", function()
    local profile = assert(core.decode("a 1500000000\na;b 2500000\n", "folded"))
    profile:describe { unit = "nanoseconds" }
    local bytes = profile:render "svg"
    assert.is_truthy(bytes:find("total 1.50 s", 1, true))
    assert.is_truthy(bytes:find("total 2.50 ms", 1, true))
  end)

  it("is empty for an empty profile", function()
    assert.equal(1, #boxes(parse(assert(core.decode("", "tree")):render "svg")))
  end)
end)

describe("a saved profile", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)))
  end)
  after_each(function() os.execute(("rm -r '%s'"):format(folder)) end)

  it("is written in the format of its extension, for its owner alone", function()
    local profile = trees.profile(example)
    for extension, format in pairs { [".json"] = "json", [".folded"] = "folded",
      [".svg"] = "svg", [".tree"] = "tree", [".collapsed"] = "folded" } do
      local path = folder .. "/profile" .. extension
      assert.is_true(profile:save(path))
      assert.equal(profile:render(format), trees.read(path))
      local listing = io.popen(("stat -c %%a '%s'"):format(path))
      assert.equal("600", listing:read "l")
      listing:close()
    end
    assert.is_true(profile:save(folder .. "/without"))
    assert.equal("\31\139", trees.read(folder .. "/without"):sub(1, 2))
    assert.same(trees.of(profile), trees.of(core.decode(trees.read(folder .. "/without"))))
    assert.is_true(profile:save(folder .. "/x.json", { format = "folded" }))
    assert.equal(profile:render "folded", trees.read(folder .. "/x.json"))
  end)

  it("never overwrites a file unless told, and leaves nothing half written", function()
    local profile, path = trees.profile(example), folder .. "/a.json"
    assert.is_true(profile:save(path))
    local other = trees.profile { { frames = { "x" }, value = 1 } }
    local none, err = other:save(path)
    assert.is_nil(none)
    assert.equal("io", err.kind)
    assert.equal("exists", err.code)
    assert.equal(profile:render "json", trees.read(path))
    assert.is_true(other:save(path, { force = true }))
    assert.equal(other:render "json", trees.read(path))
    none, err = profile:save(folder .. "/no/such/folder.json")
    assert.is_nil(none)
    assert.equal("io", err.kind)
    local listing = io.popen(("ls -A '%s'"):format(folder))
    assert.equal("a.json\n", listing:read "a")
    listing:close()
  end)

  it("goes into a pipe as it is", function()
    local path = folder .. "/pipe"
    assert(os.execute(("mkfifo '%s'"):format(path)))
    local reader = io.popen(("cat '%s'"):format(path))
    assert.is_true(trees.profile(example):save(path, { format = "folded", force = true }))
    assert.equal(trees.profile(example):render "folded", reader:read "a")
    reader:close()
  end)
end)
