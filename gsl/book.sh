#!/bin/sh
# Makes a book of the pages and pictures of each project in a directory with printed files.
set -eu
cd "$1"
for picture in generated/doc/*.dot examples/*/generated/doc/*.dot; do
    [ -f "${picture%.dot}.svg" ] || exit 0 # it is named as missing already
done
./once-model doc project.xml
./once-model doc examples/auction/project.xml
