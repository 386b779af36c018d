local index = require "pyroscope.cli.index"
local options = require "pyroscope.cli.options"
local flags = require "pyroscope.cli.flags"

local top = index.load "top"
local diff = index.load "diff"

local function parse(command, line)
  local words = {}
  for word in line:gmatch "%S+" do words[#words + 1] = word end
  return options.parse(command, words)
end

local function fails(command, line)
  local values, err = parse(command, line)
  assert.is_nil(values, line)
  assert.equal("usage", err.kind)
  return err.message
end

describe("options of the command line", function()
  it("are one schema: every command loads, its flags exist, no spelling twice", function()
    for _, name in ipairs(index.names()) do
      local command = index.load(name)
      local seen = {}
      for _, section in ipairs(options.sections(command)) do
        for _, flag in ipairs(section.flags) do
          for _, spelling in ipairs(flag) do
            assert.is_nil(seen[spelling], name .. " " .. spelling)
            assert.is_truthy(spelling:match "^%-%a$" or spelling:match "^%-%-%l[%l-]+$", spelling)
            seen[spelling] = true
          end
          assert.is_string(flag.help)
          assert.is_true(flag.value == nil or flag.value ~= "")
        end
      end
      assert.is_string(command.summary)
    end
  end)

  it("take a negative time as a value in every position", function()
    local values = assert(parse(diff, "prod/checkout -2h -1h -30m now"))
    assert.same({ "prod/checkout", "-2h", "-1h", "-30m", "now" }, values.items)
    values = assert(parse(diff, "-2h prod/checkout -1h30m -30m now -n 5"))
    assert.same({ "-2h", "prod/checkout", "-1h30m", "-30m", "now" }, values.items)
    assert.equal("-2h", assert(parse(top, "--from -2h --to -1h x")).from)
    assert.equal("-1h", assert(parse(top, "x --from=-2h --to=-1h")).to)
    assert.equal("-2h..-1h", assert(parse(diff, "--before -2h..-1h --after -1h..now x")).before)
    assert.equal("a=b@-2h..-1h", assert(parse(diff, "--after a=b@-2h..-1h x")).after)
    assert.equal("2h", assert(parse(top, "--since -2h")).since)
    assert.equal("-2h", assert(parse(top, "--around -2h")).around)
  end)

  it("take a negative time as a value of every flag that takes a time", function()
    for _, group in ipairs(flags.groups) do
      for _, flag in ipairs(group) do
        if flag.kind == "time" then
          for _, spelling in ipairs(flag) do
            for _, line in ipairs { spelling .. " -2h", spelling .. "=-2h" } do
              assert.equal("-2h", assert(parse(top, line))[flag.name], line)
            end
          end
        end
      end
    end
  end)

  it("have second names with the same meaning (GCX-31)", function()
    assert.equal("1h", assert(parse(top, "--range 1h")).since)
    assert.equal("-2h", assert(parse(top, "--start -2h")).from)
    assert.equal("now", assert(parse(top, "--end now")).to)
    assert.equal("cpu", assert(parse(top, "--profile-type cpu")).type)
    assert.equal("{}", assert(parse(top, "--expr {}")).selector)
    assert.equal("{}", assert(parse(top, "--selector {}")).selector)
    assert.equal(7, assert(parse(top, "--limit 7")).limit)
    assert.equal("json", assert(parse(top, "--json")).format)
    assert.equal("json", assert(parse(top, "-o json --json")).format)
    assert.same({ "a" }, assert(parse(top, "--stacktrace-selector a")).call_site)
  end)

  it("read labels with every operator, several of them", function()
    local values = assert(parse(top, "-l a=b -l c!=d --label e=~f.* -l g!~h x=y"))
    assert.same({ { name = "a", op = "=", value = "b" }, { name = "c", op = "!=", value = "d" },
      { name = "e", op = "=~", value = "f.*" }, { name = "g", op = "!~", value = "h" } },
      values.labels)
    assert.matches("^%-l: ", fails(top, "-l nothing"))
  end)

  it("say what is wrong and name what was meant", function()
    assert.matches("did you mean '%-%-since'", fails(top, "--sinse 1h"))
    assert.matches("did you mean '%-%-focus'", fails(top, "--focsu x"))
    assert.matches("unknown option '%-x'", fails(top, "-x"))
    assert.matches("^%-%-since: 'abc' is not a duration", fails(top, "--since abc"))
    assert.matches("^%-%-from: 'nope' is not a time", fails(top, "--from nope"))
    assert.matches("^%-%-tz: 'Europe/Berlin'", fails(top, "--tz Europe/Berlin"))
    assert.matches("^%-n: 'x'", fails(top, "-n x"))
    assert.matches("^%-n: '%-5'", fails(top, "-n -5"))
    assert.matches("^%-%-max%-nodes: '0'", fails(top, "--max-nodes 0"))
    assert.matches("^%-o: 'top' does not write 'jsn' %(did you mean 'json'", fails(top, "-o jsn"))
    assert.matches("^%-%-unit: unknown value 'core' %(did you mean 'cores'",
      fails(top, "--unit core"))
    assert.matches("^%-%-span%-id:", fails(top, "--span-id 12"))
    assert.matches("^%-%-trace%-id:", fails(top, "--trace-id xyz"))
    assert.matches("^%-%-profile%-id:", fails(top, "--profile-id 7"))
    assert.matches("^%-%-fail%-over:", fails(diff, "--fail-over much"))
    assert.matches("^%-%-per%-request:", fails(diff, "--per-request 1"))
    assert.matches("^%-%-budget:", fails(top, "--budget lots"))
    assert.matches("requires an argument", fails(top, "--since"))
  end)

  it("refuse what excludes each other", function()
    fails(top, "--since 1h --from -2h")
    fails(top, "--around now --since 1h")
    fails(top, "--window 10m")
    fails(top, "--json -o csv")
    fails(top, "--force")
    local span, trace = "--span-id 00000000000000ab", "--trace-id " .. ("0a"):rep(16)
    fails(top, span .. " " .. trace)
    fails(top, span .. " --call-site main")
    fails(top, trace .. " --profile-id 00000000-0000-0000-0000-000000000001")
  end)

  it("keep what stands behind -- as it is", function()
    local values = assert(parse(top, "-n 3 -- --json"))
    assert.equal("--json", values.target)
    assert.is_nil(values.format)
  end)

  it("read percentages, sizes and factors", function()
    assert.equal(0.05, assert(parse(diff, "--fail-over 5%")).fail_over)
    assert.equal(0.05, assert(parse(diff, "--fail-over 5")).fail_over)
    assert.equal(65536, assert(parse(top, "--budget 64k")).budget)
    assert.same({ 1200, 1500 }, assert(parse(diff, "--per-request 1200,1500")).per_request)
    assert.equal(3, assert(parse(top, "-vv -v")).verbose)
  end)
end)
