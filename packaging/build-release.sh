#!/usr/bin/env bash
# Builds the programs for a package: optimized, with the Swift runtime inside, with debug information that names no
# folder of this machine. Prints where they are, one line a program.
#   packaging/build-release.sh [program …]
# The same sources, compiler and libraries give the same bytes, wherever and whenever this runs.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=("$@")
[[ $# -gt 0 ]] || programs=(otaferry otaferry-cloud)
# A folder of its own: these flags differ from those of development.
scratch=.build-package
here=$(pwd -P)
flags=(
    -c release --static-swift-stdlib --scratch-path "$scratch"
    # Nothing looks up symbols of a program by name: without their table it is 1.8 MB smaller.
    -Xlinker --gc-sections -Xlinker --no-export-dynamic -Xlinker --build-id=sha1
    # The folder of a program is no place for libraries.
    --disable-local-rpath
    -Xswiftc -file-prefix-map -Xswiftc "$here=/usr/src/otaferry"
    -Xcc "-ffile-prefix-map=$here=/usr/src/otaferry"
)
[[ -z ${OTAFERRY_BUILD_JOBS:-} ]] || flags+=(--jobs "$OTAFERRY_BUILD_JOBS")

for program in "${programs[@]}"; do swift build "${flags[@]}" --product "$program" >&2; done
folder=$(swift build "${flags[@]}" --show-bin-path)
for program in "${programs[@]}"; do printf '%s\n' "$folder/$program"; done
