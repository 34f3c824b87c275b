#!/usr/bin/env bash
# Reviews the models: what is wrong with them, and what changed since the latest release, or, if
# there is none, since api/model.lock was written. A release of 0.x may break what was before, and
# says so in CHANGELOG.md; the lock is to be of these models.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
review=$folder/once-model
CGO_ENABLED=0 go build -o "$review" ./src/cmd/once-model

"$review" lint
if base=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null) && git cat-file -e "$base:api" 2>/dev/null; then
	echo "changes of the models since $base:"
	"$review" diff "$base" || [ $? -ge 3 ]
fi
"$review" diff api/model.lock || { status=$?; echo "the models break what api/model.lock has: waive it (once-model diff --help), or make lock" >&2; exit $status; }
"$review" lock --out api/model.lock --check
if "$review" help | grep -q '^  explore '; then
	"$review" explore
	"$review" explore examples/auction
fi
