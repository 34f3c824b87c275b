#!/usr/bin/env bash
# LANs from network namespaces: who sees whom, and how soon, on networks as they
# really are. Prints a table; the status is 0 if all is as it should be. Needs
# root, iproute2, nft, /dev/net/tun, and bin/once, bin/tun and bin/gyrenode (see
# `make lan`).
#
#        h1       h2       h3            h8       hosts: a namespace each, with
#         │ eth0   │ eth0   │ eth0  ...   │ eth0   10.9.0.N/24 and fd09::N/64
#     ────┴────────┴────────┴─────────────┴────    bridge lan, in namespace sw
#
#   two segments:  h1 h2 h3 ── lan ── h4 ── far ── h5 h6 h7   (far: 10.9.1.0/24)
#   tunnels:       tun0 of h1, h2, h3 ── bin/tun, without broadcast   (10.8.0.N)
#
# All of it stands in network, mount and process namespaces of its own, and is
# gone when the script ends.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${LAN_INSIDE:-} ]]; then
    [[ $(id -u) == 0 ]] || { echo "lan: needs root, to make network namespaces" >&2; exit 1; }
    LAN_INSIDE=1 exec unshare --net --mount --pid --fork --kill-child bash lab/lan.sh
fi
mount -t tmpfs none /run
mount -t proc none /proc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

declare -A pid # of the node on each host
declare -A args # of each node, words with blanks between
declare -A want # whom each node should see: names in order, a blank after each
declare -A mark # lines of each log when the scenario began
failed=0

# host NAME BRIDGE N... makes a host whose interfaces, eth0 and so on, are in
# pairs of a bridge and the number of its addresses.
host() {
    local name=$1 i=0
    shift
    ip netns add "$name"
    ip netns exec "$name" sysctl -qw net.ipv6.conf.{all,default}.accept_dad=0
    ip -n "$name" link set lo up
    while (($#)); do
        ip -n sw link add "$name-$i" type veth peer name eth$i netns "$name"
        ip -n sw link set "$name-$i" master "$1" up
        case $1 in
        lan) ip -n "$name" addr add "10.9.0.$2/24" dev eth$i ;;
        far) ip -n "$name" addr add "10.9.1.$2/24" dev eth$i ;;
        esac
        ip -n "$name" addr add "fd09::$2/64" dev eth$i nodad
        ip -n "$name" link set eth$i up
        shift 2
        i=$((i + 1))
    done
}

# network makes the bridges.
network() {
    ip netns add sw
    for bridge in lan far; do
        ip -n sw link add $bridge type bridge
        ip -n sw link set $bridge up
    done
}

# tunnel BITS N... gives the hosts hN an interface tun0 with the address 10.8.0.N and
# so many bits of network, and a way to the others.
tunnel() {
    local bits=$1 i=0 n
    shift
    : >"$work/tun"
    ip netns exec sw bin/tun "${@/#/10.8.0.}" < <(sleep 600) >"$work/tun" &
    pid[tun]=$!
    until grep -q ready "$work/tun" || ! kill -0 "${pid[tun]}"; do sleep 0.05; done
    for n; do
        i=$((i + 1))
        ip -n sw link set "ontun$i" netns "h$n" name tun0
        ip -n "h$n" addr add "10.8.0.$n/$bits" dev tun0
        ip -n "h$n" link set tun0 up
        ip -n "h$n" route replace 10.8.0.0/24 dev tun0 src "10.8.0.$n"
    done
}

# plug HOST DEVICE NUMBER puts a network card into a host and its cable into the bridge.
plug() {
    ip -n sw link add "$1-$2" type veth peer name "$2" netns "$1"
    ip -n sw link set "$1-$2" master lan up
    ip -n "$1" addr add "10.9.0.$3/24" dev "$2"
    ip -n "$1" link set "$2" up
}

# start HOST... starts a node on each, and gyre HOST one of gyre.
start() {
    local name words
    for name; do
        read -ra words <<<"${args[$name]:-}"
        echo '{"type":"start"}' >>"$work/$name"
        ip netns exec "$name" bin/once listen --json --name "$name" "${words[@]}" >>"$work/$name" 2>>"$work/complaints" &
        pid[$name]=$!
    done
}
gyre() {
    BEACON_BROADCAST=1 ip netns exec "$1" bin/gyrenode -name "$1" -interface eth0 \
        < <(sleep 600) >>"$work/$1" 2>>"$work/complaints" &
    pid[$1]=$!
}

