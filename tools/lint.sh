#!/usr/bin/env bash
# ruff (format and lint), mypy --strict, import-linter: the same checks for people and for CI.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
run() { echo "==> $*" >&2; "$@"; }
run $bin/ruff format --check .
run $bin/ruff check .
packages=()
for folder in protocol attestation chain localnet enclave host gateway cli; do packages+=("$folder/daas_$folder"); done
run $bin/mypy "${packages[@]}"
run $bin/lint-imports --no-cache
