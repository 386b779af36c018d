---@meta pyroscope.investigate

--- The numeric core of investigations. Everything here is a pure function on plain tables; the
--- one userdata is the union of call trees. Tables that steps exchange: samples, the union,
--- size factors, tests, findings. Arrays are 1-based; side A is before, side B after.

-- Samples and the union -------------------------------------------------------------------

--- One replicate: a profile of one window (or one instance), as `fetch.trees` gives it.
---@class pyroscope.sample
---@field profile pyroscope.profile   not divided: exact sums (`profile.sum`)
---@field side "A"|"B"
---@field profiles? integer           how many profiles were merged; default `profile.profiles` or 1
---@field from_ms? integer
---@field to_ms? integer
---@field seconds? number             profile-seconds covered; default window length
---@field instance? string
---@field order? integer              place in time inside its side; default: place in the array

--- Samples, with what is true of all of them beside the array part.
---@class pyroscope.samples
---@field [integer] pyroscope.sample
---@field quantum? number|pyroscope.quantum  value of one raw sample; nil: unknown
---@field runtime? string             "go", "jvm", "node", "python", ...; default: guessed from names
---@field kind? "flow"|"stock"

---@class pyroscope.quantum
---@field value? number               nil: unknown
---@field source "companion"|"gcd"|"percentile"|"assumed"|"exact"|"unknown"
---@field by_function? { flat: table<string, number>, cum: table<string, number> }  heap (5.3)

--- Call trees of K samples aligned by path. Node 1 is the root, whose self is the value of empty
--- stacks; children are contiguous and ordered by name, so `parent[v] < v`. Functions have ids
--- 1..F in order of name. Fields: `samples`, `sides` (array of "A"|"B"), `quantum`, `runtime`,
--- `kind`, `raw` (normalised name -> a name as it was in a profile).
---@class pyroscope.union
---@field samples pyroscope.samples
---@field sides ("A"|"B")[]
---@field quantum? pyroscope.quantum
---@field runtime string
---@field kind? "flow"|"stock"
---@field raw table<string, string>
local union = {}
---@return integer nodes, integer samples, integer functions
function union:size() end
--- Totals of the samples, what is cut off (`other`) included; the second is `other` alone.
---@return integer[] totals, integer[] other
function union:totals() end
--- Names of all functions by id.
---@return string[]
function union:names() end
--- Nodes whose mean total reaches `floor` of the mean total of either side. Arrays of rows with
--- arrays of K inside: `self`, `tot`, `other`, `rest` (totals of children that are left out).
---@param floor? number           a share, default 0
---@return { id: integer[], parent: integer[], depth: integer[], name: string[], self: integer[][], tot: integer[][], other: integer[][], rest: integer[][] }
function union:rows(floor) end
--- Functions whose mean `cum` (recursion counted once) reaches `floor` of either side.
---@param floor? number
---@return { id: integer[], name: string[], flat: integer[][], cum: integer[][] }
function union:functions(floor) end
--- Any linear contrast of every node: sum over samples of weight times value.
---@param what "self"|"tot"|"other"
---@param weights number[]        K of them
---@return number[] values        N of them
function union:combine(what, weights) end
--- Node of a path of names (root first, the root itself left out).
---@param path string[]
---@return integer? id
function union:at(path) end
---@param id integer
---@return string[] names
function union:path(id) end
--- Nodes of a function; "top" leaves out those below another node of the same function.
---@param name string
---@param which? "top"|"all"      default "top"
---@return integer[] ids
function union:nodes(name, which) end
--- Nodes with a self value in some sample.
---@return integer[] ids
function union:held() end
--- Self values of nodes added up by group (1, 2, ...): `groups[i]` is that of `ids[i]`.
---@param ids integer[]
---@param groups integer[]
---@return integer[][] sums       by group, K each
function union:gather(ids, groups) end
--- The same union less some values: whole subtrees, or the self values of these nodes.
---@param ids integer[]
---@param what? "subtree"|"self"  default "subtree"
---@return pyroscope.union view
function union:without(ids, what) end
--- The same union less all stacks that lack a function flagged 1, or hold one flagged 2.
---@param flags integer[]         by function id: 0 neutral, 1 wanted, 2 unwanted
---@param all? boolean            true: stacks need no wanted function
---@return pyroscope.union view
function union:keep(flags, all) end
--- What stacks through a function hold of others, each counted once a stack: its direct
--- callees or callers, or every function below or above it (itself left out).
---@param name string
---@param how "callees"|"callers"|"below"|"above"
---@return { name: string[], value: integer[][] }
function union:related(name, how) end
--- Self values by the innermost function flagged 1, else the innermost flagged 2, else under the
--- empty name; `other` counts as self of the node it was cut from.
---@param flags integer[]         by function id
---@return { name: string[], value: integer[][] }
function union:sites(flags) end
function union:close() end

