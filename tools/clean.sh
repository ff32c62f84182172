#!/bin/sh
# Removes what was built in this folder. Instances ($DAAS_HOME) and the cache of compiled binaries are left alone.
set -eu
cd "$(dirname "$0")/.."
if [ -x .venv/bin/daas ] && .venv/bin/daas status --json >/dev/null 2>&1; then
    echo "an instance is running from this folder; stop it first: .venv/bin/daas down" >&2
    exit 1
fi
rm -rf .venv dist build/fuzz build/move chain/daas_chain/package .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
find . -name __pycache__ -type d -prune -exec rm -rf {} +
