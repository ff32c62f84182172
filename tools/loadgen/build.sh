#!/bin/sh
# Builds daas-loadgen into the cache, named by its content, and prints the path as its last line.
set -eu
cd "$(dirname "$0")"
go=${GO:-go}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/daas/loadgen
content=$({ "$go" version; cat go.mod *.go; } | sha256sum | cut -c1-16)
binary=$cache/$content/daas-loadgen
if [ ! -x "$binary" ]; then
    echo "compiling the load generator" >&2
    mkdir -p "$cache/$content"
    CGO_ENABLED=0 GOWORK=off "$go" build -trimpath -buildvcs=false -o "$binary.$$" .
    mv "$binary.$$" "$binary"
fi
echo "$binary"
