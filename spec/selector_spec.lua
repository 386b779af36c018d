local selector = require "pyroscope.selector"

-- Where the caret of an error points, as a column of characters.
local function caret_of(err)
  for line in err.hint:gmatch "[^\n]+" do
    local spaces = line:match "^( *)%^$"
    if spaces then return #spaces + 1 end
  end
end

local function bad(text, options)
  local matchers, err = selector.parse(text, options)
  assert.is_nil(matchers, text)
  assert.equal("usage", err.kind)
  return err
end

describe("selector.parse", function()
  it("reads every form of the grammar (AX-30)", function()
    for text, canonical in pairs {
      ["{}"] = "{}",
      [" { } # nothing"] = "{}",
      ['{a="b"}'] = '{a="b"}',
      ["{a='b',}"] = '{a="b"}',
      ["{a=`b\\n`}"] = '{a="b\\\\n"}',
      ['{ a = "b" , c!="d",e=~"f",g!~"h" }'] = '{a="b", c!="d", e=~"f", g!~"h"}',
      ['{"service.version"="1.2"}'] = '{"service.version"="1.2"}',
      ['{"a"="b"}'] = '{a="b"}',
      ["process_cpu"] = '{__name__="process_cpu"}',
      ['process_cpu:cpu:n:c:n{a="b"}'] = '{__name__="process_cpu:cpu:n:c:n", a="b"}',
      ['{"process_cpu", a="b"}'] = '{__name__="process_cpu", a="b"}',
      ['{by="x", sum="y", a="1", a!="2"}'] = '{by="x", sum="y", a="1", a!="2"}',
      ['{a="\\a\\b\\f\\n\\r\\t\\v\\\\\\"\\101\\x41\\u00e9\\U0001F600"}'] =
        '{a="\a\b\f\\n\r\t\v\\\\\\"AAé😀"}',
      ["{a='\\''}"] = '{a="\'"}',
      ["{a=\"b\"\n# comment\n,c=\"d\"}"] = '{a="b", c="d"}',
    } do
      local matchers, err = selector.parse(text)
      assert.is_nil(err, text .. tostring(err))
      assert.equal(canonical, selector.build(matchers), text)
    end
  end)

  it("puts a caret under the character that is wrong", function()
    for text, column in pairs {
      ['{service.name="x"}'] = 9,
      ['{service_name="a\\.b"}'] = 18,
      ['{service_name="x"'] = 18,
      ["{x="] = 4,
      ["{a}"] = 3,
      ["{a=b}"] = 4,
      ['{a="b" c="d"}'] = 8,
      ['{a="b'] = 4,
      ['{é="1"}'] = 2,
      ['{a="é", b}'] = 10,
      ['{a!"b"}'] = 3,
      ['{a="b"} x'] = 9,
      ['{"x", "y"}'] = 7,
      ['{{a="b"}'] = 2,
      ['{,a="b"}'] = 2,
      ['{="b"}'] = 2,
      ['{a="\\x4"}'] = 8,
      ['{a="\\ud800"}'] = 4,
    } do
      local err = bad(text)
      assert.equal(column, caret_of(err), text .. "\n" .. tostring(err))
      assert.truthy(err.message:find "column %d+", text)
    end
  end)

  it("names the line of an error in a text of several", function()
    assert.truthy(bad("{a=\"b\",\n c}").message:find("line 2, column 3", 1, true))
  end)

  it("refuses an empty text and says how to ask for everything", function()
    assert.truthy(bad("").hint:find("{}", 1, true))
    assert.truthy(bad("  ").hint:find("{}", 1, true))
  end)

  it("checks regular expressions where they stand", function()
    local err = bad '{a="b", c=~"("}'
    assert.equal(12, caret_of(err), tostring(err))
    assert.truthy(err.message:find("'c'", 1, true))
    assert.is_table(selector.parse '{a=~"(?i)x|y.*"}')
  end)

  it("says how to write what people get wrong", function()
    assert.truthy(bad('{service.version="1"}').hint:find('"service.version"', 1, true))
    assert.truthy(bad('{a="x\\.y"}').hint:find("\\\\", 1, true))
    assert.truthy(bad("{a=b}").hint:find("quotes", 1, true))
  end)

  it("reads matchers without braces where that is allowed, and nowhere else (MCP-12)", function()
    local bare = { bare = true }
    for text, canonical in pairs { ["a=\"b\", c!~'d'"] = '{a="b", c!~"d"}', [""] = "{}",
      ['"a.b"="c"'] = '{"a.b"="c"}', ['{a="b"}'] = '{a="b"}', ["cpu"] = '{__name__="cpu"}' } do
      assert.equal(canonical, selector.build(assert(selector.parse(text, bare))), text)
    end
    assert.equal(2, caret_of(bad 'a="b"'))
    assert.equal(3, caret_of(bad("a=b", bare)))
  end)

  it("words faults as the server does, with its columns", function()
    for text, words in pairs {
      ['{service_name="x"'] = { 18, "unexpected end of input inside braces" },
      ['{service.name="x"}'] = { 9, "unexpected character inside braces: '.'" },
      ['{service_name="a\\.b"}'] = { 15, "unknown escape sequence U+002E '.'" },
    } do
      local _, fault = selector.scan(text)
      assert.same(words, { select(2, selector.position(text, fault.at)), fault.message })
    end
  end)

  it("ends on any cut of a valid selector, in an error or a selector", function()
    local text = "process_cpu{a=\"b\\n\\u00e9\", \"c.d\"=~'e|f', g!=`h`,} # x"
    for n = 0, #text do
      local matchers, err = selector.parse(text:sub(1, n))
      assert.truthy(matchers or err.kind == "usage")
    end
  end)
end)

