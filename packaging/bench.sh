#!/usr/bin/env bash
# Builds both programs as they ship and measures them beside their peers. Figures are worth reading on a quiet machine only.
set -euo pipefail
cd "$(dirname "$0")/.."

for product in otaferry otaferry-cloud; do
    swift build -c release --static-swift-stdlib -Xlinker --gc-sections --quiet --product "$product"
done

python3 Benchmarks/intake.py
echo
python3 Benchmarks/upload.py
echo
python3 Benchmarks/senders.py
echo
python3 Benchmarks/size.py
echo
python3 Benchmarks/agents.py
echo
if [[ $(id -u) -eq 0 ]]; then python3 Benchmarks/wear.py; else echo "The wear of flash is measured as root only."; fi
