#!/bin/sh
# Replaces all generated files of the tree by what the models print now. A file
# whose model is gone does not survive; if a model has a fault, nothing changes.
set -eu
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
gsl/print.sh "$copy"
gsl/pictures.sh "$copy" draw
gsl/book.sh "$copy"
rm -rf generated bindings/go/libonce examples/auction/generated gsl/test/tiny
gsl/among.sh . | xargs -r rm
cp -R "$copy/generated" .
cp -R "$copy/bindings/go/libonce" bindings/go/
cp -R "$copy/examples/auction/generated" examples/auction/
cp -R "$copy/gsl/test/tiny" gsl/test/
(cd "$copy" && gsl/among.sh .) | while read -r file; do mkdir -p "$(dirname "$file")"; cp "$copy/$file" "$file"; done
