--- Through Grafana: which data source, and the address of its proxy. Asked once, before the first
--- question.

local check = require "pyroscope.check"
local errors = require "pyroscope.errors"
local shared = require "pyroscope.source.shared"

local grafana = {}

local TYPES = { ["grafana-pyroscope-datasource"] = true, phlare = true }
local CLOUD = "grafanacloud-profiles" -- the name that Grafana Cloud gives it

local function proxy(root, uid)
  return ("%s/api/datasources/proxy/uid/%s"):format(root, uid)
end

local function is_uid(text)
  return text:find "^[%w_-]+$" ~= nil and #text <= 40
end

local function other_type(row)
  return errors.new { kind = "config", code = "datasource_type",
    message = ("the data source '%s' is of type %s, not Pyroscope"):format(row.name or row.uid,
      row.type or "unknown"),
    hint = "name the Pyroscope data source: --datasource UID" }
end

local function listed(rows)
  local words = {}
  for i, row in ipairs(rows) do words[i] = ("  %s  (%s)"):format(row.uid, row.name) end
  return table.concat(words, "\n")
end

-- The one that is meant, of those that are there.
local function choose(rows, wanted)
  local ours, names = {}, {}
  for _, row in ipairs(rows) do
    if TYPES[row.type] then
      ours[#ours + 1] = row
      names[#names + 1], names[#names + 2] = row.uid, row.name
    end
  end
  table.sort(ours, function(a, b) return tostring(a.uid) < tostring(b.uid) end)
  if wanted then
    local by_name
    for _, row in ipairs(rows) do
      if row.uid == wanted then
        if TYPES[row.type] then return row end
        return nil, other_type(row)
      end
      if row.name == wanted or tostring(row.name):lower() == wanted:lower() then
        if not by_name or TYPES[row.type] then by_name = row end
      end
    end
    if by_name and TYPES[by_name.type] then return by_name end
    if by_name then return nil, other_type(by_name) end
    local near = check.suggestion(wanted, names)
    return nil, errors.new { kind = "config", code = "datasource",
      message = ("Grafana has no data source '%s'%s"):format(wanted,
        near ~= "" and " " .. near or ""),
      hint = #ours > 0 and "its Pyroscope data sources (uid, name):\n" .. listed(ours)
        or "it has no Pyroscope data source at all" }
  end
  if #ours == 1 then return ours[1] end
  for _, row in ipairs(ours) do
    if row.name == CLOUD or row.uid == CLOUD then return row end
  end
  if #ours == 0 then
    return nil, errors.new { kind = "config", code = "datasource",
      message = "Grafana has no Pyroscope data source that these credentials may see",
      hint = "add one: Connections > Data sources, or name its uid: --datasource UID" }
  end
  return nil, errors.new { kind = "config", code = "datasource",
    message = ("Grafana has %d Pyroscope data sources: which one?"):format(#ours),
    hint = "name one with --datasource UID (datasource = \"...\"):\n" .. listed(ours) }
end

---@class pyroscope.gate
local gate = { via = "grafana" }
local meta = { __index = gate, __name = "pyroscope.gate" }

-- One data source by its uid: false where there is none of it.
local function by_uid(get, uid)
  local row, err = get("/api/datasources/uid/" .. uid)
  if row then return row end
  if err.status == 404 then return false end
  return nil, err
end

--- Finds the data source: { base, uid, name }.
---@param get fun(path: string): table?, pyroscope.error?   JSON of a path of Grafana
---@return table? found
---@return pyroscope.error? err
function gate:find(get)
  local wanted = self.datasource
  local row, err
  if wanted and is_uid(wanted) then
    row, err = by_uid(get, wanted)
    -- A token may query what it may not read about.
    if err and err.status == 403 then return { base = proxy(self.root, wanted), uid = wanted } end
    if row == nil then return nil, err end
    if row and not TYPES[row.type] then return nil, other_type(row) end
  end
  if not row then
    local rows
    rows, err = get "/api/datasources"
    if not rows then
      if err.status == 403 and wanted and is_uid(wanted) then
        return { base = proxy(self.root, wanted), uid = wanted }
      end
      if err.status == 403 and not wanted then
        err = errors.wrap(err, { hint = (err.hint or "")
          .. "\nor name the data source by its uid, which needs no such right: --datasource UID" })
      end
      return nil, err
    end
    row, err = choose(rows, wanted)
    if not row then return nil, err end
  end
  return { base = proxy(self.root, row.uid), uid = row.uid, name = row.name }
end

--- A gate to a Pyroscope data source of Grafana.
---@param options table     grafana, datasource
---@return pyroscope.gate
function grafana.gate(options)
  return setmetatable({ root = shared.root_of(options.grafana), datasource = options.datasource },
    meta)
end

return grafana
