#!/usr/bin/env bash
# Runs the commands of documents as a reader would, on a make-believe gateway: a copy of /etc, empty folders in the places
# of the agent's and the broker's files, a network of its own where the broker has its usual port, and a simulated cloud.
# What only a whole machine has (systemctl, apt-get, journalctl) is played. Nothing outside is touched.
# Usage: try-documents.sh PROGRAMS PAGE..., as root; PROGRAMS is the folder with otaferry and otaferry-cloud.
# Blocks marked "sh" are run, one after the other in one shell; blocks marked otherwise, such as "sh ci", are not.
set -euo pipefail

if [[ ${1:-} != --inside ]]; then
    [[ $EUID -eq 0 ]] || { echo "try-documents.sh needs root, for a mount and a network namespace" >&2 && exit 77; }
    cd "$(dirname "$0")/.."
    programs=$(realpath "${1:?folder with the programs}")
    shift
    pages=()
    for page in "$@"; do pages+=("$(realpath "$page")"); done
    scratch=$(mktemp -d)
    # What is mounted goes with the namespace; what runs in it is ended by its end.
    trap 'rm -rf "$scratch"' EXIT
    unshare --mount --net --pid --fork --kill-child --mount-proc "$0" --inside "$scratch" "$programs" "$PWD" "${pages[@]}"
    exit
fi

shift
scratch=$1 programs=$2 project=$3
shift 3

ip link set lo up

# --- The machine
mkdir -p "$scratch"/{etc,lib,doc,run,log,backups,srv,bin,home,usr-bin,work}
cp -a /etc/. "$scratch/etc"
rm -rf "$scratch"/etc/otaferry "$scratch"/etc/credstore
for pair in etc:/etc lib:/var/lib doc:/usr/share/doc run:/run log:/var/log backups:/var/backups srv:/srv; do
    mount --bind "$scratch/${pair%%:*}" "${pair#*:}"
