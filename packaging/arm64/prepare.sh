#!/usr/bin/env bash
# Makes ready what a cross build for ARM gateways needs, in a folder that is kept:
#   compiler   a Debian root with the Swift compiler for this machine
#   sdk        a Swift SDK: a Debian 13 root for arm64 with the C libraries, and Swift's standard library for arm64
# Swift's modules are bound to the exact compiler version, so both come from the same Debian package, swiftlang of sid.
# Prints the folder. Takes 4 GB and, once, some minutes; later nothing.
set -euo pipefail

cache=${OTAFERRY_CACHE:-$HOME/.cache/otaferry}/arm64
mirror=${OTAFERRY_DEBIAN_MIRROR:-http://deb.debian.org/debian}

say() { printf '%s\n' "$*" >&2; }

lacking=()
command -v mmdebstrap >/dev/null || lacking+=("mmdebstrap")
command -v unshare >/dev/null || lacking+=("util-linux")
[[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || lacking+=("debian-archive-keyring")
if [[ ${#lacking[@]} -gt 0 ]]; then
    say "A cross build lacks Debian packages: apt-get install ${lacking[*]}"
    exit 1
fi
if [[ $EUID -ne 0 ]]; then
    say "A cross build makes Debian roots and works inside of one, which needs root: sudo make deb ARCH=arm64"
    exit 1
fi
if [[ $(dpkg --print-architecture) != amd64 ]]; then
    say "This cross build runs on amd64. On an ARM machine, make deb builds for it without any of this."
    exit 1
fi

mkdir -p "$cache"
room=$(df --output=avail -BM "$cache" | tail -n 1)
if [[ ! -e $cache/sdk.done && ${room//[^0-9]/} -lt 6000 ]]; then
    say "$cache has ${room//[^0-9]/} MB left; 6000 MB are needed. OTAFERRY_CACHE names another folder."
    exit 1
fi
log=$cache/prepare.log

# Runs a step that is not done yet: its name, then the command. What it says goes into the log.
step() {
    local name=$1
    shift
    [[ ! -e $cache/$name.done ]] || return 0
    say "  $name …"
    if ! "$@" >>"$log" 2>&1; then
        tail -n 15 "$log" >&2
        say "The $name for arm64 could not be made ready; $log has the rest."
        exit 1
    fi
    touch "$cache/$name.done"
}

# A mirror may be some days behind, and sid's list is signed for some days only.
debian() { mmdebstrap --quiet --aptopt='Acquire::Check-Valid-Until "false"' "$@"; }

make_compiler() {
    rm -rf "$cache/compiler"
    debian --variant=apt --include=swiftlang,git,ca-certificates,libc6-dev,libstdc++-14-dev,pkg-config \
        --include=binutils-gold-aarch64-linux-gnu sid "$cache/compiler" "$mirror"
}

make_sysroot() {
    local root=$bundle/sysroot name
    rm -rf "$bundle"
    mkdir -p "$bundle"
    debian --arch=arm64 --variant=extract \
        --include=libc6-dev,libgcc-14-dev,libstdc++-14-dev,linux-libc-dev \
        --include=libmosquitto-dev,libsqlite3-dev,libcurl4-openssl-dev,libexpat1-dev \
        trixie "$root" "$mirror"
    # No maintainer script ran, so the links of the merged /usr are missing.
    for name in bin lib lib64 sbin; do
        mkdir -p "$root/usr/$name"
        [[ -e $root/$name ]] || ln -s "usr/$name" "$root/$name"
    done
}

make_runtime() {
    local version scratch=$cache/runtime library=$bundle/sysroot/usr/lib
    # The version that compiles.
    # shellcheck disable=SC2016 # expands in dpkg-query
    version=$(chroot "$cache/compiler" dpkg-query -W -f '${Version}' swiftlang)
    rm -rf "$scratch"
    mkdir -p "$scratch/root"
    chroot "$cache/compiler" dpkg --add-architecture arm64
    chroot "$cache/compiler" apt-get -q -o Acquire::Check-Valid-Until=false update
    chroot "$cache/compiler" sh -c "cd /var/cache/apt/archives && apt-get -q download swiftlang:arm64=$version"
    dpkg-deb --extract "$cache"/compiler/var/cache/apt/archives/swiftlang_*_arm64.deb "$scratch/root"
    rm -f "$cache"/compiler/var/cache/apt/archives/swiftlang_*_arm64.deb
    rm -rf "$library/swift" "$library/swift_static" "$library/clang"
    mkdir -p "$library/clang"
    cp -a "$scratch/root/usr/libexec/swift/lib/swift" "$scratch/root/usr/libexec/swift/lib/swift_static" "$library/"
    cp -a "$scratch"/root/usr/libexec/swift/lib/clang/* "$library/clang/"
    rm -rf "$scratch"
}

make_sdk() {
    local root=/sdks/otaferry-arm64.artifactbundle/otaferry-arm64/sysroot linker=usr/lib/gcc/aarch64-linux-gnu/14
    # gold drops what of Foundation nobody uses; lld keeps everything that Swift describes, which makes 64 MB of 22. The
    # compiler looks for its linker in the folder that -B names.
    ln -sf /usr/bin/aarch64-linux-gnu-ld.gold "$bundle/sysroot/$linker/ld.gold"
    cat >"$cache/sdks/otaferry-arm64.artifactbundle/info.json" <<END
{ "schemaVersion": "1.0",
  "artifacts": { "otaferry-arm64": { "type": "swiftSDK", "version": "1",
    "variants": [{ "path": "otaferry-arm64", "supportedTriples": ["x86_64-unknown-linux-gnu", "x86_64-pc-linux-gnu"] }] } } }
END
    cat >"$bundle/swift-sdk.json" <<END
{ "schemaVersion": "4.0",
  "targetTriples": { "aarch64-unknown-linux-gnu": {
    "sdkRootPath": "sysroot",
    "swiftResourcesPath": "sysroot/usr/lib/swift",
    "swiftStaticResourcesPath": "sysroot/usr/lib/swift_static",
    "toolsetPaths": ["toolset.json"] } } }
END
    cat >"$bundle/toolset.json" <<END
{ "schemaVersion": "1.0",
  "swiftCompiler": { "extraCLIOptions": [
    "-use-ld=gold", "-Xclang-linker", "-B$root/$linker"] } }
END
}

bundle=$cache/sdks/otaferry-arm64.artifactbundle/otaferry-arm64
if [[ ! -e $cache/sdk.done ]]; then say "Making ready for arm64 in $cache, once"; fi
step compiler make_compiler
step sysroot make_sysroot
step runtime make_runtime
step sdk make_sdk
printf '%s\n' "$cache"
