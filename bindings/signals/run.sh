#!/usr/bin/env bash
# Tries what signals do in all languages but C, C++ and Go, with the packages as installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ -z ${ONCE_SIGNALS:-} ]]; then # a shell may have had this ignore SIGINT, as what it runs behind it
	ONCE_SIGNALS=default exec env --default-signal=INT bash bindings/signals/run.sh
fi
root=$PWD
into=$(mktemp -d)
trap 'rm -rf "$into"' EXIT
failed=0
for language in python node java ruby lua; do
	mkdir "$into/$language"
	cd "$root"
	if ! bash "conformance/$language/setup.sh" "$into/$language" >/dev/null 2>"$into/why"; then
		echo "$language: skipped: $(tail -n 1 "$into/why")"
		continue
	fi
	cd "$into/$language"
	case $language in
	python) venv/bin/python "$root/bindings/signals/signals.py" || failed=1 ;;
	node) cp "$root/bindings/signals/signals.js" . && node signals.js || failed=1 ;;
	java) javac -Xlint:all -Werror -cp at-once.jar -d . "$root/bindings/signals/Signals.java" && java -cp "at-once.jar:${JNA_JAR:-/usr/share/java/jna.jar}:." Signals || failed=1 ;;
	ruby) ruby -I . "$root/bindings/signals/signals.rb" || failed=1 ;;
	lua) for call in ask recv events next_offer; do LUA_PATH="./?.lua" luajit "$root/bindings/signals/signals.lua" $call || failed=1; done ;;
	esac
done
exit $failed
