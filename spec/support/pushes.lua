--- What was pushed to the recorded servers.

local core = require "pyroscope.core"
local json = require "cjson"
local trees = require "spec.support.trees"

local pushes = {}

local wire = "../shared/fixtures/wire"

--- Rows { file, labels, time_ms }.
function pushes.list()
  return json.decode(trees.read(wire .. "/pushed/pushed.json"))
end

--- What was pushed and fits a request, as selections for `collect`.
function pushes.selections(pushed, request)
  local name, kind, unit, period, period_unit =
    request.profileTypeID:match "^([^:]*):([^:]*):([^:]*):([^:]*):([^:]*)"
  local spans, traces
  for _, id in ipairs(request.spanSelector or {}) do
    spans = spans or {}
    spans[id] = true
  end
  for _, id in ipairs(request.traceIdSelector or {}) do
    traces = traces or {}
    traces[id] = true
  end
  local chosen = {}
  for _, push in ipairs(pushed) do
    local wanted = push.labels.__name__ == name and push.time_ms >= request.start
      and push.time_ms <= request["end"]
    for label, value in request.labelSelector:gmatch '([%w_.]+)"?%s*=%s*"([^"]*)"' do
      wanted = wanted and push.labels[label] == value
    end
    if wanted then
      local pprof = assert(core.pprof(trees.read(wire .. "/pushed/" .. push.file)))
      for i, t in ipairs(pprof:types()) do
        if t.type == kind and t.unit == unit and pprof.period_type == period
          and pprof.period_unit == period_unit then
          chosen[#chosen + 1] = { pprof, type = i, spans = spans, traces = traces }
        end
      end
    end
  end
  return chosen
end

return pushes
