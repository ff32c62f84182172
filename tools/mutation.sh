#!/usr/bin/env bash
# Mutation testing of the verifier: every small change of attestation/daas_attestation/MODULE.py must break a test.
#   tools/mutation.sh [MODULE...]      default: what decides whether a document is accepted
# Works on a copy in build/mutation (results are kept there and taken up again); not part of `make test`: an hour or so.
# Survivors with their diffs end in build/mutation/survivors.txt; docs/attestation-mutation.md judges them.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
work=$top/build/mutation
[ $# -gt 0 ] || set -- cbor cose document certificate chain chain_rules comparisons verdict verify revocation moment
version=3.8.1
if [ ! -x "$work/venv/bin/mutmut" ] || ! cmp -s locks/dev.txt "$work/venv/dev.txt"; then
    mkdir -p "$work"
    .venv/bin/python -m venv --clear "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "mutmut==$version"
    cp locks/dev.txt "$work/venv/dev.txt"
fi
# What is committed, all of it from one moment: the run takes long, and the working tree may move on meanwhile.
rm -rf "$work/source" "$work/lib" "$work/tests" "$work/daas_attestation"
mkdir -p "$work/source" "$work/lib"
git archive HEAD | tar -x -C "$work/source"
for name in protocol enclave gateway host cli; do mv "$work/source/$name/daas_$name" "$work/lib/"; done
mv "$work/source/attestation/daas_attestation" "$work/"
mkdir -p "$work/tests"
(cd "$work/source/tests" && mv attestation support vectors "$work/tests/")
# The differential tests compile Rust, and they are about the profile `sui`, which has rules of its own.
rm -rf "$work/tests/attestation/differential" "$work"/tests/attestation/test_sui_*
cp tests/mutation/root_conftest.py "$work/conftest.py"
# Documents of real hardware lie beside the repository, and the copy of the tests looks for them beside the copy.
[ ! -d ../shared ] || ln -sfn "$(cd ../shared && pwd)" "$top/build/shared"
quoted() { printf '"%s", ' "$@"; }
cat >"$work/pyproject.toml" <<EOF
[tool.mutmut]
source_paths = ["daas_attestation"]
only_mutate = [$(quoted "${@/#/daas_attestation/}" | sed 's/",/.py",/g')]
also_copy = ["tests", "conftest.py"]
pytest_add_cli_args_test_selection = [$(cd "$work" && quoted tests/attestation/test_{cbor,chain,document,real,verdict,verify,moment,revocation}*.py)]
use_git_change_detection = false
[tool.pytest.ini_options]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
pythonpath = ["tests"]
# Mutants are reached through functions of mutmut's own, which the tests that count calls would count too.
addopts = "--import-mode=importlib -p no:cacheprovider -k 'not within_the_bounds and not length_is_believed and not floods and not too_long'"
EOF
cd "$work"
export PYTHONPATH=$work/lib
export PYTHONDONTWRITEBYTECODE=1
nice -n "${NICE:-19}" venv/bin/mutmut run --max-children "${JOBS:-2}"
venv/bin/mutmut results >results.txt
# A mutant of a message or of a line's text is told apart by what it changes; the rest has to be looked at.
while read -r name _; do
    name=${name%:}
    echo "## $name"
    venv/bin/mutmut show "$name" | grep '^[-+] '
done < <(grep -v ': killed$' results.txt) >survivors.txt
grep -c '^##' survivors.txt >&2 || true
