#!/usr/bin/env bash
# Installs the library with make install-lib, and compiles the driver by pkg-config.
set -euo pipefail
into=$1
here=$(dirname "$(readlink -f "$0")")
for tool in g++ pkg-config; do
	command -v $tool >/dev/null || { echo "there is no $tool: apt-get install g++ pkg-config" >&2; exit 77; }
done
bash "$here/../../bindings/c/install.sh" install bin/lib '' "$into"
export PKG_CONFIG_PATH=$into/lib/pkgconfig
# What names each method of the list, so that one that is missing does not compile, and calls
# what gets something.
awk '/^once_/ { print toupper($3) " (" substr($1, 6) ", " $2 ")" }' "$here/../methods.txt" >"$into/methods.inc"
# shellcheck disable=SC2046,SC2086
g++ -std=c++17 -O1 -g -Wall -Wextra ${SANITIZE-} -I"$into" "$here/driver.cpp" -o "$into/driver" $(pkg-config --cflags --libs once) -pthread -Wl,-rpath,"$into/lib"
