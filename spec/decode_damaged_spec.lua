local core = require "pyroscope.core"

-- small answers in every encoding, and where each may be cut without being damaged
local examples = {
  { format = "json", bytes = [=[{"flamegraph":{"names":["total","m\u0061in","é"],"levels":[]=]
    .. [=[{"values":["0","15","0","0"]},{"values":["0","5","5","2","0","10","10","1"]}],]=]
    .. [=["total":"15"},"tree":"AAA="}]=] },
  { format = "json", bytes = [=[{"version":1,"flamebearer":{"names":["total","a"],"levels":]=]
    .. [=[[[0,15,0,0],[0,5,5,1,0,1e1,10,1]],"numTicks":15},"groups":null,"heatmap":[{},1.5]}]=] },
  { format = "json", bytes = '{"tree":"AAACBG1haW4BAAJnYwUA"}' },
  { format = "flamegraph", whole = true,
    bytes = "\10\5total\10\4main\10\2gc\18\7\10\5\0\143\1\0\0" ..
      "\18\12\10\10\0\5\5\2\0\138\1\138\1\1" },
  { format = "tree", bytes = "\0\0\2\4main\129\1\2\5parse\2\1\3lex\3\0\5alloc\4\0\2gc\5\0" },
  { format = "folded", whole = true,
    bytes = "# x\na;b 1\na;b;c_[k] 2.5\r\n\nmain;f oo 1e3\n;; 4\n" },
  { format = "speedscope", bytes = '{"$schema":"x","profiles":[{"type":"evented","unit":"seconds",'
    .. '"endValue":9,"events":[{"type":"O","frame":0,"at":0},{"type":"O","frame":1,"at":1.25},'
    .. '{"type":"C","frame":1,"at":4}]},{"type":"sampled","name":"s","unit":"microseconds",'
    .. '"samples":[[0,1],[],[1]],"weights":[1,0.5,"2"]}],"shared":{"frames":[{"name":"a","file":'
    .. '"f","line":3},{"name":"b\\n"}]}}' },
  { format = "diff", json = "json", bytes = [=[{"flamegraph":{"names":["total","a"],"levels":[]=]
    .. [=[{"values":["0","5","1","0","9","0","0"]},{"values":["1","1","1","0","2","2","1",]=]
    .. [=["0","3","3","0","7","7","1"]}],"leftTicks":"5"}}]=] },
  { format = "diff", json = "proto", whole = true,
    bytes = "\10\5total\10\1a\18\9\10\7\0\5\1\0\9\0\0\18\9\10\7\1\4\4\0\9\9\1" },
}

local function decode(example, bytes)
  if example.format == "diff" then return core.decode_diff(bytes, example.json) end
  return core.decode(bytes, example.format)
end

-- what was read is a tree whose values add up; what was not says where it is wrong
local function check(example, bytes)
  local handle, err = decode(example, bytes)
  if handle then
    if example.format ~= "diff" then
      local sum = 0
      for _, _, self in handle:walk() do
        assert(self >= 0)
        sum = sum + self
      end
      assert(sum == handle.total)
    end
    handle:close()
    return true
  end
  assert(err.kind == "decode" or err.kind == "unsupported" or err.kind == "limit" or
    err.kind == "no_data", err.kind)
  if not (err.where and err.where <= #bytes) then
    error(("%s, at %s, of %q"):format(err.message, err.where, bytes))
  end
  return false
end

describe("damaged answers", function()
  it("were whole before", function()
    for _, example in ipairs(examples) do assert.is_true(check(example, example.bytes)) end
  end)

  it("are refused wherever they are cut, or are whole answers by themselves", function()
    for _, example in ipairs(examples) do
      for n = 1, #example.bytes - 1 do
        local read = check(example, example.bytes:sub(1, n))
        assert(not read or example.whole, example.format .. " cut at " .. n)
      end
    end
  end)

  it("are read or refused, never worse, with any byte changed", function()
    for _, example in ipairs(examples) do
      local bytes = example.bytes
      for i = 1, #bytes do
        local before, after = bytes:sub(1, i - 1), bytes:sub(i + 1)
        for byte = 0, 255, example.format == "speedscope" and 5 or 1 do
          check(example, before .. string.char(byte) .. after)
        end
        check(example, before .. after)
        check(example, before .. bytes:sub(i, i) .. bytes:sub(i))
      end
    end
  end)

  it("are read or refused, never worse, by every decoder and by the guess", function()
    for _, example in ipairs(examples) do
      for _, other in ipairs(examples) do
        check({ format = other.format, json = other.json }, example.bytes)
      end
      for n = 0, #example.bytes do core.guess(example.bytes:sub(1, n)) end
    end
  end)

  it("leave no handle behind", function()
    collectgarbage()
    collectgarbage()
    assert.equal(0, core.live())
  end)
end)
