--- A shop over three days, for what takes long windows: `checkout` (two pods, a new version on the
--- second day), `cart` (one pod, no version), heaps as snapshots, spans and traces in one hour.
--- Written as a bundle; every number can be told from the constants here.

local writer = require "spec.support.pprof_writer"

local shop = {}

local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
shop.from_ms = 1763424000000 -- 2025-11-18T00:00:00Z
shop.to_ms = shop.from_ms + 3 * DAY
shop.every_ms = 30 * MINUTE
shop.count = 3 * DAY // shop.every_ms -- profiles of a pod
shop.span, shop.trace = "00000000000000a1", "000000000000000000000000000000b2"

shop.CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
shop.INUSE = "memory:inuse_space:bytes:space:bytes"
shop.DAY, shop.HOUR, shop.MINUTE = DAY, HOUR, MINUTE

-- Exact values of one profile.
shop.value = { ["checkout-0"] = 7000000000, ["checkout-1"] = 5000000003, ["cart-0"] = 1000000001 }
shop.heap = { 104857600, 209715200, 52428800 }

local main = { "main.main", "main.go", 10 }
local serve = { "net/http.serve", "net/http/server.go", 2000 }
local price = { "shop.price", "shop/price.go", 41 }
local json = { "json.Marshal", "encoding/json/encode.go", 158 }

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  file:close()
end

local function cpu(total, labels)
  local third = total // 3
  return writer.pprof { types = { { "cpu", "nanoseconds" } }, samples = {
    { stack = { price, serve, main }, values = { third }, labels = labels },
    { stack = { json, price, serve, main }, values = { third } },
    { stack = { main }, values = { total - 2 * third } } } }
end

local function heap(bytes)
  return writer.pprof { types = { { "inuse_space", "bytes" } }, samples = {
    { stack = { json, serve, main }, values = { bytes - 100 } },
    { stack = { main }, values = { 100 } } } }
end

local function entry(file, name, labels, time_ms, id)
  local parts = {}
  for key, value in pairs(labels) do parts[#parts + 1] = ('"%s":"%s"'):format(key, value) end
  table.sort(parts)
  return ('{"file":"%s","name":"%s","labels":{%s},"time_ms":%d,"duration_ms":%d,"types":["%s"]}')
    :format(file, name, table.concat(parts, ","), time_ms, 10000, id)
end

--- Writes the bundle into an existing empty folder.
---@param folder string
function shop.write(folder)
  write(folder .. "/bundle.json", '{"format":"pyroscope-bundle","version":1,"title":"shop"}')
  for pod, value in pairs(shop.value) do write(("%s/%s.pb"):format(folder, pod), cpu(value)) end
  write(folder .. "/spans.pb", cpu(shop.value["checkout-0"],
    { span_id = shop.span, trace_id = shop.trace }))
  for i, bytes in ipairs(shop.heap) do
    write(("%s/heap%d.pb"):format(folder, i), heap(bytes))
  end
  local index = {}
  for i = 0, shop.count - 1 do
    local time = shop.from_ms + i * shop.every_ms + 5 * MINUTE
    for pod in pairs(shop.value) do
      local service = pod:match "^%a+"
      local labels = { service_name = service, pod = pod, namespace = "shop" }
      if service == "checkout" then
        labels.version = time < shop.from_ms + DAY and "2.9.1" or "2.10.0"
        labels.pyroscope_spy = "gospy"
      end
      local file = pod == "checkout-0" and i == 100 and "spans.pb" or pod .. ".pb"
      index[#index + 1] = { time, entry(file, "process_cpu", labels, time, shop.CPU) }
    end
  end
  -- Snapshots on the last day: two of one pod, one of the other.
  for i in ipairs(shop.heap) do
    local time = shop.to_ms - 6 * HOUR + i * HOUR
    index[#index + 1] = { time, entry(("heap%d.pb"):format(i), "memory",
      { service_name = "checkout", pod = i < 3 and "checkout-0" or "checkout-1",
        version = "2.10.0", namespace = "shop" }, time, shop.INUSE) }
  end
  table.sort(index, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  for i, row in ipairs(index) do index[i] = row[2] end
  write(folder .. "/index.jsonl", table.concat(index, "\n") .. "\n")
end

--- Writes it into a new folder; the second result removes that.
---@return string folder
---@return fun() remove
function shop.folder()
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir -m 700 '%s'"):format(folder)))
  shop.write(folder)
  return folder, function() os.execute(("rm -rf '%s'"):format(folder)) end
end

return shop
