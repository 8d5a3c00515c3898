#!/usr/bin/env bash
# Traces an agent through a whole life and compares the system calls that it made with the filter of the service: every
# call has to be in it, and every group in it has to be needed by one.
#   packaging/trace-calls.sh PROGRAM SIMULATED-CLOUD
set -euo pipefail
cd "$(dirname "$0")/.."
rig_program=$(realpath "$1")
rig_cloud=$(realpath "$2")
# shellcheck source-path=SCRIPTDIR source=rig.sh
. packaging/rig.sh

unit=systemd/otaferry.service
trace=$rig/trace
rig_wrap=(strace --quiet=all --follow-forks --output "$trace" --output-append-mode --signal=none
    --trace=all --abbrev=all --string-limit=0)

# As the service, which is not root: some libraries do more for root.
if [[ $EUID -eq 0 ]]; then
    rig_owner=nobody:nogroup
    rig_wrap=(setpriv --reuid nobody --regid nogroup --clear-groups "${rig_wrap[@]}")
fi
rig_start_broker
# A broken upload, a busy account and a lost answer are part of a life.
rig_start_cloud --fault break=100000 --fault throttle=1@ticket --fault lose-answer@register
# TLS and a name that has to be resolved; the resolver asks nobody outside.
rig_broker_url=mqtts://localhost:$rig_tls_port
rig_configure <<END
[retry]
min = "200ms"
END
# The spool's folder is the service manager's to make.
install -d -m 700 "$rig/spool"
[[ -z ${rig_owner:-} ]] || chown "$rig_owner" "$rig" "$rig/spool" "$rig/credentials"
for number in 1 2 3; do head -c 3000000 /dev/urandom >"$rig/$number.bin"; done

NOTIFY_SOCKET=@otaferry-trace-$$ WATCHDOG_USEC=400000 rig_start_agent --set log.level=debug
rig_send_whole "$rig/1.bin" 1.0.0
rig_await 60 rig_says "$rig_transfer" '"state":"registered"' || rig_fail "one message was not registered" "$rig/agent.log"
rig_push "$rig/2.bin" 1.0.1 >/dev/null
# Killed while it receives, so that the next start has something to put right.
rig_push "$rig/3.bin" 1.0.2 --detach >/dev/null
rig_stop "$rig_agent" KILL
rig_start_agent --set log.level=debug
rig_push "$rig/3.bin" 1.0.2 >/dev/null
OTAFERRY_BROKER=mqtt://127.0.0.1:$rig_broker_port OTAFERRY_GATEWAY=rig OTAFERRY_SENDER=ci "$rig_program" list >/dev/null
# Without a broker for a while.
rig_stop "${rig_started[0]}" TERM
rig_start mosquitto.log "$(PATH=$PATH:/usr/sbin command -v mosquitto)" -c "$rig/mosquitto.conf"
rig_await 60 rig_is_online || rig_fail "it does not come back to the broker" "$rig/agent.log"
rig_stop "$rig_agent" TERM
for number in 1 2 3; do rig_cloud_holds "$rig/$number.bin" || rig_fail "The cloud does not hold $number.bin."; done

# A name is resolved with threads of curl's, outside of the loopback only; what they do is counted by hand.
mapfile -t called < <({
    sed -nE 's/^[0-9]+ +([a-z][a-z0-9_]*)\(.*/\1/p' "$trace"
    printf '%s\n' sendmmsg recvfrom
} | sort -u)

# Name → members, from the service manager's own list.
declare -A group_of
groups=()
expand() {
    local line
    while IFS= read -r line; do
        line=${line#"${line%%[![:space:]]*}"}
        case $line in
            '' | '#'*) ;;
            "$1") ;;
            @*) expand "$line" "$2" ;;
            *) group_of[$line]+="$2 " ;;
        esac
    done < <(systemd-analyze syscall-filter "$1" --no-pager 2>/dev/null)
}
while IFS= read -r word; do
    groups+=("$word")
    if [[ $word == @* ]]; then expand "$word" "$word"; else group_of[$word]+="$word "; fi
done < <(sed -n 's/^SystemCallFilter=//p' "$unit" | tr ' ' '\n')
# Always allowed by the service manager, whatever the filter says.
expand @default @default

declare -A needed
mistakes=0
for call in "${called[@]}"; do
    [[ -n ${group_of[$call]:-} ]] || {
        echo "$call is called and not in the filter" >&2
        mistakes=$((mistakes + 1))
    }
    for group in ${group_of[$call]:-}; do needed[$group]+="$call "; done
done
for group in "${groups[@]}"; do
    if [[ -z ${needed[$group]:-} ]]; then
        echo "$group is in the filter and nothing needs it" >&2
        mistakes=$((mistakes + 1))
    else
        printf '%-14s %s\n' "$group" "$(fold -s -w 100 <<<"${needed[$group]}" | sed '2,$s/^/               /')"
    fi
done
printf '%-14s %s\n' "always" "$(fold -s -w 100 <<<"${needed[@default]:-}" | sed '2,$s/^/               /')"
denied=$(grep -c ' EPERM ' "$trace" || true)
echo "${#called[@]} system calls, ${#groups[@]} groups, $mistakes mistakes, $denied answered with EPERM"
[[ $mistakes -eq 0 ]]
