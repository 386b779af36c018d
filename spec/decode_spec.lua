local core = require "pyroscope.core"
local reference = require "spec.support.reference"

-- the stacks main 1, main;alloc 4, main;parse 2, main;parse;lex 3, gc 5, in every encoding
local json = [[{"flamegraph":{"names":["total","main","parse","lex","alloc","gc"],
 "levels":[{"values":["0","15","0","0"]},{"values":["0","5","5","5","0","10","1","1"]},
 {"values":["6","4","4","4","0","5","2","2"]},{"values":["12","3","3","3"]}],
 "total":"15","maxSelf":"5"}}]]
local legacy = [=[{"version":1,"flamebearer":{"names":["total","main","parse","lex","alloc","gc"],
 "levels":[[0,15,0,0],[0,5,5,5,0,10,1,1],[6,4,4,4,0,5,2,2],[12,3,3,3]],"numTicks":15,"maxSelf":5},
 "metadata":{"format":"single","units":"samples"},"timeline":{"samples":[0,15]},"groups":null}]=]
local proto = "\10\5total\10\4main\10\5parse\10\3lex\10\5alloc\10\2gc\18\6\10\4\0\15\0\0" ..
  "\18\10\10\8\0\5\5\5\0\10\1\1\18\10\10\8\6\4\4\4\0\5\2\2\18\6\10\4\12\3\3\3\24\15\32\5"
local tree = "\0\0\2\4main\1\2\5parse\2\1\3lex\3\0\5alloc\4\0\2gc\5\0"
local lines = { '0 "" 0 15', '1 "gc" 5 5', '1 "main" 1 10', '2 "alloc" 4 4', '2 "parse" 2 5',
  '3 "lex" 3 3' }

local diff = [[{"flamegraph":{"names":["total","main","parse","lex","alloc","idle","gc"],"levels":[
 {"values":["0","15","0","0","9","0","0"]},
 {"values":["0","5","5","0","0","0","6","0","0","0","0","2","2","5","0","10","1","0","7","0","1"]},
 {"values":["6","4","4","2","0","0","4","0","5","2","0","7","6","2"]},
 {"values":["12","3","3","8","1","1","3"]}],"total":"24","maxSelf":"6",
 "leftTicks":"15","rightTicks":"9"}}]]

local function graph(names, levels, before, after)
  return ('{%s"flamegraph":{"names":%s,"levels":%s}%s}'):format(before or "", names, levels,
    after or "")
end

