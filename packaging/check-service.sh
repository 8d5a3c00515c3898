#!/usr/bin/env bash
# Looks over the unit of the service, the drop-in example with every line of it in force, and the account: what the
# service manager itself says of them, and how exposed the service is.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tenths; 0 is nothing to gain for an attacker, 100 everything.
exposure_limit=15

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The program need not be installed for this.
sed 's#/usr/bin/otaferry run#/bin/true#' systemd/otaferry.service >"$scratch/otaferry.service"
words=$(systemd-analyze verify --man=no "$scratch/otaferry.service" 2>&1) || true
mkdir "$scratch/otaferry.service.d"
# Lines that begin with "#" and no blank are those that a site may take.
sed -E 's/^#([A-Z])/\1/' systemd/examples/site.conf >"$scratch/otaferry.service.d/site.conf"
words+=$(systemd-analyze verify --man=no "$scratch/otaferry.service" 2>&1) || true
rm -r "$scratch/otaferry.service.d"
if [[ -n $words ]]; then
    printf '%s\n' "$words" >&2
    exit 1
fi
echo "systemd-analyze verify: nothing found in the unit, and nothing with the drop-in example"

systemd-analyze security --offline=true --no-pager --threshold="$exposure_limit" "$scratch/otaferry.service" \
    >"$scratch/exposure" || {
    grep -v '✓' "$scratch/exposure" >&2
    exit 1
}
sed -n 's/.*exposure level.*: \([0-9.]*\).*/\1/p' "$scratch/exposure" |
    xargs -I @ echo "systemd-analyze security: exposure @ (at most $((exposure_limit / 10)).$((exposure_limit % 10)))"
systemd-sysusers --dry-run "$PWD/systemd/otaferry.sysusers" >"$scratch/account" 2>&1 || {
    cat "$scratch/account" >&2
    exit 1
}