describe("selector.build", function()
  it("gives back any value, and any name, that it is read again from", function()
    for _, value in ipairs { "", "a", 'quo"te\\back\nline é', "\\", '"', "{a=\"b\"}", "\t\r\0",
      ("x"):rep(5000), "\u{202e}", "a`b'c" } do
      for _, name in ipairs { "a", "service.version", "with space", 'q"uote', "é", "" } do
        if name ~= "" then
          local text = selector.build { { name = name, op = "=", value = value } }
          local matchers = assert(selector.parse(text))
          assert.equal(1, #matchers)
          assert.equal(name, matchers[1].name)
          assert.equal(value, matchers[1].value)
        end
      end
    end
  end)

  it("joins lists without repetition, in order", function()
    local a = { { name = "a", op = "=", value = "1" } }
    local b = { { name = "b", op = "!=", value = "2" }, { name = "a", op = "=", value = "1" } }
    assert.equal('{a="1", b!="2"}', selector.build(selector.merge(a, b)))
    assert.equal("1", selector.fixed(selector.merge(a, b), "a"))
    assert.is_nil(selector.fixed(b, "b"))
  end)

  it("takes tables of labels, sorted, after ready matchers", function()
    assert.equal('{z=~"1", a="b", c="d"}', selector.build(selector.from_labels {
      { name = "z", op = "=~", value = "1" }, c = "d", a = "b" }))
    assert.has_error(function() selector.from_labels { a = 1 } end)
    assert.has_error(function() selector.from_labels { { name = "a", op = "==", value = "" } } end)
  end)

  it("reads filters as typed on a command line", function()
    for text, canonical in pairs { ["k=v"] = '{k="v"}', ["k!=v"] = '{k!="v"}',
      ["k=~v.*"] = '{k=~"v.*"}', ["k!~v"] = '{k!~"v"}', ['k="v w"'] = '{k="v w"}',
      ["k=a=b"] = '{k="a=b"}', ["k="] = '{k=""}', ["service.version=1"] =
        '{"service.version"="1"}', ['k=a"b'] = '{k="a\\"b"}' } do
      assert.equal(canonical, selector.build { assert(selector.label(text)) }, text)
    end
    for _, text in ipairs { "k", "=v", "", "k~v", "k=~(" } do
      local matcher, err = selector.label(text)
      assert.is_nil(matcher, text)
      assert.equal("usage", err.kind)
    end
  end)
end)

describe("selector.compile", function()
  local function matches(text, labels)
    return assert(selector.compile(assert(selector.parse(text))))(labels)
  end

  it("takes a missing label for an empty one", function()
    assert.is_true(matches('{foo=""}', {}))
    assert.is_true(matches('{foo!="x"}', {}))
    assert.is_true(matches('{foo=~".*"}', {}))
    assert.is_false(matches('{foo=~".+"}', {}))
    assert.is_false(matches('{foo="x"}', {}))
    assert.is_true(matches('{foo!~"x|y"}', {}))
  end)

  it("anchors regular expressions, and their dot matches newlines", function()
    assert.is_false(matches('{a=~"b"}', { a = "abc" }))
    assert.is_true(matches('{a=~"a.c"}', { a = "a\nc" }))
    assert.is_false(matches('{a=~"a|b"}', { a = "ab" }))
    assert.is_true(matches('{a=~"a|b"}', { a = "b" }))
    assert.is_true(matches('{a!~"a|b"}', { a = "c" }))
  end)

  it("demands all matchers, of one label too", function()
    assert.is_true(matches('{a=~"x.*", a!="xy", b="1"}', { a = "xz", b = "1" }))
    assert.is_false(matches('{a=~"x.*", a!="xy"}', { a = "xy" }))
    assert.is_true(matches("{}", { a = "b" }))
  end)

  it("returns the error of a bad regular expression", function()
    local test, err = selector.compile { { name = "a", op = "=~", value = "(" } }
    assert.is_nil(test)
    assert.equal("usage", err.kind)
  end)
end)
