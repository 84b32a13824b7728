#!/bin/sh
# Runs every fuzz target for SECONDS (60 if not given), one after the other, from the fixtures of the tests.
#
#   fuzz/run.sh [SECONDS] [TARGET..]
#
# Needs cargo-fuzz (`cargo install cargo-fuzz`), a C++ compiler for libFuzzer, and unzip for some of the seeds. A nightly
# toolchain is not needed: no sanitizer is asked for (the code under test has no unsafe blocks), and RUSTC_BOOTSTRAP lets the
# stable compiler count the branches taken. CARGO_TARGET_DIR says where it is built (fuzz/target). The targets csv and cifar
# write their files where TMPDIR says: a folder in memory makes them faster. The first build takes minutes.
set -eu
cd "$(dirname "$0")/.."
command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
seconds=${1:-60}
[ $# -gt 0 ] && shift
fixtures=tests/fixtures/checkpoints
targets=${*:-$(RUSTC_BOOTSTRAP=1 cargo fuzz list)}
export RUSTC_BOOTSTRAP=1
built=${CARGO_TARGET_DIR:-fuzz/target}
cargo fuzz build -s none --target-dir "$built"

# What lies inside the fixtures, for the targets that wrap it themselves.
seeds() {
    mkdir -p "fuzz/corpus/$1"
    case $1 in
    checkpoint) cp $fixtures/*.pt $fixtures/*.npz $fixtures/*.safetensors "fuzz/corpus/$1" ;;
    torch_pickle)
        for file in $fixtures/*.pt; do
            unzip -p "$file" '*/data.pkl' >"fuzz/corpus/$1/$(basename "$file")" 2>/dev/null || true
        done ;;
    torch_legacy) for file in $fixtures/legacy*.pt; do tail -c +23 "$file" >"fuzz/corpus/$1/$(basename "$file")"; done ;;
    npy) for name in f2 u8 fortran big_f4 scalar empty; do
            unzip -p $fixtures/arrays.npz "$name.npy" >"fuzz/corpus/$1/$name" || true
        done ;;
    safetensors) tail -c +7 $fixtures/dtypes.safetensors >"fuzz/corpus/$1/dtypes" ;;
    pickled_dict) cp tests/fixtures/pickles/cifar10_* tests/fixtures/pickles/fortran "fuzz/corpus/$1" ;;
    idx)
        printf '\000\000\010\003\000\000\000\001\000\000\000\002\000\000\000\002abcd' >"fuzz/corpus/$1/images"
        printf '\000\000\010\001\000\000\000\002ab' >"fuzz/corpus/$1/labels"
        gzip -c "fuzz/corpus/$1/images" >"fuzz/corpus/$1/images.gz" ;;
    onnx) cp tests/fixtures/onnx/*.onnx "fuzz/corpus/$1" ;;
    recognition)
        # Names and shapes as in fixtures of safetensors, whose headers are JSON.
        for file in tests/fixtures/digits-case/[abc].safetensors $fixtures/*.safetensors; do
            tr -d '\000' <"$file" | grep -aoE '"[^"]+":\{"dtype":"[A-Z0-9]+","shape":\[[0-9,]*\]' |
                sed -E 's/^"([^"]+)".*\[([0-9,]*)\]$/\1 \2/; s/,/ /g' >"fuzz/corpus/$1/$(basename "$file")"
        done ;;
    description)
        cp assets/networks/*.toml "fuzz/corpus/$1"
        # The example in the documentation.
        sed -n '/^\/\/! ```toml/,/^\/\/! ```$/s,^//! *,,p' src/net/describe.rs | grep -v '```' >"fuzz/corpus/$1/example" ;;
    csv) printf 'x1;x2;label\n0.5;-1e3;cat\n2;nan;dog\n' >"fuzz/corpus/$1/header"
        printf '1,2,0\n3,4,1\n5,6,1\n7,8,0\n9,10,1\n' >"fuzz/corpus/$1/numbers" ;;
    cifar)
        # The version, the class of the first record or both of its classes, and its pixels.
        { printf '\000\003'; head -c 3072 $fixtures/strides.pt; printf '\001'; head -c 3072 $fixtures/dtypes.pt; } \
            >"fuzz/corpus/$1/cifar10"
        { printf '\001\003\005'; head -c 3072 $fixtures/strides.pt; printf '\001\001'; head -c 3072 $fixtures/dtypes.pt; } \
            >"fuzz/corpus/$1/cifar100" ;;
    flow_file)
        # The header of a map of three coordinates, and its tensors.
        {
            printf '{"config":{"kind":"realnvp","neuron":{"n_inputs":1,"bias":true,"n_outputs":1},"n_layers":1,"hidden":2,'
            printf '"n_hidden":1,"batch_norm":false},"training":{"objective":"likelihood","steps":1,"seed":1,"n_networks":1,'
            printf '"n_neurons":3}}\n\nneuron.mean 1 3\nneuron.std 1 3\n'
            for part in scale shift; do
                printf "layer.0.$part.%s\n" '0.weight 2 2' '0.bias 1 2' '1.weight 1 2' '1.bias 1 1'
            done
        } >"fuzz/corpus/$1/map" ;;
    permutations)
        printf '{"layers":[{"name":"fc1","permutation":[2,0,1]},{"name":"fc2","permutation":[0,2,1]}]}' \
            >"fuzz/corpus/$1/json"
        printf 'P_0 2 0 1\nP_1 0 2 1\n' >"fuzz/corpus/$1/arrays" ;;
    normalization) printf '0.485,0.456,0.406/0.229,0.224,0.225' >"fuzz/corpus/$1/imagenet" ;;
    esac
}

host=$(rustc -vV | sed -n 's/^host: //p')
for target in $targets; do
    seeds "$target"
    mkdir -p "fuzz/artifacts/$target"
    echo "== $target"
    log=fuzz/artifacts/$target.log
    # A crash leaves its input in the folder of the target and ends this script.
    "$built/$host/release/$target" "fuzz/corpus/$target" -artifact_prefix="fuzz/artifacts/$target/" \
        -max_total_time="$seconds" -max_len=16384 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
        >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }
    grep -E 'DONE|number_of_executed|new_units_added|peak_rss' "$log"
done
