-- Every capability of the checklist is shown by a spec that names it, or belongs to work that is
-- named as open.

local capabilities = require "spec.support.capabilities"

describe("the checklist of capabilities", function()
  local list, found, waiting = capabilities.list(), capabilities.found(), capabilities.waiting()
  local known = {}
  for _, row in ipairs(list) do known[row.id] = true end

  for _, row in ipairs(list) do
    it("has a spec for " .. row.id, function()
      if waiting[row.id] then
        assert.is_nil(found[row.id], row.id .. " has a spec: take it off the list of open work")
      else
        assert.is_table(found[row.id], row.id .. " has no spec: " .. row.subject)
      end
    end)
  end

  it("names no id that does not exist", function()
    for id in pairs(waiting) do assert.is_true(known[id], id) end
    for id, names in pairs(found) do
      if id:find "^PER%-" or id:find "^AX%-" or id:find "^GCX%-" or id:find "^MCP%-" then
        assert.is_true(known[id] or false, id .. " in " .. names[1])
      end
    end
  end)

  it("is the whole of the design's, where that is at hand", function()
    local file = io.open "../shared/design/capabilities.md"
    if not file then pending "needs ../shared: the checklist itself" end
    local text = file:read "a"
    file:close()
    for row in text:gmatch "\n| ([^|]+) |" do
      for id in row:gmatch "%u+%-%d+" do
        if id:find "^PER%-" or id:find "^AX%-" or id:find "^GCX%-" or id:find "^MCP%-" then
          assert.is_true(known[id] or row:find "^W%-" ~= nil, id .. " is missing here")
        end
      end
    end
  end)
end)
