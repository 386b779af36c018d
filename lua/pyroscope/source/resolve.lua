--- How a question is asked of a server: which format, which method. The reasons are those of
--- `design`: trees are cheapest while they are limited, pprof is exact and knows files and lines.

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

return resolve
