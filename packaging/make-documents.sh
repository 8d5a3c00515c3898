#!/usr/bin/env bash
# Writes man pages and completions from what a program says of itself.
# Usage: make-documents.sh man|completions PROGRAM [FOLDER]
# They land in .build/documents/man and .build/documents/completions/{bash,zsh,fish}, or below FOLDER. The date on the pages
# is that of SOURCE_DATE_EPOCH, else of the last commit, so that the same sources make the same pages.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?man or completions}
program=${2:?the program}
folder=${3:-.build/documents}
name=$(basename "$program")

case $kind in
man)
    moment=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
    "$program" --experimental-dump-help | packaging/man.py --date "$(date -u -d "@$moment" +%F)" \
        --version "$("$(dirname "$program")/otaferry" --version)" "$folder/man"
    if command -v mandoc >/dev/null; then mandoc -T lint -W warning "$folder"/man/*.[15]; fi
    ;;
completions)
    mkdir -p "$folder"/completions/{bash,zsh,fish}
    "$program" --generate-completion-script bash >"$folder/completions/bash/$name"
    "$program" --generate-completion-script zsh >"$folder/completions/zsh/_$name"
    "$program" --generate-completion-script fish >"$folder/completions/fish/$name.fish"
    # The parser's scripts know no word behind "help".
    commands=$("$program" --experimental-dump-help | python3 -c '
import json, sys
commands = json.load(sys.stdin)["command"].get("subcommands", [])
print(" ".join(name for command in commands if (name := command["commandName"]) != "help"))')
    if [[ -n $commands ]]; then
        sed -i "/^_${name}_help() {/{n;s/:$/__${name}_add_completions -W \$'${commands// /\\\\n}'/}" \
            "$folder/completions/bash/$name"
        sed -i "s/^        '\*:subcommands:'$/        '*:subcommands:($commands)'/" "$folder/completions/zsh/_$name"
        echo "complete -c '$name' -n '__${name}_should_offer_completions_for_positional \"$name help\" -eq 1'" \
            "-fa '$commands'" >>"$folder/completions/fish/$name.fish"
    fi
    bash -n "$folder/completions/bash/$name"
    if command -v zsh >/dev/null; then zsh -n "$folder/completions/zsh/_$name"; fi
    if command -v fish >/dev/null; then fish -n "$folder/completions/fish/$name.fish"; fi
    echo "completions for bash, zsh and fish in $folder/completions"
    ;;
*)
    echo "make-documents.sh: $kind is neither man nor completions" >&2
    exit 64
    ;;
esac
