#!/usr/bin/env bash
# Installs the Debian packages that building, testing and the demo need, those that are missing.
# It does nothing when all are there. It never starts or enables the broker that comes along, and leaves a running
# one alone.
set -euo pipefail

packages=(
    # What Swift itself needs to compile and link.
    g++ git ca-certificates libc6-dev libncurses6 libxml2 zlib1g tzdata
    # The C libraries and how to find them.
    pkg-config libmosquitto-dev libsqlite3-dev libcurl4-openssl-dev libexpat1-dev
    # What tests and the demo start.
    mosquitto mosquitto-clients curl openssh-client python3 python3-paho-mqtt python3-yaml sqlite3 strace iproute2 jq openssl
    # What looks over scripts and manual pages.
    shellcheck mandoc
    # What a caller needs besides.
    "$@"
)

is_installed() { [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]; }

say() { printf '%s\n' "$*" >&2; }

if ! command -v dpkg-query apt-get >/dev/null; then
    say "This is not Debian. Install by hand what these packages hold, then go on with swift build:"
    say "  ${packages[*]}"
    exit 1
fi

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
        say "Some packages are missing and there is no sudo. As root:"
        say "  apt-get install ${missing[*]}"
        exit 1
    fi
    as_root=(sudo)
fi

say "Installing ${#missing[@]} Debian packages: ${missing[*]}"

# invoke-rc.d asks this program before it starts a service. One that is there already has its reasons and stays.
policy=/usr/sbin/policy-rc.d
brings_broker=no
is_installed mosquitto || brings_broker=yes
made_policy=no
log=$(mktemp)
clean_up() {
    rm -f "$log"
    if [[ $made_policy == yes ]]; then "${as_root[@]}" rm -f "$policy"; fi
}
trap clean_up EXIT
if [[ $brings_broker == yes && ! -e $policy ]]; then
    made_policy=yes
    "${as_root[@]}" tee "$policy" >/dev/null <<'END'
#!/bin/sh
for word in "$@"; do
    case $word in mosquitto | mosquitto.service) exit 101 ;; esac
done
exit 0
END
    "${as_root[@]}" chmod 755 "$policy"
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@" \
        </dev/null >>"$log" 2>&1
}
if ! apt update || ! apt install -y --no-install-recommends --no-upgrade "${missing[@]}"; then
    tail -n 30 "$log" >&2
    say "The packages could not be installed."
    exit 1
fi

# The package enables its service for the next start of the machine. Where there is no service manager, or no script
# for it, nothing is enabled and the command fails.
if [[ $brings_broker == yes ]] && command -v update-rc.d >/dev/null; then
    "${as_root[@]}" update-rc.d mosquitto disable >/dev/null 2>&1 || true
fi
