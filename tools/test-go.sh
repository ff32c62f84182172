#!/usr/bin/env bash
# go vet and go test of what compiles quickly: the load generator, and of the control plane the packages without
# Kubernetes behind them (those are exercised by the end-to-end tests through the binary).
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off CGO_ENABLED=0
(cd tools/loadgen && go vet ./... && go test ./...)
cd controlplane
if [ -x test.sh ]; then ./test.sh; else
    fast=$(go list -e -f '{{if not (or .DepsErrors .Incomplete)}}{{.ImportPath}} {{join .Deps " "}}{{end}}' ./internal/... | grep -v -e 'k8s.io/kubernetes' -e 'go.etcd.io' | cut -d' ' -f1)
    # shellcheck disable=SC2086
    [ -z "$fast" ] || { go vet $fast && go test $fast; }
fi
