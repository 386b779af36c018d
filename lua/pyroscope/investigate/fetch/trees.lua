--- Trees of a design: every window and type in flight at once, as many nodes as the server bears.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local selector = require "pyroscope.selector"
local subjects = require "pyroscope.investigate.subject"

local trees = {}

--- Nodes of a tree that is asked from a server.
trees.NODES = 65536

-- Below this many nodes a server's refusal is not about nodes.
local FEWEST = 1024
-- More hidden than this on either side: four times the nodes are asked for, twice at most.
local MOST_HIDDEN, ROUNDS = 0.02, 2

--- The selector of a window: its own, else that of the question with the window's labels.
function trees.selector_of(asked, window)
  local text = window.selector or asked.selector
  if not window.labels or not next(window.labels) then return text end
  local matchers, err = selector.parse(text, { bare = true })
  if not matchers then return nil, err end
  return selector.build(selector.merge(matchers, selector.from_labels(window.labels)))
end

--- The ids that a question is about.
function trees.types_of(asked)
  if asked.types then return asked.types end
  return type(asked.type) == "table" and asked.type or { asked.type }
end

local selector_of, types_of = trees.selector_of, trees.types_of

-- What is asked for every window and type; an error for a selector that cannot be read.
local function questions_of(asked, windows, nodes)
  local list = {}
  for _, item in ipairs(windows) do
    local text, err = selector_of(asked, item.window)
    if not text then return nil, err end
    for _, id in ipairs(types_of(asked)) do
      list[#list + 1] = { selector = text, profile_type = id, from_ms = item.window.from_ms,
        to_ms = item.window.to_ms, max_nodes = nodes, call_site = asked.call_site,
        tagfocus = asked.tagfocus, tagignore = asked.tagignore }
    end
  end
  return list
end

local function close_all(profiles)
  for _, profile in pairs(profiles) do profile:close() end
end

-- Errors that no other window will fare better with.
local FATAL = { cancelled = true, auth = true, usage = true, config = true, unsupported = true }

