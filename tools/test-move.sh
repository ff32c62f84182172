#!/usr/bin/env bash
# The Move package: compiles without a warning, its tests pass in the Move test VM, every error has a test.
set -euo pipefail
cd "$(dirname "$0")/.."
daas=.venv/bin/daas
# Whatever `sui` is on PATH: the compiler that everybody has is the one whose bytes are published.
$daas move build --deny-warnings --compiler bundled
$daas move test --compiler bundled
$daas move test --aborts
