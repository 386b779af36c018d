---@meta pyroscope.investigate.report

--- Reports of investigations: what recipes give, what they get. The document itself is described
--- by doc/schema/investigation.json; Lua mirrors it, with places in a path counted from 1.

--- What a recipe gives to `report.new`. Every fact but the recipe's name may be absent.
---@class pyroscope.report.given
---@field recipe string
---@field recipe_version? integer
---@field subject? { selector?: string, type?: string, class?: string, kind?: string, unit?: string, runtime?: string, service?: string, target?: string }
---@field design? pyroscope.report.design
---@field findings? pyroscope.report.given_finding[]  a finding whose guards have a result `explains` moves to `explained_away`
---@field shifts? table[]         of `shifts.find`: joins members (places in `findings`) to one entry
---@field explained_away? { kind: string, members?: (string|integer|table)[], domain?: string, net?: number, ratio?: number, note?: string, share?: { A: number, B: number }, delta?: number }[]
---@field tests? pyroscope.tests  gives size factors, replicates, sensitivity (5.7)
---@field sensitivity? { alpha?: number, tests?: integer, mde?: { share: number, rel: number }[], met?: boolean, note?: string }  instead of tests; `met` decides where it is given
---@field union? pyroscope.union  gives the totals and the quantum
---@field quantum? number|pyroscope.quantum
---@field totals? { A: { rate: number, unit: string }, B: { rate: number, unit: string }, rel?: number, ci95?: number[], p?: number, per?: string }
---@field unit? string            values of findings are in this unit already: "cores", "bytes", "bytes/s", "waiters", "goroutines", ...
---@field factors? { A: number, B: number }  else: what a mean value per sample is multiplied with; default from the design's windows (flows) or the numbers of profiles (stocks)
---@field quality? table          of `preflight.run`; `ok = false` with a `reason` makes the report inconclusive
---@field normalisation? { method?: string, load_ratio?: number, per?: string }
---@field verdict? string         else decided by `verdict.decide`
---@field outcome? string         the recipe's own word
---@field reason? string          with no finding: makes the report inconclusive
---@field reason_text? string     the sentence in place of the one for `reason`
---@field summary? string
---@field tables? { title?: string, note?: string, columns: { key: string, label?: string, unit?: string }[], rows: table[] }[]
---@field timeline? { at_ms: integer, text: string, kind?: string, class?: string }[]
---@field facts? { key?: string, label: string, value?: any, unit?: string, text?: string, before?: any, after?: any }[]
---@field notes? (string|{ code?: string, message: string })[]
---@field next? (string|{ recipe?: string, args?: table, command?: string })[]
---@field links? table<string, string>
---@field icicle? table           rows { id, parent, depth, name, a, b, significant } as arrays or as a list; `a`, `b` at equal load in `unit`; HTML alone
---@field groups? table           runtime and profiler work without a user frame
---@field extra? table            what only this recipe knows
---@field ranked? boolean         keep the order of `findings`
---@field partial? boolean
---@field requests? { rpc: string, n: integer, bytes?: integer, ms?: number, cached?: integer }[]
---@field provenance? { endpoint?: string, read_path?: string, generated_ms?: integer, options?: table }
---@field confidence? string
---@field confidence_score? number
---@field options? table          of the run: policy, fail_on, must_detect, clock, seed, ...

---@class pyroscope.report.design
---@field name string
---@field A? { from_ms: integer, to_ms: integer, selector?: string, instance?: string, day?: any }[]
---@field B? table[]
---@field unit? "block"|"day"|"pod"|"window"
---@field paired? boolean
---@field at_ms? integer
---@field change_source? "given"|"change_point"|"versions"|"none"
---@field change_note? string
---@field versions? { from: string, to: string }
---@field few_processes? boolean  fewer than 3 fresh processes a side
---@field replicates? { A: integer, B: integer }  default: of the tests, else the numbers of windows

--- `pyroscope.finding`, or what a recipe found by other means: `before` and `after` may be plain
--- numbers (totals), `delta` may be absent.
---@class pyroscope.report.given_finding: pyroscope.finding
---@field kind "regression"|"improvement"|"new_code"|"removed_code"|"leak"|"contention"
---@field unit? string            its values are in this unit already
---@field per? string             "instance" is the default of stocks
---@field location? { file: string, line?: integer }
---@field labels? { explained_by?: { label: string, values: string[], ep?: number }[] }
---@field guards? pyroscope.guard_result[]
---@field next? table[]
---@field links? table<string, string>
---@field slope? { per_hour: number, ci95?: number[], unit?: string, doubling_hours?: number, hours_to_limit?: number }
---@field wait? { class: string, site?: string, entry?: string }
---@field split? { word?: string, text: string, n_share?: number }
---@field instances? (string|{ name: string, value?: number })[]
---@field notes? string[]
---@field severity? string        default by size
---@field confidence_score? number  default by formula
---@field confidence_cap? number
---@field title? string

---@class pyroscope.report
---@field schema "pyroscope-investigation/1"
---@field verdict "regression"|"improvement"|"no_change"|"inconclusive"|"not_tested"
---@field outcome string
---@field reason? string
---@field confidence? "high"|"medium"|"low"
---@field exit_code integer
---@field summary string
---@field findings table[]
---@field explained_away table[]
local report = {}
--- 80 columns, five findings unless `all`; colour and ASCII on request.
---@param options? { width?: integer, all?: boolean, color?: boolean, utf8?: boolean, tz?: string, findings?: integer, rows?: integer }
---@return string
function report:text(options) end
---@return string
function report:markdown(options) end
--- One file, no network, works without its script.
---@return string
function report:html(options) end
---@return string
function report:json() end
--- `file:line:1: severity: kind: title` of findings that have a place.
---@return string
function report:quickfix() end
--- JSON array for `vim.diagnostic.set`, with `file` beside; lines count from 0.
---@return string
function report:diagnostics() end
---@return string
function report:sarif() end
---@return string
function report:junit() end
--- Any of `report.formats` by name ("md" is markdown).
---@param format string
---@return string
function report:render(format, options) end
--- By extension: json, html, md, txt, qf, sarif, xml (JUnit). An old file is replaced.
---@param path string
---@return true? ok
---@return pyroscope.error? err
function report:save(path, options) end

return report
