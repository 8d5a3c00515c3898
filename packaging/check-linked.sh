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

libraries=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
echo "It needs $(tr '\n' ' ' <<<"$libraries")"
if grep -qE 'Foundation|icu|swift|dispatch' <<<"$libraries"; then
    fail "Among them are libraries of Swift, Foundation or ICU, which no Debian has."
fi
for library in libmosquitto libsqlite3 libcurl libexpat; do
    grep -q "^$library\\." <<<"$libraries" || fail "$library is not linked dynamically."
done
# Names of ICU's C++ functions, and of Swift symbols in the module Foundation (not FoundationEssentials).
foreign=$(nm "$program" | grep -cE '_ZNK?6icu_|[$]s10Foundation' || true)
[[ $foreign -eq 0 ]] || fail "Foundation or its ICU is linked into the program: something imports Foundation."

stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$program"
chmod 700 "$stripped"
size=$(stat -c %s "$program")
stripped_size=$(stat -c %s "$stripped")
printf '%s: %d.%d MB, stripped %d.%d MB\n' "${program##*/}" \
    $((size / 1000000)) $((size / 100000 % 10)) $((stripped_size / 1000000)) $((stripped_size / 100000 % 10))
((stripped_size <= largest)) || fail "Stripped it has more than $largest bytes."
"$stripped" --help >/dev/null || fail "It does not run."
