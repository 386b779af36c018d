--- Sentences about one finding, for every form. Names are as they are: writers escape.

local quantity = require "pyroscope.investigate.quantity"
local units = require "pyroscope.units"
local verdict = require "pyroscope.investigate.verdict"
local words = require "pyroscope.investigate.render.words"

local facts = {}

--- `4.1% -> 24.8%`, or the values where shares say nothing.
function facts.change(f)
  local a, b = f.before, f.after
  if not a and not b then return nil end
  a, b = a or {}, b or {}
  local abs, share = f.delta.abs or 0, f.delta.share or 0
  -- a share may fall while the value grows: then the values say it better
  if f.unit ~= "waiters" and a.share and b.share and abs * share > 0 then
    return ("%s -> %s"):format(units.percent(a.share), units.percent(b.share))
  end
  local x, y = a.total or a.self, b.total or b.self
  if x and y then
    return ("%s -> %s"):format(quantity.text(x, f.unit, { bare = true }),
      quantity.text(y, f.unit, { bare = true }))
  end
end

--- The change itself with its sign and unit.
function facts.delta(f)
  local slope = f.slope
  if slope and slope.per_hour then
    return quantity.text(slope.per_hour, slope.unit or f.unit, { sign = true }) .. "/h"
  end
  if not f.delta.abs then return "" end
  return quantity.text(f.delta.abs, f.unit, { sign = true })
end

--- `q=2e-12`.
function facts.q(f)
  local q = f.test and f.test.q
  return q and ("q=%.1g"):format(q):gsub("e([-+])0+(%d)", "e%1%2") or nil
end

local KINDS = { new_code = "new code", removed_code = "gone" }

-- What labels say: `97% of it in version=v42`.
local function label_words(f, parts)
  if #(f.path or {}) == 0 and f.explains then return end -- the finding is the label
  for _, row in ipairs(f.labels and f.labels.explained_by or {}) do
    local values = table.concat(row.values or { row.value }, ",")
    parts[#parts + 1] = row.ep and ("%s of it in %s=%s"):format(
      units.percent(row.ep, { digits = 0 }), row.label, values)
      or ("%s=%s"):format(row.label, values)
  end
end

--- What else is known of a finding, in short sentences.
---@param f table
---@return string[]
function facts.list(f)
  local parts = {}
  if KINDS[f.kind] then parts[#parts + 1] = KINDS[f.kind] end
  if f.explains then
    local part = units.percent(f.explains, { digits = 0 })
    parts[#parts + 1] = ("explains %s of the change"):format(part)
  end
  label_words(f, parts)
  local rel = words.relative(f.delta.rel)
  local interval = words.interval(f.delta.ci95_rel, f.delta.rel)
  if rel and f.kind ~= "new_code" and f.kind ~= "removed_code" then
    local sign = interval and interval:find "^x" and "" or "%"
    parts[#parts + 1] = rel .. (interval and (" (95%% CI %s%s)"):format(interval, sign) or "")
  end
  local slope = f.slope
  if slope then
    if slope.ci95 and slope.ci95[1] and slope.ci95[2] then
      parts[#parts + 1] = ("95%% CI %s to %s/h"):format(
        quantity.text(slope.ci95[1], slope.unit or f.unit, { sign = true }),
        quantity.text(slope.ci95[2], slope.unit or f.unit, { sign = true }))
    end
    if slope.doubling_hours then
      parts[#parts + 1] = "doubles in " .. units.duration(slope.doubling_hours * 3600)
    end
    if slope.hours_to_limit then
      parts[#parts + 1] = "limit reached in " .. units.duration(slope.hours_to_limit * 3600)
    end
  end
  if f.split then
    local word = f.split.word
    if word == "both" then
      word = f.unit == "waiters" and "both more often and longer" or "both more and larger objects"
    end
    parts[#parts + 1] = f.split.text or word
  end
  if f.instances and #f.instances > 0 then
    local names = {}
    for i = 1, math.min(3, #f.instances) do
      local item = f.instances[i]
      names[i] = type(item) == "table" and item.name or tostring(item)
    end
    local more = #f.instances - #names
    parts[#parts + 1] = "on " .. table.concat(names, ", ")
      .. (more > 0 and (" and %d more"):format(more) or "")
  end
  for _, note in ipairs(f.notes or {}) do
    parts[#parts + 1] = type(note) == "table" and (note.message or note.text) or tostring(note)
  end
  return parts
end

--- `severity high, low confidence (few replicates)`: with what takes from it where it is less.
---@param f table
---@return string
function facts.sure(f)
  local text = f.confidence .. " confidence"
  if verdict.is_bad(f.kind) then text = ("severity %s, %s"):format(f.severity, text) end
  if f.doubts and #f.doubts > 0 then text = text .. " (" .. table.concat(f.doubts, ", ") .. ")" end
  return text
end

--- Names of a call path from the entry on, the finding itself in brackets, hot frames behind it.
---@param f table
---@param short? boolean
---@return string[] names
---@return boolean cut            callers above the entry are left out
function facts.chain(f, short)
  local names, path = {}, f.path or {}
  local name = short and quantity.short or function(text) return text end
  local node, entry = f.node or #path, f.entry or 1
  for i = entry, node do
    names[#names + 1] = i == node and "[" .. name(path[i]) .. "]" or name(path[i])
  end
  local hot = f.hot or {}
  if #hot == 0 then hot = table.move(path, node + 1, #path, 1, {}) end
  for _, below in ipairs(hot) do names[#names + 1] = name(below) end
  return names, entry > 1
end

return facts
