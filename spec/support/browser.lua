--- A real browser: headless Chromium, spoken to over two pipes (--remote-debugging-pipe: JSON
--- messages ended by NUL on descriptors 3 and 4), so there is no port and no package. Everything
--- that goes wrong in a page, and every request that leaves it, is kept.

local cjson = require "cjson"
local uv = require "luv"

local browser = {}
local page = {}
page.__index = page

local PROGRAMS = { "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome" }

local function program()
  for _, name in ipairs(PROGRAMS) do
    local pipe = assert(io.popen("command -v " .. name))
    local path = pipe:read "l"
    pipe:close()
    if path then return path end
  end
end

--- A browser with one page; nil and the reason where there is none.
---@param options? { width?: integer, height?: integer }
function browser.open(options)
  options = options or {}
  local path = program()
  if not path then return nil, "chromium-headless-shell is not installed" end
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir '%s'"):format(folder)))
  local into, out = assert(uv.new_pipe(false)), assert(uv.new_pipe(false))
  local self = setmetatable({ folder = folder, next = 0, answers = {}, errors = {}, requests = {},
    seen = {}, into = into, out = out, left = "" }, page)
  local devnull = assert(uv.fs_open("/dev/null", "r+", 0))
  self.process, self.pid = uv.spawn(path, {
    args = { "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
      "--no-first-run", "--disable-background-networking", "--disable-component-update",
      "--hide-scrollbars", "--user-data-dir=" .. folder, "--remote-debugging-pipe",
      "--allow-file-access-from-files", "about:blank" },
    stdio = { devnull, devnull, devnull, into, out },
  }, function() self.ended = true end)
  uv.fs_close(devnull)
  if not self.process then return nil, tostring(self.pid) end
  out:read_start(function(_, chunk) if chunk then self:receive(chunk) else self.ended = true end end)
  local target = self:call("Target.createTarget", { url = "about:blank",
    width = options.width or 1200, height = options.height or 800 }).targetId
  self.session = self:call("Target.attachToTarget", { targetId = target, flatten = true }).sessionId
  for _, domain in ipairs { "Page", "Runtime", "Log", "Network" } do self:call(domain .. ".enable") end
  self:size(options.width or 1200, options.height or 800)
  return self
end

function page:receive(chunk)
  self.left = self.left .. chunk
  if not chunk:find("\0", 1, true) then return end
  local at = 1
  while true do
    local stop = self.left:find("\0", at, true)
    if not stop then break end
    local message = cjson.decode(self.left:sub(at, stop - 1))
    at = stop + 1
    if message.id then self.answers[message.id] = message else self:event(message) end
  end
  self.left = self.left:sub(at)
end

