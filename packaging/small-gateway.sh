#!/usr/bin/env bash
# A firmware of 200 MB through an agent that has 64 MiB of memory, page cache included, and one core: into the spool and
# out of it, with a kill in the middle. Prints what it took.
#   packaging/small-gateway.sh PROGRAM SIMULATED-CLOUD
# Needs root for the control group.
# shellcheck disable=SC2119 # the functions of the rig take more arguments where there are some
set -euo pipefail
cd "$(dirname "$0")/.."
rig_program=$(realpath "$1")
rig_cloud=$(realpath "$2")
# shellcheck source-path=SCRIPTDIR source=rig.sh
. packaging/rig.sh

megabytes=200
memory=$((64 << 20))
[[ $EUID -eq 0 ]] || rig_fail "A control group is made by root: sudo $0 …"

# One hierarchy for all, or one for memory alone.
if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    group=/sys/fs/cgroup/otaferry-small-$$
    limit=memory.max
    peak=memory.peak
    grep -qw memory /sys/fs/cgroup/cgroup.subtree_control || echo +memory >/sys/fs/cgroup/cgroup.subtree_control
else
    group=/sys/fs/cgroup/memory/otaferry-small-$$
    limit=memory.limit_in_bytes
    peak=memory.max_usage_in_bytes
fi
mkdir "$group" 2>/dev/null || rig_fail "No control group can be made here, $group."
trap 'rig_end; rmdir "$group"' EXIT
echo "$memory" >"$group/$limit"
killed() {
    # One of them is there.
    { cat "$group/memory.events" "$group/memory.oom_control" 2>/dev/null || true; } | awk '$1 == "oom_kill" { print $2 }'
}

# The agent alone is in it: broker and cloud are somebody else's.
# shellcheck disable=SC2016 # expands inside
rig_wrap=(bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec taskset -c 0 "$@"' small "$group")

rig_start_broker
rig_start_cloud
rig_configure </dev/null
head -c $((megabytes * 1000 * 1000)) /dev/urandom >"$rig/firmware.bin"

# The resident memory at most, in KiB, since the process began.
resident() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }
anonymous() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status"; }
# The process of the program: the wrapper has become it.
rig_start_agent
begun=$SECONDS
rig_push "$rig/firmware.bin" 1.0.0 --detach >"$rig/push.log" 2>&1 &
push=$!
half_is_there() { (($(stat -c %s "$rig/spool/spool.db") > megabytes * 500 * 1000)); }
rig_await 300 half_is_there || rig_fail "Half of it did not arrive." "$rig/agent.log"
first=$(resident "$rig_agent")
rig_stop "$rig_agent" KILL
rig_start_agent
wait "$push" || rig_fail "push ended with $?" "$rig/push.log"
received=$((SECONDS - begun))
most=0
while kill -0 "$rig_agent" && ! rig_cloud_holds "$rig/firmware.bin"; do
    now=$(anonymous "$rig_agent")
    most=$((now > most ? now : most))
    ((SECONDS - begun < 600)) || rig_fail "It did not reach the cloud." "$rig/agent.log"
    sleep 0.2
done 2>/dev/null
rig_push "$rig/firmware.bin" 1.0.0 >/dev/null || rig_fail "It was not registered." "$rig/agent.log"
second=$(resident "$rig_agent")
rig_cloud_holds "$rig/firmware.bin" || rig_fail "The cloud does not hold it."
[[ $(killed) == 0 ]] || rig_fail "The kernel ended $(killed) of its processes for want of memory."
printf '%d MB in and out with %d MiB and one core: %d s to the spool, %d s in all; resident %d and %d MiB at most,\n' \
    "$megabytes" $((memory >> 20)) "$received" $((SECONDS - begun)) $((first / 1024)) $((second / 1024))
printf 'anonymous %d MiB while it uploaded; with the page cache the group had %d of its %d MiB, nothing was killed\n' \
    $((most / 1024)) $(($(<"$group/$peak") >> 20)) $((memory >> 20))
