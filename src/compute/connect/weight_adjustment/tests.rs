use std::time::Duration;

use super::super::super::test_data::{chains, logit_difference, noise, params};
use super::super::{Connect, ConnectOptions, ConnectStep, Connection, connect_all};
use super::*;
use crate::geometry::{Family, Path};
use crate::matching::Permutation;
use crate::matching::{maximise, permute};
use crate::net::zoo;

const FAMILIES: [Family; 3] = [Family::LinearAdjusted, Family::ArcAdjusted, Family::TransportAdjusted];
const N_POINTS: usize = 4;

fn spec(network: &Arc<Network>, family: Family) -> ConnectSpec {
    ConnectSpec {
        family,
        network: Arc::clone(network),
        a: params(network, 1),
        b: params(network, 2),
        train: noise(network, 60),
        points: N_POINTS,
        seed: 0,
        options: ConnectOptions::default(),
    }
}

fn connect(spec: &ConnectSpec) -> Connection {
    connect_all(&Engine::cpu(), spec.clone()).unwrap()
}

fn ends_meet(path: &Path) -> bool {
    let stages: Vec<&Stage> = path.stages().collect();
    stages.windows(2).all(|pair| pair[0].end() == pair[1].start())
}

#[test]
fn every_chain_is_led_from_a_to_b_or_its_units_moved_without_a_gap() {
    for network in chains() {
        for family in FAMILIES {
            let spec = spec(&network, family);
            let found = connect(&spec);
            let name = format!("{} {}", network.name(), family.name());
            assert_eq!(found.path.stages().len(), Sequence::of(&network).unwrap().layers().len(), "{name}");
            assert_eq!(found.path.point(0.0), *spec.a, "{name}");
            assert!(ends_meet(&found.path), "{name}");
            let end = found.path.point(1.0);
            if family == Family::TransportAdjusted {
                assert!(logit_difference(&network, &end, &spec.b, &spec.train) < 1e-5, "{name}");
                assert!(found.notes.iter().any(|note| note.contains("ends at B with its units moved")), "{name}");
            } else {
                assert_eq!(end, *spec.b, "{name}");
            }
            let residuals = &found.traces[0].points;
            assert!(residuals.is_sorted_by(|x, y| x.0 < y.0), "{name}: {residuals:?}");
            assert!(residuals.iter().all(|(t, residual)| (0.0..=1.0).contains(t) && (0.0..1.0).contains(residual)));
        }
    }
}

#[test]
fn steps_shrink_with_the_distance_in_t() {
    for network in chains() {
        for family in FAMILIES {
            let path = connect(&spec(&network, family)).path;
            for t in (0..40).map(|i| f64::from(i) / 40.0) {
                let near = path.point(t).distance(&path.point(t + 1e-5));
                assert!(near < 1e-2, "{} {} at {t}: {near}", network.name(), family.name());
            }
        }
    }
}

#[test]
fn of_two_layers_the_first_goes_straight_before_the_second() {
    let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
    let spec = spec(&network, Family::LinearAdjusted);
    let path = connect(&spec).path;
    let [w1, b1, w2, b2] = [0, 1, 2, 3].map(ParamId);
    let (third, half) = (path.point(0.5 / 3.0), path.point(0.5));
    for id in [w1, b1] {
        for ((x, a), b) in third.tensor(id).iter().zip(spec.a.tensor(id)).zip(spec.b.tensor(id)) {
            assert!((x - (2.0 * a + b) / 3.0).abs() < 1e-6);
        }
        assert_eq!(half.tensor(id), spec.b.tensor(id));
        assert_eq!(path.point(0.75).tensor(id), spec.b.tensor(id));
    }
    assert_eq!(half.tensor(b2), spec.a.tensor(b2));
    let last = path.point(0.75);
    for id in [w2, b2] {
        for ((x, a), b) in last.tensor(id).iter().zip(half.tensor(id)).zip(spec.b.tensor(id)) {
            assert!((x - (a + b) / 2.0).abs() < 1e-6);
        }
    }
    // The fit is that of the layer alone, in the network with B's first layer.
    let sequence = Sequence::of(&network).unwrap();
    let ridge = spec.options.adjustment.ridge;
    let mut problem = LeastSquares::new(&network, &sequence.layers()[1], &spec.a, &spec.train, ridge);
    while problem.is_reading() {
        problem.step().unwrap();
    }
    problem.start(&spec.b);
    let fitted = std::iter::repeat_with(|| problem.step().unwrap()).find_map(|found| found).unwrap();
    assert_eq!(half.tensor(w2), fitted.weight);
}

#[test]
fn adjusted_points_are_closer_to_a_than_the_line() {
    let network = Arc::new(zoo::mlp(&[12, 30, 3], true).unwrap());
    let spec = spec(&network, Family::LinearAdjusted);
    let point = connect(&spec).path.point(0.5);
    let mut unadjusted = point.clone();
    unadjusted.tensor_mut(ParamId(2)).copy_from_slice(spec.a.tensor(ParamId(2)));
    let distance = |params: &ParamVec| logit_difference(&network, params, &spec.a, &spec.train);
    assert!(distance(&point) < 0.5 * distance(&unadjusted), "{} {}", distance(&point), distance(&unadjusted));
}

