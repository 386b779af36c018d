local timespec = require "pyroscope.timespec"

local NOW = 1795183500000 -- 2026-11-20T14:05:00Z

describe("timespec.parse", function()
  local function read(text, options)
    options = options or {}
    options.now_ms = NOW
    return timespec.parse(text, options)
  end

  it("counts back from now, with and without a sign or the word", function()
    assert.equal(NOW, read "now")
    for _, text in ipairs { "now-1h", "-1h", "1h", "now - 1h", "60m", "3600s", "1h0m" } do
      assert.equal(NOW - 3600000, read(text), text)
    end
    assert.equal(NOW + 300000, read "now+5m")
    assert.equal(NOW - 5400000, read "now-1h30m")
    assert.equal(NOW - 5400000, read "-1.5h")
    assert.equal(NOW - 30 * 86400000, read "1M")
    assert.equal(NOW - 365 * 86400000, read "1y")
    assert.equal(NOW - 14 * 86400000, read "2w")
  end)

  it("tells seconds, ms, µs and ns apart by the number of digits", function()
    for _, text in ipairs { "1700000000", "1700000000000", "1700000000000000",
      "1700000000000000000" } do
      assert.equal(1700000000000, read(text), text)
      assert.equal(1700000000000, read(math.tointeger(tonumber(text))), text)
    end
    assert.equal(1700000000250, read "1700000000.25")
    assert.equal(1700000000250, read(1700000000.25))
    assert.equal(0, read "0")
  end)

  it("reads RFC 3339 with Z, an offset, a fraction", function()
    for text, ms in pairs {
      ["2026-11-20T14:05:00Z"] = NOW, ["2026-11-20t14:05:00z"] = NOW,
      ["2026-11-20T16:05:00+02:00"] = NOW, ["2026-11-20T09:35:00-04:30"] = NOW,
      ["2026-11-20 14:05:00.250Z"] = NOW + 250, ["2026-11-20T14:05Z"] = NOW,
      ["1970-01-01T00:00:00Z"] = 0, ["2000-02-29T00:00:00Z"] = 951782400000,
    } do
      assert.equal(ms, read(text), text)
    end
  end)

  it("takes a date alone as its first, and as an end as its last moment (GCX-32, MCP-14)", function()
    assert.equal(1795132800000, read "2026-11-20")
    assert.equal(1795132800000 + 86400000, read("2026-11-20", { ending = true }))
    assert.equal(1795132800000 - 7200000, read("2026-11-20", { tz = "+02:00" }))
  end)

  it("takes a clock time as the last one that is not in the future", function()
    assert.equal(NOW, read "14:05")
    assert.equal(NOW - 60000 * 1439, read "14:06")
    assert.equal(NOW - 5000, read "14:04:55")
    assert.equal(NOW - 7200000, read("14:05", { tz = "+02:00" }))
    assert.equal(NOW, read("00:05", { tz = "+10:00" }))
  end)

  it("refuses what is no time, names it and says what a time looks like", function()
    for _, text in ipairs { "", "yesterday", "now-", "now-1", "5", "20261120", "2026-02-30",
      "2026-13-01", "2026-11-20T25:00:00Z", "2026-11-20T14:05:00", "25:00", "14:60", "14:5:",
      "1h30", "1x", "--1h", "17000000001.5.5", "2026-11-20T14:05:00+0x:00", "nan", "1e9" } do
      local ms, err = read(text)
      assert.is_nil(ms, text)
      assert.equal("usage", err.kind)
      assert.truthy(err.message:find(text, 1, true), text)
      assert.truthy(err.hint)
    end
    assert.truthy(select(2, read "2026-11-20T14:05:00").message:find("zone", 1, true))
    assert.truthy(select(2, read "2026-02-30").message:find("no such day", 1, true))
  end)

  it("gives back what it printed, for any day", function()
    local ms = 13
    while ms < 4102444800000 do
      assert.equal(ms, read(timespec.rfc3339(ms)))
      ms = ms + 86400000 * 17 + 3723017
    end
  end)
end)

