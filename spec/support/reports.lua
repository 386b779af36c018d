--- Hand-made reports, as recipes would give them to `report.new`: one for each kind of outcome.

local reports = {}

reports.names = { "regression", "leak", "goroutines", "contention", "load", "no_change",
  "inconclusive", "gate", "fleet", "changed", "improvement" }

local T = 1772460300000 -- 2026-03-02 14:05 UTC

local function blocks(from, n, minutes)
  local list = {}
  for i = 1, n do
    list[i] = { from_ms = from + (i - 1) * minutes * 60000, to_ms = from + i * minutes * 60000 }
  end
  return list
end

local function clock() return 1772463120000 end

local function cpu()
  return { selector = '{service_name="checkout"}', service = "checkout", class = "cpu",
    type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds", kind = "flow", unit = "nanoseconds",
    runtime = "go" }
end

local function before_after()
  return { name = "before_after", at_ms = T, change_source = "change_point", unit = "block",
    paired = false, A = blocks(T - 45 * 60000, 8, 5), B = blocks(T + 5 * 60000, 8, 5),
    versions = { from = "v41", to = "v42" } }
end

local function quality()
  return { ok = true, profiles = { A = 960, B = 955 }, instances = { A = 12, B = 12 },
    samples = { A = 650400, B = 852000 }, coverage = { A = 0.99, B = 0.98 },
    other_share = { A = 0.002, B = 0.003 }, interval_ms = 15000, instance_label = "pod",
    read_path = "v2", warnings = {} }
end

local function sensitivity(one, five)
  return { alpha = 0.05, tests = 412, mde = { { share = 0.01, rel = one },
    { share = 0.05, rel = five } }, root = 0.04 }
end

-- Nanoseconds in a block of five minutes of so many cores.
local function ns(cores) return cores * 300e9 end

local function each(list, f)
  local out = {}
  for i, value in ipairs(list) do out[i] = f(value) end
  return out
end

--- What `explain.causes` would find of a doubled function: a cpu regression.
function reports.finding(fields)
  local f = { name = "shop.(*Cart).reprice", raw = "shop.(*Cart).reprice", kind = "regression",
    shape = "subtree", candidate = "cum", role = "app",
    path = { "main.main", "net/http.(*conn).serve", "shop.(*Cart).checkout",
      "shop.(*Cart).reprice", "regexp.MustCompile" }, entry = 3, node = 57,
    hot = { "regexp.MustCompile" }, d = 2.08, se = 0.068, df = 15.1, p = 5.1e-15, q = 2.0e-12,
    z = 41, a = ns(0.11), b = ns(0.88), before = { self = ns(0.02), total = ns(0.11) },
    after = { self = ns(0.16), total = ns(0.88) }, delta = { abs = ns(0.77), of_total = 0.284,
      rel = 7.0, ci95_rel = { 5.9, 8.2 }, lower = ns(0.74), upper = ns(0.79) }, explains = 0.92,
    blocks = { A = each({ 0.10, 0.11, 0.12, 0.11, 0.10, 0.11, 0.12, 0.11 }, ns),
      B = each({ 0.86, 0.88, 0.90, 0.87, 0.88, 0.89, 0.88, 0.87 }, ns) },
    callers = { { name = "shop.(*Cart).checkout", delta = ns(0.77) } },
    persistence = { state = "persists", ratio = 1.03 }, certain = true,
    location = { file = "shop/cart.go", line = 214 },
    labels = { explained_by = { { label = "version", values = { "v42" }, ep = 0.97 } } },
    guards = { { name = "shift", result = "clear" },
      { name = "other", result = "clear", value = 0.003 } },
    next = { { recipe = "breakdown", args = { by = "version" } }, { recipe = "alloc_pressure" } },
    links = { diff = "https://pyroscope.example.com/comparison-diff?query=x" } }
  for key, value in pairs(fields or {}) do f[key] = value end
  return f
end

