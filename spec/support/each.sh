#!/bin/sh
# each.sh JOBS COMMAND...: runs every spec in a process of its own behind the command, JOBS at a
# time, prints what failed and why something was skipped, and adds up what they say. (A process
# each: luv cannot be loaded twice into one Lua state, which busted does for every file.) The last
# line is "N passed, N failed", with ", N skipped" if there are any. SPECS names the files.
set -u
jobs=$1
shift
mkdir -p build
folder=$(mktemp -d build/specs.XXXXXX)
trap 'rm -rf "$folder"' EXIT
export folder

# the slowest first, so that the last job is not the longest
ls -S ${SPECS:-spec/*_spec.lua} | xargs -P "$jobs" -I SPEC sh -c '
  name=$(basename "$1" .lua)
  shift
  "$@" >"$folder/$name.out" 2>&1
  echo $? >"$folder/$name.exit"' sh SPEC "$@" SPEC

passed=0 failed=0 skipped=0
for file in "$folder"/*.out; do
  status=$(cat "${file%.out}.exit")
  counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)*$/\1 \2 0\4/p' "$file" | tail -n 1)
  set -- $counts
  if [ $# -ne 3 ] || { [ "$status" -ne 0 ] && [ "$2" -eq 0 ]; }; then
    echo "FAILED $(basename "$file" .out): ended with $status"
    tail -n 40 "$file"
    failed=$((failed + 1))
    continue
  fi
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3#0} + 0))
  sed '/^[0-9]* passed, [0-9]* failed/d' "$file"
done
if [ "$skipped" -gt 0 ]; then
  echo "$passed passed, $failed failed, $skipped skipped"
else
  echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
