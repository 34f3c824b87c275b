#!/usr/bin/env bash
# Makes in bin/dist, for each platform, an archive, and for Linux a package of Debian, too;
# and their checksums. `make dist` has built bin/share and sets COMMIT, SOURCE_DATE_EPOCH
# and PLATFORMS. What is made depends on the commit and on the versions of Go, tar, gzip,
# zip and dpkg alone: not on where, when, or by whom.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOFLAGS=-mod=readonly
unset GOEXPERIMENT GODEBUG GOFIPS140

[[ $COMMIT != *+changes && -n $COMMIT ]] || {
    echo "dist: what is released is what is committed: commit or stash first (git status tells what)" >&2
    exit 1
}
version=$(bin/once --version | cut -d' ' -f2)
out=bin/dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf $out
mkdir -p $out

# licences writes what the licences of all that is linked ask to be passed on.
licences() {
    echo "once is under the Mozilla Public License, v. 2.0; its sources are at $home."
    echo "It has in it the Go runtime and library (as golang.org/x/sys below), and:"
    for os in linux darwin windows; do
        GOOS=$os go list -deps \
            -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./src/cmd/once
    done | sort -u | while read -r module of dir; do
        printf '\n---- %s %s ----\n\n' "$module" "$of"
        cat "$dir"/LICENSE*
    done
}

# dated gives all below a directory the date of the commit, and modes that no umask decides.
dated() {
    chmod -R u=rwX,go=rX "$1"
    find "$1" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
}

# archive NAME OS packs a directory of that name.
archive() {
    dated "$work/$1"
    if [[ $2 == windows ]]; then
        (cd "$work" && find "$1" -type f | sort | zip -qX9 "$1.zip" -@)
        mv "$work/$1.zip" $out/
    else
        tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -c "$1" | gzip -n9 >"$out/$1.tar.gz"
    fi
}

# package ARCH PROGRAM makes a package for Debian and its kin. It starts nothing by
# itself: whether a node is to be there is for its user to say.
package() {
    local root=$work/package-$1
    install -D -m 755 "$2" "$root/usr/bin/once"
    cp -R bin/share "$root/usr/share"
    mkdir -p "$root"/usr/{lib/systemd,share/zsh,share/doc/once} "$root/DEBIAN"
    mv "$root/usr/share/systemd/user" "$root/usr/lib/systemd/user"
    mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
    rmdir "$root/usr/share/systemd"
    cp README.md CHANGELOG.md "$root/usr/share/doc/once/"
    cp "$work/licences" "$root/usr/share/doc/once/copyright"
    gzip -n9 "$root"/usr/share/man/man1/*.1
    (cd "$root" && find usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
    cat >"$root/DEBIAN/control" <<END
Package: once
Version: $version
Architecture: $1
Maintainer: $(git log -1 --format='%an <%ae>')
Installed-Size: $(find "$root/usr" -type f -printf '%s\n' | awk '{ n += int(($1 + 1023) / 1024) } END { print n }')
Section: net
Priority: optional
Homepage: $home
Description: find each other on a network and talk, without a server
 Nodes find each other on the local network or by gossip, form groups, shout to
 a group and whisper to one peer. What they say is sealed from end to end, and
 ZRE programs (Zyre, pyre, gyre) are peers like any other. The package has the
 program once, its manual, completions for bash, zsh and fish, and a service
 for systemd's user manager, which is not enabled.
END
    dated "$root"
    dpkg-deb --root-owner-group -Zxz -b "$root" "$out/once_${version}_$1.deb" >"$work/said" || {
        cat "$work/said" >&2
        return 1
    }
}

home=https://$(go list -m)
licences >"$work/licences"
for platform in $PLATFORMS; do
    os=${platform%/*} arch=${platform#*/}
    name=once-$version-${os/darwin/macos}-$arch
    program=$work/$name/bin/once
    [[ $os != windows ]] || program=$work/$name/once.exe
    mkdir -p "$work/$name"
    GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w -X main.commit=$COMMIT" -o "$program" ./src/cmd/once
    cp README.md CHANGELOG.md LICENSE "$work/$name/"
    cp "$work/licences" "$work/$name/LICENSES-OF-OTHERS"
    [[ $os == windows ]] || cp -R bin/share "$work/$name/share"
    if [[ $os == linux ]]; then # bin and share are to be copied to ~/.local
        sed -i 's|^ExecStart=/usr/bin|ExecStart=%h/.local/bin|' "$work/$name/share/systemd/user/once.service"
    else
        rm -rf "$work/$name/share/systemd"
    fi
    archive "$name" "$os"
    [[ $os != linux ]] || package "$arch" "$program"
done
(cd $out && sha256sum -- once* >SHA256SUMS && cat SHA256SUMS)
