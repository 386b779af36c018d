--- Rules that make names of one function equal across builds, versions and runs. Each has a name
--- (to switch it off), texts of which a name must hold one for it to matter, and what it does.

-- Type parameters of Go: a server drops them, files have "[go.shape...]" or "[...]". Brackets of
-- other languages (arrays, "List`1[...]", "[unknown]") stay.
local function go_shapes(name)
  if name:find("`", 1, true) or name:find "^%[" then return name end
  local generic = name:find("[go.shape.", 1, true) or name:find("[...]", 1, true)
    or name:find "^[%w_%-%./%%~]+[%w_]%[[%a%*%[].*%]$"
    or name:find "%.[%w_%(%)%*]+%[[%a%*%[].*%]%)?%."
  if not generic then return name end
  return (name:gsub("%b[]", function(brackets)
    if brackets == "[]" or brackets:find "^%[%d+%]$" then return nil end
    return ""
  end))
end

local function module_version(name)
  name = name:gsub("@v%d[%w%.%-%+]*/", "/"):gsub("@v%d+%.%d+%.%d+[%-%+%w]*", "")
  if name:find "^[%w%-]+%.[%w%.%-]+/" then -- an import path; "k8s.io/api/core/v1" is no version
    name = name:gsub("/v[2-9]%d*([/%.])", "%1"):gsub("/v1%d+([/%.])", "%1")
  end
  return name
end

local function go_closures(name)
  name = name:gsub("%.func%d+%f[^%w_]", ".func"):gsub("%.gowrap%d+", ".gowrap")
    :gsub("%.deferwrap%d+", ".deferwrap"):gsub("%-range%d+", "-range")
    :gsub("%.init%.%d+", ".init")
  local n
  repeat
    name, n = name:gsub("(%.func)%.%d+%f[^%d]", "%1")
  until n == 0
  repeat
    name, n = name:gsub("%.func%.func%f[^%w]", ".func")
  until n == 0
  return name
end

local HASH = "::h" .. ("%x"):rep(16)

local function rust_hash(name)
  return (name:gsub(HASH .. "%f[^%x]", ""):gsub("%.llvm%.%d+", "")
    :gsub("%[%x%x%x%x%x%x%x%x%x*%]::", "::"):gsub("{closure#%d+}", "{closure}")
    :gsub("{{closure}}%[%d+%]", "{{closure}}"))
end

local function jvm_generated(name)
  name = name:gsub("_%[[0-9ijk]%]$", "")
    :gsub("%$%$Lambda[_%$/%d][%w_%$/%.]-%f[%.\0]", "$$Lambda", 1)
    :gsub("%$%$Lambda/0x%x*", "$$Lambda")
    :gsub("(LambdaForm%$%a+)[%./]0x%x*", "%1"):gsub("(%$Proxy)%d+", "%1")
    :gsub("(Generated%a+Accessor)%d+", "%1"):gsub("(CGLIB)%$%$%x+", "%1")
    :gsub("(lambda%$[%w_]+)%$%d+", "%1"):gsub("(%$anonfun%$[%w_]+)%$%d+", "%1")
  return name
end

local function dotnet_generated(name)
  return (name:gsub("(DisplayClass)%d+_%d+", "%1"):gsub(">b__%d+_%d+", ">b__")
    :gsub(">b__%d+", ">b__"):gsub(">d__%d+", ">d__"):gsub("(>g__[%w_]+|)%d+_%d+", "%1"))
end

local function cpp_clones(name)
  name = name:gsub("%s*%[clone [^%]]*%]", "")
  for _ = 1, 8 do
    local kept, kind = name:match "^(.+)%.(%a[%a_]*)$"
    if not kept then kept, kind = name:match "^(.+)%.(%a[%a_]*)%.%d+$" end
    if kind ~= "isra" and kind ~= "part" and kind ~= "constprop" and kind ~= "cold"
        and kind ~= "lto_priv" then
      break
    end
    name = kept
  end
  return name
end

local function addresses(name)
  return (name:gsub("0x%x%x%x%x+", "0x"))
end

local SCRIPT = "%.[%a]+"
local script_kinds = { py = true, pyx = true, rb = true, js = true, cjs = true, mjs = true,
  ts = true, tsx = true, jsx = true, php = true }

-- "app.py:12 handle", "handle (app.py:12)", "app.py:handle - 12", "./lib/app.js:handle:12".
local function script_lines(name)
  name = name:gsub("(" .. SCRIPT .. "):(%d+)", function(kind)
    return script_kinds[kind:sub(2)] and kind or nil
  end)
  if name:find "^node:" then return (name:gsub(":%d+$", "")) end
  local kind = name:match "^[^:]*%.(%a+):."
  if kind and script_kinds[kind] then
    name = name:gsub(" %- %d+$", ""):gsub("([^:]):%d+$", "%1")
  end
  return name
end

---@type { name: string, has: string[], apply: fun(name: string): string }[]
return {
  { name = "jvm_generated", has = { "$", "Accessor", "_[" }, apply = jvm_generated },
  { name = "go_shapes", has = { "[" }, apply = go_shapes },
  { name = "module_version", has = { "@v", "/v" }, apply = module_version },
  { name = "go_closures", has = { ".func", "wrap", "-range", ".init." }, apply = go_closures },
  { name = "rust_hash", has = { "::", ".llvm." }, apply = rust_hash },
  { name = "dotnet_generated", has = { "__", "DisplayClass" }, apply = dotnet_generated },
  { name = "cpp_clones", has = { "[clone", ".isra", ".part", ".constprop", ".cold", ".lto_priv" },
    apply = cpp_clones },
  { name = "addresses", has = { "0x" }, apply = addresses },
  { name = "script_lines", has = { ":" }, apply = script_lines },
}
