#!/bin/sh
# Puts the pictures of state machines that dot (graphviz) has drawn into a directory with
# printed files, and names those that it lacks. A picture says in its last line what it was
# drawn from, and what it was then, so that it is known for current without dot, of whatever
# version. With a second argument, draw, what is not current is drawn, if dot is there.
set -eu
into=$1
cd "$(dirname "$0")/.."

hash() { sha256sum | cut -c 1-64; }

for diagram in "$into"/generated/doc/*.dot "$into"/examples/*/generated/doc/*.dot; do
    name=$(basename "$diagram" .dot)
    picture=${diagram#"$into/"}
    picture=${picture%.dot}.svg
    source="<!-- Drawn by dot from $name.dot with the SHA-256 $(hash <"$diagram"), before this line with"
    if [ -f "$picture" ] && [ "$(tail -n 1 "$picture")" = "$source $(sed '$d' "$picture" | hash) -->" ]; then
        cp "$picture" "$into/$picture"
    elif [ "${2:-}" = draw ] && command -v dot >/dev/null; then
        dot -Tsvg "$diagram" | sed '1,/<svg/{/<svg/!d}' >"$into/$picture"
        echo "$source $(hash <"$into/$picture") -->" >>"$into/$picture"
    else
        echo "$picture is not of the latest $name.dot: make docs, which needs dot (apt-get install graphviz)"
    fi
done
