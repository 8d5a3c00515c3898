#!/usr/bin/env bash
# Boots Debian with the packages of dist/ in a virtual machine without hardware support, and tries the service under a
# real systemd: start, credentials, watchdog, restart, limits, one firmware end to end, an upgrade, a power cut.
#   packaging/vm/test.sh [bookworm|trixie …]
# OTAFERRY_VM_PHASE=short leaves out all but the installation and the power cut. Takes minutes, more on a busy machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=boot.sh
. packaging/vm/boot.sh

suites=("$@")
[[ $# -gt 0 ]] || suites=(trixie)
fail() {
    echo "$1" >&2
    exit 1
}
[[ $EUID -eq 0 ]] || fail "Debian roots are made by root: sudo make vm-test"
lacking=()
for package in mmdebstrap qemu-system-x86 e2fsprogs; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || lacking+=("$package")
done
[[ ${#lacking[@]} -eq 0 ]] || fail "The virtual machine lacks: apt-get install ${lacking[*]}"

version=$(sed -n 's/.*static let text = "\(.*\)"/\1/p' Sources/Agent/AgentVersion.swift)${OTAFERRY_VERSION_SUFFIX:-}
packages=("dist/otaferry_${version}_amd64.deb" "dist/otaferry-cloud_${version}_amd64.deb")
for package in "${packages[@]}"; do [[ -s $package ]] || fail "$package is not there: make deb"; done

work=$(mktemp -d "${TMPDIR:-/tmp}/otaferry-vm.XXXXXX")
vm_process=''
finish() {
    [[ -z $vm_process ]] || vm_cut
    if [[ -n ${OTAFERRY_KEEP:-} ]]; then echo "Kept: $work"; else rm -rf --one-file-system "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

mkdir -p "$work/packages/new"
cp "${packages[@]}" "$work/packages/new/"
echo "$version" >"$work/packages/new/version"
packaging/deb/reversion.sh "$version+after" "$work/packages/newer" "${packages[0]}"

for suite in "${suites[@]}"; do
    begun=$SECONDS
    folder=$work/$suite
    packaging/vm/image.sh "$suite" "$folder" "$work/packages"
    echo "Debian $suite boots"
    vm_boot "$folder" otaferry.phase="${OTAFERRY_VM_PHASE:-first}"
    vm_follow "$folder" "CUT THE POWER" 3600 || fail "The test inside of Debian $suite failed."
    vm_cut
    echo "The power was cut in the middle of an upload and of a transfer; Debian $suite boots again"
    vm_boot "$folder" otaferry.phase=second
    vm_follow "$folder" "PASSED" 1800 || fail "The test inside of Debian $suite failed."
    vm_cut
    rm -rf --one-file-system "$folder"
    echo "Debian $suite: passed in $((SECONDS - begun)) s"
done
