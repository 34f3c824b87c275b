#!/bin/sh
# Prints all generated files from the models into an empty directory, which then
# also holds a copy of the models. What is in the tree stays as it is.
set -eu
into=$1
cd "$(dirname "$0")/.."

wanted="GSL/4.1.4"
found=$(gsl -v 2>/dev/null | grep -o 'GSL/[0-9.]*' | head -n 1 || true)
if [ "$found" != "$wanted" ]; then
    echo "needs $wanted, found ${found:-none}; on Debian and Ubuntu: apt-get install generator-scripting-language" >&2
    exit 1
fi

cp -R project.xml api gsl "$into"
rm -rf "$into/gsl/test"
cd "$into"
for project in project.xml gsl/testdata/good/project.xml; do
    sum=$(cat api/class/*.xml api/abi/*.xml gsl/abi_types.xml | sha256sum | cut -c1-16)
    faults=$(gsl -q "-checksum:m$sum" "$project" 2>&1) || faults="$faults (failed)"
    if [ -n "$faults" ]; then
        echo "$faults" >&2
        echo "$project was not printed: correct the models named above" >&2
        exit 1
    fi
done
gofmt -w generated bindings gsl/test src
