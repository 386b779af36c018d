local cli = require "spec.support.cli"
local process = require "spec.support.process"
local writer = require "spec.support.pprof_writer"

describe("pscope among hostile names", function()
  local here
  local names = {
    "\27[2J\27[1;1Hcleared", "title\27]0;x\7", "new\nline", "carriage\rreturn", "tab\tbed",
    "nul\0l", "\u{9b}31mc1", "\u{202e}desrever", "bad\xff\xfeutf8", "caf\xe9", "sp ace 'quote' \"double\"",
    "<script>alert(1)</script>", "a|b`c`", "$(touch pwned)", "`touch pwned`", "--json", "-2h",
    "日本語.関数", ("long"):rep(4000), "\127del", "other", "",
  }

  setup(function()
    here = cli.folder()
    local samples = {}
    for i, name in ipairs(names) do
      samples[i] = { stack = { { name, name .. ".go", i }, "root" }, values = { 1000000 * i },
        labels = { evil = name, ["na\27me"] = "x" } }
    end
    local folder = here .. "/sv\27c"
    assert(os.execute("mkdir -p " .. cli.quote(folder)))
    local file = assert(io.open(folder .. "/a.pb", "wb"))
    file:write(writer.pprof { types = { { "cpu", "nanoseconds" } }, samples = samples,
      time_ms = 1763643600000, duration_ms = 1000 })
    file:close()
  end)

  teardown(cli.clean)

  local lines = {
    "services ./", "labels ./", "labels ./ evil", "labels ./ --series", "top ./ -n 0",
    "top ./ -n 0 -o md", "top ./ -n 0 -o tsv", "top ./ -n 0 -o names", "top ./ -n 0 -o quickfix",
    "top ./ --group file", "tree ./ --min 0", "traces ./", "peek root ./", "list root ./",
    "series ./ --group-by evil", "series ./ --group-by evil --top", "types ./", "doctor ./",
    "stats ./", "diff ./ -2s -1s -1s now", "top ./ --color always", "top ./ --json",
    "series ./ --group-by evil --wide",
  }

  it("prints no control byte, no broken UTF-8, no turning mark, in any command", function()
    for _, line in ipairs(lines) do
      for _, locale in ipairs { "C.UTF-8", "C" } do
        local words = {}
        for word in line:gmatch "%S+" do words[#words + 1] = word end
        local out, err = cli.run(words, { folder = here, env = { LANG = locale } })
        local text = (out .. err):gsub("\27%[[%d;]*m", "")
        local plain = line:find "tsv" and text:gsub("\t", "") or text
        assert.is_nil(plain:find "[%z\1-\9\11-\31\127]", line)
        assert.is_truthy(utf8.len(text), line)
        assert.is_nil(text:find("\u{202e}", 1, true), line)
        assert.is_nil(text:find("\u{9b}", 1, true), line)
        assert.is_nil(err:find "internal error", line)
        if locale == "C" and not line:find "json" and not line:find " %-o" then
          assert.is_nil(text:find "[\128-\255]", line)
        end
      end
    end
    assert.is_nil(io.open(here .. "/pwned"))
  end)

  it("takes such names as arguments, and says them harmlessly", function()
    for i, name in ipairs(names) do
      if name ~= "" and not name:find "%z" and #name < 1000 and not name:find "^%-%-" then
        local out, err, code = cli.run({ "peek", name, "./" }, { folder = here })
        local fine = code == 0 or code == 6 or code == 2
        assert.is_true(fine, i .. " " .. code .. err)
        assert.is_nil((out .. err):find "[%z\1-\9\11-\31\127]")
        out, err, code = cli.run({ "top", name, "--source", "./" }, { folder = here })
        assert.equal(6, code, err)
        assert.is_nil((out .. err):find "[%z\1-\9\11-\31\127]")
      end
    end
    assert.is_nil(io.open(here .. "/pwned"))
  end)

  it("escapes a label's value for the selector", function()
    local _, err, code = cli.run({ "top", "./", "-l", 'evil=x", pod=~".*' }, { folder = here })
    assert.equal(6, code, err)
    local out
    out, err, code = cli.run({ "top", "./", "-l", "evil=sp ace 'quote' \"double\"", "--json" },
      { folder = here })
    assert.equal(0, code, err)
    assert.matches('"value":"11000000"', out, 1, true)
  end)
end)

describe("secrets", function()
  local here, server
  local secrets = { token = "glsa_TOPSECRETTOKEN0123456789", password = "TOPSECRETPASSWORD",
    query = "TOPSECRETQUERY" }

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world"))
    require "spec.support.world".write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world", "--bearer", secrets.token)
    local file = assert(io.open(here .. "/config.toml", "w"))
    file:write(("[pyroscope.deployments.good]\nurl = %q\ntoken = %q\n"):format(server.url,
      secrets.token))
    file:write(("[pyroscope.deployments.bad]\nurl = %q\ntoken = %q\n"):format(server.url,
      secrets.token .. "x"))
    file:write(("[pyroscope.deployments.basic]\nurl = %q\nusername = 'u'\npassword = %q\n")
      :format(server.url, secrets.password))
    file:write(('[pyroscope.deployments.far]\nurl = "http://127.0.0.1:1"\ntoken = %q\n'):format(
      secrets.token))
    file:close()
    assert(os.execute("chmod 600 " .. here .. "/config.toml"))
  end)

  teardown(function()
    server:stop()
    cli.clean()
  end)

  it("are nowhere in output, errors, --explain or -vv, whatever happens", function()
    local window = " --from 2025-11-20T14:00:00Z --to 2025-11-20T15:00:00Z"
    local codes = {}
    for _, deployment in ipairs { "good", "bad", "basic", "far" } do
      for _, line in ipairs { "services DEP" .. window, "top DEP/checkout -n 2" .. window,
        "top DEP/checkout --json" .. window, "labels DEP" .. window, "doctor DEP",
        "doctor DEP --json", "config show DEP", "config show DEP --json", "config list",
        "call LabelNames --source DEP", "call /ready --source DEP", "stats DEP" } do
        local words = {}
        for word in line:gsub("DEP", deployment):gmatch "%S+" do words[#words + 1] = word end
        for _, word in ipairs { "--config", "config.toml", "-vv" } do words[#words + 1] = word end
        if not line:find "^config" then words[#words + 1] = "--explain" end
        local out, err, code = cli.run(words, { folder = here })
        codes[code] = true
        for _, secret in pairs(secrets) do
          assert.is_nil((out .. err):find(secret, 1, true), line .. "\n" .. out .. err)
        end
      end
    end
    assert.is_true(codes[0] and codes[3] and codes[7])
  end)

  it("in an address given on the command line are sent and not shown", function()
    local host = server.url:gsub("^http://", "")
    for _, url in ipairs { "http://u:" .. secrets.password .. "@" .. host,
      "http://u:" .. secrets.password .. "@127.0.0.1:1" } do
      local out, err, code = cli.run({ "top", "checkout", "--source", url, "--explain", "-vv" },
        { folder = here })
      assert.is_true(code == 3 or code == 7)
      assert.is_nil((out .. err):find(secrets.password, 1, true), out .. err)
    end
    local _, err = cli.run { "top", "checkout", "--source",
      "http://127.0.0.1:1/?token=" .. secrets.query }
    assert.is_nil(err:find(secrets.query, 1, true), err)
  end)

  it("of the environment are not sent to an address of the command line", function()
    local out, err, code = cli.run({ "top", "checkout", "--source", server.url }, { folder = here,
      env = { PYROSCOPE_TOKEN = secrets.token } })
    assert.equal(3, code, out .. err)
    assert.is_nil((out .. err):find(secrets.token, 1, true))
    local _
    _, _, code = cli.run({ "labels" }, { folder = here,
      env = { PYROSCOPE_TOKEN = secrets.token, PYROSCOPE_URL = server.url } })
    assert.equal(6, code) -- allowed in, and nothing in the last hour
  end)

  it("are replaced by variables in the curl lines of --explain", function()
    local _, err = cli.run({ "labels", "good", "--config", "config.toml", "--explain" },
      { folder = here })
    assert.matches('curl %-X POST %-H "Authorization: Bearer $PYROSCOPE_TOKEN"', err)
    assert.matches("LabelNames", err)
  end)
end)
