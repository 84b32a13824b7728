#!/bin/sh
# Ours and numpy at one fit of weight adjustment, in turn, so that the ratios are of neighbours.
#   benches/peer_connect.sh [RUNS]
# PYTHON: an interpreter that has numpy and scipy.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
run=0
while [ "$run" -lt "${1:-3}" ]; do
    run=$((run + 1))
    echo "run $run"
    for network in 784-2000-10 3072-6144-2000-10; do
        cargo bench --quiet --profile dev --bench connect -- "$network"
        if "$python" -c 'import scipy' 2>/dev/null; then
            "$python" benches/peer_connect.py "$network"
        else
            echo "peer, $network: skipped, $python has no scipy"
        fi
    done
done
