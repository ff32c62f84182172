#!/usr/bin/env bash
# Coverage-guided fuzzing of every parser, two targets at a time:
#   tools/fuzz.sh [SECONDS] [TARGET...]    SECONDS (30) for each of the targets (all). Exit 1: a promise was broken.
#   tools/fuzz.sh --keep TARGET...         adds what earlier runs reached to tests/fuzz/corpus
# What was reached stays in build/fuzz/TARGET/corpus, so that the next run begins where this one ended.
# FUZZ_SEED: with one, a run from the same corpus tries the same inputs in the same order (0, the default: others).
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
python=$top/.venv/bin/python
jobs=2
export PYTHONHASHSEED=0
fuzz() { (cd tests && exec "$python" -m fuzz "$@"); }

# One input may take a minute (a machine can be very busy) and 1 GiB: what needs more is a finding.
one() {
    local seconds=$1 name=$2 folder=$top/build/fuzz/$2 status=0
    mkdir -p "$folder/findings"
    fuzz --unpack "$name" "$folder/corpus"
    fuzz "$name" "$folder/corpus" -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$folder/findings/" >"$folder/log" 2>&1 || status=$?
    if [ $status != 0 ]; then
        grep -v -e '^#' -e 'Uses:' "$folder/log" | tail -n 40 >&2
        echo "fuzz $name: FOUND, exit $status; reproducer: $(sed -n 's/.*Test unit written to //p' "$folder/log" | tail -n1)" >&2
        echo "    again: (cd tests && ../.venv/bin/python -m fuzz --replay $name FILE)" >&2
        return 1
    fi
    echo "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/log") runs," \
        "$(sed -n 's/^stat::average_exec_per_sec: *//p' "$folder/log") a second," \
        "coverage $(sed -n 's/^#.*INITED cov: \([0-9]*\) .*/\1/p' "$folder/log" | tail -n1)" \
        "to $(sed -n 's/^#.*DONE *cov: \([0-9]*\) .*/\1/p' "$folder/log")" >&2
}

if [ "${1:-}" = --one ]; then
    one "$2" "$3"
    exit
fi
system=$("$python" -c 'import platform, sys; print(sys.platform, platform.machine(), sys.implementation.name)')
if [ "$system" != "linux x86_64 cpython" ]; then
    echo "fuzzing skipped: atheris has no wheel for $system, only for CPython on Linux on x86-64" >&2
    exit 0
fi
if ! "$python" -c 'import atheris' 2>/dev/null &&
    ! tools/step.sh "atheris into .venv" "35 MB, once" "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/fuzz.txt; then
    echo "fuzzing skipped: atheris (locks/fuzz.txt) cannot be installed for $("$python" --version) here" >&2
    exit 0
fi
if [ "${1:-}" = --keep ]; then
    shift
    for name in "$@"; do
        folder=$top/build/fuzz/$name
        rm -rf "$folder/merged"
        fuzz --unpack "$name" "$folder/merged"
        fuzz "$name" "$folder/merged" -merge=1 -artifact_prefix="$folder/findings/" "$folder/corpus" >"$folder/log" 2>&1
        fuzz --keep "$name" "$folder/merged"
    done
    exit
fi
seconds=30
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
fi
# shellcheck disable=SC2046  # names are words
[ $# -gt 0 ] || set -- $(fuzz --list)
printf '%s\n' "$@" | xargs -P "$jobs" -n 1 "$top/tools/fuzz.sh" --one "$seconds" ||
    { echo "fuzzing: findings above; their inputs stay in build/fuzz/TARGET/findings" >&2; exit 1; }
