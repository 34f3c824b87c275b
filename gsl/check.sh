#!/bin/sh
# Fails unless what is committed is what the models print, byte for byte.
set -eu
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
gsl/print.sh "$copy"

stale=$(gsl/pictures.sh "$copy"
gsl/book.sh "$copy"
for part in generated bindings/go/libonce examples/auction/generated gsl/test/tiny; do
    diff -rq "$part" "$copy/$part" || true
    git status --porcelain -- "$part"
done
for file in $({ gsl/among.sh .; gsl/among.sh "$copy"; } | sort -u); do
    diff -qN "$file" "$copy/$file" || true
    git status --porcelain -- "$file"
done)
if [ -n "$stale" ]; then
    echo "$stale" | sed "s|$copy/|printed: |g" >&2
    echo "check: the files above are not what the models print, or not committed: make generate, review, commit" >&2
    exit 1
fi
