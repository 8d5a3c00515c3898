#!/usr/bin/env bash
# Tries the packages in dist/ in clean Debian roots that it makes: their whole life, lintian, and piuparts where it is
# installed.
#   packaging/deb/test-packages.sh [bookworm|trixie …]
set -euo pipefail
cd "$(dirname "$0")/../.."

suites=("$@")
[[ $# -gt 0 ]] || suites=(bookworm trixie)
cache=${OTAFERRY_CACHE:-$HOME/.cache/otaferry}/roots
mirror=${OTAFERRY_DEBIAN_MIRROR:-http://deb.debian.org/debian}

fail() {
    echo "$1" >&2
    exit 1
}

[[ $EUID -eq 0 ]] || fail "Debian roots are made and entered by root: sudo make package-test"
lacking=()
for package in mmdebstrap lintian util-linux iproute2; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || lacking+=("$package")
done
[[ ${#lacking[@]} -eq 0 ]] || fail "The test of the packages lacks: apt-get install ${lacking[*]}"

version=$(sed -n 's/.*static let text = "\(.*\)"/\1/p' Sources/Agent/AgentVersion.swift)${OTAFERRY_VERSION_SUFFIX:-}
architecture=$(dpkg --print-architecture)
packages=()
for name in otaferry otaferry-cloud otaferry-dbgsym; do
    packages+=("dist/${name}_${version}_$architecture.deb")
    [[ -s ${packages[-1]} ]] || fail "${packages[-1]} is not there: make deb"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/otaferry-packages.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

echo "lintian"
# Run by root it has nothing to say but that.
lintian --fail-on error,warning --allow-root "${packages[@]}"

mkdir -p "$work/packages/new" "$cache"
cp "${packages[@]}" "$work/packages/new/"
echo "$version" >"$work/packages/new/version"
packaging/deb/reversion.sh "$version~before" "$work/packages/older" "${packages[@]}"
packaging/deb/reversion.sh "$version+after" "$work/packages/newer" "${packages[@]}"

for suite in "${suites[@]}"; do
    tar=$cache/$suite.tar
    if [[ ! -s $tar ]]; then
        echo "Making a root of Debian $suite, once"
        mmdebstrap --quiet --format=tar --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
            "$suite" "$tar.part" "$mirror"
        mv "$tar.part" "$tar"
    fi
    echo "Debian $suite"
    root=$work/$suite
    mkdir -p "$root"
    tar -C "$root" -xf "$tar"
    cp -r "$work/packages" "$root/packages"
    cp packaging/deb/test-inside.sh "$root/test.sh"
    # What the packages need and what the test needs is fetched first; then there is no network but the root's own.
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    chroot "$root" sh -euc '
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q -o Acquire::Check-Valid-Until=false update
        apt-get -q -y --no-install-recommends install mosquitto mosquitto-clients binutils debconf-utils
        # Everything that the packages depend on, but not they themselves.
        apt-get -q -y --download-only install /packages/new/*.deb
    ' >"$work/$suite.log" 2>&1 || { tail -n 20 "$work/$suite.log" >&2 && fail "The root of $suite could not be made ready."; }
    # shellcheck disable=SC2016 # expands inside
    unshare --mount --net --pid --fork --kill-child bash -euc '
        ip link set lo up
        mount -t proc proc "$1/proc"
        exec chroot "$1" /test.sh
    ' test "$root"
    rm -rf --one-file-system "$root"
done

if command -v piuparts >/dev/null; then
    for suite in "${suites[@]}"; do
        echo "piuparts, Debian $suite"
        # It takes compressed roots only.
        gzip -1 <"$cache/$suite.tar" >"$work/$suite.tgz"
        piuparts --distribution "$suite" --mirror "$mirror main" --no-check-valid-until --warn-on-others \
            --basetgz "$work/$suite.tgz" "dist/otaferry_${version}_$architecture.deb" >"$work/piuparts.log" 2>&1 ||
            { grep -E 'ERROR|FAIL' "$work/piuparts.log" >&2 || tail -n 20 "$work/piuparts.log" >&2; fail "piuparts is not content."; }
        tail -n 1 "$work/piuparts.log"
    done
else
    echo "piuparts is not installed, so it did not run."
fi