-- All answers by number of the question; the first error beside them.
local function ask_all(source, questions, progress)
  local profiles, failed, refused, lacking = {}, {}, nil, nil
  for i, profile, err in source:profiles(questions) do
    if profile then
      profiles[i] = profile
    elseif err.kind == "no_data" then
      if err.code == "not_in_bundle" then lacking = err end
    else
      if FATAL[err.kind] then
        close_all(profiles)
        return nil, err
      end
      if err.kind == "limit" and err.code ~= "max_requests" then refused = refused or err end
      failed[i] = err
    end
    if progress then progress { what = "profiles", done = i, total = #questions } end
  end
  return profiles, failed, refused, lacking
end

local function hidden(profiles)
  local other, total = 0, 0
  for _, profile in pairs(profiles) do
    other, total = other + (profile:coverage().other or 0), total + profile.sum
  end
  return total > 0 and other / total or 0
end

-- Half the nodes, or what the server says that it allows.
local function fewer(nodes, err)
  local most = math.tointeger(tonumber((err.server or err.message):match "allowed (%d+)"))
  if most and most >= 1 and most < nodes then return most end
  return nodes // 2
end

-- Asks with as many nodes as the server bears: half of them on a refusal, four times as many where
-- too much is hidden.
local function climb(source, asked, windows, progress)
  local nodes = asked.max_nodes
  if not nodes and source.kind ~= "store" then nodes = trees.NODES end
  local best, rounds = nil, 0
  while true do
    local questions, err = questions_of(asked, windows, nodes)
    if not questions then return nil, err end
    local profiles, failed, refused, lacking = ask_all(source, questions, progress)
    if not profiles then
      if best then close_all(best.profiles) end
      return nil, failed
    end
    if refused and best then
      close_all(profiles)
      return best
    end
    if refused and nodes and fewer(nodes, refused) >= FEWEST then
      close_all(profiles)
      nodes, rounds = fewer(nodes, refused), ROUNDS
    else
      if best then close_all(best.profiles) end
      best = { profiles = profiles, failed = failed, nodes = nodes, refused = refused,
        lacking = lacking }
      rounds = rounds + 1
      if not nodes or asked.max_nodes or rounds > ROUNDS or hidden(profiles) <= MOST_HIDDEN then
        return best
      end
      nodes = nodes * 4
    end
  end
end

-- The profile of a window, its types added; an empty one where it had nothing and that counts.
local function joined(found, first, count)
  local parts = {}
  for i = first, first + count - 1 do
    if found.failed[i] then
      for _, part in ipairs(parts) do part:close() end
      return nil, found.failed[i]
    end
    parts[#parts + 1] = found.profiles[i]
  end
  if #parts < 2 then return parts[1] end
  local sum, err = core.merge(parts)
  for _, part in ipairs(parts) do part:close() end
  return sum, err
end

-- A wait that nobody had is no profile at all: its replicate is zero. Everywhere else a window
-- without a profile is a gap.
local function counts_as_zero(subject)
  return subject.class:find "^mutex" ~= nil or subject.class:find "^block" ~= nil
end

local function sample_of(item, profile, asked)
  local window = item.window
  local profiles = profile.profiles or window.profiles
  if #types_of(asked) > 1 and profiles then profiles = window.profiles or profiles // 2 end
  return { profile = profile, side = item.side, order = item.order, from_ms = window.from_ms,
    to_ms = window.to_ms, instance = window.instance, profiles = profiles,
    seconds = window.seconds or (asked.interval_ms and profiles
      and profiles * asked.interval_ms / 1000) or (window.to_ms - window.from_ms) / 1000 }
end

-- Two neighbours as one window.
local function joined_windows(a, b)
  local window = {}
  for name, value in pairs(a) do window[name] = value end
  window.to_ms = b.to_ms
  for _, name in ipairs { "profiles", "seconds" } do
    window[name] = a[name] and b[name] and a[name] + b[name] or nil
  end
  return window
end

-- A side with half as many windows: neighbours together where they are moments, else fewer.
local function halved(list, unit)
  local half = {}
  if unit == "block" then
    for i = 1 + #list % 2, #list, 2 do half[#half + 1] = joined_windows(list[i], list[i + 1]) end
    return half
  end
  local first = unit == "day" and #list - #list // 2 + 1 or 1
  return table.move(list, first, first + math.max(#list // 2, 1) - 1, 1, half)
end

-- A trend over a captured bundle goes through the windows that it has.
local function snap(source, asked)
  local design = asked.design
  if not source.capture or design.name ~= "trend" then return end
  local hull = require "pyroscope.investigate.windows".hull(design.A, design.B)
  local list = require "pyroscope.investigate.phases".captured(source,
    { type = types_of(asked)[1] }, hull, true)
  if not list or #list < 2 then return end
  design.A, design.B = {}, {}
  for i, window in ipairs(list) do
    table.insert(i <= #list // 2 and design.A or design.B, window)
  end
end

-- Lowers the effort until the questions fit into what may still be asked.
local function fit(source, asked)
  local left = source.remaining and source:remaining()
  local design = asked.design
  if not left then return end
  local many = #types_of(asked)
  local lowered = false
  while (#design.A + #design.B) * many > left and math.max(#design.A, #design.B) > 1 do
    if #design.A > 1 then design.A = halved(design.A, design.unit) end
    if #design.B > 1 then design.B = halved(design.B, design.unit) end
    lowered = true
  end
  if lowered and source.tell then
    source:tell("effort_lowered", ("the effort was lowered to %d and %d windows: %d more requests "
      .. "are allowed"):format(#design.A, #design.B, left))
  end
end

--- Closes the profiles of samples; what was made of them stays.
---@param samples pyroscope.samples
function trees.close(samples)
  for _, sample in ipairs(samples) do sample.profile:close() end
end

--- The trees of a design, all in flight at once where the source can. `{ selector, type, design }`;
--- also `max_nodes`, `call_site`, `tagfocus`, `tagignore`, `empty` ("zero" or "drop": what a window
--- without profiles is), `interval_ms`, `runtime`, `on_progress`. Windows that could not be fetched
--- are left out while more than half of each side is there; `partial` and `failed` then tell. A
--- design with more windows than may still be asked for gets fewer of them.
---@param source pyroscope.source
---@param asked table
---@return pyroscope.samples? samples
---@return pyroscope.error? err
function trees.fetch(source, asked)
  local subject = subjects.complete { selector = asked.selector, type = asked.types or asked.type }
  local windows, design = {}, asked.design
  snap(source, asked)
  fit(source, asked)
  for _, side in ipairs { "A", "B" } do
    for order, window in ipairs(design[side]) do
      windows[#windows + 1] = { window = window, side = side, order = order }
    end
  end
  local progress = asked.on_progress or source.progress
    and function(state) source:progress(state) end
  local found, err = climb(source, asked, windows, progress)
  if not found then return nil, err end
  local zero = asked.empty == "zero" or asked.empty ~= "drop" and counts_as_zero(subject)
  local many = #types_of(asked)
  local samples = { kind = subject.kind, runtime = asked.runtime, max_nodes = found.nodes }
  local there, lost, empty, failed = { A = 0, B = 0 }, { A = 0, B = 0 }, {}, found.refused
  for i, item in ipairs(windows) do
    local profile, bad = joined(found, (i - 1) * many + 1, many)
    if profile then
      samples[#samples + 1] = sample_of(item, profile, asked)
      there[item.side] = there[item.side] + 1
    elseif bad then
      failed, lost[item.side] = failed or bad, lost[item.side] + 1
    else
      empty[#empty + 1] = item
    end
  end
  if failed and (there.A <= lost.A or there.B <= lost.B) then
    trees.close(samples)
    return nil, failed
  end
  if there.A + there.B > 0 and zero then
    for _, item in ipairs(empty) do
      local sample = sample_of(item, core.collect({}, {}), asked)
      sample.profiles = item.window.profiles or 0
      samples[#samples + 1] = sample
      there[item.side] = there[item.side] + 1
    end
    table.sort(samples, function(a, b)
      if a.side ~= b.side then return a.side < b.side end
      return a.order < b.order
    end)
  end
  if there.A == 0 or (there.B == 0 and #design.B > 0) then
    trees.close(samples)
    local side = there.A == 0 and "A (before)" or "B (after)"
    return nil, failed or found.lacking or errors.new { kind = "no_data", code = "empty_side",
      message = ("no profiles of %s on side %s"):format(asked.selector, side),
      hint = "look at a wider window, and at what there is: pscope series" }
  end
  if failed then samples.partial, samples.failed = true, failed end
  samples.empty = #empty
  if source.step then source:step("samples", { samples = samples }) end
  return samples
end

return trees
