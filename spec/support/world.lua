--- An invented world, small enough to know by heart: service `checkout`, 41.0 cores on 18 pods,
--- version 2.41.0 since 14:00, before that 2.40.3 with 31.4 cores; `cart` beside it; a heap of two
--- snapshots. Written as a bundle, so that every number on a screen can be told beforehand.

local writer = require "spec.support.pprof_writer"

local world = {}

local HOUR = 3600000
world.noon = 1763643600000 -- 2025-11-20T13:00:00Z
world.from_ms, world.to_ms = world.noon + HOUR, world.noon + 2 * HOUR
world.pods = 18
world.others = 1833

-- A tenth of a core for an hour, a pod's part of it: exact.
local TENTH = 100000000 * 3600 // world.pods

local json = { "json.structEncoder.encode", "encoding/json/encode.go", 704 }
local scan = { "runtime.scanobject", "runtime/mgcmark.go", 1446 }
local block = { "crypto/sha256.block", "crypto/sha256/sha256block.go", 33 }
local malloc = { "runtime.mallocgc", "runtime/malloc.go", 1008 }
local price = { "checkout.(*Service).price", "checkout/price.go", 41 }
local syscall = { "syscall.Syscall6", "runtime/internal/syscall", 0 }
local get = { "cart.(*Store).Get", "cart/store.go", 88 }
local place = { "checkout.(*Service).PlaceOrder", "checkout/service.go", 41 }
local cache = { "checkout.(*respCache).Get", "checkout/cache.go", 27 }
local order = { "checkout.(*Order).MarshalJSON", "checkout/order.go", 12 }

-- Leaf first, in tenths of a core. Self and total of every function are those of the screens.
local function samples(after)
  local list = {}
  local function add(tenths, ...)
    list[#list + 1] = { stack = { ... }, values = { tenths * TENTH } }
  end
  local function others(tenths, from, to, ...)
    local each = tenths * TENTH // (to - from + 1)
    for i = from, to do
      local value = i == to and tenths * TENTH - each * (to - from) or each
      list[#list + 1] = { stack = { ("lib.f%04d"):format(i), ... }, values = { value } }
    end
  end
  add(40, block)
  add(9, get)
  add(15, syscall, get)
  if after then
    add(128, json, place)
    add(21, malloc, json, place)
    add(55, scan)
    add(2, scan, malloc)
    add(2, syscall, scan)
    add(19, price, place)
    add(7, malloc, price, place)
    add(3, malloc)
    add(3, order, place)
    others(31, 1, 500, malloc)
    others(9, 501, 600, get)
    others(66, 601, world.others, place)
  else
    add(34, json, place)
    add(22, malloc)
    add(49, scan)
    add(2, syscall, scan)
    add(36, price, place)
    add(6, cache, place)
    others(101, 1, world.others, place)
  end
  return list
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  file:close()
end

local CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
local INUSE = "memory:inuse_space:bytes:space:bytes"

local function entry(file, name, labels, time_ms, kind)
  local parts = {}
  for _, key in ipairs { "pod", "service_git_ref", "service_name", "version" } do
    if labels[key] then parts[#parts + 1] = ('"%s":"%s"'):format(key, labels[key]) end
  end
  return ('{"file":"%s","name":"%s","labels":{%s},"time_ms":%d,"duration_ms":%d,"types":["%s"]}')
    :format(file, name, table.concat(parts, ","), time_ms, HOUR, kind)
end

--- Writes the bundle into an existing empty folder.
---@param folder string
function world.write(folder)
  write(folder .. "/bundle.json", '{"format":"pyroscope-bundle","version":1,"title":"world"}')
  local index = {}
  local types = { { "cpu", "nanoseconds" } }
  for _, phase in ipairs { { "before", false, world.noon }, { "after", true, world.from_ms } } do
    write(("%s/%s.pb"):format(folder, phase[1]), writer.pprof { types = types,
      samples = samples(phase[2]), time_ms = phase[3], duration_ms = HOUR })
    for pod = 1, world.pods do
      index[#index + 1] = entry(phase[1] .. ".pb", "process_cpu", { service_name = "checkout",
        pod = ("checkout-%02d"):format(pod), version = phase[2] and "2.41.0" or "2.40.3",
        service_git_ref = phase[2] and "9f3c1a2e77" or "11d0aa7c40" }, phase[3], CPU)
    end
  end
  for i, mebibytes in ipairs { 100, 301 } do
    write(("%s/heap%d.pb"):format(folder, i), writer.pprof {
      types = { { "inuse_space", "bytes" } }, time_ms = world.from_ms, duration_ms = 0,
      samples = { { stack = { { "cart.(*Store).Get", "cart/store.go", 88 } },
        values = { mebibytes << 20 } },
        { stack = { { "cart.Index", "cart/index.go", 7 } }, values = { 7 } } } })
    index[#index + 1] = entry(("heap%d.pb"):format(i), "memory", { service_name = "checkout",
      pod = ("checkout-%02d"):format(i), version = "2.41.0", service_git_ref = "9f3c1a2e77" },
      world.from_ms, INUSE)
  end
  write(folder .. "/index.jsonl", table.concat(index, "\n") .. "\n")
end

return world
