--- Plays recorded refusals: a path that begins with `/CASE` gets the answer of that case. Asked for
--- `/@headers/...` it answers with the headers that came, as JSON text in an RPC error.

package.path = "./?.lua;" .. package.path

local cjson = require "cjson"
local httpd = require "spec.support.httpd"

local cases = {}
for line in io.lines(arg[1]) do
  local case = cjson.decode(line)
  cases[case.name] = case
end

local function echo(request)
  local names = {}
  for name, value in pairs(request.headers) do names[name] = value end
  return 200, { ["Content-Type"] = "application/json" },
    cjson.encode { method = request.method, target = request.target, headers = names,
      body = request.body }
end

httpd.serve(function(request)
  local name = request.path:match "^/([^/]+)"
  if name == "@headers" then return echo(request) end
  local case = cases[name]
  if not case then return 404, { ["Content-Type"] = "text/plain" }, "no such case" end
  local headers = {}
  for key, value in pairs(case.headers) do headers[key] = value end
  local how
  if case.length then
    headers["Content-Length"] = math.tointeger(case.length)
    how = { close = true }
  end
  return math.tointeger(case.status), headers, case.body, how
end)