function page:event(message)
  local method, params = message.method, message.params
  self.seen[method] = (self.seen[method] or 0) + 1
  if method == "Runtime.exceptionThrown" then
    local detail = params.exceptionDetails
    self.errors[#self.errors + 1] = detail.exception and detail.exception.description or detail.text
  elseif method == "Log.entryAdded" and params.entry.level == "error" then
    self.errors[#self.errors + 1] = params.entry.text
  elseif method == "Runtime.consoleAPICalled" and params.type == "error" then
    self.errors[#self.errors + 1] = cjson.encode(params.args)
  elseif method == "Network.requestWillBeSent" then
    local url = params.request.url
    if not url:find "^file:" and not url:find "^data:" and not url:find "^blob:"
        and not url:find "^about:" then
      self.requests[#self.requests + 1] = url
    end
  elseif method == "Page.javascriptDialogOpening" then
    self.errors[#self.errors + 1] = "dialog: " .. params.message
  end
end

local function wait(self, done, what)
  local late = uv.now() + 30000
  local timer = uv.new_timer()
  timer:start(100, 100, function() end)
  while not done() do
    if self.ended or uv.now() > late then
      timer:close()
      error((self.ended and "the browser ended: " or "the browser did not answer: ") .. what, 3)
    end
    uv.run "once"
  end
  timer:close()
end

--- One command; its result. A failure raises.
function page:call(method, params)
  self.next = self.next + 1
  local id = self.next
  local message = { id = id, method = method, sessionId = self.session,
    params = params and next(params) and params or nil }
  self.into:write(cjson.encode(message) .. "\0")
  wait(self, function() return self.answers[id] end, method)
  local answer = self.answers[id]
  self.answers[id] = nil
  if answer.error then error(method .. ": " .. answer.error.message, 2) end
  return answer.result
end

--- The value of an expression, which must be plain data; promises are awaited.
function page:eval(expression)
  local result = self:call("Runtime.evaluate", { expression = expression, returnByValue = true,
    awaitPromise = true })
  if result.exceptionDetails then
    error(result.exceptionDetails.exception.description or result.exceptionDetails.text, 2)
  end
  local value = result.result.value
  if value == cjson.null then value = nil end
  return value
end

--- Opens an address and waits until it is loaded.
function page:go(url)
  local loads = self.seen["Page.loadEventFired"] or 0
  local result = self:call("Page.navigate", { url = url })
  if result.errorText then error(url .. ": " .. result.errorText, 2) end
  if result.loaderId then -- not for a change of the fragment alone
    wait(self, function() return (self.seen["Page.loadEventFired"] or 0) > loads end, url)
  end
end

function page:reload()
  local loads = self.seen["Page.loadEventFired"] or 0
  self:call "Page.reload"
  wait(self, function() return (self.seen["Page.loadEventFired"] or 0) > loads end, "reload")
end

--- Writes bytes to a file of its own and opens it.
function page:show(bytes, extension, fragment)
  local path = ("%s/%d%s"):format(self.folder, self.next, extension)
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
  self.path = path
  self:go("file://" .. path .. (fragment and "#" .. fragment or ""))
end

function page:size(width, height)
  self:call("Emulation.setDeviceMetricsOverride", { width = width, height = height,
    deviceScaleFactor = 1, mobile = false })
end

--- { ["prefers-color-scheme"] = "dark" }, and the medium ("print").
function page:media(features, medium)
  local list = {}
  for _, name in ipairs { "prefers-color-scheme", "prefers-reduced-motion" } do
    list[#list + 1] = { name = name, value = features and features[name] or "" }
  end
  self:call("Emulation.setEmulatedMedia", { media = medium or "", features = list })
end

function page:mouse(kind, x, y, button)
  self:call("Input.dispatchMouseEvent", { type = kind, x = x, y = y, button = button or "none",
    clickCount = kind == "mouseMoved" and 0 or 1 })
end

function page:click(x, y, button)
  self:mouse("mouseMoved", x, y)
  self:mouse("mousePressed", x, y, button or "left")
  self:mouse("mouseReleased", x, y, button or "left")
end

--- Clicks into the middle of the first element that a selector names.
function page:press(selector)
  local at = self:eval(([[(function () {
    var e = document.querySelector(%s);
    if (!e) return null;
    e.scrollIntoView({ block: "nearest" });
    var r = e.getBoundingClientRect();
    return [r.left + r.width / 2, r.top + r.height / 2];
  })()]]):format(cjson.encode(selector)))
  if not at then error("nothing is " .. selector, 2) end
  self:click(at[1], at[2])
end

local CODES = { Enter = 13, Escape = 27, ArrowLeft = 37, ArrowUp = 38, ArrowRight = 39,
  ArrowDown = 40, Tab = 9, Backspace = 8 }

--- A key by its name ("Enter", "n", "/").
function page:key(name)
  -- codes of punctuation are those of other keys: a character is typed by its text
  local code = CODES[name] or name:find "^%w$" and name:upper():byte() or 0
  local text = #name == 1 and name or name == "Enter" and "\r" or nil
  self:call("Input.dispatchKeyEvent", { type = text and "keyDown" or "rawKeyDown", key = name,
    text = text, windowsVirtualKeyCode = code, nativeVirtualKeyCode = code })
  self:call("Input.dispatchKeyEvent", { type = "keyUp", key = name, windowsVirtualKeyCode = code })
end

function page:type(text)
  for character in text:gmatch(utf8.charpattern) do self:key(character) end
end

--- Goes one entry back (-1) or forward (1), as the buttons of a browser do.
function page:travel(by)
  local history = self:call "Page.getNavigationHistory"
  local entry = history.entries[history.currentIndex + 1 + by]
  if not entry then error("there is no such page in the history", 2) end
  self:call("Page.navigateToHistoryEntry", { entryId = entry.id })
  self:eval "new Promise(function (done) { setTimeout(done, 60); })"
end

function page:picture(path, format)
  local data = self:call("Page.captureScreenshot", { format = format or "png" }).data
  local f = assert(io.popen(("base64 -d > '%s'"):format(path), "w"))
  f:write(data)
  f:close()
end

function page:close()
  if not self.ended then
    pcall(self.call, { next = self.next, answers = self.answers, into = self.into,
      ended = false }, "Browser.close")
    self.session = nil
    local late = uv.now() + 3000
    local timer = uv.new_timer()
    timer:start(50, 50, function() end)
    while not self.ended and uv.now() < late do uv.run "once" end
    timer:close()
    if not self.ended then self.process:kill "sigkill" end
  end
  self.out:read_stop()
  for _, handle in ipairs { self.into, self.out, self.process } do
    if not handle:is_closing() then handle:close() end
  end
  uv.run "nowait"
  os.execute(("rm -rf '%s'"):format(self.folder))
end

return browser
