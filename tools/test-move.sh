#!/usr/bin/env bash
# The Move package: compiles without a warning, its tests pass in the Move test VM, every error has a test.
set -euo pipefail
cd "$(dirname "$0")/.."
daas=.venv/bin/daas
$daas move build --deny-warnings
$daas move test
$daas move test --aborts
