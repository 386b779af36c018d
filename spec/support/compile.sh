#!/bin/sh
# compile.sh FOLDER: every Lua module as FOLDER/NAME.luac with the time of its source, so that the
# program can tell whether it is still the same.
set -eu
{
  find lua -name '*.lua' ! -path '*/_meta/*'
  lua5.4 -e 'print(package.searchpath("argparse", package.path) or "")'
} | while read -r source; do
  [ -n "$source" ] || continue
  case $source in
    lua/*) name=$(echo "${source#lua/}" | tr / .) ;;
    *) name=argparse.lua ;;
  esac
  name=${name%.lua}
  compiled=$1/${name%.init}.luac
  if [ -e "$compiled" ] && [ ! "$compiled" -nt "$source" ] && [ ! "$source" -nt "$compiled" ]; then
    continue
  fi
  luac5.4 -o "$compiled" "$source"
  touch -r "$source" "$compiled"
done
