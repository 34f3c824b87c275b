#!/usr/bin/env bash
# Tries a package for Debian as on this machine, and leaves the machine as it is: installs
# it over a view of its files, in namespaces without a network, has readers of the manual,
# shells and systemd's user manager take what is in it, and removes it.
#
#   .ci/package.sh PACKAGE COMMIT
set -euo pipefail

fail() {
    echo "package: $*" >&2
    exit 1
}

# apart enters a view of this machine's files where what is written goes to memory.
apart() {
    mount -t tmpfs none /mnt
    cp "$1" /mnt/once.deb
    mkdir /mnt/{upper,work,root}
    mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root
    mount -t proc none /mnt/root/proc
    mount --rbind /dev /mnt/root/dev
    for dir in run sys tmp; do
        mount -t tmpfs none /mnt/root/$dir
    done
    mkdir -p /mnt/root/sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd none /mnt/root/sys/fs/cgroup/systemd
    mv /mnt/once.deb /mnt/root/tmp/
    cp "$0" /mnt/root/tmp/package.sh
    chroot /mnt/root bash /tmp/package.sh inside "$2"
    left=$(cd /mnt/upper && find . ! -type d ! -path './var/lib/dpkg/*' ! -path './var/log/*' ! -path './var/cache/man/*' -name '*once*')
    [[ -z $left ]] || fail "what is left behind: $left"
    echo "package: installed, tried and removed"
}

try_manual() {
    local complaints page
    for page in /usr/share/man/man1/once*.1.gz; do
        complaints=$(zcat "$page" | groff -man -Tutf8 -ww -z -k 2>&1)
        [[ -z $complaints ]] || fail "$page: $complaints"
    done
    man once | grep -q '^ *once-listen(1)' || fail "man once does not name once-listen(1)"
    man once-listen | grep -q -- '^ *--group GROUP' || fail "man once-listen does not tell of --group"
}

try_completions() {
    local got
    # shellcheck disable=SC2016 # it is for that bash to expand
    got=$(bash -c '. /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/once
        compopt() { :; } # which is for a line that somebody types
        COMP_WORDS=(once lis) COMP_CWORD=1 COMP_LINE="once lis" COMP_POINT=8 COMP_TYPE=9
        __start_once once lis once; echo "${COMPREPLY[0]}"')
    [[ $got == listen* ]] || fail "bash completes 'once lis' to '$got'"
    # shellcheck disable=SC2016 # nor is this
    got=$(zsh -fc 'autoload -U compinit && compinit -u -D && echo $_comps[once]')
    [[ $got == _once ]] || fail "zsh completes once by '$got'"
    got=$(fish -c 'complete -C "once lis"')
    [[ $got == listen* ]] || fail "fish completes 'once lis' to '$got'"
}

# property NAME prints what the user manager says of the service.
property() { systemctl --user show once --value -p "$1"; }

# until_true WHAT COMMAND... waits until a command succeeds.
until_true() {
    local what=$1 end=$((SECONDS + 20))
    shift
    until "$@"; do
        ((SECONDS < end)) || fail "not within 20 s: $what"
        sleep 0.1
    done
}

has_failed() { [[ $(property ActiveState) == failed ]]; }

try_service() {
    local complaints
    complaints=$(systemd-analyze --user verify /usr/lib/systemd/user/once.service 2>&1)
    [[ -z $complaints ]] || fail "once.service: $complaints"

    mkdir -p /run/systemd/system "$HOME"/.config/{once,systemd/user/once.service.d} # as if booted by systemd
    printf 'ONCE_NAME=held\nONCE_GROUP=room\nONCE_INTERFACE=lo\n' >"$HOME/.config/once/node.env"
    printf '[Service]\nStandardOutput=append:/tmp/events\n' >"$HOME/.config/systemd/user/once.service.d/here.conf"
    /lib/systemd/systemd --user --unit=basic.target --log-target=null &
    until_true "the user manager is there" test -S "$XDG_RUNTIME_DIR/systemd/private"
    systemctl --user start once
    HOME=/tmp/another once shout --group room --interface lo --wait 20s "to whoever is there"
    until_true "the service writes the shout" grep -q '"type":"shout".*"to whoever is there"' /tmp/events
    systemctl --user stop once
    [[ $(property Result) == success ]] || fail "stopped, its result is $(property Result)"

    echo 'ONCE_PORT=nonsense' >>"$HOME/.config/once/node.env"
    systemctl --user start once || true # it may end before or after systemctl does
    until_true "what is called wrongly fails" has_failed
    [[ $(property ExecMainStatus),$(property NRestarts) == 2,0 ]] || fail "called wrongly, it is started again"
}

inside() {
    export HOME=/tmp/home XDG_RUNTIME_DIR=/tmp/runtime PATH=/usr/sbin:/usr/bin:/sbin:/bin
    export LC_ALL=C.UTF-8 MANWIDTH=80 SYSTEMD_IGNORE_CHROOT=1
    mkdir $HOME $XDG_RUNTIME_DIR
    ip link set lo up
    dpkg -i /tmp/once.deb
    [[ $(once --version) == "once "*" ($1) "* ]] || fail "once --version says $(once --version), and not $1"
    [[ -z $(dpkg -V once) ]] || fail "not as packed: $(dpkg -V once)"
    try_manual
    try_completions
    try_service
    dpkg -r once
    hash -r
    ! type -P once || fail "once is there still"
}

case $1 in
apart) apart "$2" "$3" ;;
inside) inside "$2" ;;
*) exec unshare --net --mount --pid --fork --kill-child bash "$0" apart "$(realpath "$1")" "$2" ;;
esac
