#!/bin/sh
# Fails unless what is committed is what the models print, byte for byte. It
# prints into a copy and leaves the tree alone.
set -eu
cd "$(dirname "$0")/.."

printed="generated bindings/go/libonce gsl/test/tiny"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/bindings" "$copy/bindings/go"
cp -R project.xml api gsl generated "$copy"
cp -R bindings/go/libonce "$copy/bindings/go"
"$copy/gsl/generate.sh"

stale=$(for part in $printed; do diff -rq "$part" "$copy/$part" || true; done |
    sed -e "s|$copy/||g" -e 's|^Files \(.*\) and .* differ$|\1|')
if [ -n "$stale" ]; then
    echo "$stale" >&2
    echo "check: the files above are not what the models print: make generate, review, commit" >&2
    exit 1
fi

# shellcheck disable=SC2086 # a list of words
uncommitted=$(git status --porcelain -- $printed)
if [ -n "$uncommitted" ]; then
    echo "$uncommitted" >&2
    echo "check: the files above are not committed: review and commit them with the models" >&2
    exit 1
fi
