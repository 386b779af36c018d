local cjson = require "cjson"
local csv = require "pyroscope.output.csv"
local json = require "pyroscope.output.json"
local jsonl = require "pyroscope.output.jsonl"
local md = require "pyroscope.output.md"
local names = require "pyroscope.output.names"
local quickfix = require "pyroscope.output.quickfix"
local screen = require "pyroscope.cli.screen"

local hostile = {
  "plain", 'quote " backslash \\', "tab\tnewline\nreturn\r", "\27[31mred\27]0;title\7",
  "<script>alert(1)</script>", "a|b`c*d_e[f]", "\0nul", "caf\xe9 latin1", "\xff\xfe", "日本語.関数",
  "\u{202e}evil", "\u{9b}31m", "=cmd|' /C calc'!A0", "-1+1", "a,b;c", "'single'", "",
  ("x"):rep(65536), "\u{10ffff}", "\xed\xa0\x80", "\127",
}

local function document(rows)
  return { type = "pyroscope.test", head = { query = { source = "s" } }, rows = rows,
    columns = { { name = "name", kind = "text" }, { name = "value", kind = "int64" },
      { name = "share", kind = "number" } },
    view = { { "NAME", code = true, cell = function(row, s) return s:name(row.name) end },
      { "VALUE", right = true, cell = function(row) return tostring(row.value) end } },
    title = { "a title" } }
end

local function hostile_rows()
  local rows = {}
  for i, name in ipairs(hostile) do rows[i] = { name = name, value = i, share = 0.5 } end
  return rows
end

