#!/usr/bin/env bash
# Three nodes on loopback find each other and hold the conversation that is in
# conversation.txt. Ends by itself, with status 0 if each saw what the others said.
set -euo pipefail
cd "$(dirname "$0")/.."

names=(ana ben cleo)
script=demo/conversation.txt
group=demo
port=$((20000 + RANDOM % 40000)) # beacons of our own, apart from other nodes
patience=10                      # seconds, for the whole conversation

work=$(mktemp -d)
declare -A pid input
finish() {
    for name in "${!pid[@]}"; do
        kill "${pid[$name]}" 2>/dev/null || true # it has ended
    done
    wait
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "demo: $*" >&2
    for name in "${names[@]}"; do
        echo "demo: what $name saw and complained of:" >&2
        cat "$work/$name.out" "$work/$name.err" >&2
    done
    exit 1
}

# saw NAME LINE: wait until NAME has seen LINE.
saw() {
    until grep -Fqx -- "$2" "$work/$1.out"; do
        kill -0 "${pid[$1]}" 2>/dev/null || fail "$1 has ended"
        ((SECONDS < patience)) || fail "$1 did not see: $2"
        sleep 0.02
    done
}

# others NAME: all but NAME.
others() {
    for name in "${names[@]}"; do
        [[ $name == "$1" ]] || echo "$name"
    done
}

echo "Building the program ..."
mkdir -p bin
go build -o bin/once ./src/cmd/once

echo "Starting ${names[*]}, each a process of its own ..."
SECONDS=0
for name in "${names[@]}"; do
    mkfifo "$work/$name.in"
    bin/once chat --group $group --name "$name" --interface 127.0.0.1 --port $port \
        <"$work/$name.in" >"$work/$name.out" 2>"$work/$name.err" &
    pid[$name]=$!
done
for name in "${names[@]}"; do # once all run, so that none inherits another's input
    exec {fd}>"$work/$name.in"
    input[$name]=$fd
done
for name in "${names[@]}"; do
    for other in $(others "$name"); do
        saw "$name" "* $other joined $group"
    done
done

while IFS= read -r line; do
    [[ $line == \#* ]] && continue
    name=${line%%: *}
    echo "${line#*: }" >&"${input[$name]}"
    for other in $(others "$name"); do
        saw "$other" "$line"
    done
done <$script

for name in "${names[@]}"; do
    fd=${input[$name]}
    exec {fd}>&- # the end of its input is the end of its part
    wait "${pid[$name]}" || fail "$name has failed"
    unset "pid[$name]"
    for other in "${!pid[@]}"; do
        saw "$other" "* $name is gone (left)"
    done
done

for name in "${names[@]}"; do
    printf '\nWhat %s saw:\n' "$name"
    sed 's/^/    /' "$work/$name.out"
done
cat <<END

Each saw what the others said. To talk yourself, run this in two terminals, each
with a name of its own, on one machine or on two in the same network:

    bin/once chat --group room --name YOUR-NAME

END

# Beyond one network: two nodes behind NATs, in namespaces that are gone afterwards.
if [ "$(go env GOOS)" = linux ]; then
    CGO_ENABLED=0 go run ./lab/nat --demo
else
    echo "demo: two nodes behind NATs are shown on Linux only"
fi
