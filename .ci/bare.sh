#!/usr/bin/env bash
# Proves that `make demo`, `make test` and `make install` pass on a machine that has Go, git and
# make, but nothing of what `make deps` brings, even where that is installed: it
# is hidden first. Root hides it in a mount namespace of its own, others by a PATH
# that does not lead there.
set -euo pipefail
cd "$(dirname "$0")/.."

hidden='gsl|nft|ip|shellcheck|pkg-config|pkgconf|(.*-)?(gcc|g\+\+|cc|c\+\+|c89|c99|cpp|clang|clang\+\+|tcc)(-[0-9.]+)?'
headers=/usr/include

# found: each file on PATH that is to be hidden.
found() {
    compgen -c | sort -u | { grep -Ex -- "$hidden" || true; } | while read -r name; do
        type -aP "$name" || true # it may be a file that cannot run
    done
}

hide_by_mount() {
    found | while read -r program; do
        mount --bind /dev/null "$(readlink -f "$program")"
    done
    if [[ -d $headers ]]; then
        mount -t tmpfs -o ro none $headers
    fi
}

# hide_by_path DIR: make PATH lead to DIR, with links to all that is not hidden.
hide_by_path() {
    compgen -c | sort -u | { grep -Exv -- "$hidden" || true; } | while read -r name; do
        if program=$(type -P "$name"); then
            ln -s "$program" "$1/$name"
        fi
    done
    PATH=$1
}

fail() {
    echo "bare: $*" >&2
    exit 1
}

if [[ $(id -u) == 0 && ${1:-} != apart ]]; then
    exec unshare --mount --propagation private -- bash "$0" apart
fi

into=$(mktemp -d)
trap 'rm -rf "$into"' EXIT
names=$(found | sed 's|.*/||' | sort -u | tr '\n' ' ')
if [[ $(id -u) == 0 ]]; then
    echo "bare: hiding what is in $headers, and these by a mount namespace: $names"
    hide_by_mount
    [[ -z $(ls -A $headers 2>/dev/null) ]] || fail "$headers is not hidden"
else
    echo "bare: hiding these by PATH: $names"
    mkdir "$into/links"
    hide_by_path "$into/links"
fi
hash -r
unset CC CXX PKG_CONFIG CGO_ENABLED

[[ -z $(found) ]] || fail "these are not hidden:" "$(found)"
for tool in go git make; do
    type -P $tool >/dev/null || fail "$tool is hidden, too"
done
[[ $(go env CGO_ENABLED) == 0 ]] || fail "cgo is on, though there is no C compiler: see go env -changed"

GOFLAGS="$(go env GOFLAGS) -count=1" # what passed with more tools does not count
export GOFLAGS
make demo
make test
make install DESTDIR="$into" PREFIX=/usr/local
"$into/usr/local/bin/once" --version
