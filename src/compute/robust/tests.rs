use std::sync::Arc;

use super::super::evaluate_all;
use super::super::test_data::{noise, params};
use super::*;
use crate::data::Attack;
use crate::net::{Conv, GraphBuilder, Network, zoo};

const ATTACK: Attack = Attack { eps: 0.1, step: 0.04, n_steps: 3 };

/// A convolution with batch norm.
fn convolutional() -> Network {
    let (mut graph, input) = GraphBuilder::new(&[1, 8, 8]);
    let x = graph.conv(input, "conv", Conv::new(6, 3).padding(1).stride(2).no_bias()).unwrap();
    let x = graph.batch_norm(x, "norm").unwrap();
    let x = graph.relu(x).unwrap();
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "fc", 3, true).unwrap();
    graph.finish("convolutional").unwrap()
}

/// Three points of a line between two networks.
fn spec(network: Network, n_images: usize) -> RobustSpec {
    let network = Arc::new(network);
    let basis = vec![params(&network, 1), params(&network, 2)];
    let rows = vec![vec![1.0, 0.0], vec![0.5, 0.5], vec![0.0, 1.0]];
    let data = noise(&network, n_images);
    let batch_norm =
        if network.layout().has_statistics() { BatchNorm::Recompute(data.clone()) } else { BatchNorm::Stored };
    let points = EvaluateSpec { batch_norm, progressive: false, ..EvaluateSpec::new(network, basis, rows, data) };
    RobustSpec { points, attack: ATTACK }
}

/// Every value that is told, in order.
fn told(spec: RobustSpec, budget: Duration) -> Vec<(usize, PointValue)> {
    let mut job = RobustEvaluate::new(&Engine::cpu(), spec).unwrap();
    let (mut told, mut done) = (Vec::new(), 0.0);
    loop {
        let step = job.step(budget).unwrap();
        assert!(done <= step.done && step.done <= 1.0, "{done} {}", step.done);
        done = step.done;
        told.extend(step.changed);
        if step.finished {
            assert_eq!(done, 1.0);
            return told;
        }
    }
}

/// Attacks all images of a point at once, then scores them.
fn all_at_once(spec: &RobustSpec, point: usize) -> PointValue {
    let EvaluateSpec { network, basis, coefficients, data, batch_norm, .. } = &spec.points;
    let params = ParamVec::combination(basis, &coefficients[point]);
    let indices: Vec<u32> = (0..data.n_images() as u32).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(START_SEED);
    let moved = Attacker::new(network, data, spec.attack).attacked(&params, data, &indices, &mut rng);
    let alone = EvaluateSpec {
        batch_norm: batch_norm.clone(),
        ..EvaluateSpec::new(Arc::clone(network), vec![Arc::new(params)], vec![vec![1.0]], moved)
    };
    evaluate_all(&Engine::cpu(), alone).unwrap()[0]
}

#[test]
fn slices_find_what_attacking_and_scoring_all_images_at_once_finds() {
    for (network, n_images) in [(zoo::mlp(&[12, 10, 3], true).unwrap(), 300), (convolutional(), 140)] {
        let spec = spec(network, n_images);
        let found = told(spec.clone(), Duration::ZERO);
        assert_eq!(found.iter().map(|(point, _)| *point).collect::<Vec<_>>(), [0, 1, 2], "one after the other");
        for (point, value) in found {
            let expected = all_at_once(&spec, point);
            assert!((value.loss - expected.loss).abs() < 1e-5 * expected.loss, "{value:?} {expected:?}");
            assert_eq!((value.accuracy, value.n_images), (expected.accuracy, expected.n_images));
        }
    }
}

#[test]
fn few_images_first_come_to_the_same() {
    let spec = spec(zoo::mlp(&[12, 10, 3], true).unwrap(), 1500);
    let once = told(spec.clone(), Duration::ZERO);
    let points = EvaluateSpec { progressive: true, levels: vec![vec![1], vec![0, 2]], ..spec.points };
    let found = told(RobustSpec { points, ..spec }, Duration::ZERO);
    let first: Vec<(usize, usize)> = found.iter().map(|(point, value)| (*point, value.n_images)).collect();
    assert_eq!(first[..4], [(1, 256), (0, 256), (2, 256), (1, 1024)]);
    for (point, value) in once {
        let (_, last) = found.iter().rfind(|(other, _)| *other == point).unwrap();
        assert!((last.loss - value.loss).abs() < 1e-9 * value.loss, "{last:?} {value:?}");
        assert_eq!((last.accuracy, last.n_images), (value.accuracy, 1500));
    }
}

#[test]
fn a_network_that_does_not_fit_the_images_is_refused() {
    let spec = spec(zoo::mlp(&[12, 10, 3], true).unwrap(), 20);
    let other = Arc::new(zoo::mlp(&[12, 10, 2], true).unwrap());
    let basis = vec![params(&other, 1), params(&other, 2)];
    let points = EvaluateSpec { network: other, basis, ..spec.points };
    assert!(matches!(
        RobustEvaluate::new(&Engine::cpu(), RobustSpec { points, ..spec }),
        Err(ComputeError::Labels { .. })
    ));
}
