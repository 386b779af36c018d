#!/bin/sh
# Runs every spec in a process of its own, behind the command given as arguments, and adds up what
# they say. For sanitizers and valgrind, which want short runs; what is about packages, not code, is
# left out. The last line is "N passed, N failed".
set -u
passed=0 failed=0
for spec in ${SPECS:-spec/*_spec.lua}; do
  case $spec in spec/package_spec.lua) continue ;; esac
  output=$("$@" "$spec" 2>&1)
  status=$?
  counts=$(printf '%s\n' "$output" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' | tail -n 1)
  set -- "$@"
  if [ -z "$counts" ] || { [ "$status" -ne 0 ] && [ "${counts#* }" = 0 ]; }; then
    printf '%s: exit %s\n%s\n' "$spec" "$status" "$output" | head -n 60
    failed=$((failed + 1))
    continue
  fi
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
  [ "${counts#* }" = 0 ] || printf '%s\n' "$output"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