# end SIGNAL HOST... ends nodes, and tear all that is left with its hosts.
end() {
    local signal=$1 name
    shift
    for name; do
        kill "-$signal" "${pid[$name]}"
        wait "${pid[$name]}" 2>/dev/null || true
        unset "pid[$name]" "want[$name]"
    done
}
tear() {
    end KILL "${!pid[@]}"
    ip -all netns delete
    rm -f "$work"/h*
    mark=() args=() judged_no_more=
}

# filter HOST RULE has the host treat what arrives by a rule of nft; no rule ends it.
filter() {
    ip netns exec "$1" nft flush ruleset
    [[ -z ${2:-} ]] || ip netns exec "$1" nft "table inet f { chain in { type filter hook input priority 0; $2; }; }"
}

# acquainted HOST... says that these see each other and nobody else.
acquainted() {
    local name other
    for name; do
        [[ $name != "${judged_no_more:-}" ]] || { unset "want[$name]"; continue; }
        want[$name]=$(for other; do [[ $other == "$name" ]] || echo "$other"; done | sort | tr '\n' ' ')
    done
}

# sight HOST tells whom its node sees, by the events that it told, and which of
# these cannot be.
sight() {
    awk -F'"' '
        { for (i = NF; i > 2; i--) { key = tolower($i); if (key == "peer") id = $(i + 2); if (key == "name") name = $(i + 2) } }
        $4 == "start" { split("", here) }
        $4 == "enter" { if (id in here) print "enter-twice:" name; here[id] = name }
        $4 ~ /^(exit|join|leave|suspect|recover)$/ && !(id in here) { print $4 "-of-nobody:" name }
        $4 == "exit" { delete here[id] }
        END { for (id in here) print here[id] }' "$work/$1" | sort | tr '\n' ' '
}

# exits tells who left by what reason since the scenario began, as our nodes say.
exits() {
    local name
    for name in "${!want[@]}"; do
        tail -n "+$((${mark[$name]:-0} + 1))" "$work/$name"
    done | sed -nE 's/^\{"type":"exit".*"name":"([^"]*)".*"reason":"([^"]*)".*/\1:\2/p' | sort -u | tr '\n' ' '
}

now() { echo $((${EPOCHREALTIME/./} / 1000)); } # milliseconds

begin() {
    local name
    began=$(now)
    for name in "${!pid[@]}"; do
        mark[$name]=$(wc -l <"$work/$name")
    done
}

