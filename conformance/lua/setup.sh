#!/usr/bin/env bash
# Puts the files and the library where LuaJIT looks, and the driver beside them.
set -euo pipefail
into=$1
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
command -v luajit >/dev/null || { echo "there is no luajit: apt-get install luajit" >&2; exit 77; }
cp "$root"/bindings/lua/*.lua "$root/bin/lib/libonce.so" "$here/driver.lua" "$into"
printf '#!/bin/sh\nLUA_PATH="%s/?.lua" exec luajit "%s/driver.lua" "$@"\n' "$into" "$into" >"$into/driver"
chmod +x "$into/driver"
