--- google.v1.Profile read and written slowly, straight from its definition: what specs hold
--- the decoder against.

local protobuf = require "spec.support.protobuf"

local proto = {}

local function record(bytes, names)
  local out = {}
  for number, _, value in protobuf.fields(bytes) do
    if names[number] then out[names[number]] = value end
  end
  return out
end

--- Decodes an uncompressed profile: types, period, samples { stack = { root first: name, file,
--- line, start_line, object }, values, labels = { { key, str, num } } }.
function proto.read(bytes)
  local p = { types = {}, samples = {}, strings = {}, time_nanos = 0, duration_nanos = 0,
    period = 0, default = 0 }
  local types, samples, locations, functions, mappings = {}, {}, {}, {}, {}
  local period_type
  for number, _, value in protobuf.fields(bytes) do
    if number == 1 then types[#types + 1] = value
    elseif number == 2 then samples[#samples + 1] = value
    elseif number == 3 then
      local m = record(value, { [1] = "id", [5] = "file" })
      mappings[m.id] = m
    elseif number == 4 then
      local l = { id = 0, mapping = 0, address = 0, lines = {} }
      for n, _, v in protobuf.fields(value) do
        if n == 1 then l.id = v
        elseif n == 2 then l.mapping = v
        elseif n == 3 then l.address = v
        elseif n == 4 then
          l.lines[#l.lines + 1] = record(v, { [1] = "fn", [2] = "line" })
        end
      end
      locations[l.id] = l
    elseif number == 5 then
      local f = record(value, { [1] = "id", [2] = "name", [4] = "file", [5] = "start" })
      functions[f.id] = f
    elseif number == 6 then p.strings[#p.strings + 1] = value
    elseif number == 9 then p.time_nanos = value
    elseif number == 10 then p.duration_nanos = value
    elseif number == 11 then period_type = value
    elseif number == 12 then p.period = value
    elseif number == 14 then p.default = value
    end
  end
  local function text(index) return p.strings[(index or 0) + 1] or "" end
  local function value_type(message)
    local t = record(message, { "type", "unit" })
    return { type = text(t.type), unit = text(t.unit) }
  end
  for i, message in ipairs(types) do p.types[i] = value_type(message) end
  p.period_type = value_type(period_type or "")
  p.default = text(p.default)
  for i, message in ipairs(samples) do
    local ids, values, labels, stack = {}, {}, {}, {}
    for number, wire, value in protobuf.fields(message) do
      if number == 1 then protobuf.integers(ids, wire, value)
      elseif number == 2 then protobuf.integers(values, wire, value)
      elseif number == 3 then
        local l = record(value, { "key", "str", "num", "unit" })
        labels[#labels + 1] = { key = text(l.key), str = text(l.str), num = l.num }
      end
    end
    for k = #ids, 1, -1 do
      local l = locations[ids[k]]
      local object = text((mappings[l.mapping] or {}).file)
      if #l.lines == 0 then
        stack[#stack + 1] = { name = ("0x%x"):format(l.address), file = "", line = 0,
          start_line = 0, object = object, bare = true }
      end
      for j = #l.lines, 1, -1 do
        local f = functions[l.lines[j].fn]
        stack[#stack + 1] = { name = text(f.name), file = text(f.file),
          line = l.lines[j].line or 0, start_line = f.start or 0, object = object }
      end
    end
    p.samples[i] = { stack = stack, depth = #ids, values = values, labels = labels }
  end
  return p
end

--- The path of a child: lengths keep names apart that hold any separator.
function proto.child(path, name)
  return ("%s/%d:%s"):format(path, #name, name)
end

--- The tree of one sample type as path -> { self, total }, as the contract of `collect` has it.
--- `options`: named_only, line, keep(sample).
function proto.tree(p, kind, options)
  options = options or {}
  local paths = {}
  local function node(path)
    paths[path] = paths[path] or { self = 0, total = 0 }
    return paths[path]
  end
  node ""
  for _, sample in ipairs(p.samples) do
    local value = sample.values[kind]
    if value > 0 and (not options.keep or options.keep(sample)) then
      local path, visited = "", { "" }
      for _, frame in ipairs(sample.stack) do
        if not (frame.bare and options.named_only) then
          path = proto.child(path, frame.name)
          if options.line then
            path = ("%s\t%s\t%d"):format(path, frame.file, frame.line)
          end
          visited[#visited + 1] = path
        end
      end
      if path ~= "" or not options.named_only then
        for _, each in ipairs(visited) do node(each).total = node(each).total + value end
        node(path).self = node(path).self + value
      end
    end
  end
  return paths
end

--- The same from a profile of the core.
function proto.paths(profile, line)
  local paths, open = {}, {}
  for depth, name, self, total, file, number in profile:walk() do
    local path = ""
    if depth > 0 then
      path = proto.child(open[depth - 1], name)
      if line then path = ("%s\t%s\t%d"):format(path, file or "", number or 0) end
    end
    open[depth] = path
    paths[path] = { self = self, total = total }
  end
  return paths
end

--- Self and total of every function, recursion counted once per stack.
function proto.functions(p, kind)
  local rows = {}
  for _, sample in ipairs(p.samples) do
    local value, met = sample.values[kind], {}
    for i, frame in ipairs(sample.stack) do
      local row = rows[frame.name] or { self = 0, total = 0 }
      rows[frame.name] = row
      if not met[frame.name] then row.total = row.total + value end
      met[frame.name] = true
      if i == #sample.stack then row.self = row.self + value end
    end
  end
  return rows
end

local field, packed = protobuf.field, protobuf.packed

--- Writes a profile. `spec`: types { {type, unit} }, samples { { stack = { leaf first: index
--- into locations }, values, labels = { {key, str|num} } } }, locations { { lines = { {fn, line}
--- }, address, mapping } }, functions { {name, file, start} }, mappings { file }. `how`: id(n)
--- for other ids, unpacked, reversed (fields in the opposite order), unknown (fields nobody knows).
function proto.write(spec, how)
  how = how or {}
  local id = how.id or function(n) return n end
  local strings, index, parts = { "" }, { [""] = 0 }, {}
  local function str(text)
    if not index[text] then
      strings[#strings + 1] = text
      index[text] = #strings - 1
    end
    return index[text]
  end
  local function put(number, value) parts[#parts + 1] = field(number, value) end
  local function message(list)
    if how.unknown then
      list[#list + 1] = field(99, "unknown") .. field(77, -1)
      list[#list + 1] = protobuf.varint(88 << 3 | 5) .. "abcd"
      list[#list + 1] = protobuf.varint(89 << 3 | 1) .. "abcdefgh"
    end
    return table.concat(list)
  end
  local function repeated(list, number, values)
    if not how.unpacked then
      list[#list + 1] = packed(number, values)
      return
    end
    for _, value in ipairs(values) do list[#list + 1] = field(number, value) end
  end
  for _, t in ipairs(spec.types) do
    put(1, message { field(1, str(t[1])), field(2, str(t[2])) })
  end
  for _, s in ipairs(spec.samples or {}) do
    local list, ids = {}, {}
    for i, location in ipairs(s.stack) do ids[i] = id(location) end
    if #ids > 0 then repeated(list, 1, ids) end
    repeated(list, 2, s.values)
    for _, l in ipairs(s.labels or {}) do
      local label = field(1, str(l[1]))
      if type(l[2]) == "string" then label = label .. field(2, str(l[2]))
      elseif l[2] then label = label .. field(3, l[2]) end
      list[#list + 1] = field(3, label)
    end
    put(2, message(list))
  end
  for i, m in ipairs(spec.mappings or {}) do
    put(3, message { field(1, id(i)), field(5, str(m)) })
  end
  for i, l in ipairs(spec.locations or {}) do
    local list = { field(1, id(i)) }
    if l.mapping then list[#list + 1] = field(2, id(l.mapping)) end
    if l.address then list[#list + 1] = field(3, l.address) end
    for _, line in ipairs(l.lines or {}) do
      local text = line[2] and field(2, line[2]) or ""
      list[#list + 1] = field(4, message { field(1, line[1] ~= 0 and id(line[1]) or 0), text })
    end
    put(4, message(list))
  end
  for i, f in ipairs(spec.functions or {}) do
    put(5, message { field(1, id(i)), field(2, str(f[1])), field(4, str(f[2] or "")),
      field(5, f[3] or 0) })
  end
  if spec.time_nanos then put(9, spec.time_nanos) end
  if spec.duration_nanos then put(10, spec.duration_nanos) end
  if spec.period_type then
    put(11, field(1, str(spec.period_type[1])) .. field(2, str(spec.period_type[2])))
  end
  if spec.period then put(12, spec.period) end
  if spec.default then put(14, str(spec.default)) end
  if how.unknown then put(15, 3) end
  if how.reversed then
    -- Only the order inside one field number means anything.
    local groups, numbers, out = {}, {}, {}
    for _, part in ipairs(parts) do
      local number = protobuf.varint_at(part, 1) >> 3
      if not groups[number] then
        groups[number] = {}
        table.insert(numbers, 1, number)
      end
      table.insert(groups[number], part)
    end
    for _, number in ipairs(numbers) do out[#out + 1] = table.concat(groups[number]) end
    parts = out
  end
  local table_of_strings = {}
  for i, text in ipairs(strings) do table_of_strings[i] = field(6, text) end
  table_of_strings = table.concat(table_of_strings)
  if how.reversed then return table_of_strings .. table.concat(parts) end
  return table.concat(parts) .. table_of_strings
end

--- A random profile for `write`; the same seed gives the same one.
function proto.random(seed)
  local state = seed
  local function random(n)
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 33) % n + 1
  end
  local spec = { types = { { "samples", "count" }, { "cpu", "nanoseconds" } }, samples = {},
    locations = {}, functions = {}, mappings = { "app", "libc.so" }, time_nanos = 1 << 60,
    duration_nanos = 10, period = 100, period_type = { "cpu", "nanoseconds" }, default = "cpu" }
  for i = 1, 12 do
    spec.functions[i] = { i == 12 and "" or "f" .. random(8), "file" .. random(3), random(50) }
  end
  for i = 1, 30 do
    local lines = {}
    for k = 1, random(4) - 1 do lines[k] = { random(12), random(9) } end
    spec.locations[i] = { lines = lines, mapping = random(2), address = random(4000) }
  end
  for i = 1, 60 do
    local stack, labels = {}, {}
    for k = 1, random(9) - 1 do stack[k] = random(30) end
    if random(3) == 1 then labels[1] = { "endpoint", "/" .. random(3) } end
    if random(4) == 1 then labels[#labels + 1] = { "bytes", random(512) } end
    if random(4) == 1 then table.insert(labels, 1, { "zone", "z" .. random(2) }) end
    spec.samples[i] = { stack = stack, values = { random(5) - 1, random(1 << 40) - 1 },
      labels = labels }
  end
  return spec
end

return proto
