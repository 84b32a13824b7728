use super::super::super::test_data::{noise, params};
use super::super::{Connect, ConnectOptions, connect_all};
use super::*;
use crate::compute::{Engine, logits};
use crate::matching::{Permutation, permute};
use crate::net::{ParamVec, zoo};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

fn spec(network: Network, a: Arc<ParamVec>, b: Arc<ParamVec>) -> ConnectSpec {
    ConnectSpec {
        family: Family::Transport,
        train: noise(&network, 20),
        network: Arc::new(network),
        a,
        b,
        points: 2,
        seed: 0,
        options: ConnectOptions { transport: TransportOptions { second_stage: true }, ..ConnectOptions::default() },
    }
}

#[test]
fn every_network_is_connected_from_a_to_b_and_computes_b_from_the_corner_on() {
    for network in zoo::samples() {
        let (a, b) = (params(&network, 1), params(&network, 2));
        let spec = spec(network, Arc::clone(&a), Arc::clone(&b));
        let found = connect_all(&Engine::cpu(), spec.clone()).unwrap();
        let name = spec.network.name();
        assert_eq!(found.path.point(0.0), *a, "{name}");
        let n_stages = found.path.stages().len();
        if n_stages == 2 {
            assert_eq!(found.path.point(1.0), *b, "{name}");
        } else {
            let is_reason = |note: &String| note.contains("cannot move one by one") || note.contains("no unit moves");
            assert!(found.notes.iter().any(is_reason), "{name}: {:?}", found.notes);
        }
        let of = |t: f64| {
            let point = Arc::new(found.path.point(t));
            logits(&Engine::cpu(), &spec.network, &point, &spec.train, 20).unwrap()
        };
        let (corner, end) = (of((n_stages as f64).recip()), logits(&Engine::cpu(), &spec.network, &b, &spec.train, 20));
        let end = end.unwrap();
        let size = end.iter().fold(1.0_f32, |size, v| size.max(v.abs()));
        let difference = corner.iter().zip(&end).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-5 * size, "{name}: {difference} of {size}");
    }
}

#[test]
fn a_shuffled_copy_is_undone_and_walked_back_to() {
    let network = zoo::mlp(&[12, 30, 4], true).unwrap();
    let a = params(&network, 3);
    let shuffle = Permutation::random(30, &mut ChaCha8Rng::seed_from_u64(1));
    let b = Arc::new(permute(&network, &a, &[shuffle]));
    let found = connect_all(&Engine::cpu(), spec(network, Arc::clone(&a), Arc::clone(&b))).unwrap();
    assert_eq!(found.path.point(0.5), *a);
    assert_eq!(found.path.point(1.0), *b);
    assert!(found.path.steps(&[0.0, 0.25, 0.5]).iter().sum::<f64>() < 1e-6, "the first stage goes nowhere");
}

#[test]
fn two_equal_networks_need_no_second_stage() {
    let network = zoo::mlp(&[12, 9, 4], true).unwrap();
    let a = params(&network, 4);
    let found = connect_all(&Engine::cpu(), spec(network, Arc::clone(&a), a)).unwrap();
    assert_eq!(found.path.stages().len(), 1);
    assert!(found.notes.iter().any(|note| note.contains("no unit moves")), "{:?}", found.notes);
}

#[test]
fn each_layer_that_is_paired_is_shown_and_progress_never_falls() {
    let network = zoo::mlp(&[12, 9, 8, 7, 4], true).unwrap();
    let (a, b) = (params(&network, 5), params(&network, 6));
    let mut connect = Connect::new(&Engine::cpu(), spec(network, a, Arc::clone(&b))).unwrap();
    let (mut previews, mut last) = (Vec::new(), 0.0);
    while let ConnectStep::Working { done, path, .. } = connect.step(Duration::ZERO).unwrap() {
        assert!((last..=1.0).contains(&done), "{done} after {last}");
        last = done;
        previews.extend(path);
    }
    assert_eq!(previews.len(), 3);
    let distances: Vec<f64> = previews.iter().map(|path| path.end().distance(path.start())).collect();
    assert!(distances.windows(2).all(|pair| pair[1] <= pair[0]), "{distances:?}");
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let network = zoo::mlp(&[12, 9, 4], true).unwrap();
    let (a, mut b) = (params(&network, 7), (*params(&network, 8)).clone());
    b.values_mut()[3] = f32::NAN;
    assert!(connect_all(&Engine::cpu(), spec(network, a, Arc::new(b))).is_err());
}