describe("JSON", function()
  it("writes int64 as strings, exactly, at both ends of the range", function()
    local text = json.write(document { { name = "a", value = math.maxinteger, share = 1 },
      { name = "b", value = math.mininteger, share = 0 } })
    assert.matches('"value":"9223372036854775807"', text, 1, true)
    assert.matches('"value":"-9223372036854775808"', text, 1, true)
  end)

  it("writes strings that read back as they were, and valid UTF-8 for what was none", function()
    for _, text in ipairs(hostile) do
      local written = json.string(text)
      assert.is_truthy(utf8.len(written))
      assert.is_nil(written:find "%c")
      local back = cjson.decode("[" .. written .. "]")[1]
      if utf8.len(text) then
        assert.equal(text, back)
      else
        assert.matches("\u{fffd}", back, 1, true)
      end
    end
  end)

  it("writes times and doubles as numbers and refuses what is not finite", function()
    assert.equal("1763647200000", json.encode(1763647200000))
    assert.equal("0.25", json.encode(0.25))
    assert.equal("41.0", json.encode(41.0))
    assert.equal("1e+300", json.encode(1e300))
    assert.has_error(function() json.encode(0 / 0) end)
    assert.has_error(function() json.encode(math.huge) end)
  end)

  it("begins with type and schema, and is the same text for the same answer", function()
    local text = json.write(document(hostile_rows()))
    assert.equal('{"type":"pyroscope.test","schema":1,', text:sub(1, 36))
    assert.equal(text, json.write(document(hostile_rows())))
    assert.same("pyroscope.test", cjson.decode(text).type)
  end)

  it("leaves out what a row lacks", function()
    assert.equal('{"name":"a"}', json.row({ name = "a" }, document {}.columns))
  end)

  it("keeps empty lists lists", function()
    assert.matches('"rows":[]', json.write(document {}), 1, true)
    assert.matches('"warnings":[]', json.write(document {}), 1, true)
  end)

  it("as lines: the object without rows, then a row a line", function()
    local lines = {}
    for line in jsonl.write(document(hostile_rows())):gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    assert.equal(#hostile + 1, #lines)
    assert.is_nil(cjson.decode(lines[1]).rows)
    for i, name in ipairs(hostile) do
      local row = cjson.decode(lines[i + 1])
      if utf8.len(name) then assert.equal(name, row.name) end
      assert.equal(tostring(i), row.value)
    end
  end)
end)

-- A reader of RFC 4180, by the letter.
local function read_csv(text)
  local rows, row, at = {}, {}, 1
  while at <= #text do
    local cell
    if text:sub(at, at) == '"' then
      local parts = {}
      at = at + 1
      while true do
        local stop = assert(text:find('"', at, true))
        parts[#parts + 1] = text:sub(at, stop - 1)
        at = stop + 1
        if text:sub(at, at) ~= '"' then break end
        parts[#parts + 1], at = '"', at + 1
      end
      cell = table.concat(parts)
    else
      cell, at = text:match("^([^,\r\n]*)()", at)
    end
    row[#row + 1] = cell
    if text:sub(at, at) == "," then
      at = at + 1
    else
      assert.equal("\r\n", text:sub(at, at + 1))
      rows[#rows + 1], row, at = row, {}, at + 2
    end
  end
  return rows
end

describe("CSV", function()
  it("reads back as it was, whatever the names are", function()
    local rows = read_csv(csv.write(document(hostile_rows())))
    assert.same({ "name", "value", "share" }, rows[1])
    for i, name in ipairs(hostile) do assert.same({ name, tostring(i), "0.5" }, rows[i + 1]) end
  end)

  it("with tabs has one line a row and no tab in a cell", function()
    local lines = {}
    for line in csv.write(document(hostile_rows()), { tabs = true }):gmatch "([^\n]*)\n" do
      lines[#lines + 1] = line
    end
    assert.equal(#hostile + 1, #lines)
    for _, line in ipairs(lines) do
      local _, tabs = line:gsub("\t", "")
      assert.equal(2, tabs)
      assert.is_nil(line:find "[%z\1-\8\11-\31]")
    end
  end)
end)

describe("Markdown", function()
  it("has as many cells in every row as in its head, whatever the names are", function()
    local n = 0
    for line in md.write(document(hostile_rows())):gmatch "[^\n]+" do
      if line:find "^|" then
        n = n + 1
        local bare = line:gsub("\\\\", ""):gsub("\\|", "")
        local _, bars = bare:gsub("|", "")
        assert.equal(3, bars, line:sub(1, 80))
      end
    end
    assert.equal(#hostile + 2, n)
  end)

  it("keeps markup in names inert", function()
    local text = md.write(document { { name = "<b>x</b> `y`", value = 1, share = 1 } })
    assert.matches("`` <b>x</b> `y` ``", text, 1, true)
  end)
end)

describe("names and quickfix", function()
  it("have one line a row", function()
    local _, lines = names.write(document(hostile_rows())):gsub("\n", "")
    assert.equal(#hostile, lines)
  end)

  it("names a severity by share and leaves rows without a file out", function()
    local doc = document { { name = "a\nb", file = "x y.go", line = 3, value = 1 },
      { name = "c", value = 1 }, { name = "d", file = "d.go", value = 1 } }
    doc.entry = function(row) return row.name == "d" and 0.01 or 0.2, "text " .. row.name end
    assert.equal("x y.go:3:1: error: text a\\x0ab\nd.go:1:1: info: text d\n", quickfix.write(doc))
    assert.equal("warning", quickfix.severity(0.02))
    assert.equal("error", quickfix.severity(-0.1))
    assert.equal("info", quickfix.severity(0.0199))
  end)
end)

describe("a screen", function()
  it("prints control bytes, invalid UTF-8 and turning marks as escapes", function()
    assert.equal("\\x1b[31mred\\x1b]0;title\\x07", screen.printable "\27[31mred\27]0;title\7")
    assert.equal("a\\x0ab\\x09c\\x00\\x7f", screen.printable "a\nb\tc\0\127")
    assert.equal("caf\\xe9", screen.printable "caf\xe9")
    assert.equal("\\x9b31m", screen.printable "\u{9b}31m")
    assert.equal("\\u202eevil", screen.printable "\u{202e}evil")
    assert.equal("日本", screen.printable "日本")
    assert.equal("\\u65e5", screen.printable("日", true))
    assert.equal("\\xed\\xa0\\x80", screen.printable "\xed\xa0\x80")
    for _, text in ipairs(hostile) do
      assert.is_nil(screen.printable(text):find "[%c\127]")
      assert.is_truthy(utf8.len(screen.printable(text)))
    end
  end)

  it("cuts names in the middle, by columns", function()
    assert.equal("abc…xyz", screen.cut("abcdefghijklmnopqrstuvwxyz", 7, "…"))
    assert.equal("short", screen.cut("short", 7, "…"))
    for width = 4, 30 do
      assert.is_true(screen.width(screen.cut("日本語の長い関数の名前.実行する()", width, "…")) <= width)
    end
  end)

  it("draws bars to an eighth, of number signs without UTF-8", function()
    local s = screen.new { utf8 = true }
    assert.equal(("█"):rep(15) .. "▋", s:bar(0.312, 0.02))
    assert.equal("", s:bar(0, 0.02))
    assert.equal(("#"):rep(16), screen.new { utf8 = false }:bar(0.312, 0.02))
    assert.equal("▁▄█ ", s:spark({ 0, 5, 10, false }, 10))
  end)

  it("aligns columns and shrinks names only where it may cut", function()
    local columns = { { "NAME", shrink = 6 }, { "N", right = true } }
    local rows = { { "a-very-long-name-that-does-not-fit-here", "1" }, { "b", "200" } }
    local cut = screen.new { width = 20, cut = true }:table(columns, rows)
    for _, line in ipairs(cut) do assert.is_true(#line <= 20 + 2) end
    local whole = screen.new { width = 20 }:table(columns, rows)
    assert.matches("a-very-long-name-that-does-not-fit-here", whole[2], 1, true)
    assert.equal(#whole[2], #whole[3])
  end)
end)
