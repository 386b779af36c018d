--- All of stats/*.lua in one table: pure functions on plain arrays.

local stats = {}

for _, part in ipairs { "special", "tests", "multiple", "moderated", "waits", "trend",
  "changepoint", "attribution" } do
  for name, value in pairs(require("pyroscope.investigate.stats." .. part)) do
    if stats[name] ~= nil then error("two statistics are called " .. name) end
    stats[name] = value
  end
end

return stats
