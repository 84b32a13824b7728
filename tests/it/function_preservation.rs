//! Permuting hidden units never changes what a network computes.

use std::sync::Arc;

use lowroad::compute::{DataRef, Engine, logits};
use lowroad::data::{Normalization, SplitName, optdigits};
use lowroad::matching::{Permutation, permute};
use lowroad::net::{ParamVec, zoo};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

#[test]
fn random_permutations_of_random_networks_keep_every_logit() {
    let engine = Engine::cpu();
    let data = DataRef {
        dataset: Arc::new(optdigits()),
        split: SplitName::Test,
        normalization: Normalization::identity(1),
        limit: Some(200),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for (sizes, bias) in [
        (&[64, 10][..], true),
        (&[64, 7, 10], true),
        (&[64, 33, 20, 10], true),
        (&[64, 16, 16, 16, 10], false),
        (&[64, 1, 5, 12], true),
    ] {
        let network = zoo::mlp(sizes, bias).unwrap();
        assert_eq!(network.groups().len(), sizes.len() - 2, "one group a hidden layer");
        for _ in 0..5 {
            let params = ParamVec::random(network.layout().clone(), &mut rng);
            let permutations: Vec<Permutation> =
                network.groups().iter().map(|group| Permutation::random(group.n_units, &mut rng)).collect();
            let moved = permute(&network, &params, &permutations);
            let before = logits(&engine, &network, &Arc::new(params), &data, 200).unwrap();
            let after = logits(&engine, &network, &Arc::new(moved), &data, 200).unwrap();
            let largest = before.iter().zip(&after).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(largest < 1e-5, "{sizes:?}: {largest}");
        }
    }
}

#[test]
fn moving_units_of_one_layer_only_half_way_does_change_logits() {
    let engine = Engine::cpu();
    let data = DataRef {
        dataset: Arc::new(optdigits()),
        split: SplitName::Test,
        normalization: Normalization::identity(1),
        limit: Some(50),
    };
    let network = zoo::mlp(&[64, 12, 10], true).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let params = ParamVec::random(network.layout().clone(), &mut rng);
    let mut broken = permute(&network, &params, &[Permutation::random(12, &mut rng)]);
    let last = network.groups()[0].axes.last().unwrap().param;
    broken.tensor_mut(last).copy_from_slice(params.tensor(last));
    let before = logits(&engine, &network, &Arc::new(params), &data, 50).unwrap();
    let after = logits(&engine, &network, &Arc::new(broken), &data, 50).unwrap();
    let largest = before.iter().zip(&after).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(1e-3 < largest, "the comparison above could not fail");
}
