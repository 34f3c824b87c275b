#!/usr/bin/env bash
# Installs the package in an empty npm project, and the driver beside it.
set -euo pipefail
into=$1
here=$(dirname "$(readlink -f "$0")")
for tool in node npm; do
	command -v $tool >/dev/null || { echo "there is no $tool" >&2; exit 77; }
done
package=$(echo "$here"/../../bin/node/at-once-*.tgz)
cd "$into"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund "$package" >&2 || { echo "npm cannot get koffi here" >&2; exit 77; }
cp "$here/driver.js" .
printf '#!/bin/sh\ncd "%s" && exec node driver.js "$@"\n' "$into" >driver
chmod +x driver
echo "$into/node_modules/at-once/crossing.js" >decoder
