#!/usr/bin/env bash
# Looks over sources and scripts. Says every mistake, then fails.
set -euo pipefail
cd "$(dirname "$0")/.."

mistakes=0
mistake() {
    printf '%s\n' "$*" >&2
    mistakes=$((mistakes + 1))
}

longest=500
# The simulator is for tests and trials; everything else ships.
shipped=(Sources/Agent Sources/AliyunOTA Sources/Broker Sources/FerryCore Sources/Spool Sources/Threads Sources/otaferry)

swift format lint --strict --parallel --recursive Package.swift Sources Tests ||
    mistake "Formatting: make format puts most of it right."

mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
shellcheck --external-sources "${scripts[@]}" || mistake "shellcheck found mistakes in scripts."

while IFS= read -r found; do
    mistake "$found: what ships imports FoundationEssentials, never Foundation"
done < <(grep -rnE '^[^/]*\bimport +(Foundation|FoundationNetworking|FoundationXML)\b' "${shipped[@]}")

while read -r lines file; do
    mistake "$file has $lines lines, at most $longest are allowed"
done < <(git ls-files -z 'Sources/*' 'Tests/*.swift' '*.sh' .ci/run Makefile |
    xargs -0 wc -l | awk -v longest="$longest" '$2 != "total" && $1 > longest { print $1, $2 }')

while IFS= read -r found; do
    mistake "$found: a space at the end of the line"
done < <(git grep -nIE '[[:space:]]+$' -- '*.md' '*.sh' '*.toml' Makefile .ci/run | cut -d: -f1,2)

if [[ $mistakes -gt 0 ]]; then
    echo "lint: $mistakes findings" >&2
    exit 1
fi
echo "lint: nothing found"
