--- Hashes that are the same on every machine and in every run. Not for secrets.

local hash = {}

--- 64-bit FNV-1a as 16 hexadecimal digits.
---@param text string
---@return string
function hash.fnv1a(text)
  local h = 0xcbf29ce484222325
  for i = 1, #text do h = (h ~ text:byte(i)) * 0x100000001b3 end
  return ("%016x"):format(h)
end

return hash
