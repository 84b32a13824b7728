//! What the families keep that train the points of their paths: the ends, the seed, and that any network will do.

use super::super::test_data::{noise, params};
use super::*;
use crate::compute::{Engine, EvaluateSpec, evaluate_all};
use crate::geometry::Curve;
use crate::net::zoo;

const TRAINED: [Family; 3] = [Family::AutoNeb, Family::Simplex, Family::Layerwise];

/// Between networks of weights at random, on noise, and short.
fn spec(family: Family, network: Network) -> ConnectSpec {
    let mut options = ConnectOptions::default();
    options.autoneb =
        AutoNebOptions { step_scale: 0.01, learning_rate: 0.01, batch_size: 8, dense_points: 2, ..options.autoneb };
    options.simplex = SimplexOptions { epochs: 1, batch_size: 8, learning_rate: 0.01, ..options.simplex };
    options.layerwise =
        LayerwiseOptions { step_size: 0.4, max_steps: 3, loss_window: 2, batch_size: 8, ..options.layerwise };
    ConnectSpec {
        family,
        train: noise(&network, 20),
        a: params(&network, 1),
        b: params(&network, 2),
        network: Arc::new(network),
        points: 2,
        seed: 4,
        options,
    }
}

#[test]
fn trained_families_connect_every_network_from_a_to_b() {
    for network in zoo::samples() {
        for family in TRAINED {
            let spec = spec(family, network.clone());
            let found = connect_all(&Engine::cpu(), spec.clone()).unwrap();
            let name = format!("{family:?}, {}", network.name());
            assert_eq!((found.path.family(), &found.path.point(0.0)), (family, &*spec.a), "{name}");
            assert_eq!(found.path.point(1.0), *spec.b, "{name}");
            let steps = found.path.steps(&Curve::even_ts(401));
            assert!(steps.iter().all(|step| *step < 0.1 * found.path.length()), "{name} is continuous");
            assert!(!found.notes.is_empty(), "{name}");
        }
    }
}

#[test]
fn slices_of_any_length_find_the_same_path() {
    for family in TRAINED {
        let spec = spec(family, zoo::mlp(&[12, 8, 3], true).unwrap());
        let whole = connect_all(&Engine::cpu(), spec.clone()).unwrap();
        let mut connect = Connect::new(&Engine::cpu(), spec).unwrap();
        let mut done = 0.0;
        let sliced = loop {
            match connect.step(Duration::ZERO).unwrap() {
                ConnectStep::Working { done: now, .. } => {
                    assert!(done <= now && now <= 1.0, "{family:?}: from {done} to {now}");
                    done = now;
                }
                ConnectStep::Finished(connection) => break connection,
            }
        };
        assert_eq!((&whole.traces, &whole.notes), (&sliced.traces, &sliced.notes), "{family:?}");
        for t in [0.3, 0.7] {
            assert_eq!(whole.path.point(t), sliced.path.point(t), "{family:?}");
        }
    }
}

#[test]
fn a_band_is_no_higher_than_the_straight_line_at_its_dense_points() {
    let spec = spec(Family::AutoNeb, zoo::mlp(&[12, 8, 3], true).unwrap());
    let found = connect_all(&Engine::cpu(), spec.clone()).unwrap();
    let highest = |losses: &mut dyn Iterator<Item = f64>| losses.fold(f64::NEG_INFINITY, f64::max);
    let saddle = highest(&mut found.traces[1].points.iter().map(|(_, loss)| *loss));
    let line = Path::straight(&spec.network, Curve::Linear, spec.a.clone(), spec.b.clone());
    let sample = line.sample(&Curve::even_ts(25));
    let line = EvaluateSpec::new(spec.network.clone(), sample.basis, sample.rows, spec.train.clone());
    let line = evaluate_all(&Engine::cpu(), line).unwrap();
    assert!(saddle <= highest(&mut line.iter().map(|value| value.loss)) + 1e-6);
}

#[test]
fn what_a_path_takes_grows_with_its_settings() {
    for family in TRAINED {
        let small = spec(family, zoo::mlp(&[12, 8, 3], true).unwrap());
        let mut large = small.clone();
        large.options.autoneb.step_scale = 1.0;
        large.options.simplex.epochs = 20;
        large.options.layerwise.max_steps = 50;
        let [small, large] = [small, large].map(|spec| estimate(&spec));
        assert!(0.0 < small.flops && small.flops < large.flops, "{family:?}");
        assert!(0 < small.bytes, "{family:?}");
    }
}
