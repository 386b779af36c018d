---@meta pyroscope.core

--- The C core: bytes to call trees, call trees to rows and bytes, questions to request bytes.
--- It never touches the network, prints, or keeps global state. What fails because of its
--- input returns `nil, err` (a `pyroscope.error`); what is the caller's mistake raises.
--- Values of profiles are exact 64-bit Lua integers everywhere.
---@class pyroscope.core
---@field version string
local core = {}

--- How many handles (profiles, pprofs, diffs, bodies) are alive: for tests.
---@return integer
function core.live() end

-- Bytes ---------------------------------------------------------------------------------

--- Bytes that stay in C: an answer of a server. `#body` is its length, `tostring(body)` says
--- what it is, `body:string(from?, to?)` copies bytes into a Lua string, `body:close()` frees.
---@class pyroscope.body
local body = {}
---@param from? integer
---@param to? integer
---@return string
function body:string(from, to) end
function body:close() end

---@alias pyroscope.bytes string|pyroscope.body

--- A body that holds a copy of the string; what `pyroscope.http` makes from an answer.
---@param bytes string
---@return pyroscope.body
function core.body(bytes) end

--- The content of a file as a body, without passing through Lua; `max_bytes` bounds it.
---@param path string
---@param max_bytes? integer
---@return pyroscope.body? body
---@return pyroscope.error? err  kind `io`, or `limit`
function core.read_file(path, max_bytes) end

--- When a file was last written, in nanoseconds since the epoch; nil where there is none.
---@param path string
---@return integer?
function core.modified(path) end

---@param bytes pyroscope.bytes
---@return string
function core.gzip(bytes) end

---@param bytes pyroscope.bytes
---@param max_bytes? integer
---@return string? bytes
---@return pyroscope.error? err
function core.gunzip(bytes, max_bytes) end

--- What the bytes seem to be: "gzip", "pprof", "json" (flame graph), "diff", "speedscope",
--- "folded", "tree", or what is refused by name: "chrome-trace", "jfr", "html", "perf"; nil if unknown.
---@param bytes pyroscope.bytes
---@return string?
function core.guess(bytes) end

-- Profiles ------------------------------------------------------------------------------

--- Decodes a profile. `format`: "json", "tree", "folded", "speedscope", "flamegraph" (protobuf
--- message FlameGraph), "pprof", or nil: by content (gzip is seen through). `pprof` takes its
--- default sample type here, all samples; use `core.pprof` for a choice. "speedscope" knows its unit.
---@param bytes pyroscope.bytes
---@param format? string
---@param options? { max_bytes?: integer, granularity?: "function"|"line" }
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function core.decode(bytes, format, options) end

--- Parses a pprof file (gzipped or raw) once; profiles are built from it by `core.collect`.
---@param bytes pyroscope.bytes
---@param options? { max_bytes?: integer }
---@return pyroscope.pprof? pprof
---@return pyroscope.error? err
function core.pprof(bytes, options) end

---@class pyroscope.pprof.type
---@field type string
---@field unit string

---@class pyroscope.pprof
---@field time_nanos integer
---@field duration_nanos integer
---@field period integer
---@field period_type string
---@field period_unit string
---@field samples integer         number of samples
---@field default_type integer    1-based index into types
local pprof = {}
---@return pyroscope.pprof.type[]
function pprof:types() end
--- Label sets of string sample labels, without span_id, profile_id and trace_id: the array of
--- distinct sets, each a table name -> value, and how many samples have it. The empty set is in
--- it only if a sample has it.
---@return { labels: table<string,string>, samples: integer }[]
function pprof:sets() end
--- Every string and numeric label with its values, all samples: name -> value -> summed value of
--- sample type `type`; numbers in decimal, "" for a label with neither. Here and below negative
--- values count nothing, and a sum above 64 bits is `nil, err`.
---@param type integer
---@return table<string, table<string, integer>>
function pprof:tags(type) end
--- The exact sum of one sample type over all samples of the wanted sets (nil: all).
---@param type integer
---@param sets? integer[]         1-based indexes into sets()
---@return integer value, integer samples
function pprof:total(type, sets) end
--- The same for every set at once, in the order of sets().
---@param type integer
---@return { value: integer, samples: integer }[]
function pprof:totals(type) end
--- Samples with a span id, by label set, span and trace ("" for none); first seen first.
---@param type integer
---@return { set: integer, span_id: string, trace_id: string, value: integer }[]
function pprof:spans(type) end
--- Values of the string sample labels span_id / profile_id / trace_id, in lower case: name ->
--- value -> sum.
---@param type integer
---@return table<string, table<string, integer>>
function pprof:ids(type) end
--- Uncompressed protobuf bytes, as parsed.
---@return string
function pprof:bytes() end
function pprof:close() end

