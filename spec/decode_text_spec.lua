local core = require "pyroscope.core"
local reference = require "spec.support.reference"
local cjson = require "cjson"

local function lines(text, format)
  return reference.lines_of(assert(core.decode(text, format)))
end

local function fails(text, format, message, kind)
  local profile, err = core.decode(text, format)
  assert.is_nil(profile)
  assert.equal(kind or "decode", err.kind)
  assert.matches(message, err.message, 1, true)
  assert.is_true(err.where <= #text)
  return err
end

describe("folded stacks", function()
  it("are lines of a stack and a value", function()
    assert.same({ '0 "" 0 10', '1 "a" 3 10', '2 "b" 4 7', '3 "c" 3 3' },
      lines("a;b 1\na;b;c 3\na 3\na;b 3\n", "folded"))
  end)

  it("may end lines with CR, have comments, empty lines and no end of the last one", function()
    assert.same({ '0 "" 0 6', '1 "a" 0 6', '2 "b" 6 6' },
      lines("# perf\r\n\r\na;b 1\r\n  \n#\n\na;b\t2  \r\na;b 3", "folded"))
  end)

  it("may have blanks and numbers in names, since only the last number is the value", function()
    assert.same({ '0 "" 0 9', '1 "worker 12" 0 9', '2 "operator new (x)" 5 5', '2 "run 3" 4 4' },
      lines("worker 12;run 3 4\nworker 12;operator new (x) 5\n", "folded"))
  end)

  it("lose the marks of perf, which are not part of a name", function()
    assert.same({ '0 "" 0 10', '1 "a" 0 10', '2 "_[x]" 4 4', '2 "b" 3 6', '3 "" 3 3' },
      lines("a_[i];b_[k] 1\na;b_[j] 2\na;_[x] 4\na;b;_[k] 3\n", "folded"))
  end)

  it("know their frames again after a shorter or longer one", function()
    assert.same({ '0 "" 0 31', '1 "a" 1 23', '2 "" 0 4', '3 "b" 4 4', '2 "b" 2 10', '3 "c" 8 8',
      '2 "bc" 8 8', '1 "ab" 8 8' },
      lines("a 1\na;b 2\na;;b 4\na;b;c 8\na;bc 8\nab 8\n", "folded"))
  end)

  it("give an empty stack's value to the root", function()
    assert.same({ '0 "" 7 8', '1 "a" 1 1' }, lines(" 3\na 1\n4\n", "folded"))
  end)

  it("round fractions so that their sum is kept, and leave integers as they are", function()
    local text = {}
    for i = 1, 1000 do text[i] = ("f%d 0.3"):format(i) end
    text[1001] = "g 17"
    local profile = assert(core.decode(table.concat(text, "\n"), "folded"))
    assert.equal(317, profile.total)
    assert.equal(17, profile:find("^g$")[1].self)
    assert.same({ '0 "" 0 3', '1 "a" 3 3' }, lines("a 1.5\na 1.5\n", "folded"))
    assert.same({ '0 "" 0 1500000', '1 "a" 1500000 1500000' }, lines("a 1.5e+06\n", "folded"))
  end)

  it("are exact up to the limits of 64 bits", function()
    assert.equal(math.maxinteger, assert(core.decode("a 9223372036854775807\n")).total)
    assert.equal(2, fails("a 9223372036854775808\n", "folded", "64 bits").where)
    assert.equal(26, fails("a 9223372036854775807\nb;c 1\n", "folded", "64 bits").where)
  end)

  it("are refused where a line has no number, or a negative one", function()
    assert.equal(6, fails("a;b 1\na;c\n", "folded", "number").where)
    assert.equal(2, fails("a -1\n", "folded", "negative").where)
    fails("a 1x\n", "folded", "number")
    fails("a nan\n", "folded", "number")
    fails("a 0x10\n", "folded", "number")
  end)

  it("with two values on every line are a comparison, which a profile is not", function()
    local err = fails("a;b 1 2\na 3 4\n", nil, "diff", "unsupported")
    assert.equal(6, err.where)
    assert.equal(9, assert(core.decode("a;b 1 2\na 7\n")).total)
  end)

  it("without any line are an empty profile", function()
    assert.equal(0, assert(core.decode("# nothing\n\n", "folded")).total)
    assert.same({ '0 "" 0 1', '1 "b" 1 1' }, lines("a 0\nb 1\n", "folded"))
  end)
end)

describe("speedscope files", function()
  local frames = { { name = "main", file = "main.c", line = 3 }, { name = "work" },
    { name = "main", file = "main.c", line = 9 } }

  local function file(...)
    return cjson.encode { ["$schema"] = "https://www.speedscope.app/file-format-schema.json",
      shared = { frames = frames }, profiles = { ... } }
  end
  local function sampled(unit, samples, weights)
    return { type = "sampled", name = "s", unit = unit, startValue = 0, endValue = 1,
      samples = samples, weights = weights }
  end
  local function evented(unit, finish, ...)
    local events = {}
    for i, event in ipairs { ... } do
      events[i] = { type = event[1], frame = event[2], at = event[3] }
    end
    return { type = "evented", name = "e", unit = unit, startValue = 0, endValue = finish,
      events = events }
  end

  it("hold samples, root first", function()
    local text = file(sampled("none", { { 0, 1 }, { 2 }, { 0, 1 } }, { 3, 2, 4 }))
    assert.same({ '0 "" 0 9', '1 "main" 2 9 main.c 9', '2 "work" 7 7' }, lines(text))
  end)

  it("hold events, whose time goes to the stack that is open", function()
    local text = file(evented("milliseconds", 10, { "O", 0, 1 }, { "O", 1, 2.5 }, { "C", 1, 4 },
      { "C", 0, 5 }, { "O", 1, 8 }))
    local profile = assert(core.decode(text))
    assert.equal("nanoseconds", profile.unit)
    assert.same({ { "work", 3500000 }, { "main", 2500000 } }, {
      { (profile:top())[1].name, (profile:top())[1].self },
      { (profile:top())[2].name, (profile:top())[2].self } })
    assert.equal(4000000, (profile:top(1, { by = "total" }))[1].total)
  end)

  it("say their unit, and units of time are one", function()
    for unit, expected in pairs { nanoseconds = { "nanoseconds", 2 }, bytes = { "bytes", 2 },
      microseconds = { "nanoseconds", 2000 }, milliseconds = { "nanoseconds", 2000000 },
      seconds = { "nanoseconds", 2000000000 }, none = { "count", 2 } } do
      local profile = assert(core.decode(file(sampled(unit, { { 0 } }, { 2 }))))
      assert.same(expected, { profile.unit, profile.total })
    end
    fails(file(sampled("parsecs", { { 0 } }, { 2 })), nil, "unit")
  end)

  it("add up their profiles of one unit and leave the others out", function()
    local profile = assert(core.decode(file(sampled("seconds", { { 0 }, { 1 } }, { 1, 2 }),
      sampled("bytes", { { 0 } }, { 77 }),
      evented("nanoseconds", 5, { "O", 0, 0 }, { "C", 0, 5 }))))
    assert.equal(3000000005, profile.total)
  end)

  it("know files, and lines where they are asked for", function()
    local text = file(sampled("none", { { 0 }, { 2 } }, { 1, 2 }))
    local row = (assert(core.decode(text)):top())[1]
    assert.same({ "main.c", 9, 3 }, { row.file, row.line, row.self })
    local profile = assert(core.decode(text, "speedscope", { granularity = "line" }))
    assert.equal("line", profile.granularity)
    assert.equal(3, #profile)
  end)

  it("keep the sum of fractional weights", function()
    local samples, weights = {}, {}
    for i = 1, 999 do samples[i], weights[i] = { i % 2 }, 1 / 3 end
    assert.equal(333, assert(core.decode(file(sampled("none", samples, weights)))).total)
  end)

  it("are refused where they contradict themselves", function()
    local function refused(message, ...)
      fails(file(...), "speedscope", message)
    end
    refused("not in the list", sampled("none", { { 3 } }, { 1 }))
    refused("not in the list", sampled("none", { { -1 } }, { 1 }))
    refused("as many weights", sampled("none", { { 0 } }, { 1, 2 }))
    refused("as many weights", sampled("none", { { 0 }, { 0 } }, { 1 }))
    refused("negative", sampled("none", { { 0 } }, { -1 }))
    refused("64 bits", sampled("none", { { 0 } }, { 1e19 }))
    refused("64 bits", sampled("none", { { 0 }, { 1 } }, { 9e18, 9e18 }))
    refused("innermost", evented("none", 5, { "O", 0, 0 }, { "C", 1, 5 }))
    refused("innermost", evented("none", 5, { "C", 1, 5 }))
    refused("order of time", evented("none", 5, { "O", 0, 5 }, { "C", 0, 4 }))
    refused("neither", evented("none", 5, { "X", 0, 5 }))
    refused("neither", { type = "other", unit = "none", name = "x" })
    refused("no samples", { type = "sampled", unit = "none" })
    fails('{"profiles":[]}', "speedscope", "shared")
    fails('{"shared":{"frames":[]},"profiles":[]}', "speedscope", "no profile", "no_data")
    fails('{"shared":{"frames":[{}]},"profiles":[]}', "speedscope", "no name")
  end)

  it("may have their keys in any order", function()
    local text = '{"profiles":[{"weights":["1.5",2.5],"samples":[[1],[0,1]],"x":{},"unit":' ..
      '"milliseconds","type":"sampled"}],"shared":{"y":[],"frames":[{"line":null,"name":"a\\n"},' ..
      '{"col":1,"name":"b","file":null}]},"exporter":"x"}'
    assert.same({ '0 "" 0 4000000', '1 "a\\\n" 0 2500000', '2 "b" 2500000 2500000',
      '1 "b" 1500000 1500000' }, lines(text))
  end)
end)

describe("what bytes are", function()
  it("is guessed from their content", function()
    for text, expected in pairs {
      ["a;b 1\n"] = "folded", ["# x\n\nmain 1.5"] = "folded", ["[unknown];x 3\n"] = "folded",
      ["{closure};x 3\r\n"] = "folded", ["<unknown>;x 3\n"] = "folded",
      ["x 3\nbroken\n"] = "folded",
      ["<!DOCTYPE html><html>"] = "html", ["\n <html lang=en>"] = "html",
      ['{"flamegraph":{"names":["total"]'] = "json", ['{"names":["total"],"levels":[]}'] = "json",
      ['{"flamegraph":{"names":[],"levels":[{"values":["0","1","2","0","3","4","0"]}]}}'] = "diff",
      ['{"version":1,"flamebearer":{"names":[],"levels":[[0,1,2,0,3,4,0]]}}'] = "diff",
      ['{"tree":"AAA="}'] = "json", ['{"profiles":[],"shared":{}}'] = "speedscope",
      ['{"$schema":"https://www.speedscope.app/file-format-schema.json","x'] = "speedscope",
      ['{"traceEvents":[]}'] = "chrome-trace", ['[{"ph":"X","name":"a"}]'] = "chrome-trace",
      ['{"nodes":[],"startTime":1,"timeDeltas":[]}'] = "chrome-trace",
      ["FLR\0\0\2\0\0"] = "jfr", ["PERFILE2abc"] = "perf",
      ["java 12 [000] 1.5: 1 cycles:\n\t    7f00 main (/bin/x)\n"] = "perf",
      ["\0\0\2\4main\1\0\2gc\5\0"] = "tree", ["\0\0\0"] = "tree",
      ["\0\0\2\4main\1\0\2g"] = "tree", -- cut off, and the decoder will say so
      ["\10\4\8\1\16\2\18\2\16\1\50\0\50\1x"] = "pprof", ["\10\0\50\0\90\0"] = "pprof",
      ["\31\139\8\0"] = "gzip",
    } do
      assert.equal(expected, core.guess(text), text)
    end
  end)

  it("is not guessed where they are none of it", function()
    for _, text in ipairs { "", " ", "{", "{}", "[]", "null", '{"code":"internal","message":"x"}',
      '{"status":"success","data":[]}', "hello world\n", "\0", "\0\1\2\3", "\10\5total\18\0",
      "\255\254\0\1", "\127ELF\2\1\1", "PK\3\4", "error: not found", "<svg></svg>" } do
      assert.is_nil(core.guess(text), text)
    end
  end)

  it("leaves no handle behind", function()
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)
end)
