---@meta pyroscope.source

--- What every source (client, store, and anything else with these methods) answers.
--- Whatever fails because of the world or of what a person typed returns `nil, err`; unknown option
--- names and wrong Lua types raise at the caller's line. Times are milliseconds since epoch,
--- windows are half open `[from_ms, to_ms)`. Values of profiles are exact integers.

--- A window as a person says it. Nothing given: the source's default (the last hour of a client,
--- everything of a store). `since` excludes `from`.
---@class pyroscope.window
---@field from? string|number     `timespec` text; a number by its digits: seconds, ms, µs, ns
---@field to? string|number
---@field since? string|number    a duration; a number is seconds
---@field from_ms? integer        milliseconds, instead of from/to/since
---@field to_ms? integer
---@field tz? string              "utc", "local", "+02:00": for bare clock times only
---@field now_ms? integer         what `now` means; default: the source's

--- A question as a person asks it.
---@class pyroscope.query: pyroscope.window
---@field service? string
---@field type? string            an alias ("cpu", "memory", ...) or a full id
---@field profile_type? string    a full id; the same as `type`
---@field selector? string        `{a="b"}`; braces may be left out
---@field labels? table           name = value, and in its array part { name =, op =, value = }
---@field max_nodes? integer
---@field max_other? number       a share, 0 to 1
---@field sum? boolean            stocks as sums
---@field call_site? string[]     root first
---@field go_pgo? boolean
---@field profile_ids? string[]
---@field trace_ids? string[]
---@field span_ids? string[]
---@field kind? "profile"|"span"  which exemplars or heat map
---@field functions? string[]
---@field step? number|string     seconds, or a duration
---@field group_by? string|string[]
---@field limit? integer
---@field granularity? "function"|"line"  frames of the profile; "line" needs pprof
---@field aggregation? "sum"|"average"  of values over time: per profile, or not
---@field tagfocus? string               only samples with such a label, as pprof's; needs pprof
---@field tagignore? string              no samples with such a label
---@field server? boolean         `diff`: let the Diff RPC align

--- What `query.resolve` gives: the same for every method and door. Giving it to a source's method
--- asks exactly this; it is never resolved twice.
---@class pyroscope.resolved
---@field resolved true
---@field profile_type? string    full id, as the source has it; nil where none is needed
---@field unit? string            sample unit
---@field kind? "flow"|"stock"
---@field class? string           "cpu", "inuse", "alloc", ... (types.lua)
---@field selector string         canonical, `{}` for everything
---@field matchers pyroscope.matcher[]
---@field service? string         when an equality matcher fixes it
---@field from_ms integer
---@field to_ms integer
---@field windowed boolean        false: nobody named a window, it is the source's default
---@field max_nodes? integer
---@field max_other? number
---@field sum? boolean
---@field call_site? string[]
---@field go_pgo? boolean
---@field profile_ids? string[]   lower case with dashes
---@field trace_ids? string[]     lower case
---@field span_ids? string[]      lower case
---@field exemplars "profile"|"span"   option `kind`
---@field functions? string[]
---@field step_ms? integer
---@field group_by string[]
---@field limit? integer
---@field granularity? string
---@field aggregation? "sum"|"average"
---@field warnings string[]

---@class pyroscope.matcher
---@field name string
---@field op "="|"!="|"=~"|"!~"
---@field value string

--- A pair of integers and what a source is asked when nothing is said. Optional method of a
--- source; without it: now is the clock, the window the last hour, a selector is required.
---@class pyroscope.defaults
---@field now_ms? integer
---@field from_ms? integer        default window
---@field to_ms? integer
---@field profile_type? string    when no type is given (`type`: the same as a word)
---@field selector? string        set: a question needs no service
---@field max_nodes? integer

---@class pyroscope.type_row
---@field id string
---@field name string
---@field sample_type string
---@field sample_unit string
---@field period_type string
---@field period_unit string
---@field class string
---@field kind "flow"|"stock"

---@class pyroscope.service_row
---@field name string
---@field types pyroscope.type_row[]
---@field cores? number           CPU over the window, nil without a CPU type
---@field cpu_type? string        the id the cores come from
---@field points? number[]        cores of 30 steps over twice the window, oldest first
---@field language? string        by the profiler's label or the types; of a store also by its sources
---@field version? string         newest
---@field versions string[]
---@field instances integer       0: unknown
---@field instance_label? string

---@class pyroscope.timeline_row
---@field labels table<string,string>
---@field name? string                with option `functions`: the function
---@field points pyroscope.point[]    one for every step of the window, zeros included
---@field sum integer                 exact sum of all points' raw values
---@field profiles? integer           how many profiles, where known
---@class pyroscope.point
---@field time_ms integer             start of the step: covers [time_ms, time_ms + step)
---@field value? number               per second for flows, per profile for stocks (nil: none taken);
---  with `aggregation` per profile, or (of stocks) the sum
---@field raw? integer                undivided, where the answer is exact
---@field profiles? integer
---@field annotations? { key: string, value: string }[]  what the server says of the step

