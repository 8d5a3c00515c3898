#!/bin/bash
# The life of the packages on one Debian: installed, run, upgraded, downgraded, removed, purged. Runs as root inside of a
# root that test-packages.sh makes; the packages are in /packages: the ones to test in new, an older and a newer version
# of the same, whose configuration files differ, in older and newer.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin

checks=0
fail() {
    echo "FAILED: $1" >&2
    [[ -z ${2:-} ]] || tail -n 20 "$2" >&2
    exit 1
}
passed() {
    checks=$((checks + 1))
    echo "  ok  $1"
}
holds() { "$@" >/dev/null 2>&1; }
await() {
    local end=$((SECONDS + $1))
    shift
    until holds "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}
install_packages() { apt-get -q -y -o Dpkg::Use-Pty=0 "${@:2}" install "/packages/$1"/*.deb >/tmp/apt.log 2>&1; }
version() { dpkg-query -W -f '${Version}' otaferry; }
as_agent() { setpriv --reuid otaferry --regid otaferry --clear-groups -- "$@"; }
# The run ended with 78 and said these words.
expect_mistake() {
    [[ $1 -eq 78 ]] || fail "it ended with $1" /tmp/run.log
    grep -q "$2" /tmp/run.log || fail "it did not say $2" /tmp/run.log
}
expect_version() { [[ $(version) == "$(<"/packages/$1/version")" ]] || fail "$(version) is installed, not $1" /tmp/apt.log; }

# --- Installed -----------------------------------------------------------------------------------------------------------

echo "Installing"
install_packages new || fail "The packages cannot be installed" /tmp/apt.log
expect_version new
getent passwd otaferry | grep -q ':/var/lib/otaferry:/usr/sbin/nologin$' || fail "no user otaferry without a shell"
[[ $(getent passwd otaferry | cut -d: -f3) -lt 1000 ]] || fail "otaferry is no system user"
! ldd /usr/bin/otaferry /usr/bin/otaferry-cloud | grep 'not found' || fail "libraries are missing"
otaferry --version | grep -q '^[0-9]' || fail "it does not run"
holds bash -n /usr/share/bash-completion/completions/otaferry || fail "the completions of bash are broken"
holds gzip -t /usr/share/man/man1/otaferry.1.gz || fail "there is no manual page"
debug=$(readelf -n /usr/bin/otaferry | sed -n 's/.*Build ID: \(..\)\(.*\)/\/usr\/lib\/debug\/.build-id\/\1\/\2.debug/p')
[[ -s $debug ]] || fail "there are no debug symbols for this build"
passed "installed with the distribution's libraries, its user, completions, manual page, debug symbols"

# --- The first start ------------------------------------------------------------------------------------------------------

install -d -o otaferry -g otaferry -m 700 /var/lib/otaferry
as_agent otaferry check >/tmp/check.log 2>&1 || fail "otaferry check is not content with the packaged file" /tmp/check.log
code=0
as_agent otaferry run --config /etc/otaferry/none.toml >/tmp/run.log 2>&1 || code=$?
expect_mistake "$code" '/etc/otaferry/none.toml'
code=0
printf '[cloud]\nregoin = "x"\n' >/etc/otaferry/otaferry.d/wrong.toml
as_agent otaferry run --config /etc/otaferry/otaferry.toml >/tmp/run.log 2>&1 || code=$?
expect_mistake "$code" 'wrong.toml:2.*cloud.region'
rm /etc/otaferry/otaferry.d/wrong.toml
passed "without its file, and with a mistake in one: a sentence that names it, exit code 78"

# --- The rig --------------------------------------------------------------------------------------------------------------

mkdir -p /rig/broker
chown mosquitto /rig/broker
# Nothing else is in this network.
printf '%s\n' 'listener 1883 127.0.0.1' 'allow_anonymous true' 'persistence false' >/rig/mosquitto.conf
mosquitto -c /rig/mosquitto.conf >/rig/mosquitto.log 2>&1 &
otaferry-cloud --port 8080 --port-file /rig/port --folder /rig/cloud --fault slow=200000@uploadx1 >/rig/cloud.log 2>&1 &
await 20 test -s /rig/port || fail "the simulated cloud did not start" /rig/cloud.log
cat >/etc/otaferry/otaferry.d/10-site.toml <<'END'
gateway = "gw1"
[broker]
username = ""
[cloud]
endpoint = "http://127.0.0.1:8080/"
END
printf '%s\n' '[default]' 'type = access_key' 'access_key_id = simulated-key' 'access_key_secret = simulated-secret' |
    install -m 600 -o otaferry -g otaferry /dev/stdin /etc/otaferry/credentials
status() { mosquitto_sub -h 127.0.0.1 -t otaferry/v1/gw1/status -C 1 -W 2; }
is_online() { status | grep -q '"state":"online"'; }
start_agent() {
    setpriv --reuid otaferry --regid otaferry --clear-groups -- otaferry run --config /etc/otaferry/otaferry.toml \
        >>/rig/agent.log 2>&1 &
    agent=$!
    await 30 is_online || fail "the agent did not come online" /rig/agent.log
}
stop_agent() {
    kill -TERM "$agent"
    wait "$agent" || fail "the agent ended with $?" /rig/agent.log
}
is_in_state() { otaferry list --json | grep -q "\"state\":\"$1\""; }
push() {
    otaferry push "$1" --product a1PumpCtl01 --version "$2" "${@:3}" >/rig/push.log 2>&1 || fail "push ended with $?" /rig/push.log
}
times_in_cloud() {
    find /rig/cloud/objects -type f -exec sha256sum {} + | grep -c "^$(sha256sum "$1" | cut -d ' ' -f 1)"
}
export OTAFERRY_BROKER=mqtt://127.0.0.1:1883 OTAFERRY_GATEWAY=gw1 OTAFERRY_SENDER=ci
for number in 1 2 3; do head -c 2000000 /dev/urandom >/rig/$number.bin; done

# --- Upgraded and downgraded -------------------------------------------------------------------------------------------------

echo "Upgrading"
start_agent
push /rig/1.bin 1.0.0 --detach
await 20 is_in_state uploading || fail "no upload began" /rig/agent.log
install_packages newer || fail "The upgrade failed" /tmp/apt.log
expect_version newer
is_in_state uploading || fail "the upload ended with the unpacking" /rig/agent.log
stop_agent
start_agent
push /rig/1.bin 1.0.0
[[ $(times_in_cloud /rig/1.bin) -eq 1 ]] || fail "the firmware is not in the cloud once"
passed "upgraded in the middle of an upload: the upload went on, and after the restart the firmware was registered"

push /rig/2.bin 1.0.1 --detach
stop_agent
install_packages older --allow-downgrades || fail "The downgrade failed" /tmp/apt.log
expect_version older
start_agent
push /rig/2.bin 1.0.1
[[ $(times_in_cloud /rig/2.bin) -eq 1 ]] || fail "the firmware is not in the cloud once"
passed "downgraded: the older version went on with the spool"
install_packages new || fail "The upgrade failed" /tmp/apt.log

# --- Configuration files ----------------------------------------------------------------------------------------------------

file=/etc/otaferry/otaferry.toml
grep -q "^# changed in version $(</packages/newer/version)" $file && fail "the older file did not come back"
install_packages newer </dev/null || fail "an unchanged file was asked about" /tmp/apt.log
grep -q "^# changed in version $(</packages/newer/version)" $file || fail "an unchanged file was not replaced"
passed "a file that nobody changed is replaced without a question"
install_packages new --allow-downgrades || fail "The downgrade failed" /tmp/apt.log
# It depends on the very version.
apt-get -q -y purge otaferry-dbgsym >/tmp/apt.log 2>&1
echo '# of the site' >>$file
if dpkg -i /packages/newer/otaferry_*.deb </dev/null >/tmp/dpkg.log 2>&1; then fail "no question about a changed file"; fi
grep -q "Configuration file '$file'" /tmp/dpkg.log || fail "another failure than the question" /tmp/dpkg.log
echo N | dpkg -i /packages/newer/otaferry_*.deb >/tmp/dpkg.log 2>&1 || fail "the answer was not taken" /tmp/dpkg.log
grep -q '^# of the site' $file || fail "the site's file was lost"
[[ -s $file.dpkg-dist ]] || fail "the package's file is not beside it"
dpkg -i /packages/newer/otaferry_*.deb </dev/null >/tmp/dpkg.log 2>&1 || fail "it was asked again" /tmp/dpkg.log
grep -q gw1 /etc/otaferry/otaferry.d/10-site.toml || fail "the site's own file was touched"
passed "a file that was changed is asked about once, and the answer holds"
stop_agent

# --- Removed, purged, installed again ------------------------------------------------------------------------------------------

echo "Removing"
apt-get -q -y remove otaferry >/tmp/apt.log 2>&1 || fail "It cannot be removed" /tmp/apt.log
[[ ! -e /usr/bin/otaferry && -s /var/lib/otaferry/spool.db && -s $file && -s /etc/otaferry/credentials ]] ||
    fail "removing removed too much or too little"
passed "removed: configuration and spool are kept"
# As somebody who answers that the site's file stays.
install_packages new -o Dpkg::Options::=--force-confold || fail "It cannot be installed again" /tmp/apt.log
start_agent
is_in_state registered || fail "the former transfers are gone" /rig/agent.log
stop_agent
passed "installed again: it knows its former transfers"

apt-get -q -y purge otaferry >/tmp/apt.log 2>&1 || fail "It cannot be purged" /tmp/apt.log
[[ -s /var/lib/otaferry/spool.db ]] || fail "the spool was deleted without a word" /tmp/apt.log
grep -q '/var/lib/otaferry is kept' /tmp/apt.log || fail "nobody was told that the spool is kept" /tmp/apt.log
[[ ! -e /etc/otaferry && ! -e /etc/credstore/otaferry.aliyun ]] || fail "purging left configuration or secrets"
passed "purged without anybody to ask: the spool is kept, and it says so; configuration and secrets are gone"
install_packages new || fail "It cannot be installed again" /tmp/apt.log
echo 'otaferry otaferry/purge-spool boolean true' | debconf-set-selections
printf '[spool]\npath = "/rig/moved/spool.db" # of the site\n[cloud]\n' >/etc/otaferry/otaferry.d/30-spool.toml
mkdir /rig/moved && touch /rig/moved/spool.db
apt-get -q -y purge otaferry >/tmp/apt.log 2>&1 || fail "It cannot be purged" /tmp/apt.log
[[ -e /rig/moved/spool.db ]] || fail "a spool that was moved is gone" /tmp/apt.log
grep -q 'the spool at /rig/moved/spool.db is kept' /tmp/apt.log || fail "nobody was told of the moved spool" /tmp/apt.log
passed "purged: a spool that was moved elsewhere is kept, and it says so"
left=$(find / -xdev -name '*otaferry*' -not -path '/packages/*' -not -path '/proc/*' -not -name '*otaferry-cloud*' \
    -not -name 'otaferry*dbgsym*' 2>/dev/null)
[[ -z $left ]] || fail "purging left: $left"
! grep -q otaferry /var/cache/debconf/config.dat || fail "purging left a question with debconf"
passed "purged with the answer yes: nothing is left"

echo "$checks checks passed on Debian $(</etc/debian_version)"
