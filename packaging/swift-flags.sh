#!/usr/bin/env bash
# Prints the flags for swift build. The same everywhere, so that all share what is built.
# Warnings are errors with the compiler that this is written with; a newer one may know more of them.
set -euo pipefail

written_with=6.3
# It leaves a folder behind each time.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [[ $(TMPDIR=$scratch swift --version 2>&1) == *"Swift version $written_with"* ]]; then echo "-Xswiftc -warnings-as-errors"; fi
