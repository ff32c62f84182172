#!/usr/bin/env bash
# Runs the Go tests. Packages that contain Kubernetes or etcd have none: their
# tests are tests/controlplane, against the built binary, and compiling them a
# second time for `go vet` would take ten minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=local GOFLAGS=-mod=readonly
unformatted="$(gofmt -l .)"
if [ -n "$unformatted" ]; then
	printf 'test.sh: run gofmt -w on these files:\n%s\n' "$unformatted" >&2
	exit 1
fi
mapfile -t packages < <(go list ./internal/... | grep -v -E '/(etcd|fakecri|kube|run)$')
exec go test "$@" "${packages[@]}"
