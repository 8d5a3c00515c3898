#!/usr/bin/env bash
# Makes sure that there is a Swift compiler that is new enough; says what to do where there is none.
set -euo pipefail

least=6.2

if ! command -v swift >/dev/null; then
    echo "There is no swift on the PATH. Install a Swift toolchain, $least or newer: https://www.swift.org/install/linux/" >&2
    exit 1
fi
# It leaves a folder behind each time.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if ! words=$(TMPDIR=$scratch swift --version 2>&1); then
    printf '%s\n' "$words" "swift does not run. Look at https://www.swift.org/install/linux/ for what it needs." >&2
    exit 1
fi
if [[ ! $words =~ Swift\ version\ ([0-9]+\.[0-9]+) ]]; then
    printf '%s\n' "$words" "The version of swift cannot be read." >&2
    exit 1
fi
found=${BASH_REMATCH[1]}
if [[ $(printf '%s\n' "$least" "$found" | sort -V | head -n 1) != "$least" ]]; then
    echo "This is Swift $found, otaferry needs $least or newer: https://www.swift.org/install/linux/" >&2
    exit 1
fi
