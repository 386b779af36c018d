--- `pscope open`: the same question in a browser, in pprof, or the hottest line in $EDITOR.

local errors = require "pyroscope.errors"
local link = require "pyroscope.cli.commands.link"
local subject = require "pyroscope.cli.subject"
local terminal = require "pyroscope.cli.terminal"

local command = {
  name = "open",
  summary = "Open it in the browser (a server's page, or a drawing of a file), in pprof or $EDITOR",
  arguments = { { name = "target", optional = true, complete = "targets" } },
  flags = { "with", "view", "window", "data", "stack", "tree", "output", "source" },
  without = { "fields", "budget", "unit", "no_truncate", "format", "json", "out", "force" },
  examples = { "pscope open prod/checkout", "pscope open cpu.pb.gz --with pprof",
    "pscope open prod/checkout --with editor" },
  notes = "grafana insists on Grafana's page: the source has to be asked through it. What is "
    .. "written for other programs lies in a folder of mode 700 below the system's folder for "
    .. "temporary files.",
}

local function exists(program)
  for folder in ((os.getenv "PATH" or "") .. ":"):gmatch "([^:]*):" do
    local stat = require "pyroscope.system".stat(folder .. "/" .. program)
    if stat and stat.type == "file" and stat.mode & 73 ~= 0 then return true end
  end
  return false
end

local function browser()
  local chosen = os.getenv "BROWSER"
  if chosen and chosen ~= "" then return chosen end
  for _, program in ipairs { "xdg-open", "open", "sensible-browser", "wslview" } do
    if exists(program) then return program end
  end
end

local function temporary(name, bytes)
  local system = require "pyroscope.system"
  local folder = ("%s/pscope-%d"):format((os.getenv "TMPDIR" or "/tmp"):gsub("/+$", ""),
    system.uid())
  local ok, err = system.mkdir(folder, 448)
  if not ok then return nil, err end
  local stat = system.stat(folder)
  if not stat or stat.type ~= "directory" or stat.mode & 63 ~= 0 then
    return nil, errors.new { kind = "io", message = ("'%s' is open to others"):format(folder),
      hint = "remove it, or name another folder in TMPDIR" }
  end
  local path = ("%s/%s"):format(folder, name)
  ok, err = system.write_file(path, bytes, { force = true })
  if not ok then return nil, err end
  return path
end

local function drawn(run, options, format)
  local self, err = subject.fetch(run, options.target, { exact = true })
  if not self then return nil, err end
  local bytes
  bytes, err = self.profile:render(format, format ~= "pprof" and { title = self:headline(),
    subtitle = self:total_text() } or nil)
  if not bytes then return nil, err end
  return bytes, self
end

local function in_browser(run, what)
  local program = browser()
  if not program then
    run:say "no browser is known here (BROWSER names one)"
    return run:write(what .. "\n")
  end
  local ok, err = terminal.start { program, what }
  if not ok then return nil, err end
  return run.status
end

local function page_of(run, options)
  local url, why, _, source = link.of(run, options, options.target, { view = options.view })
  if url then
    if type(why) == "string" then run:warn(why) end
    return url, nil, source
  end
  if type(why) == "table" and why.code == "no_page" and not source then
    local bytes, err = drawn(run, options,
      require "pyroscope.core".formats().html and "html" or "svg")
    if not bytes then return nil, err end
    return temporary("profile." .. (bytes:find "^<!DOCTYPE" and "html" or "svg"), bytes)
  end
  return nil, why
end

-- Grafana's own page, or an error that says how it becomes one.
local function grafanas(page, source)
  if page and page:find "/explore%?" and (source.base:find "/api/datasources/proxy/") then
    return page
  end
  return nil, errors.new { kind = "unsupported", code = "no_grafana",
    message = ("'%s' is not asked through Grafana"):format(source and source.name or "this"),
    hint = "grafana = URL in the deployment, or --source GRAFANA-URL --datasource UID" }
end

function command.run(run, options)
  local with = options.with or "browser"
  if with == "browser" or with == "grafana" then
    local page, err, source = page_of(run, options)
    if page and with == "grafana" then page, err = grafanas(page, source) end
    if not page then return nil, err end
    return in_browser(run, page)
  end
  if with == "pprof" then
    local bytes, err = drawn(run, options, "pprof")
    if not bytes then return nil, err end
    local path
    path, err = temporary("profile.pb.gz", bytes)
    if not path then return nil, err end
    local words = exists "pprof" and { "pprof" } or exists "go" and { "go", "tool", "pprof" }
    if not words then
      return nil, errors.new { kind = "unsupported", message = "there is no pprof here",
        hint = ("install it, or take the file: %s"):format(path) }
    end
    words[#words + 1] = path
    local ok
    ok, err = terminal.start(words)
    if not ok then return nil, err end
    return run.status
  end
  local self, err = subject.fetch(run, options.target, { exact = true })
  if not self then return nil, err end
  for _, row in ipairs((self.profile:top(50))) do
    local file, line = self:where(row)
    local path = file and require "pyroscope.system".stat(file) and file
    if path then
      local ok
      ok, err = terminal.start(terminal.editor(path, line))
      if not ok then return nil, err end
      return run.status
    end
  end
  return nil, errors.new { kind = "no_data", code = "no_file",
    message = "none of the hottest functions' files is here",
    hint = "run it where the source is; pscope top shows the files" }
end

return command
