#!/bin/sh
# Ours and PyTorch at forward passes and training steps, network by network in turn, so that the ratios are of neighbours.
#   benches/peer_forward.sh [RUNS]
# PYTHON: an interpreter that has torch.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
run=0
while [ "$run" -lt "${1:-3}" ]; do
    run=$((run + 1))
    echo "run $run"
    for network in 784-2000-10 tinyten resnet20 vgg16; do
        cargo bench --quiet --profile dev --bench forward -- "$network"
        if "$python" -c 'import torch' 2>/dev/null; then
            "$python" benches/peer_forward.py "$network"
        else
            echo "peer, $network: skipped, $python has no torch"
        fi
    done
done
