#!/usr/bin/env bash
# Profile `sui` against Sui's own code (crates.io fastcrypto) on COUNT (20,000) documents made from SEED (2026).
# Exit 1: the two differ somewhere. Without cargo or its registry it says so and exits 0.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHONPATH=tests exec .venv/bin/python -m support.sui_differential "${1:-20000}" "${@:2}"
