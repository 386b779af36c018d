-- Filters by the labels of samples, with pprof's words and meaning.

local cli = require "spec.support.cli"
local pyroscope = require "pyroscope"
local writer = require "spec.support.pprof_writer"

local SAMPLE = "examples/data/cpu-hotspot"

local function store_of(samples)
  local folder = cli.folder()
  local file = assert(io.open(folder .. "/x.pb", "wb"))
  file:write(writer.pprof { types = { { "cpu", "nanoseconds" } }, samples = samples,
    time_ms = 1763643600000, duration_ms = 1000 })
  file:close()
  return assert(pyroscope.open(folder .. "/x.pb"))
end

describe("filters by labels", function()
  local store
  setup(function()
    store = store_of {
      { stack = { "a" }, values = { 1 }, labels = { region = "eu", kind = "cart" } },
      { stack = { "b" }, values = { 10 }, labels = { region = "us", kind = "search" } },
      { stack = { "c" }, values = { 100 }, labels = { region = "eu" } },
      { stack = { "d" }, values = { 1000 } },
    }
  end)
  teardown(function()
    store:close()
    cli.clean()
  end)

  local function sum(options)
    options.type = "cpu"
    local profile, err = store:profile(options)
    return profile and profile.sum or 0, err
  end

  it("keep samples with a label that matches, of key:value without a key", function()
    assert.equal(101, (sum { tagfocus = "eu" }))
    assert.equal(101, (sum { tagfocus = "region:eu" }))
    assert.equal(111, (sum { tagfocus = "region" }))
    assert.equal(11, (sum { tagfocus = "kind:" }))
    assert.equal(0, (sum { tagfocus = "^eu$" })) -- the key is in front
  end)

  it("look at one key where it is named, any of several expressions", function()
    assert.equal(101, (sum { tagfocus = "region=^eu$" }))
    assert.equal(111, (sum { tagfocus = "region=eu,us" }))
    assert.equal(0, (sum { tagfocus = "zone=eu" }))
  end)

  it("demand every expression of a list without a key", function()
    assert.equal(1, (sum { tagfocus = "region:eu,kind:cart" }))
    assert.equal(0, (sum { tagfocus = "region:eu,region:us" }))
  end)

  it("leave samples out, and both together are what is left of both", function()
    assert.equal(1010, (sum { tagignore = "eu" }))
    assert.equal(1000, (sum { tagignore = "region" }))
    assert.equal(100, (sum { tagfocus = "region=eu", tagignore = "kind" }))
    assert.equal((sum {}), (sum { tagfocus = "eu" }) + (sum { tagignore = "eu" }))
  end)

  it("say so when nothing is left, and put a caret under a bad expression", function()
    local _, err = sum { tagfocus = "mars" }
    assert.equal("no_data", err.kind)
    assert.matches("tagfocus 'mars'", err.message)
    _, err = sum { tagfocus = "region=a(b" }
    assert.equal("usage", err.kind)
    assert.matches("region=a%(b\n +%^", err.hint)
  end)

  it("need samples: a tree has none", function()
    local folder = cli.folder()
    local file = assert(io.open(folder .. "/x.folded", "w"))
    file:write "a;b 1\n"
    file:close()
    local tree = assert(pyroscope.open(folder .. "/x.folded"))
    local profile, err = tree:profile { tagfocus = "eu" }
    assert.is_nil(profile)
    assert.equal("unsupported", err.kind)
    tree:close()
  end)

  it("are flags of every command that shows a profile", function()
    for _, line in ipairs { "top", "tree", "traces", "peek .", "list catalog", "export -o folded" } do
      local words = {}
      for word in line:gmatch "%S+" do words[#words + 1] = word end
      table.move({ "--source", "./" .. SAMPLE, "--tagfocus", "endpoint=/cart" }, 1, 4, #words + 1,
        words)
      local out, err, code = cli.run(words, { folder = cli.root })
      assert.equal(0, code, line .. err)
      assert.is_true(#out > 0)
    end
  end)

  it("mean what they mean in pprof, on real files", function()
    local pprof = require "spec.support.pprof_tool".find()
    if not pprof then pending "needs google/pprof" end
    local pipe = assert(io.popen(("ls %s/cpu/*/*.pb.gz %s/memory/*/*.pb.gz | awk 'NR %% 9 == 1'")
      :format(SAMPLE, SAMPLE)))
    local compared = 0
    for path in pipe:lines() do
      for _, tags in ipairs { { "tagfocus", "endpoint=/cart" }, { "tagfocus", "/search,endpoint" },
        { "tagignore", "endpoint" }, { "tagfocus", "bytes=1kb:64kb" }, { "tagignore", "bytes=:1kb" },
        { "tagfocus", "1mb:" }, { "tagfocus", "32b" }, { "tagignore", "512:1024" } } do
        local theirs = assert(io.popen(("%s -raw -%s='%s' %s 2>/dev/null"):format(pprof, tags[1],
          tags[2], path)))
        local text = theirs:read "a"
        theirs:close()
        local index = path:find "/memory/" and 4 or 2
        local whole = 0
        for values in text:gmatch "\n +([%d ]+): [%d ]+%f[\n]" do
          local n = 0
          for value in values:gmatch "%d+" do
            n = n + 1
            if n == index then whole = whole + math.tointeger(tonumber(value)) end
          end
        end
        local one = assert(pyroscope.open(path))
        local profile = one:profile { type = path:find "/memory/" and "memory" or "cpu", sum = true,
          [tags[1]] = tags[2] }
        assert.equal(whole, profile and profile.sum or 0, path .. " " .. tags[1] .. "=" .. tags[2])
        compared = compared + (whole > 0 and 1 or 0)
        one:close()
      end
    end
    pipe:close()
    assert.is_true(compared > 5)
  end)
end)
