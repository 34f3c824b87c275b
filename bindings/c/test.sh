#!/usr/bin/env bash
# Tests libonce beside the scenarios of conformance: with sanitizers, and with valgrind.
set -euo pipefail
cd "$(dirname "$0")/../.."
into=$(mktemp -d)
trap 'rm -rf "$into"' EXIT
bash bindings/c/install.sh install bin/lib '' "$into"
cp bin/lib/libonce.so "$into/copy.so"
compile() { gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror "$@" -I"$into/include" bindings/c/test.c -L"$into/lib" -lonce -ldl -Wl,-rpath,"$into/lib"; }

echo "AddressSanitizer and UndefinedBehaviorSanitizer:"
compile -fsanitize=address,undefined -fno-sanitize-recover=undefined -o "$into/sanitized"
"$into/sanitized" "$into/lib/libonce.so" "$into/copy.so"

echo "calls take no memory from C:"
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -I"$into/include" bindings/c/alloc.c -o "$into/alloc" -L"$into/lib" -lonce -Wl,-rpath,"$into/lib"
"$into/alloc"

echo "linked statically:"
gcc -std=gnu11 -O1 -I"$into/include" bindings/c/test.c "$into/lib/libonce.a" -ldl -lpthread -o "$into/static"
ONE=1 ROUNDS=20 "$into/static" x y

if command -v valgrind >/dev/null; then
	echo "valgrind, of what C does (of Go's own memory it knows nothing):"
	compile -o "$into/plain"
	# Go keeps its stacks and heap where valgrind does not look, so what it says of the
	# library alone is left out; what comes by way of the test's code, or of malloc, is not.
	ONE=1 ROUNDS=20 valgrind --leak-check=full --show-leak-kinds=definite --log-file="$into/log.%p" "$into/plain" x y
	if grep -hE '\(test\.c:|once\.c:|shims\.c:|Invalid free|definitely lost: [1-9]' "$into"/log.*; then
		echo "valgrind has found the above" >&2
		exit 1
	fi
	echo "valgrind, of Python with the library, but for what is Go's:"
	cat >"$into/used.py" <<-PY
		import once
		for _ in range(5):
		    with once.Node("ana", interfaces="127.0.0.1", beacon_port=25675, groups=["room"]) as node:
		        assert node.own_groups() == ["room"] and node.counts() is not None
	PY
	PYTHONDONTWRITEBYTECODE=1 PYTHONMALLOC=malloc PYTHONPATH=bindings/python ONCE_LIBRARY=$into/lib/libonce.so \
		valgrind --leak-check=full --show-leak-kinds=definite --suppressions=bindings/c/once.supp --log-file="$into/python" python3 "$into/used.py"
	if grep -hE 'Invalid (read|write|free)|definitely lost: [1-9]' "$into/python"; then
		echo "valgrind has found the above in Python" >&2
		exit 1
	fi
else
	echo "valgrind: skipped: apt-get install valgrind"
fi
