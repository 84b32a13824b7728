//! Permutations of hidden units, as JSON and as arrays under names of others.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::checkpoint::{TensorOut, permutations, to_safetensors};
use lowroad_fuzz::named_shapes;
use lowroad_fuzz::net::{Network, zoo};

static NETWORKS: LazyLock<[Network; 2]> = LazyLock::new(|| {
    let mlp = zoo::mlp(&[4, 3, 3, 2], true).expect("a network of the zoo");
    [mlp, zoo::by_name("resnet8").expect("a network of the zoo")]
});

// JSON; or one array a line: its name, then its units, between spaces.
fuzz_target!(|data: &[u8]| {
    for network in NETWORKS.iter() {
        check(data, "fuzzed.json", network);
    }
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let lines = named_shapes(text);
    let units: Vec<Vec<f32>> =
        lines.iter().map(|(_, units)| units.iter().map(|&unit| unit as f32).collect()).collect();
    let shapes: Vec<[usize; 1]> = units.iter().map(|units| [units.len()]).collect();
    let tensors = lines.iter().zip(&units).zip(&shapes);
    let tensors: Vec<TensorOut<'_>> =
        tensors.map(|(((name, _), values), shape)| TensorOut { name, shape, values }).collect();
    if let Ok(file) = to_safetensors(&tensors, &Default::default()) {
        for network in NETWORKS.iter() {
            check(&file, "fuzzed", network);
        }
    }
});

fn check(bytes: &[u8], name: &str, network: &Network) {
    if let Ok(found) = permutations::parse(bytes, Path::new(name), network) {
        let expected: Vec<usize> = network.groups().iter().map(|group| group.n_units).collect();
        let found: Vec<usize> = found.iter().map(|permutation| permutation.len()).collect();
        assert_eq!(found, expected);
    }
}
