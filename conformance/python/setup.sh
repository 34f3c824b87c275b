#!/usr/bin/env bash
# Installs the wheel in an environment of its own, and the driver beside it.
set -euo pipefail
into=$1
here=$(dirname "$(readlink -f "$0")")
python3 -m venv "$into/venv" || { echo "Python has no venv here: apt-get install python3-venv" >&2; exit 77; }
"$into/venv/bin/pip" install -q --no-index --disable-pip-version-check "$here"/../../bin/python/once-*.whl
cp "$here/driver.py" "$into"
printf '#!/bin/sh\nexec "%s/venv/bin/python" "%s/driver.py" "$@"\n' "$into" "$into" >"$into/driver"
chmod +x "$into/driver"
echo "$into"/venv/lib/python3*/site-packages/once/_crossing.py >"$into/decoder"
