--- Help topics: what is the same for every command.

local topics = { text = {} }

-- Topics of other files.
local elsewhere = {
  ["old-names"] = function() return require "pyroscope.cli.old".help() end,
  gcx = function() return require "pyroscope.cli.old".gcx() end,
  commands = function() return require "pyroscope.cli.help".commands() end,
  man = function() return require "pyroscope.cli.man".page() end,
}

topics.text.selectors = [[
Which profiles: a service, labels, or a selector.

  pscope top prod/checkout                          the service "checkout" of deployment "prod"
  pscope top prod/checkout -l pod=checkout-0        one label more; also k!=v  k=~re  k!~re
  pscope top prod/ -q '{namespace="shop", pod=~"checkout-.*"}'

A selector has PromQL's syntax. Values are quoted; names that are not letters, digits and _ are
quoted too: {"service.version"="1"}. =~ and !~ take RE2 and match the whole value. {} is everything.
Several -l and a -q are joined: a series has to fulfil all of them. It is read and checked here,
with a caret under a mistake, before anything is sent.
]]

topics.text.time = [[
When: a length until now, a start and an end, or a moment with its surroundings.

  --since 1h               the last hour; 90s 30m 1h30m 2d 1w, units s m h d w M y (30 and 365 days)
  --from -2h --to -1h      also now, now-1h30m, 14:05 (the last one), 2026-11-20,
                           2026-11-20T14:05:00Z, and seconds, ms, us or ns since 1970 by the
                           number of digits
  --around 14:05 --window 20m

Windows are half open: [from, to). -2h is a value wherever a time may stand. Without a window
servers are asked about the last hour; of a folder, bundle or file everything is meant, and there
"now" is the end of its newest profile. --tz utc|local|+02:00 is for what is shown and for bare
clock times; JSON has milliseconds, CSV has UTC.
]]

topics.text.errors = [[
An error says what failed, on which request, what happened, and what to do next. With --json it is
one object {"type":"pyroscope.error",...} on stdout.

  usage, config    a flag, a selector, a target, a configuration file
  auth             401, 403, a login page in place of an answer
  unreachable      no connection, TLS        timeout   no answer in time
  http, rpc        the server refused or failed
  no_data          nothing for that question: what exists nearby is named
  decode           the bytes are no profile  limit     larger than allowed
  unsupported      this source cannot answer that
  io               a local file              cancelled ctrl-c

-v says more, --explain prints the requests with curl lines, -vv prints the trace of a crash.
]]

topics.text["exit-codes"] = [[
   0  done, nothing found
   1  any other error: a file that cannot be read, bad bytes, too large, unsupported, a crash
   2  usage or configuration
   3  authentication
   4  partial: some queries failed or --max-other was exceeded; the answer is printed
   5  cancelled; 130 on ctrl-c
   6  no data for that question
   7  no answer, or a failure of the server
  10  a threshold was exceeded (diff --fail-over)
  11  inconclusive

With several: 3 > 7 > 5 > 10 > 4 > 11 > 6 > 0; 1 and 2 stand alone.
]]

topics.text.lua = [[
The same questions as a library:

  local pyroscope = require "pyroscope"
  local source = assert(pyroscope.open "./incident")       -- or pyroscope.connect { url = ... }
  local profile = assert(source:profile { service = "checkout", type = "cpu" })
  for _, row in ipairs((profile:top(10))) do print(row.name, row.self) end

pscope run FILE.lua ARGUMENTS runs a script with pyroscope on its path. What fails because of the
world returns nil and an error with kind, message and hint; misuse raises.
]]

-- The words of --type come from the table that resolves them.
local function types_text()
  local types = require "pyroscope.types"
  local lines = { "Profile types: a word, a sample type, or a five-part id",
    "NAME:SAMPLE_TYPE:SAMPLE_UNIT:PERIOD_TYPE:PERIOD_UNIT.", "" }
  for _, row in ipairs(types.words()) do
    lines[#lines + 1] = ("  %-16s %s"):format(row.word, (row.id:gsub(":%*$", ":...")))
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "A word is looked up among the types that the service really has "
    .. "(pscope types): the"
  lines[#lines + 1] = "id above is the first choice, not the only one. Flows (CPU time, "
    .. "allocated bytes, lock"
  lines[#lines + 1] = "delay) are shown as rates; stocks (memory in use, goroutines) as the "
    .. "mean per profile,"
  lines[#lines + 1] = "with --sum as sums. Not every service has every type."
  return table.concat(lines, "\n") .. "\n"
end

--- Names of the topics, sorted.
function topics.names()
  local names = { "types", "gcx", "old-names", "commands", "man" }
  for name in pairs(topics.text) do
    if name ~= "types" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- The text of a topic.
function topics.of(name)
  if name == "types" then return types_text() end
  if elsewhere[name] then return elsewhere[name]() end
  return topics.text[name]
end

topics.text.types = "" -- made when asked for

return topics
