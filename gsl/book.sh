#!/bin/sh
# Makes one book of the pages and pictures in a directory with printed files.
set -eu
cd "$1"
for picture in generated/doc/*.dot; do
    [ -f "${picture%.dot}.svg" ] || exit 0 # it is named as missing already
done
./once-model doc project.xml
