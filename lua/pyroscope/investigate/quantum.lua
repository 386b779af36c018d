--- The value of one raw sample: what sampling error is computed from. The period of a merged
--- profile is not believed: a server overwrites it.

local quantum = {}

local HEAP_RATE = 512 * 1024
local MS = 1000000

-- What a class is sampled at where nothing tells; of delays nothing is known.
local ASSUMED = { cpu = 10 * MS, alloc_bytes = HEAP_RATE, live_bytes = HEAP_RATE }
local EXACT = { goroutine = true, goroutine_leak = true, exceptions = true }

local function gcd(a, b)
  while b ~= 0 do a, b = b, a % b end
  return a
end

-- Non-zero self values of a profile of one window.
local function selfs_of(profile)
  local list = {}
  for _, _, self in profile:walk() do
    if self > 0 then list[#list + 1] = self end
  end
  return list
end

local function by_divisor(selfs)
  if #selfs == 0 then return nil end
  local sorted = table.move(selfs, 1, #selfs, 1, {})
  table.sort(sorted)
  local divisor = 0
  for _, value in ipairs(sorted) do divisor = gcd(math.tointeger(value) or 0, divisor) end
  local first = sorted[math.max(1, math.ceil(#sorted * 0.01))]
  local tenth = sorted[math.max(1, math.ceil(#sorted * 0.10))]
  if divisor >= 0.25 * first and divisor > 1 then
    return { value = divisor, source = "gcd" }
  elseif #sorted >= 20 and tenth <= 1.2 * first and first > 1 then
    return { value = first, source = "percentile" }
  end
  return nil
end

---@class pyroscope.quantum.options
---@field class? string
---@field runtime? string
---@field selfs? number[]         non-zero self values of a narrow tree, or its `profile`
---@field profile? pyroscope.profile
---@field total? number           of the values
---@field companion? number       of the count type beside them
---@field rate? number            value of a raw sample, where nothing but the settings tells

--- Value of one raw sample of a class: exact for counts of things, from the count type beside it,
--- from the divisor of a narrow tree's values, else the class's own, marked as assumed.
---@param options pyroscope.quantum.options
---@return pyroscope.quantum
function quantum.infer(options)
  local class = options.class
  if EXACT[class] then return { value = 1, source = "exact" } end
  if class and class:find("_delay$") then return { source = "unknown" } end
  if class and class:find("_count$") then return { source = "unknown" } end
  if options.companion and options.companion > 0 and options.total then
    return { value = options.total / options.companion, source = "companion" }
  end
  local selfs = options.selfs or options.profile and selfs_of(options.profile)
  local found = selfs and by_divisor(selfs)
  if found then return found end
  if class == "wall" then
    if options.runtime == "node" then return { value = 10000, source = "assumed" } end
    return { source = "unknown" }
  end
  local value = options.rate or ASSUMED[class]
  if class == "cpu" then
    if options.runtime == "jvm" then return { source = "unknown" } end
    if options.runtime == "ebpf" then value = 1e9 / 97 end
  end
  return value and { value = value, source = "assumed" } or { source = "unknown" }
end

-- Bytes that one raw sample of a site stands for, by the mean size of its objects.
local function of_site(bytes, objects, rate)
  if not objects or objects <= 0 or bytes <= 0 then return nil end
  local size = bytes / objects
  return size / (1 - math.exp(-size / rate))
end

local function totals_of(profiles)
  local flat, cum = {}, {}
  for _, profile in ipairs(profiles) do
    for _, row in ipairs(profile:top(0)) do
      flat[row.name] = (flat[row.name] or 0) + row.self
      cum[row.name] = (cum[row.name] or 0) + row.total
    end
  end
  return flat, cum
end

--- Heap: how many bytes one raw sample is worth at each function, from bytes and objects.
---@param bytes pyroscope.profile[]
---@param objects pyroscope.profile[]
---@param rate? number            bytes between samples, default 512 KiB
---@param name? fun(raw: string): string   rules that the union's names follow
---@return pyroscope.quantum
function quantum.heap_counts(bytes, objects, rate, name)
  rate = rate or HEAP_RATE
  local flat_bytes, cum_bytes = totals_of(bytes)
  local flat_objects, cum_objects = totals_of(objects)
  local function join(values, counts)
    local by_name, number_of, result, sum, raw = {}, {}, {}, 0, 0
    for raw_name, value in pairs(values) do
      local key = name and name(raw_name) or raw_name
      by_name[key] = (by_name[key] or 0) + value
      number_of[key] = (number_of[key] or 0) + (counts[raw_name] or 0)
    end
    for key, value in pairs(by_name) do
      local q = of_site(value, number_of[key], rate)
      if q then
        result[key] = q
        sum, raw = sum + value, raw + value / q
      end
    end
    return result, raw > 0 and sum / raw or rate
  end
  local flat, mean = join(flat_bytes, flat_objects)
  return { value = mean, source = "companion",
    by_function = { flat = flat, cum = (join(cum_bytes, cum_objects)) } }
end

return quantum
