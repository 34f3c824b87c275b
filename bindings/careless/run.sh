#!/usr/bin/env bash
# Tries what becomes of programs that are careless with their nodes, each with its package
# as installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
into=$(mktemp -d)
trap 'rm -rf "$into"' EXIT
python3 -m venv "$into/venv" && "$into/venv/bin/pip" install -q bin/python/once-*.whl
timeout 120 "$into/venv/bin/python" bindings/careless/careless.py
if command -v ruby >/dev/null && ruby -e 'require "ffi"' 2>/dev/null; then
	ONCE_LIBRARY=$PWD/bin/lib/libonce.so timeout 120 ruby -Ibindings/ruby bindings/careless/careless.rb
else
	echo "ruby: skipped: apt-get install ruby ruby-ffi"
fi
if command -v npm >/dev/null; then
	(cd "$into" && npm init -y >/dev/null && npm install --no-audit --no-fund --silent "$OLDPWD"/bin/node/at-once-*.tgz)
	cp bindings/careless/careless.js "$into"
	(cd "$into" && timeout 120 node --expose-gc careless.js)
else
	echo "node: skipped: apt-get install nodejs npm"
fi
