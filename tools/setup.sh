#!/bin/sh
# Sets up everything that `make run` and `make test` need: .venv from the hash-locked files, the control-plane binary,
# the compiled Move package.
# Each part is stamped with the content it was made from, so that a second run only compares. Needs no root.
#   tools/setup.sh [--python-only]
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$top"
tools/doctor.sh --quiet

packages="protocol attestation chain localnet enclave host gateway cli"
python=$(tools/python.sh)
venv=$top/.venv
stamp=$venv/.daas-stamp
manifests=
for package in $packages; do manifests="$manifests $package/pyproject.toml"; done

# shellcheck disable=SC2086  # the list of manifests is split on purpose
content=$({ "$python" -c 'import sys; print(sys.version)'; echo "$top"; cat locks/bootstrap.txt locks/dev.txt $manifests tools/setup.sh; } | sha256sum | cut -c1-64)

# uv does not read pip's configuration: whoever has pip set up for a mirror, a certificate or a folder of wheels
# expects the same here.
uv_like_pip() {
    setting() { "$venv/bin/pip" config get "$1" 2>/dev/null || true; }
    index=${PIP_INDEX_URL:-$(setting global.index-url)}
    certificate=${PIP_CERT:-$(setting global.cert)}
    links=${PIP_FIND_LINKS:-$(setting global.find-links)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    [ -z "$certificate" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificate}"
    [ -z "$links" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$links}"
    export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-${PIP_DEFAULT_TIMEOUT:-60}}"
}

python_packages() {
    if ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
        "$python" -m venv --clear "$venv"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/bootstrap.txt
    uv_like_pip
    uv=$venv/bin/uv
    export VIRTUAL_ENV="$venv" UV_NO_PROGRESS=1
    # Compiled once, for all: in an environment that writes no bytecode every start would compile everything it imports.
    "$uv" pip install --quiet --compile-bytecode --require-hashes -r locks/dev.txt
    # shellcheck disable=SC2086,SC2046
    "$uv" pip install --quiet --no-deps --no-build-isolation $(for package in $packages; do printf -- '-e ./%s ' "$package"; done)
    "$venv/bin/python" -m compileall -q $packages >/dev/null || true
}

if [ "${1:-}" = --in-step ]; then
    python_packages
    echo "$content" >"$stamp"
    exit 0
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$content" ]; then
    rm -f "$stamp"
    tools/step.sh "Python packages into .venv" "20 s with a warm cache, a minute or two without" tools/setup.sh --in-step
fi
[ "${1:-}" != --python-only ] || exit 0
# build.sh prints the path of the binary as its last line; it is in the cache when nothing has changed.
if [ -n "${DAAS_K3S:-}" ]; then
    binary=$DAAS_K3S
else
    binary=$(tools/step.sh "control-plane binary daas-k3s" "about 10 min on 2 cores the first time, seconds afterwards" controlplane/build.sh | tail -n1)
fi
[ -x "$binary" ] || { echo "the control-plane build printed '$binary', which is no program" >&2; exit 1; }
# Nothing that `make run` starts reads the Move package without a chain, so a machine without its tools may go on;
# the tests and `make dist` may not, and say so themselves.
if tools/doctor.sh --porcelain | grep -Eq '^warn.(node|npm|cargo).'; then
    echo "the Move package is not compiled: node, npm or cargo is missing (see 'make doctor')" >&2
else
    tools/step.sh "the Move package" "20 s the first time, under a second when nothing has changed" .venv/bin/daas move build --compiler bundled >/dev/null
fi