# right counts the nodes that see whom they should, and tells if all do.
right() {
    local name
    seen=0
    for name in "${!want[@]}"; do
        [[ $(sight "$name") != "${want[$name]}" ]] || seen=$((seen + 1))
    done
    ((seen == ${#want[@]}))
}

# meets SCENARIO SECONDS [HOST:REASON]... expects that all see whom they should
# within a time, and that these and no others have left since the scenario began;
# stays SCENARIO SECONDS expects that it is and remains so for this time.
meets() {
    local name=$1 bound=$2
    shift 2
    until { right && [[ $(exits) == "${*:+$* }" ]]; } || (($(now) - began > bound * 1000)); do sleep 0.05; done
    row "$name" "< $bound s" "$*"
}
stays() {
    local name=$1 bound=$2
    shift 2
    while right && (($(now) - began < bound * 1000)); do sleep 0.2; done
    row "$name" "$bound s" "$*"
}

row() {
    local took gone verdict=ok name
    took=$(($(now) - began))
    gone=$(exits)
    if ((seen < ${#want[@]})) || [[ ${gone% } != "$3" ]]; then
        verdict=FAIL failed=1
    fi
    printf '%-42s %-6s %6d.%03d s  %2d of %-3d %-26s %s\n' "$1" "$2" $((took / 1000)) $((took % 1000)) \
        "$seen" ${#want[@]} "${gone:--}" $verdict
    if [[ $verdict != ok ]]; then
        echo "  gone should be: ${3:-nobody}"
        for name in "${!want[@]}"; do
            [[ $(sight "$name") == "${want[$name]}" ]] || echo "  $name sees: $(sight "$name")and should: ${want[$name]}"
        done
    fi
}

# tells HOST TEXT expects that its node has said something of the network.
tells() {
    local verdict=ok
    grep '"type":"network"' "$work/$1" | grep -q "$2" || verdict=FAIL failed=1
    printf '  %-40s %-67s %s\n' "$1 tells" "$2" $verdict
}

# ticks HOST tells how long its node has had the CPU, in hundredths of a second.
ticks() { awk '{ print $14 + $15 }' "/proc/${pid[$1]}/stat"; }

# idles HOST SECONDS PERCENT expects that its node needs no more of the CPU for a time.
idles() {
    local used verdict=ok
    used=$(ticks "$1")
    sleep "$2"
    used=$((($(ticks "$1") - used) * 100 / $(getconf CLK_TCK) / $2))
    ((used <= $3)) || verdict=FAIL failed=1
    printf '  %-40s %-67s %s\n' "$1 idles, of the CPU" "$used %, at most $3 %" $verdict
}

printf '%-42s %-6s %10s  %8s %-26s\n' SCENARIO BOUND TOOK SEE "GONE, AND WHY"

network
for n in {1..8}; do host "h$n" lan "$n"; done
begin
start h1 h2
acquainted h1 h2
meets "two hosts on a bridge" 2

begin
start h3 h4 h5 h6 h7
gyre h8
acquainted h{1..8}
meets "eight, one of them gyre" 3

begin
end TERM h7
acquainted h{1..6} h8
meets "one is ended in good order" 2 h7:left
judged_no_more=h8 # gyre takes its time to miss who is killed

begin
end KILL h6
acquainted h{1..5} h8
meets "one is killed" 3 h6:network

begin
start h6
acquainted h{1..6} h8
meets "it starts again" 3

begin
end KILL h5
start h5
acquainted h{1..6} h8
meets "one is killed and starts at once" 4 h5:network

begin
ip -n h3 link set eth0 down
stays "an interface is down" 4
ip -n h3 link set eth0 up
begin
stays "and up again" 8

begin
for name in h1 h2; do filter "$name" "numgen random mod 5 == 0 drop"; done
stays "one packet in five is lost" 8
for name in h1 h2; do filter "$name"; done

begin
end KILL h8
ip -n sw link set h2-0 down
ip -n sw link set h4-0 down
acquainted h1 h3 h5 h6
want[h2]="" want[h4]=""
meets "two cables are pulled, gyre is killed" 45 h1:expired h2:expired h3:expired h4:expired h5:expired h6:expired h8:network
begin
ip -n sw link set h2-0 up
ip -n sw link set h4-0 up
acquainted h{1..6}
meets "they are plugged in again" 5

tear
network
for n in {1..8}; do host "h$n" lan "$n"; done
for n in {1..8}; do filter "h$n" "numgen random mod 5 == 0 drop"; done
begin
start h{1..8}
acquainted h{1..8}
# A third of the SYNs or their answers are lost, of 56 connections. An attempt sends
# two within 2 s: one in eight needs a second one, one in 3,600 a fifth.
meets "eight meet, one packet in five is lost" 15

tear
network
for n in {1..4}; do host "h$n" lan "$n"; filter "h$n" "udp dport 5670 drop"; done
begin
start h{1..4}
want[h1]="" want[h2]="" want[h3]="" want[h4]=""
stays "broadcast is filtered" 3
begin
for n in {1..4}; do filter "h$n"; done
acquainted h{1..4}
meets "and no longer" 3

begin
ip -n h4 addr flush dev eth0
ip -n h4 addr add 10.9.0.44/24 dev eth0
ip -n h4 addr add fd09::44/64 dev eth0 nodad
stays "an address changes: nobody is lost" 20
begin
host h5 lan 5
start h5
acquainted h{1..5}
meets "and who comes later sees all" 5

tear
network
for n in 1 2 3; do host "h$n" lan "$n"; done
host h4 lan 4 far 4
for n in 5 6 7; do host "h$n" far "$n"; done
begin
start h{1..7}
acquainted h{1..4}
near=${want[h4]}
acquainted h{4..7}
want[h4]=$near${want[h4]}
meets "two segments, one host in both" 4
stays "and it stays so" 6

tear
network
for n in {1..4}; do host "h$n" lan "$n"; ip -n "h$n" -4 addr flush dev eth0; done
begin
start h{1..4}
acquainted h{1..4}
meets "IPv6 only" 4

tear
network
for n in {1..3}; do host "h$n"; done
tunnel 24 1 2 3
args=([h1]="--gossip-bind tcp://*:9999" [h2]="--gossip-connect tcp://10.8.0.1:9999"
    [h3]="--gossip-connect tcp://10.8.0.1:9999 --interface tun0")
begin
start h{1..3}
acquainted h{1..3}
meets "tunnels only" 3
begin
end KILL h2
start h2
acquainted h{1..3}
meets "one is killed and starts at once" 5 h2:network

tear
network
for n in {1..3}; do host "h$n"; done
tunnel 32 1 2 3
args=([h1]="--gossip-bind tcp://*:9999" [h2]="--gossip-connect tcp://10.8.0.1:9999" [h3]="--gossip-connect tcp://10.8.0.1:9999")
begin
start h{1..3}
acquainted h{1..3}
meets "tunnels with networks of one address" 3

tear
network
for n in 2 3; do host "h$n" lan "$n"; ip -n "h$n" addr flush dev eth0; ip -n "h$n" addr add "10.9.0.$n/31" dev eth0; done
args=([h2]="--gossip-bind tcp://10.9.0.2:9999 --interface eth0" [h3]="--gossip-connect tcp://10.9.0.2:9999")
begin
start h2 h3
acquainted h2 h3
meets "a network of two addresses" 3

tear
network
for n in 1 2; do host "h$n" lan "$n"; done
host h3
tunnel 24 2 3
args=([h1]="--gossip-connect tcp://10.9.0.2:9999" [h2]="--gossip-bind tcp://*:9999" [h3]="--gossip-connect tcp://10.8.0.2:9999")
begin
start h{1..3}
want[h1]="h2 " want[h2]="h1 h3 " want[h3]="h2 "
meets "a tunnel beside a LAN" 3

tear
network
for n in 1 2; do host "h$n" lan "$n"; filter "h$n" "meta l4proto tcp drop"; done
begin
start h1 h2
want[h1]="" want[h2]=""
stays "beacons pass, and no connections" 5
begin
for n in 1 2; do filter "h$n"; done
acquainted h1 h2
meets "and now they do" 12

tear
network
for n in 1 2; do host "h$n" lan "$n"; ip -n "h$n" link set lo down; ip -n "h$n" link set eth0 down; done
begin
start h1 h2
want[h1]="" want[h2]=""
stays "no interface is up yet" 2
tells h1 "waiting for an interface: no network interface is up"
begin
for n in 1 2; do ip -n "h$n" link set eth0 up; done
acquainted h1 h2
meets "and now they are" 4

tear
network
for n in 1 2; do host "h$n" lan "$n"; done
args=([h2]="--interface usb0")
begin
start h1 h2
want[h1]="" want[h2]=""
stays "one that was named is not there yet" 2
tells h2 'no usable network interface .*usb0.*; there are: lo .*, eth0 (10.9.0.2)'
begin
plug h2 usb0 22
acquainted h1 h2
meets "and now it is" 4

tear
network
for n in 1 2; do host "h$n" lan "$n"; done
for n in {1..299}; do
    echo "link add x$n type veth peer name y$n netns sw"
    echo "link set x$n up"
    echo "addr add 10.$((10 + n / 250)).$((n % 250)).1/24 dev x$n"
done | ip -n h1 -batch -
for n in {1..299}; do echo "link set y$n up"; done | ip -n sw -batch -
begin
start h1 h2
acquainted h1 h2
meets "one has 300 interfaces" 4
idles h1 5 10

((!failed)) || { echo; sed 's/^/complaint: /' "$work/complaints" | sort | uniq -c | sort -rn | head -20; }
exit $failed
