-- Seeded call trees that look like those of a large Go service, as folded text (one line a node
-- with self value). The same seed gives the same bytes.

local generate = {}

-- xorshift64*: the same on every machine, unlike math.random's seeding across versions
local function random(seed)
  local x = seed * 0x9E3779B97F4A7C15 ~ 0x2545F4914F6CDD1D
  if x == 0 then x = 1 end
  return function()
    x = x ~ (x >> 12); x = x ~ (x << 25); x = x ~ (x >> 27)
    return ((x * 0x2545F4914F6CDD1D) >> 11) / (1 << 53)
  end
end

local paths = { "io", "os", "fmt", "net/http", "encoding/json", "runtime", "sync", "strings",
  "bytes", "bufio", "database/sql", "crypto/tls", "compress/flate", "reflect", "sort",
  "github.com/example/shop/cart", "github.com/example/shop/search", "github.com/example/auth",
  "github.com/example/platform/pkg/storage/blocks", "github.com/example/platform/pkg/symbols",
  "google.golang.org/grpc", "google.golang.org/protobuf/proto", "go.opentelemetry.io/otel/sdk",
  "github.com/prometheus/client_golang/prometheus", "golang.org/x/net/http2",
  "github.com/example/platform/pkg/querier", "context", "time", "math/big", "unicode/utf8" }
local types = { "Server", "Client", "Index", "Reader", "Writer", "Buffer", "Cache", "Pool",
  "Encoder", "Decoder", "Tree[string]", "Map[K, V]", "Conn", "Batch", "Iterator", "Block",
  "Series", "Worker", "Queue", "Session", "Token", "Filter", "Parser", "Scanner", "Lexer",
  "Store", "Ring" }
local methods = { "Read", "Write", "Close", "Get", "Put", "Next", "Seek", "Flush", "Encode",
  "Decode", "Append", "Merge", "Lookup", "Insert", "Delete", "Walk", "Visit", "Lock", "Unlock",
  "Wait", "Signal", "Run", "Start", "Stop", "Handle", "ServeHTTP", "Scan", "Parse", "Match",
  "Compact", "Sort", "Hash", "Sum", "Copy", "Reset" }

local function functions(count, next)
  local names, seen = {}, {}
  while #names < count do
    local path = paths[1 + next() * #paths // 1]
    if path:find("/", 1, true) and next() < 0.2 then path = path .. "/internal" end
    local name
    if next() < 0.7 then
      name = ("%s.(*%s).%s"):format(path, types[1 + next() * #types // 1],
        methods[1 + next() * #methods // 1])
    else
      name = path .. "." .. methods[1 + next() * #methods // 1]
    end
    if next() < 0.2 then name = name .. ".func" .. (1 + next() * 9 // 1 | 0) end
    if next() < 0.1 then name = name .. "[go.shape.T]" end
    name = (name .. ("%x"):format(#names)):sub(-120)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function exponential(next, mean)
  return -mean * math.log(1 - next())
end

--- Folded text of a tree with about `nodes` nodes over `count` functions.
function generate.folded(nodes, count, cap, seed)
  local next = random(seed)
  local names = functions(count, next)
  local calls = {}
  for f = 1, count do
    local callees = {}
    if next() < 0.05 then callees[1] = f end
    for _ = 1, math.min(12, 1 + exponential(next, 3) // 1 | 0) do
      callees[#callees + 1] = 1 + next() * count // 1 | 0
    end
    calls[f] = callees
  end
  local g = nodes < 8000 and 5 or nodes < 100000 and 7 or 9
  local tree, made, order = {}, 0, {}
  while made < nodes do
    local length = 2 + (g * (exponential(next, 1) + exponential(next, 1))) // 1 | 0
    if next() < 0.02 then length = length + exponential(next, 0.4 * cap) // 1 | 0 end
    length = math.min(length, cap)
    local f = 1 + (next() ^ 2 * 30) // 1 | 0
    local at, path = tree, ""
    for _ = 1, length do
      local child = at[f]
      if not child then
        child = { path = path == "" and names[f] or path .. ";" .. names[f], self = 0 }
        at[f] = child
        made = made + 1
        order[#order + 1] = child
      end
      at, path = child, child.path
      local callees = calls[f]
      f = callees[1 + (next() ^ 2 * #callees) // 1 | 0]
      if next() < 1 / 400 then f = 1 + next() * count // 1 | 0 end
    end
    at.self = at.self + 10000000 * (1 + exponential(next, 3) // 1 | 0)
  end
  local lines = {}
  for _, node in ipairs(order) do
    if node.self > 0 then lines[#lines + 1] = node.path .. " " .. node.self end
  end
  return table.concat(lines, "\n") .. "\n"
end

return generate
