#!/usr/bin/env bash
# Builds the driver in a module of its own, which has but the driver.
set -euo pipefail
into=$1
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
command -v go >/dev/null || { echo "there is no go" >&2; exit 77; }
mkdir -p "$into/module"
cp "$here/driver.go" "$into/module"
cd "$into/module"
sed "s|^module .*|module driver|" "$root/go.mod" >go.mod
cp "$root/go.sum" .
cat >>go.mod <<M

require github.com/sjohnr/at-once v0.0.0
replace github.com/sjohnr/at-once => $root
M
go build -mod=mod -o "$into/driver" .
