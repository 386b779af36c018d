-- Recognisable secrets in every place where one may stand; everything that any command prints,
-- writes or keeps is searched for them.

local cli = require "spec.support.cli"
local index = require "pyroscope.cli.index"
local process = require "spec.support.process"
local world = require "spec.support.world"

local SECRETS = { "s3cretTokenAAAA1111", "s3cretPasswordBBBB2222", "s3cretHeaderCCCC3333",
  "s3cretAccessDDDD4444", "s3cretUserinfoEEEE5555", "s3cretTokenFileFFFF6666",
  "s3cretEnvironmentGGGG7777", "s3cretPersesHHHH8888", "s3cretCommandIIII9999" }

describe("secrets", function()
  local here, server, seen

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir -p " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world")
    local function write(name, text)
      local file = assert(io.open(here .. "/" .. name, "w"))
      file:write(text)
      file:close()
      os.execute("chmod 600 " .. here .. "/" .. name)
    end
    write("token", "s3cretTokenFileFFFF6666\n")
    write("access.sh", "#!/bin/sh\necho s3cretCommandIIII9999\n")
    os.execute("chmod 700 " .. here .. "/access.sh")
    local port = server.port
    write("config.toml", ([[
[pyroscope]
default = "token"
[pyroscope.deployments.token]
url = "http://127.0.0.1:%d"
token = "s3cretTokenAAAA1111"
headers = { "X-Api-Key" = "s3cretHeaderCCCC3333" }
[pyroscope.deployments.basic]
url = "http://127.0.0.1:%d"
username = "somebody"
password = "s3cretPasswordBBBB2222"
[pyroscope.deployments.cf]
url = "http://127.0.0.1:%d"
cf_access_client_id = "id.access"
cf_access_client_secret = "s3cretAccessDDDD4444"
[pyroscope.deployments.userinfo]
url = "http://user:s3cretUserinfoEEEE5555@127.0.0.1:%d"
[pyroscope.deployments.file]
url = "http://127.0.0.1:%d"
token_file = "%s/token"
[pyroscope.deployments.command]
url = "http://127.0.0.1:%d"
access_command = "%s/access.sh token"
[pyroscope.deployments.refused]
url = "http://127.0.0.1:%d/@401"
token = "s3cretTokenAAAA1111"
[pyroscope.deployments.page]
url = "http://127.0.0.1:%d/@html"
password = "s3cretPasswordBBBB2222"
username = "somebody"
[pyroscope.deployments.dead]
url = "http://user:s3cretUserinfoEEEE5555@127.0.0.1:1"
[pyroscope.deployments.grafana]
grafana = "http://127.0.0.1:%d"
datasource = "abc"
token = "s3cretTokenAAAA1111"
[pyroscope.deployments.perses]
perses = "%s/ds.json"
]]):format(port, port, port, port, port, here, port, here, port, port, port, here))
    write("ds.json", ([[{"kind":"PyroscopeDatasource","spec":{"proxy":{"kind":"HTTPProxy","spec":{
"url":"http://127.0.0.1:%d","headers":{"Authorization":"Bearer s3cretPersesHHHH8888"}}}}}]])
      :format(port))
    seen = {}
  end)
  teardown(function()
    server:stop()
    cli.clean()
  end)

  local DEPLOYMENTS = { "token", "basic", "cf", "userinfo", "file", "command", "refused", "page",
    "dead", "grafana", "perses" }
  local WINDOW = " --from 2025-11-20T14:00:00Z --to 2025-11-20T15:00:00Z"

  -- A command line of every command that asks a source; the rest are asked once.
  local LINES = {
    services = "services --source S" .. WINDOW, types = "types --source S" .. WINDOW,
    labels = "labels --source S" .. WINDOW, versions = "versions checkout --source S" .. WINDOW,
    top = "top checkout --source S" .. WINDOW, tree = "tree checkout --source S" .. WINDOW,
    peek = "peek runtime.mallocgc checkout --source S" .. WINDOW,
    traces = "traces checkout --source S" .. WINDOW,
    list = "list price checkout --source S" .. WINDOW,
    series = "series checkout --source S" .. WINDOW,
    exemplars = "exemplars checkout --source S" .. WINDOW,
    diff = "diff checkout --source S -2h -1h -1h now",
    export = "export checkout --source S -o folded" .. WINDOW,
    investigate = "investigate cpu checkout --source S" .. WINDOW,
    capture = "capture checkout --source S --out OUT" .. WINDOW,
    link = "link checkout --source S" .. WINDOW, doctor = "doctor S", discover = "discover S",
    stats = "stats S", call = "call LabelNames --source S", config = "config show S",
    use = "use S/checkout",
  }
  -- Those that have no source, start other programs, or are scripts.
  local WITHOUT = { run = true, completion = true, help = true, version = true, open = true,
    perses = true, flame = true, recipes = true }

  local function check(what, ...)
    for _, text in ipairs { ... } do
      for _, secret in ipairs(SECRETS) do
        assert.is_nil(text:find(secret, 1, true), what .. " shows " .. secret .. ":\n" .. text)
      end
    end
  end

  it("have a command line here for every command that asks", function()
    for _, section in ipairs(index.sections) do
      for _, entry in ipairs(section[2]) do
        assert.is_truthy(LINES[entry[1]] or WITHOUT[entry[1]], entry[1] .. " is not watched")
      end
    end
  end)

  for name, line in pairs(LINES) do
    it("are not in what " .. name .. " prints, for any way of keeping them", function()
      for _, deployment in ipairs(DEPLOYMENTS) do
        for _, extra in ipairs { "", " --explain -vv" } do
          local words = {}
          for word in (line .. extra):gmatch "%S+" do
            word = word == "S" and deployment or word == "OUT" and "kept" .. #seen or word
            words[#words + 1] = word:gsub("^S/", deployment .. "/")
          end
          table.move({ "--config", "config.toml" }, 1, 2, #words + 1, words)
          if not (name == "use" and extra ~= "") and not (name == "config" and extra ~= "") then
            local out, err = cli.run(words, { folder = here, env = { NO_COLOR = "1" } })
            seen[#seen + 1] = out
            check(table.concat(words, " "), out, err)
            if name == "capture" then
              local pipe = assert(io.popen(("cat %s/kept%d*/*.json* 2>&1"):format(here, #seen - 1)))
              check("the bundle", pipe:read "a")
              pipe:close()
            end
          end
        end
      end
    end)
  end

  it("are not in errors as JSON", function()
    for _, deployment in ipairs(DEPLOYMENTS) do
      local out, err = cli.run({ "top", "checkout", "--source", deployment, "--config", "config.toml",
        "--json" }, { folder = here })
      check(deployment, out, err)
    end
  end)

  it("of the environment stay there", function()
    for _, words in ipairs { { "doctor" }, { "config", "show" }, { "top", "checkout", "--explain" },
      { "top", "checkout", "--json" } } do
      for _, env in ipairs {
        { PYROSCOPE_URL = server.url, PYROSCOPE_TOKEN = "s3cretEnvironmentGGGG7777" },
        { PYROSCOPE_URL = server.url .. "/@401", PYROSCOPE_USERNAME = "u",
          PYROSCOPE_PASSWORD = "s3cretEnvironmentGGGG7777" },
        { PROFILECLI_URL = server.url, PROFILECLI_TOKEN = "s3cretEnvironmentGGGG7777" } } do
        local out, err = cli.run(words, { folder = here, env = env })
        check(table.concat(words, " "), out, err)
      end
    end
  end)

  it("in a URL on the command line are the user's, and are not repeated", function()
    local url = server.url:gsub("://", "://user:s3cretUserinfoEEEE5555@")
    for _, line in ipairs { "top checkout --explain -vv --source ", "link checkout --source ",
      "doctor ", "top nobody --source " } do
      local words = {}
      for word in line:gmatch "%S+" do words[#words + 1] = word end
      words[#words + 1] = url
      local out, err = cli.run(words, { folder = here })
      check(line, out, err)
    end
  end)

  it("are in no file that a command writes", function()
    assert(os.execute("mkdir -p " .. here .. "/out"))
    for _, format in ipairs { "pprof", "folded", "json", "speedscope", "svg", "dot" } do
      cli.run({ "export", "checkout", "--source", "token", "--config", "config.toml", "-o", format,
        "--out", "out/x." .. format, "--from", "2025-11-20T14:00:00Z", "--to",
        "2025-11-20T15:00:00Z" }, { folder = here })
    end
    local pipe = assert(io.popen(("cd '%s' && zcat -f out/* $(find . -path ./world -prune -o -type f "
      .. "-print | grep -v -e config.toml -e token -e access.sh -e ds.json) 2>/dev/null"):format(here)))
    local text = pipe:read "a"
    pipe:close()
    assert.is_true(#text > 1000)
    check("a written file", text)
    -- nor in what is remembered beside it
    local home = assert(io.popen("cat $(find ${HOME:-/nowhere}/.cache/pyroscope -type f 2>/dev/null) "
      .. "/dev/null"))
    check("a kept file", home:read "a")
    home:close()
    assert.is_true(#seen > 0)
  end)

  it("are not arguments of programs that are started", function()
    local log = here .. "/arguments"
    local file = assert(io.open(here .. "/access.sh", "w"))
    file:write("#!/bin/sh\nprintf '%s\\n' \"$0 $*\" >>" .. log .. "\necho s3cretCommandIIII9999\n")
    file:close()
    cli.run({ "types", "--source", "command", "--config", "config.toml" }, { folder = here })
    local arguments = assert(io.open(log)):read "a"
    assert.matches("http://127.0.0.1", arguments)
    check("a command line", arguments)
  end)
end)
