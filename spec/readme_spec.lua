-- What the README and the help show is what a reader may type: every command line is accepted, and
-- what is printed under one is printed.

local cli = require "spec.support.cli"
local index = require "pyroscope.cli.index"
local process = require "spec.support.process"
local world = require "spec.support.world"

local function contents(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local readme = contents "README.md"

-- Fenced blocks of a language, "" for those without one.
local function blocks(language)
  local list = {}
  for name, text in readme:gmatch "\n```(%w*)\n(.-)\n```" do
    if name == language then list[#list + 1] = text end
  end
  return list
end

describe("the README", function()
  it("shows what its commands print", function()
    local seen = 0
    for _, block in ipairs(blocks "") do
      local line, expected = block:match "^%$ %./pscope ([^\n]*)\n(.*)$"
      if line then
        local words = {}
        for word in line:gmatch "%S+" do words[#words + 1] = word end
        local out, err, code = cli.run(words, { folder = cli.root })
        assert.equal("", err)
        assert.equal(0, code)
        assert.equal(expected .. "\n", out)
        seen = seen + 1
      end
    end
    assert.is_true(seen > 0)
  end)

  it("has a program that runs, against a store in place of a server", function()
    local program = assert(blocks "lua"[1])
    program = program:gsub("pyroscope%.connect %b{}", 'pyroscope.open "examples/data/cpu-hotspot/"')
    local lines = {}
    local chunk = assert(load(program, "README", "t", setmetatable({
      print = function(text) lines[#lines + 1] = text end }, { __index = _G })))
    chunk()
    assert.equal(10, #lines)
    assert.matches("^ 18%.5%%  shop%.example/checkout/catalog%.fieldNorm  .+/score%.go:%d+$", lines[1])
  end)
end)

describe("a command line of the README and the help", function()
  local here, server, environment

  local function write(path, text, mode)
    local file = assert(io.open(here .. "/" .. path, "wb"))
    file:write(text)
    file:close()
    if mode then assert(os.execute(("chmod %s %s/%s"):format(mode, here, path))) end
  end

  setup(function()
    here = cli.folder()
    assert(os.execute(("mkdir -p %s/incident %s/bin %s/c/pyroscope %s/.zfunc %s/examples"):format(here,
      here, here, here, here)))
    -- a world of the last two hours
    local noon, hour = world.noon, world.from_ms - world.noon
    world.noon = os.time() * 1000 - 2 * hour + 60000
    world.from_ms, world.to_ms = world.noon + hour, world.noon + 2 * hour
    world.write(here .. "/incident")
    world.noon, world.from_ms, world.to_ms = noon, noon + hour, noon + 2 * hour
    server = process.start("spec/support/querier.lua", here .. "/incident")
    write("c/pyroscope/config.toml", ('[pyroscope]\ndefault = "prod"\n'
      .. '[pyroscope.deployments.prod]\nurl = "%s"\n[pyroscope.deployments.staging]\nurl = "%s"\n')
      :format(server.url, server.url), 600)
    environment = cli.environment { HOME = here, XDG_CONFIG_HOME = here .. "/c", BROWSER = "true",
      EDITOR = "true", PATH = here .. "/bin:" .. os.getenv "PATH" }
    write("bin/pscope", ('#!/bin/sh\nexec %s "$@"\n'):format(cli.command {}), 700)
    write("bin/pprof", "#!/bin/sh\nexit 0\n", 700)
    for _, name in ipairs { "cpu.pb.gz", "base.pb.gz", "head.pb.gz" } do
      assert(os.execute(("cp %s/incident/after.pb %s/%s"):format(here, here, name)))
    end
    assert(os.execute(("cp examples/*.lua %s/examples && cp examples/own_recipe.lua %s/mine.lua")
      :format(here, here)))
    for _, name in ipairs { "query.json", "dashboard.yaml" } do
      local out = cli.run({ "link", "checkout", "--source", server.url, "--as", "perses" })
      write(name, out)
    end
  end)

  teardown(function()
    server:stop()
    cli.clean()
  end)

  -- Nothing that is shown is a mistake of usage or ends the program; what is invented for a line
  -- need not be in this world, and nobody listens at a server's usual port.
  local fine = { [0] = true, [6] = true, [7] = true, [10] = true, [11] = true }

  local function accepted(line)
    -- new files and folders, beside those that are read
    line = line:gsub("%-%-out incident$", "--out kept"):gsub("%-%-out cpu.pb.gz", "--out new.pb.gz")
    line = line:gsub("| source$", "| cat") -- a word of fish
    local errors = here .. "/errors"
    local pipe = assert(io.popen(("cd %s && %s bash -c %s 2>%s"):format(here, environment,
      cli.quote("set -o pipefail; " .. line), errors)))
    pipe:read "a"
    local _, _, code = pipe:close()
    assert.is_true(fine[code] or (line:find "| head" and code == 141),
      ("%s\nended with %d\n%s"):format(line, code, contents(errors)))
    os.execute(("rm -rf %s/kept %s/kept.partial; rm -f %s/new.pb.gz %s/*.html"):format(here, here,
      here, here))
  end

  it("of the README is accepted", function()
    local seen = 0
    for line in readme:gmatch "`(pscope [^`\n]+)`" do
      accepted(line)
      seen = seen + 1
    end
    assert.is_true(seen > 20)
  end)

  it("of the help of a command is accepted", function()
    local seen = 0
    for _, name in ipairs(index.names()) do
      local command = index.load(name)
      assert.is_true(command.name ~= name or #(command.examples or {}) > 0, name)
      for _, line in ipairs(command.name == name and command.examples or {}) do
        local yaml = line:find("dashboard.yaml", 1, true) and not pcall(require, "lyaml")
        local shape = line:find("...", 1, true) -- shows where something has to stand
        if not yaml and not shape and not line:find "^pscope config init" then
          accepted(line)
          seen = seen + 1
        end
      end
    end
    assert.is_true(seen > 60)
  end)
end)
