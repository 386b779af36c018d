local config = require "pyroscope.config"
local discovery = require "pyroscope.config.discovery"
local errors = require "pyroscope.errors"
local system = require "pyroscope.system"
local toml = require "pyroscope.config.toml"

describe("TOML", function()
  it("is read with every kind of string, number, table and comment (AX-07)", function()
    local values, lines = toml.parse([==[
# axiom-sre
top = 1 # one
  [pyroscope]
default = "prod"
	[pyroscope.deployments.prod]
url = "https://p.example.com" # trailing
password = 'lit\n"eral'
"quoted key" = "tab\t\u00e4"
  list = [ 1, 2, # comment
    3,
  ]
inline = { a = 1, b.c = "x" }
long = """
one
two \
   three"""
raw = '''
it's'''
numbers = [ 0xff, 0o17, 0b101, 1_000, -3, 1.5e3, +7 ]
flag = true
[[items]]
n = 1
[[items]]
n = 2
]==], "file.toml")
    local prod = values.pyroscope.deployments.prod
    assert.equal('lit\\n"eral', prod.password)
    assert.equal("tab\tä", prod["quoted key"])
    assert.same({ 1, 2, 3 }, prod.list)
    assert.same({ a = 1, b = { c = "x" } }, prod.inline)
    assert.equal("one\ntwo three", prod.long)
    assert.equal("it's", prod.raw)
    assert.same({ 255, 15, 5, 1000, -3, 1500.0, 7 }, prod.numbers)
    assert.is_true(prod.flag)
    assert.same({ { n = 1 }, { n = 2 } }, values.items)
    assert.equal(6, lines[prod].url)
    assert.equal(2, lines[values].top)
  end)

  it("reads CRLF and a byte order mark", function()
    local values = toml.parse("\239\187\191a = 1\r\nb = \"x\"\r\n", "f")
    assert.same({ a = 1, b = "x" }, values)
  end)

  local mistakes = {
    { "a = ", "1:5", "missing" }, { 'a = "x', "1:5", "does not end" },
    { "a = 1\na = 2", "2:1", "already defined" }, { "[a]\nb=1\n[a]", "3:2", "twice" },
    { "a b", "1:3", "'='" }, { "url = https://x", "1:7", "quotes" },
    { "a = 2020-01-01", "1:5", "dates" }, { "a = [1, 2", "1:10", "expected" },
    { "= 1", "1:1", "key" }, { "a = 1 b", "1:7", "line should end" }, { "[a", "1:3", "']'" },
    { "a = { b = 1 }\n[a.c]", "2:2", "already defined" }, { "a = 09", "1:5", "quotes" },
    { 'a = "\\q"', "1:6", "escape" }, { 'a = "\\ud800"', "1:6", "Unicode" },
    { "a = 0x1ffffffffffffffff", "1:5", "quotes" }, { "a.b = 1\na = 2", "2:1", "already" },
    { "x = \"a\nb\"", "1:5", "does not end" }, { "a = \"\1\"", "1:6", "control" },
  }
  for _, case in ipairs(mistakes) do
    it("has a mistake with line, column and caret in " .. ("%q"):format(case[1]), function()
      local values, err = toml.parse(case[1], "f.toml")
      assert.is_nil(values)
      assert.equal("config", err.kind)
      assert.matches("f.toml:" .. case[2] .. ": ", err.message, 1, true)
      assert.matches(case[3], err.message, 1, true)
      assert.matches("\n *%^$", err.hint)
    end)
  end

  it("never shows a secret in a mistake", function()
    for _, text in ipairs { 'token = "s3cr3tvalue\n', "password = s3cr3tvalue",
      'token "s3cr3tvalue"', 'cf_access_client_secret = "s3cr3tvalue" x',
      "url = http://me:s3cr3tvalue@host", 'headers = { a = "s3cr3tvalue", = 1 }',
      'x = "s3cr3tvalue\\q"', "access_command = [ 'a', s3cr3tvalue ]" } do
      local values, err = toml.parse(text, "f.toml")
      assert.is_nil(values, text)
      assert.is_nil(tostring(err):find("s3cr3tvalue", 1, true), tostring(err))
    end
  end)

  it("survives any truncation and any changed byte", function()
    local text = '[a]\nb = "c\\n" # d\n[[e.f]]\ng = [1, {h = \'i\'}]\nj = """k"""\n'
    for n = 0, #text do
      local values, err = toml.parse(text:sub(1, n), "f")
      assert.is_true(values ~= nil or errors.is(err))
      for _, byte in ipairs { "\0", '"', "[", "=", "\255", "\n" } do
        values, err = toml.parse(text:sub(1, n) .. byte .. text:sub(n + 2), "f")
        assert.is_true(values ~= nil or errors.is(err))
      end
    end
    local values, err = toml.parse("a = " .. ("["):rep(10000), "f")
    assert.is_nil(values)
    assert.matches("nested", err.message)
  end)
end)

