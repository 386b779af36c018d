--- Profiles that count since the start of the process say the same as deltas of the same work.

local cli = require "spec.support.cli"
local inv = require "pyroscope.investigate"
local lab = require "spec.lab.source"
local pyroscope = require "pyroscope"
local special = require "pyroscope.investigate.stats.special"

local WINDOWS = 24

-- A lock that is held longer after the change, and one that is not; waits of one window in ns.
local function waits(random, after)
  return { ["main.serve;shop.example/app/stock.Reserve;sync.(*Mutex).Unlock"] =
    math.floor(3e9 * (after and 4 or 1) * math.exp(0.2 * random.normal())),
    ["main.serve;shop.example/app/log.Write;sync.(*Mutex).Unlock"] =
    math.floor(2e9 * math.exp(0.2 * random.normal())) }
end

local function text_of(values)
  local names, lines = {}, {}
  for name in pairs(values) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do lines[i] = ("%s %d"):format(name, values[name]) end
  return table.concat(lines, "\n")
end

local function bundle(folder, counting)
  local processes, phases = lab.deployment { count = 3, windows = WINDOWS, fresh = true }
  local sums, randoms = {}, {}
  lab.write(folder, { processes = processes, classes = { "mutex_delay" },
    profiles = function(process, _, time)
      local key = process.labels.pod .. (process.labels.version or "")
      randoms[key] = randoms[key] or special.random(#key + key:byte(-1) * 31 + key:byte(-4))
      local values = waits(randoms[key], time >= phases.B.from_ms)
      if not counting then return text_of(values) end
      sums[key] = sums[key] or {}
      for name, value in pairs(values) do sums[key][name] = (sums[key][name] or 0) + value end
      return text_of(sums[key])
    end })
  return phases
end

describe("profiles that count since the start of the process", function()
  teardown(cli.clean)

  it("are recognised, and give the site and the waiters that deltas give", function()
    local found = {}
    for _, counting in ipairs { false, true } do
      local folder = cli.folder()
      local phases = bundle(folder, counting)
      local source = assert(pyroscope.open(folder))
      found[counting] = assert(inv("mutex_contention", source, { selector = "{}",
        at = { A = phases.A, B = phases.B } }))
      source:close()
    end
    local deltas, sums = found[false], found[true]
    assert.is_nil(deltas.data_quality.counter_like)
    assert.is_true(sums.data_quality.counter_like)
    assert.is_truthy(sums.data_quality.counter_source:find "first and the last")
    for _, report in pairs(found) do
      assert.equal("regression", report.verdict)
      assert.equal(1, #report.findings)
      assert.equal("shop.example/app/stock.Reserve", report.findings[1].name)
    end
    local a, b = deltas.findings[1], sums.findings[1]
    assert.is_true(math.abs(a.after.total - b.after.total) < 0.1 * a.after.total,
      ("%g and %g"):format(a.after.total, b.after.total))
    assert.is_true(math.abs(a.before.total - b.before.total) < 0.1 * a.before.total)
  end)
end)