--- pyroscope.investigate.tree
---@class pyroscope.investigate.tree
local tree = {}
--- Aligns samples under normalised names. `names`: rules of `frames.normalise` switched off
--- (`{ go_shapes = false }`), or false for names as they are.
---@param samples pyroscope.samples
---@param options? { names?: table<string, boolean>|false }
---@return pyroscope.union? union
---@return pyroscope.error? err
function tree.union(samples, options) end
--- Self values by function.
---@param u pyroscope.union
---@return { name: string[], value: integer[][] }
function tree.flat(u) end
--- Totals by function, recursion counted once.
---@return { name: string[], value: integer[][] }
function tree.cum(u) end
---@param path string[]
---@return integer? id
function tree.at(u, path) end
--- The union of the same samples under other name rules.
---@return pyroscope.union? union
---@return pyroscope.error? err
function tree.rename(u, rules) end
--- The union without stacks that hold a function matching one of the RE2 patterns.
---@param patterns string[]
---@return pyroscope.union? view
---@return pyroscope.error? err
function tree.drop(u, patterns) end
--- The union without these nodes; a string is a function with all below it.
---@param nodes (integer|string)[]
---@param what? "subtree"|"self"
---@return pyroscope.union
function tree.without(u, nodes, what) end
--- The union without stacks that have no user frame, and without those of the profiler. Second
--- and third: what was taken out, by sample.
---@return pyroscope.union view, number[] runtime, number[] profiler
function tree.user(u) end
--- One row per site (innermost app frame, else innermost library frame): `role` "app",
--- "library" or "runtime" (neither, under the name ""); stacks of the profiler are left out.
---@return { name: string[], role: string[], value: integer[][] }
function tree.sites(u) end
--- Self values by any key of a stack: `key(names)` is called once per distinct stack with a
--- value (names root first) and gives a string, or nil to leave the stack out.
---@param key fun(names: string[]): string?
---@return { name: string[], value: integer[][], example: string[][] }
function tree.group(u, key) end
--- The union of the inverted trees of the samples.
---@return pyroscope.union? union
---@return pyroscope.error? err
function tree.invert(u) end
--- Least-squares slope of every node's total over `times` (one per sample).
---@param times number[]
---@return number[] slopes        by node id, value per unit of time
function tree.slopes(u, times) end

-- Quantum, size factors -------------------------------------------------------------------

--- pyroscope.investigate.quantum
---@class pyroscope.investigate.quantum
local quantum = {}
--- Value of one raw sample. `options`: `class`, `type`, `selfs` (non-zero self values of a narrow
--- tree) or `profile`; `total` and `companion` (totals of value and count type); `runtime`.
---@return pyroscope.quantum
function quantum.infer(options) end
--- Heap: bytes and objects of both sides (profiles), rate in bytes (default 512 KiB).
---@param bytes pyroscope.profile[]
---@param objects pyroscope.profile[]
---@param rate? number
---@return pyroscope.quantum
function quantum.heap_counts(bytes, objects, rate) end

