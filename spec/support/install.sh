#!/bin/sh
# Installs the Debian packages named as arguments that are missing: says which, uses sudo where
# not root, and names them plainly where neither works. Nothing missing: nothing is done or said.
set -u
missing=
for package in "$@"; do
  status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)
  case $status in
    ii*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

give_up () {
  echo "error: these Debian packages are needed and could not be installed:$missing" >&2
  echo "hint   as root: apt-get update && apt-get install -y --no-install-recommends$missing" >&2
  exit 1
}

command -v apt-get >/dev/null 2>&1 || give_up
if [ "$(id -u)" -eq 0 ]; then
  root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  root=sudo
else
  give_up
fi
echo "installing:$missing" >&2
log=$(mktemp)
# the lists are refreshed only if the packages cannot be installed from those that are there
install () {
  DEBIAN_FRONTEND=noninteractive $root apt-get install -y --no-install-recommends $missing \
    >"$log" 2>&1 </dev/null
}
install || { $root apt-get update >"$log" 2>&1; install; } || {
  tail -n 5 "$log" >&2
  rm -f "$log"
  give_up
}
rm -f "$log"
