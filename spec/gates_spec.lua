-- Through Grafana and through Perses: recorded conversations, and lists of allowed endpoints in
-- front of a querier.

local access = require "pyroscope.source.server.access"
local cjson = require "cjson"
local cli = require "spec.support.cli"
local core = require "pyroscope.core"
local perses = require "pyroscope.config.perses"
local process = require "spec.support.process"
local pyroscope = require "pyroscope"
local refusal = require "pyroscope.source.server.refusal"
local world = require "spec.support.world"

local CASES = "spec/fixtures/gates.jsonl"
local WINDOW = { from = 1795216800, to = 1795220400 }

-- What each recorded refusal is: kind, code. The longest beginning of a name counts.
local EXPECTED = {
  ["grafana-400-uid"] = "config datasource", ["grafana-401"] = "auth unauthenticated",
  ["grafana-403-noperm"] = "auth permission_denied",
  ["grafana-403-prometheus"] = "config datasource_type",
  ["grafana-404-plugin"] = "config datasource_plugin", ["grafana-404-uid"] = "config datasource",
  ["grafana-502"] = "http gateway", ["grafana-504"] = "timeout gateway_timeout",
  ["grafana-api-404"] = "http grafana", ["grafana-basic-user-wrong"] = "auth unauthenticated",
  ["grafana-get-missing"] = "config datasource", ["grafana-html-200"] = "http grafana",
  ["grafana-html-login"] = "auth grafana", ["grafana-no-api-prefix"] = "auth grafana",
  ["grafana-list-anonymous"] = "auth unauthenticated",
  ["grafana-list-noperm"] = "auth permission_denied", ["grafana-rpc-404"] = "http not_found",
  ["grafana-rpc-415"] = "http content_type", ["grafana-rpc-error"] = "usage range",
  ["grafana-rpc-get"] = "http not_found", ["grafana-upstream-302"] = "auth login",
  ["grafana-upstream-401"] = "auth data_source",
  ["grafana-upstream-403"] = "auth permission_denied",
  ["grafana-upstream-404"] = "http not_found", ["grafana-upstream-429"] = "rpc resource_exhausted",
  ["grafana-upstream-login"] = "auth login_page", ["grafana-upstream-reset"] = "http gateway",
  ["perses-anchored-suffix"] = "unsupported endpoint",
  ["perses-apiprefix-missing"] = "http redirect", ["perses-auth-bad"] = "auth unauthenticated",
  ["perses-auth-basic"] = "auth unauthenticated", ["perses-auth-cookie"] = "auth unauthenticated",
  ["perses-auth-direct"] = "config direct_url", ["perses-direct"] = "config direct_url",
  ["perses-auth-down"] = "http gateway", ["perses-down"] = "http gateway",
  ["perses-nohost"] = "http gateway", ["perses-upstream-reset"] = "http gateway",
  ["perses-auth-editor-blocked"] = "unsupported endpoint",
  ["perses-auth-expired"] = "auth unauthenticated",
  ["perses-auth-global-viewer"] = "auth permission_denied",
  ["perses-auth-guest"] = "auth permission_denied",
  ["perses-auth-guest-unknown-project"] = "config project",
  ["perses-unknown-project"] = "config project", ["perses-auth-list-none"] = "auth unauthenticated",
  ["perses-auth-list-viewer"] = "auth permission_denied",
  ["perses-auth-login"] = "auth unauthenticated", ["perses-auth-none"] = "auth unauthenticated",
  ["perses-auth-refresh"] = "auth unauthenticated", ["perses-auth-unknown-ds"] = "config datasource",
  ["perses-unknown-ds"] = "config datasource", ["perses-dashboard-unknown"] = "config datasource",
  ["perses-nosecret"] = "config datasource_secret",
  ["perses-auth-upstream-401"] = "auth no_tenant", ["perses-upstream-401"] = "auth no_tenant",
  ["perses-auth-upstream-403"] = "auth permission_denied",
  ["perses-upstream-403"] = "auth permission_denied",
  ["perses-editor-blocked"] = "unsupported endpoint",
  ["perses-editor-blocked-renderdiff"] = "rpc invalid_argument",
  ["perses-editor-project-blocked"] = "unsupported endpoint",
  ["perses-editor-options"] = "unsupported endpoint", ["perses-wild"] = "unsupported endpoint",
  ["perses-editor-head"] = "auth permission_denied", ["perses-editor"] = "http not_found",
  ["perses-render-encoded-path"] = "http not_found", ["perses-rpc-404"] = "http not_found",
  ["perses-rpc-415"] = "http content_type", ["perses-rpc-error"] = "usage range",
  ["perses-rpc-get"] = "http not_found", ["perses-upstream-302"] = "auth login",
  ["perses-upstream-404"] = "http not_found", ["perses-upstream-429"] = "rpc resource_exhausted",
  ["perses-upstream-500"] = "http 500", ["perses-upstream-login"] = "auth login_page",
  ["perses-wrong-prefix"] = "http not_found",
}