---@class pyroscope.selection
---@field [1] pyroscope.pprof
---@field type integer            1-based sample type
---@field sets? integer[]         wanted label sets, nil: all
---@field spans? table<string,true>   only samples whose span_id (or profile_id) is in it
---@field traces? table<string,true>  only samples whose trace_id is in it

--- One profile from any number of pprof files: the merge of all selected samples.
--- `named_only` leaves out what a server leaves out of its trees: locations without a function,
--- and stacks that have none. `call_site` keeps stacks that begin with these functions.
--- `max_depth` cuts frames nearest the leaf, as a server does on ingestion (1,000).
---@param selections pyroscope.selection[]
--- A sample with a negative value is left out (with `named_only` if any of its values is).
---@param options? { granularity?: "function"|"line", named_only?: boolean, call_site?: string[], max_depth?: integer, tagfocus?: string, tagignore?: string }
---@return pyroscope.profile? profile
---@return pyroscope.error|integer err_or_samples  how many samples went in
---@return integer? negative                       how many were left out for a negative value
function core.collect(selections, options) end

--- What `collect(selections, options):top(n, { by = by })` answers, by function, without making
--- the tree: for large files five times faster, in a tenth of the memory. `divide` is the number
--- of profiles where the values are a stock.
---@param selections pyroscope.selection[]
---@param n? integer              default 20; 0 gives all
---@param options? { by?: "self"|"total", named_only?: boolean, call_site?: string[], max_depth?: integer, divide?: integer, tagfocus?: string, tagignore?: string }
---@return pyroscope.row[]? rows
---@return pyroscope.coverage|pyroscope.error coverage
function core.pprof_top(selections, n, options) end

---@class pyroscope.row
---@field name string
---@field file? string
---@field line? integer           hottest line known, else absent
---@field start_line? integer
---@field self integer
---@field total integer
---@field self_share number
---@field total_share number

---@class pyroscope.coverage
---@field shown number            share of self in the rows
---@field rest number             share of self in functions that are not shown
---@field other number            share in truncated stacks
---@field functions integer       how many functions there are
---@field empty? number           share of samples without a stack, when there are any

---@class pyroscope.profile
---@field total integer           divided for stocks, as every value that leaves a profile
---@field sum integer             the undivided total
---@field unit? string
---@field profile_type? string
---@field profiles? integer       how many were merged, if known
---@field kind? "flow"|"stock"
---@field from_ms? integer
---@field to_ms? integer
---@field granularity string
---@field levels integer
---@field functions integer       number of distinct functions, "other" not counted
---@field meta table              what `describe` stored, the caller's to read
local profile = {}

