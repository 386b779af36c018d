-- Whole programs beside those of others, where they are installed: `pscope top` against
-- profilecli and pprof, over a server on loopback that answers both from the same store.

local core = require "pyroscope.core"
local generate = require "generate"

local function found(name)
  local pipe = assert(io.popen("PATH=\"build/go/bin:$PATH\" command -v " .. name))
  local path = pipe:read "l"
  pipe:close()
  return path
end

local function bundle(directory, label, nodes, functions)
  local folder = ("%s/peers/%s"):format(directory, label)
  os.execute("mkdir -p " .. folder)
  local profile = assert(core.decode(generate.folded(nodes, functions, 80, 1), "folded"))
  profile = profile:describe { profile_type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
    unit = "nanoseconds", kind = "flow",
    from_ms = (os.time() - 120) * 1000, to_ms = (os.time() - 60) * 1000 }
  local f = assert(io.open(folder .. "/cpu.pb.gz", "wb"))
  f:write(profile:render "pprof")
  f:close()
  return #profile
end

---@param check fun(name: string, limit: number, worse: boolean, measure: fun(): number)
---@param output fun(command: string): number
---@param directory string
return function(check, output, directory)
  local profilecli, pprof = found "profilecli", found "pprof"
  if not profilecli or not pprof then
    print(("skipped: pscope against profilecli and pprof (%s is not installed)"):format(
      profilecli and "pprof" or "profilecli"))
    return
  end
  local labels = { { "bench-2k", 2130, 1400 }, { "bench-20k", 20000, 6000 } }
  for _, set in ipairs(labels) do set[4] = bundle(directory, table.unpack(set)) end
  local server = require "process".start("spec/support/querier.lua", directory .. "/peers",
    "--limits", "off")
  local url = server.url
  local file = directory .. "/peers.pb"
  for _, set in ipairs(labels) do
    local theirs = ("%s/peers-%s.sh"):format(directory, set[1])
    local f = assert(io.open(theirs, "w"))
    f:write(([[rm -f %s
%s query profile --url %s --from now-1h --to now --query '{service_name="%s"}' --output=pprof=%s
exec %s -top -nodecount=20 %s
]]):format(file, profilecli, url, set[1], file, pprof, file))
    f:close()
    for _, where in ipairs { "auto", "never" } do
      check(("pscope top --where %s, %d nodes, against profilecli and pprof"):format(where,
        set[4]), 4, false, function()
        return output(("python3 spec/bench/process.py 15 './pscope top %s --source %s --where %s'"
          .. " 'sh %s'"):format(set[1], url, where, theirs))
      end)
    end
  end
  server:stop()
end