local function expected_of(name)
  local best
  for prefix in pairs(EXPECTED) do
    if name:sub(1, #prefix) == prefix and (not best or #prefix > #best) then best = prefix end
  end
  return best and EXPECTED[best]
end

local function judged(case)
  local headers = {}
  for name, value in pairs(case.headers) do
    headers[name:lower()] = type(value) == "table" and table.concat(value, ", ") or value
  end
  local is_perses = case.via:sub(1, 6) == "perses"
  return refusal.of({ status = math.tointeger(case.status), headers = headers, tries = 1 },
    case.body, { access = assert(access.new { token = "glsa_secret_of_mine" }), method = case.method,
      base = is_perses and "http://x/proxy/globaldatasources/y" or "http://x/api/datasources/proxy/uid/u",
      what = case.path:match "QuerierService/(%w+)" or "it", url = "http://x" })
end

local function refused(case)
  return case.status ~= 200 or (case.body or ""):find "^%s*<"
end

describe("a refusal through a proxy", function()
  it("is told apart: the proxy's own, the server's, a login page (MCP-19, GCX-13, W-MCP-08)",
    function()
      local count = 0
      for line in io.lines(CASES) do
        local case = cjson.decode(line)
        if refused(case) then
          count = count + 1
          local err = judged(case)
          assert.equal(expected_of(case.name), err.kind .. " " .. tostring(err.code), case.name)
          assert.is_nil((tostring(err) .. (err.hint or "")):find("glsa_secret", 1, true))
        end
      end
      assert.is_true(count > 80)
    end)

  it("names the permission that is missing (MCP-19)", function()
    for line in io.lines(CASES) do
      local case = cjson.decode(line)
      if case.name == "grafana-403-noperm" then
        assert.matches("datasources:query", judged(case).hint)
      end
    end
  end)
end)

describe("through Grafana (GCX-01, GCX-41, AX-04)", function()
  local server
  setup(function() server = process.start("spec/support/gates.lua", CASES, "grafana") end)
  teardown(function() server:stop() end)

  local function connect(options)
    options.grafana = options.grafana or server.url
    options.token = options.token or "glsa_example"
    return assert(pyroscope.connect(options))
  end

  local function services(options)
    local client <close> = connect(options)
    local names, err = client:label_values("service_name", WINDOW)
    return names, err, client.base
  end

  it("finds the data source by uid, and asks through its proxy", function()
    local names, _, base = services { datasource = "pyro-main" }
    assert.same({ "checkout", "orders", "quotes", "reports" }, names)
    assert.equal(server.url .. "/api/datasources/proxy/uid/pyro-main", base)
  end)

  it("finds it by its name, whatever page of Grafana the address was copied from", function()
    for _, tail in ipairs { "", "/", "/explore?orgId=1", "/connections/datasources/edit/pyro-main" } do
      local names, _, base = services { grafana = server.url .. tail, datasource = "Pyroscope basic" }
      assert.equal(4, #names)
      assert.matches("/uid/pyro%-basic$", base)
    end
  end)

  it("lists what there is when several fit or none does, and refuses other types", function()
    local _, err = services {}
    assert.equal("config", err.kind)
    assert.matches("pyro%-main  %(Pyroscope%)", err.hint)
    _, err = services { datasource = "pyro-mian" }
    assert.matches("did you mean 'pyro%-main'", err.message)
    _, err = services { datasource = "prom" }
    assert.equal("datasource_type", err.code)
  end)

  it("needs no right to read data sources when the uid is given", function()
    local client <close> = connect { datasource = "pyro-main", token = "glsa_noperm_example" }
    local _, err = client:label_values("service_name", WINDOW)
    assert.matches("datasources:query", err.message) -- of the query itself, not of the look-up
    client:close()
    local _, other = services { token = "glsa_noperm_example" }
    assert.matches("datasources:read", other.message)
    assert.matches("%-%-datasource UID", other.hint)
  end)

  it("links to Explore and to Profiles Drilldown, without a secret (AX-27)", function()
    local client <close> = connect { datasource = "pyro-main" }
    local question = { service = "checkout", type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
      labels = { pod = "a|b" }, from = WINDOW.from, to = WINDOW.to }
    local explore = assert(client:link(question, { view = "explore" }))
    assert.matches("^" .. server.url:gsub("%p", "%%%0") .. "/explore%?schemaVersion=1", explore)
    local panes = explore:match "panes=([^&]+)":gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
    local pane = cjson.decode(panes).a
    assert.equal("pyro-main", pane.datasource)
    assert.equal('{service_name="checkout", pod="a|b"}', pane.queries[1].labelSelector)
    assert.equal("1795216800000", pane.range.from)
    local drilldown = assert(client:link(question))
    assert.matches("/a/grafana%-pyroscope%-app/explore%?explorationType=flame%-graph", drilldown)
    assert.matches("var%-serviceName=checkout", drilldown)
    assert.matches("var%-filters=pod%%7C%%3D%%7Ca%%7Cb", drilldown)
    local diff = assert(client:link(question, { view = "diff" }))
    assert.matches("explorationType=diff%-flame%-graph", diff)
    assert.matches("diffFrom=1795213200000&diffTo=1795216800000", diff)
    for _, url in ipairs { explore, drilldown, diff } do assert.is_nil(url:find "glsa_") end
  end)

  it("is what --source URL --datasource UID means, and a deployment may say", function()
    local here = cli.folder()
    local file = assert(io.open(here .. "/config.toml", "w"))
    file:write(('[pyroscope.deployments.g]\ngrafana = "%s"\ndatasource = "pyro-main"\n'
      .. 'token = "glsa_example"\n'):format(server.url))
    file:close()
    os.execute("chmod 600 " .. here .. "/config.toml")
    local out, err, code = cli.run({ "labels", "g", "service_name", "--config", "config.toml",
      "--from", "1795216800", "--to", "1795220400", "-o", "names" }, { folder = here })
    assert.equal(0, code, err)
    assert.equal("checkout\norders\nquotes\nreports\n", out)
    local token = assert(io.open(here .. "/token", "w"))
    token:write "glsa_example\n"
    token:close()
    out = cli.run({ "labels", "service_name", "--source", server.url, "-d", "pyro-main",
      "--token-file", "token", "--from", "1795216800", "--to", "1795220400", "-o", "names" },
      { folder = here })
    assert.matches("^checkout\n", out)
    out = cli.run({ "config", "show", "g", "--config", "config.toml" }, { folder = here })
    assert.matches("grafana +http", out)
    assert.is_nil(out:find("glsa_example", 1, true))
    cli.clean()
  end)
end)

describe("through Perses (PER-01 to PER-04, PER-10)", function()
  local server
  setup(function() server = process.start("spec/support/gates.lua", CASES, "perses") end)
  teardown(function() server:stop() end)

  local function services(options)
    options.perses = server.url
    local client <close> = assert(pyroscope.connect(options))
    local names, err = client:label_values("service_name", WINDOW)
    return names, err, client
  end

  it("finds a global data source, and one of a project (PER-03, PER-04)", function()
    local names, _, client = services { datasource = "open" }
    assert.equal(4, #names)
    assert.equal(server.url .. "/proxy/globaldatasources/open", client.base)
    names, _, client = services { project = "shop", datasource = "basic" }
    assert.equal(4, #names)
    assert.equal(server.url .. "/proxy/projects/shop/datasources/basic", client.base)
  end)

  it("reads data sources that spell out what they do not have", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    for line in io.lines(CASES) do
      local case = cjson.decode(line)
      if case.name == "perses-list-filter-kind" then
        case.path = "/api/v1/globaldatasources"
        case.body = case.body:gsub('"spec":{"proxy":', '"spec":{"directUrl":null,"minStep":null,"proxy":', 1)
          :gsub('"url":"[^"]*"', '%0,"headers":null,"secret":null,"allowedEndpoints":[null]', 1)
          :gsub('^%[', '[null,', 1)
        assert.matches('"secret":null', case.body)
        line = cjson.encode(case)
        file:write(line, "\n")
      elseif case.path:find "^/proxy/globaldatasources/open/.*LabelValues" then
        file:write(line, "\n")
      end
    end
    file:close()
    local nulls = process.start("spec/support/gates.lua", path, "perses")
    local client <close> = assert(pyroscope.connect { perses = nulls.url, datasource = "open" })
    local names = assert(client:label_values("service_name", WINDOW))
    nulls:stop()
    os.remove(path)
    assert.same({ "checkout", "orders", "quotes", "reports" }, names)
  end)

  it("contacts a directUrl itself, without what Perses is told (PER-02)", function()
    local _, err, client = services { datasource = "direct" }
    assert.equal("http://127.0.0.1:9500", client.base)
    assert.equal("none", client.access.kind)
    assert.is_true(err == nil or err.kind == "unreachable")
  end)

  it("says which there are, and asks which one (PER-10)", function()
    local _, err = services {}
    assert.matches("none is the default", err.message)
    assert.matches("editor", err.hint)
    _, err = services { datasource = "opne" }
    assert.matches("did you mean 'open'", err.message)
  end)

  it("asks nothing that the data source does not let through (PER-05, PER-06)", function()
    local client <close> = assert(pyroscope.connect { perses = server.url, datasource = "editor" })
    local _, err = client:call("SelectSeries", {})
    assert.equal("endpoint", err.code)
    assert.matches("%- endpointPattern: /querier.v1.QuerierService/SelectSeries\n    method: POST",
      err.hint)
  end)
end)

describe("a data source file of Perses (PER-01)", function()
  local here, server
  local EDITOR = { { "/pyroscope/render", "GET" },
    { "/querier.v1.QuerierService/ProfileTypes", "POST" },
    { "/querier.v1.QuerierService/LabelNames", "POST" },
    { "/querier.v1.QuerierService/LabelValues", "POST" } }

  setup(function()
    here = cli.folder()
    assert(os.execute("mkdir " .. here .. "/world"))
    world.write(here .. "/world")
    server = process.start("spec/support/querier.lua", here .. "/world")
  end)
  teardown(function()
    server:stop()
    cli.clean()
  end)

  local function write(name, endpoints, more)
    local lines = { "kind: GlobalDatasource", "metadata:", "  name: profiles", "spec:",
      "  default: true", "  plugin:", "    kind: PyroscopeDatasource", "    spec:", "      proxy:",
      "        kind: HTTPProxy", "        spec:", "          url: " .. server.url }
    if endpoints then
      lines[#lines + 1] = "          allowedEndpoints:"
      for _, pair in ipairs(endpoints) do
        lines[#lines + 1] = "            - endpointPattern: " .. pair[1]
        lines[#lines + 1] = "              method: " .. pair[2]
      end
    end
    if more then lines[#lines + 1] = more end
    local file = assert(io.open(here .. "/" .. name, "w"))
    file:write(table.concat(lines, "\n") .. "\n")
    file:close()
    return here .. "/" .. name
  end

  local question = { service = "checkout", type = "cpu", from = "2025-11-20T14:00:00Z",
    to = "2025-11-20T15:00:00Z" }

  it("is a connection, in YAML and in JSON, with its headers", function()
    for _, path in ipairs { write("all.yaml", nil, "          headers:\n            X-Extra: yes-it-is"),
      "json" } do
      if path == "json" then
        path = here .. "/all.json"
        local file = assert(io.open(path, "w"))
        file:write(cjson.encode { kind = "PyroscopeDatasource", spec = { directUrl = server.url } })
        file:close()
      end
      local client <close> = assert(pyroscope.connect { perses = path })
      assert.is_true((assert(client:profile(question))).sum > 0)
    end
  end)

  it("with the editor's endpoints gives trees by /pyroscope/render (PER-06, PER-17)", function()
    local direct <close> = assert(pyroscope.connect { url = server.url })
    local client <close> = assert(pyroscope.connect { perses = write("editor.yaml", EDITOR) })
    local ours, theirs = assert(client:profile(question)), assert(direct:profile(question))
    assert.equal(theirs.sum, ours.sum)
    assert.same((theirs:top(5)), (ours:top(5)))
    local window = { from = question.from, to = question.to }
    assert.same(direct:label_values("service_name", window), client:label_values("service_name",
      window))
    local _, err = client:timeline(question)
    assert.equal("endpoint", err.code)
    assert.equal("unsupported", err.kind)
    _, err = client:pprof(question)
    assert.equal("endpoint", err.code)
  end)

  it("with the documented render, labels, label-values asks those and nothing else (PER-05, PER-12,"
    .. " PER-17)", function()
      local client <close> = assert(pyroscope.connect { perses = write("old.yaml", {
        { "/render", "GET" }, { "/labels", "GET" }, { "/label-values", "GET" } }) })
      client.explain = true
      assert.is_true((assert(client:profile(question))).sum > 0)
      for _, entry in ipairs(client:log()) do
        assert.matches("/pyroscope/", entry.url)
      end
      local _, err = client:label_names { from = question.from, to = question.to }
      assert.equal("endpoint", err.code)
      local out, code
      local file = assert(io.open(here .. "/c.toml", "w"))
      file:write(('[pyroscope.deployments.p]\nperses = "%s/old.yaml"\n'):format(here))
      file:close()
      out, err, code = cli.run({ "top", "checkout", "--source", "p", "--config", "c.toml", "--from",
        "2025-11-20T14:00:00Z", "--to", "2025-11-20T15:00:00Z", "-n", "1" }, { folder = here })
      assert.equal(0, code, err)
      assert.matches("1 of ", out)
      out = cli.run({ "doctor", "p", "--config", "c.toml" }, { folder = here })
      assert.matches("endpointPattern: /querier.v1.QuerierService/LabelValues", out)
    end)

  it("may have the keys of newer releases, and nulls in YAML", function()
    local client <close> = assert(pyroscope.connect { perses = write("newer.yaml", nil,
      "          timeout: 30s\n          dropHeaders: [Cookie]\n          secret: null\n"
      .. "          allowedEndpoints: ~\n        # of the plugin itself\n      minStep: 15s") })
    assert.is_true((assert(client:profile(question))).sum > 0)
    local documents = assert(perses.parse('[null,{"kind":"x","spec":{"list":[1,null,2,null]}}]', "it"))
    assert.same({ { kind = "x", spec = { list = { 1, 2 } } } }, documents)
  end)

  it("has queries as an editor leaves them: rows and numbers that were not touched", function()
    local function asked(text)
      local documents = assert(perses.parse(text, "it"))
      return perses.query(perses.queries(documents)[1].plugin, "it")
    end
    local query = '{"kind":"PyroscopeProfileQuery","spec":{"profileType":"cpu","maxNodes":%s,'
      .. '"service":null,"query":"","filters":[%s]}}'
    local row = '{"labelName":"pod","labelValue":"a","operator":"="}'
    local blank = '{"labelName":"","labelValue":"","operator":""}'
    assert.same({ type = "cpu", selector = '{pod="a"}' },
      asked(query:format("0", blank .. ",null," .. row)))
    assert.same({ type = "cpu", max_nodes = 7, selector = "{}" }, asked(query:format("7", blank)))
    for _, wrong in ipairs { '{"labelName":"","labelValue":"a","operator":"="}',
      '{"labelName":"pod","labelValue":"a"}', '{"labelName":"pod","labelValue":"a","operator":"=="}',
      '{"operator":"="}', "7" } do
      local none, err = asked(query:format("0", row .. "," .. wrong))
      assert.is_nil(none)
      assert.equal("config", err.kind)
    end
    for _, wrong in ipairs { "-1", "1.5", '"7"' } do
      local none, err = asked(query:format(wrong, row))
      assert.is_nil(none)
      assert.matches("maxNodes", err.message)
    end
  end)

  it("names what it does not know, and what Perses alone holds (PER-01, PER-03)", function()
    local _, err = pyroscope.connect { perses = write("secret.yaml", nil, "          secret: store") }
    assert.matches("only Perses knows", err.message)
    _, err = pyroscope.connect { perses = write("typo.yaml", nil, "          secrets: store") }
    assert.matches("unknown field 'secrets'", err.message)
    assert.matches("did you mean 'secret'", err.message)
    _, err = pyroscope.connect { perses = here .. "/none.yaml" }
    assert.equal("config", err.kind)
    _, err = pyroscope.connect { perses = "http://127.0.0.1:1", url = "http://127.0.0.1:2" }
    assert.matches("only one of them", err.message)
  end)

  it("headers of a call replace only their own names (PER-23)", function()
    local path = write("headers.yaml", nil,
      "          headers:\n            X-Extra: theirs\n            X-Scope-OrgID: one")
    local client <close> = assert(pyroscope.connect { perses = path, headers = { ["x-extra"] = "mine" } })
    local sent = table.concat(assert(client.access:of(client.base, 1)), "\n")
    assert.matches("x%-extra: mine", sent)
    assert.is_nil(sent:find "theirs")
    assert.matches("X%-Scope%-OrgID: one", sent)
  end)

  it("runs the profile queries of a dashboard (PER-07, PER-08, PER-09, PER-11)", function()
    local file = assert(io.open(here .. "/board.yaml", "w"))
    file:write(([[
kind: Dashboard
metadata: { name: board, project: shop }
spec:
  datasources:
    mine:
      default: true
      plugin: { kind: PyroscopeDatasource, spec: { directUrl: "%s" } }
  panels:
    b:
      kind: Panel
      spec:
        display: { name: By service }
        queries:
          - kind: ProfileQuery
            spec:
              plugin:
                kind: PyroscopeProfileQuery
                spec:
                  profileType: cpu
                  service: checkout
                  maxNodes: 100
                  filters:
                    - { labelName: version, labelValue: "2.41.0", operator: "=" }
    a:
      kind: Panel
      spec:
        display: { name: By text }
        queries:
          - kind: ProfileQuery
            spec:
              plugin:
                kind: PyroscopeProfileQuery
                spec:
                  profileType: process_cpu:cpu:nanoseconds:cpu:nanoseconds
                  query: '{service_name="checkout"}'
                  datasource: { kind: PyroscopeDatasource, name: mine }
]]):format(server.url))
    file:close()
    local words = { "perses", "board.yaml", "--from", "2025-11-20T14:00:00Z", "--to",
      "2025-11-20T15:00:00Z", "-n", "2" }
    local out, err, code = cli.run(words, { folder = here })
    assert.equal(0, code, err)
    assert.matches("By text.*By service", out)
    words[#words + 1] = "--json"
    local document = cjson.decode((cli.run(words, { folder = here })))
    assert.equal(2, #document.rows)
    assert.equal(2, #document.rows[1].functions)
    assert.matches("2.41.0", document.rows[2].selector, 1, true)
    -- an incomplete filter is an error, never left out
    os.execute(("sed -i 's/operator: \"=\"/operator: \"~\"/' %s/board.yaml"):format(here))
    local told
    out, told, code = cli.run(words, { folder = here })
    assert.equal(4, code, told)
    assert.matches("operator '~' is none of", cjson.decode(out).rows[2].error.message)
  end)

  it("is written for a question, too (PER-21)", function()
    local out, err = cli.run({ "link", "checkout", "--source", server.url, "--as", "perses",
      "--from", "2025-11-20T14:00:00Z", "--to", "2025-11-20T15:00:00Z", "-l", "pod=~checkout.*" },
      { folder = here })
    assert.equal("", err)
    local definition = cjson.decode(out)
    assert.equal("PyroscopeProfileQuery", definition.spec.plugin.kind)
    assert.same({ { labelName = "pod", operator = "=~", labelValue = "checkout.*" } },
      definition.spec.plugin.spec.filters)
    assert.equal("checkout", definition.spec.plugin.spec.service)
    assert.is_table(core.methods())
  end)
end)
