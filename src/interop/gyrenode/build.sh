#!/usr/bin/env bash
# Usage: build.sh PROGRAM. Builds gyrenode with a gyre that today's Go lets start:
# since Go 1.12.8 url.Parse refuses "tcp://*:*", which gyre has it parse to bind.
set -euo pipefail
program=$(realpath -m "$1")
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$(go list -m -f '{{.Dir}}' github.com/zeromq/gyre)" "$work/gyre"
chmod -R u+w "$work"
# shellcheck disable=SC2016 # it is sed's $
sed -i '/e, err := url.Parse(endpoint)$/a if endpoint == "tcp://*:*" { e, err = \&url.URL{Scheme: "tcp", Host: "*:*"}, nil }' "$work/gyre/node.go"
grep -q 'Host: "\*:\*"' "$work/gyre/node.go" # else gyre is not what it was
echo "module github.com/zeromq/gyre" >"$work/gyre/go.mod"
cp go.sum "$work/interop.sum"
{ cat go.mod; echo "replace github.com/zeromq/gyre => $work/gyre"; } >"$work/interop.mod"
go build -mod=mod -modfile="$work/interop.mod" -o "$program" ./gyrenode
