#!/usr/bin/env bash
# The whole path on one machine: a broker, the agent and a simulated cloud of its own, two firmware files through them.
# Everything it starts and writes is gone when it ends, however it ends. Exit code 0: both files arrived whole.
set -euo pipefail
cd "$(dirname "$0")/.."

sender=ci
gateway=demo
root=otaferry/v1/$gateway
# Nothing below takes longer on a slow machine.
patience=180

# --- What is said ----------------------------------------------------------------------------------------------------

is_terminal=no
[[ -t 1 && ${TERM:-dumb} != dumb ]] && is_terminal=yes
bold='' dim='' green='' red='' plain=''
if [[ $is_terminal == yes && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
note() { printf '  %s\n' "$1"; }
# A line of the table: what, then words, cut to 80 columns.
row() {
    local line
    printf -v line '  %(%H:%M:%S)T  %-14s  ' -1 "$1"
    printf '%s%s%s%s\n' "$line" "${3:-}" "${2:0:$((79 - ${#line}))}" "$plain"
}
now() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }
# Microseconds as seconds.
seconds() { awk -v time="$1" 'BEGIN { printf "%.1f s", time / 1e6 }'; }
megabytes() {
    awk -v size="$1" 'BEGIN { if (size < 1e5) printf "%.1f kB", size / 1e3; else printf "%.1f MB", size / 1e6 }'
}

# --- What is started, and its end ------------------------------------------------------------------------------------

folder=''
started=()
is_ending=no

# The processes of a session: what a program that was started has started itself.
members_of() {
    local file line fields
    for file in /proc/[0-9]*/stat; do
        # A process that has ended meanwhile.
        { IFS= read -r line <"$file"; } 2>/dev/null || continue
        # Behind the name, which may hold anything: state, parent, group, session.
        read -ra fields <<<"${line##*) }"
        if [[ ${fields[3]} == "$1" && ${fields[0]} != Z ]]; then
            file=${file%/stat}
            echo "${file##*/}"
        fi
    done
}

# Ends a program that was started and what it has started: asks it, and whoever is left after 8 seconds is killed.
end() {
    local leader=$1 tries members
    # swift build ends its compilers at an interrupt; the others take it like any other wish to stop.
    kill -INT "$leader" 2>/dev/null || true
    for ((tries = 0; tries < 80; tries++)); do
        mapfile -t members < <(members_of "$leader")
        [[ ${#members[@]} -gt 0 ]] || break
        [[ $tries -ne 40 ]] || kill -TERM "${members[@]}" 2>/dev/null || true
        sleep 0.1
    done
    [[ ${#members[@]} -eq 0 ]] || kill -KILL "${members[@]}" 2>/dev/null || true
    wait "$leader" 2>/dev/null || true
}

# The last that was started goes first.
end_all() {
    local index
    for ((index = ${#started[@]} - 1; index >= 0; index--)); do end "${started[index]}"; done
    started=()
}

finish() {
    local code=$?
    trap '' INT TERM HUP
    [[ $is_ending == yes ]] && return
    is_ending=yes
    end_all 2>/dev/null
    [[ -z $folder ]] || rm -rf "$folder"
    exit "$code"
}
stopped() {
    printf '\n%s\n' "Stopped. Nothing is left running." >&2
    exit "$1"
}
trap finish EXIT
trap 'stopped 130' INT
trap 'stopped 143' TERM
trap 'stopped 129' HUP

fail() {
    printf '\n%s%s%s\n' "$red" "$1" "$plain" >&2
    if [[ -n ${2:-} && -s ${2:-} ]]; then
        printf '%s\n' "The last lines of ${2##*/}:" >&2
        tail -n 15 "$2" | cut -c 1-200 >&2
    fi
    exit 1
}

# Starts a program in the background: the file in the folder that its output goes to, then the command. Its process is
# in $! afterwards. It gets a session of its own: Ctrl-C reaches this script alone, which then ends each of them.
start() {
    local output=$folder/$1
    shift
    setsid "$@" </dev/null >>"$output" 2>&1 &
    started+=("$!")
}

# Waits until a command succeeds, as long as a process lives: seconds, process, command.
wait_for() {
    local end=$((SECONDS + $1)) process=$2
    shift 2
    until "$@"; do
        kill -0 "$process" 2>/dev/null || return 1
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# --- Building --------------------------------------------------------------------------------------------------------

newest_line() { tail -c 2000 "$1" | tr '\r' '\n' | sed 's/\x1b\[[0-9;]*[A-Za-z]//g' | grep -v '^[[:space:]]*$' | tail -n 1; }

build() {
    local product=$1 log=$folder/build-$1.log said=$SECONDS line
    start "build-$product.log" swift build "${swift_flags[@]}" --product "$product"
    local process=$!
    while kill -0 "$process" 2>/dev/null; do
        sleep 0.5
        line=$(newest_line "$log" || true)
        if [[ $is_terminal == yes ]]; then
            printf '\r  %s%-76.76s%s' "$dim" "$line" "$plain"
        elif ((SECONDS - said >= 20)); then
            said=$SECONDS
            note "$line"
        fi
    done
    [[ $is_terminal == no ]] || printf '\r\e[K'
    wait "$process" || fail "$product could not be built." "$log"
    unset 'started[-1]'
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/otaferry-demo.XXXXXX")
mkdir "$folder/tmp"
# What others leave in the temporary folder goes with it.
export TMPDIR=$folder/tmp
read -ra swift_flags <<<"${OTAFERRY_SWIFT_FLAGS-$(packaging/swift-flags.sh)}"
title "Building otaferry and the simulated cloud"
note "The first time this takes some minutes."
begun=$SECONDS
build otaferry-cloud
build otaferry
programs=$(swift build "${swift_flags[@]}" --show-bin-path)
note "Built in $((SECONDS - begun)) s."

# --- Starting --------------------------------------------------------------------------------------------------------

broker_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$broker_port") 2>/dev/null; }

start_broker() {
    local tries
    # Debian keeps daemons where the PATH of users does not look.
    local mosquitto
    mosquitto=$(PATH=$PATH:/usr/sbin command -v mosquitto) || fail "There is no mosquitto; make demo installs it."
    for ((tries = 0; tries < 20; tries++)); do
        broker_port=$((20000 + RANDOM % 12000))
        # Somebody else's, or the one of the attempt before.
        ! broker_answers || continue
        printf '%s\n' "listener $broker_port 127.0.0.1" "allow_anonymous true" "persistence false" \
            "log_dest stderr" "user $(id -un)" >"$folder/mosquitto.conf"
        start mosquitto.log "$mosquitto" -c "$folder/mosquitto.conf"
        broker=$!
        if wait_for 10 "$broker" broker_answers && kill -0 "$broker" 2>/dev/null; then return; fi
    done
    fail "No broker could be started." "$folder/mosquitto.log"
}

title "Starting a broker, a simulated cloud and the agent"
start_broker
note "Mosquitto          mqtt://127.0.0.1:$broker_port"

start cloud.log "$programs/otaferry-cloud" --port 0 --port-file "$folder/cloud.port" --folder "$folder/cloud"
cloud=$!
wait_for 20 "$cloud" test -s "$folder/cloud.port" || fail "The simulated cloud did not start." "$folder/cloud.log"
cloud_port=$(<"$folder/cloud.port")
note "simulated cloud    http://127.0.0.1:$cloud_port"

(umask 077 && printf '%s\n' '[default]' 'type = access_key' 'access_key_id = simulated-key' \
    'access_key_secret = simulated-secret' >"$folder/credentials")
cat >"$folder/otaferry.toml" <<END
gateway = "$gateway"

[broker]
url = "mqtt://127.0.0.1:$broker_port"
username = ""

[spool]
path = "$folder/spool/spool.db"

[cloud]
endpoint = "http://127.0.0.1:$cloud_port/"

[cloud.credentials]
file = "$folder/credentials"

[[product]]
alias = "edgebox"
product-key = "a1EdgeBox01"

[[product]]
alias = "pumpctl"
product-key = "a1PumpCtl01"
END
mkdir -m 700 "$folder/spool"
start agent.log "$programs/otaferry" run --config "$folder/otaferry.toml"
agent=$!

# The agent says "online" on a retained topic when it takes firmware.
is_online() {
    local status
    status=$(mosquitto_sub -p "$broker_port" -h 127.0.0.1 -t "$root/status" -C 1 -W 2 2>/dev/null) || return 1
    [[ $status == *'"state":"online"'* ]]
}
wait_for 30 "$agent" is_online || fail "The agent did not come online." "$folder/agent.log"
note "otaferry run       gateway \"$gateway\", online"

# --- Two files -------------------------------------------------------------------------------------------------------

declare -A begun_at stored_at registered_at state_of

# Takes a line of the followers: a state message, or what push says.
take() {
    local line=$1 file state
    if [[ $line != \{* ]]; then
        # A word alone is a state, which its message tells too.
        [[ $line != *' '* || $line == *' 0 %'* ]] || row "otaferry push" "$line" "$dim"
        return
    fi
    [[ $line =~ \"file\":\"([^\"]*)\" ]] || return 0
    file=${BASH_REMATCH[1]}
    # The one member "state" that is a word.
    [[ $line =~ \"state\":\"([a-z]*)\" ]] || return 0
    state=${BASH_REMATCH[1]}
    [[ ${state_of[$file]:-} != "$state" ]] || return 0
    state_of[$file]=$state
    case $state in
        stored) stored_at[$file]=${stored_at[$file]:-$(now)} ;;
        registered) registered_at[$file]=$(now) ;;
    esac
    if [[ $state == registered ]]; then
        row "$file" "$state" "$green"
    elif [[ $line =~ \"reason\":\{[^}]*\"text\":\"([^\"]*)\" ]]; then
        row "$file" "$state: ${BASH_REMATCH[1]}" "$red"
    else
        row "$file" "$state"
    fi
}

big=$programs/otaferry
big_name=otaferry
small=$folder/pumpctl.bin
small_name=pumpctl.bin
head -c 4096 /dev/urandom >"$small"
size_of() { stat -c %s "$1"; }
sum_of() { sha256sum "$1" | cut -d ' ' -f 1; }

# Takes the lines that have come; the rest of one that is not whole yet waits in `partial`. There is no read with a time
# limit here: its alarm outlives a trap and would kill this script while it cleans up.
partial=''
take_lines() {
    local piece
    while IFS= read -r -u "$lines" piece; do
        take "$partial$piece"
        partial=''
    done
    partial+=$piece
}

# Takes lines until both files have ended; fails when the time is over.
follow() {
    local end=$((SECONDS + patience)) file
    while ((SECONDS < end)); do
        take_lines
        for file in "$big_name" "$small_name"; do
            case ${state_of[$file]:-} in
                failed | held | cancelled | expired) fail "$file is ${state_of[$file]}." "$folder/agent.log" ;;
            esac
        done
        kill -0 "$agent" 2>/dev/null || fail "The agent has ended." "$folder/agent.log"
        if [[ -n ${registered_at[$big_name]:-} && -n ${registered_at[$small_name]:-} ]]; then return; fi
        sleep 0.05
    done
    fail "It took longer than $patience s." "$folder/agent.log"
}

title "Sending two firmware files over MQTT"
note "$big_name, $(megabytes "$(size_of "$big")"), with otaferry push, in segments that are acknowledged"
note "$small_name, $(megabytes "$(size_of "$small")"), with mosquitto_pub, as one message"
echo

: >"$folder/lines"
exec {lines}<"$folder/lines"
start lines mosquitto_sub -h 127.0.0.1 -p "$broker_port" -q 1 -t "$root/state/+/+"

begun_at[$big_name]=$(now)
export OTAFERRY_BROKER=mqtt://127.0.0.1:$broker_port OTAFERRY_GATEWAY=$gateway OTAFERRY_SENDER=$sender
start lines "$programs/otaferry" push "$big" --product edgebox --version 0.1.0
push=$!

begun_at[$small_name]=$(now)
mosquitto_pub -h 127.0.0.1 -p "$broker_port" -q 1 -t "$root/in/$sender/put/pumpctl/1.4.2/$small_name" -f "$small" \
    || fail "mosquitto_pub failed."

follow
wait "$push" || fail "otaferry push failed." "$folder/agent.log"
take_lines
memory=$(awk '/^VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$agent/status")

# --- What the cloud has ----------------------------------------------------------------------------------------------

title "Comparing what the cloud holds"
cloud_sums=$(find "$folder/cloud/objects" -type f -exec sha256sum {} + | cut -d ' ' -f 1)
compare() {
    local sum
    sum=$(sum_of "$2")
    if grep -qx "$sum" <<<"$cloud_sums"; then
        row "$1" "same SHA-256, ${sum:0:16}…" "$green"
    else
        fail "The simulated cloud does not hold $1 with the SHA-256 $sum." "$folder/cloud.log"
    fi
}
compare "$big_name" "$big"
compare "$small_name" "$small"

title "What happened"
size=$(size_of "$big")
to_spool=$((stored_at[$big_name] - begun_at[$big_name]))
to_cloud=$((registered_at[$big_name] - begun_at[$big_name]))
small_to_cloud=$((registered_at[$small_name] - begun_at[$small_name]))
small_size=$(size_of "$small")
fold -s -w 78 <<END | sed 's/^/  /;s/ *$//'
A sender cut $big_name, $(megabytes "$size"), into segments and published them to the broker. The agent wrote each to its \
SQLite file before it acknowledged it, checked the whole after $(seconds "$to_spool"), fetched an upload ticket, \
streamed the file to the cloud and registered it: $(seconds "$to_cloud") in all. The $(megabytes "$small_size") of \
$small_name came as one message and were registered $(seconds "$small_to_cloud") \
later. The cloud holds both, byte for byte. The agent used $memory MB of memory at most. All of \
it was built for debugging; a release build is faster and smaller.
END
printf '\n%sBoth files arrived.%s Everything is being stopped and removed.\n' "$green" "$plain"
