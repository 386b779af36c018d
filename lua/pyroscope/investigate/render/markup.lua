--- Text inside of HTML, SVG and XML: nothing in a name is markup, nothing turns what is around it.

local screen = require "pyroscope.cli.screen"

local markup = {}

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
  ["'"] = "&#39;" }

--- A name or sentence as text or as the value of a quoted attribute.
---@param text string
---@return string
function markup.escaped(text)
  text = screen.printable(tostring(text)):gsub("[&<>\"']", ENTITIES)
  -- XML knows neither of these
  return (text:gsub("\239\191[\190\191]", "\u{fffd}"))
end

--- An address that may stand in a link, or nil.
---@param url any
---@return string?
function markup.address(url)
  if type(url) ~= "string" or url:find "[%c%s]" then return nil end
  if not url:find "^https?://[%w%[]" then return nil end
  return markup.escaped(url)
end

return markup
