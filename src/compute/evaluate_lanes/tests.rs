use std::time::Duration;

use super::super::Engine;
use super::super::evaluate::{BatchNorm, Evaluate, EvaluateSpec, PointValue, evaluate_all};
use super::super::evaluate_tensors::Tiles;
use super::super::test_data::{noise, params};
use super::*;
use crate::net::zoo;

const POINTS: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.3, 0.3, 0.4], [-0.2, 0.7, 0.5]];

fn spec(network: &Arc<Network>, data: &DataRef, batch_norm: BatchNorm) -> EvaluateSpec {
    let basis = (0..3).map(|seed| params(network, seed)).collect();
    let points = POINTS.map(|row| row.to_vec()).to_vec();
    EvaluateSpec { batch_norm, ..EvaluateSpec::new(Arc::clone(network), basis, points, data.clone()) }
}

/// Scores of all points by burn's operations.
fn by_tensors(spec: &EvaluateSpec, recompute: Option<&DataRef>) -> Vec<Score> {
    let tiles = Tiles::new(&Engine::cpu(), &spec.network, &spec.basis, true, recompute);
    let indices: Vec<u32> = (0..spec.data.n_images() as u32).collect();
    let rows: Vec<&[f64]> = spec.coefficients.iter().map(Vec::as_slice).collect();
    tiles.score(&tiles.load(&spec.data, &indices), &rows).unwrap()
}

fn assert_agrees(found: &[PointValue], expected: &[Score], name: &str) {
    for (found, expected) in found.iter().zip(expected) {
        let loss = expected.loss / found.n_images as f64;
        assert!((found.loss - loss).abs() <= 1e-4 * loss, "{name}: {found:?} {loss}");
        // A logit or two may be so close that rounding decides.
        let n_correct = found.accuracy * found.n_images as f64;
        assert!((n_correct - expected.n_correct as f64).abs() < 1.5, "{name}: {found:?} {expected:?}");
    }
}

#[test]
fn lanes_and_tensors_agree_on_the_zoo() {
    for network in zoo::samples() {
        let network = Arc::new(network);
        let data = noise(&network, 70);
        let stored = spec(&network, &data, BatchNorm::Stored);
        let found = evaluate_all(&Engine::cpu(), stored.clone()).unwrap();
        assert_agrees(&found, &by_tensors(&stored, None), network.name());
        if network.layout().has_statistics() {
            let first = DataRef { limit: Some(40), ..data.clone() };
            let measured = spec(&network, &data, BatchNorm::Recompute(first.clone()));
            let found = evaluate_all(&Engine::cpu(), measured.clone()).unwrap();
            assert_agrees(&found, &by_tensors(&measured, Some(&first)), network.name());
        }
    }
}

#[test]
fn small_slices_and_progress_change_nothing() {
    let network = zoo::samples().into_iter().find(|network| network.layout().has_statistics()).unwrap();
    let network = Arc::new(network);
    let data = noise(&network, 300);
    let spec = spec(&network, &data, BatchNorm::Recompute(data.clone()));
    let at_once = evaluate_all(&Engine::cpu(), spec.clone()).unwrap();
    let mut job = Evaluate::new(&Engine::cpu(), spec).unwrap();
    let mut found = vec![None; POINTS.len()];
    loop {
        let step = job.step(Duration::ZERO).unwrap();
        step.changed.into_iter().for_each(|(point, value)| found[point] = Some(value));
        if step.finished {
            break;
        }
    }
    for (found, expected) in found.into_iter().zip(at_once) {
        let found: PointValue = found.unwrap();
        assert_eq!((found.accuracy, found.n_images), (expected.accuracy, expected.n_images));
        assert!((found.loss - expected.loss).abs() < 1e-9);
    }
}

#[test]
fn logits_are_those_of_each_image() {
    let network = Arc::new(zoo::mlp(&[12, 9, 3], true).unwrap());
    let data = noise(&network, 37);
    let classifier = LanesClassifier::new(&network, &params(&network, 1));
    let indices: Vec<u32> = (0..37).collect();
    let together = classifier.logits(&data, &indices);
    assert_eq!(together.len(), 37 * 3);
    for image in [0, 16, 36] {
        assert_eq!(classifier.logits(&data, &indices[image..=image]), together[image * 3..][..3]);
    }
}
