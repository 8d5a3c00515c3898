#!/usr/bin/env bash
# Looks at a release build of the program: it must be small and must not hold or need Foundation and its ICU.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:?the program}
largest=$((25 * 1000 * 1000))

fail() {
    echo "$1" >&2
    exit 1
}

libraries=$(ldd "$program")
printf '%s\n' "$libraries" | awk '{ print "  " $1 }'
if grep -E 'lib(Foundation|_Foundation|icu|swift)' <<<"$libraries"; then
    fail "The program needs libraries of Swift, Foundation or ICU that no Debian has."
fi
for library in libmosquitto libsqlite3 libcurl libexpat; do
    grep -q "^[[:space:]]*$library\\." <<<"$libraries" || fail "$library is not linked dynamically."
done
# ICU's tables alone have 30 MB; their symbol shows that they came along.
if nm -D --defined-only "$program" 2>/dev/null | grep -q 'icudt[0-9]*_dat' ||
    nm "$program" 2>/dev/null | grep -q 'icudt[0-9]*_dat'; then
    fail "ICU is linked into the program: something imports Foundation."
fi

stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$program"
size=$(stat -c %s "$program")
stripped_size=$(stat -c %s "$stripped")
printf '  %s: %d.%d MB, stripped %d.%d MB\n' "${program##*/}" \
    $((size / 1000000)) $((size / 100000 % 10)) $((stripped_size / 1000000)) $((stripped_size / 100000 % 10))
((stripped_size <= largest)) || fail "Stripped it has more than $largest bytes."
"$stripped" --help >/dev/null || fail "It does not run."
