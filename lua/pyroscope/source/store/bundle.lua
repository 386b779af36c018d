--- The folder of a captured bundle: written beside its place piece by piece, so that a capture
--- which was cut off can be continued, and renamed when it is complete.

local cjson = require "cjson"
local errors = require "pyroscope.errors"
local json = require "pyroscope.output.json"
local system = require "pyroscope.system"

local bundle = {}

local reader = cjson.new()
reader.decode_invalid_numbers(false)
reader.decode_max_depth(64)

-- What only an unfinished capture has beside the files of a bundle.
local PLAN, JOURNAL = "capture.json", "journal.jsonl"
-- A repeated command whose times moved on by more means other windows.
local SAME_MS = 3600000

--- A finished piece of a capture.
---@class pyroscope.bundle.piece
---@field key string
---@field status string       "ok", or why it is missing: "no_data", "limit", a kind of error
---@field message? string
---@field file? string
---@field bytes? integer
---@field profiles? integer
---@field index? string       its line of index.jsonl
---@field series? string[]    its lines of series.jsonl

---@class pyroscope.bundle.writer
---@field path string         the place of the finished bundle
---@field partial string      where it is written
---@field plan table          asked, windows; of an earlier run where one is continued
---@field pieces table<string, pyroscope.bundle.piece>
---@field bytes integer       of the files so far
---@field continued boolean
local writer = {}
writer.__index = writer

local function decoded(text)
  local ok, value = pcall(reader.decode, text)
  return ok and type(value) == "table" and value or nil
end

local function whole(value)
  return type(value) == "number" and math.tointeger(value) or nil
end

-- The plan of an unfinished capture, with times as integers.
local function read_plan(folder)
  local text = system.read_file(folder .. "/" .. PLAN)
  local plan = text and decoded(text)
  if not plan or type(plan.asked) ~= "string" or type(plan.windows) ~= "table" then return nil end
  for _, window in ipairs(plan.windows) do
    if type(window) ~= "table" then return nil end
    window.from_ms, window.to_ms = whole(window.from_ms), whole(window.to_ms)
    if type(window.name) ~= "string" or not window.from_ms or not window.to_ms then return nil end
  end
  return plan
end

local function refuse(folder, message)
  return nil, errors.new { kind = "io", code = "exists", message = message,
    hint = ("name another folder, or remove the rest of the other capture: rm -r '%s'")
      :format(folder) }
end

-- Is the plan that lies there the one that is asked for now?
local function same(old, new)
  return old.asked == new.asked and #old.windows > 0
    and math.abs(old.windows[1].from_ms - new.windows[1].from_ms) <= SAME_MS
end

-- Pieces that an earlier run finished; a last line that was cut off is none.
local function read_journal(self)
  local text = system.read_file(self.partial .. "/" .. JOURNAL, 1 << 30)
  for line in (text or ""):gmatch "([^\n]*)\n" do
    local piece = decoded(line)
    if piece and type(piece.key) == "string" and (piece.status == "ok"
        or piece.status == "no_data") then
      piece.bytes, piece.profiles = whole(piece.bytes), whole(piece.profiles)
      local there = not piece.file or system.stat(self.partial .. "/" .. piece.file)
      if there and not self.pieces[piece.key] then
        self.pieces[piece.key] = piece
        self.bytes = self.bytes + (piece.bytes or 0)
      end
    end
  end
end

--- Begins a bundle at a path, or continues the one of the same question that lies unfinished
--- beside it. What exists already, or another capture, is refused.
---@param path string
---@param plan { asked: string, windows: table[] }
---@return pyroscope.bundle.writer? writer
---@return pyroscope.error? err
function bundle.create(path, plan)
  path = #path > 1 and path:gsub("/+$", "") or path
  local self = setmetatable({ path = path, partial = path .. ".partial", plan = plan, pieces = {},
    bytes = 0, continued = false }, writer)
  if system.stat(path, { link = true }) then
    return nil, errors.new { kind = "io", code = "exists",
      message = ("'%s' exists already"):format(path),
      hint = "a bundle is never written into a folder that is there; name another one" }
  end
  local stat = system.stat(self.partial, { link = true })
  if stat then
    local old = stat.type == "directory" and read_plan(self.partial)
    if not old then
      return refuse(self.partial, ("'%s' is in the way and is no unfinished capture")
        :format(self.partial))
    end
    if not same(old, plan) then
      return refuse(self.partial, ("'%s' is the unfinished capture of another question")
        :format(self.partial))
    end
    self.plan, self.continued = old, true
    read_journal(self)
    return self
  end
  local ok, err = system.mkdir(self.partial)
  if not ok then return nil, err end
  ok, err = system.write_file(self.partial .. "/" .. PLAN, json.encode(plan) .. "\n")
  if not ok then return nil, err end
  return self
end

