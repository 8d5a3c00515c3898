#!/usr/bin/env bash
# Runs the proofs that take long: random kills, faults at each call on the spool's files, power cuts.
# OTAFERRY_SOAK_KILLS (1000), OTAFERRY_SOAK_CALLS (200) and CUTS (100) set how many. Hours with the defaults.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH=$PATH:/usr/sbin OTAFERRY_SOAK=1
read -ra swift_flags <<<"${OTAFERRY_SWIFT_FLAGS-$(packaging/swift-flags.sh)}"
swift build "${swift_flags[@]}" --build-tests
swift test "${swift_flags[@]}" --skip-build --filter SoakTests 2>&1 | grep --line-buffered -E '^(soak:|✘|↳)|Test run with'
CUTS=${CUTS:-100} packaging/power-test.sh
