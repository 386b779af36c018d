--- Plays recorded Grafana and Perses: the answer of the case with the same method, path and
--- Authorization. Its own first argument is "grafana" or "perses".
---   lua5.4 spec/support/gates.lua CASES WHO

package.path = "./?.lua;" .. package.path

local cjson = require "cjson"
local httpd = require "spec.support.httpd"

local cases = {}
for line in io.lines(arg[1]) do
  local case = cjson.decode(line)
  if case.via:sub(1, #arg[2]) == arg[2] then cases[#cases + 1] = case end
end

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function bytes_of(case)
  if case.body then return case.body end
  local bits, count, bytes = 0, 0, {}
  for c in case.body64:gmatch "[^=]" do
    bits, count = bits << 6 | digits:find(c, 1, true) - 1, count + 6
    if count >= 8 then
      count = count - 8
      bytes[#bytes + 1] = string.char(bits >> count & 255)
    end
  end
  return table.concat(bytes)
end

httpd.serve(function(request)
  local best
  for _, case in ipairs(cases) do
    local same = case.method == request.method
      and (case.path == request.target or case.path == request.path)
      and (case.sent.Authorization or "") == (request.headers.authorization or "")
    if same and (not best or case.sent["Content-Type"] == request.headers["content-type"]) then
      best = case
    end
  end
  if not best then
    return 404, { ["Content-Type"] = "application/json" },
      cjson.encode { message = "no case for " .. request.method .. " " .. request.target }
  end
  local headers = {}
  for name, value in pairs(best.headers) do headers[name] = value end
  return math.tointeger(best.status), headers, bytes_of(best)
end)
