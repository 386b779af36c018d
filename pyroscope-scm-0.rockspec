rockspec_format = "3.0"
package = "pyroscope"
version = "scm-0"
source = { url = "git+https://localhost/pyroscope.git" }
description = {
  summary = "Answers from continuous profiles: a client and a program for Grafana Pyroscope",
  detailed = [[
Questions a Pyroscope server, or a folder of pprof files, and says where the CPU, the memory
and the time went and what changed: call trees in C, rows in Lua, and the program pscope.]],
  license = "MIT",
}
dependencies = { "lua >= 5.4, < 5.5", "lua-cjson >= 2.1", "argparse >= 0.7", "luv >= 1.44" }
-- libraries alone: on Debian the headers are not where LuaRocks looks, but the compiler finds them
external_dependencies = {
  CURL = { library = "curl" },
  ZLIB = { library = "z" },
  PCRE2 = { library = "pcre2-8" },
}
build = {
  type = "builtin",
  modules = {
    ["pyroscope.core"] = {
      sources = {
        "src/base/buffer.c",
        "src/base/decimal.c",
        "src/base/gzip.c",
        "src/base/json.c",
        "src/base/names.c",
        "src/decode/diff.c",
        "src/decode/flamegraph_json.c",
        "src/decode/flamegraph_proto.c",
        "src/decode/folded.c",
        "src/decode/format.c",
        "src/decode/levels.c",
        "src/decode/pprof.c",
        "src/decode/pprof_labels.c",
        "src/decode/pprof_stacks.c",
        "src/decode/speedscope.c",
        "src/decode/tree.c",
        "src/lua/align.c",
        "src/lua/collect.c",
        "src/lua/core.c",
        "src/lua/derive.c",
        "src/lua/formats.c",
        "src/lua/pprof.c",
        "src/lua/profile.c",
        "src/lua/querier.c",
        "src/lua/regex.c",
        "src/lua/rows.c",
        "src/lua/shared.c",
        "src/lua/top.c",
        "src/profile/group.c",
        "src/profile/match.c",
        "src/profile/package.c",
        "src/profile/profile.c",
        "src/profile/rebuild.c",
        "src/profile/regex.c",
        "src/profile/rewrite.c",
        "src/profile/sorted.c",
        "src/profile/stacks.c",
        "src/profile/top.c",
        "src/profile/union.c",
        "src/querier/json.c",
        "src/querier/messages.c",
        "src/querier/wire.c",
        "src/render/flamegraph.c",
        "src/render/pprof.c",
        "src/render/quantity.c",
        "src/render/speedscope.c",
        "src/render/svg.c",
        "src/render/text.c",
      },
      libraries = { "z", "pcre2-8" },
      defines = { "_GNU_SOURCE" },
      incdirs = { "src", "$(ZLIB_INCDIR)", "$(PCRE2_INCDIR)" },
      libdirs = { "$(ZLIB_LIBDIR)", "$(PCRE2_LIBDIR)" },
    },
    ["pyroscope.http"] = {
      sources = {
        "src/base/buffer.c",
        "src/http/address.c",
        "src/http/failure.c",
        "src/http/head.c",
        "src/http/inflate.c",
        "src/http/pool.c",
        "src/http/request.c",
        "src/http/trust.c",
        "src/lua/http.c",
        "src/lua/http_answer.c",
        "src/lua/shared.c",
      },
      libraries = { "curl", "z" },
      defines = { "_GNU_SOURCE" },
      incdirs = { "src", "$(CURL_INCDIR)", "$(ZLIB_INCDIR)" },
      libdirs = { "$(CURL_LIBDIR)", "$(ZLIB_LIBDIR)" },
    },
  },
  install = { bin = { pscope = "lua/pyroscope/cli/main.lua" } },
  copy_directories = { "examples", "doc" },
}
test = { type = "command", command = "busted" }
