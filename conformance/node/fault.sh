#!/usr/bin/env bash
# Spoils the installed decoder: entries are read one octet late.
set -euo pipefail
decoder=$(cat "$1/decoder")
sed -i 's/list\[i\] = data.subarray(at, at + size)/list[i] = data.subarray(at + 1, at + size)/' "$decoder"
grep -q 'at + 1, at + size' "$decoder"