---@class pyroscope.size_factors
---@field s number[]              by sample, mean 1 over A
---@field R number                B over A at the median function
---@field load_ratio number       R less the ratio of profile counts: load per profile
---@field profiles { A: integer, B: integer }
---@field n { A: integer, B: integer }   samples a side
---@field total { A: number, B: number } sums of the rest, in base units
---@field totals number[]         by sample
---@field functions integer       how many functions the median was taken of
---@field method "robust"|"totals"

--- pyroscope.investigate.normalise
---@class pyroscope.investigate.normalise
local normalise = {}
--- Median of ratios between the sides (5.5).
---@param u pyroscope.union
---@param options? { min_functions?: integer }
---@return pyroscope.size_factors
function normalise.size_factors(u, options) end
--- Values divided by profiles (stocks) or profile-seconds (flows) of each sample.
---@param values number[]
---@param u pyroscope.union
---@return number[]
function normalise.per_instance(values, u) end
---@param values number[]
---@param requests number[]       by sample
---@return number[]
function normalise.per_request(values, requests) end
---@param values number[]
---@param totals number[]
---@return number[]
function normalise.share(values, totals) end
--- Log-ratio of load per profile between the sides with a Welch test over replicates.
---@param u pyroscope.union
---@param sf pyroscope.size_factors
---@return { ratio: number, p: number, changed: boolean }
function normalise.load(u, sf) end

-- Tests -----------------------------------------------------------------------------------

---@class pyroscope.bar
---@field alpha? number           default 0.05
---@field min_share? number       default 0.005
---@field min_rel? number         default 0.05
---@field max? integer            findings at most, default 12

--- One family, dense by row of `tests.name`. Rows with `tested[i] == false` have p = 1.
---@class pyroscope.tests.family
---@field tested boolean[]
---@field a number[]              sum over A in raw samples (values, q unknown)
---@field b number[]
---@field d number[]              log ratio at equal load
---@field se number[]
---@field df number[]
---@field p number[]
---@field z number[]              ranks (5.9)
---@field sigma2 number[]         shrunk process variance
---@field mde number[]            relative change seen with 80 % power

---@class pyroscope.tests
---@field method "moderated"|"paired"|"tier0"|"sites"
---@field name string[]
---@field role string[]
---@field cum pyroscope.tests.family
---@field flat pyroscope.tests.family
---@field size pyroscope.size_factors
---@field sigma2_0 number
---@field rho? number             nil: too few blocks
---@field vif number
---@field m integer               candidates (tested rows of both families; flat only where it differs)
---@field df number               without the prior
---@field root { d: number, se: number, df: number, p: number, mde: number }  totals, not corrected

