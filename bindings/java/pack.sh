#!/usr/bin/env bash
# Makes the jar of once, and one of its sources, without a network: pack.sh LIBRARY INTO.
set -euo pipefail
library=$(readlink -f "$1")
mkdir -p "$2"
into=$(readlink -f "$2")
cd "$(dirname "$0")"
jna=${JNA_JAR:-/usr/share/java/jna.jar}
command -v javac >/dev/null || { echo "there is no javac: apt-get install default-jdk-headless" >&2; exit 77; }
[ -e "$jna" ] || { echo "there is no $jna: apt-get install libjna-java, or name another in JNA_JAR" >&2; exit 77; }
version=$(sed -nE 's/.*ONCE_VERSION "(.*)"/\1/p' ../c/include/once.h)
[ "$(sed -nE '1,/<version>/s/.*<version>(.*)<.*/\1/p' pom.xml)" = "$version" ] || { echo "pom.xml is not of version $version" >&2; exit 1; }
case $(go env GOOS)/$(go env GOARCH) in # as JNA calls them
linux/amd64) platform=linux-x86-64 ;;
linux/arm64) platform=linux-aarch64 ;;
darwin/amd64) platform=darwin-x86-64 ;;
darwin/arm64) platform=darwin-aarch64 ;;
windows/amd64) platform=win32-x86-64 ;;
*) echo "JNA has no name for $(go env GOOS)/$(go env GOARCH) here" >&2; exit 1 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
about=META-INF/maven/io.github.sjohnr/at-once
mkdir -p "$work/classes/$platform" "$work/classes/$about"
javac -Xlint:all,-serial -Werror --release 11 -cp "$jna" -d "$work/classes" src/io/github/sjohnr/once/*.java
cp "$library" "$work/classes/$platform"
cp pom.xml "$work/classes/$about"
cp ../../LICENSE README.md "$work/classes/META-INF"
echo "Automatic-Module-Name: io.github.sjohnr.once" >"$work/manifest"
jar --create --file "$into/at-once-$version.jar" --manifest "$work/manifest" -C "$work/classes" .
jar --create --file "$into/at-once-$version-sources.jar" -C src .
echo "$into/at-once-$version.jar"
