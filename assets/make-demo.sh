#!/bin/sh
# Trains the two networks of the demo. The same version gives the same bytes, on the CPU and whatever its number of cores.
set -eu
cd "$(dirname "$0")/.."
lowroad=${LOWROAD:-${CARGO_TARGET_DIR:-target}/debug/lowroad}
train() {
    "$lowroad" train --network 64-64-32-10 --data optdigits --epochs 60 --lr 0.1 --device cpu "$@"
}
train --seed 1 --out assets/demo-a.safetensors
train --seed 2 --out assets/demo-b.safetensors
