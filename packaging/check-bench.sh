#!/usr/bin/env bash
# Runs every benchmark with as little as it takes, so that none is broken on the day when figures are wanted. The figures it
# prints mean nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
agent=$1 cloud=$2

python3 Benchmarks/intake.py --agent "$agent" --megabytes 8 --segments 256 --rounds 1
python3 Benchmarks/upload.py --agent "$agent" --megabytes 10 --rounds 1 --own 2
python3 Benchmarks/senders.py --agent "$agent" --senders 3 --kilobytes 100
python3 Benchmarks/agents.py --agent "$agent" --cloud "$cloud" --agents 2 --seconds 5
if [[ $(id -u) -eq 0 ]]; then python3 Benchmarks/wear.py --agent "$agent" --cloud "$cloud" --only small,rest --rest 1; fi
