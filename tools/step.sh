#!/bin/sh
# step.sh "WHAT" "HOW LONG" COMMAND...: runs COMMAND with its standard output kept and says on standard error what it
# is doing: at once, then every 20 s. What COMMAND writes to standard error is passed on.
set -u
what=$1 usual=$2
shift 2
start=$(date +%s)
echo "==> $what ($usual)" >&2
(
    # The sleep must not outlive the step, nor hold its standard output open.
    trap 'kill "$nap" 2>/dev/null; exit 0' TERM
    while :; do
        sleep 20 >/dev/null 2>&1 &
        nap=$!
        wait "$nap"
        echo "    $what: $(($(date +%s) - start)) s so far ($usual)" >&2
    done
) >/dev/null &
ticker=$!
trap 'kill "$ticker" 2>/dev/null' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$@"
status=$?
elapsed=$(($(date +%s) - start))
if [ $status = 0 ]; then echo "    $what: done in $elapsed s" >&2; else echo "    $what: FAILED after $elapsed s (exit $status)" >&2; fi
exit $status
