#!/usr/bin/env bash
# Puts the files and the library into a folder that Ruby is told of, and the driver beside them.
set -euo pipefail
into=$1
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
command -v ruby >/dev/null || { echo "there is no ruby: apt-get install ruby" >&2; exit 77; }
ruby -e 'require "ffi"' 2>/dev/null || { echo "Ruby has no ffi: apt-get install ruby-ffi" >&2; exit 77; }
cp "$root"/bindings/ruby/*.rb "$root/bin/lib/libonce.so" "$here/driver.rb" "$into"
printf '#!/bin/sh\nexec ruby -I "%s" "%s/driver.rb" "$@"\n' "$into" "$into" >"$into/driver"
chmod +x "$into/driver"
