# shellcheck shell=bash
# For scripts that try a built program: a broker, a simulated cloud and an agent of their own on free ports, in a folder
# that is gone at the end with everything that was started. To be sourced.
#   rig_program, rig_cloud   otaferry and otaferry-cloud
#   rig_wrap                 an array: what the agent is run by, such as strace

# shellcheck disable=SC2034 # for those who source this
rig_agent='' rig_transfer=''
rig_program=${rig_program:-} rig_cloud=${rig_cloud:-}
rig=$(mktemp -d "${TMPDIR:-/tmp}/otaferry-rig.XXXXXX")
chmod 755 "$rig"
rig_started=()
rig_wrap=()

rig_fail() {
    printf '%s\n' "$1" >&2
    if [[ -n ${2:-} && -s ${2:-} ]]; then tail -n 15 "$2" | cut -c 1-300 >&2; fi
    exit 1
}

rig_end() {
    local index
    for ((index = ${#rig_started[@]} - 1; index >= 0; index--)); do rig_stop "${rig_started[index]}" TERM; done
    rm -rf "$rig"
}
trap rig_end EXIT
trap 'exit 130' INT TERM HUP

# Sends a signal to every process of a session.
rig_signal() {
    local members
    mapfile -t members < <(pgrep -s "$1")
    # They may have ended meanwhile.
    [[ ${#members[@]} -eq 0 ]] || kill -s "$2" "${members[@]}" 2>/dev/null || true
}

# Sends a signal to the session of a program and waits for its end; after 15 s it is killed.
rig_stop() {
    local leader=$1 signal=$2 tries
    rig_signal "$leader" "$signal"
    for ((tries = 0; tries < 150; tries++)); do
        pgrep -s "$leader" >/dev/null || break
        sleep 0.1
    done
    rig_signal "$leader" KILL
}

# Starts a program in a session of its own: the log's name, then the command. Its process is in rig_process.
rig_start() {
    local log=$rig/$1
    shift
    setsid "$@" </dev/null >>"$log" 2>&1 &
    rig_process=$!
    # bash says nothing then when it is killed.
    disown "$rig_process"
    rig_started+=("$rig_process")
}

# Waits until a command succeeds: seconds, then the command.
rig_await() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

rig_port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

rig_free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && rig_port_answers "$port" 2>/dev/null; do :; done
    printf '%s' "$port"
}

# A broker: plain on rig_broker_port and, with TLS, on rig_tls_port.
rig_start_broker() {
    rig_broker_port=$(rig_free_port)
    rig_tls_port=$(rig_free_port)
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
        -keyout "$rig/broker.key" -out "$rig/broker.crt" >"$rig/openssl.log" 2>&1
    chmod 644 "$rig/broker.key"
    mkdir -p "$rig/broker"
    cat >"$rig/mosquitto.conf" <<END
per_listener_settings false
allow_anonymous true
persistence true
persistence_location $rig/broker/
max_queued_messages 100000
user $(id -un)
listener $rig_broker_port 127.0.0.1
listener $rig_tls_port 127.0.0.1
certfile $rig/broker.crt
keyfile $rig/broker.key
END
    rig_start mosquitto.log "$(PATH=$PATH:/usr/sbin command -v mosquitto)" -c "$rig/mosquitto.conf"
    rig_await 20 rig_port_answers "$rig_broker_port" || rig_fail "No broker could be started." "$rig/mosquitto.log"
}

# A simulated cloud on rig_cloud_port; arguments go to otaferry-cloud.
rig_start_cloud() {
    rig_start cloud.log "$rig_cloud" --port 0 --port-file "$rig/cloud.port" --folder "$rig/cloud" "$@"
    rig_await 20 test -s "$rig/cloud.port" || rig_fail "The simulated cloud did not start." "$rig/cloud.log"
    rig_cloud_port=$(<"$rig/cloud.port")
}

# The configuration of the agent; standard input is added.
rig_configure() {
    (umask 077 && printf '%s\n' '[default]' 'type = access_key' 'access_key_id = simulated-key' \
        'access_key_secret = simulated-secret' >"$rig/credentials")
    cat >"$rig/otaferry.toml" <<END
gateway = "rig"
[broker]
url = "${rig_broker_url:-mqtt://127.0.0.1:$rig_broker_port}"
username = ""
ca-file = "$rig/broker.crt"
[spool]
path = "$rig/spool/spool.db"
[cloud]
endpoint = "http://127.0.0.1:$rig_cloud_port/"
[cloud.credentials]
file = "$rig/credentials"
[[product]]
alias = "pumpctl"
product-key = "a1PumpCtl01"
END
    cat >>"$rig/otaferry.toml"
}

# The agent; its session is in rig_agent.
rig_start_agent() {
    rig_start agent.log "${rig_wrap[@]}" "$rig_program" run --config "$rig/otaferry.toml" "$@"
    rig_agent=$rig_process
    rig_await 90 rig_is_online || rig_fail "The agent did not come online." "$rig/agent.log"
}

rig_status() { mosquitto_sub -h 127.0.0.1 -p "$rig_broker_port" -t otaferry/v1/rig/status -C 1 -W 2; }
rig_is_online() { rig_status | grep '"state":"online"' >/dev/null; }

# What the retained state of a transfer says: its id, a word that it has to hold.
rig_says() {
    mosquitto_sub -h 127.0.0.1 -p "$rig_broker_port" -t "otaferry/v1/rig/state/ci/$1" -C 1 -W 2 | grep "$2" >/dev/null
}

# Sends a file in one message; its id is in rig_transfer.
rig_send_whole() {
    rig_transfer=$(sha256sum "$1" | cut -c 1-16)
    mosquitto_pub -h 127.0.0.1 -p "$rig_broker_port" -q 1 -t "otaferry/v1/rig/in/ci/put/pumpctl/$2" -f "$1"
}

# Sends a file in segments with the program itself, or another one in rig_sender: the file, the version, more options.
rig_push() {
    local file=$1 version=$2
    shift 2
    OTAFERRY_BROKER=mqtt://127.0.0.1:$rig_broker_port OTAFERRY_GATEWAY=rig OTAFERRY_SENDER=ci \
        "${rig_sender:-$rig_program}" push "$file" --product pumpctl --version "$version" "$@"
}

# Whether the simulated cloud holds these bytes.
rig_cloud_holds() {
    find "$rig/cloud/objects" -type f -exec sha256sum {} + | grep "^$(sha256sum "$1" | cut -d ' ' -f 1)" >/dev/null
}
