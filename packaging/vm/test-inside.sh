#!/bin/bash
# Runs inside of the virtual machine that test.sh boots, as root, and writes to its second serial line.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

fail() {
    journalctl -u otaferry -n 25 --no-pager -o cat || true
    systemctl status otaferry --no-pager -n 0 || true
    [[ -z ${2:-} ]] || tail -n 20 "$2"
    echo "FAILED: $1"
    exit 1
}
trap 'fail "line $LINENO"' ERR
passed() { echo "ok  $1"; }
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.3
    done
}
show() { systemctl show otaferry -P "$1"; }
shows() { [[ $(show "$1") == "$2" ]]; }
restarts_exceed() { (($(show NRestarts) > $1)); }
said() { journalctl -u otaferry --no-pager -o cat | grep -q "$1"; }
client() { "$1" -h 127.0.0.1 -u "$2" -P "$2-secret" "${@:3}"; }
is_online() { client mosquitto_sub operator -t otaferry/v1/gw1/status -C 1 -W 3 | grep -q '"state":"online"'; }
is_in_state() { client mosquitto_sub operator -t "otaferry/v1/gw1/state/ci/$1" -C 1 -W 3 | grep -q "\"state\":\"$2\""; }
drop_in() {
    mkdir -p /etc/systemd/system/otaferry.service.d
    printf '[Service]\n%s\n' "$@" >/etc/systemd/system/otaferry.service.d/test.conf
    systemctl daemon-reload
}
no_drop_in() {
    rm -f /etc/systemd/system/otaferry.service.d/test.conf
    systemctl daemon-reload
}
push() {
    OTAFERRY_BROKER=mqtt://127.0.0.1 OTAFERRY_GATEWAY=gw1 OTAFERRY_USERNAME=ci OTAFERRY_PASSWORD_FILE=/root/ci \
        otaferry push "$1" --product a1PumpCtl01 --version "$2" "${@:3}" >/root/push.log 2>&1
}
start_cloud() {
    systemctl stop test-cloud 2>/dev/null || true
    systemd-run -q --unit=test-cloud --collect otaferry-cloud --port 8080 --folder /root/cloud "$@"
    await 60 curl_cloud
}
curl_cloud() { (exec 3<>/dev/tcp/127.0.0.1/8080); }
times_in_cloud() {
    find /root/cloud/objects -type f -exec sha256sum {} + | grep -c "^$(sha256sum "$1" | cut -d ' ' -f 1)" || true
}
id_of() { sha256sum "$1" | cut -c 1-16; }

# Everything, and then what is left in the middle for the power cut.
first() {
    install_all
    live
    leave_in_the_middle
}
# What is left for the power cut alone.
short() {
    install_all
    leave_in_the_middle
}

