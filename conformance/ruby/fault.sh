#!/usr/bin/env bash
# Spoils the installed decoder: entries are read one octet late.
set -euo pipefail
sed -i 's/data.byteslice(at - size, size)/data.byteslice(at - size + 1, size)/' "$1/once_crossing.rb"
grep -q 'at - size + 1, size' "$1/once_crossing.rb"
