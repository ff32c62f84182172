#!/usr/bin/env bash
# go vet and go test of what compiles quickly: the load generator, the oracle of the log tests, and the control plane's
# own fast packages (what has Kubernetes behind it is exercised by the end-to-end tests, through the binary).
set -euo pipefail
cd "$(dirname "$0")/.."
(cd tools/loadgen && export GOWORK=off CGO_ENABLED=0 && go vet ./... && go test ./...)
(cd tests/protocol/tlog_oracle && export GOWORK=off CGO_ENABLED=0 && go vet ./...)
controlplane/test.sh
