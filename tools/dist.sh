#!/usr/bin/env bash
# Wheels of the eight distributions, their locks and the control-plane binary into dist/, with SHA-256 sums.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf dist
mkdir dist
# The build backend looks for its program on PATH.
export PATH="$PWD/.venv/bin:$PATH"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
# The compiled Move package is data of daas-chain, so that whoever installs the wheel needs neither Node nor cargo.
.venv/bin/daas move build --deny-warnings --compiler bundled >&2
data=chain/daas_chain/package
trap 'rm -rf "$data"' EXIT
rm -rf "$data"
cp -R build/move "$data"
for folder in protocol attestation chain localnet enclave host gateway cli; do
    (cd "$folder" && ../.venv/bin/python -c 'import sys, uv_build; uv_build.build_wheel(sys.argv[1])' ../dist >/dev/null)
done
mkdir dist/locks
cp locks/*.txt dist/locks/
cp "$(controlplane/build.sh | tail -n1)" dist/daas-k3s
(cd dist && find . -type f ! -name SHA256SUMS | sort | xargs sha256sum >SHA256SUMS)
cat dist/SHA256SUMS