local function fails(bytes, format, kind)
  local profile, err = core.decode(bytes, format)
  assert.is_nil(profile)
  assert.equal(kind or "decode", err.kind)
  assert.is_true(err.where <= #bytes)
  return err
end

-- '^' in the second text stands under the byte that the error names
local function fails_at(text, caret, message, format)
  local err = fails(text, format or "json")
  assert.equal(#caret - 1, err.where, err.message)
  assert.matches(message, err.message, 1, true)
end

describe("flame graphs and trees", function()
  it("are the same tree in every encoding", function()
    assert.same(lines, reference.lines_of(assert(core.decode(json, "json"))))
    assert.same(lines, reference.lines_of(assert(core.decode(legacy, "json"))))
    assert.same(lines, reference.lines_of(assert(core.decode(json:match "{.-({.*})}", "json"))))
    assert.same(lines, reference.lines_of(assert(core.decode(proto, "flamegraph"))))
    assert.same(lines, reference.lines_of(assert(core.decode(tree, "tree"))))
    assert.same(lines, reference.lines_of(assert(core.decode(
      '{"tree":"AAACBG1haW4BAgVwYXJzZQIBA2xleAMABWFsbG9jBAACZ2MFAA=="}'))))
    assert.same(lines, reference.lines_of(assert(core.decode(
      "main 1\nmain;alloc 4\nmain;parse 2\nmain;parse;lex 3\ngc 5\n"))))
  end)

  it("without data are a root without value", function()
    for _, answer in ipairs { { "{}", "json" }, { '{"flamegraph":{}}', "json" },
      { '{"flamegraph":null}', "json" }, { "", "flamegraph" }, { "", "tree" }, { '{"tree":""}' },
      { "\10\5total\18\6\10\4\0\0\0\0", "flamegraph" }, { "\0\0\0", "tree" },
      { graph('["total"]', '[{"values":["0","0","0","0"]}]'), "json" },
      { '{"names":["total"],"levels":[]}', "json" }, { '{"names":["total"],"levels":[{},{}]}' } } do
      local profile = assert(core.decode(answer[1], answer[2]))
      assert.equal(0, profile.total)
      assert.equal(1, profile.levels)
      assert.same({}, (profile:top()))
    end
  end)

  it("may have keys in any order, blanks, unknown keys, every spelling of integers", function()
    local spelled = [=[ { "other" : [ {"deep":[[[{}]]]}, 1e400, -0.5, true, null, "\"" ],
      "flamegraph" : { "maxSelf" : "5", "new":{}, "levels" : [
        { "x":1, "values" : [ 0 , "15" , 0.0 , "0" ] } , { "values":[0,5e0,"5.0","5",0,"1e1",1,1]},
        {"values":["6","4","4","4",0,50e-1,"0.2E+1","2"] , "y" : [] },
        [12,3,3,3], null ],
      "n\u0061mes":["total","m\u0061in","parse","\u006Cex","al\u006coc","gc"] } }
      ]=]
    assert.same(lines, reference.lines_of(assert(core.decode(spelled, "json"))))
    assert.same(lines, reference.lines_of(assert(core.decode("\239\187\191" .. json, "json"))))
  end)

  it("in protobuf may be unpacked, in pieces, in any order and with unknown fields", function()
    local root = "\18\10\10\3\0\15\0\8\0\160\6\7" -- packed, then single, then field 100
    local functions = "\18\16\10\3\0\5\5\16\9\10\3\1\0\10\10\2\10\2\18\0"
    local names = "\10\5total\10\2gc\10\4main"
    local pieces = "\24\15" .. root .. functions .. names .. "\53abcd\57abcdefgh"
    assert.same({ '0 "" 0 15', '1 "gc" 5 5', '1 "main" 10 10' },
      reference.lines_of(assert(core.decode(pieces, "flamegraph"))))
  end)

  it("hold any name, and the escapes of JSON mean what they say", function()
    local names = { "<script>alert(1)</script>", 'q"\\b', "\1\27[31m\n\t\r\b\f/",
      "é\u{10FFFF}🙂", "a\255b" }
    local text = [=[["total","<script>alert(1)</script>","q\"\\b","\u0001\u001b[31m\n\t\r\b\f\/",]=]
      .. [["\u00e9\udbff\uDFFF🙂",]] .. '"a\255b"]'
    local profile = assert(core.decode(graph(text,
      "[[0,5,0,0],[0,1,1,1,0,1,1,2,0,1,1,3,0,1,1,4,0,1,1,5]]"), "json"))
    local seen = {}
    for _, row in ipairs((profile:top())) do seen[row.name] = row.self end
    for _, name in ipairs(names) do assert.equal(1, seen[name], name) end
    for escape, meaning in pairs { ["\\ud800"] = "\u{FFFD}", ["\\udc00x"] = "\u{FFFD}x",
      ["\\ud800\\ud800\\udc00"] = "\u{FFFD}\u{10000}", ["\\ud800\\n"] = "\u{FFFD}\n",
      ["\\u0000"] = "\0" } do
      profile = assert(core.decode(graph('["total","' .. escape .. '"]',
        "[[0,1,0,0],[0,1,1,1]]"), "json"))
      assert.equal(meaning, (profile:top())[1].name)
    end
    for _, escape in ipairs { "\\x", "\\u12", "\\u12g4", "\\U0041" } do
      fails(graph('["total","' .. escape .. '"]', "[[0,1,0,0],[0,1,1,1]]"), "json")
    end
  end)

  it("tell the root from a function of its name, and one without a name from both", function()
    local profile = assert(core.decode(graph('["total","","total"]',
      "[[0,6,0,0],[0,1,1,0,0,2,2,1,0,3,3,2]]"), "json"))
    assert.equal(2, profile.functions)
    assert.same({ '0 "" 0 6', '1 "" 2 2', '1 "total" 1 1', '1 "total" 3 3' },
      reference.lines_of(profile))
    assert.equal(4, (profile:top())[1].self)
    profile = assert(core.decode("\0\0\1\0\2\1\5total\3\0", "tree"))
    assert.same({ '0 "" 0 5', '1 "" 2 5', '2 "total" 3 3' }, reference.lines_of(profile))
  end)

  it("put a box under the last one above that begins at or before it", function()
    -- a zero-width box on the edge between two others, as a reader of the server sees it
    local profile = assert(core.decode(graph('["total","a","b","c","d"]',
      "[[0,9,0,0],[0,5,0,1,0,0,0,2,0,4,0,3],[0,5,5,4,0,0,0,4,0,4,4,4]]"), "json"))
    assert.same({ '0 "" 0 9', '1 "a" 0 5', '2 "d" 5 5', '1 "b" 0 0', '1 "c" 0 4', '2 "d" 0 0',
      '2 "d" 4 4' }, reference.lines_of(profile))
  end)

  it("are exact up to the limits of 64 bits", function()
    local max = "9223372036854775807"
    for _, number in ipairs { max, '"' .. max .. '"', max .. ".0", "922337203685477580.7e1" } do
      local levels = ("[[0,%s,0,0],[0,%s,%s,1]]"):format(number, number, number)
      local profile = assert(core.decode(graph('["total","a"]', levels), "json"))
      assert.equal(math.maxinteger, profile.total)
      assert.equal(math.maxinteger, (profile:top())[1].self)
    end
    local wide = "\255\255\255\255\255\255\255\255\127"
    local profile = assert(core.decode("\0\0\1\1a" .. wide .. "\0", "tree"))
    assert.equal(math.maxinteger, profile.total)
    profile = assert(core.decode("\10\0\10\1a\18\14\10\12\0" .. wide .. "\0\0" ..
      "\18\22\10\20\0" .. wide .. wide .. "\1", "flamegraph"))
    assert.equal(math.maxinteger, (profile:top())[1].self)
    fails("\0\0\2\1a" .. wide .. "\0\1b\1\0", "tree")
    fails("\0\255\255\255\255\255\255\255\255\255\1\0", "tree")
    fails(graph('["total","a"]', "[[0,1,0,0],[0,1,1,1,9223372036854775807,0,0,1]]"), "json")
  end)
end)

describe("answers that cannot be right", function()
  it("are refused where they go wrong", function()
    fails_at('{"names":["total"],"levels":[[0,9223372036854775808,0,0]]}',
             '                                ^', "a number exceeds 64 bits")
    fails_at('{"names":["total"],"levels":[["0","x","0","0"]]}',
             '                                  ^', "an integer was expected")
    fails_at('{"names":["total"],"levels":[[0,1.5,0,0]]}',
             '                                ^', "an integer was expected")
    fails_at('{"names":["total"],"levels":[[0,null,0,0]]}',
             '                                ^', "an integer was expected")
    fails_at('{"names":["total","a"],"levels":[[0,1,0,0],[0,-1,-1,1]]}',
             '                                            ^', "negative")
    fails_at('{"names":["total","a"],"levels":[[0,1,0,0],[0,1,1,2]]}',
             '                                            ^', "name")
    fails_at('{"names":["total","a"],"levels":[[0,1,0,0],[0,1,1]]}',
             '                                                 ^', "multiple of 4")
    fails_at('{"names":["total"],"levels":[[0,1,1,0,0,1,1,0]]}',
             '                                              ^', "more than the root")
    fails_at('{"names":["total","a"],"levels":[[0,1,0,0],[],[0,1,1,1]]}',
             '                                             ^', "total of a function")
    fails_at('{"names":["total","a"],"levels":[[0,0,0,0],[],[0,0,0,1]]}',
             '                                               ^', "no caller")
    fails_at('{"names":["total","a"],"levels":[[0,5,0,0],[0,4,4,1]]}',
             '                                                    ^', "total of a function")
    fails_at('{"names":["total","a"],"levels":[[0,5,0,0],[0,5,6,1]]}',
             '                                                      ^', "total of a function")
    fails_at('{"names":["total"],"names":["total"]}',
             '                           ^', "twice")
    fails_at('{"names":["total"]} x',
             '                    ^', "something follows")
    fails_at('{"names":["total",]}',
             '                  ^', "expected")
    fails_at('{"code":"internal","message":"levels"}',
             '                                      ^', "too early")
    fails_at('{"tree":"AA*A"}',
             '         ^', "base64")
    fails_at("\0\0\2\1a\5\0", "   ^", "callees", "tree")
    fails_at("\0\0\1\1a\5\0\0", "       ^", "something follows", "tree")
    fails_at("\4main\0\0", "^", "no name", "tree")
  end)

  it("are refused when they nest deeper than 64", function()
    local function nested(n)
      return '{"x":' .. ("["):rep(n) .. ("]"):rep(n) .. ',"names":["total"]}'
    end
    assert(core.decode(nested(64), "json"))
    assert.matches("64 deep", fails(nested(65), "json").message)
    assert.matches("64 deep", fails('{"x":' .. ("["):rep(1000000), "json").message)
  end)

  it("with a NUL before their end are refused", function()
    assert.equal(4, fails('{"na\0mes":[]}', "json").where)
    fails(json .. "\0", "json")
    fails(json:gsub('"15"', '"1\0005"', 1), "json")
  end)

  it("say when they are a comparison of two profiles, or none", function()
    assert.matches("comparison of two", fails(diff, "json").message)
    local _, err = core.decode_diff(json, "json")
    assert.matches("not a comparison", err.message)
    assert.equal("decode", err.kind)
  end)
end)

describe("comparisons", function()
  it("have both sides of every function", function()
    local handle = assert(core.decode_diff(diff, "json"))
    assert.same({ 15, 9 }, { handle.before, handle.after })
    assert.same({ '0 "" 0 15 0 9', '1 "gc" 5 5 0 0', '1 "idle" 0 0 2 2', '1 "main" 1 10 0 7',
      '2 "alloc" 4 4 0 0', '2 "parse" 2 5 6 7', '3 "lex" 3 3 1 1' }, reference.lines_of(handle))
  end)

  it("add up siblings of one name, with what is below them", function()
    local handle = assert(core.decode_diff([=[{"names":["total","other","a"],"levels":[
      [0,6,0,0,6,0,0],[0,3,1,0,3,1,1,0,3,3,0,3,3,1],[1,2,2,1,2,2,2]]}]=], "json"))
    assert.same({ '0 "" 0 6 0 6', '1 "other" 4 6 4 6', '2 "a" 2 2 2 2' },
      reference.lines_of(handle))
  end)

  it("name a function without a name so, since name 0 is the root's", function()
    local handle = assert(core.decode_diff([=[{"names":["total","total"],"levels":[
      [0,2,0,0,2,0,0],[0,1,1,0,1,1,0,0,1,1,0,1,1,1]]}]=], "json"))
    assert.same({ '0 "" 0 2 0 2', '1 "" 1 1 1 1', '1 "total" 1 1 1 1' },
      reference.lines_of(handle))
  end)

  it("are refused where one side does not add up, or both exceed 64 bits", function()
    for _, levels in ipairs { "[[0,2,0,0,2,0,0],[0,3,3,0,1,1,1]]",
      "[[0,2,0,0,2,0,0],[0,2,2,0,1,1,1]]", "[[0,1,1,0]]", "[[0,1,1,0,-1,-1,0]]",
      "[[0,9223372036854775807,9223372036854775807,0,1,1,0]]" } do
      local text = '{"names":["total","a"],"levels":' .. levels .. "}"
      local handle, err = core.decode_diff(text, "json")
      assert.is_nil(handle)
      assert.equal("decode", err.kind)
      assert.is_true(err.where <= #text)
    end
  end)
end)

describe("deep trees", function()
  it("of a million levels are read without a stack", function()
    local deep = "\0\0\1" .. ("\1a\0\1"):rep(999999) .. "\1b\5\0"
    local profile = assert(core.decode(deep, "tree"))
    assert.same({ 1000001, 5, 2 }, { profile.levels, profile.total, profile.functions })
    profile:close()
    local err = fails(deep:sub(1, -4), "tree")
    assert.is_true(err.where > 3900000)
    local stack = ("a;"):rep(999999)
    profile = assert(core.decode(stack .. "b 5\n" .. stack .. "c 6", "folded"))
    assert.same({ 1000001, 11, 3 }, { profile.levels, profile.total, profile.functions })
    profile:close()
  end)
end)

describe("decoding", function()
  it("leaves no handle behind", function()
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)
end)
