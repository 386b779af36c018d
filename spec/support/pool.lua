--- What the specs of pyroscope.http share: a misbehaving server, a pool for each case, and the
--- check that nothing of it is alive afterwards.

local assert = require "luassert"
local core = require "pyroscope.core"
local http = require "pyroscope.http"
local process = require "spec.support.process"

local fixture = {}

--- The answer of a request, waited for; or nil and the error.
function fixture.finish(pool, request)
  while request.state == "queued" or request.state == "running" do pool:poll() end
  return request:response()
end

--- No handle of the library is alive, once the garbage is gone.
function fixture.nothing_alive()
  collectgarbage()
  collectgarbage()
  assert.equal(0, core.live())
end

--- To be called in a `describe` with busted's functions; the table it returns has `server` and
--- `pool` while a case runs.
---@param busted table<"setup"|"teardown"|"before_each"|"after_each", function>
function fixture.use(busted)
  local t = {}

  busted.setup(function() t.server = process.start "spec/support/misbehaving.lua" end)
  busted.teardown(function() t.server:stop() end)
  busted.before_each(function() t.pool = http.pool {} end)
  busted.after_each(function()
    t.pool:close()
    t.pool = nil
    fixture.nothing_alive()
  end)

  --- Another pool in place of the case's own.
  function t.renew(options)
    t.pool:close()
    t.pool = http.pool(options)
  end

  --- Sends to the server; `options` without url.
  function t.send(path, options)
    local all = { url = t.server.url .. path }
    for k, v in pairs(options or {}) do all[k] = v end
    return assert(t.pool:send(all))
  end

  function t.get(path, options) return fixture.finish(t.pool, t.send(path, options)) end

  --- The result of a request with all its options.
  function t.result(options)
    return fixture.finish(t.pool, assert(t.pool:send(options)))
  end

  --- The error that has to come, of this kind and code.
  function t.failure(kind, code, path, options)
    local response, err = t.get(path, options)
    assert.is_nil(response)
    assert.equal(kind, err.kind)
    assert.equal(code, err.code)
    assert.is_truthy(err.url)
    return err
  end

  --- Counters of the server.
  function t.stats()
    local found = {}
    for name, value in t.get("/stats").body:string():gmatch "([%w_]+)=(%d+)" do
      found[name] = math.tointeger(value)
    end
    return found
  end

  return t
end

return fixture
