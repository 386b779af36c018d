--- A slow reader and writer of protobuf messages, for specs that check the core against it.

local protobuf = {}

local function varint(bytes, at)
  local value, shift = 0, 0
  while true do
    local byte = assert(bytes:byte(at), "varint runs past the end")
    value = value | (byte & 0x7f) << shift
    at, shift = at + 1, shift + 7
    if byte < 0x80 then return value, at end
  end
end

protobuf.varint_at = varint

--- Iterates over the fields of a message: number, wire type, value (integer or bytes).
function protobuf.fields(bytes)
  local at = 1
  return function()
    if at > #bytes then return nil end
    local tag, value, length
    tag, at = varint(bytes, at)
    local wire = tag & 7
    if wire == 0 then
      value, at = varint(bytes, at)
    elseif wire == 2 then
      length, at = varint(bytes, at)
      assert(at + length - 1 <= #bytes, "field runs past the end")
      value, at = bytes:sub(at, at + length - 1), at + length
    else
      length = assert(({ [1] = 8, [5] = 4 })[wire], "wire type")
      value, at = bytes:sub(at, at + length - 1), at + length
    end
    return tag >> 3, wire, value
  end
end

--- The integers of a repeated field, packed or not, appended to `list`.
function protobuf.integers(list, wire, value)
  if wire == 0 then
    list[#list + 1] = value
    return
  end
  local at = 1
  while at <= #value do list[#list + 1], at = varint(value, at) end
end

function protobuf.varint(value)
  local bytes = {}
  while value >= 0x80 or value < 0 do
    bytes[#bytes + 1] = string.char(value & 0x7f | 0x80)
    value = value >> 7
  end
  bytes[#bytes + 1] = string.char(value)
  return table.concat(bytes)
end

--- A field as bytes: integers as varints, strings with their length.
function protobuf.field(number, value)
  if math.type(value) == "integer" then
    return protobuf.varint(number << 3) .. protobuf.varint(value)
  end
  return protobuf.varint(number << 3 | 2) .. protobuf.varint(#value) .. value
end

--- A packed repeated field.
function protobuf.packed(number, list)
  local parts = {}
  for i, value in ipairs(list) do parts[i] = protobuf.varint(value) end
  return protobuf.field(number, table.concat(parts))
end

return protobuf
