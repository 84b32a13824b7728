use std::sync::Arc;

use super::super::test_data::{noise, params};
use super::*;
use crate::data::{Dataset, ImageShape, Normalization, Split, Values};
use crate::net::GraphBuilder;
use crate::net::zoo;

const LONG: Duration = Duration::from_secs(1000);

fn all(spec: ExciteSpec) -> Excited {
    Excite::new(&Engine::cpu(), spec).unwrap().step(LONG).unwrap().unwrap()
}

/// Test images of these values.
fn images(shape: ImageShape, values: Vec<f32>) -> DataRef {
    let labels = vec![0; values.len() / shape.pixels()];
    let dataset = Dataset {
        name: "values".to_owned(),
        source: "made for a test".to_owned(),
        shape,
        max_value: u8::MAX,
        class_names: vec!["0".to_owned(), "1".to_owned()],
        train: Split::default(),
        test: Split { values: Values::Floats(values), labels },
        notes: Vec::new(),
    };
    let normalization = Normalization::identity(shape.channels);
    DataRef { dataset: Arc::new(dataset), split: SplitName::Test, normalization, limit: None }
}

/// Two units: A's see the first and the second input, B's ten times those; a third that is dead in A.
fn hand_made() -> (Arc<Network>, Arc<ParamVec>, Arc<ParamVec>) {
    let network = Arc::new(zoo::mlp(&[2, 3, 2], true).unwrap());
    let of = |rows: [f32; 6]| {
        let mut params = ParamVec::zeros(network.layout().clone());
        params.values_mut()[..6].copy_from_slice(&rows);
        Arc::new(params)
    };
    let (a, b) = (of([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), of([10.0, 0.0, 0.0, 10.0, 1.0, 1.0]));
    (network, a, b)
}

fn spec_of(places: Vec<usize>, data: DataRef, n_top: usize) -> ExciteSpec {
    let (network, a, aligned) = hand_made();
    ExciteSpec { network, a, aligned, group: 0, places, data, n_top }
}

#[test]
fn images_are_named_by_what_the_units_see_in_them() {
    let values = vec![1.0, 5.0, 4.0, 2.0, 2.0, 9.0, 3.0, 0.0];
    let found = all(spec_of(vec![1, 0], images(ImageShape::tabular(2), values), 3));
    assert_eq!((found.n_images, found.has_positions, &found.sampled), (4, false, &vec![0, 1, 2, 3]));
    let [second, first] = &found.pairs[..] else { panic!("two pairs") };
    assert_eq!((second.place, first.place), (1, 0));
    assert_eq!(first.by_a, [1, 3, 2]);
    assert_eq!(first.by_both, [1, 3, 2]);
    assert_eq!(second.by_b, [2, 0, 1]);
    assert_eq!(first.responses, [[1.0, 10.0], [4.0, 40.0], [2.0, 20.0], [3.0, 30.0]]);
}

#[test]
fn a_unit_that_never_changes_is_excited_by_nothing_and_its_partner_decides() {
    let found = all(spec_of(vec![2], images(ImageShape::tabular(2), vec![1.0, 1.0, 3.0, 3.0, 2.0, 2.0]), 2));
    let pair = &found.pairs[0];
    assert!(pair.by_a.is_empty());
    assert_eq!((&pair.by_b, &pair.by_both), (&vec![1, 2], &vec![1, 2]));
}

#[test]
fn units_of_a_map_are_excited_by_their_largest_value_and_respond_by_their_mean() {
    let (mut graph, input) = GraphBuilder::new(&[1, 2, 2]);
    let x = graph.conv(input, "conv", crate::net::Conv::new(1, 1)).unwrap();
    let x = graph.relu(x).unwrap();
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "out", 2, true).unwrap();
    let network = Arc::new(graph.finish("one pixel kernel").unwrap());
    let mut a = ParamVec::zeros(network.layout().clone());
    a.values_mut()[0] = 1.0;
    let a = Arc::new(a);
    // The first image is bright throughout, the second has one bright pixel, the third is black.
    let values = vec![3.0, 3.0, 3.0, 3.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let data = images(ImageShape { channels: 1, height: 2, width: 2 }, values);
    let found = all(ExciteSpec { network, aligned: Arc::clone(&a), a, group: 0, places: vec![0], data, n_top: 3 });
    assert!(found.has_positions);
    assert_eq!(found.pairs[0].by_both, [1, 0, 2]);
    assert_eq!(found.pairs[0].responses, [[3.0; 2], [2.0; 2], [0.0; 2]]);
}

#[test]
fn lanes_and_tensors_agree_on_the_zoo() {
    for network in zoo::samples() {
        let network = Arc::new(network);
        for group in 0..network.groups().len() {
            let spec = ExciteSpec {
                a: params(&network, 1),
                aligned: params(&network, 2),
                data: noise(&network, 21),
                places: (0..network.groups()[group].n_units.min(5)).rev().collect(),
                group,
                n_top: 4,
                network: Arc::clone(&network),
            };
            let reading = reading(&spec).unwrap();
            let indices: Vec<u32> = (0..21).collect();
            let lanes = LanesResponses::new(&spec, reading).responses(&spec.data, &indices);
            let tensors = TensorResponses::new(&Engine::cpu(), &spec, reading).responses(&spec.data, &indices).unwrap();
            for (found, expected) in lanes.iter().zip(&tensors) {
                for (found, expected) in [(&found.peaks, &expected.peaks), (&found.means, &expected.means)] {
                    assert_eq!(found.len(), 21 * spec.places.len());
                    let scale = expected.iter().fold(1.0_f32, |scale, v| scale.max(v.abs()));
                    for (found, expected) in found.iter().zip(expected) {
                        assert!((found - expected).abs() < 1e-4 * scale, "{}: {found} {expected}", network.name());
                    }
                }
            }
        }
    }
}

#[test]
fn the_result_does_not_depend_on_how_the_work_is_cut() {
    let network = Arc::new(zoo::mlp(&[12, 9, 3], true).unwrap());
    let spec = ExciteSpec {
        a: params(&network, 1),
        aligned: params(&network, 2),
        data: noise(&network, 2500),
        places: vec![4, 0],
        group: 0,
        n_top: 7,
        network,
    };
    let whole = all(spec.clone());
    let mut excite = Excite::new(&Engine::cpu(), spec).unwrap();
    let mut n_steps = 1;
    let cut = loop {
        match excite.step(Duration::ZERO).unwrap() {
            Some(found) => break found,
            None => n_steps += 1,
        }
    };
    assert!(1 < n_steps && cut == whole, "{n_steps} steps");
    assert_eq!(whole.sampled.len(), whole.pairs[0].responses.len());
    assert!(whole.sampled.len() <= MOST_SAMPLES && 400 < whole.sampled.len());
}

#[test]
fn units_that_are_not_there_are_refused_by_name() {
    let data = || images(ImageShape::tabular(2), vec![1.0, 2.0]);
    let error = Excite::new(&Engine::cpu(), spec_of(vec![3], data(), 1)).err().unwrap().to_string();
    assert!(error.contains("units below 3, found 3"), "{error}");
    let spec = ExciteSpec { group: 1, ..spec_of(vec![0], data(), 1) };
    assert!(Excite::new(&Engine::cpu(), spec).is_err());
}

#[test]
fn values_that_are_not_finite_excite_nobody() {
    assert_eq!(strongest(&[1.0, f64::NAN, 3.0, 3.0], 3), [2, 3, 0]);
    let scores = standardised(&[1.0, f32::INFINITY, 3.0]).unwrap();
    assert!(scores[1].is_nan() && (scores[2] - 1.0).abs() < 1e-12);
    assert_eq!(standardised(&[f32::NAN; 2]), None);
    assert_eq!(standardised(&[2.0; 3]), None);
}
