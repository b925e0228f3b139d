#!/usr/bin/env bash
# Runs what bench/ measures and says on which machine. `make bench` calls it after building.
#   BUILD=build scripts/bench.sh [options of bench/bench_steps.py, for example --threads 1 2]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sed -n 's/^model name[^:]*: /machine: /p' /proc/cpuinfo | head -n 1
echo "cores: $(nproc), load before: $(cut -d' ' -f1 /proc/loadavg)"
HF_HUB_OFFLINE=1 .venv/bin/python bench/bench_steps.py --build "${BUILD:-build}" "$@"
echo
.venv/bin/python bench/bench.py --build "${BUILD:-build}"
echo
.venv/bin/python bench/bench_tokenizers.py --build "${BUILD:-build}"
