#!/bin/sh
# Names what this machine lacks to build and run DaaS, each with one line that installs it. Needs nothing but a POSIX
# shell, so that it works before anything is installed. `daas doctor` and every make target use this same list.
#   tools/doctor.sh              a line for people per check; exit 0 when nothing needed is missing, else 1
#   tools/doctor.sh --quiet      only what is missing
#   tools/doctor.sh --porcelain  LEVEL<TAB>NAME<TAB>DETAIL<TAB>FIX per check (LEVEL: ok, missing or warn)
set -u

mode=${1:-}
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
failed=0
tab=$(printf '\t')

say() { # LEVEL NAME DETAIL FIX
    [ "$1" = missing ] && failed=1
    case $mode in
    --porcelain) printf '%s\n' "$1$tab$2$tab$3$tab$4" ;;
    --quiet)
        [ "$1" = missing ] && printf 'missing: %s (%s)\n    install: %s\n' "$2" "$3" "$4" >&2
        ;;
    *)
        printf '%-8s %-12s %s\n' "$1" "$2" "$3"
        [ "$1" = ok ] || printf '%-21s fix: %s\n' '' "$4"
        ;;
    esac
}

if [ "$(id -u)" = 0 ]; then root=; else root='sudo '; fi
if command -v apt-get >/dev/null 2>&1; then
    package() { echo "${root}apt-get install -y $1"; }
elif command -v dnf >/dev/null 2>&1; then
    package() { echo "${root}dnf install -y $1" | sed 's/python3-venv/python3/; s/python3.11-venv/python3.11/'; }
elif command -v brew >/dev/null 2>&1; then
    package() { echo "brew install $1" | sed 's/python3-venv/python@3.11/'; }
else
    package() { echo "install $1 with your package manager"; }
fi

# at_least HAVE WANT: dotted numbers compared part by part
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n | head -n1)" = "$2" ]
}

system=$(uname -s)
case $system-$(uname -m) in
Linux-x86_64) say ok system "$(uname -srm)" "" ;;
Linux-*) say warn system "$(uname -srm): the control-plane binary is built for x86-64 only" "run 'make run' on an x86-64 machine" ;;
*) say warn system "$system: gateway and receipt checks work here, the control plane needs Linux" "run 'make run' on Linux" ;;
esac

python=$("$top/tools/python.sh" 2>/dev/null) || python=
if [ -z "$python" ]; then
    if command -v python3 >/dev/null 2>&1; then have="python3 is $(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)"; else have="no python3"; fi
    say missing python "$have, needed is 3.11 or newer" "$(package 'python3 python3-venv')"
else
    say ok python "$python $("$python" -c 'import platform; print(platform.python_version())')" ""
    if "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        say ok python-venv "venv and ensurepip" ""
    else
        say missing python-venv "$python has no venv or no ensurepip" "$(package python3-venv)"
    fi
fi

go_want=1.26
case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; *) architecture=amd64 ;; esac
go_system=$(echo "$system" | tr '[:upper:]' '[:lower:]')
go_fix="mkdir -p ~/.local && curl -fsSL https://go.dev/dl/go1.26.0.$go_system-$architecture.tar.gz | tar -C ~/.local -xz && export PATH=\$HOME/.local/go/bin:\$PATH"
if command -v go >/dev/null 2>&1; then
    have=$(cd / && go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*$//')
    if [ -n "$have" ] && at_least "$have" "$go_want"; then
        say ok go "$have" ""
    else
        say missing go "found ${have:-an unknown version}, needed is $go_want or newer" "$go_fix"
    fi
else
    say missing go "not found, needed is $go_want or newer to compile the control plane" "$go_fix"
fi

# Only `daas move` and the tests need these three: what `make run` starts is compiled without them.
node_fix="mkdir -p ~/.local && curl -fsSL https://nodejs.org/dist/v20.20.2/node-v20.20.2-$go_system-$([ "$architecture" = arm64 ] && echo arm64 || echo x64).tar.gz | tar -C ~/.local -xz --strip-components=1 && export PATH=\$HOME/.local/bin:\$PATH"
cargo_fix="curl -fsSL https://sh.rustup.rs | sh -s -- -y --profile minimal && export PATH=\$HOME/.cargo/bin:\$PATH"
newer() { # NAME WANT FIX: a program that says its version
    have=$("$1" --version 2>/dev/null | sed 's/^[a-z]* *v*//; s/[^0-9.].*$//')
    if [ -n "$have" ] && at_least "$have" "$2"; then
        say ok "$1" "$have" ""
    else
        say warn "$1" "${have:-not found}, needed is $2 or newer to compile and test the Move package" "$3"
    fi
}
newer node 20.6 "$node_fix"
newer npm 8.0 "$node_fix"
newer cargo 1.85 "$cargo_fix"

for tool in make git; do
    if command -v $tool >/dev/null 2>&1; then
        say ok $tool "$(command -v $tool)" ""
    else
        say missing $tool "not found" "$(package $tool)"
    fi
done

if command -v kubectl >/dev/null 2>&1; then
    say ok kubectl "$(command -v kubectl)" ""
else
    say ok kubectl "none on PATH: 'daas kubectl' uses the one inside the control-plane binary" ""
fi

# Compiling Kubernetes leaves about 3 GB in Go's build cache and 1.5 GB of modules.
free_kib=$(df -Pk "${HOME:-/}" 2>/dev/null | awk 'NR == 2 {print $4}')
if [ -n "$free_kib" ] && [ "$free_kib" -lt 6291456 ]; then
    say warn disk "$((free_kib / 1048576)) GiB free in $HOME, the first build needs about 6" "free some space, or point GOCACHE and GOMODCACHE elsewhere"
else
    say ok disk "$((${free_kib:-0} / 1048576)) GiB free" ""
fi
if [ -r /proc/meminfo ]; then
    memory_mib=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
    if [ "$memory_mib" -lt 2048 ]; then
        say warn memory "$memory_mib MiB available, compiling needs about 2048" "close other programs, or compile with 'GOFLAGS=-p=1 make run'"
    else
        say ok memory "$memory_mib MiB available" ""
    fi
fi
exit $failed