--- pyroscope.investigate.stats: all of stats/*.lua in one table.
---@class pyroscope.investigate.stats
local stats = {}
--- Moderated t of 5.6b (5.6c where `design.unit` is "block").
---@param u pyroscope.union
---@param sf pyroscope.size_factors
---@param design? { unit?: string, paired?: boolean }
---@param bar? pyroscope.bar
---@return pyroscope.tests
function stats.moderated(u, sf, design, bar) end
--- Paired blocks (5.6d): the k-th sample of A with the k-th of B.
---@return pyroscope.tests
function stats.paired(u, sf, design, bar) end
--- One window a side (5.6a): screening only.
---@return pyroscope.tests
function stats.tier0(u, sf, design, bar) end
--- What fits the design: `paired`, `moderated`, or `tier0` with fewer than 2 samples on a side.
---@return pyroscope.tests
function stats.choose(u, sf, design, bar) end
--- Sites of waits (7.5): `waiters` rows { name, value = arrays of K mean waiters }, `bar` the
--- smallest difference of mean waiters that matters, `min_rel`, `alpha`. Findings largest first.
---@param waiters { name: string[], value: number[][] }
---@param sides ("A"|"B")[]
---@param options { bar: number, min_rel?: number, alpha?: number }
---@return { name: string, before: number, after: number, d: number, se: number, df: number, p: number, q: number, passes: boolean, kind: string }[]
function stats.waits(waiters, sides, options) end
--- Conditional binomial test of two counts with expectations proportional to `ea`, `eb`.
---@return number z, number p
function stats.poisson_ratio(a, b, ea, eb) end
---@return { t: number, df: number, p: number, difference: number, se: number }
function stats.welch(x, y) end
--- Two one-sided tests: is |d| < delta?  p is the larger of the two.
---@return number p, boolean equivalent
function stats.equivalence(d, se, df, delta, alpha) end
--- Smallest relative change seen with 80 % power at two-sided level alpha.
---@return number rel
function stats.mde(se, df, alpha, power) end
--- MDE of a function that holds `share` of the total, by the tests' own noise.
---@param tests pyroscope.tests
---@param share number
---@param bar? pyroscope.bar
---@return number rel
function stats.mde_at(tests, share, bar) end

--- q values of Benjamini and Hochberg, in the order given; capped at 1.
---@param p number[]
---@return number[]
function stats.bh(p) end
--- The next acceptance of sequential Focused BH: is p good enough with `found` accepted?
---@return boolean ok, number q
function stats.focused_bh(p, found, m, alpha) end
--- Simes' p of a family.
---@return number
function stats.simes(p) end

--- Stratified Mann-Kendall with Hamed-Rao and Theil-Sen (5.14).
---@param strata { t: number[], y: number[] }[]  points of one instance and segment, by time
---@param options? { plateau?: boolean, hamed_rao?: boolean, seed?: integer }
---@return { S: number, var: number, z: number, p: number, slope: number?, lower: number?, upper: number?, n: integer, pairs: integer, rel: number?, plateau?: "clear"|"plateau", slope_late?: number, z_late?: number }
function stats.trend(strata, options) end
--- Exact two-sided p of Mann-Kendall over n points without ties.
---@return number
function stats.mann_kendall_exact(S, n) end
--- Rows (sites) against times: D = slope times range, p by strata or exact, BH q (5.14.8).
---@param rows { name: string[], value: number[][] }
---@param times number[]
---@param strata? integer[]       stratum of each column; nil: one
---@return { name: string, slope: number, ls_slope: number, D: number, p: number, q: number }[]
function stats.trend_rows(rows, times, strata) end
---@param points { time_ms: number, value: number? }[]
---@param options? { reference?: { time_ms: number, value: number? }[], min_magnitude?: number, alpha?: number }
---@return { index: integer, time_ms: integer, before: number, after: number, change: number, p: number, direction: "up"|"down", pair?: integer }[]? points
---@return string? refused        "too_few_points", "too_many_missing", "too_many_points"
function stats.changepoints(points, options) end

--- Rate and mix (5.11). Elements { name, a = {value, weight}, b = {value, weight} } with value a
--- total and weight a load (instances, requests).
---@return { delta: number, rate: number, mix: number, mix_fraction: number, elements: { name: string, rate: number, mix: number }[] }
function stats.kitagawa(elements) end
--- Explanatory power and surprise of one label.
---@param elements { name: string, a: number, b: number }[]
---@param options? { min_ep?: number, target?: number }
---@return { elements: { name: string, ep: number, surprise: number, chosen: boolean }[], set: string[], ep: number, surprise: number }
function stats.adtributor(elements, options) end
--- Exact split of the change of N * M; shares of absolute parts.
---@return { delta: number, n: number, m: number, n_share: number, word: "first"|"second"|"both" }
function stats.two_factor(na, ma, nb, mb) end
--- Log-mean weights for any number of factors.
---@param a number[]
---@param b number[]
---@return number[] parts
function stats.log_mean(a, b) end
--- Jensen-Shannon divergence in bits of two arrays of weights.
---@return number
function stats.jsd(a, b) end
--- Normalised mutual information of two partitions with weights: information / min(H).
---@return number
function stats.same_partition(x, y, weights) end

-- Names, causes, guards -------------------------------------------------------------------

--- pyroscope.investigate.frames
---@class pyroscope.investigate.frames
local frames = {}
--- A name under the rules of 5.10a; `off` switches rules off by name.
---@param name string
---@param off? table<string, boolean>
---@return string
function frames.normalise(name, off) end
---@param name string
---@param runtime? string
---@return "app"|"library"|"runtime"|"profiler"
function frames.role(name, runtime) end
--- The runtime most of these names look like.
---@param names string[]
---@return string
function frames.runtime(names) end
--- Wait class of a stack (names root first) and the place in it that told; 5.17.
---@return string class           "chan_send", ..., "idle", "unknown"
---@return integer? index
function frames.wait_class(names, runtime) end
--- Package key of 5.18.
---@return string
function frames.package(name, runtime) end
--- Does a frame belong to the garbage collector? "gc", "alloc" or nil.
---@return string?
function frames.gc(name, runtime) end

---@class pyroscope.finding
---@field name string             normalised function name
---@field raw string              as in a profile
---@field kind "regression"|"improvement"|"new_code"|"removed_code"
---@field shape "self"|"subtree"|"function"|"uniform"
---@field candidate "cum"|"flat"
---@field role string
---@field path string[]           heaviest path, root first, down to the hot frame
---@field entry integer           1-based in `path`
---@field node integer
---@field hot string[]            names below the node that carry the change
---@field d number                log ratio at equal load
---@field se number
---@field df number
---@field p number
---@field q number
---@field z number
---@field a number                per A sample, in base units (nanoseconds, bytes)
---@field b number                per B sample as measured
---@field before { self: number, total: number }  mean per sample, base units, as measured
---@field after { self: number, total: number }
---@field delta { abs: number, of_total: number, rel: number, ci95_rel: number[], lower: number, upper: number }
---@field explains number         part of the change of the total at equal load
---@field blocks { A: number[], B: number[] }  cum (or flat) per sample at equal load
---@field callers { name: string, delta: number }[]
---@field persistence? { state: "persists"|"fading"|"transient"|"unknown", ratio: number? }
---@field certain boolean         lower bound passes min_share

--- pyroscope.investigate.explain
---@class pyroscope.investigate.explain
local explain = {}
--- Peels the strongest function, removes its stacks, tests again (5.9).
---@param u pyroscope.union
---@param test fun(rest: pyroscope.union): pyroscope.tests
---@param bar? pyroscope.bar
---@return pyroscope.finding[] found
---@return pyroscope.tests tests   of the whole union (user stacks)
---@return { runtime: table, profiler: table } groups  share of both sides
function explain.causes(u, test, bar) end
--- 5.13: does it last to the end of B?
---@param finding pyroscope.finding
---@param tests pyroscope.tests
---@param u pyroscope.union
---@return { state: string, ratio: number? }
function explain.persistence(finding, tests, u) end

--- pyroscope.investigate.shifts
---@class pyroscope.investigate.shifts
local shifts = {}
--- Pairs among findings, and findings that net out at a caller (5.10).
---@param u pyroscope.union
---@param found pyroscope.finding[]
---@param tests pyroscope.tests
---@param options? { domains?: table<string, string> }
---@return pyroscope.shift[]
function shifts.find(u, found, tests, options) end

--- pyroscope.investigate.guards
---@class pyroscope.guard_context
---@field u pyroscope.union
---@field tests pyroscope.tests
---@field found? pyroscope.finding[]
---@field quality? table          of preflight: coverage, profiler_changed, young, ...
---@field shifts? table[]         of `shifts.find`, made when absent
---@field class? string
---@field runtime_change? table
---@class pyroscope.guard_result
---@field name string
---@field result "clear"|"explains"|"weakens"|"unknown"
---@field kind? string            under which it is explained away
---@field value? number
---@field factor? number          of the confidence, where it weakens
---@field note? string
local guards = {}
--- Every guard in the order of section 6.
---@param context pyroscope.guard_context
---@param finding pyroscope.finding
---@return pyroscope.guard_result[]
function guards.all(context, finding) end

return { tree = tree, quantum = quantum, normalise = normalise, stats = stats, frames = frames,
  explain = explain, shifts = shifts, guards = guards }
