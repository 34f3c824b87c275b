#!/usr/bin/env bash
# Spoils the installed decoder: entries are read one octet late.
set -euo pipefail
decoder=$(cat "$1/decoder")
sed -i 's/found.append(data\[at + 4 : end\])/found.append(data[at + 4 + 1 : end])/' "$decoder"
grep -q 'at + 4 + 1 : end' "$decoder"
