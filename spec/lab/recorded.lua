--- Recorded incidents as samples: profiles of a phase merged by pod, for the pairs of baselines
--- that are A/A runs of real programs with fresh processes.

local core = require "pyroscope.core"
local cjson = require "cjson"
local quantum = require "pyroscope.investigate.quantum"

local recorded = {}

-- Beside the checkout, where there is one.
recorded.folder = "../shared/data/incidents"

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

--- Names of the incidents that are there, in order; of one service where it is given.
---@param service? string
---@return string[]
function recorded.names(service)
  local pipe = assert(io.popen(("ls '%s' 2>/dev/null"):format(recorded.folder)))
  local names = {}
  for name in pipe:lines() do
    local text = read(("%s/%s/truth.json"):format(recorded.folder, name))
    if text and (not service or cjson.decode(text).service == service) then names[#names + 1] = name end
  end
  pipe:close()
  return names
end

---@param name string
---@return table
function recorded.truth(name)
  return cjson.decode(assert(read(("%s/%s/truth.json"):format(recorded.folder, name))))
end

local CLASSES = {
  cpu = { "process_cpu", "cpu", "process_cpu:cpu:nanoseconds:cpu:nanoseconds" },
  alloc_bytes = { "memory", "alloc_space", "memory:alloc_space:bytes:space:bytes" },
  alloc_objects = { "memory", "alloc_objects", "memory:alloc_objects:count:space:bytes" },
  mutex_delay = { "mutex", "delay", "mutex:delay:nanoseconds:contentions:count" },
  block_delay = { "block", "delay", "block:delay:nanoseconds:contentions:count" },
}

local known = {}

--- Profiles of one class in a phase ("baseline" or "incident"), one for each pod, with how many
--- windows each was merged of. Kept: the same handles each time.
---@param name string
---@param class string
---@param phase? string
---@return { profile: pyroscope.profile, profiles: integer, pod: string, from_ms: integer, to_ms: integer }[]
function recorded.pods(name, class, phase)
  phase = phase or "baseline"
  local key = name .. "|" .. class .. "|" .. phase
  if known[key] then return known[key] end
  local folder, window = recorded.folder .. "/" .. name, recorded.truth(name)[phase]
  local kind = CLASSES[class]
  local by_pod, order = {}, {}
  for line in io.lines(folder .. "/index.jsonl") do
    local entry = cjson.decode(line)
    if entry.name == kind[1] and entry.time_ms >= window.from_ms and entry.time_ms < window.to_ms then
      local pprof = assert(core.pprof((assert(core.read_file(folder .. "/" .. entry.file)))))
      for i, t in ipairs(pprof:types()) do
        if t.type == kind[2] then
          local pod = entry.labels.pod
          if not by_pod[pod] then
            by_pod[pod] = {}
            order[#order + 1] = pod
          end
          local profile = core.collect { { pprof, type = i } }
          if profile then table.insert(by_pod[pod], profile) end
        end
      end
    end
  end
  local list = {}
  for _, pod in ipairs(order) do
    local count = #by_pod[pod]
    if count > 0 then
      local merged = assert(core.merge(by_pod[pod]))
      merged:describe { profile_type = kind[3], kind = "flow", profiles = count, from_ms = math.tointeger(window.from_ms),
        to_ms = math.tointeger(window.to_ms) }
      list[#list + 1] = { profile = merged, profiles = count, pod = pod, from_ms = window.from_ms, to_ms = window.to_ms }
    end
  end
  known[key] = list
  return list
end

--- Two phases as the sides of a design with processes as replicates.
---@param class string
---@param a { [1]: string, [2]: string? }   incident and phase
---@param b { [1]: string, [2]: string? }
---@return pyroscope.samples samples, table design
function recorded.sides(class, a, b)
  local samples = { kind = "flow", runtime = "go" }
  local bytes, objects = {}, {}
  for _, side in ipairs { { "A", a }, { "B", b } } do
    local objects_of = class == "alloc_bytes" and recorded.pods(side[2][1], "alloc_objects", side[2][2])
    for i, pod in ipairs(recorded.pods(side[2][1], class, side[2][2])) do
      samples[#samples + 1] = { profile = pod.profile, side = side[1], profiles = pod.profiles, order = i,
        seconds = pod.profiles * 15, instance = side[1] .. "-" .. pod.pod, from_ms = pod.from_ms, to_ms = pod.to_ms }
      bytes[#bytes + 1] = pod.profile
      if objects_of then objects[#objects + 1] = objects_of[i].profile end
    end
  end
  if class == "cpu" then
    samples.quantum = { value = 10000000, source = "companion" }
  elseif class == "alloc_bytes" then
    samples.quantum = quantum.heap_counts(bytes, objects)
  else
    samples.quantum = { source = "unknown" }
  end
  return samples, { name = "before_after", unit = "pod", paired = false }
end

--- The baselines of two incidents as one bundle, the second a minute after the first: a folder of
--- copies, the truth of the first, the windows, and what removes the folder.
---@param a string
---@param b string
---@return string folder, table truth, table windows, fun() remove
function recorded.pair(a, b)
  local folder, remove = require "spec.lab.source".folder()
  local truth = recorded.truth(a)
  local lines, windows, moved = {}, {}, 0
  for _, side in ipairs { { "A", a }, { "B", b } } do
    local window = recorded.truth(side[2]).baseline
    local from, to = math.tointeger(window.from_ms), math.tointeger(window.to_ms)
    if side[1] == "B" then moved = windows.A.to_ms + 60000 - from end
    windows[side[1]] = { from_ms = from + moved, to_ms = to + moved }
    assert(os.execute(("cp -r '%s/%s' '%s/%s' && chmod -R u+w '%s/%s'"):format(recorded.folder, side[2], folder,
      side[1], folder, side[1])))
    for line in io.lines(("%s/%s/index.jsonl"):format(recorded.folder, side[2])) do
      local time = math.tointeger(tonumber(line:match '"time_ms":(%d+)'))
      if time >= from and time < to then
        -- fresh processes: pods of the two sides are others, a version tells them apart
        lines[#lines + 1] = (line:gsub('"file":"', '"file":"' .. side[1] .. "/")
          :gsub('"time_ms":%d+', ('"time_ms":%d'):format(time + moved))
          :gsub('"pod":"([^"]+)"', ('"pod":"%s-%%1"'):format(side[1]:lower()))
          :gsub(',"version":"[^"]*"', ""))
      end
    end
  end
  for name, text in pairs { ["index.jsonl"] = table.concat(lines, "\n") .. "\n",
    ["bundle.json"] = '{"format":"pyroscope-bundle","version":1,"title":"Two baselines"}' } do
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end
  return folder, truth, windows, remove
end

return recorded
