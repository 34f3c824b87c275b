#!/usr/bin/env bash
# Spoils the installed decoder: frames are read one octet late.
set -euo pipefail
decoder=$(cat "$1/decoder")
sed -i 's/frames_.append(data\[at : at + size\])/frames_.append(data[at + 1 : at + size])/' "$decoder"
grep -q 'at + 1 : at + size' "$decoder"
