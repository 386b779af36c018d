local cjson = require "cjson"
local cli = require "spec.support.cli"
local process = require "spec.support.process"
local world = require "spec.support.world"

local SAMPLE = "examples/data/cpu-hotspot"

local function lines_of(command)
  local lines, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

describe("pscope", function()
  local here, server

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

  it("alone prints twelve lines, five examples first", function()
    for _, line in ipairs { "", "-h", "help" } do
      local out, err, code = run(line)
      assert.equal(0, code)
      assert.equal("", err)
      local _, n = out:gsub("\n", "")
      assert.equal(12, n)
      local _, examples = out:gsub("\n  pscope ", "")
      assert.equal(5, examples)
    end
  end)

  it("lists every command and topic with --help", function()
    local out, err, code = run "--help"
    assert.equal(0, code)
    assert.equal("", err)
    assert.equal(out, (run "help commands"))
    local index = require "pyroscope.cli.index"
    for _, section in ipairs(index.sections) do
      for _, entry in ipairs(section[2]) do
        assert.matches(("\n  %-12s %s\n"):format(entry[1], entry[2]), out, 1, true)
      end
    end
    for _, name in ipairs(require "pyroscope.cli.topics".names()) do
      assert.matches(" " .. name, out:match "pscope help TOPIC[^\n]+", 1, true)
    end
  end)

  it("is a manual page, too, with every command, flag and topic", function()
    local index = require "pyroscope.cli.index"
    local options = require "pyroscope.cli.options"
    local page, err, code = run "help man"
    assert.equal(0, code, err)
    assert.matches('^%.TH PSCOPE 1 "" "pscope %d', page)
    local text = page:gsub("\\%-", "-"):gsub("\\%(aq", "'"):gsub("\\%(ga", "`"):gsub("\\e", "\\")
      :gsub("\\&", "")
    for _, section in ipairs(index.sections) do
      for _, entry in ipairs(section[2]) do
        local command = index.load(entry[1])
        assert.matches("\n.SS " .. command.name .. "\n", text, 1, true)
        for _, part in ipairs(options.sections(command)) do
          for _, flag in ipairs(part.flags) do assert.matches(flag[1], text, 1, true) end
        end
      end
    end
    for _, name in ipairs(require "pyroscope.cli.topics".names()) do
      if name ~= "man" and name ~= "commands" then
        assert.matches("\n.SH " .. name:upper() .. "\n", text, 1, true)
      end
    end
    if not os.execute "command -v groff >/dev/null" then return end
    local file = assert(io.open(here .. "/pscope.1", "w"))
    file:write(page)
    file:close()
    local pipe = assert(io.popen(("groff -k -ww -man -Tutf8 %s/pscope.1 2>&1 >/dev/null"):format(here)))
    assert.equal("", pipe:read "a")
    pipe:close()
    pipe = assert(io.popen(("groff -k -man -Tutf8 -P-c %s/pscope.1"):format(here)))
    local rendered = pipe:read "a":gsub(".\b", "")
    pipe:close()
    for _, line in ipairs { "pscope top prod/checkout --since 1h", "'{namespace=\"a\", pod=~\"b.*\"}'",
      "--focus 'json\\.'" } do
      assert.matches(line, rendered, 1, true)
    end
  end)

  it("names in its help exactly the commands that there are", function()
    local index = require "pyroscope.cli.index"
    local out = run ""
    local shown = {}
    for line in out:gmatch "[^\n]+" do
      if line:find "^look " or line:find "^ask " or line:find "^set " then
        for word in line:gmatch "%l+" do shown[word] = true end
      end
    end
    local known = { look = true, ask = true, move = true, set = true, talk = true }
    for _, section in ipairs(index.sections) do
      for _, entry in ipairs(section[2]) do
        assert.is_true(shown[entry[1]], entry[1])
        known[entry[1]] = true
      end
    end
    for word in pairs(shown) do assert.is_true(known[word], word) end
  end)

  it("has help for every command: -h on one screen, --help with every flag", function()
    local index = require "pyroscope.cli.index"
    local options = require "pyroscope.cli.options"
    for _, name in ipairs(index.names()) do
      local command = index.load(name)
      local short, _, code = run(name .. " -h")
      assert.equal(0, code, name)
      local _, n = short:gsub("\n", "")
      assert.is_true(n <= 50, name .. " " .. n)
      local long = run(name .. " --help")
      for _, section in ipairs(options.sections(command)) do
        for _, flag in ipairs(section.flags) do
          for _, spelling in ipairs(flag) do assert.matches(spelling, long, 1, true) end
        end
      end
      if name ~= "types" then assert.equal(long, (run("help " .. name))) end -- a topic too
    end
  end)

  it("has help for every topic", function()
    for _, name in ipairs(require "pyroscope.cli.topics".names()) do
      local out, _, code = run("help " .. name)
      assert.equal(0, code)
      assert.is_true(#out > 200)
    end
  end)

  it("prints its version however it is asked", function()
    local version = require "pyroscope.core".version
    for _, line in ipairs { "--version", "version", "-V" } do
      assert.equal("pscope " .. version .. "\n", (run(line)))
    end
  end)

  it("takes flags before the command", function()
    assert.equal((run "top --source ./world -n 2"), (run "--source ./world -n 2 top"))
    assert.equal((run "top ./world --json"), (run "--json top ./world"))
  end)

  it("takes -2h in every position of a comparison and a window", function()
    local expected = run "diff ./world -2h -1h -1h now -n 3"
    assert.matches("31.4 cores", expected)
    for _, line in ipairs { "diff -n 3 ./world -2h -1h -1h now",
      "diff ./world -2h -1h -n 3 -1h now", "diff --limit=3 ./world now-2h now-1h now-60m now" } do
      local function body(text) return text:match "\n\n(.*)$" end
      assert.equal(body(expected), body((run(line))))
    end
    expected = run "top ./world --from -1h -n 2"
    for _, line in ipairs { "top --from -1h ./world -n 2", "--from -1h top ./world -n 2",
      "top ./world --from=-1h -n 2", "top ./world -n 2 --start -1h", "top ./world -n 2 --since -1h",
      "top ./world -n 2 --from -1h --to now", "top ./world -n 2 --around -30m --window 1h" } do
      assert.equal(expected, (run(line)), line)
    end
  end)

  it("answers the same about a store, its server, a pipe and an address (AX-23)", function()
    local from = " --from 2025-11-20T14:00:00Z --to 2025-11-20T15:00:00Z"
    local function rows(line, options)
      local out, err, code = run(line .. " -n 12 --json", options)
      assert.equal(0, code, err)
      local answer = cjson.decode(out)
      for _, row in ipairs(answer.rows) do row.self_cores, row.total_cores = nil, nil end
      return answer.rows, answer.totals.value
    end
    local expected, total = rows("top ./world" .. from)
    local served, served_total = rows(("top checkout --source %s"):format(server.url) .. from)
    assert.same(expected, served)
    assert.equal(total, served_total)
    local pprof, err, code = run("export ./world" .. from)
    assert.equal(0, code, err)
    assert.same(expected, (rows("top -", { input = pprof })))
    local folded = run("export ./world -o folded" .. from)
    local answer = rows("top -", { input = folded })
    for i, row in ipairs(answer) do
      assert.equal(expected[i].name, row.name)
      assert.equal(expected[i].self, row.self)
    end
  end)

  it("fetches a profile from a handler's address, once", function()
    assert(os.execute(("mkdir -p %s/www/debug/pprof && cp %s/world/after.pb %s/www/debug/pprof/heap")
      :format(here, here, here)))
    local pipe = assert(io.popen(("cd %s/www && exec python3 -u -m http.server 0 --bind 127.0.0.1 "
      .. "2>%s/log & echo $!; wait"):format(here, here)))
    local pid = pipe:read "l"
    local port = (pipe:read "l" or ""):match "port (%d+)"
    if not port then pending "needs python3" end
    local url = ("http://127.0.0.1:%s/debug/pprof/heap?seconds=1"):format(port)
    local out, err, code = cli.run { "top", "--source", url, "-n", "2", "-o", "names" }
    local again = cli.run { "top", url, "-n", "2", "-o", "names" }
    local _, missing, status = cli.run { "top", "--source", (url:gsub("heap", "nothing")) }
    os.execute("kill " .. pid)
    pipe:close()
    assert.equal(0, code, err)
    assert.equal("json.structEncoder.encode\nruntime.scanobject\n", out)
    assert.equal(out, again)
    assert.equal(7, status)
    assert.matches("HTTP 404", missing)
    local _, requests = io.open(here .. "/log"):read "a":gsub('"GET /debug/pprof/heap%?seconds=1 ', "")
    assert.equal(2, requests)
  end)

  it("exports to a file of mode 600, refuses to overwrite, and reads it back (GCX-35)", function()
    for _, name in ipairs { "a.pb.gz", "a.folded", "a.json", "a.svg" } do
      local _, err, code = run("export ./world --out " .. name)
      assert.equal(0, code, err)
      assert.matches(name, err, 1, true)
      assert.equal("600", lines_of("stat -c %a " .. here .. "/" .. name)[1])
      _, err, code = run("export ./world --out " .. name)
      assert.equal(1, code)
      assert.matches("exists already", err)
      assert.equal(0, select(3, run("export ./world --force --out " .. name)))
    end
    assert.matches("runtime.mallocgc", (run "top ./a.pb.gz"))
    assert.matches("runtime.mallocgc", (run "top ./a.folded"))
    assert.matches("runtime.mallocgc", (run "top ./a.json"))
    assert.matches("^<%?xml", io.open(here .. "/a.svg"):read "a")
  end)

  it("exports a stock as its mean, and as sums when told", function()
    local mean = run("top - -o csv --fields self -n 1",
      { input = (run "export ./world --type memory") })
    assert.equal("self\r\n" .. (((100 << 20) + (301 << 20)) // 2) .. "\r\n", mean)
    local sum = run("top - -o csv --fields self -n 1",
      { input = (run "export ./world --type memory --sum") })
    assert.equal("self\r\n" .. ((100 << 20) + (301 << 20)) .. "\r\n", sum)
  end)

  it("lists source text from the folder it is told, never by base name alone", function()
    assert(os.execute(("mkdir -p %s/src/checkout %s/flat"):format(here, here)))
    for _, path in ipairs { "/src/checkout/price.go", "/flat/price.go" } do
      local file = assert(io.open(here .. path, "w"))
      for i = 1, 60 do file:write(("line %d of%s\n"):format(i, path)) end
      file:close()
    end
    local out = run "list price ./world --source-dir src"
    assert.matches("41  line 41 of/src/checkout/price.go", out, 1, true)
    assert.matches("line 43 of", out)
    out = run "list price ./world --source-dir flat"
    assert.is_nil(out:find "line 41")
    local answer = cjson.decode((run "list price ./world --source-dir src --json"))
    assert.equal("line 41 of/src/checkout/price.go", answer.rows[1].source)
  end)

  it("calls any RPC of a server and of a store, with exact integers (GCX-47, MCP-23, AX-26)", function()
    local body = '{"start":"1763643600000","end":1763650800000}'
    local from_server = cli.run({ "call", "LabelNames", body, "--source", server.url })
    local from_store = cli.run({ "call", "LabelNames", body, "--source", "./world" },
      { folder = here })
    assert.same(cjson.decode(from_server), cjson.decode(from_store))
    assert.equal(from_server, (cli.run({ "query", "LabelNames", "-", "--source", server.url },
      { input = body })))
    local file = assert(io.open(here .. "/body.json", "w"))
    file:write(body)
    file:close()
    assert.equal(from_server, (cli.run({ "call", "LabelNames", "@body.json", "--source",
      server.url }, { folder = here })))
    assert.matches("ready", (run("call /ready --source " .. server.url)))
    local _, err, code = cli.run { "call", "LabelNames", '{"strat":"0"}', "--source", server.url }
    assert.equal(2, code)
    assert.matches("strat", err)
    _, err, code = cli.run { "call", "LabelNames", '{"start":9007199254740993}', "--source",
      server.url }
    assert.equal(2, code)
    assert.matches("as strings", err)
  end)

  it("runs scripts with pyroscope on the path and prints what they return", function()
    local file = assert(io.open(here .. "/script.lua", "w"))
    file:write('#!/usr/bin/env lua5.4\nlocal p = require "pyroscope"\n'
      .. 'if ... == "fail" then return p.open "nothing/" end\n'
      .. 'if ... == "raise" then error "on purpose" end\n'
      .. 'return (...) .. " " .. #arg, p._VERSION\n')
    file:close()
    local out, _, code = run "run script.lua -2h --json"
    assert.equal(0, code)
    assert.equal("-2h 2\n" .. require "pyroscope.core".version .. "\n", out)
    local _, err
    _, err, code = run "run script.lua fail"
    assert.equal(1, code)
    assert.matches("^error: .*nothing", err)
    _, err, code = run "run script.lua raise"
    assert.equal(1, code)
    assert.matches("^error: script.lua:4: on purpose\n$", err)
    assert.equal(1, select(3, run "run missing.lua"))
    assert.equal(2, select(3, run "run"))
  end)

  it("opens a drawing of what is no server", function()
    local out, err, code = run("open ./world", { env = { BROWSER = "ls", TMPDIR = here } })
    assert.equal(0, code, err)
    local file = assert(io.open((out:match "^(%S+)"), "rb"))
    assert.matches("^<!DOCTYPE html>", file:read "a")
    file:close()
  end)

  it("says what a first-time user lacks", function()
    local env = { HOME = here .. "/new", XDG_CONFIG_HOME = here .. "/new" }
    local _, err = run("config list", { env = env })
    assert.matches("pscope config init", err, 1, true)
    run("config init", { env = env })
    _, err = run("config list", { env = env })
    assert.matches("add %[pyroscope.deployments.NAME%] .*/new/pyroscope/config.toml", err)
    _, err = run("labels ./world nosuch")
    assert.matches("labels: [%l_, ]*service_name", err)
    assert.is_nil(err:find("__", 1, true))
    _, err = run("services ./world --from 2001-01-01 --to 2001-01-02")
    assert.matches("the oldest profile is from 2025", err, 1, true)
    assert(os.execute(("mkdir %s/mixed && cp %s/world/after.pb %s/mixed"):format(here, here, here)))
    for i = 1, 6 do
      assert(os.execute(("echo '{}' > %s/mixed/%d.json"):format(here, i)))
    end
    _, err = run("top ./mixed/")
    assert.equal(4, select(2, err:gsub("warning: left out: ", "")))
    assert.matches("left out: 3 more files", err, 1, true)
    _, err = run("use prud/checkout", { env = env })
    assert.matches("there is no deployment 'prud' yet", err, 1, true)
    local out = run("doctor ./world")
    local seen = {}
    for word in out:match("types +([^\n]+)"):gmatch "%S+" do
      assert.is_nil(seen[word], word)
      seen[word] = true
    end
  end)

  it("remembers a target", function()
    local state = { env = { XDG_STATE_HOME = here .. "/state" } }
    assert.equal(2, select(3, run("top --source ./world -n 1 extra words", state)))
    assert.equal(0, select(3, run("use ./world", state)))
    local expected = run "top ./world -n 2 -o csv"
    assert.equal(expected, (run("top -n 2 -o csv", state)))
    assert.equal(expected, (run("top -n 2 -o csv", { env = state.env, folder = "/" })))
    assert.matches("world", (run("use", state)))
    assert.equal(0, select(3, run("use --forget", state)))
    assert.matches("no default target", (run("use", state)))
  end)

  it("completes commands, flags, values and deployments, without asking anybody", function()
    local function complete(...)
      local found = {}
      for line in cli.run({ "__complete", ... }, { folder = here }):gmatch "[^\n]+" do
        found[#found + 1] = line
      end
      return table.concat(found, " ")
    end
    assert.equal("top", complete "to")
    assert.equal("labels link list", complete "l")
    assert.equal("--since", complete("top", "--sin"))
    assert.equal("cores", complete("top", "--unit", "co"))
    assert.equal("--unit=cores", complete("top", "--unit=co"))
    assert.equal("json jsonl", complete("top", "-o", "js"))
    assert.equal("memory", complete("top", "x", "--type", "memo"))
    assert.equal("bash", complete("completion", "b"))
    assert.equal("LabelNames LabelValues", complete("call", "Label"))
    assert.equal("self self_share self_cores self_rate", complete("top", "--fields", "self"))
    assert.matches(":files", complete("top", ""))
    assert.equal("", complete("nothing", "x"))
    assert(os.execute("mkdir -p " .. here .. "/c/pyroscope"))
    local file = assert(io.open(here .. "/c/pyroscope/config.toml", "w"))
    file:write '[pyroscope.deployments.prod]\nurl = "http://127.0.0.1:1"\n'
    file:close()
    assert(os.execute("chmod 600 " .. here .. "/c/pyroscope/config.toml"))
    local out = cli.run({ "__complete", "top", "pr" }, { env = { XDG_CONFIG_HOME = here .. "/c" } })
    assert.equal("prod/\n:files\n", out)
  end)

  it("prints completion scripts that their shells accept", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      local out, _, code = run("completion " .. shell)
      assert.equal(0, code)
      assert.matches("__complete", out, 1, true)
    end
    local script = here .. "/complete.bash"
    os.execute(("%s %s > %s"):format(cli.environment(), cli.command { "completion", "bash" },
      script))
    assert.is_truthy(os.execute("bash -n " .. script))
    -- a real completion, by bash itself
    local program = here .. "/pscope"
    local file = assert(io.open(program, "w"))
    file:write(("#!/bin/sh\nexec %s \"$@\"\n"):format(cli.command {}))
    file:close()
    os.execute("chmod +x " .. program)
    local out = lines_of(("%s bash -c %s"):format(cli.environment { PATH = here .. ":"
      .. os.getenv "PATH" }, cli.quote(". " .. script .. "; COMP_LINE='pscope top --uni'; "
      .. "COMP_POINT=16; COMP_WORDS=(pscope top --uni); COMP_CWORD=2; _pscope; "
      .. "echo \"${COMPREPLY[@]}\"")))
    assert.equal("--unit", out[1])
  end)

  it("starts from its checkout, from any folder and through a link", function()
    if not io.open "build/5.4/pyroscope/core.so" then pending "needs build/5.4" end
    assert(os.execute(("ln -sf %s/pscope %s/link"):format(cli.root, here)))
    local version = "pscope " .. require "pyroscope.core".version
    assert.equal(version, lines_of(("cd / && %s/link --version"):format(here))[1])
    assert.equal(version, lines_of(("cd %s && ./link --version"):format(here))[1])
    assert.equal(version, lines_of "./pscope --version"[1])
  end)
end)

-- `pprof -top` is the reference for every number that `top` prints.
local find_tool = require "spec.support.pprof_tool".find

local function reference(tool, kind, unit, files)
  local rows, total = {}, nil
  local function integer(text) return math.tointeger(tonumber((text:gsub("%a+$", "")))) end
  for _, line in ipairs(lines_of(("%s -symbolize=none -top -sample_index=%s -unit=%s "
    .. "-nodecount=1000000 -nodefraction=0 -edgefraction=0 %s 2>/dev/null"):format(tool, kind, unit,
    files))) do
    total = total or line:match "% of ([%d.]+)%a* total"
    local flat, cum, name = line:match "^%s*(%S+)%s+%S+%s+%S+%s+(%S+)%s+%S+%s+(.*)$"
    if name and integer(flat) then
      name = name:gsub(" %(partial%-inline%)$", ""):gsub(" %(inline%)$", "")
      rows[name] = { integer(flat), integer(cum) }
    end
  end
  return rows, total and integer(total)
end

local function same_as_pprof(tool, folder)
  local compared = 0
  local store = assert(require "pyroscope".open(folder))
  for _, kind in ipairs(assert(store:profile_types {})) do
    local group = kind.name:gsub("^process_", "")
    local unit = kind.sample_unit == "count" and "minimum" or kind.sample_unit
    local expected, total = reference(tool, kind.sample_type, unit,
      ("$(ls %s/%s/*/*.pb.gz)"):format(folder, group))
    local out, err, code = cli.run { "top", "./" .. folder .. "/", "--type", kind.id, "--sum", "-n",
      "0", "--json" }
    assert.equal(0, code, err)
    local answer, rows = cjson.decode(out), {}
    for _, row in ipairs(answer.rows) do
      -- pprof prints a function without a name as unknown
      rows[row.name == "" and "<unknown>" or row.name] = {
        math.tointeger(tonumber(row.self)), math.tointeger(tonumber(row.total)) }
    end
    assert.same(expected, rows, folder .. " " .. kind.id)
    assert.equal(total, math.tointeger(tonumber(answer.totals.value)))
    compared = compared + 1
  end
  store:close()
  return compared
end

describe("pscope top --sum", function()
  it("equals pprof -top and -cum, to the last unit: the sample incident", function()
    local tool = find_tool()
    if not tool then pending "needs google/pprof" end
    assert.equal(11, same_as_pprof(tool, SAMPLE))
  end)

  it("equals pprof -top and -cum, to the last unit: every incident and type", function()
    local tool = find_tool()
    if not tool then pending "needs google/pprof" end
    local folders = lines_of "ls -d ../shared/data/incidents/*/ 2>/dev/null"
    if #folders == 0 then pending "needs ../shared: incidents" end
    local compared = 0
    for _, folder in ipairs(folders) do
      compared = compared + same_as_pprof(tool, (folder:gsub("/$", "")))
    end
    assert.is_true(compared >= 100, tostring(compared))
  end)
end)