function reports.regression()
  return { recipe = "cpu_regression", recipe_version = 3, subject = cpu(),
    design = before_after(), quality = quality(), sensitivity = sensitivity(0.38, 0.17),
    normalisation = { method = "robust", load_ratio = 1.004 },
    totals = { A = { rate = 2.71, unit = "cores" }, B = { rate = 3.55, unit = "cores" },
      rel = 0.31, ci95 = { 0.26, 0.36 }, p = 1.6e-10 },
    findings = { reports.finding(),
      reports.finding { name = "encoding/json.(*encodeState).marshal", shape = "function",
        path = { "main.main", "encoding/json.(*encodeState).marshal" }, entry = 2, node = 9,
        hot = {}, before = { total = ns(0.31) }, after = { total = ns(0.36) }, delta = {
          abs = ns(0.05), of_total = 0.018, rel = 0.16, ci95_rel = { 0.04, 0.29 } },
        q = 0.03, explains = 0.06, certain = false, persistence = { state = "unknown" },
        location = { file = "encoding/json/encode.go", line = 300 }, labels = {}, next = {},
        links = {}, blocks = { A = each({ 0.31, 0.30 }, ns), B = each({ 0.36, 0.37 }, ns) } },
      reports.finding { name = "encoding/json.compact", kind = "regression",
        guards = { { name = "shift", result = "explains", kind = "shift" } } },
      reports.finding { name = "encoding/json.indent", kind = "improvement",
        guards = { { name = "shift", result = "explains", kind = "shift" } } } },
    shifts = { { kind = "shift", members = { 3, 4 }, domain = "encoding/json",
      net = ns(0.004 * 2.71) } },
    options = { selector = '{service_name="checkout"}', policy = "ticket", clock = clock, seed = 1,
      fail_on = "medium", token = "glsa_never", per_request = function() end },
    provenance = { endpoint = "https://user:pass@pyroscope.example.com/x?token=y" },
    requests = { { rpc = "SelectMergeStacktraces", n = 16, bytes = 1843221, ms = 912,
      cached = 8 } },
    icicle = { unit = "cores",
      { id = 1, parent = 0, depth = 0, name = "total", a = 2.71, b = 3.55, significant = true },
      { id = 2, parent = 1, depth = 1, name = "net/http.(*conn).serve", a = 2.0, b = 2.84,
        significant = true },
      { id = 3, parent = 1, depth = 1, name = "runtime.gcBgMarkWorker", a = 0.4, b = 0.42,
        significant = false },
      { id = 4, parent = 2, depth = 2, name = "shop.(*Cart).reprice", a = 0.11, b = 0.88,
        significant = true },
      { id = 5, parent = 2, depth = 2, name = "shop.old", a = 0.2, b = 0, significant = true },
      { id = 6, parent = 4, depth = 3, name = "regexp.MustCompile", a = 0, b = 0.77,
        significant = true } } }
end

function reports.leak()
  return { recipe = "memory_leak", subject = { selector = '{service_name="cart"}',
      class = "live_bytes", type = "memory:inuse_space:bytes:space:bytes", kind = "stock",
      unit = "bytes", runtime = "go" }, unit = "bytes",
    design = { name = "trend", unit = "window", A = blocks(T - 12 * 3600000, 8, 90), B = {},
      replicates = { A = 8, B = 8 } }, quality = quality(),
    totals = { A = { rate = 400 * 2 ^ 20, unit = "bytes" }, B = { rate = 976 * 2 ^ 20,
      unit = "bytes" }, per = "instance", rel = 1.44 },
    findings = { { name = "cart/session.(*Store).Put", kind = "leak", shape = "function",
      path = { "main.main", "net/http.(*conn).serve", "cart/session.(*Store).Put" }, entry = 3,
      q = 1e-4, p = 5e-5, z = 6.1, before = { total = 20 * 2 ^ 20 },
      after = { total = 590 * 2 ^ 20 }, delta = { abs = 570 * 2 ^ 20, of_total = 1.42 },
      slope = { per_hour = 48 * 2 ^ 20, ci95 = { 45 * 2 ^ 20, 50 * 2 ^ 20 }, doubling_hours = 9,
        hours_to_limit = 4.5 }, instances = { { name = "cart-7d9f-abcde", value = 1 },
        { name = "cart-7d9f-fghij", value = 1 }, "cart-7d9f-klmno", "cart-7d9f-pqrst" },
      location = { file = "cart/session/store.go", line = 88 },
      next = { { recipe = "goroutine_leak" } } } },
    notes = { "the profile shows where memory was allocated, not who holds it" },
    facts = { { key = "limit", label = "memory limit", value = 1024 * 2 ^ 20, unit = "bytes" } },
    options = { policy = "ticket", limit = 2 ^ 30 } }
end

function reports.goroutines()
  return { recipe = "goroutine_leak", subject = { selector = '{service_name="mail"}',
      class = "goroutine", kind = "stock", unit = "count", runtime = "go" }, unit = "goroutines",
    design = { name = "trend", unit = "window", A = blocks(T - 6 * 3600000, 8, 45), B = {} },
    quality = quality(), findings = { { name = "mail.(*Sender).run", kind = "leak",
      shape = "function", path = { "mail.(*Sender).run", "mail.(*queue).push" }, entry = 1,
      node = 1, hot = { "mail.(*queue).push" }, wait = { class = "chan_send",
        site = "mail.(*queue).push", entry = "mail.(*Sender).run" }, q = 0.004,
      before = { total = 120 }, after = { total = 870 }, delta = { abs = 750, of_total = 0.61 },
      slope = { per_hour = 125.4 } } }, options = {} }
end

function reports.contention()
  return { recipe = "mutex_contention", subject = { selector = '{service_name="stock"}',
      class = "mutex_delay", type = "mutex:delay:nanoseconds:contentions:count", kind = "flow",
      unit = "nanoseconds", runtime = "go" }, unit = "waiters",
    design = { name = "before_after", unit = "pod", at_ms = T, change_source = "given",
      A = blocks(T - 3600000, 4, 60), B = blocks(T, 4, 60) }, quality = quality(),
    findings = { { name = "stock.(*Ledger).Apply", kind = "contention", shape = "function",
      before = 0.41, after = 4.2, d = 2.1, se = 0.3, df = 12, p = 1e-5, q = 4e-4,
      split = { word = "second", n_share = 0.1, text = "longer, not more often" },
      persistence = { state = "persists" }, location = { file = "stock/ledger.go", line = 61 },
      notes = { "this critical section made others wait (holder, charged at unlock)" },
      next = { { recipe = "breakdown", args = { by = "pod" } } } } }, options = {} }
