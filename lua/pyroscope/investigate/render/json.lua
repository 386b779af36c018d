--- The report as JSON: keys in the order of the schema, places counted from 0, nothing that is
--- not plain data.

local document = require "pyroscope.investigate.document"
local json = require "pyroscope.output.json"

local writer = {}

local ORDER = {
  "schema", "recipe", "recipe_version", "verdict", "outcome", "reason", "reason_text",
  "confidence", "confidence_score", "exit_code", "summary", "subject", "design",
  "normalisation", "totals", "findings", "explained_away", "sensitivity", "tables", "timeline",
  "facts", "notes", "next", "links", "groups", "extra", "data_quality", "provenance",
}

local rank = {}
-- keys inside of objects; one order serves all of them
for i, key in ipairs {
  "id", "fingerprint", "rank", "selector", "profile_type", "service", "target", "class", "name",
  "at_ms", "kind", "domain", "members", "net", "shape", "title", "candidate", "role", "raw",
  "path", "entry", "node", "hot", "location", "file", "line", "change_source", "change_note",
  "versions", "unit", "runtime", "paired", "rho", "vif", "replicates", "A", "B", "method",
  "load_ratio", "instances", "profiles", "before", "after", "delta", "abs", "of_total", "self",
  "total", "share", "rel", "ci95_rel", "lower_bound", "upper_bound", "rate", "ci95", "test", "d",
  "se", "t", "df", "p", "q", "z", "sigma", "quantum", "quantum_source", "persistence", "state",
  "ratio", "explains", "certain", "slope", "per_hour", "wait", "split", "confidence",
  "confidence_score", "severity", "blocks", "callers", "labels", "explained_by", "label",
  "values", "ep", "guards", "result", "value", "next", "recipe", "args", "links", "columns",
  "key", "rows", "alpha", "tests", "mde", "root", "must_detect", "met", "ok", "reason",
  "partial", "coverage", "other_share", "samples", "warnings", "code", "message", "module",
  "endpoint", "read_path", "generated_ms", "policy", "options", "seed", "requests", "rpc", "n",
  "bytes", "ms", "cached",
} do
  rank[key] = i
end

-- Whole numbers are written whole, so that what was read back is written the same.
local function number(value)
  if math.type(value) == "integer" then return ("%d"):format(value) end
  if value == math.floor(value) and math.abs(value) < 2 ^ 53 then return ("%d"):format(value) end
  return ("%.10g"):format(value)
end

local style = { rank = rank, number = number }

-- Lists that stay lists when they are empty.
local LISTS = {}
for _, key in ipairs { "findings", "explained_away", "tables", "timeline", "notes", "warnings",
  "requests", "columns", "rows", "path", "hot", "members", "mde" } do LISTS[key] = true end

local function finite(value)
  return value == value and value ~= math.huge and value ~= -math.huge
end

-- Plain data alone: a list with a number that is none is left out as a whole.
local function clean(value, key, depth)
  local kind = type(value)
  if kind == "number" then return finite(value) and value or nil end
  if kind == "string" or kind == "boolean" then return value end
  if kind ~= "table" or depth > 32 then return nil end
  local out = {}
  if LISTS[key] or value[1] ~= nil then
    for i, item in ipairs(value) do
      local copy = clean(item, nil, depth + 1)
      if copy == nil then return nil end
      out[i] = copy
    end
    return json.array(out)
  end
  for name, item in pairs(value) do
    if type(name) == "string" or math.type(name) == "integer" then
      out[tostring(name)] = clean(item, name, depth + 1)
    end
  end
  if next(out) == nil and key ~= "options" and key ~= "args" and key ~= "delta" then return nil end
  return out
end

local function finding(f)
  local copy = {}
  for key, value in pairs(f) do copy[key] = value end
  copy.entry = f.entry and f.entry - 1
  copy.node = f.node and f.node - 1
  return clean(copy, nil, 0)
end

local function lines(list)
  local parts = {}
  for i, item in ipairs(list) do parts[i] = json.encode(item, style) end
  return "[" .. table.concat(parts, ",\n  ") .. "]"
end

--- The document, a line for each of its parts and for each finding.
---@param report pyroscope.report
---@return string
function writer.write(report)
  local parts = {}
  for _, key in ipairs(ORDER) do
    local value = report[key]
    if type(value) == "function" then value = nil end -- a method, not a field
    local text
    if key == "findings" then
      local list = {}
      for i, f in ipairs(value) do list[i] = finding(f) end
      text = lines(list)
    elseif value ~= nil then
      value = clean(value, key, 0)
      if key == "provenance" and value and value.endpoint then
        value.endpoint = document.bare_url(value.endpoint)
      end
      if value ~= nil then
        local listed = type(value) == "table" and type(value[1]) == "table"
        text = listed and lines(value) or json.encode(value, style)
      end
    end
    if text then parts[#parts + 1] = json.string(key) .. ":" .. text end
  end
  return "{" .. table.concat(parts, ",\n ") .. "}\n"
end

return writer
