#!/usr/bin/env bash
# Re-resolves the workspace and writes one hash-locked requirements file per distribution. Run after a change to any pyproject.toml; commit the result.
# uv.lock itself names the registry it came from, so it stays out of the tree.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
"$uv" lock "$@"
for name in protocol attestation chain localnet enclave host gateway cli; do
  "$uv" export --quiet --locked --package "daas-$name" --no-dev --no-emit-workspace --no-header --no-annotate -o "locks/$name.txt" >/dev/null
done
"$uv" export --quiet --locked --all-packages --group dev --no-emit-workspace --no-header --no-annotate -o locks/dev.txt >/dev/null
"$uv" export --quiet --locked --only-group fuzz --no-emit-workspace --no-header --no-annotate -o locks/fuzz.txt >/dev/null
