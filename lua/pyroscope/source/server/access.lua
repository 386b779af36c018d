--- From options to the headers of a request: none, bearer, basic, Cloudflare Access, a tenant,
--- headers of one's own, or the output of an access command. Credentials stay in here.

local errors = require "pyroscope.errors"

local access = {}

local function system()
  return require "pyroscope.system"
end

local object = {}
local meta = { __index = object, __name = "pyroscope.access",
  __tostring = function(self) return "pyroscope.access: " .. self.kind end }

local function refuse(message, hint)
  return nil, errors.new { kind = "config", message = message, hint = hint }
end

--- Splits a command into words: blanks separate, quotes and backslashes keep together; nothing is
--- expanded and no shell is asked.
---@param text string
---@return string[]? words
---@return pyroscope.error? err
function access.words(text)
  local words, word, at = {}, nil, 1
  while at <= #text do
    local c = text:sub(at, at)
    if c:find "%s" then
      if word then words[#words + 1] = word end
      word, at = nil, at + 1
    elseif c == "'" or c == '"' then
      local inner, i = {}, at + 1
      while i <= #text and text:sub(i, i) ~= c do
        if c == '"' and text:find('^\\["\\]', i) then i = i + 1 end
        inner[#inner + 1] = text:sub(i, i)
        i = i + 1
      end
      if i > #text then return refuse "access_command has a quote that does not end" end
      word, at = (word or "") .. table.concat(inner), i + 1
    elseif c == "\\" then
      word, at = (word or "") .. text:sub(at + 1, at + 1), at + 2
    else
      word, at = (word or "") .. c, at + 1
    end
  end
  if word then words[#words + 1] = word end
  if #words == 0 then return refuse "access_command is empty" end
  return words
end

-- A line break would begin another header.
local function header_ok(name, value)
  return name:match "^[%w!#$%%&'*+.^_`|~-]+$" and not value:find "[\r\n%z]"
end

local function read_token(path)
  local text, err
  if path == "-" then
    text = io.stdin:read "a"
  else
    text, err = system().read_file(require "pyroscope.config.discovery".expand(path), 65536)
    if not text then
      return nil, errors.wrap(err, { kind = "config", message = "token_file: " .. err.message })
    end
  end
  local token = text:match "^%s*(.-)%s*$"
  if token == "" then return refuse(("the token file '%s' is empty"):format(path)) end
  if token:find "[%c]" then
    return refuse(("the token file '%s' holds more than one line"):format(path),
      "it holds the token and nothing else")
  end
  return token
end

--- Checks the credentials of a connection; nothing is read or run yet. In this order: access
--- command, Cloudflare headers, bearer token, basic, none.
---@param options table
---@return table? access
---@return pyroscope.error? err
function access.new(options)
  local self = setmetatable({ headers = {}, secrets = {}, kind = "none" }, meta)
  for name, value in pairs(options.headers or {}) do
    if type(name) ~= "string" or type(value) ~= "string" then
      return refuse("headers is a table of names and texts")
    end
    if not header_ok(name, value) then
      return refuse(("header '%s' cannot be sent"):format((name:gsub("%c", "?"))),
        "names are letters, digits and dashes; values are one line")
    end
    table.insert(self.headers, { name, value })
    self:keep(value)
  end
  table.sort(self.headers, function(a, b) return a[1]:lower() < b[1]:lower() end)
  if options.tenant and options.tenant ~= "" then
    if not header_ok("X-Scope-OrgID", options.tenant) then
      return refuse("the tenant must be one line of text")
    end
    table.insert(self.headers, { "X-Scope-OrgID", options.tenant })
    self.tenant = options.tenant
  end
  if (options.cf_access_client_id == nil) ~= (options.cf_access_client_secret == nil) then
    return refuse("cf_access_client_id and cf_access_client_secret belong together")
  end
  if options.password and not options.username then
    return refuse("a password needs a username")
  end
  if options.access_command then
    local words, err = options.access_command
    if type(words) == "string" then words, err = access.words(words) end
    if not words then return nil, err end
    self.kind, self.words = "access command", words
  elseif options.cf_access_client_id then
    self.kind = "Cloudflare Access"
    for _, pair in ipairs { { "CF-Access-Client-Id", options.cf_access_client_id },
      { "CF-Access-Client-Secret", options.cf_access_client_secret } } do
      if not header_ok(pair[1], pair[2]) then
        return refuse "cf_access_client_id and cf_access_client_secret must be one line each"
      end
      table.insert(self.headers, pair)
    end
    self:keep(options.cf_access_client_secret)
  elseif options.token or options.token_file then
    self.kind, self.token, self.token_file = "bearer token", options.token, options.token_file
    if self.token and not header_ok("Authorization", self.token) then
      return refuse "the token must be one line"
    end
    self:keep(self.token)
  elseif options.username then
    self.kind = "basic"
    self.username, self.password = options.username, options.password or ""
    self:keep(self.password)
  end
  return self
end

-- Remembers a secret so that it can be removed from texts of others.
function object:keep(secret)
  if secret and #secret >= 4 then table.insert(self.secrets, secret) end
end

--- A text without the credentials of this connection.
---@param text string
---@return string
function object:scrub(text)
  for _, secret in ipairs(self.secrets) do
    local at = 1
    while true do
      local from, to = text:find(secret, at, true)
      if not from then break end
      text, at = text:sub(1, from - 1) .. "…" .. text:sub(to + 1), from + 3
    end
  end
  return text
end

--- What to do to log in again, for hints.
---@param url string
---@return string
function object:advice(url)
  if self.kind == "access command" then
    if self.words[1]:match "[^/]*$" == "cloudflared" then
      return ("this deployment uses an access command (%s); log in again:\n  cloudflared access "
        .. "login %s"):format(self.words[1], url)
    end
    return ("this deployment uses the access command '%s': does it still log in?"):format(
      self.words[1])
  end
  if self.kind == "Cloudflare Access" then
    return "the Cloudflare service token (cf_access_client_id, cf_access_client_secret) was not "
      .. "accepted: is it expired, and does the application allow it?"
  end
  if self.kind == "bearer token" then
    return self.token_file and ("the token came from '%s': is it still valid?"):format(
      self.token_file) or "is the token still valid, and is it meant for this address?"
  end
  if self.kind == "basic" then
    return ("are the user name '%s' and its password right?"):format(self.username)
  end
  return "no credential is configured: give a token, token_file, username and password, or an "
    .. "access_command"
end

--- True where the command itself runs the request (`cloudflared access curl`), false where it
--- prints a token, which is then sent as `Cf-Access-Token`.
function object:wraps()
  if not self.words or self.wrapper == false then return false end
  return self.words[#self.words] ~= "token" and not self.words[#self.words]:find "^%-%-?app="
end

--- The headers of a request ("Name: value"); user name and password for basic authentication are
--- results of their own.
---@param url string      of the server
---@param timeout number  seconds, for commands
---@return string[]? headers
---@return pyroscope.error? err
function object:of(url, timeout)
  local list = {}
  for i, pair in ipairs(self.headers) do list[i] = pair[1] .. ": " .. pair[2] end
  if self.kind == "bearer token" then
    if not self.token then
      local err
      self.token, err = read_token(self.token_file)
      if not self.token then return nil, err end
      self:keep(self.token)
    end
    list[#list + 1] = "Authorization: Bearer " .. self.token
  elseif self.words and not self:wraps() then
    if not self.command_token then
      local err
      self.command_token, err = require "pyroscope.source.server.command".token(self, url, timeout)
      if not self.command_token then return nil, err end
    end
    list[#list + 1] = "Cf-Access-Token: " .. self.command_token
  end
  return list
end

--- After a refusal: forgets what can be fetched anew; true if there is something.
---@return boolean
function object:renew()
  if self.renewed then return false end
  self.renewed = true
  if self.token_file and self.token_file ~= "-" and self.token then
    local token = read_token(self.token_file)
    if token and token ~= self.token then
      self.token = token
      self:keep(token)
      return true
    end
    return false
  end
  if self.command_token then
    self.command_token = nil
    return true
  end
  return false
end

return access
