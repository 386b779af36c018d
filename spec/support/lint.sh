#!/bin/sh
# Checks that need no run: style of the Lua sources, house rules of the C sources, exported
# symbols; clang-format, cppcheck and clang-tidy where they are installed. Argument: build folder.
set -u
build=$1
failed=0
fail () { echo "lint: $*" >&2; failed=1; }

luacheck -q --codes . || fail "luacheck"

rule=$(grep -rlE '#include *[<"](lua|lauxlib|lualib)\.h' src --include='*.[ch]' | grep -v '^src/lua/')
[ -z "$rule" ] || fail "only src/lua may include Lua's headers: $rule"
# what each folder of the core may include beside itself
while read -r folder below; do
  pattern=$(echo "$folder $below" | tr ' ' '|')
  rule=$(grep -rnE '#include "[a-z]+/' "src/$folder" --include='*.[ch]' |
    grep -vE "#include \"($pattern)/")
  [ -z "$rule" ] || fail "src/$folder includes what is above it: $rule"
done <<END
base
profile base
decode profile base
render profile base
querier decode profile base
http base
END
rule=$(grep -rn '#include <curl/' src --include='*.[ch]' | grep -v -e '^src/http/' -e '^src/lua/http')
[ -z "$rule" ] || fail "only src/http may include libcurl's headers: $rule"
rule=$(grep -rnE 'require *\(?"luv"' lua | grep -v '^lua/pyroscope/system.lua')
[ -z "$rule" ] || fail "only system.lua may require luv: $rule"

for module in core http; do
  symbols=$(nm -D --defined-only "$build/pyroscope/$module.so" | awk '{print $3}' | sort | tr '\n' ' ')
  [ "$symbols" = "luaopen_pyroscope_$module " ] || fail "$module.so exports: $symbols"
  readelf -d "$build/pyroscope/$module.so" | grep -q liblua && fail "$module.so links liblua"
done
readelf -d "$build/pyroscope/core.so" | grep -q curl && fail "core.so links libcurl"

for file in $(find lua -name '*.lua' -not -path '*/nvim/*'); do
  luac5.4 -p "$file" || fail "$file"
done
if command -v clang-format >/dev/null 2>&1; then
  clang-format --dry-run -Werror $(find src -name '*.[ch]') 2>/dev/null ||
    fail "clang-format -i $(clang-format --dry-run $(find src -name '*.[ch]') 2>&1 |
      grep -o '^src[^:]*' | sort -u | tr '\n' ' ')"
else echo "lint: clang-format is not installed, formatting not checked"; fi
if command -v cppcheck >/dev/null 2>&1; then
  cppcheck --quiet --enable=warning,portability --inline-suppr --error-exitcode=1 -Isrc src || fail "cppcheck"
else echo "lint: cppcheck is not installed"; fi
# arrays that one function fills and another reads look uninitialised to the analyser, which does
# not follow loops over the input; valgrind and the sanitizers watch those
tidy=-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
for check in core.uninitialized.Assign core.uninitialized.ArraySubscript core.CallAndMessage \
  core.UndefinedBinaryOperatorResult optin.portability.UnixAPI; do
  tidy=$tidy,-clang-analyzer-$check
done
if command -v clang-tidy >/dev/null 2>&1; then
  clang-tidy --quiet \
    --checks="$tidy" \
    --warnings-as-errors='*' $(find src -name '*.c') -- -std=c11 -D_GNU_SOURCE -Isrc \
    $(pkg-config --cflags lua5.4) 2>/dev/null || fail "clang-tidy"
else echo "lint: clang-tidy is not installed"; fi
[ $failed -eq 0 ] && echo "lint: clean"
exit $failed
