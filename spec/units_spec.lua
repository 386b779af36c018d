local units = require "pyroscope.units"

local NOW = 1795183500000 -- 2026-11-20T14:05:00Z

describe("units", function()
  it("shows cores with a decimal, small ones with two digits", function()
    assert.equal("41.0 cores", units.cores(41))
    assert.equal("12.8c", units.cores(12.84, { short = true }))
    assert.equal("0.034c", units.cores(0.0341, { short = true }))
    assert.equal("0 cores", units.cores(0))
    assert.equal("+9.6 cores", units.cores(9.6, { sign = true }))
    assert.equal("1,234.5 cores", units.cores(1234.5))
    assert.equal("-1.70c", units.cores(-1.7, { short = true, digits = 2 }))
  end)

  it("shows bytes in powers of 1024 and never 1024.0 of one", function()
    assert.equal("0 B", units.bytes(0))
    assert.equal("1023 B", units.bytes(1023))
    assert.equal("1.0 KiB", units.bytes(1024))
    assert.equal("1.0 MiB", units.bytes(1048575))
    assert.equal("-3.0 GiB", units.bytes(-3 * 1024 ^ 3))
    assert.equal("8.0 EiB", units.bytes(math.maxinteger))
  end)

  it("groups the digits of counts exactly", function()
    assert.equal("1,842", units.count(1842))
    assert.equal("9,223,372,036,854,775,807", units.count(math.maxinteger))
    assert.equal("-9,223,372,036,854,775,808", units.count(math.mininteger))
    assert.equal("100", units.count(100))
    assert.equal("1,842.5", units.count(1842.5))
    assert.equal("+3", units.count(3, { sign = true }))
  end)

  it("shows measured times and lengths of windows", function()
    for seconds, text in pairs { [0] = "0 s", [15e-9] = "15 ns", [1.5e-6] = "1.5 µs",
      [30e-3] = "30 ms", [2.13] = "2.1 s", [12.34] = "12.3 s", [61] = "1m1s", [5400] = "1h30m",
      [90061] = "1d1h1m", [-2] = "-2 s" } do
      assert.equal(text, units.duration(seconds))
    end
    assert.equal("1h", units.span(3600000))
    assert.equal("1h30m", units.span(5400000))
    assert.equal("15s", units.span(15000))
    assert.equal("500ms", units.span(500))
    assert.equal("0s", units.span(0))
  end)

  it("never shows NaN or infinity", function()
    for _, value in ipairs { 0 / 0, 1 / 0, -1 / 0 } do
      for _, name in ipairs { "cores", "bytes", "count", "duration", "percent", "span" } do
        assert.equal("-", units[name](value), name)
      end
      assert.equal("-", units.value(value, { unit = "bytes" }))
    end
    assert.equal("-", units.percent(nil))
  end)

  it("shows shares with a decimal and large changes without", function()
    assert.equal("31.2%", units.percent(0.312))
    assert.equal("+30.6%", units.percent(0.306, { sign = true }))
    assert.equal("+276%", units.percent(2.76, { sign = true }))
    assert.equal("-47.0%", units.percent(-0.47, { sign = true }))
    assert.equal("0.0%", units.percent(-0.0001))
  end)

  it("shows moments and windows in the zone that was asked for", function()
    assert.equal("2026-11-20 14:05 UTC", units.time(NOW))
    assert.equal("2026-11-20 16:05 +02:00", units.time(NOW, { tz = "+02:00" }))
    assert.equal("14:05:01", units.time(NOW + 1000, { form = "clock" }))
    assert.equal("2026-11-20T16:05:00+02:00", units.time(NOW, { tz = "+02:00", form = "rfc3339" }))
    assert.equal("2026-11-20T14:05:00Z", units.time(NOW, { form = "rfc3339" }))
    assert.equal("13:05-14:05 UTC (1h)", units.window(NOW - 3600000, NOW, { now_ms = NOW }))
    assert.equal("2026-11-20 13:05-14:05 UTC (1h)", units.window(NOW - 3600000, NOW))
    assert.equal("2026-11-19 14:05 to 2026-11-20 14:05 UTC (1d)",
      units.window(NOW - 86400000, NOW, { now_ms = NOW }))
  end)

  it("shows labels sorted", function()
    assert.equal("{a=b, c=d}", units.labels { c = "d", a = "b" })
    assert.equal("{}", units.labels {})
  end)

  it("shows a value by its unit, kind and class (MCP-17)", function()
    local cpu = { unit = "nanoseconds", class = "cpu", kind = "flow", seconds = 3600 }
    assert.equal("41.0 cores", units.value(147600000000000, cpu))
    cpu.seconds = nil
    assert.equal("147,600 core-s", units.value(147600000000000, cpu))
    assert.equal("83.3 ms/s", units.value(5000000000,
      { unit = "nanoseconds", kind = "flow", class = "mutex_delay", seconds = 60 }))
    assert.equal("79.5 MiB/s", units.value(5000000000,
      { unit = "bytes", kind = "flow", seconds = 60 }))
    assert.equal("4.7 GiB", units.value(5000000000,
      { unit = "bytes", kind = "stock", seconds = 60 }))
    assert.equal("512", units.value(512, { unit = "count", kind = "stock", seconds = 60 }))
    assert.equal("8.5/s", units.value(512, { unit = "count", kind = "flow", seconds = 60 }))
  end)

  it("shows a value in the unit that was forced", function()
    local cpu = { unit = "nanoseconds", class = "cpu", kind = "flow", seconds = 10 }
    cpu.force = "s"
    assert.equal("5.0 s", units.value(5000000000, cpu))
    cpu.force, cpu.whole = "%", 10000000000
    assert.equal("50.0%", units.value(5000000000, cpu))
    cpu.force = "raw"
    assert.equal("9223372036854775807", units.value(math.maxinteger, cpu))
  end)
end)
