--- `pscope recipes`: what can be investigated, and with which options.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"

local command = {
  name = "recipes",
  summary = "What can be investigated; with a name, the options of that recipe",
  arguments = { { name = "name", optional = true, complete = "recipes" } },
  flags = { "output" },
  without = { "unit", "explain" },
  formats = { "table", "json", "jsonl", "csv", "tsv", "md", "names" },
  columns = {
    { name = "name", kind = "text" }, { name = "alias", kind = "text" },
    { name = "question", kind = "text" }, { name = "class", kind = "text" },
    { name = "design", kind = "text" }, { name = "range", kind = "text" },
    { name = "options", kind = "list" }, { name = "next", kind = "list" },
  },
  examples = { "pscope recipes", "pscope recipes cpu", "pscope recipes --json" },
  notes = "A recipe of one's own is a Lua file: pscope investigate ./mine.lua TARGET.",
}

local function shown_default(value)
  if value == nil then return "-" end
  if type(value) == "table" then return table.concat(value, ",") end
  return tostring(value)
end

local function option_rows(options)
  local rows = require "pyroscope.output.json".array {}
  for i, option in ipairs(options) do
    rows[i] = { name = option.name, type = option.type, default = option.default,
      choices = option.choices, help = option.help }
  end
  return rows
end

local function names_of(options)
  local names = {}
  for i, option in ipairs(options) do names[i] = option.name end
  return names
end

-- Where there is room for objects, options are whole.
local function row_of(recipe, whole)
  return { name = recipe.name, alias = recipe.alias, question = recipe.question,
    class = recipe.class, design = recipe.design, range = recipe.range,
    options = whole and option_rows(recipe.options) or names_of(recipe.options),
    next = recipe.next }
end

-- One recipe: its own options, then those of all.
local function detail(recipe)
  local shared = require "pyroscope.investigate.options".shared
  return function(screen)
    local lines = { ("%s%s"):format(recipe.name, recipe.alias and " (" .. recipe.alias .. ")"
      or ""), recipe.question, "",
      ("class %s · design %s%s"):format(recipe.class, recipe.design,
        recipe.range and " · looks back " .. recipe.range or "") }
    for _, part in ipairs { { "OPTIONS OF ITS OWN", recipe.options },
      { "OPTIONS OF ALL RECIPES", shared } } do
      if #part[2] > 0 then
        local cells = {}
        for i, option in ipairs(part[2]) do
          local help = option.help
          if option.choices then
            help = ("%s: %s"):format(help, table.concat(option.choices, ", "))
          end
          cells[i] = { option.name, shown_default(option.default), help, styles = {} }
        end
        lines[#lines + 1] = ""
        for _, line in ipairs(screen:table({ { part[1] }, { "DEFAULT" }, { "", shrink = 20 } },
          cells)) do
          lines[#lines + 1] = line
        end
      end
    end
    return lines
  end
end

function command.run(run, options)
  local recipes = require "pyroscope.investigate.recipes"
  local list = recipes.all()
  local chosen
  if options.name then
    chosen = recipes.find(options.name)
    if not chosen then
      local near = check.suggestion((options.name:gsub("-", "_")), recipes.names())
      return nil, errors.new { kind = "usage", code = "recipe",
        message = ("there is no recipe '%s'%s"):format(options.name,
          near ~= "" and " " .. near or ""), hint = "pscope recipes" }
    end
    list = { chosen }
  end
  local rows = {}
  local whole = options.format == "json" or options.format == "jsonl"
  for i, recipe in ipairs(list) do rows[i] = row_of(recipe, whole) end
  local document = { type = "pyroscope.recipes", columns = command.columns, rows = rows,
    head = {} }
  if options.format == "json" then
    document.head.shared = option_rows(require "pyroscope.investigate.options".shared)
  end
  document.view = {
    { "RECIPE", code = true, cell = function(row) return row.name end },
    { "SHORT", cell = function(row) return row.alias or "-" end },
    { "ASKS", shrink = 30, cell = function(row) return row.question end },
  }
  if chosen then document.body = detail(chosen) end
  document.hints = function()
    return { chosen and ("pscope investigate %s prod/checkout"):format(chosen.alias
      or chosen.name) or "pscope recipes NAME", "pscope investigate ./mine.lua prod/checkout" }
  end
  return run:answer(document)
end

return command