--- Rows with fields of the whole answer beside the array part.
---@class pyroscope.timeline
---@field [integer] pyroscope.timeline_row
---@field profile_type string
---@field unit string
---@field kind "flow"|"stock"
---@field step_ms integer
---@field from_ms integer         start of the first step (a window that is no whole number of steps
---@field to_ms integer           is lengthened at its start)
---@field partial? boolean
---@field warnings string[]

---@class pyroscope.count_row
---@field labels table<string,string>
---@field profiles integer

---@class pyroscope.top_series_row
---@field labels table<string,string>
---@field sum integer             raw sum over the window; equals the flame graph's total
---@field value number            per second for flows, per profile for stocks
---@field share number
---@field profiles? integer

---@class pyroscope.exemplar_row
---@field time_ms integer
---@field value integer
---@field labels table<string,string>  series and exemplar labels merged, `__x__` left out
---@field profile_id? string
---@field span_id? string
---@field trace_id? string

---@class pyroscope.heatmap
---@field profile_type string
---@field unit string
---@field step_ms integer
---@field from_ms integer
---@field to_ms integer
---@field rows { labels: table<string,string>, slots: pyroscope.heatmap_slot[] }[]
---@class pyroscope.heatmap_slot
---@field time_ms integer         start of the slot
---@field y_min number[]          lower edges of the buckets
---@field counts integer[]
---@field exemplars? pyroscope.exemplar_row[]

---@class pyroscope.stats
---@field ingested boolean
---@field oldest_ms? integer      nil: unknown
---@field newest_ms? integer

--- Handle of one pprof answer: the files of the question, merged on demand.
---@class pyroscope.pprof_answer
local answer = {}
--- Sample types: rows { type, unit }.
function answer:types() end
--- String labels of the samples: name -> value -> summed value of the asked type.
function answer:labels() end
--- A profile of it: `type` (sample type name or 1-based index), `labels`, `granularity`.
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function answer:profile(options) end
--- Writes gzipped pprof, mode 600.
---@return true? ok
---@return pyroscope.error? err
function answer:save(path, options) end
--- Gzipped pprof bytes.
---@return string? bytes
---@return pyroscope.error? err
function answer:bytes() end
function answer:close() end

---@class pyroscope.source
---@field name string             how it is shown: deployment, address or path
---@field kind "client"|"store"
local source = {}
--- Optional.
---@return pyroscope.defaults
function source:defaults() end
--- `rows.points_from_ms`, `rows.points_to_ms`: what the points of the rows cover.
---@return pyroscope.service_row[]? rows  sorted by cores, then name
---@return pyroscope.error? err
function source:services(window) end
---@param options? { selector?: string }
---@return pyroscope.type_row[]? rows     sorted by id
---@return pyroscope.error? err
function source:profile_types(window, options) end
---@param options? { selector?: string, internal?: boolean }
---@return string[]? names
---@return pyroscope.error? err
function source:label_names(window, options) end
---@param options? { selector?: string }
---@return string[]? values
---@return pyroscope.error? err
function source:label_values(name, window, options) end
---@param options? { selector?: string, labels?: string[], internal?: boolean }
---@return table<string,string>[]? rows
---@return pyroscope.error? err
function source:series(window, options) end
--- Optional: the `no_data` error of a question that finds nothing, with what is near (services,
--- types, the nearest window that has data).
---@param query pyroscope.resolved
---@return pyroscope.error?
function source:absence(query) end
---@param query pyroscope.query|pyroscope.resolved
---@return pyroscope.profile? profile  described; never empty: no samples is `no_data`
---@return pyroscope.error? err
function source:profile(query) end
--- All in flight at once: `for i, profile, err in source:profiles(queries) do`.
function source:profiles(queries) end
---@return pyroscope.pprof_answer? answer
---@return pyroscope.error? err
function source:pprof(query) end
---@return pyroscope.timeline? rows
---@return pyroscope.error? err
function source:timeline(query) end
--- One row, or one for every value combination of `group_by`.
---@return pyroscope.count_row[]? rows
---@return pyroscope.error? err
function source:profile_counts(query) end
---@return pyroscope.exemplar_row[]? rows  largest first
---@return pyroscope.error? err
function source:exemplars(query) end
---@return pyroscope.heatmap? heatmap
---@return pyroscope.error? err
function source:heatmap(query) end
---@return pyroscope.top_series_row[]? rows  largest first
---@return pyroscope.error? err
function source:top_series(query) end
---@param options? table   those of `pyroscope.diff`
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function source:diff(before, after, options) end
---@return pyroscope.stats? stats
---@return pyroscope.error? err
function source:stats() end
---@return string? text
---@return pyroscope.error? err
function source:dot(query) end
---@return string? url
---@return pyroscope.error? err
function source:link(query, options) end
--- A raw RPC, wire names in and out.
---@return table? answer
---@return pyroscope.error? err
function source:call(method, request) end
function source:close() end

return source
