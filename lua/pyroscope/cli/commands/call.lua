--- `pscope call` (= `query`): the raw answer of any RPC or path of the server.

local core = require "pyroscope.core"
local errors = require "pyroscope.errors"
local check = require "pyroscope.check"
local scope = require "pyroscope.cli.scope"

local command = {
  name = "call", names = { "query" },
  summary = "The raw answer of any RPC (a name) or path (/ready) of a server",
  usage = "call METHOD|/PATH [JSON|@FILE|-] [options]",
  arguments = { { name = "method_name", shown = "METHOD", complete = "methods" },
    { name = "body", shown = "JSON", optional = true } },
  flags = { "method", "output", "source" },
  own_flags = { method = { "-X", "--method", name = "method", value = "METHOD",
    help = "GET or POST for a path (default: GET, POST with a body)" } },
  without = { "fields", "budget", "unit", "no_truncate" },
  formats = { "json" },
  examples = { "pscope call GetProfileStats --source prod",
    "pscope call LabelNames '{\"start\":1763643600000,\"end\":1763647200000}' --source prod",
    "pscope call SelectMergeStacktraces '{\"profileTypeID\":\"...\",\"labelSelector\":\"{}\"}'",
    "pscope call /ready --source http://localhost:4040" },
  notes = "A path may be a whole URL below the source's. Names of the request's fields are "
    .. "checked: a server ignores unknown ones silently. 64-bit numbers may be strings and are "
    .. "strings in the answer.",
}

local function read_body(text)
  if text == nil then return "{}" end
  local err
  if text == "-" then
    text = io.stdin:read "a" or ""
  elseif text:sub(1, 1) == "@" then
    text, err = require "pyroscope.system".read_file(text:sub(2))
    if not text then return nil, err end
  end
  return text
end

-- Numbers of a JSON text are floats in Lua; whole ones become integers again, and what a float
-- cannot hold is refused rather than changed.
local function integers(value, path)
  if type(value) == "table" then
    for key, item in pairs(value) do
      local fixed, err = integers(item, path .. "." .. tostring(key))
      if err then return nil, err end
      value[key] = fixed
    end
    return value
  end
  if math.type(value) == "float" and value == math.floor(value) then
    if math.abs(value) >= 2 ^ 53 then
      return nil, errors.new { kind = "usage",
        message = ("%s: %.0f is too large for a JSON number"):format(path:sub(2), value),
        hint = "write 64-bit numbers as strings" }
    end
    return math.tointeger(value)
  end
  return value
end

local function parse(text)
  local cjson = require "cjson".new()
  cjson.decode_max_depth(64)
  cjson.decode_invalid_numbers(false)
  local ok, request = pcall(cjson.decode, text)
  if not ok or type(request) ~= "table" then
    local why = ok and "it is no object" or tostring(request):gsub("^.-: ", "", 1)
    return nil, errors.new { kind = "usage", code = "json",
      message = "the request is not JSON: " .. why,
      hint = "quote it for the shell: pscope call LabelNames '{\"start\":\"0\"}'" }
  end
  local function without_null(value)
    if type(value) ~= "table" then return value end
    for key, item in pairs(value) do
      if item == cjson.null then value[key] = nil else value[key] = without_null(item) end
    end
    return value
  end
  return integers(without_null(request), "")
end

-- A path or address below the source's, with a body for POST.
local function ask_path(run, source, word, body)
  local path = word
  if not word:find "^/" then
    local base = source.base
    if word:sub(1, #base) ~= base or not word:sub(#base + 1):find "^[/?]?" then
      return nil, errors.new { kind = "usage", code = "url",
        message = ("'%s' is not below %s"):format(word:gsub("[?#].*$", ""), base),
        hint = "credentials of a deployment are sent to its own address only" }
    end
    path = word:sub(#base + 1)
    if not path:find "^/" then path = "/" .. path end
  end
  local method = run.options.method or (body and "POST" or "GET")
  method = method:upper()
  if method ~= "GET" and method ~= "POST" then
    return nil, errors.new { kind = "usage", message = ("-X: '%s' is not offered"):format(method),
      hint = "GET or POST: what reads. Nothing is changed on a server from here" }
  end
  if method == "GET" then return source:get(path) end
  return source:post(path, body or "{}")
end

local function method_of(word)
  local methods = core.methods()
  if methods[word] then return word end
  local names = {}
  for name in pairs(methods) do
    names[#names + 1] = name
    if name:lower() == word:lower() then return name end
  end
  table.sort(names)
  local near = check.nearest(word, names)[1]
  return nil, errors.new { kind = "usage", code = "method",
    message = ("there is no RPC '%s'%s"):format(word,
      near and (" (did you mean '%s'?)"):format(near) or ""),
    hint = "RPCs: " .. table.concat(names, ", ") .. "; a path begins with /" }
end

function command.run(run, options)
  local word = options.method_name
  local text, err = read_body(options.body)
  if not text then return nil, err end
  local source, opened = scope.open(run)
  if not source then return nil, opened end
  if word:sub(1, 1) == "/" or word:find "^https?://" then
    if not source.get then
      return nil, errors.new { kind = "unsupported",
        message = ("'%s' is no server: it has no paths"):format(source.name),
        hint = "an RPC by its name works on files too: pscope call LabelNames" }
    end
    local answer
    answer, err = ask_path(run, source, word, options.body and text)
    if not answer then return nil, err end
    return run:write(answer)
  end
  local method
  method, err = method_of(word)
  if not method then return nil, err end
  local request
  request, err = parse(text)
  if not request then return nil, err end
  local answer
  answer, err = source:call(method, request)
  if not answer then return nil, err end
  if type(answer) == "string" then return run:write((answer:gsub("\n*$", "\n"))) end
  text, err = core.encode_answer_json(method, answer)
  if not text then return nil, err end
  return run:write(text .. "\n")
end

return command