end

function reports.load()
  return { recipe = "cpu_regression", subject = cpu(), design = before_after(),
    quality = quality(), sensitivity = sensitivity(0.41, 0.19), findings = {},
    normalisation = { method = "robust", load_ratio = 1.83 },
    totals = { A = { rate = 2.71, unit = "cores" }, B = { rate = 4.96, unit = "cores" },
      rel = 0.83, ci95 = { 0.71, 0.96 } },
    explained_away = { { kind = "load", ratio = 1.83, members = {},
      note = "every function grew by one factor: traffic, or fewer instances" } }, options = {} }
end

function reports.no_change()
  return { recipe = "cpu_regression", subject = cpu(), design = { name = "same_time",
      unit = "day", A = { blocks(T - 86400000, 1, 60)[1], blocks(T - 2 * 86400000, 1, 60)[1],
        blocks(T - 3 * 86400000, 1, 60)[1], blocks(T - 4 * 86400000, 1, 60)[1],
        blocks(T - 5 * 86400000, 1, 60)[1] }, B = blocks(T, 1, 60) }, quality = quality(),
    sensitivity = sensitivity(0.52, 0.21), normalisation = { method = "robust",
      load_ratio = 0.98 }, totals = { A = { rate = 2.71, unit = "cores" },
      B = { rate = 2.74, unit = "cores" }, rel = 0.011, ci95 = { -0.04, 0.06 } }, options = {} }
end

function reports.inconclusive()
  local given = reports.no_change()
  given.sensitivity = sensitivity(9.4, 2.6)
  given.quality.warnings = { { code = "few_samples", message = "1,420 raw samples after" } }
  return given
end

function reports.gate()
  return { recipe = "memory_leak", subject = { selector = '{service_name="batch"}',
    class = "live_bytes", kind = "stock", unit = "bytes" }, quality = { ok = false,
      reason = "type_absent", warnings = {} }, reason_text = "batch sends cpu alone; "
      .. "the Python SDK sends memory with mem_enabled=True", options = {} }
end

function reports.fleet()
  return { recipe = "fleet_top", verdict = "not_tested", outcome = "ranked", subject = {
      selector = "{}", class = "cpu", kind = "flow", unit = "nanoseconds" },
    design = { name = "quick", B = blocks(T, 1, 60) }, summary =
      "encoding/json.Marshal costs 22.0 cores in 3 services, 12.4% of all",
    tables = { { title = "functions by cores", columns = { { key = "name", label = "function",
        unit = "text" }, { key = "cores", label = "cores", unit = "cores" }, { key = "share",
        label = "share", unit = "share" }, { key = "services", label = "services",
        unit = "count" } }, rows = { { name = "encoding/json.Marshal", cores = 22.0,
        share = 0.124, services = 3 }, { name = "runtime.mallocgc", cores = 11.4, share = 0.064,
        services = 9 } }, note = "wall-clock profilers are left out" } }, options = {} }
end

function reports.changed()
  return { recipe = "what_changed", subject = { selector = '{service_name="checkout"}',
      service = "checkout" }, design = before_after(), verdict = "regression",
    findings = { reports.finding { unit = "cores", before = { total = 0.11 },
      after = { total = 0.88 }, delta = { abs = 0.77, of_total = 0.28, rel = 7 }, blocks = nil,
      } },
    timeline = { { at_ms = T + 60000, text = "CPU +31 % (step)", class = "cpu" },
      { at_ms = T - 120000, text = "version v41 -> v42, 12 of 12 pods in 6 min",
        kind = "version" } },
    tables = { { title = "classes", columns = { { key = "class", label = "class" },
        { key = "before", label = "before" }, { key = "after", label = "after" },
        { key = "jsd", label = "distance", unit = "bits" } }, rows = { { class = "cpu",
        before = "2.71 cores", after = "3.55 cores", jsd = 0.21 }, { class = "memory",
        before = "400 MiB", after = "401 MiB", jsd = 0.001 } } } }, quality = quality(),
    options = {} }
end

function reports.improvement()
  local given = reports.regression()
  given.findings = { reports.finding { kind = "removed_code", name = "shop.(*Cart).legacy",
    path = { "main.main", "shop.(*Cart).legacy" }, entry = 2, node = 2, hot = {},
    before = { total = ns(0.77) }, after = { total = 0 }, delta = { abs = -ns(0.77),
      of_total = -0.28, rel = -1, ci95_rel = { -1, -0.99 } } } }
  given.findings[1].blocks = { A = given.findings[1].blocks.B, B = { 0, 0, 0, 0, 0, 0, 0, 0 } }
  given.totals = { A = { rate = 3.55, unit = "cores" }, B = { rate = 2.75, unit = "cores" },
    rel = -0.225, ci95 = { -0.26, -0.19 } }
  given.shifts, given.icicle = nil, nil
  return given
end

return reports
