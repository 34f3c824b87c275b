#!/usr/bin/env bash
# Unpacks Debian's miniupnpd in a folder, unless it is there, and installs nothing: so no
# daemon starts.
set -euo pipefail
[[ ! -x $1/usr/sbin/miniupnpd ]] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && timeout 60 apt-get download -qq miniupnpd-nftables) >/dev/null 2>&1
dpkg -x "$work"/*.deb "$1"
ldd "$1/usr/sbin/miniupnpd" | grep -q 'not found' && rm -rf "$1" && exit 1
exit 0
