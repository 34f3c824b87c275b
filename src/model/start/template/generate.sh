#!/bin/sh
# Replaces what is printed by what the models say now. If a model has a fault, nothing changes.
# It needs once-model, gsl (generator-scripting-language on Debian and Ubuntu) and Go; for pictures
# and the book, dot (graphviz).
set -eu
cd "$(dirname "$0")"
review=${ONCE_MODEL:-once-model}

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
"$review" lint --settle "$copy" project.xml
cp -R gsl "$copy"
faults=$(cd "$copy" && gsl -q project.xml 2>&1) || faults="$faults (failed)"
if [ -n "$faults" ]; then
    echo "$faults" >&2
    exit 1
fi
"$review" vectors --out "$copy/generated/vectors" project.xml
gofmt -w "$copy/generated" "$copy/binding"
if command -v dot >/dev/null; then
    for diagram in "$copy"/generated/doc/*.dot; do
        dot -Tsvg "$diagram" | sed '1,/<svg/{/<svg/!d;}' >"${diagram%.dot}.svg"
    done
    "$review" doc --pages "$copy/generated/doc" project.xml
else
    echo "no dot, no pictures and no book: apt-get install graphviz" >&2
fi
rm -rf generated binding
cp -R "$copy/generated" "$copy/binding" .
