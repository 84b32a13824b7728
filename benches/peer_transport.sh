#!/bin/sh
# Ours and numpy, scipy and POT at the transport of the same two networks, in turn, so that the ratios are of neighbours.
#   LOWROAD_DATA=folder/of/mnist benches/peer_transport.sh [RUNS]
# PYTHON: an interpreter that has numpy, scipy, safetensors and POT. LOWROAD_MODES: where the networks are kept.
set -eu
cd "$(dirname "$0")/.."
LOWROAD_MODES=${LOWROAD_MODES:-${CARGO_TARGET_DIR:-target}/modes}
export LOWROAD_MODES
mkdir -p "$LOWROAD_MODES"
python=${PYTHON:-python3}
run=0
while [ "$run" -lt "${1:-3}" ]; do
    run=$((run + 1))
    echo "run $run"
    for network in 784-2000-10 3072-6144-2000-10; do
        cargo bench --quiet --profile dev --bench transport -- "$network"
        # POT's solver takes minutes for 6,144 units: only for the small network.
        with_pot=
        if [ "$network" = 784-2000-10 ] && "$python" -c 'import ot' 2>/dev/null; then
            with_pot=pot
        fi
        if "$python" -c 'import scipy, safetensors' 2>/dev/null; then
            # shellcheck disable=SC2086
            "$python" benches/peer_transport.py "$network" "$LOWROAD_MODES" $with_pot
        else
            echo "peer, $network: skipped, $python has no scipy"
        fi
    done
done
