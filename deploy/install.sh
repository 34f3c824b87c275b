#!/usr/bin/env bash
# Installs what `make build` has built: deploy/install.sh DESTDIR PREFIX. With a third
# word, remove, it takes away what it has installed there.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
prefix=${2%/} to=$1${2%/} what=${3:-}

fail() {
    echo "install: $*" >&2
    exit 1
}

[[ $prefix == /* || -z $prefix ]] || fail "PREFIX is $prefix: give a path that begins with /"
[[ $what == remove || -d bin/share ]] || fail "nothing is built: run make build, where Go is"

# Pages of commands that there are no more go, too.
rm -f "$to/bin/once" "$to"/share/{man/man1/once{,-*}.1,bash-completion/completions/once,zsh/site-functions/_once} \
    "$to"/share/{fish/vendor_completions.d/once.fish,systemd/user/once.service}
if [[ $what == remove ]]; then
    echo "removed once from $to"
    exit
fi

put() { # MODE FILE TO
    mkdir -p "$(dirname "$3")"
    install -m "$1" "$2" "$3"
}

put 755 bin/once "$to/bin/once"
(cd bin/share && find . -type f) | while read -r file; do
    put 644 "bin/share/$file" "$to/share/$file"
done
sed "s|^ExecStart=/usr|ExecStart=$prefix|" bin/share/systemd/user/once.service >"$to/share/systemd/user/once.service"
echo "installed $to/bin/once, with its manual, completions and a systemd unit in $to/share"
if [[ -z $1 && :$PATH: != *:$prefix/bin:* ]]; then
    echo "the shell does not look there yet: export PATH=\"$prefix/bin:\$PATH\""
fi