--- Stores what a profile is, once, right after it was made; returns the profile. Known keys:
--- profile_type, unit, kind, profiles, sum (true: do not divide), from_ms, to_ms, labels,
--- selector, source, partial, warnings. Division by `profiles` follows from kind, sum, profiles.
---@param meta table
---@return pyroscope.profile
function profile:describe(meta) end
--- The largest functions by self or total (recursion counted once per stack); ties by name bytes.
--- `other` leaves are never a row. n = 0 gives all. Group "line" needs granularity "line"
--- (else `unsupported`).
---@param n? integer              default 20
---@param options? { by?: "self"|"total", group?: "function"|"line"|"file"|"package" }
---@return pyroscope.row[] rows
---@return pyroscope.coverage coverage
function profile:top(n, options) end
--- Depth first, siblings by name: depth (root is 0), name, self, total, file, line. `other` too.
function profile:walk() end
--- Heaviest whole stacks: rows { frames = {root first}, value, share }.
---@param n? integer
function profile:stacks(n) end
--- Functions whose name (or file, or mapping) matches an RE2 pattern: rows as `top`, by total.
---@param pattern string
---@return pyroscope.row[]? rows
---@return pyroscope.error? err   kind `usage` with a caret line in `hint`
function profile:find(pattern) end
--- Who calls a function: rows {name, file, line, value, share}, share of the function's total.
--- An empty name in a row with `root = true` stands for "nobody". An edge counts once per stack,
--- and a function that calls itself is no caller of its own (pprof's peek).
---@param name string
---@return pyroscope.row[] rows
---@return pyroscope.row? of      the function itself, nil if there is none of that name
function profile:callers(name) end
--- Whom a function calls, as `callers`. `of.other`, when not 0, is the value of truncated stacks
--- right below the function: self + rows + other = total.
---@param name string
---@return pyroscope.row[] rows
---@return pyroscope.row? of
function profile:callees(name) end
--- Source lines of a file with self and total, by line number; `unsupported` without
--- granularity "line".
--- `options.name`: only lines of that function.
---@param file string             whole path as in the profile
---@param options? { name?: string }
---@return { line: integer, name: string, self: integer, total: integer }[]
function profile:lines(file, options) end
--- Distinct files of the profile.
---@return string[]
function profile:files() end
--- At most about n nodes by the server's rule; what is cut becomes leaves named "other". Where
--- anything is cut, a function really named `other` goes with it, and all that it calls: what it
--- took and what was cut beside it could not be told apart, so both are said to be unknown.
---@param n integer               at least 1
---@return pyroscope.profile
function profile:truncate(n) end
--- A coarser tree: "function", "file" or "package" in place of frames, one for one. "line" of a
--- profile without lines is `unsupported`.
---@param granularity "function"|"line"|"file"|"package"
---@return pyroscope.profile
function profile:regroup(granularity) end
--- Filters with pprof's meanings; `nil, err` for a bad pattern (`usage`) or one that takes too
--- long (`limit`). A pattern is tried on names, files and binaries; that of prune_from on names
--- without arguments, as pprof does. Only prune_from keeps stacks without frames. A function name
--- has one file at granularity "function": where one name occurs in several files, filter at
--- "line" and regroup. Truncated leaves stay with the frame they were cut off from.
function profile:focus(pattern) end
function profile:ignore(pattern) end
function profile:hide(pattern) end
--- `show` also takes a set of exact names: { ["main.main"] = true }.
---@param pattern string|table<string, boolean>
function profile:show(pattern) end
function profile:show_from(pattern) end
function profile:prune_from(pattern) end
--- The tree merged from the leaves; truncated stacks become one leaf `other`. `nil, err` (`limit`)
--- for stacks so deep that it would take minutes.
---@return pyroscope.profile
function profile:invert() end
--- Values divided by `profiles`, in a tree whose root is the rounded quotient exactly and every
--- node within one unit of it; it counts as one profile. Flows and sums: the profile itself.
---@return pyroscope.profile
function profile:scaled() end
--- Who calls the function of exactly this name, merged from it upwards, and what it calls, from its
--- first call on a stack down: two profiles of the stacks that have it.
---@param name string
---@return pyroscope.profile? callers
---@return pyroscope.profile|pyroscope.error callees
function profile:sandwich(name) end
--- Boxes of character cells below node `top`: rows from it on of { node, parent, level, from, to,
--- self, total, name, file?, line?, hue, matches?, other? }, columns [from, to) = round(width *
--- share), siblings by value. Beside the rows: whole, hidden (boxes without a column), deep (below
--- `levels`), matched, functions, boxes (of `pattern` from the top down, topmost matches once),
--- path (nodes above).
--- Values are undivided sums.
---@param options { top?: integer, width?: integer, levels?: integer, pattern?: pyroscope.regex }
---@return table? rows
---@return pyroscope.error? err
function profile:cells(options) end
--- The match of `options.pattern` after a node, the largest first, drawn or not, round and round;
--- the second result is the node to zoom into for it to have a column. Nothing without a match.
---@param options table      as `cells`
---@param after? integer
---@param back? boolean
---@return integer? node
---@return integer? view
function profile:hit(options, after, back) end
--- What truncation hides: { other = value, other_share = number, truncated = boolean }.
function profile:coverage() end
--- Formats: see core.formats(). Options: pprof { time_nanos, duration_nanos, raw = true (no gzip) },
--- svg, html { title, subtitle, width, min_width, icicle, colors = "package"|"value"|"class"|"plain",
--- sort = "total"|"name", link = "https://host/blob/main/{path}#L{line}" (also {abs}), seconds (CPU
--- in cores; the window is known), sections = markup behind the picture of a page, fragment, part =
--- its number on a page of several: a fragment without style and script (`core.picture_assets`) }.
---@param format string
---@param options? table
---@return string? bytes
---@return pyroscope.error? err
function profile:render(format, options) end
--- Writes `render` to a file, mode 600; format by option, else by extension, else pprof.
--- An existing file is an `io` error (code "exists") without `force = true`.
---@param path string
---@param options? table
---@return true? ok
---@return pyroscope.error? err
function profile:save(path, options) end
function profile:close() end

--- The sum of profiles, aligned by path; counts (`profiles`) add up, windows unite, warnings and
--- `partial` are those of any part, the rest of meta is what all agree on. Different units: `usage`.
---@param profiles pyroscope.profile[]
---@return pyroscope.profile? profile
---@return pyroscope.error? err
function core.merge(profiles) end
--- a - b by path; below 0 becomes 0, and the second result says how much that was. Stocks are
--- divided before (so the result counts as one profile).
---@return pyroscope.profile? profile
---@return pyroscope.error|integer err_or_clipped
function core.subtract(a, b) end

---@class pyroscope.diff.row
---@field name string
---@field file? string
---@field line? integer
---@field before integer          exact sums of the sides, undivided
---@field after integer
---@field before_total integer
---@field after_total integer

--- Two profiles aligned by path. Raw sums of both sides: rates and shares are made in Lua
--- (`pyroscope.diff`), which knows windows and counts.
---@class pyroscope.alignment
---@field before integer          root totals
---@field after integer
---@field before_other integer
---@field after_other integer
local alignment = {}
--- Functions by |a * after - b * before| of self (or total), largest first, `least` or more (default
--- 0); `factors` = {b, a}, default 1. Second result: what the rows leave out: { before, after,
--- functions, small }; small: how many changed, but by less than `least`.
---@param n integer               0: all
---@param options? { by?: "self"|"total", factors?: number[], group?: string }
function alignment:rows(n, options) end
--- Depth first: depth, name, before_self, after_self, before_total, after_total.
function alignment:walk() end
--- At most n nodes (0: all) whose totals changed most, by `least` at least, depth first with those
--- above them: { depth, name, file?, line?, before, after, before_total, after_total }.
---@param n integer
---@param options? { factors?: number[], least?: number }
function alignment:tree(n, options) end
--- "svg", "html", "folded", "json" or "pprof"; see `diff:render`, which tells it scales, mode and
--- names of the sides.
---@return string? bytes
---@return pyroscope.error? err
function alignment:render(format, options) end
--- As `profile:cells`, boxes also with before and after (sums); `scales` of the sides, `by`: boxes
--- as wide as "after" (default), "before" or the "larger" of the sides.
---@param options table
---@return table? rows
---@return pyroscope.error? err
function alignment:cells(options) end
--- As `profile:hit`.
function alignment:hit(options, after, back) end
function alignment:close() end

---@param before pyroscope.profile
---@param after pyroscope.profile
---@return pyroscope.alignment? alignment
---@return pyroscope.error? err
function core.align(before, after) end
--- A Diff answer (protobuf message FlameGraphDiff, or JSON) as an alignment.
---@param bytes pyroscope.bytes
---@param format? "proto"|"json"
---@return pyroscope.alignment? alignment
---@return pyroscope.error? err
function core.decode_diff(bytes, format) end

-- Unions of call trees ------------------------------------------------------------------

--- Every name that occurs in these profiles, once.
---@param profiles pyroscope.profile[]
---@return string[]
function core.union_names(profiles) end
--- The call trees of K profiles as one, with a column of values for each (`pyroscope.union`,
--- _meta/investigate.lua; `tree.union` is the friendly way). `names` leads from names in the profiles
--- to names of functions, what it lacks keeps its name; `fields` can be read from the result.
---@param profiles pyroscope.profile[]
---@param sides ("A"|"B")[]
---@param names table<string, string>
---@param fields table
---@return pyroscope.union? union
---@return pyroscope.error? err   kind `limit`
function core.union(profiles, sides, names, fields) end
--- The package in a function's name (import path, Java package, module, library), "" without one.
---@param name string
---@return string
function core.package(name) end

--- { pprof = { extension = ".pb.gz", binary = true, read = true, write = true }, ... }
---@return table<string, table>
function core.formats() end

--- What a page of several pictures (option `part`) has once: the texts of style and script, and the
--- content security policy that allows them.
---@return { style: string, script: string, policy: string }
function core.picture_assets() end

-- The querier ---------------------------------------------------------------------------

--- The RPCs: name -> { path, since, request = message name, response = message name }.
---@return table<string, table>
function core.methods() end
--- Protobuf bytes of a request. Keys are wire names in lowerCamelCase ("profileTypeID") or proto
--- names; unknown ones, wrong types and unknown enum names raise nothing: they return `usage` errors.
--- int64: integers or decimal strings.
---@param method string           "SelectMergeStacktraces"
---@param request table
---@return string? bytes
---@return pyroscope.error? err
function core.encode(method, request) end
--- An answer as a table with wire names: absent fields are absent, int64 are integers, bytes are
--- strings, enums names. Fields that hold a tree, a flame graph, a diff or a profile become
--- handles: `flamegraph`, `tree` -> pyroscope.profile; `pprof`, and the whole SelectMergeProfile
--- answer under the key `profile` -> pyroscope.pprof; Diff's `flamegraph` -> pyroscope.alignment.
--- `options.raw`: such fields as plain tables (`pscope call`).
---@param method string
---@param bytes pyroscope.bytes
---@param options? { raw?: boolean, skip?: string[] }
---@return table? answer
---@return pyroscope.error? err
function core.decode_answer(method, bytes, options) end
--- Connect JSON of a request (int64 as strings, enum names), and JSON answers into what
--- `decode_answer` gives.
---@return string? json
---@return pyroscope.error? err
function core.encode_json(method, request) end
---@return table? answer
---@return pyroscope.error? err
function core.decode_answer_json(method, bytes, options) end
--- The other way round, for servers in tests and for `pscope call` on a store: bytes of an answer
--- from a table (handles allowed where `decode_answer` gives them), and requests from bytes.
---@return string? bytes
---@return pyroscope.error? err
function core.encode_answer(method, answer, options) end
---@return table? request
---@return pyroscope.error? err
function core.decode_request(method, bytes) end

-- Regular expressions --------------------------------------------------------------------

--- An RE2 pattern compiled once. `anchored`: the whole text, dot matches newline (selectors);
--- otherwise anywhere (frames). `regex:test(text)`.
---@param pattern string
---@param options? { anchored?: boolean }
---@return pyroscope.regex? regex
---@return pyroscope.error? err   kind `usage`, hint with a caret
function core.regex(pattern, options) end

---@class pyroscope.regex
local regex = {}
---@param text string
---@return boolean? matches
---@return pyroscope.error? err   kind `limit`
function regex:test(text) end

return core