install_all() {
    dpkg -i /packages/new/*.deb >/root/dpkg.log 2>&1 || fail "the packages do not install" /root/dpkg.log
    await 120 shows ActiveState active || fail "the service did not start by itself"
    shows Type notify
    [[ $(show StatusText) == "Running as gw1" ]] || fail "it said $(show StatusText) to the service manager"
    systemctl is-enabled -q otaferry
    [[ $(stat -c '%U %a' /var/lib/otaferry) == "otaferry 700" ]] || fail "the spool's folder is open to others"
    ! said 'thread priority' || fail "the journal has lines that nobody needs"
    passed "installed: started, notified and enabled, without credentials and without a broker that lets it in"

    # The broker as the shipped example has it: names, passwords, rights.
    install -m 600 /dev/null /etc/mosquitto/otaferry.passwd
    for name in otaferry ci operator; do mosquitto_passwd -b /etc/mosquitto/otaferry.passwd "$name" "$name-secret"; done
    cp /usr/share/doc/otaferry/examples/mosquitto/otaferry.acl /etc/mosquitto/
    # Debian's own file has these two lines already.
    grep -vE '^(persistence|persistence_location) ' /usr/share/doc/otaferry/examples/mosquitto/otaferry.conf \
        >/etc/mosquitto/conf.d/otaferry.conf
    chown mosquitto /etc/mosquitto/otaferry.passwd /etc/mosquitto/otaferry.acl
    chmod 600 /etc/mosquitto/otaferry.passwd
    systemctl restart mosquitto || fail "the broker does not take the example"
    echo ci-secret >/root/ci
    echo operator-secret >/root/operator
    start_cloud
    install -d -m 700 /etc/credstore
    printf '[default]\ntype = access_key\naccess_key_id = simulated-key\naccess_key_secret = simulated-secret\n' |
        install -m 600 /dev/stdin /etc/credstore/otaferry.aliyun
    install -m 600 /dev/stdin /etc/credstore/otaferry.mqtt-password <<<"otaferry-secret"
    printf '[cloud]\nendpoint = "http://127.0.0.1:8080/"\n' >/etc/otaferry/otaferry.d/10-site.toml
    systemctl restart otaferry
    await 60 is_online || fail "it is not online with the password of the credential"
    passed "the broker's password is taken from the service manager's credentials"

    head -c 3000000 /dev/urandom >/root/1.bin
    client mosquitto_pub ci -q 1 -t otaferry/v1/gw1/in/ci/put/a1PumpCtl01/1.0.0/1.bin -f /root/1.bin
    await 120 is_in_state "$(id_of /root/1.bin)" registered || fail "the firmware was not registered"
    [[ $(times_in_cloud /root/1.bin) -eq 1 ]] || fail "the cloud does not hold it once"
    passed "one firmware end to end, with the access key of the service manager's credentials"

}

live() {
    local pid group=/sys/fs/cgroup/system.slice/otaferry.service
    pid=/proc/$(show MainPID)
    grep -q '^Max core file size  *0  *0' "$pid/limits" || fail "it may dump core"
    grep -q '^Seccomp:.2$' "$pid/status" || fail "no filter of system calls"
    grep -q '^CapEff:.0*$' "$pid/status" || fail "it has capabilities"
    grep -q '^NoNewPrivs:.1$' "$pid/status" || fail "it may get more rights"
    [[ $(<$group/memory.max) -eq $((128 << 20)) && $(<$group/pids.max) -eq 64 ]] || fail "no limits of memory or tasks"
    # Field 19 of a thread's stat is its niceness; the names of these threads hold no blanks.
    cut -d ' ' -f 2,19 "$pid"/task/*/stat | grep -q -- ' -10$' || fail "the thread that stores does not go before others"
    passed "limits: $(($(<$group/memory.current) >> 20)) MiB of 128 and $(<$group/pids.current) tasks of 64 are used; $(
        systemd-analyze security otaferry --no-pager 2>/dev/null | tail -n 1 | sed 's/.*: \([0-9.]*\).*/exposure \1/')"

    local before
    before=$(show NRestarts)
    kill -KILL "$(show MainPID)"
    await 60 restarts_exceed "$before" || fail "it was not started again after kill -9"
    await 60 is_online || fail "it is not online again"
    passed "started again after kill -9"

    drop_in WatchdogSec=10s
    systemctl restart otaferry
    await 60 is_online
    before=$(show NRestarts)
    # Two and a half of its times.
    await 25 restarts_exceed "$before" && fail "the watchdog ended an agent that was well"
    kill -STOP "$(show MainPID)"
    await 60 restarts_exceed "$before" || fail "the watchdog did not act on an agent that was stopped"
    said 'Watchdog timeout' || fail "the journal does not name the watchdog"
    await 60 is_online || fail "it is not online again"
    no_drop_in
    passed "the watchdog leaves it alone while it is well, and starts it anew after SIGSTOP"

    printf '[cloud]\nregoin = "x"\n' >/etc/otaferry/otaferry.d/wrong.toml
    systemctl restart otaferry 2>/dev/null || true
    await 60 shows ActiveState failed || fail "it goes on with a mistake in its configuration"
    shows ExecMainStatus 78
    said 'did you mean "cloud.region"' || fail "the journal does not name the mistake"
    before=$(show NRestarts)
    # Longer than the pause before a restart.
    await 12 restarts_exceed "$before" && fail "it was started again with the mistake"
    rm /etc/otaferry/otaferry.d/wrong.toml
    systemctl start otaferry
    await 60 is_online || fail "it does not start after the mistake was mended"
    passed "a mistake in the configuration: named in the journal, exit code 78, not started again"

    drop_in MemoryMax=2M MemorySwapMax=0
    before=$(show NRestarts)
    systemctl restart otaferry 2>/dev/null || true
    await 120 said 'oom-kill' || fail "the ceiling of memory does nothing"
    no_drop_in
    systemctl restart otaferry
    await 60 is_online || fail "it is not online again"
    passed "the ceiling of memory holds: over it the agent alone is ended, and started again"

    start_cloud --fault slow=150000@uploadx1
    head -c 3000000 /dev/urandom >/root/2.bin
    push /root/2.bin 1.0.1 --detach || fail "push ended with $?" /root/push.log
    await 60 uploading || fail "no upload began"
    local former
    former=$(show MainPID)
    dpkg -i /packages/newer/otaferry_*.deb >/root/dpkg.log 2>&1 || fail "the upgrade failed" /root/dpkg.log
    [[ $(show MainPID) != "$former" ]] || fail "the upgrade did not start the new version"
    push /root/2.bin 1.0.1 || fail "push ended with $?" /root/push.log
    [[ $(times_in_cloud /root/2.bin) -eq 1 ]] || fail "the cloud does not hold it once"
    passed "upgraded in the middle of an upload: the service runs the new version, the firmware was registered once"

    local begun=$SECONDS
    systemctl stop otaferry
    ((SECONDS - begun <= 8)) || fail "stopping took $((SECONDS - begun)) s"
    shows Result success
    systemctl start otaferry
    await 60 is_online
    passed "stopped cleanly"

    # From here on with a file of the agent's own instead of a credential.
    install -m 600 -o otaferry -g otaferry /etc/credstore/otaferry.aliyun /etc/otaferry/credentials
    rm /etc/credstore/otaferry.aliyun
    # The power is cut soon; this is not what shall be lost.
    sync
    systemctl restart otaferry
    await 60 is_online
    head -c 100000 /dev/urandom >/root/5.bin
    push /root/5.bin 1.0.5 || fail "push ended with $?" /root/push.log
    [[ $(times_in_cloud /root/5.bin) -eq 1 ]] || fail "the cloud does not hold it once"
    passed "without the credential, the access key is taken from /etc/otaferry/credentials"

}

