-- A recipe of one's own: is one version hungrier than another, leaving out the collector?
-- Usage: pscope investigate ./examples/own_recipe.lua SERVICE
local inv = require "pyroscope.investigate"

return function(source, options)
  local case, err = inv.case.open(source, options, "cpu")      -- windows, gates, replicates
  if not case then return nil, err end
  if not case.quality.ok then return inv.case.report(case, { recipe = "own" }) end
  case, err = inv.case.fetch(case)                             -- trees, aligned
  if not case then return nil, err end

  local u = inv.tree.drop(case.union, { [[^runtime\.gc]], [[^runtime\.bg]] })
  local bar = { min_share = 0.01, min_rel = 0.10, alpha = 0.01 }
  local function test(rest)                  -- called again after each cause is taken out
    return inv.stats.choose(rest, inv.normalise.size_factors(rest), case.design, bar)
  end
  local found, tests = inv.explain.causes(u, test, bar)
  for _, finding in ipairs(found) do
    finding.guards = inv.guards.all({ u = u, quality = case.quality, tests = tests }, finding)
  end
  inv.evidence.locate(source, case.subject, case.design, found)
  return inv.case.report(case, { recipe = "own", findings = found, tests = tests, union = u })
end
