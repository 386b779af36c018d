--- Writes small pprof files for specs, byte by byte: what is read was not made by what reads.

local writer = {}

local function varint(n)
  local bytes = {}
  repeat
    local low = n & 0x7f
    n = n >> 7
    bytes[#bytes + 1] = string.char(n ~= 0 and low | 0x80 or low)
  until n == 0
  return table.concat(bytes)
end

local function field(number, value)
  if type(value) == "string" then return varint(number << 3 | 2) .. varint(#value) .. value end
  return value == 0 and "" or varint(number << 3) .. varint(value)
end

local function packed(number, list)
  local parts = {}
  for i, value in ipairs(list) do parts[i] = varint(value) end
  return field(number, table.concat(parts))
end

--- Bytes of a raw pprof. `samples`: { stack = { leaf first: "name" or {name, file, line} },
--- values = {...}, labels = {k = v} }.
---@param profile { types: string[][], samples: table[], time_ms?: integer, duration_ms?: integer }
---@return string
function writer.pprof(profile)
  local strings, index, count = {}, {}, 0
  local function text(s)
    if not index[s] then
      index[s], count = count, count + 1
      strings[count] = s
    end
    return index[s]
  end
  text ""
  local parts, functions, locations = {}, {}, {}
  for _, kind in ipairs(profile.types) do
    parts[#parts + 1] = field(1, field(1, text(kind[1])) .. field(2, text(kind[2])))
  end
  local function_list, location_list = {}, {}
  local function location(frame)
    local name, file, line = frame, "", 0
    if type(frame) == "table" then name, file, line = frame[1], frame[2] or "", frame[3] or 0 end
    local key = ("%s\0%s\0%d"):format(name, file, line)
    if not locations[key] then
      local owner = name .. "\0" .. file
      if not functions[owner] then
        functions[owner] = #function_list + 1
        function_list[#function_list + 1] = field(5, field(1, functions[owner])
          .. field(2, text(name)) .. field(3, text(name)) .. field(4, text(file))
          .. field(5, frame[4] or 0))
      end
      locations[key] = #location_list + 1
      location_list[#location_list + 1] = field(4, field(1, locations[key])
        .. field(4, field(1, functions[owner]) .. field(2, line)))
    end
    return locations[key]
  end
  for _, sample in ipairs(profile.samples) do
    local stack = {}
    for i, frame in ipairs(sample.stack) do stack[i] = location(frame) end
    local labels, names = "", {}
    for name in pairs(sample.labels or {}) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      labels = labels .. field(3, field(1, text(name)) .. field(2, text(sample.labels[name])))
    end
    parts[#parts + 1] = field(2, packed(1, stack) .. packed(2, sample.values) .. labels)
  end
  for _, list in ipairs { location_list, function_list } do
    for _, bytes in ipairs(list) do parts[#parts + 1] = bytes end
  end
  local last = profile.types[#profile.types]
  parts[#parts + 1] = field(9, (profile.time_ms or 0) * 1000000)
  parts[#parts + 1] = field(10, (profile.duration_ms or 0) * 1000000)
  parts[#parts + 1] = field(11, field(1, text(last[1])) .. field(2, text(last[2])))
  for i = 1, count do
    parts[#parts + 1] = varint(6 << 3 | 2) .. varint(#strings[i]) .. strings[i]
  end
  return table.concat(parts)
end

return writer
