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

go build -o "$into/once-model" ./src/cmd/once-model
cp -R gsl "$into"
rm -rf "$into/gsl/test"
for project in project.xml examples/auction/project.xml gsl/testdata/good/project.xml; do
    if ! "$into/once-model" lint --settle "$into" "$project" >&2; then
        echo "$project was not printed: correct the models named above" >&2
        exit 1
    fi
done
cp -R api/abi "$into/api"
sum=$(cat api/class/*.xml api/abi/*.xml gsl/abi_types.xml | sha256sum | cut -c1-16)
"$into/once-model" vectors --out "$into/generated/vectors" project.xml
"$into/once-model" vectors --out "$into/examples/auction/generated/vectors" examples/auction/project.xml
"$into/once-model" vectors --out "$into/gsl/test/tiny/vectors" gsl/testdata/good/project.xml
cd "$into"
for project in project.xml examples/auction/project.xml gsl/testdata/good/project.xml; do
    faults=$(gsl -q "-checksum:m$sum" "$project" 2>&1) || faults="$faults (failed)"
    if [ -n "$faults" ]; then
        echo "$faults" >&2
        exit 1
    fi
done
gofmt -w generated bindings examples gsl/test src
