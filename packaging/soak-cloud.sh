#!/usr/bin/env bash
# The long proofs of the publication, with the real program, a real Mosquitto and the simulated cloud:
#   soak-cloud.sh register [RUNS]   loses the answers of registrations at every point and counts what the cloud holds
#   soak-cloud.sh healing           prints how long healing takes after each fault of the way and the cloud
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra swift_flags <<<"${OTAFERRY_SWIFT_FLAGS-$(packaging/swift-flags.sh)}"
# Tests start mosquitto, which Debian keeps where the PATH of users does not look.
export PATH=$PATH:/usr/sbin

case ${1-} in
register)
    export OTAFERRY_REGISTER_RUNS=${2-200}
    filter=RegisterOnceTests
    shown='^register once:|✘|↳|Test run with'
    ;;
healing)
    export OTAFERRY_HEALING=yes
    filter=WayTests/table
    shown='^\||✘|↳|Test run with'
    ;;
*)
    echo "usage: $0 register [RUNS] | healing" >&2
    exit 64
    ;;
esac

[[ ${OTAFERRY_SKIP_BUILD-} ]] || swift build "${swift_flags[@]}" --build-tests
swift test "${swift_flags[@]}" --skip-build --filter "$filter" 2>&1 | grep --line-buffered -E "$shown"