#[test]
fn neurons_on_arcs_turn_about_their_mean_with_their_biases() {
    let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
    let spec = ConnectSpec { points: 3, ..spec(&network, Family::ArcAdjusted) };
    let middle = connect(&spec).path.point(0.25);
    let factor = 0.5_f64.sqrt();
    for (id, width) in [(ParamId(0), 12), (ParamId(1), 1)] {
        let [a, b] = [&spec.a, &spec.b].map(|params| params.tensor(id));
        for (place, found) in middle.tensor(id).iter().enumerate() {
            let column =
                |values: &[f32]| values.iter().skip(place % width).step_by(width).map(|&v| f64::from(v)).sum::<f64>();
            let mean = (column(a) + column(b)) / 16.0;
            let expected = mean + factor * (f64::from(a[place]) - mean) + factor * (f64::from(b[place]) - mean);
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn on_the_way_a_path_is_shown_as_far_as_it_is_fitted_and_then_straight_to_b() {
    let network = Arc::new(zoo::mlp(&[12, 8, 6, 3], true).unwrap());
    let spec = spec(&network, Family::LinearAdjusted);
    let whole = connect(&spec).path;
    let mut running = WeightAdjustment::new(&Engine::cpu(), spec.clone()).unwrap();
    let layers = Sequence::of(&network).unwrap().layers().to_vec();
    let mut n_seen = 0;
    while *running.chain().layer() != layers[2] {
        running.advance().unwrap();
        let points = running.points().0.to_vec();
        let shown = running.chain().so_far(&points, N_POINTS);
        assert_eq!((shown.stages().len(), shown.point(0.0)), (3, (*spec.a).clone()));
        assert_eq!(shown.point(1.0), *spec.b);
        assert!(ends_meet(&shown));
        let Some(last) = points.len().checked_sub(1).filter(|last| 0 < *last) else { continue };
        // The last fitted point, and what comes after it: the path stands there until the stage is over.
        let stage = layers.iter().position(|layer| layer == running.chain().layer()).unwrap();
        let t = |s: f64| (stage as f64 + s) / 3.0;
        let reached = last as f64 / (N_POINTS - 1) as f64;
        assert_eq!(shown.point(t(0.999 * reached)).distance(&whole.point(t(0.999 * reached))), 0.0);
        assert_eq!(shown.point(t(0.999)).distance(&points[last]), 0.0, "{last}");
        n_seen = n_seen.max(last);
    }
    assert_eq!(n_seen, N_POINTS - 2, "every point but the last of a stage was seen alone");
}

#[test]
fn paths_are_shown_while_they_are_worked_out() {
    for family in FAMILIES {
        let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
        let mut connect = Connect::new(&Engine::cpu(), spec(&network, family)).unwrap();
        let mut shown = Vec::new();
        while let ConnectStep::Working { path, .. } = connect.step(Duration::ZERO).unwrap() {
            shown.extend(path);
        }
        assert!(shown.first().is_some_and(|path| path.family() == family && path.stages().len() == 2));
    }
}

/// Table 1.6: the rows of W1 alone decide, without biases and what leaves.
#[test]
fn units_are_transported_by_their_incoming_weights() {
    let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
    let spec = spec(&network, Family::TransportAdjusted);
    let row = |params: &ParamVec, i: usize| params.tensor(ParamId(0))[12 * i..12 * i + 12].to_vec();
    let distance = |i: usize, j: usize| -> f64 {
        row(&spec.a, i).iter().zip(row(&spec.b, j)).map(|(x, y)| f64::from(x - y).powi(2)).sum()
    };
    let scores: Vec<f64> = (0..64).map(|at| -distance(at / 8, at % 8)).collect();
    let expected = permute(&network, &spec.b, &[maximise(&scores, 8).unwrap()]);
    assert_eq!(connect(&spec).path.point(1.0), expected);
}

#[test]
fn a_shuffled_copy_is_reached_without_moving_at_all() {
    for network in chains() {
        let mut spec = spec(&network, Family::TransportAdjusted);
        let reversed = |n: usize| Permutation::new((0..n).rev().collect()).unwrap();
        let shuffle: Vec<_> = network.groups().iter().map(|group| reversed(group.n_units)).collect();
        spec.b = Arc::new(permute(&network, &spec.a, &shuffle));
        // What adjusted layers are compared by is A's own again only as far as their fits are.
        let end = connect(&spec).path.point(1.0);
        let distance = end.distance(&spec.a);
        assert!(distance < 1e-6, "{}: {distance}", network.name());
    }
}

#[test]
fn only_the_images_that_were_asked_for_are_fitted() {
    let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
    let mut limited = spec(&network, Family::LinearAdjusted);
    let mut few = limited.clone();
    limited.options.adjustment.n_images = Some(20);
    few.train.limit = Some(20);
    assert_eq!(connect(&limited).path.point(0.5), connect(&few).path.point(0.5));
}