--- A relative path of a file that no other piece has, from words that may hold anything.
---@param folder string
---@param name string
---@return string
function bundle.file_name(folder, name)
  local function plain(text) return (text:gsub("[^%w%-_]", "_"):sub(1, 80)) end
  return plain(folder) .. "/" .. plain(name) .. ".pb.gz"
end

--- Keeps a finished piece: its file first, then its line in the journal.
---@param piece pyroscope.bundle.piece
---@param body? string        bytes of `piece.file`
---@return true? ok
---@return pyroscope.error? err
function writer:put(piece, body)
  if body then
    local full = self.partial .. "/" .. piece.file
    local ok, err = system.mkdir(full:match "^(.*)/")
    if not ok then return nil, err end
    ok, err = system.write_file(full, body, { force = true, follow = false })
    if not ok then return nil, err end
    piece.bytes = #body
    self.bytes = self.bytes + #body
  end
  self.pieces[piece.key] = piece
  local journal, message = io.open(self.partial .. "/" .. JOURNAL, "ab")
  if journal then
    local ok
    ok, message = journal:write(json.encode(piece), "\n")
    journal:close()
    if ok then return true end
  end
  return nil, errors.new { kind = "io",
    message = ("cannot write '%s/%s': %s"):format(self.partial, JOURNAL, tostring(message)) }
end

-- Lines of all pieces, sorted by what `read` says of them, so that the order of answers is unseen.
local function lines_of(self, field)
  local lines = {}
  for _, piece in pairs(self.pieces) do
    local value = piece[field]
    if type(value) == "string" then value = { value } end
    for _, line in ipairs(value or {}) do
      local object = decoded(line) or {}
      lines[#lines + 1] = { line, object.time_ms or object.from_ms or 0 }
    end
  end
  table.sort(lines, function(a, b)
    if a[2] ~= b[2] then return a[2] < b[2] end
    return a[1] < b[1]
  end)
  local text = {}
  for i, line in ipairs(lines) do text[i] = line[1] .. "\n" end
  return table.concat(text)
end

-- Every file of a folder gets one time: the same capture is the same folder, byte for byte.
local function set_times(folder, time_ms)
  local list = system.list(folder) or {}
  for _, item in ipairs(list) do
    local path = folder .. "/" .. item.name
    if item.type == "directory" then
      for _, inner in ipairs(system.list(path) or {}) do
        system.set_time(path .. "/" .. inner.name, time_ms)
      end
    end
    system.set_time(path, time_ms)
  end
  system.set_time(folder, time_ms)
end

--- Writes the index and the head. A complete bundle moves to its place; an incomplete one stays
--- where it is, is readable there, and is continued by the same question.
---@param head table          of bundle.json
---@param complete boolean
---@return string? path       where the bundle is
---@return pyroscope.error? err
function writer:finish(head, complete)
  head.format, head.version = "pyroscope-bundle", 1
  local files = { ["index.jsonl"] = lines_of(self, "index"),
    ["series.jsonl"] = lines_of(self, "series"), ["bundle.json"] = json.encode(head) .. "\n" }
  for _, name in ipairs { "index.jsonl", "series.jsonl", "bundle.json" } do
    local ok, err = system.write_file(self.partial .. "/" .. name, files[name], { force = true })
    if not ok then return nil, err end
  end
  if not complete then return self.partial end
  for _, name in ipairs { PLAN, JOURNAL } do
    if system.stat(self.partial .. "/" .. name) then
      local ok, err = system.remove(self.partial .. "/" .. name)
      if not ok then return nil, err end
    end
  end
  set_times(self.partial, self.plan.windows[1].to_ms)
  local ok, err = system.rename(self.partial, self.path)
  if not ok then return nil, err end
  return self.path
end

--- Gives up a capture that has nothing: the folder goes, unless an earlier run left files in it.
function writer:abandon()
  for _, piece in pairs(self.pieces) do
    if piece.status == "ok" then return end
  end
  for _, name in ipairs { JOURNAL, PLAN } do
    if system.stat(self.partial .. "/" .. name) then system.remove(self.partial .. "/" .. name) end
  end
  system.remove_folder(self.partial)
end

--- The objects of a bundle's series.jsonl, in order; none when there is no such file.
---@param root string
---@return table[]? lines
---@return pyroscope.error? err
function bundle.series(root)
  local path = root .. "/series.jsonl"
  if not system.stat(path) then return {} end
  local text, err = system.read_file(path, 1 << 29)
  if not text then return nil, err end
  local lines, number = {}, 0
  for line in text:gmatch "([^\n]*)\n?" do
    number = number + 1
    if line:match "%S" then
      local object = decoded(line)
      if not object then
        return nil, errors.new { kind = "decode",
          message = ("%s: line %d is not JSON (was the file cut off?)"):format(path, number),
          hint = "capture it again" }
      end
      lines[#lines + 1] = object
    end
  end
  return lines
end

return bundle
