#!/usr/bin/env bash
# Proves that a release depends on nothing but what is committed: two clones in two places
# make it, the second for another home, umask, language and time zone and from nothing
# that was compiled before, and the octets are the same. Then the package for Debian that
# is for this machine is tried. PLATFORMS says what is made.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
one=$work/one other="$work/far/from the/other"
git clone -q . "$one"
git clone -q . "$other"
mkdir "$work/home"

make -C "$one" dist PLATFORMS="$PLATFORMS"
(
    umask 077
    env HOME="$work/home" GOENV="$(go env GOENV)" GOMODCACHE="$(go env GOMODCACHE)" GOCACHE="$work/cache" \
        LC_ALL=C.UTF-8 TZ=Pacific/Chatham GOAMD64=v3 make -C "$other" dist PLATFORMS="$PLATFORMS" >/dev/null
)
diff -r "$one/bin/dist" "$other/bin/dist"
(cd "$other/bin/dist" && sha256sum --quiet -c SHA256SUMS)
echo "dist: the same from two places: $(wc -l <"$one/bin/dist/SHA256SUMS") files"

for package in "$one"/bin/dist/*_"$(dpkg --print-architecture)".deb; do
    ${SUDO:-} bash .ci/package.sh "$package" "$(git -C "$one" rev-parse --short=12 HEAD)"
done