describe("configuration", function()
  local home, variables

  local function env(name)
    return variables[name]
  end

  local function file(path, text, mode)
    assert(system.mkdir((home .. "/" .. path):match "^(.*)/"))
    assert(system.write_file(home .. "/" .. path, text, { force = true, mode = mode }))
    return home .. "/" .. path
  end

  local OWN, SRE = ".config/pyroscope/config.toml", ".config/axiom-sre/config.toml"

  local function load(options)
    options = options or {}
    options.env = env
    return config.load(options)
  end

  before_each(function()
    home = os.tmpname()
    os.remove(home)
    assert(system.mkdir(home))
    variables = { HOME = home }
  end)

  after_each(function() os.execute(("rm -rf '%s'"):format(home)) end)

  it("without anything is the server on this machine, with nothing secret", function()
    variables.PYROSCOPE_TOKEN = "env-token-0123456789"
    local found = assert(assert(load()):find())
    assert.equal("http://localhost:4040", found.values.url)
    assert.is_true(found.fallback)
    assert.is_nil(found.values.token)
    assert.matches("PYROSCOPE_TOKEN", found.warnings[1])
  end)

  it("reads axiom-sre's file as it stands (AX-02)", function()
    file(SRE, [[
[axiom.deployments.x]
token = "unrelated"
[pyroscope.deployments.prod]
url = "https://p.example.com"
access_command = "cloudflared access curl"
[pyroscope.deployments.cloud]
url = "https://c.example.com"
cf_access_client_id = "id.access"
cf_access_client_secret = "secret"
headers = { "X-A" = "b" }
[pyroscope.deployments.basic]
url = "https://b.example.com"
username = "u"
password = "p"
token = ""
]])
    local loaded = assert(load())
    assert.same({ "basic", "cloud", "prod" }, loaded:names())
    assert.equal("cloudflared access curl", assert(loaded:find "prod").values.access_command)
    assert.equal("secret", assert(loaded:find "cloud").values.cf_access_client_secret)
    assert.is_nil(assert(loaded:find "basic").values.token)
    assert.matches("axiom%-sre/config.toml line 4 %[pyroscope.deployments.prod%]",
      config.origin(assert(loaded:find "prod").origins.url, env))
  end)

  it("is found through SRE_CONFIG, SRE_CONFIG_DIR, PYROSCOPE_CONFIG, --config, XDG", function()
    local text = '[pyroscope.deployments.%s]\nurl = "http://%s"\n'
    file("a/sre.toml", text:format("a", "a"))
    file("b/config.toml", text:format("b", "b"))
    file("c.toml", text:format("c", "c"))
    file("xdg/pyroscope/config.toml", text:format("d", "d"))
    variables.SRE_CONFIG = home .. "/a/sre.toml"
    assert.same({ "a" }, assert(load()):names())
    variables.SRE_CONFIG, variables.SRE_CONFIG_DIR = nil, home .. "/b"
    assert.same({ "b" }, assert(load()):names())
    variables.PYROSCOPE_CONFIG = "~/c.toml"
    assert.same({ "b", "c" }, assert(load()):names())
    variables.PYROSCOPE_CONFIG, variables.XDG_CONFIG_HOME = nil, home .. "/xdg"
    assert.same({ "b", "d" }, assert(load()):names())
    assert.same({ "b", "c" }, assert(load { config = home .. "/c.toml" }):names())
    local loaded, err = load { config = home .. "/missing.toml" }
    assert.is_nil(loaded)
    assert.equal("config", err.kind)
    assert.matches("%-%-config", err.message)
  end)

  it("prefers our file, and keeps the first deployment of a name", function()
    file(OWN, '[pyroscope.deployments.prod]\nurl = "http://own"\ntoken = "own-token"\n')
    file(SRE, '[pyroscope.deployments.prod]\nurl = "http://sre"\npassword = "x"\n')
    local found = assert(assert(load()):find "prod")
    assert.equal("http://own", found.values.url)
    assert.is_nil(found.values.password)
  end)

  it("takes the environment before files, and a named deployment before both", function()
    file(OWN, '[pyroscope.deployments.prod]\nurl = "http://own"\ntoken = "own-token"\n'
      .. 'tenant_id = "t1"\n')
    variables.PYROSCOPE_URL, variables.PYROSCOPE_TOKEN = "http://env", "env-token"
    variables.PYROSCOPE_TENANT_ID = "t2"
    local loaded = assert(load())
    local found = assert(loaded:find())
    assert.equal("http://env", found.values.url)
    assert.equal("env-token", found.values.token)
    assert.equal("t2", found.values.tenant)
    found = assert(loaded:find "prod")
    assert.equal("http://own", found.values.url)
    assert.equal("own-token", found.values.token)
    assert.equal("t1", found.values.tenant)
    found = assert(loaded:find "http://flag")
    assert.same({ url = "http://flag" }, found.values)
  end)

  it("never sends a secret of one place to the URL of another", function()
    file(OWN, '[pyroscope.deployments.prod]\nurl = "http://own"\n')
    for _, secrets in ipairs { { PYROSCOPE_TOKEN = "s" }, { PYROSCOPE_PASSWORD = "s",
      PYROSCOPE_USERNAME = "u" }, { PROFILECLI_TOKEN = "s" }, { PYROSCOPE_ACCESS_COMMAND = "s" },
      { PYROSCOPE_ACCESS_CMD = "s" }, { PYROSCOPE_CF_ACCESS_CLIENT_SECRET = "s" } } do
      variables = { HOME = home }
      for name, value in pairs(secrets) do variables[name] = value end
      local found = assert(assert(load()):find())
      assert.equal("http://own", found.values.url)
      for _, value in pairs(found.values) do assert.not_equal("s", value) end
      assert.matches("not sent to prod", found.warnings[#found.warnings])
    end
    variables = { HOME = home, PYROSCOPE_URL = "http://env", PROFILECLI_TOKEN = "s" }
    assert.is_nil(assert(assert(load()):find()).values.token)
    local found, err = assert(load()):find(nil, { token_file = "/x" })
    assert.is_nil(found)
    assert.equal("config", err.kind)
    found = assert(assert(load()):find("prod", { token_file = "/x" }))
    assert.equal("/x", found.values.token_file)
  end)

  it("understands profilecli's variables, where basic wins over the token", function()
    variables.PROFILECLI_URL, variables.PROFILECLI_TOKEN = "http://p", "t"
    assert.equal("t", assert(assert(load()):find()).values.token)
    variables.PROFILECLI_USERNAME, variables.PROFILECLI_PASSWORD = "u", "p"
    local found = assert(assert(load()):find())
    assert.equal("u", found.values.username)
    assert.is_nil(found.values.token)
  end)

  it("knows a default, the only one, or asks which", function()
    file(SRE, '[pyroscope.deployments.one]\nurl = "http://1"\n')
    assert.equal("one", assert(assert(load()):find()).name)
    file(OWN, '[pyroscope.deployments.two]\nurl = "http://2"\n')
    local found, err = assert(load()):find()
    assert.is_nil(found)
    assert.equal("config", err.kind)
    assert.matches("one, two", err.hint)
    file(OWN, '[pyroscope]\ndefault = "two"\n[pyroscope.deployments.two]\nurl = "http://2"\n')
    assert.equal("two", assert(assert(load()):find()).name)
    variables.PYROSCOPE_DEPLOYMENT = "one"
    assert.equal("one", assert(assert(load()):find()).name)
  end)

  it("names the nearest deployment and the mistakes of a file", function()
    file(OWN, '[pyroscope.deployments.production]\nurl = "http://2"\n')
    local found, err = assert(load()):find "prodution"
    assert.is_nil(found)
    assert.matches("did you mean 'production'", err.message)
    file(OWN, '[pyroscope.deployments.p]\nurl = "http://2"\ntokne = "s3cr3tvalue"\n')
    found, err = assert(load()):find "p"
    assert.is_nil(found)
    assert.matches("config.toml:3: unknown key 'tokne'", err.message)
    assert.matches("did you mean 'token'", err.message)
    assert.is_nil(tostring(err):find("s3cr3t", 1, true))
    file(OWN, '[pyroscope.deployments.p]\nurl = 5\n')
    found, err = assert(load()):find "p"
    assert.is_nil(found)
    assert.matches(":2: 'url' must be string", err.message)
    file(OWN, '[pyroscope.deployments.p]\ntoken = "x"\n')
    found, err = assert(load()):find "p"
    assert.is_nil(found)
    assert.matches("no url", err.message)
  end)

  it("takes credentials out of a URL", function()
    file(OWN, '[pyroscope.deployments.p]\nurl = "http://me:pa%40ss@host/x"\n')
    local loaded = assert(load())
    local found = assert(loaded:find "p")
    assert.equal("http://host/x", found.values.url)
    assert.equal("me", found.values.username)
    assert.equal("pa@ss", found.values.password)
    for _, row in ipairs(loaded:show(found)) do assert.is_nil(row.value:find("pa@ss", 1, true)) end
    for _, row in ipairs(loaded:list()) do assert.is_nil(row.url:find("pa%40ss", 1, true)) end
  end)

  it("shows every value with its place and no secret", function()
    file(OWN, [[
[pyroscope.deployments.p]
url = "http://host"
token = "glsa_0123456789abcdeff3"
headers = { "X-Api" = "0123456789abcdefgh", "X-Scope-OrgID" = "team" }
access_command = "tool --key 0123456789abcdefghij"
cf_access_client_secret = "short"
timeout = "20s"
]])
    local loaded = assert(load())
    local rows = loaded:show(assert(loaded:find "p"))
    local shown = {}
    for _, row in ipairs(rows) do
      shown[row.key] = row.value
      assert.matches("config.toml line %d", row.origin)
    end
    assert.equal("glsa_…f3", shown.token)
    assert.equal("20s", shown.timeout)
    assert.matches("X-Scope-OrgID: team", shown.headers, 1, true)
    local all = table.concat({ shown.token, shown.headers, shown.access_command,
      shown.cf_access_client_secret }, " ")
    assert.is_nil(all:find("0123456789", 1, true))
    assert.is_nil(all:find("short", 1, true))
    assert.equal("access command", loaded:list()[1].authentication)
  end)

  it("warns of a file with credentials that others can read", function()
    local path = file(OWN, '[pyroscope.deployments.p]\nurl = "http://h"\ntoken = "t"\n', 420)
    assert.matches("chmod 600", assert(load()).warnings[1])
    os.execute(("chmod 600 '%s'"):format(path))
    assert.same({}, assert(load()).warnings)
    file(OWN, '[pyroscope.deployments.p]\nurl = "http://h"\n', 420)
    assert.same({}, assert(load()).warnings)
  end)

  it("writes a first file, mode 600 in a folder of mode 700, and no second one (AX-09)", function()
    local written = assert(config.init { env = env })
    assert.equal(home .. "/.config/pyroscope/config.toml", written.path)
    assert.equal(384, assert(system.stat(written.path)).mode)
    assert.equal(448, assert(system.stat(home .. "/.config/pyroscope")).mode)
    assert.same({}, assert(load()):names())
    local again, err = config.init { env = env }
    assert.is_nil(again)
    assert.equal("exists", err.code)
  end)

  it("refuses to write through symbolic links", function()
    assert(system.mkdir(home .. "/elsewhere"))
    os.execute(("mkdir -p '%s/.config'; ln -s '%s/elsewhere' '%s/.config/pyroscope'"):format(home,
      home, home))
    local written, err = config.init { env = env }
    assert.is_nil(written)
    assert.equal("symlink", err.code)
    os.execute(("rm '%s/.config/pyroscope'; mkdir '%s/.config/pyroscope'; ln -s '%s/target' "
      .. "'%s/.config/pyroscope/config.toml'"):format(home, home, home, home))
    written, err = config.init { env = env }
    assert.is_nil(written)
    assert.equal("symlink", err.code)
    assert.is_nil(system.stat(home .. "/target"))
  end)

  it("takes over the older tool's file", function()
    file(".pyroscope.toml", '[prod]\nurl = "https://p"\ntoken = "a\\"b"\n[dev]\nurl = "http://d"\n')
    local written = assert(config.init { env = env, migrate = true })
    assert.same({ "dev", "prod" }, written.names)
    local loaded = assert(load())
    assert.equal('a"b', assert(loaded:find "prod").values.token)
    assert.equal("dev", assert(loaded:find()).name)
  end)

  it("writes what it reads", function()
    local deployments = { ["a b"] = { url = "http://x", token = 'q"\\\n', concurrency = 3,
      headers = { ["X-A"] = "1" }, compress = true, access_command = { "a", "b c" } } }
    local values = assert(toml.parse(config.text and config.text(deployments)
      or require "pyroscope.config.write".text(deployments), "f"))
    assert.same(deployments, values.pyroscope.deployments)
  end)

  describe("project file", function()
    it("is the next one up to the root of the repository, never the home's", function()
      assert(system.mkdir(home .. "/repo/.git"))
      assert(system.mkdir(home .. "/repo/a/b"))
      file(".pyroscope.toml", 'target = "home"\n')
      assert.is_nil(discovery.project(home .. "/repo/a/b", env))
      file("repo/.pyroscope.toml", 'target = "prod/checkout"\n[paths]\n"/build" = "src"\n')
      local project = assert(discovery.project(home .. "/repo/a/b", env))
      assert.equal("prod/checkout", project.target)
      assert.same({ ["/build"] = "src" }, project.paths)
      assert.is_nil(discovery.project(home, env))
      assert(system.mkdir(home .. "/plain/sub"))
      file("plain/.pyroscope.toml", 'target = "x"\n')
      assert.is_nil(discovery.project(home .. "/plain/sub", env))
      assert.equal("x", assert(discovery.project(home .. "/plain", env)).target)
    end)

    it("may not hold addresses, credentials or commands", function()
      assert(system.mkdir(home .. "/repo/.git"))
      for _, text in ipairs { 'url = "http://evil"', 'token = "x"', 'access_command = "rm"',
        'target = "http://evil"', '[paths]\na = "https://evil"', 'password = ""',
        '[pyroscope.deployments.x]\nurl = "http://evil"', 'headers = { a = "b" }',
        'unknown = "x"', "target = 5" } do
        file("repo/.pyroscope.toml", text .. "\n")
        local project, err = discovery.project(home .. "/repo", env)
        assert.is_nil(project, text)
        assert.equal("config", err.kind)
        assert.matches(".pyroscope.toml:%d", err.message)
      end
    end)
  end)

  it("remembers a target, and forgets it", function()
    assert.is_nil((discovery.used(env)))
    assert(discovery.use("prod/checkout", env))
    assert.equal("prod/checkout", (discovery.used(env)))
    assert.equal(384, assert(system.stat(home .. "/.local/state/pyroscope/target")).mode)
    assert(discovery.use(nil, env))
    assert(discovery.use(nil, env))
    assert.is_nil((discovery.used(env)))
    local ok, err = discovery.use("a\nb", env)
    assert.is_nil(ok)
    assert.equal("usage", err.kind)
  end)
end)

describe("the system", function()
  it("runs programs without a shell, with input, output and exit code (AX-38)", function()
    local job = assert(system.run({ "sh", "-c", "cat; echo err >&2; exit 3" }, { stdin = "in" }))
    assert.equal("in", job.stdout)
    assert.equal("err\n", job.stderr)
    assert.equal(3, job.code)
    job = assert(system.run { "printf", "%s", "$HOME; `id` *" })
    assert.equal("$HOME; `id` *", job.stdout)
  end)

  it("ends what takes too long, prints too much or does not exist", function()
    local job, err = system.run({ "sleep", "20" }, { timeout_ms = 50 })
    assert.is_nil(job)
    assert.equal("timeout", err.kind)
    job, err = system.run({ "yes" }, { max_bytes = 1000 })
    assert.is_nil(job)
    assert.equal("limit", err.kind)
    job, err = system.run { "no-such-program-here" }
    assert.is_nil(job)
    assert.equal("ENOENT", err.code)
  end)

  it("does not wait for a grandchild that keeps the pipe", function()
    local start = system.monotonic_ms()
    local job = assert(system.run { "sh", "-c", "sleep 20 & echo started" })
    assert.equal("started\n", job.stdout)
    assert.is_true(system.monotonic_ms() - start < 5000)
  end)

  it("writes whole files or none, and no existing one", function()
    local path = os.tmpname()
    local ok, err = system.write_file(path, "x")
    assert.is_nil(ok)
    assert.equal("exists", err.code)
    assert.is_true(system.write_file(path, "new", { force = true }))
    assert.equal("new", system.read_file(path))
    assert.equal(384, system.stat(path).mode)
    assert.is_true(system.write_file("/dev/null", "x"))
    assert.equal("char", system.stat("/dev/null").type)
    ok, err = system.write_file(path .. "/x", "y")
    assert.is_nil(ok)
    assert.equal("io", err.kind)
    os.remove(path)
  end)

  it("counts interrupts instead of dying of them", function()
    local pending, stop = system.interrupts()
    assert.equal(0, (pending()))
    require "luv".kill(system.pid(), "sigint")
    system.sleep(20)
    local count, name = pending()
    assert.equal(1, count)
    assert.equal("sigint", name)
    stop()
  end)
end)
