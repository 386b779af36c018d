std = "lua54"
max_line_length = 100
include_files = { "lua/**/*.lua", "spec/**/*.lua", "examples/**/*.lua", ".luacheckrc", ".busted",
  "*.rockspec" }
exclude_files = { "lua/pyroscope/_meta/*.lua" }
files["spec"] = { std = "+busted", max_line_length = 125 }
files["*.rockspec"] = { std = "rockspec" }
