#!/usr/bin/env bash
# Makes the package for Node.js: bindings/node/pack.sh LIBRARY INTO.
set -euo pipefail
library=$1 into=$2
cd "$(dirname "$0")/../.."
version=$(sed -nE 's/.*ONCE_VERSION "(.*)"/\1/p' bindings/c/include/once.h)
mkdir -p "$into/package"
cp bindings/node/*.js bindings/node/*.ts bindings/node/README.md LICENSE "$library" "$into/package"
sed "s/\"version\": \"0.0.0\"/\"version\": \"$version\"/" bindings/node/package.json >"$into/package/package.json"
tar -C "$into" --owner 0 --group 0 --mtime @0 --sort name -czf "$into/at-once-$version.tgz" package
rm -r "$into/package"
echo "$into/at-once-$version.tgz"
