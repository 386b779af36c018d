--- Serves recorded answers of one method to whoever asks the recorded questions, whatever they are
--- written in; a question with the client's own number of nodes is also one without a number.
---   lua5.4 spec/support/recorded.lua EXCHANGES METHOD MODE
--- EXCHANGES is a folder of folders, or a file with an exchange in each line.

package.path = "./?.lua;./lua/?.lua;./lua/?/init.lua;" .. package.path

local cjson = require "cjson"
local core = require "pyroscope.core"
local httpd = require "spec.support.httpd"
local replay = require "spec.support.replay"

local path, method, mode = arg[1], arg[2], arg[3]
local exchanges = path:find "%.jsonl$" and replay.file(path) or replay.folder(path)
local NODES = require "pyroscope.source.resolve".NODES

-- A message as text that is the same for the same content.
local function spelled(value)
  if type(value) ~= "table" then return tostring(value) end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do parts[i] = tostring(key) .. "=" .. spelled(value[key]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function message(request)
  local body = request.body
  if (request.headers["content-type"] or ""):find "json" then
    local object = cjson.decode(body)
    for _, side in pairs(object) do
      for key, value in pairs(type(side) == "table" and side or {}) do
        if math.type(value) == "float" then side[key] = math.tointeger(value) end
      end
    end
    body = assert(core.encode(method, object))
  end
  return assert(core.decode_request(method, body))
end

local function without_default(object)
  for _, side in pairs(object) do
    if type(side) == "table" and side.maxNodes == NODES then side.maxNodes = nil end
  end
  return object
end

local answers = {}
for _, exchange in ipairs(exchanges) do
  local fits = exchange.request.path:match "/(%w+)$" == method
  for _, name in ipairs(fits and exchange.modes or {}) do
    if name == mode then answers[spelled(message(exchange.request))] = exchange.response end
  end
end

httpd.serve(function(request)
  if request.path:match "/(%w+)$" ~= method then return 404, {}, "" end
  local asked = message(request)
  local answer = answers[spelled(asked)] or answers[spelled(without_default(asked))]
  if not answer then return 599, {}, "nobody asked this: " .. spelled(asked) end
  local headers = {} -- those of the message, not of its way here
  for name, value in pairs(answer.headers) do
    if name:lower():find "^content%-[te]" then headers[name] = value end
  end
  return math.tointeger(answer.status), headers, answer.body
end)
