local cli = require "spec.support.cli"
local process = require "spec.support.process"
local world = require "spec.support.world"

describe("how pscope ends", function()
  local here, server
  local window = { "--from", "2025-11-20T14:00:00Z", "--to", "2025-11-20T15:00:00Z" }

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world")
  end)

  teardown(function()
    server:stop()
    cli.clean()
  end)

  local function run(line, options)
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    options = options or {}
    options.folder = options.folder or here
    return cli.run(words, options)
  end

  local function ask(path, line)
    return run(("%s --source %s%s %s"):format(line or "top checkout -n 2", server.url, path,
      table.concat(window, " ")))
  end

  it("0: done", function()
    local out, err, code = run "top ./world"
    assert.equal(0, code)
    assert.equal("", err)
    assert.is_true(#out > 0)
    assert.equal(0, select(3, ask ""))
  end)

  it("1: a file that cannot be read, or is no profile", function()
    local _, err, code = run "top ./nothing/"
    assert.equal(1, code)
    assert.matches("nothing", err, 1, true)
    for path, hint in pairs { ["./wrld/"] = "did you mean './world'?",
      ["./world/aftr.pb"] = "did you mean './world/after.pb'?",
      ["./zzzzzzzz.pb"] = "in './': world", ["./a/b/c.pb"] = "there is no folder './a/b/' either" } do
      _, err, code = run("top " .. path)
      assert.equal(1, code)
      assert.matches(hint, err, 1, true)
    end
    _, err, code = run "perses ./dashboard.json"
    assert.equal(1, code)
    assert.matches("dashboard.json", err, 1, true)
    for _, line in ipairs { "link ./world", "link ./world --view diff", "link ./world --as perses" } do
      _, err, code = run(line)
      assert.equal(1, code)
      assert.matches("is no server.*pscope open", err)
    end
    local file = assert(io.open(here .. "/bad.pb.gz", "wb"))
    file:write "this is no profile\0\1\2"
    file:close()
    _, err, code = run "top ./bad.pb.gz"
    assert.equal(1, code)
    assert.matches("^error: .*bad%.pb%.gz", err)
    assert(os.execute(("head -c 300 %s/world/after.pb | gzip > %s/cut.pb.gz"):format(here, here)))
    _, err, code = run "top ./cut.pb.gz"
    assert.equal(1, code)
    assert.matches("^error: .*cut%.pb%.gz", err)
  end)

  it("2: usage and configuration, with what was meant", function()
    for line, message in pairs {
      ["tpo ./world"] = "did you mean 'top'",
      ["top checkout ./world/"] = "pscope top SERVICE %-%-source %./world/",
      ["diff ./world version=1 version=2"] = "diff %./world %-%-before version=1 %-%-after version=2",
      ["servces"] = "did you mean 'services'",
      ["top --sinse 1h"] = "did you mean '%-%-since'",
      ["top ./world --type memry"] = "did you mean 'memory'",
      ["top ./world -q {service_name=}"] = "bad selector at column 15",
      ["top ./world --from -1h --to -2h"] = "ends before it starts",
      ["top ./world --hide ["] = "%-%-hide: ",
      ["top ./world --show (?=x)"] = "%-%-show: ",
      ["top nobody/checkout"] = "no deployment 'nobody'",
      ["top ./world --source ./world"] = "names another source",
      ["list"] = "missing argument",
      ["peek"] = "missing argument",
      ["config shwo"] = "did you mean 'show'",
      ["completion tcsh"] = "tcsh",
      ["call LabelNmes --source ./world"] = "did you mean 'LabelNames'",
      ["call LabelNames {bad --source ./world"] = "not JSON",
      ["diff ./world a b c"] = "takes A B",
      ["diff ./world -1h -2h -1h now"] = "window A ends before it starts",
      ["diff ./world --before nonsense"] = "not a side",
      ["help nothing-like-it"] = "no command or topic",
      ["doctor a --source b"] = "exclude each other",
      ["adaptive"] = "no command 'adaptive'",
    } do
      local out, err, code = run(line)
      assert.equal(2, code, line .. err)
      assert.equal("", out)
      assert.matches(message, err, 1)
      assert.matches("\nexit 2 ", err)
    end
  end)

  it("3: who are you", function()
    for _, path in ipairs { "/@401", "/@403", "/@html" } do
      local out, err, code = ask(path)
      assert.equal(3, code, path)
      assert.equal("", out)
      assert.matches("POST " .. server.url .. path, err, 1, true)
      assert.matches("\nhint", err)
    end
  end)

  it("4: the answer is printed, and more is hidden than allowed", function()
    local out, err, code = run "top ./world --max-nodes 30 --max-other 1%"
    assert.equal(4, code)
    assert.matches("in truncated stacks", out)
    assert.matches("more than %-%-max%-other 1.0%%", err)
    assert.equal(0, select(3, run "top ./world --max-nodes 30 --max-other 99%"))
    assert.equal(4, select(3, run "diff ./world -2h -1h -1h now --max-nodes 30 --max-other 1%"))
  end)

  it("6: no data, and what there is", function()
    assert.equal(6, select(3, run "top ./world -l version=9"))
    local _, err, code = run "top chekout --source ./world"
    assert.equal(6, code)
    assert.matches("did you mean 'checkout'", err)
    _, err, code = run "top ./world --type goroutine"
    assert.equal(6, code)
    assert.matches("inuse_space", err)
    _, err, code = run "top ./world --from 2024-01-01 --to 2024-01-02"
    assert.equal(6, code)
    assert.matches("2025%-11%-20", err)
    assert.equal(6, select(3, run "peek nothing.like.it ./world"))
    assert.equal(6, select(3, run "list nothing.like.it ./world"))
    for _, command in ipairs { "peek", "list" } do -- as people write it
      _, err, code = run(command .. " checkout.placeorder ./world")
      assert.equal(6, code)
      assert.matches("like it: checkout%.%(%*Service%)%.PlaceOrder\n", err)
    end
    for line, hint in pairs { ["top ./world -l version=9"] = "values of version: 2.40.3, 2.41.0",
      ["top ./world -l vresion=2.41.0"] = "there is no label 'vresion' (did you mean 'version'?)",
      ["diff ./world --before version=2.40.3 --after version=8"] = "values of version: 2.40.3, 2.41",
    } do
      _, err, code = run(line)
      assert.equal(6, code)
      assert.matches(hint, err, 1, true)
      _, err, code = run((line:gsub("%./world", "checkout --source " .. server.url)) .. " "
        .. (line:find "diff" and "" or table.concat(window, " ")))
      assert.equal(6, code, err)
      if not line:find "diff" then assert.matches(hint, err, 1, true) end
    end
    assert.equal(6, select(3, run "labels ./world nosuchlabel"))
    assert.equal(6, select(3, run "top ./world --focus nothing.like.it"))
    assert.equal(6, select(3, ask("", "top chekout")))
  end)

  it("7: nobody answers, or badly, and for how long it was waited", function()
    local _, err, code = run "top checkout --source http://127.0.0.1:1"
    assert.equal(7, code)
    assert.matches("127.0.0.1:1", err, 1, true)
    for _, path in ipairs { "/@500", "/@cut:100", "/@garbage" } do
      local out
      out, err, code = ask(path)
      assert.equal("", out)
      assert.is_true(code == 7 or (path == "/@garbage" and code == 1), path .. code .. err)
    end
    _, err, code = run(("top checkout --source %s/@never --timeout 1s"):format(server.url))
    assert.equal(7, code)
    assert.matches("within 1 s", err)
  end)

  it("10: a threshold was exceeded", function()
    assert.equal(10, select(3, run "diff ./world -2h -1h -1h now --fail-over 5%"))
    assert.equal(10, select(3, run "diff ./world -2h -1h -1h now --fail-over 5% --json"))
    assert.equal(0, select(3, run "diff ./world -2h -1h -1h now --fail-over 31%"))
    assert.equal(10, select(3, run "diff ./world -2h -1h -1h now --fail-over 20% --mode share"))
    assert.equal(0, select(3, run "diff ./world -2h -1h -1h now --fail-over 21% --mode share"))
    assert.equal(10, select(3,
      run "diff ./world -2h -1h -1h now --fail-over 5% --max-nodes 30 --max-other 1%"))
  end)

  it("with several deployments: the worse code (GCX-45)", function()
    assert.equal(7, select(3, run("doctor ./world http://127.0.0.1:1")))
    assert.equal(3, select(3, run(("doctor %s/@401 http://127.0.0.1:1"):format(server.url))))
    assert.equal(0, select(3, run(("doctor ./world %s"):format(server.url))))
  end)

  it("130: ctrl-c, within half a second", function()
    local marker = here .. "/pid"
    local asked = cli.command { "top", "checkout", "--source", server.url .. "/@never",
      "--timeout", "20s" }
    local command = ("cd %s && { %s sh -c 'echo $$ > %s; exec \"$@\"' sh %s; echo $?; } 2>/dev/null")
      :format(cli.quote(here), cli.environment(), marker, asked)
    local pipe = assert(io.popen(command))
    os.execute(("for i in 1 2 3 4 5 6 7 8 9 10; do [ -s %s ] && break; sleep 0.1; done; sleep 0.5")
      :format(marker))
    local before = require "pyroscope.system".monotonic_ms()
    os.execute(("kill -INT $(cat %s)"):format(marker))
    local out = pipe:read "a"
    pipe:close()
    assert.equal("130\n", out)
    assert.is_true(require "pyroscope.system".monotonic_ms() - before < 1500)
  end)

  it("quietly when nobody reads any more", function()
    for _, line in ipairs { "top ./world -n 0", "top ./world -n 0 --json",
      "labels ./world --series", "export ./world -o folded" } do
      local _, err, code = run(line, { after = "| true" })
      assert.equal("", err, line)
      assert.equal(0, code, line)
    end
    local out, err, code = run("top ./world -n 0 -o csv", { after = "| head -1" })
    assert.equal(0, code)
    assert.equal("", err)
    assert.matches("^name,file", out)
  end)

  it("as ever with closed streams", function()
    for _, closed in ipairs { "2>&-", "<&- 2>&-", ">&-", "<&- >&- 2>&-" } do
      local line = ("cd %s && %s %s %s; echo $?"):format(cli.quote(here), cli.environment(),
        cli.command { "top", "./world", "-n", "2", "-o", "names" }, closed)
      local pipe = assert(io.popen(line))
      local out = pipe:read "a"
      pipe:close()
      if closed:find(">&-", 1, true) and not closed:find "^2" and not closed:find "^<&%- 2" then
        assert.matches("^[01]\n$", out, 1)
      else
        assert.equal("json.structEncoder.encode\nruntime.scanobject\n0\n", out)
      end
    end
  end)

  it("1 and one line where it broke, never a stack trace; -vv has it", function()
    assert(os.execute("mkdir -p " .. here .. "/broken/pyroscope/cli/commands"))
    local file = assert(io.open(here .. "/broken/pyroscope/cli/commands/stats.lua", "w"))
    file:write 'return { name = "stats", summary = "", flags = { "output" },\n'
    file:write '  formats = { "json" }, columns = {}, run = function() local nothing; return nothing.field end }\n'
    file:close()
    local usual = package.path:gsub("%./", cli.root .. "/")
    local path = { LUA_PATH = here .. "/broken/?.lua;" .. usual }
    local out, err, code = run("stats", { env = path })
    assert.equal(1, code)
    assert.equal("", out)
    assert.matches("^error: internal error: [^\n]*nothing[^\n]*\nhint  [^\n]*\n$", err)
    local _
    _, err, code = run("stats -vv", { env = path })
    assert.equal(1, code)
    assert.matches("stack traceback", err)
    out, err, code = run("stats --json", { env = path })
    assert.equal(1, code)
    assert.equal("", err)
    assert.matches('^{"type":"pyroscope.error"', out)
  end)
end)
