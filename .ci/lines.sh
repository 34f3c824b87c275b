#!/bin/bash
# Counts the hand-written lines of the library: models, engine and wrapper. Blank lines,
# lines that are only a comment, tests and printed code do not count. What is no part of
# the library stands apart.
set -euo pipefail
cd "$(dirname "$0")/.."
printed=$(git grep -lE 'Code generated .*DO NOT EDIT' -- '*.go' | grep -v '^gsl/' || true)
doubles='^src/(link/memory|beacon/hub)'

# files WANTED [UNWANTED] lists files that are no tests, by what their names match.
files() {
	git ls-files | grep -E "$1" | grep -vE '_test\.go$|/testdata/' | grep -vE "${2:-^$}" | grep -vxF "$printed" || true
}

# count sums up the lines of files named on its input.
count() {
	xargs -r cat | awk '
		inside { if (/\*\/|-->/) inside = 0; next }
		/^[ \t]*$/ || /^[ \t]*(\/\/|#|\.#|\.-)/ { next }
		/^[ \t]*(\/\*|<!--)/ { if (!/\*\/|-->/) inside = 1; next }
		{ n++ }
		END { print n + 0 }'
}

models=$(files '^(api/.*|project)\.xml$' | count)
engine=$(files '^src/.*\.go$' "^src/(cmd|interop|model)/|$doubles" | count)
wrapper=$(files '^bindings/go/.*\.go$' '/oncetest/' | count)
printf '%-10s %6d\n' models "$models" engine "$engine" wrapper "$wrapper" library $((models + engine + wrapper))
echo 'apart:'
printf '%-10s %6d\n' program "$(files '^src/cmd/.*\.go$' | count)" \
	doubles "$(files "$doubles" | count)" oncetest "$(files '/oncetest/.*\.go$' | count)" \
	generator "$(files '^(gsl/.*\.(gsl|sh|go)|src/model/.*\.go)$' '^gsl/test/' | count)" \
	labs "$(files '^(lab|demo|deploy|\.ci)/' '\.txt$' | count)"
