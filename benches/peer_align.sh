#!/bin/sh
# Ours and PyTorch and SciPy at the alignment of two networks, network by network in turn, so that the ratios are of neighbours.
#   benches/peer_align.sh [RUNS]
# PYTHON: an interpreter that has torch, numpy and scipy. ALIGN_IMAGES: images that units are correlated on (10,000).
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
run=0
while [ "$run" -lt "${1:-3}" ]; do
    run=$((run + 1))
    echo "run $run"
    for network in 784-2000-10 tinyten resnet20 vgg16; do
        cargo bench --quiet --profile dev --bench align_networks -- "$network"
        if "$python" -c 'import torch, scipy' 2>/dev/null; then
            "$python" benches/peer_align.py "$network"
        else
            echo "peer, $network: skipped, $python has no torch or scipy"
        fi
    done
done
