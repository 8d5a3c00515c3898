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
# Tests start mosquitto, which Debian keeps where the PATH of users does not look.
PATH=$PATH:/usr/sbin swift test "${swift_flags[@]}" --skip-build
echo "Tested in $((SECONDS - begun)) s"
