--- `pscope investigate`: runs a recipe, prints its report; the exit code is its verdict.

local investigation = require "pyroscope.cli.investigation"
local target = require "pyroscope.cli.target"

local own_flags, keys = investigation.flags()

local flags = table.move(keys, 1, #keys, 1, {})
table.move({ "window", "data", "output", "source" }, 1, 4, #flags + 1, flags)

local command = {
  name = "investigate",
  summary = "Run a recipe: a report with a verdict, how sure it is, and what it could have missed",
  arguments = { { name = "recipe", complete = "recipes" },
    { name = "target", optional = true, complete = "targets" } },
  own_flags = own_flags,
  flags = flags,
  without = { "type", "around", "window", "fields", "budget", "unit" },
  formats = { "text", "json", "md", "html", "quickfix", "sarif", "junit" },
  examples = { "pscope investigate cpu prod/checkout",
    "pscope investigate memory prod/checkout --since 12h",
    "pscope investigate cpu prod/checkout --at 14:05 -o md",
    "pscope investigate cpu ./incident/ --before version=v41 --after version=v42",
    "pscope investigate ./mine.lua prod/checkout --set limit=5" },
  notes = "RECIPE is one of `pscope recipes`, its short name, or a Lua file that returns "
    .. "function(source, options) ... return report end. --from, --to and --since bound what is "
    .. "looked at: --to stands for now, the distance is how far back.\n"
    .. "Exit codes: 0 nothing found, 10 a finding at or above --fail-on, 11 it cannot be told, 4 "
    .. "some questions failed, 6 no profiles.",
}

-- What would be asked, as a document.
local function plan_document(run, plan)
  local columns = { { name = "rpc", kind = "text" }, { name = "selector", kind = "text" },
    { name = "profile_type", kind = "text" }, { name = "from_ms", kind = "integer" },
    { name = "to_ms", kind = "integer" }, { name = "step_ms", kind = "integer" },
    { name = "group_by", kind = "list" }, { name = "max_nodes", kind = "integer" },
    { name = "bytes", kind = "integer" } }
  local units = require "pyroscope.units"
  return { type = "pyroscope.plan", columns = columns, rows = plan.queries,
    head = { recipe = plan.recipe, requests = plan.requests, bytes = plan.bytes,
      note = plan.note },
    title = { ("%s · %d requests · at most %s"):format(plan.recipe, plan.requests,
      units.bytes(plan.bytes)) },
    view = {
      { "RPC", cell = function(row) return row.rpc end },
      { "TYPE", shrink = 8, cell = function(row, screen)
        return row.profile_type and screen:name(row.profile_type) or "-"
      end },
      { "WINDOW", cell = function(row)
        return row.from_ms and row.to_ms and run:window(row.from_ms, row.to_ms) or "-"
      end },
      { "BY", cell = function(row, screen)
        return row.group_by and screen:name(table.concat(row.group_by, ",")) or "-"
      end },
      { "AT MOST", right = true, cell = function(row) return units.bytes(row.bytes) end } },
    notes = function() return { plan.note and "  " .. plan.note or nil } end }
end

local FORMATS = { md = "markdown" }

local function render(run, report, format, options)
  if format == "editor" then
    local rows = {}
    for _, finding in ipairs(report.findings or {}) do rows[#rows + 1] = finding.location end
    return require "pyroscope.output.editor".write { rows = rows }
  end
  return report:render(FORMATS[format] or format, { width = math.min(run.terminal.width, 100),
    all = options.all, utf8 = run.terminal.utf8, tz = options.tz,
    color = format == "text" and run.terminal.color or nil })
end

function command.run(run, options)
  local investigate = require "pyroscope.investigate"
  local recipe, err = investigate.find(options.recipe)
  if not recipe then return nil, err end
  local format = options.format or "text"
  local found, source = target.find(run, options.target)
  if not found then return nil, source end
  local given
  given, err = investigation.options(recipe, options, found, source)
  if not given then return nil, err end
  if options.plan then
    local plan
    local now = source.defaults and source:defaults().now_ms
    given.clock = now and math.tointeger(now) or nil
    plan, err = investigate.plan(recipe, given)
    if not plan then return nil, err end
    options.format = format == "json" and "json" or "table"
    return run:answer(plan_document(run, plan))
  end
  local shown = format == "text" and run.terminal.output and not options.out
  given.on_progress = investigation.listener(run, { steps = shown or options.progress,
    write = function(text)
      local stream = shown and io.stdout or io.stderr
      stream:write(text)
      stream:flush()
    end })
  local report
  report, err = investigate.run(recipe, source, given)
  run.progress:finish()
  if not report then return nil, err end
  if report.reason == "no_data" and report.error and format == "text" then
    return nil, report.error
  end
  run:worsen(report.exit_code)
  -- what is to be pasted asks whom this run asked
  report.asked = { target = options.target, source = options.source }
  local text = render(run, report, format, options)
  if text ~= "" and text:sub(-1) ~= "\n" then text = text .. "\n" end
  if shown then
    options.no_pager = true -- the steps stand above it
    io.stdout:write "\n"
  end
  return run:write(text)
end

return command
