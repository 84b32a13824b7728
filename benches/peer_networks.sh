#!/bin/sh
# Ours and the peer at one job, network by network in turn, so that the ratios are of neighbours.
#   benches/peer_networks.sh JOB [RUNS]
# JOB: forward    forward passes and training steps; the peer is PyTorch
#      align      the alignment of two networks; PyTorch and SciPy. ALIGN_IMAGES: images that units are correlated on (10,000)
#      connect    one fit of weight adjustment; numpy and SciPy
#      transport  optimal transport; numpy, SciPy and, for the small networks, POT. LOWROAD_DATA names the folder of MNIST's files
# PYTHON: an interpreter that has the peer. LOWROAD_MODES: where the networks of transport are kept.
set -eu
cd "$(dirname "$0")/.."
LOWROAD_MODES=${LOWROAD_MODES:-${CARGO_TARGET_DIR:-target}/modes}
export LOWROAD_MODES
mkdir -p "$LOWROAD_MODES"
python=${PYTHON:-python3}
job=${1:?forward, align, connect or transport}
bench=$job
networks="784-2000-10 tinyten resnet20 vgg16"
arguments=
case $job in
    forward) needs=torch ;;
    align) bench=align_networks needs="torch, scipy" ;;
    connect) networks="784-2000-10 3072-6144-2000-10" needs=scipy ;;
    transport) networks="784-2000-10 3072-6144-2000-10" needs="scipy, safetensors" arguments=$LOWROAD_MODES ;;
    *) echo "no job $job: expected forward, align, connect or transport" >&2 && exit 2 ;;
esac
run=0
while [ "$run" -lt "${2:-3}" ]; do
    run=$((run + 1))
    echo "run $run"
    for network in $networks; do
        cargo bench --quiet --profile dev --bench "$bench" -- "$network"
        if "$python" -c "import $needs" 2>/dev/null; then
            "$python" "benches/peer_$job.py" "$network" ${arguments:+"$arguments"}
        else
            echo "peer, $network: skipped, $python has no $needs"
        fi
    done
done
