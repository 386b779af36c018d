-- Files for speedscope: read back, against the schema of its own package.

local cjson = require "cjson"
local core = require "pyroscope.core"
local trees = require "spec.support.trees"
local writer = require "spec.support.pprof_writer"

local package = "build/npm/node_modules/speedscope/dist/release"
local schema = package .. "/file-format-schema.json"

local function has(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

-- What the schema says of files; "" if all are valid.
local function complaints(texts)
  local list = {}
  for i, text in ipairs(texts) do
    local path = os.tmpname()
    local f = assert(io.open(path, "wb"))
    f:write(text)
    f:close()
    list[i] = path
  end
  local pipe = assert(io.popen(([[python3 -c '
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
for path in sys.argv[2:]:
    for error in jsonschema.Draft7Validator(schema).iter_errors(json.load(open(path))):
        print(error.message[:200])
' %s %s 2>&1]]):format(schema, table.concat(list, " "))))
  local said = pipe:read "a"
  pipe:close()
  for _, path in ipairs(list) do os.remove(path) end
  return said
end

describe("a speedscope file (SPD-01, E-11)", function()
  after_each(function() assert.equal(0, trees.nothing_alive()) end)

  it("holds the tree as events in order, each frame once", function()
    local profile = assert(core.decode("main 1\nmain;b 2\nmain;b;c 3\nmain;a 4\nmain;b;c;b 5\n"))
    local file = cjson.decode(profile:render("speedscope", { unit = "nanoseconds" }))
    local names = {}
    for i, frame in ipairs(file.shared.frames) do names[i] = frame.name end
    assert.same({ "main", "a", "b", "c" }, names)
    assert.equal(1, #file.profiles)
    local one = file.profiles[1]
    assert.same({ "evented", "nanoseconds", 0, 15 },
      { one.type, one.unit, one.startValue, one.endValue })
    local said = {}
    for i, event in ipairs(one.events) do
      said[i] = event.type .. " " .. names[event.frame + 1] .. " " .. ("%d"):format(event.at)
    end
    assert.same({ "O main 0", "O a 0", "C a 4", "O b 4", "O c 4", "O b 4", "C b 9", "C c 12",
      "C b 14", "C main 15" }, said)
  end)

  it("keeps values without a stack, units, lines, and says what is a plain number", function()
    local profile = assert(core.decode(writer.pprof { types = { { "alloc", "bytes" } },
      samples = { { stack = { { "f", "/a/b.go", 7 } }, values = { 10 } },
        { stack = {}, values = { 5 } } } }))
    local file = cjson.decode(profile:render "speedscope")
    assert.equal("bytes", file.profiles[1].unit)
    assert.same({ name = "f", file = "/a/b.go", line = 7 }, file.shared.frames[1])
    assert.same({ 5 }, file.profiles[2].weights)
    local again = assert(core.decode(profile:render "speedscope"))
    assert.same(trees.of(profile), trees.of(again))
    file = cjson.decode(profile:render("speedscope", { unit = "goroutines" }))
    assert.equal("none", file.profiles[1].unit)
  end)

  it("is chosen by its extension, and by -o", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)))
    local profile = trees.profile(trees.stacks(3))
    assert.is_true(profile:save(folder .. "/x.speedscope.json"))
    assert.equal(profile:render "speedscope", trees.read(folder .. "/x.speedscope.json"))
    assert(profile:save(folder .. "/x.folded"))
    assert(os.execute(("./pscope export %s/x.folded --out %s/y.speedscope.json 2>/dev/null")
      :format(folder, folder)))
    assert(os.execute(("./pscope export %s/x.folded -o speedscope > %s/z"):format(folder, folder)))
    for _, name in ipairs { "y.speedscope.json", "z" } do
      assert.same(trees.of(profile),
        trees.of(assert(core.decode(trees.read(folder .. "/" .. name), "speedscope"))), name)
    end
    assert(os.execute(("rm -r '%s'"):format(folder)))
  end)

  it("holds stacks of any depth in two events a frame", function()
    local frames = {}
    for i = 1, 5000 do frames[i] = "f" .. i % 7 end
    local profile = trees.profile { { frames = frames, value = 3 } }
    local bytes = profile:render "speedscope"
    assert.is_true(#bytes < 5000 * 100)
    assert.same(trees.of(profile), trees.of(assert(core.decode(bytes))))
  end)

  it("is valid by the schema that speedscope ships", function()
    if not has(schema) then
      pending "needs speedscope's npm package (npm is not installed, or was offline)"
      return
    end
    local texts = {}
    for seed = 1, 5 do texts[seed] = trees.profile(trees.stacks(seed)):render "speedscope" end
    texts[6] = assert(core.decode("", "tree")):render "speedscope"
    texts[7] = assert(core.decode(writer.pprof { types = { { "a", "bytes" } }, samples = {
      { stack = { { '<"\0\255>', "/x\n", 1 } }, values = { 1 } }, { stack = {}, values = { 2 } } } }))
      :render "speedscope"
    assert.equal("", complaints(texts))
    assert.is_truthy(complaints { (texts[1]:gsub('"evented"', '"else"')) } ~= "")
  end)
end)
