--- Which spec shows which capability: reads the list of ids, finds them in the titles of specs.
---   lua5.4 spec/support/capabilities.lua        prints the table

local capabilities = {}

-- Work that is still open, by subject: the ids that belong to it. An id that a spec names must not
-- stand here.
capabilities.open = {
  ["the worker and its MCP tools"] = { "MCP-01", "MCP-02", "MCP-03", "MCP-04", "MCP-06", "MCP-07",
    "MCP-08", "MCP-11", "MCP-13", "MCP-20", "MCP-21" },
}

local function lines(path)
  local file = assert(io.open(path))
  local list = {}
  for line in file:lines() do list[#list + 1] = line end
  file:close()
  return list
end

--- The ids with their subjects, in order.
---@return { id: string, subject: string }[]
function capabilities.list()
  local list = {}
  for i, line in ipairs(lines "spec/fixtures/capabilities.tsv") do
    local id, subject = line:match "^(%S+)\t(.*)$"
    list[i] = { id = id, subject = subject }
  end
  return list
end

-- Ids in a text, also of ranges like "AX-11 to AX-16".
local function add(found, text, name)
  text = text:gsub("W%-%u+%-%d+", "") -- rules are not capabilities
  local function put(id)
    found[id] = found[id] or {}
    found[id][name] = true
  end
  for family, from, other, to in text:gmatch "(%u+)%-(%d+) to (%u+)%-(%d+)" do
    if family == other then
      for n = tonumber(from), tonumber(to) do put(("%s-%02d"):format(family, n)) end
    end
  end
  for family, number in text:gmatch "(%u+)%-(%d+)" do put(family .. "-" .. number) end
end

--- The specs that name an id in a title: id -> names of specs.
---@return table<string, string[]>
function capabilities.found()
  local found = {}
  local pipe = assert(io.popen "ls spec/*_spec.lua")
  for path in pipe:lines() do
    local text = table.concat(lines(path), "\n"):gsub('"%s*%.%.%s*"', "")
    for title in text:gmatch '%f[%w][di][et]s?c?r?i?b?e?%s*%("([^"]*)"' do
      add(found, title, path:match "([^/]+)_spec%.lua$")
    end
  end
  pipe:close()
  local sorted = {}
  for id, names in pairs(found) do
    sorted[id] = {}
    for name in pairs(names) do table.insert(sorted[id], name) end
    table.sort(sorted[id])
  end
  return sorted
end

--- Id -> the open work that it waits for.
function capabilities.waiting()
  local waiting = {}
  for subject, ids in pairs(capabilities.open) do
    for _, id in ipairs(ids) do waiting[id] = subject end
  end
  return waiting
end

--- The table, one line an id.
---@return string
function capabilities.table()
  local found, waiting, out = capabilities.found(), capabilities.waiting(), {}
  for i, row in ipairs(capabilities.list()) do
    local names = found[row.id] and table.concat(found[row.id], " ")
      or waiting[row.id] and "open: " .. waiting[row.id] or "NO SPEC"
    out[i] = ("%-7s %-44s %s"):format(row.id, names, row.subject)
  end
  return table.concat(out, "\n") .. "\n"
end

if arg and arg[0] and arg[0]:find "capabilities%.lua$" then io.stdout:write(capabilities.table()) end

return capabilities
