#!/usr/bin/env bash
# Measures the languages beside Go, and what they have of ZeroMQ beside them, alternating in
# one run, two processes of a kind each: bindings/bench/run.sh [ROUNDS]. What is printed is
# the best of the rounds. A million whispers are enough for Java to warm up.
set -euo pipefail
rounds=${1:-3}
cd "$(dirname "$0")/../.."
into=$(mktemp -d)
trap 'rm -rf "$into"' EXIT
languages="go c"
go build -o "$into/go" ./bindings/bench/go
bash bindings/c/install.sh install bin/lib '' "$into/c.d"
gcc -std=gnu11 -O2 -Wall -I"$into/c.d/include" bindings/bench/bench.c -o "$into/c" -L"$into/c.d/lib" -lonce -Wl,-rpath,"$into/c.d/lib"
script() { # LANGUAGE COMMAND...
	mkdir -p "$into/$1.d"
	if bash "conformance/$1/setup.sh" "$into/$1.d" >/dev/null 2>"$into/why"; then
		printf '#!/bin/sh\ncd "%s" && exec %s "$@"\n' "$into/$1.d" "$2" >"$into/$1"
		chmod +x "$into/$1"
		languages="$languages $1"
	else
		echo "$1: skipped: $(tail -n 1 "$into/why")"
	fi
}
script python "venv/bin/python $PWD/bindings/bench/bench.py"
script java "java -cp at-once.jar:${JNA_JAR:-/usr/share/java/jna.jar}:. Bench"
[ ! -e "$into/java.d/at-once.jar" ] || javac -cp "$into/java.d/at-once.jar" -d "$into/java.d" bindings/bench/Bench.java
script node "node bench.js"
[ ! -d "$into/node.d" ] || cp bindings/bench/bench.js "$into/node.d"

absent=
zmq=$(for python in python3 /usr/bin/python3; do "$python" -c 'import zmq' 2>/dev/null && echo "$python" && break; done || true)
if [ -n "$zmq" ]; then
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$zmq" "$PWD/bindings/bench/beside_pyzmq.py" >"$into/pyzmq"
	chmod +x "$into/pyzmq"
	languages="$languages pyzmq"
else
	absent+="pyzmq: not here: apt-get install python3-zmq"$'\n'
fi
python3 -c 'import pyre' 2>/dev/null || absent+="pyre: not here: no package of this system has it"$'\n'
npm_has() { # PACKAGE
	command -v npm >/dev/null && mkdir -p "$into/$1.d" && (cd "$into/$1.d" && npm init -y >/dev/null && timeout 120 npm install --silent --no-audit --no-fund "$1" && node -e "require('$1')") >/dev/null 2>&1
}
if npm_has zeromq; then
	cp bindings/bench/beside_zeromq.js "$into/zeromq.d"
	printf '#!/bin/sh\ncd "%s" && exec node beside_zeromq.js "$@"\n' "$into/zeromq.d" >"$into/zeromq.js"
	chmod +x "$into/zeromq.js"
	languages="$languages zeromq.js"
else
	absent+="zeromq.js: not here: npm cannot install zeromq"$'\n'
fi
npm_has zyre.js || absent+="zyre.js: not here: npm cannot install it, as zeromq 5, which it needs, has to be compiled"$'\n'

port=$((20000 + RANDOM % 10000))
once() { # LANGUAGE WHAT COUNT
	port=$((port + 1))
	timeout 120 "$into/$1" b "$2" "$3" 64 $port &
	if ! timeout 120 "$into/$1" a "$2" "$3" 64 $port || ! wait $!; then
		echo "$1 has failed at $2" >&2
		return 1
	fi
}
for _ in $(seq "$rounds"); do
	for language in $languages; do
		flood=$(once "$language" flood 1000000)
		echo=$(once "$language" echo 2000)
		printf '%s flood %s\n%s echo %s\n' "$language" "$flood" "$language" "$echo"
	done
done >"$into/all"
for what in flood echo; do
	awk -v what=$what '
		$2 == what { v = $3; if (!($1 in best)) order[++n] = $1; if (!($1 in best) || (what == "flood" ? v > best[$1] : v < best[$1])) best[$1] = v; unit = $4 }
		END { for (i = 1; i <= n; i++) printf "%-9s %s, 64 B: %10.1f %s, %.2f of Go\n", order[i], what == "flood" ? "whisper" : "round trip", best[order[i]], unit, best[order[i]] / best["go"] }
	' "$into/all"
done
printf '%s' "$absent"
