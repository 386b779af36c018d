--- What the terminal is: width, height, character set, colour. Asked once, at the first need.

local terminal = {}

local function utf8_locale()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = os.getenv(name)
    if value and value ~= "" then
      return value:lower():find "utf%-?8" ~= nil
    end
  end
  return false
end

local function number(name)
  local value = os.getenv(name)
  value = value and value:match "^%d+$" and math.tointeger(value)
  return value and value > 0 and value or nil
end

-- NO_COLOR and CLICOLOR_FORCE as their users know them; the flag wins over both.
local function colour(choice, is_terminal)
  if choice == "always" then return true end
  if choice == "never" then return false end
  local no, force = os.getenv "NO_COLOR", os.getenv "CLICOLOR_FORCE"
  if no and no ~= "" then return false end
  if force and force ~= "" and force ~= "0" then return true end
  return is_terminal and os.getenv "TERM" ~= "dumb"
end

-- Terminals that make a link of OSC 8, as far as they say who they are. What multiplexes them may
-- not pass it on.
local function links(is_terminal)
  local term = os.getenv "TERM" or ""
  if not is_terminal or term == "dumb" or term:find "^screen" or term:find "^tmux" then
    return false
  end
  for _, name in ipairs { "VTE_VERSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "WT_SESSION",
    "WEZTERM_PANE", "ALACRITTY_WINDOW_ID" } do
    if (os.getenv(name) or "") ~= "" then return true end
  end
  local programs = { ["iTerm.app"] = true, WezTerm = true, vscode = true, ghostty = true,
    Hyper = true }
  return programs[os.getenv "TERM_PROGRAM"] == true or term:find "kitty" ~= nil
    or term:find "^foot" ~= nil or term:find "^alacritty" ~= nil
end

---@class pyroscope.terminal
---@field output boolean   stdout is a terminal
---@field errors boolean   stderr is a terminal
---@field width integer
---@field height integer
---@field utf8 boolean
---@field color boolean
---@field links boolean    files that are named can be clicked

--- Looks at the terminal; `choice` is the value of `--color`.
---@param choice? "auto"|"always"|"never"
---@return pyroscope.terminal
function terminal.detect(choice)
  local system = require "pyroscope.system"
  local output, errors = system.is_terminal(1), system.is_terminal(2)
  local width, height
  if output then width, height = system.window_size(1) end
  if not width or width <= 0 then width, height = number "COLUMNS", number "LINES" end
  return {
    output = output, errors = errors,
    width = math.max(40, width or 100), height = height or 24,
    utf8 = utf8_locale(), color = colour(choice, output), error_color = colour(choice, errors),
    links = choice ~= "never" and links(output),
  }
end

--- Runs a program on this terminal and waits for it; no word is read by a shell.
---@param words string[]
---@return true? ok
---@return pyroscope.error? err
function terminal.start(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = "'" .. word:gsub("'", "'\\''") .. "'" end
  local ok, _, code = os.execute(table.concat(quoted, " "))
  if ok then return true end
  return nil, require "pyroscope.errors".new { kind = "io",
    message = ("'%s' ended with %s"):format(words[1], tostring(code)) }
end

--- The words that open a line in the editor of this environment.
---@param file string
---@param line? integer
---@return string[]
function terminal.editor(file, line)
  local words = {}
  for _, name in ipairs { "VISUAL", "EDITOR" } do
    if #words == 0 then
      for word in (os.getenv(name) or ""):gmatch "%S+" do words[#words + 1] = word end
    end
  end
  if #words == 0 then words[1] = "vi" end
  words[#words + 1] = ("+%d"):format(math.max(1, line or 1))
  words[#words + 1] = file
  return words
end

return terminal
