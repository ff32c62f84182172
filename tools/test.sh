#!/usr/bin/env bash
# The whole suite: format, lint, types, import rules, the Move package, Go, then pytest without and with the real control plane, and
# between them half a minute of fuzzing for each parser. A red run must show the same input again: one seed, and a new
# checkout begins with the corpus of the repository.
# One pytest process runs last and prints the closing line over all Python tests.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/lint.sh
tools/step.sh "Move: build, tests, aborts without a test" "a minute" tools/test-move.sh
tools/step.sh "Go: vet and tests" "a minute the first time" tools/test-go.sh
# Four workers would each rewrite the assertions of every file, where nothing has kept the bytecode.
unset PYTHONDONTWRITEBYTECODE
tools/step.sh "pytest: collecting all tests" "10 s the first time" .venv/bin/python -m pytest --collect-only -q >/dev/null
echo "==> pytest: the fast suite" >&2
.venv/bin/python -m pytest -n 4 -m "not e2e" "$@"
tools/step.sh "fuzzing: 30 s for each parser, two at a time" "4 min" env FUZZ_SEED=1 tools/fuzz.sh 30
echo "==> pytest: what takes long and needs no control plane" >&2
.venv/bin/python -m pytest -n 3 -m e2e tests/attestation tests/chain tests/cli tests/gateway tests/host tests/localnet \
    --ignore=tests/cli/test_cli_e2e.py "$@"
# One at a time: a control plane is several processes, and their tests measure time.
echo "==> pytest: end to end, with the real control plane" >&2
.venv/bin/python -m pytest -m e2e tests/controlplane tests/e2e tests/enclave tests/cli/test_cli_e2e.py "$@"
