#!/usr/bin/env bash
# Spoils the decoder in the installed jar: entries are read one octet late.
set -euo pipefail
into=$1
source=$(dirname "$(readlink -f "$0")")/../../bindings/java/src
mkdir "$into/spoilt"
sed 's/Arrays.copyOfRange(data, at - size, at)/Arrays.copyOfRange(data, at - size + 1, at)/' "$source/io/github/sjohnr/once/Reader.java" >"$into/spoilt/Reader.java"
grep -q 'at - size + 1' "$into/spoilt/Reader.java"
javac -cp "$into/at-once.jar:${JNA_JAR:-/usr/share/java/jna.jar}" -d "$into/spoilt" "$into/spoilt/Reader.java"
jar --update --file "$into/at-once.jar" -C "$into/spoilt" io
