local core = require "pyroscope.core"
local trees = require "spec.support.trees"

local function unescape(text)
  if text == "%" then return "" end
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function recorded()
  local texts, patterns = {}, {}
  for line in io.lines "spec/fixtures/regex.txt" do
    local text = line:match "^= (%S+)$"
    local pattern, anywhere, whole = line:match "^(%S+) (%S+) ?(%S*)$"
    if text then
      texts[#texts + 1] = unescape(text)
    elseif line:sub(1, 2) ~= "# " then
      patterns[#patterns + 1] = { unescape(pattern), anywhere, whole }
    end
  end
  return texts, patterns
end

local function refused(pattern)
  local regex, err = core.regex(pattern)
  assert.is_nil(regex, pattern)
  assert.equal("usage", err.kind)
  return err
end

describe("a regular expression", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("is refused or means what Go's regexp says it means", function()
    local texts, patterns = recorded()
    local accepted, rejected = 0, 0
    for _, case in ipairs(patterns) do
      local pattern, anywhere, whole = case[1], case[2], case[3]
      if anywhere == "-" then
        refused(pattern)
        rejected = rejected + 1
      else
        local regex, err = core.regex(pattern)
        local anchored = core.regex(pattern, { anchored = true })
        assert.is_truthy(regex, pattern .. ": " .. (err and err.message or ""))
        for i, text in ipairs(texts) do
          local where = ("%q on %q"):format(pattern, text)
          assert.equal(anywhere:sub(i, i) == "1", (regex:test(text)), where)
          if whole ~= "?" then
            assert.equal(whole:sub(i, i) == "1", (anchored:test(text)), where)
          end
        end
        accepted = accepted + 1
      end
    end
    assert.is_true(accepted > 200 and rejected > 100)
  end)

  it("says what RE2 does not have, with a caret under the place", function()
    for pattern, expected in pairs {
      ["a(?=b)"] = { 1, "look-ahead and look-behind are not part of RE2's syntax" },
      ["ab(?<!c)"] = { 2, "look-ahead and look-behind are not part of RE2's syntax" },
      ["(a)\\1"] = { 3, "back references are not part of RE2's syntax" },
      ["a\\k<n>"] = { 1, "back references are not part of RE2's syntax" },
      ["x(?>a)"] = { 1, "atomic groups are not part of RE2's syntax" },
      ["a++"] = { 2, "a repetition of a repetition; put the inner one into a group "
        .. "(there are no possessive ones)" },
      ["(?R)"] = { 0, "recursion is not part of RE2's syntax" },
      ["a(?(1)b)"] = { 1, "conditions are not part of RE2's syntax" },
      ["(*UTF)a"] = { 1, "nothing to repeat" },
      ["a(?#note)"] = { 1, "comments are not part of RE2's syntax" },
      ["a\\Kb"] = { 1, "this escape is not part of RE2's syntax" },
      ["a\\Cb"] = { 1, "\\C (a single byte) is not supported" },
      ["(?x)a"] = { 0, "the flags of a group are i, m, s and U" },
      ["a{1001}"] = { 1, "a count is at most 1000" },
      ["(a{100}){11}"] = { 8, "nested counts multiply to more than 1000" },
      ["a{3,1}"] = { 1, "the count is backwards" },
      ["*a"] = { 0, "nothing to repeat" },
      ["ab(c"] = { 2, "missing )" },
      ["ab)"] = { 2, "unexpected )" },
      ["a[b-"] = { 1, "missing ]" },
      ["a[z-b]"] = { 2, "the range is backwards" },
      ["[[:foo:]]"] = { 1, "unknown character class" },
      ["\\p{Nonsense}"] = { 0, "unknown Unicode property" },
      ["a\\"] = { 1, "a backslash at the end" },
      ["\\y"] = { 0, "unknown escape" },
      ["\\x{110000}"] = { 0, "\\x{..} needs hexadecimal digits up to 10FFFF" },
      ["ok\xff"] = { 2, "the pattern is not valid UTF-8" } } do
      local err = refused(pattern)
      assert.equal("bad pattern: " .. expected[2], err.message)
      assert.equal(expected[1], err.where)
      local shown, caret = err.hint:match "^([^\n]*)\n( *)^\n"
      assert.equal(utf8.len(pattern, 1, -1, true) and pattern or "ok?", shown)
      assert.equal(expected[1], #caret)
    end
  end)

  it("points into the pattern by characters, and shows long ones around the place", function()
    local err = refused "\u{e9}\u{263a}(?=x)"
    assert.equal(5, err.where)
    assert.equal("\u{e9}\u{263a}(?=x)\n  ^\n", err.hint:match "^.-\n.-\n")
    err = refused(("a"):rep(500) .. "(?=x)" .. ("b"):rep(500))
    local shown, caret = err.hint:match "^([^\n]*)\n( *)^\n"
    assert.is_true(#shown < 140)
    assert.equal("(?=x)", shown:sub(#caret + 1, #caret + 5))
    err = refused "a\nb\27(?=x)"
    assert.equal("a?b?(?=x)\n    ^\n", err.hint:match "^.-\n.-\n")
  end)

  it("never matches invalid UTF-8", function()
    local dot = assert(core.regex "^.$")
    assert.is_true(dot:test "\u{e9}")
    assert.is_false(dot:test "\xe9")
    assert.is_false(assert(core.regex "[^a]"):test "\xff")
    assert.is_false(assert(core.regex("a.b", { anchored = true })):test "a\xffb")
  end)

  it("matches whole texts, newlines included, when anchored", function()
    local regex = assert(core.regex("a|bc.*", { anchored = true }))
    assert.is_true(regex:test "a")
    assert.is_true(regex:test "bc\nd")
    assert.is_false(regex:test "ab")
    assert.is_false(regex:test "xa")
    assert.is_true(assert(core.regex("", { anchored = true })):test "")
    assert.is_false(assert(core.regex("", { anchored = true })):test "a")
  end)

  it("gives up where the search would explode, and says so", function()
    local regex = assert(core.regex "(a+)+(a+)+(a+)+$")
    local matches, err = regex:test(("a"):rep(60) .. "b")
    assert.is_nil(matches)
    assert.equal("limit", err.kind)
    local profile = trees.profile { { frames = { ("a"):rep(60) .. "b" }, value = 1 } }
    for _, filter in ipairs { "focus", "find", "hide" } do
      local none
      none, err = profile[filter](profile, "(a+)+(a+)+(a+)+$")
      assert.is_nil(none)
      assert.equal("limit", err.kind)
    end
  end)

  it("has limits on its own size", function()
    local regex, err = core.regex(("a"):rep(65537))
    assert.is_nil(regex)
    assert.equal("limit", err.kind)
    assert.is_truthy(core.regex(("("):rep(400) .. (")"):rep(400)))
    regex, err = core.regex(("("):rep(401) .. (")"):rep(401))
    assert.is_nil(regex)
    assert.same({ "limit", "groups are nested too deeply" }, { err.kind, err.message })
    regex, err = core.regex "([a-c]x[d-f]y[0-9]){1000}"
    assert.is_nil(regex)
    assert.equal("limit", err.kind)
  end)

  it("raises for what is no pattern, and after close", function()
    assert.has_error(function() core.regex {} end)
    assert.has_error(function() core.regex("a", { anchor = true }) end,
      "unknown option 'anchor' (known: anchored)")
    local regex = assert(core.regex "a")
    regex:close()
    regex:close()
    assert.equal("regex (closed)", tostring(regex))
    assert.has_error(function() regex:test "a" end, "regex is closed")
  end)
end)