done
mkdir -p /var/lib/{otaferry,mosquitto} /var/log/mosquitto /run/mosquitto /etc/otaferry/otaferry.d /etc/mosquitto/conf.d
mkdir -p /usr/share/doc/otaferry/examples
rm -f /etc/mosquitto/conf.d/*
cp -r "$project/packaging/mosquitto" /usr/share/doc/otaferry/examples/
cp "$project/packaging/otaferry.toml" /etc/otaferry/otaferry.toml
getent passwd otaferry >/dev/null || useradd --system --home-dir /var/lib/otaferry --shell /usr/sbin/nologin otaferry
chown otaferry: /var/lib/otaferry && chmod 700 /var/lib/otaferry
chown mosquitto: /var/lib/mosquitto /var/log/mosquitto /run/mosquitto
# The programs are not where the agent's user may look.
install -m 755 "$programs/otaferry" "$programs/otaferry-cloud" "$scratch/bin/"
chmod 755 "$scratch" "$scratch/bin"

# --- The cloud
"$scratch/bin/otaferry-cloud" --port 8080 >"$scratch/log/cloud" 2>&1 &
cat >/etc/otaferry/otaferry.d/00-simulated-cloud.toml <<'END'
[cloud]
endpoint = "http://127.0.0.1:8080/"
[retry]
min = "100ms"
max = "1s"
END

# --- What a whole machine has
cat >"$scratch/bin/sudo" <<'END'
#!/bin/bash
set -e
if [[ $1 == -u ]]; then
    user=$2
    shift 2
    exec setpriv --reuid "$user" --regid "$user" --clear-groups -- "$@"
fi
exec "$@"
END
cat >"$scratch/bin/systemctl" <<'END'
#!/bin/bash
# start, stop, restart, enable --now, disable --now of the two services; they run as they would.
set -e
verb=$1
shift
[[ ${1:-} == --now ]] && { [[ $verb == enable ]] && verb=start || verb=stop; shift; }
[[ $verb == daemon-reload ]] && exit 0
name=${1%.service}
pidfile=/run/$name.pid
running() { [[ -s $pidfile ]] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }
stop() {
    running || return 0
    kill -TERM "$(cat "$pidfile")"
    while running; do sleep 0.05; done
}
start() {
    running && return 0
    case $name in
    mosquitto)
        setsid mosquitto -c /etc/mosquitto/mosquitto.conf >>/var/log/mosquitto.out 2>&1 &
        echo $! >"$pidfile"
        until (exec 3<>/dev/tcp/127.0.0.1/1883) 2>/dev/null; do
            running || { tail -n 20 /var/log/mosquitto.out /var/log/mosquitto/mosquitto.log >&2; exit 1; }
            sleep 0.05
        done
        ;;
    otaferry)
        credentials=/run/credentials/otaferry
        mkdir -p $credentials
        for pair in aliyun mqtt-password; do
            [[ ! -e /etc/credstore/otaferry.$pair ]] || cp "/etc/credstore/otaferry.$pair" "$credentials/$pair"
        done
        chown -R otaferry: $credentials && chmod -R go= $credentials
        chmod 755 /run/credentials
        : >/var/log/otaferry
        CREDENTIALS_DIRECTORY=$credentials setsid setpriv --reuid otaferry --regid otaferry --clear-groups -- \
            otaferry run --config /etc/otaferry/otaferry.toml >>/var/log/otaferry 2>&1 &
        echo $! >"$pidfile"
        running || exit 1
        for _ in {1..200}; do
            [[ $(grep -c "Connected to the broker" /var/log/otaferry) -lt 2 ]] || break
            running || { tail -n 20 /var/log/otaferry >&2; exit 1; }
            sleep 0.05
        done
        ;;
    *) echo "systemctl: there is no $name here" >&2 && exit 5 ;;
    esac
}
case $verb in
start) start ;;
stop) stop ;;
restart) stop; start ;;
status) running && echo "$name is active" ;;
*) echo "systemctl: $verb is not played here" >&2 && exit 64 ;;
esac
END
cat >"$scratch/bin/apt-get" <<'END'
#!/bin/bash
# The package is there already; purging takes its files away.
[[ " $* " != *" purge "* ]] || rm -rf /etc/otaferry /var/lib/otaferry
END
ln "$scratch/bin/apt-get" "$scratch/bin/apt"
cat >"$scratch/bin/journalctl" <<'END'
#!/bin/bash
tail -n 5 /var/log/otaferry
END
# Warnings are no failure of the documents: this machine is no gateway. Errors are.
cat >"$scratch/bin/otaferry-doctor" <<END
#!/bin/bash
code=0
"$scratch/bin/otaferry" "\$@" || code=\$?
[[ \$code -le 1 ]]
END
chmod 755 "$scratch"/bin/*
export PATH=$scratch/bin:$PATH:/usr/sbin HOME=$scratch/home
unset OTAFERRY_BROKER OTAFERRY_GATEWAY OTAFERRY_SENDER OTAFERRY_USERNAME OTAFERRY_PASSWORD_FILE

systemctl start mosquitto
systemctl start otaferry

# --- The pages
# What a reader puts in, what would go on for ever, and names that are different each time.
cat >"$scratch/reader.sed" <<'END'
s/^(sudo (-u otaferry )?)?otaferry doctor/\1otaferry-doctor doctor/
s/^access_key_id = LTAI…/access_key_id = simulated-key/
s/^access_key_secret = …/access_key_secret = simulated-secret/
s/^otaferry-cloud --port 8080$/true/
s/^(otaferry watch.*|mosquitto_sub -v.*)/timeout 3 \1 || [[ $? -eq 124 ]]/
s/^sudo tar -C \/ -xzf .*/mosquitto_passwd -b \/etc\/mosquitto\/otaferry.passwd otaferry of-the-new-gateway; systemctl restart mosquitto; \0/
s/^(otaferry (show|cancel|purge)) ci\/f27e21cc2943e86e/\1 "$(otaferry list --json | jq -r '.states[0].id')"/
END
commands=$scratch/commands
for page in "$@"; do
    awk -v page="$(basename "$page")" '
        $0 == "```sh" { inside = 1; number++; printf "echo \"--- %s, block %d\"\n", page, number; next }
        /^```/ { inside = 0; next }
        inside { print }' "$page" | sed -E -f "$scratch/reader.sed" >>"$commands"
done
cd "$scratch/work"
touch otaferry_1_amd64.deb
head -c 50000 /dev/urandom >pumpctl.bin
head -c 5000000 /dev/urandom >rootfs.tar.gz
code=0
bash -euo pipefail "$commands" </dev/null || code=$?
if [[ $code -ne 0 ]]; then
    echo "The commands ended with $code. The agent's log:" >&2
    tail -n 30 /var/log/otaferry >&2
    tail -n 10 /var/log/mosquitto/mosquitto.log >&2
fi
systemctl stop otaferry || true
systemctl stop mosquitto || true
exit $code
