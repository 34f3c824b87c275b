#!/usr/bin/env bash
# Compiles the driver with javac in an empty folder, against the jar and JNA.
set -euo pipefail
into=$1
here=$(dirname "$(readlink -f "$0")")
jna=${JNA_JAR:-/usr/share/java/jna.jar}
command -v javac >/dev/null || { echo "there is no javac: apt-get install default-jdk-headless" >&2; exit 77; }
[ -e "$jna" ] || { echo "there is no JNA: apt-get install libjna-java" >&2; exit 77; }
cp "$here"/../../bin/java/at-once-*[0-9].jar "$into/at-once.jar"
javac -Xlint:all -Werror -cp "$into/at-once.jar" -d "$into" "$here/Driver.java"
printf '#!/bin/sh\nexec java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "%s/at-once.jar:%s:%s" Driver "$@"\n' "$into" "$jna" "$into" >"$into/driver"
chmod +x "$into/driver"
