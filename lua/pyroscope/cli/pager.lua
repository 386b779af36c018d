--- Standard output: written at once, through a pager when it is longer than the screen, and
--- quietly given up when nobody reads any more.

local pager = {}

local function lines(text)
  local _, n = text:gsub("\n", "")
  return n
end

local function command()
  local choice = os.getenv "PSCOPE_PAGER"
  if choice == "" or choice == "cat" or os.getenv "TERM" == "dumb" then return nil end
  return choice or "less -FRX"
end

--- Writes to stdout. `terminal` and `paged` decide about the pager. True when all was taken;
--- nil and "closed" for a closed pipe, nil and the reason for anything else.
---@param text string
---@param terminal { output: boolean, height: integer }
---@param paged boolean
---@return true? ok
---@return string? why
function pager.write(text, terminal, paged)
  if terminal.output and paged and lines(text) >= terminal.height then
    local program = command()
    local pipe = program and io.popen(program, "w")
    if pipe then
      require "pyroscope.system".catch_broken_pipes() -- a pager may be left early
      pipe:write(text)
      local ok, _, code = pipe:close()
      if ok or code ~= 127 then return true end
    end
  end
  require "pyroscope.system".catch_broken_pipes()
  local file, why, code = io.stdout:write(text)
  if file then file, why, code = io.stdout:flush() end
  if file then return true end
  if code == 32 then return nil, "closed" end -- EPIPE
  return nil, tostring(why)
end

return pager
