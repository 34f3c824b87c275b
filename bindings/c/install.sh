#!/usr/bin/env bash
# Builds libonce, and installs it: bindings/c/install.sh build DIR puts the libraries into
# DIR; bindings/c/install.sh install DIR DESTDIR PREFIX takes them from there.
set -euo pipefail
what=$1 from=$2
cd "$(dirname "$0")/../.."
version=$(sed -nE 's/.*ONCE_VERSION "(.*)"/\1/p' bindings/c/include/once.h)
abi=$(sed -nE 's/^#define ONCE_ABI ([0-9]+)$/\1/p' bindings/c/include/once.h)

build() {
	mkdir -p "$from"
	export CGO_ENABLED=1
	flags="-Wl,-soname,libonce.so.$abi -Wl,-Bsymbolic -Wl,--wrap=pthread_getattr_np"
	name=libonce.so
	case $(go env GOOS) in
	darwin) name=libonce.dylib flags="-Wl,-install_name,@rpath/libonce.$abi.dylib" ;;
	windows) name=once.dll flags= ;;
	esac
	go build -trimpath -buildvcs=false -buildmode=c-shared -ldflags "-s -w -extldflags '$flags'" -o "$from/$name" ./bindings/c/lib
	go build -trimpath -buildvcs=false -buildmode=c-archive -o "$from/libonce.a" ./bindings/c/lib
	rm -f "$from"/libonce.h "$from"/once.h # cgo's own; ours is in bindings/c/include
}

install_all() {
	local to=$2$3
	[ -e "$from/libonce.so" ] || { echo "there is no $from/libonce.so: make lib first" >&2; exit 1; }
	mkdir -p "$to"/lib/pkgconfig "$to"/include "$to"/share/man/man3
	install -m 755 "$from/libonce.so" "$to/lib/libonce.so.$version"
	ln -sf "libonce.so.$version" "$to/lib/libonce.so.$abi"
	ln -sf "libonce.so.$abi" "$to/lib/libonce.so"
	install -m 644 "$from/libonce.a" "$to/lib"
	install -m 644 bindings/c/include/once.h bindings/c/include/once.hpp bindings/c/include/once_base.hpp "$to/include"
	install -m 644 bindings/c/man/*.3 "$to/share/man/man3"
	cat >"$to/lib/pkgconfig/once.pc" <<-PC
		prefix=$3
		libdir=\${prefix}/lib
		includedir=\${prefix}/include

		Name: once
		Description: real-time, peer-to-peer communication and notifications
		Version: $version
		Libs: -L\${libdir} -lonce
		Libs.private: -lpthread
		Cflags: -I\${includedir}
	PC
}

case $what in
build) build ;;
install) install_all x "$3" "$4" ;;
*) echo "bindings/c/install.sh $what: build or install" >&2; exit 2 ;;
esac
