#!/bin/sh
# Where npm is present, installs speedscope's package into build/, for specs that hold a written
# file against its schema and its page. Without npm, or offline, those specs say so.
set -u
target=build/npm
[ -d "$target/node_modules/speedscope" ] && exit 0
command -v npm >/dev/null 2>&1 || exit 0
mkdir -p "$target"
(cd "$target" && timeout 60 npm install --silent --no-audit --no-fund --ignore-scripts \
  --fetch-retries=1 --fetch-timeout=15000 speedscope@1.22.2) >build/npm-install.log 2>&1 || true
