#!/bin/sh
# Prints the Python (3.11 or newer) that the environment is made from: $PYTHON, else the first that fits. Exit 1: none.
for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
    path=$(command -v "$candidate" 2>/dev/null) || continue
    if "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        echo "$path"
        exit 0
    fi
done
exit 1
