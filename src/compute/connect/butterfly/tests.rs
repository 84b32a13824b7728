use super::super::super::test_data::{chains, noise, params};
use super::super::{ConnectOptions, Connection, connect_all};
use super::*;
use crate::geometry::{Curve, Family};
use crate::net::{Network, reference, zoo};

const FAMILIES: [Family; 3] = [Family::LinearButterfly, Family::ArcButterfly, Family::TransportButterfly];

fn spec(network: &Arc<Network>, family: Family) -> ConnectSpec {
    ConnectSpec {
        family,
        network: Arc::clone(network),
        a: params(network, 1),
        b: params(network, 2),
        train: noise(network, 60),
        points: 2,
        seed: 0,
        options: ConnectOptions::default(),
    }
}

fn connect(spec: &ConnectSpec) -> Connection {
    connect_all(&Engine::cpu(), spec.clone()).unwrap()
}

/// Logits of the first images.
fn logits(spec: &ConnectSpec, params: &ParamVec) -> Vec<f64> {
    let mut image = vec![0.0; spec.network.n_inputs()];
    let mut of_image = |index: usize| {
        spec.train.inputs().read(index, &mut image);
        reference::logits(&spec.network, params, &image)
    };
    (0..10).flat_map(&mut of_image).collect()
}

#[test]
fn every_chain_is_led_from_a_to_b_or_its_units_moved_without_a_gap() {
    for network in chains() {
        for family in FAMILIES {
            let spec = spec(&network, family);
            let path = connect(&spec).path;
            let name = format!("{} {}", network.name(), family.name());
            let stages: Vec<&Stage> = path.stages().collect();
            assert_eq!(stages.len() + 1, Sequence::of(&network).unwrap().layers().len(), "{name}");
            assert_eq!(path.point(0.0), *spec.a, "{name}");
            assert!(stages.windows(2).all(|pair| pair[0].end() == pair[1].start()), "{name}");
            let end = path.point(1.0);
            if family == Family::TransportButterfly {
                for (x, y) in logits(&spec, &end).iter().zip(logits(&spec, &spec.b)) {
                    assert!((x - y).abs() < 1e-5, "{name}: {x} {y}");
                }
            } else {
                assert_eq!(end, *spec.b, "{name}");
            }
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
fn a_stage_moves_its_layer_to_b_and_the_next_to_the_fit_to_b() {
    let network = Arc::new(zoo::mlp(&[12, 9, 8, 7, 3], true).unwrap());
    let spec = spec(&network, Family::LinearButterfly);
    let found = connect(&spec);
    let sequence = Sequence::of(&network).unwrap();
    let layers = sequence.layers();
    for stage in 0..2 {
        let end = found.path.point((stage + 1) as f64 / 3.0);
        for (index, layer) in layers.iter().enumerate() {
            let source = if index <= stage { &spec.b } else { &spec.a };
            assert_eq!(end.tensor(layer.bias.unwrap()), source.tensor(layer.bias.unwrap()), "{stage} {index}");
            let is_fitted = index == stage + 1;
            assert_eq!(end.tensor(layer.weight) != source.tensor(layer.weight), is_fitted, "{stage} {index}");
        }
        let fitted = &layers[stage + 1];
        let mut problem = LeastSquares::new(&network, fitted, &spec.a, &spec.train, spec.options.adjustment.ridge);
        while problem.is_reading() {
            problem.step().unwrap();
        }
        problem.start(&spec.b);
        let expected = std::iter::repeat_with(|| problem.step().unwrap()).find_map(|found| found).unwrap();
        assert_eq!(end.tensor(fitted.weight), expected.weight);
    }
    let residuals = &found.traces[0].points;
    assert_eq!(residuals.len(), 3);
    assert!((residuals[1].0 - 1.0 / 3.0).abs() < 1e-12 && 0.0 < residuals[1].1);
}

#[test]
fn with_two_layers_it_is_the_curve_itself() {
    let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
    for (family, curve) in [(Family::LinearButterfly, Curve::Linear), (Family::ArcButterfly, Curve::Arc)] {
        let spec = spec(&network, family);
        let found = connect(&spec);
        let curve = crate::geometry::Path::straight(&network, curve, spec.a, spec.b);
        for t in [0.2, 0.5, 0.9] {
            assert!(found.path.point(t).distance(&curve.point(t)) < 1e-5, "{} {t}", family.name());
        }
        assert!(found.traces.is_empty());
    }
}

/// What leaves the units counts: they are paired as in transport where both layers move at once.
#[test]
fn two_layers_are_transported_as_whole_neurons() {
    let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
    let found = connect(&spec(&network, Family::TransportButterfly));
    let expected = connect(&spec(&network, Family::Transport));
    assert_eq!(found.path.point(1.0), expected.path.point(1.0));
    assert_eq!(found.path.point(0.3), expected.path.point(0.3));
}
