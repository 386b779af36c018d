--- The shipped recipes: what each asks, of which class, with which design, and its own options.
--- `pscope recipes` prints this; a recipe whose file is not there is not listed.

local recipes = {}

local function option(name, type, default, help, kind)
  return { name = name, type = type, default = default, help = help, kind = kind }
end

---@class pyroscope.recipe
---@field name string
---@field alias? string         the short name on the command line
---@field question string
---@field class string          of profile types
---@field design string         what is compared when nothing is said
---@field range? string         how far it looks back by itself
---@field selector? string      when none is given
---@field defaults? table        of shared options
---@field scale? table           what thresholds of the policy are multiplied with
---@field options pyroscope.investigate.option[]
---@field next string[]         recipes that follow from its findings

---@type pyroscope.recipe[]
recipes.list = {
  { name = "cpu_regression", alias = "cpu", class = "cpu", design = "auto", range = "24h",
    question = "Did this service become more expensive, since when, in which code, by how much?",
    options = {}, next = { "breakdown", "alloc_pressure", "what_changed" } },
  { name = "memory_leak", alias = "memory", class = "live_bytes", design = "trend", range = "12h",
    question = "Does live memory grow without bound, how fast, allocated where, until when?",
    options = {
      option("limit", "integer", nil, "memory limit of an instance in bytes", "size"),
      option("rss", "number", nil, "resident memory of an instance in bytes, to compare"),
      option("min_growth", "number", 0.05, "growth over the range that counts", "share"),
      option("points", "integer", 8, "trees over the range"),
    }, next = { "goroutine_leak", "alloc_pressure" } },
  { name = "alloc_pressure", alias = "alloc", class = "alloc_bytes", design = "auto",
    range = "24h",
    question = "Which code creates garbage, did it change, what does the collector cost?",
    scale = { min_share = 2, min_rel = 2 },
    options = {
      option("heap_rate", "integer", 524288, "bytes between heap samples", "size"),
    }, next = { "cpu_regression" } },
  { name = "goroutine_leak", alias = "goroutine", class = "goroutine", design = "trend",
    range = "6h",
    question = "Are goroutines accumulating, blocked where, started by whom, on which instances?",
    options = {
      option("blocked_threshold", "integer", 10000,
        "so many goroutines at one place of one instance are a finding"),
      option("min_growth", "integer", 100, "goroutines over the range that count"),
      option("points", "integer", 8, "trees over the range"),
    }, next = { "memory_leak" } },
  { name = "mutex_contention", alias = "mutex", class = "mutex_delay", design = "auto",
    range = "24h", question = "Which lock costs waiting time, did it get worse, more often or "
      .. "longer?",
    defaults = { min_rel = 0.2 }, options = {
      option("bar", "number", 0.05, "mean waiters that count"),
    }, next = { "breakdown", "block_offcpu" } },
  { name = "block_offcpu", alias = "block", class = "block_delay", design = "auto",
    range = "24h", question = "Where does wall time go when it is not CPU?",
    defaults = { min_rel = 0.2 }, options = {
      option("bar", "number", 0.1, "mean waiters that count"),
    }, next = { "mutex_contention" } },
  { name = "what_changed", alias = "deploy", class = "every class", design = "auto",
    range = "24h", defaults = { max_requests = 160 },
    question = "Something is different. What, and in which order?",
    options = {
      option("classes", "table", nil, "only these classes", "list"),
      option("follow", "integer", 2, "recipes that are run on the classes that changed most"),
    }, next = { "cpu_regression", "breakdown" } },
  { name = "breakdown", class = "cpu", design = "two windows", range = "24h",
    question = "Which pod, version, region or endpoint carries the change or the cost?",
    options = {
      option("by", "string|table", nil, "only these labels", "list"),
      option("class", "string", "cpu", "the profile type that is broken down"),
      option("limit", "integer", 50, "values of a label that are looked at"),
    }, next = { "cpu_regression", "what_changed" } },
  { name = "fleet_top", alias = "fleet", class = "cpu", design = "one window a service",
    range = "1h", selector = "{}",
    question = "Which functions and packages cost most over all services?",
    options = {
      option("services", "integer", 30, "services that are looked at, by cost"),
      option("limit", "integer", 50, "functions shown"),
      option("price", "number", nil, "price of a core for an hour"),
    }, next = { "cpu_regression", "breakdown" } },
  { name = "incident_bundle", alias = "bundle", class = "every class",
    design = "before, during, after", range = "30m",
    question = "Freeze the evidence now, analyse later, share without access to the server.",
    options = {
      option("path", "string", nil, "the new folder"),
      option("around", "string|number", nil, "the middle of the incident", "time"),
      option("blocks", "integer", 8, "profiles that each window is cut into"),
      option("max_bytes", "integer", 200 << 20, "leave out what does not fit", "size"),
      option("types", "table", nil, "only these profile types", "list"),
      option("title", "string", nil, "what the bundle is called"),
      option("note", "string", nil, "kept in the bundle"),
      option("redact", "table", nil, "{ labels = { ... }, functions = \"hash\" }"),
    }, next = { "cpu_regression" } },
}

local by_name = {}
for _, recipe in ipairs(recipes.list) do
  by_name[recipe.name] = recipe
  if recipe.alias then by_name[recipe.alias] = recipe end
end

local function module_of(recipe)
  return "pyroscope.investigate.recipes." .. recipe.name
end

--- Is the file of a recipe there?
---@param recipe pyroscope.recipe
---@return boolean
function recipes.present(recipe)
  local name = module_of(recipe)
  return package.loaded[name] ~= nil or package.searchpath(name, package.path) ~= nil
end

--- A recipe by its name or alias; `-` and `_` are equal. Nil where there is none.
---@param name string
---@return pyroscope.recipe?
function recipes.find(name)
  local recipe = by_name[(name:lower():gsub("-", "_"))]
  return recipe and recipes.present(recipe) and recipe or nil
end

--- The recipes that are there, in the order of help.
---@return pyroscope.recipe[]
function recipes.all()
  local list = {}
  for _, recipe in ipairs(recipes.list) do
    if recipes.present(recipe) then list[#list + 1] = recipe end
  end
  return list
end

--- Every name and alias by which one can be asked for, sorted.
---@return string[]
function recipes.names()
  local names = {}
  for _, recipe in ipairs(recipes.all()) do
    names[#names + 1] = recipe.name
    if recipe.alias then names[#names + 1] = recipe.alias end
  end
  table.sort(names)
  return names
end

--- The function of a recipe.
---@param recipe pyroscope.recipe
---@return fun(source: pyroscope.source, options: table): pyroscope.report?, pyroscope.error?
function recipes.load(recipe)
  return require(module_of(recipe))
end

return recipes
