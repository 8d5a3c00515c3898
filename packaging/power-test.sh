#!/usr/bin/env bash
# Cuts the power of a gateway in a virtual machine, CUTS times (default 3), and looks what its disk kept.
# First it does so with an agent that never syncs: that its losses are noticed shows that the test can fail.
# The machine is emulated, so it runs anywhere; its kernel is Debian's, fetched and unpacked below .build, not installed.
set -euo pipefail
cd "$(dirname "$0")/.."

cuts=${CUTS:-3}
packaging/install-build-packages.sh qemu-system-x86 e2fsprogs binutils

folder=.build/power
if [[ ! -e $folder/complete ]]; then
    echo "Fetching a kernel"
    rm -rf "$folder"
    mkdir -p "$folder"
    image=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
    [[ -n $image ]] || { echo "apt knows no linux-image-cloud-amd64; run apt-get update" >&2; exit 1; }
    # For root it warns that the folder is not the one of its own user.
    (cd "$folder" && apt-get download -qq "$image" busybox-static 2>/dev/null) ||
        { echo "Could not fetch $image and busybox-static" >&2; exit 1; }
    dpkg -x "$folder"/linux-image-*.deb "$folder/kernel"
    dpkg -x "$folder"/busybox-static_*.deb "$folder/busybox"
    touch "$folder/complete"
fi

agent=${AGENT:-.build/release/otaferry}
if [[ -z ${AGENT:-} ]]; then
    swift build -c release --static-swift-stdlib -Xlinker --gc-sections --product otaferry
fi

cut_power() {
    PATH=$PATH:/usr/sbin /usr/bin/python3 -B Tests/Power/power_cuts.py --kernel "$folder/kernel" \
        --busybox "$folder/busybox/bin/busybox" --agent "$agent" "$@"
}
echo "An agent that never syncs:"
cut_power --without-syncs --cuts 20
echo "The agent:"
cut_power --cuts "$cuts"
