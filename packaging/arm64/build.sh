#!/usr/bin/env bash
# Builds the programs for ARM gateways on an x86 machine and prints where they are, one line a program.
#   packaging/arm64/build.sh [program …]
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=("$@")
[[ $# -gt 0 ]] || programs=(otaferry otaferry-cloud)
cache=$(packaging/arm64/prepare.sh)
scratch=.build-package-arm64
mkdir -p "$scratch"

# Runs in a mount namespace of its own, so that nothing stays mounted: the root, the sources, then what is to be run.
inside() {
    # shellcheck disable=SC2016 # expands inside
    unshare --mount --propagation private bash -euo pipefail -c '
        cache=$1 root=$1/compiler sources=$2
        shift 2
        mkdir -p "$root/sdks" "$root/usr/src/otaferry" "$root/dev" "$root/proc"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --bind "$cache/sdks" "$root/sdks"
        mount --bind "$sources" "$root/usr/src/otaferry"
        [[ ! -e /etc/resolv.conf ]] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
        # git finds packages inside as it does outside: with the same settings, and with mirrors that are folders here.
        git config --list | grep -E "^(url|http|https)\." | while IFS="=" read -r key value; do
            printf "%s\n%s\n" "$key" "$value"
        done >"$root/tmp/git-settings"
        : >"$root/root/.gitconfig"
        while IFS= read -r key && IFS= read -r value; do
            git config --file "$root/root/.gitconfig" --add "$key" "$value"
            if [[ $key =~ ^url\.(/.*)\.insteadof$ && -d ${BASH_REMATCH[1]} ]]; then
                mkdir -p "$root${BASH_REMATCH[1]}"
                mount --bind "${BASH_REMATCH[1]}" "$root${BASH_REMATCH[1]}"
            fi
        done <"$root/tmp/git-settings"
        git config --file "$root/root/.gitconfig" --add safe.directory "*"
        exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 \
            PATH=/usr/libexec/swift/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
    ' inside "$cache" "$(pwd -P)" "$@"
}

sysroot=/sdks/otaferry-arm64.artifactbundle/otaferry-arm64/sysroot
flags="-c release --static-swift-stdlib --scratch-path $scratch
    --swift-sdks-path /sdks --swift-sdk otaferry-arm64
    -Xlinker --gc-sections -Xlinker --no-export-dynamic -Xlinker --build-id=sha1 --disable-local-rpath
    -Xswiftc -file-prefix-map -Xswiftc /usr/src/otaferry=/usr/src/otaferry
    --jobs ${OTAFERRY_BUILD_JOBS:-$(nproc)}"
for program in "${programs[@]}"; do
    # shellcheck disable=SC2016 # expands inside
    inside PKG_CONFIG_LIBDIR="$sysroot/usr/lib/aarch64-linux-gnu/pkgconfig:$sysroot/usr/share/pkgconfig" \
        PKG_CONFIG_SYSROOT_DIR="$sysroot" \
        sh -c 'cd /usr/src/otaferry && swift build $1 --product "$2"' sh "$flags" "$program" >&2
done
for program in "${programs[@]}"; do printf '%s\n' "$scratch/aarch64-unknown-linux-gnu/release/$program"; done
