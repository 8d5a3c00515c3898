#!/usr/bin/env bash
# Checks the example alerts and the metrics with Prometheus' own promtool. Where the machine has none, it is taken out of
# Debian's package, without installing that: it would start a server.
set -euo pipefail
cd "$(dirname "$0")/.."

checks=.build/checks
promtool=$(command -v promtool || true)
if [[ -z $promtool && ! -x $checks/usr/bin/promtool ]]; then
    mkdir -p "$checks"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    chmod 755 "$scratch"
    (cd "$scratch" && apt-get -q download prometheus >/dev/null)
    dpkg -x "$scratch"/prometheus_*.deb "$checks"
fi
promtool=${promtool:-$checks/usr/bin/promtool}

"$promtool" check rules docs/observability/alerts.yml
"$promtool" test rules docs/observability/alerts-test.yml