describe("timespec.duration", function()
  it("reads compounds, fractions and plain seconds", function()
    assert.equal(5400000, timespec.duration "1h30m")
    assert.equal(500, timespec.duration "500ms")
    assert.equal(1500, timespec.duration "1.5s")
    assert.equal(15000, timespec.duration(15))
    assert.equal(500, timespec.duration(0.5))
  end)

  it("refuses nothing, negative ones and other words", function()
    for _, text in ipairs { "", "0s", "-1h", "1", "1 h", "h", "1h-30m", 0, -1, 0 / 0, 1 / 0,
      "99999999999999999999y" } do
      local ms, err = timespec.duration(text)
      assert.is_nil(ms, tostring(text))
      assert.equal("usage", err.kind)
    end
  end)
end)

describe("timespec.offset", function()
  it("knows utc, local and offsets, and refuses names of zones", function()
    assert.equal(0, timespec.offset "utc")
    assert.equal(0, timespec.offset "Z")
    assert.equal(7200, timespec.offset "+02:00")
    assert.equal(-16200, timespec.offset "-04:30")
    assert.equal("integer", math.type(timespec.offset("local", NOW)))
    for _, tz in ipairs { "Europe/Vienna", "+2", "+25:00", "CET", "+02:60" } do
      local seconds, err = timespec.offset(tz)
      assert.is_nil(seconds)
      assert.equal("usage", err.kind)
    end
  end)
end)

describe("timespec.window", function()
  local function window(options, defaults)
    options.now_ms = options.now_ms or NOW
    return timespec.window(options, defaults)
  end

  it("is the last hour when nothing is said (GCX-03, PER-13)", function()
    assert.same({ from_ms = NOW - 3600000, to_ms = NOW, windowed = false }, window {})
  end)

  it("fills in only the end that is missing", function()
    assert.same({ from_ms = NOW - 7200000, to_ms = NOW, windowed = true }, window { from = "2h" })
    assert.same({ from_ms = NOW - 10800000, to_ms = NOW - 7200000, windowed = true },
      window { to = "-2h" })
    assert.same({ from_ms = NOW - 9000000, to_ms = NOW - 7200000, windowed = true },
      window { to = "-2h", since = "30m" })
  end)

  it("takes a source's own window and now", function()
    local defaults = { from_ms = 1000, to_ms = 5000, now_ms = 5000 }
    assert.same({ from_ms = 1000, to_ms = 5000, windowed = false },
      timespec.window({}, defaults))
    assert.same({ from_ms = 3000, to_ms = 5000, windowed = true },
      timespec.window({ since = "2s" }, defaults))
    assert.same({ from_ms = 1000, to_ms = 4000, windowed = true },
      timespec.window({ to = "-1s" }, defaults))
  end)

  it("makes an end that is a date the end of that day", function()
    assert.same({ from_ms = 1795132800000, to_ms = 1795132800000 + 86400000, windowed = true },
      window { from = "2026-11-20", to = "2026-11-20" })
  end)

  it("refuses two starts, and an end before the start with both in the message", function()
    local none, err = window { since = "1h", from = "-2h" }
    assert.is_nil(none)
    assert.equal("usage", err.kind)
    none, err = window { from = "-1h", to = "-2h" }
    assert.is_nil(none)
    assert.truthy(err.message:find("2026-11-20T13:05:00Z", 1, true))
    assert.truthy(err.message:find("2026-11-20T12:05:00Z", 1, true))
    assert.is_nil((window { from = "-1h", to = "-1h" }))
  end)

  it("reads a window written as one word", function()
    assert.same({ from_ms = NOW - 7200000, to_ms = NOW - 3600000, windowed = true },
      timespec.range("-2h..-1h", { now_ms = NOW }))
    for _, text in ipairs { "-2h", "-2h..", "..-1h", "-1h..-2h", "a..b" } do
      assert.is_nil((timespec.range(text, { now_ms = NOW })), text)
    end
  end)
end)
