--- The querier's RPCs over a store: what a server of version 2.2 answers to the same request, in
--- wire names, as tables that `core.encode_answer` takes.

local ask = require "pyroscope.source.store.rpc.ask"
local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local check = require "pyroscope.check"

local rpc = {}

local METHODS = {}
for _, part in ipairs { "lists", "trees", "values" } do
  for name, method in pairs(require("pyroscope.source.store.rpc." .. part)) do
    METHODS[name] = method
  end
end

--- The names of the methods, sorted.
---@return string[]
function rpc.methods()
  local names = {}
  for name in pairs(METHODS) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The server that a store plays: v2, with a default server's limits; its now is the store's.
---@param store pyroscope.store
---@param options? table      fields of pyroscope.store.server to replace
---@return pyroscope.store.server
function rpc.server(store, options)
  local server = { now_ms = store:defaults().now_ms, split_ms = store:stats().oldest_ms }
  for name, value in pairs(ask.defaults) do server[name] = value end
  for name, value in pairs(options or {}) do server[name] = value end
  return server
end

--- Answers a request. A refusal is an error of kind `rpc` with the server's code and words.
--- `options.decoded`: the request comes from `core.decode_request` and needs no check.
---@param store pyroscope.store
---@param method string
---@param request table
---@param options? table      fields of pyroscope.store.server to replace
---@return table? answer
---@return pyroscope.error? err
function rpc.call(store, method, request, options)
  local answer = METHODS[method]
  if not answer then
    local near = check.suggestion(method, rpc.methods())
    return nil, errors.new { kind = "usage", code = "method",
      message = ("there is no method '%s'%s"):format(method, near ~= "" and " " .. near or ""),
      hint = "methods: " .. table.concat(rpc.methods(), ", ") }
  end
  if not (options and options.decoded) then
    local bytes, err = core.encode(method, request)
    if not bytes then return nil, err end
    request, err = core.decode_request(method, bytes)
    if not request then return nil, err end
  end
  return answer(store, rpc.server(store, options), request)
end

return rpc
