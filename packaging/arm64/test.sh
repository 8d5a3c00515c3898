#!/usr/bin/env bash
# Runs the program of the ARM package under emulation, with a broker and a simulated cloud of this machine: a push that is
# cut by a kill of the agent, its resumption, the registration.
#   packaging/arm64/test.sh [PACKAGE] [SIMULATED-CLOUD]
# shellcheck disable=SC2119 # the functions of the rig take more arguments where there are some
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n 's/.*static let text = "\(.*\)"/\1/p' Sources/Agent/AgentVersion.swift)${OTAFERRY_VERSION_SUFFIX:-}
package=$(realpath "${1:-dist/otaferry_${version}_arm64.deb}")
rig_cloud=$(realpath "${2:-.build-package/release/otaferry-cloud}")
sysroot=${OTAFERRY_CACHE:-$HOME/.cache/otaferry}/arm64/sdks/otaferry-arm64.artifactbundle/otaferry-arm64/sysroot
# shellcheck source-path=SCRIPTDIR source=../rig.sh
. packaging/rig.sh

command -v qemu-aarch64-static >/dev/null || rig_fail "The emulation lacks: apt-get install qemu-user-static"
[[ -d $sysroot ]] || rig_fail "There is no sysroot for arm64: make deb ARCH=arm64"
[[ -x $rig_cloud ]] || rig_fail "$rig_cloud is not there: make deb"
[[ $(dpkg-deb --field "$package" Architecture) == arm64 ]] || rig_fail "$package is not for arm64."
dpkg-deb --extract "$package" "$rig/root"
rig_program=$rig/otaferry
printf '#!/bin/sh\nexec qemu-aarch64-static -L %s %s "$@"\n' "$sysroot" "$rig/root/usr/bin/otaferry" >"$rig_program"
chmod 755 "$rig_program"
readelf -h "$rig/root/usr/bin/otaferry" | grep -q AArch64 || rig_fail "The program is not for arm64."
"$rig_program" --version | sed 's/^/arm64 program, version /'

rig_start_broker
# Slow enough for a kill in the middle.
rig_start_cloud --fault slow=1000000@uploadx1
rig_configure </dev/null
head -c 6000000 /dev/urandom >"$rig/firmware.bin"
rig_start_agent
rig_push "$rig/firmware.bin" 1.0.0 >"$rig/push.log" 2>&1 &
push=$!
some_is_there() { (($(stat -c %s "$rig/spool/spool.db") > 2000000)); }
rig_await 120 some_is_there || rig_fail "Nothing arrived." "$rig/agent.log"
rig_stop "$rig_agent" KILL
echo "killed in the middle of the push"
rig_start_agent
uploads() {
    # It listens until its time is over, which is no failure.
    { mosquitto_sub -h 127.0.0.1 -p "$rig_broker_port" -t 'otaferry/v1/rig/state/ci/+' -W 1 || true; } |
        grep '"state":"uploading"'
}
rig_await 120 uploads || rig_fail "The push did not go on." "$rig/agent.log"
rig_stop "$rig_agent" KILL
echo "killed in the middle of the upload"
rig_start_agent
wait "$push" || rig_fail "push ended with $?" "$rig/push.log"
rig_cloud_holds "$rig/firmware.bin" || rig_fail "The cloud does not hold it."
rig_stop "$rig_agent" TERM
# One line for each that was registered.
echo "registered: $(tail -n 1 "$rig/push.log")"
