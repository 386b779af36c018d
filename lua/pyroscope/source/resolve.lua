--- How a question is asked of a server: which format, which method. The reasons are those of
--- `design`: trees are cheapest while they are limited, pprof is exact and knows files and lines.

local errors = require "pyroscope.errors"
local types = require "pyroscope.types"

local resolve = {}

--- Nodes of a tree when nobody says how many.
resolve.NODES = 16384

--- "tree" where function names are enough, "pprof" where everything, files, lines or a filter are
--- wanted that only samples can prove.
---@param question pyroscope.resolved
---@param exact? boolean     the caller wants all of it
---@return "tree"|"pprof"
function resolve.format(question, exact)
  if exact or question.granularity == "line" or question.go_pgo then return "pprof" end
  -- Servers may drop these filters of a tree silently; samples show whether they were obeyed.
  if question.tagfocus or question.tagignore then return "pprof" end
  if question.call_site or question.profile_ids or question.trace_ids then return "pprof" end
  return "tree"
end

--- The wire name of the method that answers a question in a format.
---@param question pyroscope.resolved
---@param format "tree"|"pprof"
---@return string
function resolve.method(question, format)
  if format == "tree" then
    return question.span_ids and "SelectMergeSpanProfile" or "SelectMergeStacktraces"
  end
  -- Only the pprof format of the newer method knows spans and traces, and its presence proves it.
  if question.span_ids or question.trace_ids then return "SelectMergeStacktraces" end
  return "SelectMergeProfile"
end

-- The type of a service --------------------------------------------------------------------

--- The profile types of what a selector names, as ids; none is an empty list.
---@param source pyroscope.source
---@param selector string
---@param window { from_ms: integer, to_ms: integer }
---@return string[]? ids
---@return pyroscope.error? err
function resolve.list(source, selector, window)
  local rows, err = source:profile_types({ from_ms = window.from_ms, to_ms = window.to_ms },
    { selector = selector })
  if not rows then return nil, err end
  local ids = {}
  for i, row in ipairs(rows) do ids[i] = row.id end
  return ids
end

-- What makes an SDK send the types of a class, where it does not by default.
local ENABLE = {
  cpu = "CPU profiles are on by default in every SDK; eBPF sends them without one",
  wall = "Java: event = wall; Node, .NET: wall profiling is an option of the SDK",
  live_bytes = "Go: ProfileInuseSpace; Python: mem_enabled; Java: profiler.live; Rust: jemalloc",
  alloc_bytes = "Go: ProfileAllocSpace; Java: profiler.alloc = 512k; .NET: "
    .. "PYROSCOPE_PROFILING_ALLOCATION_ENABLED; Python: mem_enabled",
  goroutine = "Go only: ProfileGoroutines in ProfileTypes",
  goroutine_leak = "Go 1.26 with GOEXPERIMENT=goroutineleakprofile, on from 1.27",
  mutex_delay = "Go: ProfileMutexDuration and runtime.SetMutexProfileFraction(5); Java: "
    .. "profiler.lock = 10ms; .NET: PYROSCOPE_PROFILING_LOCK_ENABLED",
  block_delay = "Go: ProfileBlockDuration and runtime.SetBlockProfileRate(5); Java: "
    .. "profiler.lock; eBPF: off-CPU profiles",
  exceptions = ".NET: PYROSCOPE_PROFILING_EXCEPTION_ENABLED",
}
ENABLE.live_objects, ENABLE.alloc_objects = ENABLE.live_bytes, ENABLE.alloc_bytes
ENABLE.mutex_count, ENABLE.block_count = ENABLE.mutex_delay, ENABLE.block_delay

--- The type of a class that a service has, best first. Allocation of Java comes in two types that
--- have to be added: `types` of the second result has both.
---@param source pyroscope.source
---@param class string        a class or a word for one
---@param selector string
---@param window { from_ms: integer, to_ms: integer }
---@return string? id
---@return { types: string[], rivals: string[], all: string[] }|pyroscope.error about
function resolve.choose(source, class, selector, window)
  local ids, err = resolve.list(source, selector, window)
  if not ids then return nil, err end
  if #ids == 0 and source.absence then
    -- nothing at all: what is near is worth more than that this type is absent
    local resolved, bad = require "pyroscope.query".resolve({ selector = selector,
      from_ms = window.from_ms, to_ms = window.to_ms }, source, { where = "resolve", type = false })
    local absent = bad or source:absence(resolved)
    if absent then return nil, absent end
  end
  local id, others = types.resolve(class, ids)
  if not id then
    local hint = ENABLE[types.meaning(class) or ""]
    if hint and others.code == "type_absent" then
      others = errors.wrap(others, { hint = (others.hint or "") .. "\nto have it: " .. hint })
    end
    return nil, others
  end
  local both, rivals = { id }, {}
  local sibling = id:match ":alloc_in_new_tlab_(%a+):"
  for _, other in ipairs(others) do
    if sibling and other:find(":alloc_outside_tlab_" .. sibling .. ":", 1, true) then
      both[2] = other
    else
      rivals[#rivals + 1] = other
    end
  end
  return id, { types = both, rivals = rivals, all = ids }
end

return resolve
