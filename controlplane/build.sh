#!/usr/bin/env bash
# Builds daas-k3s (or, with the argument fakecri, the fake container runtime of
# the tests) to the same bytes on every machine, and prints the path of the
# result as the last line of stdout. Everything else goes to stderr.
set -euo pipefail

target="${1:-daas-k3s}"
case "$target" in
daas-k3s | fakecri) ;;
*)
	echo "build.sh: unknown target '$target'; give daas-k3s or fakecri" >&2
	exit 2
	;;
esac
command -v go >/dev/null || {
	echo "build.sh: go is not on PATH; install the Go version that go.mod names" >&2
	exit 3
}

cd "$(dirname "${BASH_SOURCE[0]}")"

# A user's own Go settings change the bytes (GOFLAGS, GOAMD64) or end the build
# (GO111MODULE) and must not reach it; where modules and objects are kept must.
for name in GOPROXY GOSUMDB GONOSUMDB GONOSUMCHECK GOPRIVATE GONOPROXY GOMODCACHE GOCACHE; do
	value="$(go env "$name" 2>/dev/null || true)"
	[ -z "$value" ] || export "$name=$value"
done
export GOENV=off GOWORK=off GOTOOLCHAIN=local GOFLAGS=-mod=readonly GO111MODULE=on GODEBUG=
export GOOS=linux GOARCH=amd64 GOAMD64=v1 CGO_ENABLED=0 GOEXPERIMENT= GOFIPS140=off

hash="$({
	go version
	find . \( -name '*.go' -o -name '*.s' -o -name '*.syso' \) -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	sha256sum go.mod go.sum build.sh
} | sha256sum | cut -c1-32)"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/daas/controlplane/$hash"
result="$folder/$target"
if [ -x "$result" ]; then
	echo "$result"
	exit 0
fi

# `kubectl version` cannot parse what an unstamped build says of itself; the
# date is fixed, because bytes must not depend on when they were made.
kubernetes="$(go list -m -f '{{.Version}}' k8s.io/kubernetes)"
IFS=. read -r major minor _ <<<"${kubernetes#v}"
stamp="-s -w -buildid="
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	stamp+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
	stamp+=" -X $package.gitCommit=0000000000000000000000000000000000000000 -X $package.gitTreeState=clean"
	stamp+=" -X $package.buildDate=1970-01-01T00:00:00Z"
done
stamp+=" -X daas/controlplane/internal/version.Version=v0.1.0"

mkdir -p "$folder"
temporary="$(mktemp "$folder/.$target.XXXXXX")"
started=$SECONDS
# Silence for ten minutes looks like a hang; inside tools/step.sh it is that which tells the time.
(
	[ -z "${DAAS_STEP:-}" ] || exit 0
	# A sleep that outlives this loop must not hold the caller's pipes open.
	while sleep 15 >/dev/null 2>&1; do
		echo "build.sh: compiling $target, $((SECONDS - started)) s (a first build takes about ten minutes)" >&2
	done
) >/dev/null &
heartbeat=$!
trap 'kill "$heartbeat" 2>/dev/null || true; rm -f "$temporary"' EXIT

go build -trimpath -buildvcs=false -ldflags "$stamp" -o "$temporary" "./cmd/$target" \
	2> >(grep -v "^go: downloading" >&2)
chmod 0755 "$temporary"
mv -f "$temporary" "$result"
echo "build.sh: built $target in $((SECONDS - started)) s" >&2
echo "$result"
