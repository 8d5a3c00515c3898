#!/usr/bin/env bash
# Prints what a program needs of the distribution, as Debian's Depends, for Debian 12 and 13 and Ubuntu 24.04 at once: a
# library whose package was renamed for 64-bit time stands there under both names.
#   packaging/deb/depends.sh PROGRAM
set -euo pipefail

program=${1:?the program}

libraries=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
versions=$(readelf -V "$program" | sed -nE 's/.*Name: ((GLIBC|GLIBCXX)_[0-9.]+) .*/\1/p')
newest() { grep -oP "^$1_\K[0-9.]+" <<<"$versions" | sort -V | tail -n 1; }

# The GCC that brought a version of libstdc++.
gcc_of() {
    case $1 in
        3.4.[0-9] | 3.4.1[0-9] | 3.4.2[0-8]) echo 10 ;;
        3.4.29) echo 11 ;;
        3.4.30) echo 12 ;;
        3.4.31) echo 13.1 ;;
        3.4.32) echo 13.2 ;;
        3.4.33) echo 14 ;;
        3.4.34) echo 15 ;;
        *) return 1 ;;
    esac
}

depends=()
while IFS= read -r library; do
    case $library in
        libc.so.6) depends+=("libc6 (>= $(newest GLIBC))") ;;
        # Parts of libc6.
        libm.so.6 | ld-linux-*.so.*) ;;
        libgcc_s.so.1) depends+=("libgcc-s1") ;;
        libstdc++.so.6)
            version=$(newest GLIBCXX)
            gcc=$(gcc_of "$version") || { echo "GLIBCXX_$version is newer than this script" >&2 && exit 1; }
            depends+=("libstdc++6 (>= $gcc)")
            ;;
        # The versions are those of Debian 12, the oldest that is tested with.
        libcurl.so.4) depends+=("libcurl4t64 (>= 7.88) | libcurl4 (>= 7.88)") ;;
        libmosquitto.so.1) depends+=("libmosquitto1 (>= 2.0.11)") ;;
        libsqlite3.so.0) depends+=("libsqlite3-0 (>= 3.40)") ;;
        libexpat.so.1) depends+=("libexpat1 (>= 2.5)") ;;
        *) echo "$program needs $library, and this script knows no package of it" >&2 && exit 1 ;;
    esac
done <<<"$libraries"
printf '%s\n' "${depends[@]}" | sort | paste -sd , | sed 's/,/, /g'
