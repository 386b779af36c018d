---@meta pyroscope.diff

--- What `pyroscope.diff`, `source:diff` give. Side A is before, side B after. Values are in
--- `diff.measure`: "per second" (flows), "per profile" (stocks), "sum" (a side without a window
--- or a count), or "share" (mode "share"; shares of each side's own total).
---@class pyroscope.diff
---@field mode "rate"|"share"
---@field measure "per second"|"per profile"|"sum"|"share"
---@field unit? string           of the raw values: "nanoseconds"; cores are value / 1e9 per second
---@field kind "flow"|"stock"
---@field profile_type? string   of B
---@field before number          total of A in `measure` (factors applied)
---@field after number
---@field delta number           after - before
---@field change? number         relative: (after - before) / before; nil where A is 0
---@field sides { [1]: pyroscope.diff.side, [2]: pyroscope.diff.side }
---@field factors { [1]: number, [2]: number }  given by the caller; 1, 1
---@field warnings string[]
---@field alignment pyroscope.alignment
local diff = {}

---@class pyroscope.diff.side
---@field raw integer            exact sum
---@field other integer          part of it in truncated stacks
---@field other_share number
---@field seconds? number        length of the window
---@field profiles? integer
---@field from_ms? integer
---@field to_ms? integer
---@field profile_type? string
---@field selector? string
---@field labels? table<string,string>
---@field source? string
---@field scale number           raw * scale = value in `measure`
---@field partial? boolean
---@field profile? pyroscope.profile   not for a diff that a server made

---@class pyroscope.diff.change_row
---@field name string            function; or file, package, by `group`
---@field file? string
---@field line? integer
---@field before number          in `measure`, by `by`
---@field after number
---@field delta number
---@field lower number           delta at least, if all of A's "other" was this function
---@field upper number           delta at most, if all of B's "other" was this function
---@field certain boolean        lower and upper have the same sign
---@field change? number         delta / before; nil for new ones
---@field status "changed"|"new"|"gone"
---@field before_share number    of the side's total
---@field after_share number
---@field before_raw integer     exact, undivided
---@field after_raw integer
---@field before_self integer    raw self and total of both sides whatever `by` is
---@field after_self integer
---@field before_total integer
---@field after_total integer
---@field depth? integer         `diff:tree`: 1 and more
---@field own_before? integer    `diff:tree`: raw self, what adds up with the rest
---@field own_after? integer
---@field self_delta? number     `diff:tree`: the same in `measure`

---@class pyroscope.diff.rest
---@field before number
---@field after number
---@field delta number           rows' deltas + this = diff.delta
---@field before_raw integer     rows' before_raw + this = sides[1].raw, exactly
---@field after_raw integer
---@field before_share number
---@field after_share number
---@field functions integer      how many are not in the rows
---@field hidden integer         of them changed, but by less than the noise
---@field before_other number    truncated stacks, part of the rest
---@field after_other number

--- Rows by |delta|, largest first. `n`: 20; 0 gives all that changed. `noise`: a share of the larger
--- side; smaller changes stay in the rest. The second result is nil with `by = "total"`, where rows
--- contain each other.
---@param n? integer
---@param options? { by?: "self"|"total", mode?: "rate"|"share", group?: string, noise?: number }
---@return pyroscope.diff.change_row[]? rows  nil: lines of profiles that have none
---@return pyroscope.diff.rest|pyroscope.error|nil rest
function diff:rows(n, options) end
--- By path: at most n nodes (60; 0: all) whose totals changed most, depth first, each with those
--- above it. Own values of the rows and the rest add up to the whole change.
---@param n? integer
---@param options? { mode?: "rate"|"share", noise?: number }
---@return pyroscope.diff.change_row[] rows
---@return pyroscope.diff.rest rest
function diff:tree(n, options) end
--- Depth first: depth, name, before_self, after_self, before_total, after_total (raw).
function diff:walk() end
--- The same diff in the other mode.
---@return pyroscope.diff? diff
---@return pyroscope.error? err
function diff:as(mode) end
--- The diff as a file. "svg", "html": an interactive picture; options { title, subtitle, width,
--- min_width, icicle, colors, sort, link, sections, fragment, before = "version 1", after = "version
--- 2" }. "folded": "path A B", A in terms of B (per second, per profile, of the total), exact where
--- both have one scale. "json": Pyroscope's flame graph JSON of two sides, raw (stocks: per profile).
--- "pprof": B minus A, A's samples negative and labelled as `pprof -diff_base` does; { raw = true }:
--- not gzipped. "csv", "md", "quickfix", "text": rows; options { n, by, group, tree, bounds, before,
--- after }.
---@param format "svg"|"html"|"folded"|"json"|"pprof"|"csv"|"md"|"quickfix"|"text"
---@param options? table
---@return string? bytes
---@return pyroscope.error? err
function diff:render(format, options) end
--- The same into a file, mode 600; { force = true } overwrites, `format` replaces the extension's.
---@param path string
---@param options? table
---@return true? ok
---@return pyroscope.error? err
function diff:save(path, options) end
function diff:close() end

return diff
