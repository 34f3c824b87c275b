#!/usr/bin/env bash
# Spoils the installed decoder: entries are read one octet late.
set -euo pipefail
sed -i 's/list\[i\] = data:sub(at + 4, at + 3 + size)/list[i] = data:sub(at + 5, at + 3 + size)/' "$1/once_crossing.lua"
grep -q 'at + 5, at + 3' "$1/once_crossing.lua"