leave_in_the_middle() {
    # One uploads, one is being received.
    start_cloud --fault slow=20000@uploadx1
    head -c 3000000 /dev/urandom >/root/3.bin
    head -c 6000000 /dev/urandom >/root/4.bin
    push /root/3.bin 1.0.2 --detach || fail "push ended with $?" /root/push.log
    await 60 uploading || fail "no upload began"
    local topic=otaferry/v1/gw1/in/ci/t/half
    client mosquitto_pub ci -q 1 -t $topic/init \
        -m '{"name":"4.bin","size":6000000,"firmware":{"product":"a1PumpCtl01","version":"1.0.3"}}'
    head -c 1000000 /root/4.bin | client mosquitto_pub ci -q 1 -t $topic/0 -s
    await 60 half_is_durable || fail "the first segment did not become durable"
    # What the test itself needs later; the spool looks after itself.
    sync /root/*.bin /root/cloud
    echo "CUT THE POWER"
    sleep infinity
}
uploading() {
    # It listens until its time is over, which is no failure.
    { client mosquitto_sub operator -t 'otaferry/v1/gw1/state/ci/+' -W 2 || true; } | grep '"state":"uploading"'
}
half_is_durable() {
    OTAFERRY_BROKER=mqtt://127.0.0.1 OTAFERRY_GATEWAY=gw1 OTAFERRY_USERNAME=operator \
        OTAFERRY_PASSWORD_FILE=/root/operator otaferry show ci/half --json | grep -E '"durable": ?1000000'
}

second() {
    await 120 shows ActiveState active || fail "the service did not start after the power cut"
    start_cloud
    await 60 is_online || fail "it is not online after the power cut"
    half_is_durable >/dev/null || fail "the durable segment is lost"
    passed "after the power cut: started by itself, online, the durable part of the transfer is there"
    local topic=otaferry/v1/gw1/in/ci/t/half
    tail -c +1000001 /root/4.bin | client mosquitto_pub ci -q 1 -t $topic/1000000 -s
    client mosquitto_pub ci -q 1 -t "$topic/fin/6000000/$(sha256sum /root/4.bin | cut -d ' ' -f 1)" -n
    await 120 is_in_state half registered || fail "the transfer did not go on"
    push /root/3.bin 1.0.2 || fail "push ended with $?" /root/push.log
    [[ $(times_in_cloud /root/3.bin) -eq 1 && $(times_in_cloud /root/4.bin) -eq 1 ]] || fail "the cloud does not hold both once"
    systemctl stop otaferry
    [[ $(sqlite3 /var/lib/otaferry/spool.db 'PRAGMA integrity_check') == ok ]] || fail "the spool is damaged"
    passed "the upload that was cut and the transfer that was cut were registered, each once; the spool is sound"
    echo "PASSED"
}

phase=$(sed 's/.*otaferry\.phase=\([a-z]*\).*/\1/' /proc/cmdline)
"$phase"
