#!/bin/sh
# Ours and the peer (PyTorch, scipy) at the same jobs, in turn, so that the ratios hold on a machine whose speed drifts.
#   LOWROAD_DATA=folder/of/mnist benches/peer.sh [RUNS]
# PYTHON: an interpreter that has torch, numpy, scipy and safetensors. LOWROAD_MODES: where the networks are kept.
set -eu
cd "$(dirname "$0")/.."
: "${LOWROAD_DATA:?must name the folder of the IDX files of MNIST}"
LOWROAD_MODES=${LOWROAD_MODES:-${CARGO_TARGET_DIR:-target}/modes}
export LOWROAD_MODES
mkdir -p "$LOWROAD_MODES"
python=${PYTHON:-python3}
run=0
while [ "$run" -lt "${1:-3}" ]; do
    run=$((run + 1))
    echo "run $run"
    for bench in plane fit align; do
        cargo bench --quiet --profile dev --bench "$bench"
        case $bench in
            fit) jobs="bezier train" ;;
            *) jobs=$bench ;;
        esac
        for job in $jobs; do
            if "$python" -c 'import torch' 2>/dev/null; then
                "$python" benches/peer.py "$job" "$LOWROAD_DATA" "$LOWROAD_MODES"
            else
                echo "peer, $job: skipped, $python has no torch"
            fi
        done
    done
done
