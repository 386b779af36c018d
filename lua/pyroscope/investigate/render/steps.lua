--- What to do next, as commands that can be pasted.

local steps = {}

-- An argument as a shell takes it.
local function quoted(text)
  text = tostring(text)
  if text:find "^[%w_./:@%%+=,-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Target of a command, and the source it was given with; `folder` is asked instead of both.
local function about(report, folder)
  if folder then return " " .. quoted(folder:find "/" and folder or "./" .. folder) end
  local asked, subject = report.asked or {}, report.subject or {}
  local parts = {}
  local target = asked.target or subject.target or subject.service
  if target then parts[1] = " " .. quoted(target) end
  if asked.source then parts[#parts + 1] = " --source " .. quoted(asked.source) end
  return table.concat(parts)
end

--- The command that runs the next recipe.
---@param report pyroscope.report
---@param step { recipe?: string, args?: table, command?: string, text?: string }
---@return string
function steps.command(report, step)
  if type(step) == "string" then return step end
  if step.command or step.text then return step.command or step.text end
  local args = step.args or {}
  local parts = { "pscope investigate", quoted(step.recipe) .. about(report, args.source) }
  local names = {}
  for name in pairs(args) do
    if name ~= "source" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = args[name]
    if name == "at" and type(value) == "table" and type(value.A) == "string"
        and type(value.B) == "string" then
      parts[#parts + 1] = ("--before %s --after %s"):format(quoted(value.A), quoted(value.B))
    elseif type(value) ~= "table" then
      parts[#parts + 1] = "--" .. name:gsub("_", "-")
      if value ~= true then parts[#parts + 1] = quoted(value) end
    end
  end
  return table.concat(parts, " ")
end

local MORE = { mde_too_large = true, too_few_profiles = true, too_few_samples = true,
  too_few_points = true, not_equivalent = true }

-- What helps a run that could not tell: more data, or a look at what there is.
local function retry(report)
  local options = report.provenance and report.provenance.options or {}
  local behind = about(report)
  local path = report.provenance and report.provenance.read_path
  if MORE[report.reason] and report.recipe and options.effort ~= "deep" and path ~= "files" then
    return { { recipe = report.recipe, args = { effort = "deep" } } }
  end
  if report.reason == "type_absent" then return { "pscope types" .. behind } end
  if report.reason == "no_data" then return { "pscope stats", "pscope services" } end
end

--- The next steps of the report and of its findings, each once.
---@param report pyroscope.report
---@return string[]
function steps.list(report)
  local lines, seen = {}, {}
  local function add(list)
    for _, step in ipairs(list or {}) do
      local line = steps.command(report, step)
      if not seen[line] then
        seen[line] = true
        lines[#lines + 1] = line
      end
    end
  end
  for _, f in ipairs(report.findings) do add(f.next) end
  add(report.next)
  if #lines == 0 and report.verdict == "inconclusive" then add(retry(report)) end
  return lines
end

return steps
