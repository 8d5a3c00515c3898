#!/usr/bin/env bash
# Builds the packages of the last commit twice, in two folders and at two times, and compares them byte for byte.
# Says where they differ.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d "${TMPDIR:-/tmp}/otaferry-reproduce.XXXXXX")
trap 'rm -rf "$work"' EXIT
begun=$SECONDS
for number in 1 2; do
    # Names of different length, so that a path which is left somewhere moves what is behind it.
    folder=$work/$([[ $number -eq 1 ]] && echo a || echo another-folder)
    git clone -q . "$folder"
    echo "Build $number in $folder, at $(date +%T)"
    (cd "$folder" && TZ=$([[ $number -eq 1 ]] && echo UTC || echo Asia/Shanghai) packaging/deb/build.sh) \
        >"$work/$number.log" 2>&1 || { tail -n 20 "$work/$number.log" >&2 && exit 1; }
    mv "$folder/dist" "$work/$number"
    # The second one finds nothing of the first.
    rm -rf "$folder"
done
different=0
while IFS= read -r file; do
    if cmp -s "$work/1/$file" "$work/2/$file"; then
        printf 'same       %s\n' "$file"
    else
        different=$((different + 1))
        printf 'different  %s\n' "$file"
        if [[ $file == *.deb ]]; then
            for number in 1 2; do dpkg-deb --raw-extract "$work/$number/$file" "$work/tree$number"; done
            diff -rq "$work/tree1" "$work/tree2" | sed 's/^/           /' || true
            rm -rf "$work/tree1" "$work/tree2"
        fi
    fi
done < <(cd "$work/1" && find . -type f -printf '%P\n' | sort)
echo "$different of $(find "$work/1" -type f | wc -l) files differ, after $((SECONDS - begun)) s"
[[ $different -eq 0 ]]
