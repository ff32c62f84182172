#!/bin/sh
# step.sh "WHAT" "HOW LONG" COMMAND...: runs COMMAND with its standard output kept and says on standard error what it
# is doing: after a second, then every 20 s, and when it is done. What is quick or fails by itself is not announced.
set -u
what=$1 usual=$2
shift 2
start=$(date +%s)
(
    # The sleep must not outlive the step, nor hold its standard output open.
    trap 'kill "$nap" 2>/dev/null; exit 0' TERM
    rest() {
        sleep "$1" >/dev/null 2>&1 &
        nap=$!
        wait "$nap"
    }
    rest 1
    echo "==> $what ($usual)" >&2
    while :; do
        rest 20
        echo "    $what: $(($(date +%s) - start)) s so far ($usual)" >&2
    done
) >/dev/null &
ticker=$!
trap 'kill "$ticker" 2>/dev/null' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
DAAS_STEP=1 "$@"
status=$?
elapsed=$(($(date +%s) - start))
if [ $status != 0 ]; then
    echo "    $what: FAILED after $elapsed s (exit $status)" >&2
elif [ $elapsed -gt 1 ]; then
    echo "    $what: done in $elapsed s" >&2
fi
exit $status
