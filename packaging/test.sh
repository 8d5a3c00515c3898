#!/usr/bin/env bash
# Builds everything with warnings as errors, then runs all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra swift_flags <<<"${OTAFERRY_SWIFT_FLAGS-$(packaging/swift-flags.sh)}"

echo "Building programs and tests"
begun=$SECONDS
swift build "${swift_flags[@]}" --build-tests
echo "Built in $((SECONDS - begun)) s"

begun=$SECONDS
log=.build/test.log
# Tests start mosquitto, which Debian keeps where the PATH of users does not look.
export PATH=$PATH:/usr/sbin
# Of what swift test prints, suites, failures and the sum are shown.
set +e
swift test "${swift_flags[@]}" --skip-build 2>&1 | tee "$log" | grep --line-buffered -E '^(✔ Suite|✘|↳)|Test run with'
code=${PIPESTATUS[0]}
set -e
if [[ $code -ne 0 ]] && ! grep -q 'Test run with' "$log"; then
    echo "The tests did not come to their end. The last lines of $log:"
    tail -n 60 "$log"
fi
echo "Tested in $((SECONDS - begun)) s; all of it is in $log"
exit "$code"
