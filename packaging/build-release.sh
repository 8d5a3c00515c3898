#!/usr/bin/env bash
# Builds the programs for a package: optimized, with the Swift runtime inside, with debug information that names no
# folder of this machine. Prints where they are, one line a program.
#   packaging/build-release.sh [program …]
# The same sources, compiler and libraries give the same bytes, wherever and whenever this runs.
set -euo pipefail
cd "$(dirname "$0")/.."

# Built in a folder of one name, in a namespace of its own where the system lets us have one: the name of the compiler's
# cache of C modules is a hash of its flags, and stands in the debug information. So no flag may name the folder.
place=/usr/src/otaferry
if [[ $(pwd -P) != "$place" ]] && unshare --map-root-user --mount true 2>/dev/null; then
    # shellcheck disable=SC2016 # The inner shell expands it.
    unshare --map-root-user --mount bash -euo pipefail -c '
        mount -t tmpfs tmpfs /usr/src
        mkdir "$1"
        mount --bind "$0" "$1"
        cd "$1"
        exec packaging/build-release.sh "${@:2}"' "$(pwd -P)" "$place" "$@" | sed "s#^$place#$(pwd -P)#"
    exit
fi

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
)
[[ $here == "$place" ]] || flags+=(
    -Xswiftc -file-prefix-map -Xswiftc "$here=$place"
    -Xcc "-ffile-prefix-map=$here=$place"
)
[[ -z ${OTAFERRY_BUILD_JOBS:-} ]] || flags+=(--jobs "$OTAFERRY_BUILD_JOBS")

for program in "${programs[@]}"; do swift build "${flags[@]}" --product "$program" >&2; done
folder=$(swift build "${flags[@]}" --show-bin-path)
for program in "${programs[@]}"; do printf '%s\n' "$folder/$program"; done
