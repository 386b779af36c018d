#!/bin/sh
# Where a Go toolchain is present, installs Google's pprof into build/ as a Go module, for specs
# that compare with it. Without one, or offline, nothing happens and those specs say so.
set -u
bin=build/go/bin/pprof
[ -x "$bin" ] && exit 0
command -v pprof >/dev/null 2>&1 && exit 0
command -v go >/dev/null 2>&1 || exit 0
root=$(pwd)/build/go
GOBIN=$root/bin GOPATH=$root GOCACHE=$root/cache GOMODCACHE=$root/mod GOFLAGS=-modcacherw \
  timeout 100 go install github.com/google/pprof@v0.0.0-20260906184651-6331bc6350fe \
  >build/go-install.log 2>&1 || true
