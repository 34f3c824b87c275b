#!/usr/bin/env bash
# Prints what goes with a program: deploy/share.sh PROGRAM DIR has PROGRAM write its
# manual and its completions, and puts them and the unit where PREFIX/share has them.
set -euo pipefail
program=$1 share=$2
rm -rf "$share"
mkdir -p "$share"/{man/man1,bash-completion/completions,zsh/site-functions,fish/vendor_completions.d,systemd/user}
"$program" man "$share/man/man1"
"$program" completion bash >"$share/bash-completion/completions/once"
"$program" completion zsh >"$share/zsh/site-functions/_once"
"$program" completion fish >"$share/fish/vendor_completions.d/once.fish"
cp "$(dirname "$0")/once.service" "$share/systemd/user/once.service"
