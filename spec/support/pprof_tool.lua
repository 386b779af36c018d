--- Google's pprof, where it is installed: what it prints, as tables.

local tool = {}

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

--- The program, or nil.
function tool.find()
  if os.execute "command -v pprof >/dev/null 2>&1" then return "pprof" end
  if exists "build/go/bin/pprof" then return "build/go/bin/pprof" end
end

--- The lines that a command prints.
function tool.lines(command)
  local lines, pipe = {}, assert(io.popen(command .. " 2>/dev/null"))
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local function integer(text) return math.tointeger(tonumber((text:gsub("%a+$", "")))) end

--- Everything in base units, nothing left out.
tool.WHOLE = "-symbolize=none -nodecount=1000000 -nodefraction=0 -edgefraction=0"

--- Rows of `pprof -top` as name -> { self, total }, its total, and how many rows there were. What
--- it marks as inlined is not marked.
function tool.top(pprof, arguments)
  local rows, total, count = {}, nil, 0
  for _, line in ipairs(tool.lines(("%s %s -top %s"):format(pprof, tool.WHOLE, arguments))) do
    total = total or line:match "% of ([%d.]+)%a* total"
    local flat, cum, name = line:match "^%s*(%S+)%s+%S+%s+%S+%s+(%S+)%s+%S+%s+(.*)$"
    if name and integer(flat) and integer(cum) then
      name = name:gsub(" %(partial%-inline%)$", ""):gsub(" %(inline%)$", "")
      rows[name] = { integer(flat), integer(cum) }
      count = count + 1
    end
  end
  return rows, total and integer(total), count
end

return tool
